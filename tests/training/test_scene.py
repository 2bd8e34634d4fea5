"""Scenes: reproducible, of the right shape, and labelled by what can be seen."""

import hashlib
import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from rfseg.errors import SceneError
from rfseg.geometry import make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.synth import CLASS_LABELS, UNKNOWN, MaskKind, Recipe, load_recipe, make_scene, make_scenes, realise
from rfseg.synth.channel import Channel
from rfseg.synth.emission import carrier_emission
from rfseg.synth.laws import CarrierLaw, FixedCarrier, RadarLaw, SnrLaw
from rfseg.synth.lte import LteCell
from rfseg.synth.nr import NrCell, draw_nr
from rfseg.synth.lte_uplink import draw_lte_uplink
from rfseg.synth.other import draw_other
from rfseg.synth.plan import CarrierPlan, Plan, draw_plan
from rfseg.synth.radar import Pulse, PulseTrain
from rfseg.synth.receiver import IDEAL_RECEIVER, Receiver
from rfseg.synth.recording import write_recording
from rfseg.synth.scene import realise_many

QUICK = replace(load_recipe("standard"), rates=((15.36e6, 1.0), (20e6, 1.0)), durations=((1e-3, 1.0), (5e-3, 1.0)))
LTE, NR, RADAR = (CLASS_LABELS.index(name) for name in ("LTE", "NR", "Radar"))
SNR_TOLERANCE_DB = 0.3  # measured on the spectrogram against the request
UNIFORM_P = 0.01  # least p value of a chi-square test that a law is called uniform


def _realise(carrier: CarrierPlan, duration: float, samp_rate: float = 15.36e6, seed: int = 0, kinds=(), **changes):
    plan = Plan(
        samp_rate=samp_rate, frame_duration=duration, carriers=(carrier,), receiver=replace(IDEAL_RECEIVER, **changes), payload_seed=seed
    )
    return realise(plan, kinds=kinds)


def _lte(snr_db: float = 20.0, load: str = "idle", center: float = 0.0, tdd: int | None = None, **changes) -> CarrierPlan:
    cell = LteCell(blocks=25, cell_id=1, ports=2, crs_boost_db=0.0, load=load, control_fill=0.3, tdd=tdd)
    facts = dict(label="LTE", channel_mhz=5, spacing=15e3, blocks=25, center=center, snr_db=snr_db, downlink=cell)
    return CarrierPlan(**{**facts, **changes})


def _radar(**changes) -> PulseTrain:
    facts = dict(
        family="asr-9", center=3e6, pulses=(Pulse(width=2e-6),), intervals=(1e-3,), first=0.5e-3, snr_db=40.0,
        scan_peak=None, scan_width=None,
    )  # fmt: skip
    return PulseTrain(**{**facts, **changes})


@pytest.mark.parametrize("seed", [0, 1])
def test_a_scene_is_a_function_of_recipe_and_seed(seed):
    first, second = make_scene(QUICK, seed), make_scene(QUICK, seed)
    assert np.array_equal(first.iq, second.iq)
    assert np.array_equal(first.mask, second.mask)
    assert first.emitters == second.emitters
    assert first.plan == second.plan
    assert not np.array_equal(first.iq[:100], make_scene(QUICK, seed + 10).iq[:100])


def test_scenes_made_together_are_those_made_alone():
    seeds = [3, 4, 5, 6, 7]
    for seed, scene in zip(seeds, make_scenes(QUICK, seeds), strict=True):
        alone = make_scene(QUICK, seed)
        assert np.array_equal(scene.mask, alone.mask)
        assert np.array_equal(scene.iq, alone.iq) and np.array_equal(scene.rows, alone.rows)


def test_another_process_makes_the_same_scene():
    code = (
        "import hashlib, torch; torch.set_num_threads(1)\n"
        "from rfseg.synth import load_recipe, make_scene\n"
        "print(hashlib.sha256(make_scene(load_recipe('standard'), 61).iq.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    iq = make_scene(load_recipe("standard"), 61).iq
    assert done.stdout.strip() == hashlib.sha256(iq.tobytes()).hexdigest()


def test_plans_of_different_rates_are_not_made_together():
    plans = [Plan(samp_rate=rate, frame_duration=1e-3) for rate in (15.36e6, 20e6)]
    with pytest.raises(SceneError, match="plans differ in sample rate or duration"):
        realise_many(plans)


@pytest.mark.parametrize("seed", range(6))
def test_rows_are_those_of_the_samples_and_everything_is_finite(seed):
    scene = make_scene(QUICK, seed, kinds=tuple(MaskKind))
    geometry = scene.geometry
    assert scene.iq.shape == (geometry.frame_samples + geometry.overhang,)
    assert np.isfinite(scene.rows).all()
    assert np.allclose(scene.rows, frame_rows(scene.iq, geometry)[0], atol=1e-3)
    for kind in MaskKind:
        mask = scene.masks[kind]
        assert mask.dtype == np.uint8 and mask.shape == (256, geometry.bins)
        assert set(np.unique(mask)) <= {0, 1, 2, 3, UNKNOWN}


@pytest.mark.parametrize("seed", range(30))
def test_the_record_of_a_scene_is_plain_values(seed):
    plan = draw_plan(load_recipe("standard"), np.random.default_rng(seed))
    assert json.loads(json.dumps(plan.to_record(), allow_nan=False))["samp_rate"] == plan.samp_rate


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


def test_the_uplink_of_a_tdd_carrier_has_its_label_and_its_power(rng):
    up = replace(draw_lte_uplink(25, rng), tdd=2, load="full", prach_period_ms=None)
    scene = _realise(_lte(load="full", tdd=2, uplink=up, uplink_db=10.0), 10e-3)
    alone = _realise(_lte(load="full", tdd=2), 10e-3)
    assert (scene.mask == LTE).sum() > 1.1 * (alone.mask == LTE).sum()
    gained = (scene.mask == LTE) & (alone.mask == 0)
    assert np.median(scene.rows[0][gained]) - np.median(scene.rows[0][scene.mask == 0]) > 10


def _idle_nr(**changes) -> NrCell:
    facts = dict(
        blocks=24, spacing=30e3, cell_id=3, load="idle", ssb_subcarrier=24, ssb_case="B", ssb_count=4, ssb_blocks=(0, 1),
        ssb_gains_db=(0.0, 0.0), ssb_period_ms=5, coreset=(0, 24, 2), control_share=0.0,
    )  # fmt: skip
    return NrCell(**{**facts, **changes})


def test_an_idle_nr_carrier_is_unknown_but_for_its_synchronisation_blocks():
    plan = CarrierPlan(label="NR", channel_mhz=10, spacing=30e3, blocks=24, center=0.0, snr_db=20.0, downlink=_idle_nr())
    scene = _realise(plan, 10e-3)
    inside = scene.mask[:, 20:44]
    assert (inside == UNKNOWN).mean() > 0.8
    labelled = scene.mask == NR
    assert 0.005 < labelled.mean() < 0.1
    power = scene.rows[0]
    assert power[labelled].mean() - np.median(power) > 10
    assert (scene.mask[:, :12] == 0).all()


def test_synchronisation_blocks_of_another_spacing_are_labelled_where_they_are():
    cell = NrCell(
        blocks=24, spacing=60e3, cell_id=5, load="idle", ssb_subcarrier=100, ssb_case="C", ssb_count=4, ssb_blocks=(0,),
        ssb_gains_db=(6.0,), ssb_period_ms=5, control_share=0.0, coreset=(0, 24, 1),
    )  # fmt: skip
    plan = CarrierPlan(label="NR", channel_mhz=20, spacing=60e3, blocks=24, center=0.0, snr_db=20.0, downlink=cell)
    scene = _realise(plan, 5e-3, samp_rate=30.72e6)
    rows, columns = np.nonzero(scene.mask == NR)
    assert scene.geometry.edge_freq(columns.min()) == pytest.approx(-12 * 12 * 60e3 + 100 * 30e3, abs=0.4e6)
    assert (columns.max() - columns.min() + 1) * scene.geometry.bin_width == pytest.approx(7.2e6, abs=0.5e6)
    strong = scene.rows[0] > np.median(scene.rows[0]) + 12
    assert (scene.mask[strong] == NR).mean() > 0.9


def test_a_carrier_too_weak_to_see_is_unknown():
    scene = _realise(_lte(snr_db=-14.0), 5e-3)
    assert not (scene.mask == LTE).any()
    assert (scene.mask == UNKNOWN).any()


def test_a_carrier_drowned_by_a_coarse_converter_is_unknown():
    strong = _lte(snr_db=45.0, load="full", center=-4e6)
    weak = _lte(snr_db=0.0, load="full", center=4e6)
    plan = Plan(samp_rate=15.36e6, frame_duration=5e-3, carriers=(strong, weak), receiver=Receiver(bits=8, backoff_db=20.0))
    assert not (realise(plan).mask[:, 45:50] == LTE).any()
    assert (realise(replace(plan, receiver=IDEAL_RECEIVER)).mask[:, 45:50] == LTE).all()


def test_a_carrier_cut_by_the_roll_off_is_unknown_there():
    scene = _realise(_lte(load="full", center=6e6), 5e-3, flat_share=0.7, rolloff_db=60.0, floor_db=-10.0)
    assert (scene.mask[:, -1] == UNKNOWN).all()
    assert (scene.mask[:, scene.geometry.bins * 5 // 6] == LTE).all()


def test_a_carrier_under_a_stronger_stranger_is_unknown(rng):
    stranger = draw_other("dvbt", 0.0, 30.0, rng)
    plan = Plan(samp_rate=15.36e6, frame_duration=5e-3, carriers=(_lte(snr_db=5.0, load="full"),), others=(stranger,))
    mask = realise(plan).mask
    assert (mask[:, 26:38] == UNKNOWN).mean() > 0.95
    assert not (mask == LTE).any()


@pytest.mark.parametrize("label, snr_db, profile", [("LTE", 15.0, None), ("LTE", 5.0, "EVA"), ("NR", 15.0, "TDLC300"), ("NR", 0.0, None)])
def test_in_band_snr_is_that_asked_for(label, snr_db, profile, rng):
    channel = Channel(profile=profile, doppler_hz=70.0 if profile else 0.0, cfo_hz=300.0)
    if label == "LTE":
        carrier = _lte(snr_db=snr_db, load="full", channel=channel)
    else:
        cell = replace(draw_nr(25, 15e3, rng, tdd_choices=(None,)), load="full", ssb_subcarrier=None, coreset0=None)
        carrier = CarrierPlan(
            label="NR", channel_mhz=5, spacing=15e3, blocks=25, center=0.0, snr_db=snr_db, downlink=cell, channel=channel
        )
    found, sent = [], []
    for seed in range(6):
        scene = _realise(carrier, 10e-3, seed=seed)
        power = 10 ** (scene.rows[0] / 10)  # 25 blocks cover bins 23 to 41
        noise = np.delete(power, np.s_[16:48], axis=1).mean()
        found.append((power[:, 16:48].mean(0) / noise - 1.0).sum() * scene.geometry.bin_width)
        rng = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        elements = carrier_emission(carrier, 10e-3, rng=rng, generator=generator)[1].power[:140, :25]
        sent.append(elements.mean() * 300 * 15e3)  # a data element has power 1
    assert 10 * math.log10(np.mean(found) / np.mean(sent)) == pytest.approx(snr_db, abs=SNR_TOLERANCE_DB)


def test_any_rate_of_whole_khz_works_and_others_are_refused():
    assert _realise(_lte(), 2e-3, samp_rate=25e6).geometry == make_geometry(25e6, frame_duration=2e-3)
    with pytest.raises(SceneError, match="samp_rate=16000000.5 Hz is no whole number of kHz; round it"):
        _realise(_lte(), 2e-3, samp_rate=16000000.5)


@pytest.mark.parametrize("samp_rate, duration", [(15.36e6, 40e-3), (122.88e6, 1e-3), (33.333e6, 2.5e-3), (100e6, 2e-3)])
def test_the_ends_of_the_ranges_work(samp_rate, duration):
    scene = _realise(_lte(load="full"), duration, samp_rate=samp_rate)
    middle = scene.geometry.bins // 2
    assert (scene.mask[:, middle] == LTE).all()
    assert scene.rows[0, :, middle].mean() - np.median(scene.rows[0, :, :8]) > 15


def test_radar_is_labelled_where_its_own_energy_is():
    plan = Plan(samp_rate=15.36e6, frame_duration=5e-3, radars=(_radar(),))
    scene = realise(plan)
    rows = np.flatnonzero((scene.mask == RADAR).any(1))
    expected = np.array([0.5e-3 + k * 1e-3 for k in range(5)]) / scene.geometry.row_duration
    assert {int(row) for row in expected} <= set(rows.tolist())
    assert all(np.abs(expected - row).min() < 2 for row in rows)
    strongest = scene.rows[1][[int(row) for row in expected]].argmax(1)
    assert np.abs(strongest + 0.5 - scene.geometry.freq_edge(3e6)).max() <= 2
    excess = scene.rows[1][scene.mask == RADAR] - np.median(scene.rows[1])
    assert np.quantile(excess, 0.1) > 0.0 and np.median(excess) > 6  # noise now and then takes something away


def test_a_radar_on_a_carrier_is_labelled_only_where_it_stands_out():
    carrier = _lte(load="full", snr_db=35.0)
    plan = Plan(samp_rate=15.36e6, frame_duration=5e-3, carriers=(carrier,), radars=(_radar(center=0.0, snr_db=25.0),))
    assert not (realise(plan).mask == RADAR).any()
    stronger = replace(plan, radars=(_radar(center=0.0, snr_db=60.0),))
    assert (realise(stronger).mask == RADAR).any()


def test_a_radar_that_overloads_the_converter_is_labelled_only_where_it_is_left():
    plan = Plan(samp_rate=15.36e6, frame_duration=5e-3, radars=(_radar(snr_db=45.0),))
    wide = realise(plan).mask
    scene = realise(replace(plan, receiver=Receiver(bits=12, backoff_db=3.0)))
    assert 0 < (scene.mask == RADAR).sum() < 0.8 * (wide == RADAR).sum()
    assert ((wide == RADAR) & (scene.mask == 0)).sum() == 0  # clipped pulses splatter: nobody can tell
    excess = scene.rows[1][scene.mask == RADAR] - np.median(scene.rows[1])
    assert np.quantile(excess, 0.1) > 0.0


def test_rows_that_the_receiver_lost_are_unknown():
    scene = _realise(_lte(load="full"), 5e-3, gap=(0.5, 1e-3), kinds=(MaskKind.ENERGY,))
    lost = (scene.mask == UNKNOWN).all(1)
    assert np.array_equal((scene.masks[MaskKind.ENERGY] == UNKNOWN).all(1), lost)
    assert lost.sum() * scene.geometry.row_duration == pytest.approx(1e-3, abs=2 * scene.geometry.row_duration)
    assert scene.rows[0][lost][1:-1].max() < scene.rows[0][~lost].min() - 50


def test_the_three_masks_answer_their_questions():
    carrier = _lte(snr_db=25.0, load="idle")
    plan = Plan(samp_rate=15.36e6, frame_duration=5e-3, carriers=(carrier,), radars=(_radar(),))
    masks = realise(plan, kinds=tuple(MaskKind)).masks
    occupied, energy, channel = (masks[kind] for kind in (MaskKind.OCCUPIED, MaskKind.ENERGY, MaskKind.CHANNEL))
    assert (energy == LTE).sum() < (occupied == LTE).sum() < (channel == LTE).sum()
    width = (channel == LTE).any(0).sum() * 240e3
    assert width == pytest.approx(5e6, abs=2 * 240e3)
    assert not (energy == UNKNOWN).any() and not (channel == UNKNOWN).any()
    pulses = (channel == RADAR).any(1)
    assert pulses.any() and (channel[pulses] == RADAR).all()  # whole rows, as the published sets have it


def test_emitters_name_every_pulse_at_its_sample(tmp_path):
    plan = Plan(samp_rate=15.36e6, frame_duration=5e-3, carriers=(_lte(),), radars=(_radar(),))
    scene = realise(plan)
    pulses = [e for e in scene.emitters if e.label == "Radar"]
    assert [round(p.sample_start / 15.36e6, 5) for p in pulses] == [0.0005, 0.0015, 0.0025, 0.0035, 0.0045]
    assert pulses[0].sample_count == pytest.approx(2e-6 * 15.36e6, abs=4)
    assert pulses[0].freq_lower_edge < 3e6 < pulses[0].freq_upper_edge
    write_recording(scene, tmp_path / "made", datatype="ci16_le", center_freq=2e9)
    meta = json.loads((tmp_path / "made.sigmf-meta").read_text())
    assert [a["core:label"] for a in meta["annotations"]].count("Radar") == 5
    carrier = next(a for a in meta["annotations"] if a["core:label"] == "LTE")
    assert carrier["core:freq_lower_edge"] == pytest.approx(2e9 - 2.2575e6, abs=10)
    assert (tmp_path / "made.sigmf-data").stat().st_size == 4 * scene.geometry.frame_samples


def test_emitters_that_hop_are_named_where_they_are(rng):
    hopper = draw_other("bluetooth", 1e6, 20.0, rng)
    radar = _radar(family="dfs-6", hops=(-2e6, 3e6), hop_pulses=2, center=0.0, intervals=(0.5e-3,), first=0.1e-3)
    plan = Plan(samp_rate=30.72e6, frame_duration=5e-3, others=(hopper,), radars=(radar,))
    scene = realise(plan)
    other = next(e for e in scene.emitters if e.label == "Noise")
    low, high = hopper.edges
    assert (other.freq_lower_edge, other.freq_upper_edge) == (max(low, -15.36e6), min(high, 15.36e6))
    pulses = [e for e in scene.emitters if e.label == "Radar"]
    middles = [0.5 * (p.freq_lower_edge + p.freq_upper_edge) for p in pulses]
    assert middles == pytest.approx([-2e6, -2e6, 3e6, 3e6, -2e6, -2e6, 3e6, 3e6, -2e6, -2e6], abs=0.1e6)
    peaks = scene.rows[1].argmax(1)[[int(p.sample_start / scene.geometry.row_samples) for p in pulses]]
    assert np.abs(peaks + 0.5 - [scene.geometry.freq_edge(m) for m in middles]).max() <= 1.5


def test_annotations_end_with_the_frame():
    sweep = Pulse(width=2e-3, modulation="sawtooth", chirp=5e6)
    radar = _radar(family="fmcw-perimeter", pulses=(sweep,), intervals=(2e-3,), first=-1e-3)
    scene = realise(Plan(samp_rate=20e6, frame_duration=5e-3, carriers=(_lte(),), radars=(radar,)))
    assert {e.label for e in scene.emitters} == {"LTE", "Radar"}
    for emitter in scene.emitters:
        assert emitter.sample_start == 0 and emitter.sample_count == scene.geometry.frame_samples


def test_radar_rows_are_spread_over_the_frame():
    rows = np.zeros(256)
    radars = RadarLaw(share=1.0, families=("ntia-1", "asr-9", "wsr-88d"), snr_db=(30.0, 50.0))
    recipe = Recipe(rates=((15.36e6, 1.0),), durations=((5e-3, 1.0),), radars=radars)
    for seed in range(40):
        rows += (make_scene(recipe, seed).mask == RADAR).any(1)
    quarters = rows.reshape(4, 64).sum(1)
    assert quarters.sum() > 0
    assert quarters.max() < 2.0 * quarters.min()


def _uniform_p(values: list[float], low: float, high: float) -> float:
    counts, _ = np.histogram(values, bins=20, range=(low, high))
    assert counts.sum() == len(values)
    return float(stats.chisquare(counts).pvalue)


def test_centres_and_snr_follow_the_law():
    law = CarrierLaw(counts=(0.0, 1.0), fill_share=0.0, adjacent_share=0.0, outside_share=0.0)
    recipe = Recipe(rates=((30.72e6, 1.0),), carriers=law, snr=SnrLaw(weak_share=0.0), radars=RadarLaw(share=1.0))
    plans = [draw_plan(recipe, np.random.default_rng(seed)) for seed in range(1500)]
    carriers = [p.carriers[0] for p in plans]
    places = [c.center / (0.5 * (30.72e6 - c.width) + c.spacing) for c in carriers]
    assert _uniform_p(places, -1, 1) > UNIFORM_P
    assert _uniform_p([c.snr_db for c in carriers], -5, 35) > UNIFORM_P
    assert _uniform_p([r.snr_db for p in plans for r in p.radars], 3, 50) > UNIFORM_P
    labels = [c.label for c in carriers]
    assert stats.binomtest(labels.count("LTE"), len(labels)).pvalue > UNIFORM_P


def test_snr_steps_hold_for_all_carriers_of_a_scene():
    recipe = load_recipe("rfseg-snr")
    for seed in range(40):
        levels = {c.snr_db for c in draw_plan(recipe, np.random.default_rng(seed)).carriers}
        assert len(levels) == 1 and levels <= set(recipe.snr.steps)


def test_fixed_carriers_have_their_own_direction():
    fixed = tuple(FixedCarrier(label="LTE", blocks=25, center=c, direction=d) for c, d in ((-4e6, "uplink"), (4e6, "downlink")))
    recipe = Recipe(rates=((20e6, 1.0),), carriers=CarrierLaw(fixed=fixed))
    up, down = draw_plan(recipe, np.random.default_rng(0)).carriers
    assert up.downlink is None and up.uplink is not None
    assert down.downlink is not None and down.uplink is None


@pytest.mark.parametrize(
    "text, said",
    [
        ("[carriers]\nfill_share = 0.7\nadjacent_share = 0.4", "carriers.fill_share and carriers.adjacent_share are shares of the same"),
        ("[carriers]\nuplink_share = 0.7\ntdd_share = 0.4", "carriers.uplink_share and carriers.tdd_share are shares of the same"),
        ("[carriers]\nlte_tdd = []", "lte_tdd and carriers.nr_tdd must not be empty; set tdd_share to 0"),
        ("[radars]\nsnr_db = [50.0, 3.0]", "radars.snr_db=.50.0, 3.0. must be two numbers, the lower first"),
        ("[others]\nsnr_db = [5.0, 3.0]", "others.snr_db=.5.0, 3.0. must be two numbers, the lower first"),
        ("[receiver]\nbits = [[1, 1.0]]", "bits=1 is no converter's; choose 2 to 24"),
        ("[receiver]\nbits = [[8, 0.0]]", "receiver.bits=.0.0,. must be weights"),
        (
            'rates = [[20e6, 1.0]]\n[[carriers.fixed]]\nlabel = "LTE"\nblocks = 25\ncenter = 13e6',
            "LTE at center=1.3e.07 Hz lies outside a band of 20 MS/s; choose at most 1e.07 Hz either side",
        ),
    ],
)
def test_laws_that_nothing_can_follow_are_refused(text, said):
    with pytest.raises(SceneError, match=said):
        Recipe.from_toml(text)


def test_what_ood_holds_the_standard_mix_never_has():
    standard, ood = load_recipe("standard"), load_recipe("ood")
    assert not {r for r, _ in standard.rates} & {r for r, _ in ood.rates}
    assert set(ood.radars.families) <= set(standard.radars.excluded)
    assert not set(standard.carriers.nr_tdd) & set(ood.carriers.nr_tdd)
    assert not set(standard.carriers.lte_tdd) & set(ood.carriers.lte_tdd)
    drawn = {draw_plan(standard, np.random.default_rng(seed)).receiver.bits for seed in range(300)}
    assert not drawn & {bits for bits, _ in ood.receiver.bits}


def test_the_same_code_runs_on_another_device(rng):
    plan = Plan(samp_rate=15.36e6, frame_duration=1e-3, carriers=(_lte(),), radars=(_radar(),))
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    assert np.array_equal(realise(plan).mask, realise(plan, device="cuda").mask)
