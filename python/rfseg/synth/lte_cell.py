"""The record of an LTE cell: what it is and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import SceneError
from .lte_control import PHICH_RESOURCES, phich_groups
from .lte_frame import SPECIAL_CONFIGURATIONS, TDD_CONFIGURATIONS, possible_mbsfn
from .traffic import LOADS

__all__ = ["CHANNELS_MHZ", "LteCell", "draw_lte"]

CHANNELS_MHZ = {1.4: 6, 3.0: 15, 5.0: 25, 10.0: 50, 15.0: 75, 20.0: 100}  # resource blocks: TS 36.101 table 5.6-1


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
        Power of a reference element over a data element, dB.  The synchronisation signals and the broadcast channel,
        whose power networks set relative to the reference signals, have it too.
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
        allowed = possible_mbsfn(self.tdd)
        if not set(self.mbsfn) <= set(allowed):
            raise SceneError(f"mbsfn={self.mbsfn} with tdd={self.tdd}: only subframes {allowed} may be MBSFN subframes")
        if 3 * phich_groups(self.blocks, self.phich_resource, self.tdd).max() > 2 * self.blocks - 4:
            raise SceneError(
                f"phich_resource={self.phich_resource} needs more than the {2 * self.blocks - 4} groups of {self.blocks} blocks "
                f"in TDD configuration {self.tdd}; choose a smaller one"
            )

    @property
    def boost(self) -> float:
        """Amplitude of a reference element over a data element."""
        return 10 ** (self.crs_boost_db / 20)

    @property
    def group(self) -> int:
        """Resource blocks that are scheduled together: TS 36.213 table 7.1.6.1-1."""
        return 1 if self.blocks <= 10 else 2 if self.blocks <= 26 else 3 if self.blocks <= 63 else 4


def draw_lte(blocks: int, rng: np.random.Generator, *, tdd_choices: tuple[int | None, ...] | None = None) -> LteCell:
    """A random cell of ``blocks`` resource blocks; one of ``tdd_choices``, by default FDD three times in four."""
    loads = list(LOADS)
    if tdd_choices is not None:
        tdd = tdd_choices[int(rng.integers(len(tdd_choices)))]
    else:
        tdd = int(rng.integers(len(TDD_CONFIGURATIONS))) if rng.random() < 0.25 else None
    special = int(rng.integers(len(SPECIAL_CONFIGURATIONS)))
    possible = possible_mbsfn(tdd)
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
