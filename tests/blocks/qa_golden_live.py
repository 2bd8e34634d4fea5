"""The golden recording again: a broker that dies and comes back, and live mode."""

from __future__ import annotations

import getpass
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from gnuradio import gr, rfseg


def _load_kit() -> ModuleType:
    """The module beside this file, which pytest's import mode does not find by itself."""
    spec = importlib.util.spec_from_file_location("rfseg_golden_kit", Path(__file__).with_name("golden_kit.py"))
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


golden_kit = _load_kit()
air, ears, FRAME = golden_kit.air, golden_kit.ears, golden_kit.FRAME
until = ears.until
QUEUE = 8  # messages that may wait for the broker
LIVE_COUNT = air.GAP + 5 * FRAME  # samples; 7.4 s, with the retune and the gap
HOLD = 2.0  # s of samples that may wait for their bands


def test_the_stream_runs_past_a_dead_broker_and_the_loss_is_counted_exactly(kit, threshold_session, servers, tmp_path):
    broker = servers.Broker(tmp_path)
    database = tmp_path / "mosquitto.db"
    user = f"user {getpass.getuser()}"  # started by root it would become another, who cannot write here
    broker.configure("allow_anonymous true", user, "persistence true", f"persistence_location {tmp_path}/")
    broker.start()
    listener = servers.Subscriber(broker.port, "site/bands", name="listener")  # misses nothing that the broker has
    broker.save(database)

    alive, dead, count = 10, 40, 55  # frames before the death and the return, and in all
    samples = air.Air()
    source = golden_kit.AirSource(samples, stops=(alive * FRAME + 100, dead * FRAME + 100), count=count * FRAME)
    sink, status = golden_kit.AirSink(samples), kit.message_log()
    chain = golden_kit.make_chain(threshold_session, mode="lossless")
    feed = rfseg.band_feed(f"mqtt://:{broker.port}/site", queue_depth=QUEUE)
    top = gr.top_block()
    top.connect(source, chain, sink)
    top.msg_connect(chain, "bands", feed, "bands")
    top.msg_connect(feed, "status", status, "in")
    try:
        top.start()
        until(lambda: len(listener.contents) == feed.counts().sent == alive)
        broker.kill()
        source.go_on()
        until(lambda: feed.counts().submitted == dead and sink.received == dead * FRAME)  # nothing waits for a broker
        counts = feed.counts()
        assert counts.sent == alive and counts.dropped > 0
        assert counts.sent + counts.dropped + counts.waiting == dead
        broker.start()
        until(lambda: feed.counts().waiting == 0)
        source.go_on()
        golden_kit.run_to_end(top)
        counts = feed.counts()
        until(lambda: len(listener.contents) >= counts.sent)
    finally:
        listener.close()
        broker.kill()

    messages = [golden_kit.read_valid(content) for content in listener.contents]
    assert counts.submitted == count == counts.sent + counts.dropped and counts.refused == counts.waiting == 0
    received = [message["sequence"] for message in messages]
    lost = sorted(set(range(count)) - set(received))
    assert len(received) == counts.sent and len(lost) == counts.dropped and received == sorted(set(received))
    assert lost == list(range(lost[0], lost[-1] + 1)) and alive <= lost[0] and lost[-1] == dead - QUEUE - 1
    tags = [band for _, band in golden_kit.tags_of(sink, "band_start")]
    of_frames = {message["sequence"]: message["bands"] for message in messages}
    starts = golden_kit.frame_starts(count * FRAME)
    for number in received:
        assert of_frames[number] == [band for band in tags if band["sample_start"] // FRAME == number]
    assert len(starts) == count and (sink.received, sink.differing) == (count * FRAME, 0)
    events = [message["event"] for message in status.messages if message["event"] != "progress"]
    assert events == ["connected", "disconnected", "connected"]
    totals = [message for message in status.messages if message["event"] == "progress"][-1]
    assert (totals["sent"], totals["dropped"]) == (counts.sent, counts.dropped)


def test_in_live_mode_a_chain_that_has_time_finds_the_same(kit, threshold_session, tmp_path):
    port = ears.free_port()
    listener, samples = ears.Zeromq(port), air.Air()
    logs = {name: kit.message_log() for name in ("bands", "tracks", "status")}
    told = logs["bands"].messages
    source = golden_kit.AirSource(
        samples, stops=(0,), count=LIVE_COUNT, told=lambda: told[-1]["watermark"] if told else 0
    )
    sink = golden_kit.AirSink(samples)
    chain = golden_kit.make_chain(threshold_session, mode="live", queue_depth=20, hold=HOLD)
    feeds = [rfseg.band_feed(f"file:{tmp_path}/bands.jsonl"), rfseg.band_feed(f"zeromq://:{port}")]
    top = gr.top_block()
    top.connect(source, chain, sink)
    top.msg_connect(source, "async_msgs", chain, "overflow")
    for feed in feeds:
        top.msg_connect(chain, "bands", feed, "bands")
    for name, log in logs.items():
        top.msg_connect(chain, name, log, "in")
    starts = golden_kit.frame_starts(LIVE_COUNT)
    try:
        top.start()
        listener.wait()
        source.go_on()
        golden_kit.run_to_end(top)
        until(lambda: len(listener.contents) == len(starts))
        contents = [content.decode() for content in listener.contents]
    finally:
        listener.close()

    assert (sink.received, sink.differing) == (LIVE_COUNT, 0)
    assert chain.dropped() == chain.failed() == chain.late_bands() == 0
    assert contents == (tmp_path / "bands.jsonl").read_text().splitlines()
    messages = [golden_kit.read_valid(content) for content in contents]
    assert [message["sequence"] for message in messages] == list(range(len(starts)))
    assert [message["sample_start"] for message in messages] == starts
    assert [message["sample_start"] for message in messages if message["settling"]] == [air.RETUNE]
    tags = golden_kit.tags_of(sink, "band_start")
    assert [band for _, band in tags] == [band for message in messages for band in message["bands"]]
    assert all(offset == band["sample_start"] for offset, band in tags)
    gaps = [event for event in logs["status"].messages if event["event"] == "gap"]
    assert [(gap["sample"], gap["lost_samples"]) for gap in gaps] == [(air.GAP, air.LOST)]
    _check_live_tracks([golden_kit.plain(event) for event in logs["tracks"].messages])


def _check_live_tracks(told: list[dict]) -> None:
    """Those of the whole recording that begin by then; those that have not ended end with the stream."""
    wanted = [track for track in air.TRACKS if track.start < LIVE_COUNT]
    assert [event["track"] for event in told if event["event"] == "onset"] == [track.number for track in wanted]
    ends = {event["track"]: event for event in told if event["event"] == "end"}
    for track in wanted:
        end = ends[track.number]
        has_ended = end["reason"] != "stream_end"
        assert end["reason"] == (track.reason if has_ended else "stream_end")
        golden_kit.check_track(end, track, count=LIVE_COUNT)
    assert [number for number, end in ends.items() if end["reason"] != "stream_end"] == [1, 4]
