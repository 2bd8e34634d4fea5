"""Reading sharded sets: any item at any time, or all of them shuffled."""

from __future__ import annotations

import os
import threading
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any, Iterator, Sequence

import numpy as np

from ..errors import DatasetError
from .items import Item, SetDescription
from .setplan import INDEX, SetPlan, load_index
from .shards import ShardEntry, ShardReader, hash_file

__all__ = ["ShardSet", "find_sets"]

_OPEN_SHARDS = 64


class ShardSet(Sequence[Item]):
    """A complete set on disk; nothing is read before it is asked for.

    May be pickled, forked and read from several threads: each process opens the files itself.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    DatasetError
        If the folder holds no complete set; later, if what is read is damaged.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.plan: SetPlan
        self.entries: tuple[ShardEntry, ...]
        self.plan, self.entries = load_index(self.folder)
        self._forget()

    @property
    def description(self) -> SetDescription:
        """What all items have in common."""
        return self.plan.description

    @property
    def pixels(self) -> Counter[int]:
        """Pixels of each class id in the first masks of all items, as the index states them."""
        return Counter({int(k): sum(e.pixels.get(k, 0) for e in self.entries) for e in self.entries for k in e.pixels})

    @property
    def bins(self) -> Counter[int]:
        """Items of each number of bins, as the index states them."""
        return Counter({int(k): sum(e.bins.get(k, 0) for e in self.entries) for e in self.entries for k in e.bins})

    def __len__(self) -> int:
        return self.plan.count

    def __getitem__(self, index: int) -> Item:  # type: ignore[override]
        shard, number = self._locate(index)
        return shard.item(number)

    def metadata(self, index: int) -> dict[str, Any]:
        """Metadata of an item, without reading its data."""
        shard, number = self._locate(index)
        return shard.metadata(number)

    def shape(self, index: int) -> tuple[int, ...]:
        """Shape of an item's data, without reading it."""
        shard, number = self._locate(index)
        return shard.shape(number)

    def shuffled(self, rng: np.random.Generator) -> Iterator[Item]:
        """Every item once, in an order that the generator draws."""
        for index in rng.permutation(len(self)):
            yield self[int(index)]

    def verify(self) -> Iterator[tuple[ShardEntry, str | None]]:
        """Compare each shard with the index: its entry, and what is wrong with it, or None."""
        for entry in self.entries:
            path = self.folder / entry.file
            try:
                size = path.stat().st_size
                if size != entry.bytes:
                    problem = f"{path} has {size} bytes, expected {entry.bytes}"
                elif hash_file(path) != entry.sha256:
                    problem = f"{path} is not what was written: its SHA-256 differs from the index"
                else:
                    problem = None
            except OSError as error:
                problem = f"{path} cannot be read: {error.strerror or error}"
            yield entry, problem

    def _locate(self, index: int) -> tuple[ShardReader, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        number, rest = divmod(int(index) % len(self), self.plan.per_shard)
        return self._shard(number), rest

    def _shard(self, number: int) -> ShardReader:
        """A shard's reader; the least recently used one is closed when there are too many."""
        if self._pid != os.getpid():  # file positions must not be shared with the process that this was forked from
            self._forget()
        with self._lock:
            shard = self._open.pop(number, None)
            if shard is None:
                shard = ShardReader(self.folder / self.entries[number].file)
                if len(shard) != self.entries[number].count:
                    raise DatasetError(
                        f"{shard.path} holds {len(shard)} items, expected {self.entries[number].count}; see what else"
                        f" is damaged with: rfseg dataset verify {self.folder}"
                    )
            self._open[number] = shard
            if len(self._open) > _OPEN_SHARDS:
                self._open.popitem(last=False)
            return shard

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._open: OrderedDict[int, ShardReader] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "plan": self.plan, "entries": self.entries}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


def find_sets(folder: Path) -> list[Path]:
    """Folders of sets: this one, or those directly in it.

    Raises
    ------
    DatasetError
        If there is none.
    """
    if (folder / INDEX).is_file() or not folder.is_dir():
        found = [folder]
    else:
        found = sorted(path.parent for path in folder.glob(f"*/{INDEX}")) or [folder]
    if found == [folder]:
        load_index(folder)  # says what is wrong where there is no set
    return found
