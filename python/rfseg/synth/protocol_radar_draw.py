"""Recipe, parameters and labels of the published radar set, see :mod:`rfseg.synth.protocol_radar`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import SceneError
from ..published import Extremes, PublishedFrontEnd, flip_time
from .labels import CLASS_LABELS
from .lte import CHANNELS_MHZ as LTE_CHANNELS_MHZ
from .nr import CHANNELS_MHZ as NR_CHANNELS_MHZ
from .protocol_carriers import SAMP_RATE, ProtocolLte, ProtocolNr, draw_protocol_lte, draw_protocol_nr
from .protocol_frame import Spot, carrier_columns, place_one, place_two
from .protocol_paths import Paths, draw_paths

__all__ = ["PRI", "PULSE", "RADAR_SCENES", "SAMPLES", "RadarDraw", "RadarProtocol", "draw_radar_protocol", "radar_label"]

PRI = math.ceil(SAMP_RATE / 1050)  # samples: 58515, 1049.99 pulses per second
PULSE = 61  # samples of 1 us
_LEAD = 46  # samples, most before the first pulse
SAMPLES = 3 * PRI  # of a frame
RADAR_SCENES = {"5G": ("NR",), "LTE": ("LTE",), "5G_LTE": ("LTE", "NR")}  # by their name in the files
_LTE_MHZ = (5.0, 15.0, 20.0)  # R.6, R.8, R.9 of TS 36.101 annex A.3.3.1
_NR_MHZ = (10, 15, 20, 25, 30, 40, 50)
_RADAR_PRF_HZ = (700.0, 1300.0)  # of the randomised variant


@dataclass(frozen=True, kw_only=True)
class RadarProtocol:
    """Recipe; each flag True as published.

    Parameters
    ----------
    size, extremes
        Of the front end, :class:`~rfseg.published.PublishedFrontEnd`.
    snrs_db : tuple of float
        Of which each draw has one; numbered from 1 in the names of files.
    dopplers_hz : tuple of float
        Likewise.
    has_fixed_pulses : bool
        Three pulses at one fixed rate, the first within 0.75 us of the start; else any phase, 700 to 1300 pulses/s.
    has_centred_carriers : bool
        A single carrier lies in the middle; else anywhere.
    has_centred_radar : bool
        The radar lies in the middle; else up to 28 MHz beside it.
    starts_at_peak : bool
        The carriers' part of the frame begins at the largest sample of 40 ms; else anywhere.
    is_scattered_only : bool
        Signals arrive by scatterers alone; else by the direct path too.
    has_total_snr : bool
        SNR is of all signals over all noise; else of each frame's carriers in their channels.
    has_wide_radar_labels : bool
        Radar rows are labelled over the whole band; else 1 MHz either side of the radar.
    has_channel_labels : bool
        Carriers are labelled over their channel bandwidth; else over their resource blocks.
    labels_hidden : bool
        What noise buries is labelled like its clean twin; else 255 below -8 dB in the channel.
    """

    size: int = 256
    extremes: Extremes = Extremes.ALL
    snrs_db: tuple[float, ...] = (-10.0, 0.0, 10.0, 20.0, 30.0)
    dopplers_hz: tuple[float, ...] = (0.0, 5.0, 70.0, 500.0)
    has_fixed_pulses: bool = True
    has_centred_carriers: bool = True
    has_centred_radar: bool = True
    starts_at_peak: bool = True
    is_scattered_only: bool = True
    has_total_snr: bool = True
    has_wide_radar_labels: bool = True
    has_channel_labels: bool = True
    labels_hidden: bool = True

    def __post_init__(self) -> None:
        PublishedFrontEnd(size=self.size, extremes=self.extremes)
        for name in ("snrs_db", "dopplers_hz"):
            if not getattr(self, name):
                raise SceneError(f"{name} is empty; give at least one value")

    @classmethod
    def randomised(cls, **changes: Any) -> RadarProtocol:
        """The same signals and labels, but nothing is where it always is: rows of pulses, carriers and radar."""
        free = {"has_fixed_pulses": False, "has_centred_carriers": False, "has_centred_radar": False, "starts_at_peak": False}
        return cls(**(free | changes))

    @property
    def front_end(self) -> PublishedFrontEnd:
        """What makes the pictures."""
        return PublishedFrontEnd(size=self.size, extremes=self.extremes)


@dataclass(frozen=True, kw_only=True)
class RadarDraw:
    """The parameters of one draw, those of its three scenes included; positions in samples and Hz."""

    seed: int
    doppler_hz: float
    snr_index: int  # from 1
    snr_db: float
    lte: ProtocolLte
    nr: ProtocolNr
    centers: dict[str, dict[str, float]]  # by scene and label
    pulses: tuple[int, ...]  # first sample of each; may lie before the frame
    radar_center: float
    radar_paths: Paths
    carrier_paths: Paths
    start: float  # of the carriers' part, share of what is possible; without meaning if it starts at the peak

    def content(self, label: str) -> ProtocolLte | ProtocolNr:
        """What the LTE or NR carrier sends."""
        return self.lte if label == "LTE" else self.nr

    def spots(self, scene: str, recipe: RadarProtocol) -> list[Spot]:
        """The carriers of a scene."""
        spots = []
        for label, center in self.centers[scene].items():
            content = self.content(label)
            width = content.channel_mhz * 1e6 if recipe.has_channel_labels else 12 * content.cell.blocks * content.spacing
            spots.append(Spot(label=label, center=center, width=width))
        return spots


def draw_radar_protocol(recipe: RadarProtocol, seed: int) -> RadarDraw:
    """What a draw of the recipe consists of; the same for the same recipe and seed.

    Raises
    ------
    SceneError
        If the seed is negative.
    """
    if seed < 0:
        raise SceneError(f"seed={seed!r} must be at least 0")
    rng = np.random.default_rng([seed, 0])
    doppler = float(rng.choice(recipe.dopplers_hz))
    snr = int(rng.integers(len(recipe.snrs_db)))
    while True:
        lte_mhz, nr_mhz = float(rng.choice(_LTE_MHZ)), int(rng.choice(_NR_MHZ))
        if (lte_mhz + nr_mhz) * 1e6 < SAMP_RATE:
            break
    spacing = float(rng.choice([15e3, 30e3]))
    lte = draw_protocol_lte(LTE_CHANNELS_MHZ[lte_mhz], rng)
    nr = draw_protocol_nr(NR_CHANNELS_MHZ[spacing][nr_mhz], spacing, rng)
    radar_paths, carrier_paths = draw_paths(doppler, has_direct=not recipe.is_scattered_only, rng=rng)
    return RadarDraw(
        seed=seed,
        doppler_hz=doppler,
        snr_index=snr + 1,
        snr_db=float(recipe.snrs_db[snr]),
        lte=lte,
        nr=nr,
        centers=_centers(recipe, lte, nr, rng),
        pulses=_pulses(recipe, rng),
        radar_center=0.0 if recipe.has_centred_radar else float(rng.uniform(-28e6, 28e6)),
        radar_paths=radar_paths,
        carrier_paths=carrier_paths,
        start=float(rng.random()),
    )


def _centers(recipe: RadarProtocol, lte: ProtocolLte, nr: ProtocolNr, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Centre of each carrier in each scene, on its subcarrier raster."""
    contents = {"LTE": lte, "NR": nr}
    widths = {label: content.channel_mhz * 1e6 for label, content in contents.items()}
    alone = {label: place_one(widths[label], contents[label].spacing, rng) for label in contents}
    if recipe.has_centred_carriers:
        alone = dict.fromkeys(contents, 0.0)
    both = place_two(widths, rng)
    both = {label: contents[label].spacing * round(center / contents[label].spacing) for label, center in both.items()}
    places = {scene: alone if len(labels) == 1 else both for scene, labels in RADAR_SCENES.items()}
    return {scene: {label: places[scene][label] for label in labels} for scene, labels in RADAR_SCENES.items()}


def _pulses(recipe: RadarProtocol, rng: np.random.Generator) -> tuple[int, ...]:
    """First sample of each pulse; in the randomised variant also of one before the frame, whose echoes reach into it."""
    lead, phase, rate = int(rng.integers(1, _LEAD + 1)), rng.random(), rng.uniform(*_RADAR_PRF_HZ)
    if recipe.has_fixed_pulses:
        return tuple(lead + number * PRI for number in range(3))
    interval = SAMP_RATE / rate
    return tuple(math.floor((phase + number) * interval) for number in range(-1, math.ceil(SAMPLES / interval)))


def radar_label(draw: RadarDraw, scene: str, recipe: RadarProtocol) -> np.ndarray:
    """The published label of a scene, from its parameters alone.

    Returns
    -------
    uint8 ``(size, size)``
        Class ids, newest row first.

    Raises
    ------
    SceneError
        If there is no such scene.
    """
    if scene not in RADAR_SCENES:
        raise SceneError(f"scene={scene!r} does not exist; choose from {', '.join(RADAR_SCENES)}")
    label = np.zeros((recipe.size, recipe.size), np.uint8)
    for spot in draw.spots(scene, recipe):
        label[:, carrier_columns(spot, recipe.size, is_rounded=True)] = CLASS_LABELS.index(spot.label)
    columns = slice(None)
    if not recipe.has_wide_radar_labels:
        columns = carrier_columns(Spot(label="LTE", center=draw.radar_center, width=2e6), recipe.size, is_rounded=True)
    label[_radar_rows(draw, recipe.size), columns] = CLASS_LABELS.index("Radar")
    return flip_time(label)


def _radar_rows(draw: RadarDraw, size: int) -> np.ndarray:
    """Rows, earliest first, in which any sample of the received radar is not zero, int64.

    Sample ``i``, counted from 1, belongs to row ``ceil(i * size / SAMPLES)``.
    """
    first = np.add.outer(np.array(draw.pulses), draw.radar_paths.delay_samples).ravel()
    first, last = np.maximum(first, 0), np.minimum(first + PULSE - 1, SAMPLES - 1)
    reaching = first <= last
    first, last = (((edge[reaching] + 1) * size - 1) // SAMPLES for edge in (first, last))
    seen = np.zeros(size, bool)
    for a, b in zip(first.tolist(), last.tolist(), strict=True):
        seen[a : b + 1] = True
    return np.flatnonzero(seen)
