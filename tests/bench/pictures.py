"""What a published picture costs before its network: the blocks' kernel beside that of rows, and NumPy's specification.

One thread, processor time, noise; MS/s at 61.44 MS/s and 256 x 256 pixels.  Cases take turns, the least time of each counts::

    python tests/bench/pictures.py
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from gnuradio.rfseg import rfseg_python
from rfseg.geometry import Geometry, Reduction, make_geometry
from rfseg.published import picture_rows
from rfseg.published_geometry import Extremes, PictureGeometry, make_picture_geometry

SAMP_RATE = 61.44e6  # Hz
DURATIONS = (40e-3, 2.857e-3)  # s; of the published sets
ROUNDS = 7
PIECE = 1 << 16  # samples


def kernel_seconds(geometry: Geometry, iq: np.ndarray, **picture: object) -> float:
    """Processor time of one frame."""
    framer = rfseg_python.framer(
        samp_rate=SAMP_RATE,
        fft_size=geometry.fft_size,
        hop=geometry.hop,
        segments_per_row=geometry.segments_per_row,
        rows=geometry.rows,
        reductions=[reduction.value for reduction in geometry.reductions],
        item_type="complex64",
        center_freq=None,
        **picture,
    )
    begin = time.thread_time()
    for at in range(0, len(iq), PIECE):
        framer.feed(iq[at : at + PIECE])
    return (time.thread_time() - begin) * geometry.frame_samples / len(iq)


def specification_seconds(geometry: PictureGeometry, iq: np.ndarray, extremes: Extremes) -> float:
    """The same of the library."""
    begin = time.thread_time()
    picture_rows(iq[: geometry.frame_samples], geometry, extremes=extremes)
    return time.thread_time() - begin


def main() -> None:
    """Print the table."""
    iq = np.random.default_rng(0).standard_normal((2 * int(SAMP_RATE * max(DURATIONS)), 2), np.float32)
    iq = (0.1 * iq).view(np.complex64)[:, 0]
    rows = replace(make_geometry(SAMP_RATE), reductions=(Reduction.MEAN, Reduction.MAX))
    least: dict[tuple, float] = {}

    def note(key: tuple, seconds: float) -> None:
        least[key] = min(least.get(key, np.inf), seconds)

    for _ in range(ROUNDS):
        note(("rows", rows.frame_duration, "kernel"), kernel_seconds(rows, iq))
        for duration in DURATIONS:
            geometry = make_picture_geometry(256, SAMP_RATE, frame_duration=duration)
            for extremes in Extremes:
                picture = {"row_span": geometry.row_span, "extremes": extremes.value}
                note((extremes.value, duration, "kernel"), kernel_seconds(geometry, iq, **picture))
                note((extremes.value, duration, "NumPy"), specification_seconds(geometry, iq, extremes))
    for (what, duration, how), seconds in least.items():
        rate = SAMP_RATE * duration / seconds / 1e6
        print(f"{what:>9} {1e3 * duration:7.3f} ms {how:>6}: {1e3 * seconds:8.3f} ms a frame, {rate:7.1f} MS/s")


if __name__ == "__main__":
    main()
