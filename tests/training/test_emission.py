"""Carriers where they are placed: as receivers that tune to them see them."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rfseg.synth.channel import Channel
from rfseg.synth.emission import carrier_emission, modulate_emissions
from rfseg.synth.lte import LteCell
from rfseg.synth.lte_uplink import draw_lte_uplink
from rfseg.synth.nr import draw_nr
from rfseg.synth.plan import CarrierPlan, Plan
from rfseg.synth.scene import realise
from scipy.signal import resample_poly

decode = runpy.run_path(str(Path(__file__).with_name("lte_receiver.py")))["decode"]

RATE = 15.36e6
COUNT = 4 * 15360


def _carrier(**changes):
    cell = LteCell(blocks=6, cell_id=203, ports=2, crs_boost_db=0.0, load="medium", control_fill=0.4)
    plan = CarrierPlan(label="LTE", channel_mhz=1.4, spacing=15e3, blocks=6, center=0.0, snr_db=20.0, downlink=cell)
    return replace(plan, **changes)


def _samples(plan, seed=1):
    generator = torch.Generator().manual_seed(seed)
    emissions, _ = carrier_emission(plan, COUNT / RATE, rng=np.random.default_rng(seed), generator=generator)
    return modulate_emissions([emissions], COUNT, RATE, torch.device("cpu"))[0].numpy()


def _line(freq, start=0.0):
    return np.exp(2j * np.pi * freq * (np.arange(COUNT) / RATE + start))


@pytest.mark.parametrize("center", [15e3, 180e3, -2.61e6])
@pytest.mark.parametrize("kind", ["downlink", "uplink"])
def test_the_oscillator_of_an_lte_carrier_runs_through(center, kind, rng):
    plan = _carrier(lead=0.2e-3)
    if kind == "uplink":
        plan = replace(plan, downlink=None, uplink=draw_lte_uplink(6, rng))
    middle, moved = _samples(plan), _samples(replace(plan, center=center))
    assert np.abs(middle).max() > 1
    assert np.allclose(moved, middle * _line(center, 0.2e-3), atol=1e-3 * np.abs(middle).max())


def test_an_nr_carrier_begins_every_symbol_anew(rng):
    cell = replace(draw_nr(25, 15e3, rng, tdd_choices=(None,)), load="full", ssb_subcarrier=None, coreset0=None)
    plan = CarrierPlan(label="NR", channel_mhz=5, spacing=15e3, blocks=25, center=0.0, snr_db=20.0, downlink=cell)
    middle, moved = _samples(plan), _samples(replace(plan, center=180e3))
    starts = np.r_[0, np.cumsum([1104, *[1096] * 6])][:-1] + [80, *[72] * 6]  # of the useful parts of half a millisecond
    for start in starts:
        part = slice(start, start + 1024)
        assert np.allclose(moved[part], middle[part] * _line(180e3)[:1024], atol=1e-3 * np.abs(middle).max())


@pytest.mark.parametrize("profile", [None, "EPA"])
def test_the_frequency_offset_turns_the_samples(profile):
    still, turned = (_samples(_carrier(channel=Channel(profile=profile, cfo_hz=cfo))) for cfo in (0.0, 800.0))
    assert np.allclose(turned, still * _line(800.0), atol=1e-4 * np.abs(still).max())


def test_a_receiver_decodes_a_carrier_off_the_middle_and_measures_its_frequency():
    plan = _carrier(center=180e3, first_half_ms=25, lead=0.1e-3, channel=Channel(profile="EPA", cfo_hz=-700.0))
    iq = realise(Plan(samp_rate=RATE, frame_duration=20e-3, carriers=(plan,), payload_seed=3)).iq
    moved = iq * np.exp(-2j * np.pi * 180e3 / RATE * np.arange(iq.size))
    got = decode(resample_poly(moved, 1, 8))
    assert (got.cell_id, got.duplex, got.ports, got.blocks) == (203, "FDD", 2, 6)
    begin = round((7.5 - 0.1) * 1920)  # frame 2, 7.5 ms after half millisecond 25
    assert [number for _, number in got.frames] == [2, 3]
    assert abs(got.frames[0][0] - begin) <= 2
    assert got.offset_hz == pytest.approx(-700.0, abs=40.0)
