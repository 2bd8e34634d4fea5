"""Training recipes: those of the library, what a file may say, and what is refused."""

import json

import pytest

from rfseg.errors import SceneError
from rfseg.models.registry import ARCHITECTURES
from rfseg.training.laws import ScheduleKind, ScheduleLaw, StopLaw
from rfseg.training.recipe import TrainingRecipe, list_training_recipes, load_training_recipe
from rfseg.training.schedule import Progress, rate_factor
from rfseg.training.sources import check_scenes


@pytest.mark.parametrize("name", list_training_recipes())
def test_every_recipe_is_valid_and_survives_a_checkpoint(name):
    recipe = load_training_recipe(name)
    check_scenes(recipe)
    assert recipe.name == name and recipe.description
    assert TrainingRecipe.from_record(json.loads(json.dumps(recipe.to_record()))) == recipe


def test_classes_of_ones_own_are_carriers_unless_they_come_in_pulses():
    recipe = TrainingRecipe.from_toml("classes = ['Noise', 'Radar', 'DME', 'Wi-Fi']\npulsed = ['DME']")
    assert [c.kind.value for c in recipe.signal_classes] == ["background", "pulsed", "pulsed", "carrier"]
    assert TrainingRecipe.from_record(json.loads(json.dumps(recipe.to_record()))) == recipe


def test_each_network_has_its_published_recipe():
    published = [name for name in list_training_recipes() if name.startswith("published-")]
    assert published == sorted(f"published-{name}" for name in ARCHITECTURES)
    published = {name: load_training_recipe(f"published-{name}") for name in ARCHITECTURES}
    assert all(recipe.network == name and recipe.published for name, recipe in published.items())
    assert {name: recipe.stop.epochs for name, recipe in published.items()} == {
        "rf-segmenter": 60, "os-net": 50, "prmnet": 100, "rpmsn": 50,
        "deeplabv3-mobilenet-v3-large": 10, "deeplabv3-resnet50": 10,
    }  # fmt: skip
    assert {name: recipe.batch.frames for name, recipe in published.items()} == {
        "rf-segmenter": 32, "os-net": 4, "prmnet": 16, "rpmsn": 16,
        "deeplabv3-mobilenet-v3-large": 4, "deeplabv3-resnet50": 4,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["protocol-radar", "protocol-radar-randomised", "protocol-cellular"])
def test_each_protocol_has_a_recipe_of_whole_pictures(name):
    recipe = load_training_recipe(name)
    assert recipe.name == recipe.scenes.name == name and recipe.network == "rf-segmenter" and not recipe.published
    assert recipe.batch.crop_bins == 0 and recipe.batch.half_share == 0
    assert recipe.batch.flip_time == (0.0 if name == "protocol-radar" else 0.5)  # its pulses have rows of their own


def test_a_file_names_what_it_changes_and_the_scenes_beside_it(tmp_path):
    (tmp_path / "own.toml").write_text('name = "own"\nrates = [[20e6, 1.0]]\n')
    (tmp_path / "mine.toml").write_text('base = "rfseg"\nnetwork = "os-net"\nscenes = "own.toml"\n[loss]\nerror = 0.25\n')
    recipe = load_training_recipe(tmp_path / "mine.toml")
    assert (recipe.network, recipe.scenes.name, recipe.loss.error, recipe.loss.dice) == ("os-net", "own", 0.25, 0.5)


def test_the_rate_warms_up_stays_and_decays():
    stop = StopLaw(minutes=100.0)
    rates = [rate_factor(ScheduleLaw(), Progress(seconds=60.0 * m), stop) for m in (0, 1, 2, 75, 87.5, 100)]
    assert rates == pytest.approx([0.1, 0.55, 1.0, 1.0, 0.5, 0.002])


def test_one_cycle_and_steps_of_epochs():
    cycle = ScheduleLaw(kind=ScheduleKind.CYCLE, warm_up=0.1)
    assert [rate_factor(cycle, Progress(step=s), StopLaw(steps=100)) for s in (0, 10, 55, 100)] == pytest.approx(
        [0.05, 1.0, 0.5, 0.002]
    )
    steps = load_training_recipe("published-rf-segmenter")
    rates = [steps.optimizer.rate * rate_factor(steps.schedule, Progress(epoch=e), steps.stop) for e in (19.9, 20, 59)]
    assert rates == pytest.approx([1e-3, 2e-4, 4e-5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("netwrk = 'os-net'", "recipe: unknown key netwrk; did you mean network\\?"),
        ("[loss]\ndise = 1.0", "unknown key loss.dise; did you mean loss.dice\\?"),
        ("[loss]\nzzz = 1.0", "unknown key loss.zzz; known: balance, class_weights, cross_entropy"),
        ("network = 'u-net'", "network='u-net' is unknown; choose one of rf-segmenter"),
        ("base = 'best'", "base='best' is unknown; choose one of protocol-"),
        ("classes = ['Noise']", "must be two or more labels that differ"),
        ("classes = ['Noise', 'A label that is too long']", "classes: class label 'A label that is too long' must have 1 to 20"),
        ("classes = ['Noise', 'DME']\npulsed = ['Radar']", "pulsed: 'Radar' is no class of your own; those in classes: DME"),
        ("classes = ['LTE', 'NR']", "lack Noise, which every frame has"),
        ("seed = 5000", "seed=5000 must be 0 to 999: validation has the scenes beyond"),
        ("seed = 1.5", "seed=1.5 must be of type int"),
        ("normalised = true", "normalised=true is of pictures"),
        ("input = 'sound'", "input='sound' is unknown; choose from rows, pictures"),
        ("scenes = 'no-such'", "no recipe 'no-such'"),
        ("[data]\nuses = 0.5", "data.uses=0.5 must be at least 1"),
        ("[data]\npool = 100", "data.pool=100 must be at least data.first_scenes=300"),
        ("[data]\nvalidation_share = 2", "data.validation_share=2.0 must be 0 to 1"),
        ("[batch]\ncolumns = 128", "batch.columns=128 must be at least 256"),
        ("[batch]\nframes = 1", "batch.frames=1 must be at least 2"),
        ("[batch]\ncrop_bins = 100", "batch.crop_bins=100 must be a multiple of 32"),
        ("[batch]\nflip_time = -1", "batch.flip_time=-1.0 must be 0 to 1"),
        ("[loss]\nclass_weights = [1.0, 2.0]", "loss.class_weights has 2 values, expected one for each of Noise"),
        ("[loss]\nclass_weights = [1.0, 2.0, -1.0, 1.0]", "must be 0 or more"),
        ("[loss]\nclass_weights = [1.0, 1.0, 1.0, 1.0]\nbalance = 'median-frequency'", "leave one out"),
        ("[loss]\nsmoothing = 1.0", "loss.smoothing=1.0 must be 0 or more and below 1"),
        ("[loss]\ncross_entropy = 0.0\nerror = 1.0\nerror_form = 'published'", "no term with a gradient"),
        ("[optimizer]\nkind = 'lion'", "optimizer.kind='lion' is unknown; choose from muon, adamw, adam, sgd"),
        ("[optimizer]\nrate = 0.0", "optimizer.rate=0.0 must be above 0"),
        ("[optimizer]\naverage = 1.0", "optimizer.average=1.0 must be 0 or more and below 1"),
        ("[schedule]\nwarm_up = 0.5\ndecay = 0.6", "are more than the whole run"),
        ("[schedule]\nkind = 'steps'", "counts epochs; say how many with stop.epochs"),
        ("[stop]\nminutes = -1.0", "stop.minutes=-1.0 must be at least 0"),
        ("[stop]\ncheck_minutes = 0.0", "stop.check_minutes=0.0 must be above 0"),
        ("name = ", "recipe is no TOML"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(SceneError, match=message):
        TrainingRecipe.from_toml(text)


def test_a_recipe_that_is_not_there():
    with pytest.raises(SceneError, match="no training recipe 'none.toml': neither a readable file nor one of protocol-"):
        load_training_recipe("none.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scenes = 'protocol-radar'", 'scenes "protocol-radar" are pictures, but input = "rows"'),
        ("input = 'pictures'", 'scenes "standard" are rows, but input = "pictures"'),
        ("classes = ['Noise', 'Radar', 'Wi-Fi']", 'scenes "standard" do not hold Wi-Fi; train on sets that do with --set'),
        ("classes = ['Noise', 'LTE', 'NR']", 'scenes "standard" hold Radar, which is not among the classes Noise, LTE, NR'),
    ],
)
def test_scenes_that_do_not_fit(text, message):
    with pytest.raises(SceneError, match=message):
        check_scenes(TrainingRecipe.from_toml(text))
