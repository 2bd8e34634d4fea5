"""Occupancy: how much of the time each piece of spectrum is used, and which bands are free.

Frames and their bands come in; every ``interval`` a report goes out.  Frequency is divided into bins of
``bin_width`` whose edges are its whole multiples, so that frames of any centre fall into the same bins; time into
slots of ``interval`` that begin at whole multiples of it, counted in samples.  A window is a whole number of slots.
All sums are integers: the duty cycle of a bin is the number of samples during which any band touched it, divided by
the number of samples of inferred frames that covered it whole.  Where nothing was inferred, nothing is known.

A bin is *occupied* while its duty cycle exceeds ``max_duty``, and until ``hold`` after a band last touched it; other
bins that were sensed within ``validity`` are *free*.  A free band is a run of free bins without ``guard`` at either end,
at least ``min_width`` wide.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Sequence

import numpy as np

from .bands import Band
from .errors import BandError
from .geometry import Frame, RxTime
from .occupancyreport import FreeBand, OccupancyReport, OccupiedBand, Span

__all__ = ["Occupancy", "OccupancyRules"]

_LARGEST_WINDOW = 4096  # slots; each keeps the counts of the bins sensed in it
_LARGEST_GRID = 1 << 20  # bins between the lowest and the highest; 32 MiB of counts
_EDGE_TOLERANCE = 1e-6  # bins; an edge on a bin's edge stays there in spite of rounding


@dataclass(frozen=True, kw_only=True)
class OccupancyRules:
    """What is counted, and what counts as free.

    Parameters
    ----------
    window : float
        Time that duty cycles are taken over, s; rounded up to a whole number of intervals.
    interval : float
        Time from one report to the next, s.
    bin_width : float
        Hz.
    hold : float
        A bin stays occupied for this long after a band last touched it, s.
    max_duty : float
        A bin whose duty cycle exceeds this is not free, 0 to 1.
    min_width : float
        Narrower free bands are not listed, Hz.
    guard : float
        Distance that a free band keeps from whatever is not free, Hz.
    validity : float
        What is said of a bin holds for this long after it was sensed, s.
    """

    window: float = 10.0
    interval: float = 0.1
    bin_width: float = 100e3
    hold: float = 1.0
    max_duty: float = 0.05
    min_width: float = 1e6
    guard: float = 200e3
    validity: float = 0.5

    def __post_init__(self) -> None:
        for name in ("window", "interval", "bin_width", "hold", "max_duty", "min_width", "guard", "validity"):
            value, is_size = getattr(self, name), name in ("window", "interval", "bin_width")
            if not math.isfinite(value) or value < 0 or (is_size and value == 0):
                raise BandError(f"{name}={value!r} must be a number {'above' if is_size else 'of at least'} 0")
        if self.max_duty > 1:
            raise BandError(f"max_duty={self.max_duty!r} is a share of the time; expected 0 to 1")
        if self.window < self.interval or self.slots > _LARGEST_WINDOW:
            raise BandError(
                f"window={self.window:g} s must span 1 to {_LARGEST_WINDOW} intervals of {self.interval:g} s;"
                " change the window or the interval"
            )
        if self.validity < self.interval:
            raise BandError(
                f"validity={self.validity:g} s is shorter than interval={self.interval:g} s: nothing would be valid"
                " until the next report; raise it"
            )

    @property
    def slots(self) -> int:
        """Intervals in the window."""
        return math.ceil(self.window / self.interval - _EDGE_TOLERANCE)


@dataclass(eq=False)
class _Slot:
    """Counts of one interval, by range of bins: samples sensed, and samples occupied in each bin, int64 ``(bins,)``."""

    index: int
    sensed: dict[tuple[int, int], int] = field(default_factory=dict)
    occupied: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)


class _Grid:
    """Sums over the window and moments, int64, for the bins from ``first`` on; it grows as bins are sensed."""

    _NAMES = ("sensed", "occupied", "last_sensed", "last_seen")

    def __init__(self) -> None:
        self.first = 0
        self.sensed = self.occupied = self.last_sensed = self.last_seen = np.zeros(0, np.int64)

    def cover(self, start: int, stop: int) -> slice:
        """Place of the bins ``start`` to ``stop``."""
        size = self.sensed.size
        first, last = (min(start, self.first), max(stop, self.first + size)) if size else (start, stop)
        if last - first > _LARGEST_GRID:
            raise BandError(f"{last - first} bins are more than {_LARGEST_GRID}; choose a larger bin_width")
        if (first, last - first) != (self.first, size):
            before, after = (self.first - first, last - self.first - size) if size else (0, last - first)
            for name, empty in zip(self._NAMES, (0, 0, -1, -1)):
                setattr(self, name, np.pad(getattr(self, name), (before, after), constant_values=empty))
            self.first = first
        return slice(start - self.first, stop - self.first)


class Occupancy:
    """Counts over a sliding window; memory is bounded by the window and the bins, however long it runs.

    A change of the sample rate, or between RF and baseband, begins anew.

    Examples
    --------
    >>> occupancy = Occupancy(OccupancyRules(window=1.0, interval=0.5, hold=0.0, min_width=1e6, guard=0.0))
    >>> band = Band(label="LTE", class_id=1, confidence=1.0, freq_lower_edge=-2e6, freq_upper_edge=0.0,
    ...             freq_reference="baseband", sample_start=0, sample_count=500_000)
    >>> frame = Frame(index=0, sample_start=0, sample_count=5_000_000, valid_samples=5_000_000, samp_rate=10e6)
    >>> (report,) = occupancy.add(frame, [band])
    >>> report.occupied
    (OccupiedBand(freq_lower_edge=-2000000.0, freq_upper_edge=0.0, duty_cycle=0.1, valid_until=10000000),)
    >>> [(band.freq_lower_edge, band.freq_upper_edge) for band in report.free]
    [(-5000000.0, -2000000.0), (0.0, 5000000.0)]
    """

    def __init__(self, rules: OccupancyRules = OccupancyRules()) -> None:
        self.rules = rules
        self._frame: Frame | None = None  # the newest
        self._clear()

    def add(self, frame: Frame, bands: Sequence[Band], *, is_inferred: bool = True) -> list[OccupancyReport]:
        """Count a frame; the reports of the intervals that it ends, and one at its end if it is the last.

        A frame that was not inferred lets time pass and is not counted.  One that comes again, as the last, only ends
        the stream.

        Raises
        ------
        BandError
            If the frame begins before the end of the one before, or there are too many bins.
        """
        newest = self._frame
        if newest is not None and frame.last and frame.sample_start == newest.sample_start:
            return self.finish()
        if newest is not None and frame.sample_start < newest.watermark:
            raise BandError(f"a frame at sample {frame.sample_start} follows one up to {newest.watermark}; sort them")
        if newest is not None and _measure_of(newest) != _measure_of(frame):
            self._clear()
        self._interval = max(1, round(self.rules.interval * frame.samp_rate))
        reports = []
        if self._open is not None and frame.sample_start // self._interval > self._open:
            reports.append(self._close())  # before a gap, by the clock of the frame before it
        self._frame = frame
        cuts = range((frame.sample_start // self._interval + 1) * self._interval, frame.watermark, self._interval)
        for start, stop in zip([frame.sample_start, *cuts], [*cuts, frame.watermark]):
            self._open = start // self._interval
            if is_inferred:
                self._count(frame, bands, start, stop)
            if stop % self._interval == 0:
                reports.append(self._close())
        return reports + self.finish() if frame.last else reports

    def finish(self) -> list[OccupancyReport]:
        """The report of what came since the last one, if anything did: the stream ends."""
        if self._open is None:
            return []
        report = self._report(self._frame.watermark)
        self._open = None
        return [report]

    def _clear(self) -> None:
        self._grid = _Grid()
        self._slots: deque[_Slot] = deque()  # those of the window in which anything was sensed
        self._open: int | None = None  # index of the slot in progress, unless it has just ended
        self._interval = 1  # samples

    def _count(self, frame: Frame, bands: Sequence[Band], start: int, stop: int) -> None:
        """Count the samples ``start`` to ``stop`` of a frame, which lie in one slot."""
        low, high = ((frame.center_freq or 0.0) + side * frame.samp_rate / 2 for side in (-1, 1))
        key = _ceil(low / self.rules.bin_width), _floor(high / self.rules.bin_width)
        if key[1] <= key[0]:
            return
        occupied, seen = self._touch(bands, key, (start, stop))
        place = self._grid.cover(*key)
        if not self._slots or self._slots[-1].index != self._open:
            self._slots.append(_Slot(self._open))
        slot = self._slots[-1]
        slot.sensed[key] = slot.sensed.get(key, 0) + stop - start
        slot.occupied[key] = slot.occupied.get(key, 0) + occupied
        self._grid.sensed[place] += stop - start
        self._grid.occupied[place] += occupied
        self._grid.last_sensed[place] = stop
        self._grid.last_seen[place] = np.maximum(self._grid.last_seen[place], seen)

    def _touch(
        self, bands: Sequence[Band], bins: tuple[int, int], samples: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """For each bin the samples in which any band touches it, and the end of the last, -1 for none; int64."""
        occupied = np.zeros(bins[1] - bins[0], np.int64)
        seen = np.full(bins[1] - bins[0], -1, np.int64)
        for band in sorted(bands, key=lambda b: b.sample_start):
            first = max(_floor(band.freq_lower_edge / self.rules.bin_width), bins[0]) - bins[0]
            last = min(_ceil(band.freq_upper_edge / self.rules.bin_width), bins[1]) - bins[0]
            begin, end = max(band.sample_start, samples[0]), min(band.sample_start + band.sample_count, samples[1])
            if first < last and begin < end:
                place = slice(first, last)
                occupied[place] += np.maximum(end - np.maximum(begin, seen[place]), 0)  # what no band had before
                seen[place] = np.maximum(seen[place], end)
        return occupied, seen

    def _close(self) -> OccupancyReport:
        """The report at the end of the slot in progress."""
        report = self._report((self._open + 1) * self._interval)
        self._open = None
        return report

    def _report(self, stop: int) -> OccupancyReport:
        """State of the window that ends with the slot in progress, at the sample ``stop``."""
        oldest = max(0, self._open + 1 - self.rules.slots)
        while self._slots and self._slots[0].index < oldest:
            slot = self._slots.popleft()
            for key, count in slot.sensed.items():
                place = self._grid.cover(*key)
                self._grid.sensed[place] -= count
                self._grid.occupied[place] -= slot.occupied[key]
        frame = self._frame
        return OccupancyReport(
            sample_start=oldest * self._interval,
            sample_stop=stop,
            samp_rate=frame.samp_rate,
            rx_time=_time_at(frame, stop),
            freq_reference="baseband" if frame.center_freq is None else "rf",
            bin_width=self.rules.bin_width,
            **self._judge(stop),
        )

    def _judge(self, stop: int) -> dict[str, tuple]:
        """Spans, free and occupied bands at the sample ``stop``, as fields of a report."""
        rules, grid = self.rules, self._grid
        hold, validity = (round(seconds * self._frame.samp_rate) for seconds in (rules.hold, rules.validity))
        is_sensed = grid.sensed > 0
        duty_cycle = grid.occupied / np.maximum(grid.sensed, 1)
        is_held = (grid.last_seen >= 0) & (stop - grid.last_seen <= hold)
        is_occupied = is_sensed & (is_held | (duty_cycle > rules.max_duty))
        is_free = is_sensed & ~is_occupied & (stop - grid.last_sensed <= validity)
        spans = [
            Span(freq_lower_edge=self._freq(a), duty_cycle=tuple(duty_cycle[a:b].tolist())) for a, b in _runs(is_sensed)
        ]
        occupied = [
            OccupiedBand(
                freq_lower_edge=self._freq(a),
                freq_upper_edge=self._freq(b),
                duty_cycle=int(grid.occupied[a:b].sum()) / int(grid.sensed[a:b].sum()),
                valid_until=stop + validity,
            )
            for a, b in _runs(is_occupied)
        ]
        guard = _ceil(rules.guard / rules.bin_width)
        free = [
            FreeBand(
                freq_lower_edge=self._freq(a + guard),
                freq_upper_edge=self._freq(b - guard),
                valid_until=int(grid.last_sensed[a:b].min()) + validity,
            )
            for a, b in _runs(is_free)
            if b - a - 2 * guard >= max(1, _ceil(rules.min_width / rules.bin_width))
        ]
        return {"spans": tuple(spans), "free": tuple(free), "occupied": tuple(occupied)}

    def _freq(self, place: int) -> float:
        """Lower edge of the bin at a place of the grid, Hz."""
        return (self._grid.first + place) * self.rules.bin_width


def _measure_of(frame: Frame) -> tuple[float, bool]:
    """What must stay the same for counts to be added: the sample rate, and whether the centre is known."""
    return frame.samp_rate, frame.center_freq is None


def _time_at(frame: Frame, sample: int) -> RxTime | None:
    return None if frame.rx_time is None else frame.rx_time.after(sample - frame.sample_start, frame.samp_rate)


def _floor(place: float) -> int:
    return math.floor(place + _EDGE_TOLERANCE)


def _ceil(place: float) -> int:
    return math.ceil(place - _EDGE_TOLERANCE)


def _runs(is_in: np.ndarray) -> list[tuple[int, int]]:
    """Runs of true bins: first, and first after."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_in, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))
