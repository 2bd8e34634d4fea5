"""The NR broadcast channel: master information block, coding and modulation.

3GPP TS 38.331 (MIB), TS 38.212 clause 7.1 (payload, CRC, polar code, rate matching), TS 38.211 clause 7.3.3.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .nr_cell import NrCell
from .sequences import gold

__all__ = ["broadcast_payload", "encode_broadcast"]

_PAYLOAD = 32  # A, bits
_CODED = 864  # E, bits
_CODE = 512  # N of the polar code
_CRC24C = 0xB2B117  # TS 38.212 clause 5.1, without its leading 1
# Place of each payload bit: TS 38.212 table 7.1.1-1
_INTERLEAVER = (
    16, 23, 18, 17, 8, 30, 10, 6, 24, 7, 0, 5, 3, 2, 1, 4, 9, 11, 12, 13, 14, 15, 19, 20, 21, 22, 25, 26, 27, 28, 29, 31,
)  # fmt: skip
_SFN_PLACES = _INTERLEAVER[:10]  # most significant bit first
_HALF_PLACE = _INTERLEAVER[10]
_SSB_PLACES = _INTERLEAVER[11:14]
_OTHER_PLACES = _INTERLEAVER[14:]
# Order of the 56 bits before the polar code: TS 38.212 table 5.3.1.1-1 for K = 56
_BEFORE_POLAR = (
    0, 2, 3, 5, 7, 10, 11, 12, 14, 15, 18, 19, 21, 24, 26, 30, 31, 32, 1, 4, 6, 8, 13, 16, 20, 22, 25, 27, 33, 9, 17, 23, 28,
    34, 29, *range(35, 56),
)  # fmt: skip
# The 56 most reliable of 512 channels: TS 38.212 table 5.3.1.2-1
_RELIABLE = (
    247, 253, 254, 255, 367, 375, 379, 381, 382, 383, 415, 431, 439, 441, 443, 444, 445, 446, 447, 463, 469, 470, 471, 473,
    474, 475, 476, 477, 478, 479, 483, 485, 486, 487, *range(489, 496), *range(497, 512),
)  # fmt: skip
# Order of 32 sub-blocks: TS 38.212 table 5.4.1.1-1
_SUB_BLOCKS = (
    0, 1, 2, 4, 3, 5, 6, 7, 8, 16, 9, 17, 10, 18, 11, 19, 12, 20, 13, 21, 14, 22, 15, 23, 24, 25, 26, 28, 27, 29, 30, 31,
)  # fmt: skip
_NO_SIB1 = 31  # k_SSB of a cell without system information: TS 38.213 clause 13


def _crc_matrix() -> np.ndarray:
    """Parity of each payload bit alone, uint8 ``(32, 24)``: the remainder of ``x**(31 - i + 24)``."""
    rows = []
    remainder = 1
    for power in range(24 + _PAYLOAD):
        if power >= 24:
            rows.append([(remainder >> (23 - bit)) & 1 for bit in range(24)])
        remainder <<= 1
        if remainder >> 24:
            remainder = (remainder & 0xFFFFFF) ^ _CRC24C
    return np.array(rows[::-1], dtype=np.uint8)


@lru_cache(maxsize=1)
def _generator_matrix() -> np.ndarray:
    """Coded bits of each payload bit alone, float32 ``(32, 864)``: all of the coding is linear."""
    with_crc = np.concatenate([np.eye(_PAYLOAD, dtype=np.uint8), _crc_matrix()], axis=1)  # (32, 56)
    channels = np.zeros((_PAYLOAD, _CODE), dtype=np.uint8)
    channels[:, _RELIABLE] = with_crc[:, _BEFORE_POLAR]
    half = 1
    while half < _CODE:  # times the Kronecker power of [[1, 0], [1, 1]]: TS 38.212 clause 5.3.1.2
        pairs = channels.reshape(_PAYLOAD, -1, 2, half)
        pairs[:, :, 0] ^= pairs[:, :, 1]
        half *= 2
    order = (np.array(_SUB_BLOCKS)[:, None] * 16 + np.arange(16)).ravel()  # TS 38.212 clause 5.4.1.1
    return channels[:, order][:, np.arange(_CODED) % _CODE].astype(np.float32)


def _bits(values: np.ndarray | int, count: int) -> np.ndarray:
    """Most significant first, ``(..., count)``."""
    return (np.asarray(values)[..., None] >> np.arange(count - 1, -1, -1)) & 1


def _subcarrier_offset(cell: NrCell) -> int:
    """k_SSB, in units of 15 kHz: TS 38.211 clause 7.4.3.1."""
    return _NO_SIB1 if cell.coreset0 is None else cell.ssb_subcarrier % 12 * round(cell.spacing / 15e3)


def broadcast_payload(cell: NrCell, frames: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Interleaved payload of a block in each of the given half frames, uint8 ``(N, 32)``: TS 38.212 clause 7.1.1.

    Parameters
    ----------
    frames, halves : integer array ``(N,)``
        System frame number, 0 to 1023; 0 for the first and 1 for the second half of it.
    """
    offset = _subcarrier_offset(cell)
    search = [] if cell.coreset0 is None else [*_bits(cell.coreset0, 4), *_bits(cell.search_space0, 4)]
    not_barred, reselection_allowed, spare = 1, 0, 0
    other = [0, int(cell.ssb_spacing == 30e3), *_bits(offset & 15, 4), cell.dmrs_position - 2, *(search or 8 * [0])]
    other += [not_barred, reselection_allowed, spare]
    payload = np.zeros((frames.size, _PAYLOAD), dtype=np.uint8)
    payload[:, _SFN_PLACES] = _bits(frames, 10)
    payload[:, _HALF_PLACE] = halves
    payload[:, _SSB_PLACES[0]] = offset >> 4
    payload[:, _OTHER_PLACES[: len(other)]] = other
    return payload


def encode_broadcast(cell: NrCell, payload: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Elements of the broadcast channel, complex64 ``(N, 432)``.

    Parameters
    ----------
    payload : uint8 ``(N, 32)``
        From :func:`broadcast_payload`.
    blocks : integer array ``(N,)``
        Index of the synchronisation block.
    """
    kept = np.ones(_PAYLOAD, dtype=bool)  # bits that are scrambled: TS 38.212 clause 7.1.2
    kept[[_HALF_PLACE, _SFN_PLACES[7], _SFN_PLACES[8]]] = False
    count = int(kept.sum())
    phase = 2 * payload[:, _SFN_PLACES[7]] + payload[:, _SFN_PLACES[8]]
    scrambled = payload.copy()
    scrambled[:, kept] ^= gold(cell.cell_id, 4 * count).reshape(4, count)[phase]
    coded = (scrambled.astype(np.float32) @ _generator_matrix()).astype(np.int64) & 1
    coded ^= gold(cell.cell_id, cell.ssb_count * _CODED).reshape(cell.ssb_count, _CODED)[blocks]  # TS 38.211 7.3.3.1
    sign = (1.0 - 2.0 * coded) * 2**-0.5
    return (sign[:, 0::2] + 1j * sign[:, 1::2]).astype(np.complex64)
