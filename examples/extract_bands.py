#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut the bands out of a recording: RF Segmenter tags them, Band Extractor brings each to 0 Hz, each goes into a file.

No radio is needed; see ``extract_bands.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import pmt
from gnuradio import gr, rfseg
from gnuradio.rfseg.extraction_messages import excerpt_from_pmt

from rfseg.annotations import make_annotation
from rfseg.atomic import make_folder, replacing
from rfseg.datatype import Datatype
from rfseg.errors import RfsegError
from rfseg.extraction import Excerpt
from rfseg.inference import DEFAULT_MODEL
from rfseg.recording.metadata import format_datetime, make_header
from rfseg.sigmf import Recording, open_recording

RECORDING = Path(__file__).parent / "data" / "demo.sigmf-meta"
BEGIN = (1_769_860_800, 0.0)  # s; where the recording tells no time; 2026-01-31T12:00:00Z


class excerpt_writer(gr.basic_block):
    """Writes each PDU of Band Extractor as a SigMF recording, and keeps what was in it."""

    def __init__(self, folder: Path) -> None:
        gr.basic_block.__init__(self, name="excerpt_writer", in_sig=None, out_sig=None)
        make_folder(folder)
        self.excerpts: list[Excerpt] = []
        self._folder = folder
        self.message_port_register_in(pmt.intern("pdus"))
        self.set_msg_handler(pmt.intern("pdus"), self._on_pdu)

    def _on_pdu(self, message: pmt.pmt_base) -> None:
        excerpt = excerpt_from_pmt(message)
        write(self._folder, f"{excerpt.band.label}-{excerpt.band.track}-{excerpt.sample_start}", excerpt)
        self.excerpts.append(excerpt)


def write(folder: Path, name: str, excerpt: Excerpt) -> None:
    """Write samples and metadata; a file is whole or not there."""
    ratio = excerpt.samp_rate * excerpt.sample_count / excerpt.iq.size  # rate of the input
    first = round((excerpt.band.sample_start - excerpt.sample_start) / ratio * excerpt.samp_rate)
    last = min(first + round(excerpt.band.sample_count / ratio * excerpt.samp_rate), excerpt.iq.size)
    band = replace(excerpt.band, sample_start=max(first, 0), sample_count=max(last - max(first, 0), 1))
    capture = {
        "core:sample_start": 0,
        "core:frequency": excerpt.center_freq,
        "core:datetime": format_datetime(excerpt.rx_time),
    }
    metadata = {
        "global": make_header(Datatype.from_name("complex64"), excerpt.samp_rate),
        "captures": [capture],
        "annotations": [make_annotation(band, dataset=name)],
    }
    with replacing(folder / f"{name}.sigmf-data") as path:
        path.write_bytes(excerpt.iq.tobytes())
    with replacing(folder / f"{name}.sigmf-meta") as path:
        path.write_text(json.dumps(metadata, indent=2), encoding="utf-8")


def extract(recording: Recording, folder: Path, *, model: str, out_rate: float) -> list[Excerpt]:
    """Run the flowgraph; the excerpts in the order of their first samples."""
    top = gr.top_block("Extract bands")
    source = rfseg.recording_source(recording, rx_time=BEGIN)
    segmenter = rfseg.rf_segmenter(recording.samp_rate, model=model, mode="lossless")
    extractor = rfseg.band_extractor(recording.samp_rate, out_rate, output="pdus", max_pause=5e-3, max_duration=0.1)
    writer = excerpt_writer(folder)
    top.connect(source, segmenter, extractor)
    top.msg_connect(extractor, "pdus", writer, "pdus")
    top.run()
    for reason, count in extractor.left_out().items():
        print(f"{count} bands left out: {reason}", file=sys.stderr)
    return sorted(writer.excerpts, key=lambda excerpt: (excerpt.sample_start, excerpt.center_freq))


def describe(excerpt: Excerpt, samp_rate: float) -> str:
    """What an excerpt is, and when; its samples were counted at ``samp_rate`` Hz."""
    band = excerpt.band
    begin = excerpt.sample_start / samp_rate
    return (
        f"{band.label:8s} track {band.track}  {excerpt.center_freq / 1e6:8.3f} MHz  {band.bandwidth / 1e6:5.3f} MHz wide"
        f"  {begin * 1e3:6.3f} ms + {excerpt.iq.size / excerpt.samp_rate * 1e3:6.3f} ms"
    )


def main() -> int:
    """Read the command line and extract; 2 on bad input."""
    parser = argparse.ArgumentParser(description="Cut the bands out of a recording.")
    parser.add_argument("recording", type=Path, nargs="?", default=RECORDING, help="SigMF (default: the demo)")
    parser.add_argument("--out", type=Path, default=Path("out/bands"), help="folder (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=15.36e6, help="of the files, Hz (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or file of a model (default: %(default)s)")
    options = parser.parse_args()
    try:
        recording = open_recording(options.recording)
        for excerpt in extract(recording, options.out, model=options.model, out_rate=options.rate):
            print(describe(excerpt, recording.samp_rate))
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
