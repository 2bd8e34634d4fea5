# SPDX-License-Identifier: GPL-3.0-or-later
"""Models of published pictures in a flowgraph: masks and bands are those that the library finds in the same samples."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr, rfseg

from rfseg.contract import Contract
from rfseg.geometry import RxTime
from rfseg.inference import Session
from rfseg.modelfile import load_contract
from rfseg.pipeline import FrameResult, segment_recording
from rfseg.sigmf import open_recording



def _load(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


live_kit = _load("live_kit")
MODEL = Path(__file__).parents[1] / "models" / "picture.onnx"
CONTRACT: Contract = load_contract(MODEL)
SAMP_RATE = 15.36e6  # Hz
GEOMETRY = CONTRACT.make_geometry(SAMP_RATE)
FRAME, ROW, SIZE = GEOMETRY.frame_samples, GEOMETRY.row_samples, GEOMETRY.bins
COUNT = 12 * FRAME + 5000
PILOT = (0, COUNT, 2, 2, -20.0)  # it sets the scale of every picture
BURSTS = ((20_000, 90_000, 8, 20, -40.0), (30_000, 33_000, 40, 44, -20.0), (110_000, 175_000, 30, 50, -40.0))
# First sample, centre (Hz), samples lost before it: a retune inside a frame, one while the receiver settles, a gap
CAPTURES = ((0, 1e9, 0), (70_000, 2e9, 0), (74_000, 3e9, 0), (130_000, 3e9, 700))
SETTLING = 6000 / SAMP_RATE  # s


@pytest.fixture(scope="module")
def iq() -> np.ndarray:
    """A tone throughout, bursts of tones on the frequencies that pixels show, and noise far below."""
    rng = np.random.default_rng(4)
    samples = 1e-6 * rng.standard_normal((COUNT, 2)).astype(np.float32).view(np.complex64)[:, 0]
    for start, stop, first, last, level_db in (PILOT, *BURSTS):
        freqs = [GEOMETRY.edge_freq(pixel + 0.5) for pixel in range(first, last + 1)]
        times = np.arange(start, stop) / SAMP_RATE
        phases = rng.uniform(0, 2 * np.pi, len(freqs))
        for freq, phase in zip(freqs, phases):
            samples[start:stop] += (10 ** (level_db / 20) * np.exp(1j * (2 * np.pi * freq * times + phase))).astype(np.complex64)
    return samples


@pytest.fixture(scope="module")
def captures() -> list[tuple[int, float, RxTime]]:
    """As a recording has them."""
    begin = RxTime(seconds=5, fraction=0.75)
    return [(start, center, begin.after(start + lost, SAMP_RATE)) for start, center, lost in CAPTURES]


@pytest.fixture(scope="module")
def session() -> Session:
    """The model of pictures."""
    return Session(MODEL, threads=1)


def reference(session: Session, iq: np.ndarray, captures: list, *, settling: float = 0.0) -> list[FrameResult]:
    """What the library says of the samples."""
    recording = SimpleNamespace(
        samp_rate=SAMP_RATE, sample_count=len(iq), captures=captures, read=lambda start, count: iq[start : start + count]
    )
    return list(segment_recording(recording, session, settling=settling))


def tags_of(captures: list) -> dict[int, list]:
    """The same as a receiver tells it."""
    return {
        start: [
            ("rx_freq", pmt.from_double(center)),
            ("rx_time", pmt.make_tuple(pmt.from_uint64(time.seconds), pmt.from_double(time.fraction))),
        ]
        for start, center, time in captures
    }


class Played:
    """RF Segmenter over samples, to the end; and all that came out of it."""

    def __init__(self, kit, session, items: np.ndarray, *, tags: dict | None = None, **options) -> None:
        top = gr.top_block()
        self.chain = rfseg.rf_segmenter(SAMP_RATE, model=session, **options)
        source, self.sink = kit.array_source(items, tags=tags, seed=1), kit.compare_sink(items)
        mask, confidence = blocks.vector_sink_b(SIZE), blocks.vector_sink_b(SIZE)
        rows, log = blocks.vector_sink_f(SIZE), kit.message_log()
        top.connect(source, self.chain, self.sink)
        for port, sink in enumerate((mask, confidence, rows), start=1):
            top.connect((self.chain, port), sink)
        top.msg_connect(self.chain, "bands", log, "in")
        kit.run(top)
        assert (self.sink.received, self.sink.differing) == (len(items), 0)
        self.masks = np.array(mask.data(), np.uint8).reshape(-1, SIZE, SIZE)
        self.confidences = np.array(confidence.data(), np.uint8).reshape(-1, SIZE, SIZE)
        self.rows = np.array(rows.data(), np.float32).reshape(-1, SIZE, SIZE)
        self.messages = log.messages

    def offsets(self, key: str) -> list[int]:
        """Samples that carry a tag."""
        return sorted(offset for offset, name, _ in self.sink.tags if name == key)


def check_message(message: dict, expected: FrameResult) -> None:
    """A message of bands against the library's frame."""
    frame = expected.frame
    for key in ("index", "sample_start", "sample_count", "valid_samples", "samp_rate", "center_freq", "settling", "last"):
        assert message[key] == getattr(frame, key)
    assert message["rx_time"][0] == frame.rx_time.seconds
    assert message["rx_time"][1] == pytest.approx(frame.rx_time.fraction, abs=1e-9)
    assert len(message["bands"]) == len(expected.bands)
    for band, wanted in zip(message["bands"], expected.bands):
        for key in ("id", "label", "sample_start", "sample_count", "freq_reference"):
            assert band[key] == getattr(wanted, key)
        for key in ("freq_lower_edge", "freq_upper_edge", "power_dbfs"):
            assert band[key] == pytest.approx(getattr(wanted, key), rel=1e-9, abs=0.01)


@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_masks_bands_and_tags_are_those_of_the_library(kit, session, iq, captures, mode):
    wanted = reference(session, iq, captures, settling=SETTLING)
    assert any(result.frame.settling for result in wanted)
    assert {label for result in wanted for label in (b.label for b in result.bands)} == {"LTE", "Radar"}
    waits = {"hold": 20.0, "queue_depth": len(wanted)} if mode == "live" else {}
    played = Played(kit, session, iq, tags=tags_of(captures), mode=mode, settling=SETTLING, **waits)
    assert np.array_equal(played.masks, [result.mask for result in wanted])
    assert np.array_equal(played.confidences, [result.confidence for result in wanted])
    assert len(played.messages) == len(wanted)
    for message, rows, result in zip(played.messages, played.rows, wanted):
        check_message(message, result)
        if result.frame.settling:
            assert np.isnan(rows).all()
        else:
            is_seen = result.rows[0] > -70.0  # dBFS; far below the strongest tone single precision rounds otherwise
            assert np.abs(rows - result.rows[0])[is_seen].max() < 0.01  # dB
    bands = [band for result in wanted for band in result.bands]
    assert played.offsets("band_start") == sorted(band.sample_start for band in bands)
    assert played.offsets("band_end") == sorted(band.sample_start + band.sample_count - 1 for band in bands)
    assert played.chain.late_bands() == 0 and len(bands) > 10


def test_bands_begin_and_end_with_the_bursts_and_have_their_frequencies(kit, session, iq):
    played = Played(kit, session, iq, mode="lossless", center_freq=2e9)
    bands = [band for message in played.messages for band in message["bands"]]
    for start, stop, first, last, level_db in BURSTS:
        label = "Radar" if level_db > -30.0 else "LTE"
        middle = 2e9 + GEOMETRY.edge_freq((first + last + 1) / 2)
        own = [b for b in bands if b["label"] == label and b["freq_lower_edge"] < middle < b["freq_upper_edge"]]
        assert min(abs(b["sample_start"] - start) for b in own) <= ROW
        assert min(abs(b["sample_start"] + b["sample_count"] - stop) for b in own) <= ROW
        for band in own:
            assert abs(band["freq_lower_edge"] - 2e9 - GEOMETRY.edge_freq(first)) < 2 * GEOMETRY.bin_width
            assert abs(band["freq_upper_edge"] - 2e9 - GEOMETRY.edge_freq(last + 1)) < 2 * GEOMETRY.bin_width


def test_integer_samples_pass_bit_for_bit_and_have_the_masks_of_their_values(kit, session, iq, captures):
    items = np.round(iq.view(np.float32) * 32767).astype(np.int16)
    wanted = reference(session, (items.astype(np.float32) / 32768).view(np.complex64), captures)
    played = Played(kit, session, items.view(np.uint8).reshape(COUNT, -1), tags=tags_of(captures), mode="lossless", item_type="int16")
    assert np.array_equal(played.masks, [result.mask for result in wanted])
    assert any((result.mask == 1).any() for result in wanted)


def test_one_frame_in_several_has_its_picture_and_those_between_cost_none(kit, session, iq):
    wanted = reference(session, iq, [])
    played = Played(kit, session, iq, mode="lossless", infer_every=3)
    for index, (message, mask, result) in enumerate(zip(played.messages, played.masks, wanted)):
        if index % 3:
            assert message["state"] == "skipped" and np.all(mask == 255)
        else:
            assert message["state"] == "inferred" and np.array_equal(mask, result.mask)


def test_the_blocks_one_by_one_say_the_same(kit, iq):
    settings = {"model": str(MODEL), "mode": "lossless"}
    wanted = reference(Session(MODEL), iq, [])
    top, log = gr.top_block(), kit.message_log()
    spectrogram, segmenter = rfseg.spectrogram_sink(SAMP_RATE, **settings), rfseg.segmenter(SAMP_RATE, **settings)
    to_bands, tagger = rfseg.mask_to_bands(SAMP_RATE, **settings), rfseg.band_tagger(SAMP_RATE, **settings)
    source, sink = kit.array_source(iq), kit.compare_sink(iq)
    top.connect(source, spectrogram, segmenter)
    for port in range(3):
        top.connect((segmenter, port), (to_bands, port))
    top.connect(source, tagger, sink)
    top.msg_connect(to_bands, "bands", tagger, "bands")
    top.msg_connect(to_bands, "bands", log, "in")
    kit.run(top)
    assert (sink.received, sink.differing) == (COUNT, 0)
    found = [[band["sample_start"] for band in message["bands"]] for message in log.messages]
    assert found == [[band.sample_start for band in result.bands] for result in wanted]
    starts = sorted(offset for offset, key, _ in sink.tags if key == "band_start")
    assert starts == sorted(offset for frame in found for offset in frame)
    rows, info = spectrogram.latest_frame()
    assert rows.shape == (1, SIZE, SIZE) and info["limits"] is not None


@pytest.mark.parametrize("extremes", ["segments", "surviving"])
def test_the_contract_says_what_a_picture_is_scaled_to(kit, iq, extremes):
    def scaled(rows: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(limits[0])
        return tuple(np.zeros((1, SIZE, SIZE), np.uint8) for _ in range(2))

    seen: list[np.ndarray] = []
    contract = replace(CONTRACT, published=replace(CONTRACT.published, extremes=extremes))
    Played(kit, SimpleNamespace(contract=contract, run=scaled), iq[: 2 * FRAME], mode="lossless")
    told, seen = seen, []
    reference(SimpleNamespace(contract=contract, run=scaled), iq[: 2 * FRAME], [])
    assert len(told) == len(seen) == 2
    np.testing.assert_allclose(told, seen, atol=0.01)  # dB


def test_another_rate_has_no_picture(kit, session, iq):
    tags = {2 * FRAME: [("rx_rate", pmt.from_double(30.72e6))], 4 * FRAME: [("rx_rate", pmt.from_double(SAMP_RATE))]}
    played = Played(kit, session, iq[: 6 * FRAME], tags=tags, mode="lossless")
    assert [m["state"] for m in played.messages] == ["inferred"] * 2 + ["unsupported_rate"] * 2 + ["inferred"] * 2
    assert np.all(played.masks[2:4] == 255)


@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_rfseg_live_finds_what_rfseg_segment_finds(session, iq, tmp_path, mode):
    iq.tofile(tmp_path / "scene.sigmf-data")
    retunes = [{"core:sample_start": start, "core:frequency": center} for start, center, _ in CAPTURES[:2]]
    info = {"core:datatype": "cf32_le", "core:sample_rate": SAMP_RATE, "core:version": "1.2.5"}
    recording = tmp_path / "scene.sigmf-meta"
    recording.write_text(json.dumps({"global": info, "captures": retunes, "annotations": []}))
    wanted = [band for result in segment_recording(open_recording(recording), session) for band in result.bands]
    table = {
        "source": {"kind": "file", "path": str(recording), "pace": "none" if mode == "lossless" else "clock"},
        "model": str(MODEL),
        "mode": mode,
        "inference": {"queue_depth": 20, "hold": 20.0},
        "feeds": [{"destination": f"file:{tmp_path / 'bands'}", "encoding": "bands"}],
    }
    with live_kit.running(table) as (said, end):
        assert end() is live_kit.Exit.STOPPED
    assert said.last["frames"] == said.last["inferred"] and said.last["model"] == "picture"
    found = [json.loads(line) for line in (tmp_path / "bands").read_text().splitlines()]
    assert [(b["label"], b["sample_start"], b["sample_count"]) for b in found] == [
        (b.label, b.sample_start, b.sample_count) for b in wanted
    ]
    for band, expected in zip(found, wanted):
        assert band["freq_lower_edge"] == pytest.approx(expected.freq_lower_edge, rel=1e-9)
