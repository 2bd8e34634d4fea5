#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated SDR into RF Segmenter in live mode; prints the tags on the samples as they come.

No radio is needed: put this simulator where a test of yours needs one; see ``simulator_to_tags.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr, rfseg
from gnuradio.rfseg.messages import band_from_pmt

from rfseg.errors import RfsegError
from rfseg.geometry import RxTime
from rfseg.inference import DEFAULT_MODEL
from rfseg.sigmf import Recording, open_recording

RECORDING = Path(__file__).parent / "data" / "demo.sigmf-meta"
TRANSFER = 5e-3  # s; samples come in pieces, as a radio's do


class simulated_sdr(gr.sync_block):
    """A radio that hears a recording over and over.

    It follows the clock: who does not take its samples in time finds a gap, and after it the tags that a radio writes at the
    start and after an overflow.

    Parameters
    ----------
    recording : Recording
    duration : float
        Of the stream, s of air time.
    buffer : float
        What the radio and its driver hold until the flowgraph takes it, s.
    """

    def __init__(self, recording: Recording, *, duration: float, buffer: float) -> None:
        gr.sync_block.__init__(self, name="simulated_sdr", in_sig=None, out_sig=[np.complex64])
        self._air = recording.read(0, recording.sample_count)
        self._rate, self._freq = recording.samp_rate, recording.center_freq or 0.0
        self._last, self._buffer = round(duration * self._rate), round(buffer * self._rate)
        self._position = 0  # samples of air time that have been delivered or lost
        self._begin: float | None = None  # by the monotonic clock
        self.overflows = 0

    def work(self, input_items: list, output_items: list) -> int:
        """Deliver what has come."""
        is_new = self._begin is None
        if is_new:
            self._begin = time.monotonic()
            now = time.time_ns()
            self._started = RxTime(seconds=now // 10**9, fraction=now % 10**9 / 1e9)
        if self._position >= self._last:
            return -1  # the end
        due = self._wait()
        if not is_new and due - self._position > self._buffer:
            self._position, self.overflows, is_new = due - self._buffer, self.overflows + 1, True
        place = self._position % len(self._air)
        count = min(due - self._position, len(output_items[0]), len(self._air) - place)
        if is_new:
            self._tag()
        output_items[0][:count] = self._air[place : place + count]
        self._position += count
        return count

    def _wait(self) -> int:
        """Until a piece has come; samples of air time so far."""
        wanted = min(self._position + round(TRANSFER * self._rate), self._last)
        while (due := int((time.monotonic() - self._begin) * self._rate)) < wanted:
            time.sleep((wanted - due) / self._rate)
        return min(due, self._last)

    def _tag(self) -> None:
        moment = self._started.after(self._position, self._rate)
        values = {
            rfseg.keys.RX_TIME: pmt.make_tuple(pmt.from_uint64(moment.seconds), pmt.from_double(moment.fraction)),
            rfseg.keys.RX_FREQ: pmt.from_double(self._freq),
            rfseg.keys.RX_RATE: pmt.from_double(self._rate),
        }
        for key, value in values.items():
            self.add_item_tag(0, self.nitems_written(0), pmt.intern(key), value)


class tag_printer(gr.sync_block):
    """Prints each tag with the sample that it is on."""

    def __init__(self) -> None:
        gr.sync_block.__init__(self, name="tag_printer", in_sig=[np.complex64], out_sig=None)

    def work(self, input_items: list, output_items: list) -> int:
        """Look at the tags."""
        for tag in sorted(self.get_tags_in_window(0, 0, len(input_items[0])), key=lambda tag: tag.offset):
            key = pmt.symbol_to_string(tag.key)
            print(f"{tag.offset:>9}  {key:<10}  {describe(key, tag.value)}")
        sys.stdout.flush()
        return len(input_items[0])


def describe(key: str, value: pmt.pmt_base) -> str:
    """What a tag says."""
    if key == rfseg.keys.BAND_START:
        band = band_from_pmt(value)
        edges = f"{band.freq_lower_edge / 1e6:.2f} to {band.freq_upper_edge / 1e6:.2f} MHz"
        return f"{band.label} {edges}, confidence {band.confidence:.2f}, track {band.track}, id {band.id}"
    if key == rfseg.keys.BAND_END:
        return f"id {pmt.to_uint64(value)}"
    if key == rfseg.keys.RX_TIME:
        seconds, fraction = pmt.to_python(value)
        return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}{f'{fraction:.6f}'[1:]}Z"
    return f"{pmt.to_double(value) / 1e6:.3f} {'MS/s' if key == rfseg.keys.RX_RATE else 'MHz'}"


def main() -> int:
    """Read the command line and receive; 2 on bad input."""
    parser = argparse.ArgumentParser(description="A simulated SDR, segmented; prints the tags as they come.")
    parser.add_argument("recording", type=Path, nargs="?", default=RECORDING, help="SigMF (default: the demo)")
    parser.add_argument("--seconds", type=float, default=0.2, help="of samples (default: %(default)s)")
    parser.add_argument("--buffer", type=float, default=0.05, help="of the simulated radio, s (default: %(default)s)")
    parser.add_argument("--hold", type=float, default=0.25, help="longest wait for bands, s (default: %(default)s)")
    parser.add_argument("--queue-depth", type=int, default=2, help="frames that may wait (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or file of a model (default: %(default)s)")
    options = parser.parse_args()
    try:
        recording = open_recording(options.recording)
        segmenter = rfseg.rf_segmenter(
            recording.samp_rate, model=options.model, hold=options.hold, queue_depth=options.queue_depth
        )
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    top = gr.top_block("Simulator to tags")
    radio, printer = simulated_sdr(recording, duration=options.seconds, buffer=options.buffer), tag_printer()
    top.connect(radio, segmenter, printer)
    top.run()
    print(
        f"{segmenter.frames()} frames: {segmenter.inferred()} inferred, {segmenter.dropped()} dropped;"
        f" {segmenter.late_bands()} bands late, {radio.overflows} overflows"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
