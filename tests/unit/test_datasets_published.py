"""Published sets, written by these tests in each layout: detected, paired by name, mapped, turned the right way."""

from __future__ import annotations

import re
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import scipy.io
from PIL import Image

from rfseg.datasets.detection import detect_layout
from rfseg.datasets.inspection import inspect_published
from rfseg.datasets.layouts import LAYOUTS
from rfseg.datasets.pairing import pair_key
from rfseg.datasets.published import open_published
from rfseg.errors import DatasetError

SIZE = 16
NOISE, LTE, NR, RADAR = 0, 1, 2, 3
Colours = dict[tuple[int, int, int], int]


def grey(level: int) -> tuple[int, int, int]:
    return level, level, level


@dataclass(frozen=True)
class Case:
    """What the publishers wrote: the names and colours of signals.md, not those of the table under test."""

    folders: tuple[str, str]
    image: str
    label: str
    colours: Colours
    facts: dict[str, object]
    palette: bool = False
    size: int = SIZE


RADAR_GREYS = {grey(0): NOISE, grey(80): LTE, grey(160): NR, grey(255): RADAR}
PRM = {(2, 0, 0): LTE, (127, 0, 0): NR, (200, 161, 159): NOISE}
CASES = {
    "osnet": Case(
        ("test/input", "test/label"),
        "data_{:05d}_radar_5G_LTE_70_snr_2.png",
        "label_{:05d}_radar_5G_LTE_70_snr_2.png",
        RADAR_GREYS,
        {"draw": 1, "scene": "5G_LTE", "doppler_hz": 70, "snr_index": 2, "snr_db": 0.0, "noise_free": False},
    ),
    "rf-segmenter": Case(
        ("val/input", "val/label"),
        "data_{:05d}_radar_LTE_0_clean.png",
        "label_{:05d}_radar_LTE_0_clean.png",
        RADAR_GREYS,
        {"draw": 1, "scene": "LTE", "doppler_hz": 0, "snr_db": None, "noise_free": True},
    ),
    "resegnet": Case(("train/data", "train/label"), "img{}.jpg", "img{}.png", RADAR_GREYS, {}),
    "prmnet": Case(("trainSet/input", "trainSet/label"), "input_{}.png", "label_{}.png", PRM, {}),
    "rpmsn": Case(
        ("testSet/input", "testSet/label"),
        "{}.png",
        "{}.png",
        {(2, 0, 0): LTE, (127, 0, 0): NR, (248, 163, 191): NOISE},
        {},
    ),
    "fred-lite": Case(("train/input", "train/label"), "{}.png", "{}.png", PRM, {}),
    "d2snet": Case(
        ("train/input", "train/label"),
        "NR_frame_{}_6_70.png",
        "NR_label_frame_{}_6_70.png",
        {(249, 249, 22): LTE, (16, 190, 186): NR, (62, 38, 168): NOISE},
        {"scene": "NR", "frame": 1, "snr_index": 6, "doppler_hz": 70, "snr_db": None, "noise_free": True},
        palette=True,
    ),
    "rpnet": Case(
        ("train/input", "train/label"), "{}.png", "{}.png", {grey(255): LTE, grey(127): NR, grey(0): NOISE}, {}
    ),
    "mathworks-lte-nr": Case(
        ("TrainingData/LTE_NR", "TrainingData/LTE_NR"),
        "LTE_NR_frame_{}.png",
        "LTE_NR_frame_{}.hdf",
        {grey(0): NOISE, grey(127): NR, grey(255): LTE},
        {"scene": "LTE_NR", "frame": 1},
    ),
    "mathworks-radar": Case(
        ("RadarCommTestData", "RadarCommTestData"),
        "{}.png",
        "{}.hdf",
        {grey(0): NOISE, grey(1): LTE, grey(2): NR, grey(3): RADAR},
        {},
    ),
}


def make_mask(case: Case, number: int) -> np.ndarray:
    """Class ids in this library's order of rows: all classes of the set, other shares in each row and in each pair."""
    ids = sorted(case.colours.values())
    rng = np.random.default_rng(number)
    mask = rng.choice(ids, size=(case.size, case.size)).astype(np.uint8)
    mask[0], mask[-1] = ids[1], ids[0]
    return mask


def make_image(case: Case, number: int) -> np.ndarray:
    image = np.full((case.size, case.size, 3), 40, np.uint8)
    image[:, : case.size // 2] = 200
    image[0], image[-1] = 10 * number, 250
    return image


def write_label(path: Path, case: Case, mask: np.ndarray) -> None:
    """The label as published: newest row on top, in the set's colours and file format."""
    colour_of = {class_id: colour for colour, class_id in case.colours.items()}
    colours = np.array([colour_of.get(i, (0, 0, 0)) for i in range(4)], np.uint8)
    flipped = mask[::-1]
    if path.suffix == ".hdf":
        raster = colours[flipped][..., 0]
        dimensions = struct.pack(">iiHHHHHH", case.size, case.size, 106, 2, 1, 0, 0, 0)
        descriptors = struct.pack(">HHII", 300, 2, 34, 20) + struct.pack(">HHII", 302, 2, 54, raster.size)
        path.write_bytes(b"\x0e\x03\x13\x01" + struct.pack(">HI", 2, 0) + descriptors + dimensions + raster.tobytes())
    elif case.palette:
        image = Image.fromarray(flipped.copy(), "L")
        image.putpalette(colours.ravel().tolist())
        image.save(path)
    else:
        Image.fromarray(colours[flipped]).save(path)


def write_pair(root: Path, case: Case, number: int) -> tuple[Path, Path]:
    image, label = (root / folder / name.format(number) for folder, name in zip(case.folders, (case.image, case.label)))
    for path in (image, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(make_image(case, number)[::-1]).save(image, **({"quality": 100} if image.suffix == ".jpg" else {}))
    write_label(label, case, make_mask(case, number))
    return image, label


Write = Callable[..., Path]


@pytest.fixture
def write_set(tmp_path: Path) -> Write:
    """Write pairs 1 to ``count`` of a layout; the folder of the set."""

    def write(name: str, count: int = 4) -> Path:
        for number in range(1, count + 1):
            write_pair(tmp_path / "set", CASES[name], number)
        return tmp_path / "set"

    return write


def test_every_layout_of_the_table_is_tested() -> None:
    assert {layout.name for layout in LAYOUTS} == set(CASES)


def test_every_layout_is_described() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text("utf-8")
    assert [layout.name for layout in LAYOUTS if f"| `{layout.name}` |" not in page] == []


@pytest.mark.parametrize("name", CASES)
def test_a_set_is_detected_paired_mapped_and_turned(name: str, write_set: Write) -> None:
    case, folder = CASES[name], write_set(name, 12)
    dataset = open_published(folder)
    assert (dataset.layout.name, len(dataset.pairs), dataset.problems) == (name, 12, ())
    for pair in dataset.pairs:
        number = int(re.search(r"\d+", pair.image.stem)[0])
        picture = dataset.load(pair)
        assert np.array_equal(picture.mask, make_mask(case, number))
        assert picture.worst_distance == 0
        assert np.abs(picture.image.astype(int) - make_image(case, number)).max() <= (40 if "jpg" in case.image else 0)
        assert picture.image[0].mean() < picture.image[-1].mean()  # the bright row is the last
    by_image = {pair.image.name: pair for pair in dataset.pairs}
    assert by_image[case.image.format(1)].facts == case.facts


@pytest.mark.parametrize(
    ("name", "remap"),
    [
        ("osnet", (1, 2, 3, 0)),
        ("rf-segmenter", (0, 1, 2, 3)),
        ("resegnet", (2, 1, 3, 0)),
        ("prmnet", (1, 2, 0)),
        ("mathworks-lte-nr", (0, 2, 1)),
    ],
)
def test_the_ids_of_published_scripts_are_remapped_by_name(name: str, remap: tuple[int, ...]) -> None:
    assert next(x for x in LAYOUTS if x.name == name).remap == remap


def test_keys_hold_all_but_the_role_of_a_file() -> None:
    assert pair_key("data_00001_radar_5G_0_clean") == pair_key("label_00001_radar_5G_0_clean")
    assert pair_key("LTE_frame_3_1_70") == pair_key("LTE_label_frame_3_1_70") != pair_key("LTE_frame_3_2_70")
    assert pair_key("00001") != pair_key("1")
    assert pair_key("label") == "label"


def test_one_missing_file_shifts_no_pair(write_set: Write) -> None:
    folder, case = write_set("osnet", 5), CASES["osnet"]
    (folder / case.folders[0] / case.image.format(2)).unlink()
    (folder / case.folders[1] / case.label.format(4)).unlink()
    dataset = open_published(folder)
    assert [pair.facts["draw"] for pair in dataset.pairs] == [1, 3, 5]
    for pair in dataset.pairs:
        assert np.array_equal(dataset.load(pair).mask, make_mask(case, pair.facts["draw"]))
    texts = [problem.text for problem in dataset.problems]
    assert "label_00002_radar_5G_LTE_70_snr_2.png has no image of key '00002_radar_5G_LTE_70_snr_2'" in texts[0]
    assert "data_00004_radar_5G_LTE_70_snr_2.png has no label" in texts[1]
    with pytest.raises(DatasetError, match=r"label_00002.*\(and 1 more such files\), or leave it out with --skip-bad"):
        inspect_published(dataset, skip_bad=False)


def test_two_files_of_one_key_are_a_problem(write_set: Write) -> None:
    folder, case = write_set("fred-lite", 3), CASES["fred-lite"]
    image = folder / case.folders[0] / "2.png"
    image.with_name("input_2.png").write_bytes(image.read_bytes())
    dataset = open_published(folder)
    assert [pair.key for pair in dataset.pairs] == ["1", "3"]
    assert "2.png and input_2.png have the same key '2', expected one file of each" in dataset.problems[0].text


def test_a_set_is_found_below_the_folder_and_from_inside(write_set: Write, tmp_path: Path) -> None:
    write_set("mathworks-lte-nr", 2)
    for folder in (tmp_path, tmp_path / "set", tmp_path / "set" / "TrainingData"):
        root, layout = detect_layout(folder)
        assert (root, layout.name) == (tmp_path / "set", "mathworks-lte-nr")


def test_matlab_parameters_are_facts(write_set: Write) -> None:
    folder, case = write_set("mathworks-lte-nr", 2), CASES["mathworks-lte-nr"]
    path = folder / case.folders[0] / "LTE_NR_frame_1.mat"
    scipy.io.savemat(path, {"params": {"SCS": 30, "SNRdB": 40.0, "BW": [10, 20], "RC": "R.9"}})
    dataset = open_published(folder)
    first, second = (dataset.load(pair).facts for pair in dataset.pairs)
    assert first["params"] == {"SCS": 30, "SNRdB": 40.0, "BW": [10, 20], "RC": "R.9"}
    assert "params" not in second
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(DatasetError, match="LTE_NR_frame_1.mat is no MATLAB file of version 4 to 7.2"):
        open_published(folder).load(dataset.pairs[0])


def test_colours_near_those_of_a_class_are_taken_and_reported(write_set: Write) -> None:
    folder, case = write_set("d2snet", 2), CASES["d2snet"]
    label = folder / case.folders[1] / case.label.format(1)
    pixels = np.array(Image.open(label).convert("RGB"))
    pixels[pixels[..., 0] == 16] = (19, 189, 186)  # as another table of parula has it
    Image.fromarray(pixels).save(label)
    inspection = inspect_published(open_published(folder), skip_bad=False)
    assert (inspection.worst_distance, inspection.splits[0].count) == (3, 2)


def spoil(folder: Path, case: Case, kind: str) -> Path:
    """Damage one file of pair 2; its path."""
    image, label = (folder / f / n.format(2) for f, n in zip(case.folders, (case.image, case.label)))
    if kind == "colour":
        pixels = np.array(Image.open(label).convert("RGB"))
        pixels[3, 5] = (0, 200, 0)
        Image.fromarray(pixels).save(label)
    elif kind in ("truncated image", "truncated label"):
        label = image if kind == "truncated image" else label
        label.write_bytes(label.read_bytes()[:-20])
    elif kind == "size":
        Image.new("RGB", (SIZE // 2, SIZE)).save(image)
        return image
    return label


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("osnet", "colour", r"has the colour \(0, 200, 0\) at row 3, column 5, which no class has"),
        ("osnet", "truncated image", r"is truncated: it ends at byte \d+, inside the chunk IDAT"),
        ("osnet", "truncated label", "is truncated: it ends at byte"),
        ("mathworks-radar", "truncated label", "is truncated: the element of tag 302 should lie at bytes 54 to 310"),
        ("osnet", "size", "is 8 x 16 pixels, but most of the set's images are 16 x 16"),
    ],
)
def test_a_bad_file_is_refused_by_name_or_left_out(name: str, kind: str, text: str, write_set: Write) -> None:
    folder = write_set(name, 4)
    path = spoil(folder, CASES[name], kind)
    dataset = open_published(folder)
    with pytest.raises(DatasetError, match=text) as caught:
        inspect_published(dataset, skip_bad=False)
    assert str(caught.value).startswith(str(path))
    inspection = inspect_published(dataset, skip_bad=True)
    assert (inspection.splits[0].count, inspection.splits[0].left_out) == (3, 1)
    assert [(p.file, p.text.startswith(str(path))) for p in inspection.problems] == [(path, True)]


def test_class_balance_counts_every_pixel(write_set: Write) -> None:
    inspection = inspect_published(open_published(write_set("osnet", 3)), skip_bad=False)
    counts = np.bincount(np.concatenate([make_mask(CASES["osnet"], n).ravel() for n in (1, 2, 3)]), minlength=4)
    assert inspection.splits[0].pixels == dict(enumerate(counts.tolist()))
    shares = inspection.splits[0].shares(inspection.labels)
    assert shares["Radar"] == pytest.approx(counts[3] / counts.sum())
    assert sum(shares.values()) == pytest.approx(1)


def test_images_alone_are_resized_where_the_authors_do_it(write_set: Write) -> None:
    folder, case = write_set("prmnet", 3), CASES["prmnet"]
    for path in (folder / case.folders[0]).iterdir():
        Image.open(path).resize((24, 24)).save(path)
    dataset = open_published(folder)
    assert dataset.load(dataset.pairs[0]).image.shape == (SIZE, SIZE, 3)
    (note, *_) = inspect_published(dataset, skip_bad=False).notes
    assert "images are 24 x 24; they are brought to the labels' 16 x 16" in note


def test_folders_of_no_use_are_refused(tmp_path: Path, write_set: Write) -> None:
    (tmp_path / "empty").mkdir()
    for folder, text in ((tmp_path / "empty", "empty is empty; unpack"), (tmp_path / "none", "none does not exist")):
        with pytest.raises(DatasetError, match=text):
            open_published(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"no known dataset but notes.txt; looked for train/input/\*\.png"):
        open_published(tmp_path / "other")
    (tmp_path / "hollow" / "train" / "input").mkdir(parents=True)
    (tmp_path / "hollow" / "train" / "label").mkdir()
    with pytest.raises(DatasetError, match="hollow holds no pair .*: their folders are empty; fetch it again"):
        open_published(tmp_path / "hollow")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.sigmf-meta").touch()
    with pytest.raises(DatasetError, match="own holds SigMF recordings; .* rfseg dataset from-sigmf"):
        open_published(tmp_path / "own")
    with pytest.raises(DatasetError, match="has no split 'val', expected one of test"):
        open_published(write_set("osnet"), splits=["val"])
    with pytest.raises(DatasetError, match="layout 'x' is unknown, expected one of osnet"):
        open_published(tmp_path / "set", layout="x")


def test_labels_in_colours_of_no_set_are_refused(write_set: Write) -> None:
    folder = write_set("fred-lite", 2)
    for path in (folder / "train" / "label").iterdir():
        Image.new("RGB", (SIZE, SIZE), (0, 255, 0)).save(path)
    with pytest.raises(DatasetError, match=r"folders of osnet or .*, but labels of the colours \(0, 255, 0\)"):
        open_published(folder)


def test_where_the_colours_fit_two_sets_the_names_decide(write_set: Write) -> None:
    for name, expected in (("rpnet", LTE), ("osnet", RADAR)):
        folder = write_set(name, 2)
        for path in folder.rglob("label/*"):
            Image.fromarray(np.repeat(np.array([0, 255], np.uint8), SIZE * 8).reshape(SIZE, SIZE)).save(path)
        dataset = open_published(folder)
        assert (dataset.layout.name, dataset.load(dataset.pairs[0]).mask.max()) == (name, expected)
        shutil.rmtree(folder)
    folder = write_set("rpnet", 2)
    assert open_published(folder, layout="fred-lite").layout.name == "fred-lite"
