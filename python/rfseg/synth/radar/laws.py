"""Laws that the families share: value grids, pulse edges, intervals, rotation, echoes."""

from __future__ import annotations

import math

import numpy as np

from .train import Echo

__all__ = [
    "PRI_KINDS",
    "TURN",
    "draw_echoes",
    "draw_intervals",
    "draw_rise",
    "draw_tail",
    "nonlinear",
    "on_grid",
    "time_on_target",
]

PRI_KINDS = ("fixed", "stagger", "jitter", "dwell")
TURN = (-1.0, 1.0)  # signs of a chirp
_MOST_JITTERED = 512  # intervals written out before they come again
_ECHO_DELAYS_S = (0.1e-6, 20e-6)
_ECHO_GAINS_DB = (-35.0, -5.0)
_TAIL_PATHS = 16


def on_grid(rng: np.random.Generator, low: float, high: float, step: float) -> float:
    """A value from ``low`` to ``high`` in steps, each as likely."""
    return low + step * int(rng.integers(0, round((high - low) / step) + 1))


def draw_rise(rng: np.random.Generator, width: float) -> float:
    """Raised-cosine edges of 20 to 100 ns, shorter where the pulse is."""
    return min(float(rng.uniform(20e-9, 100e-9)), width)


def draw_intervals(kind: str, mean: float, duration: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Pulse repetition intervals, s, of one of the `PRI_KINDS`, written out and repeated in turn.

    ``stagger``: 2 to 8 positions, up to 15 % either way; ``jitter``: each up to 1 to 10 % either way, as many
    as ``duration`` s need; ``dwell``: 2 or 3 intervals, each for 8 to 20 pulses.
    """
    if kind == "stagger":
        return tuple((mean * (1 + rng.uniform(-0.15, 0.15, int(rng.integers(2, 9))))).tolist())
    if kind == "jitter":
        count = min(_MOST_JITTERED, math.ceil(1.2 * duration / mean) + 4)
        return tuple((mean * (1 + rng.uniform(0.01, 0.1) * rng.uniform(-1, 1, count))).tolist())
    if kind == "dwell":
        means = mean * rng.uniform(0.75, 1.25, int(rng.integers(2, 4)))
        return tuple(np.repeat(means, rng.integers(8, 21, means.size)).tolist())
    return (mean,)


def time_on_target(beam_deg: float, rpm: float) -> float:
    """3 dB time of a rotating beam, s: ``beam_deg`` wide, ``rpm`` turns per minute."""
    return beam_deg / (6.0 * rpm)


def nonlinear(rng: np.random.Generator) -> dict[str, float | str]:
    """Modulation and bend of a non-linear chirp: tangent law, or a spectrum like a Hamming window's."""
    if rng.random() < 0.5:
        return {"modulation": "tangent", "bend": float(rng.uniform(0.9, 1.2))}
    return {"modulation": "taper", "bend": float(rng.uniform(0.7, 0.9))}


def draw_echoes(rng: np.random.Generator) -> tuple[Echo, ...]:
    """0 to 6 discrete copies, 0.1 to 20 us late, 5 to 35 dB weaker."""
    count = int(rng.integers(0, 7))
    delays, gains_db = rng.uniform(*_ECHO_DELAYS_S, count), rng.uniform(*_ECHO_GAINS_DB, count)
    return _paths(delays, gains_db, rng)



def draw_tail(rng: np.random.Generator) -> tuple[Echo, ...]:
    """Paths of a tail that decays exponentially over 0.2 to 3 us, together 8 to 30 dB below the direct path."""
    decay = rng.uniform(0.2e-6, 3e-6)
    together_db = rng.uniform(-30.0, -8.0)
    share = np.sort(rng.uniform(0.0, 1.0, _TAIL_PATHS)) * (1 - math.exp(-4.0))
    delays = -decay * np.log1p(-share)  # density of the paths follows the decay, so their powers are alike
    gains_db = together_db - 10 * math.log10(_TAIL_PATHS) + rng.uniform(-4.0, 4.0, _TAIL_PATHS)
    return _paths(delays, gains_db, rng)


def _paths(delays: np.ndarray, gains_db: np.ndarray, rng: np.random.Generator) -> tuple[Echo, ...]:
    phases = rng.uniform(0, 2 * math.pi, delays.size)
    facts = zip(delays.tolist(), gains_db.tolist(), phases.tolist(), strict=True)
    return tuple(Echo(delay=delay, gain_db=gain_db, phase=phase) for delay, gain_db, phase in facts)
