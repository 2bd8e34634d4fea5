"""Samples into recordings: when one ends and the next begins, and what happens when there is no room."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable

import numpy as np

from ..atomic import make_folder
from ..bands import Band
from ..datatype import Datatype
from ..errors import RecordingError
from .background import Background
from .filerules import FileRules, OnFull
from .files import RecordingFile, Sync, is_full
from .metadata import make_header
from .recovery import recover
from .shelf import Shelf
from .stream import StreamState

__all__ = ["Archive", "Piece"]

_log = logging.getLogger(__name__)
_LARGEST_SHARE = 0.05  # of the time may go into writing metadata anew
_META_RESERVE = 4096  # bytes
_LONG_METADATA = 1 << 18  # bytes; longer ones are not written anew for each retune


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Samples to record, all of one capture.

    Parameters
    ----------
    samples : ``(n, ...)``, at least one
    offset : int
        Absolute index of the first.
    state : StreamState
        What is known of them.
    bands : tuple of Band
        That begin in them, or began before and were not given yet; sorted by first sample.
    """

    samples: np.ndarray
    offset: int
    state: StreamState
    bands: tuple[Band, ...] = ()


class Archive:
    """Writes pieces into recordings of a folder; not for two threads at once.

    What takes as long as the disk does, forcing data onto it and finishing files, is done in the background.

    Parameters
    ----------
    folder : str or Path
        Made where it is not there.
    datatype : Datatype
    rules : FileRules
    on_event : callable
        Called with the name of an event and its fields: ``begun``, ``finished``, ``recovered``, ``deleted`` with the
        ``path`` of the metadata file; ``stopped`` and ``unrecovered`` with the ``reason``.

    Raises
    ------
    RecordingError
        If the folder cannot be made, or ``rules.info`` makes no sense.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        datatype: Datatype,
        rules: FileRules = FileRules(),
        on_event: Callable[[str, dict[str, Any]], None] = lambda event, fields: None,
    ) -> None:
        make_header(datatype, 1.0, rules.info)
        self._folder, self._datatype, self._rules, self._on_event = Path(folder), datatype, rules, on_event
        self._shelf = Shelf(self._folder, rules.prefix, rules.quota_bytes)
        self._file: RecordingFile | None = None
        self._pending: list[Band] = []  # bands of samples to come, and those that reach into them
        self._background = Background()
        self._next_flush = 0.0
        self.is_stopped = False
        self.recordings = 0  # finished in this run
        make_folder(self._folder)

    def open(self) -> None:
        """Make the folder and complete what a crash left.

        Raises
        ------
        RecordingError
            If the folder cannot be made.
        """
        make_folder(self._folder)
        self.is_stopped, self.recordings, self._pending = False, 0, []
        try:
            for path in recover(self._folder, prefix=self._rules.prefix + "-"):
                self._on_event("recovered", {"path": str(path)})
        except RecordingError as error:  # it is left as it is
            _log.warning("%s", error)
            self._on_event("unrecovered", {"reason": str(error)})
        self._background.start()

    def write(self, piece: Piece) -> int:
        """Write a piece; returns how many of its samples are on disk, fewer than all where recording stops."""
        self._pending += piece.bands
        if self.is_stopped:  # only what may still be there when recording goes on
            stop = piece.offset + len(piece.samples)
            self._pending = [band for band in self._pending if band.sample_start + band.sample_count > stop]
        if self._file is not None and self._needs_new_file(piece.state):
            self.close()
        done = 0
        while done < len(piece.samples) and not self.is_stopped:
            before = self._file.sample_count if self._file is not None else 0
            try:
                done += self._write_some(piece, done)
            except OSError as error:
                done += max(self._file.sample_count - before, 0) if self._file is not None else 0
                if not (is_full(error) and self._delete_oldest()):
                    self._stop(f"{self._folder} cannot be written: {error.strerror or error}")
        self.tick()
        return done

    def tick(self) -> None:
        """Bring the metadata of the recording in progress up to date, if it is time to."""
        begin = time.monotonic()
        if self._file is None or begin < self._next_flush:
            return
        try:
            self._file.flush()
            if self._rules.sync is Sync.FLUSH:
                self._background.submit_if_idle(partial(self._force, self._file))
        except OSError as error:
            if not (is_full(error) and self._delete_oldest()):
                self._stop(f"{self._folder} cannot be written: {error.strerror or error}")
        end = time.monotonic()
        self._next_flush = end + max(self._rules.flush_interval, (end - begin) / _LARGEST_SHARE)

    def close(self) -> None:
        """Finish the recording in progress, if there is one."""
        file, self._file = self._file, None
        if file is None:
            return
        self._pending = file.metadata.unfinished(file.offset) + self._pending
        if file.sample_count == 0:
            file.discard()
            return
        self._shelf.hold(file.name, file.size)
        self._background.submit(partial(self._finish, file))

    def shut_down(self) -> None:
        """Finish the recording in progress, and end."""
        self.close()
        self._background.stop()

    def abandon(self, error: Exception) -> None:
        """Stop after an error that should not be; the file in progress stays as it is, to be recovered."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._stop(f"{type(error).__name__}: {error}")

    def resume(self) -> None:
        """Record again after a stop."""
        self.is_stopped = False

    def _write_some(self, piece: Piece, done: int) -> int:
        """Write as many samples as go into the file; 0 where there is no room, and recording stops."""
        offset = piece.offset + done
        if self._file is None:
            self._begin(offset, piece.state)
        limit = self._rules.file_samples(piece.state.samp_rate, self._datatype.sample_bytes)
        wanted = min(len(piece.samples) - done, limit - self._file.sample_count)
        count = min(wanted, self._room(wanted))
        if count == 0:
            self._stop(self._why_full())
            return 0
        split = offset + count
        bands = [band for band in self._pending if band.sample_start < split]
        self._pending = self._pending[len(bands) :]
        self._file.append(piece.samples[done : done + count], offset, piece.state, bands)
        if self._file.sample_count >= limit:
            self.close()
        return count

    def _needs_new_file(self, state: StreamState) -> bool:
        """Whether the rate is another one, or metadata would be written anew at this capture that have grown long."""
        newest = self._file.state
        is_long = self._file.metadata.size > _LONG_METADATA and state.capture != newest.capture
        return state.samp_rate != newest.samp_rate or is_long

    def _begin(self, offset: int, state: StreamState) -> None:
        self._pending = [band for band in self._pending if band.sample_start + band.sample_count > offset]
        self._shelf.scan()  # recordings may have been taken away
        name = self._shelf.make_name(state.time_at(offset))
        self._file = RecordingFile(
            self._folder,
            name,
            header=make_header(self._datatype, state.samp_rate, self._rules.info),
            sample_bytes=self._datatype.sample_bytes,
            sync=self._rules.sync,
        )
        self._next_flush = time.monotonic() + self._rules.flush_interval
        self._on_event("begun", {"path": str(self._file.meta_path), "sample": offset})

    def _room(self, wanted: int) -> int:
        """Samples that there is room for, after the oldest recordings have gone where that is allowed."""
        while True:
            room = self._shelf.room(self._file.size, self._reserve()) // self._datatype.sample_bytes
            if room >= wanted or not self._delete_oldest():
                return room

    def _force(self, file: RecordingFile) -> None:
        """In the background: what was flushed is safe from a power cut."""
        try:
            file.force()
        except OSError as error:
            _log.warning("%s cannot be forced onto the disk: %s", file.meta_path, error.strerror or error)

    def _finish(self, file: RecordingFile) -> None:
        """In the background: a recording takes its final name."""
        try:
            file.finish()
            self._shelf.add(file.name)
        except OSError as error:
            reason = f"{file.meta_path} cannot be finished: {error.strerror or error}"
            self._tell_stop(f"{reason}; it is recovered at the next start")
            return
        self.recordings += 1
        totals = {"samples": file.sample_count, "annotations": file.metadata.annotation_count}
        self._on_event("finished", {"path": str(file.meta_path), **totals})

    def _reserve(self) -> int:
        """Bytes for the metadata, of which there are two while one replaces the other."""
        return 2 * self._file.metadata.size + _META_RESERVE

    def _why_full(self) -> str:
        if self._shelf.disk_room(self._reserve()) < self._datatype.sample_bytes:
            return f"the disk of {self._folder} is full; make room, then resume or start again"
        return (
            f"the quota of {self._rules.quota_bytes} bytes is used up; move recordings away and resume or start again,"
            " raise quota_bytes, or choose on_full='delete_oldest'"
        )

    def _delete_oldest(self) -> bool:
        if self._rules.on_full is not OnFull.DELETE_OLDEST:
            return False
        deleted = self._shelf.delete_oldest()
        if deleted is None:
            self._background.drain()  # what is being finished may be deleted then
            deleted = self._shelf.delete_oldest()
        if deleted is None:
            return False
        self._on_event("deleted", {"path": str(deleted)})
        return True

    def _stop(self, reason: str) -> None:
        self.is_stopped = True
        self.close()
        self._background.drain()
        self._tell_stop(reason)

    def _tell_stop(self, reason: str) -> None:
        self.is_stopped = True
        _log.warning("recording stops: %s", reason)
        self._on_event("stopped", {"reason": reason})
