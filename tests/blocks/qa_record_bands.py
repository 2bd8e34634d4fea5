# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of triggered recording: two recordings, with the signal where its page says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import sigmf

from rfseg.sigmf import open_recording

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("record_bands", ROOT / "examples" / "record_bands.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_it_records_the_signal_with_the_time_before_it_and_prints_what_its_page_shows(
    example, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("sys.argv", ["record_bands.py", "--out", str(tmp_path)])
    assert example.main() == 0
    page = (ROOT / "examples" / "record_bands.md").read_text()
    assert f"```\n{capsys.readouterr().out}```" in page

    demo = open_recording(example.RECORDING)
    paths = sorted(tmp_path.glob("*.sigmf-meta"))
    assert len(paths) == len(example.HEARD)
    for path, period in zip(paths, example.HEARD):
        recording = open_recording(path)
        first = recording.metadata["captures"][0]["core:global_index"]
        assert first == period * example.PERIOD - round(10e-3 * demo.samp_rate)
        heard = recording.read(period * example.PERIOD - first, example.PERIOD)
        assert np.array_equal(heard, demo.read(0, example.PERIOD))
        sigmf.fromfile(str(path)).validate()


def test_a_missing_model_is_an_error_on_one_line(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["record_bands.py", "--out", str(tmp_path), "--model", str(tmp_path / "no.onnx")])
    assert example.main() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
