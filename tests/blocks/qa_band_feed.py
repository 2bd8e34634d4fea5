"""Band Feed: what other systems receive is what the messages say, and nothing holds the flowgraph up."""

from __future__ import annotations

import json
import socket
import threading
import time

import numpy as np
import pmt
import pytest
from gnuradio import gr, rfseg
from gnuradio.rfseg.messages import BandsMessage, FrameTag, event_from_pmt, event_to_pmt
from gnuradio.rfseg.occupancy_messages import occupancy_to_pmt
from gnuradio.rfseg.scan_messages import scan_to_pmt
from gnuradio.rfseg.track_messages import track_event_to_pmt
from jsonschema import Draft202012Validator

from rfseg.bands.lines import band_from_json
from rfseg.bands import Band
from rfseg.errors import BandError, FeedError
from rfseg.feeds.messages import load_schema
from rfseg.geometry import Frame, RxTime
from rfseg.occupancyreport import FreeBand, OccupancyReport, Span
from rfseg.pipeline import FrameState
from rfseg.scanning.report import ScanReport, ScanSpan, scan_from_fields
from rfseg.tracking.events import EventKind, Track, TrackEvent

SCHEMA = Draft202012Validator(load_schema())
SAMP_RATE = 15.36e6  # Hz
FRAME = 30_720  # samples
TIMEOUT = 20.0  # s that a test waits for what must come
TRACK = Track(
    track=4,
    label="LTE",
    class_id=1,
    confidence=0.5,
    freq_lower_edge=1e9,
    freq_upper_edge=1.01e9,
    freq_reference="rf",
    sample_start=0,
    sample_count=FRAME,
    samp_rate=SAMP_RATE,
    band_count=1,
    occupied_time=2e-3,
    observed_time=2e-3,
    end_time=RxTime(seconds=1, fraction=0.5),
    children=(5, 6),
    model="m",
)
REPORT = OccupancyReport(
    sample_start=0,
    sample_stop=FRAME,
    samp_rate=SAMP_RATE,
    freq_reference="rf",
    bin_width=1e5,
    spans=(Span(freq_lower_edge=1e9, duty_cycle=(0.25, 0.75)),),
    free=(FreeBand(freq_lower_edge=1e9, freq_upper_edge=1.001e9, valid_until=2 * FRAME),),
)
SCAN = ScanReport(
    sample_stop=FRAME,
    samp_rate=SAMP_RATE,
    sweeps=1,
    bin_width=1e5,
    spans=(ScanSpan(freq_lower_edge=1e9, duty_cycle=(0.0, 0.5), last_seen=(-1, FRAME)),),
    rx_time=RxTime(seconds=9, fraction=0.25),
)


def bands_message(index: int, *, count: int = 1, **changes) -> pmt.pmt_base:
    """Message of frame ``index`` with ``count`` bands."""
    frame = Frame(
        index=index,
        sample_start=index * FRAME,
        sample_count=FRAME,
        valid_samples=FRAME,
        samp_rate=SAMP_RATE,
        **{"center_freq": 1e9, "rx_time": RxTime(seconds=9, fraction=0.25), **changes},
    )
    bands = tuple(
        Band(
            label="LTE",
            class_id=1,
            confidence=0.5,
            freq_lower_edge=1e9 + place * 1e6,
            freq_upper_edge=1e9 + place * 1e6 + 0.9e6,
            freq_reference="rf",
            sample_start=index * FRAME,
            sample_count=FRAME,
            power_dbfs=-40.0,
            model="m",
            id=10 * index + place,
        )
        for place in range(count)
    )
    return BandsMessage(tag=FrameTag(frame=frame, state=FrameState.INFERRED, model="m"), bands=bands).to_pmt()


class Bench:
    """A flowgraph around a feed; what the feed says of itself is in ``status``."""

    def __init__(self, kit, feed) -> None:
        self.feed, self.status = feed, kit.message_log()
        self.top = gr.top_block()
        self.senders = {}
        for port in ("bands", "status", "occupancy", "tracks", "scan"):
            self.senders[port] = kit.message_log()
            self.senders[port].message_port_register_out(pmt.intern("out"))
            self.top.msg_connect(self.senders[port], "out", feed, port)
        self.top.msg_connect(feed, "status", self.status, "in")

    def __enter__(self) -> Bench:
        self.top.start()
        return self

    def __exit__(self, *_) -> None:
        self.top.stop()
        self.top.wait()

    def totals(self) -> list[dict]:
        """What the feed said of its counts."""
        return [message for message in self.status.messages if message["event"] == "progress"]

    def send(self, port: str, *messages: pmt.pmt_base) -> None:
        """Post messages to the feed."""
        for message in messages:
            self.senders[port].message_port_pub(pmt.intern("out"), message)


def until(condition) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + TIMEOUT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        pause.wait(2e-3)


def plain(value):
    """A message's content as JSON has it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    return value


def test_messages_of_every_port_arrive_as_they_are_and_keep_the_schema(kit, tmp_path):
    path = tmp_path / "all.jsonl"
    event = TrackEvent(kind=EventKind.UPDATE, track=TRACK, watermark=FRAME)
    progress = event_to_pmt("segmenter", "progress", {"frames": 7, "inference_ms": 2.5, "model": "m"})
    sent = {
        "bands": [bands_message(0, count=3), bands_message(1, count=0, center_freq=None, rx_time=None)],
        "status": [progress],
        "occupancy": [occupancy_to_pmt(REPORT)],
        "tracks": [track_event_to_pmt(event)],
        "scan": [scan_to_pmt(SCAN)],
    }
    with Bench(kit, rfseg.band_feed(f"file:{path}")) as bench:
        for port, messages in sent.items():
            bench.send(port, *messages)
        until(lambda: bench.feed.counts().sent == 6)
    found = {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        SCHEMA.validate(line)
        assert line.pop("version") == 1
        found.setdefault(line.pop("type"), []).append(line)
    assert sorted(line.pop("sequence") for line in lines) == list(range(6))
    for kind, port in (("bands", "bands"), ("status", "status"), ("occupancy", "occupancy"), ("track", "tracks")):
        assert found[kind] == [plain(pmt.to_python(message)) for message in sent[port]]
    assert [scan_from_fields({**scan, "version": 1, "type": "scan"}) for scan in found["scan"]] == [SCAN]


def test_lines_of_bands_are_those_of_the_command_line(kit, tmp_path):
    path = tmp_path / "bands.jsonl"
    with Bench(kit, rfseg.band_feed(f"file:{path}", encoding="bands", mode="lossless")) as bench:
        bench.send("bands", bands_message(0, count=2), bands_message(1))
        until(lambda: bench.feed.counts().sent == 3)
    bands = [band_from_json(line) for line in path.read_text().splitlines()]
    assert [band.id for band in bands] == [0, 1, 10]
    assert '"frame": 1' in path.read_text().splitlines()[2]


def test_what_waits_at_the_end_is_delivered(kit, tmp_path):
    path = tmp_path / "bands.jsonl"
    with Bench(kit, rfseg.band_feed(f"file:{path}", mode="lossless", queue_depth=3)) as bench:
        bench.send("bands", *(bands_message(index, last=index == 199) for index in range(200)))
        bench.status.wait_for(lambda messages: any(m["event"] == "progress" and m["sent"] == 200 for m in messages))
    assert [json.loads(line)["index"] for line in path.read_text().splitlines()] == list(range(200))
    totals = bench.status.messages[-1]
    assert (totals["submitted"], totals["dropped"], totals["queue_depth"]) == (200, 0, 0)


def test_malformed_messages_are_counted_and_passed_over(kit, tmp_path):
    path = tmp_path / "a.jsonl"
    with Bench(kit, rfseg.band_feed(f"file:{path}")) as bench:
        for port in ("bands", "occupancy", "tracks", "status", "scan"):
            bench.send(port, pmt.intern("nonsense"), pmt.make_dict())
        until(lambda: bench.feed.bad_messages() == 10)
        bench.send("bands", bands_message(0))
        until(lambda: bench.feed.counts().sent == 1)


def test_what_the_encoding_cannot_say_is_counted(kit, tmp_path):
    cell = {"center_freq": 1e9, "prbs": 51}
    feed = rfseg.band_feed(f"file:{tmp_path / 'a'}", encoding="oran", options=cell)
    with Bench(kit, feed) as bench:
        bench.send("bands", bands_message(0, center_freq=None), bands_message(1))
        until(lambda: bench.feed.counts().sent == 1 and bench.feed.bad_messages() == 1)
    (line,) = (tmp_path / "a").read_text().splitlines()
    SCHEMA.validate(json.loads(line))


def test_a_server_that_is_away_costs_messages_and_no_time_and_status_says_so(kit):
    with socket.socket() as free:  # bound and not listening: who connects is refused
        free.bind(("127.0.0.1", 0))
        feed = rfseg.band_feed(f"http://127.0.0.1:{free.getsockname()[1]}/", queue_depth=10)
        with Bench(kit, feed) as bench:
            bench.status.wait_for(lambda messages: any(m["event"] == "disconnected" for m in messages), TIMEOUT)
            bench.send("bands", *(bands_message(index) for index in range(300)))
            until(lambda: bench.feed.counts().submitted == 300)
            assert bench.feed.counts().dropped == 290
            until(lambda: bench.send("bands", bands_message(300)) or len(bench.totals()) > 0)  # a second is over
            bench.feed._feed._delivery._deadline = time.monotonic()  # do not wait for 5 s at the end
    totals = bench.totals()[-1]
    lost = next(m for m in bench.status.messages if m["event"] == "disconnected")
    assert lost["source"] == "feed" and "refused" in lost["reason"] and lost["destination"].startswith("http://")
    assert totals["submitted"] == totals["dropped"] + totals["queue_depth"] > 10  # told when a second was over
    assert (totals["sent"], totals["queue_depth"], totals["source"]) == (0, 10, "feed")
    counts = feed.counts()
    assert (counts.sent, counts.waiting) == (0, 0) and counts.dropped == counts.submitted


def test_a_feed_runs_again(kit, tmp_path):
    path = tmp_path / "a.jsonl"
    bench = Bench(kit, rfseg.band_feed(f"file:{path}"))
    for _ in range(2):
        with bench:
            bench.send("bands", bands_message(0))
            until(lambda: bench.feed.counts().sent == 1)
        bench.send("bands", bands_message(1))  # too late, and nothing to the next run
        said = [json.loads(line) for line in path.read_text().splitlines()]
        assert [(message["sequence"], message["index"]) for message in said] == [(0, 0)]


def test_a_feed_that_makes_no_sense_is_refused():
    with pytest.raises(FeedError, match="does not exist; create it first"):
        rfseg.band_feed("file:/no/such/folder/bands.jsonl")
    with pytest.raises(FeedError, match="encoding='xml' is unknown"):
        rfseg.band_feed("udp://:1", encoding="xml")


@pytest.mark.parametrize("value", [3, -3, 2.5, "text", True])
def test_status_survives_pmt(value):
    message = pmt.dict_add(event_to_pmt("s", "e", {"total": 7}), pmt.intern("x"), pmt.to_pmt(value))
    assert event_from_pmt(message) == ("s", "e", {"total": 7, "x": value})


def test_status_that_makes_no_sense_is_refused():
    with pytest.raises(BandError, match="status lacks the key source"):
        event_from_pmt(pmt.make_dict())
    message = pmt.dict_add(event_to_pmt("s", "e", {}), pmt.intern("x"), pmt.make_vector(1, pmt.PMT_NIL))
    with pytest.raises(BandError, match="expected a number, a symbol, or true or false"):
        event_from_pmt(message)
