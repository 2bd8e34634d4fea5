# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of extraction: what its page shows, in files that other programs open, each band at 0 Hz."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import sigmf

from rfseg.sigmf import open_recording

ROOT = Path(__file__).parents[2]
INSIDE, BESIDE = 4.4e6, 5.3e6  # Hz: of an LTE carrier of 9 MHz, and what the filter must have taken away


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("extract_bands", ROOT / "examples" / "extract_bands.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_it_writes_each_band_and_prints_what_its_page_shows(example, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("sys.argv", ["extract_bands.py", "--out", str(tmp_path)])
    assert example.main() == 0
    page = (ROOT / "examples" / "extract_bands.md").read_text()
    output = capfd.readouterr().out
    assert f"```\n{output}```" in page
    paths = sorted(tmp_path.glob("*.sigmf-meta"))
    assert len(paths) == output.count("\n")
    for path in paths:
        sigmf.fromfile(str(path)).validate()

    carrier = open_recording(tmp_path / "LTE-1-0.sigmf-meta")
    assert carrier.metadata["captures"][0]["core:datetime"] == "2026-01-31T12:00:00.000000000Z"
    assert carrier.center_freq == pytest.approx(3591e6, abs=20e3)  # as its true edges say
    (annotation,) = carrier.annotations
    assert (annotation["core:sample_start"], annotation["core:sample_count"]) == (0, carrier.sample_count)
    iq = carrier.read(0, carrier.sample_count)
    power = np.mean(np.abs(np.fft.fft(iq[: iq.size // 1024 * 1024].reshape(-1, 1024))) ** 2, axis=0)
    freqs = np.abs(np.fft.fftfreq(1024, 1 / carrier.samp_rate))
    assert 10 * np.log10(power[freqs < INSIDE].mean() / power[freqs > BESIDE].max()) > 25  # a window's side lobes


def test_a_missing_recording_is_an_error_on_one_line(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["extract_bands.py", str(tmp_path / "none.sigmf-meta"), "--out", str(tmp_path)])
    assert example.main() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_a_rate_that_cannot_be_is_an_error_on_one_line(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["extract_bands.py", "--out", str(tmp_path), "--rate", "12345.678"])
    assert example.main() == 2
    assert "out_rate=12345.678 Hz is no fraction of samp_rate=30720000 Hz" in capsys.readouterr().err
