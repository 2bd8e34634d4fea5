"""A random radar: which family, where in the band, when, and over which paths."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...errors import SceneError
from .coded import draw_coded
from .dfs import draw_dfs_hopping, draw_dfs_long, draw_dfs_short, draw_japan_pair
from .fmcw import draw_fmcw
from .laws import draw_echoes, draw_tail
from .ntia import draw_ntia
from .surveillance import SURVEILLANCE
from .timing import place_first
from .train import PulseTrain

__all__ = ["FAMILIES", "draw_radar"]

# Weight of each family in the standard mix
FAMILIES: dict[str, float] = {
    "ntia-1": 0.10, "ntia-2": 0.07, "ntia-3": 0.08, "ntia-4": 0.08, "ntia-5": 0.07,
    "dfs-1": 0.02, "dfs-2": 0.02, "dfs-3": 0.02, "dfs-4": 0.02, "dfs-5": 0.02, "dfs-6": 0.02, "japan-pair": 0.03,
    "asr-8": 0.06, "asr-9": 0.08, "asr-11": 0.05, "asr-e": 0.04, "spn-43": 0.04, "wsr-88d": 0.04, "marine": 0.05,
    "spy-1": 0.03, "fmcw-altimeter": 0.01, "fmcw-perimeter": 0.01, "coded": 0.04,
}  # fmt: skip
_GUARD_HZ = 1e6  # between a pulse without a chirp and the edge of the band; NIST's
_SNR_DB = (3.0, 50.0)
_SIDELOBE_SNR_DB = (3.0, 25.0)  # of the sidelobes, where only they are seen
_SIDELOBE_SHARE = 0.3  # of the scenes with a rotating antenna
_ECHO_SHARE = 0.6
_TAIL_SHARE = 0.4


def _families(duration: float, span: float) -> dict[str, Callable[[np.random.Generator], PulseTrain]]:
    """How to draw each family, not yet placed."""
    draws: dict[str, Callable[[np.random.Generator], PulseTrain]] = {
        "dfs-5": draw_dfs_long,
        "dfs-6": lambda rng: draw_dfs_hopping(span, rng),
        "japan-pair": draw_japan_pair,
        "coded": lambda rng: draw_coded(duration, rng),
    }
    draws |= {f"ntia-{n}": lambda rng, n=n: draw_ntia(n, rng) for n in range(1, 6)}
    draws |= {f"dfs-{n}": lambda rng, n=n: draw_dfs_short(n, rng) for n in range(1, 5)}
    draws |= {name: lambda rng, name=name: SURVEILLANCE[name](duration, rng) for name in SURVEILLANCE}
    draws |= {name: lambda rng, name=name: draw_fmcw(name, rng) for name in ("fmcw-altimeter", "fmcw-perimeter")}
    return draws


def _draw_center(train: PulseTrain, span: float, rng: np.random.Generator) -> float:
    """Uniform over the band; everything that the radar sends inside where it fits (a hopper is centred)."""
    if len(train.hops) > 1:
        return 0.0
    low = min(p.offset - (abs(p.chirp) / 2 or _GUARD_HZ) for p in train.pulses)
    high = max(p.offset + (abs(p.chirp) / 2 or _GUARD_HZ) for p in train.pulses)
    if high - low >= span:
        return float(rng.uniform(-0.5, 0.5) * span)
    return float(rng.uniform(-0.5 * span - low, 0.5 * span - high))


def _draw_scan(train: PulseTrain, duration: float, rng: np.random.Generator) -> PulseTrain:
    """When a rotating beam comes by: at any moment within the scene or near it, or not at all."""
    if train.scan_width is None:
        return train
    flank = train.scan_width * math.sqrt(-train.sidelobe_db / 12.04)  # from the beam's peak to its sidelobes
    if rng.random() < _SIDELOBE_SHARE:
        away = flank + float(rng.uniform(0.0, 20.0)) * train.scan_width
        peak = float(rng.choice([-away, duration + away]))
        return replace(train, scan_peak=peak, snr_db=float(rng.uniform(*_SIDELOBE_SNR_DB)) - train.sidelobe_db)
    return replace(train, scan_peak=float(rng.uniform(-flank, duration + flank)))


def draw_radar(
    duration: float, span: float, rng: np.random.Generator, *, families: tuple[str, ...] | None = None
) -> PulseTrain:
    """A random radar for a scene of ``duration`` s within ``span`` Hz around 0.

    Parameters
    ----------
    families : tuple of str, optional
        Families to choose from, by their weights in `FAMILIES`; default all.

    Raises
    ------
    SceneError
        If a family is unknown, or duration or span is not positive.
    """
    names = tuple(FAMILIES) if families is None else tuple(families)
    for name in names:
        if name not in FAMILIES:
            raise SceneError(f"radar family {name!r} is unknown; choose from {', '.join(FAMILIES)}")
    if not names:
        raise SceneError("families is empty; name at least one radar family, or None for all")
    if not (0 < duration < math.inf and 0 < span < math.inf):
        raise SceneError(f"duration={duration!r} s and span={span!r} Hz must be positive and finite")
    weights = np.array([FAMILIES[name] for name in names])
    family = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    train = _families(duration, span)[family](rng)
    train = _draw_scan(replace(train, snr_db=float(rng.uniform(*_SNR_DB))), duration, rng)
    paths = {}
    if not train.is_fmcw:
        if rng.random() < _ECHO_SHARE:
            paths["echoes"] = draw_echoes(rng)
        if rng.random() < _TAIL_SHARE:
            paths["tail"] = draw_tail(rng)
    train = replace(train, center=_draw_center(train, span, rng), **paths)
    return replace(train, first=place_first(train, duration, rng))
