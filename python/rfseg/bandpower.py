"""Edges, power and SNR of a band, measured on the spectrogram's rows rather than on its pixels.

Positions on the frequency axis are *edges* in bins: 0 is the lower edge of bin 0, bin ``k`` is centred at ``k + 0.5``,
and :meth:`rfseg.geometry.Geometry.edge_freq` turns them into Hz.
"""

from __future__ import annotations

from functools import cached_property
from typing import Sequence

import numpy as np

from .bandedges import Edge, find_edges, share_edges, without_noise
from .contract import NOT_INFERRED, ClassKind, SignalClass
from .geometry import Frame, Geometry, Reduction
from .noisefloor import NoiseFloor
from .pulsewidth import can_tell_widths, pulse_level, width_of_energy

__all__ = ["BandMeter"]

Interval = tuple[int, int]  # half-open

HANN_NOISE_BANDWIDTH = 1.5  # bins; equivalent noise bandwidth of a periodic hann window
HANN_LEAKAGE = 0.233  # bins' worth of a flat spectrum's power that the window carries past an edge of it
_NEPERS_PER_DB = np.float32(np.log(10.0) / 10.0)
_REACH = 3  # bins that power may move an edge of a pulse away from the mask's
_PULSE_DEPTH = 0.01  # a pulse extends to where its power is 20 dB below its peak
_NEAR_ROWS = 8  # free rows before and after a pulse that show what lies beneath it
_DC_PEAK = 1.26  # power ratio (1 dB) of the DC bin over both its neighbours that makes it a spike
_DC_SHARE = 0.25  # of a tone's power in the bins beside its own, hann window


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
        self._dc_bin = geometry.bins // 2 if mask_dc else None
        is_pulsed, is_background = np.zeros(256, bool), np.zeros(256, bool)
        for index, signal_class in enumerate(classes):
            is_pulsed[index] = signal_class.kind is ClassKind.PULSED
            is_background[index] = signal_class.kind is ClassKind.BACKGROUND
        self._pulsed, self._background = is_pulsed[mask], is_background[mask]
        self._valid = mask[:, 0] != NOT_INFERRED  # (T,)
        self._has_pulses = bool(self._pulsed.any())
        self._mean = self._linear(Reduction.MEAN)  # (T, F)
        floor = NoiseFloor() if noise is None else noise
        floor.update(self._mean, ~self._background, center_freq=frame.center_freq)
        self._noise = floor.level()
        self._profiles: dict[Interval, np.ndarray] = {}
        self._pulses: dict[tuple[Interval, Interval], tuple[int, np.ndarray, np.ndarray]] = {}

    def profile(self, rows: Interval, bins: Interval) -> np.ndarray:
        """Mean power per bin over the rows in which no pulse covers most of the bins, ``(F,)``, without the DC spike."""
        block = self._mean[slice(*rows)]
        if self._has_pulses:
            covered = self._pulsed[slice(*rows), slice(*bins)].mean(axis=1) >= 0.5
            if covered.any() and not covered.all():
                return self._without_spike(block[~covered].mean(axis=0))
        if rows not in self._profiles:
            self._profiles[rows] = self._without_spike(block.mean(axis=0))
        return self._profiles[rows]

    def carrier_edges(self, boxes: Sequence[tuple[Interval, Interval]]) -> list[tuple[Edge, Edge]]:
        """Edges of carriers, given as rows and bins of their masks (:mod:`rfseg.bandedges`)."""
        profiles = [self.profile(*box) for box in boxes]
        if self._noise is not None:
            boxes = [(r, without_noise(p, b, self._noise)) for (r, b), p in zip(boxes, profiles, strict=True)]
        return share_edges(boxes, find_edges(profiles, [bins for _, bins in boxes]))

    def carrier_power(self, box: tuple[Interval, Interval], edges: tuple[Edge, Edge]) -> tuple[float, float | None]:
        """Mean power between a carrier's edges, dBFS, and SNR, dB, over its rows; see :meth:`pulse_power` for None.

        What the window carries past the edges, in either direction, is put back.
        """
        leaked = HANN_LEAKAGE * sum(edge.inner - edge.outer for edge in edges if edge.is_step)
        lower, upper = (edge.position for edge in edges)
        return self._power(self.profile(*box), (lower, upper), leaked)

    def pulse_power(self, rows: Interval, edges: tuple[float, float]) -> tuple[float, float | None]:
        """Mean power between a pulse's edges, dBFS, and SNR, dB, over its rows.

        The SNR is None where no noise has been visible or the band does not rise above it.
        """
        return self._power(self._mean[slice(*rows)].mean(axis=0), edges, 0.0)

    def pulse_edges(self, rows: Interval, bins: Interval) -> tuple[float, float]:
        """Edges of a pulse: the outermost bins within 20 dB of its peak that stand out from what lies beneath it.

        The strongest segment of each row is compared with the median of the nearest rows without pulses.
        """
        left, beneath, excess = self._pulse(rows, bins)
        on = np.flatnonzero((excess >= _PULSE_DEPTH * excess.max()) & (excess >= beneath))
        if excess.max() <= 0 or not on.size:
            return float(bins[0]), float(bins[1])
        return float(left + on[0]), float(left + on[-1] + 1)

    def pulse_width(self, rows: Interval, bins: Interval) -> float | None:
        """Width of a pulse, s; None where rows cannot tell it (:mod:`rfseg.pulsewidth`) or the frame may cut it."""
        valid = int(np.count_nonzero(self._valid))
        if not can_tell_widths(self._geometry) or rows[0] == 0 or rows[1] >= valid:
            return None
        left, beneath, excess = self._pulse(rows, bins)
        seen = slice(left, left + excess.size)
        first = rows[0] - (not self._pulsed[rows[0] - 1, seen].any())  # a pulse may reach over the mask's rows
        stop = rows[1] + (not self._pulsed[rows[1], seen].any())
        found = pulse_level(self._peak[first:stop, seen].max(axis=0) - beneath, beneath)
        near = self._near(rows)
        if found is None or not near.size:
            return None
        level, own = found
        own = slice(left + own.start, left + own.stop)
        under = np.median(self._mean[near, own], axis=0)
        energy = float((self._mean[first:stop, own] - under).sum())
        noise = float(under.mean())
        return width_of_energy(energy, level, noise=noise, rows=rows[1] - rows[0], geometry=self._geometry)

    def _pulse(self, rows: Interval, bins: Interval) -> tuple[int, np.ndarray, np.ndarray]:
        """First bin, what lies beneath a pulse, and how far its strongest segments stand out; power per bin."""
        if (rows, bins) not in self._pulses:
            left, right = max(0, bins[0] - _REACH), min(self._mean.shape[1], bins[1] + _REACH)
            near = self._near(rows)
            beneath = np.median(self._peak[near, left:right], axis=0) if near.size else np.zeros(right - left)
            self._pulses[rows, bins] = left, beneath, self._peak[slice(*rows), left:right].max(axis=0) - beneath
        return self._pulses[rows, bins]

    def _near(self, rows: Interval) -> np.ndarray:
        """The nearest rows in which no pulse is."""
        at = int(np.searchsorted(self._free_rows, rows[0]))
        return self._free_rows[max(0, at - _NEAR_ROWS) : at + _NEAR_ROWS]

    @cached_property
    def _free_rows(self) -> np.ndarray:
        """Valid rows in which no pulse is."""
        return np.flatnonzero(~self._pulsed.any(axis=1) & self._valid)

    @cached_property
    def _peak(self) -> np.ndarray:
        return self._linear(Reduction.MAX)

    def _linear(self, reduction: Reduction) -> np.ndarray:
        """Linear power of the wanted reduction, or of the first one where the rows lack it, float32 ``(T, F)``."""
        reductions = self._geometry.reductions
        channel = reductions.index(reduction) if reduction in reductions else 0
        return np.exp(self._rows[channel] * _NEPERS_PER_DB)

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

    def _without_spike(self, profile: np.ndarray) -> np.ndarray:
        """The profile without a tone in the DC bin, which shows in three bins; straight beneath it."""
        at = self._dc_bin
        if at is None:
            return profile
        below, spike, above = (float(v) for v in profile[at - 1 : at + 2])
        if spike <= _DC_PEAK * max(below, above):
            return profile
        tone = (spike - 0.5 * (below + above)) / (1.0 - _DC_SHARE)
        tone = min(tone, min(below, above) / _DC_SHARE * 0.99)
        cleaned = profile.copy()
        cleaned[at - 1 : at + 2] -= tone * np.array([_DC_SHARE, 1.0, _DC_SHARE], profile.dtype)
        return cleaned
