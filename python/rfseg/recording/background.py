"""A thread for what takes as long as the disk does, so that writing goes on meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from typing import Callable

__all__ = ["Background"]

_MOST_WAITING = 2  # tasks; who brings another waits


class Background:
    """Runs tasks one after the other; they must not raise."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tasks: deque[Callable[[], None]] = deque()
        self._is_working = self._is_stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="rfseg recorder sync", daemon=True)
        self._thread.start()

    def submit(self, task: Callable[[], None]) -> None:
        """Queue a task, after waiting for room."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._tasks) < _MOST_WAITING)
            self._tasks.append(task)
            self._changed.notify_all()

    def submit_if_idle(self, task: Callable[[], None]) -> None:
        """Run a task if no other does or waits; else it is not needed."""
        with self._changed:
            if not (self._tasks or self._is_working):
                self._tasks.append(task)
                self._changed.notify_all()

    def drain(self) -> None:
        """Wait until nothing is left to do."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._tasks or self._is_working))

    def stop(self) -> None:
        """End, after all that waits."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_working = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._tasks or self._is_stopping)
                if not self._tasks:
                    return
                self._is_working = True
                task = self._tasks.popleft()
                self._changed.notify_all()  # there is room for another
            task()
