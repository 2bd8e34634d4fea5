"""What extraction does to a signal: frequency, time, level, noise and what lies beside the band."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import signal

from rfseg.bands import Band
from rfseg.errors import BandError, GeometryError
from rfseg.extraction import BandExtractor, BandFilter, BandStart, Clock, Excerpt, Grid, StreamChange, fit_pass_band
from rfseg.extraction.history import SampleHistory
from rfseg.geometry import RxTime

RATE = 61.44e6  # Hz
COUNT = 400_000  # samples
START, LENGTH = 123_457, 150_000  # of the band, samples
ROUNDING = 2e-5  # of full scale: single precision, and the 80 dB of the filter
RATES = (30.72e6, 20e6, 15.36e6, 61.44e6, 122.88e6)  # Hz


def extract(iq: np.ndarray, out_rate: float, *, middle: float, width: float, **options: object) -> Excerpt:
    """The one excerpt of a band in baseband, Hz."""
    band = Band(
        label="NR", class_id=2, confidence=0.8, freq_lower_edge=middle - width / 2, freq_upper_edge=middle + width / 2,
        freq_reference="baseband", sample_start=START, sample_count=LENGTH, id=3,
    )  # fmt: skip
    extractor = BandExtractor(RATE, out_rate, **options)
    (excerpt,) = extractor.step(iq, [BandStart(START, band)]) + extractor.finish()
    return excerpt


def moments(excerpt: Excerpt) -> np.ndarray:
    """Where the samples of an excerpt lie among those of the input."""
    return excerpt.sample_start + np.arange(excerpt.iq.size) * (RATE / excerpt.samp_rate)


@pytest.mark.parametrize("out_rate", RATES)
def test_a_tone_comes_out_where_it_is_in_frequency_phase_and_level(out_rate):
    freq = 9_876_543.21  # Hz
    iq = np.exp(2j * np.pi * freq / RATE * np.arange(COUNT)).astype(np.complex64)
    excerpt = extract(iq, out_rate, middle=9.9e6, width=5e6)
    assert abs(excerpt.center_freq - 9.9e6) < RATE / 2**40
    wanted = np.exp(2j * np.pi * (freq - excerpt.center_freq) / RATE * moments(excerpt))
    assert np.abs(excerpt.iq - wanted).max() < ROUNDING
    # The frequency, measured: the phase that turns over the excerpt.
    turns = np.unwrap(np.angle(excerpt.iq)) / (2 * np.pi)
    measured = np.polyfit(np.arange(turns.size) / out_rate, turns, 1)[0] + excerpt.center_freq
    assert abs(measured - freq) < 0.1  # Hz


@pytest.mark.parametrize("out_rate", RATES)
def test_a_chirp_is_in_time_to_a_fraction_of_a_sample(out_rate):
    def chirp(place: np.ndarray) -> np.ndarray:
        """12 MHz in 2.4 ms, at 0 Hz in its middle; the argument in samples of the input."""
        time = (place - START - LENGTH / 2) / RATE
        return np.where(np.abs(time) <= LENGTH / 2 / RATE, np.exp(1j * np.pi * 12e6 * RATE / LENGTH * time**2), 0)

    place = np.arange(COUNT)
    iq = (chirp(place) * np.exp(2j * np.pi * -15e6 / RATE * place)).astype(np.complex64)
    excerpt = extract(iq, out_rate, middle=-15e6, width=12e6)
    at = moments(excerpt)
    inside = np.abs(at - START - LENGTH / 2) < LENGTH / 2 - 500
    # The phase at the same moment differs by the chirp's frequency there times the error of time.
    error = np.angle(excerpt.iq * np.conj(chirp(at) * np.exp(-2j * np.pi * (excerpt.center_freq + 15e6) / RATE * at)))
    slope = np.polyfit((at[inside] - START - LENGTH / 2) * 12e6 / LENGTH, error[inside] / (2 * np.pi), 1)[0]  # s
    assert abs(slope) * RATE < 0.01
    # Its first and last samples are in it, with what the rules ask for before and after.
    assert at[0] <= START - 100e-6 * RATE and at[-1] >= START + LENGTH - 1 + 100e-6 * RATE - RATE / out_rate
    on = at[np.abs(excerpt.iq) > 0.5]
    assert abs(on[0] - START) < 6 and abs(on[-1] - START - LENGTH + 1) < 6  # the filter's own rise, 5 samples


def qpsk(seed: int) -> np.ndarray:
    """A burst of QPSK, 7.68 MS/s, root raised cosine of 0.25, power 1 where it is, complex128 ``(COUNT,)``."""
    rng = np.random.default_rng(seed)
    symbols = np.zeros(COUNT // 8, complex)
    first = START // 8 + 1
    symbols[first : first + LENGTH // 8 - 2] = np.exp(1j * np.pi / 2 * (rng.integers(4, size=LENGTH // 8 - 2) + 0.5))
    time = np.arange(-32 * 8, 32 * 8 + 1) / 8 + 1e-9
    beta = 0.25
    pulse = (np.sin(np.pi * time * (1 - beta)) + 4 * beta * time * np.cos(np.pi * time * (1 + beta))) / (
        np.pi * time * (1 - (4 * beta * time) ** 2)
    )
    return signal.upfirdn(pulse, symbols, up=8)[32 * 8 :][:COUNT]


def test_the_signal_to_noise_ratio_is_kept_and_symbols_are_where_they_were():
    place = np.arange(COUNT)
    rng = np.random.default_rng(2)
    noise = (rng.standard_normal((COUNT, 2)) @ [1, 1j]) * 0.3
    turn = np.exp(2j * np.pi * 20.011e6 / RATE * place)
    burst = qpsk(1)
    parts = [extract((x * turn).astype(np.complex64), 30.72e6, middle=20.011e6, width=9.6e6) for x in (burst, noise)]
    at, inside = moments(parts[0]), slice(6_500, -6_500)
    assert np.array_equal(at, np.round(at))  # every second sample

    def in_band(iq: np.ndarray, rate: float) -> float:
        freqs, power = signal.welch(iq, rate, nperseg=1024, return_onesided=False)
        return power[np.abs(freqs) < 4.8e6].sum()

    own = np.arange(at[6_500], at[-6_500]).astype(int)
    snr = [in_band(burst[own], RATE) / in_band(noise[own], RATE)]
    snr.append(in_band(parts[0].iq[inside], 30.72e6) / in_band(parts[1].iq[inside], 30.72e6))
    assert abs(10 * np.log10(snr[1] / snr[0])) < 0.2
    # And the burst itself, sample for sample.
    shifted = burst[at.astype(int)[inside]] * np.exp(-2j * np.pi * (parts[0].center_freq - 20.011e6) / RATE * at[inside])
    error = parts[0].iq[inside] - shifted
    assert 10 * np.log10(np.mean(np.abs(error) ** 2)) < -45  # the skirts of the burst beyond the pass-band


@pytest.mark.parametrize("out_rate", (30.72e6, 20e6))
def test_what_lies_beside_the_band_is_60_db_down_wherever_it_is(out_rate):
    pass_band = fit_pass_band(8e6, margin=250e3, samp_rate=RATE, out_rate=out_rate)
    assert pass_band.pass_edge == pytest.approx(4.25e6) and pass_band.stop_edge == pytest.approx(4.675e6)
    grid = Grid(origin=0, samp_rate=RATE, out_rate=out_rate)
    band_filter = BandFilter(grid, center=11e6, band=pass_band)
    place = np.arange(3 * band_filter.reach + 16_384)

    def level(offset: float) -> np.ndarray:
        """Of a tone of power 1 so far from the band's middle (Hz), dB."""
        history = SampleHistory(0)
        history.append(np.exp(2j * np.pi * (11e6 + offset) / RATE * place).astype(np.complex64))
        out = band_filter.apply(history, grid, grid.unit_after(band_filter.reach), 1)
        return 20 * np.log10(np.abs(out[: out.size // 2]) + 1e-12)

    beside = np.concatenate([np.linspace(-41.7e6, -4.68e6, 60), np.linspace(4.68e6, 19.7e6, 30)])
    assert max(level(offset).max() for offset in beside) < -60  # images and aliases too
    assert max(np.abs(level(offset)).max() for offset in (-4.25e6, -1e6, 0.0, 3e6, 4.25e6)) < 0.005


def test_the_phase_of_the_shift_is_exact_after_a_day():
    day = int(RATE) * 86_400  # samples
    grid = Grid(origin=0, samp_rate=RATE, out_rate=20e6)
    pass_band = fit_pass_band(2e6, margin=250e3, samp_rate=RATE, out_rate=20e6)
    band_filter = BandFilter(grid, center=-12_345_678.9, band=pass_band)
    unit = day // grid.down + 5
    begin = grid.sample(unit) - band_filter.reach
    history = SampleHistory(begin)
    history.append(np.ones(20_000, np.complex64))  # 0 Hz, which comes out at minus the centre: outside
    assert np.abs(band_filter.apply(history, grid, unit, 1)[:200]).max() < ROUNDING
    # A tone of exactly the centre is 1 for ever, if its phase is counted in whole numbers.
    step = Fraction(round(-12_345_678.9 / RATE * 2**40), 2**40)
    assert float(step) * RATE == band_filter.center
    turns = [float(step * (begin + n) % 1) for n in range(20_000)]
    history = SampleHistory(begin)
    history.append(np.exp(2j * np.pi * np.array(turns)).astype(np.complex64))
    assert np.abs(band_filter.apply(history, grid, unit, 1)[:200] - 1).max() < ROUNDING


def test_the_clock_is_exact_after_a_day_and_tells_missing_samples():
    clock = Clock(20e6 / 3)
    begin = RxTime(seconds=100, fraction=0.25)
    assert clock.time(5) is None and clock.lateness(10, begin) == 0
    clock.set(10, begin)
    later = clock.time(10 + 20_000_000 * 86_400 // 3)
    assert later.seconds == 100 + 86_400 and later.fraction == pytest.approx(0.25, abs=1e-9)
    assert clock.lateness(10 + 20_000_000, RxTime(seconds=103, fraction=0.25 + 3 / 20e6)) == 1
    clock.change_rate(20_000_010, 1e6)
    assert (clock.time(20_000_010).seconds, clock.time(21_000_010).seconds) == (103, 104)


def test_excerpts_tell_the_time_of_their_first_samples():
    iq = np.zeros(COUNT, np.complex64)
    iq[START] = 1.0
    band = Band(
        label="Radar", class_id=3, confidence=0.8, freq_lower_edge=-1e6, freq_upper_edge=1e6, freq_reference="baseband",
        sample_start=START, sample_count=LENGTH,
    )  # fmt: skip
    extractor = BandExtractor(RATE, 61.44e6)
    change = StreamChange(sample=0, rx_time=RxTime(seconds=7, fraction=0.999))
    (excerpt,) = extractor.step(iq, [BandStart(START, band)], [change]) + extractor.finish()
    seconds = (excerpt.rx_time.seconds - 7) + (excerpt.rx_time.fraction - 0.999)
    impulse = int(np.abs(excerpt.iq).argmax())
    assert round((seconds + impulse / excerpt.samp_rate) * RATE, 6) == START  # neither early nor late


def test_a_margin_shrinks_where_there_is_no_room():
    wide = fit_pass_band(18e6, margin=2e6, samp_rate=RATE, out_rate=20e6)
    assert (wide.pass_edge, wide.stop_edge) == (9.2e6, 10e6)
    with pytest.raises(BandError, match=r"a band of 19.000 MHz is too wide for 20 MS/s, which take 18.400 MHz"):
        fit_pass_band(19e6, margin=0.0, samp_rate=RATE, out_rate=20e6)


@pytest.mark.parametrize(
    "rates, text",
    [
        ((61.44e6, 0.0), "out_rate=0.0 is not a rate"),
        ((float("nan"), 1e6), "samp_rate=nan is not a rate"),
        ((61.44e6, 1.2345678e6), r"out_rate=1234567.8 Hz is no fraction .* the nearest is 1234"),
        ((61.44e6, 1e3), r"out_rate=1000 Hz is no fraction of samp_rate=61440000 Hz with numbers up to 4096$"),
    ],
)
def test_rates_without_a_simple_ratio_are_refused(rates, text):
    with pytest.raises(GeometryError, match=text):
        Grid(origin=0, samp_rate=rates[0], out_rate=rates[1])
