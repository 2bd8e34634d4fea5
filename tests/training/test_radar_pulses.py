"""Radars that the generator makes are measured as they were drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rfseg.synth.radar import Pulse, PulseTrain, pulse_times, radar_samples
from rfseg.synth.radar.ntia import draw_ntia
from rfseg.tracking import PatternKind, PulseReport, measure_pulses

RATE = 10.24e6  # Hz


def report_of(train: PulseTrain, duration: float, *, snr_db: float, seed: int = 1, rate: float = RATE) -> PulseReport:
    """What is measured of a train in noise of power 1; ``snr_db`` is that of a sample on the pulses."""
    rng = np.random.default_rng(seed)
    count = round(duration * rate)
    iq = radar_samples(train, count, rate, rng=rng).numpy()
    power = np.abs(iq) ** 2
    iq = iq / np.sqrt(np.median(power[power > 0.25 * power.max()])) * 10 ** (snr_db / 20)
    return measure_pulses(iq + rng.standard_normal((count, 2)) @ [1, 1j] / np.sqrt(2), rate)


def found_share(report: PulseReport, train: PulseTrain, duration: float, *, reach: int) -> float:
    """Share of the pulses whose start is found within ``reach`` samples."""
    starts = np.array([start for start, _ in pulse_times(train, duration)]) * RATE
    return float(np.mean(np.abs(starts[:, None] - report.pulses.starts).min(axis=1) <= reach))


def radar(intervals: tuple[float, ...], *pulses: Pulse) -> PulseTrain:
    """An endless train."""
    return PulseTrain(family="test", center=0.0, pulses=pulses, intervals=intervals, first=0.2e-3, snr_db=0.0)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_ntia_waveforms_have_their_width_and_interval(number):
    rate = 20.48e6
    train = replace(draw_ntia(number, np.random.default_rng(number)), first=1e-3)
    duration = 2e-3 + train.burst_length
    report = report_of(train, duration, snr_db=20.0, rate=rate)
    assert report.pulses.count == train.burst
    assert report.width == pytest.approx(train.width, abs=2.5 / rate + 0.01 * train.width)
    if train.burst >= 4:
        assert (report.pattern.kind, report.pattern.interval) == (
            PatternKind.CONSTANT, pytest.approx(train.intervals[0], abs=0.5 / rate)
        )  # fmt: skip


def test_a_stagger_of_coded_pulses_is_read_at_0_db():
    train = radar((0.8e-3, 1.0e-3, 1.3e-3), Pulse(width=13e-6, modulation="barker", chips=13))
    report = report_of(train, 40e-3, snr_db=0.0)
    assert report.pattern.kind is PatternKind.STAGGERED
    assert report.pattern.stagger == pytest.approx((0.8e-3, 1.0e-3, 1.3e-3), abs=1e-6)
    assert found_share(report, train, 40e-3, reach=20) > 0.6


@pytest.mark.parametrize("snr_db, share, reach, error", [(10.0, 0.9, 3, 0.02e-6), (3.0, 0.7, 5, 0.2e-6), (0.0, 0.5, 8, 1e-6)])
def test_a_weak_chirp_has_its_interval(snr_db, share, reach, error):
    train = radar((1.7e-3,), Pulse(width=50e-6, modulation="lfm", chirp=5e6))
    report = report_of(train, 40e-3, snr_db=snr_db)
    assert found_share(report, train, 40e-3, reach=reach) >= share
    assert report.pattern.interval == pytest.approx(1.7e-3, abs=error)
    assert report.width == pytest.approx(50e-6, abs=1e-6)


def test_pairs_are_a_stagger_of_their_distance():
    report = report_of(radar((1e-3,), Pulse(width=1e-6), Pulse(width=2e-6, delay=20e-6)), 30e-3, snr_db=15.0)
    assert report.pattern.stagger == pytest.approx((20e-6, 980e-6), abs=0.1e-6)
    assert report.pattern.interval == pytest.approx(0.5e-3, abs=1e-8)
