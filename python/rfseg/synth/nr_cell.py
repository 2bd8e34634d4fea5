"""The parameters of an NR downlink carrier, and what makes them impossible."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SceneError
from .nr_timing import SSB_CASES, sendable_blocks, ssb_first_symbols
from .traffic import LOADS

__all__ = ["CHANNELS_MHZ", "CORESET0", "SSB_WIDTH", "NrCell"]

# Resource blocks by spacing and channel bandwidth in MHz: 3GPP TS 38.101-1 table 5.3.2-1
CHANNELS_MHZ = {
    15e3: {5: 25, 10: 52, 15: 79, 20: 106, 25: 133, 30: 160, 35: 188, 40: 216, 45: 242, 50: 270},
    30e3: {
        5: 11, 10: 24, 15: 38, 20: 51, 25: 65, 30: 78, 35: 92, 40: 106, 45: 119, 50: 133,
        60: 162, 70: 189, 80: 217, 90: 245, 100: 273,
    },
    60e3: {
        10: 11, 15: 18, 20: 24, 25: 31, 30: 38, 35: 44, 40: 51, 45: 58, 50: 65, 60: 79, 70: 93, 80: 107, 90: 121, 100: 135,
    },
}  # fmt: skip
SSB_WIDTH = 240  # subcarriers: TS 38.211 clause 7.4.3.1
# Resource blocks, symbols and offset from the blocks' first resource block, by index:
# TS 38.213 table 13-1 (15 kHz) and table 13-4 (30 kHz)
CORESET0 = {
    15e3: (
        (24, 2, 0), (24, 2, 2), (24, 2, 4), (24, 3, 0), (24, 3, 2), (24, 3, 4), (48, 1, 12), (48, 1, 16),
        (48, 2, 12), (48, 2, 16), (48, 3, 12), (48, 3, 16), (96, 1, 38), (96, 2, 38), (96, 3, 38),
    ),
    30e3: (
        (24, 2, 0), (24, 2, 1), (24, 2, 2), (24, 2, 3), (24, 2, 4), (24, 3, 0), (24, 3, 1), (24, 3, 2),
        (24, 3, 3), (24, 3, 4), (48, 1, 12), (48, 1, 14), (48, 1, 16), (48, 2, 12), (48, 2, 14), (48, 2, 16),
    ),
}  # fmt: skip
_SSB_PERIODS_MS = (5, 10, 20, 40, 80, 160)  # TS 38.331, ssb-periodicityServingCell


@dataclass(frozen=True, kw_only=True)
class NrCell:
    """What a carrier sends; amplitudes and gains are relative to a data element.

    Parameters
    ----------
    blocks, spacing : int, float
        Resource blocks, and subcarrier spacing in Hz: a row of :data:`CHANNELS_MHZ`.
    load : str
        Key of :data:`~rfseg.synth.traffic.LOADS`.
    tdd, special_symbols : str or None, int
        A letter (D, S, U) a slot, and the downlink symbols of S; None for FDD.
    ssb_subcarrier : int or None
        Lowest subcarrier of the synchronisation blocks from the carrier's lowest one on, in spacings of
        the blocks; None: a secondary cell without any.
    ssb_case, ssb_count : str, int
        Case A (15 kHz), B or C (30 kHz), and its number of candidates (4 or 8).
    ssb_blocks, ssb_gains_db : tuple
        Candidates that are sent, ascending, and the gain of the beam of each, dB.
    pss_boost_db : float
        Of the primary synchronisation signal over the rest of its block, 0 or 3 dB: TS 38.213 clause 4.1.
    ssb_period_ms, ssb_offset_ms : int
        Period, and the half frame in it, a multiple of 5 ms.
    coreset0, search_space0 : int or None, int
        Row of :data:`CORESET0` in which system information (SIB1) is announced, None if it is not sent;
        and row of TS 38.213 table 13-11.
    sib1_blocks : (int, int)
        First resource block of SIB1 in that control resource set, and how many.
    coreset, interleaved : (int, int, int), bool
        First resource block, blocks and symbols of the control resource set, and the order of its parts.
    control_share : float
        Of downlink slots in which anyone is addressed, beyond those with data.
    first_data_symbol, mini_slot_share, qam_bits : int, float, int
        First symbol of data in a slot; share of slots that are divided; most bits an element carries.
    dmrs_position, dmrs_type, dmrs_additional, dmrs_length, dmrs_groups, dmrs_group : int
        Demodulation references: first symbol (2, 3), comb (1, 2), further positions (0 to 3), adjacent
        symbols (1, 2), CDM groups without data, and the group in which the references are.
    csi_ports, csi_symbol, csi_subcarrier, csi_period, csi_offset : int
        Channel state references: ports (0: none, 1, 2, 4, 8), symbol, subcarrier in a block, slots.
    trs_period_ms, trs_offset, trs_symbol, trs_subcarrier, trs_blocks : int or None, int, int, int, (int, int)
        Tracking references: period (None: none) in ms, first slot, first symbol, comb offset (0 to 3), and
        first resource block and blocks.

    Raises
    ------
    SceneError
        If a carrier of this kind cannot exist.
    """

    blocks: int
    spacing: float
    cell_id: int
    load: str
    tdd: str | None = None
    special_symbols: int = 10
    ssb_subcarrier: int | None = None
    ssb_case: str = "C"
    ssb_count: int = 8
    ssb_blocks: tuple[int, ...] = (0,)
    ssb_gains_db: tuple[float, ...] = (0.0,)
    pss_boost_db: float = 0.0
    ssb_period_ms: int = 20
    ssb_offset_ms: int = 0
    coreset0: int | None = None
    search_space0: int = 0
    sib1_blocks: tuple[int, int] = (0, 6)
    coreset: tuple[int, int, int] = (0, 6, 1)
    interleaved: bool = False
    control_share: float = 0.0
    first_data_symbol: int = 2
    mini_slot_share: float = 0.0
    qam_bits: int = 6
    dmrs_position: int = 2
    dmrs_type: int = 1
    dmrs_additional: int = 1
    dmrs_length: int = 1
    dmrs_groups: int = 2
    dmrs_group: int = 0
    csi_ports: int = 0
    csi_symbol: int = 13
    csi_subcarrier: int = 0
    csi_period: int = 40
    csi_offset: int = 0
    trs_period_ms: int | None = None
    trs_offset: int = 0
    trs_symbol: int = 4
    trs_subcarrier: int = 0
    trs_blocks: tuple[int, int] = (0, 6)

    def __post_init__(self) -> None:
        if self.spacing not in CHANNELS_MHZ:
            raise SceneError(f"spacing={self.spacing!r} Hz is no NR spacing below 6 GHz; choose 15e3, 30e3 or 60e3")
        known = sorted(CHANNELS_MHZ[self.spacing].values())
        if self.blocks not in known:
            raise SceneError(f"blocks={self.blocks!r} is no NR channel of {self.spacing:g} Hz spacing; choose one of {known}")
        if self.load not in LOADS:
            raise SceneError(f"load={self.load!r} is unknown; choose one of {sorted(LOADS)}")
        if self.tdd is not None and (not self.tdd or set(self.tdd) - set("DSU") or self.special_symbols not in range(1, 15)):
            raise SceneError(
                f"tdd={self.tdd!r}, special_symbols={self.special_symbols!r}: expected letters D, S, U and 1 to 14 symbols"
            )
        if self.ssb_subcarrier is not None:
            self._check_blocks()
        first, width, symbols = self.coreset
        if width % 6 or first < 0 or width < 6 or first + width > self.blocks or symbols not in (1, 2, 3):
            raise SceneError(
                f"coreset={self.coreset!r} does not fit {self.blocks} resource blocks; expected a multiple of 6 blocks, "
                "1 to 3 symbols"
            )
        self._check_references()

    def _check_blocks(self) -> None:
        """Synchronisation blocks are possible and fit into the carrier."""
        if not 0 <= self.cell_id < 1008:
            raise SceneError(f"cell_id={self.cell_id!r} is outside 0 to 1007")
        if self.ssb_case not in SSB_CASES or self.ssb_count not in (4, 8):
            raise SceneError(f"ssb_case={self.ssb_case!r}, ssb_count={self.ssb_count!r}: expected A, B or C, and 4 or 8")
        room = round(12 * self.blocks * self.spacing / self.ssb_spacing) - SSB_WIDTH
        if not 0 <= self.ssb_subcarrier <= room:
            raise SceneError(
                f"ssb_subcarrier={self.ssb_subcarrier!r}: blocks of 240 subcarriers of {self.ssb_spacing:g} Hz fit at 0 to "
                f"{room} of a carrier of {self.blocks} resource blocks of {self.spacing:g} Hz"
                + ("; leave them out (None)" if room < 0 else "")
            )
        sent = self.ssb_blocks
        if not sent or list(sent) != sorted(set(sent)) or sent[0] < 0 or sent[-1] >= self.ssb_count:
            raise SceneError(f"ssb_blocks={sent!r}: expected ascending indices below {self.ssb_count}")
        if len(self.ssb_gains_db) != len(sent):
            raise SceneError(f"ssb_gains_db has {len(self.ssb_gains_db)} gains for {len(sent)} blocks; give one for each")
        if self.ssb_period_ms not in _SSB_PERIODS_MS or self.ssb_offset_ms not in range(0, self.ssb_period_ms, 5):
            raise SceneError(
                f"ssb_period_ms={self.ssb_period_ms!r}, ssb_offset_ms={self.ssb_offset_ms!r}: expected a period of "
                f"{_SSB_PERIODS_MS} and a multiple of 5 below it"
            )
        halves = (0, 1) if self.ssb_period_ms == 5 else (self.ssb_offset_ms // 5 % 2,)
        possible = sendable_blocks(self.ssb_case, self.ssb_count, self.spacing, self.tdd, self.special_symbols, halves)
        if set(sent) - set(possible):
            raise SceneError(
                f"ssb_blocks={sent!r} fall into the uplink of tdd={self.tdd!r} with {self.special_symbols!r} special symbols; "
                f"possible are {possible}"
            )
        if self.coreset0 is not None and (self.ssb_spacing != self.spacing or not self._has_room_for_coreset0()):
            raise SceneError(f"coreset0={self.coreset0!r} does not fit around ssb_subcarrier={self.ssb_subcarrier!r}; use None")

    def _has_room_for_coreset0(self) -> bool:
        if not 0 <= self.coreset0 < len(CORESET0[self.spacing]):
            return False
        first, width, _ = self.coreset0_place
        inner, count = self.sib1_blocks
        return first >= 0 and first + width <= self.blocks and 0 <= inner and 1 <= count and inner + count <= width

    def _check_references(self) -> None:
        """References have positions that the standard has."""
        groups = 1 + self.dmrs_type
        if self.dmrs_type not in (1, 2) or not 1 <= self.dmrs_groups <= groups or not 0 <= self.dmrs_group < self.dmrs_groups:
            raise SceneError(
                f"dmrs_type={self.dmrs_type!r}, dmrs_groups={self.dmrs_groups!r}, dmrs_group={self.dmrs_group!r}: expected "
                f"type 1 or 2, 1 to {groups} groups without data and one of them"
            )
        if self.csi_ports not in (0, 1, 2, 4, 8):
            raise SceneError(f"csi_ports={self.csi_ports!r} is not supported; choose 0, 1, 2, 4 or 8")
        if self.csi_ports and not 0 <= self.csi_subcarrier <= (12 - max(1, self.csi_ports)):
            raise SceneError(f"csi_subcarrier={self.csi_subcarrier!r} leaves no room for {self.csi_ports} ports in 12 subcarriers")

    @property
    def ssb_spacing(self) -> float:
        """Subcarrier spacing of the synchronisation blocks, Hz."""
        return SSB_CASES[self.ssb_case][0]

    @property
    def ssb_symbols(self) -> tuple[int, ...]:
        """First symbol in the half frame of each block that is sent."""
        first = ssb_first_symbols(self.ssb_case, self.ssb_count)
        return tuple(first[index] for index in self.ssb_blocks)

    @property
    def ssb_center(self) -> float | None:
        """Subcarrier 120 of the blocks, Hz from the carrier's centre; None without blocks."""
        if self.ssb_subcarrier is None:
            return None
        return (self.ssb_subcarrier + SSB_WIDTH // 2) * self.ssb_spacing - 6 * self.blocks * self.spacing

    @property
    def coreset0_place(self) -> tuple[int, int, int]:
        """First resource block, blocks and symbols of the control resource set of SIB1: TS 38.213 clause 13."""
        width, symbols, offset = CORESET0[self.spacing][self.coreset0]
        return self.ssb_subcarrier // 12 - offset, width, symbols
