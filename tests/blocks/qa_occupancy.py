"""Occupancy in a flowgraph says what the library says of the same bands."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pmt
import pytest
from gnuradio import gr, rfseg
from gnuradio.rfseg.messages import BandsMessage
from gnuradio.rfseg.occupancy_messages import occupancy_from_pmt, occupancy_to_pmt

from rfseg.errors import BandError
from rfseg.feeds.messages import occupancy_from_message
from rfseg.geometry import RxTime
from rfseg.occupancy import Occupancy, OccupancyRules
from rfseg.occupancyreport import FreeBand, OccupancyReport, OccupiedBand, Span
from rfseg.pipeline import FrameState

SAMP_RATE = 15.36e6  # Hz
RULES = {"window": 0.02, "interval": 5e-3, "hold": 4e-3, "validity": 6e-3, "min_width": 0.5e6, "guard": 0.0}
REPORT = OccupancyReport(
    sample_start=0,
    sample_stop=1 << 63,
    samp_rate=SAMP_RATE,
    freq_reference="rf",
    bin_width=1e5,
    spans=(Span(freq_lower_edge=1e9, duty_cycle=(0.25, 0.75)),),
    free=(FreeBand(freq_lower_edge=1e9, freq_upper_edge=1.001e9, valid_until=1 << 63),),
    occupied=(OccupiedBand(freq_lower_edge=1.1e9, freq_upper_edge=1.2e9, duty_cycle=0.5, valid_until=7),),
    rx_time=RxTime(seconds=3, fraction=0.5),
)


class Recorder(gr.basic_block):
    """Keeps messages as they are."""

    def __init__(self, convert) -> None:
        gr.basic_block.__init__(self, name="recorder", in_sig=None, out_sig=None)
        self.items, self._convert = [], convert
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._on_message)

    def _on_message(self, message) -> None:
        self.items.append(self._convert(message))


def test_a_chain_reports_what_the_library_counts(kit, threshold_model, tmp_path):
    count = 500_000
    iq = kit.noise(count, level_db=-90.0, seed=2)
    iq[150_000:330_000] += kit.comb(180_000, bins=64, first=10, last=20, level_db=-50.0)
    path = tmp_path / "occupancy.jsonl"
    top = gr.top_block()
    source, sink = kit.array_source(iq), kit.compare_sink(iq)
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=threshold_model, frame_duration=2e-3, mode="lossless", center_freq=2e9
    )
    block = rfseg.occupancy(**RULES)
    feed = rfseg.band_feed(f"file:{path}", mode="lossless")
    bands, reports = Recorder(BandsMessage.from_pmt), Recorder(occupancy_from_pmt)
    top.connect(source, chain, sink)
    top.msg_connect(chain, "bands", bands, "in")
    top.msg_connect(chain, "bands", block, "bands")
    top.msg_connect(block, "occupancy", reports, "in")
    top.msg_connect(block, "occupancy", feed, "occupancy")
    kit.run(top)

    occupancy, expected = Occupancy(OccupancyRules(**RULES)), []
    for message in bands.items:
        expected += occupancy.add(message.tag.frame, message.bands)
    assert reports.items == expected and block.bad_messages() == 0
    assert [r.sample_stop for r in expected] == [*range(76_800, count, 76_800), count]
    assert [len(r.occupied) for r in expected][:1] == [0] and max(len(r.occupied) for r in expected) == 1
    assert [occupancy_from_message(json.loads(line)) for line in path.read_text().splitlines()] == expected


def test_dropped_frames_do_not_count_and_setters_hold_for_the_next_report(kit):
    bands = _message(0)
    dropped = replace(bands, bands=(), tag=replace(bands.tag, state=FrameState.DROPPED))
    after = replace(dropped, tag=replace(dropped.tag, frame=_frame(1)))
    block, log = rfseg.occupancy(**RULES), Recorder(occupancy_from_pmt)
    sender = kit.message_log()
    sender.message_port_register_out(pmt.intern("out"))
    top = gr.top_block()
    top.msg_connect(sender, "out", block, "bands")
    top.msg_connect(block, "occupancy", log, "in")
    top.start()
    for message in (bands.to_pmt(), pmt.intern("nonsense")):
        sender.message_port_pub(pmt.intern("out"), message)
    _until(lambda: len(log.items) == 1 and block.bad_messages() == 1)
    block.set_min_width(100e6)
    block.set_hold(0.0)
    block.set_max_duty(1.0)
    block.set_guard(1e6)
    block.set_validity(1.0)
    assert block.rules() == OccupancyRules(
        **{**RULES, "hold": 0.0, "max_duty": 1.0, "min_width": 100e6, "guard": 1e6, "validity": 1.0}
    )
    sender.message_port_pub(pmt.intern("out"), after.to_pmt())
    sender.message_port_pub(pmt.intern("out"), after.ending().to_pmt())
    _until(lambda: len(log.items) == 2)
    top.stop()
    top.wait()
    first, second = log.items
    assert first.occupied and first.free and not second.free and not second.occupied
    assert first.spans == second.spans  # nothing was sensed in between
    assert block.bad_messages() == 1  # the frame that came again, as the last, is none


def test_what_came_too_late_in_one_run_leaves_the_next_alone():
    block, log = rfseg.occupancy(**RULES), Recorder(occupancy_from_pmt)
    top = gr.top_block()
    top.msg_connect(block, "occupancy", log, "in")

    def post(message: BandsMessage) -> None:
        block.to_basic_block()._post(pmt.intern("bands"), message.to_pmt())

    for run in range(2):
        top.start()
        for index in range(3):
            post(_message(index))
        _until(lambda: len(log.items) == 3 * run + 3)  # noqa: B023, called at once
        top.stop()
        top.wait()
        post(_message(500).ending())  # as Mask to Bands may, when it is stopped
    assert [report.sample_stop for report in log.items] == [76_800, 153_600, 230_400] * 2 and block.bad_messages() == 0


def _frame(index: int):
    from rfseg.geometry import Frame

    size = 76_800  # one interval
    return Frame(index=index, sample_start=index * size, sample_count=size, valid_samples=size, samp_rate=SAMP_RATE)


def _message(index: int) -> BandsMessage:
    from gnuradio.rfseg.messages import FrameTag

    from rfseg.bands import Band

    band = Band(
        label="LTE", class_id=1, confidence=1.0, freq_lower_edge=-1e6, freq_upper_edge=1e6, freq_reference="baseband",
        sample_start=index * 76_800, sample_count=76_800, model="m",
    )  # fmt: skip
    return BandsMessage(tag=FrameTag(frame=_frame(index), state=FrameState.INFERRED, model="m"), bands=(band,))


def _until(condition) -> None:
    deadline = time.monotonic() + 20.0
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        pause.wait(2e-3)


def test_reports_survive_pmt():
    assert occupancy_from_pmt(occupancy_to_pmt(REPORT)) == REPORT
    bare = replace(REPORT, rx_time=None, spans=(), free=(), occupied=())
    assert occupancy_from_pmt(occupancy_to_pmt(bare)) == bare


@pytest.mark.parametrize(
    "key, value, text",
    [
        ("spans", pmt.make_vector(1, pmt.PMT_T), "a span is .*, expected a dictionary"),
        ("free", pmt.intern("all"), "occupancy: free is all, expected a vector of dictionaries"),
        ("freq_reference", pmt.intern("if"), "freq_reference='if' must be one of"),
        ("sample_stop", None, "occupancy lacks the key sample_stop"),
    ],
)
def test_reports_that_make_no_sense_are_refused(key, value, text):
    message = pmt.dict_delete(occupancy_to_pmt(REPORT), pmt.intern(key))
    if value is not None:
        message = pmt.dict_add(message, pmt.intern(key), value)
    with pytest.raises(BandError, match=text):
        occupancy_from_pmt(message)


def test_bands_of_a_report_need_edges_in_order():
    turned = replace(REPORT, free=(FreeBand(freq_lower_edge=2e9, freq_upper_edge=1e9, valid_until=0),))
    with pytest.raises(BandError, match="the lower must be below"):
        occupancy_from_pmt(occupancy_to_pmt(turned))


def test_rules_that_make_no_sense_are_refused():
    with pytest.raises(BandError, match="validity=0.01 s is shorter than interval=0.1 s"):
        rfseg.occupancy(validity=0.01)
