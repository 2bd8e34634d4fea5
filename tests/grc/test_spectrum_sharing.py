"""The example of spectrum sharing: the transmitter leaves each band that is taken, at the sample that it should."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from rfseg.occupancyreport import FreeBand, OccupancyReport

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "tests" / "models" / "threshold.onnx"
BACKGROUND_DB = 3.0  # over the noise; what random noise of some hundred thousand samples never reaches


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("spectrum_sharing", ROOT / "examples" / "spectrum_sharing.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def outcome(example):
    """Channels by interval, and what was in the air."""
    return example.simulate(str(MODEL))


def test_it_moves_at_the_interval_that_obeys_the_first_message_of_a_new_user(example, outcome):
    channels, _ = outcome
    # The users change in intervals 12 and 24, whose messages are obeyed from intervals 14 and 26 on.
    assert channels == [None] * 2 + [3505.4e6] * 12 + [3498.8e6] * 12 + [3513.1e6] * 14
    edges = [(user.start, user.stop) for user in example.PRIMARIES]
    assert example.collisions(channels) == [
        (edges[1][0], 14 * example.INTERVAL),
        (edges[2][0], 26 * example.INTERVAL),
    ]


def test_it_transmits_there_and_nowhere_else(example, outcome):
    channels, air = outcome
    noise = example.NOISE_DBFS + 10 * np.log10(example.CHANNEL_WIDTH / example.SAMP_RATE)

    def power_dbfs(interval: int, channel: float) -> float:
        iq = air[interval * example.INTERVAL : (interval + 1) * example.INTERVAL]
        freqs = np.fft.fftfreq(iq.size, 1 / example.SAMP_RATE) + example.CENTER_FREQ - channel
        inside = np.abs(freqs) < example.CHANNEL_WIDTH / 2
        return float(10 * np.log10(np.sum(np.abs(np.fft.fft(iq)[inside] / iq.size) ** 2)))

    for interval in (5, 20, 33):
        assert power_dbfs(interval, channels[interval]) == pytest.approx(example.SECONDARY_DBFS, abs=0.5)
    assert power_dbfs(1, 3505.4e6) < noise + BACKGROUND_DB  # silent until it knows
    assert power_dbfs(20, 3513.1e6) < noise + BACKGROUND_DB


def test_it_prints_what_its_page_shows(example, outcome, monkeypatch, capsys):
    monkeypatch.setattr(example, "simulate", lambda model: outcome)
    monkeypatch.setattr("sys.argv", ["spectrum_sharing.py", "--model", str(MODEL)])
    assert example.main() == 0
    page = (ROOT / "examples" / "spectrum_sharing.md").read_text()
    assert f"```\n{capsys.readouterr().out}```" in page


def test_it_is_silent_where_nothing_is_free_and_stays_where_it_is_while_it_can(example):
    def report(*edges: tuple[float, float], valid_until: int = 200) -> OccupancyReport:
        free = tuple(FreeBand(freq_lower_edge=a, freq_upper_edge=b, valid_until=valid_until) for a, b in edges)
        fields = {"sample_start": 0, "sample_stop": 100, "samp_rate": 1e6, "freq_reference": "rf", "bin_width": 1e5}
        return OccupancyReport(**fields, free=free)

    assert example.choose_channel(report(), 5e6) is None
    assert example.choose_channel(report((0.0, 3.0e6)), None) is None  # no room for the step of its channels
    assert example.choose_channel(report((0.0, 4e6), (10e6, 20e6)), 2e6) == 2e6
    assert example.choose_channel(report((0.0, 4e6), (10e6, 20e6)), 8e6) == 15e6
    assert example.choose_channel(report((0.0, 9e6), valid_until=100), 5e6) is None  # no longer valid
