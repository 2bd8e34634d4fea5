"""Findings, and trying things out in another process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

__all__ = ["Finding", "Level", "Trial", "fault", "note", "pip_install", "sound", "try_python", "warning"]

_TRIAL_SECONDS = 120.0  # the longest import on a busy machine


class Level(str, Enum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"  # something optional is not there
    WARNING = "warning"  # works, but not as well as it could
    FAULT = "fault"  # something does not work


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report; ``remedy`` is empty where there is nothing to mend."""

    area: str
    level: Level
    text: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """As the report has it."""
        return {**asdict(self), "level": self.level.value}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What became of a piece of Python: its result, or the last line of its error."""

    result: Any = None
    error: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether there is no result."""
        return bool(self.error)


def sound(area: str, text: str) -> Finding:
    """All is well."""
    return Finding(area=area, level=Level.OK, text=text)


def note(area: str, text: str, remedy: str = "") -> Finding:
    """Something optional is not there."""
    return Finding(area=area, level=Level.NOTE, text=text, remedy=remedy)


def warning(area: str, text: str, remedy: str) -> Finding:
    """It works, but not as well as it could."""
    return Finding(area=area, level=Level.WARNING, text=text, remedy=remedy)


def fault(area: str, text: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(area=area, level=Level.FAULT, text=text, remedy=remedy)


def pip_install(what: str) -> str:
    """The command that installs something for this interpreter."""
    return f"{sys.executable} -m pip install {what}"


def try_python(code: str, *arguments: str, seconds: float = _TRIAL_SECONDS) -> Trial:
    """Run code, which sets ``result`` to what JSON can hold, in a process of its own; it may crash there.

    ``sys.argv[1:]`` are the arguments.
    """
    # What libraries print on standard output must not stand in the way of the result.
    program = (
        "import json, os, sys\nout = os.fdopen(os.dup(1), 'w'); os.dup2(2, 1)\n"
        f"{code}\nprint(json.dumps(result), file=out, flush=True)\n"
    )
    try:
        run = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, errors="replace", timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return Trial(error=f"no answer within {seconds:g} s")
    if run.returncode < 0:
        return Trial(error=f"the process crashed with {signal.Signals(-run.returncode).name}")
    if run.returncode > 0:
        lines = [line for line in run.stderr.strip().splitlines() if line.strip()]
        return Trial(error=lines[-1].strip() if lines else f"exit code {run.returncode}")
    try:
        return Trial(result=json.loads(run.stdout))
    except ValueError:
        return Trial(error=f"it printed {run.stdout[:80]!r} instead of a result")
