"""Which track a band belongs to: a rule on frequency intervals, in Hz."""

from __future__ import annotations

from typing import Iterable

from ..bands import Band
from .livetrack import LiveTrack

__all__ = ["Interval", "PulsedPlaces", "View", "best_carrier", "relatives"]

Interval = tuple[float, float]  # lower and upper edge, Hz

_SAME_LABEL = 0.1  # what the label is worth beside the overlap, between tracks that both fit
_CONFIRMED = 0.1  # and that a track is confirmed
_CONTAINED = 0.8  # a band and a carrier are related if they share this much of the narrower of them
_RIM = 1e-3  # share of the sample rate; an edge this near to the end of the spectrum is cut, not seen


class View:
    """The part of the spectrum that a frame shows.

    Parameters
    ----------
    center_freq : float or None
        Hz; None for baseband.
    samp_rate : float
        Hz.
    """

    def __init__(self, center_freq: float | None, samp_rate: float) -> None:
        center = center_freq or 0.0
        self._low, self._high = center - samp_rate / 2, center + samp_rate / 2
        self._rim = _RIM * samp_rate

    def clip(self, edges: Interval) -> Interval:
        """What is in view of an interval; the upper edge is below the lower one if nothing is."""
        return max(self._low, edges[0]), min(self._high, edges[1])

    def shows(self, edges: Interval) -> bool:
        """Whether at least half of an interval is in view."""
        low, high = self.clip(edges)
        return 2 * (high - low) >= edges[1] - edges[0]

    def sees_edges(self, edges: Interval) -> tuple[bool, bool]:
        """Whether the lower and the upper edge of a band are its own rather than the end of the view."""
        return edges[0] > self._low + self._rim, edges[1] < self._high - self._rim


def best_carrier(band: Band, tracks: Iterable[LiveTrack], *, view: View, min_overlap: float) -> LiveTrack | None:
    """The carrier that a band continues: of those that overlap by enough, the one that overlaps most.

    What overlaps counts by its width over the width that both cover; of a track, what is in view.  An equal label
    and confirmation are worth a tenth each.  Two bands of one moment never continue the same carrier, for
    more than half of it can belong to one of them only: the greedy choice is the best assignment.
    """
    best, best_score = None, 0.0
    for track in tracks:
        overlap = _overlap(view.clip(track.edges), view.clip(_edges(band)))
        if overlap <= min_overlap:
            continue
        score = overlap + _SAME_LABEL * (track.label == band.label) + _CONFIRMED * track.is_confirmed
        if score > best_score:
            best, best_score = track, score
    return best


class PulsedPlaces:
    """Where pulsed signals are: for each band of a frame is compared with all of them.

    Parameters
    ----------
    tracks : sequence of LiveTrack
    """

    def __init__(self, tracks: Iterable[LiveTrack]) -> None:
        self.tracks: list[LiveTrack] = []
        self._places: list[tuple[float, float, float]] = []  # sum of edges, width, what confirmation is worth
        for track in tracks:
            self.add(track)

    def add(self, track: LiveTrack) -> None:
        """One more track."""
        self.tracks.append(track)
        self._places.append(_place_of(track))

    def follow(self, place: int) -> None:
        """The edges of a track have moved."""
        self._places[place] = _place_of(self.tracks[place])

    def nearest(self, band: Band) -> int | None:
        """Place of the one whose centre is nearest to a band's, no further than the wider of their widths.

        The distance counts by that width; confirmation is worth a tenth of it.
        """
        own_sum, own_width = band.freq_lower_edge + band.freq_upper_edge, band.bandwidth
        best, best_score = None, -1.0
        for place, (edges, width, bonus) in enumerate(self._places):
            score = 1.0 - abs(edges - own_sum) / 2 / (width if width > own_width else own_width)
            if score >= 0.0 and score + bonus > best_score:
                best, best_score = place, score + bonus
        return best


def relatives(band_edges: Interval, tracks: Iterable[LiveTrack], *, view: View) -> list[LiveTrack]:
    """Confirmed carriers that a band is a part of or that are a part of it, the one with the most in common first."""
    found = []
    for track in tracks:
        own, other = view.clip(track.edges), view.clip(band_edges)
        width = min(own[1] - own[0], other[1] - other[0])
        if track.is_confirmed and width > 0 and _common(own, other) >= _CONTAINED * width:
            found.append(track)
    return sorted(found, key=lambda track: (-_common(view.clip(track.edges), band_edges), track.number))


def _edges(band: Band) -> Interval:
    return band.freq_lower_edge, band.freq_upper_edge


def _common(one: Interval, other: Interval) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def _overlap(one: Interval, other: Interval) -> float:
    common = _common(one, other)
    return common / (one[1] - one[0] + other[1] - other[0] - common) if common > 0 else 0.0


def _place_of(track: LiveTrack) -> tuple[float, float, float]:
    lower, upper = track.edges
    return lower + upper, upper - lower, _CONFIRMED * track.is_confirmed
