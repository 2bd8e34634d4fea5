"""The slots of an NR carrier in which anything is sent, and the references that are written into them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .nr_timing import SLOT_SYMBOLS, SlotSpan
from .ofdm import PortGrid
from .sequences import gold_qpsk

__all__ = ["SlotGrid", "csi_start", "dmrs_start", "references"]

_LENGTH_STEP = 256  # lengths of sequences are rounded up, so that few maps of the register are made


@dataclass(frozen=True, kw_only=True)
class SlotGrid:
    """Elements of some slots; painted in place.

    Parameters
    ----------
    slots : int64 ``(A,)``
        Since system frame 0 began, ascending.
    elements : complex64 ``(A, 14, K)``
    """

    slots: np.ndarray
    elements: Tensor

    @classmethod
    def empty(cls, slots: np.ndarray, columns: int, device: torch.device) -> SlotGrid:
        """Nothing is sent yet."""
        shape = (slots.size, SLOT_SYMBOLS, columns)
        return cls(slots=slots, elements=torch.zeros(shape, dtype=torch.complex64, device=device))

    def at(self, slots: np.ndarray) -> Tensor:
        """Place of each of the given slots, int64."""
        return torch.from_numpy(np.searchsorted(self.slots, slots)).to(self.elements.device)

    def to_port(self, span: SlotSpan, port: int) -> PortGrid:
        """The rows inside the span; they share their memory with these elements."""
        rows = self.slots[:, None] * SLOT_SYMBOLS + np.arange(SLOT_SYMBOLS) - span.first_symbol  # (A, 14)
        inside = (rows >= 0) & (rows < span.symbol_count)
        elements = self.elements.flatten(0, 1)
        first, last = np.flatnonzero(inside.ravel())[[0, -1]]
        symbols = rows.ravel()[first : last + 1]
        if symbols.size == span.symbol_count:
            return PortGrid(elements=elements[first : last + 1], port=port)
        return PortGrid(elements=elements[first : last + 1], symbols=torch.from_numpy(symbols).to(elements.device), port=port)


def dmrs_start(slot: np.ndarray, symbol: np.ndarray | int, identity: int) -> np.ndarray:
    """c_init of demodulation references, ``slot`` counted in its frame: TS 38.211 clauses 7.4.1.1.1 and 7.4.1.3.1."""
    return ((SLOT_SYMBOLS * slot + symbol + 1) * (2 * identity + 1) * 2**17 + 2 * identity) % 2**31


def csi_start(slot: np.ndarray, symbol: np.ndarray | int, identity: int) -> np.ndarray:
    """c_init of channel state references: TS 38.211 clause 7.4.1.5.2."""
    return ((SLOT_SYMBOLS * slot + symbol + 1) * (2 * identity + 1) * 2**10 + identity) % 2**31


def references(starts: np.ndarray, first: int, count: int, device: torch.device) -> Tensor:
    """Elements ``first`` to ``first + count`` of each reference sequence, complex64 ``(*starts.shape, count)``."""
    unique, place = np.unique(starts, return_inverse=True)
    length = -(-(first + count) // _LENGTH_STEP) * _LENGTH_STEP
    found = torch.from_numpy(gold_qpsk(unique, length)[:, first : first + count]).to(device)
    return found[torch.from_numpy(place.reshape(starts.shape)).to(device)]
