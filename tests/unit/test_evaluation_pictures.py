"""``rfseg evaluate`` on sets of pictures with a model of levels, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from rfseg.cli import main
from rfseg.cli.table import format_table
from rfseg.datasets.classes import STANDARD_CLASSES
from rfseg.datasets.items import Content, Item, SetDescription
from rfseg.datasets.shardset import ShardSet
from rfseg.datasets.writing import write_set
from rfseg.errors import DatasetError
from rfseg.evaluation import evaluate_set, format_evaluation, save_page
from rfseg.evaluation.pictureframes import BlindGuesses, PictureReader
from rfseg.inference import Session
from rfseg.published_colours import to_parula

LTE, NR, RADAR = 1, 2, 3
SIZE = 64  # of the test model, which calls levels above 150 LTE and those above 235 Radar
DESCRIPTION = SetDescription(
    name="drawn",
    content=Content.PICTURES,
    samp_rate_range=(15.36e6, 15.36e6),
    frame_duration_range=(1e-3, 1e-3),
    masks=("channel",),
    family="published",
)
MakeSet = Callable[..., ShardSet]


def picture(class_id: int, columns: slice, **metadata: Any) -> Item:
    """A carrier of level 200 over a level of 60, and two rows of radar of level 250 if ``metadata`` says so."""
    levels, mask = np.full((SIZE, SIZE), 60, np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    levels[:, columns], mask[:, columns] = 200, class_id
    if metadata.pop("has_radar", False):
        levels[30:32], mask[30:32] = 250, RADAR
    facts = {"samp_rate": 15.36e6, "frame_duration": 1e-3, "draw": 0, "scale_db": [-150.0, -90.0]}
    return Item(to_parula(levels), mask, {k: v for k, v in (facts | metadata).items() if v is not None})


@pytest.fixture
def make_set(tmp_path: Path) -> MakeSet:
    """Write items as a set of pictures."""
    number = count()

    def make(*items: Item, description: SetDescription = DESCRIPTION) -> ShardSet:
        folder = tmp_path / str(next(number)) / "drawn"
        return write_set(folder, lambda seed: items[seed], len(items), description=description, per_shard=4)

    return make


@pytest.fixture
def session(picture_model: Path) -> Session:
    return Session(picture_model, threads=1)


def frames() -> list[Item]:
    """Two draws, each without noise and with; LTE is found, NR is called LTE."""
    lte, nr = slice(10, 30), slice(40, 50)
    return [
        picture(LTE, lte, scene="LTE", noise_free=True, snr_db=None, has_radar=True),
        picture(LTE, lte, scene="LTE", noise_free=False, snr_db=-10.0, has_radar=True),
        picture(LTE, lte, scene="LTE", noise_free=False, snr_db=20.0, has_radar=True, draw=1),
        picture(NR, nr, scene="NR", noise_free=False, snr_db=20.0, draw=1),
    ]


def test_figures_of_four_pictures(make_set: MakeSet, session: Session) -> None:
    facts = evaluate_set(session, make_set(*frames())).to_json()
    model = facts["systems"]["model"]["pixels"]
    radar, lte, nr = 3 * 2 * SIZE, 3 * 62 * 20, SIZE * 10
    assert model["confusion"] == [[4 * SIZE**2 - radar - lte - nr, 0, 0, 0], [0, lte, 0, 0], [0, nr, 0, 0], [0, 0, 0, radar]]
    assert list(model["by_total_snr"]) == ["-10 dB", "20 dB", "no noise"]
    assert model["by_total_snr"]["no noise"]["accuracy"] == 1.0
    assert list(model["by_scene"]) == ["LTE", "NR"]
    assert model["by_scene"]["NR"]["accuracy"] == pytest.approx(54 / 64)
    assert (model["by_snr"], model["by_frame_snr"]) == ({}, {})
    assert facts["systems"]["model"]["bands"] is None and facts["systems"]["model"]["pulses"] is None
    assert facts["systems"]["model"]["calibration"]["ece"] is not None


def test_guesses_that_do_not_look_come_from_the_other_half(make_set: MakeSet, session: Session) -> None:
    systems = evaluate_set(session, make_set(*frames())).to_json()["systems"]
    prior, scene = systems["prior"]["pixels"], systems["scene_prior"]["pixels"]
    # The first draw has the LTE frame twice: all frames of the second are guessed so, by scene or not.
    # The second has LTE and NR once: where they differ the lower id wins, which is Noise for NR and Noise for LTE.
    assert prior["confusion"][LTE] == [2 * 62 * 20, 62 * 20, 0, 0]
    assert scene["confusion"][LTE] == [0, 3 * 62 * 20, 0, 0]  # told the scene, LTE is known in both halves
    assert scene["confusion"][NR][LTE] == 0 and prior["confusion"][NR][RADAR] == 2 * 10
    assert systems["noise"]["pixels"]["classes"]["LTE"]["iou"] == 0.0


def test_a_frame_alone_is_guessed_to_be_background() -> None:
    mask = np.full((4, 4), LTE, np.uint8)
    blind = BlindGuesses([({"draw": 5, "scene": "LTE"}, mask)], classes=4)
    assert not np.any(blind.guess({"draw": 5, "scene": "LTE"}, 0, (4, 4)))
    assert np.all(blind.guess({"draw": 6}, 0, (4, 4))[0] == LTE)


def test_levels_reach_the_model_as_they_are_in_the_picture(make_set: MakeSet, session: Session) -> None:
    levels = np.arange(SIZE * SIZE, dtype=np.uint32).reshape(SIZE, SIZE).astype(np.uint8)
    for scale in ([-156.54, -61.3], None):
        item = picture(LTE, slice(0, 0), scale_db=scale)
        reader = PictureReader(make_set(Item(to_parula(levels), item.mask, item.metadata)), session.contract)
        frame = reader[0]
        low, high = frame.limits
        share = (frame.rows[0] - low) / (high - low)
        assert np.array_equal(np.floor(255 * np.clip(share, 0, 1) + 0.5), levels)


def test_the_report_has_every_system(make_set: MakeSet, session: Session, tmp_path: Path) -> None:
    result = evaluate_set(session, make_set(*frames()))
    save_page(tmp_path / "report.html", result)
    text = format_evaluation(result.to_json(), format_table)
    page = (tmp_path / "report.html").read_text("utf-8")
    for part in ("most frequent class of the pixel", "told the scene", "rames by SNR over the whole band", "rames by what they hold"):
        assert part in text and part in page
    assert "\nbands\n" not in text


def test_the_command_measures_pictures(
    make_set: MakeSet, picture_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(picture_model), "--on", str(make_set(*frames()).folder), "--limit", "3"]) == 0
    assert capsys.readouterr().out.startswith("picture on 3 of 4 frames of drawn (mask channel)\n")


def test_classes_that_do_not_occur_need_not_be_known(make_set: MakeSet, session: Session) -> None:
    item = picture(LTE, slice(10, 30))
    described = replace(DESCRIPTION, classes=STANDARD_CLASSES[:3])
    facts = evaluate_set(session, make_set(item, description=described)).to_json()
    assert facts["systems"]["model"]["pixels"]["classes"]["Radar"]["iou"] is None

    rule = replace(session.contract.published, class_order=())
    three = replace(session.contract, classes=STANDARD_CLASSES[:3], published=rule)
    assert np.array_equal(np.unique(PictureReader(make_set(item), three)[0].truth), [0, LTE])
    reader = PictureReader(make_set(picture(LTE, slice(10, 30), has_radar=True)), three)
    with pytest.raises(DatasetError, match=r"item 0 of .* has pixels of Radar, which the model 'picture' does not know \(its .*NR\)"):
        reader[0]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"samp_rate": None}, "does not state samp_rate and frame_duration; make the set with rfseg synth or rfseg dataset import"),
        ({"samp_rate": 61.44e6}, r"is nothing for this model: samp_rate=6.144e\+07 Hz is not the 15.36e6 Hz"),
        ({"frame_duration": 40e-3}, "is nothing for this model: frame_duration=0.04 s is outside the 0.001 to 0.001 s"),
    ],
)
def test_pictures_that_the_contract_does_not_cover_are_refused(
    make_set: MakeSet, session: Session, metadata: dict[str, Any], expected: str
) -> None:
    with pytest.raises(DatasetError, match="item 0 of .*drawn " + expected):
        evaluate_set(session, make_set(picture(LTE, slice(10, 30), **metadata)))


def test_pictures_of_other_sizes_colours_and_backgrounds_are_refused(make_set: MakeSet, session: Session) -> None:
    item = picture(LTE, slice(10, 30))
    small = Item(item.data[:32, :32], item.mask[:32, :32], item.metadata)
    with pytest.raises(DatasetError, match="item 0 of .* has 32 x 32 pixels, but the model 'picture' judges 64 x 64"):
        evaluate_set(session, make_set(small))
    grey = Item(np.full_like(item.data, 128), item.mask, item.metadata)
    with pytest.raises(DatasetError, match="item 0 of .* has a colour [0-9]+ levels from any of the published map"):
        PictureReader(make_set(grey), session.contract)[0]
    renamed = replace(DESCRIPTION, classes=(replace(STANDARD_CLASSES[0], label="Nothing"), *STANDARD_CLASSES[1:]))
    with pytest.raises(DatasetError, match="calls the background Nothing, but the model 'picture' calls it Noise"):
        PictureReader(make_set(item, description=renamed), session.contract)


def test_rows_are_not_for_a_model_of_pictures(make_set: MakeSet, session: Session) -> None:
    rows = Item(np.zeros((2, 256, 64), np.float16), np.zeros((256, 64), np.uint8), {})
    description = replace(DESCRIPTION, content=Content.ROWS, family="rfseg")
    with pytest.raises(DatasetError, match="holds rows in dBFS, but the model 'picture' judges pictures .*rfseg synth protocol-radar"):
        evaluate_set(session, make_set(rows, description=description))
