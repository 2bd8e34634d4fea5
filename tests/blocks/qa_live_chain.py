"""RF Segmenter in live mode: the samples never wait, and every frame is accounted for."""

from __future__ import annotations

import time

import pytest
from gnuradio import blocks, gr, rfseg

SAMP_RATE = 15.36e6  # Hz; what the blocks are told
PACE = SAMP_RATE / 5  # samples in a second of the clock, so that a machine with other work keeps up
FRAME_DURATION = 2e-3  # s
FRAME_TIME = FRAME_DURATION * SAMP_RATE / PACE  # s of the clock
RADIO_BUFFER = 0.5  # s; what a radio and its driver hold before they overflow
# Other processes may take the processor from source, chain and sink alike.  A source that waits for
# inference lags by several times the length of the stream, in each attempt.
ATTEMPTS = 3
SECONDS = 2.0  # of the clock


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
    return source, sink, {port: log.messages for port, log in logs.items()}


def play_until_on_time(kit, make_chain, *, seconds: float = SECONDS):
    """Play up to three times, until the source was never held up; returns that or the last attempt."""
    for _ in range(ATTEMPTS):
        chain = make_chain()
        source, sink, messages = play(kit, chain, seconds=seconds)
        if source.largest_lag < RADIO_BUFFER:
            break
    return chain, source, sink, messages


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_starved_inference_drops_frames_and_never_holds_the_source_up(kit, stub_session, policy):
    stub_session.delay = 10 * FRAME_TIME

    def make_chain():
        stub_session.runs = 0
        return rfseg.rf_segmenter(
            SAMP_RATE, model=stub_session, frame_duration=FRAME_DURATION, mode="live", queue_depth=3, policy=policy
        )

    chain, source, sink, messages = play_until_on_time(kit, make_chain)

    frames = messages["bands"]
    states = [m["state"] for m in frames]
    assert [m["index"] for m in frames] == list(range(len(frames)))
    assert frames[-1]["last"] and frames[-1]["watermark"] == sink.received
    assert sum(m["valid_samples"] for m in frames) == sink.received
    assert set(states) == {"inferred", "dropped"}
    assert (states.count("inferred"), states.count("dropped")) == (chain.inferred(), chain.dropped())
    assert chain.frames() == len(frames) and chain.failed() == 0
    assert stub_session.runs == chain.inferred()
    assert chain.dropped() > 0.5 * chain.frames()
    assert all(bool(m["bands"]) == (m["state"] == "inferred") for m in frames)

    starts = sum(key == "band_start" for _, key, _ in sink.tags)
    assert starts + len(messages["late"]) == chain.bands()
    assert source.largest_lag < RADIO_BUFFER

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
    _, sink, messages = play(kit, chain, seconds=1.0)

    found = [band for m in messages["bands"] for band in m["bands"]]
    tagged = [offset for offset, key, _ in sink.tags if key == "band_start"]
    late = messages["late"]
    assert len(late) == chain.late_bands() > 0
    assert sorted(tagged + [band["sample_start"] for band in late]) == sorted(b["sample_start"] for b in found)
    assert all(band["released"] > band["sample_start"] for band in late)


def test_finding_bands_slowly_drops_frames_and_never_holds_the_source_up(kit, threshold_model, monkeypatch):
    names = rfseg.mask_to_bands.__init__.__globals__
    find = names["bands_of_mask"]

    def find_slowly(*args, **kwargs):
        time.sleep(10 * FRAME_TIME)  # what it takes
        return find(*args, **kwargs)

    monkeypatch.setitem(names, "bands_of_mask", find_slowly)

    def make_chain():
        return rfseg.rf_segmenter(SAMP_RATE, model=threshold_model, frame_duration=FRAME_DURATION, mode="live")

    chain, source, sink, messages = play_until_on_time(kit, make_chain)
    states = [m["state"] for m in messages["bands"]]
    assert [m["index"] for m in messages["bands"]] == list(range(len(states)))
    assert (states.count("inferred"), states.count("dropped")) == (chain.inferred(), chain.dropped())
    assert chain.inferred() + chain.dropped() == chain.frames() == len(states)
    assert chain.dropped() > 0.5 * chain.frames()
    assert source.largest_lag < RADIO_BUFFER


def test_a_model_that_keeps_up_loses_nothing(kit, threshold_model):
    def make_chain():
        return rfseg.rf_segmenter(
            SAMP_RATE, model=threshold_model, frame_duration=20e-3, mode="live", hold=5.0, queue_depth=50
        )

    chain, source, sink, messages = play_until_on_time(kit, make_chain, seconds=1.0)
    assert chain.dropped() == chain.late_bands() == 0
    assert {m["state"] for m in messages["bands"]} == {"inferred"}
    assert sum(key == "band_start" for _, key, _ in sink.tags) == chain.bands() == chain.frames()
    assert source.largest_lag < RADIO_BUFFER


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
