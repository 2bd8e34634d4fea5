"""From what was sent to the masks: three answers to the question what a pixel holds.

``occupied``, the one to train on
    A carrier is labelled over its occupied subcarriers while it sends; pauses of up to a quarter of a
    millisecond (between the reference symbols of an idle LTE carrier) belong to it.  In longer pauses the pixels
    are Noise, and beyond 2 ms unknown (255): the carrier nominally exists, but nothing shows it.  The same holds
    for the parts of a carrier that nothing within 2 ms has used (an idle NR carrier is labelled
    where its synchronisation block is and unknown elsewhere), and for what is too weak or filtered away.
    A radar is labelled where its own noise-free spectrogram stands out.
``energy``
    Where the noise-free spectrogram of a carrier exceeds the noise by -3 dB, pixel by pixel.
``channel``
    The whole channel bandwidth over the whole frame, radars over whole rows: as the published sets have it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from ..geometry import Geometry
from .ofdm import Numerology, OfdmSignal

__all__ = [
    "CLASS_LABELS",
    "UNKNOWN",
    "Carrier",
    "MaskKind",
    "channel_mask",
    "energy_mask",
    "make_carrier",
    "mask_carriers",
    "mask_radar",
    "peak_to_mean",
]

CLASS_LABELS = ("Noise", "LTE", "NR", "Radar")
UNKNOWN = 255
_CELL_HZ = 180e3  # a resource block at 15 kHz
_FILLED_PAUSE_S = 0.25e-3
_GUESSABLE_S = 2e-3
_VISIBLE_DB = -8.0  # mean over some cells of the strongest row within _VISIBLE_S, re the noise: what can just be seen
_VISIBLE_SHORT_DB = -5.0  # in frames shorter than _SHORT_S
_SHORT_S = 4e-3
_VISIBLE_S = 2e-3
_VISIBLE_CELLS = 7
_ENERGY_DB = -3.0
_RADAR_CLEAR_DB = 1.5  # over the expected maximum of the background: surely visible
_RADAR_UNSURE_DB = -3.0  # between the two nobody can tell
_COVERED = 2.0  # so much stronger than a carrier, another emitter hides it


class MaskKind(str, Enum):
    """Which question a mask answers; see the head of this module."""

    OCCUPIED = "occupied"
    ENERGY = "energy"
    CHANNEL = "channel"


@dataclass(kw_only=True)
class Carrier:
    """What the labels need to know of a carrier; frequencies in Hz re the centre of the band."""

    class_id: int
    low: float
    high: float  # occupied edges
    channel_width: float
    snr_db: float  # of a data element
    starts: np.ndarray  # float64 (S + 1,): start of each symbol from the frame's first sample on, s; and the last one's end
    power: np.ndarray  # float32 (S, C): mean power of the elements of each 180 kHz from ``low`` on, data = 1, before fading


def make_carrier(
    signals: Sequence[tuple[OfdmSignal, float]], *, class_id: int, center: float, channel_width: float, snr_db: float, lead: float
) -> Carrier:
    """The activity of a carrier that sends several signals.

    Parameters
    ----------
    signals : sequence of (OfdmSignal, float)
        With the amplitude that each is sent with, re the carrier's own; all begin at the same half millisecond.
    lead : float
        How long they begin before the frame's first sample, s.
    """
    edges = [_edges(signal) for signal, _ in signals]
    low, high = min(e[0] for e in edges), max(e[1] for e in edges)
    finest = max(signal.spacing for signal, _ in signals)
    cells = max(1, math.ceil((high - low) / _CELL_HZ - 1e-6))
    total: torch.Tensor | None = None
    for (signal, amplitude), (first, _) in zip(signals, edges, strict=True):
        power = signal.power() * amplitude**2
        power = power.repeat_interleave(round(finest / signal.spacing), dim=0)
        power = power.repeat_interleave(round(12 * signal.spacing / _CELL_HZ), dim=1)
        offset = round((first - low) / _CELL_HZ)
        power = power[:, : cells - offset]
        if total is None:
            total = torch.zeros(power.shape[0], cells, device=power.device)
        total[:, offset : offset + power.shape[1]] += power
    assert total is not None
    numerology = Numerology(grid_rate=Numerology.grid_step(finest), spacing=finest)
    starts = numerology.symbol_starts(total.shape[0]).numpy() - lead
    end = total.shape[0] / numerology.symbols * 0.5e-3 - lead
    return Carrier(
        class_id=class_id,
        low=center + low,
        high=center + high,
        channel_width=channel_width,
        snr_db=snr_db,
        starts=np.append(starts, end),
        power=total.cpu().numpy(),
    )


def _edges(signal: OfdmSignal) -> tuple[float, float]:
    """Occupied edges re the carrier's centre, Hz."""
    shift = 0.5 if signal.half_shift else 0.0
    first, last = int(signal.subcarriers[0]), int(signal.subcarriers[-1])
    return (first + shift - 0.5) * signal.spacing, (last + shift + 0.5) * signal.spacing


def peak_to_mean(segments: int) -> float:
    """Expected maximum over mean of ``segments`` half-overlapped exponential powers, linear."""
    return max(1.0, math.log(max(1.0, 0.8 * segments)) + 0.577)


def _pauses(on: np.ndarray, symbol_s: float) -> np.ndarray:
    """Label state of each symbol: 1 on air (short pauses filled), 0 a pause, 2 unknown."""
    state = on.astype(np.uint8)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], on, [True]]).astype(np.int8)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        length = (end - begin) * symbol_s
        state[begin:end] = 1 if length <= _FILLED_PAUSE_S else 2 if length > _GUESSABLE_S else 0
    return state


def _over_rows(values: np.ndarray, starts: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Mean over each row of what is constant within a symbol: ``(S, C)`` to ``(T, C)``."""
    lengths = np.diff(starts)[:, None]
    total = np.concatenate([np.zeros_like(values[:1], dtype=np.float64), np.cumsum(values * lengths, axis=0)])
    bounds = np.arange(geometry.rows + 1) * geometry.row_duration
    at = np.clip(np.searchsorted(starts, bounds, side="right") - 1, 0, len(starts) - 2)
    share = ((bounds - starts[at]) / (starts[at + 1] - starts[at])).clip(0, 1)[:, None]
    return np.diff(total[at] + share * (total[at + 1] - total[at]), axis=0) / geometry.row_duration


def _row_states(carrier: Carrier, geometry: Geometry) -> np.ndarray:
    """State of each row, ``(T,)``: 1 on air, 0 a pause, 2 unknown."""
    symbol_s = float(np.diff(carrier.starts).mean())
    state = _pauses((carrier.power > 0).any(1), symbol_s)
    shares = _over_rows(np.stack([state == 1, state == 2], axis=1).astype(float), carrier.starts, geometry)
    return np.where(shares[:, 0] >= 0.4, 1, np.where(shares[:, 1] > 0.5, 2, 0))


def _hull(used: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest used cell within ``window`` rows either side, ``(T,)`` each; low > high if none."""
    count = used.shape[1]
    index = np.arange(count, dtype=np.float32)
    low = torch.from_numpy(np.where(used, index, float(count)).min(1).astype(np.float32))
    high = torch.from_numpy(np.where(used, index, -1.0).max(1).astype(np.float32))
    pool = dict(kernel_size=2 * window + 1, stride=1, padding=window)
    low = -F.max_pool1d(-low[None, None], **pool)[0, 0]
    high = F.max_pool1d(high[None, None], **pool)[0, 0]
    return low.numpy(), high.numpy()


def _carrier_pixels(carrier: Carrier, geometry: Geometry, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bool ``(T, F)`` each: in use; inside its band; too weak to be seen over ``floor``."""
    frequencies = (np.arange(geometry.bins) - geometry.bins // 2) * geometry.bin_width
    inside = (frequencies >= carrier.low) & (frequencies < carrier.high)
    cell = np.clip(((frequencies - carrier.low) / _CELL_HZ).astype(int), 0, carrier.power.shape[1] - 1)  # (F,)
    power = _over_rows(carrier.power, carrier.starts, geometry)  # (T, C)
    window = min(round(_GUESSABLE_S / geometry.row_duration), geometry.rows - 1)
    low, high = _hull(power > 0, window)
    used = (cell >= low[:, None]) & (cell <= high[:, None]) & inside
    rows = max(1, min(round(_VISIBLE_S / geometry.row_duration), geometry.rows))
    level = maximum_filter1d(uniform_filter1d(power, _VISIBLE_CELLS, axis=1, mode="nearest"), rows, axis=0, mode="nearest")
    limit_db = _VISIBLE_SHORT_DB if geometry.frame_duration < _SHORT_S else _VISIBLE_DB
    weak = level[:, cell] * 10 ** ((carrier.snr_db - limit_db) / 10) < floor
    return used, np.broadcast_to(inside, used.shape), weak


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
        Mean power of noise, carriers and others.
    """
    shape = (geometry.rows, geometry.bins)
    mask = np.zeros(shape, np.uint8)
    strongest = np.zeros(shape, np.float32)
    background = np.broadcast_to(floor, shape).astype(np.float32)
    if others is not None:
        background += others
    for carrier in carriers:
        state = _row_states(carrier, geometry)[:, None]
        used, inside, weak = _carrier_pixels(carrier, geometry, floor)
        power = 10 ** (carrier.snr_db / 10)
        if others is not None:
            weak |= others > _COVERED * power
        seen = (state == 1) & used
        unknown = ((state == 2) & inside) | ((state == 1) & inside & ~used)
        mask[unknown & (mask == 0)] = UNKNOWN
        wins = seen & (power > strongest)
        mask[wins] = np.where(weak, UNKNOWN, carrier.class_id)[wins]
        strongest[wins] = power
        background[seen] += power
    return mask, background


def mask_radar(mask: np.ndarray, peak: np.ndarray, background: np.ndarray, geometry: Geometry) -> None:
    """Draw the radars over ``mask`` in place.

    Parameters
    ----------
    peak : float32 ``(T, F)``
        Linear power of the noise-free radars in the max channel, noise = 1.
    background : float32 ``(T, F)``
        Mean power of everything else, noise = 1.
    """
    limit = background * peak_to_mean(geometry.segments_per_row)
    unsure = (peak > limit * 10 ** (_RADAR_UNSURE_DB / 10)) & (mask != UNKNOWN)
    mask[unsure] = UNKNOWN
    mask[peak > limit * 10 ** (_RADAR_CLEAR_DB / 10)] = CLASS_LABELS.index("Radar")


def energy_mask(powers: Sequence[tuple[int, np.ndarray]], occupied: np.ndarray) -> np.ndarray:
    """The ``energy`` mask.

    Parameters
    ----------
    powers : sequence of (class id, float ``(T, F)``)
        Mean power of each noise-free carrier, noise = 1.
    occupied : uint8 ``(T, F)``
        The ``occupied`` mask, which knows the radars.
    """
    radar = CLASS_LABELS.index("Radar")
    mask = np.zeros_like(occupied)
    strongest = np.full(occupied.shape, 10 ** (_ENERGY_DB / 10))
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
