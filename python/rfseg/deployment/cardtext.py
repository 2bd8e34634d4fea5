"""The text of a model's card."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..contract import Contract

__all__ = ["format_card"]

_STORED = {
    "fp32": "fp32",
    "fp16": "fp16 (weights of convolutions stored so, computed in fp32)",
    "int8": "int8 (convolutions; all else in fp32)",
}


def format_card(contract: Contract, *, size: int) -> str:
    """The card as Markdown.

    Parameters
    ----------
    size : int
        Of the model file, bytes.
    """
    parts = [_head(contract), _table(contract, size), _trained(contract), _confidence(contract), _figures(contract)]
    parts += [_speed(contract), _use(contract)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(contract: Contract) -> str:
    reason = contract.training.get("unfinished") or _cut_short(contract.training)
    warning = f"**Not trained to the end**: {reason}. Its figures are those of an unfinished network.\n\n" if reason else ""
    labels = f"{', '.join(contract.labels[:-1])} or {contract.labels[-1]}"
    return (
        f"# {contract.name}\n\n{warning}Labels every pixel of a spectrogram as {labels}, at"
        f" {_span(contract.samp_rate_range, 1e-6)} MS/s, in frames of {_span(contract.frame_duration_range, 1e3)} ms."
        f" Licence of the weights: {contract.licence}. The file carries its contract: all that is said here is in its metadata."
    )


def _cut_short(training: Mapping[str, Any]) -> str:
    """Why a run is not what its recipe asks for; empty where it is, or nobody knows."""
    stop = (training.get("recipe") or {}).get("stop") or {}
    for key, done, unit in (("minutes", "minutes", "minutes"), ("steps", "step", "steps")):
        wanted, reached = stop.get(key), training.get(done)
        if wanted and reached is not None and reached < 0.98 * wanted:
            return f"{reached:g} of the {wanted:g} {unit} of its recipe"
    return ""


def _table(contract: Contract, size: int) -> str:
    training = contract.training
    network = training.get("network", "?")
    if "parameters" in training:
        network += f", {training['parameters']:_} parameters".replace("_", " ")
    if "gmac" in training:
        network += f", {training['gmac']:g} GMAC for a frame of 256 x 256"
    channels = ", ".join(r.value for r in contract.reductions)
    pictures = contract.published is not None
    inside = "scaling to levels and colours" if pictures else "noise reference, scaling, padding"
    temperature = contract.calibration.get("temperature")
    lines = [
        ("Network", network),
        ("File", f"{size / 1e6:.1f} MB, {_STORED[contract.precision]}"),
        ("Input", f"rows in dBFS, float32 `(N, {len(contract.reductions)}, {contract.rows}, F)`: {channels}"),
        ("Output", f"`mask` and `confidence`, uint8 `(N, {contract.rows}, F)`; confidence 255 = probability 1"),
        ("Inside the graph", f"{inside}, network, {'' if temperature is None else f'temperature {temperature:.3g}, '}softmax"),
        ("Classes", ", ".join(f"{i} {label}" for i, label in enumerate(contract.labels))),
        ("Frames", f"{contract.default_frame_duration * 1e3:g} ms unless asked otherwise"),
    ]
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | {text} |" for name, text in lines)


def _trained(contract: Contract) -> str:
    training, recipe = contract.training, contract.training.get("recipe") or {}
    if not recipe:
        return ""
    scenes = (recipe.get("scenes") or {}).get("name") or "its recipe"
    facts = []
    if training.get("scenes") is not None:
        facts.append(f"{training['scenes']} made-up scenes of the law `{scenes}` ([scenes](../docs/scenes.md))")
    for key, unit in (("images", "frames or parts of frames"), ("step", "steps")):
        if training.get(key) is not None:
            facts.append(f"{training[key]} {unit}")
    if training.get("minutes") is not None:
        facts.append(f"{training['minutes']:.3g} minutes on {training.get('hardware', 'hardware that nobody noted')}")
    name, network, seed = recipe.get("name", "rfseg"), training.get("network", "rf-segmenter"), recipe.get("seed", 0)
    started = f" The run started from {training['started']}." if training.get("started") else ""
    first = " --init WEIGHTS" if started else ""
    precision = f" --precision {training['precision']}" if training.get("precision", "32") != "32" else ""
    folder = f"runs/{contract.name}"
    lost = (contract.calibration.get("reject") or {}).get("lost")
    export = f"rfseg export {folder}/last.pt --out models/{contract.name}.onnx --precision {contract.precision}"
    return (
        f"## Trained\n{'; '.join(facts)}. Seed {seed}, code of commit {training.get('commit', 'unknown')}. No recording of a real"
        f" signal was used for training, calibration or selection.{started}\n\n```\n"
        f"rfseg train {name} --network {network} --seed {seed} --minutes {training.get('minutes', 0):.3g}"
        f"{precision}{first} --out {folder}\n"
        f"{export}{'' if lost is None else f' --lost {lost:g}'}\n```"
    )


def _confidence(contract: Contract) -> str:
    calibration = contract.calibration
    lines = []
    softmax = calibration.get("softmax")
    if softmax:
        lines.append(
            f"- The temperature was fitted on {softmax['scenes']} held-out scenes (seeds from {softmax['first_seed']}): expected"
            f" calibration error {_percent(softmax['ece_before'])} before, {_percent(softmax['ece_after'])} after."
        )
    integers = calibration.get("int8")
    if integers:
        kept = len(integers["in_fp32"])
        lines.append(
            f"- Integer scales come from {integers['scenes']} scenes (seeds from {integers['first_seed']}); {kept} of"
            f" {integers['layers']} convolutions stay in fp32; {_percent(integers['agreement'])} of the pixels are as in fp32."
        )
    reject = calibration.get("reject")
    if reject:
        thresholds = ", ".join(f"{label} {value:.3f}" for label, value in contract.reject_below.items()) or "none"
        lines.append(
            f"- Bands below these confidences are labelled Unknown: {thresholds}. Fitted on {reject['strange_scenes']} scenes of the"
            f" law `ood` (other seeds than the frozen set) and {reject['noise_scenes']} with other emitters alone, to cost at most"
            f" {_percent(reject['lost'])} of the right bands of a class. On scenes that the thresholds were not fitted on:"
        )
        rows = [
            (label, str(c["right"]), _share(c["right_kept"], c["right"]), str(c["false"]), _share(c["false_rejected"], c["false"]))
            for label, c in reject["classes"].items()
        ]
        lines.append("\n" + _markdown(("Class", "Right bands", "keep their name", "False bands", "lose it"), rows))
        if reject.get("band_ece") is not None:
            lines.append(f"\nConfidence of bands and share of right ones: {_percent(reject['band_ece'])} apart on the mean.")
    return "## Confidence\n" + "\n".join(lines) if lines else ""


def _figures(contract: Contract) -> str:
    sets = {name: facts for name, facts in contract.metrics.items() if isinstance(facts, dict) and "mean_iou" in facts}
    if not sets:
        return "## Reaches\nNot measured yet: `rfseg evaluate`, then `rfseg card --evaluation`." if contract.training else ""
    return "## Reaches\n" + "\n\n".join(_set(name, facts, contract.labels) for name, facts in sets.items())


def _set(name: str, facts: Mapping[str, Any], labels: Sequence[str]) -> str:
    rows = [
        ("IoU", *(_number(facts["iou"].get(label)) for label in labels), f"**{_number(facts['mean_iou'])}**"),
        ("recall", *(_number(facts["recall"].get(label)) for label in labels), ""),
    ]
    energy = facts.get("energy_detector")
    beside = f" (energy detector {_percent(energy['accuracy'])}, mIoU {_number(energy['mean_iou'])})" if energy else ""
    parts = [
        f"`rfseg evaluate {{model}} --on sets/{name}`, {facts['frames']} frames: pixel accuracy"
        f" {_percent(facts['accuracy'])}{beside}.",
        _markdown(("", *labels, "mean"), rows),
    ]
    for key, title in (("by_snr", "Right carrier pixels by SNR"), ("by_frame_snr", "mIoU by the weakest carrier of the frame")):
        if facts.get(key):
            show = _percent if key == "by_snr" else _number
            parts.append(f"{title}: " + "; ".join(f"{n} {show(v)}" for n, v in _in_order(facts[key])) + ".")
    if facts.get("by_duration"):
        parts.append("mIoU by duration: " + "; ".join(f"{n} {_number(v)}" for n, v in _in_order(facts["by_duration"])) + ".")
    if facts.get("bands"):
        found = [(n, str(b["bands"]), _percent(b["detection"]), _number(b["false_alarms_per_frame"])) for n, b in facts["bands"].items()]
        parts.append(_markdown(("Bands, IoU 0.5", "Number", "Found", "False a frame"), found))
        error = facts.get("edge_error_khz")
        parts.append(
            f"Wrong label on {_percent(facts['wrong_label'])} of the bands that are in the right place;"
            f" edges {'not measured' if error is None else f'{error:.0f} kHz off in the median'}."
        )
    if facts.get("pulses"):
        pulses = facts["pulses"]
        parts.append(
            f"Radar pulses: {_percent(pulses['detection'])} of {pulses['pulses']} found,"
            f" {_number(pulses['false_rows_per_frame'])} false rows a frame."
        )
    if facts.get("ece") is not None:
        parts.append(f"Expected calibration error {_percent(facts['ece'])}.")
    return f"### {name}\n" + "\n\n".join(parts).replace("{model}", "MODEL")


def _speed(contract: Contract) -> str:
    speed = contract.metrics.get("speed")
    if not speed:
        return ""
    rows = [(bins, f"{t['median_ms']:.1f}", f"{t['least_ms']:.1f}") for bins, t in speed["bins"].items()]
    return (
        f"## Speed\nONNX Runtime, {speed['threads']} thread of {speed['processor']}, one frame of 256 rows.\n\n"
        + _markdown(("Bins", "Median (ms)", "Least (ms)"), rows)
    )


def _use(contract: Contract) -> str:
    return (
        "## Use and limits\n"
        f"For finding {', '.join(contract.labels[1:])} in IQ of one receiver, as a help for people and programs that can bear a wrong"
        " answer. Not for decisions on safety, on interference with services that protect life, or on evidence against anyone.\n\n"
        "- Trained on made-up scenes only; what the law of the scenes does not hold, the network has never seen"
        " ([scenes](../docs/scenes.md)).\n"
        "- Everything that is neither of the classes is to be called"
        f" {contract.labels[0]}; emitters that resemble a carrier can be taken for one, and figures above say how often.\n"
        "- Edges come from power where rows are at hand; in the mask alone they are no finer than a bin."
    )


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _span(limits: tuple[float, float], factor: float) -> str:
    low, high = limits[0] * factor, limits[1] * factor
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(part: int, whole: int) -> str:
    return _percent(part / whole if whole else None)


def _in_order(groups: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Groups by the first number in their names, as a file has them by the letters: ``below 5 dB``, ``5 to 10 dB``, ``at least 5 dB``."""
    words = ("below", "", "above", "at least")

    def place(name: str) -> tuple[bool, float, int]:
        number = re.search(r"-?\d+(\.\d+)?", name)
        word = next((w for w in words if w and name.startswith(w)), "")
        return word == "at least", float(number[0]) if number else math.inf, words.index(word)

    return sorted(groups.items(), key=lambda group: place(group[0]))
