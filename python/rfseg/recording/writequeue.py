"""The thread that writes, behind a bounded queue: whoever hands samples over never waits for the disk."""

from __future__ import annotations

import logging
import threading
from collections import deque

from ..framequeue import Mode
from .archive import Archive, Piece

__all__ = ["WriteQueue"]

_log = logging.getLogger(__name__)
_TICK = 0.25  # s; how often the metadata are looked after while no samples come
_STOP_TIMEOUT = 60.0  # s; what waits at the end is written, however slow the disk


class WriteQueue:
    """Hands pieces to an archive from a thread of its own.

    At any moment the samples taken are those written, refused and waiting.

    Parameters
    ----------
    archive : Archive
    depth : int
        Samples that may wait besides those being written.
    mode : Mode
        What happens when more would: live, the new ones are not taken; lossless, whoever brings them waits.
    """

    def __init__(self, archive: Archive, *, depth: int, mode: Mode) -> None:
        self._archive, self._depth, self._mode = archive, depth, mode
        self._changed = threading.Condition()
        self._items: deque[Piece | None] = deque()  # None: the recording ends
        self._is_stopping = self._is_resuming = False
        self._thread: threading.Thread | None = None
        self._waiting = 0  # samples, those being written included
        self._written = 0  # samples
        self._refused = 0  # samples that came while recording had stopped

    def start(self) -> None:
        """Begin."""
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="rfseg recorder", daemon=True)
        self._thread.start()

    def put(self, piece: Piece) -> bool:
        """Take a piece; False where the queue is full."""
        count = len(piece.samples)
        with self._changed:
            if self._mode is Mode.LOSSLESS:
                self._changed.wait_for(lambda: self._has_room(count) or self._is_stopping)
            if not self._has_room(count):
                return False
            self._items.append(piece)
            self._waiting += count
            self._changed.notify_all()
        return True

    def totals(self) -> tuple[int, int, int]:
        """Samples written, refused because recording had stopped, and waiting."""
        with self._changed:
            return self._written, self._refused, self._waiting

    def drain(self) -> None:
        """Wait until everything taken has been written or refused."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting == 0)

    def end_recording(self) -> None:
        """The samples so far and those to come do not belong together."""
        with self._changed:
            self._items.append(None)
            self._changed.notify_all()

    def resume(self) -> None:
        """Record again after the archive has stopped."""
        with self._changed:
            self._is_resuming = True

    def stop(self) -> None:
        """Write what waits, finish the recording, and end."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT)
            if self._thread.is_alive():
                _log.warning("the disk has taken more than %g s; its thread is left alone", _STOP_TIMEOUT)
            self._thread = None

    def _has_room(self, count: int) -> bool:
        return self._waiting == 0 or self._waiting + count <= self._depth

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._is_stopping, _TICK)
                if self._is_resuming:
                    self._is_resuming = False
                    self._archive.resume()
                if not self._items and self._is_stopping:
                    break
                is_idle = not self._items
                item = None if is_idle else self._items.popleft()
            if is_idle:
                self._archive.tick()
            elif item is None:
                self._archive.close()
            else:
                self._write(item)
        self._archive.shut_down()

    def _write(self, piece: Piece) -> None:
        written = 0
        try:
            written = self._archive.write(piece)
        except Exception as error:  # escaping, it would end this thread, and a lossless stream would wait for ever
            _log.exception("recording ends here")
            self._archive.abandon(error)
        with self._changed:
            self._written += written
            self._refused += len(piece.samples) - written
            self._waiting -= len(piece.samples)
            self._changed.notify_all()
