"""The demonstration: an LTE carrier, an NR carrier and a radar side by side at 30.72 MS/s, 40 ms."""

from __future__ import annotations

import math

import numpy as np

from .lte import LteCell
from .nr import NrCell
from .plan import CarrierPlan
from .radar import PulseTrain
from .receiver import Receiver
from .scene import Plan, Scene, realise

__all__ = ["CENTER_FREQ", "demo_scene"]

CENTER_FREQ = 3.6e9  # Hz, what the recording states
SAMP_RATE = 30.72e6
DURATION = 40e-3
DEFAULT_SEED = 7


def _lte() -> CarrierPlan:
    cell = LteCell(blocks=50, cell_id=301, ports=2, crs_boost_db=3.0, load="medium", control_fill=0.5)
    return CarrierPlan(label="LTE", channel_mhz=10, spacing=15e3, blocks=50, center=-9.0e6, snr_db=22.0, cell=cell)


def _nr() -> CarrierPlan:
    cell = NrCell(
        blocks=24,
        spacing=30e3,
        cell_id=17,
        load="full",
        ssb_subcarrier=24,
        ssb_symbols=(4, 8, 16, 20),
        ssb_period_ms=20,
        ssb_gain_db=2.0,
        coreset=(0, 24, 2),
        control_share=0.8,
        first_data_symbol=2,
        dmrs_symbols=(2, 11),
        csi_period=40,
        tdd="DDDSU",
    )
    return CarrierPlan(label="NR", channel_mhz=10, spacing=30e3, blocks=24, center=3.0e6, snr_db=20.0, cell=cell)


def demo_scene(seed: int = DEFAULT_SEED) -> Scene:
    """The demonstration scene, 8 bit, in-band SNR 20 to 25 dB; a function of the seed."""
    radar = PulseTrain(
        family="asr",
        center=11.5e6,
        width=1.05e-6,
        chirp=0.0,
        chips=(),
        intervals=(1 / 1050,),
        jitter=0.0,
        first=0.4e-3,
        scan_peak=20e-3,
        scan_width=math.inf,
        sidelobe_db=-30.0,
        echoes=(),
        snr_db=30.0,
    )
    receiver = Receiver(
        flat_share=0.9,
        rolloff_db=6.0,
        ripple_db=0.3,
        ripple_periods=3.0,
        tilt_db=0.0,
        floor_db=-30.0,
        dc_db=8.0,
        image_db=None,
        gain_step_db=0.0,
        gain_step_place=0.0,
        bits=8,
        backoff_db=14.0,
    )
    plan = Plan(
        samp_rate=SAMP_RATE, frame_duration=DURATION, carriers=[_lte(), _nr()], others=[], radars=[radar], receiver=receiver
    )
    return realise(plan, np.random.default_rng(seed))
