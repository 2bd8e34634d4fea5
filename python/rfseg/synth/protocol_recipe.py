"""The published protocols as recipes: which generator, its flags, and which frame a seed stands for.

Seeds count frames in the published order: the frames of draw 0, then those of draw 1.  A frame is made alone, without
the others of its draw, and is the same whatever else is made.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Callable, Mapping, get_type_hints

from ..errors import GeometryError, SceneError
from .protocol_carriers import SAMP_RATE
from .protocol_cellular import CELLULAR_SCENES, CellularProtocol, make_cellular_frames
from .protocol_cellular import SAMPLES as CELLULAR_SAMPLES
from .protocol_frame import ProtocolFrame
from .protocol_radar import RADAR_SCENES, RadarProtocol, make_radar_frames
from .protocol_radar import SAMPLES as RADAR_SAMPLES
from .tables import check_keys, convert, read_toml

__all__ = ["PROTOCOLS", "Generator", "ProtocolRecipe"]

_OWN_KEYS = {"name": str, "description": str, "count": int, "first_seed": int}
Flags = RadarProtocol | CellularProtocol
Case = tuple[tuple[str, Any], ...]  # arguments that make one frame of a draw


@dataclass(frozen=True, kw_only=True)
class Generator:
    """A published generator.

    Parameters
    ----------
    flags
        Makes its flags as published.
    make_frames
        Makes frames of a draw.
    cases
        Of flags: the arguments for each frame of a draw, in the published order.
    samples : int
        Of a frame, at 61.44 MS/s.
    layout : str
        Name of the layout of its files, :data:`rfseg.datasets.layouts.LAYOUTS`.
    splits : dict of str to str
        Split of the layout that the files of a scene belong to.
    """

    flags: Callable[..., Any]
    make_frames: Callable[..., list[ProtocolFrame]]
    cases: Callable[[Any], list[Case]]
    samples: int
    layout: str
    splits: Mapping[str, str]


def _radar_cases(_: RadarProtocol) -> list[Case]:
    return [(("scenes", (scene,)), ("twins", (noisy,))) for scene in RADAR_SCENES for noisy in (False, True)]


def _mathworks_cases(_: CellularProtocol) -> list[Case]:
    return [(("scenes", (scene,)),) for scene in CELLULAR_SCENES]  # each at a level of its own


def _d2s_cases(flags: CellularProtocol) -> list[Case]:
    levels = range(1, len(flags.snrs_db) + 1)
    return [(("scenes", (scene,)), ("levels", (level,))) for scene in CELLULAR_SCENES for level in levels]


_ONE_THEN_BOTH = {"NR": "train", "LTE": "train", "LTE_NR": "test"}  # trained on one carrier, tested on two
PROTOCOLS = {
    "radar": Generator(
        flags=RadarProtocol,
        make_frames=make_radar_frames,
        cases=_radar_cases,
        samples=RADAR_SAMPLES,
        layout="osnet",
        splits=dict.fromkeys(RADAR_SCENES, "all"),
    ),
    "cellular": Generator(
        flags=CellularProtocol.mathworks,
        make_frames=make_cellular_frames,
        cases=_mathworks_cases,
        samples=CELLULAR_SAMPLES,
        layout="mathworks-lte-nr",
        splits=_ONE_THEN_BOTH | {"LTE_NR": "challenge"},
    ),
    "cellular-d2s": Generator(
        flags=CellularProtocol.d2s,
        make_frames=make_cellular_frames,
        cases=_d2s_cases,
        samples=CELLULAR_SAMPLES,
        layout="d2snet",
        splits=_ONE_THEN_BOTH,
    ),
}


@dataclass(frozen=True, kw_only=True)
class ProtocolRecipe:
    """A published protocol with its flags.

    Parameters
    ----------
    protocol : str
        One of :data:`PROTOCOLS`.
    flags : RadarProtocol or CellularProtocol
        As published where a file does not say otherwise.
    name, description : str
    count : int
        Frames of a frozen set, 0 for as many as are asked for.
    first_seed : int
        Seed of the first frame; the others follow.

    Raises
    ------
    SceneError
        If there is no such protocol, or a number is negative.
    """

    protocol: str
    flags: Flags
    name: str = "protocol"
    description: str = ""
    count: int = 0
    first_seed: int = 0

    def __post_init__(self) -> None:
        _check_protocol(self.protocol)
        if self.count < 0 or self.first_seed < 0:
            raise SceneError(f"count={self.count!r} and first_seed={self.first_seed!r} must be at least 0")

    @property
    def generator(self) -> Generator:
        """What makes the frames."""
        return PROTOCOLS[self.protocol]

    @property
    def frames_per_draw(self) -> int:
        """Frames that share their signals."""
        return len(self.generator.cases(self.flags))

    @property
    def frame_duration(self) -> float:
        """s."""
        return self.generator.samples / SAMP_RATE

    def draw_of(self, seed: int) -> int:
        """Seed of the draw that a frame is of."""
        return seed // self.frames_per_draw

    def make_frame(self, seed: int, *, device: str = "cpu") -> ProtocolFrame:
        """The frame of a seed.

        Raises
        ------
        SceneError
            If the seed is negative.
        """
        case = self.generator.cases(self.flags)[seed % self.frames_per_draw]
        return self.generator.make_frames(self.flags, self.draw_of(seed), device=device, **dict(case))[0]

    def to_record(self) -> dict[str, Any]:
        """The recipe in plain values, for JSON: None for the level without noise."""
        record = asdict(self)
        record["flags"]["snrs_db"] = [snr if math.isfinite(snr) else None for snr in self.flags.snrs_db]
        return record

    @classmethod
    def from_toml(cls, text: str, *, source: str = "recipe") -> ProtocolRecipe:
        """Read a recipe: ``protocol``, the keys of this class and the flags of the protocol, side by side.

        Raises
        ------
        SceneError
            If the text is no TOML, a key is unknown or a value is of the wrong kind or out of its range.

        Examples
        --------
        >>> ProtocolRecipe.from_toml('protocol = "radar"\\nhas_centred_radar = false').flags.has_centred_radar
        False
        """
        table = read_toml(text, source)
        try:
            return cls._from_table(table)
        except (GeometryError, SceneError) as error:
            raise SceneError(f"{source}: {error}") from error

    @classmethod
    def _from_table(cls, table: Mapping[str, Any]) -> ProtocolRecipe:
        protocol = convert(str, table.get("protocol", ""), "protocol")
        _check_protocol(protocol)
        kind = type(PROTOCOLS[protocol].flags())
        names = {f.name for f in fields(kind)} - {"style"}  # the protocol says it
        check_keys(table, {"protocol", *_OWN_KEYS, *names})
        hints = get_type_hints(kind)
        flags = {name: convert(hints[name], table[name], name) for name in table if name in names}
        own = {name: convert(_OWN_KEYS[name], table[name], name) for name in table if name in _OWN_KEYS}
        return cls(protocol=protocol, flags=PROTOCOLS[protocol].flags(**flags), **own)


def _check_protocol(name: str) -> None:
    if name not in PROTOCOLS:
        raise SceneError(f"protocol={name!r} is unknown; choose from {', '.join(PROTOCOLS)}")
