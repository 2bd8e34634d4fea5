"""One band as a stream: which band, what lies between, and time that is told by the count of samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rfseg.bands import Band
from rfseg.extraction import Absence, BandFollower, BandStart, ExtractionRules, Piece, StreamChange
from rfseg.geometry import RxTime

RATE, OUT = 15.36e6, 3.84e6  # Hz
UNIT = 4  # samples of the input for one of the output
COUNT = 120_000  # samples
EXACT = ExtractionRules(lead=0.0, tail=0.0)
SAME = 3e-5  # of full scale


def band(start: int, count: int, middle: float = 1.0, *, track: int = 1, power: float | None = -30.0, **fields: object) -> BandStart:
    """A band of frequencies in MHz, 1 MHz wide."""
    values = {
        "label": "LTE", "class_id": 1, "confidence": 0.9, "freq_lower_edge": (middle - 0.5) * 1e6,
        "freq_upper_edge": (middle + 0.5) * 1e6, "freq_reference": "baseband", "sample_start": start,
        "sample_count": count, "track": track, "id": start, "power_dbfs": power,
    }  # fmt: skip
    return BandStart(start, Band(**{**values, **fields}))


def tones() -> np.ndarray:
    """Tones of 1 at 1 MHz and of 0.5 at -3 MHz, complex64."""
    time = np.arange(COUNT) / RATE
    return (np.exp(2e6j * np.pi * time) + 0.5 * np.exp(-6e6j * np.pi * time)).astype(np.complex64)


def run(
    starts: list[BandStart], changes: list[StreamChange] = (), *, step: int = COUNT, iq: np.ndarray | None = None, **options: object
) -> list[Piece]:
    """Pieces of a stream that comes in pieces of random size."""
    follower = BandFollower(RATE, OUT, **{"rules": EXACT, **options})
    iq = tones() if iq is None else iq
    rng, pieces, begin = np.random.default_rng(1), [], 0
    while begin < iq.size:
        end = iq.size if step == COUNT else begin + int(rng.integers(1, step + 1))
        within = [[e for e in events if begin <= e.sample < end] for events in (starts, changes)]
        pieces += follower.step(iq[begin:end], *within)
        begin = end
    return pieces + follower.finish()


def whole(pieces: list[Piece]) -> np.ndarray:
    """All samples."""
    return np.concatenate([piece.iq for piece in pieces])


def stretches(pieces: list[Piece]) -> list[tuple[int, int, int]]:
    """Track, first sample and the one after the last of what was followed, in samples of the input."""
    found, begin, at = [], None, 0
    for piece in pieces:
        if piece.begins is not None:
            begin, track = at, piece.begins.track
        at += piece.iq.size
        if piece.ends is not None:
            found.append((track, begin * UNIT, at * UNIT))
    return found


def test_the_same_stream_comes_out_however_it_is_divided():
    starts = [band(10_001, 19_999), band(30_000, 5_000, 1.9), band(33_000, 40_000, -3, track=2, power=-10.0), band(90_001, 90_000)]
    changes = [StreamChange(sample=105_001, center_freq=2e9)]
    for absence in Absence:
        one, other = (run(starts, changes, step=step, absence=absence, rules=ExtractionRules(max_pause=1e-4)) for step in (COUNT, 7_000))
        assert np.abs(whole(one) - whole(other)).max() < SAME
        assert stretches(one) == stretches(other) and len(stretches(one)) > 3


def test_zeros_keep_the_count_of_samples_and_a_gap_leaves_them_out():
    starts = [band(20_000, 30_000), band(80_000, 20_000)]
    filled, cut = whole(run(starts, step=5_000)), whole(run(starts, step=5_000, absence=Absence.GAP))
    assert filled.size == COUNT // UNIT and cut.size == 50_000 // UNIT
    assert not filled[: 20_000 // UNIT].any() and not filled[100_000 // UNIT :].any()
    assert np.array_equal(filled[20_000 // UNIT : 50_000 // UNIT], cut[: 30_000 // UNIT])
    assert np.abs(cut - 1).max() < SAME  # the tone in the middle of the band, from its first sample to its last


def test_a_stretch_tells_its_time_rate_and_frequency_and_a_gap_the_time_anew():
    begin = RxTime(seconds=20, fraction=0.75)
    changes = [StreamChange(sample=0, rx_time=begin)]
    pieces = run([band(20_000, 30_000), band(80_002, 20_000)], changes, absence=Absence.GAP)
    heads = [piece for piece in pieces if piece.begins is not None]
    assert [h.rx_time for h in heads] == [begin.after(20_000, RATE), begin.after(80_000, RATE)]
    assert [(h.samp_rate, round(h.center_freq), h.begins.id) for h in heads] == [(OUT, 1_000_000, 20_000), (OUT, 1_000_000, 80_002)]
    assert [p.ends for p in pieces if p.ends is not None] == [20_000, 80_002]
    zeros = run([band(20_000, 30_000)], changes)
    assert (zeros[0].rx_time, zeros[0].samp_rate, zeros[0].begins) == (begin, OUT, None)  # the first sample of all


def test_the_lead_is_in_the_stream():
    pieces = run([band(20_000, 30_000)], rules=ExtractionRules(lead=1e-4, tail=1e-3))
    assert stretches(pieces) == [(1, 20_000 - 1_536, 50_000 + 15_360)]


def test_the_strongest_band_is_taken_and_kept_until_another_is_stronger_by_the_margin():
    weak, strong = band(10_000, 20_000, 1, power=-30.0), band(10_000, 30_000, -3, track=2, power=-29.0)
    assert stretches(run([weak, strong])) == [(2, 10_000, 40_000)]
    # The next frame: 5 dB stronger is not enough, 7 dB is.
    for power, wanted in ((-25.0, [(1, 10_000, 50_000)]), (-23.0, [(1, 10_000, 30_000), (2, 30_000, 50_000)])):
        starts = [weak, band(30_000, 20_000), band(30_000, 20_000, -3, track=2, power=power)]
        assert stretches(run(starts, step=3_000)) == wanted
    assert stretches(run(starts, rules=replace(EXACT, switch_margin=float("inf")))) == [(1, 10_000, 50_000)]


def test_when_a_band_ends_the_strongest_that_is_there_takes_over():
    starts = [band(10_000, 20_000), band(15_000, 60_000, -3, track=2, power=-31.0), band(16_000, 60_000, 4, track=3, power=None)]
    pieces = run(starts, step=4_000)
    assert stretches(pieces) == [(1, 10_000, 30_000), (2, 30_000, 75_000), (3, 75_000, 76_000)]
    iq = whole(pieces)
    assert np.abs(iq[10_000 // UNIT : 30_000 // UNIT] - 1).max() < SAME
    assert np.abs(iq[30_000 // UNIT : 75_000 // UNIT] - 0.5).max() < SAME


def test_a_pause_is_followed_through():
    starts = [band(10_000, 10_000), band(25_000, 10_000)]
    assert stretches(run(starts)) == [(1, 10_000, 20_000), (1, 25_000, 35_000)]
    assert stretches(run(starts, rules=replace(EXACT, max_pause=5_000 / RATE))) == [(1, 10_000, 40_000)]


def test_only_chosen_bands_are_followed_and_a_track_is_kept_when_its_name_changes():
    starts = [
        band(5_000, 90_000, -3, track=2, label="NR", power=0.0), band(10_000, 20_000), band(30_000, 20_000, label="NR"),
        band(60_000, 20_000, label="NR"),
    ]  # fmt: skip
    assert stretches(run(starts, rules=replace(EXACT, label="LTE"))) == [(1, 10_000, 50_000)]
    assert stretches(run(starts, rules=replace(EXACT, track=2))) == [(2, 5_000, 95_000)]


def test_a_band_that_leaves_the_pass_band_is_followed_to_its_new_place():
    starts = [band(10_000, 20_000), band(30_000, 20_000, 1.2), band(50_000, 20_000, 2.2)]
    pieces = run(starts, step=2_500)
    assert stretches(pieces) == [(1, 10_000, 50_000), (1, 50_000, 70_000)]
    assert [round(p.center_freq) for p in pieces if p.begins is not None] == [1_000_000, 2_200_000]


def test_a_band_that_does_not_fit_is_passed_over_for_the_next():
    wide = band(10_000, 20_000, 0, track=2, power=0.0, freq_lower_edge=-3e6, freq_upper_edge=3e6)
    assert stretches(run([wide, band(10_000, 20_000)])) == [(1, 10_000, 30_000)]


def test_new_rules_leave_a_band_at_once():
    follower = BandFollower(RATE, OUT, rules=EXACT)
    iq = tones()
    pieces = follower.step(iq[:60_000], [band(10_000, 100_000), band(10_000, 100_000, -3, track=2, power=-40.0)])
    follower.rules = replace(EXACT, track=2)
    pieces += follower.step(iq[60_000:]) + follower.finish()
    (one, begin, end), (other, begun, ended) = stretches(pieces)
    assert (one, begin, other, ended) == (1, 10_000, 2, 110_000)
    assert end == begun and 59_000 < end < 60_000
    assert whole(pieces).size == COUNT // UNIT


def test_a_retune_and_another_rate_in_the_middle():
    starts = [
        band(10_000, 30_000, 2_001, freq_reference="rf"), band(40_002, 20_000, 2_001, freq_reference="rf"),
        band(60_002, 40_000, 2_001, freq_reference="rf"),
    ]  # fmt: skip
    iq = np.concatenate([tones()[:40_002], (0.5 * np.exp(2j * np.pi * -3e6 / RATE * np.arange(COUNT))).astype(np.complex64)[40_002:]])
    changes = [
        StreamChange(sample=0, center_freq=2_000e6, rx_time=RxTime(seconds=1, fraction=0.0)),
        StreamChange(sample=40_002, center_freq=2_004e6), StreamChange(sample=60_002, samp_rate=30.72e6),
    ]  # fmt: skip
    pieces = run(starts, changes, iq=iq, step=6_000)
    heads = [p for p in pieces if p.begins is not None]
    assert [round(h.center_freq) for h in heads] == [2_001_000_000] * 3
    assert [p.ends for p in pieces if p.ends is not None] == [10_000, 40_002, 60_002]
    samples = whole(pieces)
    assert samples.size == 60_000 // UNIT + (COUNT - 60_002) // 8  # a rate of 30.72e6 makes units of 8
    assert np.abs(samples[10_100:14_900] - 0.5).max() < SAME
    late = heads[2].rx_time
    assert late.seconds + late.fraction == pytest.approx(1 + 60_002 / RATE, abs=1e-12)


def test_a_rate_that_does_not_fit_silences_the_stream_until_one_does():
    starts = [band(10_000, 10_000), band(40_000, 10_000), band(80_000, 10_000)]
    changes = [StreamChange(sample=30_000, samp_rate=15.361111e6), StreamChange(sample=60_000, samp_rate=RATE)]
    pieces = run(starts, changes, step=5_000)
    assert [p.begins.id for p in pieces if p.begins is not None] == [10_000, 80_000]
    assert whole(pieces).size == (30_000 + 60_000) // UNIT
