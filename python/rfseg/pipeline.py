"""From samples to bands, frame by frame, in plain Python: the reference of the flowgraph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Iterator, Protocol, Sequence

import numpy as np

from .bands import Band, BandRules, mask_to_bands
from .contract import NOT_INFERRED, Contract
from .errors import GeometryError
from .geometry import Frame, Geometry, RxTime, make_geometry
from .inference import Session
from .bands.noisefloor import NoiseFloor
from .bands.calibration import PowerCalibration
from .published import picture_rows
from .published_geometry import PictureGeometry
from .spectrogram import frame_rows

__all__ = [
    "FrameResult",
    "FrameState",
    "Source",
    "fitting_frame_duration",
    "geometry_covers",
    "iter_frames",
    "not_inferred",
    "segment_recording",
    "segment_rows",
]


_ROUNDING = 1e-6  # samples; of a time that is meant to be whole samples


class FrameState(str, Enum):
    """What became of a frame."""

    INFERRED = "inferred"
    DROPPED = "dropped"  # the queue was full
    UNSUPPORTED_RATE = "unsupported_rate"  # the model does not cover the stream's rate
    SKIPPED = "skipped"  # one frame in several is inferred, and it was not its turn
    SETTLING = "settling"  # the receiver had just been retuned
    FAILED = "failed"  # the backend raised an error


class Source(Protocol):
    """What a recording must offer (:class:`rfseg.sigmf.Recording` does)."""

    samp_rate: float  # Hz
    sample_count: int
    captures: Sequence[tuple[int, float | None, RxTime | None]]  # first sample, centre (Hz), time

    def read(self, start: int, count: int) -> np.ndarray:
        """Samples ``start`` to ``start + count``, complex64 ``(count,)``, full scale 1."""


@dataclass(frozen=True, kw_only=True)
class FrameResult:
    """One frame with everything that was made of it.

    Parameters
    ----------
    rows : float32 ``(C, T, F)``
        dBFS.
    mask, confidence : uint8 ``(T, F)``
    non_finite : int
        Samples that were NaN or infinite and were read as 0.
    """

    frame: Frame
    geometry: Geometry
    rows: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray
    bands: list[Band]
    non_finite: int


def segment_recording(
    recording: Source,
    session: Session,
    *,
    frame_duration: float | None = None,
    rules: BandRules | None = None,
    calibration: PowerCalibration | None = None,
    settling: float = 0.0,
) -> Iterator[FrameResult]:
    """Segment a recording; memory does not grow with its length.

    Parameters
    ----------
    frame_duration : float or None
        Wanted duration of a frame, s; None for the model's default, or for less where the
        recording is shorter than that.
    rules : BandRules or None
        None for the defaults, with the model's own thresholds of rejection.
    calibration : PowerCalibration or None
        Gives the bands power in dBm too.
    settling : float
        Time after a retune in which samples are not good, s: they are in frames of their own, which no model sees.

    Raises
    ------
    GeometryError
        If the model does not cover the rate or the duration, or the settling time makes no sense.
    """
    contract = session.contract
    rules = BandRules.for_model(contract) if rules is None else rules
    if frame_duration is None:
        frame_duration = fitting_frame_duration(contract, recording.sample_count / recording.samp_rate)
    geometry = contract.make_geometry(recording.samp_rate, frame_duration=frame_duration)
    next_id, noise = 0, NoiseFloor()
    for frame, iq in iter_frames(recording, geometry, settling=settling):
        rows, limits, non_finite = _model_rows(contract, iq, geometry)
        if frame.settling:
            mask, confidence = not_inferred(geometry)
        else:
            mask, confidence = segment_rows(session, rows, frame, geometry, limits=limits)
        bands = mask_to_bands(
            mask,
            confidence,
            rows,
            frame=frame,
            geometry=geometry,
            classes=contract.classes,
            rules=rules,
            noise=noise,
            calibration=calibration,
            model=contract.name,
            first_id=next_id,
        )
        next_id += len(bands)
        yield FrameResult(
            frame=frame,
            geometry=geometry,
            rows=rows,
            mask=mask,
            confidence=confidence,
            bands=bands,
            non_finite=non_finite,
        )


def iter_frames(recording: Source, geometry: Geometry, *, settling: float = 0.0) -> Iterator[tuple[Frame, np.ndarray]]:
    """Cut a recording into frames: each sample belongs to exactly one.

    A capture that begins inside a frame ends it, as a retune does in a flowgraph; so does the end of the settling.

    Parameters
    ----------
    settling : float
        Time after a retune, a capture with another centre than the one before, in which samples are not good, s.

    Yields
    ------
    frame : Frame
    iq : complex64 ``(n,)``
        The frame's samples and, where they exist in the same stretch, the overhang after them.

    Raises
    ------
    GeometryError
        If the settling time is below 0 or not finite.
    """
    index = 0
    for begin, end, is_settling, (capture, center_freq, rx_time) in _stretches(recording, settling):
        for start in range(begin, end, geometry.frame_samples):
            valid_samples = min(geometry.frame_samples, end - start)
            frame = Frame(
                index=index,
                sample_start=start,
                sample_count=geometry.frame_samples,
                valid_samples=valid_samples,
                samp_rate=recording.samp_rate,
                center_freq=center_freq,
                rx_time=None if rx_time is None else rx_time.after(start - capture, recording.samp_rate),
                settling=is_settling,
                last=start + valid_samples >= recording.sample_count,
            )
            length = min(geometry.frame_samples + geometry.overhang, end - start)
            yield frame, recording.read(start, length)
            index += 1


def _stretches(recording: Source, settling: float) -> Iterator[tuple[int, int, bool, tuple]]:
    """Captures, each cut where the receiver has settled: first sample, end, whether it settles, the capture."""
    if not (math.isfinite(settling) and settling >= 0):
        raise GeometryError(f"settling={settling!r} is not a duration; give s, 0 or more")
    captures = list(recording.captures) or [(0, None, None)]
    ends = [start for start, _, _ in captures[1:]] + [recording.sample_count]
    settled = 0  # samples from here on are good; a new capture at the same frequency changes nothing of that
    for index, (capture, end) in enumerate(zip(captures, ends)):
        begin = capture[0]
        if index and capture[1] != captures[index - 1][1]:
            settled = begin + math.ceil(settling * recording.samp_rate - _ROUNDING)
        middle = min(max(begin, settled), end)
        yield begin, middle, True, capture
        yield middle, end, False, capture


def segment_rows(
    session: Session, rows: np.ndarray, frame: Frame, geometry: Geometry, *, limits: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mask and confidence of one frame, with 255 and 0 in the rows after its valid samples.

    Parameters
    ----------
    rows : float32 ``(C, T, F)``
        dBFS.
    limits : float32 ``(2,)`` or None
        What becomes 0 and 255, dBFS; for models of the family ``published``.

    Returns
    -------
    mask, confidence : uint8 ``(T, F)``
    """
    masks, confidences = session.run(rows[None]) if limits is None else session.run(rows[None], limits[None])
    mask, confidence = masks[0].copy(), confidences[0].copy()
    mask[geometry.valid_rows(frame.valid_samples) :] = NOT_INFERRED
    confidence[mask == NOT_INFERRED] = 0
    return mask, confidence


def _model_rows(contract: Contract, iq: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Rows of one frame, the limits that go with them in the family ``published``, and how many samples were not finite."""
    if contract.published is not None and isinstance(geometry, PictureGeometry):
        return picture_rows(iq, geometry, extremes=contract.published.extremes)
    rows, non_finite = frame_rows(iq, geometry)
    return rows, None, non_finite


def not_inferred(geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Mask and confidence of a frame that no network has seen: 255 and 0."""
    shape = (geometry.rows, geometry.bins)
    return np.full(shape, NOT_INFERRED, np.uint8), np.zeros(shape, np.uint8)


def geometry_covers(contract: Contract, geometry: Geometry, samp_rate: float) -> bool:
    """Whether rows made with ``geometry`` still keep the contract when the stream runs at ``samp_rate`` Hz."""
    low, high = contract.samp_rate_range
    if not low <= samp_rate <= high:
        return False
    if isinstance(geometry, PictureGeometry):
        return samp_rate == geometry.samp_rate  # the floor of the levels, and with it the picture, depends on it
    try:
        wanted = make_geometry(samp_rate)
    except GeometryError:
        return False
    return (wanted.bins, wanted.hop) == (geometry.bins, geometry.hop)


def fitting_frame_duration(contract: Contract, duration: float) -> float:
    """The contract's default frame duration, or less where only ``duration`` seconds of signal exist."""
    shortest = contract.frame_duration_range[0]
    return min(contract.default_frame_duration, max(shortest, duration))
