"""Confidence: the temperature that fits, and thresholds that cost what they may."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rfseg.contract import ClassKind
from rfseg.datasets.classes import IGNORED, STANDARD_CLASSES, STANDARD_LABELS
from rfseg.models.deployable import DeployableSegmenter
from rfseg.synth import Recipe, load_recipe
from rfseg.deployment.calibrate import (
    BandVerdict,
    Pixels,
    band_calibration_error,
    collect_bands,
    collect_pixels,
    count_rejections,
    cross_validate,
    fit_temperature,
    fit_thresholds,
)
from rfseg.deployment.heldout import Purpose, held_out_scenes, noise_recipe, strange_recipe, truth_of

QUICK = Recipe(rates=((15.36e6, 1.0),), durations=((1e-3, 1.0),))


def _pixels(temperature: float) -> Pixels:
    """Pixels whose classes follow the softmax of their logits divided by a temperature."""
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(40_000, 4, generator=generator)
    truth = torch.multinomial((logits / temperature).softmax(dim=1), 1, generator=generator)[:, 0]
    return Pixels(logits=logits, truth=truth)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_the_classes_is_found(temperature):
    pixels = _pixels(temperature)
    found = fit_temperature(pixels)
    assert found == pytest.approx(temperature, rel=0.03)
    assert pixels.calibration_error(found) < 0.01
    assert pixels.loss(found) <= pixels.loss(1.0)
    if temperature != 1.0:
        assert pixels.calibration_error(1.0) > 5 * pixels.calibration_error(found)


def test_without_known_pixels_the_temperature_is_one():
    assert fit_temperature(Pixels(logits=torch.zeros(0, 4), truth=torch.zeros(0, dtype=torch.int64))) == 1.0


def _bands(label: str, right: list[float], false: list[float]) -> list[BandVerdict]:
    verdicts = [BandVerdict(i, label, c, True) for i, c in enumerate(right)]
    return verdicts + [BandVerdict(i, label, c, False) for i, c in enumerate(false)]


def test_a_threshold_costs_at_most_its_share_of_the_right_bands():
    right = [0.6 + 0.004 * i for i in range(100)]  # 0.6 to 0.996
    bands = _bands("LTE", right, [0.55, 0.58, 0.61, 0.9])
    assert fit_thresholds(bands, lost=0.0) == {"LTE": 0.6}
    thresholds = fit_thresholds(bands, lost=0.05)
    assert thresholds == {"LTE": 0.62}  # five of 100 lie below
    counts = count_rejections(bands, thresholds)["LTE"]
    assert (counts.right, counts.right_kept, counts.false, counts.false_rejected) == (100, 95, 4, 3)
    assert str(counts) == "95.0% of 100 right bands keep their name, 75.0% of 4 false ones lose it"


def test_a_threshold_that_is_guesswork_or_useless_is_none():
    few = _bands("NR", [0.9] * 19, [0.5])
    useless = _bands("LTE", [0.7] * 50, [0.95])
    assert fit_thresholds(few + useless, lost=0.05) == {}


def test_the_figures_are_of_scenes_that_the_thresholds_have_not_seen():
    # Even scenes: right above 0.8; odd scenes: right above 0.6.  Thresholds of the even ones reject all odd right bands.
    bands = [BandVerdict(2 * i, "LTE", 0.9, True) for i in range(30)] + [BandVerdict(0, "LTE", 0.85, False)]
    bands += [BandVerdict(2 * i + 1, "LTE", 0.7, True) for i in range(30)] + [BandVerdict(1, "LTE", 0.65, False)]
    counts = cross_validate(bands, lost=0.0)["LTE"]
    assert (counts.right, counts.right_kept) == (60, 30)
    assert (counts.false, counts.false_rejected) == (2, 1)


def test_bands_are_calibrated_where_confidence_is_the_share_that_is_right():
    honest = [BandVerdict(0, "LTE", 0.75, i < 75) for i in range(100)]
    proud = [BandVerdict(0, "LTE", 0.95, i < 55) for i in range(100)]
    assert band_calibration_error(honest) == pytest.approx(0.0, abs=1e-9)
    assert band_calibration_error(honest + proud) == pytest.approx(0.2)
    assert band_calibration_error([]) is None


def test_held_out_seeds_are_neither_trained_on_nor_in_a_frozen_set():
    first = sorted(Purpose)
    assert first[0] > 1_000_000_000 + 1_000_000 and first[-1] + 1_000_000 < 2_000_000_000
    assert all(b - a >= 1_000_000 for a, b in zip(first, first[1:]))
    for name in ("rfseg-test", "rfseg-snr", "ood"):
        assert load_recipe(name).first_seed >= 2_000_000_000
    assert strange_recipe() == load_recipe("ood")


def test_scenes_of_other_emitters_hold_nothing_else():
    scenes = list(held_out_scenes(Purpose.REJECT_NOISE, 4, noise_recipe(QUICK)))
    assert all(scene.plan.others and not scene.plan.carriers and not scene.plan.radars for scene in scenes)
    assert all(set(np.unique(scene.mask)) <= {0, IGNORED} for scene in scenes)


def test_truth_follows_the_networks_classes():
    scene = next(held_out_scenes(Purpose.PARITY, 1, QUICK))
    mask = np.array([[0, 1, 2, 3, IGNORED]], np.uint8)
    made = replace(scene, masks=dict.fromkeys(scene.masks, mask))
    assert truth_of(made, STANDARD_LABELS).tolist() == mask.tolist()
    assert truth_of(made, ("Noise", "NR", "LTE")).tolist() == [[0, 2, 1, IGNORED, IGNORED]]


class _Contract:
    labels = STANDARD_LABELS
    classes = STANDARD_CLASSES


class _Oracle:
    """Answers with the truth of the scenes, the second one under the wrong name."""

    contract = _Contract()

    def __init__(self, scenes):
        self._masks = [np.where(s.mask == IGNORED, 0, s.mask).astype(np.uint8) for s in scenes]
        swapped = self._masks[1]
        self._masks[1] = np.choose(swapped, [0, 2, 1, 3]).astype(np.uint8)

    def run(self, rows):
        mask = self._masks.pop(0)[None]
        return mask, np.full(mask.shape, 230, np.uint8)


def test_bands_of_a_perfect_mask_are_right_and_misnamed_ones_false():
    steady = replace(
        QUICK,
        carriers=replace(QUICK.carriers, counts=(0.0, 1.0), fill_share=0.0, adjacent_share=0.0, tdd_share=0.0, uplink_share=0.0,
                         outside_share=0.0),
        radars=replace(QUICK.radars, share=0.0), others=replace(QUICK.others, share=0.0),
        snr=replace(QUICK.snr, low=25.0, high=35.0, weak_share=0.0),
    )  # fmt: skip
    seeds = list(held_out_scenes(Purpose.PARITY, 12, steady))
    shown = [s for s in seeds if np.isin(s.mask, (1, 2)).mean() > 0.2][:2]
    bands = collect_bands(_Oracle(shown), shown)
    assert {b.is_right for b in bands if b.scene == 0} == {True}
    assert {b.is_right for b in bands if b.scene == 1} == {False}
    assert all(b.confidence == pytest.approx(230 / 255) for b in bands)
    assert all(STANDARD_CLASSES[STANDARD_LABELS.index(b.label)].kind is ClassKind.CARRIER for b in bands)


def test_pixels_of_unknown_truth_are_left_out():
    scene = next(held_out_scenes(Purpose.TEMPERATURE, 1, QUICK))
    hidden = scene.mask.copy()
    hidden[:128] = IGNORED
    made = replace(scene, masks=dict.fromkeys(scene.masks, hidden))
    pixels = collect_pixels(DeployableSegmenter(torch.nn.Conv2d(3, 4, 1)).eval(), [made], STANDARD_LABELS)
    assert len(pixels.truth) == int((hidden != IGNORED).sum()) == len(pixels.logits)
