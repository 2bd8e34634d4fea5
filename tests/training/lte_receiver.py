"""A blind LTE cell search and broadcast receiver that shares no code with the generator it judges.

From 1.92 MS/s samples: primary signal, frequency offset, secondary signal with duplexing, channel of each port
from its reference signals, transmit diversity undone, descrambling, Viterbi, CRC.  The CRC's mask tells the number of
ports, and the decoded block, coded again, must agree with what was received.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

RATE = 1.92e6
SIZE = 128  # FFT
EARLY = 3  # samples by which the FFT window begins before the symbol, inside its prefix
SUBCARRIERS = np.r_[-36:0, 1:37]
SYMBOL_STARTS = [10 + 137 * n for n in range(7)]  # of the useful part, within a slot of 960 samples
PRIMARY = {"FDD": 832, "TDD": 2204}  # start of the primary signal's useful part in a half frame of 9600 samples
SECONDARY = {"FDD": 695, "TDD": 1792}
MASKS = {1: 0x0000, 2: 0xFFFF, 4: 0x5555}
GENERATORS = (0o133, 0o171, 0o165)  # of the convolutional code, constraint length 7
BLOCKS = (6, 15, 25, 50, 75, 100)
AGREEMENT = 0.65  # of the received soft bits with the decoded block; noise reaches about 0.48


class Cell(NamedTuple):
    """What was decoded; ``frames`` pairs the first sample of a radio frame with its number."""

    cell_id: int
    duplex: str
    ports: int
    blocks: int
    phich_resource: int
    frames: tuple[tuple[int, int], ...]
    offset_hz: float


def decode(samples: np.ndarray) -> Cell | None:
    """The strongest cell in the samples, or None."""
    primary, position = _primary(samples)
    samples, offset = _corrected(samples, position)
    cell_id, duplex, start = _secondary(samples, primary, position)
    found = [(begin, _broadcast(samples, begin, cell_id)) for begin in range(start, len(samples) - 1920, 19200) if begin >= 0]
    found = [(begin, block) for begin, block in found if block is not None]
    if not found:
        return None
    ports, (blocks, resource) = found[0][1][0], found[0][1][1][:2]
    return Cell(cell_id, duplex, ports, blocks, resource, tuple((begin, block[1][2]) for begin, block in found), offset)


def _spectrum(samples: np.ndarray, start: int) -> np.ndarray:
    """The 72 central subcarriers of the symbol whose useful part begins at ``start``."""
    window = np.roll(samples[start - EARLY : start - EARLY + SIZE], -EARLY)
    return np.fft.fft(window)[SUBCARRIERS] / SIZE**0.5


def _zadoff_chu(primary: int) -> np.ndarray:
    n = np.delete(np.arange(63), 31)
    return np.exp(-1j * np.pi * (25, 29, 34)[primary] * n * (n + 1) / 63)


def _primary(samples: np.ndarray) -> tuple[int, int]:
    """Which primary signal, and where its useful part begins modulo 9600, by correlation summed over half frames."""
    size = 1 << (len(samples) + SIZE).bit_length()
    transformed = np.fft.fft(samples, size)
    best = (-1.0, 0, 0)
    for number in range(3):
        line = np.zeros(SIZE, complex)
        line[SUBCARRIERS[5:67]] = _zadoff_chu(number)
        correlation = np.fft.ifft(transformed * np.fft.fft(np.fft.ifft(line), size).conj())[: len(samples) // 9600 * 9600]
        power = (np.abs(correlation) ** 2).reshape(-1, 9600).sum(0)
        best = max(best, (float(power.max()), number, int(power.argmax())))
    return best[1], best[2]


def _corrected(samples: np.ndarray, position: int) -> tuple[np.ndarray, float]:
    """Without frequency offset, which the prefixes of all symbols tell, Hz."""
    product = samples[:-SIZE].conj() * samples[SIZE:]
    totals = []
    for start in PRIMARY.values():
        slots = range((position - start) % 960 + 960, len(product) - 960, 960)
        totals.append(sum(product[slot + at - 8 : slot + at].sum() for slot in slots for at in SYMBOL_STARTS))
    total = max(totals, key=abs)
    offset = float(np.angle(total) / (2 * np.pi) * RATE / SIZE)
    return samples * np.exp(-2j * np.pi * offset / RATE * np.arange(len(samples))), offset


@lru_cache(maxsize=3)
def _secondary_table(primary: int) -> np.ndarray:
    """Both half frames' secondary signals of 168 groups, ``(168, 2, 62)``."""

    def sequence(*taps: int) -> np.ndarray:
        bits = [0, 0, 0, 0, 1]
        while len(bits) < 31:
            bits.append(sum(bits[len(bits) - 5 + tap] for tap in taps) % 2)
        return 1 - 2 * np.array(bits)

    s, c, z = sequence(2, 0), sequence(3, 0), sequence(4, 2, 1, 0)
    n = np.arange(31)
    pairs = [(a, a + step) for step in range(1, 8) for a in range(31 - step)][:168]  # TS 36.211 table 6.11.2.1-1
    out = np.empty((168, 2, 62))
    for group, (m0, m1) in enumerate(pairs):
        for half, (a, b) in enumerate(((m0, m1), (m1, m0))):
            out[group, half, 0::2] = s[(n + a) % 31] * c[(n + primary) % 31]
            out[group, half, 1::2] = s[(n + b) % 31] * c[(n + primary + 3) % 31] * z[(n + a % 8) % 31]
    return out


def _secondary(samples: np.ndarray, primary: int, position: int) -> tuple[int, str, int]:
    """Cell identity, duplexing, and the first sample of a radio frame."""
    table = _secondary_table(primary)
    best = (-1.0, 0, "", 0)
    for duplex, place in PRIMARY.items():
        distance = place - SECONDARY[duplex]
        for parity in (0, 1):  # of the half frame that the first primary signal belongs to
            score = np.zeros(168)
            for count, at in enumerate(range(position, len(samples) - SIZE, 9600)):
                if at - distance < SIZE:
                    continue
                channel = _spectrum(samples, at)[5:67] * _zadoff_chu(primary).conj()
                channel = np.convolve(channel, np.ones(5) / 5, "same")
                received = _spectrum(samples, at - distance)[5:67] * channel.conj()
                score += (table[:, (count + parity) % 2] @ received).real
            start = position - place - 9600 * parity
            best = max(best, (float(score.max()), int(score.argmax()), duplex, start))
    return 3 * best[1] + primary, best[2], best[3]


@lru_cache(maxsize=512)
def _pseudo_random(start: int, length: int) -> np.ndarray:
    """Gold sequence, one step after the other: TS 36.211 clause 7.2."""
    first, second, out = 1, start, []
    for n in range(1600 + length):
        if n >= 1600:
            out.append((first ^ second) & 1)
        first = first >> 1 | ((first ^ first >> 3) & 1) << 30
        second = second >> 1 | ((second ^ second >> 1 ^ second >> 2 ^ second >> 3) & 1) << 30
    return np.array(out)


def _pilots(cell_id: int, slot: int, symbol: int) -> np.ndarray:
    """Reference sequence of the central six blocks, of any port."""
    bits = _pseudo_random(1024 * (7 * (slot + 1) + symbol + 1) * (2 * cell_id + 1) + 2 * cell_id + 1, 440)
    r = ((1 - 2 * bits[0::2]) + 1j * (1 - 2 * bits[1::2])) / 2**0.5
    return r[104:116]


def _channel(lines: list[np.ndarray], cell_id: int, port: int) -> np.ndarray:
    """Response of a port on 72 subcarriers in slot 1, from that slot's reference signals."""
    if port < 2:
        places = [(0, 3 * port), (4, 3 - 3 * port)]
    else:
        places = [(1, 3 if port == 2 else 0)]  # an odd slot
    columns, values = [], []
    for symbol, v in places:
        at = np.arange((v + cell_id) % 6, 72, 6)
        columns.append(at)
        values.append(lines[symbol][at] * _pilots(cell_id, 1, symbol).conj())
    order = np.argsort(np.concatenate(columns))
    known, response = SUBCARRIERS[np.concatenate(columns)[order]], np.concatenate(values)[order]
    return np.interp(SUBCARRIERS, known, response.real) + 1j * np.interp(SUBCARRIERS, known, response.imag)


def _broadcast(samples: np.ndarray, frame: int, cell_id: int) -> tuple[int, tuple[int, int, int]] | None:
    """Number of ports, and (blocks, PHICH resource, frame number), of the radio frame that begins at a sample."""
    lines = [_spectrum(samples, frame + 960 + start) for start in SYMBOL_STARTS[:5]]
    channels = [_channel(lines, cell_id, port) for port in range(4)]
    kept = [(line, at) for line in range(4) for at in range(72) if line > 1 or at % 3 != cell_id % 3]
    received = np.array([lines[line][at] for line, at in kept])
    h = np.array([[channel[at] for _, at in kept] for channel in channels])
    scrambling = 1 - 2 * _pseudo_random(cell_id, 1920).reshape(4, 480)
    for ports in (1, 2, 4):
        soft = _soft_bits(received, h, ports)
        for quarter in range(4):
            block = _decoded(soft * scrambling[quarter], quarter)
            if block is not None and block[0] == MASKS[ports]:
                return ports, block[1]
    return None


def _soft_bits(y: np.ndarray, h: np.ndarray, ports: int) -> np.ndarray:
    """Of transmit diversity over 1, 2 or 4 ports; positive for 0."""
    if ports == 1:
        symbols = y * h[0].conj()
    else:
        symbols = np.empty(240, complex)
        for first in range(0, 240, 2):
            a, b = (0, 1) if ports == 2 else (0, 2) if first % 4 == 0 else (1, 3)
            pair = slice(first, first + 2)
            ha, hb = h[a, pair].mean(), h[b, pair].mean()
            symbols[first] = ha.conjugate() * y[first] + hb * y[first + 1].conjugate()
            symbols[first + 1] = ha.conjugate() * y[first + 1] - hb * y[first].conjugate()
    return np.stack([symbols.real, symbols.imag], axis=1).ravel()


@lru_cache(maxsize=1)
def _positions() -> np.ndarray:
    """Coded bit, stream + 3 * time, of each of 120 bits in transmission order: TS 36.212 clause 5.1.4.2."""
    order = [int(f"{column:05b}"[::-1], 2) for column in range(32)]
    order = order[16:] + order[:16]  # odd columns first: table 5.1.4-2 is the bit reversal, turned by half
    stream = [32 * row + column - 24 for column in order for row in range(2)]
    return np.array([number + 3 * time for number in range(3) for time in stream if time >= 0])


@lru_cache(maxsize=1)
def _trellis() -> tuple[np.ndarray, np.ndarray]:
    """Predecessors ``(64, 2)`` and signs of the outputs ``(64, 2, 3)`` of each state, newest bit in the top place."""
    state = np.arange(64)
    before = np.stack([(state << 1) & 63, (state << 1) & 63 | 1], axis=1)
    window = (state >> 5)[:, None] << 6 | before
    bits = [[bin(int(w) & g).count("1") % 2 for g in GENERATORS] for w in window.ravel()]
    return before, 1 - 2.0 * np.array(bits).reshape(64, 2, 3)


def _decoded(soft: np.ndarray, quarter: int) -> tuple[int, tuple[int, int, int]] | None:
    """CRC mask and content of a block of which 480 soft bits were received; None if they do not agree with it."""
    coded = np.zeros(120)
    np.add.at(coded, np.resize(_positions(), 480), soft)
    before, signs = _trellis()
    metric, chosen = np.zeros(64), []
    for time in [*range(40)] * 2:  # twice round the circle
        both = metric[before] + signs @ coded[3 * time : 3 * time + 3]
        pick = both.argmax(1)
        chosen.append(pick)
        metric = both[np.arange(64), pick]
    state, bits = int(metric.argmax()), []
    for pick in reversed(chosen):
        bits.append(state >> 5)
        state = int(before[state, pick[state]])
    block = np.array(bits[:40][::-1])
    taps = [[int(tap) for tap in f"{generator:07b}"] for generator in GENERATORS]
    again = np.array([sum(block[time - delay] * row[delay] for delay in range(7)) % 2 for time in range(40) for row in taps])
    if ((1 - 2 * np.resize(again[_positions()], 480)) * soft).sum() <= AGREEMENT * np.abs(soft).sum():  # nor if nothing was received
        return None
    value = int("".join(map(str, block)), 2)
    content, rest = value >> 16, value >> 16 << 16
    for place in range(39, 15, -1):
        if rest >> place & 1:
            rest ^= 0x11021 << (place - 16)
    width = content >> 21
    if width >= len(BLOCKS) or content & 0x3FF:  # the last ten bits are spare
        return None
    return rest ^ value & 0xFFFF, (BLOCKS[width], content >> 18 & 3, (content >> 10 & 0xFF) * 4 + quarter)
