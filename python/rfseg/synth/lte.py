"""LTE downlink resource grids: 3GPP TS 36.211 clauses 4 and 6, normal cyclic prefix.

Synchronisation signals, reference signals of all ports, the broadcast channel, the format indicator and the
acknowledgements (of normal duration) are what a receiver expects, port by port.  The PDCCH is random QPSK by
resource-element group, the PDSCH random QAM by user; both go through port 0, whatever the number of ports.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..errors import SceneError
from .lte_control import PHICH_RESOURCES, acknowledgements, control_places, format_indicator, phich_groups
from .lte_frame import MBSFN_SUBFRAMES, SPECIAL_CONFIGURATIONS, TDD_CONFIGURATIONS, control_sizes, downlink_symbols
from .lte_pbch import broadcast_symbols, pbch_places, transmit_diversity
from .lte_reference import REFERENCE_SYMBOLS, reference_offset, reference_sequences
from .ofdm import OfdmSignal, PortGrid
from .sequences import lte_pss, lte_sss
from .traffic import LOADS, allocation

__all__ = ["CHANNELS_MHZ", "LteCell", "draw_lte", "lte_signals", "lte_subcarriers"]

CHANNELS_MHZ = {1.4: 6, 3.0: 15, 5.0: 25, 10.0: 50, 15.0: 75, 20.0: 100}  # resource blocks: TS 36.101 table 5.6-1
_SYMBOLS = 14  # of a subframe
_CENTRE = 72  # subcarriers of the synchronisation signals and of the broadcast channel
_USER_SUBFRAMES = 4  # a user keeps its modulation for so long, as traffic.allocation keeps its power
_FRAMES = 1024  # system frame numbers


@dataclass(frozen=True, kw_only=True)
class LteCell:
    """What a cell sends; amplitudes are relative to a data element.

    Parameters
    ----------
    blocks : int
        Resource blocks, a value of :data:`CHANNELS_MHZ`.
    cell_id : int
        Physical-layer cell identity, 0 to 503.
    ports : int
        Cell-specific antenna ports: 1, 2 or 4.
    crs_boost_db : float
        Power of a reference element over a data element, dB.
    load : str
        Key of :data:`~rfseg.synth.traffic.LOADS`.
    control_fill : float
        Share of the PDCCH's resource-element groups in use.
    tdd : int or None
        Uplink-downlink configuration 0 to 6; None for FDD.
    special : int
        Special subframe configuration, 0 to 10; of no effect in FDD.
    format_indicator : int or None
        CFI, 1 to 3, where the standard allows it; None for another one in every subframe.
    phich_resource : int
        0 to 3 for N_g = 1/6, 1/2, 1, 2.
    system_information : tuple of two ints, or None
        First block and number of blocks of SIB1; None for a carrier that sends none.
    mbsfn : tuple of int
        MBSFN subframes of each radio frame.
    mbsfn_filled : bool
        Whether they carry data without reference signals of the cell; else they are blank.

    Raises
    ------
    SceneError
        If a value is none the standard knows.
    """

    blocks: int
    cell_id: int
    ports: int
    crs_boost_db: float
    load: str
    control_fill: float
    tdd: int | None = None
    special: int = 0
    format_indicator: int | None = None
    phich_resource: int = 2
    system_information: tuple[int, int] | None = None
    mbsfn: tuple[int, ...] = ()
    mbsfn_filled: bool = False

    def __post_init__(self) -> None:
        for name, known in (
            ("blocks", tuple(CHANNELS_MHZ.values())),
            ("cell_id", range(504)),
            ("ports", (1, 2, 4)),
            ("load", tuple(LOADS)),
            ("tdd", (None, *range(len(TDD_CONFIGURATIONS)))),
            ("special", range(len(SPECIAL_CONFIGURATIONS))),
            ("format_indicator", (None, 1, 2, 3)),
            ("phich_resource", range(len(PHICH_RESOURCES))),
        ):
            if getattr(self, name) not in known:
                raise SceneError(f"LTE {name}={getattr(self, name)!r} does not exist; choose from {known}")
        if self.system_information is not None:
            first, count = self.system_information
            if first < 0 or count < 1 or first + count > self.blocks:
                raise SceneError(f"system_information={self.system_information} leaves the {self.blocks} blocks of the carrier")
        allowed = [s for s in MBSFN_SUBFRAMES[self.tdd is not None] if downlink_symbols(self.tdd, self.special)[s] == _SYMBOLS]
        if not set(self.mbsfn) <= set(allowed):
            raise SceneError(f"mbsfn={self.mbsfn} with tdd={self.tdd}: only subframes {allowed} may be MBSFN subframes")
        if 3 * phich_groups(self.blocks, self.phich_resource, self.tdd).max() > 2 * self.blocks - 4:
            raise SceneError(
                f"phich_resource={self.phich_resource} needs more than the {2 * self.blocks - 4} groups of {self.blocks} blocks "
                f"in TDD configuration {self.tdd}; choose a smaller one"
            )

    @property
    def group(self) -> int:
        """Resource blocks that are scheduled together: TS 36.213 table 7.1.6.1-1."""
        return 1 if self.blocks <= 10 else 2 if self.blocks <= 26 else 3 if self.blocks <= 63 else 4


def draw_lte(blocks: int, rng: np.random.Generator) -> LteCell:
    """A random cell of ``blocks`` resource blocks."""
    loads = list(LOADS)
    tdd = int(rng.integers(len(TDD_CONFIGURATIONS))) if rng.random() < 0.25 else None
    special = int(rng.integers(len(SPECIAL_CONFIGURATIONS)))
    possible = [s for s in MBSFN_SUBFRAMES[tdd is not None] if downlink_symbols(tdd, special)[s] == _SYMBOLS]
    mbsfn: tuple[int, ...] = ()
    if possible and rng.random() < 0.1:
        mbsfn = tuple(sorted(rng.choice(possible, size=int(rng.integers(1, len(possible) + 1)), replace=False).tolist()))
    information = min(blocks, int(rng.integers(6, 9)))
    return LteCell(
        blocks=blocks,
        cell_id=int(rng.integers(504)),
        ports=int(rng.choice([1, 2, 4], p=[0.25, 0.6, 0.15])),
        crs_boost_db=float(rng.choice([0.0, 3.0, 6.0], p=[0.55, 0.4, 0.05])),
        load=str(rng.choice(loads, p=[LOADS[k][0] for k in loads])),
        control_fill=float(rng.uniform(0.1, 0.9)),
        tdd=tdd,
        special=special,
        format_indicator=int(rng.integers(1, 4)) if rng.random() < 0.5 else None,
        phich_resource=int(rng.integers(3 if blocks == 6 else 4)),
        system_information=(int(rng.integers(blocks - information + 1)), information),
        mbsfn=mbsfn,
        mbsfn_filled=bool(rng.random() < 0.4),
    )


def lte_subcarriers(blocks: int) -> Tensor:
    """Subcarrier of each element relative to the carrier's centre; DC is skipped."""
    half = 6 * blocks
    index = torch.arange(2 * half) - half
    return index + (index >= 0).long()


def lte_signals(
    cell: LteCell, first_half_ms: int, half_ms: int, *, rng: np.random.Generator, generator: torch.Generator
) -> list[OfdmSignal]:
    """The downlink of a cell over some half milliseconds, one grid for each antenna port.

    Parameters
    ----------
    first_half_ms : int
        Half milliseconds since system frame 0 began.
    half_ms : int
        How many to make.
    rng : numpy.random.Generator
        Draws what is scheduled.
    generator : torch.Generator
        Draws the payload, on its device.

    Returns
    -------
    list of one OfdmSignal
        Port 0 has every symbol; the others have those on which they send reference signals, the broadcast
        channel, the format indicator or acknowledgements.
    """
    subframes = np.arange(first_half_ms // 2, -(-(first_half_ms + half_ms) // 2))
    plan = _Plan(cell, subframes, rng)
    grids = [_Port(_data_and_control(plan, rng, generator).flatten(0, 1), np.ones((len(subframes), _SYMBOLS), bool))]
    for port in range(1, cell.ports):
        rows = plan.rows(port)
        grids.append(_Port(torch.zeros(int(rows.sum()), 12 * cell.blocks, dtype=torch.complex64, device=generator.device), rows))
    _indicators(plan, grids, rng)
    _reference_signals(plan, grids)
    _synchronisation(plan, grids[0])
    _broadcast(plan, grids)
    low = 7 * (first_half_ms % 2)
    return [
        OfdmSignal(
            spacing=15e3,
            subcarriers=lte_subcarriers(cell.blocks).to(generator.device),
            symbol_count=7 * half_ms,
            grids=tuple(grid.cut(low, 7 * half_ms, port) for port, grid in enumerate(grids)),
        )
    ]


class _Plan:
    """Which symbols of some consecutive subframes carry what."""

    def __init__(self, cell: LteCell, subframes: np.ndarray, rng: np.random.Generator) -> None:
        self.cell = cell
        self.number = subframes % 10  # (M,)
        self.frame = subframes // 10 % _FRAMES
        self.air = downlink_symbols(cell.tdd, cell.special)[self.number]
        self.mbsfn = np.isin(self.number, cell.mbsfn)
        low, high = (sizes[self.number] for sizes in control_sizes(cell.blocks, cell.ports, cell.tdd, cell.mbsfn))
        drawn = rng.integers(low, high + 1)
        extra = int(cell.blocks <= 10)  # a narrow carrier uses one symbol more than the indicator says
        if cell.format_indicator is not None:
            drawn = np.clip(cell.format_indicator + extra, low, high)
        self.control = np.where(self.air > 0, drawn, 0)
        self.indicator = drawn - extra
        symbol = np.arange(_SYMBOLS)
        short = (self.air < _SYMBOLS) & (self.air <= 3)  # no PDSCH: TS 36.213 clause 7.1.7
        busy = ~short & (cell.mbsfn_filled | ~self.mbsfn)
        self.data = (symbol >= self.control[:, None]) & (symbol < self.air[:, None]) & busy[:, None]  # (M, 14)
        self.referenced = symbol < np.where(self.mbsfn, self.control, self.air)[:, None]  # (M, 14)
        self.first = np.flatnonzero(self.number == 0)  # with the broadcast channel

    def rows(self, port: int) -> np.ndarray:
        """Symbols on which a port other than 0 sends, bool ``(M, 14)``."""
        rows = np.zeros((len(self.number), _SYMBOLS), bool)
        symbols = list(REFERENCE_SYMBOLS[port])
        rows[:, symbols] = self.referenced[:, symbols]
        rows[:, 0] = self.air > 0
        rows[self.first, 7:11] = True
        return rows


class _Port:
    """Elements of one antenna port, by subframe, symbol and subcarrier."""

    def __init__(self, elements: Tensor, rows: np.ndarray) -> None:
        self.elements = elements  # (R, K)
        self._line = np.where(rows, np.cumsum(rows).reshape(rows.shape) - 1, -1)  # (M, 14)
        self._symbols = np.flatnonzero(rows)

    def put(self, subframes: np.ndarray, symbols: np.ndarray | int, columns: np.ndarray | slice, values: np.ndarray | Tensor) -> None:
        """Write elements; arrays of subframes, symbols and columns are broadcast against each other."""
        device = self.elements.device
        lines = torch.from_numpy(self._line[subframes, symbols]).to(device)
        if isinstance(columns, np.ndarray):
            columns = torch.from_numpy(columns).to(device)
        self.elements[lines, columns] = torch.as_tensor(values, device=device)

    def cut(self, low: int, count: int, port: int) -> PortGrid:
        """The rows of ``count`` symbols from ``low`` on."""
        kept = slice(*np.searchsorted(self._symbols, (low, low + count)).tolist())
        symbols = None if port == 0 else torch.from_numpy(self._symbols[kept] - low).to(self.elements.device)
        return PortGrid(elements=self.elements[kept], symbols=symbols, port=port)


@lru_cache(maxsize=8)
def _constellations(device: torch.device) -> Tensor:
    """QPSK, 16QAM and 64QAM of unit mean power, each 64 points long, complex64 ``(192,)``: TS 36.211 clause 7.1."""
    points = []
    for bits in (1, 2, 3):  # per axis
        levels = 2.0 * np.arange(2**bits) - 2**bits + 1
        square = (levels[:, None] + 1j * levels).ravel()
        points.append(np.resize(square / np.sqrt((np.abs(square) ** 2).mean()), 64))
    return torch.from_numpy(np.concatenate(points).astype(np.complex64)).to(device)


def _data_and_control(plan: _Plan, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """PDSCH and PDCCH, complex64 ``(M, 14, K)``."""
    cell, device = plan.cell, generator.device
    power, order = _schedule(plan, rng)
    amplitude = torch.from_numpy(plan.data).to(device)[:, :, None] * _spread(power, 12, device)[:, None]  # (M, 14, K)
    words = torch.empty(-(-amplitude.numel() // 8), dtype=torch.int64, device=device).random_(generator=generator)
    index = words.view(torch.uint8)[: amplitude.numel()].view(amplitude.shape) & 63
    order = _spread(order, 12, device)[:, None]  # (M, 1, K)
    size = int(plan.control.max())
    control = torch.from_numpy(np.arange(size) < plan.control[:, None]).to(device)[:, :, None]  # (M, size, 1)
    index[:, size:] += order
    index[:, :size] += order * ~control
    amplitude[:, :size] = torch.where(control, _groups(cell, size, len(plan.number), rng, device), amplitude[:, :size])
    points = _constellations(device).index_select(0, index.flatten().int()).view(amplitude.shape)
    return points.mul_(amplitude)


def _schedule(plan: _Plan, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude, float32 ``(M, blocks)``, and 0, 64 or 128 for the constellation, uint8 ``(M, blocks)``, of each block."""
    cell, count = plan.cell, len(plan.number)
    groups = -(-cell.blocks // cell.group)
    amplitude = allocation(count, groups, cell.load, rng).numpy()
    order = np.repeat(rng.integers(3, size=(count // _USER_SUBFRAMES + 1, groups)), _USER_SUBFRAMES, axis=0)[:count] * 64
    amplitude, order = (np.repeat(x, cell.group, axis=1)[:, : cell.blocks] for x in (amplitude, order.astype(np.uint8)))
    if cell.system_information is not None:  # TS 36.331 clause 5.2.1.2
        first, width = cell.system_information
        due = np.flatnonzero((plan.number == 5) & (plan.frame % 2 == 0))
        amplitude[due, first : first + width] = 1.0
        order[due, first : first + width] = 0
    return amplitude, order


def _spread(values: np.ndarray, times: int, device: torch.device) -> Tensor:
    return torch.from_numpy(values).to(device).repeat_interleave(times, dim=-1)


def _groups(cell: LteCell, size: int, count: int, rng: np.random.Generator, device: torch.device) -> Tensor:
    """1 where the PDCCH fills a resource-element group, float32 ``(count, size, K)``: TS 36.211 clause 6.2.4."""
    used = (rng.random((count, size, 3 * cell.blocks), dtype=np.float32) < cell.control_fill).astype(np.float32)
    filled = _spread(used, 4, device)
    for symbol in range(min(size, 2 if cell.ports == 4 else 1)):  # with reference signals: six subcarriers each
        filled[:, symbol] = _spread(used[:, symbol, : 2 * cell.blocks], 6, device)
    filled[:, :1, cell.cell_id % 3 :: 3] = 0  # free for two ports even if there is one
    return filled


def _indicators(plan: _Plan, ports: list[_Port], rng: np.random.Generator) -> None:
    """PCFICH and PHICH on the first symbol."""
    cell = plan.cell
    due = np.flatnonzero(plan.air)
    columns = control_places(cell.cell_id, cell.blocks)[0]
    words = format_indicator(cell.cell_id, cell.ports)[:, plan.number[due], plan.indicator[due] - 1]  # (ports, D, 16)
    for port, grid in enumerate(ports):
        grid.put(due[:, None], 0, columns, words[port])
    groups = phich_groups(cell.blocks, cell.phich_resource, cell.tdd)[plan.number[due]]
    for count in np.unique(groups[groups > 0]).tolist():
        these = due[groups == count]
        symbols, columns = acknowledgements(cell.cell_id, cell.blocks, cell.ports, plan.number[these], count, rng)
        for port, grid in enumerate(ports):
            grid.put(these[:, None], 0, columns, symbols[port])


def _reference_signals(plan: _Plan, ports: list[_Port]) -> None:
    """Every port's reference signals, and silence of all others there."""
    cell = plan.cell
    boost = np.float32(10 ** (cell.crs_boost_db / 20))
    for port, grid in enumerate(ports):
        for symbol in REFERENCE_SYMBOLS[port]:
            due = np.flatnonzero(plan.referenced[:, symbol])
            sequence = boost * reference_sequences(cell.cell_id, cell.blocks, symbol)[plan.number[due]]
            comb = slice(reference_offset(cell.cell_id, port, symbol), None, 6)
            grid.put(due, symbol, comb, sequence)
            if port:
                ports[0].put(due, symbol, comb, np.complex64(0))


def _synchronisation(plan: _Plan, grid: _Port) -> None:
    """Primary and secondary signals with their guard, in both half frames: TS 36.211 clauses 6.11.1.2 and 6.11.2.2."""
    cell = plan.cell
    columns = slice(6 * cell.blocks - _CENTRE // 2, 6 * cell.blocks + _CENTRE // 2)
    fdd = cell.tdd is None
    for half in (0, 1):
        for sequence, subframe, symbol in (
            (lte_pss(cell.cell_id % 3), 5 * half + (0 if fdd else 1), 6 if fdd else 2),
            (lte_sss(cell.cell_id, half), 5 * half, 5 if fdd else 13),
        ):
            line = torch.nn.functional.pad(torch.view_as_real(sequence), (0, 0, 5, 5))
            grid.put(np.flatnonzero(plan.number == subframe), symbol, columns, torch.view_as_complex(line))


def _broadcast(plan: _Plan, ports: list[_Port]) -> None:
    """PBCH in subframe 0: TS 36.211 clause 6.6."""
    cell = plan.cell
    if not len(plan.first):
        return
    symbols, columns = pbch_places(cell.cell_id % 3)
    frames = plan.frame[plan.first].tolist()
    facts = (cell.cell_id, cell.blocks, cell.ports, cell.phich_resource)
    sent = transmit_diversity(np.stack([broadcast_symbols(*facts, frame) for frame in frames]), cell.ports)  # (ports, F, 240)
    for port, grid in enumerate(ports):
        grid.put(plan.first[:, None], 7 + symbols, columns + 6 * cell.blocks - _CENTRE // 2, sent[port])
