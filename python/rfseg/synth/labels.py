"""From what was sent to the masks: three answers to the question what a pixel holds.

``occupied``, the one to train on
    A carrier is labelled over its occupied subcarriers while it sends; pauses of up to a quarter of a
    millisecond (between the reference symbols of an idle LTE carrier) belong to it.  In longer pauses the pixels
    are Noise, and beyond 2 ms unknown (255): the carrier nominally exists, but nothing shows it.  The same holds
    for the parts of a carrier that nothing within 2 ms has used (an idle NR carrier is labelled
    where its synchronisation block is and unknown elsewhere), for rows that hold only a little of it, and for what
    is too weak, filtered away or hidden by others.  A radar is labelled where its own noise-free spectrogram, as far
    as the receiver is not overloaded, stands out from everything else.
``energy``
    Where the noise-free spectrogram of a carrier exceeds the receiver's noise by -3 dB, pixel by pixel.
``channel``
    The whole channel bandwidth over the whole frame, radars over whole rows: as the published sets have it.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Iterable, Sequence

import numpy as np

from ..datasets.classes import IGNORED, STANDARD_LABELS
from ..geometry import Geometry
from .activity import ON, UNSURE, Carrier, carrier_pixels

__all__ = [
    "CLASS_LABELS",
    "UNKNOWN",
    "MaskKind",
    "channel_mask",
    "energy_mask",
    "mask_carriers",
    "mask_radar",
    "peak_to_mean",
]

CLASS_LABELS = STANDARD_LABELS
UNKNOWN = IGNORED
_VISIBLE_DB = -8.0  # level of a carrier re the noise that can just be seen
_VISIBLE_SHORT_DB = -5.0  # in frames shorter than _SHORT_S
_SHORT_S = 4e-3
_ENERGY_DB = -3.0
_RADAR_CLEAR_DB = 1.5  # over the expected maximum of the background: surely visible
_RADAR_UNSURE_DB = -3.0  # between the two nobody can tell
_COVERED = 2.0  # so much stronger than a carrier, another emitter hides it


class MaskKind(str, Enum):
    """Which question a mask answers; see the head of this module."""

    OCCUPIED = "occupied"
    ENERGY = "energy"
    CHANNEL = "channel"


def peak_to_mean(segments: int) -> float:
    """Expected maximum over mean of ``segments`` half-overlapped exponential powers, linear."""
    return max(1.0, math.log(max(1.0, 0.8 * segments)) + 0.577)


def mask_carriers(
    carriers: Iterable[Carrier], geometry: Geometry, *, floor: np.ndarray, others: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mask of the carriers and the power that a radar has to stand out from.

    Parameters
    ----------
    floor : float ``(F,)``
        Noise power at each bin as an emitter in front of the receive filter sees it, 1 where the filter is flat.
    others : float32 ``(T, F)`` or None
        Mean power of the emitters that are Noise, in the unit of ``floor``.

    Returns
    -------
    mask : uint8 ``(T, F)``
    background : float32 ``(T, F)``
        Power of noise, others (their mean) and carriers (their strongest symbol of the row).
    """
    shape = (geometry.rows, geometry.bins)
    mask = np.zeros(shape, np.uint8)
    strongest = np.full(shape, -np.inf, np.float32)
    background = np.broadcast_to(floor, shape).astype(np.float32)
    if others is not None:
        background += others
    visible = 10 ** ((_VISIBLE_SHORT_DB if geometry.frame_duration < _SHORT_S else _VISIBLE_DB) / 10)
    for carrier in carriers:
        pixels = carrier_pixels(carrier, geometry)
        is_on = (pixels.states == ON)[:, None] & pixels.inside
        is_unsure = (pixels.states == UNSURE)[:, None] & pixels.inside
        mask[(is_unsure | (is_on & ~pixels.used)) & (mask == 0)] = UNKNOWN
        weak = pixels.level < visible * floor
        if others is not None:
            weak |= others > _COVERED * pixels.level
        wins = is_on & pixels.used & (carrier.snr_db > strongest)
        mask[wins] = np.where(weak, UNKNOWN, carrier.class_id)[wins]
        strongest[wins] = carrier.snr_db
        background += pixels.peak
    return mask, background


def mask_radar(
    mask: np.ndarray, peak: np.ndarray, background: np.ndarray, geometry: Geometry, *, passed: np.ndarray | None = None
) -> None:
    """Draw the radars over ``mask`` in place.

    Parameters
    ----------
    peak : float32 ``(T, F)``
        Linear power of the noise-free radars in the max channel, noise = 1.
    background : float32 ``(T, F)``
        Power of everything else, as :func:`mask_carriers` gives it.
    passed : float32 ``(T, F)`` or None
        What an overloaded receiver leaves of ``peak``; None for all of it.
    """
    limit = background * peak_to_mean(geometry.segments_per_row)
    unsure = (peak > limit * 10 ** (_RADAR_UNSURE_DB / 10)) & (mask != UNKNOWN)
    mask[unsure] = UNKNOWN
    mask[(peak if passed is None else passed) > limit * 10 ** (_RADAR_CLEAR_DB / 10)] = CLASS_LABELS.index("Radar")


def energy_mask(powers: Sequence[tuple[int, np.ndarray]], occupied: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """The ``energy`` mask; the stronger of two overlapping carriers has the pixel.

    Parameters
    ----------
    powers : sequence of (class id, float ``(T, F)``)
        Mean power of each noise-free carrier, noise = 1.
    occupied : uint8 ``(T, F)``
        The ``occupied`` mask, which knows the radars.
    floor : float ``(F,)``
        As for :func:`mask_carriers`.
    """
    radar = CLASS_LABELS.index("Radar")
    mask = np.zeros_like(occupied)
    strongest = np.broadcast_to(floor * 10 ** (_ENERGY_DB / 10), occupied.shape).copy()
    for class_id, power in powers:
        wins = power > strongest
        mask[wins] = class_id
        strongest[wins] = power[wins]
    mask[occupied == radar] = radar
    return mask


def channel_mask(carriers: Iterable[Carrier], occupied: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The ``channel`` mask; the stronger of two overlapping carriers has the pixel."""
    radar = CLASS_LABELS.index("Radar")
    mask = np.zeros_like(occupied)
    frequencies = (np.arange(geometry.bins) - geometry.bins // 2) * geometry.bin_width
    for carrier in sorted(carriers, key=lambda c: c.snr_db):
        mask[:, np.abs(frequencies - 0.5 * (carrier.low + carrier.high)) <= 0.5 * carrier.channel_width] = carrier.class_id
    mask[(occupied == radar).any(1)] = radar
    return mask
