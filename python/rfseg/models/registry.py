"""The networks by name, as recipes and checkpoints ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from ..errors import OptionError
from .deeplabv3 import PUBLISHED_RATES, DeepLabV3
from .osnet import OSNet
from .prmnet import PRMNet
from .rf_segmenter import RFSegmenter

__all__ = ["ARCHITECTURES", "Architecture", "make_network"]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network that can be built for any number of classes.

    Parameters
    ----------
    build : callable
        Takes ``classes`` and returns the module.
    classes : int
        Of the published checkpoints.
    stride : int
        Rows and bins of a frame are multiples of it.
    published : mapping
        Keyword arguments of ``build`` that published checkpoints need and a new training does not want.
    """

    build: Callable[..., nn.Module]
    classes: int
    stride: int
    published: Mapping[str, Any] = field(default_factory=dict)


_MOBILE = partial(DeepLabV3, backbone="mobilenet_v3_large")
_RESIDUAL = partial(DeepLabV3, backbone="resnet50")

ARCHITECTURES: Mapping[str, Architecture] = {
    "rf-segmenter": Architecture(build=RFSegmenter, classes=4, stride=32, published={"head": "published"}),
    "os-net": Architecture(build=OSNet, classes=4, stride=8),
    "prmnet": Architecture(build=PRMNet, classes=3, stride=8),
    "rpmsn": Architecture(build=PRMNet, classes=3, stride=8),  # the same network under its other name
    "deeplabv3-mobilenet-v3-large": Architecture(build=_MOBILE, classes=3, stride=16, published={"rates": PUBLISHED_RATES}),
    "deeplabv3-resnet50": Architecture(build=_RESIDUAL, classes=3, stride=8, published={"rates": PUBLISHED_RATES}),
}


def make_network(name: str, classes: int = 4, *, published: bool = False) -> nn.Module:
    """Build a network with random weights.

    Parameters
    ----------
    name : str
        One of ``ARCHITECTURES``.
    classes : int
        Classes of the mask.
    published : bool
        In the form that published checkpoints were trained in, instead of the one that trains best.

    Returns
    -------
    Module
        Features ``(N, 3, T, F)`` to logits ``(N, classes, T, F)``.

    Raises
    ------
    OptionError
        When no network has that name.

    Examples
    --------
    >>> make_network("deeplabv3-resnet50", 3, published=True).classifier[0].convs[3][0].dilation
    (36, 36)
    """
    if name not in ARCHITECTURES:
        raise OptionError(f"network {name!r} is unknown; choose one of {', '.join(ARCHITECTURES)}")
    architecture = ARCHITECTURES[name]
    return architecture.build(classes, **(architecture.published if published else {}))
