# SPDX-License-Identifier: GPL-3.0-or-later
"""Between PMT and the events of tracks; described in ``docs/message-formats.md``."""

from __future__ import annotations

import pmt
from rfseg.errors import BandError
from rfseg.tracking import EndReason, EventKind, Track, TrackEvent

from .messages import _make_dict, _Reader, _to_real, _to_rx_time, _to_text, _to_uint
from .rfseg_python import keys

__all__ = ["track_event_from_pmt", "track_event_to_pmt"]

_COUNTS = (keys.TRACK, keys.SAMPLE_START, keys.SAMPLE_COUNT, keys.BAND_COUNT)
_TEXTS = (keys.LABEL, keys.FREQ_REFERENCE, keys.MODEL)
_REALS = (
    keys.CONFIDENCE, keys.FREQ_LOWER_EDGE, keys.FREQ_UPPER_EDGE, keys.SAMP_RATE, keys.OCCUPIED_TIME, keys.OBSERVED_TIME
)  # fmt: skip
_OPTIONAL_REALS = (keys.POWER_DBFS, keys.POWER_DBM, keys.SNR_DB, keys.PULSE_INTERVAL, keys.PULSE_WIDTH)
_TIMES = (keys.RX_TIME, keys.END_TIME)
_RELATIVES = (keys.PARENTS, keys.CHILDREN)


def track_event_to_pmt(event: TrackEvent) -> pmt.pmt_base:
    """Dictionary of an event; what is not known is left out."""
    track = event.track
    entries = {
        keys.EVENT: pmt.intern(event.kind.value),
        keys.WATERMARK: pmt.from_uint64(event.watermark),
        keys.CLASS_ID: pmt.from_long(track.class_id),
        keys.DUTY_CYCLE: pmt.from_double(track.duty_cycle),
    }
    if event.reason is not None:
        entries[keys.REASON] = pmt.intern(event.reason.value)
    entries.update((key, pmt.from_uint64(getattr(track, key))) for key in _COUNTS)
    entries.update((key, pmt.intern(getattr(track, key))) for key in _TEXTS)
    entries.update((key, pmt.from_double(getattr(track, key))) for key in _REALS)
    for key in _OPTIONAL_REALS:
        if getattr(track, key) is not None:
            entries[key] = pmt.from_double(getattr(track, key))
    for key in _TIMES:
        time = getattr(track, key)
        if time is not None:
            entries[key] = pmt.make_tuple(pmt.from_uint64(time.seconds), pmt.from_double(time.fraction))
    for key in _RELATIVES:
        numbers = getattr(track, key)
        entries[key] = pmt.make_vector(len(numbers), pmt.PMT_NIL)
        for place, number in enumerate(numbers):
            pmt.vector_set(entries[key], place, pmt.from_uint64(number))
    return _make_dict(entries)


def track_event_from_pmt(message: pmt.pmt_base) -> TrackEvent:
    """Inverse of :func:`track_event_to_pmt`; the duty cycle follows from the times.

    Raises
    ------
    BandError
        If a key is missing or its value has the wrong type.
    """
    read = _Reader(message, "a track")
    kinds = {kind.value: kind for kind in EventKind}
    reasons = {reason.value: reason for reason in EndReason}
    kind, reason = read(keys.EVENT, _to_text), read.optional(keys.REASON, _to_text)
    if kind not in kinds:
        raise BandError(f"a track: {keys.EVENT} is {kind}, expected one of {', '.join(kinds)}")
    if reason is not None and reason not in reasons:
        raise BandError(f"a track: {keys.REASON} is {reason}, expected one of {', '.join(reasons)}")
    fields = {keys.CLASS_ID: read(keys.CLASS_ID, _to_uint)}
    fields.update((key, read(key, _to_uint)) for key in _COUNTS)
    fields.update((key, read(key, _to_text)) for key in _TEXTS)
    fields.update((key, read(key, _to_real)) for key in _REALS)
    fields.update((key, read.optional(key, _to_real)) for key in _OPTIONAL_REALS)
    fields.update((key, read.optional(key, _to_rx_time)) for key in _TIMES)
    fields.update((key, read(key, _to_numbers)) for key in _RELATIVES)
    return TrackEvent(
        kind=kinds[kind],
        track=Track(**fields),
        watermark=read(keys.WATERMARK, _to_uint),
        reason=None if reason is None else reasons[reason],
    )


def _to_numbers(value: pmt.pmt_base) -> tuple[int, ...]:
    if pmt.is_vector(value) and not pmt.is_uniform_vector(value):
        return tuple(_to_uint(pmt.vector_ref(value, place)) for place in range(pmt.length(value)))
    raise TypeError("a vector of integers")
