# SPDX-License-Identifier: GPL-3.0-or-later
"""Between PMT and reports of occupancy; described in ``docs/message-formats.md``."""

from __future__ import annotations

from typing import Callable, TypeVar

import pmt
from rfseg.errors import BandError
from rfseg.occupancyreport import FreeBand, OccupancyReport, OccupiedBand, Span

from .messages import _make_dict, _Reader, _to_real, _to_rx_time, _to_text, _to_uint, _to_vector
from .rfseg_python import keys

__all__ = ["occupancy_from_pmt", "occupancy_to_pmt"]

_Item = TypeVar("_Item")


def occupancy_to_pmt(report: OccupancyReport) -> pmt.pmt_base:
    """Dictionary of a report; what is not known is left out."""
    entries = {
        keys.SAMPLE_START: pmt.from_uint64(report.sample_start),
        keys.SAMPLE_STOP: pmt.from_uint64(report.sample_stop),
        keys.SAMP_RATE: pmt.from_double(report.samp_rate),
        keys.FREQ_REFERENCE: pmt.intern(report.freq_reference),
        keys.BIN_WIDTH: pmt.from_double(report.bin_width),
        keys.SPANS: _to_vector_of(report.spans, _span_to_pmt),
        keys.FREE: _to_vector_of(report.free, _band_to_pmt),
        keys.OCCUPIED: _to_vector_of(report.occupied, _band_to_pmt),
    }
    if report.rx_time is not None:
        time = report.rx_time
        entries[keys.RX_TIME] = pmt.make_tuple(pmt.from_uint64(time.seconds), pmt.from_double(time.fraction))
    return _make_dict(entries)


def occupancy_from_pmt(message: pmt.pmt_base) -> OccupancyReport:
    """Inverse of :func:`occupancy_to_pmt`.

    Raises
    ------
    BandError
        If a key is missing or its value has the wrong type or range.
    """
    read = _Reader(message, keys.OCCUPANCY)
    return OccupancyReport(
        sample_start=read(keys.SAMPLE_START, _to_uint),
        sample_stop=read(keys.SAMPLE_STOP, _to_uint),
        samp_rate=read(keys.SAMP_RATE, _to_real),
        freq_reference=read(keys.FREQ_REFERENCE, _to_text),
        bin_width=read(keys.BIN_WIDTH, _to_real),
        rx_time=read.optional(keys.RX_TIME, _to_rx_time),
        spans=_from_vector(read(keys.SPANS, _to_vector), _span_from_pmt),
        free=_from_vector(read(keys.FREE, _to_vector), _free_from_pmt),
        occupied=_from_vector(read(keys.OCCUPIED, _to_vector), _occupied_from_pmt),
    )


def _to_vector_of(items: tuple[_Item, ...], convert: Callable[[_Item], pmt.pmt_base]) -> pmt.pmt_base:
    vector = pmt.make_vector(len(items), pmt.PMT_NIL)
    for place, item in enumerate(items):
        pmt.vector_set(vector, place, convert(item))
    return vector


def _from_vector(vector: pmt.pmt_base, convert: Callable[[pmt.pmt_base], _Item]) -> tuple[_Item, ...]:
    return tuple(convert(pmt.vector_ref(vector, place)) for place in range(pmt.length(vector)))


def _span_to_pmt(span: Span) -> pmt.pmt_base:
    duty_cycle = pmt.init_f64vector(len(span.duty_cycle), list(span.duty_cycle))
    return _make_dict({keys.FREQ_LOWER_EDGE: pmt.from_double(span.freq_lower_edge), keys.DUTY_CYCLE: duty_cycle})


def _span_from_pmt(message: pmt.pmt_base) -> Span:
    read = _Reader(message, "a span")
    return Span(freq_lower_edge=read(keys.FREQ_LOWER_EDGE, _to_real), duty_cycle=read(keys.DUTY_CYCLE, _to_reals))


def _band_to_pmt(band: FreeBand | OccupiedBand) -> pmt.pmt_base:
    entries = {
        keys.FREQ_LOWER_EDGE: pmt.from_double(band.freq_lower_edge),
        keys.FREQ_UPPER_EDGE: pmt.from_double(band.freq_upper_edge),
        keys.VALID_UNTIL: pmt.from_uint64(band.valid_until),
    }
    if isinstance(band, OccupiedBand):
        entries[keys.DUTY_CYCLE] = pmt.from_double(band.duty_cycle)
    return _make_dict(entries)


def _free_from_pmt(message: pmt.pmt_base) -> FreeBand:
    return FreeBand(**_edges(_Reader(message, "a free band")))


def _occupied_from_pmt(message: pmt.pmt_base) -> OccupiedBand:
    read = _Reader(message, "an occupied band")
    return OccupiedBand(**_edges(read), duty_cycle=read(keys.DUTY_CYCLE, _to_real))


def _edges(read: _Reader) -> dict[str, float | int]:
    """Edges and validity of a band."""
    edges = {key: read(key, _to_real) for key in (keys.FREQ_LOWER_EDGE, keys.FREQ_UPPER_EDGE)}
    if not edges[keys.FREQ_LOWER_EDGE] < edges[keys.FREQ_UPPER_EDGE]:
        raise BandError(f"a band's edges are {list(edges.values())} Hz; the lower must be below")
    return {**edges, keys.VALID_UNTIL: read(keys.VALID_UNTIL, _to_uint)}


def _to_reals(value: pmt.pmt_base) -> tuple[float, ...]:
    if pmt.is_f64vector(value):
        return tuple(pmt.f64vector_elements(value))
    raise TypeError("a vector of real numbers")
