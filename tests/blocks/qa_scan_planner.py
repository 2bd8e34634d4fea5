"""Scan Planner in flowgraphs: a simulated receiver that obeys, and some that do not."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import gr, rfseg
from gnuradio.rfseg.messages import BandsMessage, FrameTag, event_from_pmt
from gnuradio.rfseg.occupancy_messages import occupancy_from_pmt
from gnuradio.rfseg.scan_messages import order_from_pmt, scan_from_pmt, scan_to_pmt

from rfseg.errors import BandError
from rfseg.geometry import Frame, RxTime
from rfseg.scanning import ScannedBand, ScanReport, ScanSpan, StepState

SAMP_RATE, FRAME_DURATION = 15.36e6, 2e-3  # Hz, s
FRAME = 30_720  # samples
LOW, HIGH = 3.500e9, 3.533e9  # Hz; three steps of 11 MHz, with borders at 3511 and 3522 MHz
CARRIERS = ((3508e6, 3514e6), (3526e6, 3529e6))  # Hz; the first lies across a border
BIN = SAMP_RATE / 64  # Hz; the width that an edge may be off by
GAP = 3e-3  # s; what an overflow costs
LARGEST = 400 * FRAME  # samples; a scan that never ends fails its test
OPTIONS = {
    "ranges": [(LOW, HIGH)], "dwell_frames": 2, "timeout": 0.1, "stall": 0.0, "report_interval": 0.0, "boost": 1.0
}  # fmt: skip


class SimulatedReceiver(gr.sync_block):
    """Tones of made-up carriers and noise, as a receiver hears them that obeys messages with ``freq``.

    It tells its frequency by ``rx_freq`` unless it is mute, is ``raster`` Hz exact, obeys ``delay`` samples late, and does not hear the commands
    whose numbers are in ``deaf_to``.  It ends when ``done`` is set or ``LARGEST`` samples are written.
    """

    def __init__(
        self, *, raster: float = 1.0, delay: int = 0, deaf_to=frozenset(), gap_at: int | None = None, is_mute: bool = False
    ) -> None:
        gr.sync_block.__init__(self, name="simulated_receiver", in_sig=None, out_sig=[np.complex64])
        self.set_output_multiple(1024)
        self.set_max_noutput_items(8192)  # or it runs far ahead of what it is told
        self.done = threading.Event()
        self.messages: list[pmt.pmt_base] = []
        self._raster, self._delay, self._deaf_to, self._gap_at = raster, delay, deaf_to, gap_at
        self._rng = np.random.default_rng(1)
        self._center, self._waiting = 3.0e9, []
        self._is_told = self._is_mute = is_mute
        for port in ("command", "cmd"):
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), self._on_command)

    def work(self, input_items: list, output_items: list) -> int:
        """Write what is on the air at the frequency in use."""
        begin = self.nitems_written(0)
        if self.done.is_set() or begin >= LARGEST:
            return int(gr.WORK_DONE)
        if self._waiting and self._waiting[0][0] <= begin:
            self._center = self._waiting.pop(0)[1]
            self._is_told = self._is_mute
        if not self._is_told:
            self.add_item_tag(0, begin, pmt.intern("rx_freq"), pmt.from_double(self._center))
            self._is_told = True
        if self._gap_at is not None and begin >= self._gap_at:
            self._tell_time(begin / SAMP_RATE + GAP)
            self._gap_at = None
        if begin == 0:
            self._tell_time(0.0)
        count = len(output_items[0])
        output_items[0][:] = self._air(begin, count)
        return count

    def get_frequency(self) -> float:
        """What a driver would say, Hz."""
        return self._center

    def _tell_time(self, fraction: float) -> None:
        time = pmt.make_tuple(pmt.from_uint64(0), pmt.from_double(fraction))
        self.add_item_tag(0, self.nitems_written(0), pmt.intern("rx_time"), time)

    def _air(self, begin: int, count: int) -> np.ndarray:
        """Noise of -90 dBFS and, in each bin of a carrier, a tone of -50 dBFS, complex64 ``(count,)``."""
        parts = self._rng.standard_normal((count, 2), np.float32) * np.float32(10 ** (-90 / 20) / np.sqrt(2))
        freqs = (np.arange(64) - 32) * BIN
        rf = freqs + self._center
        inside = np.zeros(64, bool)
        for low, high in CARRIERS:
            inside |= (rf >= low) & (rf <= high)
        numbers = np.flatnonzero(inside) - 32
        phases = np.pi * numbers**2 / 64
        places = np.arange(64)
        period = np.exp(1j * (2 * np.pi * np.outer(places, numbers) / 64 + phases)).sum(axis=1) * 10 ** (-50 / 20)
        return parts.view(np.complex64).reshape(-1) + period[np.arange(begin, begin + count) % 64].astype(np.complex64)

    def _on_command(self, message) -> None:
        number = len(self.messages)
        self.messages.append(message)
        if number not in self._deaf_to:
            freq = pmt.to_double(pmt.dict_ref(message, pmt.intern("freq"), pmt.PMT_NIL))
            self._waiting.append((self.nitems_written(0) + self._delay, round(freq / self._raster) * self._raster))


class Listener(gr.basic_block):
    """Converts and keeps messages, and does something with each."""

    def __init__(self, convert, then=lambda items: None) -> None:
        gr.basic_block.__init__(self, name="listener", in_sig=None, out_sig=None)
        self.items, self._convert, self._then = [], convert, then
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._on_message)

    def _on_message(self, message) -> None:
        self.items.append(self._convert(message))
        self._then(self.items)


@pytest.fixture
def scan(kit, threshold_model):
    """Run a chain with a receiver until a condition on its status holds; planner, reports, events and occupancy."""

    def run(receiver: SimulatedReceiver, is_done, *, port: str = "command", driver=None, **options):
        chain = rfseg.rf_segmenter(
            SAMP_RATE, model=threshold_model, frame_duration=FRAME_DURATION, mode="lossless", settling=1e-3
        )
        planner = rfseg.scan_planner(SAMP_RATE, **{**OPTIONS, **options})
        planner.set_driver(driver)
        reports, occupancies = Listener(scan_from_pmt), Listener(occupancy_from_pmt)
        status = Listener(event_from_pmt, lambda events: is_done(events) and receiver.done.set())
        top = gr.top_block()
        top.connect(receiver, chain)
        top.msg_connect(chain, "bands", planner, "bands")
        top.msg_connect(planner, port, receiver, port)
        top.msg_connect(planner, "freq", chain, "freq")
        top.msg_connect(planner, "status", status, "in")
        top.msg_connect(planner, "scan", reports, "in")
        top.msg_connect(planner, "occupancy", occupancies, "in")
        kit.run(top)
        assert planner.bad_messages() == 0
        assert receiver.done.is_set(), "the scan never came to its end"
        return planner, reports.items, [(event, fields) for _, event, fields in status.items], occupancies.items

    return run


def swept(events: list, times: int = 1) -> bool:
    """Whether so many sweeps are complete."""
    return sum(event == "sweep" for _, event, _ in events) >= times


def check_carriers(report: ScanReport) -> None:
    """Both carriers are there, each once, with their edges."""
    edges = [(band.freq_lower_edge, band.freq_upper_edge) for band in report.bands]
    assert len(edges) == 2, report.bands
    assert np.abs(np.array(edges) - np.array(CARRIERS)).max() <= BIN
    assert [len(band.steps) for band in report.bands] == [2, 1]
    assert all(band.duty_cycle > 0.95 and band.snr_db > 20 for band in report.bands)


@pytest.mark.parametrize("port", ["command", "cmd"])
def test_a_receiver_is_led_through_the_range_and_its_carriers_are_stitched(scan, port):
    receiver = SimulatedReceiver()
    planner, reports, events, occupancies = scan(receiver, lambda items: swept(items, 2), port=port)
    assert planner.sweeps() == 2 and planner.failures() == 0
    for message, center in zip(receiver.messages, planner.center_freqs()):
        assert pmt.to_python(message) == {"freq": center, **({"tag": True} if port == "command" else {})}
    check_carriers(reports[-1])
    visits = [fields for event, fields in events if event == "visit"]
    assert [visit["step"] for visit in visits[:6]] == [0, 1, 2, 0, 1, 2]
    assert all(visit["samples"] >= 2 * FRAME and visit["actual_freq"] == visit["center_freq"] for visit in visits[:6])
    (span,) = reports[-1].spans
    assert (span.freq_lower_edge, span.freq_lower_edge + len(span.duty_cycle) * 1e5) == (LOW, HIGH)
    assert len(occupancies[-1].occupied) == 2 and len(occupancies[-1].free) == 3


def test_a_deaf_receiver_is_told_and_the_scan_goes_on(scan):
    receiver = SimulatedReceiver(deaf_to={1, 2})  # both commands to the second step
    planner, reports, events, _ = scan(receiver, swept, retries=1, timeout=0.02)
    (failure,) = [fields for event, fields in events if event == "failed"]
    assert failure["step"] == 1 and planner.failures() == 1
    assert failure["actual_freq"] == planner.center_freqs()[0]
    assert "in 2 commands of 0.02 s each: frames come from 3505.500000 MHz" in failure["reason"]
    assert [step.visits for step in reports[-1].steps] == [1, 0, 1] and reports[-1].steps[1].is_failed


def test_a_lost_command_is_made_good_by_the_next(scan):
    receiver = SimulatedReceiver(deaf_to={1})
    planner, reports, events, _ = scan(receiver, swept, timeout=0.02)
    assert [fields["step"] for event, fields in events if event == "retry"] == [1] and planner.failures() == 0
    check_carriers(reports[-1])


def test_a_late_receiver_is_waited_for_and_nothing_old_counts(scan):
    receiver = SimulatedReceiver(delay=8 * FRAME)
    planner, reports, events, _ = scan(receiver, swept)
    assert planner.failures() == 0
    check_carriers(reports[-1])


def test_a_receiver_with_a_coarse_raster_counts_where_it_is(scan):
    receiver = SimulatedReceiver(raster=300e3)
    planner, reports, events, _ = scan(receiver, swept)
    actual = [step.actual_freq for step in reports[-1].steps]
    assert actual == [round(center / 300e3) * 300e3 for center in planner.center_freqs()]
    assert actual != planner.center_freqs()
    check_carriers(reports[-1])


def test_an_overflow_in_a_dwell_prolongs_it(scan):
    receiver = SimulatedReceiver(gap_at=4 * FRAME + 5_000)
    planner, reports, events, _ = scan(receiver, swept, dwell_frames=8)
    visits = [fields for event, fields in events if event == "visit"]
    assert visits[0]["samples"] > 8 * FRAME  # a frame was cut short
    assert all(visit["samples"] >= 8 * FRAME for visit in visits[:3])
    report = reports[-1]
    assert report.rx_time.fraction == pytest.approx(report.sample_stop / SAMP_RATE + GAP)
    check_carriers(reports[-1])


def test_a_source_without_tags_is_followed_by_what_its_driver_says(scan):
    receiver = SimulatedReceiver(is_mute=True, deaf_to={1})
    planner, reports, events, _ = scan(receiver, swept, driver=receiver.get_frequency, timeout=0.5)
    assert [fields["step"] for event, fields in events if event == "retry"] == [1] and planner.failures() == 0
    check_carriers(reports[-1])


def test_a_driver_that_breaks_confirms_nothing(scan):
    def broken() -> float:
        raise RuntimeError("the radio is gone")

    receiver = SimulatedReceiver(is_mute=True)
    planner, reports, events, _ = scan(receiver, swept, driver=broken, timeout=0.02, retries=0)
    assert planner.failures() == 3
    assert all("frames tell no centre frequency" in f["reason"] for event, f in events if event == "failed")


def test_a_soapy_source_is_led_by_its_driver(threshold_model, tmp_path, monkeypatch):
    soapy = pytest.importorskip("gnuradio.soapy")
    path = Path(__file__).parent / "live_kit.py"
    spec = importlib.util.spec_from_file_location("live_kit_of_scans", path)
    kit = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kit)
    kit.build_tone_device(tmp_path)
    monkeypatch.setenv("SOAPY_SDR_PLUGIN_PATH", str(tmp_path))  # a carrier from 2402 to 2405 MHz
    radio = soapy.source("driver=rfsegtest", "fc32", 1, "", "", [""], [""])
    radio.set_sample_rate(0, SAMP_RATE)
    radio.set_frequency(0, 2.3e9)
    chain = rfseg.rf_segmenter(SAMP_RATE, model=threshold_model, frame_duration=FRAME_DURATION, settling=1e-3)
    planner = rfseg.scan_planner(SAMP_RATE, **{**OPTIONS, "ranges": [(2.390e9, 2.423e9)], "timeout": 1.0})
    planner.set_driver(lambda: radio.get_frequency(0))
    reports, status = Listener(scan_from_pmt), Listener(event_from_pmt)
    top = gr.top_block()
    top.connect(radio, chain)
    top.msg_connect(chain, "bands", planner, "bands")
    top.msg_connect(planner, "cmd", radio, "cmd")
    top.msg_connect(planner, "freq", chain, "freq")
    top.msg_connect(planner, "scan", reports, "in")
    top.msg_connect(planner, "status", status, "in")
    top.start()
    try:
        _until(lambda: swept(status.items, 2), timeout=30.0)
    finally:
        top.stop()
        top.wait()
    assert planner.failures() == 0
    (band,) = [band for band in reports.items[-1].bands if band.duty_cycle > 0.5]
    assert (band.freq_lower_edge, band.freq_upper_edge) == pytest.approx((2.402e9, 2.405e9), abs=BIN)
    assert band.steps == (1,)


# -- without a receiver


class Sender(gr.basic_block):
    """Sends messages."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, name="sender", in_sig=None, out_sig=None)
        for port in ("bands", "control"):
            self.message_port_register_out(pmt.intern(port))

    def send(self, port: str, message) -> None:
        """Send one."""
        self.message_port_pub(pmt.intern(port), message)


@pytest.fixture
def desk():
    """A running planner that a test sends messages to: planner, sender, status and commands."""
    tops = []

    def make(**options):
        planner, sender = rfseg.scan_planner(SAMP_RATE, **{**OPTIONS, **options}), Sender()
        status, commands = Listener(event_from_pmt), Listener(pmt.to_python)
        top = gr.top_block()
        for port in ("bands", "control"):
            top.msg_connect(sender, port, planner, port)
        top.msg_connect(planner, "status", status, "in")
        top.msg_connect(planner, "command", commands, "in")
        top.start()
        tops.append((top, planner, sender, status, commands))  # GNU Radio keeps no reference to a Python block
        return planner, sender, status, commands

    yield make
    for top, *_ in tops:
        top.stop()
        top.wait()


def test_control_starts_holds_and_stops(desk):
    planner, sender, status, commands = desk(autostart=False)
    sender.send("control", pmt.intern("start"))
    _until(lambda: len(commands.items) == 1)
    sender.send("control", pmt.cons(pmt.intern("hold"), pmt.from_double(3.6e9)))
    _until(lambda: len(commands.items) == 2)
    sender.send("control", pmt.to_pmt({"action": "stop"}))
    for wrong in (pmt.intern("jump"), pmt.from_long(3), pmt.to_pmt({"action": "stop", "freq": 1.0})):
        sender.send("control", wrong)
    sender.send("bands", pmt.intern("nonsense"))
    _until(lambda: planner.bad_messages() == 4)
    sender.send("control", pmt.intern("start"))
    _until(lambda: len(commands.items) == 3 and len(status.items) == 4)
    assert [event for _, event, _ in status.items] == ["started", "held", "stopped", "started"]
    first = {"freq": planner.center_freqs()[0], "tag": True}
    assert commands.items == [first, {"freq": 3.6e9, "tag": True}, first]


def test_silence_repeats_the_command(desk):
    planner, sender, status, commands = desk(stall=0.05)
    _until(lambda: len(commands.items) >= 3 and len(status.items) >= 2)
    assert commands.items[0] == commands.items[2]
    assert [event for _, event, _ in status.items][:2] == ["started", "stalled"]


def test_scripts_give_the_same_orders(desk):
    planner, sender, status, commands = desk(autostart=False)
    planner.begin()
    planner.hold(3.6e9)
    planner.hold()
    planner.halt()
    _until(lambda: len(status.items) == 4)
    assert [event for _, event, _ in status.items] == ["started", "held", "held", "stopped"]


def test_frames_that_no_model_judged_do_not_count(desk):
    planner, sender, status, commands = desk(dwell_frames=1)
    frame = dict(sample_count=FRAME, valid_samples=FRAME, samp_rate=SAMP_RATE, center_freq=planner.center_freqs()[0])
    for index, settling in enumerate((True, False)):
        tag = FrameTag(frame=Frame(index=index, sample_start=index * FRAME, settling=settling, **frame))
        sender.send("bands", BandsMessage(tag=tag).to_pmt())
    _until(lambda: len(commands.items) == 2 and any(event == "visit" for _, event, _ in status.items))
    (visit,) = [fields for _, event, fields in status.items if event == "visit"]
    assert (visit["samples"], visit["sample"]) == (FRAME, 2 * FRAME)


def _until(condition, timeout: float = 10.0) -> None:
    """Wait for other threads; fails after ``timeout`` s."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(1e-3)


# -- messages


def test_a_report_survives_the_round_trip():
    band = ScannedBand(
        label="LTE", freq_lower_edge=1e9, freq_upper_edge=1.01e9, is_cut_low=False, is_cut_high=True, duty_cycle=0.5,
        confidence=0.75, last_seen=1 << 60, steps=(0, 1), last_time=RxTime(seconds=9, fraction=0.5), power_dbfs=-30.0,
    )  # fmt: skip
    step = StepState(
        index=0, center_freq=1e9, actual_freq=None, visits=0, failures=1, last_visit=-1, is_occupied=False, is_failed=True
    )
    report = ScanReport(
        sample_stop=1 << 62, samp_rate=SAMP_RATE, sweeps=3, bin_width=1e5, bands=(band,), steps=(step,),
        spans=(ScanSpan(freq_lower_edge=1e9, duty_cycle=(0.0, 0.5), last_seen=(-1, 1 << 60)),),
        rx_time=RxTime(seconds=1 << 33, fraction=0.25),
    )  # fmt: skip
    assert scan_from_pmt(scan_to_pmt(report)) == report
    empty = ScanReport(sample_stop=0, samp_rate=1.0, sweeps=0, bin_width=1.0)
    assert scan_from_pmt(scan_to_pmt(empty)) == empty


def test_messages_that_make_no_sense_are_refused():
    with pytest.raises(BandError, match="scan is nonsense, expected a dictionary"):
        scan_from_pmt(pmt.intern("nonsense"))
    with pytest.raises(BandError, match="control: action is jump, expected one of start, stop, hold, report"):
        order_from_pmt(pmt.intern("jump"))
    with pytest.raises(BandError, match="control: stop takes no frequency; only hold does"):
        order_from_pmt(pmt.to_pmt({"action": "stop", "freq": 1.0}))
    assert order_from_pmt(pmt.to_pmt({"action": "hold", "freq": 5})) == ("hold", 5.0)
    with pytest.raises(BandError, match="stall=-1.0 must be a number of at least 0"):
        rfseg.scan_planner(SAMP_RATE, stall=-1.0)


