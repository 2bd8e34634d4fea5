"""From a checkpoint of published code, or of ``rfseg train`` on pictures, to a model file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from ..contract import ClassKind, Contract, SignalClass
from ..errors import OptionError, RecordingError
from ..inference import Session
from ..models.registry import make_network
from ..published_geometry import Extremes
from ..synth.protocol_recipe import ProtocolRecipe
from ..training.checkpoint import read_checkpoint
from ..training.recipe import Input
from .export import check_model_path, network_facts
from .pictureexport import PictureInput, export_pictures
from .publications import BY_LABEL, COMMUNICATIONS_FRAME, PUBLICATIONS, RADAR_FRAME, Publication
from .publishedweights import Weights, fit_weights, is_own_checkpoint, read_weights

__all__ = ["Imported", "ImportOptions", "import_checkpoint"]


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
    licence : str or None
        SPDX expression for the weights; None for that of this library's own, and ``NOASSERTION`` for others.
    temperature : float
        Divides the logits before the softmax: above 1, confidences become lower.

    Raises
    ------
    OptionError
        If the temperature is no positive number.
    """

    classes: tuple[SignalClass, ...] | None = None
    name: str | None = None
    frame_duration: float | None = None
    samp_rate: float = 61.44e6
    size: int = 256
    extremes: Extremes = Extremes.ALL
    licence: str | None = None
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise OptionError(f"temperature={self.temperature!r} must be above 0; 1 leaves the confidences as they are")


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What came of it."""

    contract: Contract
    network: str
    form: str
    notes: list[str] = field(default_factory=list)


def import_checkpoint(
    checkpoint: Path, network: str | None, path: Path, *, options: ImportOptions = ImportOptions()
) -> Imported:
    """Write a model file of a checkpoint, and put it through its self-test.

    Parameters
    ----------
    checkpoint : Path
        A state dict, a dict that has one, a Lightning checkpoint, a TorchScript archive, or a checkpoint of ``rfseg train``
        on pictures, which says itself what it was fed.
    network : str or None
        One of ``PUBLICATIONS``; only a checkpoint of ``rfseg train`` names its own.
    path : Path
        Of the ``.onnx`` file.

    Raises
    ------
    OptionError
        If the network is unknown, the number of its outputs has no published order and none is given, or the checkpoint
        was trained on rows.
    RecordingError
        If the checkpoint is of no use (see :func:`rfseg.deployment.publishedweights.read_weights`).
    ContractError
        If the model does not pass its self-test.
    """
    if network is not None and network not in PUBLICATIONS:
        raise OptionError(f"network {network!r} is unknown; choose one of {', '.join(PUBLICATIONS)}")
    check_model_path(path)
    source = _read_own(checkpoint, network, options) if is_own_checkpoint(checkpoint) else _read_foreign(checkpoint, network, options)
    contract = export_pictures(
        source.module.eval(),
        path,
        outputs=source.outputs,
        fed=source.fed,
        name=options.name,
        licence=source.licence if options.licence is None else options.licence,
        temperature=options.temperature,
        training=source.training,
    )
    Session(path, threads=1)
    return Imported(contract=contract, network=source.network, form=source.form, notes=source.notes)


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A network with what must be known of it."""

    network: str
    module: nn.Module
    outputs: tuple[SignalClass, ...]
    fed: PictureInput
    form: str
    training: dict[str, Any]
    licence: str
    notes: list[str] = field(default_factory=list)


def _read_foreign(checkpoint: Path, network: str | None, options: ImportOptions) -> _Source:
    """A checkpoint of published code."""
    if network is None:
        raise OptionError(f"{checkpoint} does not say what network it is of; name it with --network: {', '.join(PUBLICATIONS)}")
    publication = PUBLICATIONS[network]
    weights = read_weights(checkpoint)
    count = _count_classes(weights, publication.last_bias, checkpoint, network)
    outputs = _outputs(options.classes, count, publication, network)
    module = make_network(network, count, published=True)
    fit_weights(weights, module, source=checkpoint)
    has_radar = any(c.kind is ClassKind.PULSED for c in outputs)
    fed = _fed(options, RADAR_FRAME if has_radar else COMMUNICATIONS_FRAME, publication.normalisation, newest_first=True)
    facts = {"checkpoint": checkpoint.name, "sha256": _digest(checkpoint), "form": weights.form, **weights.facts}
    training = {**network_facts(network, module), "imported": facts}
    return _Source(
        network=network, module=module, outputs=outputs, fed=fed, form=weights.form, training=training,
        licence="NOASSERTION", notes=weights.notes,
    )  # fmt: skip


def _read_own(checkpoint: Path, network: str | None, options: ImportOptions) -> _Source:
    """A checkpoint of ``rfseg train``, whose recipe says what the network was fed: pictures with the earliest row first."""
    state = read_checkpoint(checkpoint)
    recipe = state.recipe
    if recipe.input is not Input.PICTURES:
        raise OptionError(f"{checkpoint} was trained on rows in dBFS, not on pictures; use rfseg export")
    if network not in (None, recipe.network):
        raise OptionError(f"{checkpoint} is of the network {recipe.network}, not of {network}; leave out --network")
    if options.classes is not None:
        raise OptionError(f"{checkpoint} names its classes itself ({', '.join(recipe.classes)}); leave out --classes")
    outputs = recipe.signal_classes
    duration = COMMUNICATIONS_FRAME
    if isinstance(recipe.scenes, ProtocolRecipe):
        duration = recipe.scenes.frame_duration
        options = replace(options, size=recipe.scenes.flags.size)
    elif any(c.kind is ClassKind.PULSED for c in outputs):
        duration = RADAR_FRAME
    fed = _fed(options, duration, "imagenet" if recipe.normalised else "none", newest_first=False)
    training = {**network_facts(recipe.network, state.network), **state.progress, "recipe": recipe.to_record()}
    return _Source(
        network=recipe.network, module=state.network, outputs=outputs, fed=fed, form="checkpoint of rfseg train",
        training=training, licence="GPL-3.0-or-later",
    )  # fmt: skip


def _fed(options: ImportOptions, duration: float, normalisation: str, *, newest_first: bool) -> PictureInput:
    return PictureInput(
        size=options.size,
        samp_rate=options.samp_rate,
        frame_duration=duration if options.frame_duration is None else options.frame_duration,
        newest_first=newest_first,
        normalisation=normalisation,
        extremes=options.extremes,
    )


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
        return tuple(BY_LABEL[label] for label in publication.orders[count])
    if len(wanted) != count:
        raise OptionError(
            f"--classes names {len(wanted)} classes, but the checkpoint has {count}; name one for each output, in their order"
        )
    return tuple(wanted)


def _digest(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
