"""Accuracy and time of the same network in several precisions, frame by frame in turn.

    python tests/bench/precisions.py sets/rfseg-test models/a.onnx a-fp16.onnx a-int8.onnx --frames 200

The first model is what the others are compared with.  Times are those of ``Session.run`` on one frame in ``--threads``
threads; in one paired run every model sees every frame right after the others, so that a busy machine slows all alike.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from rfseg.cli.table import format_table
from rfseg.datasets.shardset import ShardSet
from rfseg.evaluation import Confusion, FrameReader
from rfseg.inference import Session


def measure(sessions: list[Session], dataset: ShardSet, frames: int) -> list[dict]:
    """Figures of each session on the first frames of a set."""
    readers = [FrameReader(dataset, session.contract) for session in sessions]
    counts = [Confusion(len(session.contract.classes)) for session in sessions]
    times, equal = [[] for _ in sessions], [[] for _ in sessions]
    for index in range(min(frames, len(dataset))):
        frame = readers[0][index]
        masks = []
        for number in np.random.default_rng(index).permutation(len(sessions)):
            begin = time.perf_counter()
            mask = sessions[number].run(frame.rows[None])[0][0]
            times[number].append(1e3 * (time.perf_counter() - begin))
            counts[number].add(frame.truth, mask)
            masks.append((number, mask))
        reference = dict(masks)[0]
        for number, mask in masks:
            equal[number].append((mask == reference).mean())
    return [
        {
            "model": str(session.path),
            "precision": session.contract.precision,
            "megabytes": round(session.path.stat().st_size / 1e6, 2),
            "frames": len(times[0]),
            "accuracy": count.accuracy_score,
            "mean_iou": count.mean_iou_score,
            "iou": dict(zip(session.contract.labels, count.iou_scores.round(4).tolist(), strict=True)),
            "equal": float(np.mean(same)),
            "median_ms": float(np.median(spent)),
            "ratio": float(np.median(np.array(spent) / np.array(times[0]))),
        }
        for session, count, same, spent in zip(sessions, counts, equal, times, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    sessions = [Session(model, threads=options.threads) for model in options.models]
    results = measure(sessions, ShardSet(options.set), options.frames)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    first = results[0]["mean_iou"]
    rows = [
        (
            Path(r["model"]).stem, r["precision"], f"{r['megabytes']:.1f}", f"{100 * r['accuracy']:.2f}", f"{r['mean_iou']:.4f}",
            f"{100 * (r['mean_iou'] - first):+.2f}", f"{100 * r['equal']:.2f}", f"{r['median_ms']:.1f}", f"{r['ratio']:.2f}",
        )
        for r in results
    ]  # fmt: skip
    headings = ("Model", "Precision", "MB", "Accuracy (%)", "mIoU", "points", "Equal pixels (%)", "Median (ms)", "re the first")
    print(f"{results[0]['frames']} frames of {options.set}, {options.threads} thread(s)")
    print(format_table(headings, rows, right_from=2))


if __name__ == "__main__":
    main()
