"""Regions of a mask: which pixels are one band, before anything is measured in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np
from scipy import ndimage

from .contract import ClassKind, SignalClass

__all__ = ["Region", "RegionRules", "carrier_regions", "pulsed_regions"]

_EIGHT = np.ones((3, 3), bool)  # pulses hold together over corners


@dataclass(frozen=True)
class RegionRules:
    """Least width in bins, least length and longest pause in rows."""

    min_bins: int
    min_rows: int
    max_gap: int


@dataclass(frozen=True)
class Region:
    """A rectangle of the mask, half-open in rows and bins, and which of its pixels count.

    ``column`` has the pixels of the same bins over all rows of what holds together, from row ``column_start`` on.
    """

    class_id: int
    row_start: int
    row_stop: int
    bin_start: int
    bin_stop: int
    pixels: np.ndarray  # bool (row_stop - row_start, bin_stop - bin_start)
    column_start: int
    column: np.ndarray  # bool (t, bin_stop - bin_start)

    @property
    def rows(self) -> tuple[int, int]:
        """Half-open range of rows."""
        return self.row_start, self.row_stop

    @property
    def bins(self) -> tuple[int, int]:
        """Half-open range of bins."""
        return self.bin_start, self.bin_stop

    def part(self, start: int, stop: int) -> Region | None:
        """Bins ``start:stop`` of it, with the rows on which most of them are on; None where there are none."""
        bins = self.bin_start + start, self.bin_start + stop
        return _shrink(self.class_id, self.column_start, bins, self.column[:, start:stop])

    def support(self, mask: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        """Mean probability with which each bin is of this class, 0 to 1, ``(bin_stop - bin_start,)``."""
        box = slice(*self.rows), slice(*self.bins)
        own = (confidence[box] * (mask[box] == self.class_id)).sum(axis=0, dtype=np.int64)
        return own / (255.0 * (self.row_stop - self.row_start))

    def confidence(self, mask: np.ndarray, confidence: np.ndarray) -> float:
        """Mean probability of the pixels that are of this class, 0 to 1."""
        box = slice(*self.rows), slice(*self.bins)
        own = self.pixels & (mask[box] == self.class_id)
        count = int(np.count_nonzero(own))
        return int((confidence[box] * own).sum(dtype=np.int64)) / (255.0 * count) if count else 0.0


def carrier_regions(
    mask: np.ndarray, confidence: np.ndarray, classes: Sequence[SignalClass], rules: RegionRules
) -> list[Region]:
    """Carriers of a mask.

    The pixels of all carrier classes, with pauses and whatever pulses cover filled in, fall into connected regions; inside a
    region each bin goes to the class that most of its pixels' probability votes for, and each run of bins of one
    class is one carrier.

    Parameters
    ----------
    mask, confidence : uint8 ``(T, F)``
    """
    carriers = [i for i, c in enumerate(classes) if c.kind is ClassKind.CARRIER]
    labelled, _ = ndimage.label(_solid(mask, carriers, classes, rules))
    regions = []
    for index, box in enumerate(ndimage.find_objects(labelled), start=1):
        inside = labelled[box] == index  # (t, f)
        if inside.shape[0] < rules.min_rows or inside.shape[1] < rules.min_bins:
            continue
        owners = _vote(mask[box], confidence[box], inside, carriers, rules.min_bins)
        for class_id, start, stop in _runs(owners):
            bins = box[1].start + start, box[1].start + stop
            region = _shrink(class_id, box[0].start, bins, inside[:, start:stop])
            if region is not None and stop - start >= rules.min_bins and len(region.pixels) >= rules.min_rows:
                regions.append(region)
    return regions


def pulsed_regions(mask: np.ndarray, classes: Sequence[SignalClass]) -> list[Region]:
    """Pulses of a mask: the connected regions of each pulsed class."""
    regions = []
    for class_id in (i for i, c in enumerate(classes) if c.kind is ClassKind.PULSED):
        own = mask == class_id
        if not own.any():
            continue
        labelled, _ = ndimage.label(own, structure=_EIGHT)
        for index, (time, freq) in enumerate(ndimage.find_objects(labelled), start=1):
            pixels = labelled[time, freq] == index
            regions.append(Region(class_id, time.start, time.stop, freq.start, freq.stop, pixels, time.start, pixels))
    return regions


def _solid(
    mask: np.ndarray, carriers: Sequence[int], classes: Sequence[SignalClass], rules: RegionRules
) -> np.ndarray:
    """Pixels of carriers, of their short pauses, and of what covers them for a while, bool ``(T, F)``."""
    is_pulsed = np.zeros(256, bool)
    is_pulsed[[i for i, c in enumerate(classes) if c.kind is ClassKind.PULSED]] = True
    pulsed = is_pulsed[mask]
    solid = np.zeros(mask.shape, bool)
    for class_id in carriers:
        own = mask == class_id
        busy = np.flatnonzero(own.any(axis=0))
        if busy.size:
            part = slice(busy[0], busy[-1] + 1)
            solid[:, part] |= _filled(own[:, part], pulsed[:, part], rules.max_gap)
    # one bin, such as a receiver's DC line, divides no carrier
    solid[:, 1:-1] |= solid[:, :-2] & solid[:, 2:] & ~pulsed[:, 1:-1]
    return solid


def _filled(own: np.ndarray, pulsed: np.ndarray, gap: int) -> np.ndarray:
    """A class's pixels with those between two of them in time: up to ``gap`` rows, or any number under pulses."""
    if own.all():
        return own
    count = own.shape[0]
    index = np.arange(count, dtype=np.int16)[:, None]
    before = np.maximum.accumulate(np.where(own, index, np.int16(-1)), axis=0)
    after = np.minimum.accumulate(np.where(own, index, np.int16(count))[::-1], axis=0)[::-1]
    within = (before >= 0) & (after < count)
    return own | (within & ((after - before <= gap + 1) | pulsed))


def _vote(
    mask: np.ndarray, confidence: np.ndarray, inside: np.ndarray, carriers: Sequence[int], min_bins: int
) -> np.ndarray:
    """Class of each bin of a region, int ``(f,)``; 0 where too few rows are on."""
    counts = inside.sum(axis=0)
    votes = np.stack([(confidence * (inside & (mask == c))).sum(axis=0, dtype=np.int64) for c in carriers])
    owners = np.asarray(carriers)[votes.argmax(axis=0)]
    total = votes.sum(axis=1)
    for class_id, start, stop in _runs(owners):
        if stop - start < min_bins and stop - start < owners.size:  # a sliver goes to the region's main class
            owners[start:stop] = carriers[int(total.argmax())]
    return np.where(counts * 2 >= np.median(counts), owners, 0)


def _shrink(class_id: int, row_start: int, bins: tuple[int, int], column: np.ndarray) -> Region | None:
    """Some bins, with their pixels from a row on, cut to the rows on which most of them are on."""
    on = np.flatnonzero(column.sum(axis=1) * 2 >= column.shape[1])
    if not on.size:
        return None
    first, last = int(on[0]), int(on[-1]) + 1
    return Region(class_id, row_start + first, row_start + last, *bins, column[first:last], row_start, column)


def _runs(owners: np.ndarray) -> list[tuple[int, int, int]]:
    """Runs of equal, non-zero owners: ``(class_id, start, stop)``."""
    cuts = np.flatnonzero(np.diff(owners)) + 1
    starts, stops = [0, *cuts], [*cuts, owners.size]
    return [(int(owners[a]), int(a), int(b)) for a, b in zip(starts, stops) if owners[a]]
