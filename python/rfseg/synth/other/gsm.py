"""GSM: 200 kHz carriers with GMSK in slots of 577 us: 3GPP TS 45.002 (bursts) and TS 45.004 (modulation)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .canvas import Canvas
from .emitter import OtherEmitter
from .modulation import cpm

__all__ = ["RASTER_HZ", "SLOT_US", "WIDTHS", "GsmEmitter", "add", "draw"]

RASTER_HZ = 200e3  # TS 45.005 clause 2
WIDTHS = {"gsm": (0.2e6, 5e6)}

SYMBOL_RATE = 1625e3 / 6  # TS 45.004 clause 2.1
SLOT_SYMBOLS = 156.25  # TS 45.002 clause 5.2
SLOT_US = SLOT_SYMBOLS / SYMBOL_RATE * 1e6
_UP, _DOWN = 24, 5  # 4.8 samples per symbol: 1.3 MS/s
_SPAN = 4
_MULTIFRAME = 51
_BURST = 148.0  # symbols, then guard
# TS 45.002 table 5.2.3a, and the synchronisation burst of clause 5.2.5
_TRAINING = (
    "00100101110000100010010111", "00101101110111100010110111", "01000011101110100100001110", "01000111101101000100011110",
    "00011010111001000001101011", "01001110101100000100111010", "10100111110110001010011111", "11101111000100101110111100",
)  # fmt: skip
_SYNCHRONISATION = "1011100101100010000001000000111100101101010001010111011000011011"


@dataclass(frozen=True, kw_only=True)
class GsmEmitter(OtherEmitter):
    """Carriers on one raster; power is counted over 200 kHz, for a carrier of level 0 dB.

    Parameters
    ----------
    channels : tuple of int
        Places of the carriers re ``center``, in half steps of the raster.
    levels_db : tuple of float
        Level of each carrier, dB.
    beacons : tuple of bool
        Whether it carries the broadcast channel: on air in every slot, with a frequency correction burst.
    slots : tuple of int
        Slots in use, one bit each.
    slot_spread_db : float
        How far the power control takes slots below their carrier's level, dB.
    activity : float
        Share of frames in which a slot in use is sent: pauses in speech.
    hopping : bool
        Whether the calls change carrier every frame.
    training : tuple of int
        Training sequence of each carrier.
    starts : tuple of float
        Place of the scene's start in each carrier's multiframe of 51 frames, symbols.
    """

    channels: tuple[int, ...]
    levels_db: tuple[float, ...]
    beacons: tuple[bool, ...]
    slots: tuple[int, ...]
    slot_spread_db: float
    activity: float
    hopping: bool
    training: tuple[int, ...]
    starts: tuple[float, ...]

    @property
    def density_width(self) -> float:
        """One carrier, Hz."""
        return RASTER_HZ


def _draw_channels(rng: np.random.Generator) -> np.ndarray:
    """Raster positions: one, neighbours, every second or third, or a random part of an operator's band."""
    law = rng.choice(["one", "row", "comb", "scattered"], p=[0.15, 0.30, 0.25, 0.30])
    if law == "one":
        return np.zeros(1, dtype=int)
    if law == "scattered":
        span = int(rng.integers(3, 26))
        return np.sort(rng.choice(span, size=int(rng.integers(2, min(12, span) + 1)), replace=False))
    step = 1 if law == "row" else int(rng.integers(2, 4))
    return np.arange(int(rng.integers(2, 13 if step == 1 else 9))) * step


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> GsmEmitter:
    """Random carriers of one or more cells, downlink (with a beacon) or calls alone."""
    channels = _draw_channels(rng)
    count = len(channels)
    cells = int(rng.integers(1, min(count, 4) + 1))
    cell = rng.integers(0, cells, count)
    spread = float(rng.choice([1.0, 4.0, 10.0], p=[0.35, 0.35, 0.3]))
    levels = -np.abs(rng.normal(0, spread, count))
    beacons = np.zeros(count, dtype=bool)
    if rng.random() < 0.75:
        for number in range(cells):
            members = np.flatnonzero(cell == number)
            if len(members):
                beacons[rng.choice(members)] = True
    if rng.random() < 0.15:
        beacons[:] = True  # the beacons of many cells
    busy = rng.uniform(0.1, 1.0)
    slots = [sum(1 << slot for slot in range(8) if rng.random() < busy) or 1 << int(rng.integers(8)) for _ in range(count)]
    cell_starts = rng.uniform(0, _MULTIFRAME * 8 * SLOT_SYMBOLS, cells)
    middle = channels[0] + channels[-1]
    return GsmEmitter(
        kind=kind,
        center=center,
        width=(int(channels[-1] - channels[0]) + 1) * RASTER_HZ,
        snr_db=snr_db,
        channels=tuple(int(2 * channel - middle) for channel in channels),
        levels_db=tuple(float(level - levels.max()) for level in levels),
        beacons=tuple(bool(beacon) for beacon in beacons),
        slots=tuple(slots),
        slot_spread_db=float(rng.choice([0.0, rng.uniform(0, 20)])),
        activity=float(rng.choice([1.0, rng.uniform(0.4, 1.0)])),
        hopping=bool(rng.random() < 0.3),
        training=tuple(int(number) for number in rng.integers(0, 8, cells)[cell]),
        starts=tuple(float(start) for start in cell_starts[cell]),
    )


def _levels(emitter: GsmEmitter, first: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Amplitude of each slot, float32 ``(C, count)``; ``first`` is each carrier's first slot in its multiframe."""
    carriers = len(emitter.channels)
    number = first[:, None] + np.arange(count)
    masks = np.array(emitter.slots)[:, None]
    used = (masks >> (number % 8)) & 1 > 0
    if emitter.hopping:  # every frame the calls of a carrier move to another; beacons stay
        free = np.flatnonzero(~np.array(emitter.beacons))
        order = np.tile(np.arange(carriers)[:, None], (1, count // 8 + 2))
        if len(free):
            order[free] = rng.permuted(np.tile(free[:, None], (1, count // 8 + 2)), axis=0)
        source = order[np.arange(carriers)[:, None], (number - first[:, None] // 8 * 8) // 8]
        used = (np.array(emitter.slots)[source] >> (number % 8)) & 1 > 0
    used &= rng.random((carriers, count)) < emitter.activity
    slot_db = -emitter.slot_spread_db * rng.random((carriers, 8))
    level_db = np.array(emitter.levels_db)[:, None] + np.take_along_axis(slot_db, number % 8, axis=1)
    level = np.where(used, 10 ** (level_db / 20), 0.0)
    beacon = np.array(emitter.beacons)[:, None]
    return np.where(beacon, 10 ** (np.array(emitter.levels_db)[:, None] / 20), level).astype(np.float32)


@lru_cache(maxsize=1)
def _patterns() -> np.ndarray:
    """What a symbol of a burst is fixed to: 0, 1, or -1 for payload; int8 ``(10, 157)``.

    Rows are normal bursts with each training sequence, the frequency correction and the synchronisation burst.
    """
    table = np.full((10, 157), -1, dtype=np.int8)
    table[:, :3] = table[:, 145:148] = 0  # tail bits
    for row, bits in enumerate(_TRAINING):
        table[row, 61:87] = [int(bit) for bit in bits]  # TS 45.002 clause 5.2.3
    table[8] = 0  # clause 5.2.4
    table[9, 42:106] = [int(bit) for bit in _SYNCHRONISATION]
    return table


def _bits(emitter: GsmEmitter, first: np.ndarray, symbols: int, generator: torch.Generator) -> Tensor:
    """Bits of the carriers before differential encoding, int64 ``(C, symbols)``."""
    place = first[:, None] + np.arange(symbols)
    slot = np.floor(place / SLOT_SYMBOLS).astype(int)
    within = (place - slot * SLOT_SYMBOLS).astype(int)
    frame = slot // 8 % _MULTIFRAME
    broadcast = np.array(emitter.beacons)[:, None] & (slot % 8 == 0) & (frame < 50)  # TS 45.002 clause 7, figure 8
    row = np.broadcast_to(np.array(emitter.training)[:, None], slot.shape)
    row = np.where(broadcast & (frame % 10 == 0), 8, np.where(broadcast & (frame % 10 == 1), 9, row))
    fixed = torch.from_numpy(_patterns()[row, within].astype(np.int64)).to(generator.device)
    payload = torch.randint(0, 2, tuple(fixed.shape), generator=generator, device=generator.device)
    return torch.where(fixed < 0, payload, fixed)


def add(canvas: Canvas, emitter: GsmEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add every carrier to the scene."""
    rate, device = SYMBOL_RATE * _UP / _DOWN, generator.device
    count = canvas.count(rate)
    blocks = -(-count // _UP)
    starts = np.array(emitter.starts)
    bits = _bits(emitter, np.floor(starts), blocks * _DOWN + _SPAN, generator)
    symbols = 1.0 - 2.0 * (bits[:, 1:] ^ bits[:, :-1]).float()  # TS 45.004 clauses 2.3 and 2.4
    samples = cpm(symbols, index=0.5, bt=0.3, up=_UP, down=_DOWN, span=_SPAN)[:, :count]

    slots = int(count * _DOWN / _UP / SLOT_SYMBOLS) + 3
    first = np.floor(starts / SLOT_SYMBOLS).astype(int)
    levels = torch.from_numpy(_levels(emitter, first, slots, rng)).to(device)
    into = torch.from_numpy((starts - first * SLOT_SYMBOLS).astype(np.float32)).to(device)
    place = into[:, None] + torch.arange(count, device=device) * (_DOWN / _UP)  # symbols since the first slot's start
    slot = torch.floor(place / SLOT_SYMBOLS)
    within = place - slot * SLOT_SYMBOLS
    ramp = (torch.minimum(within + 1.0, _BURST + 1.5 - within) / 2.5).clamp(0, 1)  # TS 45.005 annex B
    beacons = torch.tensor(emitter.beacons, device=device)[:, None]
    amplitude = levels.gather(1, slot.long()) * torch.where(beacons, torch.ones_like(ramp), ramp)
    for index, channel in enumerate(emitter.channels):
        canvas.add_samples(samples[index] * amplitude[index], emitter, center=emitter.center + channel * RASTER_HZ / 2)
