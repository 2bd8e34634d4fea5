"""What rows alone tell of pulses: in which row each lies, and by mean and maximum how long it is.

A row covers 78 us in a frame of 20 ms.  A pulse may lie anywhere in it, so its time is off by up to half a row, and intervals
that differ by less look equal; the samples tell more (:mod:`rfseg.tracking.pulses`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import GeometryError
from ..geometry import Geometry, Reduction

__all__ = ["RowPulses", "pulses_in_rows"]

_RISE = 2.5  # power over the median row's; noise alone does this in one row of some thousands


@dataclass(frozen=True)
class RowPulses:
    """Pulses as rows show them; arrays of one length.

    Parameters
    ----------
    times : float64 (n,)
        Their middles, s from the start of the frame; half a row off at most.
    widths : float64 (n,)
        Of pulses without a chirp or code, s; what is shorter than a third of the FFT's window looks that long.  Of a
        chirp it is the time that each bin lasts: the maxima of its bins are from different segments.
    """

    times: np.ndarray
    widths: np.ndarray


def pulses_in_rows(rows: np.ndarray, geometry: Geometry, *, bins: tuple[int, int]) -> RowPulses:
    """Pulses of a band in the rows of a frame.

    A segment in the middle of a pulse has its full power, and the mean over the row's segments has that power times
    the pulse's share of the row: their ratio is the width.  A pulse that reaches over the end of a row counts once.

    Parameters
    ----------
    rows : float32 ``(C, T, F)``
        dBFS, mean and maximum among the reductions.
    bins : (int, int)
        Of the band, half-open.

    Raises
    ------
    GeometryError
        If the rows are not of this geometry, lack a reduction, or the bins are none.
    """
    if rows.ndim != 3 or rows.shape[0] != geometry.channels or rows.shape[2] != geometry.bins:
        raise GeometryError(f"rows have shape {rows.shape}, expected ({geometry.channels}, T, {geometry.bins})")
    if not {Reduction.MEAN, Reduction.MAX} <= set(geometry.reductions):
        raise GeometryError(f"reductions {[r.value for r in geometry.reductions]} lack mean or max; both are needed")
    if not 0 <= bins[0] < bins[1] <= geometry.bins:
        raise GeometryError(f"bins={bins} are none of {geometry.bins}; give the first and the one after the last")
    mean, peak = (
        10.0 ** (rows[geometry.reductions.index(r), :, slice(*bins)].astype(np.float64) / 10)
        for r in (Reduction.MEAN, Reduction.MAX)
    )
    strongest = peak.max(axis=1)
    on = strongest > _RISE * np.median(strongest)
    edges = np.flatnonzero(np.diff(on.astype(np.int8), prepend=0, append=0))
    runs = list(zip(edges[::2], edges[1::2]))
    excess = (mean - np.median(mean, axis=0)).sum(axis=1)
    widths = [max(0.0, float(excess[a:b].sum())) / _level(peak[a:b]) * geometry.row_duration for a, b in runs]
    middles = [
        float(np.average(np.arange(a, b) + 0.5, weights=np.maximum(excess[a:b], 1e-30))) * geometry.row_duration
        for a, b in runs
    ]
    return RowPulses(np.array(middles), np.array(widths))


def _level(peak: np.ndarray) -> float:
    """Power of a pulse in all its bins: of the row in which it is strongest."""
    return float(peak[int(peak.max(axis=1).argmax())].sum())
