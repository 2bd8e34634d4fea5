# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the spectrogram goes: the block, GNU Radio's own chain, and the bound of one core, in turns."""

from __future__ import annotations

import time
from typing import Any, Callable, Sequence

from gnuradio import blocks, fft, gr
from gnuradio.fft import window
from rfseg.bench.bound import SpectrogramBound
from rfseg.bench.scene import ITEM_DTYPES, make_scene
from rfseg.bench.spread import in_turns, ratio, spread
from rfseg.bench.usage import ThreadTimes
from rfseg.errors import SourceError
from rfseg.geometry import ROWS, Reduction, make_geometry

from .. import rfseg_python
from .ends import scene_source

__all__ = ["measure_spectrogram"]

_DEFAULT = make_geometry(61.44e6)  # what others are scaled from: bins of 240 kHz, hop, and segments in a row
_LEAST_SAMPLES = 4 << 20  # of a measurement: more than the buffers hold
_PATIENCE = 60.0  # s
_LOOK = 1e-3  # s
_ENDS = ("scene_source", "null_sink")  # first letters of the threads that are no part of what is measured


def measure_spectrogram(
    *, bins: Sequence[int], item_types: Sequence[str], repeats: int, window: float
) -> dict[str, Any]:
    """MS/s of each, as a spread over the rounds, and the ratios of one round."""
    return {
        "rows": [
            _measure_case(size, item_type, repeats=repeats, seconds=window) for size in bins for item_type in item_types
        ]
    }


def _measure_case(bins: int, item_type: str, *, repeats: int, seconds: float) -> dict[str, Any]:
    scene = make_scene(bins * _DEFAULT.bin_width, 1 << 20, item_type=item_type)
    hop = round(bins * _DEFAULT.hop / _DEFAULT.bins)
    measures: dict[str, Callable[[], dict[str, float]]] = {
        "block": lambda: _run(_block_flowgraph(scene, bins, bins, item_type), seconds),
        "block_overlapped": lambda: _run(_block_flowgraph(scene, bins, hop, item_type), seconds),
        "gnuradio": lambda: _run(_gnuradio_flowgraph(scene, bins, item_type), seconds),
    }
    bounds = {"bound": SpectrogramBound(bins, bins), "bound_overlapped": SpectrogramBound(bins, hop)}
    for name, bound in bounds.items():
        measures[name] = lambda bound=bound: {"core": bound.measure(seconds) / 1e6}
    found = in_turns(measures, repeats)
    rates = {kind: {n: [one[kind] for one in found[n]] for n in found if kind in found[n][0]} for kind in ("wall", "core")}
    core = rates["core"]
    return {
        "bins": bins,
        "hop": hop,
        "item_type": item_type,
        "wall": {name: spread(values) for name, values in rates["wall"].items()},
        "core": {name: spread(values) for name, values in core.items()},
        "ratios": {
            "block_to_gnuradio_wall": ratio(rates["wall"]["block"], rates["wall"]["gnuradio"]),
            "block_to_gnuradio_core": ratio(core["block"], core["gnuradio"]),
            "block_to_bound": ratio(core["block"], core["bound"]),
            "overlapped_to_bound": ratio(core["block_overlapped"], core["bound_overlapped"]),
        },
        "bound_means": bounds["bound"].means,
    }


def _run(flowgraph: tuple[gr.top_block, scene_source, gr.basic_block], seconds: float) -> dict[str, float]:
    """MS/s by the clock, and MS/s of one core's time, ends not counted."""
    top, source, counter = flowgraph
    top.start()
    try:
        _wait(lambda: source.has_begun and counter.nitems_read(0) > 0)
        used, before, begin = ThreadTimes(), counter.nitems_read(0), time.perf_counter()
        time.sleep(seconds)  # the length of what is measured
        _wait(lambda: counter.nitems_read(0) - before >= _LEAST_SAMPLES)
        count, elapsed, threads = counter.nitems_read(0) - before, time.perf_counter() - begin, used.seconds()
    finally:
        source.end()
        top.stop()
        top.wait()
    spent = sum(time for name, time in threads.items() if not name.startswith((*_ENDS, "python", "MainThread")))
    return {"wall": count / elapsed / 1e6, "core": count / spent / 1e6}


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SourceError(f"the spectrogram made no progress within {_PATIENCE:g} s; measure on a machine with less other work")
        time.sleep(_LOOK)


def _block_flowgraph(scene: Any, bins: int, hop: int, item_type: str) -> tuple[gr.top_block, scene_source, gr.basic_block]:
    top = gr.top_block()
    source = scene_source(scene, _DEFAULT.samp_rate, is_paced=False)
    block = rfseg_python.spectrogram_sink(
        samp_rate=bins * _DEFAULT.bin_width,
        fft_size=bins,
        hop=hop,
        segments_per_row=round(_DEFAULT.row_samples * bins / _DEFAULT.bins / hop),
        rows=ROWS,
        reductions=[Reduction.MEAN.value, Reduction.MAX.value],
        item_type=item_type,
        center_freq=None,
        lossless=True,
        settling=0.0,
    )
    top.connect(source, block, blocks.null_sink(2 * bins * gr.sizeof_float))
    return top, source, block


def _gnuradio_flowgraph(scene: Any, bins: int, item_type: str) -> tuple[gr.top_block, scene_source, gr.basic_block]:
    """A row for each ``bins`` samples: what a waterfall in GNU Radio Companion is built of."""
    top = gr.top_block()
    source = scene_source(scene, _DEFAULT.samp_rate, is_paced=False)
    to_vector = blocks.stream_to_vector(gr.sizeof_gr_complex, bins)
    chain: list[Any] = [source]
    if item_type != "complex64":
        full_scale = float(2 ** (8 * ITEM_DTYPES[item_type]().itemsize - 1))
        kinds = {"int16": blocks.interleaved_short_to_complex, "int8": blocks.interleaved_char_to_complex}
        chain.append(kinds[item_type](vector_input=True, scale_factor=full_scale))
    chain += [
        to_vector,
        fft.fft_vcc(bins, True, window.hann(bins), True, 1),
        blocks.complex_to_mag_squared(bins),
        blocks.nlog10_ff(10, bins, 0),
        blocks.null_sink(bins * gr.sizeof_float),
    ]
    top.connect(*chain)
    return top, source, to_vector
