"""Writing sharded sets: resumable, in several processes, never half a file.

Each shard is a function of its number alone, so it does not matter which process makes it, or in which run.
A shard counts when its entry is there and its SHA-256 is what the entry says.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import closing
from pathlib import Path
from typing import Callable, Iterator

from tqdm import tqdm

from ..atomic import make_folder
from ..errors import DatasetError
from .items import Item, SetDescription
from .setplan import INDEX, PLAN, SetPlan, load_index, load_json, load_plan, remove_file, save_index, save_json
from .shards import ShardEntry, hash_file, shard_name, write_shard
from .shardset import ShardSet
from .workers import run_in_processes

__all__ = ["MakeItem", "ShardWriter", "write_set"]

MakeItem = Callable[[int], "Item | tuple"]  # of a seed: an item, or a tuple of its three parts
_QUIET_SECONDS = 1.0  # what is done sooner shows no progress bar


class ShardWriter:
    """A set while it is written; use as a context, one at a time for each folder.

    Parameters
    ----------
    folder : Path
        Made where it is not there; holds nothing, or the beginning of the same set.
    plan : SetPlan

    Raises
    ------
    DatasetError
        If the folder holds something else, or another process writes to it.
    RecordingError
        If the folder cannot be written.
    """

    def __init__(self, folder: Path, plan: SetPlan) -> None:
        self.folder, self.plan = Path(folder), plan
        self._lock: int | None = None
        self._indexed: dict[int, ShardEntry] = {}  # of a set that was complete before
        self._sound: dict[int, ShardEntry] = {}  # compared or written in this run

    def __enter__(self) -> ShardWriter:
        make_folder(self.folder)
        self._lock = _lock(self.folder)
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._remove_parts()
            os.close(self._lock)
            self._lock = None

    def missing(self) -> list[int]:
        """Numbers of the shards that are not there, or are not what their entries say."""
        for number in range(self.plan.shards):
            entry = None if number in self._sound else self._entry(number)
            if entry is not None:
                self._sound[number] = entry
        return [number for number in range(self.plan.shards) if number not in self._sound]

    def write(self, number: int, items: Iterator[Item | tuple]) -> ShardEntry:
        """Write one shard and its entry."""
        entry = _write_numbered(self.folder, number, items, self.plan.description)
        self.note(number, entry)
        return entry

    def note(self, number: int, entry: ShardEntry) -> None:
        """Take note of a shard that another process wrote."""
        self._sound[number] = entry

    def finish(self) -> ShardSet:
        """Write the index; the set.

        Raises
        ------
        DatasetError
            If a shard is missing.
        """
        missing = self.missing()
        if missing:
            raise DatasetError(
                f"{self.folder} lacks {len(missing)} of {self.plan.shards} shards, the first is"
                f" {shard_name(missing[0])}; run the command again"
            )
        save_index(self.folder, self.plan, [self._sound[number] for number in range(self.plan.shards)])
        self._tidy()
        return ShardSet(self.folder)

    def _begin(self) -> None:
        index, plan = self.folder / INDEX, self.folder / PLAN
        if index.is_file() or plan.is_file():
            stated = index if index.is_file() else plan
            _compare(self.plan.to_json(), load_plan(stated).to_json(), stated)
            if index.is_file():
                self._indexed = dict(enumerate(load_index(self.folder)[1]))
        else:
            others = sorted(p.name for p in self.folder.iterdir() if not p.name.startswith("."))
            if others:
                raise DatasetError(f"{self.folder} holds other files, such as {others[0]!r}; name an empty folder")
            save_json(plan, self.plan.to_json())
        self._remove_parts()

    def _entry(self, number: int) -> ShardEntry | None:
        """Entry of a shard, if both are whole."""
        path = self.folder / shard_name(number)
        try:
            stated = _entry_path(self.folder, number)
            entry = ShardEntry(**load_json(stated)) if stated.is_file() else self._indexed[number]
            is_whole = (entry.file, entry.bytes) == (path.name, path.stat().st_size) and hash_file(path) == entry.sha256
        except (DatasetError, KeyError, OSError, TypeError):
            return None
        return entry if is_whole else None

    def _remove_parts(self) -> None:
        """Remove what killed runs and workers left: the lock says that none is alive."""
        for part in self.folder.glob(".*.part"):
            remove_file(part)

    def _tidy(self) -> None:
        for number in range(self.plan.shards):
            remove_file(_entry_path(self.folder, number))
        remove_file(self.folder / PLAN)


def write_set(
    folder: Path,
    make_item: MakeItem,
    count: int,
    *,
    description: SetDescription,
    per_shard: int = 64,
    processes: int = 1,
    first_seed: int = 0,
) -> ShardSet:
    """Write a set, or what is missing of it, with a progress bar on standard error.

    Parameters
    ----------
    folder : Path
    make_item
        Gives the item of a seed, always the same; with ``processes`` above 1 it is pickled.
    count : int
        Items; their seeds are ``first_seed`` and the following ones.
    per_shard : int
        Items of a shard.
    processes : int
        That make shards; with 1 this one does.

    Raises
    ------
    DatasetError
        If the folder holds another set, an item does not fit the description, or a process dies.
    RecordingError
        If the folder cannot be written.
    """
    plan = SetPlan(description=description, count=count, per_shard=per_shard, first_seed=first_seed)
    if processes < 1:
        raise DatasetError(f"processes={processes!r} must be at least 1")
    with ShardWriter(folder, plan) as writer:
        missing = writer.missing()
        left = sum(len(plan.seeds(number)) for number in missing)
        bar = tqdm(
            total=count, initial=count - left, unit="item", desc=writer.folder.name, delay=_QUIET_SECONDS,
            disable=None, leave=False,
        )  # fmt: skip
        job = _ShardJob(writer.folder, plan, make_item)
        made = run_in_processes(job, missing, processes) if processes > 1 else (job(number) for number in missing)
        with bar, closing(made):
            for number, entry in made:
                writer.note(number, entry)
                bar.update(entry.count)
        return writer.finish()


class _ShardJob:
    """Makes the shard of a number, in whatever process."""

    def __init__(self, folder: Path, plan: SetPlan, make_item: MakeItem) -> None:
        self._folder, self._plan, self._make_item = folder, plan, make_item

    def __call__(self, number: int) -> tuple[int, ShardEntry]:
        items = (self._make_item(seed) for seed in self._plan.seeds(number))
        return number, _write_numbered(self._folder, number, items, self._plan.description)


def _write_numbered(
    folder: Path, number: int, items: Iterator[Item | tuple], description: SetDescription
) -> ShardEntry:
    path = _entry_path(folder, number)
    remove_file(path)  # until the new shard is there none counts
    entry = write_shard(folder / shard_name(number), items, description)
    save_json(path, entry.to_json())
    return entry


def _entry_path(folder: Path, number: int) -> Path:
    return (folder / shard_name(number)).with_suffix(".json")


def _compare(wanted: dict, stated: dict, path: Path) -> None:
    """Raise :class:`DatasetError` at the first field in which two plans differ."""
    pairs = {**{k: (v, stated[k]) for k, v in wanted.items() if k != "description"}}
    pairs |= {k: (v, stated["description"].get(k)) for k, v in wanted["description"].items()}
    for name, (asked, found) in pairs.items():
        if asked != found:
            raise DatasetError(
                f"{path} is of another set: {name} is {found!r:.80} there, but {asked!r:.80} is asked for; name"
                " another folder, or remove this one"
            )


def _lock(folder: Path) -> int:
    """Lock a folder for this process; the lock goes with the process, however it ends."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be opened: {error.strerror or error}; name another folder") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise DatasetError(
            f"{folder} is being written by another process; let it end, or name another folder"
        ) from error
    return descriptor
