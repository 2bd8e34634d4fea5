# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole chain, measured: as fast as it goes without losing a frame, and live behind the clock of a radio."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping

import numpy as np
from gnuradio import gr
from rfseg.bench.scene import make_scene
from rfseg.bench.spread import latencies, spread
from rfseg.bench.usage import ThreadTimes, memory_mib
from rfseg.errors import OptionError

from ..band_tagger import ITEM_SIZES
from ..rf_segmenter import rf_segmenter
from ..rfseg_python import keys
from ..spectrogram_sink import frame_geometry
from .ends import frame_log, scene_source, tag_log

__all__ = ["Setup", "live_figures", "measure_live", "measure_lossless", "wait_for_frames", "watch"]

_PATIENCE = 120.0  # s that the first frames may take
_LOOK = 10e-3  # s
_WARM_UP_FRAMES = 3
_MEMORY_INTERVAL = 1.0  # s
_RADIO_BUFFER = 50e-3  # s; a source that is held up for longer would have lost samples
_SCENE_FRAMES = 2
_WAITING_PIECES = 25
_PIECE = 2e-3  # s of samples that are looked through for tags at once
_SHARED = "bench"  # name of the network that several channels share
_FINAL_BANDS = 2.0  # s that the bands of the last frames may take


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A chain, or several of one kind side by side, with one network.

    ``options`` are further arguments of RF Segmenter; one that it does not have is refused.  ``has_radar``: whether the
    scene has pulses.
    """

    model: str
    samp_rate: float
    frame_duration: float
    threads: int = 1
    item_type: str = "complex64"
    channels: int = 1
    has_radar: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.options) - set(inspect.signature(rf_segmenter.__init__).parameters)
        if unknown:
            raise OptionError(f"RF Segmenter has no argument {', '.join(sorted(unknown))}; leave it out")


class _Lane:
    """One chain, its source, and what watches it."""

    def __init__(self, top: gr.top_block, setup: Setup, scene: np.ndarray, *, mode: str) -> None:
        self.geometry = frame_geometry(setup.samp_rate, model=setup.model, frame_duration=setup.frame_duration)
        self.source = scene_source(scene, setup.samp_rate, is_paced=mode == "live")
        self.chain = rf_segmenter(
            setup.samp_rate,
            model=setup.model,
            frame_duration=setup.frame_duration,
            mode=mode,
            item_type=setup.item_type,
            threads=setup.threads,
            share=_SHARED if setup.channels > 1 else "",
            **setup.options,
        )
        piece = round(setup.samp_rate * _PIECE)
        self.frames, self.tags = frame_log(), tag_log(ITEM_SIZES[setup.item_type], piece, self.geometry.frame_samples)
        self.chain.set_min_output_buffer(0, _WAITING_PIECES * piece)  # while other threads have the interpreter
        top.connect(self.source, self.chain, self.tags)
        top.msg_connect(self.chain, keys.BANDS, self.frames, "in")

    def counts(self) -> dict[str, int]:
        """What became of the frames so far."""
        chain = self.chain
        return {
            "frames": chain.frames(),
            "inferred": chain.inferred(),
            "skipped": chain.skipped(),
            "dropped": chain.dropped(),
            "failed": chain.failed(),
            "bands": chain.bands(),
            "late": chain.late_bands(),
        }


def measure_lossless(*, seconds: float, repeats: int, **setup: Any) -> dict[str, Any]:
    """MS/s, of all channels together, in ``repeats`` windows of so many seconds; processor time by thread."""
    top, lanes = _make(Setup(**setup), mode="lossless")
    top.start()
    try:
        wait_for_frames(lanes)
        judged = max(map(_inferred, lanes))
        used, begin = ThreadTimes(), time.monotonic()
        list(watch(seconds * repeats))
        wait_for_frames(lanes, judged + 1)  # on a busy machine it may take longer than asked for
        end, threads = time.monotonic(), used.seconds()
    finally:
        _end(top, lanes)
    geometry = lanes[0].geometry
    rates = _rates([list(lane.frames.seen) for lane in lanes], begin, (end - begin) / repeats, repeats, geometry.frame_samples)
    return {
        "rate": spread(rates),
        "frame_duration": geometry.frame_duration,
        "bins": geometry.bins,
        "cores": _cores(threads, end - begin),
        "memory": memory_mib(),
    }


def measure_live(*, seconds: float, **setup: Any) -> dict[str, Any]:
    """A run behind the clock: frames, latencies, the source's lag, processor time, memory."""
    top, lanes = _make(Setup(**setup), mode="live")
    top.start()
    try:
        wait_for_frames(lanes)
        judged = max(map(_inferred, lanes))
        before = [lane.counts() for lane in lanes]
        marks = [(len(lane.source.lags), lane.source.nitems_written(0)) for lane in lanes]
        used, begin = ThreadTimes(), time.monotonic()
        memory = [memory_mib().get("now", 0.0) for _ in watch(seconds)]
        wait_for_frames(lanes, judged + 1)  # on a busy machine it may take longer than asked for
        elapsed, threads = time.monotonic() - begin, used.seconds()
        after = [lane.counts() for lane in lanes]
        ends = [(len(lane.source.lags), lane.source.nitems_written(0)) for lane in lanes]
        list(watch(min(_FINAL_BANDS, seconds)))  # what is still on its way belongs to the latencies
    finally:
        _end(top, lanes)
    counts = {name: sum(b[name] - a[name] for a, b in zip(before, after)) for name in before[0]}
    return {
        **live_figures(lanes, marks, ends),
        **counts,
        "seconds": elapsed,
        "channels": len(lanes),
        "frame_duration": lanes[0].geometry.frame_duration,
        "bins": lanes[0].geometry.bins,
        "cores": _cores(threads, elapsed),
        "memory": {**memory_mib(), "first": memory[len(memory) // 10], "last": memory[-1]},
    }


def live_figures(lanes: list[Any], marks: list[tuple[int, int]], ends: list[tuple[int, int]]) -> dict[str, Any]:
    """Latency from the last sample of a frame to its message and its first tag, and the source's lag."""
    to_message: list[float] = []
    to_tag: list[float] = []
    lags: list[float] = []
    for lane, (first_lag, first), (last_lag, last) in zip(lanes, marks, ends):
        inferred = {end: seen for end, state, seen in lane.frames.seen if state == "inferred" and first < end <= last}
        to_message += [seen - lane.source.time_of(end) for end, seen in inferred.items()]
        to_tag += [seen - lane.source.time_of(end) for end, seen in lane.tags.seen if end in inferred]
        lags += lane.source.lags[first_lag:last_lag]
    return {
        "to_message": latencies(to_message),
        "to_tag": latencies(to_tag),
        "lag": latencies(lags),
        "overruns": sum(now > _RADIO_BUFFER >= before for before, now in zip([0.0, *lags], lags)),
    }


def watch(seconds: float) -> Iterator[None]:
    """Comes back once a second, and at the end of so many seconds."""
    end = time.monotonic() + seconds
    yield
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _MEMORY_INTERVAL))  # the length of what is measured, nothing waits for it
        yield


def wait_for_frames(lanes: list[Any], frames: int = _WARM_UP_FRAMES) -> None:
    """Until each lane has had so many frames inferred, and its paced source has begun.

    Raises
    ------
    OptionError
        If that takes more than two minutes.
    """
    deadline = time.monotonic() + _PATIENCE
    while any(_inferred(lane) < frames or not lane.source.has_begun for lane in lanes):
        if time.monotonic() > deadline:
            raise OptionError(
                f"no {frames} frames were inferred within {_PATIENCE:g} s; measure on a machine with less other work, or"
                " a lower --samp-rate"
            )
        time.sleep(_LOOK)


def _inferred(lane: Any) -> int:
    return sum(state == "inferred" for _, state, _ in lane.frames.seen)


def _make(setup: Setup, *, mode: str) -> tuple[gr.top_block, list[_Lane]]:
    geometry = frame_geometry(setup.samp_rate, model=setup.model, frame_duration=setup.frame_duration)
    count = _SCENE_FRAMES * geometry.frame_samples
    scene = make_scene(setup.samp_rate, count, item_type=setup.item_type, has_radar=setup.has_radar)
    top = gr.top_block()
    return top, [_Lane(top, setup, scene, mode=mode) for _ in range(setup.channels)]


def _end(top: gr.top_block, lanes: list[Any]) -> None:
    for lane in lanes:
        lane.source.end()
    top.stop()
    top.wait()


def _rates(
    seen: list[list[tuple[int, str, float]]], begin: float, length: float, windows: int, frame_samples: int
) -> list[float]:
    """MS/s in each window, from one message to another, so that no frame is counted in part."""
    rates = []
    for number in range(windows):
        first, last = begin + number * length, begin + (number + 1) * length
        total = 0.0
        for channel in seen:
            times = [time for _, state, time in channel if state == "inferred" and time <= last]
            inside = [time for time in times if time > first]
            start = max([time for time in times if time <= first], default=first)
            if inside:
                total += len(inside) / (inside[-1] - start)
        rates.append(total * frame_samples / 1e6)
    return rates


def _cores(threads: Mapping[str, float], elapsed: float) -> dict[str, float]:
    """Share of a core by thread; below a thousandth it is left out."""
    return {name: round(spent / elapsed, 4) for name, spent in threads.items() if spent > 1e-3 * elapsed}
