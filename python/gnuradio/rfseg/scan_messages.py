# SPDX-License-Identifier: GPL-3.0-or-later
"""Between PMT and what a scan asks for and finds; described in ``docs/message-formats.md``.

The keys of a report are those of its fields (:func:`rfseg.scanning.report.scan_to_fields`), in messages as in JSON.
"""

from __future__ import annotations

from typing import Any

import pmt
from rfseg.errors import BandError
from rfseg.scanning import ScanReport, TuneCommand
from rfseg.scanning.report import scan_from_fields, scan_to_fields

from .messages import _make_dict, _Reader, _to_real, _to_text
from .rfseg_python import keys

__all__ = [
    "CMD", "COMMAND", "freq_to_pmt", "order_from_pmt", "scan_from_pmt", "scan_to_pmt", "tune_to_pmt",
]  # fmt: skip

COMMAND = "command"  # port of GNU Radio's UHD source
CMD = "cmd"  # port of GNU Radio's Soapy source
_TAG = "tag"  # asks a UHD source for tags on the next samples
_ACTION = "action"
_ACTIONS = ("start", "stop", "hold", "report")


def freq_to_pmt(freq: float) -> pmt.pmt_base:
    """A ``freq`` message, Hz."""
    return _make_dict({keys.FREQ: pmt.from_double(freq)})


def tune_to_pmt(command: TuneCommand, *, is_uhd: bool) -> pmt.pmt_base:
    """A command to a source: ``freq``, and for UHD the request for tags, which a Soapy source does not know."""
    message = freq_to_pmt(command.center_freq)
    return pmt.dict_add(message, pmt.intern(_TAG), pmt.PMT_T) if is_uhd else message


def order_from_pmt(message: pmt.pmt_base) -> tuple[str, float | None]:
    """Action and frequency (Hz, None where none is named) of a ``control`` message.

    Raises
    ------
    BandError
        If it is neither a symbol, a pair of one and a number, nor a dictionary, or names no action that there is.
    """
    if pmt.is_symbol(message):
        action, freq = pmt.symbol_to_string(message), None
    else:
        if pmt.is_pair(message) and pmt.is_symbol(pmt.car(message)) and pmt.is_number(pmt.cdr(message)):
            message = _make_dict({_ACTION: pmt.car(message), keys.FREQ: pmt.cdr(message)})
        read = _Reader(message, keys.CONTROL)
        action, freq = read(_ACTION, _to_text), read.optional(keys.FREQ, _to_number)
    if action not in _ACTIONS:
        raise BandError(f"{keys.CONTROL}: {_ACTION} is {action}, expected one of {', '.join(_ACTIONS)}")
    if freq is not None and action != "hold":
        raise BandError(f"{keys.CONTROL}: {action} takes no frequency; only hold does")
    return action, freq


def scan_to_pmt(report: ScanReport) -> pmt.pmt_base:
    """Dictionary of a report; what is not known is left out."""
    return _to_pmt(scan_to_fields(report))


def scan_from_pmt(message: pmt.pmt_base) -> ScanReport:
    """Inverse of :func:`scan_to_pmt`.

    Raises
    ------
    BandError
        If a key is missing or unknown, or a value makes no sense.
    """
    if not pmt.is_dict(message):
        raise BandError(f"{keys.SCAN} is {message}, expected a dictionary")
    return scan_from_fields(_from_pmt(message))


def _to_pmt(value: Any) -> pmt.pmt_base:
    if isinstance(value, dict):
        return _make_dict({key: _to_pmt(item) for key, item in value.items()})
    if isinstance(value, list):
        return _list_to_pmt(value)
    if isinstance(value, bool):
        return pmt.from_bool(value)
    if isinstance(value, int):
        return pmt.from_uint64(value) if value >= 0 else pmt.from_long(value)
    return pmt.intern(value) if isinstance(value, str) else pmt.from_double(value)


def _list_to_pmt(values: list) -> pmt.pmt_base:
    """Numbers of one kind as a uniform vector, a time as a tuple, anything else as a vector."""
    kinds = [type(value) for value in values]
    if kinds == [int, float]:
        return pmt.make_tuple(*map(_to_pmt, values))
    if values and set(kinds) == {float}:
        return pmt.init_f64vector(len(values), values)
    if values and set(kinds) == {int}:
        return pmt.init_s64vector(len(values), values)
    vector = pmt.make_vector(len(values), pmt.PMT_NIL)
    for place, value in enumerate(values):
        pmt.vector_set(vector, place, _to_pmt(value))
    return vector


def _from_pmt(value: pmt.pmt_base) -> Any:
    if pmt.is_f64vector(value):
        return list(pmt.f64vector_elements(value))
    if pmt.is_s64vector(value):
        return list(pmt.s64vector_elements(value))
    if pmt.is_tuple(value):
        return [_from_pmt(pmt.tuple_ref(value, place)) for place in range(pmt.length(value))]
    if pmt.is_vector(value):
        return [_from_pmt(pmt.vector_ref(value, place)) for place in range(pmt.length(value))]
    if pmt.is_dict(value):
        items, content = pmt.dict_items(value), {}
        while pmt.is_pair(items):
            content[pmt.symbol_to_string(pmt.caar(items))] = _from_pmt(pmt.cdar(items))
            items = pmt.cdr(items)
        return content
    return pmt.to_python(value)


def _to_number(value: pmt.pmt_base) -> float:
    return float(pmt.to_long(value)) if pmt.is_integer(value) else _to_real(value)
