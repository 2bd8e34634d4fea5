"""How well pulses are measured from samples and from rows: 20 ms of radars that the generator makes, at 61.44 MS/s.

    .venv-train/bin/python tests/bench/pulse_accuracy.py [--frames 4]

Samples are those of the band alone, 10.24 MS/s; the SNR is that of the strongest bin of the rows.  Printed for
each radar and SNR: the share of pulses found, false ones, rms error of their times (less the mean), median
error of their width and of the mean interval, and how often the kind of pattern is right.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from scipy import signal

from rfseg.geometry import make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.synth.radar import Pulse, PulseTrain, pulse_times, radar_samples
from rfseg.tracking import PatternKind, find_pattern, measure_pulses
from rfseg.tracking.rowpulses import pulses_in_rows

RATE = 61.44e6  # Hz
DECIMATION = 6
DURATION = 20e-3  # s
SNRS = (10.0, 15.0, 20.0, 30.0)  # dB, strongest bin of the max channel


def radar(intervals: tuple[float, ...], **pulse) -> PulseTrain:
    """An endless train of one pulse at the band's centre."""
    return PulseTrain(family="bench", center=0.0, pulses=(Pulse(**pulse),), intervals=intervals, first=0.0, snr_db=0.0)


RADARS = {
    "1 us, every 1 ms": radar((1e-3,), width=1e-6),
    "1 us, 0.98 1.00 1.01 1.02 ms": radar((1.0e-3, 1.01e-3, 0.98e-3, 1.02e-3), width=1e-6),
    "13 us Barker, 0.8 1.0 1.3 ms": radar((0.8e-3, 1.0e-3, 1.3e-3), width=13e-6, modulation="barker", chips=13),
    "50 us chirp of 5 MHz, 1.7 ms": radar((1.7e-3,), width=50e-6, modulation="lfm", chirp=5e6),
}


class Tally:
    """Errors over frames."""

    def __init__(self) -> None:
        self.found = self.false = self.pulses = self.frames = self.kinds = 0
        self.times, self.widths, self.intervals = [], [], []

    def add(self, truth: np.ndarray, times: np.ndarray, widths: np.ndarray, reach: float, pattern, intervals) -> None:
        """Count a frame in; ``truth`` is (n, 2) starts and stops, s."""
        middles = truth.mean(axis=1)
        distance = np.abs(middles[:, None] - times)
        near = distance.min(axis=1) <= reach if times.size else np.zeros(len(middles), bool)
        self.pulses += len(middles)
        self.found += int(near.sum())
        self.false += int((distance.min(axis=0) > reach).sum()) if times.size else 0
        if near.any():
            chosen = distance.argmin(axis=1)[near]
            self.times += list(times[chosen] - middles[near])
            self.widths += list(widths[chosen] - np.ptp(truth, axis=1)[near])
        wanted = PatternKind.CONSTANT if len(intervals) == 1 else PatternKind.STAGGERED
        self.frames += 1
        self.kinds += pattern.kind is wanted
        if pattern.interval is not None:
            self.intervals.append(abs(pattern.interval - np.mean(intervals)))

    def __str__(self) -> str:
        def us(values: list, of) -> str:
            return f"{1e6 * of(values):8.2f}" if values else "       -"

        return (
            f"{self.found / self.pulses:5.2f} {self.false:4d} {us(self.times, np.std)} {us(self.widths, np.median)}"
            f" {us(self.intervals, np.median)} {self.kinds:3d}/{self.frames}"
        )


def measure(train: PulseTrain, seed: int, by_rows: Tally, by_samples: Tally) -> float:
    """One frame both ways; the SNR of the samples, dB."""
    rng = np.random.default_rng(seed)
    train = replace(train, first=float(rng.uniform(-1e-3, 0.0)))
    geometry = make_geometry(RATE, frame_duration=DURATION)
    count = geometry.frame_samples
    iq = radar_samples(train, count, RATE, rng=rng).numpy()
    iq = iq + (rng.standard_normal((count, 2), np.float32) / np.float32(np.sqrt(2))).view(np.complex64).reshape(-1)
    truth = np.array([t for t in pulse_times(train, DURATION) if t[0] > 0 and t[1] < DURATION])
    rows, _ = frame_rows(iq.astype(np.complex64) * np.float32(1e-2), geometry)
    half = max(2, round(abs(train.chirp) / geometry.bin_width / 2) + 2)
    found = pulses_in_rows(rows, geometry, bins=(geometry.bins // 2 - half, geometry.bins // 2 + half + 1))
    pattern = find_pattern(found.times, tolerance=geometry.row_duration)
    by_rows.add(truth, found.times, found.widths, 1.5 * geometry.row_duration, pattern, train.intervals)
    report = measure_pulses(signal.resample_poly(iq, 1, DECIMATION), RATE / DECIMATION)
    pulses, rate = report.pulses, RATE / DECIMATION
    middles = (pulses.starts + pulses.stops - 1) / 2 / rate
    by_samples.add(truth, middles, pulses.widths / rate, 2e-6 + train.width / 2, report.pattern, train.intervals)
    return -np.inf if report.snr_db is None else report.snr_db


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=4, help="frames for each line")
    frames = parser.parse_args().frames
    torch.set_num_threads(1)
    print(f"{'radar':30s} {'SNR':>4s} {'from':8s} found false time/us width/us interv/us kind")
    for name, train in RADARS.items():
        for snr_db in SNRS:
            by_rows, by_samples = Tally(), Tally()
            snrs = [measure(replace(train, snr_db=snr_db), seed, by_rows, by_samples) for seed in range(frames)]
            print(f"{name:30s} {snr_db:4.0f} rows     {by_rows}")
            print(f"{name:30s} {np.median(snrs):4.0f} samples  {by_samples}", flush=True)


if __name__ == "__main__":
    main()
