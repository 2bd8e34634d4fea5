#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio here, inference on another host: the network runs where ``remote_inference_server.py`` was started.

A recording plays at the pace of a radio; see ``remote_inference.md``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pmt
from gnuradio import blocks, gr, rfseg
from gnuradio.rfseg.messages import event_from_pmt

from rfseg.errors import RfsegError
from rfseg.remote import RemoteSession
from rfseg.sigmf import Recording, open_recording

RECORDING = Path(__file__).parent / "data" / "demo.sigmf-meta"


class status_printer(gr.basic_block):
    """Prints what becomes of the frames, once a second and at the end."""

    def __init__(self, session: RemoteSession) -> None:
        gr.basic_block.__init__(self, name="status_printer", in_sig=None, out_sig=None)
        self._session = session
        self.message_port_register_in(pmt.intern(rfseg.keys.STATUS))
        self.set_msg_handler(pmt.intern(rfseg.keys.STATUS), self._on_status)

    def _on_status(self, message: pmt.pmt_base) -> None:
        source, event, fields = event_from_pmt(message)
        if (source, event) == ("segmenter", "progress"):
            counts = self._session.counts()
            print(
                f"{fields['frames']} frames: {fields['inferred']} inferred, {fields['failed']} lost,"
                f" {fields['dropped']} dropped; round trip {counts.round_trip * 1e3:.1f} ms,"
                f" {counts.inference * 1e3:.1f} ms of it inference",
                flush=True,
            )


class tag_counter(gr.sync_block):
    """Takes the tagged IQ and counts what arrives; a place for a demodulator."""

    def __init__(self) -> None:
        gr.sync_block.__init__(self, name="tag_counter", in_sig=[np.complex64], out_sig=None)
        self.samples = self.bands = 0

    def work(self, input_items: list, output_items: list) -> int:
        """Count samples and tags."""
        count = len(input_items[0])
        self.bands += len(self.get_tags_in_window(0, 0, count, pmt.intern(rfseg.keys.BAND_START)))
        self.samples += count
        return count


def receive(recording: Recording, session: RemoteSession, seconds: float) -> tag_counter:
    """Run the flowgraph; the block at its end."""
    top = gr.top_block("Remote inference")
    source = rfseg.recording_source(recording, is_paced=True, is_repeated=True)
    head = blocks.head(gr.sizeof_gr_complex, round(seconds * recording.samp_rate))
    segmenter = rfseg.rf_segmenter(recording.samp_rate, model=session)  # live: samples do not wait for the network
    sink, printer = tag_counter(), status_printer(session)
    top.connect(source, head, segmenter, sink)
    top.msg_connect(segmenter, rfseg.keys.STATUS, printer, rfseg.keys.STATUS)
    top.run()
    return sink


def main() -> int:
    """Read the command line and receive; 2 on bad input or where nobody answers."""
    parser = argparse.ArgumentParser(description="GNU Radio here, inference on another host.")
    parser.add_argument("address", nargs="?", default="tcp://127.0.0.1:5560", help="of the server (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to receive (default: %(default)s)")
    parser.add_argument("--dtype", default="float32", help="of the rows on the wire: float32 or int16")
    options = parser.parse_args()
    try:
        session = RemoteSession(options.address, timeout=0.5, dtype=options.dtype)
        print(f"model {session.contract.name} at {options.address}", flush=True)
        sink = receive(open_recording(RECORDING), session, options.seconds)
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{sink.samples} samples and {sink.bands} tagged bands came out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
