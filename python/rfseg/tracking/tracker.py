"""The tracker: frames of bands in, bands with the numbers of their tracks and events out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

from ..bands import FREQ_REFERENCES, Band
from ..contract import ClassKind, SignalClass
from ..errors import BandError
from ..geometry import Frame
from .association import PulsedPlaces, View, best_carrier, relatives
from .events import EndReason, EventKind, TrackEvent
from .livetrack import LiveTrack
from .rules import TrackRules

__all__ = ["BandTracker", "TrackedFrame"]

_TIME_TOLERANCE = 100e-6  # s; time that runs backwards by less is the clock's rounding


@dataclass(frozen=True, kw_only=True)
class TrackedFrame:
    """What a tracker makes of one frame.

    Parameters
    ----------
    bands : tuple of Band
        The frame's bands in their order, each with its track.
    events : tuple of TrackEvent
        Ends that a cut brought, then onsets, other ends and updates, each by the number of the track.
    """

    bands: tuple[Band, ...]
    events: tuple[TrackEvent, ...]


class BandTracker:
    """Follows bands from frame to frame.

    The same frames give the same tracks: the tracker knows no clock but sample offsets and ``rx_time``.
    Its memory does not grow with time; a track that has ended is told once and forgotten.

    Parameters
    ----------
    classes : sequence of SignalClass
        Of the model that the bands are from; tells carriers from pulsed signals.
    rules : TrackRules
        May be replaced between two frames.
    first_track : int
        Number of the first track.
    """

    def __init__(self, classes: Sequence[SignalClass], *, rules: TrackRules = TrackRules(), first_track: int = 1) -> None:
        self.rules = rules
        self._pulsed = {index for index, c in enumerate(classes) if c.kind is ClassKind.PULSED}
        self._next = first_track
        self._live: dict[int, LiveTrack] = {}  # by number, ascending
        self._frame: Frame | None = None  # the newest
        self._timed: Frame | None = None  # the newest with rx_time, if the rate is still its own

    @property
    def open_tracks(self) -> int:
        """Tracks that are confirmed and have not ended."""
        return sum(track.is_confirmed for track in self._live.values())

    @property
    def candidates(self) -> int:
        """Tracks that wait for confirmation."""
        return len(self._live) - self.open_tracks

    def step(self, frame: Frame, bands: Sequence[Band], *, is_judged: bool = True) -> TrackedFrame:
        """Take the next frame; after the one marked ``last`` no track is left.

        A frame that comes again, as the last, only ends the stream.

        Parameters
        ----------
        bands : sequence of Band
            Sorted by their first samples; none where no model has judged the frame.
        is_judged : bool
            Whether a model has seen the frame; one that was dropped neither confirms nor ends anything.

        Raises
        ------
        BandError
            If the frame begins before the end of the one before it.
        """
        newest = self._frame
        if newest is not None and frame.last and frame.sample_start == newest.sample_start:
            return TrackedFrame(bands=(), events=tuple(self.finish()))
        events = self._follow(frame)
        view = View(frame.center_freq, frame.samp_rate)
        owners = self._place(bands, frame, view)
        self._end_frame(frame, view, counts=is_judged)
        events += self._confirm(frame)
        shown = [self._shown(owner) for owner in owners]
        events += self._end_silent(frame)
        events += self._update(frame)
        if frame.last:
            events += self.finish()
        named = [
            band.on_track(track.number)
            for band, track in zip(bands, shown)
            if track.is_confirmed or not self.rules.drop_unconfirmed
        ]
        return TrackedFrame(bands=tuple(named), events=tuple(events))

    def finish(self) -> list[TrackEvent]:
        """End all tracks because the stream has ended."""
        return [] if self._frame is None else self._end_all(lambda t: True, EndReason.STREAM_END, self._frame)

    # -- from frame to frame

    def _follow(self, frame: Frame) -> list[TrackEvent]:
        """What a retune, another rate or missing time does to the tracks."""
        before = self._frame
        if before is not None and frame.sample_start < before.watermark:
            raise BandError(
                f"a frame at sample {frame.sample_start} follows one that reaches to {before.watermark};"
                " give the frames of one run in their order"
            )
        lost = _lost_time(self._timed, frame)
        self._frame = frame
        if frame.rx_time is not None:
            self._timed = frame
        elif before is not None and before.samp_rate != frame.samp_rate:
            self._timed = None
        if before is None:
            return []
        events = []
        if lost:
            events += self._end_all(lambda t: lost < 0 or lost > self._hold(t), EndReason.GAP, before)
        if (before.center_freq is None) != (frame.center_freq is None):
            events += self._end_all(lambda t: True, EndReason.RETUNE, before)
        if before.samp_rate != frame.samp_rate:
            events += self._end_all(lambda t: t.freq_reference == "baseband", EndReason.RATE_CHANGE, before)
            for track in self._live.values():
                track.change_rate(before.samp_rate, frame.samp_rate)
        return events

    def _place(self, bands: Sequence[Band], frame: Frame, view: View) -> list[LiveTrack]:
        """Add bands to their tracks, new ones if need be; each moves its track's edges before the next one is looked at."""
        pulsed: dict[str, list[LiveTrack]] = {reference: [] for reference in FREQ_REFERENCES}
        carriers: dict[str, list[LiveTrack]] = {reference: [] for reference in FREQ_REFERENCES}
        for track in self._live.values():
            (pulsed if track.is_pulsed else carriers)[track.freq_reference].append(track)
        places = {reference: PulsedPlaces(tracks) for reference, tracks in pulsed.items()}
        return [
            self._add_pulse(band, frame, view, places[band.freq_reference])
            if band.class_id in self._pulsed
            else self._add_carrier(band, frame, view, carriers[band.freq_reference])
            for band in bands
        ]

    def _add_pulse(self, band: Band, frame: Frame, view: View, places: PulsedPlaces) -> LiveTrack:
        place = places.nearest(band)
        track = self._begin(band, frame, is_pulsed=True) if place is None else places.tracks[place]
        track.add(band, frame, sees=view.sees_edges((band.freq_lower_edge, band.freq_upper_edge)))
        if place is None:
            places.add(track)
        else:
            places.follow(place)
        return track

    def _add_carrier(self, band: Band, frame: Frame, view: View, same: list[LiveTrack]) -> LiveTrack:
        edges = band.freq_lower_edge, band.freq_upper_edge
        track = best_carrier(band, same, view=view, min_overlap=self.rules.min_overlap)
        if track is None:
            parents = tuple(t.number for t in relatives(edges, same, view=view))
            track = self._begin(band, frame, is_pulsed=False, parents=parents)
            same.append(track)
        track.add(band, frame, sees=view.sees_edges(edges))
        return track

    def _begin(self, band: Band, frame: Frame, *, is_pulsed: bool, parents: tuple[int, ...] = ()) -> LiveTrack:
        track = self._live[self._next] = LiveTrack(self._next, band, frame, is_pulsed=is_pulsed, parents=parents)
        self._next += 1
        return track

    def _shown(self, track: LiveTrack) -> LiveTrack:
        """The track that a band names: until a change of shape is confirmed, the parent."""
        if not track.is_confirmed:
            for parent in track.parents:
                if parent in self._live:
                    return self._live[parent]
        return track

    def _end_frame(self, frame: Frame, view: View, *, counts: bool) -> None:
        sheltered = {p for t in self._live.values() if t.hits and not t.is_confirmed for p in t.parents}
        for track in list(self._live.values()):
            in_view = bool(track.hits) or view.shows(track.edges)
            track.end_frame(frame, counts=counts, in_view=in_view, is_sheltered=track.number in sheltered)
        for track in [t for t in self._live.values() if t.parents and not t.is_confirmed]:
            if any(self._live[p].was_seen_over(track) for p in track.parents if p in self._live):
                del self._live[track.number]  # the parent shows itself in its old shape

    # -- events

    def _confirm(self, frame: Frame) -> list[TrackEvent]:
        """Confirm the candidates that have been seen often enough; what they replace ends."""
        events: list[TrackEvent] = []
        replaced: dict[int, list[LiveTrack]] = {}  # parents that were not seen again, with what took their place
        for track in [t for t in self._live.values() if not t.is_confirmed and self._is_proven(t, frame)]:
            track.is_confirmed = True
            for parent in (self._live[p] for p in track.parents if p in self._live):
                parent.children.append(track.number)
                if not parent.hits:
                    replaced.setdefault(parent.number, []).append(track)
            events.append(self._event(EventKind.ONSET, track, frame))
        for number in sorted(replaced):
            events.append(self._end(self._live[number], _reason(replaced[number]), frame))
        return events

    def _is_proven(self, track: LiveTrack, frame: Frame) -> bool:
        rules = self.rules
        if track.is_pulsed and track.pulse_count >= rules.confirm_hits:
            return True
        if 2 * track.span < (rules.confirm_hits - 1) * frame.sample_count:
            return False  # a moment on both sides of the line between two frames
        if track.is_pulsed:
            return sum(track.recent_hits) >= rules.confirm_hits
        wanted = rules.confirm_window if track.parents else rules.confirm_hits
        return track.last_hits(rules.confirm_window) >= wanted

    def _end_silent(self, frame: Frame) -> list[TrackEvent]:
        """End what was silent or absent for too long; forget candidates that were not confirmed in time."""
        events = []
        for track in list(self._live.values()):
            if not track.is_confirmed:
                if self._is_refuted(track, frame):
                    del self._live[track.number]
            elif track.silent > self._hold(track) * frame.samp_rate:
                heir = self._heir(track)
                if heir is not None:
                    track.children.append(heir.number)
                    heir.add_parent(track.number)
                events.append(self._end(track, EndReason.SILENCE if heir is None else EndReason.MERGE, frame))
            elif track.absent > self.rules.max_absence * frame.samp_rate:
                events.append(self._end(track, EndReason.ABSENCE, frame))
        return events

    def _is_refuted(self, track: LiveTrack, frame: Frame) -> bool:
        if track.absent > self.rules.max_absence * frame.samp_rate:
            return True
        if track.is_pulsed:
            return track.silent > self.rules.hold * frame.samp_rate
        window = 1 if track.parents else self.rules.confirm_window
        return len(track.recent_hits) >= window and track.last_hits(window) == 0

    def _heir(self, track: LiveTrack) -> LiveTrack | None:
        """The carrier that has swallowed a silent one: it is there, and its edges enclose the other's."""
        for other in self._live.values():
            is_like = (other.is_pulsed, other.freq_reference) == (track.is_pulsed, track.freq_reference)
            if other is track or track.is_pulsed or not is_like or not other.is_confirmed or other.silent >= track.silent:
                continue
            middle = sum(track.edges) / 2
            if other.edges[0] < middle < other.edges[1] and other.edges[1] - other.edges[0] > track.edges[1] - track.edges[0]:
                return other
        return None

    def _update(self, frame: Frame) -> list[TrackEvent]:
        events = []
        for track in self._live.values():
            is_due = not track.absent and track.since_event >= self.rules.update_interval * frame.samp_rate
            if track.is_confirmed and (track.has_news or is_due):
                events.append(self._event(EventKind.UPDATE, track, frame))
            track.hits = []
        return events

    def _end_all(self, condition: Callable[[LiveTrack], bool], reason: EndReason, frame: Frame) -> list[TrackEvent]:
        """End the tracks that a condition holds for, with a frame."""
        events = []
        for track in [t for t in self._live.values() if condition(t)]:
            if track.is_confirmed:
                events.append(self._end(track, reason, frame))
            else:
                del self._live[track.number]
        return events

    def _end(self, track: LiveTrack, reason: EndReason, frame: Frame) -> TrackEvent:
        del self._live[track.number]
        return self._event(EventKind.END, track, frame, reason)

    def _event(self, kind: EventKind, track: LiveTrack, frame: Frame, reason: EndReason | None = None) -> TrackEvent:
        track.since_event, track.has_news = 0, False
        snapshot = track.snapshot(frame.samp_rate, with_pulses=kind is not EventKind.ONSET)
        return TrackEvent(kind=kind, track=snapshot, watermark=frame.watermark, reason=reason)

    def _hold(self, track: LiveTrack) -> float:
        return self.rules.pulse_hold if track.is_pulsed else self.rules.hold


def _reason(children: list[LiveTrack]) -> EndReason:
    """What a change of shape was, by what took the parent's place."""
    if len(children) > 1:
        return EndReason.SPLIT
    return EndReason.MERGE if len(children[0].parents) > 1 else EndReason.RESHAPE


def _lost_time(before: Frame | None, frame: Frame) -> float:
    """Time that is missing between two frames, s; below 0 where it ran backwards, 0 where nobody knows."""
    if before is None or frame.rx_time is None:
        return 0.0
    expected = before.rx_time.after(frame.sample_start - before.sample_start, before.samp_rate)
    lost = frame.rx_time.seconds - expected.seconds + (frame.rx_time.fraction - expected.fraction)
    return lost if abs(lost) > _TIME_TOLERANCE else 0.0
