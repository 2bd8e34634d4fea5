#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Segment a recording in a flowgraph: IQ through RF Segmenter, every frame inferred.

Prints the bands, and writes them as SigMF annotations, as JSON lines and into a picture.  The same as
``rfseg segment`` does without GNU Radio; see ``segment_recording.md``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr, rfseg
from gnuradio.rfseg.messages import BandsMessage

from rfseg.annotations import write_annotations
from rfseg.atomic import make_folder
from rfseg.bands.groups import BandGroups
from rfseg.bands.lines import band_to_json
from rfseg.bands import bands_to_mask
from rfseg.cli.table import format_bands
from rfseg.contract import Contract
from rfseg.errors import BackendUnavailableError, RfsegError
from rfseg.geometry import Geometry
from rfseg.inference import DEFAULT_MODEL, Session
from rfseg.picture import RecordingPicture
from rfseg.pipeline import FrameResult, fitting_frame_duration
from rfseg.sigmf import Recording, open_recording
from rfseg.spectrogram import frame_rows


class tag_counter(gr.sync_block):
    """Takes the tagged IQ and counts what arrives; a place for a demodulator."""

    def __init__(self) -> None:
        gr.sync_block.__init__(self, name="tag_counter", in_sig=[np.complex64], out_sig=None)
        self.samples = 0
        self.bands = 0

    def work(self, input_items: list, output_items: list) -> int:
        """Count samples and tags."""
        count = len(input_items[0])
        self.bands += len(self.get_tags_in_window(0, 0, count, pmt.intern(rfseg.keys.BAND_START)))
        self.samples += count
        return count


class bands_collector(gr.basic_block):
    """Keeps the messages of the port ``bands``."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, name="bands_collector", in_sig=None, out_sig=None)
        self.messages: list[BandsMessage] = []
        self.message_port_register_in(pmt.intern(rfseg.keys.BANDS))
        self.set_msg_handler(pmt.intern(rfseg.keys.BANDS), self._on_bands)

    def _on_bands(self, message: pmt.pmt_base) -> None:
        self.messages.append(BandsMessage.from_pmt(message))


def run_flowgraph(recording: Recording, session: Session, *, frame_duration: float) -> tuple[list[BandsMessage], int]:
    """Messages of all frames, and the number of bands that are tagged on the samples."""
    top = gr.top_block("Segment a recording")
    source = rfseg.recording_source(recording)
    segmenter = rfseg.rf_segmenter(
        recording.samp_rate, model=session, frame_duration=frame_duration, mode="lossless"
    )
    sink, collector = tag_counter(), bands_collector()
    top.connect(source, segmenter, sink)
    top.msg_connect(segmenter, rfseg.keys.BANDS, collector, rfseg.keys.BANDS)
    top.run()
    if sink.samples != recording.sample_count:
        raise RfsegError(f"{sink.samples} of {recording.sample_count} samples came out; the log above says why")
    return collector.messages, sink.bands


def draw(
    path: Path, recording: Recording, messages: list[BandsMessage], *, geometry: Geometry, contract: Contract
) -> None:
    """Picture of the recording with the bands of the messages."""
    picture = RecordingPicture(sample_count=recording.sample_count, classes=contract.classes)
    for message in messages:
        frame, bands = message.tag.frame, list(message.bands)
        count = min(geometry.frame_samples + geometry.overhang, recording.sample_count - frame.sample_start)
        rows, non_finite = frame_rows(recording.read(frame.sample_start, count), geometry)
        mask = bands_to_mask(bands, frame=frame, geometry=geometry, classes=contract.classes)
        picture.add(
            FrameResult(
                frame=frame,
                geometry=geometry,
                rows=rows,
                mask=mask,
                confidence=np.full_like(mask, 255),
                bands=bands,
                non_finite=non_finite,
            )
        )
    picture.save(path, title=f"{recording.name}, {contract.name}")


def segment(recording: Recording, session: Session, folder: Path) -> str:
    """Run the flowgraph, write the results into the folder; the table of bands."""
    contract = session.contract
    frame_duration = fitting_frame_duration(contract, recording.sample_count / recording.samp_rate)
    geometry = contract.make_geometry(recording.samp_rate, frame_duration=frame_duration)
    messages, tagged = run_flowgraph(recording, session, frame_duration=frame_duration)
    bands = [band for message in messages for band in message.bands]

    make_folder(folder)
    write_annotations(folder, recording, bands)
    lines = [band_to_json(band, message.tag.frame) + "\n" for message in messages for band in message.bands]
    (folder / f"{recording.name}.bands.jsonl").write_text("".join(lines), encoding="utf-8")
    try:
        draw(folder / f"{recording.name}.png", recording, messages, geometry=geometry, contract=contract)
    except BackendUnavailableError as error:
        print(f"no picture: {error}", file=sys.stderr)

    groups = BandGroups(contract.classes)
    for message in messages:
        groups.add(list(message.bands), frame_index=message.tag.frame.index)
    return (
        f"{recording.name}: {len(messages)} frames of {geometry.frame_duration * 1e3:.4g} ms,"
        f" {len(bands)} bands found, {tagged} tagged on the samples\n"
        + (format_bands(groups.groups(), samp_rate=recording.samp_rate) if bands else "no bands found")
    )


def main() -> int:
    """Read the command line and segment; 2 on bad input."""
    parser = argparse.ArgumentParser(description="Segment a recording in a flowgraph.")
    parser.add_argument("recording", type=Path, help="a SigMF recording")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or file of a model (default: %(default)s)")
    options = parser.parse_args()
    try:
        print(segment(open_recording(options.recording), Session(options.model), options.out))
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
