# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated radio: the tags that its page shows; after an overflow, tags that tell the truth about the samples."""

from __future__ import annotations

import importlib.util
import re
import sys
import time
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import gr

from rfseg.sigmf import open_recording

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("simulator_to_tags", ROOT / "examples" / "simulator_to_tags.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_it_prints_the_tags_that_its_page_shows(example, monkeypatch, capsys):
    patience = ["--hold", "20", "--buffer", "20", "--queue-depth", "64"]  # whatever else the machine does
    monkeypatch.setattr("sys.argv", ["simulator_to_tags.py", *patience])
    assert example.main() == 0
    shown = (ROOT / "examples" / "simulator_to_tags.md").read_text().split("**Expected output**")[1].split("```\n")[1]
    printed = [re.sub(r"20\d\d-\d\d-\d\dT.*Z", "MOMENT", line) for line in capsys.readouterr().out.splitlines()]
    place = 0
    for line in re.sub(r"20\d\d-\d\d-\d\dT.*Z", "MOMENT", shown).splitlines():
        if line != "...":
            place = printed.index(line, place) + 1  # in this order
    assert place == len(printed) > 300
    offsets = [int(line.split()[0]) for line in printed[:-1]]
    assert offsets == sorted(offsets)
    starts, ends = ([line for line in printed if key in line] for key in ("band_start", "band_end"))
    assert len(starts) == len(ends) > 150


class SlowSink(gr.sync_block):
    """Keeps the samples and tags; now and then it is away for longer than the radio's buffer."""

    def __init__(self, pauses: int, pause: float) -> None:
        gr.sync_block.__init__(self, name="slow_sink", in_sig=[np.complex64], out_sig=None)
        self.samples: list[np.ndarray] = []
        self.tags: list[tuple[int, str, object]] = []
        self._pauses, self._pause = pauses, pause

    def work(self, input_items: list, output_items: list) -> int:
        count = len(input_items[0])
        self.samples.append(input_items[0].copy())
        tags = self.get_tags_in_window(0, 0, count)
        self.tags += [(tag.offset, pmt.symbol_to_string(tag.key), pmt.to_python(tag.value)) for tag in tags]
        if self._pauses and self.nitems_read(0) > 100_000:
            self._pauses -= 1
            time.sleep(self._pause)  # the reader's fault that is tested
        return count


def test_who_does_not_take_samples_in_time_finds_a_gap_with_tags_that_are_true(example):
    recording = open_recording(example.RECORDING)
    rate, air = recording.samp_rate, recording.read(0, recording.sample_count)
    radio = example.simulated_sdr(recording, duration=0.3, buffer=0.02)
    sink, top = SlowSink(2, 0.1), gr.top_block()
    top.connect(radio, sink)
    top.run()
    received = np.concatenate(sink.samples)
    times = [(offset, value) for offset, key, value in sink.tags if key == "rx_time"]
    assert radio.overflows >= 1 and len(times) == radio.overflows + 1
    for key, value in (("rx_freq", 3.6e9), ("rx_rate", 30.72e6)):
        assert [(o, v) for o, k, v in sink.tags if k == key] == [(offset, value) for offset, _ in times]

    begin = times[0][1]
    stops = [offset for offset, _ in times[1:]] + [len(received)]
    lost = 0
    for (offset, (seconds, fraction)), stop in zip(times, stops):
        place = round((seconds - begin[0] + fraction - begin[1]) * rate)
        expected = air.take(np.arange(place, place + stop - offset), mode="wrap")
        assert np.array_equal(received[offset:stop], expected)
        lost = place - offset
    assert lost > 0 and len(received) + lost == round(0.3 * rate)


def test_a_missing_recording_is_an_error_on_one_line(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["simulator_to_tags.py", str(tmp_path / "none.sigmf-meta")])
    assert example.main() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
