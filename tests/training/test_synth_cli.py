"""``rfseg synth``: what it makes of either kind of recipe, how it goes on where it stopped, and how it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from rfseg.cli import EXIT_BAD_INPUT, main, synth
from rfseg.datasets.items import Content, restore_rows
from rfseg.datasets.published import open_published
from rfseg.datasets.shardset import ShardSet
from rfseg.sigmf import open_recording
from rfseg.synth.labels import MaskKind
from rfseg.synth.makers import Wishes, make_maker
from rfseg.synth.protocol_cellular import CELLULAR_SCENES, make_cellular_frames
from rfseg.synth.protocol_radar import RADAR_SCENES, make_radar_frames
from rfseg.synth.protocol_recipe import ProtocolRecipe
from rfseg.synth.recipe import Recipe, list_recipes, load_recipe
from rfseg.synth.scene import make_scene

Image = pytest.importorskip("PIL.Image")

SCENES = """
name = "tiny"
rates = [[15.36e6, 1.0]]
durations = [[1e-3, 1.0]]
[carriers]
counts = [0.2, 0.8]
[radars]
share = 0.5
[others]
share = 0.0
"""
FRAMES = """
name = "tiny-protocol"
protocol = "radar"
extremes = "surviving"
size = 64
starts_at_peak = false
"""
AT_THE_EDGE = """
[[carriers.fixed]]
label = "LTE"
blocks = 25
center = 7e6
"""
PROTOCOLS = [name for name in list_recipes() if name.startswith("protocol")]
FRAMES_PER_DRAW = {"radar": 6, "cellular": 3, "cellular-d2s": 18}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder with one small recipe of either kind; two items in a shard."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(synth, "_PER_SHARD", 2)
    (tmp_path / "scenes.toml").write_text(SCENES, encoding="utf-8")
    (tmp_path / "frames.toml").write_text(FRAMES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run ``rfseg synth``, which must succeed: what it prints."""

    def run(*arguments):
        assert main(["synth", *map(str, arguments)]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def error_of(capsys):
    """Run what must be refused in one line, without output: that line."""

    def error_of(*arguments):
        code = main(["synth", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert (code, out) == (EXIT_BAD_INPUT, "")
        assert err.startswith("rfseg: error: ") and err.count("\n") == 1
        return err

    return error_of


def shards(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# --- Recipes ---


def test_without_a_recipe_all_are_listed_with_count_and_description(run):
    lines = run().splitlines()[2:]
    assert [line.split()[0] for line in lines] == list_recipes()
    assert {"standard", "rfseg-test", "rfseg-snr", "ood", *PROTOCOLS} <= set(list_recipes()) and len(PROTOCOLS) == 5
    for line in lines:
        law = load_recipe(line.split()[0])
        assert line.split()[1] == str(law.count or "any")
        assert law.name == line.split()[0] and law.description in line


def test_frozen_recipes_have_seeds_of_their_own_that_no_training_uses():
    frozen = sorted((law.first_seed, law.count) for name in list_recipes() if (law := load_recipe(name)).count)
    assert len(frozen) == 8 and frozen[0][0] >= 2_000_000_000
    for (first, count), (following, _) in zip(frozen, frozen[1:], strict=False):
        assert first + count <= following


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_frozen_protocol_holds_whole_draws_with_the_flags_that_its_name_tells(name):
    law = load_recipe(name)
    assert law.frames_per_draw == FRAMES_PER_DRAW[law.protocol]
    assert law.first_seed % law.frames_per_draw == law.count % law.frames_per_draw == 0
    free = {"radar": type(law.flags).randomised, "cellular": lambda: type(law.flags)().randomised()}
    published = law.generator.flags()
    assert law.flags == (free[law.protocol]() if "randomised" in name else published)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[[carriers.fixed]]\nlabel = "LTE"\nblocks = 100\n', "100 blocks is 18.015 MHz wide, wider than the sample rate 15.36"),
        ('[[carriers.fixed]]\nlabel = "LTE"\nblocks = 26\n', "no LTE channel at 15000 Hz has blocks=26; choose 6, 15, 25"),
        ('[[carriers.fixed]]\nlabel = "NR"\nblocks = 51\nspacing = 15e3\n', "no NR channel at 15000 Hz has blocks=51; choose 25"),
        ('[[carriers.fixed]]\nlabel = "NR"\nblocks = 51\nspacing = 7.5e3\n', "NR has no spacing=7500 Hz; choose 15000, 30000"),
        ('[[carriers.fixed]]\nlabel = "GSM"\nblocks = 6\n', "label='GSM' is no carrier; choose LTE or NR"),
        ('[[carriers.fixed]]\nlabel = "LTE"\n', "carriers.fixed: .*missing 1 required keyword-only argument: 'blocks'"),
        ("[carriers]\nfixed = 3\n", "carriers.fixed=3 must be an array"),
        ("[carriers]\nfixed = [3]\n", "carriers.fixed=3 must be a table"),
        ('[radars]\nfamilies = ["asr-99"]\n', "radars: there is no 'asr-99'; choose from "),
        ('[others]\nexcluded = ["toaster"]\n', "others: there is no 'toaster'; choose from "),
        ("[radars]\nshar = 0.5\n", "unknown key radars.shar; known: counts, excluded, families"),
        ("colour = 1\n", "unknown key colour; known: carriers, count"),
        ("[radars]\nshare = 1.5\n", "radars.share=1.5 must lie in 0 to 1"),
        ('[radars]\nshare = "much"\n', "radars.share='much' must be of type float"),
        ("[receiver]\nideal = 1\n", "receiver.ideal=1 must be of type bool"),
        ("[receiver]\nbits = [[4.5, 1.0]]\n", "receiver.bits=4.5 must be of type int"),
        ("[radars]\nsnr_db = [1.0, 2.0, 3.0]\n", "radars.snr_db=.* must be an array of 2 values"),
        ("durations = [[1e-3, nan]]\n", "durations=nan must be finite"),
        ("radars = 1\n", "radars=1 must be a table"),
        ("name = \n", "is no TOML: "),
    ],
)
def test_a_recipe_of_no_use_is_refused_with_its_file_and_the_reason(here, error_of, text, error):
    (here / "bad.toml").write_text("rates = [[15.36e6, 1.0]]\n" + text, encoding="utf-8")
    line = error_of("bad.toml", "--count", 1)
    assert line.startswith("rfseg: error: bad.toml")
    assert re.search(error, line)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('protocol = "radio"\n', "protocol='radio' is unknown; choose from radar, cellular, cellular-d2s"),
        ("protocol = 3\n", "protocol=3 must be of type str"),
        ('protocol = "radar"\nhas_stated_widths = true\n', "unknown key has_stated_widths; known: count, description"),
        ('protocol = "cellular"\nstyle = "d2s"\n', "unknown key style; known: "),
        ('protocol = "radar"\n[radars]\nshare = 0.1\n', "unknown key radars; known: "),
        ('protocol = "radar"\nextremes = "none"\n', "extremes='none' is unknown; choose from all, segments, surviving"),
        ('protocol = "radar"\nhas_fixed_pulses = 0\n', "has_fixed_pulses=0 must be of type bool"),
        ('protocol = "radar"\nsnrs_db = 10.0\n', "snrs_db=10.0 must be an array"),
        ('protocol = "radar"\nsnrs_db = []\n', "snrs_db is empty; give at least one value"),
        ('protocol = "radar"\nsize = 0\n', "bad.toml: size=0"),
        ('protocol = "cellular"\nlte_channels = [["R.2", 10.0]]\n', "lte_channels=.* must be an array of 3 values"),
        ('protocol = "cellular"\nlte_channels = [["R.2", 7.0, 7.0]]\n', "lte_channels: R.2 of 7 MHz does not exist; choose from"),
        ('protocol = "radar"\ncount = -1\n', "count=-1 and first_seed=0 must be at least 0"),
    ],
)
def test_a_protocol_of_no_use_is_refused_with_its_file_and_the_reason(here, error_of, text, error):
    (here / "bad.toml").write_text(text, encoding="utf-8")
    line = error_of("bad.toml", "--count", 1)
    assert line.startswith("rfseg: error: bad.toml: ")
    assert re.search(error, line)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("nowhere",), "no recipe 'nowhere': neither a readable file nor one of ood, protocol-cellular"),
        (("scenes.toml",), "count=0 scenes of the recipe tiny; say how many with --count"),
        (("scenes.toml", "--count", "-3"), "count=-3 scenes"),
        (("scenes.toml", "--count", "1", "--seed", "-1"), "first_seed=-1 must be an integer of at least 0"),
        (("frames.toml", "--count", "1", "--seed", "-1"), "first_seed=-1 must be an integer of at least 0"),
        (("scenes.toml", "--count", "1", "--masks", "occupied,truth"), "'truth' is unknown or named twice; choose from occupied"),
        (("scenes.toml", "--count", "1", "--masks", "energy,energy"), "'energy' is unknown or named twice"),
        (("scenes.toml", "--count", "1", "--datatype", "cf64"), "--datatype cf64 is unknown; choose from ci8, ci16_le, cf32_le"),
        (("scenes.toml", "--count", "1", "--device", "tpu"), "--device tpu is not there; choose cpu"),
        (("scenes.toml", "--count", "1", "--processes", "0"), "processes=0 must be at least 1"),
        (("scenes.toml", "--count", "1", "--published", "files"), "--published: tiny is no published protocol; leave it out"),
        (("frames.toml", "--count", "1", "--masks", "energy"), "--masks energy: tiny-protocol is a published protocol, its"),
        (("frames.toml", "--count", "1", "--sigmf", "files"), "--sigmf files: tiny-protocol is a published protocol, its"),
        (("frames.toml", "--count", "1", "--datatype", "ci8"), "--datatype ci8: .*leave --datatype out"),
    ],
)
def test_options_of_no_use_are_refused_before_anything_is_written(here, error_of, arguments, error):
    assert re.search(error, error_of(*arguments))
    assert not (here / "rfseg-out").exists()


def test_names_of_published_files_do_not_state_levels_that_are_not_there(here, error_of):
    (here / "other.toml").write_text('protocol = "radar"\nsnrs_db = [5.0, 15.0]\n', encoding="utf-8")
    error = error_of("other.toml", "--count", 1, "--published", "files")
    assert "the names of osnet stand for the levels -10, 0, 10, 20, 30 dB, but protocol has others" in error


def test_without_pytorch_the_remedy_is_said():
    code = "import sys; sys.modules['torch'] = None; from rfseg.cli import main; sys.exit(main(['synth']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_BAD_INPUT
    assert done.stderr == (
        "rfseg: error: rfseg synth needs the package torch; install it with: pip install 'rfseg[train]', or in a checkout"
        " run ./scripts/training, then .venv-train/bin/rfseg synth\n"
    )


@pytest.mark.parametrize(("recipe", "option"), [("scenes.toml", "--sheet"), ("frames.toml", "--published")])
def test_without_pillow_the_remedy_is_said_before_anything_is_made(here, error_of, monkeypatch, recipe, option):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "needs Pillow: pip install 'rfseg[data]'" in error_of(recipe, "--count", 1, "--out", "made", option, "files")
    assert not (here / "made").exists()


# --- Sets ---


def test_count_and_seed_say_which_scenes_are_made(run):
    out = run("scenes.toml", "--count", 3, "--seed", 7, "--masks", "energy,occupied", "--out", "made")
    assert out.startswith("3 items: Noise ") and out.endswith("set: made\n")
    made = ShardSet("made")
    assert [item.metadata["seed"] for item in made] == [7, 8, 9]
    assert made.description.content is Content.ROWS and made.description.masks == ("energy", "occupied")
    scene = make_scene(load_recipe("scenes.toml"), 8, kinds=[MaskKind.ENERGY])
    assert np.array_equal(made[1].mask, [scene.masks[MaskKind.ENERGY], scene.mask])
    assert np.abs(restore_rows(made[1]) - scene.rows).max() < 0.05  # float16 within 128 dB of the level
    assert json.loads(made.description.recipe)["rates"] == [[15.36e6, 1.0]]


def test_a_recipe_says_count_and_seed_itself(here, run):
    (here / "own.toml").write_text("count = 2\nfirst_seed = 5\n" + SCENES, encoding="utf-8")
    facts = json.loads(run("own.toml", "--json", "--out", "made", "--sheet", "sheet.png"))
    assert (facts["count"], facts["set"], facts["sheet"]) == (2, "made", "sheet.png")
    assert sum(facts["pixels"].values()) == pytest.approx(1.0, abs=1e-3)
    assert [item.metadata["seed"] for item in ShardSet("made")] == [5, 6]


@pytest.mark.parametrize("recipe", ["scenes.toml", "frames.toml"])
def test_the_command_goes_on_where_it_stopped(here, run, error_of, recipe):
    run(recipe, "--count", 5, "--out", "made")
    whole = shards(here / "made")
    assert len(whole) == 4  # three shards and the index
    (here / "made" / "shard-00001.npz").unlink()
    (here / "made" / "shard-00002.npz").write_bytes(b"half")
    kept = (here / "made" / "shard-00000.npz").stat().st_mtime_ns
    run(recipe, "--count", 5, "--out", "made")
    assert shards(here / "made") == whole
    assert (here / "made" / "shard-00000.npz").stat().st_mtime_ns == kept
    assert "is of another set: count is 5 there, but 6 is asked for" in error_of(recipe, "--count", 6, "--out", "made")
    assert "first_seed is 0 there, but 1 is asked for" in error_of(recipe, "--count", 5, "--seed", 1, "--out", "made")
    other = {"scenes.toml": "frames.toml", "frames.toml": "scenes.toml"}[recipe]
    assert "is of another set" in error_of(other, "--count", 5, "--out", "made")


@pytest.mark.parametrize("recipe", ["scenes.toml", "frames.toml"])
def test_two_processes_write_the_same_bytes_as_one(here, run, recipe):
    run(recipe, "--count", 4, "--out", "one")
    run(recipe, "--count", 4, "--out", "two", "--processes", 2)
    assert shards(here / "one") == shards(here / "two")


@pytest.mark.parametrize("recipe", ["scenes.toml", "frames.toml"])
def test_a_sheet_shows_every_item(here, run, recipe):
    assert "sheet: sheet.png" in run(recipe, "--count", 2, "--out", "made", "--sheet", "sheet.png")
    sheet = np.asarray(Image.open(here / "sheet.png").convert("RGB"))
    for item in (0, 1):
        left = 6 + item * (2 * 258 + 6)  # a gap, then a picture and a mask of 256 pixels each, 2 apart
        picture, mask = (sheet[19 : 19 + 256, left + place * 258 :][:, :256] for place in (0, 1))
        assert np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 16
        assert (24, 24, 32) in {tuple(colour) for colour in np.unique(mask.reshape(-1, 3), axis=0).tolist()}


def test_captions_say_what_is_in_an_item(run):
    run("frames.toml", "--count", 2, "--out", "frames")
    law = load_recipe("frames.toml")
    level = law.generator.make_frames(law.flags, 0)[1].parameters
    captions = [make_maker(law, Wishes()).caption(item.metadata) for item in ShardSet("frames")]
    doppler = f"{level['doppler_hz']:g} Hz"
    assert captions == [f"0: 5G clean, {doppler}", f"1: 5G {level['snr_db']:g} dB, {doppler}"]
    run("scenes.toml", "--count", 4, "--out", "scenes")
    scenes = [make_maker(load_recipe("scenes.toml"), Wishes()).caption(item.metadata) for item in ShardSet("scenes")]
    assert all(text.startswith(f"{seed}: 15.36 MS/s 1 ms") for seed, text in enumerate(scenes))
    assert any("LTE" in text or "NR" in text for text in scenes)


# --- Recordings beside a set ---


def test_recordings_hold_the_scenes_and_every_annotation_lies_in_the_band(here, run):
    """Also that of a carrier of 4.5 MHz whose centre is 0.68 MHz from the band's edge."""
    (here / "scenes.toml").write_text(SCENES + AT_THE_EDGE, encoding="utf-8")
    out = run("scenes.toml", "--count", 6, "--out", "made", "--sigmf", "iq", "--datatype", "cf32_le")
    assert "recordings: iq" in out
    for seed, item in enumerate(ShardSet("made")):
        scene = make_scene(load_recipe("scenes.toml"), seed)
        recording = open_recording(here / "iq" / f"tiny-{seed}.sigmf-meta")
        samples = np.fromfile(here / "iq" / f"tiny-{seed}.sigmf-data", "<c8")
        assert recording.samp_rate == item.metadata["samp_rate"] == 15.36e6
        assert np.array_equal(samples, scene.iq[: samples.size]) and samples.size == scene.geometry.frame_samples
        annotations = json.loads((here / "iq" / f"tiny-{seed}.sigmf-meta").read_text(encoding="utf-8"))["annotations"]
        assert len(annotations) == len(item.metadata["emitters"])
        for annotation in annotations:
            assert -7.68e6 <= annotation["core:freq_lower_edge"] < annotation["core:freq_upper_edge"] <= 7.68e6
            first, count = annotation["core:sample_start"], annotation["core:sample_count"]
            assert 0 <= first < first + count <= samples.size
        carrier = next(annotation for annotation in annotations if annotation["core:label"] == "LTE")
        assert carrier["core:freq_upper_edge"] == 7.68e6
        assert carrier["core:freq_lower_edge"] == pytest.approx(7e6 - 150 * 15e3, abs=15e3)


def test_recordings_of_a_set_that_is_there_are_made_later(here, run):
    run("scenes.toml", "--count", 3, "--out", "made", "--sigmf", "first")
    run("scenes.toml", "--count", 3, "--out", "made", "--sigmf", "later")
    assert shards(here / "first") == shards(here / "later") and len(shards(here / "first")) == 6
    data = here / "later" / "tiny-1.sigmf-data"
    whole, kept = data.read_bytes(), (here / "later" / "tiny-0.sigmf-data").stat().st_mtime_ns
    for lost in ("tiny-1.sigmf-data", "tiny-1.sigmf-meta"):
        (here / "later" / lost).unlink()
        run("scenes.toml", "--count", 3, "--out", "made", "--sigmf", "later")
        assert shards(here / "later") == shards(here / "first") and data.read_bytes() == whole
    assert (here / "later" / "tiny-0.sigmf-data").stat().st_mtime_ns == kept
    run("scenes.toml", "--count", 3, "--out", "made", "--sigmf", "later", "--datatype", "ci8")
    assert 2 * len(data.read_bytes()) == len(whole)


# --- Protocols ---


def small(protocol):
    changes = {"cellular-d2s": "size = 32\n"}.get(protocol, "size = 64\n")
    return ProtocolRecipe.from_toml(f'protocol = "{protocol}"\nextremes = "surviving"\n{changes}')


@pytest.mark.parametrize(
    ("protocol", "make", "seeds"),
    [
        ("radar", make_radar_frames, range(6)),
        ("cellular", make_cellular_frames, range(3)),
        ("cellular-d2s", make_cellular_frames, (0, 5, 13, 17)),
    ],
)
def test_a_frame_is_the_same_alone_and_with_the_others_of_its_draw(protocol, make, seeds):
    law, draw = small(protocol), 4
    together = make(law.flags, draw)
    assert len(together) == law.frames_per_draw == FRAMES_PER_DRAW[protocol]
    maker = make_maker(law, Wishes())
    for number in reversed(seeds):
        item = maker(draw * law.frames_per_draw + number)
        image, label = together[number].to_axis_law()
        assert np.array_equal(item.data, image) and np.array_equal(item.mask, label)
        facts = item.metadata
        assert (facts["draw"], facts["image_name"]) == (draw, together[number].image_name)
        assert facts["noise_free"] is (together[number].parameters["snr_db"] is None)
        assert facts["scene"] == together[number].parameters["scene"] and facts["seed"] == draw * law.frames_per_draw + number


def test_a_protocol_becomes_a_set_of_pictures_in_the_library_s_order(run):
    run("frames.toml", "--count", 7, "--seed", 12, "--out", "made")
    made = ShardSet("made")
    description = made.description
    assert (description.content, description.family, description.masks) == (Content.PICTURES, "published", ("channel",))
    assert description.labels == ("Noise", "LTE", "NR", "Radar")
    assert description.samp_rate_range == (61.44e6, 61.44e6)
    assert description.frame_duration_range[0] == pytest.approx(2.857e-3, abs=1e-6)
    assert json.loads(description.recipe)["flags"]["extremes"] == "surviving"
    assert [item.metadata["draw"] for item in made] == [2] * 6 + [3]
    assert {item.metadata["scene"] for item in made} == set(RADAR_SCENES)
    for item in made:
        assert item.data.shape == (64, 64, 3) and item.mask.shape == (64, 64)
        assert (item.mask[0] == 3).all()  # the first pulse is within 1 us of the beginning: the earliest row is first


@pytest.mark.parametrize(
    ("protocol", "seeds", "layout", "splits"),
    [
        ("radar", 6, "osnet", {"all"}),
        ("cellular", 3, "mathworks-lte-nr", {"train", "challenge"}),
        ("cellular-d2s", 18, "d2snet", {"train", "test"}),
    ],
)
def test_published_files_are_read_back_as_the_set(here, run, protocol, seeds, layout, splits):
    """Found by their own folders, colours and names; the same pictures, classes and facts."""
    (here / "own.toml").write_text(f'protocol = "{protocol}"\nextremes = "surviving"\n', encoding="utf-8")
    assert "published: files" in run("own.toml", "--count", seeds, "--out", "made", "--published", "files")
    made = {item.metadata["image_name"]: item for item in ShardSet("made")}
    published = open_published(here / "files")
    assert published.layout.name == layout and set(published.splits) == splits and not published.problems
    assert sorted(pair.image.name for pair in published.pairs) == sorted(made)
    for pair in published.pairs:
        item, found = made[pair.image.name], published.load(pair)
        assert np.array_equal(found.image, item.data) and np.array_equal(found.mask, item.mask)
        assert found.worst_distance == 0
        assert pair.label.name == item.metadata["label_name"]
        facts = {key: found.facts[key] for key in ("scene", "doppler_hz", "snr_db", "noise_free") if key in found.facts}
        assert facts.items() <= item.metadata.items()
    assert {item.metadata["scene"] for item in made.values()} == set(RADAR_SCENES if protocol == "radar" else CELLULAR_SCENES)


def test_published_files_of_a_set_that_is_there_are_written_later(here, run):
    run("frames.toml", "--count", 2, "--out", "made")
    run("frames.toml", "--count", 2, "--out", "made", "--published", "files")
    assert len(list((here / "files" / "Images").glob("*.png"))) == len(list((here / "files" / "Labels").glob("*.png"))) == 2


def test_the_level_without_noise_is_null_in_json():
    record = ProtocolRecipe.from_toml('protocol = "cellular-d2s"').to_record()
    assert json.loads(json.dumps(record, allow_nan=False))["flags"]["snrs_db"] == [-10.0, 0.0, 10.0, 20.0, 30.0, None]
    assert isinstance(load_recipe("standard"), Recipe)
