"""RF Segmenter in live mode: the samples never wait, and every frame is accounted for."""

from __future__ import annotations

import threading
import time

import pytest
from gnuradio import blocks, gr, rfseg

SAMP_RATE = 15.36e6  # Hz; what the blocks are told
PACE = SAMP_RATE / 5  # samples in a second of the clock, so that a machine with other work keeps up
FRAME_DURATION = 2e-3  # s
FRAME_TIME = FRAME_DURATION * SAMP_RATE / PACE  # s of the clock
SECONDS = 2.0  # of the clock
PATIENCE = 30.0  # s; far longer than anything here takes


def play(kit, chain, *, seconds: float = SECONDS):
    """Run a paced source, with a carrier in every frame, through the chain."""
    bins = 64
    period = kit.noise(1 << 20, level_db=-90.0, seed=4)
    period += kit.comb(len(period), bins=bins, first=20, last=30, level_db=-50.0)
    count = int(seconds * PACE)
    top = gr.top_block()
    source = kit.paced_source(period, PACE, count=count)
    sink = kit.compare_sink(period)
    logs = {port: kit.message_log() for port in ("bands", "late", "status")}
    # Long pieces: what is measured is the chain, not the interpreter's share in source and sink.
    source.set_min_output_buffer(1 << 18)
    before_sink = blocks.copy(gr.sizeof_gr_complex)
    before_sink.set_min_output_buffer(1 << 20)
    top.connect(source, chain, before_sink, sink)
    for port, log in logs.items():
        top.msg_connect(chain, port, log, "in")
    kit.run(top, timeout=seconds + 15.0)
    assert (sink.received, sink.differing) == (count, 0)
    return sink, {port: log.messages for port, log in logs.items()}


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_starved_inference_drops_frames_and_tells_of_each(kit, stub_session, policy):
    stub_session.delay = 10 * FRAME_TIME
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=stub_session, frame_duration=FRAME_DURATION, mode="live", queue_depth=3, policy=policy
    )
    sink, messages = play(kit, chain)

    frames = messages["bands"]
    states = [m["state"] for m in frames]
    assert [m["index"] for m in frames] == list(range(len(frames)))
    assert frames[-1]["last"] and frames[-1]["watermark"] == sink.received
    assert sum(m["valid_samples"] for m in frames) == sink.received
    assert set(states) == {"inferred", "dropped"}
    assert (states.count("inferred"), states.count("dropped")) == (chain.inferred(), chain.dropped())
    assert chain.frames() == len(frames) and chain.failed() == 0
    assert stub_session.runs == chain.inferred()
    assert all(bool(m["bands"]) == (m["state"] == "inferred") for m in frames)

    starts = sum(key == "band_start" for _, key, _ in sink.tags)
    assert starts + len(messages["late"]) == chain.bands()

    final = [m for m in messages["status"] if m["event"] == "progress"][-1]
    assert (final["frames"], final["dropped"], final["failed"]) == (chain.frames(), chain.dropped(), 0)
    reported = [m for m in messages["status"] if m["event"] == "dropped"][-1]
    assert (reported["dropped"], reported["policy"]) == (chain.dropped(), policy)


def test_bands_that_come_after_the_hold_are_published_as_late_and_not_moved(kit, stub_session):
    stub_session.delay = 10 * FRAME_TIME
    chain = rfseg.rf_segmenter(
        SAMP_RATE,
        model=stub_session,
        frame_duration=FRAME_DURATION,
        mode="live",
        queue_depth=1,
        hold=5 * FRAME_TIME,
    )
    sink, messages = play(kit, chain, seconds=1.0)

    found = [band for m in messages["bands"] for band in m["bands"]]
    tagged = [offset for offset, key, _ in sink.tags if key == "band_start"]
    late = messages["late"]
    assert len(late) == chain.late_bands() > 0
    assert sorted(tagged + [band["sample_start"] for band in late]) == sorted(b["sample_start"] for b in found)
    assert all(band["released"] > band["sample_start"] for band in late)


def test_finding_bands_slowly_drops_frames_and_tells_of_each(kit, threshold_model, monkeypatch):
    names = rfseg.mask_to_bands.__init__.__globals__
    find = names["bands_of_mask"]

    def find_slowly(*args, **kwargs):
        time.sleep(10 * FRAME_TIME)  # what it takes
        return find(*args, **kwargs)

    monkeypatch.setitem(names, "bands_of_mask", find_slowly)

    chain = rfseg.rf_segmenter(SAMP_RATE, model=threshold_model, frame_duration=FRAME_DURATION, mode="live")
    _, messages = play(kit, chain)
    states = [m["state"] for m in messages["bands"]]
    assert [m["index"] for m in messages["bands"]] == list(range(len(states)))
    assert (states.count("inferred"), states.count("dropped")) == (chain.inferred(), chain.dropped())
    assert chain.inferred() + chain.dropped() == chain.frames() == len(states)
    assert chain.dropped() > 0


@pytest.mark.parametrize("culprit", ["inference", "bands"])
def test_while_one_frame_takes_for_ever_all_samples_go_on(kit, stub_session, monkeypatch, culprit):
    names = rfseg.mask_to_bands.__init__.__globals__
    find, gate = names["bands_of_mask"], threading.Event()
    monkeypatch.setitem(names, "bands_of_mask", lambda *args, **kwargs: gate.wait(PATIENCE) and find(*args, **kwargs))
    if culprit == "inference":
        stub_session.gate.clear()
        gate.set()
    iq = kit.noise(40 * int(FRAME_DURATION * SAMP_RATE) + 777, level_db=-60.0, seed=1)
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=stub_session, frame_duration=FRAME_DURATION, mode="live", queue_depth=2, hold=5e-3
    )
    top, source, sink = gr.top_block(), kit.array_source(iq, is_open=True), kit.compare_sink(iq)
    top.connect(source, chain, sink)
    top.start()
    deadline = time.monotonic() + PATIENCE / 2
    while sink.received < len(iq):
        assert time.monotonic() < deadline, "samples wait for what hangs"
        time.sleep(1e-3)
    assert chain.inferred() == 0 or culprit == "bands"
    stub_session.gate.set()
    gate.set()
    source.end.set()
    top.wait()
    assert (sink.received, sink.differing) == (len(iq), 0)


def test_a_model_that_keeps_up_loses_nothing(kit, threshold_model):
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=threshold_model, frame_duration=20e-3, mode="live", hold=30.0, queue_depth=50
    )
    sink, messages = play(kit, chain, seconds=1.0)
    assert chain.dropped() == chain.late_bands() == 0
    assert {m["state"] for m in messages["bands"]} == {"inferred"}
    assert sum(key == "band_start" for _, key, _ in sink.tags) == chain.bands() == chain.frames()


def test_live_and_lossless_find_the_same_bands_where_nothing_is_dropped(kit, threshold_model):
    count = 40 * 30_720  # 16 frames
    iq = kit.noise(count, level_db=-90.0, seed=8)
    iq[200_000:700_000] += kit.comb(500_000, bins=64, first=10, last=20, level_db=-50.0)

    def bands(mode: str) -> list[dict]:
        top = gr.top_block()
        chain = rfseg.rf_segmenter(
            SAMP_RATE, model=threshold_model, frame_duration=FRAME_DURATION, mode=mode, queue_depth=100
        )
        source, log = kit.array_source(iq), kit.message_log()
        top.connect(source, chain)
        top.msg_connect(chain, "bands", log, "in")
        kit.run(top)
        return log.messages

    assert bands("live") == bands("lossless")
