"""Scenes: reproducible, of the right shape, and labelled by what can be seen."""

from dataclasses import replace

import numpy as np
import pytest

from rfseg.errors import SceneError
from rfseg.geometry import make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.synth import CLASS_LABELS, UNKNOWN, Recipe, make_scene
from rfseg.synth.demo import demo_scene
from rfseg.synth.lte import LteCell
from rfseg.synth.nr import NrCell
from rfseg.synth.plan import CarrierPlan
from rfseg.synth.receiver import Receiver
from rfseg.synth.recording import write_recording
from rfseg.synth.scene import Plan, realise

QUICK = Recipe(rates=((15.36e6, 1.0), (20e6, 1.0)), durations=((1e-3, 1.0), (5e-3, 1.0)))
IDEAL = Receiver(
    flat_share=0.9, rolloff_db=0.0, ripple_db=0.0, ripple_periods=1.0, tilt_db=0.0, floor_db=-40.0, dc_db=None,
    image_db=None, gain_step_db=0.0, gain_step_place=0.0, bits=None, backoff_db=12.0,
)  # fmt: skip
LTE, NR, RADAR = (CLASS_LABELS.index(name) for name in ("LTE", "NR", "Radar"))


def _realise(carrier: CarrierPlan, duration: float, samp_rate: float = 15.36e6, seed: int = 0, **changes):
    plan = Plan(
        samp_rate=samp_rate, frame_duration=duration, carriers=[carrier], others=[], radars=[], receiver=replace(IDEAL, **changes)
    )
    return realise(plan, np.random.default_rng(seed))


def _lte(snr_db: float = 20.0, load: str = "idle", center: float = 0.0, tdd: int | None = None) -> CarrierPlan:
    cell = LteCell(blocks=25, cell_id=1, ports=2, crs_boost_db=0.0, load=load, control_fill=0.3, tdd=tdd)
    return CarrierPlan(label="LTE", channel_mhz=5, spacing=15e3, blocks=25, center=center, snr_db=snr_db, cell=cell)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_scene_is_a_function_of_recipe_and_seed(seed):
    first, second = make_scene(QUICK, seed), make_scene(QUICK, seed)
    assert np.array_equal(first.iq, second.iq)
    assert np.array_equal(first.mask, second.mask)
    assert first.emitters == second.emitters
    assert not np.array_equal(first.iq[:100], make_scene(QUICK, seed + 10).iq[:100])


@pytest.mark.parametrize("seed", range(6))
def test_rows_are_those_of_the_samples_and_everything_is_finite(seed):
    scene = make_scene(QUICK, seed)
    geometry = scene.geometry
    assert scene.iq.shape == (geometry.frame_samples + geometry.overhang,)
    assert scene.rows.shape == (2, 256, geometry.bins) and scene.mask.shape == (256, geometry.bins)
    assert np.isfinite(scene.rows).all()
    assert np.array_equal(scene.rows, frame_rows(scene.iq, geometry)[0])
    assert set(np.unique(scene.mask)) <= {0, 1, 2, 3, UNKNOWN}
    assert np.abs(scene.iq.real).max() <= 1.0 or scene.iq.dtype == np.complex64


def test_an_idle_lte_carrier_is_labelled_solid_over_its_occupied_band():
    scene = _realise(_lte(), 5e-3)
    geometry = scene.geometry
    columns = np.flatnonzero((scene.mask == LTE).mean(0) > 0.5)
    edges = geometry.edge_freq(columns[0]), geometry.edge_freq(columns[-1] + 1)
    assert edges == pytest.approx((-2.2575e6, 2.2575e6), abs=geometry.bin_width)  # 25 blocks and DC, not 5 MHz
    assert (scene.mask[:, columns] == LTE).all()
    assert (np.delete(scene.mask, columns, axis=1) == 0).all()


def test_uplink_subframes_of_a_tdd_carrier_are_noise():
    scene = _realise(_lte(load="full", tdd=2), 10e-3)  # DSUDDDSUDD: two pauses of 1 to 2 ms
    column = scene.mask[:, scene.geometry.bins // 2]
    assert 0.15 < (column == 0).mean() < 0.45
    power = scene.rows[0, :, scene.geometry.bins // 2]
    assert power[column == LTE].mean() - power[column == 0].mean() > 10


def test_an_idle_nr_carrier_is_unknown_but_for_its_synchronisation_blocks():
    cell = NrCell(
        blocks=24, spacing=30e3, cell_id=3, load="idle", ssb_subcarrier=24, ssb_symbols=(4, 8), ssb_period_ms=5,
        ssb_gain_db=0.0, coreset=(0, 24, 2), control_share=0.0, first_data_symbol=2, dmrs_symbols=(2,), csi_period=80,
    )  # fmt: skip
    plan = CarrierPlan(label="NR", channel_mhz=10, spacing=30e3, blocks=24, center=0.0, snr_db=20.0, cell=cell)
    scene = _realise(plan, 10e-3)
    inside = scene.mask[:, 20:44]
    assert (inside == UNKNOWN).mean() > 0.8
    labelled = scene.mask == NR
    assert 0.005 < labelled.mean() < 0.1
    power = scene.rows[0]
    assert power[labelled].mean() - np.median(power) > 10
    assert (scene.mask[:, :12] == 0).all()


def test_a_carrier_too_weak_to_see_is_unknown():
    scene = _realise(_lte(snr_db=-14.0), 5e-3)
    assert not (scene.mask == LTE).any()
    assert (scene.mask == UNKNOWN).any()


def test_a_carrier_cut_by_the_roll_off_is_unknown_there():
    scene = _realise(_lte(load="full", center=6e6), 5e-3, flat_share=0.7, rolloff_db=50.0)
    assert (scene.mask[:, -1] == UNKNOWN).all()
    assert (scene.mask[:, scene.geometry.bins * 5 // 6] == LTE).all()


def test_in_band_snr_is_that_asked_for():
    carrier = _lte(snr_db=15.0, load="full")
    powers = []
    for seed in range(8):  # fading moves single scenes
        scene = _realise(carrier, 5e-3, seed=seed)
        power = 10 ** (scene.rows[0] / 10)
        powers.append(power[:, 26:38].mean() / np.delete(power, np.s_[18:46], axis=1).mean())
    assert 10 * np.log10(np.mean(powers)) == pytest.approx(15.1, abs=2.5)


def test_any_rate_of_whole_khz_works_and_others_are_refused():
    assert _realise(_lte(), 2e-3, samp_rate=25e6).geometry == make_geometry(25e6, frame_duration=2e-3)
    with pytest.raises(SceneError, match="samp_rate=16000000.5 Hz is no whole number of kHz; round it"):
        _realise(_lte(), 2e-3, samp_rate=16000000.5)


def test_radar_rows_are_spread_over_the_frame():
    rows = np.zeros(256)
    recipe = Recipe(rates=((15.36e6, 1.0),), durations=((5e-3, 1.0),), radar_share=1.0)
    for seed in range(30):
        rows += (make_scene(recipe, seed).mask == RADAR).any(1)
    quarters = rows.reshape(4, 64).sum(1)
    assert quarters.sum() > 0
    assert quarters.max() < 2.0 * quarters.min()


def test_the_demonstration_holds_all_three_classes_and_fits_in_three_megabytes(tmp_path):
    scene = demo_scene()
    assert scene.iq.size * 2 < 3e6
    for class_id in (LTE, NR, RADAR):
        assert (scene.mask == class_id).sum() > 500
    write_recording(scene, tmp_path / "demo", datatype="ci8")
    assert (tmp_path / "demo.sigmf-data").stat().st_size == 2 * scene.geometry.frame_samples
    assert '"core:label": "Radar"' in (tmp_path / "demo.sigmf-meta").read_text()
