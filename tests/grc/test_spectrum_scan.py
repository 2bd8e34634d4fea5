"""The example of a scan: carriers across borders come out whole, and busy steps are visited more often."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "tests" / "models" / "threshold.onnx"
EDGES = np.array([(3415.7, 3424.7), (3446.2, 3455.2), (3476.2, 3485.2)])  # MHz
MOST_OFF = 0.5  # MHz; two bins of the network
STEPS = [[0, 1], [2], [3, 4]]
LINE = re.compile(r"LTE +([\d.]+) to ([\d.]+) MHz, duty cycle ([\d.]+), seen from steps \[([\d, ]+)\]")


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("spectrum_scan", ROOT / "examples" / "spectrum_scan.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def check_lines(text: str) -> None:
    """What is printed names the three carriers."""
    found = LINE.findall(text)
    assert len(found) == 3, text
    assert np.abs(np.array([(float(low), float(high)) for low, high, _, _ in found]) - EDGES).max() < MOST_OFF
    assert [[int(step) for step in steps.split(",")] for *_, steps in found] == STEPS


def test_it_prints_and_writes_what_is_on_the_air(example, monkeypatch, capsys, tmp_path):
    table, document = tmp_path / "scan.csv", tmp_path / "scan.json"
    arguments = ["spectrum_scan.py", "--model", str(MODEL), "--csv", str(table), "--json", str(document)]
    monkeypatch.setattr("sys.argv", arguments)
    assert example.main() == 0
    text = capsys.readouterr().out
    check_lines(text)
    visits = [int(number) for number in re.findall(r"MHz: (\d+) visits", text)]
    assert len(visits) == 6 and visits[5] == 2 and min(visits[:5]) > 2  # the last step is empty
    from rfseg.scanning.report import scan_from_json

    report = scan_from_json(document.read_text())
    assert report.sweeps == 2 and len(report.spans) == 1 and len(report.spans[0].duty_cycle) == 1200
    assert len(table.read_text().splitlines()) == 1 + len(report.bands) + 1200


def test_its_page_shows_such_an_output(example):
    page = (ROOT / "examples" / "spectrum_scan.md").read_text()
    check_lines(page)
    assert page.count(" visits\n") == 6


def test_a_model_that_is_not_there_is_an_error(example, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["spectrum_scan.py", "--model", "no-such-model"])
    assert example.main() == 2
    assert capsys.readouterr().err.startswith("error: ")
