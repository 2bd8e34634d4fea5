"""Ten seconds of a receiver's life, made piece by piece: carriers that come and go, radar pulses, a retune and a gap.

:class:`Air` gives any samples of it; they depend on the seed and on their place alone.  :data:`TRACKS` is what a tracker
has to make of it, by construction: nothing of it was measured.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pmt

from rfseg.geometry import RxTime, make_geometry

SAMP_RATE = 15.36e6  # Hz
FRAME_DURATION = 40e-3  # s
GEOMETRY = make_geometry(SAMP_RATE, frame_duration=FRAME_DURATION)
ROW, BIN = GEOMETRY.row_samples, GEOMETRY.bin_width  # 2400 samples, 240 kHz

BEGIN = RxTime(seconds=1_769_862_896, fraction=0.25)
CENTERS = 3.5e9, 3.5048e9  # Hz, before and after the retune
RETUNE = 62_976_000  # samples; 4.1 s, in the middle of a frame
SETTLING_TIME = 5e-3  # s
SETTLED = RETUNE + 76_800  # first good sample after the retune
GAP = 110_592_000  # samples; 7.2 s
LOST = 768_000  # samples; 50 ms
COUNT = 153_500_000  # samples; the last frame is cut
HOLD, PULSE_HOLD, MAX_ABSENCE = 0.2, 1.0, 1.5  # s; rules of the tracker

_PERIOD = 1 << 16  # samples; carriers and noise repeat, which no row shows
_RAMP = 256  # samples in which a carrier comes or goes; half of its power is there at the sample that is named
_NOISE_DBFS = -85.0  # in a bin
_SETTLING_DBFS = -45.0  # in a bin: what an oscillator that locks lets through
_LEVELS = {"LTE": -58.0, "NR": -37.0}  # dBFS in a bin; the test model tells them apart by their levels
_FULL_SCALE = 32768
_PULSE = 32  # samples
PULSE_INTERVAL = 15_360  # samples; 1 ms


def _at(seconds: float) -> int:
    """A sample near a time, well inside its row: whether it counts is no matter of a few samples."""
    sample = round(seconds * SAMP_RATE)
    grid = max(start for start in (0, SETTLED, GAP) if start <= sample)
    return grid + (sample - grid) // ROW * ROW + ROW // 2 - 77


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """A flat spectrum between two edges (RF, Hz), there in each spell from a sample to before another."""

    label: str
    edges: tuple[float, float]
    spells: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Radar:
    """Pulses of 2 us and a raised cosine's shape every millisecond; ``spells`` are bursts, ended by their last pulse."""

    center_freq: float
    amplitude: float  # full scale is 1
    spells: tuple[tuple[int, int], ...]

    @cached_property
    def pulses(self) -> tuple[int, ...]:
        """First samples of the pulses."""
        return tuple(start for spell in self.spells for start in range(*spell, PULSE_INTERVAL))

    @property
    def edges(self) -> tuple[float, float]:
        """Where the spectrum of a pulse has fallen by 20 dB, Hz."""
        size = 1 << 14
        power = np.abs(np.fft.fftshift(np.fft.fft(_pulse(), size))) ** 2
        on = np.flatnonzero(power > 0.01 * power.max()) - size // 2
        return self.center_freq + on[0] * SAMP_RATE / size, self.center_freq + on[-1] * SAMP_RATE / size


def _mhz(low: float, high: float) -> tuple[float, float]:
    return CENTERS[0] + low * 1e6, CENTERS[0] + high * 1e6


CARRIERS = {
    "paused": Carrier(label="LTE", edges=_mhz(-6.0, -3.0), spells=((_at(0.3), _at(1.7)), (_at(1.8), _at(2.6)))),
    "long": Carrier(label="NR", edges=_mhz(0.6, 4.9), spells=((_at(0.9), _at(8.61)),)),
    "short": Carrier(label="LTE", edges=_mhz(-1.8, -0.3), spells=((_at(2.01), _at(2.03)),)),
    "left behind": Carrier(label="LTE", edges=_mhz(-6.1, -3.1), spells=((_at(3.2), RETUNE),)),
    "lower": Carrier(label="LTE", edges=_mhz(6.4, 7.6), spells=((_at(4.6), _at(7.8)),)),
    "upper": Carrier(label="LTE", edges=_mhz(8.4, 10.2), spells=((_at(4.8), _at(7.8)),)),
    "merged": Carrier(label="LTE", edges=_mhz(6.4, 10.2), spells=((_at(7.82), _at(9.5)),)),
    "last": Carrier(label="NR", edges=_mhz(-2.0, -0.4), spells=((_at(9.0), COUNT),)),
}
RADARS = {
    "turning": Radar(
        center_freq=CENTERS[0] + 11.4e6, amplitude=0.01, spells=((_at(5.3), _at(5.5)), (_at(6.3), _at(6.5)))
    ),
    "over a carrier": Radar(center_freq=CENTERS[0] + 8.0e6, amplitude=0.04, spells=((_at(8.8), _at(9.1)),)),
}


@dataclass(frozen=True, kw_only=True)
class ExpectedTrack:
    """What is to be told of a track: its number, and of its end the reason."""

    number: int
    source: Carrier | Radar
    reason: str
    parents: tuple[int, ...] = ()
    children: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """Of its class."""
        return self.source.label if isinstance(self.source, Carrier) else "Radar"

    @property
    def start(self) -> int:
        """First sample."""
        return self.source.spells[0][0]

    @property
    def stop(self) -> int:
        """The sample after its last one."""
        if isinstance(self.source, Radar):
            return self.source.pulses[-1] + _PULSE
        return self.source.spells[-1][1]


# In the order of their first samples.  Number 3 is the short carrier's, which is never confirmed and never told.
TRACKS = (
    ExpectedTrack(number=1, source=CARRIERS["paused"], reason="silence"),
    ExpectedTrack(number=2, source=CARRIERS["long"], reason="silence"),
    ExpectedTrack(number=4, source=CARRIERS["left behind"], reason="absence"),
    ExpectedTrack(number=5, source=CARRIERS["lower"], reason="merge", children=(8,)),
    ExpectedTrack(number=6, source=CARRIERS["upper"], reason="merge", children=(8,)),
    ExpectedTrack(number=7, source=RADARS["turning"], reason="silence"),
    ExpectedTrack(number=8, source=CARRIERS["merged"], reason="silence", parents=(5, 6)),
    ExpectedTrack(number=9, source=RADARS["over a carrier"], reason="stream_end"),
    ExpectedTrack(number=10, source=CARRIERS["last"], reason="stream_end"),
)


def tags() -> dict[int, list[tuple[str, object]]]:
    """The receiver's tags, by sample."""
    late = BEGIN.after(GAP + LOST, SAMP_RATE)
    return {
        0: [
            ("rx_time", pmt.make_tuple(pmt.from_uint64(BEGIN.seconds), pmt.from_double(BEGIN.fraction))),
            ("rx_rate", pmt.from_double(SAMP_RATE)),
            ("rx_freq", pmt.from_double(CENTERS[0])),
        ],
        RETUNE: [("rx_freq", pmt.from_double(CENTERS[1]))],
        GAP: [("rx_time", pmt.make_tuple(pmt.from_uint64(late.seconds), pmt.from_double(late.fraction)))],
    }


class Air:
    """The samples, int16 ``(n, 2)``, at :data:`SAMP_RATE`."""

    def __init__(self) -> None:
        changes = {0, RETUNE, SETTLED, COUNT}
        changes.update(e + side for c in CARRIERS.values() for s in c.spells for e in s for side in (-_RAMP, _RAMP))
        changes.update(p + side for radar in RADARS.values() for p in radar.pulses for side in (0, _PULSE))
        self._changes = sorted(change for change in changes if 0 <= change <= COUNT)

    def items(self, start: int, count: int) -> np.ndarray:
        """Samples as a stream has them."""
        out = np.empty((count, 2), np.int16)
        done = 0
        while done < count:
            place = start + done
            following = bisect_right(self._changes, place)
            size = min(count - done, self._changes[following] - place)
            self._write(out[done : done + size], place, self._changes[following - 1], self._changes[following])
            done += size
        return out

    def _write(self, out: np.ndarray, start: int, first: int, after: int) -> None:
        """Write samples from ``start`` on, of the stretch from ``first`` to ``after`` in which nothing else begins."""
        view = int(start >= RETUNE)
        if RETUNE <= start < SETTLED:
            _repeat(out, _steady(view, None), start)
            return
        names, is_steady = _present(first, after)
        pulsed = [radar for radar in RADARS.values() if first in radar.pulses]
        if is_steady and not pulsed:
            _repeat(out, _steady(view, names), start)
            return
        index = np.arange(start, start + len(out))
        total = _noise(_NOISE_DBFS)[index % _PERIOD]
        for name in names:
            total = total + _presence(CARRIERS[name], index) * _carrier(name, view)[index % _PERIOD]
        for radar in pulsed:
            turn = 2j * np.pi * (radar.center_freq - CENTERS[view]) / SAMP_RATE
            total = total + (radar.amplitude * _pulse() * np.exp(turn * np.arange(_PULSE)))[index - first]
        out[:] = _quantised(total)


@lru_cache(maxsize=None)
def _present(first: int, after: int) -> tuple[tuple[str, ...], bool]:
    """Carriers that are there in a stretch, and whether all of them are throughout."""
    amplitudes = {name: _presence(c, np.array([first, (first + after) // 2, after - 1])) for name, c in CARRIERS.items()}
    names = tuple(name for name, amplitude in amplitudes.items() if amplitude.any())
    return names, all((amplitudes[name] == 1.0).all() for name in names)


def _presence(carrier: Carrier, index: np.ndarray) -> np.ndarray:
    """Amplitude of a carrier, 0 to 1: a raised cosine of power where it comes and goes, a step at a cut of the stream."""
    amplitude = np.zeros(index.shape, np.float32)
    for start, stop in carrier.spells:
        rise, fall = ((index - edge) / _RAMP for edge in (start, stop))
        if stop in (RETUNE, COUNT):
            fall = np.where(index < stop, -1.0, 1.0)
        angles = np.clip(rise, -1, 1), np.clip(-fall, -1, 1)
        amplitude += np.prod([np.sin(np.pi / 4 * (1 + angle)) for angle in angles], axis=0).astype(np.float32)
    return amplitude


def _repeat(out: np.ndarray, period: np.ndarray, start: int) -> None:
    """Fill with a period, which begins at sample 0 of the stream."""
    done = 0
    while done < len(out):
        place = (start + done) % _PERIOD
        size = min(len(out) - done, _PERIOD - place)
        out[done : done + size] = period[place : place + size]
        done += size


@lru_cache(maxsize=None)
def _steady(view: int, names: tuple[str, ...] | None) -> np.ndarray:
    """A period of the carriers that are there, int16 ``(n, 2)``; None for a receiver that settles."""
    if names is None:
        return _quantised(_noise(_SETTLING_DBFS))
    return _quantised(sum((_carrier(name, view) for name in names), _noise(_NOISE_DBFS)))


@lru_cache(maxsize=None)
def _noise(level_dbfs: float) -> np.ndarray:
    return _spectrum(-SAMP_RATE, SAMP_RATE, level_dbfs, seed=0)


@lru_cache(maxsize=None)
def _carrier(name: str, view: int) -> np.ndarray:
    low, high = (edge - CENTERS[view] for edge in CARRIERS[name].edges)
    return _spectrum(low, high, _LEVELS[CARRIERS[name].label], seed=1 + list(CARRIERS).index(name))


def _spectrum(low: float, high: float, level_dbfs: float, *, seed: int) -> np.ndarray:
    """A period with a flat spectrum from ``low`` to ``high`` Hz that shows a level in each bin, complex64."""
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, _PERIOD)
    freqs = np.fft.fftfreq(_PERIOD, 1 / SAMP_RATE)
    # A hann window of 64 samples takes in 1.5 bins' worth of power.
    scale = np.sqrt(10 ** (level_dbfs / 10) * GEOMETRY.bins / 1.5 / _PERIOD)
    spectrum = np.where((freqs >= low) & (freqs < high), np.exp(1j * phases), 0)
    return (np.fft.ifft(spectrum) * _PERIOD * scale).astype(np.complex64)


def _pulse() -> np.ndarray:
    return np.hanning(_PULSE + 2)[1:-1]


def _quantised(samples: np.ndarray) -> np.ndarray:
    parts = samples.astype(np.complex64).view(np.float32).reshape(-1, 2) * np.float32(_FULL_SCALE)
    return np.clip(np.rint(parts), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
