"""The published front end against MATLAB's definitions written out, and its colours against the known ones."""

from __future__ import annotations

import numpy as np
import pytest
from rfseg.errors import GeometryError
from rfseg.published import FFT_SIZE, HOP, Extremes, PublishedFrontEnd, flip_time, nearest, picture_rows
from rfseg.published_colours import from_parula, parula, to_parula
from rfseg.published_geometry import make_picture_geometry

SAMP_RATE = 61.44e6  # Hz
FLOAT32_DB = 2e-3  # the fast paths compute in float32: dB near the deepest minimum of a frame


def noise(count: int, seed: int = 1, amplitude: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (amplitude * (rng.standard_normal(count) + 1j * rng.standard_normal(count))).astype(np.complex64)


def reference_decibels(samples: np.ndarray) -> np.ndarray:
    """The whole array, straight from the definition, float64 (segments, 4096), lowest frequency first."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 255)
    starts = range(0, len(samples) - 255, 246)
    spectra = np.stack([np.fft.fft(samples[s : s + 256].astype(complex) * window, 4096) for s in starts])
    density = np.abs(spectra) ** 2 / (SAMP_RATE * np.sum(window**2))
    centred = np.roll(density, 2047, axis=1)  # from just above -fs/2 to +fs/2
    return 10 * np.log10(centred + 2.0**-52)


def test_parula_known_entries():
    table = parula()
    assert table[0].tolist() == [62, 38, 168]  # class Noise of the palettised labels
    assert np.abs(table[127].astype(int) - (16, 190, 186)).max() <= 3  # class NR: straight lines miss it by 3 levels
    assert table[127].tolist() == [19, 189, 186]
    assert table[254].tolist() == [249, 249, 22]  # class LTE
    assert table[255].tolist() == [249, 251, 21]


def test_parula_round_trip():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    back, distance = from_parula(to_parula(levels))
    assert np.array_equal(back, levels)
    assert distance == 0.0


def test_inverse_takes_the_nearest_entry_and_says_how_far():
    image = parula()[[10, 200]].astype(int) + [[0, 0, 1], [-1, 0, 0]]
    back, distance = from_parula(image.astype(np.uint8))
    assert back.tolist() == [10, 200]
    assert distance == pytest.approx(1.0)
    assert from_parula(np.full((2, 2, 3), 255, np.uint8))[1] > 100  # white is no colour of the map


def test_inverse_refuses_what_is_no_picture():
    with pytest.raises(GeometryError, match=r"image is float64 \(4, 3\), expected uint8"):
        from_parula(np.zeros((4, 3)))
    with pytest.raises(GeometryError, match=r"image is uint8 \(4, 4\), expected uint8 \(\.\.\., 3\)"):
        from_parula(np.zeros((4, 4), np.uint8))


def test_inverse_of_nothing():
    assert from_parula(np.zeros((0, 3), np.uint8)) == (pytest.approx(np.zeros(0)), 0.0)


@pytest.mark.parametrize(("available", "wanted"), [(9990, 256), (713, 256), (4096, 256), (4096, 128), (100, 256)])
def test_nearest_is_the_pixel_centre(available, wanted):
    chosen = nearest(available, wanted)
    pitch = available / wanted
    centre = (np.arange(wanted) + 0.5) * pitch  # thing n spans n to n + 1
    assert np.all((chosen <= centre) & (centre <= chosen + 1))
    assert chosen[0] >= 0 and chosen[-1] < available


def test_tie_takes_the_later_bin():
    assert nearest(4096, 256)[:2].tolist() == [8, 24]  # the pixel's centre is the edge between bins 7 and 8


def test_segments_of_the_published_frames():
    assert PublishedFrontEnd.segment_count(2457600) == 9990  # 40 ms
    assert PublishedFrontEnd.segment_count(3 * 58515) == 713  # 2.857 ms


@pytest.mark.parametrize("size", [256, 128])
def test_levels_equal_the_definition(size):
    samples = noise(246 * 300 + 10, amplitude=1e-2)
    whole = reference_decibels(samples)
    levels = PublishedFrontEnd(size=size).levels(samples)
    expected = whole[nearest(300, size)][:, nearest(4096, size)]
    assert np.abs(levels.power_db - expected).max() < FLOAT32_DB
    assert levels.low_db == pytest.approx(whole.min(), abs=FLOAT32_DB)
    assert levels.high_db == pytest.approx(whole.max(), abs=FLOAT32_DB)


def test_index_is_minimum_to_maximum_newest_row_first():
    samples = noise(246 * 256 + 10) * np.linspace(0.1, 10, 246 * 256 + 10)  # grows louder
    whole = reference_decibels(samples.astype(np.complex64))
    scaled = np.round(255 * (whole - whole.min()) / (whole.max() - whole.min()))
    index = PublishedFrontEnd().index(samples)
    assert index.dtype == np.uint8
    assert np.abs(index - scaled[::-1, nearest(4096, 256)]).max() <= 1  # rounding at a tie
    assert index[0].mean() > index[-1].mean() + 20


def test_one_value_rescales_the_whole_frame():
    samples = noise(246 * 256 + 10)
    before = PublishedFrontEnd().index(samples).mean()
    samples[246 * 100 + 128] = 1e4  # one click
    assert PublishedFrontEnd().index(samples).mean() < before - 40


def test_tone_lies_in_the_pixel_of_its_frequency():
    front = PublishedFrontEnd()
    column = 200
    tone = np.exp(2j * np.pi * front.bin_freqs[column] / SAMP_RATE * np.arange(246 * 256 + 10))
    levels = front.levels(tone.astype(np.complex64))
    assert np.all(levels.power_db.argmax(1) == column)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 255)
    expected = 10 * np.log10(window.sum() ** 2 / (SAMP_RATE * np.sum(window**2)))
    assert levels.power_db[:, column] == pytest.approx(expected, abs=1e-3)


def test_silence_lies_at_the_absolute_floor():
    levels = PublishedFrontEnd().levels(np.zeros(246 * 20 + 10, np.complex64))
    assert levels.low_db == levels.high_db == pytest.approx(-156.54, abs=0.01)
    assert not levels.to_index().any()


def test_image_has_the_colours_of_its_index():
    front = PublishedFrontEnd(size=128)
    samples = noise(246 * 128 + 10)
    image = front.image(samples)
    assert image.shape == (128, 128, 3) and image.dtype == np.uint8
    assert np.array_equal(from_parula(image)[0], front.index(samples))


@pytest.mark.parametrize(("extremes", "tolerance"), [(Extremes.SEGMENTS, 8.0), (Extremes.SURVIVING, 8.0)])
def test_fast_modes_keep_every_value_and_guess_the_scale(extremes, tolerance):
    samples = noise(246 * 3000 + 10)
    exact = PublishedFrontEnd().levels(samples)
    fast = PublishedFrontEnd(extremes=extremes).levels(samples)
    assert np.array_equal(fast.power_db, exact.power_db)
    assert fast.low_db == pytest.approx(exact.low_db, abs=tolerance)  # the minimum itself scatters by some 5 dB
    assert fast.high_db == pytest.approx(exact.high_db, abs=2.0)
    plain = exact.power_db.min()
    assert abs(fast.low_db - exact.low_db) < abs(plain - exact.low_db)  # better than the minimum of what survives


def test_flip_time_is_its_own_inverse():
    array = np.arange(12).reshape(4, 3)
    assert flip_time(array)[0].tolist() == [9, 10, 11]
    assert np.array_equal(flip_time(flip_time(array)), array)


def test_bin_freqs_step_and_span():
    freqs = PublishedFrontEnd(size=128).bin_freqs
    assert np.allclose(np.diff(freqs), 480e3)
    assert -SAMP_RATE / 2 < freqs[0] and freqs[-1] <= SAMP_RATE / 2
    assert np.allclose(freqs / (SAMP_RATE / FFT_SIZE), np.round(freqs / (SAMP_RATE / FFT_SIZE)))


def test_refusals():
    with pytest.raises(GeometryError, match="size=0 pixels is outside 1 to 4096"):
        PublishedFrontEnd(size=0)
    with pytest.raises(GeometryError, match="samp_rate=nan is not a rate"):
        PublishedFrontEnd(samp_rate=float("nan"))
    with pytest.raises(GeometryError, match="a frame of 255 samples holds no segment"):
        PublishedFrontEnd().image(np.zeros(255))
    with pytest.raises(GeometryError, match=r"samples have shape \(2, 300\), expected one frame"):
        PublishedFrontEnd().image(np.zeros((2, 300)))
    with pytest.raises(GeometryError, match="samples hold values that are not finite"):
        PublishedFrontEnd(extremes=Extremes.SURVIVING).image(np.full(HOP * 256 + 10, np.nan))
    hidden = noise(HOP * 713 + 10)
    hidden[HOP * 2 + 128] = np.nan  # in a segment that no row shows
    with pytest.raises(GeometryError, match="samples hold values that are not finite"):
        PublishedFrontEnd().image(hidden)


@pytest.mark.parametrize(("size", "samples"), [(256, 2_457_600), (256, 175_545), (128, 2_457_600)])
def test_rows_of_a_picture_stand_for_the_segments_they_show(size, samples):
    geometry = make_picture_geometry(size, SAMP_RATE, frame_duration=samples / SAMP_RATE)
    assert abs(geometry.frame_samples - samples) <= size // 2
    assert PublishedFrontEnd.segment_count(geometry.frame_samples) == PublishedFrontEnd.segment_count(samples)
    middles = PublishedFrontEnd(size=size).segments(geometry.frame_samples) * HOP + 128
    rows = middles / geometry.row_samples
    assert np.all(np.abs(rows - (np.arange(size) + 0.5)) <= 0.5)


@pytest.mark.parametrize("size", [256, 128])
def test_bins_of_a_picture_lie_where_the_published_ones_do(size):
    geometry = make_picture_geometry(size, SAMP_RATE, frame_duration=40e-3)
    centres = [geometry.edge_freq(k + 0.5) for k in range(size)]
    assert centres == pytest.approx(PublishedFrontEnd(size=size).bin_freqs.tolist())
    assert [geometry.freq_edge(f) for f in centres] == pytest.approx((np.arange(size) + 0.5).tolist())


def test_rows_of_a_picture_are_its_levels_in_dbfs():
    geometry = make_picture_geometry(256, SAMP_RATE, frame_duration=175_545 / SAMP_RATE)
    samples = noise(geometry.frame_samples)
    rows, limits, non_finite = picture_rows(samples, geometry)
    levels = PublishedFrontEnd().levels(samples)
    offset = 10 * np.log10(1.5 * 240e3)
    assert rows.shape == (1, 256, 256) and limits.shape == (2,) and non_finite == 0
    assert np.allclose(rows[0], levels.power_db + offset, atol=1e-4)
    assert np.allclose(limits, [levels.low_db + offset, levels.high_db + offset], atol=1e-4)
    tone = 0.1 * np.exp(2j * np.pi * -105e3 / SAMP_RATE * np.arange(geometry.frame_samples))
    assert picture_rows(tone, geometry)[0].max() == pytest.approx(-20, abs=0.05)


def test_pictures_that_cannot_be_are_refused():
    with pytest.raises(GeometryError, match="size=100 is no size of a picture; give one of 16, 32"):
        make_picture_geometry(100, SAMP_RATE, frame_duration=40e-3)
    with pytest.raises(GeometryError, match="frame_duration=1e-06 s holds no segment of 256 samples"):
        make_picture_geometry(256, SAMP_RATE, frame_duration=1e-6)
    geometry = make_picture_geometry(256, SAMP_RATE, frame_duration=40e-3)
    with pytest.raises(GeometryError, match=r"samples have shape \(0,\), expected \(n,\) with at least one"):
        picture_rows(np.zeros(0), geometry)
