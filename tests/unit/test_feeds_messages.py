"""Messages keep one schema, lose nothing, and each encoding says what they say."""

from __future__ import annotations

import csv
import json
from dataclasses import fields, replace

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from rfseg.bands.lines import band_from_json
from rfseg.bands import Band
from rfseg.errors import FeedError
from rfseg.feeds.encodings import BandLines, Csv, Json
from rfseg.feeds.feed import Feed
from rfseg.feeds.influx import Influx, InfluxOptions
from rfseg.feeds.messages import (
    FrameBands,
    alarm_to_message,
    bands_from_message,
    bands_to_message,
    load_schema,
    occupancy_from_message,
    occupancy_to_message,
    scan_to_message,
    status_to_message,
    to_json,
    track_to_message,
)
from rfseg.feeds.oran import Oran, OranOptions
from rfseg.geometry import Frame, RxTime
from rfseg.occupancyreport import FreeBand, OccupancyReport, OccupiedBand, Span
from rfseg.pipeline import FrameState
from rfseg.scanning.report import ScannedBand, ScanReport, ScanSpan, StepState, scan_from_fields
from rfseg.tracking.events import EndReason, EventKind, Track, TrackEvent

LARGEST = (1 << 64) - 1
RATE = 30.72e6  # Hz
SCHEMA = Draft202012Validator(load_schema())

BAND = Band(
    label="LTE",
    class_id=1,
    confidence=0.75,
    freq_lower_edge=3.495e9,
    freq_upper_edge=3.505e9,
    freq_reference="rf",
    sample_start=1_000,
    sample_count=500,
    power_dbfs=-40.5,
    snr_db=12.25,
    model="m",
    id=7,
    track=3,
)
BARE = replace(BAND, power_dbfs=None, snr_db=None, track=None, id=8, label="NR", sample_start=1_200)
FRAME = Frame(
    index=2,
    sample_start=1_000,
    sample_count=2_000,
    valid_samples=1_500,
    samp_rate=RATE,
    center_freq=3.5e9,
    rx_time=RxTime(seconds=1_763_680_000, fraction=0.25),
    last=True,
)
CONTENT = FrameBands(frame=FRAME, bands=(BAND, BARE), state=FrameState.INFERRED, model="m", non_finite=4)
REPORT = OccupancyReport(
    sample_start=0,
    sample_stop=3_072_000,
    samp_rate=RATE,
    freq_reference="rf",
    bin_width=1e6,
    spans=(Span(freq_lower_edge=3.49e9, duty_cycle=(0.0, 0.5)),),
    free=(FreeBand(freq_lower_edge=3.49e9, freq_upper_edge=3.491e9, valid_until=6_144_000),),
    occupied=(OccupiedBand(freq_lower_edge=3.491e9, freq_upper_edge=3.492e9, duty_cycle=0.5, valid_until=6_144_000),),
    rx_time=RxTime(seconds=5, fraction=0.5),
)


TRACK = Track(
    track=3,
    label="LTE",
    class_id=1,
    confidence=0.9,
    freq_lower_edge=3.495e9,
    freq_upper_edge=3.505e9,
    freq_reference="rf",
    sample_start=1_000,
    sample_count=500,
    samp_rate=RATE,
    rx_time=RxTime(seconds=5, fraction=0.5),
    end_time=RxTime(seconds=6, fraction=0.0),
    band_count=1,
    occupied_time=0.1,
    observed_time=0.4,
    parents=(1,),
    model="m",
)
SCAN = ScanReport(
    sample_stop=9_000,
    samp_rate=RATE,
    sweeps=2,
    bin_width=1e5,
    spans=(ScanSpan(freq_lower_edge=3.49e9, duty_cycle=(0.0, 0.5), last_seen=(-1, 8_000)),),
    bands=(
        ScannedBand(
            label="LTE",
            freq_lower_edge=3.495e9,
            freq_upper_edge=3.505e9,
            is_cut_low=False,
            is_cut_high=True,
            duty_cycle=0.5,
            confidence=0.75,
            last_seen=8_000,
            steps=(0, 1),
            last_time=RxTime(seconds=5, fraction=0.25),
            snr_db=12.5,
        ),
    ),
    steps=(
        StepState(
            index=4,
            center_freq=3.5e9,
            actual_freq=None,
            visits=0,
            failures=1,
            last_visit=-1,
            is_occupied=False,
            is_failed=True,
        ),
    ),
    rx_time=RxTime(seconds=5, fraction=0.5),
)
END = TrackEvent(kind=EventKind.END, track=TRACK, watermark=9_000, reason=EndReason.SILENCE)


def check(message: dict) -> dict:
    """The message after a journey through JSON, valid against the schema."""
    arrived = json.loads(to_json(message))
    SCHEMA.validate(arrived)
    return arrived


def test_the_schema_is_one():
    Draft202012Validator.check_schema(load_schema())


@pytest.mark.parametrize(
    "content",
    [
        CONTENT,
        FrameBands(frame=replace(FRAME, center_freq=None, rx_time=None), state=FrameState.DROPPED, model="m"),
        FrameBands(frame=FRAME, bands=(BARE,)),
    ],
    ids=["everything", "nothing known", "no state"],
)
def test_frames_survive(content):
    message = check(bands_to_message(content))
    assert bands_from_message(message) == content
    assert message["watermark"] == content.frame.watermark
    assert "null" not in to_json(message)


def test_offsets_of_64_bits_survive():
    start = LARGEST - 1_500
    band = replace(BARE, sample_start=start, id=LARGEST)
    content = replace(CONTENT, frame=replace(FRAME, sample_start=start), bands=(band,))
    message = check(bands_to_message(content))
    assert bands_from_message(message) == content and message["watermark"] == LARGEST
    with pytest.raises(ValidationError):
        SCHEMA.validate({**message, "watermark": LARGEST + 1})


def test_occupancy_survives():
    assert occupancy_from_message(check(occupancy_to_message(REPORT))) == REPORT
    unknown = replace(REPORT, rx_time=None, spans=(), free=(), occupied=())
    assert occupancy_from_message(check(occupancy_to_message(unknown))) == unknown


@pytest.mark.parametrize("report", [SCAN, ScanReport(sample_stop=0, samp_rate=RATE, sweeps=0, bin_width=1e5)])
def test_scans_survive(report):
    assert scan_from_fields(check(scan_to_message(report))) == report


def test_status_keeps_its_fields():
    values = {"frames": 12, "inference_ms": 9.5, "model": "m", "sample": None}
    status = check(status_to_message("segmenter", "progress", values))
    assert status == {
        "version": 1, "type": "status", "source": "segmenter", "event": "progress",
        "frames": 12, "inference_ms": 9.5, "model": "m",
    }  # fmt: skip
    assert "sample" not in check(status_to_message("s", "e", {"sample": float("nan")}))


def test_schema_and_dataclasses_name_the_same_fields():
    def names(kind: str) -> set[str]:
        return set(SCHEMA.schema["$defs"][kind]["properties"]) - {"version", "type", "sequence"}

    def of(value: type) -> set[str]:
        return {field.name for field in fields(value)}

    assert names("band") == of(Band)
    assert names("bands") == of(Frame) - {"limits"} | {"state", "model", "non_finite", "watermark", "bands"}
    assert names("occupancy") == of(OccupancyReport)
    assert (names("free"), names("occupied"), names("span")) == (of(FreeBand), of(OccupiedBand), of(Span))
    assert (names("scan_span"), names("scan_band")) == (of(ScanSpan), of(ScannedBand))
    assert (names("scan_step"), names("scan")) == (of(StepState), of(ScanReport))
    assert names("track") == of(Track) | {"event", "watermark", "reason", "duty_cycle"}
    definitions = SCHEMA.schema["$defs"]
    assert definitions["bands"]["properties"]["state"]["enum"] == [state.value for state in FrameState]
    assert definitions["track"]["properties"]["reason"]["enum"] == [reason.value for reason in EndReason]
    assert definitions["track"]["properties"]["event"]["enum"] == [kind.value for kind in EventKind]


def test_events_of_tracks_keep_the_schema():
    for event in (TrackEvent(kind=EventKind.ONSET, track=TRACK, watermark=9_000), END):
        message = check(track_to_message(event.to_fields()))
        assert {key: message[key] for key in event.to_fields()} == event.to_fields()


@pytest.mark.parametrize(
    "change",
    [
        {"rx_time": 3.5},
        {"rx_time": [3, 1.0]},
        {"sample_start": 1.5},
        {"sample_start": -1},
        {"center_freq": None},
        {"state": "lost"},
        {"version": 2},
        {"type": "other"},
        {"frequency": 1.0},
        {"bands": [{"id": 1}]},
    ],
    ids=str,
)
def test_the_schema_refuses_what_is_wrong(change):
    with pytest.raises(ValidationError):
        SCHEMA.validate({**json.loads(to_json(bands_to_message(CONTENT))), **change})


@pytest.mark.parametrize(
    "change, text",
    [
        ({"type": "status"}, "message has type 'status', expected 'bands'"),
        ({"valid_samples": 0}, "makes no sense: valid_samples=0 must lie in 1 to"),
        ({"bands": [{"label": "LTE"}]}, "makes no sense"),
    ],
)
def test_messages_that_make_no_frame_are_refused(change, text):
    with pytest.raises(FeedError, match=text):
        bands_from_message({**bands_to_message(CONTENT), **change})
    message = bands_to_message(CONTENT)
    del message["non_finite"]
    with pytest.raises(FeedError, match="lacks the key 'non_finite'"):
        bands_from_message(message)
    with pytest.raises(FeedError, match="expected 'occupancy'"):
        occupancy_from_message(message)


def test_what_is_no_json_is_refused():
    with pytest.raises(FeedError, match="message of type 'bands' is no JSON"):
        to_json({**bands_to_message(CONTENT), "samp_rate": float("inf")})


# -- encodings


def lines_of(encoding, message: dict) -> list[str]:
    """Lines that an encoding makes of a message."""
    return [line for payload in encoding.encode(message) for line in payload.content.decode().split("\n")]


def test_json_is_the_message():
    message = {**bands_to_message(CONTENT), "sequence": 3}
    (payload,) = Json().encode(message)
    assert payload.topic == "bands" and json.loads(payload.content) == message
    SCHEMA.validate(json.loads(payload.content))


def test_band_lines_are_those_of_the_command_line():
    lines = lines_of(BandLines(), bands_to_message(CONTENT))
    assert [band_from_json(line) for line in lines] == [BAND, BARE]
    assert json.loads(lines[0])["frame"] == 2
    assert BandLines().encode(occupancy_to_message(REPORT)) == []


def test_csv_has_one_heading():
    encoding = Csv()
    lines = lines_of(encoding, occupancy_to_message(REPORT)) + lines_of(encoding, occupancy_to_message(REPORT))
    rows = list(csv.DictReader(lines))
    assert len(lines) == 1 + len(rows) == 9
    assert [row["kind"] for row in rows] == 2 * ["free", "occupied", "bin", "bin"]
    assert (rows[1]["duty_cycle"], rows[1]["seconds"], rows[0]["valid_until"]) == ("0.5", "5", "6144000")
    assert encoding.encode(bands_to_message(CONTENT)) == []


def test_influx_lines_of_a_frame():
    encoding = Influx(InfluxOptions(tags={"station": "roof, north"}))
    head, first, second = lines_of(encoding, {**bands_to_message(CONTENT), "sequence": 3})
    moment = "1763680000250000000"
    assert head == (
        "rfseg_frame,station=roof\\,\\ north,state=inferred,model=m index=2i,sample_start=1000i,sample_count=2000i,"
        "valid_samples=1500i,samp_rate=30720000.0,center_freq=3500000000.0,settling=false,skipped=false,last=true,non_finite=4i,"
        f"watermark=2500i,sequence=3i,bands=2i {moment}"
    )
    assert first == (
        "rfseg_band,station=roof\\,\\ north,label=LTE,model=m,freq_reference=rf,place=0 class_id=1i,confidence=0.75,"
        "freq_lower_edge=3495000000.0,freq_upper_edge=3505000000.0,sample_start=1000i,sample_count=500i,"
        f"power_dbfs=-40.5,snr_db=12.25,id=7i,track=3i {moment}"
    )
    assert "place=1" in second and "power_dbfs" not in second


def test_the_width_of_a_pulse_is_told_with_the_schema_and_in_influx_lines():
    band = replace(BAND, label="Radar", pulse_width=1.25e-5)
    message = {**bands_to_message(replace(CONTENT, bands=(band, BARE))), "sequence": 0}
    SCHEMA.validate(message)
    assert [found.get("pulse_width") for found in message["bands"]] == [1.25e-5, None]
    _, radar, bare = lines_of(Influx(), message)
    assert "pulse_width=1.25e-05" in radar and "pulse_width" not in bare
    event = TrackEvent(kind=EventKind.UPDATE, track=replace(TRACK, pulse_width=1.25e-5), watermark=9_000)
    told = {**track_to_message(event.to_fields()), "sequence": 0}
    SCHEMA.validate(told)
    (line,) = lines_of(Influx(), told)
    assert told["pulse_width"] == 1.25e-5 and "pulse_width=1.25e-05" in line


def test_a_frame_that_comes_again_as_the_last_changes_no_point_and_no_list():
    first = bands_to_message(replace(CONTENT, frame=replace(FRAME, last=False), bands=(BAND,)))
    again = bands_to_message(replace(CONTENT, bands=()))
    following = bands_to_message(replace(CONTENT, frame=replace(FRAME, index=3, sample_start=2_500), bands=()))
    for encoding in (Influx(), Oran(CELL)):
        assert [len(encoding.encode(message)) for message in (first, again, following)] == [1, 0, 1]


def test_influx_lines_of_other_messages():
    encoding = Influx(clock=lambda: 77)
    status = status_to_message("s", "bad_message", {"reason": 'say "no" \\ or\nyes', "total": 2})
    assert lines_of(encoding, status) == [
        'rfseg_status,source=s,event=bad_message reason="say \\"no\\" \\\\ or yes",total=2i 77'
    ]
    assert lines_of(encoding, status_to_message("s", "e", {})) == ["rfseg_status,source=s,event=e count=1i 78"]
    lines = lines_of(encoding, occupancy_to_message(REPORT))
    assert lines[0] == (
        "rfseg_occupancy,freq_reference=rf,kind=free,place=0 freq_lower_edge=3490000000.0,"
        "freq_upper_edge=3491000000.0,valid_until=6144000i 5500000000"
    )
    assert lines[3] == "rfseg_duty,freq_reference=rf,freq_lower_edge=3491000000 duty_cycle=0.5 5500000000"
    (line,) = lines_of(encoding, track_to_message(END.to_fields()))
    assert line.startswith("rfseg_track,event=end,label=LTE,place=3 watermark=9000i,reason=\"silence\",track=3i,")
    assert line.endswith('model="m",duty_cycle=0.25 6000000000')
    assert lines_of(encoding, scan_to_message(SCAN)) == [
        "rfseg_scan sample_stop=9000i,samp_rate=30720000.0,sweeps=2i,bin_width=100000.0 5500000000",
        "rfseg_scan_band,label=LTE,place=0 freq_lower_edge=3495000000.0,freq_upper_edge=3505000000.0,is_cut_low=false,"
        "is_cut_high=true,duty_cycle=0.5,confidence=0.75,last_seen=8000i,snr_db=12.5 5500000000",
        "rfseg_scan_step,index=4 center_freq=3500000000.0,visits=0i,failures=1i,last_visit=-1i,is_occupied=false,"
        "is_failed=true 5500000000",
        "rfseg_scan_duty,freq_lower_edge=3490000000 duty_cycle=0.0,last_seen=-1i 5500000000",
        "rfseg_scan_duty,freq_lower_edge=3490100000 duty_cycle=0.5,last_seen=8000i 5500000000",
    ]
    assert encoding.encode(alarm_to_message({"event": "alarm"})) == []
    with pytest.raises(FeedError, match="exceeds InfluxDB's largest integer"):
        encoding.encode(status_to_message("s", "e", {"sample": LARGEST}))


# -- O-RAN

CELL = OranOptions(center_freq=3.5e9, prbs=51, numerology=1, origin=(1_763_680_000, 0.0))  # 20 MHz at 30 kHz


def oran(message: dict, options: OranOptions = CELL) -> dict:
    """The one message that the adaptor makes, valid against the schema."""
    (payload,) = Oran(options).encode(message)
    content = json.loads(payload.content)
    SCHEMA.validate(content)
    return content


def frame_of(*bands: Band, **changes) -> dict:
    """Message of a frame with these bands."""
    return bands_to_message(replace(CONTENT, bands=bands, frame=replace(FRAME, **changes)))


def test_the_reference_frequency_lies_where_the_standard_puts_it():
    # TS 38.104, 5.4.2.2: with 51 PRB, an odd number, subcarrier 6 of PRB 25; with 52 subcarrier 0 of PRB 26
    assert CELL.lower_edge == 3.5e9 - (25 * 12 + 6 + 0.5) * 30e3
    assert replace(CELL, prbs=52).lower_edge == 3.5e9 - (26 * 12 + 0.5) * 30e3


def test_rectangles_cover_the_symbols_and_blocks_that_a_band_touches():
    edge, width = CELL.lower_edge, CELL.prb_width
    # rx_time of the frame's first sample is 0.25 s after the origin: frame 25, slot 0, whose first symbol has
    # 2048 + 144 + 32 units of 1/61.44 MHz, the others 2048 + 144: 1112 and 1096 samples at 30.72 MS/s.
    exact = replace(
        BAND, sample_start=1_000, sample_count=1_112, freq_lower_edge=edge, freq_upper_edge=edge + 3 * width
    )
    longer = replace(exact, sample_count=1_113, freq_upper_edge=edge + 3.01 * width)
    later = replace(exact, sample_start=1_000 + 1_112, sample_count=1_096)
    first, second, third = oran(frame_of(exact, longer, later))["rectangles"]
    symbols = 14 * 2 * 250  # in 250 ms
    assert first == {
        "start_symbol": symbols, "num_symbols": 1, "sfn": 25, "slot": 0, "symbol": 0,
        "rb_start": 0, "rb_size": 3, "id": 7, "label": "LTE", "confidence": 0.75,
    }  # fmt: skip
    assert (second["num_symbols"], second["rb_size"]) == (2, 4)
    assert (third["start_symbol"], third["num_symbols"], third["symbol"]) == (symbols + 1, 1, 1)


def test_symbols_of_a_whole_frame_are_counted_at_every_numerology():
    for numerology in range(5):
        cell = replace(CELL, numerology=numerology)
        long = replace(BAND, sample_start=1_000, sample_count=307_200)
        message = frame_of(long, sample_count=400_000, valid_samples=400_000)
        (rectangle,) = oran(message, cell)["rectangles"]
        assert rectangle["num_symbols"] == 10 * 14 * 2**numerology  # 10 ms


def test_without_times_symbols_are_counted_from_a_sample():
    cell = replace(CELL, origin=None, origin_sample=1_000 - 307_200 * 1_025)
    content = oran(frame_of(BAND, rx_time=None), cell)
    assert (content["rectangles"][0]["sfn"], content["rectangles"][0]["start_symbol"]) == (1, 1_025 * 280)
    assert (content["valid_from"], content["valid_until"]) == (2_500, 2_500 + 3_072_000)
    assert "valid_from_time" not in content


def test_the_list_holds_every_block_once_with_its_guard_and_a_period():
    edge, width = CELL.lower_edge, CELL.prb_width
    low = replace(BAND, freq_lower_edge=edge - 5 * width, freq_upper_edge=edge + 0.5 * width)
    middle = replace(BAND, freq_lower_edge=edge + 10.5 * width, freq_upper_edge=edge + 12 * width)
    outside = replace(BAND, freq_lower_edge=edge + 60 * width, freq_upper_edge=edge + 61 * width)
    content = oran(frame_of(low, middle, middle, outside), replace(CELL, guard_prbs=1))
    assert content["prb_blacklist"] == [0, 1, 9, 10, 11, 12]
    assert len(content["rectangles"]) == 3
    assert content["valid_from_time"] == [1_763_680_000, 0.25 + 1_500 / RATE]
    assert content["valid_until_time"] == pytest.approx([1_763_680_000, 0.35 + 1_500 / RATE], abs=1e-9)
    assert oran(frame_of(low, middle), replace(CELL, ignore_labels=("LTE",)))["prb_blacklist"] == []


def test_occupancy_gives_a_list_with_its_own_validity():
    content = oran({**occupancy_to_message(REPORT), "sequence": 1})
    assert "rectangles" not in content and content["sequence"] == 1
    lower, upper = ((f - CELL.lower_edge) / CELL.prb_width for f in (3.491e9, 3.492e9))
    assert content["prb_blacklist"] == list(range(int(lower), int(upper) + 1))
    assert (content["valid_from"], content["valid_until"]) == (3_072_000, 6_144_000)
    free = oran(occupancy_to_message(replace(REPORT, occupied=())))
    assert (free["prb_blacklist"], free["valid_until"]) == ([], 6_144_000)


def test_a_gap_in_the_sequence_is_a_message_that_is_missing_and_not_one_that_says_nothing(tmp_path):
    options = {"center_freq": CELL.center_freq, "prbs": CELL.prbs, "numerology": CELL.numerology, "origin": CELL.origin}
    feed = Feed(f"file:{tmp_path / 'oran'}", encoding="oran", options=options)
    feed.start()
    feed.publish(frame_of(BAND, last=False, index=0))
    feed.publish(bands_to_message(replace(CONTENT, bands=(), state=FrameState.DROPPED)))
    feed.publish(status_to_message("s", "e", {}))
    feed.publish(frame_of(BAND, last=False, index=1))
    with pytest.raises(FeedError, match="frequencies are baseband"):
        feed.publish(frame_of(BAND, last=False, index=2, center_freq=None))
    feed.publish(frame_of(BAND, last=False, index=3))
    assert feed.stop().sent == 3
    found = [json.loads(line)["sequence"] for line in (tmp_path / "oran").read_text().splitlines()]
    assert found == [0, 1, 3]  # the third could not be said


def test_what_is_not_known_gives_no_list():
    dropped = bands_to_message(replace(CONTENT, bands=(), state=FrameState.DROPPED))
    assert Oran(CELL).encode(dropped) == []
    assert Oran(CELL).encode(status_to_message("s", "e", {})) == []


@pytest.mark.parametrize(
    "message, text",
    [
        (frame_of(BAND, center_freq=None), "frequencies are baseband, which name no resource block"),
        (occupancy_to_message(replace(REPORT, freq_reference="baseband")), "frequencies are baseband"),
        (frame_of(BAND, rx_time=None), "the source tells no time; leave origin away"),
        (frame_of(BAND, rx_time=RxTime(seconds=5, fraction=0.0)), "lies before the origin"),
    ],
)
def test_messages_that_name_no_block_or_symbol_are_refused(message, text):
    with pytest.raises(FeedError, match=text):
        Oran(CELL).encode(message)


@pytest.mark.parametrize(
    "values, text",
    [
        ({"prbs": 0}, "prbs=0 must be an integer from 1 to 275"),
        ({"numerology": 5}, "numerology=5 must be an integer from 0 to 4"),
        ({"guard_prbs": -1}, "guard_prbs=-1 must be"),
        ({"center_freq": 0.0}, "center_freq=0.0 Hz and validity=0.1 s must be above 0"),
        ({"origin": (1, 1.5)}, "must be whole seconds and a fraction"),
    ],
)
def test_cells_that_make_no_sense_are_refused(values, text):
    with pytest.raises(FeedError, match=text):
        replace(CELL, **values)
