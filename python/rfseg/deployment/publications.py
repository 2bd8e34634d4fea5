"""What is known of the published networks' training: how their outputs are numbered, and what they were fed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..contract import ClassKind, SignalClass
from ..datasets.classes import STANDARD_CLASSES
from ..errors import ContractError, OptionError

__all__ = ["BY_LABEL", "COMMUNICATIONS_FRAME", "PUBLICATIONS", "RADAR_FRAME", "Publication", "parse_classes"]

RADAR_FRAME = 3 * 58_515 / 61.44e6  # s; three intervals of the published radar
COMMUNICATIONS_FRAME = 40e-3  # s
BY_LABEL = {c.label: c for c in STANDARD_CLASSES}
_RADAR_ORDER, _CARRIER_ORDER = ("LTE", "NR", "Radar", "Noise"), ("LTE", "NR", "Noise")


@dataclass(frozen=True, kw_only=True)
class Publication:
    """How the published code of a network numbers classes, and what it feeds.

    Parameters
    ----------
    last_bias : str
        Name of the bias that has one value for each class.
    orders : dict
        Labels of the outputs, by how many there are.
    normalisation : str
    """

    last_bias: str
    orders: Mapping[int, tuple[str, ...]]
    normalisation: str = "none"


_BY_COUNT = {3: _CARRIER_ORDER, 4: _RADAR_ORDER}
_PRMNET = Publication(last_bias="conv_last3.bias", orders=_BY_COUNT)
_DEEPLAB = Publication(last_bias="classifier.4.bias", orders={3: ("Noise", "NR", "LTE")}, normalisation="imagenet")
PUBLICATIONS: Mapping[str, Publication] = {
    "rf-segmenter": Publication(last_bias="up.conv.0.bias", orders={4: ("Noise", "LTE", "NR", "Radar")}),
    "os-net": Publication(last_bias="conv7_2.bias", orders=_BY_COUNT),
    "prmnet": _PRMNET,
    "rpmsn": _PRMNET,
    "deeplabv3-mobilenet-v3-large": _DEEPLAB,
    "deeplabv3-resnet50": _DEEPLAB,
}


def parse_classes(text: str) -> tuple[SignalClass, ...]:
    """Classes as the command line names them.

    Parameters
    ----------
    text : str
        Labels by output, with commas; a label that is not of the library has its kind behind it.

    Raises
    ------
    OptionError
        If a label or a kind is of no use.

    Examples
    --------
    >>> [c.kind.value for c in parse_classes("LTE,WiFi=carrier,Noise")]
    ['carrier', 'carrier', 'background']
    """
    classes = []
    for part in text.split(","):
        label, _, kind = part.strip().partition("=")
        if not kind and label not in BY_LABEL:
            raise OptionError(
                f"class {label!r} is none of {', '.join(BY_LABEL)}; say what it is, such as {label or 'WiFi'}=carrier"
                f" ({', '.join(k.value for k in ClassKind)})"
            )
        try:
            classes.append(SignalClass(label=label, kind=kind) if kind else BY_LABEL[label])
        except ContractError as error:
            raise OptionError(f"--classes: {error}") from error
    labels = [c.label for c in classes]
    if len(set(labels)) != len(labels) or [c.kind for c in classes].count(ClassKind.BACKGROUND) != 1:
        raise OptionError(f"the classes {', '.join(labels)} must differ, and one of them be the background, such as Noise")
    return tuple(classes)
