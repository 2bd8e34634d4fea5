"""What a real receiver adds: band edges, oscillator, image, DC, overload, gain steps, converter, lost samples."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import SceneError
from ..geometry import make_geometry
from . import receiver_stages as stages

__all__ = ["IDEAL_RECEIVER", "Receiver", "converter_noise", "digitise", "draw_receiver", "noise_slope", "passband"]

# Share of the receivers that have each impairment; what costs more than some ms is rare
SHARES = {
    "shaped passband": 0.6,
    "roll-off, if shaped": 0.75,
    "half-band roll-off, if any": 0.7,
    "noise-floor slope": 0.3,
    "Wiener phase noise": 0.12,
    "PLL pedestal": 0.12,
    "image": 0.4,
    "selective image, if any": 0.3,
    "DC": 0.5,
    "DC drift, if any": 0.3,
    "compression": 0.1,
    "blanking": 0.1,
    "gain step": 0.05,
    "settling gain step, if any": 0.4,
    "AGC": 0.04,
    "clock offset": 0.05,
    "gap": 0.012,
    "phase jump": 0.008,
}
BITS = {8: 0.35, 12: 0.25, 14: 0.1, 16: 0.2, None: 0.1}


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Impairments in the order of the signal; the defaults are those of an ideal receiver.

    Levels in dB are re the RMS of the whole frame at that point, unless stated.

    Raises
    ------
    SceneError
        If a value is none that a receiver can have.
    """

    flat_share: float = 0.9  # of the band, before the roll-off begins
    rolloff_db: float = 0.0  # at the band's edge; 0 for none
    ripple_db: float = 0.0
    ripple_periods: float = 1.0
    tilt_db: float = 0.0  # edge to edge
    floor_db: float = -40.0  # noise behind the filter, re the noise in front of it
    floor_slope_db: float = 0.0  # of the noise alone, edge to edge
    ibo_db: float | None = None  # saturation of the amplifier over the RMS
    overload_db: float | None = None  # power over the mean after which the receiver is blind
    blanking_s: float = 0.0  # for so long
    linewidth_hz: float = 0.0  # Lorentzian, full width at half height
    pedestal_dbc_hz: float | None = None  # phase noise of a PLL, to 100 kHz
    image_db: float | None = None  # re the signal
    image_selectivity: float = 0.0  # 0 to 1: echo in the path of the image
    dc_db: float | None = None  # power of the spike re the noise in a bin
    dc_drift: float = 0.0  # share of its amplitude
    gain_step_db: float = 0.0
    gain_step_place: float = 0.0  # share of the frame
    gain_settle_s: float = 0.0  # time constant; 0: at once
    agc_attack_s: float | None = None  # None: no AGC
    agc_decay_s: float = 1e-3
    agc_range_db: float = 20.0
    clock_ppm: float = 0.0  # above 0: a slow sampling clock
    bits: int | None = None  # None: no quantiser, no clipping
    backoff_db: float = 12.0  # RMS below full scale
    phase_jump: tuple[float, float] | None = None  # share of the frame, rad
    gap: tuple[float, float] | None = None  # start as share of the frame, length in s: lost samples, zero

    def __post_init__(self) -> None:
        if self.bits is not None and not 2 <= self.bits <= 24:
            raise SceneError(f"bits={self.bits!r} is no converter's; choose 2 to 24, or None for no quantiser")
        if not 0 < self.flat_share < 1:
            raise SceneError(f"flat_share={self.flat_share!r} lies outside 0 to 1; give the share of the band that is flat")
        if abs(self.clock_ppm) > 100:
            raise SceneError(f"clock_ppm={self.clock_ppm!r} is more than a clock is off; expected -100 to 100 ppm")
        if not 0 <= self.image_selectivity <= 1:
            raise SceneError(f"image_selectivity={self.image_selectivity!r} lies outside 0 to 1; 0 is flat in frequency")
        if (self.overload_db is None) != (self.blanking_s <= 0):
            raise SceneError(
                f"overload_db={self.overload_db!r} with blanking_s={self.blanking_s!r};"
                " give both, such as 16.0 and 3e-6, or neither"
            )
        if self.agc_attack_s is not None and not (self.agc_attack_s > 0 and self.agc_decay_s > 0):
            raise SceneError(
                f"agc_attack_s={self.agc_attack_s!r}, agc_decay_s={self.agc_decay_s!r}: both must be positive times in s"
            )
        for name, pair in (("gap", self.gap), ("phase_jump", self.phase_jump)):
            if pair is not None and (len(pair) != 2 or not 0 <= pair[0] < 1):
                raise SceneError(f"{name}={pair!r} does not begin within the frame; its first value is a share, 0 to below 1")
        if self.gap is not None and self.gap[1] <= 0:
            raise SceneError(f"gap={self.gap!r} has no length; its second value is a positive time in s")

    @property
    def is_shaping(self) -> bool:
        """Whether the passband is anything but flat."""
        return self.rolloff_db > 0 or self.ripple_db > 0 or self.tilt_db != 0

    def gap_samples(self, count: int, samp_rate: float) -> tuple[int, int] | None:
        """First sample of the gap and the one behind it, of ``count``; None without one."""
        if self.gap is None:
            return None
        start = int(self.gap[0] * count)
        return start, min(count, start + max(1, round(self.gap[1] * samp_rate)))

    @property
    def impairments(self) -> tuple[str, ...]:
        """Names of what this receiver has, for records and histograms."""
        has = {
            "rolloff": self.rolloff_db > 0,
            "ripple": self.ripple_db > 0,
            "tilt": self.tilt_db != 0,
            "floor slope": self.floor_slope_db != 0,
            "compression": self.ibo_db is not None,
            "blanking": self.overload_db is not None,
            "linewidth": self.linewidth_hz > 0,
            "pedestal": self.pedestal_dbc_hz is not None,
            "image": self.image_db is not None,
            "dc": self.dc_db is not None,
            "gain step": self.gain_step_db != 0,
            "agc": self.agc_attack_s is not None,
            "clock": self.clock_ppm != 0,
            "quantiser": self.bits is not None,
            "phase jump": self.phase_jump is not None,
            "gap": self.gap is not None,
        }
        return tuple(name for name, there in has.items() if there)


IDEAL_RECEIVER = Receiver()


def draw_receiver(rng: np.random.Generator) -> Receiver:
    """A random receiver, by the shares at the top of this file."""

    def has(name: str) -> bool:
        return bool(rng.random() < SHARES[name])

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    facts: dict[str, object] = dict(floor_db=uniform(-40, -8), backoff_db=uniform(3, 20))
    facts["bits"] = list(BITS)[int(rng.choice(len(BITS), p=list(BITS.values())))]
    if has("shaped passband"):
        facts.update(ripple_db=uniform(0, 1), ripple_periods=uniform(0.5, 8), tilt_db=uniform(-3, 3))
        if has("roll-off, if shaped"):
            flat = uniform(0.75, 0.8) if has("half-band roll-off, if any") else uniform(0.7, 0.97)
            facts.update(rolloff_db=uniform(3, 60), flat_share=flat)
    if has("noise-floor slope"):
        facts.update(floor_slope_db=uniform(-2, 2))
    if has("compression"):
        facts.update(ibo_db=uniform(3, 15))
    if has("blanking"):
        facts.update(overload_db=uniform(15, 22), blanking_s=uniform(1e-6, 10e-6))
    if has("Wiener phase noise"):
        facts.update(linewidth_hz=log_uniform(10, 500))
    if has("PLL pedestal"):
        facts.update(pedestal_dbc_hz=uniform(-100, -85))
    if has("image"):
        facts.update(image_db=uniform(-60, -25))
        if has("selective image, if any"):
            facts.update(image_selectivity=uniform(0.1, 0.7))
    if has("DC"):
        facts.update(dc_db=uniform(-10, 30), dc_drift=uniform(0.05, 0.5) if has("DC drift, if any") else 0.0)
    if has("gain step"):
        facts.update(gain_step_db=uniform(-10, 10), gain_step_place=uniform(0, 1))
        if has("settling gain step, if any"):
            facts.update(gain_settle_s=log_uniform(5e-6, 1e-3))
    if has("AGC"):
        facts.update(agc_attack_s=log_uniform(10e-6, 200e-6), agc_decay_s=log_uniform(0.2e-3, 5e-3), agc_range_db=uniform(6, 20))
    if has("clock offset"):
        facts.update(clock_ppm=uniform(-20, 20))
    if has("phase jump"):
        facts.update(phase_jump=(uniform(0, 1), uniform(0.2, 2 * math.pi - 0.2)))
    if has("gap"):
        facts.update(gap=(uniform(0, 1), log_uniform(20e-6, 2e-3)))
    return Receiver(**facts)  # type: ignore[arg-type]


def passband(receiver: Receiver, freqs: Tensor, samp_rate: float) -> Tensor:
    """Amplitude of the receive filter at ``freqs`` (Hz), float32; signal and noise both pass it."""
    place = freqs / (samp_rate / 2)  # -1 to 1
    edge = ((place.abs() - receiver.flat_share) / (1 - receiver.flat_share)).clamp(min=0)
    db = -receiver.rolloff_db * edge**2
    db = db + receiver.ripple_db * torch.sin(math.pi * receiver.ripple_periods * place + 1.0)
    return (10 ** ((db + receiver.tilt_db / 2 * place) / 20)).float()


def noise_slope(receiver: Receiver, freqs: Tensor, samp_rate: float) -> Tensor:
    """Amplitude by which the noise alone leans, 1 at the centre, at ``freqs`` (Hz), float32."""
    return (10 ** (receiver.floor_slope_db / 2 * freqs / (samp_rate / 2) / 20)).float()


def converter_noise(receiver: Receiver, power: float) -> float:
    """Variance per sample that rounding and clipping add, in the units of the converter's input; nearly white.

    ``power`` is the mean power there, signal and noise; the input is taken as Gaussian, as a sum of OFDM carriers
    is.  Clipping is judged by Bussgang's theorem: output = gain * input + uncorrelated distortion.

    >>> round(converter_noise(Receiver(bits=8, backoff_db=20.0), power=1000.0), 3)  # a floor of 1 drowns
    1.017
    """
    if receiver.bits is None:
        return 0.0
    limit = math.sqrt(2) * 10 ** (receiver.backoff_db / 20)  # full scale re the RMS of the real part
    rounding = (2.0 ** (1 - receiver.bits) * limit) ** 2 / 12
    limit *= 1 - 2.0**-receiver.bits  # the positive one is a step lower
    inside = math.erf(limit / math.sqrt(2))  # Bussgang's gain
    mean_square = inside - math.sqrt(2 / math.pi) * limit * math.exp(-(limit**2) / 2) + limit**2 * (1 - inside)
    return power * (rounding + mean_square - inside**2) / inside**2


def digitise(
    iq: Tensor, receiver: Receiver, *, samp_rate: float, rng: np.random.Generator, generator: torch.Generator
) -> Tensor:
    """From the signal behind the receive filter to samples with full scale 1.

    Parameters
    ----------
    iq : complex64 ``(n,)``
        Signal and noise, noise of about unit variance per sample; not changed.
    samp_rate : float
        Of ``iq``, Hz.
    rng, generator
        For the phases and for the oscillator's noise.

    Returns
    -------
    complex64 ``(n,)``
    """
    iq = iq.clone()
    _analogue(iq, receiver, samp_rate, rng, generator)
    if receiver.gain_step_db:
        place, settle = receiver.gain_step_place, receiver.gain_settle_s
        stages.step_gain(iq, samp_rate, step_db=receiver.gain_step_db, place=place, settle_s=settle)
    if receiver.agc_attack_s is not None:
        attack, decay = receiver.agc_attack_s, receiver.agc_decay_s
        gain = stages.agc_gain(iq, samp_rate, attack_s=attack, decay_s=decay, range_db=receiver.agc_range_db)
        torch.view_as_real(iq).mul_(gain[:, None])
    if receiver.clock_ppm:
        iq = stages.stretch(iq, receiver.clock_ppm)
    torch.view_as_real(iq).mul_(10 ** (-receiver.backoff_db / 20) * stages.mean_power(iq).rsqrt())
    if receiver.bits is not None:
        stages.quantise(iq, receiver.bits)
    if receiver.phase_jump is not None:
        iq[int(receiver.phase_jump[0] * iq.numel()) :] *= cmath.exp(1j * receiver.phase_jump[1])
    lost = receiver.gap_samples(iq.numel(), samp_rate)
    if lost is not None:
        iq[lost[0] : lost[1]] = 0
    return iq


def _analogue(
    iq: Tensor, receiver: Receiver, samp_rate: float, rng: np.random.Generator, generator: torch.Generator
) -> None:
    """Amplifier and mixer, in place."""
    if receiver.ibo_db is not None:
        stages.compress(iq, receiver.ibo_db)
    if receiver.overload_db is not None:
        stages.blank(iq, samp_rate, overload_db=receiver.overload_db, hold_s=receiver.blanking_s)
    if receiver.linewidth_hz > 0 or receiver.pedestal_dbc_hz is not None:
        linewidth, pedestal = receiver.linewidth_hz, receiver.pedestal_dbc_hz
        iq *= stages.phase_noise(
            iq.numel(), samp_rate, linewidth_hz=linewidth, pedestal_dbc_hz=pedestal, generator=generator
        )
    if receiver.image_db is not None:
        turn = cmath.exp(2j * math.pi * rng.random())
        stages.add_image(iq, 10 ** (receiver.image_db / 20) * turn, receiver.image_selectivity)
    if receiver.dc_db is not None:
        # a Hann window of n samples passes a constant with a power of n / 1.5, noise of unit variance being 1
        amplitude = math.sqrt(10 ** (receiver.dc_db / 10) * 1.5 / make_geometry(samp_rate).bins)
        offset = amplitude * cmath.exp(2j * math.pi * rng.random())
        stages.add_offset(iq, offset, receiver.dc_drift, float(rng.uniform(1, 6)))
