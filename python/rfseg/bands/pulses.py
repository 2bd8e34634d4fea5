"""Edges, power and width of the pulses of a frame, all at once.

A noisy band shows a hundred pulses in a frame, each a few pixels: what is done, is done for the columns of all of them, laid
one after the other.  A *column* is a bin of a pulse's window, the mask's bins and three to either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..geometry import Geometry
from ..ranges import ranges, starts_of
from .pulsewidth import PULSE_SIDE, can_tell_widths, pulse_levels, widths_of_energy
from .regions import PulseBoxes

__all__ = ["HANN_NOISE_BANDWIDTH", "PulseMeasures", "PulseMeter"]

HANN_NOISE_BANDWIDTH = 1.5  # bins; equivalent noise bandwidth of a periodic hann window
_REACH = 3  # bins that power may move an edge of a pulse away from the mask's
_PULSE_DEPTH = 0.01  # a pulse extends to where its power is 20 dB below its peak
_NEAR_ROWS = 8  # free rows before and after a pulse that show what lies beneath it


@dataclass(frozen=True)
class PulseMeasures:
    """What power says of pulses, ``(n,)`` each; NaN where it is not known.

    Parameters
    ----------
    lower, upper : float
        Edges, bins: the outermost bins within 20 dB of a pulse's peak that stand out from what lies beneath it.
    power_dbfs, snr_db : float
        Mean power between them over the rows of the mask; the SNR is not known where no noise has been visible
        or the pulse does not rise above it.
    width : float
        s; not known where rows cannot tell it (:mod:`rfseg.bands.pulsewidth`) or the frame may cut the pulse.
    """

    lower: np.ndarray
    upper: np.ndarray
    power_dbfs: np.ndarray
    snr_db: np.ndarray
    width: np.ndarray


class PulseMeter:
    """Measures the pulses of one frame.

    Parameters
    ----------
    mean, peak : float32 ``(T, F)``
        Mean and strongest segment of each row, linear power.
    pulsed : bool ``(T, F)``
        Pixels of pulsed classes.
    valid : bool ``(T,)``
        Rows that hold samples.
    noise : float ``(F,)`` or None
        Noise power of each bin, linear.
    """

    def __init__(
        self,
        mean: np.ndarray,
        peak: np.ndarray,
        pulsed: np.ndarray,
        valid: np.ndarray,
        *,
        noise: np.ndarray | None,
        geometry: Geometry,
    ) -> None:
        self._mean, self._peak, self._pulsed, self._valid = mean, peak, pulsed, valid
        self._noise, self._geometry = noise, geometry

    def measure(self, boxes: PulseBoxes) -> PulseMeasures:
        """Edges, power and widths of all of them."""
        if not boxes.count:
            return PulseMeasures(*np.zeros((5, 0)))
        columns = _Columns(boxes, self._mean.shape[1])
        near, counts = self._near(boxes.row_starts)
        places = (near * self._peak.shape[1]).take(columns.owners, axis=0)  # (k, 16)
        places += columns.bins[:, None]
        beneath = _median(self._peak.reshape(-1).take(places), counts[columns.owners])
        lower, upper = self._edges(boxes, columns, beneath)
        power, snr = self._power(boxes, columns, lower, upper)
        width = self._widths(boxes, columns, beneath, near, counts)
        return PulseMeasures(lower.astype(np.float64), upper.astype(np.float64), power, snr, width)

    def _edges(self, boxes: PulseBoxes, columns: _Columns, beneath: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The strongest segment of each row is compared with the median of the nearest rows without pulses."""
        excess = columns.over_rows(np.maximum, self._peak, boxes.row_starts, boxes.row_stops) - beneath
        peak = np.maximum.reduceat(excess, columns.starts)
        on = (excess >= (_PULSE_DEPTH * peak)[columns.owners]) & (excess >= beneath)
        first = np.minimum.reduceat(np.where(on, columns.bins, self._mean.shape[1]), columns.starts)
        last = np.maximum.reduceat(np.where(on, columns.bins, -1), columns.starts)
        is_seen = (peak > 0) & (last >= 0)
        return np.where(is_seen, first, boxes.bin_starts), np.where(is_seen, last + 1, boxes.bin_stops)

    def _power(
        self, boxes: PulseBoxes, columns: _Columns, lower: np.ndarray, upper: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        sums = columns.over_rows(np.add, self._mean, boxes.row_starts, boxes.row_stops)
        profile = sums / (boxes.row_stops - boxes.row_starts).astype(np.float32)[columns.owners]
        inside = (columns.bins >= lower[columns.owners]) & (columns.bins < upper[columns.owners])
        total = np.add.reduceat(inside * profile, columns.starts, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            power_dbfs = 10.0 * np.log10(total / HANN_NOISE_BANDWIDTH)
            if self._noise is None:
                return power_dbfs, np.full(total.size, np.nan)
            noise = np.add.reduceat(inside * self._noise[columns.bins], columns.starts)
            return power_dbfs, np.where(total > noise, 10.0 * np.log10(total / noise - 1.0), np.nan)

    def _widths(
        self, boxes: PulseBoxes, columns: _Columns, beneath: np.ndarray, near: np.ndarray, counts: np.ndarray
    ) -> np.ndarray:
        widths = np.full(boxes.count, np.nan)
        if not can_tell_widths(self._geometry):
            return widths
        first, stop = self._own_rows(boxes, columns)
        excess = columns.over_rows(np.maximum, self._peak, first, stop) - beneath
        levels, places = pulse_levels(excess, beneath, columns.starts)
        is_whole = (boxes.row_starts > 0) & (boxes.row_stops < np.count_nonzero(self._valid))
        told = np.flatnonzero(is_whole & np.isfinite(levels) & (counts > 0))
        if not told.size:
            return widths
        bins = columns.bins[places[told]][:, None] + np.arange(-PULSE_SIDE, PULSE_SIDE + 1)  # (m, b)
        under = _median(_pixels(self._mean, near[told][:, None, :], bins[:, :, None]), counts[told][:, None])  # (m, b)
        owners, rows = ranges(first[told], stop[told])
        above = (_pixels(self._mean, rows[:, None], bins[owners]) - under[owners]).sum(axis=1, dtype=np.float64)
        widths[told] = widths_of_energy(
            np.add.reduceat(above, starts_of((stop - first)[told])),
            levels[told],
            noise=under.mean(axis=1, dtype=np.float64),
            rows=(boxes.row_stops - boxes.row_starts)[told],
            geometry=self._geometry,
        )
        return widths

    def _own_rows(self, boxes: PulseBoxes, columns: _Columns) -> tuple[np.ndarray, np.ndarray]:
        """Rows of each pulse and one before and after, where that is free: a pulse may reach over the mask's rows."""
        last = len(self._mean) - 1
        before, after = np.maximum(boxes.row_starts - 1, 0), np.minimum(boxes.row_stops, last)
        is_free = [
            ~np.logical_or.reduceat(_pixels(self._pulsed, rows[columns.owners], columns.bins), columns.starts)
            for rows in (before, after)
        ]
        return np.where(is_free[0], before, boxes.row_starts), np.where(is_free[1], after + 1, boxes.row_stops)

    def _near(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest rows in which no pulse is, ``(n, 16)``, those that there are before the others; how many there are."""
        free = self._free_rows
        if not free.size:
            return np.zeros((rows.size, 1), np.int64), np.zeros(rows.size, np.int64)
        at = np.searchsorted(free, rows)
        first, stop = np.maximum(at - _NEAR_ROWS, 0), np.minimum(at + _NEAR_ROWS, free.size)
        places = first[:, None] + np.arange(2 * _NEAR_ROWS)
        return free[np.minimum(places, free.size - 1)], stop - first

    @cached_property
    def _free_rows(self) -> np.ndarray:
        """Valid rows in which no pulse is."""
        return np.flatnonzero(~self._pulsed.any(axis=1) & self._valid)


class _Columns:
    """Columns of all boxes.

    ``owners`` and ``bins``, int ``(k,)``, say of each column whose it is and where; ``starts``, int ``(n,)``, where those
    of each box begin.
    """

    def __init__(self, boxes: PulseBoxes, bins: int) -> None:
        left, right = np.maximum(boxes.bin_starts - _REACH, 0), np.minimum(boxes.bin_stops + _REACH, bins)
        self.owners, self.bins = ranges(left, right)
        self.starts = starts_of(right - left)

    def over_rows(self, reduction: np.ufunc, values: np.ndarray, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Each column reduced over rows ``first`` to ``stop`` of its box, ``(k,)``."""
        first, stop = first[self.owners], stop[self.owners]
        owners, rows = ranges(first, stop)
        return reduction.reduceat(_pixels(values, rows, self.bins[owners]), starts_of(stop - first))


def _pixels(values: np.ndarray, rows: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """``values[rows, bins]``, in a fraction of the time."""
    return values.reshape(-1).take(rows * values.shape[1] + bins)


def _median(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Medians of the first ``counts`` of the last axis, 0 where there are none; the values are sorted in their place."""
    width = values.shape[-1]
    if counts.min() < width:
        values = np.where(np.arange(width) < counts[..., None], values, np.inf)
    values.sort(axis=-1)
    counts = np.broadcast_to(counts, values.shape[:-1]).reshape(-1)
    firsts = np.arange(0, values.size, width)
    lower = values.reshape(-1).take(firsts + np.maximum(counts - 1, 0) // 2)
    upper = values.reshape(-1).take(firsts + np.minimum(counts // 2, width - 1))
    medians = np.where(counts > 0, values.dtype.type(0.5) * (lower + upper), values.dtype.type(0))
    return medians.reshape(values.shape[:-1])
