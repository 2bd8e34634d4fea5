#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two receivers, one network: each has its own chain, and both ask the same session for masks.

Both receivers play a recording, the second at another frequency.  No radio is needed; see ``shared_network.md``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from gnuradio import blocks, gr, rfseg

from rfseg.errors import RfsegError
from rfseg.inference import DEFAULT_MODEL
from rfseg.sigmf import Recording, open_recording

RECORDING = Path(__file__).parent / "data" / "demo.sigmf-meta"
CENTER_FREQS = {"A": 3600e6, "B": 3700e6}  # Hz
FRAME = 5e-3  # s


class receiver(gr.sync_block):
    """Plays a recording once."""

    def __init__(self, recording: Recording) -> None:
        gr.sync_block.__init__(self, name="receiver", in_sig=None, out_sig=[np.complex64])
        self._recording = recording

    def work(self, input_items: list, output_items: list) -> int:
        """Write the next samples."""
        start = self.nitems_written(0)
        count = min(len(output_items[0]), self._recording.sample_count - start)
        output_items[0][:count] = self._recording.read(start, count)
        return count or -1  # the end


class channel:
    """One receiver and what finds the bands in it."""

    def __init__(self, top: gr.top_block, recording: Recording, *, center_freq: float, model: str) -> None:
        self._source = receiver(recording)
        self._segmenter = rfseg.rf_segmenter(
            recording.samp_rate,
            model=model,
            frame_duration=FRAME,
            mode="lossless",
            center_freq=center_freq,
            share="both receivers",
        )
        self._end = blocks.null_sink(gr.sizeof_gr_complex)
        top.connect(self._source, self._segmenter, self._end)

    def __str__(self) -> str:
        of = self._segmenter
        return f"{of.frames()} frames, {of.inferred()} inferred, {of.dropped()} dropped, {of.bands()} bands"


def run(model: str) -> dict[str, channel]:
    """Run both receivers in one flowgraph."""
    recording = open_recording(RECORDING)
    top = gr.top_block("One network")
    channels = {
        name: channel(top, recording, center_freq=freq, model=model) for name, freq in CENTER_FREQS.items()
    }
    top.run()
    return channels


def main() -> int:
    """Read the command line and run; 2 on bad input."""
    parser = argparse.ArgumentParser(description="Two receivers, one network.")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or file of a model (default: %(default)s)")
    options = parser.parse_args()
    try:
        for name, of in run(options.model).items():
            print(f"{name}  {CENTER_FREQS[name] / 1e6:.0f} MHz  {of}")
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
