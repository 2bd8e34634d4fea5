"""The published sets as a table: where the files are, what they are called, what a colour means.

Colours are mapped by the name of the class.  ``script_order`` is the order in which the set's own
training script numbers the classes, which is what the outputs of its published checkpoints follow.  All
pictures show time from bottom (oldest) to top (newest) and frequency from left (lowest) to right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Mapping

from .classes import STANDARD_LABELS
from .pictures import HDF4_SUFFIXES

__all__ = ["LAYOUTS", "Layout"]

_PICTURES = (".png", ".jpg", ".jpeg")
_COLOUR_TOLERANCE = 12  # levels of 255, of the worst channel; the classes of a set are at least 79 apart
_SAMP_RATE = 61.44e6  # Hz, of every published set
_RADAR_FRAME, _COMMUNICATIONS_FRAME = 2.857e-3, 40e-3  # s

Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one published set, or several that are alike, lies on disk.

    Parameters
    ----------
    name, title : str
        For the command line and for people.
    splits : dict of str to (str, str)
        Folder of the images and folder of the labels of each split, relative to the set's.
    colours : dict of (int, int, int) to str
        Class of each colour of a label; of an HDF4 raster, the grey.
    script_order : tuple of str
        Classes by the id that the set's own script gives them.
    size : int
        Rows and bins of a picture as published.
    frame_duration : float
        s.
    tolerance : int
        Levels by which a channel may differ from the colour of a class.
    names : str or None
        Pattern of the name of an image without suffix; its groups are facts.
    snr_db : dict of int to float or None
        SNR over the whole band of each index in a name; None for noise-free.
    label_suffixes : tuple of str
    resizes_images : bool
        Whether the set's own script brings images, and them only, to the size of its labels.
    """

    name: str
    title: str
    splits: Mapping[str, tuple[str, str]]
    colours: Mapping[Colour, str]
    script_order: tuple[str, ...]
    size: int
    frame_duration: float
    tolerance: int = _COLOUR_TOLERANCE
    names: str | None = None
    snr_db: Mapping[int, float | None] = field(default_factory=lambda: MappingProxyType({}))
    image_suffixes: tuple[str, ...] = _PICTURES
    label_suffixes: tuple[str, ...] = _PICTURES
    resizes_images: bool = False
    samp_rate: float = _SAMP_RATE

    @property
    def remap(self) -> tuple[int, ...]:
        """This library's class id of each id of the set's own script."""
        return tuple(STANDARD_LABELS.index(label) for label in self.script_order)

    @property
    def looked_for(self) -> tuple[str, ...]:
        """The folders by which the layout is known, one text for each split."""
        return tuple(
            f"{images}/*{self.image_suffixes[0]} with {labels}/*{self.label_suffixes[0]}"
            for images, labels in self.splits.values()
        )

    def facts(self, stem: str) -> dict[str, int | float | str | bool | None] | None:
        """What the name of an image, without suffix, says; None where it is not of the pattern."""
        match = re.fullmatch(self.names, stem) if self.names else None
        if match is None:
            return None
        facts: dict[str, int | float | str | bool | None] = {
            key: int(value) if value.isdecimal() else value for key, value in match.groupdict().items() if value
        }
        if self.snr_db:
            facts["snr_db"] = self.snr_db.get(facts.get("snr_index"))
            facts["noise_free"] = facts["snr_db"] is None
        return facts


def _greys(**levels: int) -> dict[Colour, str]:
    return {(level, level, level): label for label, level in levels.items()}


_TRAIN_TEST = {"train": ("train/input", "train/label"), "test": ("test/input", "test/label")}
_SETS = {"train": ("trainSet/input", "trainSet/label"), "test": ("testSet/input", "testSet/label")}
_RADAR_GREYS = _greys(Noise=0, LTE=80, NR=160, Radar=255)
_RADAR_NAMES = (
    r"(?:data|label)_(?P<draw>\d+)_radar_(?P<scene>5G_LTE|5G|LTE)_(?P<doppler_hz>\d+)"
    r"_(?:clean|snr_(?P<snr_index>[1-5]))"
)
_SNR_STEPS = {1: -10.0, 2: 0.0, 3: 10.0, 4: 20.0, 5: 30.0}  # dB over the whole band, by the index in a name

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        name="osnet",
        title="radar, LTE and NR of the OS-Net authors (Kaggle radar-5g-lte-spectrogram-c03)",
        splits={**_TRAIN_TEST, "all": ("Images", "Labels")},  # the last is what the generator writes
        colours=_RADAR_GREYS,
        script_order=("LTE", "NR", "Radar", "Noise"),
        size=256,
        frame_duration=_RADAR_FRAME,
        names=_RADAR_NAMES,
        snr_db=_SNR_STEPS,
    ),
    Layout(
        name="rf-segmenter",
        title="radar, LTE and NR of the RF-Segmenter authors (Kaggle radarcomm)",
        splits={"train": ("train/input", "train/label"), "val": ("val/input", "val/label")},
        colours=_RADAR_GREYS,
        script_order=("Noise", "LTE", "NR", "Radar"),
        size=256,
        frame_duration=_RADAR_FRAME,
        names=_RADAR_NAMES,
        snr_db=_SNR_STEPS,
    ),
    Layout(
        name="resegnet",
        title="radar, LTE and NR of the ReSegNet authors",
        splits={"train": ("train/data", "train/label"), "test": ("test/data", "test/label")},
        colours=_RADAR_GREYS,
        script_order=("NR", "LTE", "Radar", "Noise"),
        size=256,
        frame_duration=_RADAR_FRAME,
    ),
    Layout(
        name="prmnet",
        title="LTE and NR of the PRMNet authors (Kaggle spectrogramdata-new)",
        splits=_SETS,
        colours={(2, 0, 0): "LTE", (127, 0, 0): "NR", (200, 161, 159): "Noise"},
        script_order=("LTE", "NR", "Noise"),
        size=256,
        frame_duration=_COMMUNICATIONS_FRAME,
        resizes_images=True,
    ),
    Layout(
        name="rpmsn",
        title="LTE and NR of the RPMSN authors (Kaggle spectrum-sesing-dataset)",
        splits=_SETS,
        colours={(2, 0, 0): "LTE", (127, 0, 0): "NR", (248, 163, 191): "Noise"},
        script_order=("LTE", "NR", "Noise"),
        size=256,
        frame_duration=_COMMUNICATIONS_FRAME,
        resizes_images=True,
    ),
    Layout(
        name="fred-lite",
        title="LTE and NR of the FRED-Lite authors (Kaggle c02-dataset)",
        splits=_TRAIN_TEST,
        colours={(2, 0, 0): "LTE", (127, 0, 0): "NR", (200, 161, 159): "Noise"},
        script_order=("LTE", "NR", "Noise"),
        size=256,
        frame_duration=_COMMUNICATIONS_FRAME,
        resizes_images=True,
    ),
    Layout(
        name="d2snet",
        title="LTE and NR of the D2SNet authors, palettised (Kaggle spectrogramj04)",
        splits=_TRAIN_TEST,
        colours={(249, 249, 22): "LTE", (16, 190, 186): "NR", (62, 38, 168): "Noise"},
        script_order=("LTE", "NR", "Noise"),
        size=128,
        frame_duration=_COMMUNICATIONS_FRAME,
        names=r"(?P<scene>LTE_NR|NR|LTE)(?:_label)?_frame_(?P<frame>\d+)_(?P<snr_index>[1-6])_(?P<doppler_hz>\d+)",
        snr_db={**_SNR_STEPS, 6: None},
    ),
    Layout(
        name="rpnet",
        title="LTE and NR of the RPNet and adversarial training authors (Kaggle j02-tai, j03-dataset)",
        splits=_TRAIN_TEST,
        colours=_greys(LTE=255, NR=127, Noise=0),
        script_order=("LTE", "NR", "Noise"),
        size=128,
        frame_duration=_COMMUNICATIONS_FRAME,
        resizes_images=True,
    ),
    Layout(
        name="mathworks-lte-nr",
        title="LTE and NR of MathWorks' spectrum sensing example (SpectrumSenseTrainingDataNetwork)",
        splits={
            "train": ("TrainingData", "TrainingData"),
            "challenge": ("TrainingData/LTE_NR", "TrainingData/LTE_NR"),
        },
        colours=_greys(Noise=0, NR=127, LTE=255),
        script_order=("Noise", "NR", "LTE"),
        size=256,
        frame_duration=_COMMUNICATIONS_FRAME,
        names=r"(?P<scene>LTE_NR|NR|LTE)_frame_(?P<frame>\d+)",
        label_suffixes=HDF4_SUFFIXES,
    ),
    Layout(
        name="mathworks-radar",
        title="radar, LTE and NR of MathWorks' radar example (RadarCommSpectrumSensingData)",
        splits={
            "train": ("RadarCommTrainData", "RadarCommTrainData"),
            "test": ("RadarCommTestData", "RadarCommTestData"),
        },
        colours=_greys(Noise=0, LTE=1, NR=2, Radar=3),
        script_order=("Noise", "LTE", "NR", "Radar"),
        size=256,
        frame_duration=_RADAR_FRAME,
        tolerance=0,
        label_suffixes=HDF4_SUFFIXES,
    ),
)
