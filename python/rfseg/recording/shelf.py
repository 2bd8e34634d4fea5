"""The recordings of a folder: their names, what they take, and which is the oldest."""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from ..geometry import RxTime
from ..sigmf_files import DATA_SUFFIX, META_SUFFIX
from .metadata import format_datetime

__all__ = ["Shelf"]

_MARGIN = 1 << 16  # bytes that stay free on the disk, besides room for the metadata


class Shelf:
    """Recordings whose names are ``PREFIX-TIME-NUMBER``; the number counts on through all runs.

    Parameters
    ----------
    folder : Path
    prefix : str
    quota_bytes : int
        What all of them may take together; 0 for no limit but that of the disk.
    """

    def __init__(self, folder: Path, prefix: str, quota_bytes: int) -> None:
        self._folder, self._prefix, self._quota = folder, prefix, quota_bytes
        self._sizes: dict[int, int] = {}  # number to bytes, of the finished ones
        self._names: dict[int, str] = {}
        self._held: dict[str, int] = {}  # name to bytes, of those that are being finished
        self._number = 0
        self._lock = threading.Lock()

    def scan(self) -> None:
        """Look what is there.

        Raises
        ------
        OSError
            If the folder cannot be read.
        """
        pattern = re.compile(re.escape(self._prefix) + r"-\d{8}T\d{6}Z-(\d{6,})(\.part)?\.sigmf-(data|meta)")
        with self._lock:
            self._sizes, self._names = {}, {}
            for entry in os.scandir(self._folder):
                match = pattern.fullmatch(entry.name)
                if match is None:
                    continue
                number, name = int(match[1]), entry.name[: -len(DATA_SUFFIX)]
                self._number = max(self._number, number)
                if match[2] is None and name not in self._held:  # what is in progress belongs to its writer
                    with suppress(FileNotFoundError):  # taken away just now
                        self._sizes[number] = self._sizes.get(number, 0) + entry.stat().st_size
                        self._names[number] = name

    def make_name(self, time: RxTime | None) -> str:
        """Name of a recording that begins at this moment, or now where that is not known."""
        moment = format_datetime(time) if time is not None else datetime.now(timezone.utc).isoformat()
        stamp = moment[:19].replace("-", "").replace(":", "")
        self._number += 1
        return f"{self._prefix}-{stamp}Z-{self._number:06d}"

    def hold(self, name: str, size: int) -> None:
        """A recording of about so many bytes is being finished."""
        with self._lock:
            self._held[name] = size

    def add(self, name: str) -> None:
        """A recording is finished."""
        size = sum(path.stat().st_size for path in self._paths(name) if path.exists())
        number = int(name.rpartition("-")[2])
        with self._lock:
            self._names[number], self._sizes[number] = name, size
            del self._held[name]

    def room(self, growing: int, reserve: int) -> int:
        """Bytes that may still be written.

        Parameters
        ----------
        growing : int
            Bytes of the recording in progress.
        reserve : int
            Bytes to keep for its metadata.
        """
        room = self.disk_room(reserve)
        if self._quota:
            with self._lock:
                used = sum(self._sizes.values()) + sum(self._held.values())
            room = min(room, self._quota - used - growing - reserve)
        return max(room, 0)

    def disk_room(self, reserve: int) -> int:
        """Bytes that the disk still takes."""
        disk = os.statvfs(self._folder)
        return max(disk.f_bavail * disk.f_frsize - reserve - _MARGIN, 0)

    def delete_oldest(self) -> Path | None:
        """Delete the oldest finished recording, metadata first; its metadata file, or None where there is none."""
        with self._lock:
            if not self._names:
                return None
            number = min(self._names)
            meta, data = self._paths(self._names.pop(number))
            del self._sizes[number]
        meta.unlink(missing_ok=True)
        data.unlink(missing_ok=True)
        return meta

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self._folder / (name + META_SUFFIX), self._folder / (name + DATA_SUFFIX)
