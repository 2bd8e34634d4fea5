"""UMTS: wideband CDMA of 3.84 Mchip/s, 3GPP TS 25.211 and TS 25.213 (FDD)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .canvas import Canvas
from .emitter import OtherEmitter
from .modulation import random_points, random_signs, rrc_spectrum

__all__ = ["CHIP_RATE", "WIDTHS", "UmtsEmitter", "add", "draw"]

CHIP_RATE = 3.84e6
_ROLLOFF = 0.22  # TS 25.104 clause 6.8.1
RASTER_HZ = 5e6  # TS 25.104 clause 5.4.1, give or take some 200 kHz
_CARRIER_HZ = CHIP_RATE * (1 + _ROLLOFF / 2)
_MOST_CARRIERS = 3
WIDTHS = {"umts": (_CARRIER_HZ, _CARRIER_HZ + RASTER_HZ * (_MOST_CARRIERS - 1))}

_SLOT = 2560  # chips: TS 25.211 clause 5
_SCH = 256  # chips of synchronisation at the start of each slot: TS 25.211 clause 5.3.3.5
_TTI = 3 * _SLOT  # HSDPA, 2 ms
# TS 25.213 clause 5.2.3.1: the primary synchronisation code is built of this sequence
_A = (1, 1, 1, 1, 1, 1, -1, -1, 1, -1, 1, -1, 1, -1, -1, 1)
_A_SIGNS = (1, 1, 1, -1, -1, 1, -1, -1, 1, 1, 1, -1, 1, -1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class UmtsEmitter(OtherEmitter):
    """One carrier or neighbours; power is counted over one of level 0 dB.

    Parameters
    ----------
    offsets : tuple of float
        Carriers re ``center``, Hz.
    levels_db : tuple of float
        Level of each, dB.
    link : str
        ``down`` or ``up``.
    pilot_share, sch_share : float
        Power of the common pilot, and of the synchronisation codes while on, re the mean total.
    load : float
        Share of HSDPA intervals of 2 ms with traffic (downlink).
    step_db : float
        Step of the power control each slot (uplink), dB.
    start_chips : int
        Place of the scene's start in a slot.
    """

    offsets: tuple[float, ...]
    levels_db: tuple[float, ...]
    link: str
    pilot_share: float
    sch_share: float
    load: float
    step_db: float
    start_chips: int

    @property
    def density_width(self) -> float:
        """One carrier's, Hz."""
        return _CARRIER_HZ


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> UmtsEmitter:
    """A random base station (three in four) or phone; every third has neighbours."""
    count = int(rng.choice([1, 2, _MOST_CARRIERS], p=[0.65, 0.2, 0.15]))
    raster = RASTER_HZ - float(rng.choice([0.0, 0.2e6]))
    levels = rng.normal(0, 3, count)
    return UmtsEmitter(
        kind=kind,
        center=center,
        width=_CARRIER_HZ + raster * (count - 1),
        snr_db=snr_db,
        offsets=tuple(float(raster * (index - (count - 1) / 2)) for index in range(count)),
        levels_db=tuple(float(level - levels.max()) for level in levels),
        link="down" if rng.random() < 0.75 else "up",
        pilot_share=float(rng.uniform(0.08, 0.5)),
        sch_share=float(rng.uniform(0.02, 0.15)),
        load=float(rng.uniform(0, 1)),
        step_db=float(rng.choice([0.0, 1.0, 2.0])),
        start_chips=int(rng.integers(_TTI)),
    )


def primary_code() -> np.ndarray:
    """Primary synchronisation code, complex64 ``(256,)``, unit power."""
    return np.kron(_A_SIGNS, _A).astype(np.complex64) * np.complex64((1 + 1j) / np.sqrt(2))


def _downlink(emitter: UmtsEmitter, chips: int, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """Pilot, synchronisation and the sum of many codes, which is Gaussian: complex64 ``(chips,)``."""
    device, start = generator.device, emitter.start_chips
    intervals = (start + chips) // _TTI + 1
    busy = rng.random(intervals) < emitter.load
    others = 1.0 - emitter.pilot_share
    level = np.sqrt(others * np.where(busy, 1.0, 0.25) / (0.25 + 0.75 * busy.mean()))
    level = torch.from_numpy(level.astype(np.float32)).to(device).repeat_interleave(_TTI)[start : start + chips]
    many = torch.randn(chips, generator=generator, device=device, dtype=torch.complex64) * level
    signal = many + random_points(4, (chips,), generator) * emitter.pilot_share**0.5
    slots = (start + chips) // _SLOT + 1
    secondary = random_signs((slots, _SCH), generator).to(torch.complex64) * np.exp(0.25j * np.pi)
    code = (secondary + torch.from_numpy(primary_code()).to(device)) * (emitter.sch_share / 2) ** 0.5
    padded = torch.nn.functional.pad(torch.view_as_real(code), (0, 0, 0, _SLOT - _SCH))
    return signal + torch.view_as_complex(padded).flatten()[start : start + chips]


def _uplink(emitter: UmtsEmitter, chips: int, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """One phone: data and control on two axes, power stepped each slot; complex64 ``(chips,)``."""
    slots = (emitter.start_chips + chips) // _SLOT + 1
    walk_db = np.cumsum(rng.choice([-1.0, 1.0], slots)) * emitter.step_db
    level = 10 ** (walk_db / 20)
    level = torch.from_numpy((level / np.sqrt(np.mean(level**2))).astype(np.float32)).to(generator.device)
    level = level.repeat_interleave(_SLOT)[emitter.start_chips : emitter.start_chips + chips]
    return random_points(4, (chips,), generator) * level


def add(canvas: Canvas, emitter: UmtsEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add every carrier that reaches the scene's band."""
    chips = canvas.count(CHIP_RATE)
    for offset, level_db in zip(emitter.offsets, emitter.levels_db):
        center = emitter.center + offset
        if canvas.reaches(center, _CARRIER_HZ):
            signal = (_downlink if emitter.link == "down" else _uplink)(emitter, chips, rng, generator)
            canvas.add_spectrum(rrc_spectrum(signal, _ROLLOFF), emitter, center=center, level_db=level_db)
