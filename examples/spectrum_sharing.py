#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spectrum sharing, simulated: a secondary transmitter moves out of the way of primary users.

RF Segmenter and Occupancy watch the primary users; the transmitter stays inside a free band and stops when no valid
message says that it is one.  No radio is needed, and every run gives the same result; see ``spectrum_sharing.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pmt
from gnuradio import blocks, gr, rfseg
from gnuradio.rfseg.occupancy_messages import occupancy_from_pmt

from rfseg.errors import RfsegError
from rfseg.inference import DEFAULT_MODEL
from rfseg.occupancyreport import OccupancyReport
from rfseg.sigmf import open_recording

RECORDING = Path(__file__).parent / "data" / "demo.sigmf-meta"
SAMP_RATE = 30.72e6  # Hz; the recording's
CENTER_FREQ = 3.5e9  # Hz
INTERVAL = 153_600  # samples; 5 ms, a frame and a message of Occupancy
LATENCY = 1  # intervals from the end of what a message is about to the first sample that obeys it
DURATION = 40 * INTERVAL  # samples; 200 ms
PERIOD = 8 * INTERVAL  # samples after which signals repeat; 40 ms, the length of the recording
GAIN_DB = -20.0  # of the recording: room for several users below full scale
NOISE_DBFS, SECONDARY_DBFS = -67.0, -50.0  # in the whole width
CHANNEL_WIDTH = 3e6  # Hz; of the secondary transmitter
CHANNEL_STEP = 100e3  # Hz
LTE, NR = (-13.7e6, -4.3e6), (-1.5e6, 7.5e6)  # Hz from the centre; where they are in the recording


@dataclass(frozen=True, kw_only=True)
class Primary:
    """A primary user: its place in the recording and how far it is moved, Hz, and the samples in which it transmits."""

    source: tuple[float, float]
    shift: float
    start: int
    stop: int

    @property
    def edges(self) -> tuple[float, float]:
        """Hz from the centre."""
        return self.source[0] + self.shift, self.source[1] + self.shift


PRIMARIES = (
    Primary(source=LTE, shift=0.0, start=0, stop=24 * INTERVAL),
    Primary(source=NR, shift=3.5e6, start=12 * INTERVAL + 60_000, stop=DURATION),
    Primary(source=LTE, shift=6.0e6, start=24 * INTERVAL, stop=DURATION),
)


def noise(low: float, high: float, level_dbfs: float, rng: np.random.Generator) -> np.ndarray:
    """Noise between two edges (Hz from the centre), complex64 ``(PERIOD,)``."""
    freqs = np.fft.fftfreq(PERIOD, 1 / SAMP_RATE)
    inside = (freqs >= low) & (freqs < high)
    spectrum = np.where(inside, np.exp(2j * np.pi * rng.random(PERIOD)), 0) / np.sqrt(inside.sum())
    return (np.fft.ifft(spectrum) * PERIOD * 10 ** (level_dbfs / 20)).astype(np.complex64)


def carrier(iq: np.ndarray, user: Primary) -> np.ndarray:
    """The part of a recording that a primary user transmits, complex64 ``(PERIOD,)``."""
    freqs = np.fft.fftfreq(PERIOD, 1 / SAMP_RATE)
    spectrum = np.where((freqs >= user.source[0]) & (freqs < user.source[1]), np.fft.fft(iq), 0)
    moved = np.roll(spectrum, round(user.shift / SAMP_RATE * PERIOD))
    return (np.fft.ifft(moved) * 10 ** (GAIN_DB / 20)).astype(np.complex64)


class primary_users(gr.sync_block):
    """What the receiver hears: noise, and the primary users with the carriers of a recording."""

    def __init__(self) -> None:
        gr.sync_block.__init__(self, name="primary_users", in_sig=None, out_sig=[np.complex64])
        iq = open_recording(RECORDING).read(0, PERIOD)
        self._noise = noise(-SAMP_RATE / 2, SAMP_RATE / 2, NOISE_DBFS, np.random.default_rng(1))
        self._signals = [carrier(iq, user) for user in PRIMARIES]

    def work(self, input_items: list, output_items: list) -> int:
        """Write the next samples."""
        start = self.nitems_written(0)
        count = min(len(output_items[0]), DURATION - start)
        if count == 0:
            return -1  # the end
        places = np.arange(start, start + count)
        output_items[0][:count] = self._noise[places % PERIOD]
        for user, signal in zip(PRIMARIES, self._signals):
            on = slice(max(0, user.start - start), max(0, user.stop - start))
            output_items[0][:count][on] += signal[places[on] % PERIOD]
        return count


def choose_channel(report: OccupancyReport, current: float | None) -> float | None:
    """Centre of the channel to use, Hz: the current one while it is free, else the middle of the widest free band."""
    half = CHANNEL_WIDTH / 2
    bands = [b for b in report.free if b.valid_until > report.sample_stop]
    if current is not None and any(
        b.freq_lower_edge <= current - half and current + half <= b.freq_upper_edge for b in bands
    ):
        return current
    wide = [b for b in bands if b.freq_upper_edge - b.freq_lower_edge >= CHANNEL_WIDTH + CHANNEL_STEP]
    if not wide:
        return None
    widest = max(wide, key=lambda b: b.freq_upper_edge - b.freq_lower_edge)
    return round((widest.freq_lower_edge + widest.freq_upper_edge) / 2 / CHANNEL_STEP) * CHANNEL_STEP


class secondary_transmitter(gr.sync_block):
    """Transmits inside free bands, interval by interval; silent where it may not.

    Each interval obeys the message that ended ``LATENCY`` intervals before it, and waits for that message, so that the
    simulation does not depend on how fast the machine is.  A radio would not wait, but stop at ``valid_until``.
    """

    def __init__(self) -> None:
        gr.sync_block.__init__(self, name="secondary_transmitter", in_sig=None, out_sig=[np.complex64])
        self._base = noise(-CHANNEL_WIDTH / 2, CHANNEL_WIDTH / 2, SECONDARY_DBFS, np.random.default_rng(2))
        self._reports: dict[int, OccupancyReport] = {}  # by the sample at which they end
        self._signal = np.zeros(PERIOD, np.complex64)
        self.channels: list[float | None] = []  # of each interval so far, Hz
        self.message_port_register_in(pmt.intern(rfseg.keys.OCCUPANCY))
        self.set_msg_handler(pmt.intern(rfseg.keys.OCCUPANCY), self._on_occupancy)

    def work(self, input_items: list, output_items: list) -> int:
        """Write the next samples, if what allows or forbids them is known."""
        start = self.nitems_written(0)
        if start == DURATION:
            return -1  # the end
        interval = start // INTERVAL
        if interval == len(self.channels) and not self._decide(interval):
            time.sleep(1e-3)  # messages are handled between two calls
            return 0
        count = min(len(output_items[0]), (interval + 1) * INTERVAL - start)
        output_items[0][:count] = self._signal[np.arange(start, start + count) % PERIOD]
        return count

    def _decide(self, interval: int) -> bool:
        """Choose the channel of an interval; False while the message for it is not there."""
        before = self.channels[-1] if self.channels else None
        channel = None
        if interval > LATENCY:
            report = self._reports.pop((interval - LATENCY) * INTERVAL, None)
            if report is None:
                return False
            channel = choose_channel(report, before)
        self.channels.append(channel)
        if channel is None:
            self._signal = np.zeros(PERIOD, np.complex64)
        elif channel != before:
            turns = round((channel - CENTER_FREQ) / SAMP_RATE * PERIOD)
            self._signal = (self._base * np.exp(2j * np.pi * turns * np.arange(PERIOD) / PERIOD)).astype(np.complex64)
        return True

    def _on_occupancy(self, message: pmt.pmt_base) -> None:
        report = occupancy_from_pmt(message)
        self._reports[report.sample_stop] = report


class air_recorder(gr.sync_block):
    """Keeps what is in the air."""

    def __init__(self) -> None:
        gr.sync_block.__init__(self, name="air_recorder", in_sig=[np.complex64], out_sig=None)
        self.samples = np.zeros(DURATION, np.complex64)

    def work(self, input_items: list, output_items: list) -> int:
        """Keep the next samples."""
        start, count = self.nitems_read(0), len(input_items[0])
        self.samples[start : start + count] = input_items[0]
        return count


def collisions(channels: list[float | None]) -> list[tuple[int, int]]:
    """Samples during which the transmitter was inside the band of a primary user: start and stop of each run."""
    hit = np.zeros(DURATION, bool)
    for index, channel in enumerate(channels):
        for user in PRIMARIES if channel is not None else ():
            low, high = channel - CENTER_FREQ - CHANNEL_WIDTH / 2, channel - CENTER_FREQ + CHANNEL_WIDTH / 2
            start, stop = max(user.start, index * INTERVAL), min(user.stop, (index + 1) * INTERVAL)
            if low < user.edges[1] and high > user.edges[0] and start < stop:
                hit[start:stop] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hit, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def simulate(model: str) -> tuple[list[float | None], np.ndarray]:
    """Run the flowgraph; the channel of each interval (Hz) and what was in the air, complex64 ``(DURATION,)``."""
    top = gr.top_block("Spectrum sharing")
    users, transmitter, recorder, air = primary_users(), secondary_transmitter(), air_recorder(), blocks.add_cc()
    segmenter = rfseg.rf_segmenter(
        SAMP_RATE, model=model, frame_duration=INTERVAL / SAMP_RATE, mode="lossless", center_freq=CENTER_FREQ
    )
    occupancy = rfseg.occupancy(
        window=10 * INTERVAL / SAMP_RATE,
        interval=INTERVAL / SAMP_RATE,
        hold=2 * INTERVAL / SAMP_RATE,
        max_duty=1.0,  # the hold decides
        min_width=CHANNEL_WIDTH + CHANNEL_STEP,
        guard=200e3,
        validity=2 * INTERVAL / SAMP_RATE,
    )
    top.connect(users, segmenter, (air, 0))
    top.connect(transmitter, (air, 1))
    top.connect(air, recorder)
    top.msg_connect(segmenter, rfseg.keys.BANDS, occupancy, rfseg.keys.BANDS)
    top.msg_connect(occupancy, rfseg.keys.OCCUPANCY, transmitter, rfseg.keys.OCCUPANCY)
    top.run()
    return transmitter.channels, recorder.samples


def draw(path: Path, air: np.ndarray) -> None:
    """Spectrogram of what was in the air."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    segments = air.reshape(-1, 256) * np.hanning(256)
    power = np.abs(np.fft.fftshift(np.fft.fft(segments, axis=1), axes=1)) ** 2
    rows = 10 * np.log10(power.reshape(-1, 40, 256).mean(axis=1))
    low, high = np.quantile(rows, (0.02, 0.99))
    figure, axes = pyplot.subplots(figsize=(7, 6), constrained_layout=True)
    freqs = [(CENTER_FREQ + side * SAMP_RATE / 2) / 1e6 for side in (-1, 1)]
    extent = (*freqs, 0, DURATION / SAMP_RATE * 1e3)
    axes.imshow(rows, aspect="auto", origin="lower", extent=extent, vmin=low, vmax=high)
    axes.set(xlabel="MHz", ylabel="ms", title="primary users (strong) and the secondary transmitter (weak)")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main() -> int:
    """Read the command line and simulate; 2 on bad input."""
    parser = argparse.ArgumentParser(description="A secondary transmitter moves out of the way of primary users.")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or file of a model (default: %(default)s)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw what was in the air (needs Matplotlib)")
    options = parser.parse_args()
    try:
        channels, air = simulate(options.model)
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    milliseconds = 1e3 / SAMP_RATE
    for index, (before, channel) in enumerate(zip([0.0, *channels], channels)):
        if channel != before:
            what = "silent" if channel is None else f"transmits at {channel / 1e6:.1f} MHz"
            print(f"{index * INTERVAL * milliseconds:6.1f} ms  {what}")
    for start, stop in collisions(channels):
        print(f"in the band of a primary user from {start * milliseconds:.2f} to {stop * milliseconds:.2f} ms")
    if options.picture is not None:
        draw(options.picture, air)
    return 0


if __name__ == "__main__":
    sys.exit(main())
