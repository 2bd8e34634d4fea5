"""Mask to Bands, and what RF Segmenter passes on."""

from __future__ import annotations

import numpy as np
import pmt
import pytest
from gnuradio import gr, rfseg
from gnuradio.rfseg.messages import FrameTag

from rfseg.bands import BandRules
from rfseg.errors import BandError
from rfseg.geometry import Frame
from rfseg.pipeline import FrameState

SAMP_RATE = 15.36e6  # Hz
FRAME_DURATION = 2e-3  # s
ROWS, BINS, FRAME = 256, 64, 30_720
CARRIER = slice(20, 31)  # bins


def frame_tag(index: int, *, last: bool = False, valid_samples: int = FRAME, state: str = "inferred") -> FrameTag:
    """Tag of frame number ``index``."""
    frame = Frame(
        index=index,
        sample_start=index * FRAME,
        sample_count=FRAME,
        valid_samples=valid_samples,
        samp_rate=SAMP_RATE,
        last=last,
    )
    return FrameTag(frame=frame, state=FrameState(state), model="threshold")


def mask_of(states: list[str]) -> np.ndarray:
    """Masks ``(n * T, F)``: an LTE carrier where the frame was inferred, 255 elsewhere."""
    mask = np.zeros((len(states), ROWS, BINS), np.uint8)
    mask[:, :, CARRIER] = 1
    mask[[state != "inferred" for state in states]] = 255
    return mask.reshape(-1, BINS)


class Bench:
    """Masks as a stream, Mask to Bands and a log of its messages."""

    def __init__(self, kit, model, tags: list[FrameTag], *, rows: np.ndarray | None = None, **options) -> None:
        mask = mask_of([tag.state.value for tag in tags])
        placed = {k * ROWS: [("rfseg_frame", tag.to_pmt())] for k, tag in enumerate(tags)}
        self.top = gr.top_block()
        self.sources = [
            kit.array_source(mask, tags=placed, seed=1, largest=300),
            kit.array_source(np.where(mask == 255, 0, 200).astype(np.uint8), seed=2, largest=100),
        ]
        if rows is not None:
            self.sources.append(kit.array_source(rows, seed=3, largest=50))
        self.block = rfseg.mask_to_bands(SAMP_RATE, model=model, frame_duration=FRAME_DURATION, **options)
        self.log = kit.message_log()
        for port, source in enumerate(self.sources):
            self.top.connect(source, (self.block, port))
        self.top.msg_connect(self.block, "bands", self.log, "in")
        kit.run(self.top)
        self.messages = self.log.messages


@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_every_frame_has_one_message_and_those_not_inferred_have_no_bands(kit, threshold_model, mode):
    states = ["inferred", "dropped", "failed", "unsupported_rate", "inferred"]
    tags = [frame_tag(k, state=s, last=k == 4) for k, s in enumerate(states)]
    bench = Bench(kit, threshold_model, tags, mode=mode)
    assert [m["index"] for m in bench.messages] == list(range(5))
    assert [m["state"] for m in bench.messages] == states
    assert [len(m["bands"]) for m in bench.messages] == [1, 0, 0, 0, 1]
    assert [m["watermark"] for m in bench.messages] == [FRAME * (k + 1) for k in range(5)]
    assert [m["last"] for m in bench.messages] == [False] * 4 + [True]
    assert [b["id"] for m in bench.messages for b in m["bands"]] == [0, 1]
    band = bench.messages[0]["bands"][0]
    assert (band["label"], band["class_id"], band["model"]) == ("LTE", 1, "threshold")
    assert (band["sample_start"], band["sample_count"]) == (0, FRAME)
    assert band["confidence"] == pytest.approx(200 / 255)
    assert band["freq_reference"] == "baseband" and "power_dbfs" not in band
    # Bins 20 to 30 of 64: from 12.5 bins below the centre to 1.5 below, of 240 kHz each.
    assert band["freq_lower_edge"] == pytest.approx(-12.5 * 240e3)
    assert band["freq_upper_edge"] == pytest.approx(-1.5 * 240e3)
    assert bench.block.frames() == 5 and bench.block.bands() == 2


def test_rows_give_power(kit, threshold_model):
    rows = np.full((ROWS, 2, BINS), -90.0, np.float32)
    rows[:, :, CARRIER] = -50.0
    bench = Bench(kit, threshold_model, [frame_tag(0, last=True)], rows=rows.reshape(ROWS, -1), mode="lossless")
    (band,) = bench.messages[0]["bands"]
    # Eleven bins of -50 dBFS; a hann window counts noise-like power 1.5 times.
    assert band["power_dbfs"] == pytest.approx(-50 + 10 * np.log10(11 / 1.5), abs=0.2)
    assert band["snr_db"] == pytest.approx(40.0, abs=0.2) and "power_dbm" not in band


def test_a_calibration_gives_power_in_dbm(kit, threshold_model, tmp_path):
    rows = np.full((ROWS, 2, BINS), -90.0, np.float32)
    rows[:, :, CARRIER] = -50.0
    (tmp_path / "receiver.csv").write_text("1e9,-30\n")
    for calibration in (-30.0, str(tmp_path / "receiver.csv")):
        options = {"rows": rows.reshape(ROWS, -1), "mode": "lossless", "calibration": calibration}
        (band,) = Bench(kit, threshold_model, [frame_tag(0, last=True)], **options).messages[0]["bands"]
        assert band["power_dbm"] == pytest.approx(band["power_dbfs"] - 30.0)


def test_a_stream_that_ends_without_a_last_frame_keeps_no_sample_waiting(kit, threshold_model):
    tags = [frame_tag(0), frame_tag(1)]
    mask = mask_of(["inferred", "inferred"])
    iq = kit.noise(2 * FRAME + 500, level_db=-90.0, seed=1)  # the masks speak of all but the last 500 samples
    top = gr.top_block()
    masks = kit.array_source(mask, tags={k * ROWS: [("rfseg_frame", tag.to_pmt())] for k, tag in enumerate(tags)})
    confidences = kit.array_source(np.full_like(mask, 200))
    options = {"model": threshold_model, "frame_duration": FRAME_DURATION, "mode": "lossless"}
    to_bands, tagger = rfseg.mask_to_bands(SAMP_RATE, **options), rfseg.band_tagger(SAMP_RATE, **options)
    tagger.set_stall_timeout(60.0)  # s; longer than the test may take
    samples, sink = kit.array_source(iq), kit.compare_sink(iq)
    top.connect(masks, (to_bands, 0))
    top.connect(confidences, (to_bands, 1))
    top.connect(samples, tagger, sink)
    top.msg_connect(to_bands, "bands", tagger, "bands")
    kit.run(top, timeout=10.0)
    assert (sink.received, sink.differing) == (len(iq), 0)
    assert [(o, k) for o, k, _ in sink.tags if k == "band_start"] == [(0, "band_start"), (FRAME, "band_start")]


def test_rules_can_be_set_and_refuse_what_makes_no_sense(threshold_model):
    block = rfseg.mask_to_bands(SAMP_RATE, model=threshold_model)
    assert block.rules() == BandRules()
    block.set_min_bandwidth(5e6)
    block.set_min_duration(1e-3)
    block.set_min_confidence(0.9)
    block.set_max_gap(0.0)
    assert block.rules() == BandRules(min_bandwidth=5e6, min_duration=1e-3, min_confidence=0.9, max_gap=0.0)
    block.set_reject(0.8)
    assert block.rules().reject == {"LTE": 0.8, "NR": 0.8, "Radar": 0.8}
    with pytest.raises(BandError, match="reject=2 of LTE is no probability"):
        block.set_reject(2)
    block.set_reject(None)  # what the test model says, which is nothing
    assert block.rules().reject == {}
    for setter, name in (
        (block.set_min_bandwidth, "min_bandwidth"),
        (block.set_min_duration, "min_duration"),
        (block.set_min_confidence, "min_confidence"),
        (block.set_max_gap, "max_gap"),
    ):
        with pytest.raises(BandError, match=f"{name}=-1"):
            setter(-1)
    assert block.rules().min_confidence == 0.9
    with pytest.raises(BandError, match="min_confidence=2"):
        rfseg.mask_to_bands(SAMP_RATE, model=threshold_model, min_confidence=2)


def test_rules_are_kept(kit, threshold_model):
    bench = Bench(kit, threshold_model, [frame_tag(0, last=True)], mode="lossless", min_confidence=0.8)
    assert not bench.messages[0]["bands"]  # its confidence is 200 / 255


def test_a_stream_of_masks_without_frames_ends(kit, threshold_model):
    top = gr.top_block()
    block = rfseg.mask_to_bands(SAMP_RATE, model=threshold_model, frame_duration=FRAME_DURATION, mode="lossless")
    sources = [kit.array_source(np.zeros((2 * ROWS, BINS), np.uint8)) for _ in range(2)]
    for port, source in enumerate(sources):
        top.connect(source, (block, port))
    kit.run(top)
    assert block.frames() == 0


def test_bands_that_cannot_be_found_fail_the_frame_and_not_the_stream(kit, threshold_model, monkeypatch):
    def broken(*args, **kwargs):
        raise IndexError("no such bin")

    monkeypatch.setitem(rfseg.mask_to_bands.__init__.__globals__, "bands_of_mask", broken)
    for mode in ("lossless", "live"):
        bench = Bench(kit, threshold_model, [frame_tag(0), frame_tag(1, last=True)], mode=mode)
        assert [m["state"] for m in bench.messages] == ["failed", "failed"]
        assert bench.block.failed() == 2


# -- RF Segmenter's message ports


def test_rf_segmenter_passes_messages_on(kit, threshold_session):
    iq = kit.noise(3 * FRAME + 100, level_db=-90.0, seed=1)
    top = gr.top_block()
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=threshold_session, frame_duration=FRAME_DURATION, mode="lossless", center_freq=1e9
    )
    source, sink = kit.array_source(iq, is_open=True), kit.compare_sink(iq)
    status, bands = kit.message_log(), kit.message_log()
    controls = {}
    top.connect(source, chain, sink)
    for port in ("freq", "overflow", "model"):
        controls[port] = kit.message_log()
        controls[port].message_port_register_out(pmt.intern("out"))
        top.msg_connect(controls[port], "out", chain, port)
    top.msg_connect(chain, "status", status, "in")
    top.msg_connect(chain, "bands", bands, "in")
    top.start()
    bands.wait_for(lambda messages: len(messages) == 3)

    def send(port: str, message) -> None:
        controls[port].message_port_pub(pmt.intern("out"), message)

    def event(name: str):
        status.wait_for(lambda messages: any(m["event"] == name for m in messages))
        return next(m for m in status.messages if m["event"] == name)

    send("freq", pmt.from_double(2e9))
    assert event("retune")["center_freq"] == 2e9
    send("overflow", pmt.intern("overflow"))
    assert event("overflow")["overflows"] == 1
    assert event("lossless_overflow")["source"] == "spectrogram"
    send("model", pmt.intern("no-such-model"))
    assert "is unknown" in event("model_refused")["reason"]
    send("freq", pmt.intern("high"))
    assert event("bad_message")["port"] == "freq"
    for control in controls.values():
        kit.end(control)
    source.end.set()
    top.wait()
    assert (sink.received, sink.differing) == (len(iq), 0)
    assert [m["center_freq"] for m in bands.messages][:3] == [1e9] * 3
    assert status.messages[-1]["event"] == "progress"  # the last word, after the spectrogram has ended
