"""All pulses at once against one after the other, and the shortcuts of regions and floors against their plain forms."""

from __future__ import annotations

import numpy as np
import pytest

from rfseg.bands.guards import _side as side
from rfseg.bands.guards import find_guards
from rfseg.bands.pulses import PulseMeter
from rfseg.bands.regions import RegionRules, carrier_regions, pulse_boxes
from rfseg.bands.regions import _filled as filled
from rfseg.contract import ClassKind, SignalClass
from rfseg.geometry import Geometry, make_geometry
from rfseg.bands.noisefloor import _widened as widened
from rfseg.bands.pulsewidth import can_tell_widths

KINDS = ClassKind.BACKGROUND, ClassKind.CARRIER, ClassKind.CARRIER, ClassKind.PULSED, ClassKind.PULSED
CLASSES = tuple(SignalClass(label=f"class {n}", kind=kind) for n, kind in enumerate(KINDS))
GEOMETRY = make_geometry(30.72e6, frame_duration=10e-3)
SHAPE = GEOMETRY.rows, GEOMETRY.bins
FLOAT32 = 2e-6  # relative; sums of float32 in another order


def random_mask(rng: np.random.Generator, pulses: int) -> np.ndarray:
    """Carriers with pauses, and pulses of all shapes, also at the ends of rows and bins."""
    mask = np.zeros(SHAPE, np.uint8)
    for class_id, left in ((1, 10), (2, 70)):
        mask[:, left : left + 40] = class_id * (rng.random((SHAPE[0], 1)) < 0.8)
    for _ in range(pulses):
        row, left = rng.integers(SHAPE[0]), rng.integers(SHAPE[1])
        mask[row : row + rng.integers(1, 4), left : left + rng.integers(1, 25)] = rng.integers(3, 5)
    return mask


def random_power(rng: np.random.Generator, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and maximum of rows; a good part of the pulses are tones, as long as a few segments."""
    mean = rng.gamma(20, 1e-8 / 20, SHAPE)
    peak = 3 * mean
    for row, bin_ in np.argwhere(mask >= 3)[::7]:
        strength = 10 ** rng.uniform(-8, -3)
        for offset, share in ((-1, 0.25), (0, 1.0), (1, 0.25)):
            if 0 <= bin_ + offset < SHAPE[1]:
                peak[row, bin_ + offset] += share * strength
                mean[row, bin_ + offset] += share * strength * rng.uniform(0.1, 0.9)
    return mean.astype(np.float32), peak.astype(np.float32)


class SlowMeter:
    """The specification: one pulse after the other."""

    def __init__(self, mean, peak, pulsed, valid, noise, geometry: Geometry) -> None:
        self.mean, self.peak, self.pulsed, self.noise, self.geometry = mean, peak, pulsed, noise, geometry
        self.valid = np.count_nonzero(valid)
        self.free = np.flatnonzero(~pulsed.any(axis=1) & valid)

    def measure(self, rows: tuple[int, int], bins: tuple[int, int]) -> tuple[float, ...]:
        """Edges, power, SNR and width."""
        left, right = max(0, bins[0] - 3), min(self.mean.shape[1], bins[1] + 3)
        at = int(np.searchsorted(self.free, rows[0]))
        near = self.free[max(0, at - 8) : at + 8]
        beneath = np.median(self.peak[near, left:right], axis=0) if near.size else np.zeros(right - left)
        excess = self.peak[slice(*rows), left:right].max(axis=0) - beneath
        on = np.flatnonzero((excess >= 0.01 * excess.max()) & (excess >= beneath))
        lower, upper = (left + on[0], left + on[-1] + 1) if excess.max() > 0 and on.size else bins
        power = float(self.mean[slice(*rows)].mean(axis=0)[lower:upper].sum())
        noise = np.inf if self.noise is None else float(self.noise[lower:upper].sum())
        snr_db = 10 * np.log10(power / noise - 1) if power > noise else np.nan
        width = self._width(rows, slice(left, right), beneath, near)
        return lower, upper, 10 * np.log10(power / 1.5), snr_db, width

    def _width(self, rows: tuple[int, int], seen: slice, beneath: np.ndarray, near: np.ndarray) -> float:
        if not can_tell_widths(self.geometry) or rows[0] == 0 or rows[1] >= self.valid or not near.size:
            return np.nan
        first = rows[0] - (not self.pulsed[rows[0] - 1, seen].any())
        stop = rows[1] + (not self.pulsed[rows[1], seen].any())
        excess = self.peak[first:stop, seen].max(axis=0) - beneath
        top = int(excess.argmax())
        if not 2 <= top < excess.size - 2 or excess[top] <= 50 * beneath[top]:
            return np.nan
        ratio = np.sqrt(max(excess[top - 1], excess[top + 1], 0.25 * excess[top]) / excess[top])
        offset = (2 * ratio - 1) / (1 + ratio)
        level = 1.5 * float(excess[top]) * ((1 - offset**2) / np.sinc(offset)) ** 2
        if np.maximum(excess, 0).sum() > 1.3 * level:
            return np.nan
        own = slice(seen.start + top - 2, seen.start + top + 3)
        under = np.median(self.mean[near, own], axis=0)
        g = self.geometry
        segment, row = g.fft_size / g.samp_rate, g.row_duration
        width = float((self.mean[first:stop, own] - under).sum()) / level * row
        count = max(1.0, (width - segment) * g.samp_rate / g.hop)
        most = max(0.0, np.sqrt(2 * np.log(count)) - 0.55)
        width *= (1 + most * np.sqrt(float(under.mean()) * 1.5 / level / 2)) ** 2
        return width if width >= max(0.85 * (rows[1] - rows[0] - 2) * row, 1.2 * segment) else np.nan


@pytest.mark.parametrize("pulses, valid_rows, has_noise", [(1, 256, True), (20, 256, True), (60, 100, True), (400, 256, False)])
def test_all_pulses_at_once_are_measured_as_one_after_the_other(pulses, valid_rows, has_noise):
    told = 0
    for seed in range(6):
        rng = np.random.default_rng([seed, pulses])
        mask = random_mask(rng, pulses)
        mask[valid_rows:] = 255
        mean, peak = random_power(rng, mask)
        noise = rng.uniform(0.5e-8, 2e-8, SHAPE[1]) if has_noise else None
        pulsed, valid = (mask == 3) | (mask == 4), mask[:, 0] != 255
        boxes = pulse_boxes(mask, np.full(SHAPE, 255, np.uint8), CLASSES)
        found = PulseMeter(mean, peak, pulsed, valid, noise=noise, geometry=GEOMETRY).measure(boxes)
        slow = SlowMeter(mean, peak, pulsed, valid, noise, GEOMETRY)
        places = zip(boxes.row_starts, boxes.row_stops, boxes.bin_starts, boxes.bin_stops)
        wanted = np.array([slow.measure((a, b), (c, d)) for a, b, c, d in places]).reshape(-1, 5).T
        np.testing.assert_array_equal([found.lower, found.upper], wanted[:2])
        np.testing.assert_allclose(found.power_dbfs, wanted[2], rtol=FLOAT32)
        np.testing.assert_allclose(10 ** (found.snr_db / 10), 10 ** (wanted[3] / 10), rtol=1e-4)  # noise is taken off
        np.testing.assert_allclose(found.width, wanted[4], rtol=1e-4)
        told += np.count_nonzero(np.isfinite(found.width))
    assert told > 20 or pulses in (1, 400)  # most of these have a width, most of so few or so many none


def test_a_frame_without_a_free_row_has_edges_and_no_widths():
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, 40:50] = 3
    mean = np.full(SHAPE, 1e-8, np.float32)
    boxes = pulse_boxes(mask, mask, CLASSES)
    measured = PulseMeter(mean, 2 * mean, mask == 3, np.ones(SHAPE[0], bool), noise=None, geometry=GEOMETRY).measure(boxes)
    assert (measured.lower, measured.upper) == ([37], [53])  # all that is looked at is as strong
    assert np.isnan(measured.width).all() and np.isnan(measured.snr_db).all()


# -- regions


def slow_boxes(mask: np.ndarray, confidence: np.ndarray) -> list[tuple[float, ...]]:
    """Pulses, found pixel by pixel."""
    boxes = []
    for class_id in (3, 4):
        left = {tuple(place) for place in np.argwhere(mask == class_id).tolist()}
        while left:
            region, edge = set(), [min(left)]
            while edge:
                row, bin_ = place = edge.pop()
                if place in left:
                    left.remove(place)
                    region.add(place)
                    edge += [(row + i, bin_ + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            rows, bins = zip(*region)
            sure = sum(int(confidence[place]) for place in region) / (255 * len(region))
            boxes.append((class_id, min(rows), max(rows) + 1, min(bins), max(bins) + 1, sure))
    return boxes


@pytest.mark.parametrize("pulses", [0, 1, 30, 200])
def test_boxes_of_pulses_hold_their_connected_pixels(pulses):
    rng = np.random.default_rng(pulses)
    mask, confidence = random_mask(rng, pulses), rng.integers(0, 256, SHAPE, np.uint8)
    boxes = pulse_boxes(mask, confidence, CLASSES)
    columns = boxes.class_ids, boxes.row_starts, boxes.row_stops, boxes.bin_starts, boxes.bin_stops, boxes.confidences
    assert list(zip(*(column.tolist() for column in columns))) == slow_boxes(mask, confidence)
    sure = boxes.chosen(boxes.confidences > 0.5)
    assert sure.count == np.count_nonzero(boxes.confidences > 0.5)


def slow_filled(own: np.ndarray, pulsed: np.ndarray, gap: int) -> np.ndarray:
    """A class's pixels with its pauses, bin by bin."""
    result = own.copy()
    for bin_ in range(own.shape[1]):
        rows = np.flatnonzero(own[:, bin_])
        for before, after in zip(rows, rows[1:]):
            pause = slice(before + 1, after)
            result[pause, bin_] |= pulsed[pause, bin_] | (after - before - 1 <= gap)
    return result


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_pauses_are_filled_up_to_the_limit_and_under_pulses(share):
    rng = np.random.default_rng(int(100 * share))
    own, pulsed = rng.random(SHAPE) < share, rng.random(SHAPE) < 0.3
    for gap in (0, 1, 7, 300):
        np.testing.assert_array_equal(filled(own, pulsed, gap), slow_filled(own, pulsed, gap))


def test_regions_are_the_same_whether_rows_repeat_or_not():
    mask = np.zeros(SHAPE, np.uint8)
    mask[20:200, 10:40] = 1
    mask[90:130, 60:100] = 2
    rules = RegionRules(min_bins=1, min_rows=1, max_gap=0)
    sure = np.full(SHAPE, 200, np.uint8)
    plain = carrier_regions(mask, sure, CLASSES, rules)
    assert [(r.rows, r.bins) for r in plain] == [((20, 200), (10, 40)), ((90, 130), (60, 100))]
    mask[20:200:2, 120] = 1  # a pixel here and there: no two rows are alike
    rough = carrier_regions(mask, sure, CLASSES, rules)
    assert [(r.rows, r.bins) for r in rough if r.bins[0] < 120] == [(r.rows, r.bins) for r in plain]
    assert [r.rows for r in rough if r.bins == (120, 121)] == [(row, row + 1) for row in range(20, 200, 2)]


@pytest.mark.parametrize("leak", [1, 2, 3, 4, 5, 7])
def test_busy_pixels_reach_so_many_bins_and_a_row(leak):
    busy = np.random.default_rng(leak).random((12, 40)) < 0.02
    busy[5, [0, -1]] = True
    wanted = np.zeros_like(busy)
    for row, bin_ in np.argwhere(busy):
        wanted[max(0, row - 1) : row + 2, max(0, bin_ - leak) : bin_ + leak + 1] = True
    np.testing.assert_array_equal(widened(busy, leak), wanted)


# -- guard bands


def slow_guards(profile: np.ndarray, support: np.ndarray) -> list[tuple[int, int]]:
    """Guard bands, looked for at every bin."""
    found = []
    for bottom in range(1, profile.size - 1):
        is_lowest = profile[bottom] == profile[max(0, bottom - 7) : bottom + 8].min()
        for depth, doubt in ((5.0, 0.07), (2.0, 0.25)):
            below, above = side(profile[bottom::-1], depth), side(profile[bottom:], depth)
            if is_lowest and below is not None and above is not None:
                start, stop = bottom - below, bottom + above + 1
                sure = min(np.median(support[max(0, start - 12) : start]), np.median(support[stop : stop + 12]))
                if support[start - 1 : stop + 1].min() <= sure - doubt:
                    found.append((start, stop))
                    break
    return found


def test_guard_bands_are_those_that_a_look_at_every_bin_finds():
    rng = np.random.default_rng(7)
    count = 0
    for _ in range(300):
        profile = rng.gamma(20, 1 / 20, int(rng.integers(1, 120))).astype(np.float32)
        for _ in range(int(rng.integers(0, 4))):
            at = int(rng.integers(profile.size))
            profile[at : at + int(rng.integers(1, 6))] *= 10 ** -rng.uniform(0, 2)
        support = 0.9 - rng.uniform(0, 0.6) * (profile < 0.5)
        found = find_guards(profile, support)
        assert found == slow_guards(profile, support)
        count += len(found)
    assert count > 50
