"""A scene: one frame of a made-up band, as samples, rows, masks and the list of who sent.

A scene is a function of its recipe and its seed: the same two give the same bits on the same kind of device and the
same number of threads (another number rounds some sums differently; a GPU draws other payloads).
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import SceneError
from ..geometry import Geometry, make_geometry
from .activity import Carrier
from .emission import Emission, carrier_emission, grid_rate_for, modulate_emissions
from .labels import UNKNOWN, MaskKind, channel_mask, energy_mask, mask_carriers, mask_radar
from .other import add_other
from .plan import Plan, draw_plan
from .radar import radar_samples
from .reception import limit, noise_floor, receive, resample
from .recipe import Recipe
from .rows import scene_rows
from .truth import Emitter, list_emitters

__all__ = ["Scene", "make_scene", "make_scenes", "realise", "realise_many"]

_SILENT = 1e-3  # amplitude of a radar, noise = 1
_HANN_ENBW_BINS = 1.5  # equivalent noise bandwidth of the window
_OCCUPIED = (MaskKind.OCCUPIED,)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One frame with its truth.

    Parameters
    ----------
    geometry : Geometry
    iq : complex64 ``(frame_samples + overhang,)``
        Full scale 1; empty where it was not asked for.
    rows : float32 ``(2, T, F)``
        dBFS.
    masks : dict of MaskKind to uint8 ``(T, F)``
        Class ids, 255 where the truth cannot be seen.
    emitters : list of Emitter
    plan : Plan
        All parameters.
    """

    geometry: Geometry
    iq: np.ndarray
    rows: np.ndarray
    masks: dict[MaskKind, np.ndarray]
    emitters: list[Emitter] = field(default_factory=list)
    plan: Plan

    @property
    def mask(self) -> np.ndarray:
        """The ``occupied`` mask."""
        return self.masks[MaskKind.OCCUPIED]


def make_scene(recipe: Recipe, seed: int, *, kinds: Collection[MaskKind] = _OCCUPIED, device: str = "cpu") -> Scene:
    """The scene of a recipe and a seed."""
    return realise(draw_plan(recipe, np.random.default_rng(seed)), kinds=kinds, device=device)


def make_scenes(
    recipe: Recipe, seeds: Sequence[int], *, kinds: Collection[MaskKind] = _OCCUPIED, device: str = "cpu", keep_iq: bool = True
) -> list[Scene]:
    """The scenes of several seeds, those of one geometry together: what a GPU is for."""
    plans = [draw_plan(recipe, np.random.default_rng(seed)) for seed in seeds]
    groups: dict[tuple[float, float, float], list[int]] = defaultdict(list)
    for index, plan in enumerate(plans):
        groups[plan.samp_rate, plan.frame_duration, grid_rate_for(plan.samp_rate, plan.carriers)].append(index)
    scenes: dict[int, Scene] = {}
    for members in groups.values():
        made = realise_many([plans[i] for i in members], kinds=kinds, device=device, keep_iq=keep_iq)
        scenes.update(zip(members, made, strict=True))
    return [scenes[index] for index in range(len(plans))]


def realise(plan: Plan, *, kinds: Collection[MaskKind] = _OCCUPIED, device: str = "cpu") -> Scene:
    """Samples, rows and masks of a plan; see :func:`realise_many`."""
    return realise_many([plan], kinds=kinds, device=device)[0]


@dataclass(kw_only=True)
class _Air:
    """What is in the air of one scene, before the receiver."""

    plan: Plan
    rng: np.random.Generator
    generator: torch.Generator
    emissions: list[Emission] = field(default_factory=list)
    carriers: list[Carrier] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)  # of each carrier's emissions
    radar: Tensor | None = None  # samples of all radars
    others: Tensor | None = None  # spectrum of the emitters that are Noise
    power: float = 1.0  # mean, of all that reaches the converter


def realise_many(
    plans: Sequence[Plan], *, kinds: Collection[MaskKind] = _OCCUPIED, device: str = "cpu", keep_iq: bool = True
) -> list[Scene]:
    """Samples, rows and masks of plans of one sample rate and one duration.

    Parameters
    ----------
    kinds : collection of MaskKind
        Masks to make besides ``occupied``.  ``energy`` costs a spectrogram per carrier.
    device : str
        Where the payload is made.
    keep_iq : bool
        Whether the scenes hold their samples.

    Raises
    ------
    SceneError
        If the sample rate is not a whole number of kHz, or the plans differ in rate or duration.
    """
    first = plans[0]
    if first.samp_rate % 1e3:
        raise SceneError(f"samp_rate={first.samp_rate!r} Hz is no whole number of kHz; round it to one")
    grid_rate = max(grid_rate_for(p.samp_rate, p.carriers) for p in plans)
    if any((p.samp_rate, p.frame_duration) != (first.samp_rate, first.frame_duration) for p in plans):
        raise SceneError("plans differ in sample rate or duration; make_scenes sorts them")
    geometry = make_geometry(first.samp_rate, frame_duration=first.frame_duration)
    milliseconds = math.ceil((geometry.frame_samples + geometry.overhang) / first.samp_rate * 1e3)
    count = round(grid_rate * milliseconds / 1e3)

    airs = [_on_air(plan, milliseconds * 1e-3, torch.device(device)) for plan in plans]
    signals = modulate_emissions([air.emissions for air in airs], count, grid_rate, torch.device(device))
    received = []
    for air, signal in zip(airs, signals, strict=True):
        _add_radars(air, signal, grid_rate)
        _add_others(air, milliseconds)
        size = round(first.samp_rate * milliseconds / 1e3)
        samples, air.power = receive(
            signal, air.others, air.plan.receiver, geometry, size, rng=air.rng, generator=air.generator
        )
        received.append(samples)
    iq = torch.stack(received)
    rows = (10.0 * scene_rows(iq, geometry).log10()).cpu().numpy()
    return [
        Scene(
            geometry=geometry,
            iq=(iq[index] if keep_iq else iq[index, :0]).cpu().numpy(),
            rows=rows[index],
            masks=_masks(air, geometry, kinds, grid_rate, milliseconds),
            emitters=list_emitters(air.plan, geometry),
            plan=air.plan,
        )
        for index, air in enumerate(airs)
    ]


def _on_air(plan: Plan, duration: float, device: torch.device) -> _Air:
    """The carriers of a scene."""
    rng = np.random.default_rng(plan.payload_seed)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    air = _Air(plan=plan, rng=rng, generator=generator)
    for carrier_plan in plan.carriers:
        emissions, carrier = carrier_emission(carrier_plan, duration, rng=rng, generator=generator)
        air.spans.append((len(air.emissions), len(air.emissions) + len(emissions)))
        air.emissions += emissions
        air.carriers.append(carrier)
    return air


def _add_radars(air: _Air, signal: Tensor, grid_rate: float) -> None:
    """Add the radars to the signal, in place, and keep them."""
    for train in air.plan.radars:
        samples = radar_samples(train, signal.numel(), grid_rate, rng=air.rng, device=air.generator.device)
        air.radar = samples if air.radar is None else air.radar + samples
    if air.radar is not None:
        signal += air.radar


def _add_others(air: _Air, milliseconds: int) -> None:
    """Make the emitters that are Noise."""
    if air.plan.others:
        count = round(air.plan.samp_rate * milliseconds / 1e3)
        air.others = torch.zeros(count, dtype=torch.complex64, device=air.generator.device)
        for emitter in air.plan.others:
            add_other(air.others, milliseconds, emitter, rng=air.rng, generator=air.generator)


def _masks(
    air: _Air, geometry: Geometry, kinds: Collection[MaskKind], grid_rate: float, milliseconds: int
) -> dict[MaskKind, np.ndarray]:
    """The masks of a scene, on the CPU."""
    plan, count = air.plan, round(air.plan.samp_rate * milliseconds / 1e3)
    others = None
    if air.others is not None and (air.carriers or air.radar is not None):
        others = _noise_free(torch.fft.ifft(air.others, norm="ortho"), geometry)[0].cpu().numpy()
    floor = noise_floor(plan.receiver, air.power, geometry)
    occupied, background = mask_carriers(air.carriers, geometry, floor=floor, others=others)
    if air.radar is not None:
        radar = resample(air.radar, count)
        peak, left = _radar_peak(radar, geometry), limit(radar, plan.receiver, air.power)
        passed = peak if left is radar else np.minimum(peak, _radar_peak(left, geometry))
        mask_radar(occupied, peak, background, geometry, passed=passed)
    _hide_gap(occupied, plan, geometry)
    masks = {MaskKind.OCCUPIED: occupied}
    if MaskKind.ENERGY in kinds:
        powers = []
        for (first, last), carrier in zip(air.spans, air.carriers, strict=True):
            whole = round(grid_rate * milliseconds / 1e3)
            samples = modulate_emissions([air.emissions[first:last]], whole, grid_rate, air.generator.device)[0]
            powers.append((carrier.class_id, _noise_free(resample(samples, count), geometry)[0].cpu().numpy()))
        masks[MaskKind.ENERGY] = energy_mask(powers, occupied, floor)
        _hide_gap(masks[MaskKind.ENERGY], plan, geometry)
    if MaskKind.CHANNEL in kinds:
        masks[MaskKind.CHANNEL] = channel_mask(air.carriers, occupied, geometry)
    return masks


def _noise_free(samples: Tensor, geometry: Geometry, *, first_row: int = 0, rows: int | None = None) -> Tensor:
    """Power re the noise of unit variance, ``(2, rows, F)``."""
    needed = geometry.frame_samples + geometry.overhang
    return scene_rows(samples[:needed], geometry, first_row=first_row, rows=rows) * (geometry.bins / _HANN_ENBW_BINS)


def _radar_peak(radar: Tensor, geometry: Geometry) -> np.ndarray:
    """Power of the radars in the max channel, noise = 1: float32 ``(T, F)``; only rows that hold some are computed."""
    parts = torch.view_as_real(radar[: geometry.frame_samples]).reshape(geometry.rows, -1)
    live = (parts.abs().amax(1) > _SILENT).cpu().numpy()
    live[:-1] |= live[1:]  # the last segments of a row read into the next
    live[-1] |= bool((radar[geometry.frame_samples :][: geometry.overhang].abs() > _SILENT).any())
    peak = np.zeros((geometry.rows, geometry.bins), np.float32)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], live, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        peak[first:last] = _noise_free(radar, geometry, first_row=int(first), rows=int(last - first))[1].cpu().numpy()
    return peak


def _hide_gap(mask: np.ndarray, plan: Plan, geometry: Geometry) -> None:
    """Rows of which the receiver lost more than half are unknown."""
    lost = plan.receiver.gap_samples(geometry.frame_samples + geometry.overhang, geometry.samp_rate)
    if lost is not None:
        begin, end = ((place - 0.5 * geometry.overhang) / geometry.row_samples for place in lost)
        mask[max(0, math.ceil(begin - 0.5)) : max(0, math.floor(end + 0.5))] = UNKNOWN
