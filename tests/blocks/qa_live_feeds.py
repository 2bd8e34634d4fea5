"""A whole chain in live mode: a broker that dies holds no sample up.  What feeds say is in ``qa_golden``."""

from __future__ import annotations

import json
import threading
import time

from gnuradio import blocks, gr, rfseg
from jsonschema import Draft202012Validator

from rfseg.feeds.messages import load_schema

SCHEMA = Draft202012Validator(load_schema())
SAMP_RATE = 15.36e6  # Hz; what the blocks are told
FRAME_DURATION = 2e-3  # s
FRAME = 30_720  # samples
PACE = SAMP_RATE / 10  # samples in a second of the clock, so that a machine with other work keeps up
TIMEOUT = 20.0  # s that a test waits for what must come


def until(condition) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + TIMEOUT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        pause.wait(2e-3)


def test_a_broker_that_dies_in_mid_run_holds_no_sample_up_and_every_loss_is_counted(
    kit, threshold_session, broker, subscribe
):
    period = kit.noise(1 << 20, level_db=-90.0, seed=4)
    period += kit.comb(len(period), bins=64, first=20, last=30, level_db=-50.0)
    top, sink, status = gr.top_block(), kit.compare_sink(period), kit.message_log()
    source = kit.paced_source(period, PACE)
    source.set_min_output_buffer(1 << 18)
    before_sink = blocks.copy(gr.sizeof_gr_complex)
    before_sink.set_min_output_buffer(1 << 20)
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=threshold_session, frame_duration=FRAME_DURATION, mode="live", queue_depth=50, hold=2.0
    )
    feed = rfseg.band_feed(f"mqtt://127.0.0.1:{broker.port}/site", queue_depth=20)
    top.connect(source, chain, before_sink, sink)
    top.msg_connect(chain, "bands", feed, "bands")
    top.msg_connect(feed, "status", status, "in")
    broker.start()
    first = subscribe(broker.port, "site/bands")
    top.start()
    until(lambda: len(first.contents) >= 20)
    broker.kill()
    passed = sink.received
    until(lambda: feed.counts().dropped > 0 and sink.received > passed + 10 * FRAME)  # the stream goes on meanwhile
    broker.start()
    second = subscribe(broker.port, "site/bands")
    until(lambda: len(second.contents) > 0)
    source.end.set()
    waiter = threading.Thread(target=top.wait, daemon=True)
    waiter.start()
    waiter.join(TIMEOUT)
    assert not waiter.is_alive()
    counts = feed.counts()
    broker.kill()

    assert (sink.received, sink.differing) == (source.nitems_written(0), 0)
    assert counts.submitted == chain.frames() == counts.sent + counts.dropped and counts.refused == 0
    contents = {json.loads(content)["sequence"]: content for content in (*first.contents, *second.contents)}
    assert set(contents) <= set(range(counts.submitted)) and counts.submitted - 1 in contents
    # What came between the broker's return and the subscriber's went to nobody; the rest is all there.
    assert len(contents) <= counts.sent
    for content in contents.values():
        SCHEMA.validate(json.loads(content))
    events = [message["event"] for message in status.messages if message["event"] != "progress"]
    assert events == ["connected", "disconnected", "connected"]
    totals = [message for message in status.messages if message["event"] == "progress"][-1]
    assert (totals["sent"], totals["dropped"]) == (counts.sent, counts.dropped)
