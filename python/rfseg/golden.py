"""A model's self-test: a seeded input, and the mask that it must give."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass

import numpy as np

from .errors import ContractError
from .geometry import ROWS

__all__ = ["Golden", "golden_limits", "golden_rows", "make_golden"]

_FLOOR_DB = 30.0  # a whole frame's minimum lies below that of the values that a picture shows


@dataclass(frozen=True, kw_only=True)
class Golden:
    """A seeded input and the mask it must give: the loader runs it as a self-test.

    Parameters
    ----------
    seed, bins : int
        Arguments of :func:`golden_rows`.
    mask_zlib : str
        The expected mask, uint8 ``(T, F)``, zlib-compressed, base64.
    """

    seed: int
    bins: int
    mask_zlib: str

    def mask(self, rows: int) -> np.ndarray:
        """The expected mask, uint8 ``(rows, bins)``."""
        try:
            flat = np.frombuffer(zlib.decompress(base64.b64decode(self.mask_zlib, validate=True)), np.uint8)
        except (binascii.Error, zlib.error) as error:
            raise ContractError(f"the contract's golden mask cannot be decompressed: {error}") from error
        if flat.size != rows * self.bins:
            raise ContractError(f"the contract's golden mask has {flat.size} pixels, expected {rows * self.bins}")
        return flat.reshape(rows, self.bins)


def golden_rows(seed: int, bins: int, *, channels: int = 2, rows: int = ROWS) -> np.ndarray:
    """The seeded self-test input: noise with a wide carrier, a narrow one and pulses.

    Returns
    -------
    float32 ``(channels, rows, bins)``
        dBFS.
    """
    rng = np.random.default_rng(seed)
    rows_db = -90.0 + 2.0 * rng.random((channels, rows, bins))
    rows_db[1:] += 6.0  # a maximum lies above a mean
    left, right = sorted(rng.permutation(np.arange(bins // 16, 15 * bins // 16))[:2])
    rows_db[:, :, left:right] += 25.0
    rows_db[:, rows // 4 : rows // 2, 2 : 2 + bins // 32] += 15.0
    rows_db[1:, 5 :: rows // 8, bins - bins // 8 :] += 30.0
    return rows_db.astype(np.float32)


def golden_limits(rows_db: np.ndarray) -> np.ndarray:
    """Limits that go with :func:`golden_rows` in the family ``published``, float32 ``(2,)``."""
    return np.array([rows_db.min() - _FLOOR_DB, rows_db.max()], np.float32)


def make_golden(mask: np.ndarray, *, seed: int) -> Golden:
    """Golden of the mask, uint8 ``(T, F)``, that a trusted session made of :func:`golden_rows`."""
    packed = zlib.compress(np.ascontiguousarray(mask, np.uint8).tobytes(), 9)
    return Golden(seed=seed, bins=mask.shape[1], mask_zlib=base64.b64encode(packed).decode("ascii"))
