"""What comes out of extraction: excerpts of one band, and pieces of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from ..bands import Band
from ..geometry import RxTime

__all__ = ["BandStart", "Excerpt", "Piece", "StreamChange", "summarise"]


@dataclass(frozen=True)
class BandStart:
    """A band, and the absolute index of the sample that its tag ``band_start`` is on."""

    sample: int
    band: Band


@dataclass(frozen=True, kw_only=True)
class StreamChange:
    """What tags say of the stream from a sample on; None where they say nothing.

    Parameters
    ----------
    sample : int
        Absolute index.
    rx_time : RxTime or None
    samp_rate : float or None
        Hz.
    center_freq : float or None
        RF, Hz.
    """

    sample: int
    rx_time: RxTime | None = None
    samp_rate: float | None = None
    center_freq: float | None = None


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """The samples of one band, or a part of them.

    Parameters
    ----------
    iq : complex64 (n,)
        At ``samp_rate``; 0 Hz is ``center_freq``.
    band : Band
        What the bands up to here were: the id and the sample of the first, the length up to the end of the last or of this
        part, the name that most of their samples had, their mean confidence, lowest and highest edge, and the highest
        power and SNR.
    samp_rate : float
        Of ``iq``, Hz.
    center_freq : float
        Hz, in the band's ``freq_reference``.
    sample_start, sample_count : int
        Absolute index of the input's sample that the first of ``iq`` lies on exactly, and the samples of the input that
        ``iq`` spans.
    rx_time : RxTime or None
        Moment of the first sample, where the source tells the time.
    part : int
        Excerpts of the same band before this one.
    is_last : bool
        Whether it is the last one of the band.
    """

    iq: np.ndarray
    band: Band
    samp_rate: float
    center_freq: float
    sample_start: int
    sample_count: int
    rx_time: RxTime | None
    part: int = 0
    is_last: bool = True


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The next samples of a stream, and what is to be told on the first and last of them.

    Parameters
    ----------
    iq : complex64 (n,)
    rx_time : RxTime or None
        Moment of the first sample.
    samp_rate : float or None
        Of the samples, Hz; where a stretch begins.
    center_freq : float or None
        Frequency that has become 0 Hz, Hz, in the ``freq_reference`` of ``begins``.
    begins : Band or None
        The band that is followed from the first sample on.
    ends : int or None
        Id of the band that was followed up to the last sample.
    """

    iq: np.ndarray
    rx_time: RxTime | None = None
    samp_rate: float | None = None
    center_freq: float | None = None
    begins: Band | None = None
    ends: int | None = None


def summarise(starts: Sequence[BandStart], *, end: int) -> Band:
    """One band for several of a track, up to sample ``end`` (excluded).

    Examples
    --------
    >>> fields = dict(class_id=1, freq_reference="rf", freq_upper_edge=2e6, sample_start=0)
    >>> one = Band(label="LTE", confidence=0.9, freq_lower_edge=1e6, sample_count=30, **fields)
    >>> two = Band(label="NR", confidence=0.5, freq_lower_edge=0.9e6, sample_count=10, **fields)
    >>> whole = summarise([BandStart(100, one), BandStart(130, two)], end=140)
    >>> whole.label, whole.sample_start, whole.sample_count, whole.freq_lower_edge, round(whole.confidence, 3)
    ('LTE', 100, 40, 900000.0, 0.8)
    """
    bands = [start.band for start in starts]
    samples = sum(band.sample_count for band in bands)
    votes: dict[str, int] = {}
    for band in bands:
        votes[band.label] = votes.get(band.label, 0) + band.sample_count
    label = max(votes, key=lambda name: votes[name])
    named = next(band for band in bands if band.label == label)
    return Band(
        label=label,
        class_id=named.class_id,
        guess=named.guess,
        confidence=min(1.0, sum(band.confidence * band.sample_count for band in bands) / samples),
        freq_lower_edge=min(band.freq_lower_edge for band in bands),
        freq_upper_edge=max(band.freq_upper_edge for band in bands),
        freq_reference=bands[0].freq_reference,
        sample_start=starts[0].sample,
        sample_count=end - starts[0].sample,
        power_dbfs=_highest([band.power_dbfs for band in bands]),
        power_dbm=_highest([band.power_dbm for band in bands]),
        snr_db=_highest([band.snr_db for band in bands]),
        model=bands[-1].model,
        id=bands[0].id,
        track=bands[0].track,
    )


def _highest(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None
