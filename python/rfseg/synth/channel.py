"""Multipath fading applied to resource elements: one complex gain per symbol and subcarrier.

Exact while the delays stay inside the cyclic prefix and the channel hardly moves within a symbol.
Each tap is a sum of sinusoids whose angles of arrival are spread evenly, one at random in each of
16 equal sectors: over many draws the autocorrelation is exactly J0(2 pi fD tau) (Jakes), and already
one draw is close to it.  The sinusoids are summed at a few Chebyshev nodes in time and interpolated
from there to the symbols with an error below 1e-4 of the tap's amplitude (-80 dB).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import SceneError
from .channel_profiles import LOS_DOPPLER_SHARE, PROFILES

__all__ = ["Channel", "draw_channel", "fading", "rms_delay_spread", "tap_gains", "taps"]

CABLE_SHARE = 0.2  # of the channels that are drawn
DOPPLERS_HZ = (0.0, 5.0, 10.0, 70.0, 100.0, 300.0, 400.0, 500.0)
CFO_LIMIT_HZ = 1e3
DELAY_SPREADS_S = (10e-9, 1000e-9)  # of the scaled profiles: 3GPP TR 38.901 table 7.7.3-1
_SINUSOIDS = 16  # per tap
_INTERPOLATION_ERROR = 1e-4  # re the amplitude of a sinusoid


@dataclass(frozen=True, kw_only=True)
class Channel:
    """What lies between a transmitter and the receiver; the default is a cable.

    Parameters
    ----------
    profile : str or None
        Name in :data:`~rfseg.synth.channel_profiles.PROFILES`; None is a cable.
    delay_spread_s : float or None
        RMS delay spread by which a scaled profile (TDL-A to TDL-E) is multiplied; None for the others.
    doppler_hz : float
        Maximum Doppler shift.
    cfo_hz : float
        Carrier frequency offset of the transmitter.

    Raises
    ------
    SceneError
        If the profile does not exist, or a number does not fit it.
    """

    profile: str | None = None
    delay_spread_s: float | None = None
    doppler_hz: float = 0.0
    cfo_hz: float = 0.0

    def __post_init__(self) -> None:
        if self.profile is not None and self.profile not in PROFILES:
            raise SceneError(f"profile={self.profile!r} does not exist; choose None (a cable) or one of {', '.join(PROFILES)}")
        is_scaled = self.profile is not None and PROFILES[self.profile].is_scaled
        if is_scaled and not (self.delay_spread_s is not None and 0 < self.delay_spread_s <= 1e-4):
            raise SceneError(
                f"delay_spread_s={self.delay_spread_s!r} of {self.profile} is no time from 0 to 1e-4 s; give one, such as 100e-9"
            )
        if not is_scaled and self.delay_spread_s is not None:
            raise SceneError(f"delay_spread_s={self.delay_spread_s!r} given, but {self.profile} has its own; leave it None")
        if not 0 <= self.doppler_hz < math.inf:
            raise SceneError(f"doppler_hz={self.doppler_hz!r} is no maximum Doppler shift; give 0 or a positive number of Hz")
        if self.profile is None and self.doppler_hz:
            raise SceneError(f"doppler_hz={self.doppler_hz!r} given, but a cable does not move; give 0 or a profile")
        if not math.isfinite(self.cfo_hz):
            raise SceneError(f"cfo_hz={self.cfo_hz!r} is not finite; give a number of Hz")


def draw_channel(rng: np.random.Generator) -> Channel:
    """A cable in one case of five, else one of the profiles with a random Doppler shift."""
    cfo = float(rng.uniform(-CFO_LIMIT_HZ, CFO_LIMIT_HZ))
    if rng.random() < CABLE_SHARE:
        return Channel(cfo_hz=cfo)
    name = str(rng.choice(list(PROFILES)))
    low, high = np.log(DELAY_SPREADS_S)
    return Channel(
        profile=name,
        delay_spread_s=float(np.exp(rng.uniform(low, high))) if PROFILES[name].is_scaled else None,
        doppler_hz=float(rng.choice(DOPPLERS_HZ)),
        cfo_hz=cfo,
    )


def taps(channel: Channel) -> tuple[np.ndarray, np.ndarray]:
    """Delays in s and powers, which sum to 1, of the taps: float64 ``(P,)`` each; a cable has one tap."""
    if channel.profile is None:
        return np.zeros(1), np.ones(1)
    profile = PROFILES[channel.profile]
    powers = 10 ** (np.array(profile.powers_db) / 10)
    return np.array(profile.delays) * (channel.delay_spread_s or 1.0), powers / powers.sum()


def rms_delay_spread(profile: str) -> float:
    """RMS delay spread of a profile's table: s, or re the delay spread asked for where it is scaled.

    >>> round(rms_delay_spread("EVA") * 1e9)
    357
    """
    delays, powers = taps(Channel(profile=profile, delay_spread_s=1e-9 if PROFILES[profile].is_scaled else None))
    spread = math.sqrt(powers @ delays**2 - (powers @ delays) ** 2)
    return spread * 1e9 if PROFILES[profile].is_scaled else spread


def fading(times: Tensor, freqs: Tensor, channel: Channel, *, generator: torch.Generator) -> Tensor | None:
    """Complex gains of unit mean power over many draws; each call is another, independent draw.

    The frequency offset is not among them: it turns samples, not symbols.

    Parameters
    ----------
    times : float64 ``(S,)``
        Symbol times, s.
    freqs : float64 ``(K,)``
        Subcarrier frequencies re the carrier's centre, Hz.

    Returns
    -------
    complex64 ``(S, K)`` or None
        On the generator's device; None where every gain is 1.  A still or flat channel gives an expanded
        view, not to be written to.
    """
    if channel.profile is None:
        return None
    device = generator.device
    times, freqs = times.to(device, torch.float64), freqs.to(device, torch.float64)
    gains = tap_gains(times, channel, generator=generator)  # (S, P) or (1, P) when still
    delays = torch.as_tensor(taps(channel)[0], device=device)
    if delays.numel() > 1:
        gains = gains @ _rotors(-delays[:, None] * freqs)
    return gains.expand(times.numel(), freqs.numel())


def tap_gains(times: Tensor, channel: Channel, *, generator: torch.Generator) -> Tensor:
    """Gains of the taps, complex64 ``(S, P)``, or ``(1, P)`` of a channel that stands still; without frequency offset."""
    device = generator.device
    if channel.profile is None:
        return torch.ones(1, 1, dtype=torch.complex64, device=device)
    profile = PROFILES[channel.profile]
    amplitudes = torch.as_tensor(np.sqrt(taps(channel)[1]), device=device)
    count = amplitudes.numel()
    uniform = torch.rand(2, count, _SINUSOIDS, generator=generator, dtype=torch.float64, device=device)
    sectors = torch.arange(_SINUSOIDS, device=device)
    shifts = channel.doppler_hz * torch.cos(2 * math.pi * (sectors + uniform[0]) / _SINUSOIDS)  # Hz
    weights = (amplitudes / math.sqrt(_SINUSOIDS)).to(torch.float32)[:, None].repeat(1, _SINUSOIDS)
    if profile.has_los:
        shifts[0] = LOS_DOPPLER_SHARE * channel.doppler_hz
        weights[0] = 0.0
        weights[0, 0] = amplitudes[0]
    nodes, interpolation = _time_nodes(times, channel.doppler_hz)
    turns = nodes[:, None, None] * shifts + uniform[1]
    gains = (_rotors(turns) * weights).sum(-1)  # (R, P)
    if interpolation is None:
        return gains
    parts = interpolation @ torch.view_as_real(gains).flatten(1)  # (S, 2 P)
    return torch.view_as_complex(parts.unflatten(1, (count, 2)))


def _rotors(turns: Tensor) -> Tensor:
    """exp(2j pi turns), complex64: reduced to one turn in float64, evaluated in float32."""
    angle = ((turns - turns.round()) * (2 * math.pi)).float()
    return torch.polar(torch.ones_like(angle), angle)


def _time_nodes(times: Tensor, doppler_hz: float) -> tuple[Tensor, Tensor | None]:
    """Where to evaluate sinusoids of up to ``doppler_hz`` so that they can be interpolated to all ``times``.

    Returns
    -------
    float64 ``(R,)``, s, and float32 ``(S, R)``, or None for a single node that serves all times and for as
    many nodes as times
    """
    if times.numel() == 0:
        return times, None
    low, high = (float(t) for t in torch.stack([times.min(), times.max()]).tolist())
    half = 0.5 * (high - low)
    count = _node_count(2 * math.pi * doppler_hz * half)
    if count == 1:
        return times[:1], None
    if count >= times.numel():
        return times, None
    angles = (torch.arange(count, dtype=torch.float64, device=times.device) + 0.5) * (math.pi / count)
    places = ((times - 0.5 * (high + low)) / half).clamp(-1.0, 1.0)
    # the polynomial through the nodes: sum over n of T_n(node) T_n(place), Chebyshev's discrete orthogonality
    orders = torch.arange(count, dtype=torch.float64, device=times.device)
    at_nodes = torch.cos(orders[:, None] * angles) * (2.0 / count)
    at_nodes[0] *= 0.5
    interpolation = torch.cos(torch.acos(places)[:, None] * orders) @ at_nodes  # (S, R)
    return 0.5 * (high + low) + half * torch.cos(angles), interpolation.float()


def _node_count(reach: float) -> int:
    """Fewest Chebyshev nodes that interpolate exp(1j * reach * x), x from -1 to 1, to the accuracy promised.

    The error is at most 4 times the sum of abs(J_n(reach)) over the orders n that the nodes miss, and
    abs(J_n(z)) <= (z / 2)**n / n!.
    """
    if reach == 0:
        return 1
    log_term, count = 0.0, 0
    # past count > reach the terms fall at least twofold, so that their sum is at most twice the first
    while count <= reach or log_term > math.log(_INTERPOLATION_ERROR / 8):
        count += 1
        log_term += math.log(0.5 * reach / count)
    return count
