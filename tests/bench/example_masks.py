"""Draw what networks make of the frames of a set: spectrogram, truth, and the mask of each model.

Run it with ``python tests/bench/example_masks.py sets/rfseg-test models/os-net.onnx models/rf-segmenter.onnx --out examples.png``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from rfseg.datasets.shardset import ShardSet
from rfseg.evaluation.frames import FrameReader
from rfseg.evaluation.plots import class_key, draw_frame
from rfseg.inference import Session


def draw(reader: FrameReader, sessions: list[Session], indices: list[int]) -> Figure:
    """A line for each frame; MHz to the right, ms downwards."""
    figure = Figure(figsize=(2.9 * (2 + len(sessions)), 2.3 * len(indices) + 0.4), dpi=80, layout="constrained")
    lines = figure.subplots(len(indices), 2 + len(sessions), squeeze=False)
    labels = sessions[0].contract.labels
    for line, index in zip(lines, indices, strict=True):
        frame = reader[index]
        draw_frame(line, frame, {session.contract.name: session.run(frame.rows[None])[0][0] for session in sessions}, labels)
        for axes in line:
            axes.locator_params(nbins=5)
    for axes in lines[1:].flat:
        axes.set_title("")
    figure.legend(handles=class_key(labels), loc="outside lower center", ncols=len(labels) + 1, frameon=False, fontsize=8)
    return figure


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
