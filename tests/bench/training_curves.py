"""Draw the curves of training runs: loss and validation over the minutes.

Run it with ``python tests/bench/training_curves.py os-net=out/os-net rf-segmenter=out/rf --out curves.png``.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path

from matplotlib.figure import Figure

COLUMNS = {"loss": "Loss of the training", "mean_iou": "mIoU of the validation"}


def read_column(folder: Path, name: str) -> list[float]:
    """A column of a run's ``log.csv``; NaN where it is empty."""
    with open(folder / "log.csv", newline="", encoding="utf-8") as file:
        return [float(line[name]) if line[name] else math.nan for line in csv.DictReader(file)]


def draw(runs: dict[str, Path]) -> Figure:
    """One plot for each of ``COLUMNS``, one line for each run."""
    figure = Figure(figsize=(9.0, 3.4), dpi=110, layout="constrained")
    plots = figure.subplots(1, len(COLUMNS))
    for axes, (column, title) in zip(plots, COLUMNS.items(), strict=True):
        for name, folder in runs.items():
            axes.plot(read_column(folder, "minutes"), read_column(folder, column), label=name)
        axes.set(xlabel="Minutes", ylabel=title)
        axes.grid(alpha=0.3)
    plots[-1].set_ylim(0, 1)
    plots[-1].legend(frameon=False)
    return figure


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER", help="name in the key, and folder of the run")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    options = parser.parse_args()
    draw({name: Path(folder) for name, _, folder in (run.partition("=") for run in options.runs)}).savefig(options.out)


if __name__ == "__main__":
    main()
