"""Emitters that are neither LTE, NR nor radar: the network must call them Noise.

Each is made at its own rate over a whole number of milliseconds and placed by adding its spectrum to
the scene's: exact for any pair of rates, because both span the same time.  Power is given as the ratio of
the emitter's density inside its band, while on air, to the noise density, dB; the power of an emitter
narrower than 200 kHz is counted over 200 kHz.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ...errors import SceneError
from . import (
    analog, atsc, bluetooth, dsss, dvbt, gsm, impulses, jammer, lora, ofdm_link, single_carrier, tones, umts, wifi, zigbee,
)  # fmt: skip
from .canvas import Canvas
from .emitter import OtherEmitter

__all__ = ["OTHER_KINDS", "SPREAD_KINDS", "OtherEmitter", "add_other", "draw_other"]

_FAMILIES = (
    wifi, dsss, bluetooth, zigbee, lora, analog, gsm, umts, dvbt, atsc, single_carrier, ofdm_link, tones, impulses, jammer,
)  # fmt: skip
_FAMILY_OF = {kind: family for family in _FAMILIES for kind in family.WIDTHS}
_WEIGHTS = {
    "wifi": 0.20, "wifi40": 0.04, "wifi80": 0.02, "dsss": 0.04, "bluetooth": 0.03, "ble": 0.02, "zigbee": 0.03, "lora": 0.02,
    "voice": 0.03, "fm": 0.03, "gsm": 0.14, "umts": 0.07, "dvbt": 0.05, "atsc": 0.03, "single-carrier": 0.05, "ofdm": 0.06,
    "cw": 0.02, "comb": 0.03, "drift": 0.02, "clicks": 0.03, "noise-block": 0.03, "sweep": 0.01,
}  # fmt: skip

# kind: weight, occupied width in Hz (low, high)
OTHER_KINDS: dict[str, tuple[float, tuple[float, float]]] = {
    kind: (weight, _FAMILY_OF[kind].WIDTHS[kind]) for kind, weight in _WEIGHTS.items()
}

# Kinds that a planner may put anywhere, on carriers too: they hop, click or consist of lines
SPREAD_KINDS = frozenset({"bluetooth", "ble", "clicks", "comb", "cw", "drift"})

_ECHO_SHARE, _ECHO_KINDS_HZ = 0.4, 3e6  # so many of the emitters at least so wide arrive twice
_NO_ECHO = frozenset({"clicks", "comb", *wifi.WIDTHS})  # Wi-Fi has one for each station


def draw_other(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> OtherEmitter:
    """A random emitter of a kind.

    Parameters
    ----------
    kind : str
        A key of ``OTHER_KINDS``.
    center : float
        Hz re the centre of the scene; of a kind that hops, one of its channels is there.
    snr_db : float
        See :class:`OtherEmitter`.

    Raises
    ------
    SceneError
        If there is no such kind.
    """
    if kind not in OTHER_KINDS:
        raise SceneError(f"kind={kind!r} of another emitter does not exist; choose one of {', '.join(OTHER_KINDS)}")
    emitter = _FAMILY_OF[kind].draw(kind, center, snr_db, rng)
    if emitter.width >= _ECHO_KINDS_HZ and kind not in _NO_ECHO and rng.random() < _ECHO_SHARE:
        delay, level, turn = float(rng.exponential(0.4)), float(rng.uniform(-20, -1)), float(rng.random())
        emitter = replace(emitter, echo_us=delay, echo_db=level, echo_turn=turn)
    return emitter


def add_other(
    spectrum: Tensor, milliseconds: int, emitter: OtherEmitter, *, rng: np.random.Generator, generator: torch.Generator
) -> None:
    """Add an emitter to the scene's spectrum.

    Parameters
    ----------
    spectrum : complex64 ``(n,)``
        FFT of the scene in ``norm="ortho"``, one bin per ``1 / duration``; changed in place.
    milliseconds : int
        Duration of the scene.
    emitter : OtherEmitter
        As :func:`draw_other` gives it.
    rng, generator : numpy.random.Generator, torch.Generator
        For the times of bursts, and for payload, on the spectrum's device.
    """
    _FAMILY_OF[emitter.kind].add(Canvas(spectrum, milliseconds), emitter, rng, generator)
