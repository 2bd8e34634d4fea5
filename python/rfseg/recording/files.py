"""One recording on disk, readable at every moment.

While it grows, a recording is the pair ``NAME.part.sigmf-data`` and ``NAME.part.sigmf-meta``; when it is finished,
``NAME.sigmf-data`` and ``NAME.sigmf-meta``.  The order of the steps keeps a promise through any crash of the program:
**every metadata file in the folder has its data, and speaks of no sample that is not there.**

* Data are only appended, and metadata are replaced by one move after the data they speak of.
* A capture's first sample is written, then its metadata, then the rest: one sample at most lacks its capture.
* At the end the data get their final name as a second link, the metadata appear beside them, and the names of the pair
  in progress go, metadata first.

The data file is locked while it grows, so that :mod:`rfseg.recording.recovery` leaves it alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Iterable, Mapping

import numpy as np

from ..bands import Band
from ..sigmf_files import DATA_SUFFIX, META_SUFFIX
from .metadata import GrowingMetadata
from .stream import StreamState

__all__ = ["PART", "RecordingFile", "Sync", "is_full", "put_text", "settle"]

PART = ".part"  # between name and suffix while a recording grows
_TEMPORARY = ".tmp"  # ends the names of metadata that are being written
_LEAST_CUT = 1 << 16  # bytes of data given up at a time so that a full disk takes the metadata
_CUTS = 8  # times


class Sync(str, Enum):
    """When what was written is forced onto the disk, beyond the reach of a power cut."""

    FLUSH = "flush"  # after each update of the metadata
    FILE = "file"  # when a recording is finished
    NEVER = "never"  # when the system likes


class RecordingFile:
    """A recording that grows.

    Parameters
    ----------
    folder : Path
    name : str
        Without suffix; no recording of that name may be there.
    header : dict
        SigMF's global object.
    sample_bytes : int
        Bytes of one complex sample.
    sync : Sync

    Raises
    ------
    OSError
        If it cannot be made.
    """

    def __init__(
        self, folder: Path, name: str, *, header: Mapping[str, Any], sample_bytes: int, sync: Sync = Sync.FILE
    ) -> None:
        self.folder, self.name = folder, name
        self.sample_count = 0
        self.offset = 0  # of the sample of the stream that follows
        self.state: StreamState | None = None  # of the newest capture
        self.metadata = GrowingMetadata(name, header)
        self._sample_bytes, self._sync = sample_bytes, sync
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file: int | None = os.open(folder / (name + PART + DATA_SUFFIX), flags, 0o644)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def size(self) -> int:
        """Bytes of data and, about, of metadata."""
        return self.sample_count * self._sample_bytes + self.metadata.size

    @property
    def meta_path(self) -> Path:
        """Where the metadata are once the recording is finished."""
        return self.folder / (self.name + META_SUFFIX)

    def append(self, samples: np.ndarray, offset: int, state: StreamState, bands: Iterable[Band] = ()) -> None:
        """Write samples of the stream that lie behind all before, and what is known of them.

        Parameters
        ----------
        samples : ``(n, ...)``, contiguous, at least one
        offset : int
            Absolute index of the first.
        bands
            Those that begin in these samples, or that began before and were not given yet.

        Raises
        ------
        OSError
            If not all could be written; ``sample_count`` then says how many the file holds.
        """
        is_new = self.state is None or self.state.capture != state.capture or self.offset != offset
        if is_new:
            self.metadata.begin_capture(self.sample_count, offset, state)
        self.metadata.add(bands)
        self.state, self.offset = state, offset
        if is_new:
            self._write(samples[:1])
            self.flush()
            samples = samples[1:]
        self._write(samples)
        self.metadata.advance(self.offset)

    def flush(self) -> None:
        """Make the metadata agree with the samples on disk.

        Raises
        ------
        OSError
            If they cannot be written; those of the last flush stay.
        """
        text = self.metadata.to_text(self.sample_count)
        put_text(self.folder / (self.name + PART + META_SUFFIX), text, is_synced=False)

    def force(self) -> None:
        """Force what was flushed onto the disk, data first; from any thread, while samples are appended.

        Raises
        ------
        OSError
            If that fails.
        """
        os.fdatasync(self._file)
        _sync(self.folder / (self.name + PART + META_SUFFIX))
        _sync(self.folder)

    def finish(self) -> None:
        """Give the recording its final name; on a full disk its last samples give room for the metadata.

        Raises
        ------
        OSError
            If that fails; the pair in progress stays as it is.
        """
        is_synced = self._sync is not Sync.NEVER
        try:
            if is_synced:
                os.fdatasync(self._file)
            for cut in range(_CUTS + 1):
                try:
                    settle(self.folder, self.name, self.metadata.to_text(self.sample_count), is_synced=is_synced)
                    return
                except OSError as error:
                    if not is_full(error) or cut == _CUTS or not self._give_up_samples():
                        raise
        finally:
            self.close()

    def discard(self) -> None:
        """Remove what there is."""
        self.close()
        for suffix in (META_SUFFIX, DATA_SUFFIX):
            (self.folder / (self.name + PART + suffix)).unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the pair in progress as it is."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, samples: np.ndarray) -> None:
        content = memoryview(samples.reshape(-1).view(np.uint8))
        done = 0
        try:
            while done < len(content):
                done += os.write(self._file, content[done:])
        finally:
            count = done // self._sample_bytes
            self.sample_count += count
            self.offset += count
            if done < len(content):
                self._truncate()

    def _give_up_samples(self) -> bool:
        """Shorten the data by at least as much as the metadata are long; False where nothing would be left."""
        cut = -(-max(_LEAST_CUT, self.metadata.size) // self._sample_bytes)
        if cut >= self.sample_count:
            return False
        self.sample_count -= cut
        self._truncate()
        return True

    def _truncate(self) -> None:
        os.ftruncate(self._file, self.sample_count * self._sample_bytes)
        os.lseek(self._file, 0, os.SEEK_END)


def is_full(error: OSError) -> bool:
    """Whether a disk, a quota of the system, or a file of the greatest size is the reason."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def put_text(path: Path, text: str, *, is_synced: bool) -> None:
    """Write a file that is there as a whole, or as it was before."""
    temporary = path.with_name(f".{path.name}{_TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            file.write(text.encode("utf-8"))
            if is_synced:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if is_synced:
        _sync(path.parent)


def settle(folder: Path, name: str, text: str, *, is_synced: bool) -> None:
    """Give a recording in progress its final names; a second call completes one that was interrupted.

    Raises
    ------
    OSError
        If it cannot; every metadata file still has its data.
    """
    part, final = folder / (name + PART + DATA_SUFFIX), folder / (name + DATA_SUFFIX)
    if not final.exists():
        try:
            os.link(part, final)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            os.rename(part, final)  # a file system without links: for a moment metadata lack their data
    put_text(folder / (name + META_SUFFIX), text, is_synced=is_synced)
    (folder / (name + PART + META_SUFFIX)).unlink(missing_ok=True)
    part.unlink(missing_ok=True)
    if is_synced:
        _sync(folder)


def _sync(path: Path) -> None:
    """Force a file, or the names of a folder, onto the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
