# SPDX-License-Identifier: GPL-3.0-or-later
"""The program: ``python -m gnuradio.rfseg.bench TASK``, the task as JSON; the result as JSON on standard output."""

from __future__ import annotations

import json
import os
import sys
from typing import Sequence, TextIO

from gnuradio import gr
from rfseg.errors import OptionError, RfsegError

from .chains import measure_live, measure_lossless
from .process import measure_process
from .throughput import measure_spectrogram

__all__ = ["main"]

_TASKS = {
    "spectrogram": measure_spectrogram,
    "lossless": measure_lossless,
    "live": measure_live,
    "process": measure_process,
}
_BAD_INPUT = 2


def main(arguments: Sequence[str], out: TextIO) -> int:
    """Do one task, and write its result; the exit code."""
    try:
        task = _task(arguments)
        name = task.pop("task", None)
        if name not in _TASKS:
            raise OptionError(f"task {name!r} is unknown, expected one of {', '.join(_TASKS)}; start rfseg bench instead")
        result = {"gnuradio": gr.version(), **_TASKS[name](**task)}
    except RfsegError as error:
        print(error, file=sys.stderr)
        return _BAD_INPUT
    print(json.dumps(result, allow_nan=False), file=out, flush=True)
    return 0


def _task(arguments: Sequence[str]) -> dict:
    try:
        task = json.loads(arguments[0] if arguments else "")
    except ValueError as error:
        raise OptionError(f"the task is no JSON: {error}; start rfseg bench instead") from None
    if not isinstance(task, dict):
        raise OptionError(f"the task is a {type(task).__name__}, expected an object; start rfseg bench instead")
    return task


if __name__ == "__main__":
    # GNU Radio and its blocks print on standard output, which is for the result.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.exit(main(sys.argv[1:], answer))
