"""Drawn radars: each family keeps its table, nothing is special about a row, and a record holds everything."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import chisquare

from rfseg.errors import SceneError
from rfseg.synth.radar import CODES, FAMILIES, Echo, Pulse, PulseTrain, bandwidth, draw_radar, pulse_times, scan_gain_db
from rfseg.synth.radar.dfs import SHORT_TYPES
from rfseg.synth.radar.fmcw import FMCW_KINDS
from rfseg.synth.radar.laws import PRI_KINDS, draw_intervals, draw_tail
from rfseg.synth.radar.ntia import NTIA_BINS
from rfseg.synth.radar.timing import schedule

DRAWS = 60
SPAN = 61.44e6
CHI_SQUARE_P = 0.01


def _draws(family: str, count: int = DRAWS, duration: float = 20e-3, span: float = SPAN) -> list[PulseTrain]:
    rng = np.random.default_rng(11)
    return [draw_radar(duration, span, rng, families=(family,)) for _ in range(count)]


def _train(**changes) -> PulseTrain:
    pulse = dict(width=1e-6)
    facts = dict(family="plain", center=0.0, pulses=(Pulse(**pulse),), intervals=(1e-3,), first=0.2e-3, snr_db=30.0)
    return PulseTrain(**{**facts, **changes})


def _on_grid(value: float, grid: tuple[float, float, float]) -> bool:
    low, high, step = grid
    place = (value - low) / step
    return low - 1e-6 <= value <= high + 1e-6 and abs(place - round(place)) < 1e-6


@pytest.mark.parametrize("number", NTIA_BINS)
def test_ntia_bins_keep_to_the_value_grids(number):
    table = NTIA_BINS[number]
    trains = _draws(f"ntia-{number}", 250)
    for train in trains:
        assert train.ntia_bin == number
        assert _on_grid(train.width * 1e6, table["width_us"])
        assert _on_grid(abs(train.chirp) / 1e6, table["chirp_mhz"])
        assert len(train.intervals) == 1 and _on_grid(1 / train.intervals[0], table["rate"])
        assert _on_grid(train.burst, table["pulses"])
    kinds = {train.modulation for train in trains}
    if number == 2:
        assert kinds == set(CODES) and {train.pulses[0].chips for train in trains} == {4}
    else:
        assert kinds == ({"none"} if number == 1 else {"lfm", "tangent", "taper"})
        assert number == 1 or {np.sign(train.chirp) for train in trains} == {-1, 1}
    low, high, step = table["width_us"]
    assert len({round(train.width * 1e9) for train in trains}) == 1 + round((high - low) / step)


@pytest.mark.parametrize("number", SHORT_TYPES)
def test_short_dfs_types_keep_to_the_table(number):
    widths, intervals, counts = SHORT_TYPES[number]
    for train in _draws(f"dfs-{number}"):
        assert widths[0] - 1e-9 <= train.width * 1e6 <= widths[1] + 1e-9 and train.modulation == "none"
        assert intervals[0] - 1e-9 <= train.intervals[0] * 1e6 <= intervals[1] + 1e-9
        assert counts[0] <= train.burst <= counts[1]


def test_long_dfs_chirps_come_in_8_to_20_bursts_of_1_to_3_in_12_s():
    for train in _draws("dfs-5"):
        assert 50e-6 <= train.width <= 100e-6 and 5e6 <= abs(train.chirp) <= 20e6
        assert all(1e-3 <= interval <= 2e-3 for interval in train.intervals) and 1 <= train.burst <= 3
        assert 8 <= round(12 / train.burst_interval, 6) <= 20


def test_the_hopping_dfs_type_changes_frequency_after_nine_pulses():
    for train in _draws("dfs-6", 10):
        offsets = schedule(train, 20e-3).offsets
        changes = np.flatnonzero(np.diff(offsets))
        assert len(changes) and set(np.diff(changes)) <= {9, 18}  # two hops may meet on one frequency
        assert train.intervals == (333e-6,) and train.width == 1e-6
        assert set(np.array(train.hops) % 1e6) == {0.0} and np.ptp(train.hops) > 0.5 * SPAN


def test_japanese_pairs_are_a_short_pulse_and_a_long_narrow_chirp():
    for train in _draws("japan-pair"):
        short, long = train.pulses
        assert 0.5e-6 <= short.width <= 15e-6 and short.modulation == "none"
        assert 20e-6 <= long.width <= 110e-6 and 1e6 <= abs(long.chirp) <= 2e6 and long.delay > short.width
        assert 200 <= 1 / train.intervals[0] <= 1600


def test_air_traffic_radars_have_their_pulses_staggers_and_beams():
    for train in _draws("asr-9"):
        high, low = 1 / train.intervals[0], 1 / train.intervals[-1]
        assert 928 <= low <= 1027 and 1193 <= high <= 1321 and len(set(train.intervals)) == 2
        assert train.width == 1.05e-6 and 17e-3 < train.scan_width < 19e-3  # 1.3 to 1.4 degrees at 12.5 rpm
    for train in _draws("asr-8"):
        assert len(set(train.intervals)) == 4 and 1 / np.mean(train.intervals) == pytest.approx(1040, abs=21)
        assert train.width == 0.6e-6
    for family, count in (("asr-11", 2), ("asr-e", 3)):
        for train in _draws(family):
            short, *long = train.pulses
            assert len(train.pulses) == count and short.width == 1e-6 and short.modulation == "none"
            assert all(45e-6 <= p.width <= 90e-6 and p.modulation in ("lfm", "tangent", "taper") for p in long)
            assert len({p.offset for p in train.pulses}) == 2  # two frequencies


def test_naval_weather_and_marine_radars_keep_to_their_figures():
    for train in _draws("spn-43"):
        assert train.width == 0.9e-6 and train.intervals == (1e-3,) and train.scan_width == pytest.approx(1.75 / 90)
    for train in _draws("wsr-88d"):
        assert train.width in (1.57e-6, 4.7e-6)
        assert 318 <= 1 / train.intervals[0] <= (452 if train.width > 2e-6 else 1304)
    for train in _draws("marine"):
        assert 0.05e-6 <= train.width <= 1.2e-6
        assert 375 <= 1 / max(train.intervals) and 1 / min(train.intervals) <= 4000
    for train in _draws("spy-1"):
        assert round(train.width * 1e6, 1) in (6.4, 12.7, 25.4, 51.0) and len(set(train.intervals)) >= 4
        assert train.burst_gains_db[0] == 0.0 and all(gain <= -25 for gain in train.burst_gains_db[1:])


@pytest.mark.parametrize("kind", FMCW_KINDS)
def test_fmcw_sweeps_without_pauses(kind):
    (narrow, wide), (quick, slow) = FMCW_KINDS[kind]
    trains = _draws(kind)
    assert {train.modulation for train in trains} == {"sawtooth", "triangle"}
    for train in trains:
        sweep = train.width / (2 if train.modulation == "triangle" else 1)
        assert narrow * 1e6 <= abs(train.chirp) <= wide * 1e6 and quick <= sweep <= slow
        assert train.intervals == (train.width,)
        assert pulse_times(train, 5e-3) == [(0.0, 5e-3)]


def test_coded_radars_use_every_code_and_spacing():
    trains = _draws("coded", 150)
    assert {train.modulation for train in trains} == set(CODES)
    assert {train.pulses[0].chips for train in trains if train.modulation == "barker"} == {2, 3, 4, 5, 7, 11, 13}
    assert any(train.burst for train in trains) and any(train.scan_width for train in trains)
    assert {1} < {len(set(train.intervals)) for train in trains}


def test_intervals_of_every_kind():
    rng = np.random.default_rng(0)
    for _ in range(30):
        assert draw_intervals("fixed", 1e-3, 20e-3, rng) == (1e-3,)
        assert 2 <= len(set(draw_intervals("stagger", 1e-3, 20e-3, rng))) <= 8
        jittered = draw_intervals("jitter", 1e-3, 20e-3, rng)
        assert sum(jittered) > 20e-3 and max(abs(np.array(jittered) / 1e-3 - 1)) <= 0.1
        dwells = np.array(draw_intervals("dwell", 1e-3, 20e-3, rng))
        lengths = np.diff(np.flatnonzero(np.diff(dwells, prepend=-1, append=-1)))
        assert 2 <= len(lengths) <= 3 and 8 <= lengths.min() and lengths.max() <= 20
    assert set(PRI_KINDS) == {"fixed", "stagger", "jitter", "dwell"}


def test_every_family_is_drawn_by_its_weight():
    rng = np.random.default_rng(3)
    names = [draw_radar(20e-3, SPAN, rng).family for _ in range(2000)]
    observed = [names.count(name) for name in FAMILIES]
    expected = 2000 * np.array(list(FAMILIES.values())) / sum(FAMILIES.values())
    assert chisquare(observed, expected).pvalue > CHI_SQUARE_P
    assert {draw_radar(20e-3, SPAN, rng, families=("asr-9", "coded")).family for _ in range(40)} == {"asr-9", "coded"}


def test_edges_echoes_and_levels_keep_to_their_ranges():
    rng = np.random.default_rng(4)
    trains = [draw_radar(20e-3, SPAN, rng) for _ in range(400)]
    for train in trains:
        for pulse in train.pulses:
            assert pulse.is_fmcw or 20e-9 <= pulse.rise <= 100e-9
        assert len(train.echoes) <= 6
        assert all(0.1e-6 <= e.delay <= 20e-6 and -35 <= e.gain_db <= -5 for e in train.echoes)
        visible_db = train.snr_db + max([0.0] if train.scan_peak is None else scan_gain_db(train, np.linspace(0, 20e-3, 500)))
        assert visible_db <= 50 and (train.scan_peak is not None or train.snr_db >= 3)
    assert {len(train.echoes) for train in trains} == set(range(7))


def test_the_tail_decays_exponentially():
    rng = np.random.default_rng(5)
    tails = np.array([[echo.delay for echo in draw_tail(rng)] for _ in range(400)])  # (400, paths)
    ratio = (tails.mean(1) / np.median(tails, axis=1)).mean()
    assert ratio == pytest.approx(1.39, abs=0.08)  # 1 / ln 2 but for what is cut at four decays; 1 if they were even


def test_thirty_percent_of_rotating_radars_show_only_their_sidelobes():
    rng = np.random.default_rng(6)
    alone, count = 0, 600
    for _ in range(count):
        train = draw_radar(20e-3, SPAN, rng, families=("asr-8", "asr-9"))
        gains = scan_gain_db(train, np.linspace(0, 20e-3, 200))
        alone += gains.max() <= train.sidelobe_db + 1e-6
        assert -35 <= train.sidelobe_db <= -25
    assert alone / count == pytest.approx(0.3, abs=0.07)


def test_the_beam_is_gaussian_over_sidelobes():
    train = _train(scan_peak=10e-3, scan_width=4e-3, sidelobe_db=-30.0)
    gains = scan_gain_db(train, np.array([10e-3, 12e-3, 8e-3, 14e-3]))
    assert gains == pytest.approx([0.0, -3.01, -3.01, -12.04], abs=0.01)
    far = scan_gain_db(train, np.linspace(20e-3, 60e-3, 1000))
    assert far.max() == pytest.approx(-30.0, abs=0.1) and far.min() > -43


@pytest.mark.parametrize("duration", [1e-3, 20e-3])
def test_no_row_is_special(duration):
    rng = np.random.default_rng(8)
    starts = []
    for _ in range(6000):
        inside = schedule(draw_radar(duration, SPAN, rng), duration).starts
        inside = inside[inside >= 0]
        starts.extend(inside[rng.random(inside.size) < 0.08])  # pulses of one radar depend on each other
    counts = np.histogram(starts, 16, (0, duration))[0]
    assert counts.sum() > 600 and chisquare(counts).pvalue > CHI_SQUARE_P


def test_the_beam_passes_at_any_moment():
    rng = np.random.default_rng(9)
    trains = [draw_radar(20e-3, SPAN, rng, families=("asr-9",)) for _ in range(6000)]
    peaks = [train.scan_peak for train in trains if 0 <= train.scan_peak < 20e-3]
    assert chisquare(np.histogram(peaks, 16, (0, 20e-3))[0]).pvalue > CHI_SQUARE_P


@pytest.mark.parametrize("family", ["ntia-1", "ntia-4", "ntia-3", "asr-e"])
def test_centres_are_uniform_and_whole_chirps_stay_inside_where_they_fit(family):
    span, places = 30.72e6, []
    for train in _draws(family, 1500, span=span):
        low = min(p.offset - (abs(p.chirp) / 2 or 1e6) for p in train.pulses)
        high = max(p.offset + (abs(p.chirp) / 2 or 1e6) for p in train.pulses)
        if high - low < span:
            assert train.center + low >= -span / 2 - 1 and train.center + high <= span / 2 + 1
            places.append((train.center + span / 2 + low) / (span - high + low))
        else:
            places.append(train.center / span + 0.5)
    assert chisquare(np.histogram(places, 10, (0, 1))[0]).pvalue > CHI_SQUARE_P


def test_a_record_survives_json_and_a_seed_gives_the_same_radar():
    for family in FAMILIES:
        (train,) = _draws(family, 1)
        facts = json.loads(json.dumps(asdict(train), allow_nan=False))
        for name, kind in (("pulses", Pulse), ("echoes", Echo), ("tail", Echo)):
            facts[name] = tuple(kind(**fields) for fields in facts[name])
        facts = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
        assert PulseTrain(**facts) == train == _draws(family, 1)[0]


def test_pulse_times_are_those_of_the_record():
    assert np.allclose(pulse_times(_train(), 3e-3), [(0.2e-3 + k * 1e-3, 0.201e-3 + k * 1e-3) for k in range(3)])
    cut = pulse_times(_train(first=-0.5e-6, burst=1), 3e-3)
    assert np.allclose(cut, [(0.0, 0.5e-6)])
    pair = _train(pulses=(Pulse(width=1e-6), Pulse(width=45e-6, modulation="lfm", chirp=2e6, delay=10e-6)), burst=2)
    assert len(pulse_times(pair, 3e-3)) == 4
    bursts = _train(burst=3, burst_interval=5e-3, first=-5e-3)
    assert np.allclose([start for start, _ in pulse_times(bursts, 11.9e-3)], [0, 1e-3, 2e-3, 5e-3, 6e-3, 7e-3, 10e-3, 11e-3])


def test_bandwidths_follow_width_chirp_and_chips():
    assert bandwidth(_train()) == pytest.approx(5.3e6, rel=0.15)  # -20 dB of sinc: beyond the second sidelobe
    chirp = _train(pulses=(Pulse(width=50e-6, modulation="lfm", chirp=20e6),))
    assert bandwidth(chirp) == pytest.approx(21e6, rel=0.05)  # and its skirts
    code = _train(pulses=(Pulse(width=13e-6, modulation="barker", chips=13),))
    assert 1e6 < bandwidth(code) < 8e6
    assert bandwidth(_train(hops=(-5e6, 5e6))) == pytest.approx(10e6 + bandwidth(_train()))


WRONG_PULSES = [
    (dict(modulation="fm"), "modulation='fm' is unknown; choose one of none, lfm, tangent"),
    (dict(width=0.0), "width=0.0 s is no pulse width; give seconds between 0 and 1"),
    (dict(rise=2e-6), "rise=2e-06 s does not fit a pulse of 1e-06 s; give 0 up to its width"),
    (dict(delay=-1e-6), "delay=-1e-06 s is before the group begins; give 0 or more"),
    (dict(chirp=1e6), "chirp=1000000.0 Hz contradicts modulation='none'; only chirps sweep"),
    (dict(modulation="lfm"), "chirp=0.0 Hz contradicts modulation='lfm'; only chirps sweep, and all do"),
    (dict(modulation="lfm", chirp=1e6, bend=0.5), "bend=0.5 does not suit modulation='lfm'; give 0 to pi / 2 for tangent"),
    (dict(modulation="taper", chirp=1e6, bend=1.0), "bend=1.0 does not suit modulation='taper'"),
    (dict(chips=4), "chips=4 without a phase code"),
    (dict(modulation="barker", chips=6), "no Barker code of 6 chips, variant 1; there are"),
    (dict(modulation="frank", chips=8), "no frank code of 8 chips; its length is a square from 4 on"),
    (dict(modulation="p2", chips=9), "no p2 code of 9 chips; its length is a square from 4 on of an even number"),
    (dict(modulation="p3", chips=1), "no p3 code of 1 chips; give at least 2"),
    (dict(modulation="zadoff-chu", chips=9, code_index=3), "root 3 of a Zadoff-Chu code shares a factor with its 9 chips"),
]


@pytest.mark.parametrize(("changes", "text"), WRONG_PULSES)
def test_pulses_that_cannot_be_are_refused(changes, text):
    with pytest.raises(SceneError) as caught:
        Pulse(**{"width": 1e-6, **changes})
    assert text in str(caught.value)


SWEEP = Pulse(width=1e-3, modulation="sawtooth", chirp=1e7, rise=0.0)
WRONG_TRAINS = [
    (dict(pulses=()), "pulses of a radar is empty; give at least one"),
    (dict(intervals=(0.5e-6,)), "interval of 5e-07 s is shorter than its group of pulses (1e-06 s)"),
    (dict(burst=0), "burst=0 must be at least 1"),
    (dict(hop_pulses=0), "hop_pulses=0 must be at least 1"),
    (dict(burst=5, burst_interval=3e-3), "burst_interval=0.003 s does not hold a burst of 5 groups; lengthen it"),
    (dict(scan_peak=1e-3), "scan_peak=0.001 and scan_width=None contradict each other"),
    (dict(pulses=(SWEEP,), intervals=(2e-3,)), "FMCW is one sweep after the other, without echoes"),
]


@pytest.mark.parametrize(("changes", "text"), WRONG_TRAINS)
def test_radars_that_cannot_be_are_refused(changes, text):
    with pytest.raises(SceneError) as caught:
        _train(**changes)
    assert text in str(caught.value)


def test_draws_that_cannot_be_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(SceneError, match="radar family 'sonar' is unknown; choose from ntia-1"):
        draw_radar(1e-3, SPAN, rng, families=("sonar",))
    with pytest.raises(SceneError, match="families is empty; name at least one"):
        draw_radar(1e-3, SPAN, rng, families=())
    with pytest.raises(SceneError, match="duration=0 s and span=inf Hz must be positive and finite"):
        draw_radar(0, math.inf, rng)
