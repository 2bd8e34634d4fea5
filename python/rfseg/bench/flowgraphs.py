"""Tasks of the program ``gnuradio.rfseg.bench``, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from ..errors import SourceError
from ..programs import program_command

__all__ = ["BENCH_MODULE", "run_task"]

BENCH_MODULE = "gnuradio.rfseg.bench"
_SHOWN_LINES = 3


def run_task(task: str, **settings: Any) -> dict[str, Any]:
    """Do a task and return its result.

    Raises
    ------
    BackendUnavailableError
        If GNU Radio or its half of rfseg is missing.
    SourceError
        If the flowgraph fails; the message has the last lines that it printed.
    """
    command = program_command(BENCH_MODULE, purpose=f"the part {task!r} of rfseg bench")
    done = subprocess.run([*command, json.dumps({"task": task, **settings})], capture_output=True, text=True)
    if done.returncode != 0:
        said = " | ".join(done.stderr.strip().splitlines()[-_SHOWN_LINES:]) or "it said nothing"
        raise SourceError(f"the flowgraph of {task!r} ended with exit code {done.returncode}: {said}")
    return json.loads(done.stdout)
