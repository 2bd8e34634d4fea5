"""Bands as an NR cell sees them: rectangles of symbols and resource blocks, and a list of blocks to leave alone.

A dApp or xApp beside a scheduler takes rectangles ``(start_symbol, num_symbols, rb_start, rb_size)`` and a list of
physical resource blocks (PRB) that are not to be scheduled for some time.  Both hold whole symbols and blocks: what a
band touches is its own.

Sources: 3GPP TS 38.211, 4.3 and 5.3.1 (frames, symbols), TS 38.104, 5.4.2.2 (where the reference frequency lies).
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from ..errors import FeedError
from ..geometry import RxTime
from .delivery import Payload
from .messages import BANDS, OCCUPANCY, SCHEMA_VERSION, Message, to_json

__all__ = ["ORAN", "Oran", "OranOptions"]

ORAN = "oran"  # value of the key ``type``
_NO_CENTER = "frequencies are baseband, which name no resource block; give the chain the centre frequency"
_SYMBOLS = 14  # in a slot, normal cyclic prefix
_SUBCARRIERS = 12  # in a PRB
_LARGEST_CARRIER = 275  # PRB, TS 38.211 table 4.4.2-1
_UNITS = 30_720_000  # units of time in a second at numerology 0; twice as many at each higher one
_TOLERANCE = 1e-3  # units and PRB; rounding of times and edges


@dataclass(frozen=True, kw_only=True)
class OranOptions:
    """The cell, and what is to be avoided in it.

    Parameters
    ----------
    center_freq : float
        RF reference frequency of the carrier (that of its NR-ARFCN), Hz.
    prbs : int
        Width of the carrier, resource blocks.
    numerology : int
        0 to 4: subcarriers of 15 kHz to 240 kHz.
    origin : (int, float) or None
        A moment at which a system frame 0 begins, whole seconds and fraction, in the time of ``rx_time``; None where
        the source tells no time, and then ``origin_sample`` is its absolute sample offset.
    guard_prbs : int
        Blocks on both sides of a band that are avoided as well.
    validity : float
        Time after a frame for which its list holds, s.
    ignore_labels : sequence of str
        Labels of bands that need not be avoided, such as that of the cell itself.
    """

    center_freq: float
    prbs: int
    numerology: int = 1
    origin: Sequence[float] | None = None
    origin_sample: int = 0
    guard_prbs: int = 0
    validity: float = 0.1
    ignore_labels: Sequence[str] = ()

    def __post_init__(self) -> None:
        ranges = {"prbs": (1, _LARGEST_CARRIER), "numerology": (0, 4), "guard_prbs": (0, _LARGEST_CARRIER)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise FeedError(f"{name}={value!r} must be an integer from {low} to {high}")
        if not (math.isfinite(self.center_freq) and self.center_freq > 0 and self.validity > 0):
            raise FeedError(
                f"center_freq={self.center_freq!r} Hz and validity={self.validity!r} s must be above 0"
            )
        if self.origin is not None and not (len(self.origin) == 2 and 0 <= self.origin[1] < 1):
            raise FeedError(f"origin={self.origin!r} must be whole seconds and a fraction of at least 0 and below 1")

    @property
    def prb_width(self) -> float:
        """Hz."""
        return _SUBCARRIERS * 15e3 * 2**self.numerology

    @property
    def lower_edge(self) -> float:
        """Lower edge of PRB 0, Hz: the reference is the centre of a subcarrier in the middle (TS 38.104, 5.4.2.2)."""
        subcarrier = _SUBCARRIERS * (self.prbs // 2) + (6 if self.prbs % 2 else 0)
        return self.center_freq - (subcarrier + 0.5) * self.prb_width / _SUBCARRIERS


class Oran:
    """Frames of bands give rectangles and a list, occupancy gives a list; other messages give nothing."""

    def __init__(self, options: OranOptions) -> None:
        self._options = options
        self._starts = _symbol_starts(options.numerology)
        self._newest: int | None = None  # first sample of the newest frame

    def encode(self, message: Message) -> list[Payload]:
        """One payload, of type ``oran``; none of a frame that comes again as the last: its list still holds."""
        if message["type"] == BANDS and message.get("state", "inferred") == "inferred":
            newest, self._newest = self._newest, message["sample_start"]
            if message["last"] and newest == self._newest:
                return []
            content = self._of_frame(message)
        elif message["type"] == OCCUPANCY:
            content = self._of_occupancy(message)
        else:
            return []
        options = self._options
        head = {"version": SCHEMA_VERSION, "type": ORAN}
        if "sequence" in message:
            head["sequence"] = message["sequence"]
        carrier = {"center_freq": options.center_freq, "prbs": options.prbs, "numerology": options.numerology}
        return [Payload(ORAN, to_json({**head, **carrier, **content}).encode())]

    def _of_frame(self, message: Message) -> dict[str, Any]:
        if "center_freq" not in message:
            raise FeedError(_NO_CENTER)
        bands = [band for band in message["bands"] if band["label"] not in self._options.ignore_labels]
        rectangles = [
            {**self._symbols(message, band), "rb_start": start, "rb_size": stop - start, **_identity(band)}
            for band in bands
            for start, stop in self._prbs(band)
        ]
        stop = message["watermark"]
        validity = round(self._options.validity * message["samp_rate"])
        return {
            "rectangles": rectangles,
            "prb_blacklist": self._blacklist(bands),
            **self._period(message, message["sample_start"], stop, stop + validity),
        }

    def _of_occupancy(self, message: Message) -> dict[str, Any]:
        if message["freq_reference"] != "rf":
            raise FeedError(_NO_CENTER)
        bands, stop = message["occupied"], message["sample_stop"]
        until = min((band["valid_until"] for band in bands), default=stop)
        if not bands:
            until += round(self._options.validity * message["samp_rate"])
        return {"prb_blacklist": self._blacklist(bands), **self._period(message, stop, stop, until)}

    def _period(self, message: Message, anchor: int, start: int, stop: int) -> dict[str, Any]:
        """When a list holds: samples and, where ``rx_time``, that of the sample ``anchor``, is known, moments."""
        period: dict[str, Any] = {"valid_from": start, "valid_until": stop}
        for key, sample in (("valid_from_time", start), ("valid_until_time", stop)):
            time = _time_of(message, anchor, sample)
            if time is not None:
                period[key] = [time.seconds, time.fraction]
        return period

    def _blacklist(self, bands: Iterable[Mapping[str, Any]]) -> list[int]:
        ranges = (range(*place) for band in bands for place in self._prbs(band, self._options.guard_prbs))
        return sorted(set(itertools.chain.from_iterable(ranges)))

    def _prbs(self, band: Mapping[str, Any], guard: int = 0) -> list[tuple[int, int]]:
        """First block of a band and the first after it; empty where it lies outside the carrier."""
        options = self._options
        low, high = (
            (band[key] - options.lower_edge) / options.prb_width for key in ("freq_lower_edge", "freq_upper_edge")
        )
        start = max(0, math.floor(low + _TOLERANCE) - guard)
        stop = min(options.prbs, math.ceil(high - _TOLERANCE) + guard)
        return [(start, stop)] if start < stop else []

    def _symbols(self, message: Message, band: Mapping[str, Any]) -> dict[str, int]:
        """The symbols that a band touches, counted from the origin, and where the first lies in its frame."""
        first = self._symbol_at(message, band["sample_start"], _TOLERANCE)
        last = self._symbol_at(message, band["sample_start"] + band["sample_count"], -_TOLERANCE)
        if first < 0:
            raise FeedError(f"a band at sample {band['sample_start']} lies before the origin; give an earlier one")
        slot, symbol = divmod(first, _SYMBOLS)
        frame, slot = divmod(slot, 10 * 2**self._options.numerology)
        start = {"start_symbol": first, "num_symbols": last - first + 1}
        return {**start, "sfn": frame % 1024, "slot": slot, "symbol": symbol}

    def _symbol_at(self, message: Message, sample: int, nudge: float) -> int:
        """Number of the symbol in which a sample lies, moved by ``nudge`` units."""
        options, samp_rate = self._options, message["samp_rate"]
        if options.origin is None:
            time = RxTime(seconds=0, fraction=0.0).after(sample - options.origin_sample, samp_rate)
            seconds, fraction = time.seconds, time.fraction
        else:
            time = _time_of(message, message["sample_start"], sample)
            if time is None:
                raise FeedError("the source tells no time; leave origin away and give origin_sample instead")
            seconds, fraction = time.seconds - int(options.origin[0]), time.fraction - options.origin[1]
        units = _UNITS * 2**options.numerology
        subframe, rest = divmod(fraction * units + nudge, units // 1000)
        symbols = _SYMBOLS * 2**options.numerology
        return (seconds * 1000 + int(subframe)) * symbols + bisect_right(self._starts, rest) - 1


def _symbol_starts(numerology: int) -> list[int]:
    """First unit of each symbol of a subframe; TS 38.211, 5.3.1: the first of each half is longer."""
    symbols = _SYMBOLS * 2**numerology
    lengths = [2048 + 144 + (16 * 2**numerology if n in (0, symbols // 2) else 0) for n in range(symbols)]
    return [0, *itertools.accumulate(lengths[:-1])]


def _time_of(message: Message, anchor: int, sample: int) -> RxTime | None:
    """Moment of a sample, where the message tells that of the sample ``anchor``."""
    if "rx_time" not in message:
        return None
    seconds, fraction = message["rx_time"]
    return RxTime(seconds=seconds, fraction=fraction).after(sample - anchor, message["samp_rate"])


def _identity(band: Mapping[str, Any]) -> dict[str, Any]:
    return {key: band[key] for key in ("id", "label", "confidence")}
