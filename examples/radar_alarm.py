#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels shared with a radar: checked before use, left when it comes, free again when it has been away long enough.

Listens to the bands of a receiver (``--bands``), or simulates one, minutes shortened to fractions of a second.  What is
said goes to standard output and to a feed as JSON; see ``radar_alarm.md``.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Iterator

import numpy as np
import pmt
import zmq
from gnuradio import gr, rfseg
from gnuradio.rfseg.feed_messages import bands_of

from rfseg.errors import RfsegError
from rfseg.feeds.feed import Feed
from rfseg.feeds.messages import alarm_to_message, bands_from_message, to_json
from rfseg.inference import DEFAULT_MODEL
from rfseg.pipeline import FrameState
from rfseg.radaralarm import AlarmRules, RadarAlarm
from rfseg.sigmf import Recording, open_recording

RECORDING = Path(__file__).parent / "data" / "demo.sigmf-meta"
PERIOD = 1_228_800  # samples; 40 ms, the length of the recording
HEARD = (3,)  # periods of the simulation in which it is heard, noise in the others
DURATION = 10 * PERIOD  # samples; 400 ms
NOISE_DBFS = -67.0
BEGIN = (1_769_860_800, 0.0)  # s; the moment of the first sample, 2026-01-31T12:00:00Z
CHANNELS = "3585-3595,3595-3605,3605-3615"  # MHz
PERIODS = {  # s; with a receiver, and in the simulation
    "check": (60.0, 0.1, "channel availability check"),
    "evacuate": (60.0, 0.06, "from the first pulse to the deadline"),
    "hold": (1800.0, 0.2, "non-occupancy period"),
    "remind": (10.0, 0.1, "between reminders"),
}


class receiver(gr.sync_block):
    """What the simulated receiver hears, with the tags of a radio on the first sample."""

    def __init__(self, recording: Recording) -> None:
        gr.sync_block.__init__(self, name="receiver", in_sig=None, out_sig=[np.complex64])
        rng = np.random.default_rng(1)
        noise = rng.standard_normal((PERIOD, 2), np.float32) * np.float32(10 ** (NOISE_DBFS / 20) / np.sqrt(2))
        self._noise, self._signal = noise.view(np.complex64).reshape(-1), recording.read(0, PERIOD)
        self._center_freq = recording.center_freq

    def work(self, input_items: list, output_items: list) -> int:
        """Write the next samples."""
        start = self.nitems_written(0)
        period, place = divmod(start, PERIOD)
        count = min(len(output_items[0]), DURATION - start, PERIOD - place)
        if count == 0:
            return -1  # the end
        if start == 0:
            time = pmt.make_tuple(pmt.from_uint64(BEGIN[0]), pmt.from_double(BEGIN[1]))
            self.add_item_tag(0, 0, pmt.intern(rfseg.keys.RX_TIME), time)
            self.add_item_tag(0, 0, pmt.intern(rfseg.keys.RX_FREQ), pmt.from_double(self._center_freq))
        heard = self._signal if period in HEARD else self._noise
        output_items[0][:count] = heard[place : place + count]
        return count


class guard:
    """Takes frames of bands, as JSON objects, and says what follows."""

    def __init__(self, rules: AlarmRules, destination: str) -> None:
        self._alarm, self._feed = RadarAlarm(rules), Feed(destination)
        self._feed.start()  # before the model is loaded: readers have time to connect

    def hear(self, message: dict) -> None:
        """A message of type ``bands``."""
        content = bands_from_message(message)
        is_judged = content.state is FrameState.INFERRED
        for notice in self._alarm.hear(content.frame, content.bands, is_judged=is_judged):
            said = alarm_to_message(notice.to_fields())
            print(to_json(said), flush=True)
            self._feed.publish(said)

    def close(self) -> None:
        """Deliver what waits."""
        self._feed.stop()


class bands_reader(gr.basic_block):
    """Hands the messages of the port ``bands`` on."""

    def __init__(self, listener: guard) -> None:
        gr.basic_block.__init__(self, name="bands_reader", in_sig=None, out_sig=None)
        self._listener = listener
        self.message_port_register_in(pmt.intern(rfseg.keys.BANDS))
        self.set_msg_handler(pmt.intern(rfseg.keys.BANDS), self._on_bands)

    def _on_bands(self, message: pmt.pmt_base) -> None:
        self._listener.hear(bands_of(message))


def simulate(listener: guard, model: str) -> None:
    """Run the simulated receiver."""
    recording = open_recording(RECORDING)
    top = gr.top_block("Radar alarm")
    source = receiver(recording)
    segmenter = rfseg.rf_segmenter(recording.samp_rate, model=model, mode="lossless")
    reader = bands_reader(listener)
    top.connect(source, segmenter)
    top.msg_connect(segmenter, rfseg.keys.BANDS, reader, rfseg.keys.BANDS)
    top.run()


def listen(listener: guard, address: str) -> None:
    """Take the bands of a receiver's ZeroMQ feed, until SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with zmq.Context.instance().socket(zmq.SUB) as socket:
        socket.connect(address)
        socket.subscribe("rfseg/bands")
        while not stop.is_set():
            if socket.poll(100):
                listener.hear(json.loads(socket.recv_multipart()[1]))


def parse_channels(text: str) -> list[tuple[float, float]]:
    """Edges in Hz of channels in MHz, such as ``3585-3595,3595-3605``."""
    try:
        edges = [[float(edge) * 1e6 for edge in channel.split("-")] for channel in text.split(",")]
        return [(low, high) for low, high in edges]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected edges in MHz, such as {CHANNELS}") from None


def main() -> int:
    """Read the command line and watch; 2 on bad input."""
    parser = argparse.ArgumentParser(description="Tell when channels must be left because of a radar.")
    parser.add_argument("--bands", metavar="ADDRESS", help="ZeroMQ feed of a receiver (default: simulate one)")
    parser.add_argument("--feed", default="zeromq://:5558", help="where alarms go (default: %(default)s)")
    parser.add_argument("--channels", type=parse_channels, default=CHANNELS, help="MHz (default: %(default)s)")
    for name, (usual, short, what) in PERIODS.items():
        parser.add_argument(f"--{name}", type=float, help=f"{what}, s (default: {usual:g}; {short:g} in the simulation)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="of the simulated receiver (default: %(default)s)")
    options = parser.parse_args()
    periods = {name: values[0 if options.bands else 1] for name, values in PERIODS.items()}
    periods.update({name: value for name, value in vars(options).items() if name in PERIODS and value is not None})
    try:
        rules = AlarmRules(
            channels=options.channels,
            availability_check=periods["check"],
            evacuation_time=periods["evacuate"],
            non_occupancy=periods["hold"],
            reminder=periods["remind"],
        )
        listener = guard(rules, options.feed)
        try:
            listen(listener, options.bands) if options.bands else simulate(listener, options.model)
        finally:
            listener.close()
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
