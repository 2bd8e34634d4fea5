"""The programs of docs/tracking.md run and print what the text says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_programs_of_the_document_run():
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "tracking.md").read_text("utf-8"), re.DOTALL)
    assert len(programs) == 2
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120
        ).stdout
        for program in programs
    ]
    assert {"LTE", "NR", "Radar"} <= set(outputs[0].split())  # all three of the demonstration are tracks
    assert "staggered" in outputs[1] and "2e-06" in outputs[1]
