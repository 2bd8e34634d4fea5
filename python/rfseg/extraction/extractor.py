"""Excerpts of bands: each chosen band, with its exact time, as an array of its own."""

from __future__ import annotations

import math
from functools import partial
from typing import Sequence

import numpy as np

from .excerpts import BandStart, Excerpt, StreamChange, summarise
from .front import Cut, Front, track_key
from .partbuffer import PartBuffer, Spare

__all__ = ["BandExtractor"]


class BandExtractor(Front):
    """Cuts the chosen bands out of a stream, several at a time where they overlap.

    An excerpt begins and ends on whole units of the change of the rate (:class:`rfseg.extraction.Grid`), so its first
    sample lies exactly on one of the input.  It is handed out once its last sample has come, or in parts.
    A band that leaves the pass-band of its excerpt begins a new one on its first sample; so does what comes after a
    retune, a change of the rate or a jump of the time.  The same input gives the same excerpts, however it is divided; only
    their order may differ where they overlap.

    Parameters
    ----------
    samp_rate, out_rate : float
        Of the input and of the excerpts, Hz.
    rules : ExtractionRules
    center_freq : float or None
        As :class:`Front`.

    Attributes
    ----------
    excerpts, too_short, too_many : int
        Excerpts handed out, bands shorter than ``min_duration``, and bands beyond ``max_bands``.
    unfit : dict
        Bands that could not be extracted: the reason, and how many.
    """

    excerpts = too_short = too_many = 0

    def __init__(self, samp_rate: float, out_rate: float, **options: object) -> None:
        super().__init__(samp_rate, out_rate, **options)
        self._cuts: dict[tuple[str, int], Cut] = {}  # that may go on, by track
        self._ending: list[tuple[Cut, int]] = []  # that only wait for their last samples, with their tails
        self._spare = Spare()

    def step(
        self, iq: np.ndarray, starts: Sequence[BandStart] = (), changes: Sequence[StreamChange] = ()
    ) -> list[Excerpt]:
        """Take the next samples.

        Parameters
        ----------
        iq : complex64 (n,)
        starts : sequence of BandStart
            Bands that begin in these samples.
        changes : sequence of StreamChange
            Changes in these samples.

        Returns
        -------
        list of Excerpt
            Those that are complete, and parts of long ones; by their first samples.
        """
        done: list[Excerpt] = []
        for samples, begun, change in self._segments(iq, starts, changes):
            self._history.append(samples)
            for start in sorted(begun, key=lambda s: (s.sample, -_power(s))):
                self._begin(start)
            self._advance(done)
            if change is not None:
                is_break = self._is_break(change)
                if is_break:
                    done += self._end_all()
                self._take_change(change)
                if is_break:
                    self._break()
        return sorted(done, key=lambda excerpt: excerpt.sample_start)

    def finish(self) -> list[Excerpt]:
        """End all excerpts because the stream has ended."""
        return sorted(self._end_all(), key=lambda excerpt: excerpt.sample_start)

    def reuse(self, excerpt: Excerpt) -> None:
        """The samples of an excerpt are not needed any more: their memory may serve the next, which saves much with long ones."""
        self._spare.keep(excerpt.iq)

    # -- bands

    def _begin(self, start: BandStart) -> None:
        key = track_key(start.band)
        for other in [key for key, cut in self._cuts.items() if start.sample > cut.end + self._pause]:
            self._ending.append((self._cuts.pop(other), self._tail))
        cut, lead = self._cuts.get(key), self._lead
        if cut is not None and self._fitting(start.band, cut.band_filter):
            cut.extend(start)
            return
        if cut is not None:
            cut.end = min(cut.end, start.sample)
            between = start.sample - cut.end
            lead = min(lead, between)
            self._ending.append((self._cuts.pop(key), min(self._tail, between)))
        elif not self.rules.takes(start.band):
            return
        if len(self._cuts) >= self.rules.max_bands:
            self.too_many += 1
            return
        band_filter = self._filter_for(start.band)
        if band_filter is not None:
            unit = self._grid.unit(max(start.sample - lead, self._begun))
            end = start.sample + start.band.sample_count
            self._cuts[key] = Cut(band_filter=band_filter, starts=[start], first_unit=unit, next_unit=unit, end=end, made=PartBuffer(self._spare))

    def _advance(self, done: list[Excerpt]) -> None:
        """Make what can be made; end what has ended."""
        for key in [key for key, cut in self._cuts.items() if self._has_passed(cut, cut.end + self._pause)]:
            self._ending.append((self._cuts.pop(key), self._tail))
        for cut, tail in [*self._ending, *((cut, self._tail) for cut in self._cuts.values())]:
            room = partial(cut.made.room, most=self._part_room(cut))
            if self._make_blocks(cut, self._grid.unit_after(cut.end + tail), room=room) is not None:
                done += self._full_parts(cut)
        for ending in [(cut, tail) for cut, tail in self._ending if self._has_passed(cut, cut.end + tail)]:
            self._ending.remove(ending)
            done += self._end(*ending)
        cuts = [*self._cuts.values(), *(cut for cut, _ in self._ending)]
        needed = [self._grid.sample(cut.next_unit) - cut.band_filter.reach for cut in cuts]
        self._history.forget(min([self._history.stop - self._lead - self._margin_samples, *needed]))

    def _full_parts(self, cut: Cut) -> list[Excerpt]:
        """Parts of full length; what is left is never empty."""
        units = self._part_units
        parts = []
        while cut.next_unit - cut.first_unit > units:
            parts.append(self._excerpt(cut, cut.made.take(units * self._grid.up), is_last=False))
        return parts

    def _end(self, cut: Cut, tail: int) -> list[Excerpt]:
        """The last part of a cut, and others if it is long; nothing if it is too short."""
        if cut.end - cut.starts[0].sample < self.rules.min_duration * self._clock.samp_rate:
            self.too_short += 1
            return []
        last = self._grid.unit_after(min(cut.end + tail, self._history.stop))
        rest = self._make_rest(cut, last)
        cut.made.room(rest.size, most=self._part_room(cut))[:] = rest
        parts = self._full_parts(cut)
        return [*parts, self._excerpt(cut, cut.made.take(cut.made.size), is_last=True)] if cut.made.size else parts

    def _end_all(self) -> list[Excerpt]:
        """End everything with the samples that are there."""
        ending = [*self._ending, *((cut, self._tail) for cut in self._cuts.values())]
        self._ending, self._cuts = [], {}
        done: list[Excerpt] = []
        for cut, tail in ending:
            cut.end = min(cut.end, self._history.stop)
            done += self._end(cut, tail)
        return done

    def _excerpt(self, cut: Cut, iq: np.ndarray, *, is_last: bool) -> Excerpt:
        units = iq.size // self._grid.up
        end = cut.end if is_last else self._grid.sample(cut.first_unit + units)
        excerpt = Excerpt(
            iq=iq,
            band=summarise([start for start in cut.starts if start.sample < end], end=end),
            samp_rate=self.out_rate,
            center_freq=self._center_of(cut),
            sample_start=self._grid.sample(cut.first_unit),
            sample_count=units * self._grid.down,
            rx_time=self._time(cut.first_unit),
            part=cut.parts,
            is_last=is_last,
        )
        cut.parts += 1
        cut.first_unit += units
        self.excerpts += 1
        return excerpt

    # -- lengths

    @property
    def _pause(self) -> int:
        pause = math.ceil(self.rules.max_pause * self._clock.samp_rate)
        return max(pause, self._lead + self._tail)

    def _part_room(self, cut: Cut) -> int:
        """Samples that are held of a long excerpt: a part, and what was made beyond it."""
        return (self._part_units + cut.band_filter.group_units) * self._grid.up

    @property
    def _part_units(self) -> int:
        return max(1, math.floor(self.rules.max_duration * self._clock.samp_rate / self._grid.down))


def _power(start: BandStart) -> float:
    """dBFS; the least where it is not known."""
    return -math.inf if start.band.power_dbfs is None else start.band.power_dbfs
