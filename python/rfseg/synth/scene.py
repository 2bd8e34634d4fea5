"""A scene: one frame of a made-up band, as samples, rows, mask and the list of who sent.

A scene is a function of its recipe and its seed: the same two give the same bits
on the same number of threads (another number rounds some sums differently).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..errors import SceneError
from ..geometry import Geometry, make_geometry
from ..spectrogram import frame_rows
from .channel import draw_profile, fading
from .labels import CLASS_LABELS, Carrier, mask_carriers, mask_radar
from .lte import draw_lte, lte_grid, lte_subcarriers
from .nr import draw_nr, nr_grid, nr_subcarriers
from .ofdm import Numerology, modulate

GRID_STEP_HZ = 3.84e6
from .other import OtherEmitter, add_other
from .plan import CarrierPlan, plan_carriers, plan_others
from .radar import PulseTrain, draw_radar, radar_samples
from .receiver import Receiver, digitise, draw_receiver, passband

__all__ = ["Emitter", "Plan", "Recipe", "Scene", "draw_plan", "make_scene", "realise"]

_ORIGIN_SPAN_S = 20e-3  # a scene starts anywhere within the longest period of a carrier


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Law that scenes are drawn from.

    Parameters
    ----------
    rates : tuple of (float, float)
        Sample rate in Hz (whole kHz) and its weight.
    durations : tuple of (float, float)
        Frame duration in s and its weight.
    long_rate_limit : float
        Above this rate, Hz, frames last at most ``long_duration_limit`` s: they would take long to make.
    radar_share : float
        Share of scenes with a radar.
    """

    rates: tuple[tuple[float, float], ...] = (
        (15.36e6, 0.14), (16e6, 0.02), (19.2e6, 0.14), (20e6, 0.07), (23.04e6, 0.10), (25e6, 0.05), (28e6, 0.02),
        (30.72e6, 0.20), (40e6, 0.03), (46.08e6, 0.04), (50e6, 0.03), (56e6, 0.02), (61.44e6, 0.10),
        (92.16e6, 0.02), (122.88e6, 0.02),
    )  # fmt: skip
    durations: tuple[tuple[float, float], ...] = (
        (1e-3, 0.09), (2e-3, 0.07), (2.857e-3, 0.06), (5e-3, 0.14), (10e-3, 0.24), (20e-3, 0.32), (40e-3, 0.08),
    )  # fmt: skip
    long_rate_limit: float = 47e6
    long_duration_limit: float = 20e-3
    radar_share: float = 0.45


@dataclass(frozen=True, kw_only=True)
class Emitter:
    """Who sent: the truth behind the mask; SigMF annotation fields, frequencies in Hz re the centre."""

    label: str
    freq_lower_edge: float
    freq_upper_edge: float
    sample_start: int
    sample_count: int
    snr_db: float
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A scene before its samples are made."""

    samp_rate: float
    frame_duration: float
    carriers: list[CarrierPlan]
    others: list[OtherEmitter]
    radars: list[PulseTrain]
    receiver: Receiver


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One frame with its truth."""

    geometry: Geometry
    iq: np.ndarray  # complex64 (frame_samples + overhang,), full scale 1
    rows: np.ndarray  # float32 (2, T, F), dBFS
    mask: np.ndarray  # uint8 (T, F), 255 = unknown
    emitters: list[Emitter] = field(default_factory=list)


def _pick(table: tuple[tuple[float, float], ...], rng: np.random.Generator) -> float:
    weights = np.array([w for _, w in table])
    return table[int(rng.choice(len(table), p=weights / weights.sum()))][0]


def draw_plan(recipe: Recipe, rng: np.random.Generator) -> Plan:
    """A random scene of the recipe."""
    samp_rate = _pick(recipe.rates, rng)
    duration = _pick(recipe.durations, rng)
    if samp_rate > recipe.long_rate_limit:
        duration = min(duration, recipe.long_duration_limit)
        if samp_rate > 2 * recipe.long_rate_limit * 0.9:
            duration = min(duration, recipe.long_duration_limit / 2)
    carriers = plan_carriers(samp_rate, rng)
    count = int(rng.choice([1, 2], p=[0.8, 0.2])) if rng.random() < recipe.radar_share else 0
    return Plan(
        samp_rate=samp_rate,
        frame_duration=duration,
        carriers=carriers,
        others=plan_others(samp_rate, carriers, rng),
        radars=[draw_radar(duration, samp_rate, rng) for _ in range(count)],
        receiver=draw_receiver(rng),
    )


def make_scene(recipe: Recipe, seed: int) -> Scene:
    """The scene of a recipe and a seed."""
    rng = np.random.default_rng(seed)
    return realise(draw_plan(recipe, rng), rng)


def realise(plan: Plan, rng: np.random.Generator) -> Scene:
    """Make the samples, rows and mask of a planned scene.

    Raises
    ------
    SceneError
        If the sample rate is not a whole number of kHz.
    """
    if plan.samp_rate % 1e3:
        raise SceneError(f"samp_rate={plan.samp_rate!r} Hz is no whole number of kHz; round it to one")
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    geometry = make_geometry(plan.samp_rate, frame_duration=plan.frame_duration)
    needed = geometry.frame_samples + geometry.overhang
    milliseconds = math.ceil(needed / plan.samp_rate * 1e3)
    grid_rate = math.ceil(plan.samp_rate / GRID_STEP_HZ) * GRID_STEP_HZ
    count = round(grid_rate * milliseconds / 1e3)

    signal = torch.zeros(count, dtype=torch.complex64)
    carriers = []
    for carrier_plan in plan.carriers:
        samples, carrier = _carrier(carrier_plan, count, grid_rate, rng, generator)
        signal += samples
        carriers.append(carrier)
    radar = torch.zeros_like(signal)
    for train in plan.radars:
        radar += radar_samples(train, count, grid_rate, rng)
    out_count = round(plan.samp_rate * milliseconds / 1e3)
    noisy = _receive(plan, signal + radar if plan.radars else signal, out_count, milliseconds, rng, generator)
    iq = digitise(noisy[:needed], plan.receiver, rng=rng, generator=generator).numpy()

    bins = torch.from_numpy((np.arange(geometry.bins) - geometry.bins // 2) * geometry.bin_width)
    mask, background = mask_carriers(carriers, geometry, passband(plan.receiver, bins, plan.samp_rate).numpy())
    if plan.radars:
        clean = _resample(radar, out_count)[:needed].numpy()
        peak = 10 ** (frame_rows(clean, geometry)[0][1] / 10) * (geometry.bins / 1.5)  # noise = 1
        mask_radar(mask, peak, background, geometry)
    rows, _ = frame_rows(iq, geometry)
    return Scene(geometry=geometry, iq=iq, rows=rows, mask=mask, emitters=_emitters(plan, geometry))


def _carrier(
    plan: CarrierPlan, count: int, grid_rate: float, rng: np.random.Generator, generator: torch.Generator
) -> tuple[Tensor, Carrier]:
    """Samples ``(count,)`` of one carrier, and what the labels need to know of it."""
    numerology = Numerology(grid_rate=grid_rate, spacing=plan.spacing)
    origin = int(rng.integers(round(_ORIGIN_SPAN_S * grid_rate)))  # sample of the carrier's own time
    first_half, skip = divmod(origin, numerology.half_ms)
    halves = -(-(skip + count) // numerology.half_ms)
    symbols = halves * numerology.symbols
    if plan.label == "LTE":
        subcarriers = lte_subcarriers(plan.blocks)
        cell = plan.cell or draw_lte(plan.blocks, rng)
        grid = lte_grid(cell, first_half, halves, rng=rng, generator=generator)
    else:
        subcarriers = nr_subcarriers(plan.blocks)
        cell = plan.cell or draw_nr(plan.blocks, plan.spacing, rng)
        grid = nr_grid(cell, first_half * numerology.symbols, symbols, rng=rng, generator=generator)
    times = numerology.symbol_starts(symbols) - skip / grid_rate
    power = torch.view_as_real(grid).square().sum(-1).unflatten(1, (-1, 12)).mean(-1)  # (S, B)
    profile, doppler = draw_profile(rng)
    gain = fading(times, subcarriers * plan.spacing, profile=profile, doppler=doppler, generator=generator)
    grid = grid * 10 ** (plan.snr_db / 20)
    if gain is not None:
        grid = grid * gain
    samples = modulate(grid, subcarriers + round(plan.center / plan.spacing), numerology)[skip : skip + count]
    return samples, Carrier(
        class_id=CLASS_LABELS.index(plan.label),
        center=plan.center,
        snr_db=plan.snr_db,
        subcarriers=subcarriers,
        spacing=plan.spacing,
        times=times,
        power=power,
        weakest_db=-8.0 if count / grid_rate > 4e-3 else -5.0,
    )


def _crop(spectrum: Tensor, count: int) -> Tensor:
    """The central ``count`` bins of an unshifted spectrum, so that white density 1 stays 1."""
    total = spectrum.numel()
    if count == total:
        return spectrum
    low = count // 2
    return torch.cat([spectrum[: count - low], spectrum[total - low :]])


def _resample(samples: Tensor, count: int) -> Tensor:
    """The same stretch of time in ``count`` samples; white density is kept."""
    if samples.numel() == count:
        return samples
    return torch.fft.ifft(_crop(torch.fft.fft(samples, norm="ortho"), count), norm="ortho")


def _receive(
    plan: Plan, signal: Tensor, count: int, milliseconds: int, rng: np.random.Generator, generator: torch.Generator
) -> Tensor:
    """Other emitters, noise and passband; resampled to ``count`` samples, noise of about unit variance."""
    receiver = plan.receiver
    if not plan.others and not receiver.is_shaping and signal.numel() == count:
        return signal + torch.randn(count, generator=generator, dtype=torch.complex64)
    spectrum = _crop(torch.fft.fft(signal, norm="ortho"), count)
    for emitter in plan.others:
        add_other(spectrum, milliseconds, emitter, rng=rng, generator=generator)
    spectrum = spectrum + torch.randn(count, generator=generator, dtype=torch.complex64)
    if receiver.is_shaping:
        freqs = torch.fft.fftfreq(count, 1.0 / plan.samp_rate)
        spectrum = spectrum * passband(receiver, freqs, plan.samp_rate)
        floor = torch.randn(count, generator=generator, dtype=torch.complex64)
        spectrum = spectrum + floor * 10 ** (receiver.floor_db / 20)
    return torch.fft.ifft(spectrum, norm="ortho")


def _emitters(plan: Plan, geometry: Geometry) -> list[Emitter]:
    """The truth as records, edges cut at the band's edges."""
    half, count = plan.samp_rate / 2, geometry.frame_samples
    spans = [(c.label, c.center, c.width, 0, c.snr_db, f"{c.channel_mhz:g} MHz") for c in plan.carriers]
    spans += [("Noise", o.center, o.width, 0, o.snr_db, o.kind) for o in plan.others]
    for train in plan.radars:
        width = max(abs(train.chirp), 2.0 * max(1, len(train.chips)) / train.width)
        spans.append(("Radar", train.center, width, max(0, round(train.first * plan.samp_rate)), train.snr_db, train.family))
    return [
        Emitter(
            label=label,
            freq_lower_edge=max(-half, center - width / 2),
            freq_upper_edge=min(half, center + width / 2),
            sample_start=start,
            sample_count=count - start,
            snr_db=snr_db,
            comment=comment,
        )
        for label, center, width, start, snr_db, comment in spans
        if abs(center) - width / 2 < half and start < count
    ]
