"""The golden test: ten seconds of a receiver's life, and all that is to be told of it, exactly.

``golden_air`` makes the recording: carriers that come and go, radar pulses, a retune, a gap.  One lossless run with all
feeds and a recorder is looked at from all sides; a broker that dies and live mode have runs of their own.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator

import numpy as np
import pmt
import pytest
from gnuradio import gr, rfseg

from rfseg.sigmf import open_recording


def _load_kit() -> ModuleType:
    """The module beside this file, which pytest's import mode does not find by itself."""
    spec = importlib.util.spec_from_file_location("rfseg_golden_kit", Path(__file__).with_name("golden_kit.py"))
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


golden_kit = _load_kit()
air, ears = golden_kit.air, golden_kit.ears
check_track, frame_starts, plain, read_valid = (
    golden_kit.check_track, golden_kit.frame_starts, golden_kit.plain, golden_kit.read_valid
)  # fmt: skip
QUOTA = 8_000_000  # bytes of recordings; less than the first frame of signal
CELL = {"center_freq": 3.5e9, "prbs": 51, "numerology": 1, "origin": (air.BEGIN.seconds, 0.0)}
_TAGS_OF_INFLUX = ("label", "model", "freq_reference")


class Golden:
    """A lossless run of everything, and what came of it."""

    def __init__(self, kit, session, servers, folder: Path) -> None:
        self.folder = folder
        self.broker = servers.Broker(folder)
        self.broker.start()
        self.mqtt = servers.Subscriber(self.broker.port, "site/bands")
        self.datagrams, port = ears.Datagrams(), ears.free_port()
        self.zeromq = ears.Zeromq(port)
        self.top, samples = gr.top_block(), air.Air()
        self.source, self.sink = golden_kit.AirSource(samples, stops=(0,)), golden_kit.AirSink(samples)
        self.chain = golden_kit.make_chain(session, mode="lossless")
        self.occupancy = rfseg.occupancy()
        self.recorder = rfseg.sigmf_recorder(
            air.SAMP_RATE, folder / "iq", item_type="int16", record="all", mode="lossless", quota_bytes=QUOTA
        )
        destinations = {
            "file": f"file:{folder}/bands.jsonl",
            "udp": f"udp://:{self.datagrams.port}",
            "mqtt": f"mqtt://:{self.broker.port}/site",
            "zeromq": f"zeromq://:{port}",
        }
        slow = {"timeout": 60.0, "keepalive": 60}  # s; other processes may have the processor
        self.feeds = {
            name: rfseg.band_feed(text, mode="lossless", options=slow if name == "mqtt" else None)
            for name, text in destinations.items()
        }
        for name, options in (("influx", {"tags": {"site": "north"}}), ("oran", CELL)):
            self.feeds[name] = rfseg.band_feed(
                f"file:{folder}/bands.{name}", encoding=name, mode="lossless", options=options
            )
        self.others = {
            name: rfseg.band_feed(f"file:{folder}/{name}.jsonl", mode="lossless")
            for name in ("tracks", "status", "occupancy")
        }
        self.logs = {name: kit.message_log() for name in ("bands", "tracks", "status", "recorder")}
        self._connect()

    def _connect(self) -> None:
        top, chain = self.top, self.chain
        top.connect(self.source, chain, self.sink)
        top.connect(chain, self.recorder)
        top.msg_connect(self.source, "async_msgs", chain, "overflow")
        top.msg_connect(self.recorder, "status", self.logs["recorder"], "in")
        top.msg_connect(chain, "bands", self.occupancy, "bands")
        for feed in self.feeds.values():
            top.msg_connect(chain, "bands", feed, "bands")
        for name, feed in self.others.items():
            top.msg_connect(self.occupancy if name == "occupancy" else chain, name, feed, name)
        for name in ("bands", "tracks", "status"):
            top.msg_connect(chain, name, self.logs[name], "in")

    def run(self) -> None:
        """From the first sample to the last message."""
        self.top.start()
        self.zeromq.wait()
        self.source.go_on()
        golden_kit.run_to_end(self.top)
        frames = len(frame_starts())
        for ear in (self.mqtt, self.datagrams, self.zeromq):
            ears.until(lambda: len(ear.contents) >= frames)  # noqa: B023, called at once

    def close(self) -> None:
        """Send all away."""
        for ear in (self.mqtt, self.datagrams, self.zeromq):
            ear.close()
        self.broker.kill()

    def tags(self, key: str) -> list[tuple[int, Any]]:
        """Samples and contents of the tags of one key."""
        return golden_kit.tags_of(self.sink, key)

    def lines(self, name: str) -> list[str]:
        """Of a file in the folder."""
        return (self.folder / name).read_text().splitlines()


@pytest.fixture(scope="module")
def golden(kit, threshold_session, servers, tmp_path_factory) -> Iterator[Golden]:
    """One run for all tests that only look."""
    golden = Golden(kit, threshold_session, servers, tmp_path_factory.mktemp("golden"))
    try:
        golden.run()
        yield golden
    finally:
        golden.close()


# -- tracks


def test_the_tracks_are_those_of_the_recording_and_no_others(golden):
    told = [plain(event) for event in golden.logs["tracks"].messages]
    onsets = [event["track"] for event in told if event["event"] == "onset"]
    assert onsets == [track.number for track in air.TRACKS]
    ends = {event["track"]: event for event in told if event["event"] == "end"}
    assert list(ends) == [1, 4, 7, 5, 6, 2, 8, 9, 10]  # in the order in which they end
    for wanted in air.TRACKS:
        check_track(ends[wanted.number], wanted)
        end = ends[wanted.number]
        assert (end["reason"], end["parents"], end["children"]) == (wanted.reason, [*wanted.parents], [*wanted.children])


def test_times_of_tracks_are_those_of_the_air_over_the_gap(golden):
    ends = {event["track"]: event for event in golden.logs["tracks"].messages if event["event"] == "end"}
    for wanted in air.TRACKS:
        for key, sample in (("rx_time", wanted.start), ("end_time", wanted.stop)):
            seconds, fraction = ends[wanted.number][key]
            missing = air.LOST if sample > air.GAP else 0
            elapsed = seconds - air.BEGIN.seconds + fraction - air.BEGIN.fraction
            assert abs(elapsed * air.SAMP_RATE - sample - missing) < air.ROW


def test_a_radar_has_its_pulses(golden):
    ends = {event["track"]: event for event in golden.logs["tracks"].messages if event["event"] == "end"}
    for wanted in (track for track in air.TRACKS if track.label == "Radar"):
        bands = [band for _, band in golden.tags("band_start") if band["track"] == wanted.number]
        rows = [(sample - grid_of(sample)) // air.ROW for sample in wanted.source.pulses]
        found = [(band["sample_start"] - grid_of(band["sample_start"])) // air.ROW for band in bands]
        assert found == rows  # one band for each pulse, in its row
        interval = ends[wanted.number]["pulse_interval"]
        assert interval == pytest.approx(air.PULSE_INTERVAL / air.SAMP_RATE, rel=0.01)
        assert "pulse_width" not in ends[wanted.number]  # of 2 us, which rows cannot tell


def grid_of(sample: int) -> int:
    """Where the frames around a sample began to be counted."""
    return max(start for start in (0, air.SETTLED, air.GAP) if start <= sample)


# -- tags and samples


def test_every_sample_comes_out_as_it_went_in(golden):
    assert (golden.sink.received, golden.sink.differing) == (air.COUNT, 0)
    assert golden.chain.late_bands() == golden.chain.dropped() == golden.chain.failed() == 0


def test_every_tag_is_on_its_sample(golden):
    starts, ends = golden.tags("band_start"), golden.tags("band_end")
    assert starts and [offset for offset, _ in starts] == [band["sample_start"] for _, band in starts]
    assert [band["id"] for _, band in starts] == list(range(len(starts)))
    last = {band["id"]: band["sample_start"] + band["sample_count"] - 1 for _, band in starts}
    assert sorted((id, offset) for offset, id in ends) == sorted(last.items())
    of_source = [(o, k, v) for o, k, v in golden.sink.tags if k.startswith("rx_")]
    wanted = [(offset, key, value) for offset, found in air.tags().items() for key, value in found]
    assert [(o, k) for o, k, _ in of_source] == [(o, k) for o, k, _ in wanted]
    assert all(pmt.equal(found[2], value[2]) for found, value in zip(of_source, wanted))


def test_each_frame_has_one_band_for_each_carrier_in_it(golden):
    found = [band for _, band in golden.tags("band_start") if band["label"] != "Radar"]
    wanted = []
    starts = frame_starts()
    for first, after in zip(starts, [*starts[1:], air.COUNT]):
        for carrier in air.CARRIERS.values():
            for on, off in carrier.spells:
                begin, end = max(first, on), min(after, off)
                if begin < end and not air.RETUNE <= first < air.SETTLED and is_in_view(carrier, first):
                    wanted.append((begin, end, carrier))
    wanted.sort(key=lambda item: (item[0] // air.ROW, item[2].edges[0]))
    found.sort(key=lambda band: (band["sample_start"] // air.ROW, band["freq_lower_edge"]))
    assert len(found) == len(wanted)
    for band, (begin, end, carrier) in zip(found, wanted):
        assert band["label"] == carrier.label
        assert abs(band["sample_start"] - begin) < air.ROW
        assert abs(band["sample_start"] + band["sample_count"] - end) < air.ROW
        for key, edge in zip(("freq_lower_edge", "freq_upper_edge"), carrier.edges):
            assert abs(band[key] - edge) < air.BIN


def is_in_view(carrier, sample: int) -> bool:
    """Whether the receiver could see a carrier."""
    return carrier.edges[0] > air.CENTERS[sample >= air.RETUNE] - air.SAMP_RATE / 2


# -- what is told


def test_the_retune_and_the_gap_are_told_on_their_samples(golden):
    told = [plain(event) for event in golden.logs["status"].messages if event["source"] == "spectrogram"]
    (retune,), (gap,), (settled,) = ([e for e in told if e["event"] == n] for n in ("retune", "gap", "settled"))
    assert (retune["sample"], retune["center_freq"]) == (air.RETUNE, air.CENTERS[1])
    assert (settled["sample"], settled["settling_samples"]) == (air.SETTLED, air.SETTLED - air.RETUNE)
    assert (gap["sample"], gap["lost_samples"], gap["total"]) == (air.GAP, air.LOST, air.LOST)
    assert {e["event"] for e in told} == {"retune", "settling", "settled", "overflow", "gap", "lossless_overflow"}


@pytest.mark.parametrize("name", ["file", "udp", "mqtt", "zeromq"])
def test_what_a_feed_says_keeps_the_schema_and_equals_the_tags(golden, name):
    ear = {"udp": golden.datagrams, "mqtt": golden.mqtt, "zeromq": golden.zeromq}.get(name)
    contents = [line.encode() for line in golden.lines("bands.jsonl")] if ear is None else ear.contents
    messages = [read_valid(content) for content in contents]
    assert [message["sequence"] for message in messages] == list(range(len(frame_starts())))
    assert [message["sample_start"] for message in messages] == frame_starts()
    assert [band for message in messages for band in message["bands"]] == [b for _, b in golden.tags("band_start")]
    assert {message["state"] for message in messages} == {"inferred", "settling"}
    counts = golden.feeds[name].counts()
    assert counts.submitted == counts.sent == len(messages) and golden.feeds[name].bad_messages() == 0


@pytest.mark.parametrize("name", ["tracks", "status"])
def test_events_and_tracks_are_told_as_they_are(golden, name):
    messages = [read_valid(line) for line in golden.lines(f"{name}.jsonl")]
    wanted = [plain(event) for event in golden.logs[name].messages]
    kind = {"tracks": "track", "status": "status"}[name]
    assert messages == [{"version": 1, "type": kind, "sequence": n, **event} for n, event in enumerate(wanted)]


def test_occupancy_is_told_of_the_whole_recording(golden):
    messages = [read_valid(line) for line in golden.lines("occupancy.jsonl")]
    assert messages[-1]["sample_stop"] == air.COUNT
    names = ("left behind", "paused"), ("last", "short"), ("long", "long"), ("merged", "merged")
    assert len(messages[-1]["occupied"]) == len(names)
    for band, (lower, upper) in zip(messages[-1]["occupied"], names):
        assert abs(band["freq_lower_edge"] - air.CARRIERS[lower].edges[0]) < air.BIN
        assert abs(band["freq_upper_edge"] - air.CARRIERS[upper].edges[1]) < air.BIN
    (on, off), sensed = air.CARRIERS["long"].spells[0], air.COUNT - (air.SETTLED - air.RETUNE)
    share = (off - on - (air.SETTLED - air.RETUNE)) / sensed
    assert messages[-1]["occupied"][2]["duty_cycle"] == pytest.approx(share, abs=0.01)


def test_points_of_influx_equal_the_tags(golden):
    points = [ears.read_point(line) for line in golden.lines("bands.influx")]
    frames = [point for point in points if point.measurement == "rfseg_frame"]
    assert [point.fields["sample_start"] for point in frames] == frame_starts()
    bands = [point for point in points if point.measurement == "rfseg_band"]
    tags = [band for _, band in golden.tags("band_start")]
    named = [{**point.fields, **{key: point.tags[key] for key in _TAGS_OF_INFLUX}} for point in bands]
    assert named == tags and {point.tags["site"] for point in points} == {"north"}
    for point in frames:
        sample = point.fields["sample_start"]
        elapsed = (sample + (air.LOST if sample >= air.GAP else 0)) / air.SAMP_RATE
        assert abs(point.time - (air.BEGIN.seconds * 10**9 + round((air.BEGIN.fraction + elapsed) * 1e9))) <= 1


def test_rectangles_of_oran_hold_the_bands_of_the_tags(golden):
    messages = [read_valid(line) for line in golden.lines("bands.oran")]
    rectangles = [rectangle for message in messages for rectangle in message["rectangles"]]
    inside = [(b, blocks_of(b)) for _, b in golden.tags("band_start") if blocks_of(b)]
    assert [rectangle["id"] for rectangle in rectangles] == [band["id"] for band, _ in inside]
    for rectangle, (band, blocks) in zip(rectangles, inside):
        assert (rectangle["label"], rectangle["confidence"]) == (band["label"], band["confidence"])
        assert list(range(rectangle["rb_start"], rectangle["rb_start"] + rectangle["rb_size"])) == blocks
        first, last = rectangle["start_symbol"], rectangle["start_symbol"] + rectangle["num_symbols"] - 1
        begin = units_at(band["sample_start"])
        end = units_at(band["sample_start"] + band["sample_count"] - 1) + 4
        assert symbol_start(first) <= begin < symbol_start(first + 1)
        assert symbol_start(last) < end <= symbol_start(last + 1)
    blacklists = {message["valid_from"]: message["prb_blacklist"] for message in messages}
    for start, blacklist in blacklists.items():
        of_frame = [r for m in messages if m["valid_from"] == start for r in m["rectangles"]]
        covered = {b for r in of_frame for b in range(r["rb_start"], r["rb_start"] + r["rb_size"])}
        assert blacklist == sorted(covered)


def blocks_of(band: dict[str, Any]) -> list[int]:
    """Resource blocks of 360 kHz that a band touches; the reference is the first subcarrier of the upper half."""
    lowest = CELL["center_freq"] - (12 * 25 + 6 + 0.5) * 30e3
    low, high = (band[key] - lowest for key in ("freq_lower_edge", "freq_upper_edge"))
    return [block for block in range(CELL["prbs"]) if low < (block + 1) * 360e3 - 360 and high > block * 360e3 + 360]


def units_at(sample: int) -> int:
    """Time of a sample since the origin, in units of 1 / 61.44 MHz, of which a sample is four."""
    return round(air.BEGIN.fraction * 4 * air.SAMP_RATE) + 4 * (sample + (air.LOST if sample >= air.GAP else 0))


def symbol_start(symbol: int) -> int:
    """In the same units: half a millisecond is 14 symbols, the first of them longer by 32 units."""
    half, index = divmod(symbol, 14)
    return 30_720 * half + 2_192 * index + (32 if index else 0)


# -- the disk


def test_at_the_quota_recording_stops_with_a_message_and_sensing_goes_on(golden):
    (stopped,) = (event for event in golden.logs["recorder"].messages if event["event"] == "stopped")
    assert stopped["reason"].startswith(f"the quota of {QUOTA} bytes is used up; move recordings away")
    counts = golden.recorder.counts()
    assert golden.recorder.is_stopped() and counts.wanted == air.COUNT == counts.written + counts.refused
    assert counts.dropped == 0
    (path,) = (golden.folder / "iq").glob("*.sigmf-meta")
    recording = open_recording(path)
    stored = np.fromfile(recording.data_path, np.int16).reshape(-1, 2)
    assert len(stored) == counts.written > 0.4 * QUOTA / 4
    assert np.array_equal(stored, air.Air().items(0, len(stored)))
    assert sum(file.stat().st_size for file in (golden.folder / "iq").iterdir()) <= QUOTA
    after = [band for offset, band in golden.tags("band_start") if offset > counts.written]
    assert len({band["track"] for band in after}) == len(air.TRACKS) + 1  # and the short one, never confirmed
