"""Multipath fading applied to resource elements: one complex gain per symbol and subcarrier.

Exact while the delays stay inside the cyclic prefix and the channel hardly moves within a symbol.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["PROFILES", "draw_profile", "fading"]

# Delays in ns, powers in dB.  EPA, EVA, ETU: 3GPP TS 36.104 annex B.2; the TDL ones: TS 38.101-4 annex B.2.
PROFILES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "EPA": ((0, 30, 70, 90, 110, 190, 410), (0, -1, -2, -3, -8, -17.2, -20.8)),
    "EVA": ((0, 30, 150, 310, 370, 710, 1090, 1730, 2510), (0, -1.5, -1.4, -3.6, -0.6, -9.1, -7, -12, -16.9)),
    "ETU": ((0, 50, 120, 200, 230, 500, 1600, 2300, 5000), (-1, -1, -1, 0, 0, 0, -3, -5, -7)),
    "TDLA30": (
        (0, 10, 15, 20, 25, 50, 65, 75, 105, 135, 150, 290),
        (-15.5, 0, -5.1, -5.1, -9.6, -8.2, -13.1, -11.5, -11, -16.2, -16.6, -26.2),
    ),
    "TDLB100": (
        (0, 10, 20, 30, 35, 45, 55, 120, 170, 245, 330, 480),
        (0, -2.2, -0.6, -0.6, -0.3, -1.2, -5.9, -2.2, -0.8, -6.3, -7.5, -7.1),
    ),
    "TDLC300": (
        (0, 65, 70, 190, 195, 200, 240, 325, 520, 1045, 1510, 2595),
        (-6.9, 0, -7.7, -2.5, -2.4, -9.9, -8, -6.6, -7.1, -13, -14.2, -16),
    ),
}
_SINUSOIDS = 8  # per tap, for a Jakes spectrum
_DOPPLERS_HZ = (0.0, 5.0, 10.0, 70.0, 100.0, 300.0)


def draw_profile(rng: np.random.Generator) -> tuple[str | None, float]:
    """Profile name (None: a cable) and Doppler shift in Hz."""
    if rng.random() < 0.2:
        return None, 0.0
    return str(rng.choice(list(PROFILES))), float(rng.choice(_DOPPLERS_HZ))


def fading(
    times: Tensor, freqs: Tensor, *, profile: str | None, doppler: float, generator: torch.Generator
) -> Tensor | None:
    """Complex gains of unit mean power.

    Parameters
    ----------
    times : float64 ``(S,)``
        Symbol times, s.
    freqs : float64 ``(K,)``
        Subcarrier frequencies, Hz.
    profile : str or None
        Name in :data:`PROFILES`; None is a flat, still channel, for which None is returned.
    doppler : float
        Maximum Doppler shift, Hz.

    Returns
    -------
    complex64 ``(S, K)`` or None
    """
    if profile is None:
        return None
    delays, powers = (torch.tensor(v, dtype=torch.float64) for v in PROFILES[profile])
    power = 10 ** (powers / 10)
    amplitude = (power / power.sum() / _SINUSOIDS).sqrt()  # (P,)
    taps = delays.numel()
    angle = torch.rand(taps, _SINUSOIDS, generator=generator, dtype=torch.float64) * 2 * math.pi
    phase = torch.rand(taps, _SINUSOIDS, generator=generator, dtype=torch.float64) * 2 * math.pi
    turn = 2 * math.pi * doppler * angle.cos()  # rad/s
    gains = torch.exp(1j * (times[:, None, None] * turn + phase)).sum(-1) * amplitude  # (S, P)
    steer = torch.exp(-2j * math.pi * delays[:, None] * 1e-9 * freqs)  # (P, K)
    return gains.to(torch.complex64) @ steer.to(torch.complex64)
