"""Bluetooth: basic rate (Core Specification volume 2 part B) and low energy (volume 6 parts A and B)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .bursts import paste
from .canvas import Canvas
from .emitter import OtherEmitter
from .modulation import cpm, random_signs

__all__ = ["WIDTHS", "BluetoothEmitter", "add", "draw"]

WIDTHS = {"bluetooth": (1e6, 1e6), "ble": (2e6, 2e6)}  # of one hop

SLOT_US = 625.0
_UP = 3  # samples per symbol
_BASIC_CHANNELS_MHZ = range(2402, 2481)  # volume 2 part A section 2
_ADVERTISING_MHZ = (2402, 2426, 2480)  # volume 6 part A section 2
_DATA_MHZ = tuple(mhz for mhz in range(2404, 2480, 2) if mhz != 2426)
_INTER_FRAME_US = 150.0  # volume 6 part B section 4.1


@dataclass(frozen=True, kw_only=True)
class BluetoothEmitter(OtherEmitter):
    """A piconet, or devices of low energy.

    Parameters
    ----------
    traffic : str
        ``slots`` (a piconet), ``inquiry``, ``advertising`` or ``connection``.
    offsets : tuple of float
        Channels in use re ``center``, Hz; 0 is among them.
    symbol_rate : float
        1 or 2 million symbols per second.
    index : float
        Modulation index.
    packet_slots : int
        1, 3 or 5: slots that a packet lasts.
    packet_us : float
        Duration of a packet, us.
    phase_us : float
        Start of the first event re the scene's, us, modulo the event's period.
    peer_db : float
        Level of the other side, dB.
    """

    traffic: str
    offsets: tuple[float, ...]
    symbol_rate: float
    index: float
    packet_slots: int
    packet_us: float
    phase_us: float
    peer_db: float

    @property
    def edges(self) -> tuple[float, float]:
        """Lowest and highest frequency of any hop, Hz re the scene's centre."""
        return (
            self.center + min(self.offsets) - self.width / 2,
            self.center + max(self.offsets) + self.width / 2,
        )


def _draw_packet(traffic: str, slots: int, rng: np.random.Generator) -> float:
    """Duration of a packet, us."""
    if traffic == "inquiry":
        return 68.0  # an identity packet
    if traffic == "slots":
        longest = {1: 366.0, 3: 1622.0, 5: 2870.0}[slots]  # volume 2 part B section 6.5: DH1, DH3, DH5
        return longest if rng.random() < 0.5 else float(rng.uniform(126.0 if slots == 1 else longest / 2, longest))
    return float(rng.uniform(128, 376) if traffic == "advertising" else rng.uniform(80, 2120))


def _draw_channels(traffic: str, rng: np.random.Generator) -> tuple[int, ...]:
    """Channels in use, MHz."""
    if traffic == "advertising":
        return _ADVERTISING_MHZ
    channels = _DATA_MHZ if traffic == "connection" else tuple(_BASIC_CHANNELS_MHZ)
    if traffic == "inquiry":
        return tuple(int(mhz) for mhz in np.sort(rng.choice(channels, 16, replace=False)))  # a train: section 8.3.2
    if traffic == "connection" or rng.random() < 0.4:  # adaptive hopping: section 2.3.4
        first = int(rng.integers(0, len(channels) - 16))
        channels = channels[first : first + int(rng.integers(20, 41))]
    return channels


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> BluetoothEmitter:
    """A random piconet (``bluetooth``) or group of low-energy devices (``ble``); one channel is at ``center``."""
    is_low_energy = kind == "ble"
    names, weights = (("advertising", "connection"), (0.5, 0.5)) if is_low_energy else (("slots", "inquiry"), (0.8, 0.2))
    traffic = str(rng.choice(names, p=weights))
    slots = int(rng.choice([1, 3, 5], p=[0.6, 0.2, 0.2]))
    channels = _draw_channels(traffic, rng)
    anchor = int(rng.choice(channels))
    return BluetoothEmitter(
        kind=kind,
        center=center,
        width=WIDTHS[kind][0],
        snr_db=snr_db,
        duty=float(rng.uniform(0.3, 1.0)),
        traffic=traffic,
        offsets=tuple(1e6 * (mhz - anchor) for mhz in channels),
        symbol_rate=2e6 if traffic == "connection" and rng.random() < 0.4 else 1e6,
        index=float(rng.uniform(0.45, 0.55) if is_low_energy else rng.uniform(0.28, 0.35)),
        packet_slots=slots,
        packet_us=_draw_packet(traffic, slots, rng),
        phase_us=float(rng.uniform(0, 2 * SLOT_US)),
        peer_db=float(rng.uniform(-20, 5)),
    )


_Hop = tuple[float, float, float, float]  # start and length in us, offset in Hz, level in dB


def _slots(emitter: BluetoothEmitter, duration_us: float, rng: np.random.Generator) -> list[_Hop]:
    """Master and slave in turn, each packet on a new channel; ``duty`` is the share of slot pairs in use."""
    time, hops, number = emitter.phase_us - 12 * SLOT_US, [], 0
    while time < duration_us:
        master = number % 2 == 0
        span = emitter.packet_slots if master else 1
        is_full = master or emitter.packet_slots == 1 and rng.random() < 0.5  # else an empty answer
        length = emitter.packet_us if is_full else 126.0
        if rng.random() < emitter.duty:
            hops.append((time, length, float(rng.choice(emitter.offsets)), 0.0 if master else emitter.peer_db))
        time, number = time + span * SLOT_US, number + 1
    return hops


def _inquiry(emitter: BluetoothEmitter, duration_us: float, rng: np.random.Generator) -> list[_Hop]:
    """Two identity packets of 68 us in every even slot, 16 channels in turn; the odd slots listen."""
    count = int((duration_us - emitter.phase_us) / SLOT_US) + 2
    starts = emitter.phase_us - SLOT_US + np.arange(2 * count) * SLOT_US / 2
    chosen = [float(start) for index, start in enumerate(starts) if index % 4 < 2]
    return [(start, 68.0, emitter.offsets[index % len(emitter.offsets)], 0.0) for index, start in enumerate(chosen)]


def _advertising(emitter: BluetoothEmitter, duration_us: float, rng: np.random.Generator) -> list[_Hop]:
    """Events of one packet on each of three channels; several devices, 1 to 12 events per 20 ms."""
    hops = []
    for _ in range(1 + int(rng.poisson(duration_us / 20e3 * 12 * emitter.duty))):
        start = float(rng.uniform(0, duration_us))
        level = float(rng.uniform(min(0.0, emitter.peer_db), 0))
        spread = emitter.packet_us + float(rng.uniform(200, 1200))
        place = int(rng.integers(3))  # which of the three falls on ``start``
        for index, offset in enumerate(emitter.offsets):
            hops.append((start + (index - place) * spread, emitter.packet_us, offset, level))
    return hops


def _connection(emitter: BluetoothEmitter, duration_us: float, rng: np.random.Generator) -> list[_Hop]:
    """Connection events every 7.5 ms, or more often when several links share the air: packets 150 us apart."""
    hops, time = [], emitter.phase_us - 7500.0
    period = 7500.0 / (1 + round(2 * emitter.duty))
    while time < duration_us:
        offset, start = float(rng.choice(emitter.offsets)), time
        for index in range(2 * int(rng.integers(1, 4))):
            length = 80.0 if index % 2 else emitter.packet_us
            if start + length > time + period:
                break
            hops.append((start, length, offset, emitter.peer_db if index % 2 else 0.0))
            start += length + _INTER_FRAME_US
        time += period
    return hops


_SCHEDULES = {"slots": _slots, "inquiry": _inquiry, "advertising": _advertising, "connection": _connection}


def _heard(canvas: Canvas, emitter: BluetoothEmitter, rng: np.random.Generator) -> list[_Hop]:
    """Hops within the scene's time and band; if there are none, one at ``center``."""
    hops = _SCHEDULES[emitter.traffic](emitter, canvas.duration_us, rng)
    found = [
        (start, length, offset, level)
        for start, length, offset, level in hops
        if start + length > 0 and start < canvas.duration_us and canvas.reaches(emitter.center + offset, emitter.width)
    ]
    start = float(rng.uniform(0, 0.7)) * canvas.duration_us
    return found or [(start, emitter.packet_us, 0.0, 0.0)]


def add(canvas: Canvas, emitter: BluetoothEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add every hop that reaches the scene's band; hops on one channel share a Fourier transform."""
    rate = _UP * emitter.symbol_rate
    count = canvas.count(rate)
    data = cpm(random_signs((count // _UP + 4,), generator), index=emitter.index, bt=0.5, up=_UP)[:count]
    channels: dict[float, torch.Tensor] = {}
    for start, length, offset, level_db in _heard(canvas, emitter, rng):
        first, stop = (max(0, round(time * rate * 1e-6)) for time in (start, start + length))
        samples = channels.setdefault(offset, canvas.zeros(count))
        paste(samples, data[first:stop] * 10 ** (level_db / 20), first)
    for offset, samples in channels.items():
        canvas.add_samples(samples, emitter, center=emitter.center + offset)
