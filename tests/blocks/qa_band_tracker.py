"""Band Tracker in flowgraphs: bands keep their watermarks, tags name tracks, events survive the round trip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import gr
from gnuradio.rfseg.messages import BandsMessage, FrameTag, band_from_pmt
from gnuradio.rfseg.rfseg_python import keys
from gnuradio.rfseg.track_messages import track_event_from_pmt, track_event_to_pmt

from gnuradio import rfseg
from rfseg.bands import Band
from rfseg.errors import BandError
from rfseg.geometry import Frame, RxTime
from rfseg.modelfile import load_contract
from rfseg.pipeline import FrameState
from rfseg.tracking import BandTracker, EndReason, EventKind, TrackRules

MODEL = Path(__file__).parents[1] / "models" / "threshold.onnx"
RATE = 30.72e6  # Hz
FRAME = 1000  # samples
BEGIN = RxTime(seconds=1_790_000_000, fraction=0.5)


def band(label: str, class_id: int, low: float, start: int, count: int, number: int) -> Band:
    """A band 4 MHz wide from ``low`` MHz re 3.5 GHz."""
    return Band(
        label=label, class_id=class_id, confidence=0.9, freq_lower_edge=3.5e9 + low * 1e6,
        freq_upper_edge=3.5e9 + (low + 4) * 1e6, freq_reference="rf", sample_start=start, sample_count=count,
        power_dbfs=-30.0, snr_db=12.5, model="m", id=number,
    )  # fmt: skip


def message(index: int, *bands: Band, last: bool = False, state: FrameState = FrameState.INFERRED) -> BandsMessage:
    """What Mask to Bands says of a frame."""
    start = index * FRAME
    frame = Frame(
        index=index, sample_start=start, sample_count=FRAME, valid_samples=FRAME, samp_rate=RATE, center_freq=3.5e9,
        rx_time=BEGIN.after(start, RATE), last=last,
    )  # fmt: skip
    return BandsMessage(tag=FrameTag(frame=frame, state=state, model="m"), bands=bands)


def script(*, is_ended: bool = True) -> list[BandsMessage]:
    """Thirty frames: an LTE carrier from inside frame 2 to inside frame 9, an NR carrier from 5 on, a drop in 12."""
    messages = []
    for index in range(30):
        start, bands = index * FRAME, []
        if index == 2:
            bands.append(band("LTE", 1, -10, start + 137, FRAME - 137, 100))
        elif 3 <= index <= 8:
            bands.append(band("NR" if index == 6 else "LTE", 1, -10, start, FRAME, 100 + 2 * index))
        elif index == 9:
            bands.append(band("LTE", 1, -10, start, 211, 118))
        is_dropped = index == 12
        if index >= 5 and not is_dropped:
            bands.append(band("NR", 2, 5, start, FRAME, 101 + 2 * index))
        state = FrameState.DROPPED if is_dropped else FrameState.INFERRED
        messages.append(message(index, *bands, last=is_ended and index == 29, state=state))
    return messages


class bands_source(gr.sync_block):
    """Reads IQ and publishes one message for each frame that is complete."""

    def __init__(self, messages: list[BandsMessage]) -> None:
        gr.sync_block.__init__(self, name="bands_source", in_sig=[np.complex64], out_sig=None)
        self._messages, self._posted = messages, 0
        self.message_port_register_out(pmt.intern(keys.BANDS))

    def start(self) -> bool:
        """From the first message."""
        self._posted = 0
        return True

    def work(self, input_items: list, output_items: list) -> int:
        """Count samples."""
        count = len(input_items[0])
        while self._posted < len(self._messages) and self._messages[self._posted].watermark <= self.nitems_read(0) + count:
            self.message_port_pub(pmt.intern(keys.BANDS), self._messages[self._posted].to_pmt())
            self._posted += 1
        return count


@pytest.fixture
def tracker(threshold_model):
    """Tracks that end after five frames and are told of every ten."""
    return rfseg.band_tracker(model=threshold_model, hold=5 * FRAME / RATE, update_interval=10 * FRAME / RATE)


def run(kit, tracker, messages: list[BandsMessage], *, times: int = 1):
    """IQ with tags, the messages out of the tracker and its events; ``times`` runs of one flowgraph."""
    iq = np.exp(1j * np.arange(30 * FRAME)).astype(np.complex64)
    source, posted = kit.array_source(iq, largest=700), bands_source(messages)
    tagger = rfseg.rfseg_python.band_tagger(item_size=8, mode="lossless", hold_seconds=1.0, ring_samples=20 * FRAME)
    sink, bands, tracks = kit.compare_sink(iq), kit.message_log(), kit.message_log()
    top = gr.top_block()
    top.connect(source, posted)
    top.connect(source, tagger, sink)
    top.msg_connect(posted, keys.BANDS, tracker, keys.BANDS)
    top.msg_connect(tracker, keys.BANDS, tagger, keys.BANDS)
    top.msg_connect(tracker, keys.BANDS, bands, "in")
    top.msg_connect(tracker, keys.TRACKS, tracks, "in")
    for _ in range(times):
        kit.run(top)
    assert (sink.received, sink.differing) == (times * iq.size, 0)
    return sink.tags, bands.messages, tracks.messages


def test_tags_name_the_track_on_the_right_samples(kit, tracker):
    tags, _, _ = run(kit, tracker, script())
    starts = [(offset, band_from_pmt(value)) for offset, key, value in tags if key == "band_start"]
    ends = [(offset, pmt.to_uint64(value)) for offset, key, value in tags if key == "band_end"]
    bands = [b for m in script() for b in m.bands]
    assert [(o, replace(b, track=None)) for o, b in starts] == [(b.sample_start, b) for b in bands]
    assert sorted(ends) == sorted((b.sample_start + b.sample_count - 1, b.id) for b in bands)
    lte = [o for o, b in starts if b.track == 1]
    assert lte == [2137, *range(3000, 10000, 1000)]  # frame 6, where it is called NR, included
    assert [o for o, b in starts if b.track == 2] == [i * FRAME for i in range(5, 30) if i != 12]


def test_every_message_passes_with_its_watermark_and_the_frame_unchanged(kit, tracker):
    _, bands, _ = run(kit, tracker, script())
    assert [m["watermark"] for m in bands] == [(i + 1) * FRAME for i in range(30)]
    assert [m["state"] for m in bands] == ["dropped" if i == 12 else "inferred" for i in range(30)]
    assert [m["last"] for m in bands] == [False] * 29 + [True]
    assert [len(m["bands"]) for m in bands] == [len(m.bands) for m in script()]


def test_tracks_have_their_onset_updates_and_end(kit, tracker):
    _, _, tracks = run(kit, tracker, script())
    told = [(m["event"], m["track"], m["label"], m["watermark"] // FRAME) for m in tracks]
    assert told == [
        ("onset", 1, "LTE", 4), ("onset", 2, "NR", 7), ("update", 1, "LTE", 14), ("end", 1, "LTE", 16),
        ("update", 2, "NR", 17), ("update", 2, "NR", 27), ("end", 2, "NR", 30),
    ]  # fmt: skip
    end = tracks[3]
    assert (end["reason"], end["sample_start"], end["sample_count"]) == ("silence", 2137, 9211 - 2137)
    assert (end["power_dbfs"], end["snr_db"], end["duty_cycle"]) == (-30.0, 12.5, 1.0)
    after = BEGIN.after(9211, RATE)
    assert end["end_time"] == (after.seconds, pytest.approx(after.fraction, abs=1e-12))
    assert tracks[-1]["reason"] == "stream_end" and tracks[-1]["band_count"] == 24
    assert tracker.onsets() == 2 and tracker.open_tracks() == 0


def test_a_stream_without_a_last_frame_still_ends(kit, tracker, monkeypatch):
    publish, said = tracker._publish, []
    monkeypatch.setattr(tracker, "_publish", lambda message, events: said.append(message) or publish(message, events))
    tags, bands, _ = run(kit, tracker, script(is_ended=False))  # every sample came out, or this would fail
    assert [message.tag.frame.last for message in said] == [False] * 30 + [True]
    assert not any(m["last"] for m in bands[:30])  # the one that ends the stream comes when blocks stop: the log may miss it
    assert len([key for _, key, _ in tags if key == "band_start"]) == sum(len(m.bands) for m in script())
    assert tracker.open_tracks() == 0


def test_a_message_that_makes_no_sense_is_counted_and_the_next_is_heard(kit, tracker):
    log = kit.message_log()
    top = gr.top_block()
    top.msg_connect(tracker, keys.BANDS, log, "in")
    top.start()
    post = tracker.to_basic_block()._post
    post(pmt.intern(keys.BANDS), pmt.intern("nonsense"))
    post(pmt.intern(keys.BANDS), message(4).to_pmt())
    post(pmt.intern(keys.BANDS), message(3).to_pmt())  # out of order
    post(pmt.intern(keys.BANDS), message(5, last=True).to_pmt())
    log.wait_for(lambda messages: len(messages) == 2)
    kit.end(tracker)
    top.wait()
    assert [m["index"] for m in log.messages] == [4, 5] and tracker.bad_messages() == 2


def test_what_mask_to_bands_says_when_it_is_stopped_ends_the_tracks_once(kit, tracker):
    bands, tracks = kit.message_log(), kit.message_log()
    top = gr.top_block()
    top.msg_connect(tracker, keys.BANDS, bands, "in")
    top.msg_connect(tracker, keys.TRACKS, tracks, "in")
    top.start()
    messages = script(is_ended=False)
    for content in (*messages, messages[-1].ending()):
        tracker.to_basic_block()._post(pmt.intern(keys.BANDS), content.to_pmt())
    bands.wait_for(lambda received: len(received) == 31)
    tracks.wait_for(lambda received: received and received[-1].get("reason") == "stream_end")
    top.stop()
    top.wait()
    assert tracker.bad_messages() == tracker.open_tracks() == 0
    assert [(m["index"], m["last"], len(m["bands"])) for m in bands.messages[-2:]] == [(29, False, 1), (29, True, 0)]
    assert [m["track"] for m in tracks.messages if m["event"] == "end"] == [1, 2]


def test_a_second_run_begins_with_the_first_track(kit, tracker, threshold_model):
    once = [m["track"] for m in run(kit, tracker, script())[2]]
    again = rfseg.band_tracker(model=threshold_model, hold=5 * FRAME / RATE, update_interval=10 * FRAME / RATE)
    assert once and [m["track"] for m in run(kit, again, script(), times=2)[2]] == once + once


def test_setters_change_the_rules_and_refuse_what_the_constructor_refuses(tracker, threshold_model):
    tracker.set_hold(1.5)
    tracker.set_pulse_hold(2.5)
    tracker.set_max_absence(3.5)
    tracker.set_update_interval(4.5)
    tracker.set_drop_unconfirmed(True)
    assert tracker.rules() == TrackRules(
        hold=1.5, pulse_hold=2.5, max_absence=3.5, update_interval=4.5, drop_unconfirmed=True
    )
    with pytest.raises(BandError, match="hold=-1 must be a time in s, 0 or more"):
        tracker.set_hold(-1)
    with pytest.raises(BandError, match="confirm_hits=5 of confirm_window=3 frames"):
        rfseg.band_tracker(model=threshold_model, confirm_hits=5)


def test_the_whole_chain_tags_samples_with_their_track(kit, threshold_model):
    rate, count = 15.36e6, 2_764_800  # 180 ms: 18 frames of 10 ms
    start, stop, row = 307_200 + 777, 1_996_800 + 333, 600
    iq = kit.noise(count, level_db=-90.0, seed=1)
    iq += kit.comb(count, bins=64, first=8, last=20, level_db=-60.0)
    iq[start:stop] += kit.comb(stop - start, bins=64, first=40, last=55, level_db=-60.0)
    chain = rfseg.rf_segmenter(rate, model=threshold_model, frame_duration=10e-3, mode="lossless", center_freq=2.4e9)
    source, sink, tracks = kit.array_source(iq), kit.compare_sink(iq), kit.message_log()
    top = gr.top_block()
    top.connect(source, chain, sink)
    top.msg_connect(chain, keys.TRACKS, tracks, "in")
    kit.run(top)
    assert (sink.received, sink.differing, chain.late_bands(), chain.tracks()) == (count, 0, 0, 2)
    tagged = [(offset, band_from_pmt(value)) for offset, key, value in sink.tags if key == "band_start"]
    ends = [m for m in tracks.messages if m["event"] == "end"]
    low, high = (next(m for m in ends if (m["freq_lower_edge"] > 2.4e9) == is_high) for is_high in (False, True))
    assert (low["sample_start"], low["sample_count"]) == (0, count)
    assert abs(high["sample_start"] - start) <= row and abs(high["sample_start"] + high["sample_count"] - stop) <= row
    assert high["freq_lower_edge"] == pytest.approx(2.4e9 + (40 - 32.5) * 240e3, abs=240e3)
    assert high["freq_upper_edge"] == pytest.approx(2.4e9 + (56 - 32.5) * 240e3, abs=240e3)
    for track in (low, high):
        own = [(o, b) for o, b in tagged if b.track == track["track"]]
        assert own[0][0] == track["sample_start"] and len(own) == track["band_count"]
        assert all(o == b.sample_start for o, b in own)
        assert own[-1][0] + own[-1][1].sample_count == track["sample_start"] + track["sample_count"]
    assert len(tagged) == low["band_count"] + high["band_count"]


# -- events as messages


def events() -> list:
    """All kinds of events, with everything known and with little."""
    tracker = BandTracker(load_contract(MODEL).classes, rules=TrackRules(hold=0.0))
    found = [e for m in script() for e in tracker.step(m.tag.frame, m.bands).events]
    full = replace(
        found[-1].track, parents=(3, 2**40), children=(7,), power_dbm=-71.5, pulse_interval=1e-3, pulse_width=2e-5,
        sample_start=2**50,
    )
    bare = replace(found[-1].track, rx_time=None, end_time=None, power_dbfs=None, snr_db=None)
    return [*found, *(replace(found[-1], track=track, reason=EndReason.GAP) for track in (full, bare))]


def test_events_survive_the_round_trip_and_serialisation():
    found = events()
    assert {e.kind for e in found} >= {EventKind.ONSET, EventKind.END}
    for event in found:
        assert track_event_from_pmt(track_event_to_pmt(event)) == event
        assert track_event_from_pmt(pmt.deserialize_str(pmt.serialize_str(track_event_to_pmt(event)))) == event


def test_a_message_has_the_fields_of_the_library():
    for event in events():
        fields, sent = event.to_fields(), pmt.to_python(track_event_to_pmt(event))
        assert sent.keys() == fields.keys()
        assert {k: list(v) if isinstance(v, tuple) else v for k, v in sent.items()} == fields


@pytest.mark.parametrize(
    "key, value, text",
    [
        ("event", pmt.intern("birth"), "event is birth, expected one of onset, update, end"),
        ("reason", pmt.intern("age"), "reason is age, expected one of silence, merge"),
        ("parents", pmt.from_long(1), "parents is 1, expected a vector of integers"),
        ("track", pmt.from_long(-1), "track is -1, expected an integer of at least 0"),
        ("duty_cycle", None, None),
        ("occupied_time", None, "a track lacks the key occupied_time"),
    ],
)
def test_a_malformed_event_is_refused_with_the_value(key, value, text):
    sent = track_event_to_pmt(events()[-1])
    damaged = pmt.dict_delete(sent, pmt.intern(key)) if value is None else pmt.dict_add(sent, pmt.intern(key), value)
    if text is None:  # it follows from the times
        assert track_event_from_pmt(damaged) == events()[-1]
        return
    with pytest.raises(BandError) as caught:
        track_event_from_pmt(damaged)
    assert text in str(caught.value)


def test_an_error_costs_the_tracks_of_a_frame_and_neither_bands_nor_the_process(kit, tracker, monkeypatch):
    class Broken:
        """A tracker that fails."""

        def step(self, *args, **kwargs):
            raise OverflowError("int too large")

        finish = step

    reset = rfseg.band_tracker._reset
    monkeypatch.setattr(type(tracker), "_reset", lambda self: reset(self) or setattr(self, "_tracker", Broken()))
    tags, bands, tracks = run(kit, tracker, script(is_ended=False))
    assert not tracks and [len(m["bands"]) for m in bands[:30]] == [len(m.bands) for m in script()]
    assert len([key for _, key, _ in tags if key == "band_start"]) == sum(len(m.bands) for m in script())
