"""Radars that turn or scan: air traffic control, weather, ships and their sets at sea.

Figures are handbook values of the types, ASR-E's after radartutorial.eu.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .laws import TURN, draw_intervals, draw_rise, nonlinear, time_on_target
from .train import Pulse, PulseTrain

__all__ = ["SPY_1_WIDTHS_US", "SURVEILLANCE"]

_SIDELOBES_DB = (-35.0, -25.0)
SPY_1_WIDTHS_US = (6.4, 12.7, 25.4, 51.0)


def _turning(
    family: str, pulses: tuple[Pulse, ...], intervals: tuple[float, ...], beam_s: float, rng: np.random.Generator, **more
) -> PulseTrain:
    """A rotating radar with a beam of ``beam_s`` s, not yet placed."""
    return PulseTrain(
        family=family,
        center=0.0,
        pulses=pulses,
        intervals=intervals,
        first=0.0,
        snr_db=0.0,
        scan_peak=0.0,
        scan_width=beam_s,
        sidelobe_db=float(rng.uniform(*_SIDELOBES_DB)),
        **more,
    )


def _plain(width: float, rng: np.random.Generator) -> tuple[Pulse, ...]:
    return (Pulse(width=width, rise=draw_rise(rng, width)),)


def _asr_9(duration: float, rng: np.random.Generator) -> PulseTrain:
    """ASR-9: 1.05 us; ten pulses at the high rate, then eight at 7/9 of it (928/1193 to 1027/1321 per s)."""
    low = float(rng.uniform(928, 1027))
    beam = time_on_target(float(rng.uniform(1.3, 1.4)), 12.5)
    return _turning("asr-9", _plain(1.05e-6, rng), 10 * (7 / (9 * low),) + 8 * (1 / low,), beam, rng)


def _asr_8(duration: float, rng: np.random.Generator) -> PulseTrain:
    """ASR-8: 0.6 us, about 1040 per s on average in a stagger of four."""
    steps = 1 + rng.uniform(-0.12, 0.12, 4)
    intervals = tuple((steps / steps.mean() / float(rng.uniform(1020, 1060))).tolist())
    return _turning("asr-8", _plain(0.6e-6, rng), intervals, time_on_target(1.35, 12.5), rng)


def _long_pulse(width: float, rng: np.random.Generator, **more) -> Pulse:
    law = nonlinear(rng) if rng.random() < 0.7 else {"modulation": "lfm"}
    return Pulse(width=width, chirp=float(rng.uniform(1e6, 3e6) * rng.choice(TURN)), rise=draw_rise(rng, width), **law, **more)


def _asr_11(duration: float, rng: np.random.Generator) -> PulseTrain:
    """ASR-11: 1 us, then 45 to 90 us of (N)LFM on a second frequency; a solid-state transmitter."""
    apart = float(rng.uniform(1.5e6, 6e6) * rng.choice(TURN))
    short = Pulse(width=1e-6, rise=draw_rise(rng, 1e-6), offset=apart / 2)
    long = _long_pulse(float(rng.uniform(45e-6, 90e-6)), rng, offset=-apart / 2, delay=1e-6 + float(rng.uniform(2e-6, 10e-6)))
    kind = str(rng.choice(["fixed", "stagger", "dwell"]))
    intervals = draw_intervals(kind, 1 / float(rng.uniform(720, 1050)), duration, rng)
    return _turning("asr-11", (short, long), intervals, time_on_target(1.4, 12.5), rng)


def _asr_e(duration: float, rng: np.random.Generator) -> PulseTrain:
    """ASR-E: 1 us and two times 45 us of (N)LFM on two frequencies, 12 or 15 turns per minute."""
    apart = float(rng.uniform(1.5e6, 6e6) * rng.choice(TURN))
    gap = float(rng.uniform(1e-6, 5e-6))
    pulses = (
        Pulse(width=1e-6, rise=draw_rise(rng, 1e-6), offset=apart / 2),
        _long_pulse(45e-6, rng, offset=apart / 2, delay=1e-6 + gap),
        _long_pulse(45e-6, rng, offset=-apart / 2, delay=46e-6 + 2 * gap),
    )
    intervals = draw_intervals(str(rng.choice(["fixed", "stagger"])), 1 / float(rng.uniform(800, 1100)), duration, rng)
    return _turning("asr-e", pulses, intervals, time_on_target(1.4, float(rng.choice([12.0, 15.0]))), rng)


def _spn_43(duration: float, rng: np.random.Generator) -> PulseTrain:
    """AN/SPN-43: 0.9 us, 1000 per s, 1.75 degrees at 15 turns per minute; a magnetron."""
    return _turning("spn-43", _plain(0.9e-6, rng), (1e-3,), time_on_target(1.75, 15.0), rng, coherent=False)


def _wsr_88d(duration: float, rng: np.random.Generator) -> PulseTrain:
    """WSR-88D: 1.57 us at 318 to 1304 per s, or 4.7 us at 318 to 452; 0.95 degrees at 2 to 5 turns per minute."""
    is_long = bool(rng.random() < 0.35)
    rate = float(rng.uniform(318, 452 if is_long else 1304))
    pulses = _plain(4.7e-6 if is_long else 1.57e-6, rng)
    return _turning("wsr-88d", pulses, (1 / rate,), time_on_target(0.95, float(rng.uniform(2, 5))), rng)


def _marine(duration: float, rng: np.random.Generator) -> PulseTrain:
    """Marine S-band: 0.05 to 1.2 us, the longer the slower, 375 to 4000 per s with jitter, 20 to 28 turns per minute."""
    place = rng.uniform()  # on the range switch
    width = 0.05e-6 * 24**place
    rate = float(np.clip(4000 * (375 / 4000) ** place * rng.uniform(0.8, 1.25), 420, 3600))
    intervals = draw_intervals(str(rng.choice(["fixed", "jitter"])), 1 / rate, duration, rng)
    beam = time_on_target(float(rng.uniform(1.8, 2.2)), float(rng.uniform(20, 28)))
    return _turning("marine", _plain(width, rng), intervals, beam, rng, coherent=False)


def _spy_1(duration: float, rng: np.random.Generator) -> PulseTrain:
    """Like AN/SPY-1: chirps of 6.4 to 51 us at irregular intervals, in bursts of a beam that points here or elsewhere."""
    width = float(rng.choice(SPY_1_WIDTHS_US)) * 1e-6
    chirp = float(rng.uniform(2e6, 10e6) * rng.choice(TURN))
    mean = max(float(rng.uniform(0.3e-3, 3e-3)), 10 * width)
    intervals = tuple((mean * rng.uniform(0.7, 1.3, int(rng.integers(4, 17)))).tolist())
    elsewhere = rng.uniform(*_SIDELOBES_DB, int(rng.integers(0, 4))).tolist()
    return PulseTrain(
        family="spy-1",
        center=0.0,
        pulses=(Pulse(width=width, modulation="lfm", chirp=chirp, rise=draw_rise(rng, width)),),
        intervals=intervals,
        first=0.0,
        snr_db=0.0,
        burst=len(intervals),
        burst_interval=sum(intervals) * float(rng.uniform(1.0, 1.5)),
        burst_gains_db=(0.0, *elsewhere),
    )


SURVEILLANCE: dict[str, Callable[[float, np.random.Generator], PulseTrain]] = {
    "asr-8": _asr_8,
    "asr-9": _asr_9,
    "asr-11": _asr_11,
    "asr-e": _asr_e,
    "spn-43": _spn_43,
    "wsr-88d": _wsr_88d,
    "marine": _marine,
    "spy-1": _spy_1,
}
