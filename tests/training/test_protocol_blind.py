"""What predictions score that never look at the picture: much on the published radar set, little on the randomised one."""

from __future__ import annotations

import numpy as np
import pytest
from rfseg.errors import SceneError
from rfseg.published import HOP, PublishedFrontEnd
from rfseg.synth.blind import (
    FIXED_ROWS,
    blind_scores,
    centred_carriers,
    fixed_rows,
    pixel_prior,
    protocol_labels,
    score_predictions,
)
from rfseg.synth.protocol_cellular import CellularProtocol
from rfseg.synth.protocol_radar import PRI, SAMPLES, RadarProtocol

RADAR = 3
DRAWS = 80


def simulated_pulses(rng: np.random.Generator, spread_us: float | None) -> tuple[int, int]:
    """First and last sample of three pulses' echoes: 2 to 18 us of path, 0 to 10 us of spread unless given."""
    delay = rng.uniform(2, 18) * 61.44
    spread = (rng.uniform(0, 10) if spread_us is None else spread_us) * 61.44
    lead = int(rng.integers(1, 47))
    for number in range(3):
        first = int(lead + number * PRI + delay)
        yield first, int(first + spread) + 60


def test_five_rows_score_on_the_geometry_of_the_published_labels():
    """The check value: radar IoU about 0.62 and recall about 0.80 for Radar on rows 1, 2, 87, 172, 173."""
    rng = np.random.default_rng(0)

    def pairs():
        for _ in range(1500):
            truth = np.zeros((256, 1), np.uint8)
            for first, last in simulated_pulses(rng, None):
                truth[first * 256 // SAMPLES : min(last, SAMPLES - 1) * 256 // SAMPLES + 1] = RADAR
            yield fixed_rows()[:, :1], truth[::-1]

    scores = score_predictions(pairs())
    assert scores.iou["Radar"] == pytest.approx(0.62, abs=0.02)
    assert scores.recall["Radar"] == pytest.approx(0.80, abs=0.02)


@pytest.mark.parametrize(("spread_us", "invisible"), [(0, 0.51), (1, 0.42), (2, 0.33), (4, 0.19), (8, 0.0)])
def test_share_of_pulses_that_no_kept_segment_sees(spread_us, invisible):
    """Between the segments that survive the resize, pulses vanish, and are labelled still."""
    starts = PublishedFrontEnd().segments(SAMPLES) * HOP
    rng = np.random.default_rng(0)
    lost = []
    for _ in range(1500):
        for first, last in simulated_pulses(rng, spread_us):
            # the window's first and last sample are zero
            lost.append(not np.any((starts + 1 <= last) & (first <= starts + 254)))
    assert np.mean(lost) == pytest.approx(invisible, abs=0.025)


def test_blind_radar_succeeds_on_the_published_set_alone():
    published = blind_scores(RadarProtocol(), draws=DRAWS)
    randomised = blind_scores(RadarProtocol.randomised(), draws=DRAWS)
    assert 0.65 < published["rows"].iou["Radar"] < 0.80
    assert 0.80 < published["rows"].recall["Radar"] < 0.95
    assert randomised["rows"].iou["Radar"] < 0.03
    for name in ("rows and centre", "scene prior"):
        assert published[name].accuracy > 0.65 and published[name].mean_iou > 0.48
        assert randomised[name].accuracy < published[name].accuracy - 0.05
        assert randomised[name].mean_iou < 0.32


def test_prior_is_the_best_that_accuracy_allows():
    scores = blind_scores(CellularProtocol.d2s(), draws=DRAWS)
    assert set(scores) == {"noise", "prior", "scene prior"}
    assert scores["prior"].accuracy >= scores["noise"].accuracy - 0.01
    assert scores["scene prior"].accuracy > scores["noise"].accuracy + 0.03
    assert np.isnan(scores["prior"].iou["Radar"])  # no class of this set


def test_scores_of_a_small_mask():
    truth = np.array([[0, 0, 1, 255], [3, 3, 0, 1]], np.uint8)
    guess = np.array([[0, 1, 1, 2], [3, 0, 0, 1]], np.uint8)
    scores = score_predictions([(guess, truth)])
    assert scores.confusion.sum() == 7  # one pixel is unknown
    assert scores.accuracy == pytest.approx(5 / 7)
    assert scores.iou["Noise"] == pytest.approx(2 / 4)
    assert scores.iou["LTE"] == pytest.approx(2 / 3)
    assert scores.iou["Radar"] == pytest.approx(1 / 2)
    assert np.isnan(scores.iou["NR"]) and np.isnan(scores.recall["NR"])
    assert scores.mean_iou == pytest.approx((1 / 2 + 2 / 3 + 1 / 2) / 3)


def test_fixed_rows_and_centre():
    mask = fixed_rows()
    assert (np.flatnonzero(mask[::-1, 0]) + 1).tolist() == list(FIXED_ROWS)
    assert (mask.sum(1) % (256 * RADAR) == 0).all()
    assert np.unique(np.flatnonzero(fixed_rows(128)[::-1, 0])).tolist() == [0, 43, 85, 86]
    assert (centred_carriers(("LTE",))[0] == 1).sum() == 63  # 15 MHz
    assert not centred_carriers(("LTE", "NR")).any()


def test_pixel_prior_is_the_majority():
    labels = [np.full((2, 2), 1, np.uint8), np.full((2, 2), 2, np.uint8), np.full((2, 2), 2, np.uint8)]
    assert np.all(pixel_prior(labels) == 2)


def test_labels_of_one_scene():
    found = list(protocol_labels(RadarProtocol(), range(3), "LTE"))
    assert [name for name, _ in found] == ["LTE"] * 3
    assert len(list(protocol_labels(CellularProtocol(), range(2)))) == 6


def test_refusals():
    with pytest.raises(SceneError, match="no labels to take the prior from"):
        pixel_prior([])
    with pytest.raises(SceneError, match="no pixel to judge"):
        score_predictions([])
    with pytest.raises(SceneError, match=r"prediction has shape \(2, 2\), its truth \(3, 2\)"):
        score_predictions([(np.zeros((2, 2), np.uint8), np.zeros((3, 2), np.uint8))])
