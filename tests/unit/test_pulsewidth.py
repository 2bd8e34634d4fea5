"""Widths of pulses in bands and tracks: right within a seventh where rows tell them, absent where they cannot."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from rfseg.bands import Band, mask_to_bands
from rfseg.contract import ClassKind, SignalClass
from rfseg.errors import BandError
from rfseg.geometry import Frame, Geometry, Reduction, make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.tracking import BandTracker, EventKind

CLASSES = (
    SignalClass(label="Noise", kind=ClassKind.BACKGROUND),
    SignalClass(label="LTE", kind=ClassKind.CARRIER),
    SignalClass(label="Radar", kind=ClassKind.PULSED),
)
LTE, RADAR = 1, 2
GEOMETRY = make_geometry(61.44e6)  # segments of 4.17 us every 1.95 us, rows of 78.1 us
RATE, COUNT = GEOMETRY.samp_rate, GEOMETRY.frame_samples
FRAME = Frame(index=0, sample_start=0, sample_count=COUNT, valid_samples=COUNT, samp_rate=RATE)
BAND = Band(
    label="Radar", class_id=RADAR, confidence=0.9, freq_lower_edge=-1e6, freq_upper_edge=1e6, freq_reference="baseband",
    sample_start=0, sample_count=4_800,
)  # fmt: skip
STARTS = 20_011 + 61_507 * np.arange(19)  # samples; anywhere in a row
TOLERANCE = 1 / 7


@lru_cache(maxsize=1)
def noise() -> np.ndarray:
    """A frame of white noise of power 1."""
    return np.random.default_rng(1).standard_normal((COUNT, 2), np.float32).view(np.complex64)[:, 0] / np.float32(np.sqrt(2))


def plain(width: float) -> np.ndarray:
    """A pulse of amplitude 1 at 0 Hz; width in s."""
    return np.ones(round(width * RATE), np.complex64)


def chirp(width: float, span: float) -> np.ndarray:
    """The same with its frequency rising over ``span``, Hz."""
    time = np.arange(round(width * RATE)) / RATE
    return np.exp(1j * np.pi * span * (time**2 / width - time)).astype(np.complex64)


def barker(chip: float) -> np.ndarray:
    """A code of 13 chips, each so long, s."""
    return np.repeat(np.array([1, 1, 1, 1, 1, -1, -1, 1, 1, -1, 1, -1, 1], np.complex64), round(chip * RATE))


def rows_and_mask(pulse: np.ndarray, *, snr_db: float = 30.0, freq: float = 5.03e6, under: np.ndarray | None = None, reach: int = 6):
    """Rows of a frame with pulses at ``STARTS``, and a mask of each pulse's rows; SNR in the strongest bin, dB."""
    iq = noise().copy() if under is None else noise() + under
    mask = np.zeros((GEOMETRY.rows, GEOMETRY.bins), np.uint8)
    middle = int(GEOMETRY.freq_edge(freq))
    if under is not None:
        mask[:, middle - 40 : middle + 40] = LTE
    amplitude = 10 ** (snr_db / 20) / np.sqrt(GEOMETRY.fft_size / 1.5)
    for start in STARTS:
        index = start + np.arange(pulse.size)
        iq[index] += amplitude * pulse * np.exp(2j * np.pi * freq / RATE * index)
        mask[start // GEOMETRY.row_samples : index[-1] // GEOMETRY.row_samples + 1, middle - reach : middle + reach] = RADAR
    return frame_rows((1e-3 * iq).astype(np.complex64), GEOMETRY)[0], mask


def widths_of(rows: np.ndarray, mask: np.ndarray, *, geometry: Geometry = GEOMETRY, frame: Frame = FRAME) -> list[float | None]:
    """Of the radar's bands."""
    confidence = np.full(mask.shape, 200, np.uint8)
    bands = mask_to_bands(mask, confidence, rows, frame=frame, geometry=geometry, classes=CLASSES)
    assert all(band.pulse_width is None for band in bands if band.label != "Radar")
    return [band.pulse_width for band in bands if band.label == "Radar"]


def known(widths: list[float | None]) -> np.ndarray:
    """Those that are known, s."""
    return np.array([width for width in widths if width is not None])


@pytest.mark.parametrize("freq", [5.04e6, 5.16e6])  # at a bin's centre, between two bins
@pytest.mark.parametrize("width", [6e-6, 10e-6, 50e-6, 200e-6])
def test_widths_of_plain_pulses_are_right(width, freq):
    widths = widths_of(*rows_and_mask(plain(width), freq=freq))
    assert len(widths) == len(STARTS) == known(widths).size
    assert known(widths) == pytest.approx(width, rel=TOLERANCE)
    assert np.median(known(widths)) == pytest.approx(width, rel=0.08)


@pytest.mark.parametrize("width", [1e-6, 2e-6, 3e-6, 3.5e-6])
def test_what_is_shorter_than_a_segment_has_no_width(width):
    assert widths_of(*rows_and_mask(plain(width))) == [None] * len(STARTS)


@pytest.mark.parametrize("pulse", [chirp(50e-6, 5e6), chirp(50e-6, 1e6), barker(1e-6), barker(2e-6)])
def test_chirps_and_codes_have_no_width(pulse):
    assert widths_of(*rows_and_mask(pulse, reach=14)) == [None] * len(STARTS)


@pytest.mark.parametrize("width", [1e-6, 10e-6, 50e-6])
@pytest.mark.parametrize("above", [0.0, 10.0, 20.0, 30.0, 45.0])
def test_over_a_carrier_widths_are_right_or_absent(width, above):
    rng = np.random.default_rng(4)
    spectrum = np.zeros(COUNT, np.complex64)
    spectrum[: COUNT // 4] = rng.standard_normal((COUNT // 4, 2), np.float32).view(np.complex64)[:, 0]
    under = 10.0 * np.fft.ifft(spectrum) * np.sqrt(COUNT / 2)  # 20 dB over the noise, 0 to 15.36 MHz
    widths = widths_of(*rows_and_mask(plain(width), snr_db=20.0 + above, under=under))
    found = known(widths)
    assert found == pytest.approx(width, rel=0.25)
    if above == 45.0 and width > 5e-6:
        assert found.size == len(STARTS) and np.median(found) == pytest.approx(width, rel=TOLERANCE)
    if above < 20.0:
        assert found.size == 0


@pytest.mark.parametrize("snr_db, count", [(12.0, 0), (20.0, 0), (30.0, len(STARTS))])
def test_weak_pulses_have_no_width(snr_db, count):
    assert known(widths_of(*rows_and_mask(plain(20e-6), snr_db=snr_db))).size == count


def test_a_mask_that_misses_a_row_of_the_pulse_does_not_matter():
    rows, mask = rows_and_mask(plain(70e-6))
    for start in STARTS:
        mask[(start + plain(70e-6).size - 1) // GEOMETRY.row_samples] = 0
        mask[start // GEOMETRY.row_samples, 140:150] = RADAR
    widths = widths_of(rows, mask)
    assert len(widths) == known(widths).size and known(widths) == pytest.approx(70e-6, rel=TOLERANCE)


def test_pulses_that_follow_each_other_from_row_to_row_have_no_width():
    pulses = np.tile(np.concatenate([plain(10e-6), 0 * plain(30e-6)]), 12)
    assert widths_of(*rows_and_mask(pulses)) == [None] * len(STARTS)


def test_a_pulse_that_the_frame_may_cut_has_no_width():
    rows, mask = rows_and_mask(plain(20e-6))
    first = STARTS[0] // GEOMETRY.row_samples
    assert known(widths_of(rows[:, first:], mask[first:], geometry=replace(GEOMETRY, rows=GEOMETRY.rows - first), frame=replace(
        FRAME, sample_count=COUNT - first * GEOMETRY.row_samples, valid_samples=COUNT - first * GEOMETRY.row_samples
    ))).size == len(STARTS) - 1


def test_rows_without_a_mean_or_a_maximum_tell_no_width():
    rows, mask = rows_and_mask(plain(20e-6))
    for place, reduction in enumerate(GEOMETRY.reductions):
        geometry = replace(GEOMETRY, reductions=(reduction,))
        assert known(widths_of(rows[place : place + 1], mask, geometry=geometry)).size == 0
    assert {Reduction.MEAN, Reduction.MAX} == set(GEOMETRY.reductions)


# -- tracks


def track_of(widths: list[float | None]):
    """The last of a track with a pulse of these widths every ms."""
    bands = [replace(BAND, sample_start=61_440 * n, pulse_width=width) for n, width in enumerate(widths)]
    events = BandTracker(CLASSES).step(replace(FRAME, last=True), bands).events
    (end,) = [event for event in events if event.kind is EventKind.END]
    return end.track


def test_a_track_has_the_median_width_of_its_bands():
    assert track_of([10e-6, 11e-6, None, 90e-6, 10.5e-6]).pulse_width == pytest.approx(10.75e-6)


def test_a_track_most_of_whose_bands_have_no_width_has_none():
    assert track_of([10e-6, None, None, 10e-6]).pulse_width is None
    assert track_of([None] * 4).pulse_width is None


@pytest.mark.parametrize("width", [0.0, -1e-6, float("nan"), float("inf")])
def test_a_width_that_makes_no_sense_is_refused(width):
    with pytest.raises(BandError, match=rf"pulse_width={width!r} s must be above 0, or None where it is not known"):
        replace(BAND, pulse_width=width)
