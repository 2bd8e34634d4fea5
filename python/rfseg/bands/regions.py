"""Regions of a mask: which pixels are one band, before anything is measured in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Sequence

import numpy as np
from scipy import ndimage

from ..contract import ClassKind, SignalClass
from ..ranges import ranges

__all__ = ["PulseBoxes", "Region", "RegionRules", "carrier_regions", "of_kind", "pulse_boxes"]

_EIGHT = np.ones((3, 3), bool)  # pulses hold together over corners
_NO_BOXES = (*(np.zeros(0, np.int64) for _ in range(5)), np.zeros(0))  # columns of PulseBoxes


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


@dataclass(frozen=True)
class PulseBoxes:
    """Pulses of a mask, as columns of one length: rectangles, half-open in rows and bins.

    Parameters
    ----------
    class_ids, row_starts, row_stops, bin_starts, bin_stops : int ``(n,)``
    confidences : float ``(n,)``
        Mean probability of each one's pixels, 0 to 1.
    """

    class_ids: np.ndarray
    row_starts: np.ndarray
    row_stops: np.ndarray
    bin_starts: np.ndarray
    bin_stops: np.ndarray
    confidences: np.ndarray

    @property
    def count(self) -> int:
        """How many there are."""
        return self.class_ids.size

    def chosen(self, which: np.ndarray) -> PulseBoxes:
        """Some of them, by a mask or by their places."""
        return PulseBoxes(*(column[which] for column in vars(self).values()))


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
    regions = []
    for box, inside in _connected(_solid(mask, carriers, classes, rules), rules):
        owners = _vote(mask[box], confidence[box], inside, carriers, rules.min_bins)
        for class_id, start, stop in _runs(owners):
            bins = box[1].start + start, box[1].start + stop
            region = _shrink(class_id, box[0].start, bins, inside[:, start:stop])
            if region is not None and stop - start >= rules.min_bins and len(region.pixels) >= rules.min_rows:
                regions.append(region)
    return regions


def pulse_boxes(mask: np.ndarray, confidence: np.ndarray, classes: Sequence[SignalClass]) -> PulseBoxes:
    """Pulses of a mask: the connected regions of each pulsed class, corners included.

    Parameters
    ----------
    mask, confidence : uint8 ``(T, F)``
    """
    parts = [
        _boxes_of(class_id, mask == class_id, confidence)
        for class_id, signal_class in enumerate(classes)
        if signal_class.kind is ClassKind.PULSED
    ]
    return PulseBoxes(*(np.concatenate(columns) for columns in zip(_NO_BOXES, *parts)))


def of_kind(mask: np.ndarray, classes: Sequence[SignalClass], kind: ClassKind) -> np.ndarray:
    """Pixels of all classes of a kind, bool ``(T, F)``."""
    found = np.zeros(mask.shape, bool)
    for class_id, signal_class in enumerate(classes):
        if signal_class.kind is kind:
            found |= mask == class_id
    return found


def _boxes_of(class_id: int, own: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, ...]:
    """Columns of :class:`PulseBoxes` for a class's pixels."""
    places = np.flatnonzero(own)
    if not places.size:
        return _NO_BOXES
    names = ndimage.label(own, structure=_EIGHT)[0].reshape(-1)[places]
    order = np.argsort(names, kind="stable")  # within a region, pixels stay in the order of their rows
    places, heads = places[order], np.flatnonzero(np.diff(names[order], prepend=0))
    rows, bins = np.divmod(places, own.shape[1])
    counts = np.diff(heads, append=places.size)
    sums = np.add.reduceat(confidence.reshape(-1)[places], heads, dtype=np.int64)
    return (
        np.full(heads.size, class_id),
        rows[heads],
        rows[heads + counts - 1] + 1,
        np.minimum.reduceat(bins, heads),
        np.maximum.reduceat(bins, heads) + 1,
        sums / (255.0 * counts),
    )


def _solid(
    mask: np.ndarray, carriers: Sequence[int], classes: Sequence[SignalClass], rules: RegionRules
) -> np.ndarray:
    """Pixels of carriers, of their short pauses, and of what covers them for a while, bool ``(T, F)``."""
    pulsed = of_kind(mask, classes, ClassKind.PULSED)
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


def _connected(solid: np.ndarray, rules: RegionRules) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Regions of pixels that touch by their sides: the rectangle around each, if it is large enough, and the pixels in it."""
    firsts = np.flatnonzero((solid[1:] != solid[:-1]).any(axis=1)) + 1
    firsts = np.concatenate([[0], firsts, [len(solid)]])  # of rows that are alike; one of them stands for all
    labelled, _ = ndimage.label(solid[firsts[:-1]])
    for index, (time, freq) in enumerate(ndimage.find_objects(labelled), start=1):
        rows = slice(int(firsts[time.start]), int(firsts[time.stop]))
        if rows.stop - rows.start >= rules.min_rows and freq.stop - freq.start >= rules.min_bins:
            lengths = np.diff(firsts[time.start : time.stop + 1])
            yield (rows, freq), np.repeat(labelled[time, freq] == index, lengths, axis=0)


def _filled(own: np.ndarray, pulsed: np.ndarray, gap: int) -> np.ndarray:
    """A class's pixels with those between two of them in time: up to ``gap`` rows, or any number under pulses."""
    bins = own.shape[1]
    changes = np.flatnonzero(own[1:] != own[:-1])  # places of the pixels before
    changes = changes[np.argsort(changes % bins, kind="stable")]  # bin by bin, each from the first row to the last
    is_end = own[:-1].reshape(-1)[changes[:-1]]
    pauses = np.flatnonzero(is_end & (changes[1:] % bins == changes[:-1] % bins))
    first, stop = changes[pauses] // bins + 1, changes[pauses + 1] // bins + 1  # rows
    owners, rows = ranges(first, stop)
    cells = rows * bins + changes[pauses][owners] % bins
    filled = own.copy()
    filled.reshape(-1)[cells] = (stop - first <= gap)[owners] | pulsed.reshape(-1)[cells]
    return filled


def _vote(
    mask: np.ndarray, confidence: np.ndarray, inside: np.ndarray, carriers: Sequence[int], min_bins: int
) -> np.ndarray:
    """Class of each bin of a region, int ``(f,)``; 0 where too few rows are on."""
    counts = inside.sum(axis=0)
    votes = np.zeros((len(carriers), mask.shape[1]), np.int64)
    for place, class_id in enumerate(carriers):
        own = inside & (mask == class_id)
        if own.any():
            votes[place] = (confidence * own).sum(axis=0, dtype=np.int64)
    owners = np.asarray(carriers)[votes.argmax(axis=0)]
    total = votes.sum(axis=1)
    for class_id, start, stop in _runs(owners):
        if stop - start < min_bins and stop - start < owners.size:  # a sliver goes to the region's main class
            owners[start:stop] = carriers[int(total.argmax())]
    ordered = np.sort(counts)
    median = (ordered[(counts.size - 1) // 2] + ordered[counts.size // 2]) / 2
    return np.where(counts * 2 >= median, owners, 0)


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
