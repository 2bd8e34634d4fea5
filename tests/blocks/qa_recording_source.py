# SPDX-License-Identifier: GPL-3.0-or-later
"""Recording Source: the samples of a file and the tags of its captures, at once or by the clock, once or over and over."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr, rfseg

from rfseg.errors import RecordingError
from rfseg.sigmf import open_recording

SAMP_RATE = 1e6  # Hz
COUNT = 30_000
CAPTURES = [
    {"core:sample_start": 0, "core:frequency": 1e9},
    {"core:sample_start": 12_345, "core:frequency": 2e9, "core:datetime": "2026-01-31T12:34:56.25Z"},
    {"core:sample_start": 20_000},
]
RX_TIME = 1_769_862_896, 0.25  # s; of the second capture


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Samples that tell their own index, as complex int16."""
    index = np.arange(COUNT)
    np.stack([index % 256, index // 256], -1).astype("<i2").tofile(tmp_path / "a.sigmf-data")
    header = {"core:datatype": "ci16_le", "core:sample_rate": SAMP_RATE, "core:version": "1.2.5"}
    path = tmp_path / "a.sigmf-meta"
    path.write_text(json.dumps({"global": header, "captures": CAPTURES, "annotations": []}))
    return path


def samples() -> np.ndarray:
    """What comes out."""
    index = np.arange(COUNT)
    return ((index % 256 + 1j * (index // 256)) / 32768).astype(np.complex64)


def tags_of(sink) -> list[tuple[int, str, object]]:
    """Tags of a sink."""
    return [(o, k, pmt.to_python(v)) for o, k, v in sink.tags]


def play(kit, source, *, count: int = 0):
    """All that comes, or ``count`` samples of it."""
    top, sink = gr.top_block(), kit.compare_sink(samples())
    if count:
        head = blocks.head(gr.sizeof_gr_complex, count)
        top.connect(source, head, sink)
    else:
        top.connect(source, sink)
    kit.run(top)
    return sink


@pytest.mark.parametrize("is_open", [False, True])
def test_samples_and_captures_come_out(kit, recording, is_open):
    source = rfseg.recording_source(open_recording(recording) if is_open else str(recording))
    sink = play(kit, source)
    assert (sink.received, sink.differing) == (COUNT, 0)
    assert tags_of(sink) == [(0, "rx_freq", 1e9), (12_345, "rx_freq", 2e9), (12_345, "rx_time", RX_TIME)]
    assert source.recording().name == "a" and source.error is None


def test_it_plays_again_in_another_run(kit, recording):
    source, sink, top = rfseg.recording_source(recording), kit.compare_sink(samples()), gr.top_block()
    top.connect(source, sink)
    for _ in range(2):
        kit.run(top)
    assert (sink.received, sink.differing) == (2 * COUNT, 0)


def test_over_and_over_frequencies_are_told_each_time_and_times_once(kit, recording):
    sink = play(kit, rfseg.recording_source(recording, is_repeated=True), count=2 * COUNT + 10)
    assert (sink.received, sink.differing) == (2 * COUNT + 10, 0)
    freqs = [(o, v) for o, k, v in tags_of(sink) if k == "rx_freq"]
    begins = [(n * COUNT + start, freq) for n in range(3) for start, freq in ((0, 1e9), (12_345, 2e9))]
    assert freqs == [begin for begin in begins if begin[0] < 2 * COUNT + 10]
    assert [(o, v) for o, k, v in tags_of(sink) if k == "rx_time"] == [(12_345, RX_TIME)]


def test_a_first_moment_stands_in_only_where_the_recording_tells_none(kit, recording):
    sink = play(kit, rfseg.recording_source(recording, rx_time=(5, 0.5)))
    assert [(o, v) for o, k, v in tags_of(sink) if k == "rx_time"] == [(0, (5, 0.5)), (12_345, RX_TIME)]
    metadata = json.loads(recording.read_text())
    metadata["captures"][0]["core:datetime"] = "1970-01-01T00:00:07Z"
    recording.write_text(json.dumps(metadata))
    sink = play(kit, rfseg.recording_source(recording, rx_time=(5, 0.5)))
    assert [v for _, k, v in tags_of(sink) if k == "rx_time"] == [(7, 0.0), RX_TIME]


def test_by_the_clock_no_sample_comes_before_its_time(kit, recording):
    source = rfseg.recording_source(recording, is_paced=True, is_repeated=True)
    begin = time.monotonic()
    play(kit, source, count=200_000)
    assert time.monotonic() - begin > 0.9 * 200_000 / SAMP_RATE  # the last piece may be early by its own length
    assert source.lag >= 0


def test_a_file_that_can_no_longer_be_read_ends_the_stream_and_says_why(kit, recording):
    source = rfseg.recording_source(recording)
    data = recording.with_suffix(".sigmf-data")
    data.write_bytes(data.read_bytes()[:-400])
    sink = play(kit, source)
    assert sink.received < COUNT and isinstance(source.error, RecordingError)


def test_a_recording_that_is_none_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="none.sigmf-meta"):
        rfseg.recording_source(tmp_path / "none.sigmf-meta")
