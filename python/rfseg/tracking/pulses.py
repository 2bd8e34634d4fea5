"""Pulses in the samples of a band: when, how long, how strong, and how often.

Meant for the samples of one radar band, shifted to 0 Hz and filtered to about its width, as an extractor gives
them; noise outside the band only hides pulses.

1. Noise power: the median of the power over ln 2, with what pulses cover left out.
2. Where pulses are: boxes of 1, 2, 4, ... samples whose mean power noise alone would exceed with a chance of ``false_alarm``.
3. What is pulse and what pause: the most likely course of two states, noise or noise and pulse, with a price for
   each change (Viterbi), for samples whose power is exponentially distributed.
4. Edges: the stretch over which the power exceeds the noise by half the pulse's power (-3 dB), or a quarter (-6 dB), the
   longest by the sum of the excess: exact to the sample where the SNR is high, and steady where it is low.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from ..errors import BandError
from .intervals import PulsePattern, find_pattern

__all__ = ["PulseReport", "Pulses", "find_pulses", "measure_pulses"]

_CHANGE = 9.0  # price of a change of state, as a difference of log likelihoods
_LONGEST_BOX = 128e-6  # s; longer pulses are found by their parts
_TOLERANCE = 0.3e-6  # s; that an interval may be off, on top of the scatter of edges in noise
_LEAST_SAMPLES = 64
_TINY = 1e-30  # noise of a stream of zeros; -300 dBFS


@dataclass(frozen=True)
class Pulses:
    """Pulses in their order; arrays of one length.

    Parameters
    ----------
    starts, stops : int64 (n,)
        First sample of each and the one after its last, between the -3 dB points.
    widths : int64 (n,)
        ``stops - starts``, samples.
    wide_widths : int64 (n,)
        Between the -6 dB points, samples.
    powers : float64 (n,)
        Mean power between the -3 dB points without the noise; full scale 1.
    noise_power : float
        Mean power of the noise.
    """

    starts: np.ndarray
    stops: np.ndarray
    wide_widths: np.ndarray
    powers: np.ndarray
    noise_power: float

    @property
    def widths(self) -> np.ndarray:
        """Between the -3 dB points, samples."""
        return self.stops - self.starts

    @property
    def count(self) -> int:
        """How many there are."""
        return self.starts.size


@dataclass(frozen=True, kw_only=True)
class PulseReport:
    """What the samples of a band tell of its pulses.

    Parameters
    ----------
    pulses : Pulses
    pattern : PulsePattern
        The intervals between their starts.
    width, wide_width : float or None
        Median width between the -3 dB and the -6 dB points, s.
    power_dbfs : float or None
        Median power of the pulses, without the noise.
    snr_db : float or None
        That over the noise in the samples' whole bandwidth.
    """

    pulses: Pulses
    pattern: PulsePattern
    width: float | None = None
    wide_width: float | None = None
    power_dbfs: float | None = None
    snr_db: float | None = None


def measure_pulses(iq: np.ndarray, samp_rate: float, *, false_alarm: float = 1e-7) -> PulseReport:
    """Find pulses and their intervals.

    Parameters
    ----------
    iq : complex64 (n,)
        Samples of a band, full scale 1.
    samp_rate : float
        Hz.
    false_alarm : float
        Chance per sample and box that noise is taken for a pulse.

    Raises
    ------
    BandError
        If the samples are no row of at least 64 complex numbers, the rate is none or the chance is not in 0 to 1.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> iq = 0.01 * rng.standard_normal((40_000, 2)) @ [1, 1j]
    >>> for start in range(500, 40_000, 5_000):
    ...     iq[start : start + 20] += 1.0
    >>> report = measure_pulses(iq, 10e6)
    >>> report.pulses.starts[:3].tolist(), round(report.width * 1e6, 3), round(report.pattern.interval * 1e6, 3)
    ([500, 5500, 10500], 2.0, 500.0)
    """
    if not (math.isfinite(samp_rate) and samp_rate > 0):
        raise BandError(f"samp_rate={samp_rate!r} is not a rate; give complex samples per second, above 0")
    longest = max(1, int(_LONGEST_BOX * samp_rate))
    pulses = find_pulses(iq, longest_box=longest, false_alarm=false_alarm)
    if not pulses.count:
        return PulseReport(pulses=pulses, pattern=find_pattern([], tolerance=_TOLERANCE))
    power = float(np.median(pulses.powers))
    # Noise moves an edge by the samples over which the sum of the excess wanders.
    scatter = min(4.0 * (1.0 + 2.0 * pulses.noise_power / power) ** 2, float(np.median(pulses.widths)) / 2 + 2)
    return PulseReport(
        pulses=pulses,
        pattern=find_pattern(pulses.starts / samp_rate, tolerance=_TOLERANCE + scatter / 2 / samp_rate),
        width=float(np.median(pulses.widths)) / samp_rate,
        wide_width=float(np.median(pulses.wide_widths)) / samp_rate,
        power_dbfs=10 * math.log10(power),
        snr_db=10 * math.log10(power / pulses.noise_power),
    )


def find_pulses(iq: np.ndarray, *, longest_box: int, false_alarm: float = 1e-7) -> Pulses:
    """Find the pulses; see the module's head.

    Parameters
    ----------
    iq : complex64 (n,)
    longest_box : int
        Samples over which a weak pulse is summed at most.

    Raises
    ------
    BandError
        As :func:`measure_pulses`.
    """
    samples = np.asarray(iq)
    if samples.ndim != 1 or samples.size < _LEAST_SAMPLES or not np.iscomplexobj(samples):
        raise BandError(
            f"iq has shape {samples.shape} and type {samples.dtype}, expected at least {_LEAST_SAMPLES} complex samples in a row"
        )
    if not 0 < false_alarm < 1:
        raise BandError(f"false_alarm={false_alarm!r} is no probability; expected above 0 and below 1")
    power = samples.real.astype(np.float64) ** 2 + samples.imag.astype(np.float64) ** 2
    power[~np.isfinite(power)] = 0.0
    noise = float(np.median(power)) / math.log(2)
    for _ in range(2):
        covered, levels = _detect(power, max(noise, _TINY), longest_box, false_alarm)
        quiet = power[~covered]
        if quiet.size < power.size // 8:
            break
        noise = float(np.median(quiet)) / math.log(2)
    noise = max(noise, _TINY)
    found = []
    for region, level in zip(_regions(covered), levels):
        found += _pulses_in(power, region, level, noise, false_alarm)
    columns = list(zip(*found)) or [(), (), (), ()]
    whole = [np.array(column, np.int64) for column in columns[:3]]
    return Pulses(*whole, np.array(columns[3], np.float64), noise)


def _detect(power: np.ndarray, noise: float, longest_box: int, false_alarm: float) -> tuple[np.ndarray, list[float]]:
    """Samples in boxes too strong for noise, bool (n,), and of each run of them the power of its likeliest box."""
    total = np.concatenate([[0.0], np.cumsum(power)])
    steps = np.zeros(power.size + 1, np.int64)
    places, scores, means = [], [], []
    box = 1
    while box <= min(longest_box, power.size):
        mean = (total[box:] - total[:-box]) / box
        limit = noise * float(special.gammainccinv(box, false_alarm)) / box
        hits = np.flatnonzero(mean > limit)
        steps[hits] += 1
        steps[hits + box] -= 1
        ratio = mean[hits] / noise
        places.append(hits)
        scores.append(box * (ratio - 1 - np.log(ratio)))  # log likelihood of such a mean against noise
        means.append(mean[hits])
        box *= 2
    covered = np.cumsum(steps[:-1]) > 0
    place, score, mean = (np.concatenate(parts) for parts in (places, scores, means))
    owner = np.cumsum(np.diff(covered.astype(np.int8), prepend=0) == 1)[place]  # number of the run, from 1
    order = np.lexsort((score, owner))
    last = np.flatnonzero(np.diff(owner[order], append=-1))
    return covered, [float(value) - noise for value in mean[order[last]]]


def _regions(covered: np.ndarray) -> list[tuple[int, int]]:
    """Runs of samples that are on, half-open."""
    edges = np.flatnonzero(np.diff(covered.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def _pulses_in(
    power: np.ndarray, region: tuple[int, int], level: float, noise: float, false_alarm: float
) -> list[tuple[int, int, int, float]]:
    """First sample, last but one, width at -6 dB and power of the pulses in a region."""
    pad = 4 + (region[1] - region[0]) // 8
    begin, end = max(0, region[0] - pad), min(power.size, region[1] + pad)
    pieces = [(begin + a, begin + b) for a, b in _on(power[begin:end], noise, level)]
    found = []
    for index, (start, stop) in enumerate(pieces):
        low = (pieces[index - 1][1] + start) // 2 if index else begin
        high = (stop + pieces[index + 1][0]) // 2 if index + 1 < len(pieces) else end
        reach = max(4, (stop - start) // 4)
        window = max(low, start - reach), min(high, stop + reach)
        for _ in range(2):
            inner = (stop - start) // 8
            strength = float(power[start + inner : stop - inner].mean()) - noise
            if strength <= 0:
                break
            start, stop = _longest_excess(power, window, noise + strength / 2)
        count = stop - start
        if strength <= 0 or power[start:stop].sum() < noise * special.gammainccinv(count, false_alarm):
            continue
        wide = _longest_excess(power, window, noise + strength / 4)
        found.append((start, stop, wide[1] - wide[0], float(power[start:stop].mean()) - noise))
    return found


def _on(power: np.ndarray, noise: float, level: float) -> list[tuple[int, int]]:
    """Stretches of the more likely course in which the pulse is there."""
    gains = np.log(noise / (noise + level)) + power * (1 / noise - 1 / (noise + level))
    lead = -_CHANGE  # of the state "pulse" over the state "noise", both with the price of a change paid
    leads = []
    for gain in gains.tolist():
        lead = min(max(lead + gain, -_CHANGE), _CHANGE)
        leads.append(lead)
    states = np.empty(len(leads), bool)
    state = leads[-1] > 0
    for index in range(len(leads) - 1, -1, -1):
        if leads[index] >= _CHANGE:
            state = True  # the best course to "noise" after this sample comes from "pulse"
        elif leads[index] <= -_CHANGE:
            state = False
        states[index] = state
    return _regions(states)


def _longest_excess(power: np.ndarray, window: tuple[int, int], threshold: float) -> tuple[int, int]:
    """The stretch within a window over which the sum of the power above a threshold is largest."""
    sums = np.concatenate([[0.0], np.cumsum(power[slice(*window)] - threshold)])
    rise = sums - np.minimum.accumulate(sums)
    stop = int(rise.argmax())
    start = stop - int(sums[: stop + 1][::-1].argmin())
    return window[0] + start, window[0] + max(stop, start + 1)
