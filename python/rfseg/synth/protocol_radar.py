"""The published generator of airport radar with LTE and NR: frames of 2.857 ms, with the flaws that it has.

Each draw makes three scenes, radar with NR, with LTE and with both, without and with noise.  `docs/protocols.md`
lists the flaws and what each is worth to a network that does not look.  Every one is a flag of
:class:`RadarProtocol`; :meth:`RadarProtocol.randomised` takes the ones away that tell where things are.
"""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from .labels import CLASS_LABELS, UNKNOWN
from .protocol_carriers import SAMP_RATE, carrier_samples
from .protocol_frame import ProtocolFrame, Spot, make_frame, noise
from .protocol_paths import propagate
from .protocol_radar_draw import PRI, PULSE, RADAR_SCENES, SAMPLES, RadarDraw, RadarProtocol, draw_radar_protocol, radar_label

__all__ = [
    "PRI",
    "RADAR_SCENES",
    "SAMPLES",
    "RadarDraw",
    "RadarProtocol",
    "draw_radar_protocol",
    "make_radar_frames",
    "radar_label",
]

_RADAR_GAIN_DB = 10 * math.log10(25e3) + 32.8  # power and gain; the antenna's own comes on top
_CARRIER_GAIN_DB = 10 * math.log10(350.0) + 10.0 + 20.0  # power, gain, and ten antennas that all send the same
_WAVEFORM_HALF_MS = 80
_COLOURS = {"Noise": (0, 0, 0), "LTE": (80, 80, 80), "NR": (160, 160, 160), "Radar": (255, 255, 255)}
_HIDDEN_DB = -8.0  # in-band SNR below which nobody sees a carrier


def make_radar_frames(
    recipe: RadarProtocol,
    seed: int,
    *,
    scenes: tuple[str, ...] = tuple(RADAR_SCENES),
    twins: tuple[bool, ...] = (False, True),
    keep_iq: bool = False,
    device: torch.device | str = "cpu",
) -> list[ProtocolFrame]:
    """The frames of one draw, in the published order.

    Parameters
    ----------
    scenes : tuple of str
        Of :data:`RADAR_SCENES`; the others are not made.  A scene is the same whichever others are.
    twins : tuple of bool
        False for the frame without noise, True for the one with.
    keep_iq : bool
        Whether the frames hold their samples.
    device
        On which the signals are made.

    Raises
    ------
    SceneError
        If there is no such scene, or the seed is negative.
    """
    draw = draw_radar_protocol(recipe, seed)
    radar = _radar(draw, torch.device(device))
    frames = []
    for scene in scenes:
        label = radar_label(draw, scene, recipe)
        spots = draw.spots(scene, recipe)
        carriers = propagate(_carriers(draw, scene, recipe, torch.device(device)), draw.carrier_paths)
        clean = radar + carriers * 10 ** (_CARRIER_GAIN_DB / 20)
        power = float(torch.view_as_real(carriers).square().sum(-1).mean()) * 10 ** (_CARRIER_GAIN_DB / 10)
        width = sum(draw.content(label).channel_mhz for label in RADAR_SCENES[scene]) * 1e6
        for noisy in twins:
            noise_power = 0.0
            if noisy:
                total = float(torch.view_as_real(clean).square().sum(-1).mean())
                noise_power = (total if recipe.has_total_snr else power * SAMP_RATE / width) / 10 ** (draw.snr_db / 10)
            channel_snr_db = 10 * math.log10(power * SAMP_RATE / width / noise_power) if noise_power else math.inf
            frames.append(_frame(draw, scene, recipe, clean, label, noise_power, channel_snr_db, spots, keep_iq))
    return frames


def _frame(
    draw: RadarDraw,
    scene: str,
    recipe: RadarProtocol,
    clean: Tensor,
    label: np.ndarray,
    noise_power: float,
    channel_snr_db: float,
    spots: list[Spot],
    keep_iq: bool,
) -> ProtocolFrame:
    """One of the twins."""
    samples = clean
    if noise_power:
        samples = noise(clean, noise_power, _generator(draw.seed, 3 + list(RADAR_SCENES).index(scene), clean.device))
    if not recipe.labels_hidden and channel_snr_db < _HIDDEN_DB:
        label = np.where((label == 0) | (label == CLASS_LABELS.index("Radar")), label, UNKNOWN).astype(np.uint8)
    twin = f"snr_{draw.snr_index}" if noise_power else "clean"
    tail = f"{draw.seed + 1:05d}_radar_{scene}_{draw.doppler_hz:g}_{twin}.png"
    parameters = {
        "seed": draw.seed,
        "scene": scene,
        "snr_db": draw.snr_db if noise_power else None,
        "channel_snr_db": channel_snr_db if noise_power else None,
        "doppler_hz": draw.doppler_hz,
        "carriers": [asdict(spot) for spot in spots],
        "pulses": list(draw.pulses),
        "radar_center": draw.radar_center,
        "delays_us": [round(d / SAMP_RATE * 1e6, 3) for d in draw.radar_paths.delay_samples.tolist()],
    }
    return make_frame(
        samples.cpu().numpy(),
        recipe.front_end,
        keep_iq=keep_iq,
        label=label,
        image_name=f"data_{tail}",
        label_name=f"label_{tail}",
        colours=_COLOURS,
        parameters=parameters,
    )


def _generator(seed: int, stream: int, device: torch.device) -> torch.Generator:
    """Payload of one stream of a draw; streams do not depend on each other."""
    start = int(np.random.default_rng([seed, 1, stream]).integers(2**62))
    return torch.Generator(device=device).manual_seed(start)


def _radar(draw: RadarDraw, device: torch.device) -> Tensor:
    """The received radar, complex64 ``(SAMPLES,)``."""
    sent = np.zeros(SAMPLES + SAMPLES // 2, np.complex64)
    lead = SAMPLES // 2  # room for a pulse before the frame
    for first in draw.pulses:
        time = np.arange(max(first, -lead), min(first + PULSE, SAMPLES))
        sent[time + lead] = np.exp(2j * np.pi * draw.radar_center / SAMP_RATE * time) * 10 ** (_RADAR_GAIN_DB / 20)
    return propagate(torch.from_numpy(sent).to(device), draw.radar_paths)[lead:]


def _carriers(draw: RadarDraw, scene: str, recipe: RadarProtocol, device: torch.device) -> Tensor:
    """What the carriers of a scene send during the frame, complex64 ``(SAMPLES,)``; unit mean power of all that is made."""
    half_ms = round(SAMP_RATE / 2000)
    needed = -(-SAMPLES // half_ms)
    begin = draw.start * (half_ms * _WAVEFORM_HALF_MS - SAMPLES)
    first, count = (0, _WAVEFORM_HALF_MS) if recipe.starts_at_peak else (int(begin // half_ms), needed + 1)
    total = torch.zeros(half_ms * count, dtype=torch.complex64, device=device)
    for number, (label, center) in enumerate(draw.centers[scene].items()):
        generator = _generator(draw.seed, 1 if label == "LTE" else 2, device)
        rng = np.random.default_rng([draw.seed, 2, number])
        total += carrier_samples(draw.content(label), center, first, count, rng=rng, generator=generator)
    power = torch.view_as_real(total).square().sum(-1)
    start = int(power[: power.numel() - SAMPLES + 1].argmax()) if recipe.starts_at_peak else int(begin) - first * half_ms
    return total[start : start + SAMPLES] * float(power.mean()) ** -0.5
