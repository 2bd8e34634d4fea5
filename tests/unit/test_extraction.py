"""Excerpts of bands: which, from where to where, and what breaks them; pulses and their intervals from excerpts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rfseg.bands import Band
from rfseg.errors import BandError
from rfseg.extraction import BandExtractor, BandStart, Excerpt, ExtractionRules, StreamChange
from rfseg.extraction.partbuffer import PartBuffer, Spare
from rfseg.geometry import RxTime
from rfseg.tracking import PatternKind, find_pattern, find_pulses, measure_pulses

RATE, OUT = 15.36e6, 3.84e6  # Hz
UNIT = 4  # samples of the input for one of the output
COUNT = 120_000  # samples
EXACT = ExtractionRules(lead=0.0, tail=0.0)
SAME = 1e-5  # of full scale


def band(start: int, count: int, middle: float = 1.0, *, width: float = 1.0, track: int | None = 1, **fields: object) -> BandStart:
    """A band of frequencies in MHz."""
    values = {
        "label": "LTE", "class_id": 1, "confidence": 0.9, "freq_lower_edge": (middle - width / 2) * 1e6,
        "freq_upper_edge": (middle + width / 2) * 1e6, "freq_reference": "baseband", "sample_start": start,
        "sample_count": count, "track": track, "id": start, "power_dbfs": -30.0,
    }  # fmt: skip
    return BandStart(start, Band(**{**values, **fields}))


def tone(count: int, freq: float) -> np.ndarray:
    """A tone at ``freq`` MHz, complex64."""
    return np.exp(2j * np.pi * freq * 1e6 / RATE * np.arange(count)).astype(np.complex64)


def run(
    iq: np.ndarray,
    starts: list[BandStart],
    changes: list[StreamChange] = (),
    *,
    step: int | None = None,
    out_rate: float = OUT,
    **options: object,
) -> tuple[list[Excerpt], BandExtractor]:
    """Excerpts of a stream that comes in pieces of random size, sorted, and the extractor."""
    extractor = BandExtractor(RATE, out_rate, **options)
    rng, found, begin = np.random.default_rng(1), [], 0
    while begin < iq.size:
        end = iq.size if step is None else begin + int(rng.integers(1, step + 1))
        within = [[e for e in events if begin <= e.sample < end] for events in (starts, changes)]
        found += extractor.step(iq[begin:end], *within)
        begin = end
    return sorted(found + extractor.finish(), key=lambda e: (e.sample_start, e.band.id)), extractor


def extents(excerpts: list[Excerpt]) -> list[tuple[int, int]]:
    """First samples and those after the last ones."""
    return [(e.sample_start, e.sample_start + e.sample_count) for e in excerpts]


def test_the_same_stream_gives_the_same_excerpts_however_it_is_divided():
    rng = np.random.default_rng(5)
    iq = (rng.standard_normal((COUNT, 2)) @ [1, 1j]).astype(np.complex64)
    starts = [band(10_001, 19_999), band(30_000, 20_000), band(52_000, 1_000, 1.9), band(40_000, 30_000, -3, track=2), band(90_000, 90_000)]
    changes = [StreamChange(sample=105_001, center_freq=2e9)]
    rules = ExtractionRules(max_duration=1e-3, max_pause=50e-6)
    whole, _ = run(iq, starts, changes, rules=rules)
    parts, _ = run(iq, starts, changes, rules=rules, step=9_000)
    assert extents(parts) == extents(whole) and len(whole) > 6
    for one, other in zip(parts, whole):
        assert np.abs(one.iq - other.iq).max() < SAME * 3
        assert replace(one, iq=None) == replace(other, iq=None)


def test_an_excerpt_holds_the_band_with_its_lead_and_tail_and_no_more_than_a_unit():
    (excerpt,), _ = run(tone(COUNT, 1), [band(50_001, 10_000)])
    around = int(100e-6 * RATE)
    assert 50_001 - around - UNIT < excerpt.sample_start <= 50_001 - around
    assert 0 <= excerpt.sample_start + excerpt.sample_count - (60_001 + around) < UNIT
    assert excerpt.iq.size * UNIT == excerpt.sample_count
    assert (excerpt.part, excerpt.is_last, excerpt.samp_rate, excerpt.rx_time) == (0, True, OUT, None)
    assert excerpt.band == band(50_001, 10_000).band


def test_a_band_on_the_first_and_last_sample_of_the_stream_is_taken_whole():
    (excerpt,), _ = run(tone(COUNT, 1), [band(0, COUNT)])
    assert extents([excerpt]) == [(0, COUNT)]
    inside = excerpt.iq[200:-200]
    assert np.abs(inside - 1).max() < SAME * 3  # the tone is the band's middle


def test_bands_of_a_track_in_successive_frames_are_one_excerpt():
    starts = [band(10_000, 20_000), band(30_000, 20_000, 1.05, label="NR", class_id=2, confidence=0.6, snr_db=9.0), band(50_000, 2_000)]
    (excerpt,), _ = run(tone(COUNT, 1), starts, rules=EXACT, step=5_000)
    assert extents([excerpt]) == [(10_000, 52_000)]
    whole = excerpt.band
    assert (whole.label, whole.id, whole.sample_start, whole.sample_count) == ("LTE", 10_000, 10_000, 42_000)
    assert (whole.freq_lower_edge, whole.freq_upper_edge) == (0.5e6, pytest.approx(1.55e6))
    assert whole.confidence == pytest.approx((0.9 * 22 + 0.6 * 20) / 42) and whole.snr_db == 9.0


def test_bands_that_nothing_follows_are_each_by_itself():
    excerpts, _ = run(tone(COUNT, 1), [band(10_000, 20_000, track=None), band(30_000, 20_000, track=None)], rules=EXACT)
    assert extents(excerpts) == [(10_000, 30_000), (30_000, 50_000)]


def test_a_pause_is_bridged_up_to_its_limit():
    starts = [band(10_000, 5_000), band(16_000, 5_000), band(22_004, 5_000)]
    for pause, wanted in ((1_000, [(10_000, 21_000), (22_004, 27_004)]), (1_004, [(10_000, 27_004)])):
        rules = replace(EXACT, max_pause=pause / RATE)
        assert extents(run(tone(COUNT, 1), starts, rules=rules, step=700)[0]) == wanted
    # Lead and tail would overlap: one excerpt, so that no sample comes twice.
    assert len(run(tone(COUNT, 1), starts, rules=ExtractionRules(lead=50e-6, tail=50e-6))[0]) == 1


def test_long_bands_come_in_parts_without_a_seam():
    iq = tone(COUNT, 1.2)
    whole, _ = run(iq, [band(10_001, 70_001)])
    parts, _ = run(iq, [band(10_001, 70_001)], rules=ExtractionRules(max_duration=20_000 / RATE), step=3_000)
    assert [p.part for p in parts] == [0, 1, 2, 3] and [p.is_last for p in parts] == [False] * 3 + [True]
    assert [p.sample_count for p in parts[:3]] == [20_000] * 3
    edges = extents(parts)
    assert all(one[1] == other[0] for one, other in zip(edges, edges[1:]))
    assert np.abs(np.concatenate([p.iq for p in parts]) - whole[0].iq).max() < SAME


def test_memory_that_serves_again_changes_nothing_in_what_is_still_held():
    rng = np.random.default_rng(3)
    iq = (rng.standard_normal((COUNT, 2)) @ [1, 1j]).astype(np.complex64)
    starts = [band(2_001, 70_001), band(20_000, 60_000, -3.0, track=2)]
    rules = ExtractionRules(max_duration=4_000 / RATE)
    expected, _ = run(iq, starts, rules=rules)
    extractor, found, begin = BandExtractor(RATE, OUT, rules=rules), [], 0
    while begin < iq.size:
        end = begin + int(rng.integers(1, 9_000))
        for excerpt in extractor.step(iq[begin:end], [s for s in starts if begin <= s.sample < end]):
            found.append(replace(excerpt, iq=excerpt.iq.copy()))
            extractor.reuse(excerpt)
        begin = end
    found = sorted(found + extractor.finish(), key=lambda e: (e.sample_start, e.band.id))
    assert extents(found) == extents(expected) and len(found) > 30
    for one, other in zip(found, expected):
        assert np.abs(one.iq - other.iq).max() < SAME * 10  # of noise whose root mean square is 1.4


def test_what_is_left_of_a_part_does_not_lie_in_the_memory_that_serves_again():
    spare = Spare()
    one, other = PartBuffer(spare), PartBuffer(spare)
    one.room(10, most=10)[:] = np.arange(10)
    part = one.take(6)
    assert part.tolist() == [0, 1, 2, 3, 4, 5]
    spare.keep(part)
    other.room(10, most=10)[:] = -1
    assert np.shares_memory(other.take(10), part)  # it was used again
    assert one.take(4).tolist() == [6, 7, 8, 9]


def test_an_excerpt_holds_little_more_memory_than_its_samples():
    excerpts, _ = run(tone(COUNT, 1), [band(2_000, 31), band(10_000, 30_000)], step=7_000)
    for excerpt in excerpts:
        whole = excerpt.iq if excerpt.iq.base is None else excerpt.iq.base
        assert whole.size <= 2 * excerpt.iq.size


def test_a_part_of_full_length_that_is_the_last_says_so():
    parts, _ = run(tone(COUNT, 1), [band(10_000, 40_000)], rules=replace(EXACT, max_duration=20_000 / RATE))
    assert [(p.sample_count, p.is_last) for p in parts] == [(20_000, False), (20_000, True)]


def test_short_bands_are_left_out_and_counted():
    rules = ExtractionRules(min_duration=1_000 / RATE)
    excerpts, extractor = run(tone(COUNT, 1), [band(10_000, 999), band(50_000, 1_000, track=2)], rules=rules)
    assert [e.band.track for e in excerpts] == [2] and (extractor.too_short, extractor.excerpts) == (1, 1)


def test_only_chosen_bands_are_taken_and_a_track_is_kept_when_its_name_changes():
    starts = [band(10_000, 5_000), band(15_000, 5_000, label="NR"), band(40_000, 5_000, label="NR", track=2), band(60_000, 5_000, track=3)]
    assert [e.band.track for e in run(tone(COUNT, 1), starts, rules=ExtractionRules(label="LTE"))[0]] == [1, 3]
    assert extents(run(tone(COUNT, 1), starts, rules=replace(EXACT, label="LTE"))[0])[0] == (10_000, 20_000)
    assert [e.band.track for e in run(tone(COUNT, 1), starts, rules=ExtractionRules(track=2))[0]] == [2]


def test_overlapping_bands_come_out_each_at_its_own_frequency():
    iq = tone(COUNT, 1) + 0.5 * tone(COUNT, -4)
    excerpts, _ = run(iq, [band(10_000, 40_000), band(30_000, 40_000, -4, track=2)], rules=EXACT, step=4_000)
    assert extents(excerpts) == [(10_000, 50_000), (30_000, 70_000)]
    assert [round(e.center_freq) for e in excerpts] == [1_000_000, -4_000_000]
    for excerpt, level in zip(excerpts, (1.0, 0.5)):
        assert np.abs(excerpt.iq - level).max() < SAME * 6


def test_of_more_bands_than_wanted_the_strongest_that_begin_together_are_taken():
    starts = [band(10_000, 5_000, m, track=m + 9, power_dbfs=p) for m, p in ((1, -50.0), (3, -20.0), (-3, None), (5, -30.0))]
    excerpts, extractor = run(tone(COUNT, 1), starts + [band(12_000, 500, 6, track=20, power_dbfs=0.0)], rules=ExtractionRules(max_bands=2))
    assert sorted(e.band.track for e in excerpts) == [12, 14] and extractor.too_many == 3


def test_a_band_may_move_within_its_pass_band_and_begins_anew_beyond_it():
    iq = tone(COUNT, 1)
    within = [band(10_000, 20_000), band(30_000, 20_000, 1.2)]
    assert extents(run(iq, within, rules=EXACT)[0]) == [(10_000, 50_000)]
    beyond = [band(10_000, 20_002), band(30_002, 20_000, 1.3, width=1.5)]
    excerpts, _ = run(iq, beyond, step=1_000)
    assert [e.band.sample_start for e in excerpts] == [10_000, 30_002]
    first, second = extents(excerpts)
    assert first[1] - second[0] == UNIT  # the unit in which both have a sample
    assert round(excerpts[1].center_freq) == 1_275_000  # around both places: 0.5 to 1.5 and 0.55 to 2.05 MHz
    far, _ = run(iq, [band(10_000, 20_002), band(30_002, 20_000, 2.1)])
    assert [round(e.center_freq) for e in far] == [1_000_000, 2_100_000]  # together they would be too wide
    assert np.abs(excerpts[0].iq[1_000:] - 1).max() < SAME * 3  # to its last sample: what follows is known to the filter


def test_a_track_that_comes_back_has_the_centre_that_it_had():
    excerpts, _ = run(tone(COUNT, 1), [band(10_000, 5_000), band(60_000, 5_000, 1.1)])
    assert [round(e.center_freq) for e in excerpts] == [1_000_000, 1_000_000]


def test_a_radar_seen_in_splinters_is_soon_one_excerpt():
    places = [(0.0, 1.4), (0.9, 0.6), (-0.5, 0.5), (0.8, 0.7), (-0.6, 0.4), (0.0, 1.8), (0.9, 0.5)]
    starts = [band(5_000 * n + 5_000, 1_200, middle, width=width, label="Radar") for n, (middle, width) in enumerate(places)]
    excerpts, _ = run(tone(COUNT, 0), starts, rules=ExtractionRules(max_pause=1e-3))
    assert [e.band.sample_start for e in excerpts] == [5_000, 10_000]
    assert excerpts[0].sample_start < 5_000 - 1_500 and excerpts[1].sample_start < 10_000 - 1_500  # each with its lead


def rf(start: int, count: int, middle: float, **fields: object) -> BandStart:
    """A band of RF frequencies in MHz."""
    return band(start, count, middle, freq_reference="rf", **fields)


def test_a_retune_ends_the_excerpt_and_nothing_from_before_it_enters_the_next():
    iq = np.concatenate([tone(60_002, 1), 0.5 * tone(COUNT, -2)[60_002:]])
    changes = [StreamChange(sample=60_002, center_freq=2_003e6)]
    starts = [rf(20_000, 60_000, 2_001), rf(60_002, 20_000, 2_001)]
    excerpts, _ = run(iq, starts, changes, center_freq=2_000e6, step=5_000)
    assert [e.band.sample_count for e in excerpts] == [40_002, 20_000]
    assert extents(excerpts)[0][1] == 60_004 and extents(excerpts)[1][0] == 60_000
    assert [round(e.center_freq) for e in excerpts] == [2_001_000_000] * 2
    assert np.abs(excerpts[1].iq[:20]).max() < 0.7 and np.abs(excerpts[1].iq[200:-400] - 0.5).max() < SAME * 3


def test_time_that_jumps_breaks_an_excerpt_and_time_that_goes_on_does_not():
    begin = RxTime(seconds=50, fraction=0.9)
    on = [StreamChange(sample=0, rx_time=begin), StreamChange(sample=40_000, rx_time=begin.after(40_000, RATE))]
    assert len(run(tone(COUNT, 1), [band(10_000, 60_000)], on)[0]) == 1
    jump = on + [StreamChange(sample=50_000, rx_time=begin.after(50_700, RATE))]
    first, second = run(tone(COUNT, 1), [band(10_000, 40_000), band(50_000, 20_000)], jump, rules=EXACT)[0]
    assert extents([first, second]) == [(10_000, 50_000), (50_000, 70_000)]
    assert first.rx_time == begin.after(10_000, RATE) and second.rx_time == begin.after(50_700, RATE)


def test_another_rate_of_the_input_keeps_the_rate_of_the_output():
    iq = np.concatenate([tone(60_001, 1), np.exp(2j * np.pi * 1e6 / 30.72e6 * np.arange(60_001, COUNT)).astype(np.complex64)])
    changes = [StreamChange(sample=60_001, samp_rate=30.72e6, rx_time=RxTime(seconds=3, fraction=0.0))]
    excerpts, extractor = run(iq, [band(60_001, 40_000)], changes, rules=EXACT)
    (excerpt,) = excerpts
    assert (excerpt.sample_start, excerpt.sample_count, excerpt.iq.size) == (60_001, 40_000, 5_000)
    assert excerpt.rx_time == RxTime(seconds=3, fraction=0.0)
    assert np.abs(excerpt.iq[50:-50] - 1).max() < SAME * 3
    changes = [replace(changes[0], samp_rate=15.361111e6)]
    excerpts, extractor = run(iq, [band(60_001, 40_000)], changes)
    assert excerpts == [] and "is no fraction of samp_rate=15361111 Hz" in next(iter(extractor.unfit))


def test_bands_that_cannot_be_extracted_are_counted_with_the_reason():
    starts = [band(10_000, 5_000, width=3.6), rf(30_000, 5_000, 2_001, track=2), band(50_000, 5_000, 9, track=3)]
    excerpts, extractor = run(tone(COUNT, 1), starts)
    assert excerpts == []
    reasons = list(extractor.unfit)
    assert "3.600 MHz is too wide for 3.84 MS/s" in reasons[0]
    assert "a band at 2000.500 MHz (RF) cannot be found: the centre is not known" in reasons[1]
    assert "is not in the stream, 15.36 MS/s around 0 MHz" in reasons[2]
    assert list(extractor.unfit.values()) == [1, 1, 1]
    _, extractor = run(tone(COUNT, 1), [rf(100 * n, 50, 2_001 + n, track=n) for n in range(40)])
    assert len(extractor.unfit) == 17 and extractor.unfit["other reasons"] == 24  # memory does not grow with time


@pytest.mark.parametrize(
    "fields, text",
    [
        ({"margin": -1.0}, "margin=-1.0 must be a frequency in Hz, 0 or more"),
        ({"tail": float("inf")}, "tail=inf must be a time in s, 0 or more"),
        ({"max_duration": 0.0}, "max_duration=0.0 must be a time in s, above 0"),
        ({"min_duration": 0.2}, "min_duration=0.2 s exceeds max_duration=0.02 s"),
        ({"max_bands": 0}, "max_bands=0 must be an integer of at least 1"),
        ({"switch_margin": float("nan")}, "switch_margin=nan must be 0 dB or more"),
    ],
)
def test_rules_that_make_no_sense_are_refused(fields, text):
    with pytest.raises(BandError, match=text):
        ExtractionRules(**fields)


# -- pulses

PRI = 15_360  # samples, 1 ms
ROW = 1_200  # samples: a row of the network's spectrogram
WIDTH = 31  # samples, 2 us
PULSE_RATE = 1.92e6  # Hz; little more than the band, so that noise fills it


def radar(count: int) -> tuple[np.ndarray, list[BandStart], np.ndarray]:
    """Pulses at -4 MHz beside a carrier three times as strong, the bands of their rows, and where they are."""
    rng = np.random.default_rng(8)
    first = 5_003 + PRI * np.arange(count)
    iq = 3.0 * tone(first[-1] + 40_000, 3)
    iq += 0.03 * (rng.standard_normal((iq.size, 2)) @ [1, 1j])
    for start in first:
        place = np.arange(start, start + WIDTH)
        iq[place] += np.exp(-2j * np.pi * 4e6 / RATE * place)
    rows = first // ROW * ROW
    starts = [band(row, ROW, -4, width=1.5, label="Radar", class_id=3, track=7, id=n) for n, row in enumerate(rows)]
    return iq.astype(np.complex64), starts, first


def test_each_pulse_is_an_excerpt_and_their_times_give_the_interval():
    iq, starts, first = radar(20)
    changes = [StreamChange(sample=0, rx_time=RxTime(seconds=9, fraction=0.5))]
    excerpts, _ = run(iq, starts, changes, step=4_000, out_rate=PULSE_RATE)
    assert len(excerpts) == 20
    times, widths = [], []
    for excerpt in excerpts:
        pulses = find_pulses(excerpt.iq, longest_box=64)
        assert pulses.count == 1
        begin = excerpt.rx_time.seconds - 9 + excerpt.rx_time.fraction - 0.5
        times.append(begin + pulses.starts[0] / excerpt.samp_rate)
        widths.append(pulses.widths[0] / excerpt.samp_rate)
    assert np.abs(np.array(times) * RATE - first).max() < RATE / PULSE_RATE  # a sample of the excerpt
    pattern = find_pattern(times, tolerance=1e-6)
    assert pattern.kind is PatternKind.CONSTANT and pattern.interval == pytest.approx(1e-3, abs=0.1e-6)
    assert np.median(widths) == pytest.approx(WIDTH / RATE, abs=1.1 / PULSE_RATE)


def test_a_bridged_pause_makes_one_excerpt_whose_pulses_can_be_measured():
    iq, starts, _ = radar(20)
    (excerpt,), _ = run(iq, starts, rules=ExtractionRules(max_pause=2e-3), out_rate=PULSE_RATE)
    report = measure_pulses(excerpt.iq, excerpt.samp_rate)
    assert report.pulses.count == 20 and report.pattern.kind is PatternKind.CONSTANT
    assert report.pattern.interval == pytest.approx(1e-3, abs=0.1e-6)
    assert report.width == pytest.approx(WIDTH / RATE, abs=1.1 / PULSE_RATE)
