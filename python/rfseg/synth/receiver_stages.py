"""The stages of a receiver, one function each; samples are changed in place unless stated.

All take complex64 ``(n,)`` on one device.  The mixer's phase, an AGC's gain and a drifting offset move
slowly: they are made at nodes some samples apart and interpolated linearly.
"""

from __future__ import annotations

import math

import torch
from scipy.fft import next_fast_len
from torch import Tensor

__all__ = [
    "add_image",
    "add_offset",
    "agc_gain",
    "blank",
    "compress",
    "interpolate",
    "mean_power",
    "phase_noise",
    "power",
    "quantise",
    "step_gain",
    "stretch",
]

PEDESTAL_WIDTH_HZ = 100e3  # of a PLL's phase noise, to half the density
_PHASE_RATE_HZ = 1.92e6  # nodes of the phase noise, per s
_AGC_BLOCK_S = 8e-6
_RAPP_ORDER = 2
_SLOW_HOP = 64  # samples between the nodes of a settling gain or a drifting offset
_STRETCH_HOP, _STRETCH_GUARD = 960, 64  # samples; blocks of 2 * (960 + 64) = 2048
_STRETCH_BATCH = 32  # blocks
_OVERLOAD_DIP_S = 0.2e-6  # an overload that pauses no longer than this is one


def interpolate(nodes: Tensor, hop: int, count: int) -> Tensor:
    """``count`` samples on the straight lines between ``nodes``, which lie ``hop`` samples apart.

    float32 or complex64, as the nodes; at least ``count / hop + 1`` of them.
    """
    rise = torch.arange(hop, dtype=torch.float32, device=nodes.device) / hop
    basis = torch.stack([1 - rise, rise])  # (2, hop)
    if not nodes.is_complex():
        return (torch.stack([nodes[:-1], nodes[1:]], 1) @ basis).flatten()[:count]
    parts = torch.view_as_real(nodes)
    pairs = torch.cat([parts[:-1], parts[1:]], 1)  # (M, 4): re, im of this and of the next
    both = torch.zeros(2, 2, hop, 2, device=nodes.device)
    both[:, 0, :, 0] = both[:, 1, :, 1] = basis
    return torch.view_as_complex((pairs @ both.reshape(4, 2 * hop)).view(-1, 2))[:count]


def power(iq: Tensor) -> Tensor:
    """Instantaneous power, float32 ``(n,)``."""
    squares = torch.view_as_real(iq).square()
    return squares[:, 0] + squares[:, 1]


def mean_power(iq: Tensor) -> Tensor:
    """Mean power, 0-dimensional, from at most some 200,000 samples spread over all."""
    return 2 * torch.view_as_real(iq)[:: max(1, iq.numel() // 200_000)].square().mean().clamp(min=1e-24)


def phase_noise(
    count: int, samp_rate: float, *, linewidth_hz: float, pedestal_dbc_hz: float | None, generator: torch.Generator
) -> Tensor:
    """What an oscillator multiplies the samples by, complex64 ``(count,)``, amplitude 1.

    A Wiener phase whose steps have the variance ``2 pi linewidth tau`` gives a Lorentzian line of that full
    width at half its height.  A pedestal is a stationary phase of the single-sideband density
    ``pedestal_dbc_hz`` that falls to half at 100 kHz.
    """
    device = generator.device
    hop = max(1, int(samp_rate // _PHASE_RATE_HZ))
    nodes = next_fast_len(-(-count // hop) + 1)
    phase = torch.zeros(nodes, dtype=torch.float64, device=device)
    if linewidth_hz > 0:
        steps = torch.randn(nodes, generator=generator, device=device)
        phase += torch.cumsum(steps, 0, dtype=torch.float64) * math.sqrt(2 * math.pi * linewidth_hz * hop / samp_rate)
    if pedestal_dbc_hz is not None:
        white = torch.fft.rfft(torch.randn(nodes, generator=generator, device=device))
        freqs = torch.fft.rfftfreq(nodes, hop / samp_rate, device=device)
        density = 10 ** (pedestal_dbc_hz / 10) / (1 + (freqs / PEDESTAL_WIDTH_HZ) ** 2)  # 1/Hz
        phase += torch.fft.irfft(white * (density * (samp_rate / hop)).sqrt(), nodes)
    return interpolate(_rotors(torch.remainder(phase, 2 * math.pi).float()), hop, count)


def compress(iq: Tensor, ibo_db: float) -> Tensor:
    """Rapp's amplifier of order 2, saturating ``ibo_db`` above the RMS amplitude.

    Its products of third order appear within the sampled band; those beyond its edges fold back.
    """
    saturation = mean_power(iq) * 10 ** (ibo_db / 10)
    drive = (power(iq) / saturation) ** _RAPP_ORDER  # (amplitude / saturation)**(2 * order)
    gain = drive.add_(1.0).rsqrt_().sqrt_()  # (1 + drive)**(-1 / (2 * order))
    torch.view_as_real(iq).mul_(gain[:, None])
    return iq


def blank(iq: Tensor, samp_rate: float, *, overload_db: float, hold_s: float) -> Tensor:
    """Zero for ``hold_s`` after each overload: power more than ``overload_db`` over the mean."""
    places = torch.nonzero(power(iq) > mean_power(iq) * 10 ** (overload_db / 10)).flatten()
    if not places.numel():
        return iq
    count, hold = iq.numel(), max(1, round(hold_s * samp_rate))
    is_last = torch.ones_like(places, dtype=torch.bool)
    is_last[:-1] = places.diff() > _OVERLOAD_DIP_S * samp_rate
    starts = places[is_last] + 1
    edges = torch.zeros(count + 1, dtype=torch.int32, device=iq.device)
    ones = torch.ones_like(starts, dtype=torch.int32)
    edges.index_add_(0, starts.clamp(max=count), ones)
    edges.index_add_(0, (starts + hold).clamp(max=count), -ones)
    iq[torch.cumsum(edges[:-1], 0) > 0] = 0
    return iq


def add_image(iq: Tensor, gain: complex, selectivity: float) -> Tensor:
    """Adds the mirrored spectrum; with selectivity ``s`` its amplitude varies by ``1 +- s`` from edge to edge."""
    mirrored = iq.conj().resolve_conj()
    if selectivity:
        # through the taps (1, s), at constant mean power: peaks at DC, is least at the band's edges
        blend = mirrored.clone()
        blend[1:].add_(mirrored[:-1], alpha=selectivity)
        mirrored = blend
        gain = gain / math.sqrt(1 + selectivity**2)
    return iq.add_(mirrored, alpha=gain)


def add_offset(iq: Tensor, offset: complex, drift: float, turn: float) -> Tensor:
    """Adds a constant whose amplitude swings by the share ``drift``, through ``turn`` rad in all."""
    if not drift:
        return iq.add_(offset)
    nodes = -(-iq.numel() // _SLOW_HOP) + 1
    swing = 1 + drift * torch.sin(torch.linspace(0, turn, nodes, device=iq.device))
    return iq.add_(interpolate(swing * torch.tensor(offset, dtype=torch.complex64, device=iq.device), _SLOW_HOP, iq.numel()))


def step_gain(iq: Tensor, samp_rate: float, *, step_db: float, place: float, settle_s: float) -> Tensor:
    """A gain step at the share ``place`` of the samples, at once or approached exponentially (in dB)."""
    start = int(place * iq.numel())
    tail = iq[start:]
    if settle_s <= 0 or not tail.numel():
        tail.mul_(10 ** (step_db / 20))
        return iq
    nodes = torch.arange(-(-tail.numel() // _SLOW_HOP) + 1, device=iq.device) * (_SLOW_HOP / samp_rate)
    step = step_db * (1 - torch.exp(-nodes / settle_s))
    torch.view_as_real(tail).mul_(interpolate(10 ** (step / 20), _SLOW_HOP, tail.numel())[:, None])
    return iq


def agc_gain(iq: Tensor, samp_rate: float, *, attack_s: float, decay_s: float, range_db: float) -> Tensor:
    """Gain of an AGC that turns down what exceeds its resting level, float32 ``(n,)``, at most 1.

    The level is the mean power of 8 us, the resting level the median of all; the gain in dB follows it with
    the time constant ``attack_s`` downwards and ``decay_s`` upwards, by at most ``range_db``.
    """
    hop = max(1, round(_AGC_BLOCK_S * samp_rate))
    blocks = iq.numel() // hop
    if blocks < 2:
        return torch.ones(iq.numel(), device=iq.device)
    level = 10 * torch.log10(power(iq[: blocks * hop]).view(blocks, hop).mean(1).clamp(min=1e-24))
    wanted = (level.median() - level).clamp(-range_db, 0.0).tolist()
    down, up = (1 - math.exp(-hop / samp_rate / time) for time in (attack_s, decay_s))
    gain_db, gains = 0.0, [0.0]
    for target in wanted:
        gain_db += (target - gain_db) * (down if target < gain_db else up)
        gains.append(gain_db)
    nodes = torch.tensor([*gains, gain_db], dtype=torch.float32, device=iq.device)
    return interpolate(10 ** (nodes / 20), hop, iq.numel())


def stretch(iq: Tensor, ppm: float) -> Tensor:
    """The same signal sampled by a slow clock (``ppm`` above 0): sample ``n`` is taken at ``n * (1 + ppm * 1e-6)``.

    Blocks of 2048 samples are delayed in the frequency domain and faded into each other.  Within a fade the
    delay moves by ``960e-6 * ppm`` samples, so the error in the inner nine tenths of the band is below
    ``(pi * 960e-6 * ppm)**2 / 8`` (-66 dB at 20 ppm), measured -56 dB at 96 %.  What lies beyond the ends is a
    mirror image.
    """
    count, hop, guard = iq.numel(), _STRETCH_HOP, _STRETCH_GUARD
    device, length = iq.device, 2 * (hop + guard)
    blocks, move = -(-count // hop) + 1, hop * ppm * 1e-6  # move: of the delay from block to block
    margin = length + math.ceil(abs(move) * (blocks + 1))
    padded = _mirrored(iq, margin)
    freqs = 2 * math.pi * torch.fft.fftfreq(length, device=device)
    ramp = _rotors(torch.arange(_STRETCH_BATCH, device=device)[:, None] * move * freqs)
    taper = torch.sin(torch.linspace(0, math.pi / 2, guard, device=device)).square()
    window = torch.cat([taper, torch.ones(2 * hop, device=device), taper.flip(0)])  # nothing jumps where the ends meet
    delayed = []
    for first in range(0, blocks, _STRETCH_BATCH):
        number, whole = min(_STRETCH_BATCH, blocks - first), round(first * move)
        start = margin - hop - guard + first * hop + whole
        batch = padded[start : start + (number - 1) * hop + length].unfold(0, length, hop)
        turned = torch.fft.fft(batch * window) * ramp[:number] * _rotors((first * move - whole) * freqs)
        delayed.append(torch.fft.ifft(turned)[:, guard:-guard])
    around = torch.cat(delayed)  # (B, 2 * hop), each around its block's centre
    rise = torch.arange(hop, device=device, dtype=torch.float32) / hop
    return torch.lerp(around[:-1, hop:], around[1:, :hop], rise.to(torch.complex64)).flatten()[:count]


def _mirrored(iq: Tensor, margin: int) -> Tensor:
    """The samples with their mirror images on both sides."""
    count = iq.numel()
    period = 2 * max(count - 1, 1)
    sides = []
    for start in (-margin, count):
        index = torch.arange(start, start + margin, device=iq.device).remainder(period)
        sides.append(iq[torch.minimum(index, period - index)])
    return torch.cat([sides[0], iq, sides[1]])


def _rotors(angle: Tensor) -> Tensor:
    """exp(1j * angle), complex64."""
    return torch.polar(torch.ones_like(angle), angle)


def quantise(iq: Tensor, bits: int) -> Tensor:
    """Rounds real and imaginary part to ``bits`` bits, full scale 1, and clips."""
    scale = 2.0 ** (bits - 1)
    torch.view_as_real(iq).mul_(scale).round_().clamp_(-scale, scale - 1).mul_(1 / scale)
    return iq
