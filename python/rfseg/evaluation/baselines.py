"""What can be had without learning: an energy detector that names what it finds by width and duration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Sequence

import numpy as np
from scipy import ndimage

from ..contract import ClassKind, SignalClass
from ..geometry import Geometry, Reduction

__all__ = ["EnergyDetector", "noise_floor"]

# Transmission bandwidths, Hz.  TS 36.104 table 5.6-1: resource blocks times 180 kHz, and the DC subcarrier.
_LTE_WIDTHS = tuple(180e3 * blocks + 15e3 for blocks in (6, 15, 25, 50, 75, 100))
# TS 38.104 table 5.3.2-1: resource blocks by subcarrier spacing in kHz.
_NR_BLOCKS = {
    15: (25, 52, 79, 106, 133, 160, 188, 216, 242, 270),
    30: (11, 24, 38, 51, 65, 78, 92, 106, 119, 133, 162, 189, 217, 245, 273),
    60: (11, 18, 24, 31, 38, 44, 51, 58, 65, 79, 93, 107, 121, 135),
}
_NR_WIDTHS = tuple(12e3 * spacing * blocks for spacing, table in _NR_BLOCKS.items() for blocks in table)
_EFFECTIVE_SEGMENTS = 0.8  # independent segments for each of a row, which overlap by half
_AVERAGED_S = 0.5e-3
_RIM_SHARE = 0.06  # of the bins at each end, where a receiver filters noise away
_LEVEL_PERCENTILE = 75  # of the bins of a component: the level of its strongest carrier
_FIRST_SHARE = 0.1  # of the pixels, from which the floor grows


def noise_floor(power: np.ndarray, factor: float) -> float:
    """Noise power by forward consecutive mean excision.

    The weakest tenth is noise; what is weaker than ``factor`` times the mean of the noise joins it, until nothing does
    (Lehtomäki, Vartiainen, Juntti, Saarnisaari, "CFAR outlier detection with forward methods", 2007).

    Parameters
    ----------
    power : float, any shape
        Linear.

    Examples
    --------
    >>> noise_floor(np.array([1.0] * 6 + [1.2, 8.0, 9.0]), factor=1.5)
    1.0285714285714287
    """
    ordered = np.sort(power, axis=None)
    total = np.cumsum(ordered)
    count = max(1, int(_FIRST_SHARE * ordered.size))
    while True:
        mean = total[count - 1] / count
        grown = max(count, int(np.searchsorted(ordered, factor * mean, side="right")))
        if grown == count:
            return float(mean)
        count = grown


@dataclass(frozen=True, kw_only=True)
class EnergyDetector:
    """Adaptive noise floor, threshold, connected components; a rule for the name.

    Carriers: rows averaged over half a millisecond, compared with one floor for the whole frame; what is left after
    closing gaps and is wide and long enough is a carrier.  Its name is that of the standard whose nearest transmission
    bandwidth is nearer to its own.  Pulses: pixels of the maximum channel that stand out from the median of their bin
    over the frame, in components that are short.

    Parameters
    ----------
    sigmas : float
        Of the averaged noise, between floor and threshold.
    min_step_db : float
        Between floor and threshold at least; receivers are not flat.
    min_width, min_duration : float
        Of a carrier, Hz and s.
    max_gap : float
        In time that does not divide a carrier, s.
    flatness_db : float
        Of a carrier, from its level down; what is further below is another one.
    false_pixels : float
        Probability that noise alone makes a pixel reach the threshold of a pulse without its margin.
    pulse_step_db : float
        Margin of that threshold, for carriers are burstier than noise.
    pulse_duration : float
        Of the longest pulse, s.
    """

    sigmas: float = 4.0
    min_step_db: float = 3.0
    min_width: float = 0.9e6
    min_duration: float = 0.5e-3
    max_gap: float = 1.5e-3
    flatness_db: float = 6.0
    false_pixels: float = 1e-7
    pulse_step_db: float = 3.0
    pulse_duration: float = 150e-6

    def detect(self, rows: np.ndarray, geometry: Geometry, classes: Sequence[SignalClass]) -> np.ndarray:
        """Mask of a frame, uint8 ``(T, F)``.

        Parameters
        ----------
        rows : float32 ``(C, T, F)``
            dBFS.
        classes : sequence of SignalClass
            Carriers are named if there are classes LTE and NR, and are otherwise of the first carrier class; pulses
            are of the first pulsed class.
        """
        mask = np.zeros(rows.shape[1:], np.uint8)
        carriers = {c.label: i for i, c in enumerate(classes) if c.kind is ClassKind.CARRIER}
        if carriers:
            for box, width in self._carriers(_linear(rows, geometry, Reduction.MEAN), geometry):
                mask[box] = carriers.get(_nearest_standard(width), min(carriers.values()))
        pulsed = [i for i, c in enumerate(classes) if c.kind is ClassKind.PULSED]
        if pulsed:
            mask[self._pulses(_linear(rows, geometry, Reduction.MAX), geometry)] = pulsed[0]
        return mask

    def _carriers(self, power: np.ndarray, geometry: Geometry) -> list[tuple[tuple[slice, slice], float]]:
        """Boxes of carriers and their widths in Hz."""
        averaged = max(1, round(_AVERAGED_S / geometry.row_duration))
        smooth = ndimage.uniform_filter1d(power, averaged, axis=0, mode="nearest")
        independent = max(1.0, _EFFECTIVE_SEGMENTS * geometry.segments_per_row * averaged)
        factor = max(10 ** (self.min_step_db / 10), 1 + self.sigmas / math.sqrt(independent))
        rim = round(_RIM_SHARE * geometry.bins)
        on = smooth > factor * noise_floor(smooth[:, rim : geometry.bins - rim], factor)
        labelled, _ = ndimage.label(_closed(on, min(geometry.rows, max(1, int(self.max_gap / geometry.row_duration)))))
        min_bins = max(1, math.ceil(self.min_width / geometry.bin_width))
        found = []
        for index, (time, freq) in enumerate(ndimage.find_objects(labelled), start=1):
            if (time.stop - time.start) * geometry.row_duration < self.min_duration:
                continue
            inside = labelled[time, freq] == index
            profile_db = 10 * np.log10(np.where(inside, power[time, freq], 0.0).mean(axis=0))
            profile_db[inside.mean(axis=0) < 0.5] = -np.inf
            for start, stop in _plateaus(profile_db, self.flatness_db, min_bins):
                bins = slice(freq.start + start, freq.start + stop)
                found.append(((time, bins), (stop - start) * geometry.bin_width))
        return found

    def _pulses(self, peak: np.ndarray, geometry: Geometry) -> np.ndarray:
        """Pixels of pulses, bool ``(T, F)``."""
        segments = max(1.0, _EFFECTIVE_SEGMENTS * geometry.segments_per_row)
        median = -math.log(1 - 0.5 ** (1 / segments))  # of the maximum of so many exponential powers of mean 1
        factor = math.log(segments / self.false_pixels) / median
        factor *= 10 ** (self.pulse_step_db / 10)
        labelled, _ = ndimage.label(peak > factor * np.median(peak, axis=0), np.ones((3, 3), bool))
        longest = max(2, math.ceil(self.pulse_duration / geometry.row_duration))
        is_short = [time.stop - time.start <= longest for time, _ in ndimage.find_objects(labelled)]
        return np.array([False, *is_short])[labelled]


def _closed(on: np.ndarray, gap: int) -> np.ndarray:
    """With pauses of up to ``gap`` rows and single bins filled in."""
    padded = np.pad(on, ((gap, gap), (1, 1)), mode="edge")
    padded = ndimage.binary_closing(padded, np.ones((gap + 1, 1), bool))
    padded = ndimage.binary_closing(padded, np.ones((1, 2), bool))
    return padded[gap:-gap, 1:-1]


def _plateaus(profile_db: np.ndarray, flatness_db: float, min_bins: int) -> list[tuple[int, int]]:
    """Runs of bins whose levels belong together, half-open, strongest first.

    Examples
    --------
    >>> _plateaus(np.array([3.0, 3, 3, 30, 30, 30, 3]), 8.0, 2)
    [(3, 6), (0, 3)]
    """
    found = []
    left = np.isfinite(profile_db)
    while left.sum() >= min_bins:
        level = np.percentile(profile_db[left], _LEVEL_PERCENTILE)
        together = left & (profile_db > level - flatness_db)
        runs = np.flatnonzero(np.diff(np.pad(together.astype(np.int8), 1))).reshape(-1, 2)
        found += [(int(start), int(stop)) for start, stop in runs if stop - start >= min_bins]
        left &= ~together
    return found


def _nearest_standard(width: float) -> str:
    """LTE or NR: whose transmission bandwidth is nearer to a width in Hz."""
    lte, nr = (min(abs(width - w) for w in widths) for widths in (_LTE_WIDTHS, _NR_WIDTHS))
    return "LTE" if lte <= nr else "NR"


def _linear(rows: np.ndarray, geometry: Geometry, reduction: Reduction) -> np.ndarray:
    """Linear power of the wanted reduction, or of the first one where the rows lack it, float64 ``(T, F)``."""
    channel = geometry.reductions.index(reduction) if reduction in geometry.reductions else 0
    return 10.0 ** (rows[channel].astype(np.float64) / 10.0)
