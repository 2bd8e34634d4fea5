"""The published radar set: where its labels are, what its flaws are, and that the randomised variant is free of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rfseg.errors import SceneError
from rfseg.published import Extremes
from rfseg.published_colours import from_parula
from rfseg.synth import protocol_radar
from rfseg.synth.protocol_frame import Spot, carrier_columns
from rfseg.synth.protocol_paths import Paths, propagate
from rfseg.synth.protocol_radar import (
    PRI,
    SAMPLES,
    RadarProtocol,
    draw_radar_protocol,
    make_radar_frames,
    radar_label,
)
from scipy.stats import chisquare

RADAR, LTE, NR, NOISE = 3, 1, 2, 0
FAST = RadarProtocol(extremes=Extremes.SURVIVING)
P_VALUE = 0.01


def rows_of(label: np.ndarray) -> np.ndarray:
    """Radar rows counted from 1, earliest first."""
    return np.flatnonzero((label == RADAR).any(1)[::-1]) + 1


def test_frame_is_three_pulse_intervals():
    assert PRI == 58515
    assert SAMPLES / 61.44e6 == pytest.approx(2.857e-3, abs=1e-6)
    draw = draw_radar_protocol(RadarProtocol(), 3)
    assert np.diff(draw.pulses).tolist() == [PRI, PRI]
    assert 1 <= draw.pulses[0] <= 46  # 0.02 to 0.75 us


def test_radar_is_on_the_same_rows_in_every_frame():
    recipe = RadarProtocol()
    rows = [rows_of(radar_label(draw_radar_protocol(recipe, seed), "5G", recipe)) for seed in range(150)]
    known = {1, 2, 3, 86, 87, 88, 171, 172, 173, 174}
    assert set(np.concatenate(rows).tolist()) <= known
    assert np.mean([r.size for r in rows]) == pytest.approx(4.6, abs=0.3)


@pytest.mark.parametrize("recipe", [RadarProtocol(), RadarProtocol.randomised()])
def test_radar_rows_are_those_of_its_samples(recipe):
    """A row is Radar where any received sample that falls into it is not zero, and nowhere else."""
    for seed in range(5):
        draw = draw_radar_protocol(recipe, seed)
        sent = np.zeros(2 * SAMPLES, np.complex64)  # the second half is the frame
        for first in draw.pulses:
            sent[SAMPLES + first : SAMPLES + first + 61][: SAMPLES - first] = 1
        received = propagate(torch.from_numpy(sent), draw.radar_paths).numpy()[SAMPLES:]
        place = np.flatnonzero(received) + 1
        expected = np.unique(np.ceil(place * 256 / SAMPLES))
        assert rows_of(radar_label(draw, "LTE", recipe)).tolist() == expected.tolist()


def test_radar_label_is_as_wide_as_the_band():
    recipe = RadarProtocol()
    label = radar_label(draw_radar_protocol(recipe, 0), "LTE", recipe)
    assert np.all((label == RADAR).sum(1) % 256 == 0)
    narrow = replace(recipe, has_wide_radar_labels=False)
    label = radar_label(draw_radar_protocol(narrow, 0), "LTE", narrow)
    columns = np.flatnonzero((label == RADAR).any(0))
    assert columns.size == 9 and 128 in columns  # 2 MHz of 240 kHz pixels


def test_channel_of_20_mhz_is_85_pixels():
    assert carrier_columns(Spot(label="LTE", center=0.0, width=20e6), 256, is_rounded=True) == slice(85, 170)
    assert carrier_columns(Spot(label="LTE", center=-29e6, width=20e6), 256, is_rounded=True).start == 0


def test_single_carriers_are_centred_and_pairs_are_not():
    recipe = RadarProtocol()
    for seed in range(20):
        draw = draw_radar_protocol(recipe, seed)
        assert draw.centers["5G"] == {"NR": 0.0} and draw.centers["LTE"] == {"LTE": 0.0}
        pair = draw.centers["5G_LTE"]
        widths = {"LTE": draw.lte.channel_mhz * 1e6, "NR": draw.nr.channel_mhz * 1e6}
        assert abs(pair["LTE"] - pair["NR"]) > sum(widths.values()) / 2 - 60e3  # side by side, up to the raster
        assert all(abs(pair[label]) + widths[label] / 2 < 30.75e6 for label in pair)
        label = radar_label(draw, "5G_LTE", recipe)
        assert {LTE, NR} <= set(np.unique(label).tolist())


def test_label_is_the_channel_for_the_whole_frame():
    recipe = RadarProtocol()
    draw = draw_radar_protocol(recipe, 1)
    label = radar_label(draw, "LTE", recipe)
    free = ~(label == RADAR).any(1)
    expected = draw.lte.channel_mhz * 1e6 / 240e3
    assert np.all(np.abs((label[free] == LTE).sum(1) - expected) <= 2)
    occupied = replace(recipe, has_channel_labels=False)
    assert (radar_label(draw, "LTE", occupied)[free] == LTE).sum() < (label[free] == LTE).sum()


def test_first_pulse_is_at_the_bottom():
    recipe = RadarProtocol()
    label = radar_label(draw_radar_protocol(recipe, 0), "5G", recipe)
    assert (label[-3:] == RADAR).any() and not (label[:80] == RADAR).any()


def test_frames_of_a_draw():
    frames = make_radar_frames(FAST, 6)
    draw = draw_radar_protocol(FAST, 6)
    doppler, index = f"{draw.doppler_hz:g}", draw.snr_index
    assert [f.image_name for f in frames] == [
        f"data_00007_radar_{scene}_{doppler}_{twin}.png" for scene in ("5G", "LTE", "5G_LTE") for twin in ("clean", f"snr_{index}")
    ]
    assert [f.label_name for f in frames] == [f.image_name.replace("data", "label") for f in frames]
    for clean, noisy in zip(frames[::2], frames[1::2], strict=True):
        assert clean.image.shape == (256, 256, 3) and clean.image.dtype == np.uint8
        assert np.array_equal(clean.label, noisy.label)  # twins share it, however strong the noise
        assert from_parula(clean.image)[1] == 0.0
        assert not np.array_equal(clean.image, noisy.image)
        assert clean.iq is None
    assert frames[0].parameters["carriers"] == [{"label": "NR", "center": 0.0, "width": draw.nr.channel_mhz * 1e6}]


def test_frame_is_a_function_of_recipe_and_seed():
    """Also when the other scenes and twins of the draw are not made."""
    (alone,) = make_radar_frames(FAST, 2, scenes=("5G_LTE",), twins=(True,))
    among = make_radar_frames(FAST, 2)[-1]
    assert alone.image_name == among.image_name
    assert np.array_equal(alone.image, among.image)
    assert not np.array_equal(alone.image, make_radar_frames(FAST, 3, scenes=("5G_LTE",), twins=(True,))[0].image)


def test_axis_law_and_published_colours():
    (frame,) = make_radar_frames(FAST, 1, scenes=("LTE",), twins=(False,))
    image, label = frame.to_axis_law()
    assert np.array_equal(image[0], frame.image[-1]) and np.array_equal(label[::-1], frame.label)
    colours = frame.label_image()
    for class_id, grey in ((NOISE, 0), (LTE, 80), (RADAR, 255)):
        assert np.all(colours[frame.label == class_id] == grey)


@pytest.mark.parametrize("total", [True, False])
def test_snr_is_what_was_asked(total):
    recipe = replace(FAST, has_total_snr=total, snrs_db=(10.0,))
    clean, noisy = make_radar_frames(recipe, 4, scenes=("LTE",), keep_iq=True)
    added = np.mean(np.abs(noisy.iq - clean.iq) ** 2)
    if total:
        assert 10 * np.log10(np.mean(np.abs(clean.iq) ** 2) / added) == pytest.approx(10.0, abs=0.1)
    else:
        assert noisy.parameters["channel_snr_db"] == pytest.approx(10.0, abs=1e-3)


def test_radar_is_in_the_samples_where_it_is_labelled():
    (frame,) = make_radar_frames(FAST, 0, scenes=("LTE",), twins=(False,), keep_iq=True)
    power = np.abs(frame.iq) ** 2
    rows = np.array([part.max() for part in np.array_split(power, 256)])
    strongest = np.argsort(rows)[-3:] + 1
    assert set(strongest.tolist()) & set(rows_of(frame.label).tolist())


def test_carriers_begin_at_their_largest_sample():
    draw = draw_radar_protocol(FAST, 5)
    samples = protocol_radar._carriers(draw, "LTE", FAST, torch.device("cpu"))
    assert samples.shape == (SAMPLES,)
    assert int(samples.abs().argmax()) == 0
    free = RadarProtocol.randomised()
    assert int(protocol_radar._carriers(draw_radar_protocol(free, 5), "LTE", free, torch.device("cpu")).abs().argmax()) > 0


def test_scatterers_alone_make_every_path_longer():
    for seed in range(10):
        scattered = draw_radar_protocol(RadarProtocol(), seed).radar_paths
        direct = draw_radar_protocol(RadarProtocol(is_scattered_only=False), seed).radar_paths
        assert (scattered.delay_samples <= 20e-6 * 61.44e6 + 1).all()
        assert direct.gain.size == scattered.gain.size + 1  # the receiver is near enough in these draws
        assert direct.delay_samples[0] == direct.delay_samples.min()


def test_path_delays_scales_and_shifts():
    paths = Paths(delay_samples=np.array([3, 5]), gain=np.array([2.0, 1j]), shift=np.array([0.0, 1e6]))
    sent = torch.zeros(64, dtype=torch.complex64)
    sent[0] = 1
    received = propagate(sent, paths).numpy()
    assert received[3] == pytest.approx(2.0)
    assert received[5] == pytest.approx(1j * np.exp(2j * np.pi * 1e6 * 5 / 61.44e6), abs=1e-5)
    assert np.flatnonzero(received).tolist() == [3, 5]


def test_randomised_rows_and_carriers_are_uniform():
    recipe = RadarProtocol.randomised()
    rng = np.random.default_rng(0)
    rows, places, radars = [], [], []
    for seed in range(600):
        draw = draw_radar_protocol(recipe, seed)
        found = rows_of(radar_label(draw, "5G", recipe))
        if found.size:
            rows.append(rng.choice(found))  # one of each frame: pulses of a frame depend on each other
        for label, content in (("LTE", draw.lte), ("NR", draw.nr)):
            room = (61.44e6 - content.channel_mhz * 1e6) / 2 - 240e3
            places.append(draw.centers["5G" if label == "NR" else "LTE"][label] / room)
        radars.append(draw.radar_center / 28e6)
    assert chisquare(np.histogram(rows, bins=16, range=(1, 257))[0]).pvalue > P_VALUE
    assert chisquare(np.histogram(places, bins=16, range=(-1, 1))[0]).pvalue > P_VALUE
    assert chisquare(np.histogram(radars, bins=16, range=(-1, 1))[0]).pvalue > P_VALUE


def test_hidden_carriers_may_be_left_open():
    recipe = replace(FAST, labels_hidden=False, snrs_db=(-30.0,))
    clean, noisy = make_radar_frames(recipe, 0, scenes=("LTE",))
    assert (clean.label == LTE).any() and not (clean.label == 255).any()
    assert np.array_equal(noisy.label == 255, clean.label == LTE)
    assert np.array_equal(noisy.label == RADAR, clean.label == RADAR)
    assert not (noisy.label_image() == 80).any()


def test_refusals():
    recipe = RadarProtocol()
    with pytest.raises(SceneError, match="scene='WiFi' does not exist; choose from 5G, LTE, 5G_LTE"):
        radar_label(draw_radar_protocol(recipe, 0), "WiFi", recipe)
    with pytest.raises(SceneError, match="seed=-1 must be at least 0"):
        draw_radar_protocol(recipe, -1)
    with pytest.raises(SceneError, match="snrs_db is empty"):
        RadarProtocol(snrs_db=())
    with pytest.raises(ValueError, match="size=0 pixels"):
        RadarProtocol(size=0)
