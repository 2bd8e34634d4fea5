#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what lies around NR carriers: RF Segmenter finds the bands, SigMF Recorder keeps the IQ and what was found.

The receiver hears noise, in which a recording is heard twice.  No radio is needed; see ``record_bands.md``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr, rfseg

from rfseg.errors import RfsegError
from rfseg.inference import DEFAULT_MODEL
from rfseg.sigmf import Recording, open_recording

RECORDING = Path(__file__).parent / "data" / "demo.sigmf-meta"
PERIOD = 1_228_800  # samples; 40 ms, the length of the recording
HEARD = (1, 4)  # periods of the stream in which it is heard
DURATION = 6 * PERIOD  # samples; 240 ms
FRAME = 5e-3  # s
LABEL = "NR"
NOISE_DBFS = -67.0
BEGIN = (1_769_860_800, 0.0)  # s; the moment of the first sample, 2026-01-31T12:00:00Z


class receiver(gr.sync_block):
    """What is heard, with the tags of a radio on the first sample."""

    def __init__(self, recording: Recording) -> None:
        gr.sync_block.__init__(self, name="receiver", in_sig=None, out_sig=[np.complex64])
        rng = np.random.default_rng(1)
        noise = rng.standard_normal((PERIOD, 2), np.float32) * np.float32(10 ** (NOISE_DBFS / 20) / np.sqrt(2))
        self._noise = noise.view(np.complex64).reshape(-1)
        self._signal = recording.read(0, PERIOD)
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


def record(folder: Path, model: str) -> None:
    """Run the flowgraph."""
    recording = open_recording(RECORDING)
    top = gr.top_block("Record bands")
    source = receiver(recording)
    segmenter = rfseg.rf_segmenter(recording.samp_rate, model=model, frame_duration=FRAME, mode="lossless")
    recorder = rfseg.sigmf_recorder(
        recording.samp_rate,
        folder,
        mode="lossless",
        labels=[LABEL],
        pre=10e-3,
        post=5e-3,
        quota_bytes=200_000_000,
        info={"core:description": "NR in a simulated receiver"},
    )
    top.connect(source, segmenter, recorder)
    top.run()


def describe(recording: Recording) -> str:
    """When a recording begins, how long it is, and whether what was looked for is in it."""
    capture = recording.metadata["captures"][0]
    has_label = any(annotation["core:label"] == LABEL for annotation in recording.annotations)
    return f"{capture['core:datetime']}  {recording.duration * 1e3:.1f} ms  {LABEL if has_label else 'nothing'}"


def main() -> int:
    """Read the command line and record; 2 on bad input."""
    parser = argparse.ArgumentParser(description="Record what lies around NR carriers.")
    parser.add_argument("--out", type=Path, default=Path("out/recordings"), help="folder (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or file of a model (default: %(default)s)")
    options = parser.parse_args()
    try:
        record(options.out, options.model)
        for path in sorted(options.out.glob("rfseg-*.sigmf-meta")):
            print(describe(open_recording(path)))
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
