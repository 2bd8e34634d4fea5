"""Training: batches, loss, learning, resuming."""

import json

import numpy as np
import pytest
import torch

from rfseg.errors import SceneError
from rfseg.models.deployable import DeployableSegmenter
from rfseg.models.rf_segmenter import RFSegmenter
from rfseg.synth import UNKNOWN, Recipe
from rfseg.training.evaluation import Confusion, evaluate, validation_scenes
from rfseg.training.losses import segmentation_loss
from rfseg.training.pool import make_batch, make_sample
from rfseg.training.recipe import VALIDATION_SEED, TrainingRecipe
from rfseg.training.trainer import Trainer, load_network

SCENES = Recipe(rates=((15.36e6, 1.0),), durations=((1e-3, 1.0),))
RECIPE = TrainingRecipe(minutes=0.12, scenes=SCENES, columns=768, half_share=1.0, pool=320)


@pytest.fixture(scope="module")
def samples():
    return [make_sample(SCENES, seed) for seed in range(8)]


def test_a_batch_has_features_and_masks_of_one_size(samples):
    features, masks = make_batch(samples, 64, RECIPE, np.random.default_rng(0), halved=True)
    assert features.shape == (8, 3, 128, 64) and masks.shape == (8, 128, 64)
    assert torch.isfinite(features).all()
    assert set(masks.unique().tolist()) <= {0, 1, 2, 3, UNKNOWN}


def test_bins_that_pad_a_frame_are_not_learnt():
    sample = make_sample(Recipe(rates=((20e6, 1.0),), durations=((1e-3, 1.0),)), 3)  # 80 bins, padded to 96
    _, masks = make_batch([sample, sample], 96, RECIPE, np.random.default_rng(0), halved=True)
    padded = (masks == UNKNOWN).all(dim=1)  # (N, width)
    assert (padded.sum(dim=1) >= 16).all()


def test_unknown_pixels_do_not_count_in_the_loss():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 32, 32, generator=generator)
    masks = torch.randint(0, 4, (2, 32, 32), generator=generator)
    masks[:, 16:] = UNKNOWN
    loss = segmentation_loss(logits, masks, RECIPE)
    logits[:, :, 16:] += 10 * torch.randn(2, 4, 16, 32, generator=generator)
    assert torch.allclose(segmentation_loss(logits, masks, RECIPE), loss)


def test_the_loss_is_zero_when_everything_is_right_and_has_a_gradient_when_all_is_unknown():
    masks = torch.randint(0, 4, (1, 32, 32), generator=torch.Generator().manual_seed(0))
    right = 30.0 * torch.nn.functional.one_hot(masks, 4).permute(0, 3, 1, 2).float()
    assert float(segmentation_loss(right, masks, RECIPE)) < 1e-4
    logits = torch.zeros(1, 4, 32, 32, requires_grad=True)
    segmentation_loss(logits, torch.full((1, 32, 32), UNKNOWN), RECIPE).backward()
    assert float(logits.grad.abs().sum()) == 0.0


def test_a_few_steps_on_the_same_frames_lower_the_loss(samples):
    torch.manual_seed(0)
    network = RFSegmenter()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    features, masks = make_batch(samples[:4], 64, RECIPE, np.random.default_rng(0), halved=True)
    losses = []
    for _ in range(24):
        loss = segmentation_loss(network(features), masks, RECIPE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.75 * losses[0]


def test_a_run_writes_a_checkpoint_and_a_log_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr("rfseg.training.trainer._FIRST_SCENES", 24)
    monkeypatch.setattr("rfseg.training.trainer._QUICK_SCENES", 4)
    trainer = Trainer(tmp_path, RECIPE)
    trainer.run()
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert line["step"] == trainer.step > 0 and 0 < line["accuracy"] <= 1
    again = Trainer(tmp_path, RECIPE)
    assert (again.step, again.next_seed, again.images) == (trainer.step, trainer.next_seed, trainer.images)
    assert again.next_seed < VALIDATION_SEED
    average = load_network(tmp_path / "last.pt").state_dict()
    assert all(torch.equal(average[k], v) for k, v in trainer.average.state_dict().items())


def test_scores_of_a_known_confusion():
    confusion = Confusion(classes=2)
    confusion.add(np.array([[0, 0, 0, 1, 1, UNKNOWN]]), np.array([[0, 0, 1, 1, 0, 1]]))
    assert confusion.counts.tolist() == [[2, 1], [1, 1]]
    assert confusion.iou_scores == pytest.approx([2 / 4, 1 / 3])
    assert confusion.recall_scores == pytest.approx([2 / 3, 1 / 2])
    assert confusion.accuracy_score == pytest.approx(3 / 5)


def test_a_perfect_model_scores_one():
    scenes = validation_scenes(3, SCENES)

    class Oracle(DeployableSegmenter):
        calls = 0

        def forward(self, rows):
            mask = np.where(scenes[self.calls].mask == UNKNOWN, 0, scenes[self.calls].mask)
            self.calls += 1
            return torch.from_numpy(mask)[None], None

    result = evaluate(Oracle(torch.nn.Identity()), scenes)
    assert result.total.accuracy_score == 1.0
    assert all(wrong == missed == 0 for _, wrong, missed in result.bands.values())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"minutes": 0}, "minutes=0 must be above 0"),
        ({"columns": 128}, "columns=128 must be at least 256"),
        ({"uses": 0.5}, "uses=0.5 must be at least 1"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_refused(changes, text):
    with pytest.raises(SceneError, match=text):
        TrainingRecipe(**changes)
