"""The published LTE/NR sets: their content, labels, noise and names."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from rfseg.errors import SceneError
from rfseg.published import Extremes
from rfseg.published_colours import parula
from rfseg.synth.protocol_carriers import carrier_samples, draw_protocol_lte, draw_protocol_nr
from rfseg.synth.protocol_cellular import (
    CellularProtocol,
    cellular_label,
    draw_cellular_protocol,
    make_cellular_frames,
)
from rfseg.synth.protocol_frame import flat_fading, place_one, place_two
from scipy.stats import chisquare

LTE, NR = 1, 2
MATHWORKS = CellularProtocol.mathworks(extremes=Extremes.SURVIVING)
D2S = CellularProtocol.d2s(extremes=Extremes.SURVIVING)
P_VALUE = 0.01


def elements_of(content, generator, half_ms: int = 40) -> np.ndarray:
    """All ports of a carrier's elements, (S, K)."""
    (signal,) = content.signals(0, half_ms, np.random.default_rng(0), generator)
    total = np.zeros((signal.symbol_count, signal.subcarriers.numel()), np.complex64)
    for grid in signal.grids:
        rows = slice(None) if grid.symbols is None else grid.symbols.numpy()
        total[rows] += grid.elements.numpy()
    return total


def test_nr_sends_data_in_slots_2_to_10_only(generator):
    for seed in range(6):
        content = draw_protocol_nr(52, 15e3, np.random.default_rng(seed))
        grid = elements_of(content, generator).reshape(20, 14, 52, 12)
        late = np.abs(grid[:, 13]).max(-1) > 0  # (20, 52): the last symbol of a slot has nothing but data
        assert set(np.flatnonzero(late.any(1)).tolist()) == set(content.data_slots)
        assert set(content.data_slots) <= set(range(2, 11)) and 1 <= len(content.data_slots) <= 8
        for slot in content.data_slots:  # the same resource blocks every time
            assert np.flatnonzero(late[slot]).tolist() == list(content.data_blocks)
        assert 0.15 < len(content.data_blocks) / 52 < 0.75
        assert np.abs(grid[:, 0]).any(axis=(1, 2)).all()  # a control message in every slot


def test_nr_reference_comb_and_blocks_in_the_middle(generator):
    content = draw_protocol_nr(52, 15e3, np.random.default_rng(1))
    grid = elements_of(content, generator).reshape(20, 14, 624)
    slot = content.data_slots[-1]
    first = 12 * content.data_blocks[0]
    if slot > 1:  # free of synchronisation blocks
        comb = np.abs(grid[slot, 3, first : first + 12])
        assert np.all(comb[0::2] > 1) and not comb[1::2].any()
    assert content.cell.cell_id == 1
    assert content.cell.ssb_center == 0.0


def test_lte_is_a_sliver_or_the_whole_band(generator):
    kinds = set()
    for seed in range(12):
        content = draw_protocol_lte(50, np.random.default_rng(seed))
        used = {block for blocks in content.data_blocks for block in blocks}
        assert content.data_blocks[5] == ()
        kinds.add("sliver" if used <= {0, 1, 4, 5, 6, 7, 8} else "band")
        grid = np.abs(elements_of(content, generator, 20)).reshape(10, 14, 50, 12)
        late = grid[:, 13].max(-1) > 0  # (10, 50): the last symbol of a subframe has neither references nor control
        assert [tuple(np.flatnonzero(row).tolist()) for row in late] == list(content.data_blocks)
        assert np.all(grid[:, 4].reshape(10, -1)[:, 3::6] > 0)  # references stay
    assert kinds == {"sliver", "band"}


def test_level_is_that_of_an_unnormalised_transform(generator):
    """Elements of power 1 have a density of 1 / (4096^2 * 15 kHz) at 61.44 MS/s: some 40 dB below 1 W in all."""
    content = replace(draw_protocol_lte(100, np.random.default_rng(0)), data_blocks=(tuple(range(100)),) * 10)
    samples = carrier_samples(content, 0.0, 0, 20, rng=np.random.default_rng(0), generator=generator).numpy()
    expected = 1200 / 4096**2
    assert np.mean(np.abs(samples) ** 2) == pytest.approx(expected, rel=0.15)  # control symbols are mostly empty
    assert 10 * math.log10(expected) == pytest.approx(-41.5, abs=0.1)


def test_carrier_must_lie_on_its_raster(generator):
    content = draw_protocol_lte(25, np.random.default_rng(0))
    with pytest.raises(SceneError, match="center=1000.0 Hz is no multiple of the subcarrier spacing 15000 Hz"):
        carrier_samples(content, 1e3, 0, 2, rng=np.random.default_rng(0), generator=generator)


def test_mathworks_frames():
    frames = make_cellular_frames(MATHWORKS, 8)
    assert [f.image_name for f in frames] == ["NR_frame_9.png", "LTE_frame_9.png", "LTE_NR_frame_9.png"]
    assert frames[2].label_name == "LTE_NR_frame_9.hdf"
    assert all(f.image.shape == (256, 256, 3) and f.label.shape == (256, 256) for f in frames)
    assert [set(np.unique(f.label).tolist()) - {0} for f in frames] == [{NR}, {LTE}, {LTE, NR}]
    assert {f.parameters["snr_db"] for f in frames} <= {40.0, 50.0, 100.0}
    grey = frames[2].label_image()
    assert np.all(grey[frames[2].label == LTE] == 255) and np.all(grey[frames[2].label == NR] == 127)


def test_d2s_frames_are_noisy_five_times_and_clean_once():
    frames = make_cellular_frames(D2S, 0, scenes=("LTE",))
    assert [f.image_name for f in frames] == [f"LTE_frame_1_{k}_70.png" for k in range(1, 7)]
    assert frames[0].label_name == "LTE_label_frame_1_1_70.png"
    assert [f.parameters["snr_db"] for f in frames] == [-10.0, 0.0, 10.0, 20.0, 30.0, None]
    assert all(f.image.shape == (128, 128, 3) for f in frames)
    assert all(np.array_equal(f.label, frames[0].label) for f in frames)
    colours = {tuple(c) for c in frames[0].label_image().reshape(-1, 3).tolist()}
    assert colours == {(62, 38, 168), (249, 249, 22)} == {tuple(parula()[0].tolist()), tuple(parula()[254].tolist())}


def test_labels_are_whole_channels_for_the_whole_frame():
    for seed in range(20):
        draw = draw_cellular_protocol(MATHWORKS, seed)
        label = cellular_label(draw, "LTE", MATHWORKS)
        assert np.all(label == label[0])
        low = (61.44e6 / 2 + draw.centers["LTE"]["LTE"] - draw.widths["LTE"] / 2) / 240e3
        high = low + draw.widths["LTE"] / 240e3
        assert np.flatnonzero(label[0])[[0, -1]].tolist() == [math.floor(low), math.floor(high)]


def test_two_of_five_d2s_bandwidths_are_wrong():
    wrong = {}
    for seed in range(60):
        draw = draw_cellular_protocol(D2S, seed)
        name, true, stated = draw.lte_channel
        wrong[name] = true != stated
        assert draw.contents["LTE"].channel_mhz == true
        assert (cellular_label(draw, "LTE", D2S)[0] == LTE).sum() == pytest.approx(stated * 1e6 / 480e3 + 0.9, abs=1.0)
    assert wrong == {"R.2": True, "R.3": True, "R.7": False, "R.8": False, "R.9": False}
    right = D2S.randomised()
    draw = next(d for d in (draw_cellular_protocol(right, seed) for seed in range(60)) if d.lte_channel[0] == "R.2")
    assert (cellular_label(draw, "LTE", right)[0] == LTE).sum() == pytest.approx(10e6 / 480e3 + 0.9, abs=1.0)


def test_mathworks_noise_is_counted_from_one_watt():
    """40 dB is 1e-4 W over 61.44 MHz whatever the signal: about the level of the carriers themselves."""
    (frame,) = make_cellular_frames(MATHWORKS, 1, scenes=("LTE",), levels=(1,))
    free = ~(frame.label[0] == LTE)
    density = np.mean(10 ** (frame.levels.power_db[:, free] / 10))
    assert 10 * math.log10(density) == pytest.approx(-40 - 10 * math.log10(61.44e6), abs=0.3)


def test_d2s_noise_is_measured():
    clean, noisy = make_cellular_frames(D2S, 1, scenes=("NR",), levels=(6, 3), keep_iq=True)
    ratio = np.mean(np.abs(clean.iq) ** 2) / np.mean(np.abs(noisy.iq - clean.iq) ** 2)
    assert 10 * math.log10(ratio) == pytest.approx(10.0, abs=0.05)


def test_clean_frame_shows_the_carrier_where_it_is_labelled():
    for recipe, level in ((MATHWORKS, 3), (D2S, 6)):
        (frame,) = make_cellular_frames(recipe, 4, scenes=("LTE_NR",), levels=(level,))
        inside = frame.label[0] > 0
        density = frame.levels.power_db.max(0)
        assert np.median(density[inside]) > np.median(density[~inside]) + 15


def test_frame_is_a_function_of_recipe_and_seed():
    (alone,) = make_cellular_frames(MATHWORKS, 2, scenes=("LTE_NR",))
    among = make_cellular_frames(MATHWORKS, 2)[-1]
    assert alone.image_name == among.image_name and np.array_equal(alone.image, among.image)


def test_randomised_has_other_cells_but_the_same_places():
    recipe = MATHWORKS.randomised()
    cells = [draw_cellular_protocol(recipe, seed).contents["NR"].cell.cell_id for seed in range(8)]
    assert len(set(cells)) > 5
    assert {draw_cellular_protocol(MATHWORKS, seed).contents["NR"].cell.cell_id for seed in range(8)} == {1}
    assert make_cellular_frames(recipe, 0, scenes=("NR",))[0].image.shape == (256, 256, 3)


def test_fading_is_flat_and_of_unit_mean_power():
    rng = np.random.default_rng(0)
    still = flat_fading(100_000, 0.0, rng, torch.device("cpu")).numpy()
    assert np.abs(still - still[0]).max() < 1e-5
    power = np.mean([np.abs(flat_fading(4096, 0.0, rng, torch.device("cpu")).numpy()[0]) ** 2 for _ in range(3000)])
    assert power == pytest.approx(1.0, abs=0.08)
    moving = flat_fading(2_457_600, 500.0, rng, torch.device("cpu")).numpy()
    turns = np.abs(np.fft.fftfreq(moving.size, 1 / 61.44e6)[np.argsort(np.abs(np.fft.fft(moving)))[-5:]])
    assert 100 < turns.max() <= 550


def test_places_are_uniform_and_apart():
    rng = np.random.default_rng(3)
    room = (61.44e6 - 20e6) / 2 - 240e3
    alone = [place_one(20e6, 30e3, rng) / room for _ in range(2000)]
    assert chisquare(np.histogram(alone, bins=20, range=(-1, 1))[0]).pvalue > P_VALUE
    sides = []
    for _ in range(300):
        pair = place_two({"LTE": 20e6, "NR": 30e6}, rng)
        sides.append(pair["LTE"] < pair["NR"])
        assert abs(pair["LTE"] - pair["NR"]) >= 25e6
        assert max(pair["LTE"] + 10e6, pair["NR"] + 15e6) < 30.72e6 and min(pair["LTE"] - 10e6, pair["NR"] - 15e6) > -30.72e6
    assert 0.4 < np.mean(sides) < 0.6


def test_refusals():
    with pytest.raises(SceneError, match="style='kaggle' is unknown; choose mathworks or d2s"):
        CellularProtocol(style="kaggle")
    with pytest.raises(SceneError, match="lte_channels: R.1 of 7 MHz does not exist"):
        CellularProtocol(lte_channels=(("R.1", 7.0, 7.0),))
    with pytest.raises(SceneError, match="dopplers_hz is empty"):
        CellularProtocol(dopplers_hz=())
    with pytest.raises(SceneError, match="scene='5G' does not exist; choose from NR, LTE, LTE_NR"):
        cellular_label(draw_cellular_protocol(MATHWORKS, 0), "5G", MATHWORKS)
    with pytest.raises(SceneError, match=r"levels=\(7,\): the recipe has 6 noise levels; choose from 1 to 6"):
        make_cellular_frames(D2S, 0, levels=(7,))
    with pytest.raises(SceneError, match="seed=-1 must be at least 0"):
        draw_cellular_protocol(D2S, -1)
