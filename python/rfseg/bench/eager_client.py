"""PyTorch eager in a process of its own, maybe of another interpreter: asked for one inference at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from ..errors import BackendUnavailableError, OptionError

__all__ = ["EagerNetwork", "find_torch_python"]

_CHECKOUT = Path(__file__).resolve().parents[3]
_PROBE = "import importlib.util as u, sys; sys.exit(not (u.find_spec('torch') and u.find_spec('rfseg')))"
_PROBE_SECONDS = 60.0  # for a busy machine


def find_torch_python(wanted: Path | None = None) -> str | None:
    """An interpreter that has PyTorch and rfseg: the one asked for, this one, or that of a checkout; None if none can.

    Raises
    ------
    OptionError
        If the one that is asked for cannot.
    """
    candidates = [wanted] if wanted is not None else [Path(sys.executable), _CHECKOUT / ".venv-train" / "bin" / "python"]
    for candidate in candidates:
        try:
            probe = subprocess.run([candidate, "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if probe.returncode == 0:
            return str(candidate)
    if wanted is not None:
        raise OptionError(
            f"{wanted} has not both torch and rfseg; name the interpreter of an environment with rfseg[train], such as"
            " .venv-train/bin/python"
        )
    return None


class EagerNetwork:
    """A network with random weights, as exported, from rows to mask; use as a context."""

    def __init__(self, python: str, network: str, *, classes: int, rows: int) -> None:
        task = json.dumps({"network": network, "classes": classes, "rows": rows})
        self._process = subprocess.Popen(
            [python, "-m", "rfseg.deployment.eager", task],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},  # so that its threads do not spin while others are measured
        )

    def __enter__(self) -> EagerNetwork:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()

    def run(self, *, threads: int, batch: int, bins: int) -> float:
        """Seconds of one inference.

        Raises
        ------
        BackendUnavailableError
            If the process has ended.
        """
        try:
            print(json.dumps({"threads": threads, "batch": batch, "bins": bins}), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            pass  # what it said is read below
        line = self._process.stdout.readline()
        if not line:
            last = (self._process.stderr.read().strip().splitlines() or ["it said nothing"])[-1]
            raise BackendUnavailableError(f"the network cannot run in PyTorch: {last}; go without it: --without-pytorch")
        return float(line)
