"""Wi-Fi with OFDM: IEEE Std 802.11-2020 clauses 17 (a/g), 19 (n) and 21 (ac), with its way of taking turns."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .bursts import log_uniform, paste
from .canvas import Canvas
from .emitter import OtherEmitter
from .wifi_symbols import FULL_GUARD, SHORT_GUARD, long_training, preamble, symbol_bank

__all__ = ["WIDTHS", "WifiEmitter", "add", "draw"]

WIDTHS = {"wifi": (16.5e6, 17.9e6), "wifi40": (36.5e6, 36.6e6), "wifi80": (76.5e6, 76.6e6)}

_MHZ = {"wifi": 20, "wifi40": 40, "wifi80": 80}
_CARRIERS = {"legacy": 53, 20: 57, 40: 117, 80: 245}  # from the lowest to the highest, DC included
_SPACING_HZ = 312.5e3
_SLOT_US = 9.0
_PERIOD = 127  # symbols, of the pilots' polarity: frames start at its start
_SPARES = 4  # further starts in the bank of symbols

# traffic: weight, shortest and longest frame in us, frames per turn, share of time on air
_TRAFFIC = {
    "sparse": (0.36, (200.0, 1000.0), (1, 1), (0.03, 0.25)),
    "bursty": (0.28, (60.0, 3000.0), (1, 6), (0.08, 0.6)),
    "saturated": (0.18, (100.0, 5000.0), (1, 4), (0.6, 0.95)),
    "short": (0.10, (44.0, 200.0), (1, 8), (0.05, 0.5)),
    "beacons": (0.08, (200.0, 600.0), (1, 1), (0.01, 0.05)),
}


@dataclass(frozen=True, kw_only=True)
class WifiEmitter(OtherEmitter):
    """A channel with its stations.

    Parameters
    ----------
    mhz : int
        Channel width: 20, 40 or 80 MHz.
    format : str
        ``legacy``, ``ht`` (mixed preamble) or ``vht``.
    order : int
        Constellation size of the data.
    short_guard : bool
        Whether data symbols have a guard interval of 0.4 us rather than 0.8 us.
    traffic : str
        ``sparse``, ``bursty``, ``saturated``, ``short`` or ``beacons``.
    frame_us : tuple of float
        Shortest and longest frame, us.
    turn_frames : int
        Most frames sent in one turn.
    sifs_us : float
        Gap before an acknowledgement, us: 16 at 5 GHz, 10 at 2.4 GHz.
    acknowledged : float
        Share of frames that are acknowledged.
    primary : int
        20 MHz part, counted from below, that beacons use.
    stations_db : tuple of float
        Level of each station, dB; the first is the access point at 0 dB.
    station_echoes : tuple of (float, float, float)
        Echo of each station: delay in us, level re its direct path in dB, phase in turns.
    """

    mhz: int
    format: str
    order: int
    short_guard: bool
    traffic: str
    frame_us: tuple[float, float]
    turn_frames: int
    sifs_us: float
    acknowledged: float
    primary: int
    stations_db: tuple[float, ...]
    station_echoes: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class _Frame:
    """One transmission: start in us, what, number of data symbols, number of the station."""

    start: float
    what: str  # data, control or beacon
    symbols: int
    station: int


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> WifiEmitter:
    """A random channel of ``wifi`` (20 MHz), ``wifi40`` or ``wifi80``."""
    mhz = _MHZ[kind]
    formats = {20: ("legacy", "ht", "vht"), 40: ("ht", "vht"), 80: ("vht",)}[mhz]
    format_ = str(rng.choice(formats))
    names = list(_TRAFFIC)
    traffic = str(rng.choice(names, p=[_TRAFFIC[name][0] for name in names]))
    _, frame_us, turn, duty = _TRAFFIC[traffic]
    low = log_uniform(*frame_us, rng)
    legacy = format_ == "legacy"
    orders = (2, 4, 16, 64) if format_ != "vht" else (4, 16, 64, 256)
    stations = int(rng.integers(1, 5))
    return WifiEmitter(
        kind=kind,
        center=center,
        width=_CARRIERS["legacy" if legacy else mhz] * _SPACING_HZ,
        snr_db=snr_db,
        duty=float(rng.uniform(*duty)),
        mhz=mhz,
        format=format_,
        order=int(rng.choice(orders)),
        short_guard=bool(not legacy and rng.random() < 0.5),
        traffic=traffic,
        frame_us=(low, min(5000.0, low * log_uniform(1.0, 6.0, rng))),
        turn_frames=int(rng.integers(turn[0], turn[1] + 1)),
        sifs_us=float(rng.choice([10.0, 16.0])),
        acknowledged=0.0 if traffic == "beacons" else float(rng.choice([0.0, 0.9, 1.0], p=[0.15, 0.35, 0.5])),
        primary=int(rng.integers(mhz // 20)),
        stations_db=(0.0, *(float(rng.uniform(-25, 3)) for _ in range(stations - 1))),
        station_echoes=tuple(_draw_echo(rng) for _ in range(stations)),
    )


def _draw_echo(rng: np.random.Generator) -> tuple[float, float, float]:
    """Within a building: 0.05 to 0.4 us, often weak."""
    return log_uniform(0.05, 0.4, rng), float(-rng.exponential(10.0) - 1.0), float(rng.random())


def _symbol_us(emitter: WifiEmitter) -> float:
    return 3.6 if emitter.short_guard else 4.0


def _overhead_us(emitter: WifiEmitter) -> float:
    """Preamble and signal field: 20 us; with HT-SIG (or VHT-SIG-A), and HT-STF and HT-LTF: 36 us."""
    return 20.0 if emitter.format == "legacy" else 36.0


def _schedule(emitter: WifiEmitter, duration_us: float, rng: np.random.Generator) -> list[_Frame]:
    """Frames that touch the scene, one of them well: clause 10.3, listen and wait a random number of slots."""
    found: list[_Frame] = []
    is_seen = False
    time, difs = -float(rng.uniform(0, 6000)), emitter.sifs_us + 2 * _SLOT_US
    while time < duration_us or not is_seen:
        if time >= duration_us:
            time = float(rng.uniform(0, 0.7)) * duration_us
        start = time
        for _ in range(int(rng.integers(1, emitter.turn_frames + 1))):
            frames, time = _exchange(emitter, time, rng)
            found += [frame for frame, stop in frames if stop > 0 and frame.start < duration_us]
            is_seen |= any(stop > 0.1 * duration_us and frame.start < 0.9 * duration_us for frame, stop in frames)
            time += emitter.sifs_us
        time += difs - emitter.sifs_us + _SLOT_US * float(rng.integers(0, 16))
        idle = (time - start) * (1 - emitter.duty) / emitter.duty - difs - 7.5 * _SLOT_US
        time += float(rng.exponential(max(1.0, idle)))
    return found


def _exchange(emitter: WifiEmitter, time: float, rng: np.random.Generator) -> tuple[list[tuple[_Frame, float]], float]:
    """A frame and its acknowledgement, each with the time it stops; and the time when both are over."""
    wanted = log_uniform(*emitter.frame_us, rng)
    station = int(rng.integers(len(emitter.stations_db)))
    if emitter.traffic == "beacons":
        symbols = max(1, round((wanted - 20.0) / 4.0))
        stop = time + 20.0 + 4.0 * symbols
        return [(_Frame(time, "beacon", symbols, station), stop)], stop
    symbols = max(1, round((wanted - _overhead_us(emitter)) / _symbol_us(emitter)))
    stop = time + _overhead_us(emitter) + symbols * _symbol_us(emitter)
    frames = [(_Frame(time, "data", symbols, station), stop)]
    if rng.random() < emitter.acknowledged:
        start, symbols = stop + emitter.sifs_us, int(rng.choice([2, 3, 6]))  # 24, 12 and 6 Mbit/s; 2 to 6 symbols
        stop = start + 20.0 + 4.0 * symbols
        frames.append((_Frame(start, "control", symbols, int(rng.integers(len(emitter.stations_db)))), stop))
    return frames, stop


def add(canvas: Canvas, emitter: WifiEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the channel's frames to the scene.

    Payload comes from a bank of symbols that frames enter at one of a few places, so long scenes repeat it.
    """
    part = emitter.mhz // 20
    frames = _schedule(emitter, canvas.duration_us, rng)
    pieces = _Pieces.make(emitter, max(frame.symbols for frame in frames), generator)
    samples = canvas.zeros(canvas.count(20e6 * part))
    for frame in frames:
        whole = torch.cat(pieces.of(frame, _PERIOD * int(rng.integers(_SPARES + 1))))
        delay_us, echo_db, turn = emitter.station_echoes[frame.station]
        echo = 10 ** (echo_db / 20)
        gain = 10 ** (emitter.stations_db[frame.station] / 20) / math.hypot(1.0, echo)
        start = round(frame.start * 20 * part)
        paste(samples, whole * gain, start)
        paste(samples, whole * (gain * echo * cmath.exp(2j * math.pi * turn)), start + round(delay_us * 20 * part))
    canvas.add_samples(samples, emitter)


@dataclass(frozen=True)
class _Pieces:
    """What frames are put together from."""

    head: Tensor
    middle: Tensor | None  # of HT and VHT
    signal: Tensor
    data: Tensor
    beacon_head: Tensor
    beacon: Tensor

    @classmethod
    def make(cls, emitter: WifiEmitter, symbols: int, generator: torch.Generator) -> _Pieces:
        """All fields of an emitter whose longest frame has ``symbols`` data symbols."""
        mhz, device, legacy = emitter.mhz, generator.device, emitter.format == "legacy"
        everywhere, single = tuple(range(mhz // 20)), (emitter.primary,)
        rows = symbols + 1 + _PERIOD * _SPARES
        few = 12 + _PERIOD * _SPARES
        robust = dict(order=2, guard=FULL_GUARD)
        beacons = emitter.traffic == "beacons"
        signal = symbol_bank(few, mhz, generator, bands=everywhere, **robust)
        data = symbol_bank(
            rows,
            mhz,
            generator,
            order=emitter.order,
            guard=SHORT_GUARD if emitter.short_guard else FULL_GUARD,
            bands=everywhere if legacy else None,
        )
        return cls(
            head=torch.from_numpy(preamble(mhz, everywhere)).to(device),
            middle=None if legacy else torch.from_numpy(long_training(mhz)).to(device),
            signal=signal,
            data=data,
            # one 20 MHz part alone keeps its density
            beacon_head=torch.from_numpy(preamble(mhz, single)).to(device) / math.sqrt(mhz / 20),
            beacon=symbol_bank(rows, mhz, generator, bands=single, **robust) / math.sqrt(mhz / 20) if beacons else signal,
        )

    def of(self, frame: _Frame, first: int) -> list[Tensor]:
        """The parts of a frame in their order; ``first`` is its entry into the banks."""
        if frame.what == "beacon":
            return [self.beacon_head, self.beacon[first : first + 1 + frame.symbols].flatten()]
        if frame.what == "control":
            return [self.head, self.signal[first : first + 1 + frame.symbols].flatten()]
        if self.middle is None:
            return [self.head, self.signal[first].flatten(), self.data[first + 1 : first + 1 + frame.symbols].flatten()]
        signal, data = self.signal[first : first + 3], self.data[first : first + frame.symbols]
        return [self.head, signal.flatten(), self.middle, data.flatten()]
