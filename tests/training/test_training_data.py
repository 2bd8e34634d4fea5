"""What networks are trained on: batches, sharded sets of rows and of pictures, protocols made meanwhile."""

import numpy as np
import pytest
import torch

from rfseg.datasets.writing import write_set
from rfseg.errors import DatasetError
from rfseg.synth.makers import Wishes, make_maker
from rfseg.synth.recipe import Recipe, load_recipe
from rfseg.training.checkpoint import BEST, read_checkpoint
from rfseg.training.recipe import TrainingRecipe, load_training_recipe
from rfseg.training.run import train
from rfseg.training.samples import Draw, frame_features, make_batch, make_sample
from rfseg.training.sources import LiveSource, SetSource

SCENES = Recipe(name="tiny", rates=((15.36e6, 1.0),), durations=((1e-3, 1.0),))
TINY = TrainingRecipe(scenes=SCENES).with_changes(
    data__validation=2, batch__columns=256, batch__half_share=1.0, stop__steps=2
)  # fmt: skip


def make_set(folder, scenes, count):
    maker = make_maker(scenes, Wishes())
    write_set(folder, maker, count, description=maker.description, per_shard=4, processes=1, first_seed=scenes.first_seed)
    return folder


def test_row_sets_are_trained_on_and_the_last_part_is_held_out(tmp_path):
    folder = make_set(tmp_path / "set", SCENES, 12)
    recipe = TINY.with_changes(data__validation_share=0.25, stop__steps=2)
    source = SetSource(recipe, [folder])
    assert source.epoch_items == 8 and len(source.held_out()) == 2  # 9 frames: two batches of 4, one frame left over
    seen = [source.draw(step) for step in range(4)]
    assert all(len(d.samples) == 4 and d.width == 64 for d in seen)
    source.close()
    outcome = train(recipe, tmp_path / "run", sets=[folder])
    assert (outcome.progress.images, outcome.progress.epoch) == (8, 1.0)


def test_picture_sets_and_the_best_epoch(tmp_path):
    folder = make_set(tmp_path / "set", load_recipe("protocol-cellular"), 6)
    recipe = load_training_recipe("published-deeplabv3-mobilenet-v3-large").with_changes(
        data__validation=1, data__validation_share=0.2, batch__frames=2, stop__epochs=1
    )
    outcome = train(recipe, tmp_path / "run", sets=[folder])
    assert outcome.progress.epoch == 1.0 and outcome.best_score >= 0
    best = read_checkpoint(tmp_path / "run" / BEST)
    assert best.recipe.classes == ("Noise", "NR", "LTE") and best.network.classifier[-1].out_channels == 3
    weights = torch.load(tmp_path / "run" / BEST, weights_only=True)["class_weights"]
    assert len(weights) == 3 and max(weights) > 1.0  # by median frequency


def test_pictures_of_a_protocol_are_made_while_training():
    recipe = load_training_recipe("published-os-net").with_changes(data__workers=0, data__first_scenes=8, batch__frames=2)
    source = LiveSource(recipe.with_changes(scenes=load_recipe("protocol-cellular-d2s"), classes=("LTE", "NR", "Noise")))
    features, masks = make_batch(source.draw(0), recipe.batch)
    assert features.shape == (2, 3, 128, 128) and 0 <= float(features.min()) and float(features.max()) <= 1
    assert set(masks.unique().tolist()) <= {0, 1, 2}
    assert (masks == 2).float().mean() > 0.3  # noise is last in this order


def test_bins_that_pad_a_frame_are_not_learnt():
    scenes = Recipe(rates=((20e6, 1.0),), durations=((1e-3, 1.0),))  # 80 bins, padded to 96
    recipe = TrainingRecipe(scenes=scenes).with_changes(data__workers=0, data__first_scenes=8, batch__half_share=1.0)
    draw = LiveSource(recipe).draw(0)
    features, masks = make_batch(draw, recipe.batch)
    assert features.shape == (8, 3, 128, 96) and torch.isfinite(features).all()
    assert ((masks == 255).all(dim=1).sum(dim=1) >= 16).all()


def test_without_variation_a_batch_is_what_a_network_sees_in_use():
    law = TrainingRecipe().with_changes(
        batch__flip_frequency=0.0, batch__flip_time=0.0, batch__reference_share=0.0, batch__cut_share=0.0
    ).batch  # fmt: skip
    item = make_maker(SCENES, Wishes())(3)
    sample = make_sample(item, np.arange(256, dtype=np.uint8))
    draw = Draw(samples=[sample, sample], width=64, is_halved=False, rng=np.random.default_rng(0))
    features, masks = make_batch(draw, law)
    assert torch.equal(features[0], frame_features([sample])[0])
    assert np.array_equal(masks[0].numpy(), item.mask[0])


def test_sets_that_do_not_fit(tmp_path):
    rows = make_set(tmp_path / "rows", SCENES, 4)
    pictures = TINY.with_changes(input="pictures", scenes=load_recipe("protocol-radar"))
    two = TINY.with_changes(classes=("Noise", "Radar"), loss__class_weights=())
    wider = TINY.with_changes(classes=("Noise", "LTE", "NR", "Radar", "Wi-Fi"), loss__class_weights=())
    for recipe, message in (
        (pictures, "rows holds rows, but input = \"pictures\""),
        (TINY.with_changes(data__mask="energy"), "has no mask 'energy', only occupied; change data.mask"),
        (two, "holds (LTE|NR), which is not among the recipe's classes Noise, Radar"),
        (wider, "no set shows Wi-Fi \\(.*rows\\); add a set that does with --set"),
        (TINY.with_changes(data__validation_share=0.75), "hold too few frames"),
    ):
        with pytest.raises(DatasetError, match=message):
            SetSource(recipe, [rows])
