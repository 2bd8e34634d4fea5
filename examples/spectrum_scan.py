#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan of 120 MHz with a receiver of 30.72 MS/s, simulated: Scan Planner tunes it and stitches together what it hears.

No radio is needed: a block obeys the planner's messages and gives the IQ of a made-up band; see ``spectrum_scan.md``.
"""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr, rfseg
from gnuradio.rfseg.messages import event_from_pmt
from gnuradio.rfseg.scan_messages import CMD, scan_from_pmt

from rfseg.errors import RfsegError
from rfseg.inference import DEFAULT_MODEL
from rfseg.scanning import ScannedBand, ScanReport
from rfseg.scanning.report import CSV_COLUMNS, scan_to_csv, scan_to_json
from rfseg.sigmf import open_recording

RECORDING = Path(__file__).parent / "data" / "demo.sigmf-meta"
SAMP_RATE = 30.72e6  # Hz; the recording's
FRAME_DURATION = 5e-3  # s
PERIOD = 1_228_800  # samples after which signals repeat; 40 ms, the length of the recording
RANGE = (3.40e9, 3.52e9)  # Hz
NOISE_DBFS = -67.0  # in the whole width
GAIN_DB = -20.0  # of the recording
OSCILLATOR_STEP = 5e3  # Hz; the receiver tunes to multiples of it
LOCKING = 0.8e-3  # s; for as long after a retune the receiver delivers noise alone
SETTLING = 1e-3  # s; for as long after a retune no frame is judged
LTE = (-13.7e6, -4.3e6)  # Hz from the centre; where a carrier of 9 MHz is in the recording, with what surrounds it
LARGEST = 600 * 153_600  # samples; 3 s, far more than it takes
SWEEPS = 2
DWELL_FRAMES = 4  # 20 ms
FLASH = 0.2  # duty cycle; bands below it are not shown


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """A carrier on the air: its place in the recording, Hz from the centre, and the lower edge of that on the air, Hz."""

    source: tuple[float, float]
    freq_lower_edge: float


CARRIERS = (
    Carrier(source=LTE, freq_lower_edge=3.4155e9),  # across the border of the first two steps, at 3420 MHz
    Carrier(source=LTE, freq_lower_edge=3.4460e9),
    Carrier(source=LTE, freq_lower_edge=3.4760e9),  # across that at 3480 MHz
)


class simulated_receiver(gr.sync_block):
    """Gives what is on the air around its frequency, obeys messages with ``freq``, and tells its frequency by ``rx_freq``."""

    def __init__(self) -> None:
        gr.sync_block.__init__(self, name="simulated_receiver", in_sig=None, out_sig=[np.complex64])
        self.set_max_noutput_items(8192)  # or it is far ahead of the commands
        self.is_done = threading.Event()
        self._spectrum = np.fft.fft(open_recording(RECORDING).read(0, PERIOD)) * 10 ** (GAIN_DB / 20)
        rng = np.random.default_rng(1)
        parts = rng.standard_normal((PERIOD, 2), np.float32) * np.float32(10 ** (NOISE_DBFS / 20) / np.sqrt(2))
        self._noise = parts.view(np.complex64).reshape(-1)
        self._signals: dict[float, np.ndarray] = {}  # by centre frequency
        self._center, self._wanted = 0.0, RANGE[0]
        self._good_from = 0
        self.message_port_register_in(pmt.intern(CMD))
        self.set_msg_handler(pmt.intern(CMD), self._on_command)

    def work(self, input_items: list, output_items: list) -> int:
        """Write the next samples."""
        start = self.nitems_written(0)
        if self.is_done.is_set() or start >= LARGEST:
            return -1  # the end
        if self._wanted != self._center:
            self._center, self._good_from = self._wanted, start + int(LOCKING * SAMP_RATE)
            self.add_item_tag(0, start, pmt.intern(rfseg.keys.RX_FREQ), pmt.from_double(self._center))
        places = np.arange(start, start + len(output_items[0]))
        output_items[0][:] = self._noise[places % PERIOD]
        heard = slice(max(0, self._good_from - start), None)
        output_items[0][heard] += self._hear(self._center)[places[heard] % PERIOD]
        return len(output_items[0])

    def _hear(self, center_freq: float) -> np.ndarray:
        """The carriers around a frequency, complex64 ``(PERIOD,)``; what is beyond the receiver's width is cut off."""
        if center_freq not in self._signals:
            freqs = np.fft.fftfreq(PERIOD, 1 / SAMP_RATE)
            spectrum = np.zeros(PERIOD, complex)
            for carrier in CARRIERS:
                inside = np.flatnonzero((freqs >= carrier.source[0]) & (freqs < carrier.source[1]))
                moved = freqs[inside] - carrier.source[0] + carrier.freq_lower_edge - center_freq
                heard = np.abs(moved) < SAMP_RATE / 2
                spectrum[np.round(moved[heard] / SAMP_RATE * PERIOD).astype(int)] += self._spectrum[inside[heard]]
            self._signals[center_freq] = np.fft.ifft(spectrum).astype(np.complex64)
        return self._signals[center_freq]

    def _on_command(self, message: pmt.pmt_base) -> None:
        freq = pmt.to_double(pmt.dict_ref(message, pmt.intern(rfseg.keys.FREQ), pmt.PMT_NIL))
        self._wanted = round(freq / OSCILLATOR_STEP) * OSCILLATOR_STEP


class listener(gr.basic_block):
    """Keeps the newest report, and ends the receiver after the last sweep."""

    def __init__(self, receiver: simulated_receiver) -> None:
        gr.basic_block.__init__(self, name="listener", in_sig=None, out_sig=None)
        self.report: ScanReport | None = None
        self.visits: list[int] = []  # the steps in their order
        self._receiver = receiver
        for port, handler in ((rfseg.keys.SCAN, self._on_scan), (rfseg.keys.STATUS, self._on_status)):
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), handler)

    def _on_scan(self, message: pmt.pmt_base) -> None:
        self.report = scan_from_pmt(message)

    def _on_status(self, message: pmt.pmt_base) -> None:
        _, event, fields = event_from_pmt(message)
        if event == "visit":
            self.visits.append(fields["step"])
        if event == "sweep" and fields["sweeps"] == SWEEPS:
            self._receiver.is_done.set()


def simulate(model: str) -> tuple[ScanReport, list[int]]:
    """Run the flowgraph; the report at its end, and the steps in the order of their visits."""
    top = gr.top_block("Spectrum scan")
    receiver = simulated_receiver()
    segmenter = rfseg.rf_segmenter(
        SAMP_RATE, model=model, frame_duration=FRAME_DURATION, mode="lossless", settling=SETTLING
    )
    planner = rfseg.scan_planner(SAMP_RATE, ranges=[RANGE], dwell_frames=DWELL_FRAMES, timeout=0.2)
    ear = listener(receiver)
    top.connect(receiver, segmenter)
    top.msg_connect(segmenter, rfseg.keys.BANDS, planner, rfseg.keys.BANDS)
    top.msg_connect(planner, CMD, receiver, CMD)
    top.msg_connect(planner, rfseg.keys.SCAN, ear, rfseg.keys.SCAN)
    top.msg_connect(planner, rfseg.keys.STATUS, ear, rfseg.keys.STATUS)
    top.run()
    return ear.report, ear.visits


def lasting(report: ScanReport) -> list[ScannedBand]:
    """The bands that are more than a flash."""
    return [band for band in report.bands if band.duty_cycle >= FLASH]


def draw(path: Path, report: ScanReport) -> None:
    """Duty cycle of each bin, and the bands."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 3), constrained_layout=True)
    for span in report.spans:
        freqs = span.freq_lower_edge + (np.arange(len(span.duty_cycle)) + 0.5) * report.bin_width
        axes.fill_between(freqs / 1e6, span.duty_cycle, step="mid", color="tab:blue", alpha=0.5)
    for band in lasting(report):
        edges = band.freq_lower_edge / 1e6, band.freq_upper_edge / 1e6
        axes.plot(edges, (1.05, 1.05), color="black")
        axes.text(sum(edges) / 2, 1.08, f"{band.label}, steps {', '.join(map(str, band.steps))}", ha="center")
    for step in report.steps:
        axes.axvline(step.center_freq / 1e6, color="gray", linestyle=":")
    axes.set(xlabel="MHz", ylabel="duty cycle", ylim=(0, 1.25), xlim=[edge / 1e6 for edge in RANGE])
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main() -> int:
    """Read the command line and scan; 2 on bad input."""
    parser = argparse.ArgumentParser(description="A scan of 120 MHz with a simulated receiver.")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or file of a model (default: %(default)s)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write bands and bins as CSV")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw duty cycles and bands (needs Matplotlib)")
    options = parser.parse_args()
    try:
        report, visits = simulate(options.model)
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{report.sweeps} sweeps of {len(report.steps)} steps in {report.sample_stop / SAMP_RATE:.2f} s of signal")
    for step in report.steps:
        print(f"  step {step.index} at {step.center_freq / 1e6:.1f} MHz: {visits.count(step.index)} visits")
    for band in lasting(report):
        edges = f"{band.freq_lower_edge / 1e6:.1f} to {band.freq_upper_edge / 1e6:.1f} MHz"
        print(f"{band.label:7} {edges}, duty cycle {band.duty_cycle:.2f}, seen from steps {list(band.steps)}")
    if options.csv is not None:
        options.csv.write_text(",".join(CSV_COLUMNS) + "\n" + scan_to_csv(report))
    if options.json is not None:
        options.json.write_text(scan_to_json(report) + "\n")
    if options.picture is not None:
        draw(options.picture, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
