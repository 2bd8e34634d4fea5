"""The spike that many receivers show at the centre of the spectrum: a constant, seen through a hann window.

Where a bin lies exactly at 0 Hz it has the spike's power, and its neighbours a quarter of that; where 0 Hz lies between bins, as in
published pictures, two bins share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..geometry import Geometry

__all__ = ["DcSpike"]

_LOBE = 2.0  # bins of the window from the middle of a tone to where nothing of it is left
_PEAK = 1.26  # power ratio (1 dB) over the bins beside it that makes a spike
_LEAST = 0.1  # share of its power that some bin must have
_MOST = 0.99  # share of a bin's power that may be the spike's


@dataclass(frozen=True, eq=False)
class DcSpike:
    """Which bins a constant shows in, and what of its power each has.

    Parameters
    ----------
    bins : slice
        All that it shows in, and one on either side of the strongest.
    share : float32 ``(bins,)``
        Of the power that a bin exactly at 0 Hz would have.
    core : slice
        Places among ``bins`` of those that have more than half of what the strongest has.
    contrast : float
        Mean share of these, less that of the two bins beside them.
    """

    bins: slice
    share: np.ndarray
    core: slice
    contrast: float

    @classmethod
    def of(cls, geometry: Geometry) -> DcSpike | None:
        """For the bins of a geometry; None where all are too far from 0 Hz to show it."""
        return _make(geometry)

    def take_from(self, profile: np.ndarray) -> np.ndarray:
        """A profile, power per bin ``(F,)``, without the spike: straight beneath it; the profile itself where there is none."""
        seen = profile[self.bins]
        values = seen.tolist()
        core, below, above = values[self.core], values[self.core.start - 1], values[self.core.stop]
        if min(core) <= _PEAK * max(below, above):
            return profile
        tone = (sum(core) / len(core) - 0.5 * (below + above)) / self.contrast
        tone = min(tone, _MOST * float((seen / self.share).min()))
        cleaned = profile.copy()
        cleaned[self.bins] -= np.float32(tone) * self.share
        return cleaned


@lru_cache(maxsize=16)
def _make(geometry: Geometry) -> DcSpike | None:
    places = np.arange(geometry.bins)
    away = (places + 0.5 - geometry.freq_edge(0.0)) * (geometry.window_size / geometry.bins)
    share = np.where(np.abs(away) < _LOBE, _tone_response(away), 0.0)
    if share.max() < _LEAST:
        return None
    core, lobe = np.flatnonzero(share > 0.5 * share.max()), np.flatnonzero(share)
    first, last = min(core[0] - 1, lobe[0]), max(core[-1] + 1, lobe[-1])
    bins = slice(int(first), int(last) + 1)
    contrast = float(share[core].mean() - share[[core[0] - 1, core[-1] + 1]].mean())
    place = slice(int(core[0] - first), int(core[-1] - first) + 1)
    return DcSpike(bins, np.maximum(share[bins], 1e-12).astype(np.float32), place, contrast)


def _tone_response(away: np.ndarray) -> np.ndarray:
    """Power of a tone ``away`` bins of a hann window from it, 1 at its own place."""
    return (np.sinc(away) + 0.5 * np.sinc(away - 1) + 0.5 * np.sinc(away + 1)) ** 2
