"""The record of a run in its folder: a table for people and scripts, events for TensorBoard."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from ..errors import RecordingError

__all__ = ["LOG", "RunLog"]

LOG = "log.csv"  # of a run's folder
_EVENTS = "tensorboard"


class RunLog:
    """Lines that are appended; those behind the step that a run is resumed from are dropped.

    Parameters
    ----------
    folder : Path
    step : int
        Steps made before; 0 for a new run.

    Raises
    ------
    RecordingError
        If the folder cannot be written.
    """

    def __init__(self, folder: Path, *, step: int = 0) -> None:
        self._path = folder / LOG
        lines = [line for line in self._read() if int(line["step"]) <= step]
        try:
            self._path.unlink(missing_ok=True)
            self._events = SummaryWriter(str(folder / _EVENTS), purge_step=step + 1 if step else None, flush_secs=10)
        except OSError as error:
            raise RecordingError(f"{folder} cannot be written: {error.strerror or error}; name another with --out") from error
        for line in lines:
            self._append(line)

    def write(self, facts: dict[str, Any]) -> None:
        """Add a line; ``facts`` holds ``step`` and has the same keys each time."""
        self._append(facts)
        for name, value in facts.items():
            if name != "step" and value is not None:
                self._events.add_scalar(name, float(value), int(facts["step"]))
        self._events.flush()

    def close(self) -> None:
        """Write what waits."""
        self._events.close()

    def _read(self) -> list[dict[str, str]]:
        if not self._path.is_file():
            return []
        with open(self._path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _append(self, line: dict[str, Any]) -> None:
        is_new = not self._path.is_file()
        with open(self._path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, line, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(line)
