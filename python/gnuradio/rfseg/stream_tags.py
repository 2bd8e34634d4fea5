# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of an IQ stream as the library's values."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Iterable

import pmt
from gnuradio import gr
from rfseg.bands import Band
from rfseg.errors import BandError, RfsegError
from rfseg.recording.stream import StreamChange

from .messages import _to_real, _to_rx_time, band_from_pmt
from .rfseg_python import keys

__all__ = ["bands_of", "changes_of"]


def changes_of(tags: Iterable[gr.tag_t], refuse: Callable[[str], None]) -> list[StreamChange]:
    """What ``rx_time``, ``rx_rate`` and ``rx_freq`` tags say, one change a sample; of several of a kind the last holds.

    Parameters
    ----------
    refuse : callable
        Called with what is wrong with a tag, which is then passed over.
    """
    found: dict[int, dict] = {}
    for tag in tags:
        key = pmt.symbol_to_string(tag.key)
        if key not in _FIELDS:
            continue
        field, convert = _FIELDS[key]
        try:
            found.setdefault(tag.offset, {})[field] = convert(tag.value)
        except (TypeError, RfsegError) as error:
            refuse(f"{key} at sample {tag.offset} is {tag.value}, expected {error}")
    return [StreamChange(offset=offset, **found[offset]) for offset in sorted(found)]


def bands_of(tags: Iterable[gr.tag_t], refuse: Callable[[str], None]) -> list[Band]:
    """Bands of ``band_start`` tags, sorted by first sample, which is the one that the tag is on."""
    bands = []
    for tag in tags:
        if not pmt.eq(tag.key, _BAND_START):
            continue
        try:
            bands.append(replace(band_from_pmt(tag.value), sample_start=tag.offset))
        except BandError as error:
            refuse(f"{keys.BAND_START} at sample {tag.offset}: {error}")
    return sorted(bands, key=lambda band: band.sample_start)


def _to_rate(value: pmt.pmt_base) -> float:
    rate = _to_real(value)
    if rate <= 0:
        raise TypeError("a rate in Hz above 0")
    return rate


_BAND_START = pmt.intern(keys.BAND_START)
_FIELDS = {
    keys.RX_TIME: ("rx_time", _to_rx_time),
    keys.RX_RATE: ("samp_rate", _to_rate),
    keys.RX_FREQ: ("center_freq", _to_real),
}
