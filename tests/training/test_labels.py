"""Labels lie where the signal is: to a fraction of a row and of a bin, at any rate and duration."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rfseg.geometry import make_geometry
from rfseg.synth.activity import ON, UNSURE, Carrier, carrier_pixels, make_carrier
from rfseg.synth.emission import Emission, modulate_emissions
from rfseg.synth.labels import CLASS_LABELS, UNKNOWN, energy_mask, mask_carriers, mask_radar, peak_to_mean
from rfseg.synth.ofdm import Numerology, OfdmSignal, PortGrid, qpsk
from rfseg.synth.reception import resample
from rfseg.synth.rows import scene_rows

LTE, NR, RADAR = (CLASS_LABELS.index(name) for name in ("LTE", "NR", "Radar"))
SPACING = 30e3
LEAD = 0.123e-3  # s
ROW_TOLERANCE, BIN_TOLERANCE = 0.1, 0.2


def _signal(duration: float, run: int, generator: torch.Generator) -> OfdmSignal:
    """24 blocks, on air at random for runs of ``run`` symbols."""
    count = 14 * math.ceil((duration + LEAD) / 0.5e-3)
    is_on = torch.rand(count // run + 1, generator=generator).repeat_interleave(run)[:count] < 0.5
    elements = qpsk((count, 288), generator) * is_on[:, None]
    return OfdmSignal(spacing=SPACING, subcarriers=torch.arange(-144, 144), symbol_count=count, grids=(PortGrid(elements=elements),))


def _carrier(signal: OfdmSignal, **changes) -> Carrier:
    facts = dict(class_id=NR, center=1.2e6, channel_width=10e6, snr_db=20.0, lead=LEAD)
    return make_carrier([(signal, 1.0)], **{**facts, **changes})


def _shift(measured: np.ndarray, expected: np.ndarray) -> float:
    """Rows by which the measured course lies later: the peak of the correlation, by a parabola."""
    first, second = (x - x.mean() for x in (measured, expected))
    found = [float((np.roll(second, lag) * first)[8:-8].sum()) for lag in range(-4, 5)]
    best = int(np.argmax(found))
    left, middle, right = found[best - 1 : best + 2]
    return best - 4 + 0.5 * (left - right) / (left - 2 * middle + right)


@pytest.mark.parametrize(
    "samp_rate, duration", [(15.36e6, 1e-3), (16e6, 2.5e-3), (33.333e6, 5e-3), (56e6, 2e-3), (122.88e6, 1e-3), (20e6, 40e-3)]
)
def test_labels_lie_on_the_rows_and_bins_of_the_signal(samp_rate, duration, generator):
    geometry = make_geometry(samp_rate, frame_duration=duration)
    milliseconds = math.ceil((geometry.frame_samples + geometry.overhang) / samp_rate * 1e3)
    grid_rate = math.ceil(samp_rate / 3.84e6) * 3.84e6
    run = max(2, round(3 * geometry.row_duration * 14 / 0.5e-3))
    signal = _signal(milliseconds * 1e-3, run, generator)
    emission = Emission(
        spacing=SPACING, half_shift=False, subcarriers=signal.subcarriers + 40, elements=10 * signal.grids[0].elements, lead=LEAD
    )
    samples = modulate_emissions([[emission]], round(grid_rate * milliseconds / 1e3), grid_rate, torch.device("cpu"))[0]
    samples = resample(samples, round(samp_rate * milliseconds / 1e3))[: geometry.frame_samples + geometry.overhang]
    power = scene_rows(samples, geometry)[0].numpy() * geometry.bins / 1.5
    pixels = carrier_pixels(_carrier(signal), geometry)

    assert abs(_shift(power.sum(1), pixels.peak.mean(1))) < ROW_TOLERANCE
    freqs = (np.arange(geometry.bins) - geometry.bins // 2) * geometry.bin_width
    middle = 1.2e6 - SPACING / 2  # of an even number of subcarriers
    assert power.mean(0) @ freqs / power.mean(0).sum() == pytest.approx(middle, abs=BIN_TOLERANCE * geometry.bin_width)
    strong = power.mean(0) > 0.4 * power.mean(0).max()
    assert np.abs(np.flatnonzero(strong)[[0, -1]] - np.flatnonzero(pixels.inside)[[0, -1]]).max() <= 1


def _steady(geometry, power: np.ndarray, *, snr_db: float = 10.0, label: int = LTE) -> Carrier:
    """A carrier of 15 kHz symbols with that power ``(S, C)``, from 0 Hz upwards."""
    starts = Numerology(grid_rate=3.84e6, spacing=15e3).symbol_starts(power.shape[0] + 1).numpy()
    high = 180e3 * power.shape[1]
    return Carrier(
        class_id=label, low=0.0, high=high, channel_width=high, snr_db=snr_db, starts=starts, power=power.astype(np.float32)
    )


def test_rows_begin_where_their_segments_are_centred():
    geometry = make_geometry(15.36e6, frame_duration=1e-3)  # two segments in a row, which reach into the next
    power = np.zeros((28, 12))
    power[7:14] = 1.0  # from 0.5 ms on
    states = carrier_pixels(_steady(geometry, power), geometry).peak.max(1) > 0
    begin = 0.5e-3 / geometry.row_duration - 0.5 * geometry.overhang / geometry.row_samples
    assert np.flatnonzero(states)[0] == math.floor(begin)


def test_both_edges_of_an_lte_downlink_are_as_strong():
    columns = torch.cat([torch.arange(-36, 0), torch.arange(1, 37)])
    grid = PortGrid(elements=torch.ones(70, 72, dtype=torch.complex64))
    signal = OfdmSignal(spacing=15e3, subcarriers=columns, symbol_count=70, grids=(grid,))
    carrier = _carrier(signal, center=0.0, snr_db=0.0, lead=0.0)
    assert carrier.high - carrier.low == 1.095e6 and carrier.power.shape == (70, 6)
    pixels = carrier_pixels(carrier, make_geometry(15.36e6, frame_duration=4e-3))
    assert np.allclose(pixels.level[:, pixels.inside], 1.0, atol=1e-5)
    assert pixels.used[:, pixels.inside].all()


def test_a_row_that_is_hardly_on_air_is_unknown_and_never_noise():
    geometry = make_geometry(15.36e6, frame_duration=40e-3)  # rows of 156 us, symbols of 71 us
    power = np.zeros((600, 12))
    power[::28] = 1.0  # one symbol in 2 ms
    carrier = _steady(geometry, power)
    states = carrier_pixels(carrier, geometry).states
    begin = np.arange(256) * geometry.row_duration + 0.5 * geometry.overhang / geometry.samp_rate
    first, last = carrier.starts[:-1][::28], carrier.starts[1:][::28]
    overlap = np.minimum(begin[:, None] + geometry.row_duration, last) - np.maximum(begin[:, None], first)
    share = overlap.clip(0).sum(1) / geometry.row_duration
    assert (states[share > 0.45] == ON).all() and (share > 0.45).any()
    assert (states[(share > 0.15) & (share < 0.35)] == UNSURE).all() and ((share > 0.15) & (share < 0.35)).any()


def test_radars_stand_out_from_the_strongest_symbol_of_a_row():
    geometry = make_geometry(15.36e6, frame_duration=10e-3)
    power = np.ones((140, 24))
    power[70:] = 100.0  # a user who is 20 dB stronger than the carrier's own level
    mask, background = mask_carriers([_steady(geometry, power)], geometry, floor=np.ones(geometry.bins))
    middle = geometry.bins // 2 + 8
    assert background[[20, 200], middle].tolist() == pytest.approx([11.0, 1001.0])
    limit = 11.0 * peak_to_mean(geometry.segments_per_row)
    mask_radar(mask, np.full(mask.shape, 2 * limit), background, geometry)
    assert mask[20, middle] == RADAR and mask[200, middle] == LTE and mask[200, 2] == RADAR


def test_others_hide_a_carrier_by_the_level_that_it_has():
    geometry = make_geometry(15.36e6, frame_duration=10e-3)
    others = np.full((256, geometry.bins), 50.0, np.float32)
    for strength, expected in ((1.0, UNKNOWN), (100.0, LTE)):
        carrier = _steady(geometry, np.full((140, 24), strength))
        mask, _ = mask_carriers([carrier], geometry, floor=np.ones(geometry.bins), others=others)
        assert mask[100, geometry.bins // 2 + 8] == expected


def test_a_stronger_carrier_has_the_pixels_of_both():
    geometry = make_geometry(15.36e6, frame_duration=10e-3)
    weak, strong = (_steady(geometry, np.ones((140, 24)), snr_db=snr, label=label) for snr, label in ((5.0, LTE), (6.0, NR)))
    for order in ((weak, strong), (strong, weak)):
        mask, _ = mask_carriers(order, geometry, floor=np.ones(geometry.bins))
        assert set(np.unique(mask)) == {0, NR}
    quiet = replace(strong, power=np.zeros_like(strong.power))
    assert (mask_carriers([weak, quiet], geometry, floor=np.ones(geometry.bins))[0] == LTE).any()


def test_energy_is_judged_by_the_floor_that_the_receiver_has():
    powers = [(LTE, np.full((4, 8), 1.0)), (NR, np.full((4, 8), 0.1))]
    floor = np.where(np.arange(8) < 4, 1.0, 10.0)
    mask = energy_mask(powers, np.zeros((4, 8), np.uint8), floor)
    assert (mask[:, :4] == LTE).all() and (mask[:, 4:] == 0).all()
