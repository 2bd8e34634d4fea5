"""Bands that are too doubtful for the name of a class, from the mask to the samples."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import gr, rfseg
from gnuradio.rfseg.messages import FrameTag, band_from_pmt, band_to_pmt

from rfseg.bands import Band
from rfseg.geometry import Frame
from rfseg.modelfile import load_contract
from rfseg.pipeline import FrameState

SAMP_RATE, FRAME_DURATION = 15.36e6, 2e-3  # Hz, s
ROWS, BINS, FRAME = 256, 64, 30_720


@pytest.mark.parametrize("reject, label, guess", [(None, "Unknown", "LTE"), (0.5, "LTE", None), (0, "LTE", None)])
def test_a_model_has_thresholds_and_the_block_can_have_others(kit, threshold_model, reject, label, guess):
    contract = replace(load_contract(threshold_model), reject_below={"LTE": 0.8})
    mask = np.zeros((ROWS, BINS), np.uint8)
    mask[:, 20:31] = 1  # LTE, with 0.7
    frame = Frame(index=0, sample_start=0, sample_count=FRAME, valid_samples=FRAME, samp_rate=SAMP_RATE, last=True)
    tag = FrameTag(frame=frame, state=FrameState.INFERRED, model="threshold")
    options = {"model": contract, "frame_duration": FRAME_DURATION, "mode": "lossless"}
    to_bands, tagger = rfseg.mask_to_bands(SAMP_RATE, reject=reject, **options), rfseg.band_tagger(SAMP_RATE, **options)
    iq = kit.noise(FRAME, level_db=-90.0, seed=1)
    masks = kit.array_source(mask, tags={0: [("rfseg_frame", tag.to_pmt())]})
    confidences = kit.array_source(np.full_like(mask, 178))
    samples, sink, log = kit.array_source(iq), kit.compare_sink(iq), kit.message_log()
    top = gr.top_block()
    top.connect(masks, (to_bands, 0))
    top.connect(confidences, (to_bands, 1))
    top.connect(samples, tagger, sink)
    top.msg_connect(to_bands, "bands", tagger, "bands")
    top.msg_connect(to_bands, "bands", log, "in")
    kit.run(top)
    (band,) = log.messages[0]["bands"]
    assert (band["label"], band.get("guess"), band["class_id"]) == (label, guess, 1)
    (start,) = [value for _, key, value in sink.tags if key == "band_start"]
    assert (start if isinstance(start, dict) else pmt.to_python(start))["label"] == label


@pytest.mark.parametrize("reject, labels", [(None, {"Unknown"}), (0.5, {"LTE"})])
@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_another_model_brings_its_own_thresholds(kit, threshold_model, stub_session, tmp_path, mode, reject, labels):
    content = Path(threshold_model).read_bytes()
    old = b'"licence": "GPL-3.0-or-later", "mask_name": "mask", "metrics": {}'
    new = b'"licence": "G", "mask_name": "mask", "reject_below": {"LTE": 0.9}'.ljust(len(old))
    assert content.count(old) == 1 and len(new) == len(old)
    doubting = tmp_path / "doubting.onnx"
    doubting.write_bytes(content.replace(old, new))
    frames = 6
    iq = kit.noise(frames * FRAME, level_db=-90.0, seed=1)
    iq += kit.comb(len(iq), bins=BINS, first=20, last=30, level_db=-50.0)  # LTE, with 0.8
    chain = rfseg.rf_segmenter(
        SAMP_RATE,
        model=stub_session,
        frame_duration=FRAME_DURATION,
        mode=mode,
        reject=reject,
        queue_depth=10,
        hold=5.0,
        workers=1,
    )
    top, source, sink, log = gr.top_block(), kit.array_source(iq), kit.compare_sink(iq), kit.message_log()
    top.connect(source, chain, sink)
    top.msg_connect(chain, "bands", log, "in")
    stub_session.gate.clear()
    top.start()
    assert stub_session.begun.wait(20.0)  # the first frame is in work
    chain.set_model(str(doubting))
    deadline = time.monotonic() + 20.0
    while chain._segmenter._judge._next is None:
        assert time.monotonic() < deadline
        time.sleep(1e-3)
    stub_session.gate.set()
    top.wait()
    log.wait_for(lambda messages: len(messages) == frames)
    first, *others = ([band["label"] for band in message["bands"]] for message in log.messages)
    assert first == ["LTE"] and {label for found in others for label in found} == labels
    assert not any("reject" in message for message in log.messages)


def test_a_guess_survives_the_round_trip():
    band = Band(
        label="Unknown", guess="NR", class_id=2, confidence=0.6, freq_lower_edge=0.0, freq_upper_edge=1e6,
        freq_reference="baseband", sample_start=5, sample_count=10, model="m", id=3,
    )  # fmt: skip
    assert band_from_pmt(band_to_pmt(band)) == band
    named = replace(band, label="NR", guess=None)
    assert band_from_pmt(band_to_pmt(named)) == named and "guess" not in pmt.to_python(band_to_pmt(named))
