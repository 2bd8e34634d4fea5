"""Between PMT and the library's values: each type has ``to_pmt`` and its inverse ``from_pmt``.

Keys, types and units are described in ``docs/message-formats.md``; the keys come from the bindings.
What does not fit raises :class:`rfseg.errors.BandError` with the value and what was expected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Callable, Mapping

import pmt
from rfseg.bands import Band
from rfseg.errors import BandError, RfsegError
from rfseg.geometry import Frame, RxTime
from rfseg.pipeline import FrameState

from .rfseg_python import keys, record

__all__ = ["BandsMessage", "FrameTag", "band_from_pmt", "band_to_pmt", "event_from_pmt", "event_to_pmt"]

_BAND = record(
    "a band",
    Band,
    BandError,
    [
        (keys.ID, "u64", True),
        (keys.LABEL, "sym", True),
        (keys.CLASS_ID, "int", True),
        (keys.CONFIDENCE, "f64", True),
        (keys.FREQ_LOWER_EDGE, "f64", True),
        (keys.FREQ_UPPER_EDGE, "f64", True),
        (keys.FREQ_REFERENCE, "sym", True),
        (keys.SAMPLE_START, "u64", True),
        (keys.SAMPLE_COUNT, "u64", True),
        (keys.MODEL, "sym", True),
        (keys.POWER_DBFS, "f64", False),
        (keys.POWER_DBM, "f64", False),
        (keys.SNR_DB, "f64", False),
        (keys.PULSE_WIDTH, "f64", False),
        (keys.GUESS, "sym", False),
        (keys.TRACK, "u64", False),
    ],
)


@dataclass(frozen=True, kw_only=True)
class FrameTag:
    """Content of the tag ``rfseg_frame``.

    Parameters
    ----------
    frame : Frame
    non_finite : int
        Samples of the frame that were NaN or infinite.
    state : FrameState or None
        On the mask stream: what became of the frame.
    model : str
        On the mask stream: name of the model.
    reject : mapping or None
        On the mask stream: label to the confidence below which that model's bands are doubtful.
    """

    frame: Frame
    non_finite: int = 0
    state: FrameState | None = None
    model: str = ""
    reject: Mapping[str, float] | None = None

    def to_pmt(self) -> pmt.pmt_base:
        """The dictionary; what is not known is left out."""
        frame = self.frame
        entries = {
            keys.INDEX: pmt.from_uint64(frame.index),
            keys.SAMPLE_START: pmt.from_uint64(frame.sample_start),
            keys.SAMPLE_COUNT: pmt.from_uint64(frame.sample_count),
            keys.VALID_SAMPLES: pmt.from_uint64(frame.valid_samples),
            keys.NON_FINITE: pmt.from_uint64(self.non_finite),
            keys.SAMP_RATE: pmt.from_double(frame.samp_rate),
            keys.SETTLING: pmt.from_bool(frame.settling),
            keys.LAST: pmt.from_bool(frame.last),
            keys.SKIPPED: pmt.from_bool(frame.skipped),
        }
        if frame.center_freq is not None:
            entries[keys.CENTER_FREQ] = pmt.from_double(frame.center_freq)
        if frame.rx_time is not None:
            time = frame.rx_time
            entries[keys.RX_TIME] = pmt.make_tuple(pmt.from_uint64(time.seconds), pmt.from_double(time.fraction))
        if self.state is not None:
            entries[keys.STATE] = pmt.intern(self.state.value)
            entries[keys.MODEL] = pmt.intern(self.model)
        if self.reject is not None:
            entries[keys.REJECT] = _make_dict({label: pmt.from_double(value) for label, value in self.reject.items()})
        return _make_dict(entries)

    @classmethod
    def from_pmt(cls, message: pmt.pmt_base) -> FrameTag:
        """Inverse of :meth:`to_pmt`; keys that do not belong to a frame are passed over.

        Raises
        ------
        BandError
            If a key is missing or its value has the wrong type or range.
        """
        read = _Reader(message, keys.FRAME)
        try:
            frame = Frame(
                index=read(keys.INDEX, _to_uint),
                sample_start=read(keys.SAMPLE_START, _to_uint),
                sample_count=read(keys.SAMPLE_COUNT, _to_uint),
                valid_samples=read(keys.VALID_SAMPLES, _to_uint),
                samp_rate=read(keys.SAMP_RATE, _to_real),
                center_freq=read.optional(keys.CENTER_FREQ, _to_real),
                rx_time=read.optional(keys.RX_TIME, _to_rx_time),
                settling=read(keys.SETTLING, _to_bool),
                skipped=bool(read.optional(keys.SKIPPED, _to_bool)),
                limits=read.optional(keys.LIMITS, _to_limits),
                last=read(keys.LAST, _to_bool),
            )
        except BandError:
            raise
        except RfsegError as error:
            raise BandError(f"{keys.FRAME} makes no sense: {error}") from error
        return cls(
            frame=frame,
            non_finite=read(keys.NON_FINITE, _to_uint),
            state=read.optional(keys.STATE, _to_state),
            model=read.optional(keys.MODEL, _to_text) or "",
            reject=read.optional(keys.REJECT, _to_shares),
        )


@dataclass(frozen=True, kw_only=True)
class BandsMessage:
    """Content of a ``bands`` message: a frame and its bands, sorted by time, then by lower edge."""

    tag: FrameTag
    bands: tuple[Band, ...] = ()

    @property
    def watermark(self) -> int:
        """No later message speaks of a sample before this absolute index."""
        return self.tag.frame.watermark

    def to_pmt(self) -> pmt.pmt_base:
        """The dictionary: all keys of the frame, ``watermark`` and ``bands``."""
        message = pmt.dict_add(self.tag.to_pmt(), pmt.intern(keys.WATERMARK), pmt.from_uint64(self.watermark))
        return pmt.dict_add(message, pmt.intern(keys.BANDS), _BAND.to_vector(self.bands))

    @classmethod
    def from_pmt(cls, message: pmt.pmt_base) -> BandsMessage:
        """Inverse of :meth:`to_pmt`.

        Raises
        ------
        BandError
            If the message, its frame or one of its bands makes no sense.
        """
        tag = FrameTag.from_pmt(message)
        read = _Reader(message, keys.BANDS)
        bands = read(keys.BANDS, _to_vector)
        watermark = read(keys.WATERMARK, _to_uint)
        if watermark != tag.frame.watermark:
            raise BandError(
                f"{keys.WATERMARK}={watermark} does not end the frame, expected {tag.frame.watermark}"
                f" ({keys.SAMPLE_START} + {keys.VALID_SAMPLES})"
            )
        return cls(tag=tag, bands=_BAND.from_vector(bands))

    def ending(self) -> BandsMessage:
        """This message without its bands and marked as the stream's last."""
        return replace(self, bands=(), tag=replace(self.tag, frame=replace(self.tag.frame, last=True)))


def band_to_pmt(band: Band) -> pmt.pmt_base:
    """Dictionary of one band; power, SNR and the width of a pulse are left out where they are not known."""
    return _BAND.to_pmt(band)


def band_from_pmt(message: pmt.pmt_base) -> Band:
    """Inverse of :func:`band_to_pmt`.

    Raises
    ------
    BandError
        If a key is missing or its value has the wrong type or range.
    """
    return _BAND.from_pmt(message)


def event_to_pmt(source: str, event: str, fields: dict[str, int | float | str]) -> pmt.pmt_base:
    """A ``status`` message: counts become u64, other numbers f64, texts symbols."""
    converters = {int: pmt.from_uint64, float: pmt.from_double, str: pmt.intern}
    entries = {keys.SOURCE: pmt.intern(source), keys.EVENT: pmt.intern(event)}
    entries.update((key, converters[type(value)](value)) for key, value in fields.items())
    return _make_dict(entries)


def event_from_pmt(message: pmt.pmt_base) -> tuple[str, str, dict[str, int | float | str | bool]]:
    """Source, event and fields of a ``status`` message; the inverse of :func:`event_to_pmt`.

    Raises
    ------
    BandError
        If source or event is missing, or a value is neither a number, a text nor true or false.
    """
    read = _Reader(message, keys.STATUS)
    source, event = read(keys.SOURCE, _to_text), read(keys.EVENT, _to_text)
    fields = {}
    entries = pmt.dict_items(message)
    while pmt.is_pair(entries):
        name = pmt.symbol_to_string(pmt.caar(entries))
        fields[name] = read(name, _to_scalar)
        entries = pmt.cdr(entries)
    return source, event, {name: value for name, value in fields.items() if name not in (keys.SOURCE, keys.EVENT)}


def _make_dict(entries: dict[str, pmt.pmt_base]) -> pmt.pmt_base:
    message = pmt.make_dict()
    for key, value in entries.items():
        message = pmt.dict_add(message, pmt.intern(key), value)
    return message


class _Reader:
    """Reads typed values out of a dictionary and names what does not fit."""

    def __init__(self, message: pmt.pmt_base, what: str) -> None:
        if not pmt.is_dict(message):
            raise BandError(f"{what} is {message}, expected a dictionary")
        self._message, self._what = message, what

    def optional(self, key: str, convert: Callable[[pmt.pmt_base], Any]) -> Any:
        """The value, or None where the key is absent."""
        name = pmt.intern(key)
        if not pmt.dict_has_key(self._message, name):
            return None
        value = pmt.dict_ref(self._message, name, pmt.PMT_NIL)
        try:
            return convert(value)
        except (TypeError, ValueError) as error:
            raise BandError(f"{self._what}: {key} is {value}, expected {error}") from None

    def __call__(self, key: str, convert: Callable[[pmt.pmt_base], Any]) -> Any:
        """The value; an absent key is an error."""
        value = self.optional(key, convert)
        if value is None:
            raise BandError(f"{self._what} lacks the key {key}")
        return value


def _to_uint(value: pmt.pmt_base) -> int:
    if pmt.is_uint64(value):
        return pmt.to_uint64(value)
    if pmt.is_integer(value) and pmt.to_long(value) >= 0:
        return pmt.to_long(value)
    raise TypeError("an integer of at least 0")


def _to_real(value: pmt.pmt_base) -> float:
    if pmt.is_real(value) and math.isfinite(pmt.to_double(value)):
        return pmt.to_double(value)
    raise TypeError("a finite real number")


def _to_bool(value: pmt.pmt_base) -> bool:
    if pmt.is_bool(value):
        return pmt.to_bool(value)
    raise TypeError("true or false")


def _to_text(value: pmt.pmt_base) -> str:
    if pmt.is_symbol(value):
        return pmt.symbol_to_string(value)
    raise TypeError("a symbol")


def _to_scalar(value: pmt.pmt_base) -> int | float | str | bool:
    if pmt.is_uint64(value) or pmt.is_integer(value):
        return pmt.to_python(value)
    for convert in (_to_bool, _to_text, _to_real):
        try:
            return convert(value)
        except TypeError:
            continue
    raise TypeError("a number, a symbol, or true or false")


def _to_shares(value: pmt.pmt_base) -> dict[str, float]:
    if not pmt.is_dict(value):
        raise TypeError("a dictionary of labels and numbers from 0 to 1")
    shares, entries = {}, pmt.dict_items(value)
    while pmt.is_pair(entries):
        shares[_to_text(pmt.caar(entries))] = share = _to_real(pmt.cdar(entries))
        if not 0 <= share <= 1:
            raise TypeError("a dictionary of labels and numbers from 0 to 1")
        entries = pmt.cdr(entries)
    return shares


def _to_limits(value: pmt.pmt_base) -> tuple[float, float]:
    if not pmt.is_tuple(value) or pmt.length(value) != 2:
        raise BandError(f"{value} is no pair of dBFS")
    return _to_real(pmt.tuple_ref(value, 0)), _to_real(pmt.tuple_ref(value, 1))


def _to_state(value: pmt.pmt_base) -> FrameState:
    states = [state.value for state in FrameState]
    if _to_text(value) not in states:
        raise TypeError(f"one of {', '.join(states)}")
    return FrameState(_to_text(value))


def _to_vector(value: pmt.pmt_base) -> pmt.pmt_base:
    if pmt.is_vector(value) and not pmt.is_uniform_vector(value):
        return value
    raise TypeError("a vector of dictionaries")


def _to_rx_time(value: pmt.pmt_base) -> RxTime:
    if pmt.is_tuple(value) and pmt.length(value) == 2:
        return RxTime(seconds=_to_uint(pmt.tuple_ref(value, 0)), fraction=_to_real(pmt.tuple_ref(value, 1)))
    raise TypeError("a tuple of whole seconds and a fraction")
