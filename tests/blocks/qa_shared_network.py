# SPDX-License-Identifier: GPL-3.0-or-later
"""Several receivers, one network: results and counters belong to each, and a slow network passes none of them over."""

from __future__ import annotations

import importlib.util
import re
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from gnuradio import blocks, gr, rfseg

from rfseg.inference import Session
from rfseg.sharedsession import SharedSession

ROOT = Path(__file__).parents[2]
THRESHOLD_MODEL = ROOT / "tests" / "models" / "threshold.onnx"
SAMP_RATE, FRAME_DURATION = 15.36e6, 2e-3  # Hz, s
FRAME, BINS, ROWS = 30_720, 64, 256
TIMEOUT = 20.0  # s; far longer than anything here takes


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("shared_network", ROOT / "examples" / "shared_network.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


class Channel:
    """Source, spectrogram and segmenter of one receiver, with a carrier on bins of its own."""

    def __init__(self, kit, top, *, frames: int, first: int, seed: int, mode: str, **options) -> None:
        count = frames * FRAME
        iq = kit.noise(count, level_db=-90.0, seed=seed)
        iq = iq + kit.comb(count, bins=BINS, first=first, last=first + 10, level_db=-50.0)
        self.source = kit.array_source(iq)
        geometry = {"model": THRESHOLD_MODEL, "frame_duration": FRAME_DURATION, "mode": mode}
        self.spectrogram = rfseg.spectrogram_sink(SAMP_RATE, **geometry)
        self.segmenter = rfseg.segmenter(SAMP_RATE, **{**geometry, **options})
        self.mask, self.confidence = blocks.vector_sink_b(BINS), blocks.null_sink(BINS)
        top.connect(self.source, self.spectrogram, self.segmenter, self.mask)
        top.connect((self.segmenter, 1), self.confidence)

    def masks(self) -> np.ndarray:
        """Frames of the mask, uint8 ``(n, T, F)``."""
        return np.array(self.mask.data(), np.uint8).reshape(-1, ROWS, BINS)


@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_each_channel_gets_the_masks_of_its_own_rows(kit, mode):
    top = gr.top_block()
    channels = [
        Channel(kit, top, frames=4, first=first, seed=first, mode=mode, queue_depth=9, share="two") for first in (5, 40)
    ]
    kit.run(top)
    for channel, first in zip(channels, (5, 40)):
        masks = channel.masks()
        assert len(masks) == channel.segmenter.inferred() == 4
        inside, outside = slice(first + 2, first + 9), slice(20, 38)
        assert np.all(masks[:, :, inside] == 1) and np.all(masks[:, :, outside] == 0)


class Stepped:
    """A network that infers one frame for each permit, and notes whose."""

    provider = "cpu"

    def __init__(self) -> None:
        self._session = Session(THRESHOLD_MODEL, threads=1)
        self.contract = self._session.contract
        self.permits = threading.Semaphore(0)

    def run(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert self.permits.acquire(timeout=TIMEOUT)
        return self._session.run(rows)


def test_a_network_that_is_too_slow_serves_every_channel_and_each_counts_its_own_drops(kit):
    network, top = Stepped(), gr.top_block()
    shared = SharedSession(network)
    lengths = (8, 12, 12)
    channels = [
        Channel(kit, top, frames=n, first=5 + 20 * k, seed=k, mode="live", model=shared, queue_depth=1)
        for k, n in enumerate(lengths)
    ]
    top.start()
    end = time.monotonic() + TIMEOUT
    while any(c.spectrogram.nitems_read(0) < n * FRAME for c, n in zip(channels, lengths)):
        assert time.monotonic() < end
        time.sleep(5e-3)
    for _ in range(100):
        network.permits.release()
    top.wait()
    for channel, frames in zip(channels, lengths):
        segmenter = channel.segmenter
        assert segmenter.frames() == frames and segmenter.inferred() + segmenter.dropped() == frames
        assert segmenter.inferred() >= 2 and segmenter.dropped() >= 1
        assert np.count_nonzero(np.all(channel.masks() == 255, axis=(1, 2))) == segmenter.dropped()


def test_the_example_prints_what_its_page_shows_and_loads_one_network(example, monkeypatch, capsys):
    loaded = []

    class Counted(Session):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            loaded.append(self.path)

    monkeypatch.setattr("rfseg.sharedsession.Session", Counted)
    monkeypatch.setattr("sys.argv", ["shared_network.py"])
    assert example.main() == 0
    out = capsys.readouterr().out
    page = (ROOT / "examples" / "shared_network.md").read_text("utf-8")
    shown = re.search(r"```\n(A .*?)```", page, re.DOTALL)[1]
    without_bands = re.compile(r"\d+ bands")  # another model may find others
    assert without_bands.sub("", out) == without_bands.sub("", shown)
    a, b = (int(n) for n in re.findall(r"(\d+) bands", out))
    assert a == b > 0 and len(loaded) == 1


def test_a_missing_model_is_an_error_on_one_line(example, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["shared_network.py", "--model", "no.onnx"])
    assert example.main() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
