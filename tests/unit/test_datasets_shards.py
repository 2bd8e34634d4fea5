"""Sharded sets: what is written is read, runs that die go on, damage is found."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Callable

import numpy as np
import pytest

from rfseg.contract import SignalClass
from rfseg.datasets.items import Content, Item, SetDescription, level_rows, restore_rows
from rfseg.datasets.setplan import SetPlan
from rfseg.datasets.shards import ShardReader, write_shard
from rfseg.datasets.shardset import ShardSet, find_sets
from rfseg.datasets.sheet import make_sheet
from rfseg.datasets.workers import run_in_processes
from rfseg.datasets.writing import ShardWriter, write_set
from rfseg.errors import DatasetError

DESCRIPTION = SetDescription(
    name="test", content=Content.ROWS, samp_rate_range=(15.36e6, 122.88e6), frame_duration_range=(1e-3, 40e-3),
    recipe="carriers = 1",
)  # fmt: skip
COUNT, PER_SHARD = 11, 3

# What a generator's script looks like; a fresh process needs a module that it can import.
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from rfseg.datasets.items import Content, SetDescription
from rfseg.datasets.writing import write_set

DESCRIPTION = SetDescription(
    name="test", content=Content.ROWS, samp_rate_range=(15.36e6, 122.88e6), frame_duration_range=(1e-3, 40e-3),
    recipe="carriers = 1",
)

def make_item(seed):
    if hang_at == seed and not (folder / "went").exists():
        (folder / "went").touch()
        while True:
            pass
    rng = np.random.default_rng(seed)
    bins = int(rng.choice([64, 128]))
    rows = rng.normal(size=(2, 256, bins)).astype(np.float16)
    return rows, rng.integers(0, 4, (256, bins)).astype(np.uint8), {"seed": seed, "bins": bins}

folder, processes, hang_at = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if __name__ == "__main__":
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run where interrupts are ignored
    write_set(folder / "set", make_item, 11, description=DESCRIPTION, per_shard=3, processes=processes, first_seed=5)
"""


def make_item(seed: int) -> Item:
    rng = np.random.default_rng(seed)
    bins = int(rng.choice([64, 128]))
    rows = rng.normal(size=(2, 256, bins)).astype(np.float16)
    return Item(rows, rng.integers(0, 4, (256, bins)).astype(np.uint8), {"seed": seed, "bins": bins})


@pytest.fixture
def run_script(tmp_path: Path) -> Callable[..., subprocess.Popen]:
    """Start the script on a folder; the process."""
    (tmp_path / "generator.py").write_text(SCRIPT)

    def run(folder: Path, *, processes: int = 1, hang_at: int = -1) -> subprocess.Popen:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, str(tmp_path / "generator.py"), str(folder), str(processes), str(hang_at)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    return run


@pytest.fixture
def written(tmp_path: Path) -> ShardSet:
    return write_set(tmp_path / "set", make_item, COUNT, description=DESCRIPTION, per_shard=PER_SHARD, first_seed=5)


def wait_for(process: subprocess.Popen, folder: Path) -> None:
    """Wait until the process hangs in the third shard and the two before it are complete."""
    while not all((folder / name).exists() for name in ("went", "set/shard-00000.json", "set/shard-00001.json")):
        assert process.poll() is None


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_same(item: Item, expected: Item) -> None:
    assert np.array_equal(item.data, expected.data) and item.data.dtype == expected.data.dtype
    assert np.array_equal(item.mask, expected.mask) and item.mask.dtype == np.uint8
    assert item.metadata == expected.metadata


def test_every_item_is_read_as_it_was_made(written: ShardSet) -> None:
    assert len(written) == COUNT
    for index in (0, 10, 4, -1, 2):
        assert_same(written[index], make_item(5 + index % COUNT))
        assert written.metadata(index)["seed"] == 5 + index % COUNT
        assert written.shape(index) == written[index].data.shape
    with pytest.raises(IndexError, match="item 11 of 11"):
        written[11]
    assert [item.metadata["seed"] for item in written] == [*range(5, 16)]


def test_shuffled_items_come_once_each_in_the_order_of_the_seed(written: ShardSet) -> None:
    orders = [[i.metadata["seed"] for i in written.shuffled(np.random.default_rng(seed))] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) == [*range(5, 16)]


def test_the_index_tells_what_the_set_holds(written: ShardSet) -> None:
    index = json.loads((written.folder / "index.json").read_text())
    assert (index["format"], index["version"], index["count"], index["first_seed"]) == ("rfseg-set", 1, COUNT, 5)
    assert index["description"]["recipe"] == "carriers = 1"
    assert [c["label"] for c in index["description"]["classes"]] == ["Noise", "LTE", "NR", "Radar"]
    masks = np.concatenate([make_item(seed).mask.ravel() for seed in range(5, 16)])
    assert written.pixels == dict(enumerate(np.bincount(masks).tolist()))
    assert written.bins == {b: sum(make_item(s).mask.shape[1] == b for s in range(5, 16)) for b in (64, 128)}
    assert sorted(p.name for p in written.folder.iterdir()) == ["index.json", *(f"shard-0000{n}.npz" for n in range(4))]


def test_numpy_reads_a_shard_without_this_library(written: ShardSet) -> None:
    with np.load(written.folder / "shard-00001.npz") as archive:
        assert np.array_equal(archive["00002.data"], make_item(10).data)
        assert np.array_equal(archive["00002.mask"], make_item(10).mask)


def test_a_set_survives_pickling(written: ShardSet) -> None:
    assert_same(written[3], make_item(8))
    assert_same(pickle.loads(pickle.dumps(written))[3], make_item(8))


def test_two_processes_write_the_same_bytes_as_one(run_script, written: ShardSet, tmp_path: Path) -> None:
    process = run_script(tmp_path / "two", processes=2)
    assert (process.communicate()[1], process.returncode) == ("", 0)
    assert contents(tmp_path / "two" / "set") == contents(written.folder)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_is_killed_goes_on_where_it_was(
    processes: int, run_script, written: ShardSet, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    process = run_script(folder, processes=processes, hang_at=13)  # in the third shard
    wait_for(process, folder)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with pytest.raises(DatasetError, match="set is not complete: it has no index.json; run the command that writes it"):
        ShardSet(folder / "set")
    kept = {n: (folder / "set" / f"shard-0000{n}.npz").stat().st_mtime_ns for n in (0, 1)}
    process = run_script(folder, processes=processes)
    assert (process.communicate()[1], process.returncode) == ("", 0)
    assert {n: (folder / "set" / f"shard-0000{n}.npz").stat().st_mtime_ns for n in (0, 1)} == kept
    assert contents(folder / "set") == contents(written.folder)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_interrupted_run_ends_with_its_workers_and_leaves_whole_shards_only(
    processes: int, run_script, tmp_path: Path
) -> None:
    folder = tmp_path / "interrupted"
    process = run_script(folder, processes=processes, hang_at=13)
    wait_for(process, folder)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=60)[1]  # its workers hold the pipe: all have ended
    assert not [*(folder / "set").glob(".*.part")]
    assert not (folder / "set" / "shard-00002.npz").exists()


def test_what_a_dead_run_left_half_done_never_counts(written: ShardSet, tmp_path: Path) -> None:
    plan = SetPlan(description=DESCRIPTION, count=COUNT, per_shard=PER_SHARD, first_seed=5)
    other = tmp_path / "other"
    with ShardWriter(other, plan) as writer:
        for number in range(4):
            writer.write(number, map(make_item, plan.seeds(number)))
    whole = (other / "shard-00001.npz").read_bytes()
    (other / "shard-00001.npz").write_bytes(whole[:-1])
    (other / "shard-00002.json").write_text("{")
    (other / ".shard-00003.npz.123.part").write_bytes(b"half")
    with ShardWriter(other, plan) as writer:
        assert writer.missing() == [1, 2]
        with pytest.raises(DatasetError, match="other lacks 2 of 4 shards, the first is shard-00001.npz"):
            writer.finish()
    write_set(other, make_item, COUNT, description=DESCRIPTION, per_shard=PER_SHARD, first_seed=5)
    assert contents(other) == contents(written.folder)


def test_a_complete_set_is_not_written_again(written: ShardSet) -> None:
    def refuse(seed: int) -> Item:
        raise AssertionError(seed)

    again = write_set(written.folder, refuse, COUNT, description=DESCRIPTION, per_shard=PER_SHARD, first_seed=5)
    assert again.entries == written.entries


def test_a_damaged_shard_is_found_and_made_anew(written: ShardSet) -> None:
    assert [problem for _, problem in written.verify()] == [None] * 4
    before = contents(written.folder)
    path = written.folder / "shard-00002.npz"
    damaged = bytearray(before[path.name])
    damaged[5000] ^= 1
    path.write_bytes(damaged)
    assert [e.file for e, problem in written.verify() if problem] == ["shard-00002.npz"]
    with pytest.raises(DatasetError, match="shard-00002.npz is damaged: .*; see what else .* rfseg dataset verify"):
        _ = [*ShardSet(written.folder)]
    (written.folder / "shard-00000.npz").unlink()
    (written.folder / "shard-00003.npz").write_bytes(b"PK")
    problems = [problem for _, problem in written.verify()]
    assert "shard-00000.npz cannot be read: No such file" in problems[0]
    assert "is not what was written: its SHA-256 differs" in problems[2]
    assert "has 2 bytes, expected" in problems[3]
    write_set(written.folder, make_item, COUNT, description=DESCRIPTION, per_shard=PER_SHARD, first_seed=5)
    assert contents(written.folder) == before


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"count": 12}, "set/index.json is of another set: count is 11 there, but 12 is asked for"),
        ({"first_seed": 6}, "first_seed is 5 there, but 6 is asked for"),
        ({"description": replace(DESCRIPTION, recipe="x")}, "recipe is 'carriers = 1' there, but 'x' is asked for"),
    ],
)
def test_another_set_in_the_folder_is_not_overwritten(changes: dict, text: str, written: ShardSet) -> None:
    wanted = {"count": COUNT, "description": DESCRIPTION, "per_shard": PER_SHARD, "first_seed": 5, **changes}
    with pytest.raises(DatasetError, match=text):
        write_set(written.folder, make_item, wanted.pop("count"), **wanted)


def test_a_folder_is_written_by_one_run_at_a_time_and_only_if_it_is_empty(tmp_path: Path) -> None:
    plan = SetPlan(description=DESCRIPTION, count=2)
    with ShardWriter(tmp_path / "set", plan), pytest.raises(DatasetError, match="is being written by another process"):
        ShardWriter(tmp_path / "set", plan).__enter__()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(DatasetError, match="full holds other files, such as 'thesis.tex'; name an empty folder"):
        write_set(tmp_path / "full", make_item, 2, description=DESCRIPTION)


ROWS, MASK = np.zeros((2, 256, 64), np.float16), np.zeros((256, 64), np.uint8)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (Item(ROWS.astype(np.float32), MASK), r"data is float32 \(2, 256, 64\), expected float16 \(2, T, F\)"),
        (Item(ROWS[:, :128], MASK[:128]), r"expected float16 \(2, 256, F\)"),
        (Item(ROWS, MASK[:, :32]), r"mask is uint8 \(256, 32\), expected uint8 \(256, 64\)"),
        (Item(ROWS, MASK + 4), "mask holds class 4, expected 0 to 3, or 255"),
        (Item(ROWS, MASK, {"snr": float("nan")}), "metadata must be what JSON can hold"),
        (Item(ROWS, MASK, {"cell": object()}), "metadata must be what JSON can hold: object .* is not"),
        (Item(ROWS, MASK, None), "metadata is a NoneType, expected a dict"),
    ],
)
def test_an_item_that_does_not_fit_its_set_is_refused(item: Item, text: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"item 1 of a.npz does not fit its set: .*{text}"):
        write_shard(tmp_path / "a.npz", [Item(ROWS, MASK + 255, {"a": np.float32(1)}), item], DESCRIPTION)
    assert [*tmp_path.iterdir()] == []


def test_several_masks_and_pictures_are_stored_too(tmp_path: Path) -> None:
    several = replace(DESCRIPTION, masks=("occupied", "energy"))
    write_shard(tmp_path / "a.npz", [Item(ROWS, np.stack([MASK, MASK + 1]))], several)
    assert ShardReader(tmp_path / "a.npz").item(0).mask.shape == (2, 256, 64)
    pictures = replace(DESCRIPTION, content="pictures", family="published")
    item = Item(np.full((32, 16, 3), 9, np.uint8), np.ones((32, 16), np.uint8))
    entry = write_shard(tmp_path / "b.npz", [item], pictures)
    assert (entry.pixels, entry.bins) == ({"1": 512}, {"16": 1})
    assert_same(ShardReader(tmp_path / "b.npz").item(0), item)


def test_levelled_rows_are_resolved_finely() -> None:
    rows = (np.random.default_rng(3).normal(size=(2, 256, 64)) * 10 - 120).astype(np.float32)
    data, level = level_rows(rows)
    assert level == pytest.approx(-120, abs=0.5)
    assert np.abs(restore_rows(Item(data, MASK, {"level_dbfs": level})) - rows).max() <= 0.032


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda i: i.update(version=2), "index.json is no set of this program: version is 2, this rfseg reads 1"),
        (lambda i: i.update(format="x"), "format is 'x', expected 'rfseg-set'"),
        (lambda i: i.pop("count"), "a field is missing or wrong: 'count'"),
        (lambda i: i["description"]["classes"].pop(0), "must begin with the one background"),
        (lambda i: i["description"].update(colour=1), "description of the set is not valid"),
        (lambda i: i["shards"].pop(), "lists 3 shards that are not the 4 of its own plan"),
        (lambda i: i.pop("shards"), "has no valid list of shards"),
    ],
)
def test_an_index_of_no_use_is_refused(change: Callable, text: str, written: ShardSet) -> None:
    path = written.folder / "index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    with pytest.raises(DatasetError, match=text):
        ShardSet(written.folder)


def test_folders_without_a_set_are_refused(tmp_path: Path, written: ShardSet) -> None:
    assert find_sets(written.folder) == find_sets(tmp_path) == [written.folder]
    with pytest.raises(DatasetError, match="none holds no set: it has no index.json"):
        find_sets(tmp_path / "none")
    (written.folder / "index.json").write_text("no JSON")
    with pytest.raises(DatasetError, match="index.json is no JSON: .*; write the set again"):
        ShardSet(written.folder)
    (written.folder / "index.json").write_text("[]")
    with pytest.raises(DatasetError, match="index.json holds a list, expected an object"):
        ShardSet(written.folder)


def test_numbers_of_a_plan_are_checked(tmp_path: Path) -> None:
    for name, value in (("count", 0), ("per_shard", 0), ("first_seed", -1), ("count", 1.5)):
        with pytest.raises(DatasetError, match=f"{name}={value} must be an integer of at least"):
            SetPlan(**{"description": DESCRIPTION, "count": 1, name: value})
    with pytest.raises(DatasetError, match="processes=0 must be at least 1"):
        write_set(tmp_path / "set", make_item, 1, description=DESCRIPTION, processes=0)
    with pytest.raises(DatasetError, match="samp_rate_range=.* must be two positive numbers"):
        replace(DESCRIPTION, samp_rate_range=(2.0, 1.0))
    with pytest.raises(DatasetError, match="masks=.* must be names that differ"):
        replace(DESCRIPTION, masks=())
    with pytest.raises(DatasetError, match="must have labels that differ"):
        replace(DESCRIPTION, classes=(*DESCRIPTION.classes, SignalClass(label="LTE", kind="carrier")))


def test_a_worker_that_dies_is_an_error_and_not_a_hang() -> None:
    with pytest.raises(DatasetError, match="a worker process died, .* with fewer processes"):
        [*run_in_processes(signal.raise_signal, [signal.SIGKILL], 2)]


def test_what_a_worker_raises_arrives_here() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        [*run_in_processes(signal.raise_signal, [1000, 1001, 1002], 2)]


def test_a_contact_sheet_shows_every_item(written: ShardSet) -> None:
    sheet = np.asarray(make_sheet([written[0], written[1]], written.description.labels, captions=["a", "b"]))
    blank = np.asarray(make_sheet([], written.description.labels))
    twice = Item(written[0].data, np.stack([written[0].mask] * 2))
    assert make_sheet([twice], ["Noise"]).width > make_sheet([written[0]], ["Noise"]).width
    assert sheet.shape[0] > blank.shape[0]
    for left in (6, 528):  # a picture of many colours in each of two cells
        assert len(np.unique(sheet[30:200, left : left + 256].reshape(-1, 3), axis=0)) > 20
