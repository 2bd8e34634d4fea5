# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame in several: those inferred are what they are otherwise, those between keep their place and their time."""

from __future__ import annotations

import time

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr, rfseg

from rfseg.contract import NOT_INFERRED
from rfseg.modelfile import load_contract

SAMP_RATE = 15.36e6  # Hz
FRAME_DURATION = 1e-3  # s
FRAMES = 11
EVERY = 3


@pytest.fixture(scope="module")
def scene(kit, threshold_model) -> np.ndarray:
    """Ten frames and a piece of noise with a carrier all along."""
    geometry = load_contract(threshold_model).make_geometry(SAMP_RATE, frame_duration=FRAME_DURATION)
    count = (FRAMES - 1) * geometry.frame_samples + 77
    carrier = kit.comb(count, bins=geometry.bins, first=20, last=30, level_db=-40.0)
    return kit.noise(count, level_db=-80.0, seed=1) + carrier


def play(kit, model, scene, *, mode="lossless", **options):
    """Bands messages, status messages, and what was compared."""
    top = gr.top_block()
    chain = rfseg.rf_segmenter(SAMP_RATE, model=model, frame_duration=FRAME_DURATION, mode=mode, **options)
    tags = {0: [("rx_time", pmt.make_tuple(pmt.from_uint64(7), pmt.from_double(0.5)))]}
    source, sink = kit.array_source(scene, tags=tags), kit.compare_sink(scene)
    bands, status = kit.message_log(), kit.message_log()
    top.connect(source, chain, sink)
    top.msg_connect(chain, "bands", bands, "in")
    top.msg_connect(chain, "status", status, "in")
    kit.run(top)
    assert (sink.received, sink.differing) == (len(scene), 0)
    return chain, bands.messages, status.messages


def without_numbers(bands):
    """Bands as they are told, without what counts on from frame to frame."""
    return [{k: v for k, v in band.items() if k not in ("id", "track", "snr_db")} for band in bands]


@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_frames_between_keep_their_place_and_those_inferred_their_bands(kit, threshold_model, scene, mode):
    waits = {"hold": 20.0, "queue_depth": FRAMES} if mode == "live" else {}
    _, every, _ = play(kit, threshold_model, scene)
    chain, some, status = play(kit, threshold_model, scene, mode=mode, infer_every=EVERY, **waits)
    assert len(some) == len(every) == FRAMES
    for index, (got, full) in enumerate(zip(some, every)):
        for key in ("index", "sample_start", "sample_count", "valid_samples", "watermark", "rx_time", "last"):
            assert got[key] == full[key]
        if index % EVERY == 0:
            assert (got["state"], got["skipped"]) == ("inferred", False)
            assert without_numbers(got["bands"]) == without_numbers(full["bands"])
            assert len(got["bands"]) == 1
        else:
            assert (got["state"], got["skipped"], len(got["bands"])) == ("skipped", True, 0)
    assert (chain.frames(), chain.inferred(), chain.skipped(), chain.dropped()) == (FRAMES, 4, 7, 0)
    totals = [m for m in status if m["event"] == "progress"][-1]
    assert (totals["frames"], totals["inferred"], totals["skipped"], totals["dropped"]) == (FRAMES, 4, 7, 0)


def test_rows_of_skipped_frames_are_no_numbers_and_their_mask_says_not_inferred(kit, threshold_model, scene):
    settings = {"model": threshold_model, "frame_duration": FRAME_DURATION, "mode": "lossless"}
    top = gr.top_block()
    spectrogram = rfseg.spectrogram_sink(SAMP_RATE, infer_every=EVERY, **settings)
    segmenter = rfseg.segmenter(SAMP_RATE, **settings)
    geometry = load_contract(threshold_model).make_geometry(SAMP_RATE, frame_duration=FRAME_DURATION)
    source, mask = kit.array_source(scene), blocks.vector_sink_b(geometry.bins)
    confidence, rows = blocks.vector_sink_b(geometry.bins), blocks.vector_sink_f(geometry.row_size)
    top.connect(source, spectrogram, segmenter, mask)
    top.connect((segmenter, 1), confidence)
    top.connect(spectrogram, rows)
    kit.run(top)
    shape = (FRAMES, geometry.rows, -1)
    masks, powers = np.array(mask.data(), np.uint8).reshape(shape), np.array(rows.data(), np.float32).reshape(shape)
    for index in range(FRAMES):
        is_skipped = index % EVERY != 0
        assert np.isnan(powers[index]).all() == is_skipped
        assert (masks[index] == NOT_INFERRED).all() == is_skipped
    newest, info = spectrogram.latest_frame()
    assert info["index"] == 9 and not info["skipped"] and np.isfinite(newest).all()


def test_it_may_change_while_the_flowgraph_runs(kit, threshold_model, scene):
    geometry = load_contract(threshold_model).make_geometry(SAMP_RATE, frame_duration=FRAME_DURATION)
    spectrogram = rfseg.spectrogram_sink(SAMP_RATE, model=threshold_model, frame_duration=FRAME_DURATION)
    top = gr.top_block()
    source = kit.array_source(np.tile(scene, 30), largest=1000)
    rows = blocks.vector_sink_f(geometry.row_size)
    top.connect(source, spectrogram, rows)
    top.start()
    while spectrogram.frames() < 2:
        time.sleep(1e-4)
    spectrogram.set_infer_every(1000)
    top.wait()
    has_rows = [not np.isnan(frame[0]) for frame in np.array(rows.data()).reshape(spectrogram.frames(), -1)]
    changed = has_rows.index(False)
    assert 2 <= changed and has_rows == [True] * changed + [False] * (len(has_rows) - changed)


@pytest.mark.parametrize("build", [rfseg.spectrogram_sink, rfseg.rf_segmenter])
def test_no_frame_at_all_is_refused(build, threshold_model):
    with pytest.raises(ValueError, match="infer_every=0 must be at least 1: one frame in so many is inferred"):
        build(SAMP_RATE, model=threshold_model, infer_every=0)
    made = build(SAMP_RATE, model=threshold_model)
    with pytest.raises(ValueError, match="infer_every=0 must be at least 1"):
        made.set_infer_every(0)
