#!/usr/bin/env python3
"""How fast a band of 20 MHz is extracted from 61.44 MS/s to 30.72 MS/s, by the library and by Band Extractor.

    OMP_NUM_THREADS=1 .venv/bin/python tests/bench/extraction.py [--seconds 1.0]

Rates are samples of the input per second of processor time of the whole process (source and copy included), and per second of the clock; on a
machine that does other things as well the former tells what one core can do.  The block's thread is measured by itself too.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pmt
from gnuradio import blocks, gr, rfseg
from gnuradio.rfseg.extractor_core import extractor_core
from gnuradio.rfseg.messages import band_to_pmt

from rfseg.bands import Band
from rfseg.extraction import BandExtractor, BandFollower, BandStart

SAMP_RATE, OUT_RATE = 61.44e6, 30.72e6  # Hz
FRAME = 1_228_800  # samples; a band of each track in every frame


def band(start: int, number: int, middle: float, width: float) -> Band:
    """A band of one frame, Hz."""
    return Band(
        label="LTE", class_id=1, confidence=0.9, freq_lower_edge=middle - width / 2, freq_upper_edge=middle + width / 2,
        freq_reference="baseband", sample_start=start, sample_count=FRAME, track=number, id=start + number,
    )  # fmt: skip


def bands(count: int, tracks: int) -> list[Band]:
    """Bands of all frames."""
    middles = np.linspace(-18e6, 18e6, tracks) if tracks > 1 else [8e6]
    return [band(s, n, float(m), 18e6) for s in range(0, count, FRAME) for n, m in enumerate(middles)]


def library(kind: type, iq: np.ndarray, count: int, tracks: int) -> None:
    """Pieces as the scheduler gives them."""
    extractor, waiting = kind(SAMP_RATE, OUT_RATE), bands(count, tracks)
    for begin in range(0, count, 32_768):
        taken = [BandStart(b.sample_start, b) for b in waiting if b.sample_start < begin + 32_768]
        waiting = waiting[len(taken) :]
        extractor.step(iq[:32_768], taken)
    extractor.finish()


def flowgraph(output: str, iq: np.ndarray, count: int) -> None:
    """A frame over and over with the tag of its band, and what takes the result."""
    tag = gr.tag_t()
    tag.offset, tag.key, tag.value = 0, pmt.intern("band_start"), band_to_pmt(bands(FRAME, 1)[0])
    source = blocks.vector_source_c(iq[:FRAME].tolist(), repeat=True, tags=[tag])
    head = blocks.head(gr.sizeof_gr_complex, count)
    extractor, top = rfseg.band_extractor(SAMP_RATE, OUT_RATE, output=output), gr.top_block()
    top.connect(source, head, extractor)
    if output == "stream":
        sink = blocks.null_sink(gr.sizeof_gr_complex)
        top.connect(extractor, sink)
    clock, used, own = time.perf_counter(), time.process_time(), watch_thread()
    top.run()
    passed = time.perf_counter() - clock
    report(f"Band Extractor, {output}", count, time.process_time() - used, passed)
    report(f"Band Extractor, {output}: its thread alone", count, own[0], passed)


def watch_thread() -> list[float]:
    """Processor time that calls of Band Extractor will have taken, s."""
    total, work = [0.0], extractor_core.general_work

    def timed(self: extractor_core, *items: list) -> int:
        begin = time.thread_time()
        try:
            return work(self, *items)
        finally:
            total[0] += time.thread_time() - begin

    extractor_core.general_work = timed
    return total


def report(what: str, count: int, used: float, passed: float) -> None:
    """One line."""
    print(f"{what:44s} {count / used / 1e6:7.1f} MS/s of a core {count / passed / 1e6:7.1f} MS/s by the clock")


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(description="Throughput of band extraction.")
    parser.add_argument("--seconds", type=float, default=0.5, help="of samples (default: %(default)s)")
    count = int(parser.parse_args().seconds * SAMP_RATE)
    iq = np.random.default_rng(1).standard_normal((count, 2)).astype(np.float32).view(np.complex64)[:, 0]
    for tracks in (1, 3):
        for kind in (BandFollower, BandExtractor):
            clock, used = time.perf_counter(), time.process_time()
            library(kind, iq, count, tracks)
            report(f"{kind.__name__}, {tracks} band(s)", count, time.process_time() - used, time.perf_counter() - clock)
    for output in ("stream", "pdus"):
        flowgraph(output, iq, count)


if __name__ == "__main__":
    main()
