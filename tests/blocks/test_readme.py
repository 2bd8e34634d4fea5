# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python in the README runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TIME_LIMIT = 120  # s; the longest takes a few
EDGE_TOLERANCE = 0.1  # MHz; half a bin, for other processors
README = (ROOT / "README.md").read_text("utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_readme_shows_a_flowgraph_and_the_library() -> None:
    assert len(SNIPPETS) == 2


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_finds_the_classes_of_the_demo_recording(snippet: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    run = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )
    assert run.returncode == 0, run.stderr
    written = "".join(path.read_text("utf-8") for path in tmp_path.glob("*.jsonl"))
    for label in ("LTE", "NR", "Radar"):
        assert label in run.stdout + written


def bands_in(text: str) -> list[tuple[str, float, float]]:
    """Label and edges, MHz, of each line of a table of bands."""
    lines = re.findall(r"^(LTE|NR|Radar) +(\S+) +(\S+) .*$", text, re.MULTILINE)
    return [(label, float(lower), float(upper)) for label, lower, upper in lines]


def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    command = [sys.executable, "examples/segment_recording.py", "examples/data/demo.sigmf-meta", "--out", tmp_path]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIME_LIMIT, check=True)
    printed, shown = bands_in(run.stdout), bands_in(README)
    assert [band[0] for band in printed] == [band[0] for band in shown]
    assert [band[1:] for band in printed] == [pytest.approx(band[1:], abs=EDGE_TOLERANCE) for band in shown]
