"""From a checkpoint of published code to a model file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..contract import ClassKind, Contract, SignalClass
from ..datasets.classes import STANDARD_CLASSES
from ..errors import ContractError, OptionError, RecordingError
from ..inference import Session
from ..models.registry import make_network
from ..published_geometry import Extremes
from .pictureexport import PictureInput, export_pictures
from .publishedweights import Weights, fit_weights, read_weights

__all__ = ["PUBLICATIONS", "Imported", "ImportOptions", "Publication", "import_checkpoint", "parse_classes"]

RADAR_FRAME = 3 * 58_515 / 61.44e6  # s; three intervals of the published radar
COMMUNICATIONS_FRAME = 40e-3  # s
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


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What a checkpoint does not say itself; None for what was published.

    Parameters
    ----------
    classes : tuple of SignalClass or None
        Of the outputs, in order.
    name : str or None
        Of the model; None for that of the file.
    frame_duration : float or None
        s; published are 2.857 ms with radar and 40 ms without.
    samp_rate : float
        Hz.
    size : int
        Rows and bins of a picture.
    extremes : Extremes
        What the model's front end takes 0 and 255 from.
    licence : str
        SPDX expression for the weights.
    """

    classes: tuple[SignalClass, ...] | None = None
    name: str | None = None
    frame_duration: float | None = None
    samp_rate: float = 61.44e6
    size: int = 256
    extremes: Extremes = Extremes.ALL
    licence: str = "NOASSERTION"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What came of it."""

    contract: Contract
    form: str
    notes: list[str] = field(default_factory=list)


def import_checkpoint(
    checkpoint: Path, network: str, path: Path, *, options: ImportOptions = ImportOptions()
) -> Imported:
    """Write a model file of a published checkpoint, and put it through its self-test.

    Parameters
    ----------
    checkpoint : Path
        A state dict, a dict that has one, a Lightning checkpoint or a TorchScript archive.
    network : str
        One of ``PUBLICATIONS``.
    path : Path
        Of the ``.onnx`` file.

    Raises
    ------
    OptionError
        If the network is unknown, or the number of its outputs has no published order and none is given.
    RecordingError
        If the checkpoint is of no use (see :func:`rfseg.training.publishedweights.read_weights`).
    ContractError
        If the model does not pass its self-test.
    """
    if network not in PUBLICATIONS:
        raise OptionError(f"network {network!r} is unknown; choose one of {', '.join(PUBLICATIONS)}")
    if path.suffix != ".onnx":
        raise OptionError(f"the model file {str(path)!r} must end in .onnx, or rfseg does not find it")
    publication = PUBLICATIONS[network]
    weights = read_weights(checkpoint)
    count = _count_classes(weights, publication.last_bias, checkpoint, network)
    outputs = _outputs(options.classes, count, publication, network)
    module = make_network(network, count, published=True)
    fit_weights(weights, module, source=checkpoint)
    has_radar = any(c.kind is ClassKind.PULSED for c in outputs)
    published_duration = RADAR_FRAME if has_radar else COMMUNICATIONS_FRAME
    fed = PictureInput(
        size=options.size,
        samp_rate=options.samp_rate,
        frame_duration=published_duration if options.frame_duration is None else options.frame_duration,
        normalisation=publication.normalisation,
        extremes=options.extremes,
    )
    training = _training(checkpoint, network, weights)
    contract = export_pictures(
        module.eval(), path, outputs=outputs, fed=fed, name=options.name, licence=options.licence, training=training
    )
    Session(path, threads=1)
    return Imported(contract=contract, form=weights.form, notes=weights.notes)


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
    known = {c.label: c for c in STANDARD_CLASSES}
    classes = []
    for part in text.split(","):
        label, _, kind = part.strip().partition("=")
        if not kind and label not in known:
            raise OptionError(
                f"class {label!r} is none of {', '.join(known)}; say what it is, such as {label or 'WiFi'}=carrier"
                f" ({', '.join(k.value for k in ClassKind)})"
            )
        try:
            classes.append(SignalClass(label=label, kind=kind) if kind else known[label])
        except ContractError as error:
            raise OptionError(f"--classes: {error}") from error
    labels = [c.label for c in classes]
    if len(set(labels)) != len(labels) or [c.kind for c in classes].count(ClassKind.BACKGROUND) != 1:
        raise OptionError(f"the classes {', '.join(labels)} must differ, and one of them be the background, such as Noise")
    return tuple(classes)


def _count_classes(weights: Weights, last_bias: str, checkpoint: Path, network: str) -> int:
    """Outputs of the network, by its last bias, whatever stands before its name."""
    found = [value for key, value in weights.tensors.items() if key == last_bias or key.endswith("." + last_bias)]
    if len(found) != 1 or found[0].ndim != 1 or len(found[0]) < 2:
        raise RecordingError(
            f"{checkpoint} ({weights.form}, {len(weights.tensors)} tensors) has no bias {last_bias!r} of two classes or more,"
            f" so it is no checkpoint of {network}; name another network with --network"
        )
    return len(found[0])


def _outputs(
    wanted: Sequence[SignalClass] | None, count: int, publication: Publication, network: str
) -> tuple[SignalClass, ...]:
    if wanted is None:
        if count not in publication.orders:
            published = " and ".join(f"{number} ({', '.join(order)})" for number, order in publication.orders.items())
            raise OptionError(
                f"the checkpoint has {count} classes, but {network} was published with {published}; name them in the order"
                " of the outputs with --classes"
            )
        by_label = {c.label: c for c in STANDARD_CLASSES}
        return tuple(by_label[label] for label in publication.orders[count])
    if len(wanted) != count:
        raise OptionError(
            f"--classes names {len(wanted)} classes, but the checkpoint has {count}; name one for each output, in their order"
        )
    return tuple(wanted)


def _training(checkpoint: Path, network: str, weights: Weights) -> dict[str, Any]:
    """Where the weights are from, for the contract."""
    digest = hashlib.sha256()
    with checkpoint.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    facts = {"network": network, "checkpoint": checkpoint.name, "sha256": digest.hexdigest(), "form": weights.form}
    return {"imported": facts | weights.facts}
