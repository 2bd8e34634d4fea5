"""The tracker's quick forms against their plain ones."""

from __future__ import annotations

import bisect
import statistics

import numpy as np
import pytest

from rfseg.bands import Band
from rfseg.geometry import Frame
from rfseg.tracking.association import PulsedPlaces
from rfseg.tracking.intervals import _candidates, _shares
from rfseg.tracking.livetrack import LiveTrack
from rfseg.tracking.median import StreamingMedian, median_of

FRAME = Frame(index=0, sample_start=0, sample_count=1000, valid_samples=1000, samp_rate=20e6)


def band_at(lower: float, upper: float) -> Band:
    """A pulse between two edges, Hz."""
    return Band(
        label="Radar", class_id=3, confidence=0.9, freq_lower_edge=lower, freq_upper_edge=upper, freq_reference="baseband",
        sample_start=0, sample_count=10,
    )  # fmt: skip


def slow_nearest(band: Band, tracks: list[LiveTrack]) -> int | None:
    """The specification of the choice."""
    scores = []
    for place, track in enumerate(tracks):
        low, high = track.edges
        distance = abs(low + high - band.freq_lower_edge - band.freq_upper_edge) / 2
        nearness = 1 - distance / max(high - low, band.bandwidth)
        if nearness >= 0:
            scores.append((nearness + 0.1 * track.is_confirmed, -place))
    return -max(scores)[1] if scores else None


def test_the_nearest_pulsed_signal_is_chosen_as_its_edges_move():
    rng = np.random.default_rng(1)
    places = PulsedPlaces([])
    chosen = []
    for _ in range(300):
        lower = float(rng.uniform(-9e6, 9e6))
        band = band_at(lower, lower + float(rng.uniform(0.1e6, 1e6)))
        place = places.nearest(band)
        assert place == slow_nearest(band, places.tracks)
        if place is None:
            track = LiveTrack(len(places.tracks), band, FRAME, is_pulsed=True)
            track.is_confirmed = bool(rng.random() < 0.5)
            places.add(track)
        else:
            track = places.tracks[place]
        track.add(band, FRAME, sees=(True, True))
        if place is not None:
            places.follow(place)
        chosen.append(place)
    assert 10 < len(places.tracks) < 40 and len(set(chosen)) > 10


class SlowMedian:
    """P2 as its paper has it, from the first 63 values on."""

    def __init__(self, values: list[float]) -> None:
        first = sorted(values)
        self.count, self.n = 63, [0, 16, 31, 46, 62]
        self.q = [first[place] for place in self.n]

    def add(self, x: float) -> None:
        q, n = self.q, self.n
        self.count += 1
        q[0], q[4] = min(q[0], x), max(q[4], x)
        cell = min(max(bisect.bisect_right(q, x) - 1, 0), 3)
        n[cell + 1 :] = [place + 1 for place in n[cell + 1 :]]
        for i, share in ((1, 0.25), (2, 0.5), (3, 0.75)):
            d = share * (self.count - 1) - n[i]
            if (d >= 1 and n[i + 1] - n[i] > 1) or (d <= -1 and n[i - 1] - n[i] < -1):
                d = 1 if d > 0 else -1
                above = (n[i] - n[i - 1] + d) * (q[i + 1] - q[i]) / (n[i + 1] - n[i])
                below = (n[i + 1] - n[i] - d) * (q[i] - q[i - 1]) / (n[i] - n[i - 1])
                height = q[i] + d * (above + below) / (n[i + 1] - n[i - 1])
                if not q[i - 1] < height < q[i + 1]:
                    height = q[i] + d * (q[i + d] - q[i]) / (n[i + d] - n[i])
                q[i], n[i] = height, n[i] + d


@pytest.mark.parametrize("levels", [3, 50, 10**9])  # many values alike, or none
def test_a_streamed_median_is_that_of_the_paper(levels):
    values = np.round(np.random.default_rng(levels).normal(size=1500) * levels).tolist()
    median, slow = StreamingMedian(), SlowMedian(values[:63])
    for value in values[:63]:
        median.add(value)
    for value in values[63:]:
        median.add(value)
        slow.add(value)
        assert median.value == slow.q[2]


@pytest.mark.parametrize("count", range(1, 10))
def test_the_median_of_a_few_values(count):
    values = np.random.default_rng(count).normal(size=count).tolist()
    assert median_of(values) == statistics.median(values)


def slow_candidates(t: np.ndarray, tolerance: float) -> list[float]:
    """Differences that come often, with all differences looked at for each."""
    differences = np.sort([b - a for i, a in enumerate(t) for b in t[i + 1 : i + 25]])
    differences = differences[differences > 2 * tolerance]
    counts = np.array([np.sum((differences >= d - tolerance) & (differences <= d + tolerance)) for d in differences])
    chosen = []
    while len(chosen) < 48 and counts.size and counts.max() > 0:
        peak = differences[int(counts.argmax())]
        near = differences[(differences >= peak - tolerance) & (differences < peak + tolerance)]
        chosen.append(near.mean() if near.size else peak)
        counts[np.abs(differences - peak) <= 2 * tolerance] = 0
    return sorted(chosen)


def slow_share(t: np.ndarray, period: float, tolerance: float) -> float:
    """Of the pulses that could come again after a period, those that do."""
    wanted = [x + period for x in t if x + period <= t[-1] + tolerance]
    hits = sum(np.min(np.abs(t - x)) <= 2 * tolerance for x in wanted)
    return hits / len(wanted) if hits >= 3 and len(wanted) >= 0.3 * t.size else 0.0


@pytest.mark.parametrize("tolerance", [0.0, 1e-6, 78.125e-6])
def test_periods_and_their_shares_are_those_of_the_plain_forms(tolerance):
    rng = np.random.default_rng(3)
    rows = np.sort(rng.choice(2000, 60, replace=False)) * 78.125e-6  # on a grid: distances that just fit, and just do not
    regular = np.arange(40) * 1e-3 + rng.uniform(0, 1e-7, 40)
    for t in (rows, regular, regular[rng.random(40) < 0.7]):
        periods = _candidates(t, tolerance)
        assert periods.tolist() == pytest.approx(slow_candidates(t, tolerance), rel=1e-12)
        np.testing.assert_array_equal(_shares(t, periods, tolerance), [slow_share(t, p, tolerance) for p in periods])
