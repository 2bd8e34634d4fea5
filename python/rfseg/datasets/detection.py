"""Which of the published sets a folder holds."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Iterator, Sequence

from ..errors import DatasetError
from .labelcolours import colour_counts, nearest_colour
from .layouts import LAYOUTS, Colour, Layout
from .pairing import files_of, sample
from .pictures import read_labels

__all__ = ["detect_layout", "layout_of_name", "present_splits"]

_LOOKED_AT = 8  # labels of a split whose colours tell alike folders apart
_DEPTH, _MOST_FOLDERS = 2, 300  # how far below the folder a set is looked for


def layout_of_name(name: str) -> Layout:
    """A layout of the table; raises :class:`DatasetError` for a name that is not in it."""
    for layout in LAYOUTS:
        if layout.name == name:
            return layout
    raise DatasetError(f"layout {name!r} is unknown, expected one of {', '.join(x.name for x in LAYOUTS)}")


def detect_layout(folder: Path, name: str | None = None) -> tuple[Path, Layout]:
    """The set in a folder, or up to two folders below it.

    Layouts of the same folders are told apart by the colours of some labels, then by the names of the images.

    Parameters
    ----------
    name : str or None
        Of the layout, where the user says it.

    Returns
    -------
    root : Path
        Folder that the layout's folders are in.
    layout : Layout

    Raises
    ------
    DatasetError
        If the folder is missing or empty, or holds nothing of the table; the text says what was looked for.
    """
    layouts = LAYOUTS if name is None else (layout_of_name(name),)
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "does not exist"
        raise DatasetError(f"{folder} {kind}, expected the folder of a dataset")
    for root in _roots(folder):
        fitting = [layout for layout in layouts if present_splits(root, layout)]
        if fitting:
            return root, fitting[0] if name else _choose(root, fitting)
    raise _unknown(folder, layouts)


def _roots(folder: Path) -> Iterator[Path]:
    """The folder, the one above where it is itself one of a layout's, and those below, nearest first."""
    yield folder
    whole = folder.resolve()
    flat = [images.split("/")[0] for x in LAYOUTS for images, labels in x.splits.values() if images == labels]
    if whole.name in flat:
        yield whole.parent
    level, seen = [folder], 0
    for _ in range(_DEPTH):
        below = [sub for above in level for sub in _folders_of(above)]
        for sub in below:
            seen += 1
            if seen > _MOST_FOLDERS:
                return
            yield sub
        level = below


def _folders_of(folder: Path) -> list[Path]:
    """Folders in a folder that are not hidden; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [folder / name for name in sorted(e.name for e in entries if e.name[:1] != "." and e.is_dir())]
    except OSError:
        return []


def present_splits(root: Path, layout: Layout) -> list[str]:
    """Splits of a layout that are there: with their images, or with their labels alone."""
    return [
        split
        for split, (images, labels) in layout.splits.items()
        if (root / images).is_dir() and (images == labels or (root / labels).is_dir())
    ]


def _choose(root: Path, layouts: Sequence[Layout]) -> Layout:
    """The layout whose colours, then names, then size, then folders fit best."""
    if len(layouts) == 1:
        return layouts[0]
    folders = {pair for x in layouts for s, pair in x.splits.items() if s in present_splits(root, x)}
    colours: Counter[Colour] = Counter()
    stems, heights = [], set()
    for images, labels in sorted(folders):
        stems += [file.stem for file in sample(files_of(root / images), _LOOKED_AT)]
        for file in sample(files_of(root / labels), _LOOKED_AT):
            try:
                label = read_labels(file)
            except DatasetError:  # reported when the pair is read
                continue
            colours.update(colour_counts(label))
            heights.add(label.shape[0])
    ranks = {x.name: _rank(root, x, colours, stems, heights) for x in layouts}
    if colours and max(rank[0] for rank in ranks.values()) < 0.5:
        some = ", ".join(str(colour) for colour, _ in colours.most_common(6))
        raise DatasetError(
            f"{root} has the folders of {_listed(layouts)}, but labels of the colours {some}, which none of"
            " them has; give --layout if it is one of them"
        )
    return max(layouts, key=lambda x: ranks[x.name])


def _rank(
    root: Path, layout: Layout, colours: Counter[Colour], stems: Sequence[str], heights: set[int]
) -> tuple[float, ...]:
    near = sum(n for c, n in colours.items() if nearest_colour(c, layout.colours)[1] <= layout.tolerance)
    named = sum(layout.facts(stem) is not None for stem in stems) / max(1, len(stems)) if layout.names else 0.5
    present = len(present_splits(root, layout))
    return near / max(1, colours.total()), named, heights == {layout.size}, present, present - len(layout.splits)


def _listed(layouts: Sequence[Layout]) -> str:
    return " or ".join(layout.name for layout in layouts)


def _unknown(folder: Path, layouts: Sequence[Layout]) -> DatasetError:
    found = sorted(p.name + "/" * p.is_dir() for p in folder.iterdir() if p.name[:1] != ".")
    if not found:
        return DatasetError(f"{folder} is empty; unpack a dataset into it")
    if any(file for pattern in ("*.sigmf-meta", "*/*.sigmf-meta") for file in folder.glob(pattern)):
        return DatasetError(f"{folder} holds SigMF recordings; a set is made of them by: rfseg dataset from-sigmf")
    listed = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    wanted = {text: [x.name for x in layouts if text in x.looked_for] for x in layouts for text in x.looked_for}
    looked_for = "; ".join(f"{text} ({', '.join(names)})" for text, names in wanted.items())
    return DatasetError(f"{folder} holds no known dataset but {listed}; looked for {looked_for}")
