"""Edges, power and SNR of a band, measured on the spectrogram's rows rather than on its pixels.

Positions on the frequency axis are *edges* in bins: 0 is the lower edge of bin 0, bin ``k`` is centred at ``k + 0.5``,
and :meth:`rfseg.geometry.Geometry.edge_freq` turns them into Hz.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

from ..contract import NOT_INFERRED, ClassKind, SignalClass
from ..geometry import Frame, Geometry, Reduction
from .dcspike import DcSpike
from .edges import Edge, find_edges, share_edges, without_noise
from .noisefloor import NoiseFloor
from .pulses import HANN_NOISE_BANDWIDTH, PulseMeasures, PulseMeter
from .regions import PulseBoxes, of_kind

__all__ = ["BandMeter"]

Interval = tuple[int, int]  # half-open

HANN_LEAKAGE = 0.233  # bins' worth of a flat spectrum's power that the window carries past an edge of it
_NEPERS_PER_DB = np.float32(np.log(10.0) / 10.0)


class BandMeter:
    """Measures bands of one frame.

    Parameters
    ----------
    rows : float32 ``(C, T, F)``
        dBFS.
    mask : uint8 ``(T, F)``
    noise : NoiseFloor or None
        Floor that is followed over frames and looks at this one; None for what this frame alone shows.
    mask_dc : bool
        Whether a spike at the centre of the spectrum is the receiver's and taken out.
    """

    def __init__(
        self,
        rows: np.ndarray,
        mask: np.ndarray,
        *,
        frame: Frame,
        geometry: Geometry,
        classes: Sequence[SignalClass],
        noise: NoiseFloor | None = None,
        mask_dc: bool = True,
    ) -> None:
        self._rows, self._geometry = rows, geometry
        spike = DcSpike.of(geometry)
        self._spike = spike if mask_dc else None
        self._pulsed = of_kind(mask, classes, ClassKind.PULSED)
        self._valid = mask[:, 0] != NOT_INFERRED  # (T,)
        self._has_pulses = bool(self._pulsed.any())
        self._mean = self._linear(Reduction.MEAN)  # (T, F)
        floor = NoiseFloor() if noise is None else noise
        busy = ~of_kind(mask, classes, ClassKind.BACKGROUND)
        floor.update(self._mean, busy, center_freq=frame.center_freq, hidden=spike.bins if spike else slice(0))
        self._noise = floor.level()
        self._profiles: dict[tuple[Interval, Interval], np.ndarray] = {}

    def profile(self, rows: Interval, bins: Interval) -> np.ndarray:
        """Mean power per bin over the rows in which no pulse covers most of the bins, ``(F,)``, without the DC spike."""
        if (rows, bins) not in self._profiles:
            profile = self._mean_over(rows, bins)
            self._profiles[rows, bins] = profile if self._spike is None else self._spike.take_from(profile)
        return self._profiles[rows, bins]

    def carrier_edges(self, boxes: Sequence[tuple[Interval, Interval]]) -> list[tuple[Edge, Edge]]:
        """Edges of carriers, given as rows and bins of their masks (:mod:`rfseg.bands.edges`)."""
        profiles = [self.profile(*box) for box in boxes]
        if self._noise is not None:
            boxes = [(r, without_noise(p, b, self._noise)) for (r, b), p in zip(boxes, profiles, strict=True)]
        return share_edges(boxes, find_edges(profiles, [bins for _, bins in boxes]))

    def carrier_power(self, box: tuple[Interval, Interval], edges: tuple[Edge, Edge]) -> tuple[float, float | None]:
        """Mean power between a carrier's edges, dBFS, and SNR, dB, over its rows.

        What the window carries past the edges, in either direction, is put back.  The SNR is None where no noise has been
        visible or the band does not rise above it.
        """
        leaked = HANN_LEAKAGE * sum(edge.inner - edge.outer for edge in edges if edge.is_step)
        lower, upper = (edge.position for edge in edges)
        return self._power(self.profile(*box), (lower, upper), leaked)

    def measure_pulses(self, boxes: PulseBoxes) -> PulseMeasures:
        """Edges, power and widths of pulses (:mod:`rfseg.bands.pulses`)."""
        peak = self._linear(Reduction.MAX)
        meter = PulseMeter(self._mean, peak, self._pulsed, self._valid, noise=self._noise, geometry=self._geometry)
        return meter.measure(boxes)

    def _mean_over(self, rows: Interval, bins: Interval) -> np.ndarray:
        block = self._mean[slice(*rows)]
        if self._has_pulses:
            counts = np.count_nonzero(self._pulsed[slice(*rows), slice(*bins)], axis=1)
            covered = 2 * counts >= bins[1] - bins[0]
            if covered.any() and not covered.all():
                return block[~covered].mean(axis=0)
        return block.mean(axis=0)

    def _linear(self, reduction: Reduction) -> np.ndarray:
        """Linear power of the wanted reduction, or of the first one where the rows lack it, float32 ``(T, F)``."""
        reductions = self._geometry.reductions
        channel = reductions.index(reduction) if reduction in reductions else 0
        nepers = self._rows[channel] * _NEPERS_PER_DB
        return np.exp(nepers, out=nepers)

    def _power(self, profile: np.ndarray, edges: tuple[float, float], leaked: float) -> tuple[float, float | None]:
        first, last = max(0, int(edges[0])), min(profile.size, int(np.ceil(edges[1])))
        bins = np.arange(first, last)
        weight = np.minimum(edges[1], bins + 1) - np.maximum(edges[0], bins)
        inside = float(weight @ profile[first:last])
        total = max(inside + leaked, 0.5 * inside)
        power_dbfs = 10.0 * float(np.log10(total / HANN_NOISE_BANDWIDTH))
        if self._noise is None:
            return power_dbfs, None
        noise = float(weight @ self._noise[first:last])
        return power_dbfs, 10.0 * float(np.log10(total / noise - 1.0)) if total > noise else None
