"""From the plans of carriers to samples: grids through channels, placed and modulated, many carriers at once."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .activity import Carrier, make_carrier
from .channel import Channel, fading
from .labels import CLASS_LABELS
from .lte import lte_signals
from .lte_uplink import lte_uplink_signals
from .nr import nr_signals
from .nr_uplink import nr_uplink_signals
from .ofdm import Numerology, OfdmSignal, modulate_many
from .plan import CarrierPlan

__all__ = ["Emission", "carrier_emission", "grid_rate_for", "modulate_emissions"]

_HALF_MS = 0.5e-3  # s
_ROTOR_STEP = 512  # samples of the fine line
_DOWNLINKS = {"LTE": lte_signals, "NR": nr_signals}
_UPLINKS = {"LTE": lte_uplink_signals, "NR": nr_uplink_signals}


@dataclass(frozen=True, kw_only=True)
class Emission:
    """One signal of a carrier, ready to be modulated."""

    spacing: float
    half_shift: bool
    subcarriers: Tensor  # int64 (K,), from 0 Hz of the band
    elements: Tensor  # complex64 (S, K), noise density = 1
    lead: float  # how long it begins before the scene, s
    cfo_hz: float = 0.0


def grid_rate_for(samp_rate: float, carriers: tuple[CarrierPlan, ...]) -> float:
    """Lowest rate, Hz, not below ``samp_rate``, at which all carriers have whole cyclic prefixes."""
    step = max((Numerology.grid_step(c.spacing) for c in carriers), default=Numerology.grid_step(15e3))
    return math.ceil(samp_rate / step) * step


def carrier_emission(
    plan: CarrierPlan, duration: float, *, rng: np.random.Generator, generator: torch.Generator
) -> tuple[list[Emission], Carrier]:
    """What a carrier sends in a scene of ``duration`` s, and what the labels need to know of it."""
    half_ms = math.ceil((plan.lead + duration) / _HALF_MS + 1e-6)
    arguments = dict(rng=rng, generator=generator)
    signals: list[tuple[OfdmSignal, float]] = []
    if plan.downlink is not None:
        found = _DOWNLINKS[plan.label](plan.downlink, plan.first_half_ms, half_ms, **arguments)
        signals += [(signal, 1.0) for signal in found]
    if plan.uplink is not None:
        found = _UPLINKS[plan.label](plan.uplink, plan.first_half_ms, half_ms, **arguments)
        signals += [(signal, 10 ** (plan.uplink_db / 20)) for signal in found]
    carrier = make_carrier(
        signals,
        class_id=CLASS_LABELS.index(plan.label),
        center=plan.center,
        channel_width=plan.channel_mhz * 1e6,
        snr_db=plan.snr_db,
        lead=plan.lead,
    )
    level = 10 ** (plan.snr_db / 20)
    emissions = [
        Emission(
            spacing=signal.spacing,
            half_shift=signal.half_shift,
            subcarriers=signal.subcarriers + round(plan.center / signal.spacing),
            elements=_through_channel(signal, plan.channel, level * amplitude * _oscillator(plan, signal), generator),
            lead=plan.lead,
            cfo_hz=plan.channel.cfo_hz,
        )
        for signal, amplitude in signals
    ]
    return emissions, carrier


def _oscillator(plan: CarrierPlan, signal: OfdmSignal) -> Tensor:
    """Phase of a transmitter's oscillator where the useful part of each symbol begins, complex64 ``(S, 1)``.

    Subcarriers of the band begin every symbol anew, as NR does it: TS 38.211 clause 5.4.  The oscillator of LTE runs
    through: TS 36.211 clauses 5.8 and 6.13.
    """
    if plan.label != "LTE":
        return torch.ones(1, 1, dtype=torch.complex64, device=signal.subcarriers.device)
    numerology = Numerology(grid_rate=Numerology.grid_step(signal.spacing), spacing=signal.spacing)
    prefixes = torch.tensor(numerology.prefixes, dtype=torch.float64) / numerology.grid_rate
    times = numerology.symbol_starts(signal.symbol_count).unflatten(0, (-1, numerology.symbols)) + prefixes
    turns = round(plan.center / signal.spacing) * signal.spacing * times.flatten()
    angle = ((turns - turns.round()) * (2 * math.pi)).float()
    return torch.polar(torch.ones_like(angle), angle)[:, None].to(signal.subcarriers.device)


def _through_channel(signal: OfdmSignal, channel: Channel, amplitude: Tensor, generator: torch.Generator) -> Tensor:
    """Sum of the ports, each through its own channel of unit mean power over the scene, complex64 ``(S, K)``.

    Parameters
    ----------
    amplitude : complex64 ``(S, 1)`` or ``(1, 1)``
    """
    numerology = Numerology(grid_rate=Numerology.grid_step(signal.spacing), spacing=signal.spacing)
    times = numerology.symbol_starts(signal.symbol_count)
    freqs = signal.subcarriers * signal.spacing
    total: Tensor | None = None
    for grid in sorted(signal.grids, key=lambda g: g.symbols is not None):  # a dense one first
        elements = grid.elements
        if elements.numel():
            at = times if grid.symbols is None else times[grid.symbols.cpu()]
            level = amplitude if grid.symbols is None or len(amplitude) == 1 else amplitude[grid.symbols]
            gain = fading(at, freqs, channel, generator=generator)
            if gain is None:
                elements = elements * level
            else:
                mean = torch.view_as_real(gain[:, :: max(1, gain.shape[1] // 64)].contiguous()).square().sum(-1).mean()
                elements = elements * gain * (level * mean.rsqrt())
        if grid.symbols is None and total is None:
            total = elements
        else:
            if total is None:
                total = torch.zeros(signal.symbol_count, elements.shape[1], dtype=torch.complex64, device=elements.device)
            rows = torch.arange(signal.symbol_count, device=elements.device) if grid.symbols is None else grid.symbols
            total.index_add_(0, rows, elements)
    if total is None:  # nobody sends
        total = torch.zeros(signal.symbol_count, freqs.numel(), dtype=torch.complex64, device=freqs.device)
    return total


def modulate_emissions(emissions: list[list[Emission]], count: int, grid_rate: float, device: torch.device) -> Tensor:
    """Samples of several scenes.

    Parameters
    ----------
    emissions : list of list of Emission
        Of each scene.
    count : int
        Samples of a scene.

    Returns
    -------
    complex64 ``(N, count)``
    """
    samples = torch.zeros(len(emissions), count, dtype=torch.complex64, device=device)
    groups: dict[tuple[float, bool], list[tuple[int, Emission]]] = defaultdict(list)
    for scene, found in enumerate(emissions):
        for emission in found:
            groups[emission.spacing, emission.half_shift].append((scene, emission))
    for (spacing, half_shift), members in groups.items():
        numerology = Numerology(grid_rate=grid_rate, spacing=spacing)
        grids = [(e.elements, e.subcarriers) for _, e in members]
        step = len(members) if device.type != "cpu" else 1  # a GPU takes them at once, a core keeps its cache
        for first in range(0, len(members), step):
            parts = modulate_many(grids[first : first + step], numerology, half_shift=half_shift)
            for (scene, emission), part in zip(members[first : first + step], parts, strict=True):
                skip = round(emission.lead * grid_rate)
                part = part[skip : skip + count]
                samples[scene] += part * _rotor(emission.cfo_hz / grid_rate, count, device) if emission.cfo_hz else part
    return samples


def _rotor(turns: float, count: int, device: torch.device) -> Tensor:
    """A line of so many turns a sample, complex64 ``(count,)``: the product of a coarse and a fine one."""
    coarse, fine = (
        torch.arange(length, dtype=torch.float64, device=device) * step % 1.0 * (2 * math.pi)
        for length, step in ((-(-count // _ROTOR_STEP), turns * _ROTOR_STEP), (_ROTOR_STEP, turns))
    )
    line = torch.outer(*(torch.polar(torch.ones_like(a), a).to(torch.complex64) for a in (coarse, fine)))
    return line.flatten()[:count]
