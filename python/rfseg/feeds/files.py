"""Payloads as lines of a file, with rotation.

Each payload is written by one call, so that a reader sees whole lines.  What a full disk cut short is taken back, and
the line is written again when there is room.  A file that is full goes by one move to its final name:
``bands.jsonl`` becomes ``bands.000001.jsonl``.
"""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

from ..errors import FeedError
from .delivery import Payload
from .destinations import Destination

__all__ = ["FileOptions", "FileTransport"]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Options of ``file:``.

    Parameters
    ----------
    rotate_bytes : int
        A file that would become longer is closed and takes its final name, bytes; 0 for never.
    rotate_seconds : float
        Likewise one that was begun so long ago, s; 0 for never.
    keep : int
        Closed files that stay; the oldest of more are deleted; 0 for all.
    """

    rotate_bytes: int = 0
    rotate_seconds: float = 0.0
    keep: int = 0

    def __post_init__(self) -> None:
        for name in ("rotate_bytes", "rotate_seconds", "keep"):
            if not getattr(self, name) >= 0:
                raise FeedError(f"{name}={getattr(self, name)!r} must be 0 or more")
        if self.keep and not self.is_rotating:
            raise FeedError(f"keep={self.keep} needs rotate_bytes or rotate_seconds: without them there is one file")

    @property
    def is_rotating(self) -> bool:
        """Whether files are closed before the end."""
        return self.rotate_bytes > 0 or self.rotate_seconds > 0


class FileTransport:
    """Lines of a file.

    Without rotation a file that exists is replaced when the feed begins; with rotation it takes its final name then.
    """

    def __init__(
        self, destination: Destination, options: FileOptions, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(destination.path)
        if not self._path.parent.is_dir():
            folder = str(self._path.parent)
            raise FeedError(f"folder {folder!r} of {destination.text!r} does not exist; create it first")
        if os.path.isdir(self._path):
            raise FeedError(f"{destination.text!r} is a folder; name a file in it")
        begins_anew = options.is_rotating or not os.path.exists(self._path)
        if not os.access(self._path.parent if begins_anew else self._path, os.W_OK):
            raise FeedError(f"{destination.text!r} may not be written by this user; name another file, or change who may")
        self._options, self._clock = options, clock
        self._file: int | None = None  # descriptor
        self._size = 0  # bytes of whole lines
        self._begun = 0.0  # by the clock
        self._is_ours = False  # whether the file that is there was begun by this feed

    def open(self) -> None:
        """Begin the file, or go on after a failure."""
        if not self._is_ours and self._options.is_rotating and self._path.exists():
            self._retire()
        fresh = 0 if self._is_ours else os.O_TRUNC
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | fresh, 0o644)
        self._is_ours = True
        if stat.S_ISREG(os.fstat(self._file).st_mode):  # a device, such as /dev/null, has no length
            os.ftruncate(self._file, self._size if fresh == 0 else 0)
        self._size = os.lseek(self._file, 0, os.SEEK_END)
        self._begun = self._clock() if self._size == 0 else self._begun

    def send(self, batch: Sequence[Payload]) -> int:
        """Write one line or more."""
        for count, payload in enumerate(batch):
            line = payload.content + b"\n"
            try:
                self._make_room(len(line))
                self._write(line)
            except OSError:
                if count == 0:
                    raise
                return count
        return len(batch)

    def close(self) -> None:
        """Close the file, which keeps its name."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _make_room(self, size: int) -> None:
        """Close the file and begin the next where the options say so."""
        if self._file is None:
            self.open()
        is_long = 0 < self._options.rotate_bytes < self._size + size
        is_old = 0 < self._options.rotate_seconds <= self._clock() - self._begun
        if self._size and (is_long or is_old):
            os.fsync(self._file)
            self.close()
            self._retire()
            self.open()

    def _write(self, line: bytes) -> None:
        written = os.write(self._file, line)
        if written < len(line):
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            raise OSError(28, "no space is left for a whole line", str(self._path))
        self._size += written

    def _retire(self) -> None:
        """Give the file its final name, and delete closed files that are too many."""
        closed = self._closed()
        number = max(closed, default=0) + 1
        os.replace(self._path, self._path.with_name(f"{self._path.stem}.{number:06d}{self._path.suffix}"))
        self._is_ours, self._size = False, 0
        closed = self._closed()
        for old in sorted(closed)[: -self._options.keep] if self._options.keep else ():
            closed[old].unlink(missing_ok=True)

    def _closed(self) -> dict[int, Path]:
        """Closed files by number."""
        name = re.compile(re.escape(self._path.stem) + r"\.(\d{6,})" + re.escape(self._path.suffix))
        found = ((name.fullmatch(path.name), path) for path in self._path.parent.iterdir())
        return {int(match[1]): path for match, path in found if match}
