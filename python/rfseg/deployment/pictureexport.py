"""From a network that was trained on pictures to a model file of the family ``published``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..atomic import make_folder, replacing
from ..contract import Contract, SignalClass, golden_limits, golden_rows, make_golden, write_contract
from ..datasets.classes import STANDARD_LABELS
from ..errors import OptionError
from ..geometry import Reduction
from ..models.picture_segmenter import PictureSegmenter
from ..published_geometry import PICTURE_SIZES, Extremes, PictureRule
from .graph import write_graph

__all__ = ["PictureInput", "export_pictures", "mask_classes"]

_GOLDEN_SEED = 1
_MOST_FRAMES = 256  # in a batch


@dataclass(frozen=True, kw_only=True)
class PictureInput:
    """What a network was fed.

    Parameters
    ----------
    size : int
        Rows and bins of a picture.
    samp_rate : float
        Hz.
    frame_duration : float
        s.
    newest_first : bool
        Whether the network was trained on the newest row first.
    normalisation : str
        Of the colours, see :func:`rfseg.models.picture_segmenter.picture_features`.
    extremes : Extremes
        What the model's front end takes a frame's 0 and 255 from.
    """

    size: int = 256
    samp_rate: float = 61.44e6
    frame_duration: float = 40e-3
    newest_first: bool = True
    normalisation: str = "none"
    extremes: Extremes = field(default=Extremes.ALL)

    def __post_init__(self) -> None:
        if self.size not in PICTURE_SIZES:
            raise OptionError(f"size={self.size!r} is no size of a picture; give one of {', '.join(map(str, PICTURE_SIZES))}")


def mask_classes(outputs: Sequence[SignalClass]) -> tuple[SignalClass, ...]:
    """Classes in the order of the ids of the mask, whatever the order of a network's outputs: the library's, others last."""
    place = {label: number for number, label in enumerate(STANDARD_LABELS)}
    return tuple(sorted(outputs, key=lambda c: (c.kind != "background", place.get(c.label, len(place)))))


def export_pictures(
    network: torch.nn.Module,
    path: Path,
    *,
    outputs: Sequence[SignalClass],
    fed: PictureInput,
    name: str | None = None,
    licence: str = "GPL-3.0-or-later",
    temperature: float = 1.0,
    training: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
) -> Contract:
    """Write a model file that :class:`rfseg.inference.Session` accepts; it appears complete or not at all.

    Parameters
    ----------
    network : Module
        Features ``(N, 3, T, F)`` to logits ``(N, classes, T, F)``.
    outputs : sequence of SignalClass
        Class of each output of the network.
    name : str or None
        Of the model; None for that of the file.
    training, metrics : dict
        Where the weights are from and what they reach; both end up in the contract.

    Raises
    ------
    ContractError
        If the classes make no contract.
    GeometryError
        If a frame is too short for the front end.
    RecordingError
        If the file cannot be written.
    """
    classes = mask_classes(outputs)
    model = PictureSegmenter(
        network,
        newest_first=fed.newest_first,
        normalisation=fed.normalisation,
        class_ids=[classes.index(c) for c in outputs],
        temperature=temperature,
    ).eval()
    rows = golden_rows(_GOLDEN_SEED, fed.size, channels=1, rows=fed.size)
    with torch.no_grad():
        mask = model(torch.from_numpy(rows)[None], torch.from_numpy(golden_limits(rows))[None])[0][0].numpy()
    contract = Contract(
        name=path.stem if name is None else name,
        classes=classes,
        samp_rate_range=(fed.samp_rate, fed.samp_rate),
        frame_duration_range=(fed.frame_duration, fed.frame_duration),
        default_frame_duration=fed.frame_duration,
        licence=licence,
        golden=make_golden(np.ascontiguousarray(mask), seed=_GOLDEN_SEED),
        family="published",
        window="hann-symmetric",
        time_direction="reverse" if fed.newest_first else "forward",
        rows=fed.size,
        reductions=(Reduction.FIRST,),
        training=training or {},
        metrics=metrics or {},
        published=PictureRule(
            extremes=fed.extremes, normalisation=fed.normalisation, class_order=tuple(c.label for c in outputs)
        ),
    )
    contract.make_geometry(fed.samp_rate, frame_duration=fed.frame_duration)
    frames = torch.export.Dim("N", min=1, max=_MOST_FRAMES)
    make_folder(path.parent)
    with replacing(path) as temporary:
        write_graph(model, temporary, inputs=_example(fed.size), dynamic=({0: frames}, {0: torch.export.Dim.AUTO}))
        write_contract(temporary, contract)
    return contract


def _example(size: int) -> dict[str, torch.Tensor]:
    """Two frames, in the shapes that the graph keeps: the number of frames stays free, their size does not."""
    return {"rows": torch.randn(2, 1, size, size) * 5 - 90, "limits": torch.tensor([[-150.0, -60.0]] * 2)}
