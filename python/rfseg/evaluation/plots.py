"""Plots of an evaluation, as PNG; Matplotlib draws."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Mapping, Sequence

import numpy as np

from ..colours import NOT_INFERRED_COLOUR, class_colour, class_table
from ..geometry import Reduction
from .frames import JudgedFrame
from .measuring import WorstFrame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

__all__ = ["class_key", "draw_detection", "draw_frame", "draw_pixels", "draw_reliability", "draw_worst", "to_png"]

_DPI = 90
_SYSTEM_COLOURS = {
    "model": "#0072B2", "energy_detector": "#E69F00", "noise": "#999999", "prior": "#CC79A7", "scene_prior": "#56B4E9",
}  # fmt: skip
_POWER_PERCENTILES = (1.0, 99.5)  # of the pixels: the ends of the power scale
_BACKGROUND = "#181820"


def to_png(figure: Figure) -> bytes:
    """The picture as a file holds it."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def draw_pixels(facts: dict[str, Any]) -> Figure:
    """Confusion of the model, and IoU of each class for each system.

    Parameters
    ----------
    facts : dict
        :meth:`rfseg.evaluation.Evaluation.to_json`.
    """
    figure = _figure(10.5, 3.9)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    labels = facts["classes"]
    counts = np.array(facts["systems"]["model"]["pixels"]["confusion"], float)
    shares = np.divide(counts, counts.sum(1, keepdims=True), out=np.zeros_like(counts), where=counts.sum(1, keepdims=True) > 0)
    left.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.5 else "black"
        left.text(column, row, f"{100 * share:.1f}", ha="center", va="center", color=colour, fontsize=9)
    left.set_xticks(range(len(labels)), labels)
    left.set_yticks(range(len(labels)), labels)
    left.set(xlabel="Assigned", ylabel="Truth", title="% of true pixels")
    names = ["mean", *labels]
    shown = [key for key in _SYSTEM_COLOURS if key in facts["systems"]]
    width = 0.81 / len(shown)
    for number, key in enumerate(shown):
        scores = facts["systems"][key]
        pixels = scores["pixels"]
        values = [pixels["mean_iou"], *(pixels["classes"][label]["iou"] for label in labels)]
        place = np.arange(len(names)) + width * (number - (len(shown) - 1) / 2)
        right.bar(place, [v or 0.0 for v in values], 0.93 * width, color=_SYSTEM_COLOURS[key], label=scores["title"])
    right.set_xticks(range(len(names)), names)
    right.set(ylabel="IoU", ylim=(0, 1))
    _legend(right)
    return figure


def draw_detection(facts: dict[str, Any]) -> Figure:
    """What is found by SNR: carrier pixels, carriers, pulses; and pulses by NTIA bin."""
    figure = _figure(10.5, 6.6)
    parts = (
        ("Carrier pixels with the right name, by SNR", "pixels", "by_snr", "accuracy"),
        ("Carriers found (IoU 0.5), by SNR", "bands", "by_snr", "detection"),
        ("Radar pulses found, by SNR", "pulses", "by_snr", "detection"),
        ("Radar pulses found, by NTIA bin", "pulses", "by_ntia_bin", "detection"),
    )
    for axes, (title, part, group, figure_name) in zip(figure.subplots(2, 2).flat, parts, strict=True):
        for number, key in enumerate(("model", "energy_detector")):
            scores = facts["systems"][key]
            table = scores[part][group] if scores[part] else {}
            values = [100 * (line[figure_name] or 0.0) for line in table.values()]
            place = np.arange(len(values)) + 0.4 * (number - 0.5)
            axes.bar(place, values, 0.38, color=_SYSTEM_COLOURS[key], label=scores["title"])
            axes.set_xticks(range(len(values)), list(table), fontsize=8, rotation=20)
        axes.set_title(title, fontsize=10)
        axes.set(ylabel="%", ylim=(0, 100))
    _legend(figure.axes[0])
    return figure


def draw_reliability(facts: dict[str, Any]) -> Figure:
    """Share of pixels that are right by confidence, and how many pixels have it."""
    figure = _figure(5.4, 5.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    table = facts["systems"]["model"]["calibration"]["bins"]
    filled = [b for b in table if b["pixels"]]
    upper.plot([0, 1], [0, 1], color="#999999", linestyle="--", label="what it should be")
    upper.plot(
        [b["confidence"] for b in filled], [b["accuracy"] for b in filled], "o-", color=_SYSTEM_COLOURS["model"],
        label=facts["model"],
    )  # fmt: skip
    upper.set(ylabel="Share of pixels that are right", xlim=(0, 1), ylim=(0, 1))
    _legend(upper)
    middles = [(b["low"] + b["high"]) / 2 for b in table]
    lower.bar(middles, [b["pixels"] for b in table], 0.9 / len(table), color=_SYSTEM_COLOURS["model"])
    lower.set(xlabel="Confidence", ylabel="Pixels", yscale="log")
    return figure


def draw_worst(worst: WorstFrame, labels: Sequence[str]) -> Figure:
    """Rows, truth and prediction of a frame side by side; frequency to the right, time downwards."""
    figure = _figure(12.0, 3.4)
    parts = figure.subplots(1, 3, sharex=True, sharey=True)
    draw_frame(parts, worst.frame, {"prediction": worst.mask}, labels)
    for axes in parts:
        axes.set_xlabel("MHz from the centre", fontsize=8)
    parts[0].set_ylabel("ms", fontsize=8)
    parts[2].legend(handles=class_key(labels), loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    return figure


def draw_frame(parts: Sequence[Axes], frame: JudgedFrame, masks: Mapping[str, np.ndarray], labels: Sequence[str]) -> None:
    """Rows, truth and masks of a frame, each with its title, in MHz and ms.

    Parameters
    ----------
    parts : sequence of Axes
        Two more than there are masks.
    masks : dict of uint8 ``(T, F)``
        By title.
    """
    geometry = frame.geometry
    half = geometry.samp_rate / 2e6
    place = {"extent": (-half, half, geometry.frame_duration * 1e3, 0.0), "aspect": "auto", "interpolation": "nearest"}
    channel = geometry.reductions.index(Reduction.MAX) if Reduction.MAX in geometry.reductions else 0
    low, high = np.percentile(frame.rows[channel], _POWER_PERCENTILES)
    parts[0].imshow(frame.rows[channel], cmap="viridis", vmin=low, vmax=max(high, low + 1.0), **place)
    colours = class_table(len(labels), background=_BACKGROUND)
    for axes, mask in zip(parts[1:], (frame.truth, *masks.values()), strict=True):
        axes.imshow(colours[mask], **place)
    for axes, title in zip(parts, (f"rows ({geometry.reductions[channel].value})", "truth", *masks), strict=True):
        axes.set_title(title, fontsize=9)
        axes.tick_params(labelsize=7)


def class_key(labels: Sequence[str]) -> list[Patch]:
    """What the colours of masks mean, as the handles of a legend."""
    from matplotlib.patches import Patch

    colours = [_BACKGROUND, *map(class_colour, range(1, len(labels)))]
    entries = [*zip(labels, colours, strict=True), ("unknown", NOT_INFERRED_COLOUR)]
    return [Patch(facecolor=colour, label=label) for label, colour in entries]


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")


def _legend(axes: Axes) -> None:
    axes.legend(fontsize=8, frameon=False)
