#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches the IQ that a base station and a terminal exchange by ZeroMQ, as srsRAN's radio driver ``zmq`` does it.

Stands between the two, in both directions, and changes no sample; see ``iq_sharing.md``.
"""

from __future__ import annotations

import argparse
import signal
import sys

import pmt
from gnuradio import gr, rfseg, zeromq
from gnuradio.rfseg.track_messages import track_event_from_pmt

from rfseg.errors import RfsegError
from rfseg.inference import DEFAULT_MODEL
from rfseg.tracking import EventKind

ITEM = gr.sizeof_gr_complex  # as both send it: complex float32


class tracks_printer(gr.basic_block):
    """Prints what comes and goes."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, name="tracks_printer", in_sig=None, out_sig=None)
        self.message_port_register_in(pmt.intern(rfseg.keys.TRACKS))
        self.set_msg_handler(pmt.intern(rfseg.keys.TRACKS), self._on_tracks)

    def _on_tracks(self, message: pmt.pmt_base) -> None:
        event = track_event_from_pmt(message)
        if event.kind is EventKind.UPDATE:
            return
        track, is_onset = event.track, event.kind is EventKind.ONSET
        sample = track.sample_start if is_onset else track.sample_start + track.sample_count
        edges = f"{track.freq_lower_edge / 1e6:8.2f} to {track.freq_upper_edge / 1e6:8.2f} MHz"
        what = "on" if is_onset else "off"
        print(f"{sample / track.samp_rate:8.3f} s  {track.label:<6} {edges}  {what}", flush=True)


class broker(gr.top_block):
    """Takes samples from each transmitter and gives them to the receiver on the other side.

    A receiver asks with one byte, a transmitter answers with as many samples as it likes: so do REQ Source and REP
    Sink of GNU Radio.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        gr.top_block.__init__(self, "IQ sharing")
        self.sources = [zeromq.req_source(ITEM, 1, address) for address in (options.downlink, options.uplink)]
        self.sinks = [zeromq.rep_sink(ITEM, 1, address) for address in (options.to_terminal, options.to_station)]
        for source, sink in zip(self.sources, self.sinks):
            self.connect(source, sink)
        self.segmenter = rfseg.rf_segmenter(
            options.samp_rate,
            center_freq=options.center_freq,
            model=options.model,
            mode="lossless" if options.lossless else "live",
        )
        self._printer = tracks_printer()
        self.connect(self.sources[0], self.segmenter)  # beside the way of the samples, not in it
        self.msg_connect(self.segmenter, rfseg.keys.TRACKS, self._printer, rfseg.keys.TRACKS)

    def end(self) -> None:
        """End the streams after what has come so far."""
        done = pmt.cons(pmt.intern("done"), pmt.from_long(1))  # what GNU Radio's blocks tell each other
        for source in self.sources:
            source.to_basic_block()._post(pmt.intern("system"), done)


def main() -> int:
    """Read the command line and watch until SIGINT or SIGTERM; 2 on bad input."""
    parser = argparse.ArgumentParser(description="Watch the IQ between a base station and a terminal.")
    ports = {
        "downlink": ("tcp://127.0.0.1:2000", "the base station's tx_port"),
        "to-terminal": ("tcp://127.0.0.1:2100", "the terminal's rx_port"),
        "uplink": ("tcp://127.0.0.1:2001", "the terminal's tx_port"),
        "to-station": ("tcp://127.0.0.1:2101", "the base station's rx_port"),
    }
    for name, (address, what) in ports.items():
        parser.add_argument(f"--{name}", default=address, help=f"{what} (default: %(default)s)")
    parser.add_argument("--samp-rate", type=float, default=30.72e6, help="base_srate of both, Hz (default: %(default)s)")
    parser.add_argument("--center-freq", type=float, help="what the base station means by 0 Hz, Hz")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or file of a model (default: %(default)s)")
    parser.add_argument("--lossless", action="store_true", help="the link waits until every frame is inferred")
    options = parser.parse_args()
    try:
        top = broker(options)
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:  # ZeroMQ's
        addresses = ", ".join((options.to_terminal, options.to_station))
        print(f"error: {addresses}: {error}; choose addresses that are free", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: top.end())
    top.start()
    print("ready", flush=True)
    top.wait()
    down, up = (sink.nitems_read(0) for sink in top.sinks)
    segmenter = top.segmenter
    print(f"{down} samples down, {up} up; {segmenter.inferred()} frames inferred, {segmenter.dropped()} dropped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
