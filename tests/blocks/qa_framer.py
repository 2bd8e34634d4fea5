# SPDX-License-Identifier: GPL-3.0-or-later
"""The C++ framer and kernel against the NumPy specification, with SIMD and without."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gnuradio.rfseg import rfseg_python
from rfseg.geometry import Geometry, RxTime, make_geometry
from rfseg.published import picture_rows
from rfseg.published_geometry import Extremes, PictureGeometry, make_picture_geometry
from rfseg.spectrogram import frame_rows

STRONG_DB = 0.01  # dB, agreement that the product promises
STRONG_RANGE = 60.0  # dB below a frame's strongest bin; further down float FFTs differ by rounding
WEAK_DB = 0.5  # dB, deep nulls, where two float FFTs share few digits
REDUCTIONS = ("mean", "max", "first")
FULL_SCALE = {"int16": 32768, "int8": 128}


def make_framer(geometry: Geometry, *, item_type: str = "complex64", center_freq: float | None = None, **options):
    return rfseg_python.framer(
        samp_rate=geometry.samp_rate,
        fft_size=geometry.fft_size,
        hop=geometry.hop,
        segments_per_row=geometry.segments_per_row,
        rows=geometry.rows,
        reductions=[r.value for r in geometry.reductions],
        item_type=item_type,
        center_freq=center_freq,
        **options,
    )


def noise_with_bursts(count: int, rng: np.random.Generator) -> np.ndarray:
    iq = 1e-3 * (rng.standard_normal(count) + 1j * rng.standard_normal(count))
    for start in rng.integers(0, count, 5):
        length = int(rng.integers(10, 5000))
        tone = 0.3 * np.exp(2j * np.pi * rng.uniform(-0.5, 0.5) * np.arange(length))
        iq[start : start + length] += tone[: count - start]
    return iq.astype(np.complex64)


def as_item_type(iq: np.ndarray, item_type: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples as the framer takes them, and what they are worth as complex64."""
    if item_type == "complex64":
        return iq, iq
    full_scale = FULL_SCALE[item_type]
    pairs = np.clip(np.rint(iq.view(np.float32) * full_scale), -full_scale, full_scale - 1)
    return pairs.reshape(-1, 2).astype(item_type), (pairs / np.float32(full_scale)).view(np.complex64)


def feed_in_pieces(framer, samples: np.ndarray, rng: np.random.Generator) -> list:
    frames = []
    at = 0
    while at < len(samples):
        piece = int(rng.integers(1, 60_000))
        frames += framer.feed(samples[at : at + piece])
        at += piece
    return frames


def check_rows(rows: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(rows - expected)
    strong = expected > expected.max() - STRONG_RANGE
    assert difference[strong].max() < STRONG_DB
    assert difference.max() < WEAK_DB


@pytest.mark.parametrize("item_type", ["complex64", "int16", "int8"])
@pytest.mark.parametrize("frame_duration", [1e-3, 20e-3])
@pytest.mark.parametrize("samp_rate", [15.36e6, 19.2e6, 20e6, 30.72e6, 61.44e6, 122.88e6])
def test_rows_equal_the_specification(samp_rate, frame_duration, item_type):
    geometry = replace(make_geometry(samp_rate, frame_duration=frame_duration), reductions=REDUCTIONS)
    rng = np.random.default_rng(int(samp_rate + 1e6 * frame_duration))
    count = geometry.frame_samples + geometry.frame_samples // 3 + 17
    samples, iq = as_item_type(noise_with_bursts(count, rng), item_type)
    framer = make_framer(geometry, item_type=item_type)
    frames = feed_in_pieces(framer, samples, rng) + framer.end()
    assert [info["valid_samples"] for _, info in frames] == [geometry.frame_samples, count - geometry.frame_samples]
    for rows, info in frames:
        expected, _ = frame_rows(iq[info["sample_start"] :], geometry)
        check_rows(rows, expected)


def test_cuts_of_every_kind_equal_the_specification():
    geometry = Geometry(samp_rate=1e6, fft_size=64, hop=30, segments_per_row=3, rows=8, reductions=REDUCTIONS)
    rng = np.random.default_rng(4)
    iq = noise_with_bursts(30_000, rng)
    iq[rng.integers(0, iq.size, 300)] = np.nan
    iq[rng.integers(0, iq.size, 300)] = np.inf
    cuts = np.unique(rng.integers(1, iq.size, 40)).tolist()
    framer = make_framer(geometry)
    frames = []
    for begin, end in zip([0, *cuts], [*cuts, iq.size], strict=True):
        frames += feed_in_pieces(framer, iq[begin:end], rng)
        if end in cuts:
            frames += framer.cut(center_freq=float(end))
    frames += framer.end()

    runs = np.array([*cuts, iq.size])
    position = 0
    for index, (rows, info) in enumerate(frames):
        run_end = int(runs[np.searchsorted(runs, position, side="right")])
        assert info["index"] == index
        assert info["sample_start"] == position
        expected, non_finite = frame_rows(iq[position:run_end], geometry)
        check_rows(rows, expected)
        assert info["non_finite"] == non_finite
        assert info["valid_samples"] == min(run_end - position, geometry.frame_samples)
        run_start = max([0, *(cut for cut in cuts if cut <= position)])
        assert info["center_freq"] == (float(run_start) if run_start else None)
        assert info["last"] == (index == len(frames) - 1)
        position += info["valid_samples"]
    assert position == iq.size


def test_times_equal_the_specification():
    geometry = make_geometry(19.2e6, frame_duration=1e-3)
    start = RxTime(seconds=1_700_000_000, fraction=0.999)
    framer = make_framer(geometry)
    framer.set_clock((start.seconds, start.fraction))
    frames = framer.feed(np.zeros(5 * geometry.frame_samples, np.complex64)) + framer.end()
    for _, info in frames:
        expected = start.after(info["sample_start"], geometry.samp_rate)
        assert info["rx_time"] == (expected.seconds, pytest.approx(expected.fraction, abs=1e-12))


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros(10, np.complex128), r"samples are complex128 of shape \(10,\), expected complex64 of shape \(n,\)"),
        (np.zeros((5, 2), np.complex64), r"shape \(5, 2\), expected complex64 of shape \(n,\)"),
    ],
)
def test_arrays_of_another_type_are_refused(samples, said):
    with pytest.raises(ValueError, match=said):
        make_framer(make_geometry(15.36e6)).feed(samples)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fft_size": 65}, "fft_size=65 is odd"),
        ({"hop": 300}, "hop=300 exceeds fft_size=64"),
        ({"rows": 0}, "rows=0 must be at least 1"),
        ({"reductions": ["median"]}, 'reduction "median" is not known; choose mean, max or first'),
        ({"reductions": []}, "reductions is empty"),
        ({"item_type": "float"}, 'item_type "float" is not known; choose complex64, int16 or int8'),
        ({"samp_rate": 0.0}, "samp_rate=0 is not a rate"),
        ({"center_freq": float("nan")}, "center_freq=nan is not a frequency"),
    ],
)
def test_bad_arguments_are_refused(change, said):
    good = {
        "samp_rate": 15.36e6,
        "fft_size": 64,
        "hop": 30,
        "segments_per_row": 3,
        "rows": 8,
        "reductions": ["mean"],
    }
    with pytest.raises(ValueError, match=said):
        rfseg_python.framer(**{**good, **change})


def test_the_same_holds_without_simd():
    if "VOLK_GENERIC" in os.environ:
        pytest.skip("this is that run")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "VOLK_GENERIC": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("shape", [(64, 30, 3, 8), (64, 30, 1, 1)])  # the second has a longer overhang than frames
def test_one_frame_in_several_has_rows_and_all_have_their_place(shape):
    fft_size, hop, segments_per_row, rows = shape
    geometry = Geometry(samp_rate=1e6, fft_size=fft_size, hop=hop, segments_per_row=segments_per_row, rows=rows)
    rng = np.random.default_rng(6)
    iq = noise_with_bursts(10 * geometry.frame_samples + 5, rng)
    framer = make_framer(geometry, infer_every=3)
    frames = []
    for begin in range(0, iq.size, 50):
        frames += framer.feed(iq[begin : begin + 50])
    frames += framer.end()
    assert [info["skipped"] for _, info in frames] == [i % 3 != 0 for i in range(11)]
    for index, (rows, info) in enumerate(frames):
        assert info["index"] == index
        assert info["sample_start"] == index * geometry.frame_samples
        assert info["valid_samples"] == (geometry.frame_samples if index < 10 else 5)
        assert info["last"] == (index == 10)
        if info["skipped"]:
            assert rows is None
        else:
            check_rows(rows, frame_rows(iq[info["sample_start"] :], geometry)[0])


def test_the_first_frame_after_a_retune_has_rows_whosever_turn_it_was():
    geometry = Geometry(samp_rate=1e6, fft_size=64, hop=30, segments_per_row=3, rows=8)
    framer = make_framer(geometry, infer_every=4)
    iq = noise_with_bursts(10 * geometry.frame_samples, np.random.default_rng(7))
    half = 2 * geometry.frame_samples + 99
    frames = framer.feed(iq[:half]) + framer.cut(center_freq=2e9, settling=50e-6)
    frames += framer.feed(iq[half:]) + framer.end()
    told = [(info["sample_start"], info["settling"], info["skipped"]) for _, info in frames[:5]]
    frame = geometry.frame_samples
    assert told == [
        (0, False, False),
        (frame, False, True),
        (2 * frame, False, True),
        (half, True, False),  # settling: no judged frame, and no turn
        (half + 50, False, False),
    ]
    check_rows(frames[4][0], frame_rows(iq[half + 50 :], geometry)[0])


def make_picture_framer(geometry: PictureGeometry, extremes: Extremes, *, item_type: str = "complex64"):
    return make_framer(geometry, item_type=item_type, row_span=geometry.row_span, extremes=extremes.value)


LIMITS_DB = 0.01  # dB; the lowest of millions of values, a deep null, where float FFTs differ by rounding


@pytest.mark.parametrize("extremes", list(Extremes))
@pytest.mark.parametrize(("size", "frame_duration"), [(16, 1e-3), (128, 1e-3), (256, 2e-3), (256, 0.5e-3), (1024, 1e-3)])
def test_published_pictures_equal_the_specification(size, frame_duration, extremes):
    geometry = make_picture_geometry(size, 61.44e6, frame_duration=frame_duration)
    rng = np.random.default_rng(size)
    count = geometry.frame_samples + geometry.frame_samples // 3 + 17
    iq = noise_with_bursts(count, rng)
    iq[rng.integers(0, count, 5)] = np.nan
    framer = make_picture_framer(geometry, extremes)
    frames = feed_in_pieces(framer, iq, rng) + framer.end()
    assert [info["valid_samples"] for _, info in frames] == [geometry.frame_samples, count - geometry.frame_samples]
    for rows, info in frames:
        expected, limits, non_finite = picture_rows(iq[info["sample_start"] :], geometry, extremes=extremes)
        check_rows(rows, expected)
        assert info["limits"] == pytest.approx(limits, abs=LIMITS_DB)
        assert info["non_finite"] == non_finite


@pytest.mark.parametrize("item_type", ["int16", "int8"])
def test_published_pictures_of_integers_equal_the_specification(item_type):
    geometry = make_picture_geometry(256, 61.44e6, frame_duration=1e-3)
    samples, iq = as_item_type(40 * noise_with_bursts(geometry.frame_samples, np.random.default_rng(8)), item_type)
    framer = make_picture_framer(geometry, Extremes.ALL, item_type=item_type)
    ((rows, info),) = framer.feed(samples) + framer.end()
    expected, limits, _ = picture_rows(iq, geometry)
    check_rows(rows, expected)
    assert info["limits"] == pytest.approx(limits, abs=LIMITS_DB)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"infer_every": 0}, "infer_every=0 must be at least 1"),
        ({"row_span": 960, "extremes": "some"}, 'extremes "some" are not known; choose all, segments or surviving'),
        ({"row_span": 960, "fft_size": 48, "hop": 48}, "fft_size=48 is no size of a picture; give a power of two"),
        ({"row_span": 960, "rows": 8}, r"as many rows as bins, .* give rows=64 and reductions \[first\]"),
        ({"row_span": 1}, "row_span=1 makes frames of 64 samples; choose a span that makes 256"),
    ],
)
def test_shapes_that_make_no_sense_are_refused(change, said):
    shape = {"fft_size": 64, "hop": 64, "segments_per_row": 1, "rows": 64, "reductions": ["first"]}
    with pytest.raises(ValueError, match=said):
        rfseg_python.framer(samp_rate=61.44e6, **{**shape, **change})
