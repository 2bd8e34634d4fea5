"""From a published set to a sharded one, split by split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError
from .inspection import Inspection
from .items import Content, Item, SetDescription
from .pairing import Pair
from .published import PublishedSet
from .setplan import INDEX, PLAN
from .shardset import ShardSet
from .writing import write_set

__all__ = ["import_published"]


@dataclass(frozen=True)
class _MakeItem:
    """Item of the pair of a number; can be pickled."""

    dataset: PublishedSet
    pairs: tuple[Pair, ...]

    def __call__(self, number: int) -> Item:
        pair, layout = self.pairs[number], self.dataset.layout
        picture = self.dataset.load(pair)
        metadata = {
            "layout": layout.name,
            "split": pair.split,
            "key": pair.key,
            "samp_rate": layout.samp_rate,
            "frame_duration": layout.frame_duration,
            **picture.facts,
        }
        return Item(picture.image, picture.mask, metadata)


def import_published(
    dataset: PublishedSet, inspection: Inspection, folder: Path, *, per_shard: int, processes: int
) -> list[ShardSet]:
    """Write the good pairs of each split as a set ``folder/SPLIT``.

    Parameters
    ----------
    inspection : Inspection
        Of this very set: what it found good is written.

    Raises
    ------
    DatasetError
        If the folder is a set itself; as :func:`rfseg.datasets.writing.write_set` otherwise.
    """
    layout, sets = dataset.layout, []
    if (folder / INDEX).exists() or (folder / PLAN).exists():
        raise DatasetError(f"{folder} is itself a set; name another folder for those of the splits")
    for split in dict.fromkeys(pair.split for pair in inspection.good):
        pairs = tuple(pair for pair in inspection.good if pair.split == split)
        names = "\n".join(f"{p.key} {p.image.name} {p.label.name}" for p in pairs)
        description = SetDescription(
            name=f"{layout.name}, {split}",
            content=Content.PICTURES,
            samp_rate_range=(layout.samp_rate, layout.samp_rate),
            frame_duration_range=(layout.frame_duration, layout.frame_duration),
            masks=("channel",),  # published masks cover the nominal channel for the whole frame
            family="published",
            recipe=layout.title,
            source={
                "layout": layout.name,
                "split": split,
                "tolerance": dataset.tolerance,
                "files_sha256": hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest(),
            },
        )
        sets.append(
            write_set(
                folder / split,
                _MakeItem(dataset, pairs),
                len(pairs),
                description=description,
                per_shard=per_shard,
                processes=processes,
            )
        )
    return sets
