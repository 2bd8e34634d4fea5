"""From masks to bands and back.

A band is a contiguous frequency interval over a sample interval, with a label and a confidence.
Its fields carry SigMF's annotation names, so the file, the message and the dataclass agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Mapping, Sequence

import numpy as np
from scipy import ndimage

from .bandpower import BandMeter
from .contract import NOT_INFERRED, ClassKind, Contract, SignalClass
from .errors import BandError, GeometryError
from .geometry import Frame, Geometry

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
        if self.freq_reference not in FREQ_REFERENCES:
            raise BandError(f"freq_reference={self.freq_reference!r} must be one of {', '.join(FREQ_REFERENCES)}")

    @property
    def bandwidth(self) -> float:
        """Width, Hz."""
        return self.freq_upper_edge - self.freq_lower_edge


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
    reject : mapping
        Label to confidence, 0 to 1: bands of that class below it are labelled ``Unknown``.
    """

    min_bandwidth: float = 0.7e6
    min_duration: float = 100e-6
    min_confidence: float = 0.5
    max_gap: float = 4e-3
    reject: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("min_bandwidth", "min_duration", "min_confidence", "max_gap"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise BandError(f"{name}={value!r} must be a number of at least 0")
        if self.min_confidence > 1:
            raise BandError(f"min_confidence={self.min_confidence!r} is a probability; expected 0 to 1")
        for label, value in self.reject.items():
            if not 0.0 <= value <= 1.0:
                raise BandError(f"reject={value!r} of {label} is a probability; expected 0 to 1")

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


@dataclass(frozen=True)
class _Region:
    """A rectangle of the mask, half-open in rows and bins, and which of its pixels count."""

    class_id: int
    row_start: int
    row_stop: int
    bin_start: int
    bin_stop: int
    pixels: np.ndarray  # bool (row_stop - row_start, bin_stop - bin_start)

    def support(self, mask: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        """Mean probability with which each bin is of this class, 0 to 1, ``(bin_stop - bin_start,)``."""
        box = slice(self.row_start, self.row_stop), slice(self.bin_start, self.bin_stop)
        return np.where(mask[box] == self.class_id, confidence[box], 0).mean(axis=0) / 255.0

    def confidence(self, mask: np.ndarray, confidence: np.ndarray) -> float:
        """Mean probability of the pixels that are of this class, 0 to 1."""
        box = slice(self.row_start, self.row_stop), slice(self.bin_start, self.bin_stop)
        own = confidence[box][self.pixels & (mask[box] == self.class_id)]
        return float(own.mean()) / 255.0 if own.size else 0.0


def mask_to_bands(
    mask: np.ndarray,
    confidence: np.ndarray,
    rows: np.ndarray | None = None,
    *,
    frame: Frame,
    geometry: Geometry,
    classes: Sequence[SignalClass],
    rules: BandRules = BandRules(),
    model: str = "",
    first_id: int = 0,
) -> list[Band]:
    """Bands of one frame, sorted by first sample, then by lower edge.

    Carriers: the pixels of all carrier classes, with pauses up to ``rules.max_gap`` and whatever
    pulses cover filled in, fall into connected regions; inside a region each bin goes to the class that
    most of its pixels' probability votes for, and each run of bins of one class is a band; where rows are
    given, guard bands that the mask took for carrier divide it.
    Pulsed classes: each connected region is a band.  Where rows are given, edges come from power
    (:mod:`rfseg.bandpower`); otherwise they are the pixels' edges.

    Parameters
    ----------
    mask, confidence : uint8 ``(T, F)``
    rows : float32 ``(C, T, F)`` or None
        dBFS; gives edges below a bin, power and SNR.

    Raises
    ------
    GeometryError
        If a shape does not belong to the geometry.
    """
    _check_shapes(mask, confidence, rows, geometry)
    geometry = geometry.at_rate(frame.samp_rate)
    carriers = _carrier_regions(mask, confidence, geometry, classes, rules)
    pulses = _pulsed_regions(mask, classes)
    if not carriers and not pulses:
        return []
    meter = None if rows is None else BandMeter(rows, mask, geometry, classes)
    if meter is not None:
        min_bins = max(1, round(rules.min_bandwidth / geometry.bin_width))
        carriers = [p for r in carriers for p in _split_at_guards(r, meter, r.support(mask, confidence), min_bins)]
    regions = carriers + pulses
    bands = []
    for region in regions:
        signal_class = classes[region.class_id]
        band = Band(
            label=signal_class.label,
            class_id=region.class_id,
            confidence=region.confidence(mask, confidence),
            **_measure(region, signal_class.kind, meter, frame, geometry),
            model=model,
        )
        if band.confidence >= rules.min_confidence:
            bands.append(_name_or_doubt(band, rules))
    bands.sort(key=lambda b: (b.sample_start, b.freq_lower_edge))
    return [replace(band, id=first_id + index) for index, band in enumerate(bands)]


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


def _carrier_regions(
    mask: np.ndarray,
    confidence: np.ndarray,
    geometry: Geometry,
    classes: Sequence[SignalClass],
    rules: BandRules,
) -> list[_Region]:
    carriers = [i for i, c in enumerate(classes) if c.kind is ClassKind.CARRIER]
    pulsed = np.isin(mask, [i for i, c in enumerate(classes) if c.kind is ClassKind.PULSED])
    gap = int(rules.max_gap / geometry.row_duration)
    solid = np.zeros(mask.shape, bool)
    for class_id in carriers:
        own = mask == class_id
        if own.any():
            solid |= own | _between(own, gap) | (pulsed & _between(own, geometry.rows))
    solid |= _between(solid.T, 1).T & ~pulsed  # one bin, such as a receiver's DC line, divides no carrier
    labelled, _ = ndimage.label(solid)
    min_bins = max(1, round(rules.min_bandwidth / geometry.bin_width))
    min_rows = max(1, math.floor(rules.min_duration / geometry.row_duration))
    regions = []
    for index, box in enumerate(ndimage.find_objects(labelled), start=1):
        inside = labelled[box] == index  # (t, f)
        if inside.shape[0] < min_rows or inside.shape[1] < min_bins:
            continue
        owners = _vote(mask[box], confidence[box], inside, carriers, min_bins)
        for class_id, start, stop in _runs(owners):
            region = _shrink(class_id, box, inside, start, stop)
            if stop - start >= min_bins and region is not None and region.row_stop - region.row_start >= min_rows:
                regions.append(region)
    return regions


def _vote(
    mask: np.ndarray, confidence: np.ndarray, inside: np.ndarray, carriers: Sequence[int], min_bins: int
) -> np.ndarray:
    """Class of each bin of a region, int ``(f,)``; 0 where too few rows are on."""
    counts = inside.sum(axis=0)
    votes = np.stack([np.where(inside & (mask == c), confidence, 0).sum(axis=0, dtype=np.int64) for c in carriers])
    owners = np.asarray(carriers)[votes.argmax(axis=0)]
    total = votes.sum(axis=1)
    for class_id, start, stop in _runs(owners):
        if stop - start < min_bins and stop - start < owners.size:  # a sliver goes to the region's main class
            owners[start:stop] = carriers[int(total.argmax())]
    return np.where(counts * 2 >= np.median(counts), owners, 0)


def _shrink(class_id: int, box: tuple[slice, slice], inside: np.ndarray, start: int, stop: int) -> _Region | None:
    """The run of bins ``start:stop`` of a region, cut to the rows on which most of it is on."""
    pixels = inside[:, start:stop]
    on = np.flatnonzero(pixels.mean(axis=1) >= 0.5)
    if not on.size:
        return None
    first, last = int(on[0]), int(on[-1]) + 1
    return _Region(
        class_id,
        box[0].start + first,
        box[0].start + last,
        box[1].start + start,
        box[1].start + stop,
        pixels[first:last],
    )


def _split_at_guards(
    region: _Region, meter: BandMeter, support: np.ndarray, min_bins: int
) -> list[_Region]:
    """The carriers of a region in whose guard bands the mask saw no noise."""
    guards = meter.guards((region.row_start, region.row_stop), (region.bin_start, region.bin_stop), support)
    starts = [region.bin_start, *(stop for _, stop in guards)]
    stops = [*(start for start, _ in guards), region.bin_stop]
    return [
        replace(region, bin_start=a, bin_stop=b, pixels=region.pixels[:, a - region.bin_start : b - region.bin_start])
        for a, b in zip(starts, stops)
        if b - a >= min_bins or not guards
    ]


def _pulsed_regions(mask: np.ndarray, classes: Sequence[SignalClass]) -> list[_Region]:
    regions = []
    for class_id, signal_class in enumerate(classes):
        if signal_class.kind is not ClassKind.PULSED:
            continue
        labelled, _ = ndimage.label(mask == class_id, structure=np.ones((3, 3), bool))
        for index, (time, freq) in enumerate(ndimage.find_objects(labelled), start=1):
            pixels = labelled[time, freq] == index
            regions.append(_Region(class_id, time.start, time.stop, freq.start, freq.stop, pixels))
    return regions


def _measure(
    region: _Region, kind: ClassKind, meter: BandMeter | None, frame: Frame, geometry: Geometry
) -> dict[str, Any]:
    """Edges, power, SNR and samples of a region, as fields of a band."""
    row_range, bin_range = (region.row_start, region.row_stop), (region.bin_start, region.bin_stop)
    edges: tuple[float, float] = bin_range
    power_dbfs = snr_db = None
    if meter is not None:
        pulsed = kind is ClassKind.PULSED
        edges = meter.pulse_edges(row_range, bin_range) if pulsed else meter.carrier_edges(row_range, bin_range)
        power_dbfs, snr_db = meter.power(row_range, edges, pulsed=pulsed)
    start = region.row_start * geometry.row_samples
    stop = min(region.row_stop * geometry.row_samples, frame.valid_samples)
    center = 0.0 if frame.center_freq is None else frame.center_freq
    return {
        "freq_lower_edge": center + geometry.edge_freq(edges[0]),
        "freq_upper_edge": center + geometry.edge_freq(edges[1]),
        "freq_reference": "baseband" if frame.center_freq is None else "rf",
        "sample_start": frame.sample_start + start,
        "sample_count": stop - start,
        "power_dbfs": power_dbfs,
        "snr_db": snr_db,
    }


def _name_or_doubt(band: Band, rules: BandRules) -> Band:
    """The band, without its name where that is too doubtful."""
    if band.confidence >= rules.reject.get(band.label, 0.0):
        return band
    return replace(band, label=UNKNOWN_LABEL, guess=band.label)


def _between(on: np.ndarray, gap: int) -> np.ndarray:
    """Pixels that are off, with an on pixel before and after in time and at most ``gap`` rows off between."""
    index = np.arange(on.shape[0])[:, None]
    before = np.maximum.accumulate(np.where(on, index, -1), axis=0)
    after = np.minimum.accumulate(np.where(on, index, on.shape[0])[::-1], axis=0)[::-1]
    return ~on & (before >= 0) & (after < on.shape[0]) & (after - before - 1 <= gap)


def _runs(owners: np.ndarray) -> list[tuple[int, int, int]]:
    """Runs of equal, non-zero owners: ``(class_id, start, stop)``."""
    cuts = np.flatnonzero(np.diff(owners)) + 1
    starts, stops = [0, *cuts], [*cuts, owners.size]
    return [(int(owners[a]), int(a), int(b)) for a, b in zip(starts, stops) if owners[a]]


def _check_shapes(mask: np.ndarray, confidence: np.ndarray, rows: np.ndarray | None, geometry: Geometry) -> None:
    expected = (geometry.rows, geometry.bins)
    for name, array in (("mask", mask), ("confidence", confidence)):
        if array.shape != expected:
            raise GeometryError(f"{name} has shape {array.shape}, expected {expected} for this geometry")
    if rows is not None and rows.shape != (geometry.channels, *expected):
        raise GeometryError(f"rows have shape {rows.shape}, expected {(geometry.channels, *expected)} for this geometry")
