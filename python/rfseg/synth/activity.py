"""When and where a carrier sends, from its resource grids to the rows and bins of a spectrogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from ..geometry import Geometry
from .ofdm import Numerology, OfdmSignal

__all__ = ["OFF", "ON", "UNSURE", "Carrier", "CarrierPixels", "carrier_pixels", "make_carrier"]

OFF, ON, UNSURE = 0, 1, 2  # states of a carrier: in a pause, on air, in a pause too long to tell it from nothing
_CELL_HZ = 180e3  # a resource block at 15 kHz
_FILLED_PAUSE_S = 0.25e-3
_ON_SHARE, _LEAST_SHARE = 0.4, 0.1  # of a row: on air from the one, surely a pause up to the other
_GUESSABLE_S = 2e-3
_VISIBLE_S = 2e-3
_VISIBLE_CELLS = 7


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
    cells = max(1, round((high - low) / _CELL_HZ))  # the empty subcarrier at the centre of an LTE downlink is none more
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


def _pauses(on: np.ndarray, symbol_s: float) -> np.ndarray:
    """State of each symbol; short pauses are filled."""
    state = on.astype(np.uint8)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], on, [True]]).astype(np.int8)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        length = (end - begin) * symbol_s
        state[begin:end] = ON if length <= _FILLED_PAUSE_S else UNSURE if length > _GUESSABLE_S else OFF
    return state


def _row_bounds(geometry: Geometry) -> np.ndarray:
    """Where the rows begin and the last one ends, ``(T + 1,)``, s: half-way between the centres of their segments."""
    return (np.arange(geometry.rows + 1) * geometry.row_samples + 0.5 * geometry.overhang) / geometry.samp_rate


def _symbols_at(times: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Symbol that is sent at each time."""
    return np.clip(np.searchsorted(starts, times, side="right") - 1, 0, len(starts) - 2)


def _over_rows(values: np.ndarray, starts: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Mean over each row of what is constant within a symbol: ``(S, C)`` to ``(T, C)``."""
    lengths = np.diff(starts)[:, None]
    total = np.concatenate([np.zeros_like(values[:1], dtype=np.float64), np.cumsum(values * lengths, axis=0)])
    bounds = _row_bounds(geometry)
    at = _symbols_at(bounds, starts)
    share = ((bounds - starts[at]) / (starts[at + 1] - starts[at])).clip(0, 1)[:, None]
    return np.diff(total[at] + share * (total[at + 1] - total[at]), axis=0) / geometry.row_duration


def _row_peaks(values: np.ndarray, starts: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Most that a symbol of each row has: ``(S, C)`` to ``(T, C)``."""
    at = _symbols_at(_row_bounds(geometry), starts)
    steps = np.stack([at[:-1], at[1:] + 1], axis=1).ravel()  # from one to the other, and what lies between is dropped
    padded = np.concatenate([values, values[-1:]])
    return np.maximum.reduceat(padded, steps, axis=0)[::2]


def _row_states(carrier: Carrier, geometry: Geometry) -> np.ndarray:
    """State of each row, ``(T,)``."""
    symbol_s = float(np.diff(carrier.starts).mean())
    state = _pauses((carrier.power > 0).any(1), symbol_s)
    shares = _over_rows(np.stack([state == ON, state == UNSURE], axis=1).astype(float), carrier.starts, geometry)
    is_unsure = (shares[:, 1] > 0.5) | (shares[:, 0] > _LEAST_SHARE)
    return np.where(shares[:, 0] >= _ON_SHARE, ON, np.where(is_unsure, UNSURE, OFF))


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


@dataclass(frozen=True, kw_only=True)
class CarrierPixels:
    """A carrier on the spectrogram; powers re noise of unit variance per sample, before fading."""

    states: np.ndarray  # (T,): OFF, ON or UNSURE
    inside: np.ndarray  # bool (F,): of the occupied band
    used: np.ndarray  # bool (T, F): between the outermost blocks in use within 2 ms
    level: np.ndarray  # float32 (T, F): mean over some blocks and a row, the most within 1 ms; what shows it
    peak: np.ndarray  # float32 (T, F): of the strongest symbol of the row, 0 outside the band


def carrier_pixels(carrier: Carrier, geometry: Geometry) -> CarrierPixels:
    """Where a carrier is, and how strong."""
    frequencies = (np.arange(geometry.bins) - geometry.bins // 2) * geometry.bin_width
    inside = (frequencies >= carrier.low) & (frequencies < carrier.high)
    cell = np.clip(((frequencies - carrier.low) / _CELL_HZ).astype(int), 0, carrier.power.shape[1] - 1)  # (F,)
    scale = 10 ** (carrier.snr_db / 10)
    power = _over_rows(carrier.power, carrier.starts, geometry)  # (T, C)
    window = min(round(_GUESSABLE_S / geometry.row_duration), geometry.rows - 1)
    low, high = _hull(power > 0, window)
    rows = max(1, min(round(_VISIBLE_S / geometry.row_duration), geometry.rows))
    level = maximum_filter1d(uniform_filter1d(power, _VISIBLE_CELLS, axis=1, mode="nearest"), rows, axis=0, mode="nearest")
    peak = _row_peaks(carrier.power, carrier.starts, geometry)
    return CarrierPixels(
        states=_row_states(carrier, geometry),
        inside=inside,
        used=(cell >= low[:, None]) & (cell <= high[:, None]) & inside,
        level=(scale * level[:, cell]).astype(np.float32),
        peak=(scale * peak[:, cell] * inside).astype(np.float32),
    )
