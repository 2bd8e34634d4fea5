"""From masks to bands and back.

A band is a contiguous frequency interval over a sample interval, with a label and a confidence.
Its fields carry SigMF's annotation names, so the file, the message and the dataclass agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Mapping, Sequence

import numpy as np

from ..contract import NOT_INFERRED, ClassKind, Contract, SignalClass
from ..errors import BandError, GeometryError
from ..geometry import Frame, Geometry
from .calibration import PowerCalibration
from .finding import Found, find
from .noisefloor import NoiseFloor
from .power import BandMeter
from .regions import RegionRules

__all__ = ["Band", "BandRules", "FREQ_REFERENCES", "UNKNOWN_LABEL", "bands_to_mask", "mask_to_bands"]

FREQ_REFERENCES = ("rf", "baseband")
UNKNOWN_LABEL = "Unknown"  # of a band that is too doubtful for the name of a class


@dataclass(frozen=True, kw_only=True)
class Band:
    """One labelled band.

    Parameters
    ----------
    label, class_id
        Name of the class and its id in the mask.  A band that is too doubtful for a name has the label
        ``Unknown`` and the id of the class that it resembles most.
    confidence : float
        Mean probability over the band's pixels, 0 to 1.
    freq_lower_edge, freq_upper_edge : float
        Occupied edges, Hz.
    freq_reference : str
        ``rf``, or ``baseband`` where the centre frequency is not known.
    sample_start, sample_count : int
        Absolute index of the first sample in the stream, and the length.
    power_dbfs : float or None
        Mean power inside the edges over the band's rows; a tone of amplitude 1 has 0 dBFS.
    snr_db : float or None
        That power without its noise, over the noise in the same width.
    power_dbm : float or None
        The power at the calibrated receiver's input, where its calibration is given.
    pulse_width : float or None
        Of a pulsed class: energy over peak power of its pulse, s, where rows can tell it (:mod:`rfseg.bands.pulsewidth`).
    model : str
        Name of the model that made the mask.
    id : int
        A number no other band of the run has.
    guess : str or None
        Name of the class that a band labelled ``Unknown`` resembles most; None for all others.
    track : int or None
        The track that the band belongs to (:mod:`rfseg.tracking`), where one follows it.

    Raises
    ------
    BandError
        If the edges, the length, the confidence or the reference make no sense.
    """

    label: str
    class_id: int
    confidence: float
    freq_lower_edge: float
    freq_upper_edge: float
    freq_reference: str
    sample_start: int
    sample_count: int
    power_dbfs: float | None = None
    snr_db: float | None = None
    power_dbm: float | None = None
    pulse_width: float | None = None
    model: str = ""
    id: int = 0
    track: int | None = None
    guess: str | None = None

    def __post_init__(self) -> None:
        if not self.freq_lower_edge < self.freq_upper_edge or not math.isfinite(
            self.freq_upper_edge - self.freq_lower_edge
        ):
            raise BandError(
                f"edges {self.freq_lower_edge!r} to {self.freq_upper_edge!r} Hz are no band; the lower must be below"
            )
        if self.sample_start < 0 or self.sample_count < 1:
            raise BandError(f"sample_start={self.sample_start}, sample_count={self.sample_count}: expected >= 0 and >= 1")
        if not 0.0 <= self.confidence <= 1.0:
            raise BandError(f"confidence={self.confidence!r} must lie in 0 to 1")
        if self.pulse_width is not None and not 0.0 < self.pulse_width < math.inf:
            raise BandError(f"pulse_width={self.pulse_width!r} s must be above 0, or None where it is not known")
        if self.freq_reference not in FREQ_REFERENCES:
            raise BandError(f"freq_reference={self.freq_reference!r} must be one of {', '.join(FREQ_REFERENCES)}")

    @property
    def bandwidth(self) -> float:
        """Width, Hz."""
        return self.freq_upper_edge - self.freq_lower_edge

    def on_track(self, track: int) -> Band:
        """The same band with the number of its track; nothing is checked anew."""
        band = object.__new__(Band)
        band.__dict__.update(self.__dict__, track=track)
        return band


@dataclass(frozen=True, kw_only=True)
class BandRules:
    """What counts as one band.

    Parameters
    ----------
    min_bandwidth : float
        Carriers narrower than this are dropped, Hz.  The narrowest LTE carrier occupies 1.095 MHz.
    min_duration : float
        Carriers shorter than this are dropped, s.  An NR synchronisation block at 30 kHz lasts 0.14 ms.
    min_confidence : float
        Bands of any class below this mean probability are dropped, 0 to 1.
    max_gap : float
        A pause of a carrier up to this long does not end its band, s.  The uplink part of a TDD
        frame pauses a downlink for up to 3 ms.
    mask_dc : bool
        Whether a spike at the centre of the spectrum is the receiver's: neither edges nor power nor noise know of it.
    reject : mapping
        Label to confidence, 0 to 1: bands of that class below it are labelled ``Unknown``.
    """

    min_bandwidth: float = 0.7e6
    min_duration: float = 100e-6
    min_confidence: float = 0.5
    max_gap: float = 4e-3
    mask_dc: bool = True
    reject: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("min_bandwidth", "min_duration", "min_confidence", "max_gap"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise BandError(f"{name}={value!r} must be a number of at least 0")
        if self.min_confidence > 1:
            raise BandError(f"min_confidence={self.min_confidence!r} is no probability; expected 0 to 1")
        for label, value in self.reject.items():
            if not 0.0 <= value <= 1.0:
                raise BandError(f"reject={value!r} of {label} is no probability; expected 0 to 1")

    @classmethod
    def for_model(cls, contract: Contract, *, reject: float | None = None, **rules: float) -> BandRules:
        """Rules under which a model's doubtful bands are labelled ``Unknown``.

        Parameters
        ----------
        reject : float or None
            Confidence below which a band of any class is doubtful, 0 to 1; 0 for no such bands, None for what
            the model's contract says of each class.
        """
        own = contract.reject_below if reject is None else dict.fromkeys(contract.labels[1:], reject)
        return cls(reject=own, **rules)


def mask_to_bands(
    mask: np.ndarray,
    confidence: np.ndarray,
    rows: np.ndarray | None = None,
    *,
    frame: Frame,
    geometry: Geometry,
    classes: Sequence[SignalClass],
    rules: BandRules = BandRules(),
    noise: NoiseFloor | None = None,
    calibration: PowerCalibration | None = None,
    model: str = "",
    first_id: int = 0,
) -> list[Band]:
    """Bands of one frame, sorted by first sample, then by lower edge.

    Carriers: the pixels of all carrier classes, with pauses up to ``rules.max_gap`` and whatever
    pulses cover filled in, fall into connected regions; inside a region each bin goes to the class that
    most of its pixels' probability votes for, and each run of bins of one class is a band; where rows are
    given, guard bands that the mask took for carrier divide it.
    Pulsed classes: each connected region is a band.  Where rows are given, edges come from power
    (:mod:`rfseg.bands.power`); otherwise they are the pixels' edges.

    Parameters
    ----------
    mask, confidence : uint8 ``(T, F)``
    rows : float32 ``(C, T, F)`` or None
        dBFS; gives edges below a bin, power and SNR.
    noise : NoiseFloor or None
        Floor that SNR is told from, which learns from this frame too; hand it in for frame after frame of one receiver.
        None for what this frame alone shows.
    calibration : PowerCalibration or None
        Gives power in dBm too.

    Raises
    ------
    GeometryError
        If a shape does not belong to the geometry.
    """
    _check_shapes(mask, confidence, rows, geometry)
    geometry = geometry.at_rate(frame.samp_rate)
    meter = None
    if rows is not None:
        options = {"noise": noise, "mask_dc": rules.mask_dc}
        meter = BandMeter(rows, mask, frame=frame, geometry=geometry, classes=classes, **options)
    limits = RegionRules(
        min_bins=max(1, round(rules.min_bandwidth / geometry.bin_width)),
        min_rows=max(1, math.floor(rules.min_duration / geometry.row_duration)),
        max_gap=int(rules.max_gap / geometry.row_duration),
    )
    found = find(mask, confidence, meter, classes=classes, limits=limits, min_confidence=rules.min_confidence)
    return _make_bands(found, frame, geometry, classes, rules, calibration, model=model, first_id=first_id)


def bands_to_mask(
    bands: Sequence[Band], *, frame: Frame, geometry: Geometry, classes: Sequence[SignalClass]
) -> np.ndarray:
    """Paint bands into a mask, pulsed classes on top; the inverse of :func:`mask_to_bands` for rectangles.

    Returns
    -------
    uint8 ``(T, F)``
        Class ids; rows after the frame's valid samples hold 255.
    """
    geometry = geometry.at_rate(frame.samp_rate)
    mask = np.zeros((geometry.rows, geometry.bins), np.uint8)
    for band in sorted(bands, key=lambda b: classes[b.class_id].kind is ClassKind.PULSED):
        center = frame.center_freq if band.freq_reference == "rf" and frame.center_freq is not None else 0.0
        left, right = (
            int(np.clip(round(geometry.freq_edge(edge - center)), 0, geometry.bins))
            for edge in (band.freq_lower_edge, band.freq_upper_edge)
        )
        start = band.sample_start - frame.sample_start
        first = max(0, start // geometry.row_samples)
        stop = max(0, -(-(start + band.sample_count) // geometry.row_samples))
        mask[first:stop, left:right] = band.class_id
    mask[geometry.valid_rows(frame.valid_samples) :] = NOT_INFERRED
    return mask


def _make_bands(
    found: Found,
    frame: Frame,
    geometry: Geometry,
    classes: Sequence[SignalClass],
    rules: BandRules,
    calibration: PowerCalibration | None,
    *,
    model: str,
    first_id: int,
) -> list[Band]:
    """Bands by first sample, then by lower edge."""
    first = found.row_start.astype(np.int64) * geometry.row_samples
    stop = np.minimum(found.row_stop.astype(np.int64) * geometry.row_samples, frame.valid_samples)
    center = 0.0 if frame.center_freq is None else frame.center_freq
    reference = "baseband" if frame.center_freq is None else "rf"
    lower, upper = (center + geometry.edge_freq(edge) for edge in (found.lower, found.upper))
    power_dbm = None if calibration is None else calibration.power_dbm(found.power_dbfs, lower, upper, reference)
    order = np.lexsort((lower, first))
    columns = {
        "class_id": found.class_id.astype(np.int64),
        "confidence": found.confidence,
        "freq_lower_edge": lower,
        "freq_upper_edge": upper,
        "sample_start": frame.sample_start + first,
        "sample_count": stop - first,
    }
    optional = {
        "power_dbfs": found.power_dbfs,
        "snr_db": found.snr_db,
        "power_dbm": np.full(lower.size, np.nan) if power_dbm is None else power_dbm,
        "pulse_width": found.pulse_width,
    }
    values = [column[order].tolist() for column in columns.values()]
    values += [[None if value != value else value for value in column[order].tolist()] for column in optional.values()]
    names = [*columns, *optional]
    own = {"freq_reference": reference, "model": model}
    bands = []
    for place, row in enumerate(zip(*values)):
        fields_ = dict(zip(names, row))
        bands.append(Band(id=first_id + place, **_named(classes[row[0]].label, row[1], rules), **fields_, **own))
    return bands


def _named(label: str, confidence: float, rules: BandRules) -> dict[str, str]:
    """Label of a band; ``Unknown``, and the label as a guess, where it is too doubtful."""
    if confidence >= rules.reject.get(label, 0.0):
        return {"label": label}
    return {"label": UNKNOWN_LABEL, "guess": label}


def _check_shapes(mask: np.ndarray, confidence: np.ndarray, rows: np.ndarray | None, geometry: Geometry) -> None:
    expected = (geometry.rows, geometry.bins)
    for name, array in (("mask", mask), ("confidence", confidence)):
        if array.shape != expected:
            raise GeometryError(f"{name} has shape {array.shape}, expected {expected} for this geometry")
    if rows is not None and rows.shape != (geometry.channels, *expected):
        raise GeometryError(f"rows have shape {rows.shape}, expected {(geometry.channels, *expected)} for this geometry")
