"""From what was sent to the mask: occupied bands while on air, unknown (255) where nobody could tell.

A carrier is labelled over its occupied subcarriers while it sends; pauses of up to a quarter of a
millisecond (between the reference symbols of an idle LTE carrier) belong to it.  In longer pauses the pixels
are Noise, and beyond 2 ms unknown: the carrier nominally exists, but nothing shows it.  The same holds
for the parts of a carrier that nothing within 2 ms has used: an idle NR carrier is labelled
where its synchronisation block is and unknown elsewhere.  A radar is labelled where its own noise-free
spectrogram stands out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import Geometry

__all__ = ["CLASS_LABELS", "UNKNOWN", "Carrier", "mask_carriers", "mask_radar", "peak_to_mean"]

CLASS_LABELS = ("Noise", "LTE", "NR", "Radar")
UNKNOWN = 255
_FILLED_PAUSE_S = 0.25e-3
_GUESSABLE_S = 2e-3
_RADAR_CLEAR_DB = 1.5  # over the expected maximum of the background: surely visible
_RADAR_UNSURE_DB = -3.0  # between the two nobody can tell
_ROLLED_OFF = 10 ** (-12 / 20)  # passband amplitude below which a carrier counts as cut away


@dataclass(kw_only=True)
class Carrier:
    """What the labels need to know of a carrier; times from the frame's first sample."""

    class_id: int
    center: float  # Hz
    snr_db: float  # of a data element
    subcarriers: Tensor  # int64 (K,)
    spacing: float  # Hz
    times: Tensor  # float64 (S,): start of each symbol, s
    power: Tensor  # float32 (S, B): mean power of each resource block's elements before fading, 0 for unused
    weakest_db: float  # mean SNR below which it counts as invisible

    @property
    def edges(self) -> tuple[float, float]:
        """Occupied edges, Hz."""
        low, high = int(self.subcarriers[0]), int(self.subcarriers[-1])
        return self.center + (low - 0.5) * self.spacing, self.center + (high + 0.5) * self.spacing


def peak_to_mean(segments: int) -> float:
    """Expected maximum over mean of ``segments`` half-overlapped exponential powers, linear."""
    return max(1.0, math.log(max(1.0, 0.8 * segments)) + 0.577)


def _hull(used: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Lowest and highest used index within ``window`` symbols either side, ``(S,)`` each; low > high if none."""
    count = used.shape[1]
    index = torch.arange(count, dtype=torch.float32)
    low = torch.where(used, index, float(count)).amin(1)
    high = torch.where(used, index, -1.0).amax(1)
    pool = dict(kernel_size=2 * window + 1, stride=1, padding=window)
    low = -F.max_pool1d(-low[None, None], **pool)[0, 0]
    high = F.max_pool1d(high[None, None], **pool)[0, 0]
    return low, high


def _pauses(on: np.ndarray, symbol_s: float) -> np.ndarray:
    """Label state of each symbol: 1 on air (short pauses filled), 0 a pause, 2 unknown."""
    state = on.astype(np.uint8)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], on, [True]]).astype(np.int8)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        length = (end - begin) * symbol_s
        state[begin:end] = 1 if length <= _FILLED_PAUSE_S else 2 if length > _GUESSABLE_S else 0
    return state


def _carrier_rows(carrier: Carrier, geometry: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """State ``(T,)`` and hull (lower and upper edge, bin edges) ``(T,)`` of each row."""
    times = carrier.times.numpy()
    symbol_s = float(times[-1] - times[0]) / max(1, len(times) - 1)
    used = carrier.power > 0
    window = min(round(_GUESSABLE_S / symbol_s), len(times) - 1)
    low, high = _hull(used, window)
    state = _pauses(used.any(1).numpy(), symbol_s)

    starts = np.arange(geometry.rows) * geometry.row_duration
    bounds = np.append(times, times[-1] + symbol_s)
    shares = []
    for value in (1, 2):
        total = np.concatenate([[0.0], np.cumsum((state == value) * np.diff(bounds))])
        shares.append(np.diff(np.interp(np.append(starts, starts[-1] + geometry.row_duration), bounds, total)))
    row_state = np.where(shares[0] >= 0.4 * geometry.row_duration, 1, np.where(shares[1] > 0.5 * geometry.row_duration, 2, 0))
    at = np.clip(np.searchsorted(times, starts + geometry.row_duration / 2, side="right") - 1, 0, len(times) - 1)
    origin, step = carrier.edges[0], 12 * carrier.spacing
    lower = geometry.freq_edge(origin + low.numpy()[at] * step)
    upper = geometry.freq_edge(np.minimum(origin + (high.numpy()[at] + 1) * step, carrier.edges[1]))
    return row_state, lower, upper


def mask_carriers(carriers: list[Carrier], geometry: Geometry, passband: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mask of the carriers and the power they add to the noise.

    Parameters
    ----------
    passband : float ``(F,)``
        Amplitude of the receive filter at each bin.

    Returns
    -------
    mask : uint8 ``(T, F)``
    background : float32 ``(T, F)``
        Mean power of noise and carriers, noise = 1.
    """
    shape = (geometry.rows, geometry.bins)
    mask = np.zeros(shape, np.uint8)
    strongest = np.zeros(shape, np.float32)
    background = np.ones(shape, np.float32)
    bins = np.arange(geometry.bins) + 0.5
    for carrier in carriers:
        state, lower, upper = _carrier_rows(carrier, geometry)
        whole = [geometry.freq_edge(e) for e in carrier.edges]
        inside = (bins >= whole[0]) & (bins < whole[1])  # (F,)
        used = (bins >= lower[:, None]) & (bins < upper[:, None]) & inside  # (T, F)
        on, lost = (state == 1)[:, None], (state == 2)[:, None]
        power = 10 ** (carrier.snr_db / 10)
        energy = carrier.power[carrier.power > 0]
        visible_db = carrier.snr_db + 10 * math.log10(max(float(energy.mean()) if energy.numel() else 0.0, 1e-6))
        seen = on & used & (passband > _ROLLED_OFF)
        unknown = (lost & inside) | (on & inside & ~used) | (on & used & (passband <= _ROLLED_OFF))
        mask[unknown & (mask == 0)] = UNKNOWN
        wins = seen & (power > strongest)
        mask[wins] = carrier.class_id if visible_db >= carrier.weakest_db else UNKNOWN
        strongest[wins] = power
        background[seen] += power
    return mask, background


def mask_radar(mask: np.ndarray, peak: np.ndarray, background: np.ndarray, geometry: Geometry) -> None:
    """Draw the radars over ``mask`` in place.

    Parameters
    ----------
    peak : float32 ``(T, F)``
        Linear power of the noise-free radars in the max channel, noise = 1.
    background : float32 ``(T, F)``
        Mean power of everything else, noise = 1.
    """
    limit = background * peak_to_mean(geometry.segments_per_row)
    unsure = (peak > limit * 10 ** (_RADAR_UNSURE_DB / 10)) & (mask != UNKNOWN)
    mask[unsure] = UNKNOWN
    mask[peak > limit * 10 ** (_RADAR_CLEAR_DB / 10)] = CLASS_LABELS.index("Radar")
