"""The JSON files of a set: the plan while it is written, the index when it is complete.

::

    SET/plan.json          what the set will be; there until it is complete
    SET/shard-00000.npz    a complete shard
    SET/shard-00000.json   its entry, until the set is complete
    SET/index.json         the plan and the entries of all shards: the set is complete
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from ..atomic import replacing
from ..errors import DatasetError
from .items import SetDescription
from .shards import ShardEntry, shard_name

__all__ = [
    "FORMAT",
    "INDEX",
    "PLAN",
    "VERSION",
    "SetPlan",
    "load_index",
    "load_json",
    "load_plan",
    "remove_file",
    "save_index",
    "save_json",
]

FORMAT, VERSION = "rfseg-set", 1
INDEX, PLAN = "index.json", "plan.json"


@dataclass(frozen=True, kw_only=True)
class SetPlan:
    """What a set holds, before a single item is made.

    Parameters
    ----------
    description : SetDescription
    count : int
        Items.
    per_shard : int
        Items of every shard but the last.
    first_seed : int
        Seed of the first item; item ``i`` has ``first_seed + i``.
    """

    description: SetDescription
    count: int
    per_shard: int = 64
    first_seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("count", 1), ("per_shard", 1), ("first_seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise DatasetError(f"{name}={value!r} must be an integer of at least {least}")

    @property
    def shards(self) -> int:
        """How many shards there will be."""
        return -(-self.count // self.per_shard)

    def seeds(self, shard: int) -> range:
        """Seeds of the items of a shard."""
        first = shard * self.per_shard
        return range(self.first_seed + first, self.first_seed + min(first + self.per_shard, self.count))

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "count": self.count,
            "per_shard": self.per_shard,
            "first_seed": self.first_seed,
            "description": self.description.to_json(),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> SetPlan:
        """Inverse of :meth:`to_json`.

        Raises
        ------
        DatasetError
            If it is of another format or version, or a field is missing or wrong.
        """
        if fields.get("format") != FORMAT:
            raise DatasetError(f"format is {fields.get('format')!r}, expected {FORMAT!r}")
        if fields.get("version") != VERSION:
            stated = fields.get("version")
            raise DatasetError(f"version is {stated!r}, this rfseg reads {VERSION}; use a matching release")
        try:
            numbers = {name: fields[name] for name in ("count", "per_shard", "first_seed")}
            return cls(description=SetDescription.from_json(fields["description"]), **numbers)
        except (KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"a field is missing or wrong: {error}") from error


def load_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    DatasetError
        If the file is missing, cannot be read or holds something else.
    """
    try:
        fields = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}; check that it is there") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is no JSON: {error}; write the set again") from error
    if not isinstance(fields, dict):
        raise DatasetError(f"{path} holds a {type(fields).__name__}, expected an object; write the set again")
    return fields


def save_json(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a JSON object that is complete or not there."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")


def remove_file(path: Path) -> None:
    """Remove a file if it is there; raises :class:`DatasetError` where that is not allowed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(f"{path} cannot be removed: {error.strerror or error}; check who may write there") from error


def load_plan(path: Path) -> SetPlan:
    """The plan that a plan or an index states; raises :class:`DatasetError` that names the file."""
    fields = load_json(path)
    try:
        return SetPlan.from_json(fields)
    except DatasetError as error:
        raise DatasetError(f"{path} is no set of this program: {error}") from error


def load_index(folder: Path) -> tuple[SetPlan, tuple[ShardEntry, ...]]:
    """Plan and entries of a complete set.

    Raises
    ------
    DatasetError
        If there is none, it is not complete, or the entries do not fit the plan.
    """
    path = folder / INDEX
    if not path.is_file():
        if (folder / PLAN).is_file():
            raise DatasetError(f"{folder} is not complete: it has no {INDEX}; run the command that writes it again")
        raise DatasetError(f"{folder} holds no set: it has no {INDEX}; name a folder that rfseg wrote a set into")
    plan = load_plan(path)
    try:
        entries = tuple(ShardEntry(**entry) for entry in load_json(path)["shards"])
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{path} has no valid list of shards: {error}; write the set again") from error
    stated = [(e.file, e.count) for e in entries]
    planned = [(shard_name(number), len(plan.seeds(number))) for number in range(plan.shards)]
    if stated != planned:
        raise DatasetError(
            f"{path} lists {len(entries)} shards that are not the {plan.shards} of its own plan; write the set again"
        )
    return plan, entries


def save_index(folder: Path, plan: SetPlan, entries: list[ShardEntry]) -> None:
    """Write the index: from now on the set is complete."""
    pixels: dict[str, int] = {}
    bins: dict[str, int] = {}
    for entry in entries:
        for total, part in ((pixels, entry.pixels), (bins, entry.bins)):
            for key, value in part.items():
                total[key] = total.get(key, 0) + value
    in_order = [dict(sorted(total.items(), key=lambda pair: int(pair[0]))) for total in (pixels, bins)]
    shards = [entry.to_json() for entry in entries]
    save_json(folder / INDEX, {**plan.to_json(), "pixels": in_order[0], "bins": in_order[1], "shards": shards})
