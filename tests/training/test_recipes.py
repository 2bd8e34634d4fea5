"""The recipes that come with the library: valid, frozen where they say so, and drawable."""

import hashlib
import json

import numpy as np
import pytest

from rfseg.synth import Recipe, load_recipe
from rfseg.synth.plan import draw_plan
from rfseg.synth.recipe import list_recipes
from rfseg.training.recipe import VALIDATION_SEED, TrainingRecipe

SCENE_RECIPES = [name for name in list_recipes() if isinstance(load_recipe(name), Recipe)]
# SHA-256 of each frozen recipe and of its first 20 plans: a change of the benchmark is a decision, not an accident
FROZEN = {
    "rfseg-test": (
        "82fd5e122ae013dc1ce50502271cdcd15dc335e8d71620736d4767a8e4119f8f",
        "6ca8891b28b3eb8fb694415027357c9cbbb882eec3a8291093ebc369923a385d",
    ),
    "rfseg-snr": (
        "ec8e7d0e45147e93198f5df570dca3512790642660d28ab97ed624a638947970",
        "aa526a059c0a8c998e4739027eba507bcd649920a816dbf43ad87a21f33580bd",
    ),
    "ood": (
        "d2e74c8bd98f7d5ffea1915b096c4581fda6905efe038931f486daad395b4bdf",
        "4f73ee2bc50cf23ee1cd71a6059aff8330b9cbc2046a6d834e61e5236b8b6763",
    ),
}


def _digest(record: object) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize("name", sorted(FROZEN))
def test_a_frozen_set_is_what_it_was(name):
    recipe = load_recipe(name)
    plans = [draw_plan(recipe, np.random.default_rng(recipe.first_seed + index)).to_record() for index in range(20)]
    assert (_digest(recipe.to_record()), _digest(plans)) == FROZEN[name]


@pytest.mark.parametrize("name", SCENE_RECIPES)
def test_plans_of_every_recipe_can_be_drawn(name):
    recipe = load_recipe(name)
    rates = {draw_plan(recipe, np.random.default_rng(recipe.first_seed + index)).samp_rate for index in range(300)}
    assert rates <= {rate for rate, _ in recipe.rates}


def test_no_seed_is_in_two_sets():
    spans = sorted((recipe.first_seed, recipe.first_seed + recipe.count) for recipe in map(load_recipe, list_recipes()) if recipe.count)
    assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:]))
    assert spans[0][0] > VALIDATION_SEED + 1_000_000
    assert TrainingRecipe().scenes == load_recipe("standard")
