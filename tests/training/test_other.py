"""Other emitters keep their standards: width, power, timing, sequences."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from rfseg.errors import SceneError
from rfseg.geometry import make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.synth.other import OTHER_KINDS, SPREAD_KINDS, add_other, atsc, draw_other, dvbt, gsm, impulses, umts, wifi_symbols
from rfseg.synth.other.bursts import draw_bursts, regular_bursts
from rfseg.synth.other.emitter import NARROWEST_HZ
from rfseg.synth.other.modulation import cpm, random_signs

POWER_TOLERANCE_DB = 0.5
RATE, MILLISECONDS = 122.88e6, 4
ALWAYS = {"stations_db": (0.0,), "station_echoes": ((0.1, -60.0, 0.0),), "ack_db": 0.0, "peer_db": 0.0, "echo_us": 0.0, "return_db": None}


def _draw(kind: str, seed: int = 0, snr_db: float = 20.0, center: float = 0.0, **changes):
    """A drawn emitter with everybody at 0 dB and no echo, and ``changes``; fields that a kind lacks are skipped."""
    emitter = draw_other(kind, center, snr_db, np.random.default_rng(seed))
    facts = {**ALWAYS, **changes}
    return replace(emitter, **{name: value for name, value in facts.items() if name in asdict(emitter)})


def _samples(emitter, *, milliseconds: int = MILLISECONDS, rate: float = RATE, seed: int = 0) -> np.ndarray:
    """What the emitter alone gives, complex64, at the scene's rate."""
    spectrum = torch.zeros(round(rate * milliseconds / 1e3), dtype=torch.complex64)
    generator = torch.Generator().manual_seed(seed)
    add_other(spectrum, milliseconds, emitter, rng=np.random.default_rng(seed), generator=generator)
    return torch.fft.ifft(spectrum, norm="ortho").numpy()


def _power(samples: np.ndarray) -> float:
    return float(np.mean(np.abs(samples) ** 2))


def _runs(on: np.ndarray) -> list[tuple[int, int]]:
    """Starts and stops of the stretches that are true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(np.int8), [0]])))
    return list(zip(edges[0::2], edges[1::2]))


def _on_air(samples: np.ndarray, length: int, depth: float = 30.0) -> np.ndarray:
    """Whether blocks of ``length`` samples are within ``depth``, 15 dB, of the strongest."""
    power = (np.abs(samples[: len(samples) // length * length]) ** 2).reshape(-1, length).mean(1)
    return power > power.max() / depth


# --- every kind


def test_weights_are_probabilities():
    assert math.fsum(weight for weight, _ in OTHER_KINDS.values()) == pytest.approx(1.0)
    assert SPREAD_KINDS <= set(OTHER_KINDS)


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_the_record_is_plain_and_the_width_within_the_table(kind):
    low, high = OTHER_KINDS[kind][1]
    for seed in range(40):
        emitter = draw_other(kind, 1e6, 10.0, np.random.default_rng(seed))
        assert low * 0.999 <= emitter.width <= high * 1.001
        record = asdict(emitter)
        assert json.loads(json.dumps(record))["kind"] == kind
        assert emitter.edges[0] <= emitter.center <= emitter.edges[1]


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_the_same_seed_gives_the_same_samples(kind):
    emitter = draw_other(kind, 0.0, 10.0, np.random.default_rng(3))
    first, second, other = (_samples(emitter, milliseconds=2, rate=15.36e6, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert np.isfinite(first).all()


ALONE = {
    "channels": (0,), "levels_db": (0.0,), "offsets": (0.0,), "beacons": (True,), "slots": (255,), "training": (0,), "starts": (0.0,),
    "load": 1.0, "step_db": 0.0,
}  # fmt: skip
FULL = {"wifi", "wifi40", "wifi80", "dsss", "zigbee", "lora", "umts", "dvbt", "atsc", "single-carrier", "ofdm", "noise-block", "sweep"}


def _alone(kind: str, seed: int, **changes):
    """One line of what may be several, the whole width busy."""
    emitter = _draw(kind, seed, **{**ALONE, "traffic": "saturated" if kind.startswith("wifi") else "slots", **changes})
    return replace(emitter, width={"gsm": gsm.RASTER_HZ, "umts": OTHER_KINDS["umts"][1][0]}.get(kind, emitter.width))


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_everything_is_made_on_the_generators_device(kind, monkeypatch):
    # the meta device holds no data, and refuses to meet tensors of another device, as a GPU does
    class Generator:
        device = torch.device("meta")

    for name in ("rand", "randn", "randint"):
        draw = getattr(torch, name)
        monkeypatch.setattr(torch, name, lambda *args, _draw=draw, generator, **facts: _draw(*args, **facts))
    spectrum = torch.zeros(round(20e6 * 5e-3), dtype=torch.complex64, device="meta")
    for seed in range(4):
        emitter = draw_other(kind, 0.0, 10.0, np.random.default_rng(seed))
        add_other(spectrum, 5, emitter, rng=np.random.default_rng(seed), generator=Generator())
    assert spectrum.device.type == "meta"


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_whoever_is_in_the_record_is_heard(kind):
    for seed in range(12):
        emitter = draw_other(kind, 0.0, 10.0, np.random.default_rng(seed))
        assert _samples(emitter, milliseconds=1 + seed % 3, rate=15.36e6, seed=seed).any()


@pytest.mark.parametrize("kind", sorted(set(OTHER_KINDS) - {"clicks", "bluetooth", "ble"}))
def test_99_percent_of_the_power_lie_within_the_width(kind):
    for seed in range(2):
        emitter = _alone(kind, seed)
        spectrum = np.abs(np.fft.fftshift(np.fft.fft(_samples(emitter, milliseconds=8)))) ** 2
        share = np.cumsum(spectrum) / spectrum.sum()
        freqs = (np.arange(len(share)) - len(share) // 2) * RATE / len(share)
        low, high = freqs[np.searchsorted(share, 0.005)], freqs[np.searchsorted(share, 0.995)]
        assert high - low <= 1.25 * emitter.width + 20e3  # a sweep and GMSK have skirts
        if kind in FULL:
            assert high - low >= 0.94 * emitter.width or kind == "lora" and high - low > 0.5 * emitter.width


@pytest.mark.parametrize("kind", sorted(set(OTHER_KINDS) - {"clicks"}))
def test_density_on_air_is_what_was_asked_for(kind):
    emitter = _alone(kind, 1)
    samples = _samples(emitter, milliseconds=10)
    blocks = (np.abs(samples[: len(samples) // 1200 * 1200]) ** 2).reshape(-1, 1200).mean(1)  # 10 us
    on = blocks > blocks.max() / 8
    inner = on & np.roll(on, 1) & np.roll(on, -1)
    measured = 10 * math.log10(blocks[inner].mean() * RATE / emitter.density_width)
    assert measured == pytest.approx(20.0, abs=POWER_TOLERANCE_DB)


def test_the_density_is_counted_over_200_khz_at_least():
    assert _draw("cw").density_width == NARROWEST_HZ == _draw("lora", width=125e3).density_width
    assert _draw("lora", width=250e3).density_width == 250e3


@pytest.mark.parametrize("snr_db", [10.0, 30.0])
def test_a_click_has_its_snr_in_the_segment_that_holds_it(snr_db):
    geometry = make_geometry(61.44e6, frame_duration=20e-3)
    facts = dict(ring_us=0.0, period_us=971.3, phase_us=500.0, group=1, group_us=0.0, rate=0.0, spread_db=0.0)
    samples = _samples(_draw("clicks", snr_db=snr_db, **facts), milliseconds=21, rate=61.44e6)
    peak = frame_rows(samples[: geometry.frame_samples + geometry.overhang], geometry)[0][1].max()
    # half-overlapped windows: a click in the middle of one has its whole energy, 10 log10(256 / 96 / 1.5) = 2.5 dB over
    assert peak + 10 * math.log10(geometry.bins / 1.5) == pytest.approx(snr_db, abs=1.0)


@pytest.mark.parametrize("kind", sorted(set(OTHER_KINDS) - {"clicks", "comb", "bluetooth", "ble"}))
def test_what_leaves_the_band_does_not_fold_back(kind):
    rate = 30.72e6
    emitter = replace(_alone(kind, 2), center=rate / 2)  # the upper half is outside
    whole = np.abs(np.fft.fft(_samples(emitter, rate=122.88e6))) ** 2
    cut = np.abs(np.fft.fft(_samples(emitter, rate=rate))) ** 2
    count, total = len(cut), len(whole)
    assert np.allclose(cut[: count // 2] * 4, whole[: count // 2], rtol=1e-3, atol=1e-5 * whole.max())
    assert np.allclose(cut[-(count // 2) :] * 4, whole[total - count // 2 :], rtol=1e-3, atol=1e-5 * whole.max())


def test_an_emitter_outside_the_band_adds_nothing():
    assert not _samples(_draw("umts", center=40e6), rate=15.36e6).any()


def test_an_echo_ripples_the_band_and_keeps_its_power():
    plain = _draw("dvbt", 1)
    echoed = replace(plain, echo_us=1.0, echo_db=-3.0, echo_turn=0.2)
    ratio = np.abs(np.fft.fft(_samples(echoed))) ** 2 / np.maximum(np.abs(np.fft.fft(_samples(plain))) ** 2, 1e-9)
    inside = ratio[: int(3e6 * MILLISECONDS / 1e3)]  # 0 to 3 MHz: three periods of 1 MHz
    level = 10 ** (-3 / 20)
    assert 10 * np.log10(inside.max() / inside.min()) == pytest.approx(20 * math.log10((1 + level) / (1 - level)), abs=0.3)
    assert _power(_samples(echoed)) == pytest.approx(_power(_samples(plain)), rel=0.1)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (dict(width=0.0), r"width=0.0 Hz of emitter 'umts' is not positive; give its occupied bandwidth"),
        (dict(duty=0.0), r"duty=0.0 of emitter 'umts' is outside \(0, 1\]; 1 is always on air"),
        (dict(duty=1.5), r"duty=1.5 of emitter 'umts'"),
    ],
)
def test_impossible_emitters_are_refused(changes, text):
    with pytest.raises(SceneError, match=text):
        replace(_draw("umts"), **changes)


def test_unknown_kinds_are_refused(rng):
    with pytest.raises(SceneError, match="kind='microwave' of another emitter does not exist; choose one of wifi, wifi40"):
        draw_other("microwave", 0.0, 10.0, rng)


@pytest.mark.parametrize("duty", [0.001, 0.3, 1.0])
def test_bursts_touch_the_scene_and_keep_their_share(duty, rng):
    shares = []
    for _ in range(400):
        bursts = draw_bursts(5e3, duty, (100.0, 800.0), rng)
        assert bursts and all(start < 5e3 and start + length > 0 for start, length in bursts)
        shares.append(sum(min(5e3, start + length) - max(0.0, start) for start, length in bursts) / 5e3)
    assert np.mean(shares) == pytest.approx(max(duty, 0.067), rel=0.2)  # at least one burst of 337 us on average


def test_regular_bursts_keep_their_period_and_touch_the_scene():
    assert regular_bursts(5e3, 2e3, 500.0, 4700.0) == [(700.0, 500.0), (2700.0, 500.0), (4700.0, 500.0)]
    assert regular_bursts(1e3, 20e3, 500.0, 7300.0) == [(300.0, 500.0)]  # folded: the scene is shorter than the silence


# --- Wi-Fi


def test_training_fields_are_those_of_the_standard():
    # IEEE Std 802.11-2020 tables I-6 and I-4: first time samples of one period, scaled there by 1/64
    long = wifi_symbols.preamble(20, (0,))[192:256] * math.sqrt(52) / 64
    short = wifi_symbols.short_training(20, (0,))[:5] * math.sqrt(52) / 64
    assert np.allclose(long[:4], [0.156, -0.005 - 0.120j, 0.040 - 0.111j, 0.097 + 0.083j], atol=1e-3)
    assert np.allclose(short, [0.046 + 0.046j, -0.132 + 0.002j, -0.013 - 0.079j, 0.143 - 0.013j, 0.092], atol=1e-3)


def test_pilot_polarity_is_that_of_the_standard():
    expected = [1, 1, 1, 1, -1, -1, -1, 1, -1, -1, -1, -1, 1, 1, -1, 1, -1, -1, 1, 1]  # equation 17-25
    assert wifi_symbols._polarity()[:20].tolist() == expected


@pytest.mark.parametrize(("mhz", "reach", "used"), [(20, 28, 56), (40, 58, 114), (80, 122, 242)])
def test_wide_symbols_leave_the_middle_empty_and_carry_their_pilots(mhz, reach, used, generator):
    symbols = wifi_symbols.symbol_bank(8, mhz, generator, order=4, guard=wifi_symbols.SHORT_GUARD, bands=None)
    size = 64 * mhz // 20
    assert symbols.shape == (8, size + 8 * mhz // 20)
    middle = symbols[:, 4 * mhz // 20 : 4 * mhz // 20 + size]  # inside the guard: turned, but no edges
    power = torch.fft.fftshift(torch.fft.fft(middle).abs(), dim=1)
    on = (power > 0.3 * power.max()).all(0).nonzero().flatten() - size // 2
    assert (len(on), int(on.min()), int(on.max())) == (used, -reach, reach)
    assert 0 not in on


@pytest.mark.parametrize(("kind", "format_"), [("wifi", "legacy"), ("wifi", "ht"), ("wifi40", "vht"), ("wifi80", "vht")])
def test_frames_begin_with_ten_periods_of_800_ns_and_two_long_symbols(kind, format_):
    seed = next(s for s in range(99) if _draw(kind, s).format == format_)
    emitter = _draw(kind, seed, traffic="sparse", duty=0.05, acknowledged=0.0, frame_us=(500.0, 500.0), turn_frames=1)
    rate = 20e6 * emitter.mhz // 20
    found = []
    for chance in range(6):
        samples = _samples(emitter, rate=rate, milliseconds=8, seed=chance)
        block = emitter.mhz * 2 // 5  # 0.4 us
        for start, stop in _runs(_on_air(samples, block, depth=1000.0)):
            start, stop = start * block, stop * block
            if start and 450e-6 < (stop - start) / rate < 510e-6:
                found.append(samples[start : start + int(20e-6 * rate)])
    assert found
    for frame in found:
        for field, period, low in (((0.5e-6, 7e-6), 0.8e-6, 0.99), ((10e-6, 12.5e-6), 3.2e-6, 0.99), ((10e-6, 12.5e-6), 0.8e-6, -1)):
            lag, (first, last) = round(period * rate), (round(t * rate) for t in field)
            one, two = frame[first : last], frame[first + lag : last + lag]
            likeness = abs(np.vdot(one, two)) / np.sqrt(np.vdot(one, one).real * np.vdot(two, two).real)
            assert likeness > low if low > 0 else likeness < 0.7


def test_acknowledgements_follow_after_the_short_gap():
    emitter = _draw(
        "wifi", 5, traffic="sparse", duty=0.1, acknowledged=1.0, sifs_us=16.0, frame_us=(400.0, 400.0), turn_frames=1
    )
    runs = _runs(_on_air(_samples(emitter, rate=20e6, milliseconds=20), 10))
    lengths, gaps = [(b - a) / 2 for a, b in runs], [(c - b) / 2 for (_, b), (c, _) in zip(runs, runs[1:])]
    answered = [gap for gap, length in zip(gaps, lengths) if length > 300]
    assert answered and np.allclose(answered, 16.0, atol=1.1)
    assert {round(length / 4) * 4 for length in lengths[1:-1] if length < 100} <= {28, 32, 44}


def test_traffic_of_a_sparse_channel_is_mostly_silence():
    shares = [
        _on_air(_samples(_draw("wifi", 7, traffic="sparse", duty=0.1, turn_frames=1), rate=20e6, milliseconds=20, seed=seed), 200).mean()
        for seed in range(10)
    ]
    assert 0.03 < np.mean(shares) < 0.25


def test_stations_differ_in_level_and_echo():
    changes = dict(traffic="sparse", duty=0.3, turn_frames=1, acknowledged=0.0, frame_us=(300.0, 300.0))
    stations = dict(stations_db=(0.0, -10.0), station_echoes=((0.1, -60.0, 0.0), (0.2, -1.0, 0.0)))
    samples = _samples(_draw("wifi", 5, **changes, **stations), rate=20e6, milliseconds=20)
    levels, ripples = [], []
    for start, stop in _runs(_on_air(samples, 40, depth=1000.0)):
        if 280 < (stop - start) * 2 < 310:
            frame = samples[start * 40 + 400 : start * 40 + 5200]
            power = np.abs(np.fft.fft(frame.reshape(-1, 80)[:, 16:], axis=1)[:, 2:24]) ** 2
            levels.append(10 * math.log10(_power(frame)))
            ripples.append(power.mean(0).max() / power.mean(0).min())
    levels, ripples = np.array(levels), np.array(ripples)
    weak = levels < levels.max() - 5
    assert weak.any() and not weak.all()
    assert levels[~weak].mean() - levels[weak].mean() == pytest.approx(10.0, abs=1.0)
    assert ripples[weak].min() > 2 * ripples[~weak].max()


def test_beacons_of_a_wide_channel_use_their_20_mhz_only():
    emitter = _draw("wifi80", 1, traffic="beacons", primary=0, frame_us=(400.0, 400.0))
    spectrum = np.abs(np.fft.fftshift(np.fft.fft(_samples(emitter, milliseconds=10)))) ** 2
    freqs = (np.arange(len(spectrum)) / len(spectrum) - 0.5) * RATE
    assert spectrum[(freqs > -39e6) & (freqs < -21e6)].sum() > 0.98 * spectrum.sum()


def test_barkers_code_shows_every_microsecond():
    emitter = _draw("dsss", 3, mbit=1.0, duty=0.9, acknowledged=False)
    samples = _samples(emitter, rate=22e6, milliseconds=10)
    power = np.abs(np.convolve(samples, np.repeat([1, -1, 1, 1, -1, 1, 1, 1, -1, -1, -1], 2)[::-1])) ** 2
    folded = power[: len(power) // 22 * 22].reshape(-1, 22).mean(0)
    assert folded.max() > 6 * np.median(folded)


# --- hopping and low rate


def test_bluetooth_hops_begin_on_slots_of_625_us():
    emitter = _draw("bluetooth", 4, traffic="slots", offsets=(0.0,), packet_slots=1, packet_us=366.0, phase_us=100.0, duty=1.0)
    starts = np.array([start for start, _ in _runs(_on_air(_samples(emitter, rate=20e6, milliseconds=20), 100))]) * 5.0
    assert len(starts) == 32
    assert np.allclose((starts - 100.0) % 625.0, 0, atol=5.1) or np.allclose((starts - 100.0 + 10) % 625.0, 10, atol=5.1)


def test_bluetooth_uses_channels_of_1_mhz_that_reach_the_band():
    emitter = _draw("bluetooth", 8, traffic="slots", offsets=tuple(1e6 * k for k in range(-39, 40)), duty=1.0, packet_slots=1)
    power = np.abs(np.fft.fft(_samples(emitter, rate=15.36e6, milliseconds=40))) ** 2
    freqs = np.fft.fftfreq(len(power), 1 / 15.36e6)
    near = power[np.abs(freqs - np.round(freqs / 1e6) * 1e6) < 0.3e6].sum()
    assert near > 0.9 * power.sum()
    assert len({round(f / 1e6) for f in freqs[power > power.max() / 100]}) > 5


def test_low_energy_advertises_on_three_channels():
    emitter = _draw("ble", next(s for s in range(50) if _draw("ble", s).traffic == "advertising"))
    steps = np.diff(sorted(emitter.offsets)) / 1e6
    assert steps.tolist() == [24, 54]  # 2402, 2426 and 2480 MHz
    assert 0.0 in emitter.offsets


def test_gaussian_keying_turns_a_quarter_per_bit_and_keeps_its_envelope():
    samples = cpm(torch.ones(24), index=0.5, bt=0.3, up=24, down=5)
    assert torch.allclose(samples.abs(), torch.ones(len(samples)))
    turns = torch.angle(samples[25:] * samples[24:-1].conj()) / (2 * math.pi)
    assert torch.allclose(turns, torch.tensor(0.25 * 5 / 24), atol=1e-3)  # pi / 2 a symbol of 4.8 samples


def test_gaussian_keying_is_the_same_at_any_number_of_samples(generator):
    symbols = random_signs((40,), generator)
    fine, coarse = cpm(symbols, index=0.5, bt=0.3, up=8), cpm(symbols, index=0.5, bt=0.3, up=24, down=3)
    assert torch.allclose(fine[: len(coarse)], coarse[: len(fine)], atol=2e-3)


def test_zigbee_sends_the_chips_of_symbol_0_first():
    emitter = _draw("zigbee", 2, duty=0.2, acknowledged=False, frame_us=(2000.0, 2000.0))
    samples = _samples(emitter, rate=24e6, milliseconds=20)
    start = next(start * 24 for start, stop in _runs(_on_air(samples, 24)) if start and stop - start > 1900)
    one, two = samples[start + 48 : start + 2600], samples[start + 48 + 384 : start + 2600 + 384]  # 16 us later
    assert abs(np.vdot(one, two)) / np.vdot(one, one).real > 0.97  # the preamble repeats symbol 0
    later = samples[start + 6000 : start + 6000 + 2552]
    assert abs(np.vdot(later, samples[start + 6384 : start + 6384 + 2552])) / np.vdot(later, later).real < 0.6


@pytest.mark.parametrize("factor", [7, 10])
def test_lora_chirps_rise_through_their_bandwidth_in_one_symbol(factor):
    emitter = _draw("lora", 1, spreading_factor=factor, width=250e3, start_symbols=0.0)
    samples = _samples(emitter, rate=2e6, milliseconds=10)
    symbol = round(2**factor / 250e3 * 2e6)
    part = samples[symbol // 10 : symbol * 9 // 10]  # the first chirp of the preamble
    freq = np.diff(np.unwrap(np.angle(part))) / (2 * math.pi) * 2e6
    slope = np.polyfit(np.arange(len(freq)) / 2e6, freq, 1)[0]
    assert slope == pytest.approx(250e3**2 / 2**factor, rel=0.02)


# --- GSM and UMTS


def _gsm(**changes):
    return _draw("gsm", 1, **{**ALONE, "hopping": False, "activity": 1.0, "slot_spread_db": 0.0, **changes})


def test_gsm_slots_last_577_us_and_come_back_every_frame():
    samples = _samples(_gsm(beacons=(False,), slots=(0b00000001,)), rate=5e6, milliseconds=20)
    runs = _runs(_on_air(samples, 25))
    starts = np.array([start for start, _ in runs]) * 5.0  # us
    lengths = np.array([stop - start for start, stop in runs]) * 5.0
    assert np.allclose(np.diff(starts), 8 * gsm.SLOT_US, atol=5.1)
    assert gsm.SLOT_US == pytest.approx(576.92, abs=0.01)
    assert np.allclose(lengths[:-1], 148 * 48 / 13, atol=15)  # 148 of 156.25 symbols


def test_a_gsm_beacon_is_always_on_and_sends_its_frequency_correction_burst():
    samples = _samples(_gsm(), rate=2e6, milliseconds=5)
    middle = np.abs(samples[100:-100])
    assert middle.min() > 0.8 * middle.max()
    burst = samples[40 : round(500e-6 * 2e6)]  # slot 0 of frame 0
    freq = np.angle(burst[1:] * burst[:-1].conj()) / (2 * math.pi) * 2e6
    assert np.allclose(freq, gsm.SYMBOL_RATE / 4, atol=2e3)  # 67.7 kHz
    later = samples[1300:2200]
    assert np.angle(later[1:] * later[:-1].conj()).std() * 2e6 / (2 * math.pi) > 30e3


def test_gsm_carriers_stand_on_the_raster():
    emitter = _draw("gsm", 1, channels=(-6, -2, 6), levels_db=(0.0,) * 3, beacons=(True,) * 3, slots=(255,) * 3, training=(0,) * 3,
                    starts=(0.0, 9000.0, 20000.0))  # fmt: skip
    power = np.abs(np.fft.fft(_samples(emitter, rate=10e6, milliseconds=20))) ** 2
    freqs = np.fft.fftfreq(len(power), 1 / 10e6)
    shares = [power[np.abs(freqs - offset) < 100e3].sum() / power.sum() for offset in (-600e3, -200e3, 600e3)]
    assert np.allclose(shares, 1 / 3, atol=0.02)


def test_gsm_clusters_are_varied():
    drawn = [draw_other("gsm", 0.0, 10.0, np.random.default_rng(seed)) for seed in range(300)]
    counts = np.array([len(emitter.channels) for emitter in drawn])
    assert {1, 2, 5, 10} <= set(counts)
    steps = {step for emitter in drawn for step in np.diff(emitter.channels)}
    assert {2, 4, 6} <= steps  # 200, 400 and 600 kHz
    assert 0.05 < np.mean([all(emitter.beacons) for emitter in drawn]) < 0.6
    assert 0.1 < np.mean([not any(emitter.beacons) for emitter in drawn]) < 0.5


@pytest.mark.parametrize("link", ["down", "up"])
def test_umts_has_a_line_at_its_chip_rate(link):
    samples = _samples(_alone("umts", 1, link=link, step_db=0.0, load=1.0), rate=15.36e6, milliseconds=40)
    power = np.abs(np.fft.fft(np.abs(samples) ** 2))
    index = round(umts.CHIP_RATE * 40e-3)
    around = np.concatenate([power[index - 200 : index - 2], power[index + 3 : index + 200]])
    assert power[index] > 4 * around.max() or power[index] > 8 * np.median(around)


def test_umts_sends_its_primary_code_at_the_start_of_every_slot():
    emitter = _alone("umts", 2, link="down", sch_share=0.15, start_chips=0)
    samples = _samples(emitter, rate=3.84e6, milliseconds=20)
    found = np.abs(np.convolve(samples, umts.primary_code()[::-1].conj()))
    folded = found[255 : 255 + 29 * 2560].reshape(-1, 2560).mean(0)
    assert folded.argmax() == 0
    assert folded[0] > 2 * np.median(folded)


def test_umts_neighbours_stand_5_mhz_apart():
    emitter = _draw("umts", 1, offsets=(-5e6, 0.0, 5e6), levels_db=(0.0, -3.0, 0.0), width=14.3e6, load=1.0)
    power = np.abs(np.fft.fft(_samples(emitter, rate=30.72e6))) ** 2
    freqs = np.fft.fftfreq(len(power), 1 / 30.72e6)
    shares = np.array([power[np.abs(freqs - offset) < 2.5e6].sum() for offset in emitter.offsets])
    assert np.allclose(10 * np.log10(shares / shares[0]), [0, -3, 0], atol=0.3)


# --- broadcast


def test_the_pilot_of_8_vsb_stands_309_khz_above_the_lower_edge():
    emitter = _draw("atsc", inverted=False)
    power = np.abs(np.fft.fft(_samples(emitter, rate=15.36e6, milliseconds=20))) ** 2
    freqs = np.fft.fftfreq(len(power), 1 / 15.36e6)
    assert freqs[power.argmax()] == pytest.approx(-3e6 + 309.44e3, abs=200)
    tone = power[np.abs(freqs - freqs[power.argmax()]) < 200].sum()
    assert 10 * math.log10(tone / (power.sum() - tone)) == pytest.approx(-11.3, abs=0.4)  # A/53 part 2 clause 6.5
    mirrored = np.abs(np.fft.fft(_samples(replace(emitter, inverted=True), rate=15.36e6, milliseconds=20))) ** 2
    assert freqs[mirrored.argmax()] == pytest.approx(3e6 - 309.44e3, abs=200)
    assert atsc.SYMBOL_RATE == pytest.approx(10.762238e6, abs=1)


@pytest.mark.parametrize(("mhz", "useful_us"), [(6, 298.667), (7, 256.0), (8, 224.0)])
def test_dvb_t_repeats_its_guard_interval_after_the_useful_part(mhz, useful_us):
    emitter = _draw("dvbt", channel_mhz=mhz, mode=2, guard=4, start_share=0.0)
    samples = _samples(emitter, rate=dvbt.RATE, milliseconds=20)
    lag, guard = round(useful_us * 9), round(useful_us * 9 / 4)
    symbols = samples[: len(samples) // (lag + guard) * (lag + guard)].reshape(-1, lag + guard)
    assert np.allclose(symbols[:, :guard], symbols[:, lag:], atol=1e-3 * np.abs(symbols).max())
    elements = np.abs(np.fft.fft(symbols[:, guard:], axis=1))
    continual = elements[:, [48 - 852, 54 - 852]].mean()  # carriers 48 and 54
    assert continual / np.sqrt(np.mean(elements[:, 1:10] ** 2)) == pytest.approx(1.28, abs=0.12)  # boosted by 4/3


def test_dvb_t_pilots_are_as_many_as_the_standard_says():
    # EN 300 744 clause 4.5.4: 45 and 177 continual pilots; one carrier in 12 is scattered, some coincide
    for mode, continual in ((2, 45), (8, 177)):
        always = np.logical_and.reduce([dvbt.pilots(mode, symbol) for symbol in range(4)])
        assert always.sum() == continual


# --- tones, clicks, jammers, links


def test_a_drifting_oscillator_goes_where_its_record_says():
    facts = dict(drift_hz=1e6, width=1e6, shape="line", period_us=10e3, phase_us=0.0, linewidth_hz=0.1)
    samples = _samples(_draw("drift", 1, **facts), rate=8e6, milliseconds=10)
    freq = np.diff(np.unwrap(np.angle(samples))) / (2 * math.pi) * 8e6
    expected = np.linspace(-0.5e6, 0.5e6, len(freq))
    assert np.allclose(freq[200:-200], expected[200:-200], atol=10e3)


def test_a_comb_has_its_lines_where_its_record_says():
    emitter = _draw("comb", 3, offsets=(-2e6, 0.0, 1e6), levels_db=(0.0, -10.0, -3.0), linewidth_hz=0.1)
    power = np.abs(np.fft.fft(_samples(emitter, rate=15.36e6, milliseconds=10))) ** 2
    freqs = np.fft.fftfreq(len(power), 1 / 15.36e6)
    levels = [10 * math.log10(power[np.abs(freqs - offset) < 2e3].sum()) for offset in (-2e6, 0.0, 1e6)]
    assert np.allclose(np.diff(levels), [-10.0, 7.0], atol=0.3)


def test_clicks_of_the_mains_come_every_half_period():
    facts = dict(ring_us=0.0, period_us=10e3, phase_us=3000.0, group=1, group_us=0.0, rate=0.0, spread_db=0.0)
    power = np.abs(_samples(_draw("clicks", 1, **facts), rate=20e6, milliseconds=40)) ** 2
    places = np.array([start for start, _ in _runs(power > power.max() / 20)]) / 20.0  # us
    assert np.allclose(places, 3000.0 + 10e3 * np.arange(4), atol=0.3)
    assert impulses.SEEN_US == pytest.approx(96 / 61.44, rel=0.01)


def test_ringing_clicks_are_strongest_at_their_centre():
    facts = dict(ring_us=0.3, period_us=500.0, phase_us=100.0, group=1, group_us=0.0, rate=0.0, spread_db=0.0)
    power = np.abs(np.fft.fft(_samples(_draw("clicks", 1, center=4e6, **facts), rate=20e6, milliseconds=10))) ** 2
    freqs = np.fft.fftfreq(len(power), 1 / 20e6)
    near, far = power[np.abs(freqs - 4e6) < 0.3e6].mean(), power[np.abs(freqs + 4e6) < 0.3e6].mean()
    assert near > 3 * far


def test_a_regular_gate_switches_noise_with_its_period():
    emitter = _draw("noise-block", 1, width=10e6, duty=0.25, period_us=2000.0, phase_us=500.0)
    runs = np.array(_runs(_on_air(_samples(emitter, rate=15.36e6, milliseconds=20), 384))) * 25.0  # us
    assert np.allclose(runs[:, 0] % 2000.0, 500.0, atol=26)
    assert np.allclose(runs[:-1, 1] - runs[:-1, 0], 500.0, atol=26)


def test_sweeps_repeat_and_are_faster_than_any_radar():
    assert max(_draw("sweep", seed).sweep_us for seed in range(100)) <= 40.0
    emitter = _draw("sweep", 1, width=8e6, sweep_us=20.0, duty=1.0, triangle=False)
    samples = _samples(emitter, rate=20e6, milliseconds=2)
    one, two = samples[4000:8000], samples[4400:8400]
    assert abs(np.vdot(one, two)) / np.vdot(one, one).real > 0.98


def test_links_are_never_spaced_like_lte_or_nr():
    spacings = np.array([_draw("ofdm", seed).spacing for seed in range(300)])
    for cellular in (15e3, 30e3, 60e3):
        assert (np.abs(spacings / cellular - 1) >= 0.05).all()


def test_frames_of_a_link_keep_their_period():
    facts = dict(duty=0.25, frame_us=1000.0, period_us=4000.0, phase_us=700.0, spacing=25e3, fft_size=256, carriers=201, guard=16)
    samples = _samples(_draw("ofdm", 1, width=201 * 25e3, **facts), rate=15.36e6, milliseconds=20)
    runs = np.array(_runs(_on_air(samples, 384))) * 25.0
    assert np.allclose(runs[:, 0] % 4000.0, 700.0, atol=26)
    assert np.allclose(runs[:, 1] - runs[:, 0], 1000.0, atol=75)
