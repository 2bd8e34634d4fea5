"""What each choice of the training is worth: small runs of equal steps, the same scenes and seeds, one thing changed at a time.

Usage::

    python tests/bench/ablations.py                        # all cells that are not on disk yet, then the table
    python tests/bench/ablations.py --cells base,hop-240 --seeds 0,1,2 --frames 8000
    python tests/bench/ablations.py --table                # only the table, of the cells on disk

Every cell is one run of RF-Segmenter from random weights in this process, with one thread; a cell that is on disk is not
run again.  Scenes are made once for each front end and kept beside the cells.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from rfseg.atomic import make_folder, replacing
from rfseg.datasets.classes import STANDARD_LABELS
from rfseg.datasets.items import level_rows
from rfseg.models.rf_segmenter import RFSegmenter
from rfseg.published import HOP, WINDOW_SIZE, PublishedFrontEnd
from rfseg.published_colours import to_parula
from rfseg.synth import Scene, load_recipe, make_scene
from rfseg.synth.rows import scene_rows
from rfseg.training.laws import StopLaw
from rfseg.training.losses import SegmentationLoss
from rfseg.training.optimizers import make_optimizer
from rfseg.training.recipe import VALIDATION_SEED, TrainingRecipe, load_training_recipe
from rfseg.training.samples import Draw, Sample, make_batch
from rfseg.training.schedule import Progress, rate_factor
from rfseg.training.validation import score_frames

BATCH = 4  # crops of 128 rows and 128 bins: small, for many steps
FIRST_SEED = 990_000_000  # of scenes that no training of this size reaches
TEST_SEED = VALIDATION_SEED + 500_000


@dataclass(frozen=True)
class Cell:
    """One choice."""

    about: str
    front_end: str = "mean-max"  # or pictures
    hop: int = 1  # times the one of the geometry rule
    head: str = "linear"
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the recipe
    samp_rate: float = 61.44e6
    duration: float = 5e-3

    @property
    def scenes(self) -> str:
        """Name of its scenes: cells of one name share them."""
        return f"{self.front_end}-hop{self.hop}-{self.samp_rate / 1e6:g}-{self.duration * 1e3:g}ms"


CELLS = {
    "base": Cell("mean and max, hop 120, soft refinement, linear head, 5 ms at 61.44 MS/s"),
    "pictures": Cell("published pictures of the same scenes", front_end="pictures"),
    "hop-240": Cell("segments without overlap", hop=2),
    "egr-none": Cell("no error-guided refinement", changes={"loss__error": 0.0}),
    "egr-published": Cell("refinement as published, without gradient", changes={"loss__error_form": "published"}),
    "head-published": Cell("ReLU on the logits, as published", head="published"),
    "adamw": Cell("AdamW at 0.003 instead of Muon", changes={"optimizer__kind": "adamw", "optimizer__rate": 3e-3}),
    "plateau": Cell("warm-up, plateau and decay instead of one cycle", changes={"schedule__kind": "warmup-stable-decay"}),
    "jitter": Cell("slopes of up to 3 dB over the band, levels stretched by up to 10 %", changes={"batch__gain_db": 3.0, "batch__span": 0.1}),
    **{
        f"duration-{ms:g}": Cell(f"frames of {ms:g} ms at 30.72 MS/s", samp_rate=30.72e6, duration=ms * 1e-3)
        for ms in (2.5, 5.0, 10.0, 20.0, 40.0)
    },
}


def make_frame(cell: Cell, seed: int) -> Sample:
    """What the cell's front end makes of the scene of a seed."""
    law = replace(load_recipe("standard"), rates=((cell.samp_rate, 1.0),), durations=((cell.duration, 1.0),))
    scene = make_scene(law, seed)
    if cell.front_end == "pictures":
        return make_picture(scene)
    rows = scene.rows
    if cell.hop > 1:
        old = scene.geometry
        geometry = replace(old, hop=cell.hop * old.hop, segments_per_row=max(1, old.segments_per_row // cell.hop))
        rows = (10.0 * scene_rows(torch.from_numpy(scene.iq), geometry).log10()).numpy()
    return Sample(torch.from_numpy(level_rows(rows)[0]), torch.from_numpy(scene.mask))


def make_picture(scene: Scene) -> Sample:
    """The published picture, earliest row first, and the mask of its pixels: that of the row and the bin which hold their centres."""
    geometry = scene.geometry
    front_end = PublishedFrontEnd(samp_rate=geometry.samp_rate)
    iq = scene.iq[: geometry.frame_samples]
    levels = front_end.levels(iq)
    picture = to_parula(levels.to_index())
    middles = front_end.segments(iq.size) * HOP + WINDOW_SIZE // 2
    rows = np.minimum(middles // geometry.row_samples, geometry.rows - 1)
    bins = np.clip(np.floor([geometry.freq_edge(f) for f in front_end.bin_freqs]), 0, geometry.bins - 1).astype(int)
    return Sample(torch.from_numpy(picture), torch.from_numpy(scene.mask[np.ix_(rows, bins)]))


def load_frames(cell: Cell, folder: Path, first: int, count: int) -> list[Sample]:
    """Frames of successive seeds, from the disk where they are there."""
    path = folder / f"{cell.scenes}-{first}-{count}.npz"
    if not path.exists():
        made = [make_frame(cell, seed) for seed in tqdm(range(first, first + count), desc=cell.scenes, disable=None, leave=False)]
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, data=np.stack([s.data.numpy() for s in made]), mask=np.stack([s.mask.numpy() for s in made]))
    with np.load(path) as arrays:
        data, mask = torch.from_numpy(arrays["data"]), torch.from_numpy(arrays["mask"])
    return [Sample(d, m) for d, m in zip(data, mask, strict=True)]


def cell_recipe(cell: Cell) -> TrainingRecipe:
    """The recipe ``rfseg`` with what the cell changes; crops of half the rows and 128 bins."""
    base = {"batch__half_share": 1.0, "optimizer__average": 0.99, "schedule__kind": "one-cycle", "schedule__warm_up": 0.15}
    return load_training_recipe("rfseg").with_changes(**{**base, **cell.changes})


def train_cell(cell: Cell, frames: list[Sample], steps: int, seed: int) -> nn.Module:
    """A network after so many steps, with averaged weights."""
    torch.manual_seed(seed)
    recipe, network = cell_recipe(cell), RFSegmenter(head=cell.head)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.optimizer.average), use_buffers=True
    )
    optimizer, loss = make_optimizer(network, recipe.optimizer), SegmentationLoss(recipe.loss, recipe.loss.class_weights)
    stop = StopLaw(steps=steps)
    for step in tqdm(range(steps), desc=f"seed {seed}", disable=None, leave=False):
        rng = np.random.default_rng([seed, step])
        chosen = [frames[i] for i in rng.choice(len(frames), BATCH, replace=False)]
        width = min(128, chosen[0].width)
        features, masks = make_batch(Draw(samples=chosen, width=width, is_halved=True, rng=rng), recipe.batch)
        for group in optimizer.param_groups:
            group["lr"] = recipe.optimizer.rate * rate_factor(recipe.schedule, Progress(step=step), stop)
        network.train()
        optimizer.zero_grad(set_to_none=True)
        loss(network(features), masks).backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.optimizer.clip_norm)
        optimizer.step()
        average.update_parameters(network)
    return average.module.eval()


def run_cell(name: str, seed: int, options: argparse.Namespace) -> None:
    """Run a cell and write its figures, unless they are there."""
    path = cell_file(options.out, name, seed, options.frames)
    if path.exists():
        return
    cell, scenes = CELLS[name], options.out / "scenes"
    make_folder(scenes)
    trained = load_frames(cell, scenes, FIRST_SEED, options.scenes)
    tested = load_frames(cell, scenes, TEST_SEED, options.tests)
    begin, begin_cpu = time.perf_counter(), time.process_time()
    network = train_cell(cell, trained, max(1, options.frames // BATCH), seed)
    minutes, cpu_minutes = (time.perf_counter() - begin) / 60, (time.process_time() - begin_cpu) / 60
    scores = score_frames(network, tested, len(STANDARD_LABELS))
    facts = {
        "cell": name, "about": cell.about, "seed": seed, "frames": options.frames, "scenes": options.scenes,
        "tests": options.tests, "minutes": round(minutes, 2), "cpu_minutes": round(cpu_minutes, 2),
        **scores.to_json(STANDARD_LABELS),
    }  # fmt: skip
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def cell_file(out: Path, name: str, seed: int, frames: int) -> Path:
    """Where the figures of a cell are."""
    return out / f"{name}-frames{frames}-seed{seed}.json"


def read_cells(out: Path, frames: int) -> dict[str, list[dict]]:
    """Figures on disk by cell, in the order of CELLS."""
    found = {name: sorted(out.glob(f"{name}-frames{frames}-seed*.json")) for name in CELLS}
    return {name: [json.loads(p.read_text(encoding="utf-8")) for p in paths] for name, paths in found.items() if paths}


def format_table(cells: dict[str, list[dict]]) -> str:
    """Mean IoU of each cell over its seeds with half the range from lowest to highest, and the mean IoU of each class."""
    lines = ["| cell | what | seeds | mIoU | re base | " + " | ".join(STANDARD_LABELS) + " |"]
    lines.append("|---|---|---|---|---|" + "---|" * len(STANDARD_LABELS))
    base = np.mean([f["mean_iou"] for f in cells["base"]]) if "base" in cells else None
    for name, figures in cells.items():
        scores = np.array([f["mean_iou"] for f in figures])
        gain = "" if base is None or name.startswith("duration") else f"{100 * (scores.mean() - base):+.1f}"
        classes = [np.mean([f["classes"][label]["iou"] or 0.0 for f in figures]) for label in STANDARD_LABELS]
        spread = f" ± {np.ptp(scores) / 2:.3f}" if len(scores) > 1 else ""
        text = " | ".join(f"{value:.3f}" for value in classes)
        lines.append(f"| `{name}` | {CELLS[name].about} | {len(scores)} | {scores.mean():.3f}{spread} | {gain} | {text} |")
    return "\n".join(lines)


def write_table(out: Path, frames: int) -> str:
    """The table of what is on disk, also as ``ablations.md`` and ``ablations.json``."""
    cells = read_cells(out, frames)
    text = format_table(cells)
    (out / "ablations.md").write_text(text + "\n", encoding="utf-8")
    (out / "ablations.json").write_text(json.dumps(cells, indent=1) + "\n", encoding="utf-8")
    return text


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, default=Path("out/ablations"))
    add("--cells", default=",".join(CELLS), help="names with commas (default: all)")
    add("--seeds", default="0,1,2", help="with commas (default: %(default)s)")
    add("--frames", type=int, default=8000, help="that each run sees (default: %(default)s)")
    add("--scenes", type=int, default=600, help="to train on (default: %(default)s)")
    add("--tests", type=int, default=200, help="scenes to test with (default: %(default)s)")
    add("--table", action="store_true", help="only print the table")
    options = parser.parse_args()
    names = options.cells.split(",")
    if unknown := [name for name in names if name not in CELLS]:
        parser.error(f"unknown cell {unknown[0]}; choose from {', '.join(CELLS)}")
    torch.set_num_threads(1)
    make_folder(options.out)
    if not options.table:
        for seed in map(int, options.seeds.split(",")):  # a first table of all cells as soon as possible
            for name in names:
                run_cell(name, seed, options)
    print(write_table(options.out, options.frames))


if __name__ == "__main__":
    main()
