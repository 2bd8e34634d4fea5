"""One track while it lives: what it remembers, in bounded memory."""

from __future__ import annotations

from collections import deque

from ..bands import Band
from ..geometry import ROWS, Frame, RxTime
from .events import Track
from .intervals import find_pattern
from .median import StreamingMedian, median_of
from .rules import MOST_FRAMES

__all__ = ["LiveTrack"]

_RECENT = 9  # bands whose median is where the track is now
_VOTE_KEPT = 0.9  # share of its votes that a label keeps from one band to the next
_CHALLENGE = 1.5  # another label wins with this many times the votes
_PULSES = 128  # pulses that are remembered for their interval
_RELATIVES = 16  # parents or children that are remembered
_EDGES = ("freq_lower_edge", "freq_upper_edge")
_LEVELS = ("power_dbfs", "power_dbm", "snr_db", "pulse_width")


class _Span:
    """A time that is counted in samples, over changes of the rate."""

    def __init__(self) -> None:
        self.samples = 0  # at the rate of now
        self._seconds = 0.0  # at rates before

    def change_rate(self, old: float) -> None:
        self._seconds += self.samples / old
        self.samples = 0

    def seconds(self, samp_rate: float) -> float:
        return self._seconds + self.samples / samp_rate


class LiveTrack:
    """State of a track; :class:`rfseg.tracking.tracker.BandTracker` decides over its life.

    Parameters
    ----------
    number : int
    band : Band
        Its first, not yet added.
    frame : Frame
        In which that band lies.
    is_pulsed : bool
    parents : tuple of int
        Tracks that it may be a part or a union of; the one with most in common first.
    """

    def __init__(
        self, number: int, band: Band, frame: Frame, *, is_pulsed: bool, parents: tuple[int, ...] = ()
    ) -> None:
        self.number, self.is_pulsed, self.parents = number, is_pulsed, parents
        self.freq_reference = band.freq_reference
        self.label, self.class_id, self.model = band.label, band.class_id, band.model
        self.is_confirmed = False
        self.has_news = False  # the label has changed
        self.children: deque[int] = deque(maxlen=_RELATIVES)
        self.hits: list[Band] = []  # its bands in the frame in work
        self.recent_hits: deque[bool] = deque(maxlen=MOST_FRAMES)  # of the latest frames that count
        self.silent = 0  # samples that count since its last band
        self.absent = 0  # samples since its place was in view
        self.since_event = 0  # samples since it was last spoken of
        self._start = self._stop = band.sample_start
        self._rx_time = _moment(frame, band.sample_start)
        self._newest = frame  # in which its last sample lies
        self._votes: dict[tuple[str, int], float] = {}
        self._medians = {name: StreamingMedian() for name in (*_EDGES, *_LEVELS)}
        self._lower: deque[float] = deque(maxlen=_RECENT)  # edges that were in view
        self._upper: deque[float] = deque(maxlen=_RECENT)
        self.edges = band.freq_lower_edge, band.freq_upper_edge
        self.band_count = self.pulse_count = 0
        self._confidence = 0.0  # sum over samples
        self._weight = 0
        self._occupied, self._observed = _Span(), _Span()
        self._observed.samples = frame.sample_start - band.sample_start  # the frame itself is added at its end
        self._pulses: deque[float] = deque(maxlen=_PULSES)  # s since the first sample
        self._row = 0.0  # s

    def add(self, band: Band, frame: Frame, *, sees: tuple[bool, bool]) -> None:
        """Count a band in; ``sees`` says which of its edges are its own."""
        self.hits.append(band)
        stop = band.sample_start + band.sample_count
        if not self.band_count or band.sample_start > self._stop:  # no splinter or rest of the pulse before
            self.pulse_count += 1
            middle = band.sample_start - self._start + band.sample_count / 2
            self._pulses.append(middle / frame.samp_rate)
            self._row = frame.sample_count / ROWS / frame.samp_rate
        self.band_count += 1
        self._occupied.samples += max(0, stop - max(band.sample_start, self._stop))
        if stop > self._stop:
            self._stop, self._newest = stop, frame
        self._confidence += band.confidence * band.sample_count
        self._weight += band.sample_count
        self._measure(band, sees)
        self._vote(band)
        self.model = band.model

    def _measure(self, band: Band, sees: tuple[bool, bool]) -> None:
        medians = self._medians
        for name in _LEVELS:
            value = getattr(band, name)
            if value is not None:
                medians[name].add(value)
        lower, upper = band.freq_lower_edge, band.freq_upper_edge
        for name, value, recent, is_seen in zip(_EDGES, (lower, upper), (self._lower, self._upper), sees):
            if is_seen:
                medians[name].add(value)
                recent.append(value)
        self.edges = (
            median_of(self._lower) if self._lower else min(self.edges[0], lower),
            median_of(self._upper) if self._upper else max(self.edges[1], upper),
        )

    def _vote(self, band: Band) -> None:
        votes, own = self._votes, (band.label, band.class_id)
        for name in votes:
            votes[name] *= _VOTE_KEPT
        votes[own] = votes.get(own, 0.0) + band.confidence
        current = self.label, self.class_id
        best = own if len(votes) == 1 else max(votes, key=votes.__getitem__)
        if best != current and votes[best] > _CHALLENGE * votes.get(current, 0.0):
            self.label, self.class_id = best
            self.has_news = self.is_confirmed

    def end_frame(self, frame: Frame, *, counts: bool, in_view: bool, is_sheltered: bool) -> None:
        """Count a frame, after its bands.

        Parameters
        ----------
        counts : bool
            Whether a model has judged it.
        in_view : bool
            Whether it shows the track's place.
        is_sheltered : bool
            Whether a part or a union of the track was seen in its place.
        """
        self.since_event += frame.valid_samples
        self.absent = 0 if in_view else self.absent + frame.valid_samples
        if not (counts and in_view) or (is_sheltered and not self.hits):
            return
        self._observed.samples += frame.valid_samples
        self.silent = frame.watermark - self._stop if self.hits else self.silent + frame.valid_samples
        self.recent_hits.append(bool(self.hits))

    def change_rate(self, old: float, new: float) -> None:
        """Keep all times while samples become shorter or longer, Hz."""
        self._observed.samples -= self.silent
        self._observed.change_rate(old)
        self._occupied.change_rate(old)
        for name in ("silent", "absent", "since_event"):
            setattr(self, name, round(getattr(self, name) * new / old))
        self._observed.samples += self.silent
        self._pulses.clear()

    @property
    def span(self) -> int:
        """Samples from its first to its last."""
        return self._stop - self._start

    def was_seen_over(self, other: LiveTrack) -> bool:
        """Whether a band of this frame lies where the other is, and reaches beyond the onset of that one."""
        return any(
            band.sample_start + band.sample_count > other._start
            and band.freq_lower_edge < other.edges[1]
            and band.freq_upper_edge > other.edges[0]
            for band in self.hits
        )

    def add_parent(self, number: int) -> None:
        """Note a track that has become a part of this one."""
        self.parents = (*self.parents, number)[-_RELATIVES:]

    def last_hits(self, frames: int) -> int:
        """In how many of the last so many frames that count it was seen."""
        return sum(list(self.recent_hits)[-frames:])

    def snapshot(self, samp_rate: float, *, with_pulses: bool = False) -> Track:
        """What is known now."""
        medians = {name: median.value for name, median in self._medians.items()}
        for name, value in zip(_EDGES, self.edges):  # of a track whose edges were never in view
            if medians[name] is None:
                medians[name] = value
        if 2 * self._medians["pulse_width"].count <= self.band_count:
            medians["pulse_width"] = None  # the few that have one say nothing of the others
        return Track(
            track=self.number,
            label=self.label,
            class_id=self.class_id,
            confidence=self._confidence / self._weight,
            freq_reference=self.freq_reference,
            sample_start=self._start,
            sample_count=self.span,
            samp_rate=samp_rate,
            rx_time=self._rx_time,
            end_time=_moment(self._newest, self._stop),
            band_count=self.band_count,
            occupied_time=self._occupied.seconds(samp_rate),
            observed_time=self._observed.seconds(samp_rate) - self.silent / samp_rate,
            pulse_interval=self._pulse_interval() if with_pulses else None,
            parents=tuple(sorted(self.parents)),
            children=tuple(self.children),
            model=self.model,
            **medians,
        )

    def _pulse_interval(self) -> float | None:
        if not self.is_pulsed:
            return None
        pattern = find_pattern(list(self._pulses), tolerance=self._row)
        return pattern.interval if pattern.is_regular else None


def _moment(frame: Frame, sample: int) -> RxTime | None:
    if frame.rx_time is None:
        return None
    return frame.rx_time.after(sample - frame.sample_start, frame.samp_rate)


