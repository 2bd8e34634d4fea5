# SPDX-License-Identifier: GPL-3.0-or-later
"""Between PMT and excerpts, and tags as changes of a stream; described in ``docs/message-formats.md``."""

from __future__ import annotations

from typing import Any, Callable, Sequence

import pmt
from rfseg.errors import BandError
from rfseg.extraction import BandStart, Excerpt, Piece, StreamChange

from .messages import _Reader, _to_bool, _to_real, _to_rx_time, _to_uint, band_from_pmt, band_to_pmt
from .rfseg_python import keys, samples_from_pmt, samples_to_pmt

__all__ = ["PDUS", "excerpt_from_pmt", "excerpt_to_pmt", "piece_tags", "stream_events"]

PDUS = "pdus"  # GNU Radio's own name of the port

Tag = tuple[int, str, pmt.pmt_base]  # place, key, value


def excerpt_to_pmt(excerpt: Excerpt) -> pmt.pmt_base:
    """A PDU: a pair of a dictionary and a vector of complex64."""
    band = excerpt.band
    entries = {
        keys.SAMPLE_START: pmt.from_uint64(excerpt.sample_start),
        keys.SAMPLE_COUNT: pmt.from_uint64(excerpt.sample_count),
        keys.BAND_START: pmt.from_uint64(band.sample_start),
        keys.BAND_END: pmt.from_uint64(band.sample_start + band.sample_count - 1),
        keys.RX_RATE: pmt.from_double(excerpt.samp_rate),
        keys.RX_FREQ: pmt.from_double(excerpt.center_freq),
        keys.INDEX: pmt.from_uint64(excerpt.part),
        keys.LAST: pmt.from_bool(excerpt.is_last),
    }
    if excerpt.rx_time is not None:
        entries[keys.RX_TIME] = _time_to_pmt(excerpt.rx_time)
    metadata = band_to_pmt(band)
    for key, value in entries.items():
        metadata = pmt.dict_add(metadata, pmt.intern(key), value)
    return pmt.cons(metadata, samples_to_pmt(excerpt.iq))


def excerpt_from_pmt(message: pmt.pmt_base) -> Excerpt:
    """Inverse of :func:`excerpt_to_pmt`.

    Raises
    ------
    BandError
        If the message is no PDU of complex64, a key is missing, or its value has the wrong type or range.
    """
    if not (pmt.is_pair(message) and pmt.is_c32vector(pmt.cdr(message))):
        raise BandError("a message is no pair of a dictionary and complex64 samples; connect the port pdus of Band Extractor")
    metadata = pmt.car(message)
    read = _Reader(metadata, "a PDU")
    start, end = read(keys.BAND_START, _to_uint), read(keys.BAND_END, _to_uint)
    extent = {keys.SAMPLE_START: start, keys.SAMPLE_COUNT: end - start + 1}
    for key, value in extent.items():
        metadata = pmt.dict_add(metadata, pmt.intern(key), pmt.from_uint64(max(value, 0)))
    return Excerpt(
        iq=samples_from_pmt(pmt.cdr(message)),
        band=band_from_pmt(metadata),
        samp_rate=read(keys.RX_RATE, _to_real),
        center_freq=read(keys.RX_FREQ, _to_real),
        sample_start=read(keys.SAMPLE_START, _to_uint),
        sample_count=read(keys.SAMPLE_COUNT, _to_uint),
        rx_time=read.optional(keys.RX_TIME, _to_rx_time),
        part=read(keys.INDEX, _to_uint),
        is_last=read(keys.LAST, _to_bool),
    )


def piece_tags(piece: Piece) -> list[Tag]:
    """Tags of a piece of a stream; places count from its first sample."""
    tags: list[Tag] = []
    if piece.rx_time is not None:
        tags.append((0, keys.RX_TIME, _time_to_pmt(piece.rx_time)))
    if piece.samp_rate is not None:
        tags.append((0, keys.RX_RATE, pmt.from_double(piece.samp_rate)))
    if piece.center_freq is not None:
        tags.append((0, keys.RX_FREQ, pmt.from_double(piece.center_freq)))
    if piece.begins is not None:
        tags.append((0, keys.BAND_START, band_to_pmt(piece.begins)))
    if piece.ends is not None:
        tags.append((piece.iq.size - 1, keys.BAND_END, pmt.from_uint64(piece.ends)))
    return tags


def stream_events(
    tags: Sequence[Any], refuse: Callable[[str], None]
) -> tuple[list[BandStart], list[StreamChange]]:
    """Bands that begin, and what changes, by the tags of a stream; ``refuse`` is told of values that make no sense."""
    starts: list[BandStart] = []
    changes: dict[int, dict[str, Any]] = {}
    readers = {
        keys.RX_TIME: ("rx_time", _to_rx_time),
        keys.RX_RATE: ("samp_rate", _to_rate),
        keys.RX_FREQ: ("center_freq", _to_real),
    }
    for tag in tags:
        key = pmt.symbol_to_string(tag.key)
        try:
            if key == keys.BAND_START:
                starts.append(BandStart(tag.offset, band_from_pmt(tag.value)))
            elif key in readers:
                field, convert = readers[key]
                changes.setdefault(tag.offset, {})[field] = convert(tag.value)
        except (TypeError, ValueError) as error:
            refuse(f"tag {key} at sample {tag.offset}: {tag.value} is not {error}" if isinstance(error, TypeError) else str(error))
    return starts, [StreamChange(sample=sample, **fields) for sample, fields in changes.items()]


def _time_to_pmt(time: Any) -> pmt.pmt_base:
    return pmt.make_tuple(pmt.from_uint64(time.seconds), pmt.from_double(time.fraction))


def _to_rate(value: pmt.pmt_base) -> float:
    rate = _to_real(value)
    if rate > 0:
        return rate
    raise TypeError("a rate in Hz above 0")
