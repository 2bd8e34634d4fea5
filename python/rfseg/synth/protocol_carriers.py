"""The LTE and NR carriers of the published data sets: reference channels with few users and fixed habits.

Their content is far poorer than that of :mod:`rfseg.synth.lte` and :mod:`rfseg.synth.nr`, whose synchronisation,
control and reference signals they share.  Samples are at 61.44 MS/s; a resource element of amplitude 1 has the
amplitude ``1 / N`` of MATLAB's unnormalised inverse FFT after interpolation to that rate, ``N`` points long there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import SceneError
from .lte import CHANNELS_MHZ as LTE_CHANNELS_MHZ
from .lte import LteCell, draw_lte, lte_signals
from .lte_reference import REFERENCE_SYMBOLS, reference_offset
from .nr import CHANNELS_MHZ as NR_CHANNELS_MHZ
from .nr import NrCell, draw_nr, nr_signals, nr_subcarriers
from .nr_control import ControlPlan, element_order, paint_control
from .nr_data import DataPlan, paint_data
from .nr_grid import SlotGrid
from .nr_sync import blank_under_blocks, sync_grids
from .nr_timing import SlotSpan
from .ofdm import Numerology, OfdmSignal, modulate, qpsk

__all__ = [
    "SAMP_RATE",
    "ProtocolGeneral",
    "ProtocolLte",
    "ProtocolNr",
    "carrier_samples",
    "draw_general",
    "draw_protocol_lte",
    "draw_protocol_nr",
]

SAMP_RATE = 61.44e6  # Hz, of all published generators
_CENTRE = 72  # subcarriers of the synchronisation signals and of the broadcast channel
_DATA_PERIOD = 20  # slots
_DATA_SLOTS = range(2, 11)  # of a period, those that ever carry data
_MOST_SLOTS = 8  # of which the filled share is drawn
_NO_DATA_SUBFRAME = 5  # left to system information: TS 36.101 annex A.3.3.1
_CONTROL_GROUPS = 36  # one message of four control channel elements, TS 36.211 clause 6.8.1


@dataclass(frozen=True, kw_only=True)
class ProtocolLte:
    """A reference measurement channel of TS 36.101 annex A.3.3.1.

    Parameters
    ----------
    cell : LteCell
        Its signals without data.
    data_blocks : tuple of tuple of int
        Resource blocks that carry data in each of the ten subframes of a frame.
    """

    cell: LteCell
    data_blocks: tuple[tuple[int, ...], ...]

    @property
    def spacing(self) -> float:
        """Hz."""
        return 15e3

    @property
    def channel_mhz(self) -> float:
        """True channel bandwidth."""
        return next(mhz for mhz, blocks in LTE_CHANNELS_MHZ.items() if blocks == self.cell.blocks)

    def signals(self, first_half_ms: int, half_ms: int, rng: np.random.Generator, generator: torch.Generator) -> list[OfdmSignal]:
        """As :func:`rfseg.synth.lte.lte_signals`, with the data of this channel."""
        signals = lte_signals(self.cell, first_half_ms, half_ms, rng=rng, generator=generator)
        elements = signals[0].grids[0].elements  # (S, K)
        lines = first_half_ms % 2 * 7 + torch.arange(elements.shape[0])
        subframe, symbol = (first_half_ms // 2 + lines // 14) % 10, lines % 14
        used = np.zeros((10, self.cell.blocks), bool)
        for number, blocks in enumerate(self.data_blocks):
            used[number, list(blocks)] = True
        open_to_data = torch.from_numpy(self._open_to_data())[subframe, symbol]  # (S, K)
        filled = open_to_data & torch.from_numpy(used).repeat_interleave(12, dim=1)[subframe]
        elements[open_to_data.to(elements.device)] = 0  # an idle cell of the library sends a little
        elements[filled.to(elements.device)] = qpsk((int(filled.sum()),), generator)
        return signals

    def _open_to_data(self) -> np.ndarray:
        """Elements of each subframe that may carry data, bool ``(10, 14, K)``: TS 36.211 clause 6.3.5."""
        free = np.ones((10, 14, 12 * self.cell.blocks), bool)
        free[:, : self.cell.format_indicator] = False  # no carrier is so narrow that it had one more
        for symbol in REFERENCE_SYMBOLS[0]:
            free[:, symbol, reference_offset(self.cell.cell_id, 0, symbol) :: 6] = False
        centre = slice(6 * self.cell.blocks - _CENTRE // 2, 6 * self.cell.blocks + _CENTRE // 2)
        free[::5, 5:7, centre] = False  # synchronisation signals
        free[0, 7:11, centre] = False  # broadcast channel
        return free


@dataclass(frozen=True, kw_only=True)
class ProtocolNr:
    """A carrier whose one user has the same slots and resource blocks all the time.

    Parameters
    ----------
    cell : NrCell
        Its synchronisation blocks and references.
    data_slots : tuple of int
        Of every 20.
    data_blocks : tuple of int
        Resource blocks with data in these slots.
    control_level, control_candidate : int
        Control channel elements of the message in every slot, and its place in multiples of them.
    """

    cell: NrCell
    data_slots: tuple[int, ...]
    data_blocks: tuple[int, ...]
    control_level: int
    control_candidate: int

    @property
    def spacing(self) -> float:
        """Hz."""
        return self.cell.spacing

    @property
    def channel_mhz(self) -> float:
        """True channel bandwidth."""
        return next(mhz for mhz, blocks in NR_CHANNELS_MHZ[self.cell.spacing].items() if blocks == self.cell.blocks)

    def signals(self, first_half_ms: int, half_ms: int, rng: np.random.Generator, generator: torch.Generator) -> list[OfdmSignal]:
        """As :func:`rfseg.synth.nr.nr_signals`."""
        cell = self.cell
        span = SlotSpan(spacing=cell.spacing, first_half_ms=first_half_ms, half_ms=half_ms)
        grid = SlotGrid.empty(span.slots, 12 * cell.blocks, generator.device)
        slots = span.slots[np.isin(span.slots % _DATA_PERIOD, self.data_slots)]
        amplitude = np.zeros(cell.blocks, np.float32)
        amplitude[list(self.data_blocks)] = 1.0
        data = DataPlan(
            slots=slots,
            first=np.zeros_like(slots),
            end=np.full_like(slots, 14),
            is_mini=np.zeros(slots.size, bool),
            amplitude=torch.from_numpy(amplitude).repeat(slots.size, 1),
            bits=np.ones((slots.size, cell.blocks), np.int64),
        )
        paint_data(cell, grid, data, generator)
        _, width, symbols = cell.coreset
        message = element_order(width, symbols, interleaved=True, shift=cell.cell_id) // self.control_level
        used = np.tile(message == self.control_candidate, (span.slots.size, 1))
        control = ControlPlan(place=cell.coreset, slots=span.slots, used=used, reference_start=0)
        paint_control(cell, grid, control, generator)
        carrier = grid.to_port(span, 0)
        blank_under_blocks(cell, span, carrier.symbols, carrier.elements)
        grids = [carrier]
        if cell.ssb_subcarrier is not None:
            grids += sync_grids(cell, span, cell.ssb_subcarrier, 12 * cell.blocks, generator.device)
        subcarriers = nr_subcarriers(cell.blocks, generator.device)
        return [OfdmSignal(spacing=cell.spacing, subcarriers=subcarriers, symbol_count=span.symbol_count, grids=tuple(grids))]


@dataclass(frozen=True, kw_only=True)
class ProtocolGeneral:
    """A carrier of the library's own generators, for the variants without these habits."""

    cell: LteCell | NrCell
    channel_mhz: float

    @property
    def spacing(self) -> float:
        """Hz."""
        return 15e3 if isinstance(self.cell, LteCell) else self.cell.spacing

    def signals(self, first_half_ms: int, half_ms: int, rng: np.random.Generator, generator: torch.Generator) -> list[OfdmSignal]:
        """As the cell's own generator."""
        make: Any = lte_signals if isinstance(self.cell, LteCell) else nr_signals
        return make(self.cell, first_half_ms, half_ms, rng=rng, generator=generator)


def draw_general(label: str, channel_mhz: float, spacing: float, rng: np.random.Generator) -> ProtocolGeneral:
    """Any LTE or NR cell of that channel bandwidth."""
    blocks = LTE_CHANNELS_MHZ[channel_mhz] if label == "LTE" else NR_CHANNELS_MHZ[spacing][channel_mhz]
    cell = draw_lte(blocks, rng) if label == "LTE" else draw_nr(blocks, spacing, rng)
    return ProtocolGeneral(cell=cell, channel_mhz=channel_mhz)


def draw_protocol_lte(blocks: int, rng: np.random.Generator) -> ProtocolLte:
    """A reference channel: half of them have data in a sliver at the lower band edge only, the others in the whole band.

    In these, one to eight subframes, drawn with replacement, are empty.
    """
    cell = _skeleton(blocks)
    subframes = []
    if rng.random() < 0.5:
        for _ in range(10):
            extra = rng.choice(np.arange(4, 9), size=int(rng.integers(3)), replace=False)
            subframes.append((0, 1, *sorted(extra.tolist())))
    else:
        empty = set(rng.integers(10, size=int(rng.integers(1, 9))).tolist())
        subframes = [() if number in empty else tuple(range(blocks)) for number in range(10)]
    subframes[_NO_DATA_SUBFRAME] = ()
    return ProtocolLte(cell=cell, data_blocks=tuple(subframes))


def _skeleton(blocks: int) -> LteCell:
    """The cell without data: one port, and one control message in every subframe."""
    indicator = 2 if blocks >= 50 else 3  # symbols for control: TS 36.101 annex A.3.3.1
    return LteCell(
        blocks=blocks,
        cell_id=0,
        ports=1,
        crs_boost_db=0.0,
        load="idle",
        control_fill=_CONTROL_GROUPS / (3 * blocks * indicator - blocks),  # symbols with references have a third less
        format_indicator=indicator,
        phich_resource=0,
    )


def draw_protocol_nr(blocks: int, spacing: float, rng: np.random.Generator) -> ProtocolNr:
    """A carrier with cell identity 1, its synchronisation blocks in the middle."""
    count = int(rng.choice([4, 8]))
    sent = tuple(np.flatnonzero(rng.integers(2, size=count)).tolist())
    cell = NrCell(
        blocks=blocks,
        spacing=spacing,
        cell_id=1,
        load="idle",
        ssb_subcarrier=6 * blocks - 120 if sent else None,
        ssb_case="A" if spacing == 15e3 else "B",
        ssb_count=count,
        ssb_blocks=sent or (0,),
        ssb_gains_db=(0.0,) * max(1, len(sent)),
        coreset=(0, blocks // 6 * 6, 2),
        interleaved=True,
        first_data_symbol=0,
        qam_bits=2,
        dmrs_position=3,
        dmrs_additional=0,
    )
    elements = blocks // 6 * 2
    level = int(rng.choice([n for n in (1, 2, 4, 8) if n <= elements]))
    slots = max(1, round(rng.uniform(0.1, 0.8) * _MOST_SLOTS))
    return ProtocolNr(
        cell=cell,
        data_slots=tuple(_DATA_SLOTS[i] for i in _runs(slots, len(_DATA_SLOTS), int(rng.integers(1, 4)), rng)),
        data_blocks=tuple(_runs(max(1, round(rng.uniform(0.2, 0.7) * blocks)), blocks, int(rng.integers(1, 4)), rng)),
        control_level=level,
        control_candidate=int(rng.integers(elements // level)),
    )


def _runs(filled: int, available: int, count: int, rng: np.random.Generator) -> list[int]:
    """``filled`` of ``available`` places in up to ``count`` runs with random lengths and gaps, ascending."""
    count = min(count, filled)
    cuts = np.sort(rng.choice(np.arange(1, filled), size=count - 1, replace=False)) if count > 1 else np.zeros(0, int)
    lengths = np.diff(np.concatenate([[0], cuts, [filled]]))
    gaps = np.diff(np.concatenate([[0], np.sort(rng.integers(available - filled + 1, size=count))]))
    places, position = [], 0
    for gap, length in zip(gaps.tolist(), lengths.tolist(), strict=True):
        places += range(position + gap, position + gap + length)
        position += gap + length
    return places


def carrier_samples(
    content: ProtocolLte | ProtocolNr | ProtocolGeneral,
    center: float,
    first_half_ms: int,
    half_ms: int,
    *,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Tensor:
    """Samples of a carrier at 61.44 MS/s.

    Parameters
    ----------
    content
        What it sends.
    center : float
        Hz re the band's centre, a multiple of its subcarrier spacing.
    first_half_ms, half_ms : int
        Start since system frame 0 began, and length, half milliseconds.

    Returns
    -------
    complex64 ``(30720 * half_ms,)``

    Raises
    ------
    SceneError
        If the centre is not on the raster.
    """
    total = torch.zeros(round(SAMP_RATE / 2000) * half_ms, dtype=torch.complex64, device=generator.device)
    for signal in content.signals(first_half_ms, half_ms, rng, generator):
        shift = center / signal.spacing
        if shift != round(shift):
            raise SceneError(f"center={center!r} Hz is no multiple of the subcarrier spacing {signal.spacing:g} Hz; round it")
        numerology = Numerology(grid_rate=SAMP_RATE, spacing=signal.spacing)
        shape = (signal.symbol_count, signal.subcarriers.numel())
        elements = torch.zeros(shape, dtype=torch.complex64, device=generator.device)
        for grid in signal.grids:
            if grid.symbols is None:
                elements += grid.elements
            else:
                elements.index_add_(0, grid.symbols, grid.elements)
        samples = modulate(elements, signal.subcarriers + round(shift), numerology, half_shift=signal.half_shift)
        total += samples * numerology.fft_size**-0.5  # of an orthonormal inverse FFT; MATLAB divides by N
    return total
