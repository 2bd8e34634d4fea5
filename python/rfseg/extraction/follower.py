"""One band as a stream: continuous, for a demodulator."""

from __future__ import annotations

import math
from typing import Sequence

import numpy as np

from .excerpts import BandStart, Piece, StreamChange
from .front import Cut, Front, track_key
from .rules import Absence

__all__ = ["BandFollower"]


class BandFollower(Front):
    """Follows one of the chosen bands at a time, the strongest where there are several.

    It stays with a track until that has been away for longer than ``max_pause`` and ``tail``, or until another one is
    stronger by more than ``switch_margin``.  While the band lies in the pass-band the centre stays where it is; when it
    leaves that, a new stretch begins on the first sample of the new shape.  New rules hold at once.  What is given out lags
    by ``lead``, the reach of the filter and a group of its blocks.

    Parameters
    ----------
    samp_rate, out_rate : float
        Of the input and of the stream, Hz.
    absence : Absence
        What is given out while there is no band.
    rules : ExtractionRules
    center_freq : float or None
        As :class:`Front`.

    Attributes
    ----------
    stretches : int
        Times that a band was taken up.
    unfit : dict
        Bands that could not be extracted: the reason, and how many.
    """

    stretches = 0

    def __init__(self, samp_rate: float, out_rate: float, *, absence: Absence = Absence.ZEROS, **options: object) -> None:
        super().__init__(samp_rate, out_rate, **options)
        self._absence = absence
        self._cut: Cut | None = None
        self._is_told = True  # whether the stretch of the cut has been announced
        self._waiting: list[BandStart] = []  # bands whose surroundings have not come yet
        self._open: dict[tuple[str, int], BandStart] = {}  # newest band of each chosen track
        self._made = 0  # the unit that is given out next
        self._is_new = True  # whether the time has to be told on the next sample
        self._obeyed = self.rules

    def step(
        self, iq: np.ndarray, starts: Sequence[BandStart] = (), changes: Sequence[StreamChange] = ()
    ) -> list[Piece]:
        """Take the next samples; parameters as for :meth:`BandExtractor.step`.

        Returns
        -------
        list of Piece
            What can be given out by now, in its order.
        """
        pieces: list[Piece] = []
        if self.rules is not self._obeyed:
            self._obey(pieces)
        for samples, begun, change in self._segments(iq, starts, changes):
            self._history.append(samples)
            self._waiting += begun
            settled = self._history.stop - self._margin_samples
            self._decide(settled, pieces)
            self._advance(settled, pieces)
            if change is not None:
                is_break = self._is_break(change)
                if is_break:
                    self._end_all(pieces)
                self._take_change(change)
                if is_break:
                    self._made = 0 if self._break() else self._made
                    self._is_new = True
        return [piece for piece in pieces if piece.iq.size]

    def finish(self) -> list[Piece]:
        """What is left at the end of the stream."""
        pieces: list[Piece] = []
        self._end_all(pieces)
        return [piece for piece in pieces if piece.iq.size]

    # -- which band

    def _obey(self, pieces: list[Piece]) -> None:
        """Leave at once what new rules do not take."""
        self._obeyed = self.rules
        self._open = {key: start for key, start in self._open.items() if self.rules.takes(start.band)}
        if self._cut is not None and not self.rules.takes(self._cut.starts[-1].band):
            sample = self._history.stop - self._margin_samples
            self._leave(sample, pieces)
            self._take_up_strongest(sample)

    def _decide(self, until: int, pieces: list[Piece]) -> None:
        """Follow what begins and ends before a sample."""
        due = [start for start in self._waiting if start.sample < until]
        self._waiting = [start for start in self._waiting if start.sample >= until]
        for sample in sorted({start.sample for start in due}):
            self._expire(sample, pieces)
            self._choose(sample, [start for start in due if start.sample == sample], pieces)
        self._expire(until, pieces)

    def _choose(self, sample: int, begun: list[BandStart], pieces: list[Piece]) -> None:
        """Continue, change or take up a band where bands begin."""
        own = None if self._cut is None else track_key(self._cut.starts[0].band)
        for start in begun:
            if self.rules.takes(start.band) or track_key(start.band) == own:
                self._open[track_key(start.band)] = start
        if own in self._open and self._open[own].sample == sample:
            start = self._open[own]
            if self._fitting(start.band, self._cut.band_filter):
                self._cut.starts = [start]  # what came before has been given out
                self._cut.extend(start)
            else:
                self._leave(sample, pieces)
                self._take_up(start, sample)
        if self._cut is None:
            self._take_up_strongest(sample)
            return
        best = self._strongest(sample)
        if best is not None and _power(best) > _power(self._cut.starts[-1]) + self.rules.switch_margin:
            self._leave(sample, pieces)
            self._take_up_strongest(sample)

    def _expire(self, sample: int, pieces: list[Piece]) -> None:
        """Leave a band that was away for too long before a sample, and take up another that is there."""
        while self._cut is not None and self._release(self._cut) < sample:
            at = self._release(self._cut)
            self._leave(at, pieces)
            self._take_up_strongest(at)

    def _strongest(self, sample: int) -> BandStart | None:
        """The strongest chosen band that is there at a sample."""
        self._open = {
            key: start for key, start in self._open.items() if start.sample + start.band.sample_count > sample
        }
        return max(self._open.values(), key=lambda s: (_power(s), -s.band.freq_lower_edge), default=None)

    def _take_up_strongest(self, sample: int) -> None:
        """Follow the strongest band that can be extracted; with its lead if it begins here."""
        while self._cut is None and (best := self._strongest(sample)) is not None:
            self._take_up(best, sample - self._lead if best.sample == sample else sample)

    def _take_up(self, start: BandStart, sample: int) -> None:
        band_filter = self._filter_for(start.band)
        if band_filter is None:
            self._open.pop(track_key(start.band))
            return
        unit = max(self._grid.unit(max(sample, self._begun)), self._made)
        end = start.sample + start.band.sample_count
        self._cut = Cut(band_filter=band_filter, starts=[start], first_unit=unit, next_unit=unit, end=end)
        self._is_told = False
        self.stretches += 1

    def _leave(self, sample: int, pieces: list[Piece]) -> None:
        """Give out the band up to a sample."""
        cut, self._cut = self._cut, None
        limit = max(self._grid.unit(sample), cut.next_unit)
        self._skip_to(min(cut.first_unit, limit), pieces)
        if limit > self._made:
            self._give(cut, self._make_rest(cut, limit), pieces, ends=cut.starts[-1].band.id)

    # -- samples

    def _advance(self, settled: int, pieces: list[Piece]) -> None:
        """Give out what can be made by now, if nothing is to change before sample ``settled``."""
        cut, grid = self._cut, self._grid
        if grid is None:
            return
        oldest = settled - self._lead - self._margin_samples
        if cut is None:
            self._skip_to(grid.unit(settled - self._lead), pieces)
        else:
            self._skip_to(cut.first_unit, pieces)
            # A unit is kept back, so that the end of the band can be told on it.
            made = self._make_blocks(cut, min(grid.unit(self._release(cut)), grid.unit(settled)) - 1)
            if made is not None:
                self._give(cut, made, pieces)
            oldest = min(oldest, grid.sample(cut.next_unit) - cut.band_filter.reach)
        self._history.forget(oldest)

    def _give(self, cut: Cut, iq: np.ndarray, pieces: list[Piece], *, ends: int | None = None) -> None:
        begin = self._made
        self._made += iq.size // self._grid.up
        head = {}
        if not self._is_told:
            head = {"samp_rate": self.out_rate, "center_freq": self._center_of(cut), "begins": cut.starts[0].band}
            head["rx_time"] = self._time(begin)
            self._is_told, self._is_new = True, False
        pieces.append(Piece(iq=iq, ends=ends, **head))

    def _skip_to(self, unit: int, pieces: list[Piece]) -> None:
        """Pass over the units before one, in which no band is followed."""
        if unit <= self._made:
            return
        if self._absence is Absence.ZEROS:
            head = {"samp_rate": self.out_rate, "rx_time": self._time(self._made)} if self._is_new else {}
            self._is_new = False
            pieces.append(Piece(iq=np.zeros((unit - self._made) * self._grid.up, np.complex64), **head))
        self._made = unit

    def _end_all(self, pieces: list[Piece]) -> None:
        """Give out what is there, as far as whole units go."""
        if self._grid is None:
            self._waiting.clear()
            return
        self._decide(self._history.stop, pieces)
        if self._cut is not None:
            self._leave(min(self._history.stop, self._release(self._cut)), pieces)
        self._skip_to(self._grid.unit(self._history.stop), pieces)
        self._open.clear()

    def _release(self, cut: Cut) -> int:
        """Sample after the last one that is given out of a cut unless its track comes again."""
        return cut.end + math.ceil(max(self.rules.max_pause, self.rules.tail) * self._clock.samp_rate)


def _power(start: BandStart) -> float:
    """dBFS; the least where it is not known."""
    return -math.inf if start.band.power_dbfs is None else start.band.power_dbfs
