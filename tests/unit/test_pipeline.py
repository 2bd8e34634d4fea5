"""From samples to bands, frame by frame, with a model of known thresholds."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from rfseg.contract import NOT_INFERRED
from rfseg.errors import GeometryError
from rfseg.geometry import Reduction, RxTime, make_geometry
from rfseg.inference import Session
from rfseg.pipeline import fitting_frame_duration, geometry_covers, iter_frames, not_inferred, segment_recording

SAMP_RATE = 15.36e6


@dataclass
class Samples:
    """A recording in memory that remembers how much was read at once."""

    iq: np.ndarray
    captures: list = field(default_factory=lambda: [(0, 1e9, None)])
    samp_rate: float = SAMP_RATE
    longest_read: int = 0

    @property
    def sample_count(self) -> int:
        return self.iq.size

    def read(self, start: int, count: int) -> np.ndarray:
        self.longest_read = max(self.longest_read, count)
        return self.iq[start : start + count]


@pytest.mark.parametrize("count", [1, 63, 15_360, 15_361, 40_000])
def test_every_sample_belongs_to_exactly_one_frame_and_the_last_says_so(count):
    geometry = make_geometry(SAMP_RATE, frame_duration=1e-3)  # 15360 samples
    frames = [frame for frame, _ in iter_frames(Samples(np.zeros(count, np.complex64)), geometry)]
    assert [f.sample_start for f in frames] == [15_360 * i for i in range(len(frames))]
    assert sum(f.valid_samples for f in frames) == count
    assert [f.last for f in frames] == [False] * (len(frames) - 1) + [True]


def test_new_capture_cuts_the_frame_and_sets_centre_and_time():
    geometry = make_geometry(SAMP_RATE, frame_duration=1e-3)
    captures = [(0, 1e9, None), (20_000, 2e9, RxTime(seconds=5, fraction=0.5))]
    recording = Samples(np.arange(50_000).astype(np.complex64), captures)
    frames = list(iter_frames(recording, geometry))
    assert [(f.sample_start, f.valid_samples, f.center_freq) for f, _ in frames] == [
        (0, 15_360, 1e9),
        (15_360, 4_640, 1e9),
        (20_000, 15_360, 2e9),
        (35_360, 14_640, 2e9),
    ]
    assert [f.last for f, _ in frames] == [False, False, False, True]
    assert frames[0][0].rx_time is None
    assert frames[3][0].rx_time.seconds == 5 and frames[3][0].rx_time.fraction == pytest.approx(0.501)
    assert [iq.size for _, iq in frames] == [15_360 + geometry.overhang, 4_640, 15_360 + geometry.overhang, 14_640]
    assert all(iq[0] == f.sample_start for f, iq in frames)


def test_after_a_retune_and_only_then_the_receiver_settles_in_frames_of_its_own():
    geometry = make_geometry(SAMP_RATE, frame_duration=1e-3)
    captures = [(0, 1e9, None), (20_000, 2e9, None), (30_000, 3e9, None), (60_000, 3e9, None), (120_000, 3e9, None)]
    recording = Samples(np.arange(130_000).astype(np.complex64), captures)
    frames = list(iter_frames(recording, geometry, settling=40_000 / SAMP_RATE))
    settling = [(f.sample_start, f.valid_samples, f.center_freq) for f, _ in frames if f.settling]
    assert settling == [
        (20_000, 10_000, 2e9),
        (30_000, 15_360, 3e9),
        (45_360, 14_640, 3e9),
        (60_000, 10_000, 3e9),  # a gap ends the frame and not the settling
    ]
    good = [f for f, _ in frames if not f.settling]
    assert [f.sample_start for f in good] == [0, 15_360, 70_000, 85_360, 100_720, 116_080, 120_000]
    assert [f.index for f, _ in frames] == list(range(11)) and good[-1].last
    assert all(iq[0] == f.sample_start for f, iq in frames)
    assert frames[5][1].size == 10_000  # no segment reads on into good samples


@pytest.mark.parametrize("settling", [-1e-3, float("nan"), float("inf")])
def test_a_settling_time_that_makes_no_sense_is_refused(settling):
    geometry = make_geometry(SAMP_RATE, frame_duration=1e-3)
    with pytest.raises(GeometryError, match=r"settling=.* is not a duration; give s, 0 or more"):
        next(iter_frames(Samples(np.zeros(100, np.complex64)), geometry, settling=settling))


def test_only_the_very_last_frame_is_the_last_however_late_the_retunes_come():
    geometry = make_geometry(SAMP_RATE, frame_duration=1e-3)
    captures = [(0, 1e9, None), (2_000, 2e9, None), (4_000, 3e9, None)]
    frames = [f for f, _ in iter_frames(Samples(np.zeros(5_000, np.complex64), captures), geometry)]
    assert [f.last for f in frames] == [False, False, True]


def test_bands_lie_on_their_samples_and_ids_run_on(threshold_model, make_carrier):
    iq = make_carrier(205_000)
    iq[:60_000] *= 1e-3  # the carrier begins inside a row of the fourth frame
    session = Session(threshold_model)
    results = list(segment_recording(Samples(iq), session, frame_duration=1e-3))
    assert len(results) == 14 and all(not r.bands for r in results[:3])
    bands = [band for r in results for band in r.bands]
    assert [b.id for b in bands] == list(range(len(bands)))
    assert {b.label for b in bands} == {"LTE"}
    assert bands[0].sample_start == pytest.approx(60_000, abs=results[0].geometry.row_samples)
    assert bands[-1].sample_start + bands[-1].sample_count == 205_000
    assert all(abs(b.freq_lower_edge - 1.002e9) < 240e3 and abs(b.freq_upper_edge - 1.005e9) < 240e3 for b in bands)


def test_padding_of_a_cut_frame_is_not_inferred(threshold_model, make_carrier):
    (result,) = segment_recording(Samples(make_carrier(10_000)), Session(threshold_model), frame_duration=1e-3)
    valid = result.geometry.valid_rows(10_000)
    assert np.all(result.mask[valid:] == NOT_INFERRED) and np.all(result.confidence[valid:] == 0)
    assert np.all(result.mask[:valid] != NOT_INFERRED)


def test_reads_do_not_grow_with_the_recording(threshold_model):
    recording = Samples(np.zeros(20 * 15_360, np.complex64))
    geometry = make_geometry(SAMP_RATE, frame_duration=1e-3)
    list(segment_recording(recording, Session(threshold_model), frame_duration=1e-3))
    assert recording.longest_read == geometry.frame_samples + geometry.overhang


def test_bad_samples_are_counted_per_frame(threshold_model, make_carrier):
    iq = make_carrier(40_000)
    iq[[3, 20_000, 20_001]] = np.nan
    results = list(segment_recording(Samples(iq), Session(threshold_model), frame_duration=1e-3))
    assert [r.non_finite for r in results] == [1, 2, 0]


def test_short_recording_gets_a_short_frame(threshold_model):
    contract = Session(threshold_model).contract
    assert fitting_frame_duration(contract, 1.0) == contract.default_frame_duration
    assert fitting_frame_duration(contract, 5e-3) == 5e-3
    assert fitting_frame_duration(contract, 1e-6) == contract.frame_duration_range[0]


def test_geometry_covers_only_rates_that_share_bins_and_hop(threshold_model):
    contract = Session(threshold_model).contract
    geometry = contract.make_geometry(61.44e6)
    assert geometry_covers(contract, geometry, 61.44e6)
    assert geometry_covers(contract, geometry, 61.45e6)
    assert not geometry_covers(contract, geometry, 30.72e6)
    assert not geometry_covers(contract, geometry, 1e6)


def test_frame_that_nobody_has_seen_is_all_255():
    mask, confidence = not_inferred(make_geometry(SAMP_RATE))
    assert mask.shape == confidence.shape == (256, 64)
    assert np.all(mask == 255) and np.all(confidence == 0)


def test_pictures_of_a_recording_become_bands(make_carrier, picture_model):
    recording = Samples(make_carrier(3 * 15_360))
    results = list(segment_recording(recording, Session(picture_model)))
    assert [r.frame.valid_samples for r in results] == [15_360] * 3
    for result in results:
        assert result.rows.shape == (1, 64, 64) and result.geometry.reductions == (Reduction.FIRST,)
        lte = [b for b in result.bands if b.label == "LTE"]
        assert len(lte) == 1
        assert lte[0].freq_lower_edge - 1e9 == pytest.approx(2e6, abs=240e3)
        assert lte[0].freq_upper_edge - 1e9 == pytest.approx(5e6, abs=240e3)
        # 3 MHz of -60 dBFS in bins of 240 kHz, each of which holds 1.5 bins of noise
        assert lte[0].power_dbfs == pytest.approx(-60 + 10 * np.log10(3e6 / 240e3 / 1.5), abs=0.7)


def test_a_picture_cut_short_keeps_its_scale(make_carrier, picture_model):
    samples = make_carrier(15_360 + 4_000)
    whole, cut = segment_recording(Samples(samples), Session(picture_model))
    assert cut.frame.valid_samples == 4_000
    rows = cut.geometry.valid_rows(4_000)
    assert np.all(cut.mask[rows:] == NOT_INFERRED) and not np.any(cut.mask[:rows] == NOT_INFERRED)
    share = [np.mean(r.mask[:rows] == 1) for r in (whole, cut)]
    assert share[1] == pytest.approx(share[0], abs=0.05)


def test_samples_that_are_not_finite_are_counted_in_pictures_too(make_carrier, picture_model):
    samples = make_carrier(15_360)
    samples[[5, 700]] = np.nan, np.inf
    (result,) = segment_recording(Samples(samples), Session(picture_model))
    assert result.non_finite == 2 and np.isfinite(result.rows).all()


def test_pictures_at_another_rate_are_refused_with_the_remedy(make_carrier, picture_model):
    recording = Samples(make_carrier(20_000), samp_rate=20e6)
    with pytest.raises(GeometryError, match=r"not the 15.36e6 Hz of model 'picture'; resample .*resample_poly\(x, 96, 125\)"):
        next(segment_recording(recording, Session(picture_model)))
