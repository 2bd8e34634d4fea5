"""What a dataset holds: pairs, sizes, class balance, problems, samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterable

import numpy as np

from ..errors import DatasetError
from .classes import STANDARD_LABELS
from .items import Item
from .pairing import Pair, Problem, sample
from .published import PublishedSet
from .shardset import ShardSet

__all__ = ["Inspection", "SplitReport", "inspect_published", "inspect_shards"]

_SAMPLES = 12  # of each split


@dataclass(kw_only=True)
class SplitReport:
    """What one split holds."""

    name: str
    count: int = 0  # pairs or items that are good
    left_out: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (rows, bins): how many
    pixels: Counter[int] = field(default_factory=Counter)  # by class id
    samples: list[tuple[str, Item]] = field(default_factory=list)

    def add(self, mask: np.ndarray) -> None:
        """Count a good frame, uint8 ``(T, F)``."""
        self.count += 1
        self.sizes[mask.shape] += 1
        counts = np.bincount(mask.ravel(), minlength=256)
        self.pixels.update({int(i): int(counts[i]) for i in np.flatnonzero(counts)})

    def shares(self, labels: Iterable[str]) -> dict[str, float]:
        """Share of each class, and of unknown pixels, in all pixels."""
        total = max(1, self.pixels.total())
        known = {label: self.pixels[i] / total for i, label in enumerate(labels)}
        return {**known, "unknown": 1.0 - sum(known.values()) if self.pixels else 0.0}


@dataclass(kw_only=True)
class Inspection:
    """What a dataset holds."""

    folder: Path
    format: str
    title: str
    labels: tuple[str, ...]
    splits: list[SplitReport]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    worst_distance: int | None = None  # levels
    tolerance: int | None = None
    good: list[Pair] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "folder": str(self.folder),
            "format": self.format,
            "title": self.title,
            "classes": list(self.labels),
            "splits": {
                s.name: {
                    "count": s.count,
                    "left_out": s.left_out,
                    "sizes": {f"{rows} x {bins}": n for (rows, bins), n in sorted(s.sizes.items())},
                    "class_balance": {label: round(share, 6) for label, share in s.shares(self.labels).items()},
                }
                for s in self.splits
            },
            "worst_colour_distance": self.worst_distance,
            "colour_tolerance": self.tolerance,
            "notes": self.notes,
            "problems": [{"file": str(p.file), "text": p.text} for p in self.problems],
        }


def inspect_published(
    dataset: PublishedSet, *, skip_bad: bool, watch: Callable[[tuple[Pair, ...]], Iterable[Pair]] = iter
) -> Inspection:
    """Read every pair of a set.

    Parameters
    ----------
    skip_bad : bool
        Whether to note what is wrong and go on.
    watch
        Wraps the pairs, for a progress bar.

    Raises
    ------
    DatasetError
        At the first problem, unless ``skip_bad``; if no pair is good.
    """
    found = _begin(dataset)
    reports = {report.name: report for report in found.splits}
    if found.problems and not skip_bad:
        more = f" (and {len(found.problems) - 1} more such files)" if len(found.problems) > 1 else ""
        raise DatasetError(f"{found.problems[0].text}{more}, or leave it out with --skip-bad")
    sampled = _sampled(dataset.pairs)
    for pair in watch(dataset.pairs):
        report = reports[pair.split]
        try:
            picture = dataset.load(pair)
        except DatasetError as error:
            if not skip_bad:
                raise DatasetError(f"{error}, or leave it out with --skip-bad") from error
            is_label = str(error).startswith(str(pair.label))
            found.problems.append(Problem(file=pair.label if is_label else pair.image, text=str(error)))
            report.left_out += 1
            continue
        found.good.append(pair)
        found.worst_distance = max(found.worst_distance or 0, picture.worst_distance)
        report.add(picture.mask)
        if pair in sampled:
            report.samples.append((pair.key, Item(picture.image, picture.mask, {})))
    if not found.good:
        raise DatasetError(f"{dataset.root} has no good pair; the first problem: {found.problems[0].text}")
    return found


def _begin(dataset: PublishedSet) -> Inspection:
    """What is known before a pair is read."""
    layout = dataset.layout
    return Inspection(
        folder=dataset.root,
        format=layout.name,
        title=layout.title,
        labels=tuple(label for label in STANDARD_LABELS if label in layout.script_order),
        splits=[SplitReport(name=name) for name in dataset.splits],
        problems=[*dataset.problems],
        notes=_notes(dataset),
        worst_distance=0,
        tolerance=dataset.tolerance,
    )


def _sampled(pairs: tuple[Pair, ...]) -> list[Pair]:
    by_split: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_split.setdefault(pair.split, []).append(pair)
    return [p for some in by_split.values() for p in sample(some, _SAMPLES)]


def _notes(dataset: PublishedSet) -> list[str]:
    layout, image, label = dataset.layout, dataset.sizes["image"], dataset.sizes["label"]
    notes = []
    if image != label:
        notes.append(
            f"images are {image[1]} x {image[0]}; they are brought to the labels' {label[1]} x {label[0]} by bilinear"
            " interpolation, as the set's own script does"
        )
    if label != (layout.size, layout.size):
        notes.append(f"labels are {label[1]} x {label[0]}, published were {layout.size} x {layout.size}")
    unnamed = sum(not pair.facts for pair in dataset.pairs) if layout.names else 0
    if unnamed:
        notes.append(f"{unnamed} of {len(dataset.pairs)} names are not of the published pattern and tell no facts")
    return notes


def inspect_shards(folders: Iterable[Path]) -> Inspection:
    """What sets of this program hold, by their indices; only the samples are read.

    Raises
    ------
    DatasetError
        If a set is not complete, is damaged, or has other classes than the first.
    """
    sets = [ShardSet(folder) for folder in folders]
    first = sets[0].description
    reports = []
    for dataset in sets:
        if dataset.description.classes != first.classes:
            raise DatasetError(
                f"{dataset.folder} has the classes {dataset.description.labels}, expected {first.labels} as in"
                f" {sets[0].folder}; inspect them one by one"
            )
        report = SplitReport(name=dataset.folder.name, count=len(dataset), pixels=dataset.pixels)
        rows = dataset[0].mask.shape[-2]
        report.sizes = Counter({(rows, bins): count for bins, count in dataset.bins.items()})
        some = sample(range(len(dataset)), _SAMPLES)
        report.samples = [(_caption(dataset.metadata(i), i), dataset[i]) for i in some]
        reports.append(report)
    folder = sets[0].folder if len(sets) == 1 else sets[0].folder.parent
    return Inspection(
        folder=folder, format="rfseg-set", title=first.name, labels=first.labels, splits=reports, notes=_origin(sets)
    )


def _caption(metadata: dict[str, Any], index: int) -> str:
    for key in ("key", "seed", "recording"):
        if key in metadata:
            start = metadata.get("sample_start")
            return f"{key} {metadata[key]}" + (f", sample {start}" if start is not None else "")
    return f"item {index}"


def _origin(sets: list[ShardSet]) -> list[str]:
    low, high = (f([s.description.samp_rate_range[i] for s in sets]) / 1e6 for i, f in ((0, min), (1, max)))
    short, long = (f([s.description.frame_duration_range[i] for s in sets]) * 1e3 for i, f in ((0, min), (1, max)))
    return [
        f"{sets[0].description.content.value} of family {sets[0].description.family}, {low:g} to {high:g} MS/s,"
        f" {short:g} to {long:g} ms; mask {', '.join(sets[0].description.masks)}"
    ]
