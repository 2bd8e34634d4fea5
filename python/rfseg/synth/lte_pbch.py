"""The LTE broadcast channel, coded as receivers decode it: TS 36.212 clause 5.3.1, TS 36.211 clause 6.6."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .sequences import gold

__all__ = ["PBCH_ELEMENTS", "broadcast_symbols", "master_information", "pbch_places", "transmit_diversity"]

PBCH_ELEMENTS = 240  # per radio frame, normal cyclic prefix: TS 36.211 clause 6.6.4
_FRAMES = 4  # radio frames that share one block: TS 36.211 clause 6.6.1
_CODED_BITS = 2 * PBCH_ELEMENTS * _FRAMES
_BANDWIDTHS = (6, 15, 25, 50, 75, 100)  # order of dl-Bandwidth, TS 36.331
_CRC_POLYNOMIAL = 0x1021  # D^16 + D^12 + D^5 + 1 without its first term: TS 36.212 clause 5.1.1
_PORT_MASKS = {1: 0x0000, 2: 0xFFFF, 4: 0x5555}  # TS 36.212 table 5.3.1.1-1
_GENERATORS = (0o133, 0o171, 0o165)  # constraint length 7: TS 36.212 figure 5.1.3-1
# Column permutation of the sub-block interleaver: TS 36.212 table 5.1.4-2
_COLUMNS = (
    1, 17, 9, 25, 5, 21, 13, 29, 3, 19, 11, 27, 7, 23, 15, 31,
    0, 16, 8, 24, 4, 20, 12, 28, 2, 18, 10, 26, 6, 22, 14, 30,
)  # fmt: skip


def _bits(value: int, count: int) -> list[int]:
    """Most significant bit first."""
    return [value >> (count - 1 - i) & 1 for i in range(count)]


def master_information(blocks: int, phich_resource: int, frame: int) -> np.ndarray:
    """Master information block: TS 36.331 clause 6.2.2.

    Parameters
    ----------
    blocks : int
        Resource blocks of the downlink.
    phich_resource : int
        0 to 3 for N_g = 1/6, 1/2, 1, 2; the duration is normal.
    frame : int
        System frame number, 0 to 1023; its two last bits are told by the scrambling, not by the block.

    Returns
    -------
    uint8 ``(24,)``
    """
    fields = (*_bits(_BANDWIDTHS.index(blocks), 3), 0, *_bits(phich_resource, 2), *_bits(frame // _FRAMES, 8), *_bits(0, 10))
    return np.array(fields, dtype=np.uint8)


def _checksum(bits: np.ndarray) -> int:
    """CRC of 16 bits from a start of zero: TS 36.212 clause 5.1.1."""
    register = 0
    for bit in bits.tolist():
        top = register >> 15 ^ bit
        register = register << 1 & 0xFFFF ^ (_CRC_POLYNOMIAL if top else 0)
    return register


def _convolutional(bits: np.ndarray) -> np.ndarray:
    """Tail-biting code of rate 1/3, uint8 ``(3, len(bits))``: TS 36.212 clause 5.1.3.1."""
    delayed = np.stack([np.roll(bits, delay) for delay in range(7)])  # (7, K)
    taps = np.array([_bits(generator, 7) for generator in _GENERATORS], dtype=np.uint8)
    return taps @ delayed % 2


@lru_cache(maxsize=4)
def _rate_matching(length: int, wanted: int) -> np.ndarray:
    """Index into the flattened three streams of each transmitted bit: TS 36.212 clause 5.1.4.2."""
    rows = -(-length // 32)
    padded = np.concatenate([np.full(32 * rows - length, -1), np.arange(length)]).reshape(rows, 32)
    stream = padded[:, _COLUMNS].T.ravel()
    circle = np.concatenate([np.where(stream < 0, -1, stream + length * number) for number in range(3)])
    return np.resize(circle[circle >= 0], wanted)


@lru_cache(maxsize=256)
def broadcast_symbols(cell_id: int, blocks: int, ports: int, phich_resource: int, frame: int) -> np.ndarray:
    """QPSK symbols of the radio frame ``frame``, before transmit diversity.

    Returns
    -------
    complex64 ``(240,)``
        Unit power; read-only.
    """
    information = master_information(blocks, phich_resource, frame)
    checked = np.array([*information, *_bits(_checksum(information) ^ _PORT_MASKS[ports], 16)], dtype=np.uint8)
    coded = _convolutional(checked).ravel()[_rate_matching(len(checked), _CODED_BITS)]
    quarter = (coded ^ gold(cell_id, _CODED_BITS)).reshape(_FRAMES, PBCH_ELEMENTS, 2)[frame % _FRAMES]
    symbols = ((1 - 2.0 * quarter) @ np.array([1, 1j]) * 2**-0.5).astype(np.complex64)
    symbols.flags.writeable = False
    return symbols


@lru_cache(maxsize=3)
def pbch_places(shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Symbol of slot 1 and column of the central 72 of each element: TS 36.211 clause 6.6.4.

    The positions of the reference signals of four ports stay free however many ports there are.

    Parameters
    ----------
    shift : int
        Cell identity modulo 3.
    """
    free = np.ones((4, 72), bool)
    free[:2, shift::3] = False
    return np.nonzero(free)


def transmit_diversity(symbols: np.ndarray, ports: int) -> np.ndarray:
    """Layer mapping and precoding for transmit diversity: TS 36.211 clauses 6.3.3.3 and 6.3.4.3.

    Parameters
    ----------
    symbols : complex64 ``(..., n)``
        ``n`` is a multiple of four.
    ports : int
        1, 2 or 4.

    Returns
    -------
    complex64 ``(ports, ..., n)``
        What each port sends; the power of an element is one in sum.
    """
    if ports == 1:
        return symbols[None]
    out = np.zeros((ports, *symbols.shape), np.complex64)
    if ports == 2:
        pairs = ((slice(0, None, 2), slice(1, None, 2), 0, 1),)
    else:
        pairs = ((slice(0, None, 4), slice(1, None, 4), 0, 2), (slice(2, None, 4), slice(3, None, 4), 1, 3))
    for even, odd, first, second in pairs:
        a, b = symbols[..., even] * np.float32(2**-0.5), symbols[..., odd] * np.float32(2**-0.5)
        out[first, ..., even], out[second, ..., even] = a, -b.conj()
        out[first, ..., odd], out[second, ..., odd] = b, a.conj()
    return out
