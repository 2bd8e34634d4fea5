"""Whole chains with feeds: what every feed says equals the tags, and a broker that dies holds no sample up."""

from __future__ import annotations

import json
import socket
import threading
import time

import pmt
import zmq
from gnuradio import blocks, gr, rfseg
from jsonschema import Draft202012Validator

from rfseg.feeds.messages import load_schema

SCHEMA = Draft202012Validator(load_schema())
SAMP_RATE = 15.36e6  # Hz; what the blocks are told
FRAME_DURATION = 2e-3  # s
FRAME = 30_720  # samples
PACE = SAMP_RATE / 10  # samples in a second of the clock, so that a machine with other work keeps up
RADIO_BUFFER = 0.5  # s; what a radio and its driver hold before they overflow
ATTEMPTS = 3  # other processes may take the processor; a chain that waits for a broker lags in each attempt
TIMEOUT = 20.0  # s that a test waits for what must come


def until(condition) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + TIMEOUT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        pause.wait(2e-3)


def bands_of(contents: list[bytes]) -> list[dict]:
    """Bands of valid messages, in order."""
    messages = [json.loads(content) for content in contents]
    for message in messages:
        SCHEMA.validate(message)
    assert [m["sequence"] for m in messages] == list(range(len(messages)))
    assert [m["index"] for m in messages] == list(range(len(messages))) and messages[-1]["last"]
    return [band for message in messages for band in message["bands"]]


class Zeromq:
    """A subscriber that is there before the first message."""

    def __init__(self, port: int) -> None:
        self._socket = zmq.Context.instance().socket(zmq.SUB)
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 10)  # ms
        self._socket.subscribe("rfseg/bands")
        self._socket.connect(f"tcp://127.0.0.1:{port}")
        self.contents: list[bytes] = []

    def wait(self) -> None:
        """Until the publisher knows of it."""
        assert self._monitor.poll(int(TIMEOUT * 1000))

    def read(self) -> list[bytes]:
        """What has come so far."""
        while self._socket.poll(0):
            self.contents.append(self._socket.recv_multipart()[1])
        return self.contents

    def close(self) -> None:
        """Leave."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=0)


def test_what_every_feed_says_equals_the_tags(kit, threshold_model, broker, subscribe, tmp_path):
    broker.start()
    mqtt = subscribe(broker.port, "site/bands")
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    datagrams.bind(("127.0.0.1", 0))
    datagrams.setblocking(False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "bands.jsonl"
    feeds = [
        rfseg.band_feed(destination, mode="lossless")
        for destination in (
            f"file:{path}", f"udp://:{datagrams.getsockname()[1]}", f"mqtt://:{broker.port}/site", f"zeromq://:{port}"
        )  # fmt: skip
    ]
    count = 20 * FRAME + 1000
    iq = kit.noise(count, level_db=-90.0, seed=4)
    iq[FRAME // 2 : 8 * FRAME] += kit.comb(8 * FRAME - FRAME // 2, bins=64, first=10, last=20, level_db=-50.0)
    iq[5 * FRAME :] += kit.comb(count - 5 * FRAME, bins=64, first=40, last=55, level_db=-55.0)
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=threshold_model, frame_duration=FRAME_DURATION, mode="lossless", center_freq=2e9
    )
    subscriber = Zeromq(port)
    top, sink = gr.top_block(), kit.compare_sink(iq)
    begin = threading.Event()

    class HeldSource(kit.array_source):
        """Begins when all receivers are there."""

        def work(self, input_items: list, output_items: list) -> int:
            """Write the next piece."""
            begin.wait(TIMEOUT)
            return super().work(input_items, output_items)

    source = HeldSource(iq)
    top.connect(source, chain, sink)
    for feed in feeds:
        top.msg_connect(chain, "bands", feed, "bands")
    others = {port: rfseg.band_feed(f"file:{tmp_path / port}", mode="lossless") for port in ("status", "tracks")}
    for port, feed in others.items():
        top.msg_connect(chain, port, feed, port)
    top.start()
    subscriber.wait()
    begin.set()
    waiter = threading.Thread(target=top.wait, daemon=True)
    waiter.start()
    waiter.join(TIMEOUT)
    assert not waiter.is_alive()

    received = []
    until(lambda: _receive(datagrams, received) == 21)
    datagrams.close()
    until(lambda: len(mqtt.contents) == 21)
    until(lambda: len(subscriber.read()) == 21)
    subscriber.close()
    tags = [pmt.to_python(value) for _, key, value in sink.tags if key == "band_start"]
    assert len(tags) > 20 and sink.differing == 0
    starts = [offset for offset, key, _ in sink.tags if key == "band_start"]
    assert starts == [tag["sample_start"] for tag in tags]
    for contents in (path.read_bytes().splitlines(), received, mqtt.contents, subscriber.contents):
        assert bands_of(contents) == tags
    assert [feed.counts().dropped for feed in feeds] == [0] * 4
    said = {port: [json.loads(line) for line in (tmp_path / port).read_text().splitlines()] for port in others}
    for message in (*said["status"], *said["tracks"]):
        SCHEMA.validate(message)
    assert [feed.bad_messages() for feed in others.values()] == [0, 0]
    assert {message["event"] for message in said["status"]} >= {"progress"}
    onsets = [message["track"] for message in said["tracks"] if message["event"] == "onset"]
    assert set(onsets) == {tag["track"] for tag in tags} and len(onsets) == chain.tracks() > 1


def _receive(datagrams: socket.socket, received: list[bytes]) -> int:
    """Read what is there; how many there are by now."""
    try:
        while True:
            received.append(datagrams.recv(65536))
    except BlockingIOError:
        return len(received)


def test_a_broker_that_dies_in_mid_run_holds_no_sample_up_and_every_loss_is_counted(
    kit, threshold_session, broker, subscribe
):
    for _ in range(ATTEMPTS):
        if _run_through_a_death(kit, threshold_session, broker, subscribe) < RADIO_BUFFER:
            return
    raise AssertionError("the source was held up in each attempt")


def _run_through_a_death(kit, session, broker, subscribe) -> float:
    """Longest time, s, for which the source was held up."""
    seconds = 3.0
    count = int(seconds * PACE) // FRAME * FRAME
    period = kit.noise(1 << 20, level_db=-90.0, seed=4)
    period += kit.comb(len(period), bins=64, first=20, last=30, level_db=-50.0)
    top, sink, status = gr.top_block(), kit.compare_sink(period), kit.message_log()
    source = kit.paced_source(period, PACE, count=count)
    source.set_min_output_buffer(1 << 18)
    before_sink = blocks.copy(gr.sizeof_gr_complex)
    before_sink.set_min_output_buffer(1 << 20)
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=session, frame_duration=FRAME_DURATION, mode="live", queue_depth=50, hold=2.0
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
    until(lambda: feed.counts().dropped > 0)
    broker.start()
    second = subscribe(broker.port, "site/bands")
    waiter = threading.Thread(target=top.wait, daemon=True)
    waiter.start()
    waiter.join(TIMEOUT)
    assert not waiter.is_alive()
    counts = feed.counts()
    broker.kill()

    assert (sink.received, sink.differing) == (count, 0)
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
    return source.largest_lag
