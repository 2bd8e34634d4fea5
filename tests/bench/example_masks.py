"""Draw what networks make of the frames of a set: spectrogram, truth, and the mask of each model.

Run it with ``python tests/bench/example_masks.py sets/rfseg-test models/os-net.onnx models/rf-segmenter.onnx --out examples.png``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rfseg.colours import NOT_INFERRED_COLOUR, class_table
from rfseg.contract import Reduction
from rfseg.datasets.shardset import ShardSet
from rfseg.evaluation.frames import FrameReader, JudgedFrame
from rfseg.inference import Session

BACKGROUND = "#181820"


def draw(reader: FrameReader, sessions: list[Session], indices: list[int]) -> Figure:
    """A line for each frame; frequency to the right, time downwards."""
    figure = Figure(figsize=(2.9 * (2 + len(sessions)), 2.3 * len(indices) + 0.4), dpi=80, layout="constrained")
    lines = figure.subplots(len(indices), 2 + len(sessions), squeeze=False)
    labels = sessions[0].contract.labels
    colours = class_table(len(labels), background=BACKGROUND)
    for line, index in zip(lines, indices, strict=True):
        frame = reader[index]
        masks = [session.run(frame.rows[None])[0][0] for session in sessions]
        _show_rows(line[0], frame)
        for axes, mask in zip(line[1:], (frame.truth, *masks), strict=True):
            axes.imshow(colours[mask], **_place(frame))
        for axes in line:
            axes.tick_params(labelsize=7)
            axes.locator_params(nbins=5)
    for axes, title in zip(lines[0], ("rows (max), ms over MHz", "truth", *(s.contract.name for s in sessions)), strict=True):
        axes.set_title(title, fontsize=9)
    names = [*labels, "unknown"]
    shown = [BACKGROUND, *(colours[number] / 255 for number in range(1, len(labels))), NOT_INFERRED_COLOUR]
    keys = [Patch(facecolor=colour, label=name) for name, colour in zip(names, shown, strict=True)]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=8)
    return figure


def _show_rows(axes, frame: JudgedFrame) -> None:
    rows = frame.rows[frame.geometry.reductions.index(Reduction.MAX)]
    low, high = np.percentile(rows, (1, 99.5))
    axes.imshow(rows, cmap="viridis", vmin=low, vmax=max(high, low + 1.0), **_place(frame))


def _place(frame: JudgedFrame) -> dict:
    half = frame.geometry.samp_rate / 2e6
    extent = (-half, half, frame.geometry.frame_duration * 1e3, 0.0)
    return {"extent": extent, "aspect": "auto", "interpolation": "nearest"}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("dataset", type=Path)
    add("models", nargs="+", metavar="MODEL")
    add("--indices", default="0,1,2,3,4,5", help="of the frames, with commas (default: the first six)")
    add("--out", type=Path, required=True, metavar="PNG")
    options = parser.parse_args()
    dataset, sessions = ShardSet(options.dataset), [Session(model, threads=1) for model in options.models]
    reader = FrameReader(dataset, sessions[0].contract)
    draw(reader, sessions, [int(index) for index in options.indices.split(",")]).savefig(options.out)


if __name__ == "__main__":
    main()
