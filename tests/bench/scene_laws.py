"""Whether scenes follow their recipe: ``scene_laws.py [--scenes N] [--processes P] [--out FILE.png]``.

Chi-square tests of everything that the standard recipe draws uniformly or by weight, with values that are independent,
and the share of unknown pixels.  Needs PyTorch; matplotlib for the picture.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import stats

from rfseg.datasets.workers import run_in_processes
from rfseg.synth import CLASS_LABELS, UNKNOWN, load_recipe, make_scene
from rfseg.synth.layout import LTE_WEIGHTS

CHUNK = 50
RADAR = CLASS_LABELS.index("Radar")
NARROW_RADARS = ("ntia-1", "asr-8", "asr-9", "spn-43", "wsr-88d", "marine", "dfs-1", "dfs-2", "dfs-3", "dfs-4")
RADAR_GUARD_HZ = 1e6  # that unmodulated radars keep from the band's edges
KEPT_ROWS = 0.03  # few of a scene's radar rows, so that those of one scene hardly count together
WIDE_RATE = 30e6  # Hz; from here on every LTE bandwidth may be scattered


def measure(chunk: int) -> dict[str, list[float]]:
    """Values of the scenes of a chunk, by name."""
    import torch

    torch.set_num_threads(1)
    recipe, found = load_recipe("standard"), defaultdict(list)
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        scene = make_scene(recipe, seed)
        plan, pick = scene.plan, np.random.default_rng(seed)
        found["unknown share"].append(float((scene.mask == UNKNOWN).mean()))
        for class_id, label in enumerate(CLASS_LABELS):
            found[f"{label} share"].append(float((scene.mask == class_id).mean()))
        found["duration"].append(plan.frame_duration)
        found["rate"].append(plan.samp_rate)
        rows = np.flatnonzero((scene.mask == RADAR).any(1))
        kept = rows[pick.random(rows.size) < KEPT_ROWS]
        found["radar row"] += ((kept + pick.random(kept.size)) / 256).tolist()
        for radar in plan.radars[:1]:
            found["radar SNR"].append(radar.snr_db)
            if radar.family in NARROW_RADARS and not plan.carriers:
                found["radar centre"].append(radar.center / (0.5 * plan.samp_rate - RADAR_GUARD_HZ))
        for carrier in plan.carriers[:1]:
            found["carrier start"].append(carrier.first_half_ms + carrier.lead / 0.5e-3)
            if carrier.snr_db >= recipe.snr.low and plan.layout != "adjacent":
                found["carrier SNR"].append(carrier.snr_db)
            room = 0.5 * (plan.samp_rate - carrier.width)
            if plan.layout == "scattered" and abs(carrier.center) <= room:
                found["carrier centre"].append(carrier.center / (room + carrier.spacing / 2))
            if plan.layout == "scattered" and carrier.label == "LTE" and plan.samp_rate >= WIDE_RATE:
                found["LTE bandwidth"].append(carrier.channel_mhz)
    return dict(found)


def p_value(values: list[float], low: float, high: float, bins: int = 20) -> float:
    """Of the hypothesis that the values are uniform."""
    counts, _ = np.histogram(values, bins=bins, range=(low, high))
    return float(stats.chisquare(counts).pvalue)


def weighted_p_value(values: list[float], weights: dict[float, float]) -> float:
    """Of the hypothesis that the values have these weights."""
    counts = np.array([values.count(value) for value in weights])
    expected = np.array(list(weights.values()))
    return float(stats.chisquare(counts, expected / expected.sum() * counts.sum()).pvalue)


def main() -> None:
    """Print the table, draw the histograms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found: dict[str, list[float]] = defaultdict(list)
    for part in run_in_processes(measure, list(range(options.scenes // CHUNK)), options.processes):
        for name, values in part.items():
            found[name] += values
    recipe = load_recipe("standard")
    ranges = {
        "radar row": (0, 1), "radar centre": (-1, 1), "radar SNR": recipe.radars.snr_db,
        "carrier start": (0, 20480), "carrier SNR": (recipe.snr.low, recipe.snr.high), "carrier centre": (-1, 1),
    }  # fmt: skip
    print(f"{options.scenes} scenes of the recipe standard")
    for name, (low, high) in ranges.items():
        print(f"{name:16s} uniform over {low:g} to {high:g}: n {len(found[name])}, p {p_value(found[name], low, high):.3f}")
    print(f"{'LTE bandwidth':16s} by weight: n {len(found['LTE bandwidth'])}, p {weighted_p_value(found['LTE bandwidth'], LTE_WEIGHTS):.3f}")
    print(f"{'rate':16s} by weight: p {weighted_p_value(found['rate'], dict(recipe.rates)):.3f}")
    for name in (*(f"{label} share" for label in CLASS_LABELS), "unknown share"):
        print(f"{name:16s} {np.mean(found[name]):.4f}")
    if options.out:
        draw(found, ranges, options.out)


def draw(found: dict[str, list[float]], ranges: dict[str, tuple[float, float]], path: Path) -> None:
    """Histograms of everything that is uniform, and of the bandwidths."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    axes = figure.subplots(2, 4).ravel()
    for axis, (name, (low, high)) in zip(axes, ranges.items()):
        axis.hist(found[name], bins=20, range=(low, high), color="#56B4E9", edgecolor="white")
        axis.set_title(f"{name}, p = {p_value(found[name], low, high):.2f}", fontsize=9)
    names, counts = np.unique(found["LTE bandwidth"], return_counts=True)
    axes[6].bar([f"{n:g}" for n in names], counts, color="#E69F00")
    axes[6].set_title("LTE bandwidth (MHz), rates above 30 MS/s", fontsize=9)
    axes[7].hist(found["unknown share"], bins=40, color="#808080")
    axes[7].set_yscale("log")
    axes[7].set_title(f"unknown share of a scene, mean {np.mean(found['unknown share']):.3f}", fontsize=9)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
