"""One shard: a file of items that NumPy can read too.

A shard is an uncompressed zip archive (``.npz``) with two arrays for each item, ``NNNNN.data.npy`` and
``NNNNN.mask.npy``, and ``items.json``, a list with the shape of each item's data and its metadata.  Masks and
pictures are deflated, rows are not: noise does not shrink.  Items are stored one by one, so those of a
shard may have different numbers of bins, and one is read without the others.  The same items give the same
bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Iterable

import numpy as np

from ..atomic import replacing
from ..errors import DatasetError
from .items import Content, Item, SetDescription, check_item, to_json

__all__ = ["ShardEntry", "ShardReader", "hash_file", "shard_name", "write_shard"]

_BLOCK = 1 << 22  # bytes
_DATE = (1980, 1, 1, 0, 0, 0)  # the same for every member
_DEFLATE_LEVEL = 1  # of a picture, level 6 takes five times as long for a tenth less
_ITEMS = "items.json"
_REMEDY = "see what else is damaged with: rfseg dataset verify"


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """What an index says of a shard.

    Parameters
    ----------
    file : str
        Name of the file.
    count, bytes : int
        Items in it, and its length.
    sha256 : str
        Of the file.
    pixels : dict of str to int
        Pixels of each class id (as text) in the first mask.
    bins : dict of str to int
        Items of each number of bins (as text).
    """

    file: str
    count: int
    bytes: int
    sha256: str
    pixels: dict[str, int]
    bins: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self)


def shard_name(number: int) -> str:
    """Name of the file of a shard."""
    return f"shard-{number:05d}.npz"


def hash_file(path: Path) -> str:
    """SHA-256 of a file; raises :class:`OSError` where it cannot be read."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_shard(path: Path, items: Iterable[Item | tuple], description: SetDescription) -> ShardEntry:
    """Write a shard of items, or of their tuples; it appears when it is complete and on the disk.

    Raises
    ------
    DatasetError
        If an item does not fit the description.
    RecordingError
        If the file cannot be written.
    """
    tally = _Tally()
    with replacing(path) as temporary:
        with open(temporary, "wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                for made in items:
                    item = made if isinstance(made, Item) else Item(*made)
                    number = len(tally.heads)
                    _check(item, number, path, description)
                    rows = description.content is Content.ROWS
                    _add(archive, f"{number:05d}.data.npy", _npy(item.data), deflate=not rows)
                    _add(archive, f"{number:05d}.mask.npy", _npy(item.mask), deflate=True)
                    tally.add(item)
                _add(archive, _ITEMS, to_json(tally.heads).encode("ascii"), deflate=True)
            file.flush()
            os.fsync(file.fileno())
        size, digest = temporary.stat().st_size, hash_file(temporary)
    return ShardEntry(
        file=path.name,
        count=len(tally.heads),
        bytes=size,
        sha256=digest,
        pixels={str(i): int(n) for i, n in enumerate(tally.pixels) if n},
        bins={str(width): tally.bins[width] for width in sorted(tally.bins)},
    )


class _Tally:
    """What is counted while items are written."""

    def __init__(self) -> None:
        self.heads: list[dict[str, Any]] = []
        self.pixels = np.zeros(256, np.int64)
        self.bins: Counter[int] = Counter()

    def add(self, item: Item) -> None:
        first = item.mask if item.mask.ndim == 2 else item.mask[0]
        self.heads.append({"shape": list(item.data.shape), "metadata": item.metadata})
        self.pixels += np.bincount(first.ravel(), minlength=256)
        self.bins[first.shape[1]] += 1


def _check(item: Item, number: int, path: Path, description: SetDescription) -> None:
    try:
        check_item(item, description)
        to_json(item.metadata)
    except DatasetError as error:
        raise DatasetError(f"item {number} of {path.name} does not fit its set: {error}") from error


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes, *, deflate: bool) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = 0o644 << 16
    info.create_system = 3  # Unix, whatever this machine is
    info.compress_type = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    archive.writestr(info, content, compresslevel=_DEFLATE_LEVEL)


class ShardReader:
    """Reads items of a shard one by one.

    Raises
    ------
    DatasetError
        If the file is missing or is no shard; :meth:`item` also if what it reads is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
            self._heads = json.loads(self._archive.read(_ITEMS))
            self._count = len(self._heads)
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise self._damaged(error) from error

    def __len__(self) -> int:
        return self._count

    def shape(self, number: int) -> tuple[int, ...]:
        """Shape of an item's data."""
        return tuple(self._heads[number]["shape"])

    def metadata(self, number: int) -> dict[str, Any]:
        """An item's metadata."""
        return self._heads[number]["metadata"]

    def item(self, number: int) -> Item:
        """An item, by its number in the shard."""
        try:
            data, mask = (self._array(f"{number:05d}.{part}.npy") for part in ("data", "mask"))
        except (OSError, KeyError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise self._damaged(error) from error
        return Item(data, mask, self.metadata(number))

    def _array(self, name: str) -> np.ndarray:
        return np.lib.format.read_array(io.BytesIO(self._archive.read(name)), allow_pickle=False)

    def _damaged(self, error: Exception) -> DatasetError:
        if isinstance(error, OSError) and error.strerror:
            return DatasetError(f"{self.path} cannot be read: {error.strerror}; {_REMEDY} {self.path.parent}")
        return DatasetError(f"{self.path} is damaged: {error}; {_REMEDY} {self.path.parent}")
