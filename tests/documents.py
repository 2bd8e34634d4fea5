"""Runs the programs of a page, as its reader types them.

A comment before a block of code says what is done with it:

``<!-- run -->``          run by bash or Python; the blocks of a page share a folder that looks like the checkout
``<!-- run: FILE -->``    written to FILE
``<!-- prints -->``       exactly what the block before prints
``<!-- prints about -->`` what it prints but for the digits, among other lines

``<!-- run training -->`` and ``<!-- run training: FILE -->`` are the same for what needs PyTorch.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

__all__ = ["BLOCK", "is_run", "run_page"]

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"<!-- ([\w ]+?)(?:: (\S+))? -->\n+```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHARED = (".venv", ".venv-train", "examples", "models", "scripts")  # of the checkout; what is written goes elsewhere
PORTS = ("5755", "5756", "8756")  # that pages name
TIME_LIMIT = 900  # s for one block on a busy machine; all but those of trainings take seconds


def is_run(page: Path, mark: str) -> bool:
    """Whether a page has blocks of this mark, ``run`` or ``run training``."""
    return any(match[1] == mark for match in BLOCK.finditer(page.read_text("utf-8")))


def run_page(page: Path, mark: str, folder: Path) -> None:
    """Run the blocks of a page, in their order, and compare what they print."""
    for name in SHARED:
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    (folder / "out").mkdir(exist_ok=True)
    printed = ""
    ports = {port: str(_free_port()) for port in PORTS}
    for kind, file, language, code in (match.groups() for match in BLOCK.finditer(page.read_text("utf-8"))):
        for port, free in ports.items():
            code = code.replace(port, free)
        if kind == mark and file:
            (folder / file).write_text(code, "utf-8")
        elif kind == mark:
            printed = _run(language, code, folder, page.name)
        elif kind == "prints":
            assert printed == code, f"{page.name} shows another output"
        elif kind == "prints about":
            _compare_shapes(printed, code, page.name)
        else:
            assert kind.startswith("run"), f"{page.name}: unknown mark {kind!r}"


def _run(language: str, code: str, folder: Path, name: str) -> str:
    """What a block prints; it fails if the block does."""
    python = folder / (".venv/bin/python")
    command = {"bash": ["bash", "-euo", "pipefail", "-c", code], "python": [str(python), "-c", code]}[language]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        printed, errors = process.communicate(timeout=TIME_LIMIT)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what a block that failed has left running
        except ProcessLookupError:
            pass
    assert process.returncode == 0, f"{name}: this block failed with {process.returncode}:\n{code}\n{printed}\n{errors}"
    return printed


def _compare_shapes(printed: str, shown: str, name: str) -> None:
    there = {_shape(line) for line in printed.splitlines()}
    missing = [line for line in shown.splitlines() if _shape(line) not in there]
    assert not missing, f"{name} shows lines that are not printed: {missing}; printed:\n{printed}"


def _shape(line: str) -> str:
    return " ".join(re.sub(r"\d+(\.\d+)?", "0", line).split())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
