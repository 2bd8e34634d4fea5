"""Bands as JSON lines: one object per band, in the order in which they were found.

An object has the fields of :class:`rfseg.bands.Band` under their own names, ``frame`` (index of the
frame that the band is from) and, where the source tells the time, ``rx_time``: whole seconds and
a fraction of the band's first sample.  What is not known is absent.
"""

from __future__ import annotations

import json

from ..errors import BandError
from ..geometry import Frame
from .band import Band

__all__ = ["band_from_json", "band_to_json"]

_FRAME_KEYS = ("frame", "rx_time")


def band_to_json(band: Band, frame: Frame) -> str:
    """One line, without its line feed.

    Examples
    --------
    >>> frame = Frame(index=3, sample_start=600, sample_count=200, valid_samples=200, samp_rate=20e6)
    >>> band = Band(label="LTE", class_id=1, confidence=0.9, freq_lower_edge=-1e6, freq_upper_edge=1e6,
    ...             freq_reference="baseband", sample_start=600, sample_count=200, model="m", id=7)
    >>> band_from_json(band_to_json(band, frame)) == band
    True
    """
    fields = {key: value for key, value in vars(band).items() if value is not None}
    fields["frame"] = frame.index
    if frame.rx_time is not None:
        time = frame.rx_time.after(band.sample_start - frame.sample_start, frame.samp_rate)
        fields["rx_time"] = [time.seconds, time.fraction]
    return json.dumps(fields, ensure_ascii=False, allow_nan=False)


def band_from_json(line: str) -> Band:
    """Inverse of :func:`band_to_json`; the frame is not part of a band.

    Raises
    ------
    BandError
        If the line is no JSON object or its fields make no band.
    """
    try:
        fields = json.loads(line)
        return Band(**{key: value for key, value in fields.items() if key not in _FRAME_KEYS})
    except (AttributeError, TypeError, json.JSONDecodeError) as error:
        raise BandError(f"{line[:80]!r} is not a band as a JSON object: {error}") from error
