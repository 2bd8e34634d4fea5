"""The scene's spectrum as emitters see it: they add samples made at their own rate.

Exact for any pair of rates, because both span the same whole number of milliseconds: bin ``k`` is
``k / duration`` Hz in both, so rates are whole kHz.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .emitter import OtherEmitter

__all__ = ["Canvas"]

_ECHO_POINTS = 64  # frequencies per turn at which an echo's gain is worked out; linear between


@dataclass(frozen=True)
class Canvas:
    """Spectrum of the scene and the time it spans.

    Parameters
    ----------
    spectrum : complex64 ``(n,)``
        FFT of the scene in ``norm="ortho"``, noise of density 1; changed in place.
    milliseconds : int
        Duration of the scene.
    """

    spectrum: Tensor
    milliseconds: int

    @property
    def span(self) -> float:
        """Sample rate of the scene, Hz."""
        return self.spectrum.numel() / self.milliseconds * 1e3

    @property
    def duration_us(self) -> float:
        """Duration of the scene, us."""
        return self.milliseconds * 1e3

    @property
    def device(self) -> torch.device:
        """Where the spectrum lives."""
        return self.spectrum.device

    def count(self, rate: float) -> int:
        """Samples that the scene lasts at ``rate`` Hz, a whole number of kHz."""
        return round(rate * self.milliseconds * 1e-3)

    def reaches(self, center: float, width: float) -> bool:
        """Whether anything of a band lies inside the scene's."""
        return abs(center) < (self.span + width) / 2

    def zeros(self, count: int) -> Tensor:
        """Silence, complex64 ``(count,)``."""
        return torch.zeros(count, dtype=torch.complex64, device=self.device)

    def add_samples(self, samples: Tensor, emitter: OtherEmitter, center: float | None = None, level_db: float = 0.0) -> None:
        """Add samples, complex64 ``(m,)``, of unit power while on air, that span the whole scene."""
        self.add_spectrum(torch.fft.fft(samples, norm="ortho"), emitter, center, level_db)

    def add_spectrum(self, part: Tensor, emitter: OtherEmitter, center: float | None = None, level_db: float = 0.0) -> None:
        """Add the unshifted spectrum, ``norm="ortho"``, of such samples around ``center`` Hz, the emitter's own by default.

        What falls outside the scene's band is dropped; nothing folds back.
        """
        center = emitter.center if center is None else center
        rate = part.numel() / self.milliseconds * 1e3
        gain = 10 ** ((emitter.snr_db + level_db) / 20) * math.sqrt(emitter.density_width / rate)
        total, count = self.spectrum.numel(), part.numel()
        offset = round(center * self.milliseconds * 1e-3)
        low = max(-(count // 2), -(total // 2) - offset)  # lowest bin of the part that is kept
        high = min((count + 1) // 2, (total + 1) // 2 - offset)
        cuts = sorted({low, high, *(cut for cut in (0, -offset) if low < cut < high)}) if low < high else []
        for start, stop in zip(cuts, cuts[1:]):  # both spectra wrap at bin 0
            source, target = start % count, (start + offset) % total
            length = stop - start
            piece = part[source : source + length] * gain
            if emitter.echo_us:
                low_hz, high_hz = ((edge + offset) * 1e3 / self.milliseconds - emitter.center for edge in (start, stop))
                piece *= _echo(length, low_hz, high_hz, emitter, self.device)
            self.spectrum[target : target + length] += piece


def _echo(count: int, low: float, high: float, emitter: OtherEmitter, device: torch.device) -> Tensor:
    """Gain of the direct path and its echo, complex64 ``(count,)`` from ``low`` to ``high`` Hz re the emitter's centre.

    Its mean power over the emitter's width is 1.
    """
    level, delay = 10 ** (emitter.echo_db / 20), emitter.echo_us * 1e-6
    # mean of |1 + a exp(j(c - 2 pi f d))|^2 over the width
    power = 1 + level**2 + 2 * level * math.cos(2 * math.pi * emitter.echo_turn) * float(np.sinc(emitter.width * delay))
    points = 2 + math.ceil((high - low) * delay * _ECHO_POINTS)
    turns = emitter.echo_turn - torch.linspace(low, high, points, device=device) * delay
    gain = 1 + torch.polar(torch.full_like(turns, level), 2 * math.pi * turns)
    pairs = torch.view_as_real(gain).T[None]
    fine = torch.nn.functional.interpolate(pairs, size=count, mode="linear", align_corners=True)[0] / math.sqrt(power)
    return torch.complex(fine[0], fine[1])
