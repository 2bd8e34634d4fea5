"""What both ways of extraction share: the samples that may still be asked for, rates, time and the filters of tracks."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Iterable, Sequence

import numpy as np

from ..bands import Band
from ..errors import BandError, GeometryError
from ..geometry import RxTime
from .bandfilter import BandFilter, fit_pass_band
from .excerpts import BandStart, StreamChange
from .grid import Clock, Grid
from .history import SampleHistory
from .partbuffer import PartBuffer
from .rules import ExtractionRules

__all__ = ["Cut", "Front", "track_key"]

_JOINED = 2.0  # times its widest band, that places of a track may be wide together
_REASONS = 16  # that are kept; each names a frequency
_REMEMBERED = 64  # tracks whose filter is kept, so that a band that comes back has the centre that it had


def track_key(band: Band) -> tuple[str, int]:
    """What bands of one signal have in common; a band that nothing follows is on its own."""
    return ("id", band.id) if band.track is None else ("track", band.track)


@dataclass(frozen=True)
class _Place:
    """Where a track is: edges that its filter is for, and the width of its widest band, Hz from the input's centre."""

    band_filter: BandFilter
    low: float
    high: float
    widest: float


@dataclass
class Cut:
    """A band that is being extracted.

    Parameters
    ----------
    band_filter : BandFilter
    starts : list of BandStart
        Its bands so far.
    first_unit : int
        Where its samples begin.
    next_unit : int
        The first unit that is not made yet.
    end : int
        Absolute index of the sample after the last one of its newest band.
    parts : int
        Excerpts of it so far.
    made : PartBuffer or None
        Samples that were made and not handed out, of an excerpt.
    """

    band_filter: BandFilter
    starts: list[BandStart]
    first_unit: int
    next_unit: int
    end: int
    parts: int = 0
    made: PartBuffer | None = None

    def extend(self, start: BandStart) -> None:
        """Another band of the same track belongs to it."""
        self.starts.append(start)
        self.end = max(self.end, start.sample + start.band.sample_count)


class Front:
    """Base of the extractors.

    Parameters
    ----------
    samp_rate : float
        Of the input until a change says otherwise, Hz.
    out_rate : float
        Wanted, Hz.
    rules : ExtractionRules
        May be replaced between two calls of ``step``.
    center_freq : float or None
        RF centre of the input until a change says otherwise, Hz; None where it is not known.

    Raises
    ------
    GeometryError
        If a rate is none, or their ratio is no fraction of small numbers.
    """

    def __init__(
        self,
        samp_rate: float,
        out_rate: float,
        *,
        rules: ExtractionRules = ExtractionRules(),
        center_freq: float | None = None,
    ) -> None:
        self.rules = rules
        self.out_rate = out_rate
        self.unfit: dict[str, int] = {}  # why bands could not be extracted, and how many
        self._center_freq = center_freq
        self._clock = Clock(samp_rate)
        self._grid: Grid | None = Grid(origin=0, samp_rate=samp_rate, out_rate=out_rate)
        self._history = SampleHistory(0)
        self._begun = 0  # sample since which there was no break
        self._places: OrderedDict[tuple, _Place] = OrderedDict()

    # -- the stream

    def _segments(
        self, iq: np.ndarray, starts: Sequence[BandStart], changes: Iterable[StreamChange]
    ) -> Iterable[tuple[np.ndarray, list[BandStart], StreamChange | None]]:
        """Samples without a break between them, the bands that begin there, and the change that ends them."""
        begin, waiting = self._history.stop, sorted(starts, key=lambda s: s.sample)
        stop = begin + iq.size
        for change in sorted(changes, key=lambda c: c.sample):
            at = max(change.sample, self._history.stop)
            taken = [start for start in waiting if start.sample < at]
            waiting = waiting[len(taken) :]
            yield iq[self._history.stop - begin : at - begin], taken, change
        yield iq[self._history.stop - begin : stop - begin], waiting, None

    def _is_break(self, change: StreamChange) -> bool:
        """Whether what comes after a change does not continue what came before."""
        if change.rx_time is not None and self._clock.lateness(change.sample, change.rx_time):
            return True
        return change.samp_rate not in (None, self._clock.samp_rate) or change.center_freq not in (None, self._center_freq)

    def _take_change(self, change: StreamChange) -> None:
        if change.samp_rate is not None:
            self._clock.change_rate(change.sample, change.samp_rate)
        if change.rx_time is not None:
            self._clock.set(change.sample, change.rx_time)
        if change.center_freq is not None:
            self._center_freq = change.center_freq

    def _break(self) -> bool:
        """Forget all samples so far; whether the output's grid begins anew here, with another rate."""
        sample = self._begun = self._history.stop
        self._history = SampleHistory(sample)
        old = self._grid
        if old is not None and old.samp_rate == self._clock.samp_rate:
            return False
        self._places.clear()
        try:
            self._grid = Grid(origin=sample, samp_rate=self._clock.samp_rate, out_rate=self.out_rate)
        except GeometryError as error:
            self._grid = None
            self._count_unfit(str(error))
        return True

    @property
    def _margin_samples(self) -> int:
        """Samples on either side of one that no filter reads beyond, and two units."""
        rate = min(self._clock.samp_rate, self.out_rate)
        # The longest filter (Kaiser, 80 dB) is that of the narrowest margin, or of a band as wide as can be.
        narrowest = min(max(self.rules.margin, 1e3), 0.04 * rate)
        return math.ceil(2.6 * self._clock.samp_rate / narrowest) + 2 * (self._grid.down if self._grid else 1)

    @property
    def _lead(self) -> int:
        return math.ceil(self.rules.lead * self._clock.samp_rate)

    @property
    def _tail(self) -> int:
        return math.ceil(self.rules.tail * self._clock.samp_rate)

    def _time(self, unit: int) -> RxTime | None:
        return self._clock.time(self._grid.sample(unit))

    # -- a band

    def _fitting(self, band: Band, band_filter: BandFilter) -> bool:
        """Whether a band lies in the pass-band of a filter."""
        try:
            low, high = self._offsets(band)
        except BandError:
            return False
        reach = band_filter.band.pass_edge
        return band_filter.center - reach <= low and high <= band_filter.center + reach

    def _filter_for(self, band: Band) -> BandFilter | None:
        """A filter around a band; None, counted, if there can be none.

        Where the band lies in the filter that its track had before, that one.  Where it does not, one for both places, if
        they are together no more than twice as wide as the track's widest band; a radar is often seen in splinters.
        """
        try:
            low, high = self._offsets(band)
            key = (*track_key(band), band.freq_reference == "rf" and self._center_freq)
            known = self._places.pop(key, None)
            if known is None or not self._fitting(band, known.band_filter):
                known = self._joined(known, low, high) or self._place(low, high, high - low)
        except BandError as error:
            self._count_unfit(str(error))
            return None
        self._places[key] = known
        if len(self._places) > _REMEMBERED:
            self._places.popitem(last=False)
        return known.band_filter

    def _joined(self, known: _Place | None, low: float, high: float) -> _Place | None:
        """One place for a track's former one and a new one; None if they are too far apart or the rate is too low."""
        if known is None:
            return None
        widest = max(known.widest, high - low)
        low, high = min(low, known.low), max(high, known.high)
        try:
            return self._place(low, high, widest) if high - low <= _JOINED * widest else None
        except BandError:
            return None

    def _place(self, low: float, high: float, widest: float) -> _Place:
        rates = {"samp_rate": self._grid.samp_rate, "out_rate": self.out_rate}
        pass_band = fit_pass_band(high - low, margin=self.rules.margin, **rates)
        return _Place(BandFilter(self._grid, center=(low + high) / 2, band=pass_band), low, high, widest)

    def _offsets(self, band: Band) -> tuple[float, float]:
        """The band's edges from the centre of the input, Hz."""
        center = 0.0
        if band.freq_reference == "rf":
            if self._center_freq is None:
                raise BandError(
                    f"a band at {band.freq_lower_edge / 1e6:.3f} MHz (RF) cannot be found: the centre is not known;"
                    " give center_freq, or let the source write rx_freq tags"
                )
            center = self._center_freq
        low, high = band.freq_lower_edge - center, band.freq_upper_edge - center
        if self._grid is None or not abs(low + high) <= self._grid.samp_rate:
            raise BandError(
                f"a band at {band.freq_lower_edge / 1e6:.3f} to {band.freq_upper_edge / 1e6:.3f} MHz is not in the stream,"
                f" {self._clock.samp_rate / 1e6:.6g} MS/s around {center / 1e6:.6g} MHz"
            )
        return low, high

    def _center_of(self, cut: Cut) -> float:
        """What has become 0 Hz, in the reference of the cut's bands."""
        is_rf = cut.starts[0].band.freq_reference == "rf"
        return cut.band_filter.center + (self._center_freq if is_rf else 0.0)

    def _make_blocks(self, cut: Cut, limit: int, **room: Any) -> np.ndarray | None:
        """Whole groups of blocks of a cut that can be made by now, up to unit ``limit``; None if there is none.

        ``room`` as for :meth:`BandFilter.apply`.
        """
        band_filter = cut.band_filter
        there = self._grid.unit(self._history.stop - band_filter.reach)
        groups = (min(there, limit) - cut.next_unit) // band_filter.group_units
        if groups <= 0:
            return None
        blocks = groups * band_filter.group_units // band_filter.block_units
        made = band_filter.apply(self._history, self._grid, cut.next_unit, blocks, **room)
        cut.next_unit += groups * band_filter.group_units
        return made

    def _make_rest(self, cut: Cut, limit: int) -> np.ndarray:
        """The units of a cut up to ``limit``, with zeros for samples that are not there."""
        units = limit - cut.next_unit
        if units <= 0:
            return np.empty(0, np.complex64)
        count = -(-units // cut.band_filter.block_units)
        made = cut.band_filter.apply(self._history, self._grid, cut.next_unit, count)
        cut.next_unit = limit
        return made[: units * self._grid.up]

    def _has_passed(self, cut: Cut, sample: int) -> bool:
        """Whether what the filter reads beyond a sample has come."""
        return self._history.stop >= sample + self._grid.down + cut.band_filter.reach

    def _count_unfit(self, reason: str) -> None:
        if reason not in self.unfit and len(self.unfit) >= _REASONS:
            reason = "other reasons"
        self.unfit[reason] = self.unfit.get(reason, 0) + 1
