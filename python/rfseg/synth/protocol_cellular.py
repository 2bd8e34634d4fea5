"""The published generators of LTE and NR: frames of 40 ms, MathWorks' own and the one of the D2SNet authors.

Each draw makes an NR, an LTE and a combined scene; the second variant makes each at five noise levels and without noise.
`docs/protocols.md` lists the flaws, which are flags of :class:`CellularProtocol`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import SceneError
from ..published import Extremes, PublishedFrontEnd, flip_time
from .labels import CLASS_LABELS
from .lte import CHANNELS_MHZ as LTE_CHANNELS_MHZ
from .nr import CHANNELS_MHZ as NR_CHANNELS_MHZ
from .protocol_carriers import SAMP_RATE, carrier_samples, draw_general, draw_protocol_lte, draw_protocol_nr
from .protocol_frame import ProtocolFrame, Spot, carrier_columns, flat_fading, make_frame, noise, place_one, place_two

__all__ = [
    "CELLULAR_SCENES",
    "CellularDraw",
    "CellularProtocol",
    "cellular_label",
    "draw_cellular_protocol",
    "make_cellular_frames",
]

CELLULAR_SCENES = {"NR": ("NR",), "LTE": ("LTE",), "LTE_NR": ("LTE", "NR")}  # by their name in the files
_HALF_MS = 80
SAMPLES = round(SAMP_RATE * 40e-3)
_NR_MHZ = (10, 15, 20, 25, 30, 40, 50)
# Reference channel, its true channel bandwidth (TS 36.101 annex A.3.3.1), and the one that the generator states, MHz
_MATHWORKS_LTE = (("R.2", 10.0, 10.0), ("R.6", 5.0, 5.0), ("R.8", 15.0, 15.0), ("R.9", 20.0, 20.0))
_D2S_LTE = (("R.2", 10.0, 3.0), ("R.3", 10.0, 5.0), ("R.7", 10.0, 10.0), ("R.8", 15.0, 15.0), ("R.9", 20.0, 20.0))
_COLOURS = {
    "mathworks": {"Noise": (0, 0, 0), "LTE": (255, 255, 255), "NR": (127, 127, 127)},
    "d2s": {"Noise": (62, 38, 168), "LTE": (249, 249, 22), "NR": (16, 190, 186)},  # parula 0, 254, 127
}


@dataclass(frozen=True, kw_only=True)
class CellularProtocol:
    """Recipe; :meth:`mathworks`, :meth:`d2s` and :meth:`randomised` give the usual ones.

    Parameters
    ----------
    style : {"mathworks", "d2s"}
        Names and colours of the files; and whether a frame has one of the noise levels or there is one for each.
    size, extremes
        Of the front end, :class:`~rfseg.published.PublishedFrontEnd`.
    lte_channels : tuple of (str, float, float)
        Reference channel, true and stated channel bandwidth, MHz.
    snrs_db : tuple of float
        Noise levels; infinite for none.
    dopplers_hz : tuple of float
        Of which each draw has one.
    has_absolute_noise : bool
        The SNR is that of a signal of 1 W, which the signals are some 40 dB below; else of the frame's signals.
    has_stated_widths : bool
        LTE carriers are placed and labelled by the stated bandwidth, right or wrong; else by the true one.
    has_fixed_habits : bool
        Each carrier is a reference channel with one user that keeps its place, cell identities 0 and 1; else any cell
        of the library's generators.
    """

    style: str = "mathworks"
    size: int = 256
    extremes: Extremes = Extremes.ALL
    lte_channels: tuple[tuple[str, float, float], ...] = _MATHWORKS_LTE
    snrs_db: tuple[float, ...] = (40.0, 50.0, 100.0)
    dopplers_hz: tuple[float, ...] = (0.0, 10.0, 500.0)
    has_absolute_noise: bool = True
    has_stated_widths: bool = True
    has_fixed_habits: bool = True

    def __post_init__(self) -> None:
        PublishedFrontEnd(size=self.size, extremes=self.extremes)
        if self.style not in _COLOURS:
            raise SceneError(f"style={self.style!r} is unknown; choose {' or '.join(_COLOURS)}")
        for name in ("lte_channels", "snrs_db", "dopplers_hz"):
            if not getattr(self, name):
                raise SceneError(f"{name} is empty; give at least one value")
        for name, mhz, _ in self.lte_channels:
            if mhz not in LTE_CHANNELS_MHZ:
                raise SceneError(f"lte_channels: {name} of {mhz:g} MHz does not exist; choose from {tuple(LTE_CHANNELS_MHZ)}")

    @classmethod
    def mathworks(cls, **changes: Any) -> CellularProtocol:
        """The original: 256 pixels, one noise level for each frame, counted from 1 W."""
        return cls(**changes)

    @classmethod
    def d2s(cls, **changes: Any) -> CellularProtocol:
        """The variant of 128 pixels with noise-free twins, two of whose five LTE bandwidths are wrong."""
        facts: dict[str, Any] = {
            "style": "d2s",
            "size": 128,
            "lte_channels": _D2S_LTE,
            "snrs_db": (-10.0, 0.0, 10.0, 20.0, 30.0, math.inf),
            "dopplers_hz": (70.0,),
            "has_absolute_noise": False,
        }
        return cls(**(facts | changes))

    def randomised(self) -> CellularProtocol:
        """The same recipe with any cells and true bandwidths."""
        changed = {"has_stated_widths": False, "has_fixed_habits": False}
        return CellularProtocol(**({name: getattr(self, name) for name in self.__dataclass_fields__} | changed))

    @property
    def front_end(self) -> PublishedFrontEnd:
        """What makes the pictures."""
        return PublishedFrontEnd(size=self.size, extremes=self.extremes)


@dataclass(frozen=True, kw_only=True)
class CellularDraw:
    """The parameters of one draw."""

    seed: int
    doppler_hz: float
    lte_channel: tuple[str, float, float]
    contents: dict[str, Any]  # by label
    widths: dict[str, float]  # Hz, by which the generator places and labels
    centers: dict[str, dict[str, float]]  # Hz, by scene and label
    shift_samples: dict[str, dict[str, int]]  # of the circular shift in time

    def spots(self, scene: str) -> list[Spot]:
        """The carriers of a scene as they are labelled."""
        return [Spot(label=label, center=center, width=self.widths[label]) for label, center in self.centers[scene].items()]


def draw_cellular_protocol(recipe: CellularProtocol, seed: int) -> CellularDraw:
    """What a draw of the recipe consists of; the same for the same recipe and seed.

    Raises
    ------
    SceneError
        If the seed is negative.
    """
    if seed < 0:
        raise SceneError(f"seed={seed!r} must be at least 0")
    rng = np.random.default_rng([seed, 0])
    doppler = float(rng.choice(recipe.dopplers_hz))
    spacing = float(rng.choice([15e3, 30e3]))
    while True:
        channel = recipe.lte_channels[int(rng.integers(len(recipe.lte_channels)))]
        nr_mhz = int(rng.choice(_NR_MHZ))
        widths = {"LTE": channel[2 if recipe.has_stated_widths else 1] * 1e6, "NR": nr_mhz * 1e6}
        if sum(widths.values()) < SAMP_RATE - SAMP_RATE / 256:
            break
    if recipe.has_fixed_habits:
        lte = draw_protocol_lte(LTE_CHANNELS_MHZ[channel[1]], rng)
        nr = draw_protocol_nr(NR_CHANNELS_MHZ[spacing][nr_mhz], spacing, rng)
    else:
        lte, nr = draw_general("LTE", channel[1], 15e3, rng), draw_general("NR", nr_mhz, spacing, rng)
    contents = {"LTE": lte, "NR": nr}
    spacings = {"LTE": 15e3, "NR": 30e3}  # blocks of another spacing need the coarser raster
    both = place_two(widths, rng)
    centers = {
        "NR": {"NR": place_one(widths["NR"], spacings["NR"], rng)},
        "LTE": {"LTE": place_one(widths["LTE"], spacings["LTE"], rng)},
        "LTE_NR": {label: spacings[label] * round(both[label] / spacings[label]) for label in ("LTE", "NR")},
    }
    shifts = {scene: {label: int(rng.integers(SAMPLES)) for label in labels} for scene, labels in CELLULAR_SCENES.items()}
    return CellularDraw(
        seed=seed,
        doppler_hz=doppler,
        lte_channel=channel,
        contents=contents,
        widths=widths,
        centers=centers,
        shift_samples=shifts,
    )


def cellular_label(draw: CellularDraw, scene: str, recipe: CellularProtocol) -> np.ndarray:
    """The published label of a scene, from its parameters alone: whole channels for the whole frame.

    Returns
    -------
    uint8 ``(size, size)``
        Class ids, newest row first.

    Raises
    ------
    SceneError
        If there is no such scene.
    """
    if scene not in CELLULAR_SCENES:
        raise SceneError(f"scene={scene!r} does not exist; choose from {', '.join(CELLULAR_SCENES)}")
    label = np.zeros((recipe.size, recipe.size), np.uint8)
    for spot in draw.spots(scene):
        label[:, carrier_columns(spot, recipe.size, is_rounded=False)] = CLASS_LABELS.index(spot.label)
    return flip_time(label)


def make_cellular_frames(
    recipe: CellularProtocol,
    seed: int,
    *,
    scenes: tuple[str, ...] = tuple(CELLULAR_SCENES),
    levels: tuple[int, ...] | None = None,
    keep_iq: bool = False,
    device: torch.device | str = "cpu",
) -> list[ProtocolFrame]:
    """The frames of one draw, in the published order.

    Parameters
    ----------
    scenes : tuple of str
        Of :data:`CELLULAR_SCENES`; the others are not made.  A scene is the same whichever others are.
    levels : tuple of int or None
        Which of ``recipe.snrs_db``, from 1 on; None for those of the published generator: all of them in the style
        ``d2s``, a random one for each scene in the style ``mathworks``.
    keep_iq : bool
        Whether the frames hold their samples.
    device
        On which the signals are made.

    Raises
    ------
    SceneError
        If there is no such scene or level, or the seed is negative.
    """
    draw = draw_cellular_protocol(recipe, seed)
    known = range(1, len(recipe.snrs_db) + 1)
    if levels is not None and not set(levels) <= set(known):
        raise SceneError(f"levels={levels!r}: the recipe has {len(known)} noise levels; choose from 1 to {len(known)}")
    frames = []
    for scene in scenes:
        label = cellular_label(draw, scene, recipe)
        stream = list(CELLULAR_SCENES).index(scene)
        rng = np.random.default_rng([seed, 1, stream])
        chosen = (int(rng.integers(1, len(known) + 1)),) if recipe.style == "mathworks" else tuple(known)
        clean = _signal(draw, scene, rng, torch.device(device))
        power = 1.0 if recipe.has_absolute_noise else float(torch.view_as_real(clean).square().sum(-1).mean())
        for level in levels or chosen:
            samples, snr_db = clean, recipe.snrs_db[level - 1]
            if math.isfinite(snr_db):
                samples = noise(clean, power / 10 ** (snr_db / 10), _generator([seed, 2, stream, level], clean.device))
            frames.append(_frame(draw, scene, recipe, level, samples, label, keep_iq))
    return frames


def _generator(key: list[int], device: torch.device) -> torch.Generator:
    return torch.Generator(device=device).manual_seed(int(np.random.default_rng(key).integers(2**62)))


def _signal(draw: CellularDraw, scene: str, rng: np.random.Generator, device: torch.device) -> Tensor:
    """What arrives of a scene's carriers without noise, in W, complex64 ``(SAMPLES,)``: one flat channel for all."""
    total = torch.zeros(SAMPLES, dtype=torch.complex64, device=device)
    for label, center in draw.centers[scene].items():
        number = ("LTE", "NR").index(label)
        generator, own = _generator([draw.seed, 3, number], device), np.random.default_rng([draw.seed, 4, number])
        samples = carrier_samples(draw.contents[label], center, 0, _HALF_MS, rng=own, generator=generator)
        total += torch.roll(samples, draw.shift_samples[scene][label])
    return total * flat_fading(SAMPLES, draw.doppler_hz, rng, device)


def _frame(
    draw: CellularDraw, scene: str, recipe: CellularProtocol, level: int, samples: Tensor, label: np.ndarray, keep_iq: bool
) -> ProtocolFrame:
    number = draw.seed + 1
    names = [f"{scene}_frame_{number}.png", f"{scene}_frame_{number}.hdf"]
    if recipe.style == "d2s":
        tail = f"frame_{number}_{level}_{draw.doppler_hz:g}.png"
        names = [f"{scene}_{tail}", f"{scene}_label_{tail}"]
    snr_db = recipe.snrs_db[level - 1]
    parameters: dict[str, Any] = {
        "seed": draw.seed,
        "scene": scene,
        "snr_db": snr_db if math.isfinite(snr_db) else None,
        "doppler_hz": draw.doppler_hz,
        "carriers": [asdict(spot) | {"true_mhz": draw.contents[spot.label].channel_mhz} for spot in draw.spots(scene)],
    }
    if "LTE" in CELLULAR_SCENES[scene]:
        parameters["lte_channel"] = draw.lte_channel[0]
    return make_frame(
        samples.cpu().numpy(),
        recipe.front_end,
        keep_iq=keep_iq,
        label=label,
        image_name=names[0],
        label_name=names[1],
        colours=_COLOURS[recipe.style],
        parameters=parameters,
    )
