"""Masks to bands: regions, votes, edges, power, and the way back."""

import numpy as np
import pytest

from rfseg.bands import UNKNOWN_LABEL, Band, BandRules, bands_to_mask, mask_to_bands
from rfseg.bands.calibration import PowerCalibration
from rfseg.bands.dcspike import DcSpike
from rfseg.bands.noisefloor import NoiseFloor
from rfseg.contract import NOT_INFERRED, ClassKind, Contract, SignalClass, make_golden
from rfseg.errors import BandError, GeometryError
from rfseg.geometry import Frame, make_geometry
from rfseg.published import picture_rows
from rfseg.published_geometry import make_picture_geometry
from rfseg.spectrogram import frame_rows

CLASSES = tuple(
    SignalClass(label=label, kind=kind)
    for label, kind in (
        ("Noise", ClassKind.BACKGROUND),
        ("LTE", ClassKind.CARRIER),
        ("NR", ClassKind.CARRIER),
        ("Radar", ClassKind.PULSED),
    )
)
NOISE, LTE, NR, RADAR = range(4)
GEOMETRY = make_geometry(30.72e6, frame_duration=10e-3)  # 128 bins of 240 kHz, rows of 39.06 us
CENTER = 2.6e9


def make_frame(**changes) -> Frame:
    fields = {
        "index": 0,
        "sample_start": 1_000_000,
        "sample_count": GEOMETRY.frame_samples,
        "valid_samples": GEOMETRY.frame_samples,
        "samp_rate": GEOMETRY.samp_rate,
        "center_freq": CENTER,
    }
    return Frame(**{**fields, **changes})


FRAME = make_frame()


def blank() -> np.ndarray:
    return np.zeros((GEOMETRY.rows, GEOMETRY.bins), np.uint8)


def bands_of(mask, rows=None, *, confidence=200, frame=FRAME, **rules) -> list[Band]:
    return mask_to_bands(
        mask,
        np.full(mask.shape, confidence, np.uint8),
        rows,
        frame=frame,
        geometry=GEOMETRY,
        classes=CLASSES,
        rules=BandRules(**rules),
        model="m",
    )


def bins(band: Band, center: float = CENTER) -> tuple[float, float]:
    return GEOMETRY.freq_edge(band.freq_lower_edge - center), GEOMETRY.freq_edge(band.freq_upper_edge - center)


def row_span(band: Band) -> tuple[float, float]:
    start = (band.sample_start - FRAME.sample_start) / GEOMETRY.row_samples
    return start, start + band.sample_count / GEOMETRY.row_samples


def test_rectangle_becomes_one_band_with_its_pixels_edges():
    mask = blank()
    mask[20:120, 30:67] = LTE
    (band,) = bands_of(mask)
    assert (band.label, band.class_id, band.model, band.id) == ("LTE", LTE, "m", 0)
    assert bins(band) == pytest.approx((30, 67))
    assert row_span(band) == (20, 120)
    assert band.confidence == pytest.approx(200 / 255)
    assert band.power_dbfs is None and band.snr_db is None and band.freq_reference == "rf"


def test_edges_are_baseband_where_the_centre_is_not_known():
    mask = blank()
    mask[:, 64:80] = NR
    (band,) = bands_of(mask, frame=make_frame(center_freq=None))
    assert band.freq_reference == "baseband"
    assert bins(band, center=0.0) == pytest.approx((64, 80))


def test_rectangles_survive_the_way_to_bands_and_back():
    rng = np.random.default_rng(5)
    for _ in range(50):
        mask = blank()
        for slot in range(3):
            first, left = rng.integers(0, 100), 42 * slot + rng.integers(0, 8)
            mask[first : first + rng.integers(5, 150), left : left + rng.integers(4, 30)] = rng.integers(1, 4)
        frame = make_frame(valid_samples=int(rng.integers(1, GEOMETRY.frame_samples + 1)))
        mask[GEOMETRY.valid_rows(frame.valid_samples) :] = NOT_INFERRED
        bands = mask_to_bands(
            mask,
            np.full(mask.shape, 255, np.uint8),
            frame=frame,
            geometry=GEOMETRY,
            classes=CLASSES,
            rules=BandRules(min_bandwidth=0, min_duration=0),
        )
        back = bands_to_mask(bands, frame=frame, geometry=GEOMETRY, classes=CLASSES)
        np.testing.assert_array_equal(back, mask)


def test_radar_over_a_carrier_does_not_cut_it():
    mask = blank()
    mask[:, 40:80] = NR
    mask[50:53, 20:100] = RADAR
    mask[150, 20:100] = RADAR
    bands = bands_of(mask)
    assert [b.label for b in bands] == ["NR", "Radar", "Radar"]
    assert row_span(bands[0]) == (0, 256)
    assert [row_span(b) for b in bands[1:]] == [(50, 53), (150, 151)]


def test_pause_within_the_limit_does_not_end_a_band_and_a_longer_one_does():
    mask = blank()
    mask[:, 40:80] = LTE
    mask[100:140] = NOISE  # 40 rows: 1.56 ms
    assert [row_span(b) for b in bands_of(mask, max_gap=2e-3)] == [(0, 256)]
    assert [row_span(b) for b in bands_of(mask, max_gap=1e-3)] == [(0, 100), (140, 256)]


def test_region_with_some_pixels_of_another_carrier_class_stays_one_band():
    mask = blank()
    mask[:, 40:80] = LTE
    mask[60:90, 40:80] = NR  # a lapse in time
    mask[:, 78:80] = NR  # and a fringe, narrower than any carrier
    (band,) = bands_of(mask)
    assert band.label == "LTE" and bins(band) == pytest.approx((40, 80))


def test_touching_carriers_of_two_classes_are_two_bands():
    mask = blank()
    mask[:, 20:60] = LTE
    mask[:, 60:90] = NR
    assert [(b.label, bins(b)) for b in bands_of(mask)] == [
        ("LTE", pytest.approx((20, 60))),
        ("NR", pytest.approx((60, 90))),
    ]


def test_one_bin_gap_such_as_a_dc_line_does_not_divide_a_carrier_and_a_guard_band_does():
    mask = blank()
    mask[:, 40:80] = LTE
    mask[:, 64] = NOISE
    assert len(bands_of(mask)) == 1
    mask[:, 63:65] = NOISE
    assert len(bands_of(mask)) == 2


def test_small_or_doubtful_regions_are_dropped():
    mask = blank()
    mask[:, 40:42] = LTE  # 480 kHz
    mask[10:11, 80:100] = NR  # 39 us
    assert bands_of(mask) == []
    mask[:, 40:80] = LTE
    assert bands_of(mask, confidence=120) == []
    assert len(bands_of(mask, confidence=120, min_confidence=0.4)) == 1


def test_single_radar_row_is_a_band_however_short():
    mask = blank()
    mask[77, 50:58] = RADAR
    (band,) = bands_of(mask)
    assert row_span(band) == (77, 78) and band.sample_count == GEOMETRY.row_samples


def test_band_in_a_cut_frame_ends_with_the_valid_samples():
    mask = blank()
    mask[:, 40:80] = LTE
    frame = make_frame(valid_samples=GEOMETRY.row_samples * 10 + 7)
    mask[11:] = NOT_INFERRED
    (band,) = bands_of(mask, frame=frame)
    assert band.sample_start + band.sample_count == frame.watermark


def test_ids_count_up_in_order_of_time():
    mask = blank()
    mask[100, 50:58] = RADAR
    mask[20, 50:58] = RADAR
    bands = mask_to_bands(mask, mask + 200, frame=FRAME, geometry=GEOMETRY, classes=CLASSES, first_id=41)
    assert [(b.id, row_span(b)[0]) for b in bands] == [(41, 20), (42, 100)]


def carrier(lower: float, upper: float, power: float, seed: int) -> np.ndarray:
    """Gaussian noise of total ``power`` between two baseband frequencies, Hz."""
    rng = np.random.default_rng(seed)
    count = GEOMETRY.frame_samples
    spectrum = rng.standard_normal(count) + 1j * rng.standard_normal(count)
    freqs = np.fft.fftfreq(count, 1 / GEOMETRY.samp_rate)
    iq = np.fft.ifft(np.where((freqs >= lower) & (freqs <= upper), spectrum, 0))
    return iq * np.sqrt(power / np.mean(np.abs(iq) ** 2))


NOISE_POWER = 1e-6  # in the whole 30.72 MHz
POWER_DB = 0.15  # of power; a frame of 5120 segments varies by 0.06 dB
SNR_DB = 0.6  # the floor is that of the bins beside the carrier, into which 45 dB still leak a little


def scene(*signals: np.ndarray) -> np.ndarray:
    iq = carrier(-15.36e6, 15.36e6, NOISE_POWER, 99) + sum(signals)
    return frame_rows(iq.astype(np.complex64), GEOMETRY)[0]


@pytest.mark.parametrize("lower, upper", [(-9.03e6, 8.9e6), (1.11e6, 5.47e6), (-12.2e6, -11.1e6)])
def test_carrier_edges_power_and_snr_come_from_the_spectrum(lower, upper):
    power = 1e-3
    rows = scene(carrier(lower, upper, power, 1))
    mask = blank()
    left, right = (round(GEOMETRY.freq_edge(f)) for f in (lower, upper))
    mask[:, left + 1 : right + 2] = LTE  # a mask one bin off on both sides
    (band,) = bands_of(mask, rows)
    assert band.freq_lower_edge - CENTER == pytest.approx(lower, abs=60e3)  # a quarter of a bin
    assert band.freq_upper_edge - CENTER == pytest.approx(upper, abs=60e3)
    assert band.power_dbfs == pytest.approx(-30.0, abs=POWER_DB)
    expected_snr = 10 * np.log10(power / (NOISE_POWER * (upper - lower) / 30.72e6))
    assert band.snr_db == pytest.approx(expected_snr, abs=SNR_DB)


def test_neighbours_do_not_lend_each_other_power():
    rows = scene(carrier(-9e6, -1e6, 1e-3, 1), carrier(-0.9e6, 8e6, 1e-4, 2))
    mask = blank()
    for lower, upper in ((-9e6, -1e6), (-0.9e6, 8e6)):
        mask[:, round(GEOMETRY.freq_edge(lower)) : round(GEOMETRY.freq_edge(upper))] = LTE if lower < -1e6 else NR
    strong, weak = bands_of(mask, rows)
    assert (strong.power_dbfs, weak.power_dbfs) == (pytest.approx(-30.0, abs=POWER_DB), pytest.approx(-40.0, abs=POWER_DB))


def spike(power: float) -> np.ndarray:
    """A receiver's constant, seen in the DC bin with this power."""
    return np.full(GEOMETRY.frame_samples, np.sqrt(power), np.complex128)


@pytest.mark.parametrize("lower, upper", [(-3e6, 5e6), (0.1e6, 5e6), (-6e6, -0.6e6)])
def test_dc_spike_moves_neither_edges_nor_power_unless_it_is_to_count(lower, upper):
    rows = scene(carrier(lower, upper, 1e-4, 1), spike(1e-3))
    mask = blank()
    mask[:, round(GEOMETRY.freq_edge(lower)) : round(GEOMETRY.freq_edge(upper))] = LTE
    (band,) = bands_of(mask, rows)
    assert band.freq_lower_edge - CENTER == pytest.approx(lower, abs=GEOMETRY.bin_width)
    assert band.freq_upper_edge - CENTER == pytest.approx(upper, abs=GEOMETRY.bin_width)
    assert band.power_dbfs == pytest.approx(-40.0, abs=0.5)
    (counted,) = bands_of(mask, rows, mask_dc=False)
    assert (counted.power_dbfs > -39.0) == (lower < 0 < upper or lower < 0.2e6 < upper)


@pytest.mark.parametrize("size", [256, 128])
def test_dc_spike_lies_between_two_bins_of_a_published_picture(size):
    geometry = make_picture_geometry(size, GEOMETRY.samp_rate, frame_duration=GEOMETRY.frame_duration)
    clean = carrier(-15.36e6, 15.36e6, NOISE_POWER, 99) + carrier(-3e6, 5e6, 1e-4, 1)
    mask = np.zeros((size, size), np.uint8)
    mask[:, round(geometry.freq_edge(-3e6)) : round(geometry.freq_edge(5e6))] = LTE
    fields = {"frame": make_frame(sample_count=geometry.frame_samples, valid_samples=geometry.frame_samples)}
    fields.update(geometry=geometry, classes=CLASSES)
    count = geometry.frame_samples
    found = {}
    for name, iq, masked in (("clean", clean, True), ("masked", clean + 0.03, True), ("counted", clean + 0.03, False)):
        rows = picture_rows(iq[:count], geometry)[0]
        (found[name],) = mask_to_bands(mask, mask * 200, rows, rules=BandRules(mask_dc=masked), **fields)
    assert found["masked"].power_dbfs == pytest.approx(found["clean"].power_dbfs, abs=0.5)  # the spike is 9.5 dB above it
    assert found["counted"].power_dbfs > found["clean"].power_dbfs + 5.0
    for edge in ("freq_lower_edge", "freq_upper_edge"):
        assert getattr(found["masked"], edge) == pytest.approx(getattr(found["clean"], edge), abs=geometry.bin_width / 8)


def test_floor_of_a_published_picture_knows_nothing_of_the_spike():
    geometry = make_picture_geometry(256, GEOMETRY.samp_rate, frame_duration=GEOMETRY.frame_duration)
    count = geometry.frame_samples
    rows = picture_rows(carrier(-15.36e6, 15.36e6, NOISE_POWER, 99)[:count] + 6e-4, geometry)[0]
    noise = NoiseFloor()
    mask = np.zeros((256, 256), np.uint8)
    frame = make_frame(sample_count=count, valid_samples=count)
    assert mask_to_bands(mask, mask, rows, frame=frame, geometry=geometry, classes=CLASSES, noise=noise) == []
    assert noise.level()[122:134].max() < 1.5 * np.median(noise.level())  # 2.3 with the spike in bin 126


def test_bins_too_wide_apart_show_no_spike():
    assert DcSpike.of(make_picture_geometry(64, GEOMETRY.samp_rate, frame_duration=10e-3)) is None


def test_noise_that_an_earlier_frame_showed_gives_a_carrier_that_fills_the_band_its_snr():
    noise, fields = NoiseFloor(), {"frame": FRAME, "geometry": GEOMETRY, "classes": CLASSES}
    confidence = np.full_like(blank(), 255)
    assert mask_to_bands(blank(), confidence, scene(), noise=noise, **fields) == []
    rows = scene(carrier(-15.36e6, 15.36e6, 1e-3, 1))
    (band,) = mask_to_bands(np.full_like(blank(), LTE), confidence, rows, noise=noise, **fields)
    assert band.snr_db == pytest.approx(30.0, abs=SNR_DB)


def test_a_calibration_gives_power_in_dbm():
    rows = scene(carrier(-3e6, 3e6, 1e-3, 1))
    mask = blank()
    mask[:, round(GEOMETRY.freq_edge(-3e6)) : round(GEOMETRY.freq_edge(3e6))] = LTE
    table = PowerCalibration(((CENTER - 1e8, -20.0), (CENTER + 1e8, -30.0)))
    fields = {"geometry": GEOMETRY, "classes": CLASSES, "calibration": table}
    (band,) = mask_to_bands(mask, np.full_like(mask, 255), rows, frame=FRAME, **fields)
    assert band.power_dbm == pytest.approx(band.power_dbfs - 25.0)
    (band,) = mask_to_bands(mask, np.full_like(mask, 255), rows, frame=make_frame(center_freq=None), **fields)
    assert band.power_dbm is None
    (band,) = mask_to_bands(mask, np.full_like(mask, 255), frame=FRAME, **fields)  # without rows
    assert band.power_dbm is None


def test_carrier_that_reaches_the_end_of_the_spectrum_ends_at_half_the_rate():
    rows = scene(carrier(-15.36e6, 15.36e6, 1e-3, 1))
    (band,) = bands_of(np.full_like(blank(), LTE), rows)
    assert (band.freq_lower_edge - CENTER, band.freq_upper_edge - CENTER) == pytest.approx((-15.36e6, 15.36e6))
    assert band.snr_db is None  # no noise is visible


def test_edges_between_adjacent_carriers_stay_in_their_guard_band():
    rows = scene(carrier(-9e6, -1e6, 1e-3, 1), carrier(0.2e6, 8e6, 1e-3, 2))
    mask = blank()
    for lower, upper in ((-9e6, -1e6), (0.2e6, 8e6)):
        mask[:, round(GEOMETRY.freq_edge(lower)) : round(GEOMETRY.freq_edge(upper))] = LTE
    first, second = bands_of(mask, rows)
    assert first.freq_upper_edge - CENTER == pytest.approx(-1e6, abs=100e3)
    assert second.freq_lower_edge - CENTER == pytest.approx(0.2e6, abs=100e3)


def test_guard_band_that_the_mask_took_for_carrier_divides_it_where_the_network_had_its_doubts():
    rows = scene(carrier(-9e6, -0.5e6, 1e-3, 1), carrier(0.5e6, 8e6, 1e-3, 2))
    mask, confidence = blank(), np.full_like(blank(), 240)
    left, right = (round(GEOMETRY.freq_edge(f)) for f in (-9e6, 8e6))
    mask[:, left:right] = LTE
    fields = {"frame": FRAME, "geometry": GEOMETRY, "classes": CLASSES}
    assert len(mask_to_bands(mask, confidence, rows, **fields)) == 1  # a notch, for all that the network says
    confidence[:, round(GEOMETRY.freq_edge(0.0))] = 180
    first, second = mask_to_bands(mask, confidence, rows, **fields)
    assert first.freq_upper_edge - CENTER == pytest.approx(-0.5e6, abs=100e3)
    assert second.freq_lower_edge - CENTER == pytest.approx(0.5e6, abs=100e3)
    flat = scene(carrier(-9e6, 8e6, 1e-3, 1))
    assert len(mask_to_bands(mask, confidence, flat, **fields)) == 1  # doubts alone do not


def test_carriers_that_a_guard_band_divides_keep_their_own_times():
    early, late = carrier(-9e6, -0.5e6, 1e-3, 1), carrier(0.5e6, 8e6, 1e-3, 2)
    early[180 * GEOMETRY.row_samples :] = 0
    late[: 100 * GEOMETRY.row_samples] = 0
    mask = blank()
    left, middle, right = (round(GEOMETRY.freq_edge(f)) for f in (-9e6, 0.0, 8e6))
    mask[:180, left:middle] = mask[100:, middle + 1 : right] = LTE  # one bin of noise between them
    first, second = bands_of(mask, scene(early, late))
    assert (row_span(first), row_span(second)) == ((0, 180), (100, 256))


def test_random_masks_over_random_rows_always_give_sound_bands():
    rng = np.random.default_rng(11)
    for _ in range(40):
        mask = np.repeat(np.repeat(rng.choice(4, (16, 32), p=[0.5, 0.2, 0.2, 0.1]), 16, axis=0), 4, axis=1).astype(np.uint8)
        rows = np.repeat(rng.uniform(-120, 0, (2, 1, GEOMETRY.bins)), GEOMETRY.rows, axis=1).astype(np.float32)
        for band in bands_of(mask, rows):
            assert band.freq_lower_edge < band.freq_upper_edge
            assert FRAME.sample_start <= band.sample_start < band.sample_start + band.sample_count <= FRAME.watermark


def test_radar_edges_come_from_power_even_where_the_mask_spans_everything():
    count = GEOMETRY.frame_samples
    pulse = np.zeros(count, np.complex128)
    pulse[50_000:50_300] = 0.1 * np.exp(2j * np.pi * 4e6 / GEOMETRY.samp_rate * np.arange(300))
    rows = scene(pulse)
    mask = blank()
    mask[50_000 // GEOMETRY.row_samples] = RADAR
    (band,) = bands_of(mask, rows)
    assert band.freq_lower_edge - CENTER < 4e6 < band.freq_upper_edge - CENTER
    assert band.bandwidth <= 6 * GEOMETRY.bin_width  # a 10 us pulse within its window's main lobe and a bit


def test_edges_of_a_pulse_are_told_from_what_lies_beneath_it_at_that_moment():
    count = GEOMETRY.frame_samples
    busy = carrier(-6e6, 6e6, 1e-3, 4) * (np.arange(count) < 0.4 * count)  # a carrier that soon ends
    pulse = np.zeros(count, np.complex128)
    for start in (100_000, 250_000):
        pulse[start : start + 300] = 0.1 * np.exp(2j * np.pi * 4e6 / GEOMETRY.samp_rate * np.arange(300))
    mask = blank()
    for start in (100_000, 250_000):
        mask[start // GEOMETRY.row_samples] = RADAR
    first, second = bands_of(mask, scene(busy, pulse))
    for band in (first, second):
        assert band.freq_lower_edge - CENTER < 4e6 < band.freq_upper_edge - CENTER
        assert band.bandwidth <= 8 * GEOMETRY.bin_width


def test_pulse_over_a_carrier_leaves_the_carriers_power_alone():
    pulse = np.zeros(GEOMETRY.frame_samples, np.complex128)
    pulse[50_000:50_060] = 3.0
    mask = blank()
    mask[:, 40:80] = LTE
    lower, upper = GEOMETRY.edge_freq(40), GEOMETRY.edge_freq(80)
    clean = scene(carrier(lower, upper, 1e-3, 1))
    hit = scene(carrier(lower, upper, 1e-3, 1), pulse)
    (alone,) = bands_of(mask, clean)
    mask[50_000 // GEOMETRY.row_samples] = RADAR
    under = next(b for b in bands_of(mask, hit) if b.label == "LTE")
    assert under.power_dbfs == pytest.approx(alone.power_dbfs, abs=0.1)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"freq_upper_edge": 1e6}, "are no band; the lower must be below"),
        ({"freq_upper_edge": float("nan")}, "are no band"),
        ({"sample_start": -1}, "expected >= 0 and >= 1"),
        ({"sample_count": 0}, "expected >= 0 and >= 1"),
        ({"confidence": 1.1}, "confidence=1.1 must lie in 0 to 1"),
        ({"freq_reference": "if"}, "freq_reference='if' must be one of rf, baseband"),
    ],
)
def test_band_that_makes_no_sense_is_refused(change, text):
    fields = {
        "label": "LTE",
        "class_id": 1,
        "confidence": 0.5,
        "freq_lower_edge": 1e6,
        "freq_upper_edge": 2e6,
        "freq_reference": "rf",
        "sample_start": 0,
        "sample_count": 1,
    }
    with pytest.raises(BandError, match=text):
        Band(**{**fields, **change})


def test_a_doubtful_band_keeps_its_class_id_and_loses_its_name():
    mask = blank()
    mask[:, 20:40], mask[:, 60:90] = LTE, NR
    lte, nr = bands_of(mask, confidence=153, reject={"LTE": 0.61, "NR": 0.6})  # both have 0.6
    assert (lte.label, lte.guess, lte.class_id) == (UNKNOWN_LABEL, "LTE", LTE)
    assert (nr.label, nr.guess, nr.class_id) == ("NR", None, NR)
    assert bands_of(mask, confidence=102, min_confidence=0.5, reject={"LTE": 0.9}) == []


def test_a_model_says_which_bands_are_doubtful_unless_told_otherwise():
    golden = make_golden(np.zeros((256, 64), np.uint8), seed=1)
    contract = Contract(
        name="m", classes=CLASSES, samp_rate_range=(15e6, 20e6), frame_duration_range=(1e-3, 1e-2),
        default_frame_duration=1e-2, licence="CC0-1.0", golden=golden, reject_below={"NR": 0.8},
    )  # fmt: skip
    assert BandRules.for_model(contract, max_gap=0.0) == BandRules(max_gap=0.0, reject={"NR": 0.8})
    assert BandRules.for_model(contract, reject=0.7).reject == {"LTE": 0.7, "NR": 0.7, "Radar": 0.7}
    mask = blank()
    mask[:, 20:40] = NR
    assert bands_of(mask, reject=BandRules.for_model(contract, reject=0.0).reject)[0].label == "NR"
    with pytest.raises(BandError, match="reject=1.5 of LTE is no probability; expected 0 to 1"):
        BandRules.for_model(contract, reject=1.5)


@pytest.mark.parametrize("name, value", [("min_bandwidth", -1.0), ("max_gap", float("nan")), ("min_confidence", 2.0)])
def test_rule_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(BandError, match=f"{name}="):
        BandRules(**{name: value})


def test_arrays_of_another_shape_are_refused():
    mask = blank()
    with pytest.raises(GeometryError, match=r"mask has shape \(256, 64\), expected \(256, 128\)"):
        bands_of(mask[:, :64])
    with pytest.raises(GeometryError, match=r"rows have shape \(2, 256, 64\)"):
        bands_of(mask, np.zeros((2, 256, 64), np.float32))


def test_edges_follow_the_rate_of_the_frame():
    mask = blank()
    mask[:, 100:120] = LTE
    (nominal,) = bands_of(mask)
    frame = make_frame(samp_rate=31e6)  # a rate with the same bins, which a stream may change to
    (band,) = bands_of(mask, frame=frame)
    for edge in ("freq_lower_edge", "freq_upper_edge"):
        offset = getattr(nominal, edge) - CENTER
        assert getattr(band, edge) - CENTER == pytest.approx(offset * 31e6 / 30.72e6)
    painted = bands_to_mask([band], frame=frame, geometry=GEOMETRY, classes=CLASSES)
    assert np.array_equal(painted, mask)
