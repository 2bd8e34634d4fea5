"""An evaluation as text."""

from __future__ import annotations

from typing import Any, Callable, Sequence

__all__ = [
    "GROUP_TITLES",
    "band_lines",
    "bin_lines",
    "class_lines",
    "confusion_lines",
    "format_evaluation",
    "group_lines",
    "overview_lines",
    "pulse_lines",
]

Lines = list[Sequence[str]]
FormatTable = Callable[[Sequence[str], Sequence[Sequence[str]]], str]

GROUP_TITLES = {
    "by_snr": "carrier pixels by SNR in the carrier's band",
    "by_bandwidth": "carrier pixels by channel bandwidth",
    "by_frame_snr": "frames by the SNR of their weakest carrier",
    "by_total_snr": "frames by SNR over the whole band",
    "by_scene": "frames by what they hold",
    "by_duration": "frames by duration",
    "by_rate": "frames by sample rate",
}
_ON_CARRIERS = ("by_snr", "by_bandwidth")


def format_evaluation(facts: dict[str, Any], format_table: FormatTable) -> str:
    """The report of ``rfseg evaluate``.

    Parameters
    ----------
    facts : dict
        :meth:`rfseg.evaluation.Evaluation.to_json`.
    format_table : callable
        Makes text of headings and rows.
    """
    model = facts["systems"]["model"]
    parts = [
        f"{facts['model']} on {facts['frames']} of {facts['set']['frames']} frames of {facts['set']['name']}"
        f" (mask {facts['set']['mask']})",
        format_table(*overview_lines(facts)),
        f"{facts['model']}, classes\n" + format_table(*class_lines(facts["classes"], model)),
        "confusion, % of true pixels (rows: truth)\n" + format_table(*confusion_lines(facts["classes"], model)),
    ]
    for group, title in GROUP_TITLES.items():
        if model["pixels"][group]:
            parts.append(f"{title}\n" + format_table(*group_lines(facts, group)))
    if model["bands"]:
        parts.append("bands\n" + format_table(*band_lines(facts)) + rejected_line(model))
    if model["pulses"]:
        parts.append("radar pulses found, %\n" + format_table(*pulse_lines(facts)))
    if model["calibration"]["ece"] is not None:
        parts.append(f"calibration: ECE {100 * model['calibration']['ece']:.2f} %\n" + format_table(*bin_lines(model)))
    return "\n\n".join(parts)


def overview_lines(facts: dict[str, Any]) -> tuple[Sequence[str], Lines]:
    """Headings and a row for each system: its pixels in one line."""
    labels = facts["classes"]
    headings = ["System", "Accuracy (%)", "Macro (%)", "mIoU", *(f"IoU {label}" for label in labels)]
    rows = []
    for key, scores in facts["systems"].items():
        if key == "true_mask":  # right by definition
            continue
        pixels = scores["pixels"]
        row = [scores["title"], percent(pixels["accuracy"]), percent(pixels["macro_accuracy"]), ratio(pixels["mean_iou"])]
        rows.append([*row, *(ratio(pixels["classes"][label]["iou"]) for label in labels)])
    return headings, rows


def group_lines(facts: dict[str, Any], group: str) -> tuple[Sequence[str], Lines]:
    """Headings and a row for each part of a group.

    Of carrier pixels: the share under the carrier's own name, and the share that is called background.
    Of frames: accuracy and IoU.
    """
    labels, systems = facts["classes"], facts["systems"]
    model, energy = systems["model"]["pixels"][group], systems["energy_detector"]["pixels"][group]
    if group in _ON_CARRIERS:
        headings = ["", "Pixels", "Right (%)", f"as {labels[0]} (%)", "Energy detector, right (%)"]
    else:
        headings = ["", "Pixels", "Accuracy (%)", "mIoU", *(f"IoU {label}" for label in labels), "Energy detector mIoU"]
    rows = []
    for name, figures in model.items():
        row = [name, str(figures["pixels"]), percent(figures["accuracy"])]
        if group in _ON_CARRIERS:
            missed = sum(counts[0] for counts in figures["confusion"])
            row += [percent(missed / figures["pixels"]), percent(energy[name]["accuracy"])]
        else:
            row += [ratio(figures["mean_iou"]), *(ratio(figures["classes"][label]["iou"]) for label in labels)]
            row.append(ratio(energy[name]["mean_iou"]))
        rows.append(row)
    return headings, rows


def band_lines(facts: dict[str, Any]) -> tuple[Sequence[str], Lines]:
    """Headings and a row for each system and class."""
    headings = [
        "System", "Class", "Bands", "Found (%), IoU 0.5", "False a frame", "Found (%), IoU 0.75", "False a frame",
        "Wrong label (%)", "Edge error (kHz), median", "90 %",
    ]  # fmt: skip
    rows = []
    for key, scores in facts["systems"].items():
        bands = scores["bands"]
        for number, (label, figures) in enumerate(bands["classes"].items() if key != "noise" else ()):
            row = [scores["title"] if number == 0 else "", label, str(figures["bands"])]
            for threshold in ("iou_0.5", "iou_0.75"):
                row += [percent(figures[threshold]["detection"]), ratio(figures[threshold]["false_alarms_per_frame"])]
            edges = bands["edge_error_khz"]
            shared = [percent(bands["wrong_label"]["rate"]), number_or_dash(edges["median"]), number_or_dash(edges["p90"])]
            rows.append([*row, *(shared if number == 0 else ["", "", ""])])
    return headings, rows


def rejected_line(scores: dict[str, Any]) -> str:
    """What a model's thresholds of rejection do, after a line feed; empty where no band lost its name."""
    right, false = (scores["bands"]["rejected"][key] for key in ("right", "false"))
    if not right["rejected"] + false["rejected"]:
        return ""
    return (
        f"\nlabelled Unknown: {percent(right['rate'])} % of {right['bands']} right bands and {percent(false['rate'])} %"
        f" of {false['bands']} false ones, pulses among them; the table counts them under the class they resemble"
    )


def pulse_lines(facts: dict[str, Any]) -> tuple[Sequence[str], Lines]:
    """Headings and a row for each NTIA bin, family and SNR; the first for all, the last for false rows."""
    model, energy = (facts["systems"][key]["pulses"] for key in ("model", "energy_detector"))
    headings = ["", "Pulses", facts["systems"]["model"]["title"], "Energy detector"]
    rows: Lines = [["all", str(model["pulses"]), percent(model["detection"]), percent(energy["detection"])]]
    for group, prefix in (("by_ntia_bin", "NTIA bin "), ("by_family", ""), ("by_snr", "")):
        for name, figures in model[group].items():
            if group == "by_family" and name.startswith("ntia-"):  # a bin above
                continue
            title = "no NTIA bin" if prefix and name == "other" else prefix + name
            found = percent(figures["detection"]), percent(energy[group][name]["detection"])
            rows.append([title, str(figures["pulses"]), *found])
    rows.append(["false rows a frame", "", ratio(model["false_rows_per_frame"]), ratio(energy["false_rows_per_frame"])])
    return headings, rows


def percent(value: float | None) -> str:
    """A share with one decimal, without its sign."""
    return "-" if value is None else f"{100 * value:.1f}"


def ratio(value: float | None) -> str:
    """A number with three decimals."""
    return "-" if value is None else f"{value:.3f}"


def number_or_dash(value: float | None) -> str:
    """A number with one decimal."""
    return "-" if value is None else f"{value:.1f}"


def class_lines(labels: Sequence[str], scores: dict[str, Any]) -> tuple[Sequence[str], Lines]:
    """Headings and a row for each class."""
    by_class = scores["pixels"]["classes"]
    rows = [[label, *(ratio(by_class[label][key]) for key in ("iou", "precision", "recall", "f1"))] for label in labels]
    return ["Class", "IoU", "Precision", "Recall", "F1"], rows


def confusion_lines(labels: Sequence[str], scores: dict[str, Any]) -> tuple[Sequence[str], Lines]:
    """Headings and a row for each true class: where its pixels went."""
    rows = []
    for label, counts in zip(labels, scores["pixels"]["confusion"], strict=True):
        rows.append([label, *(percent(count / sum(counts) if sum(counts) else None) for count in counts), str(sum(counts))])
    return ["", *labels, "Pixels"], rows


def bin_lines(scores: dict[str, Any]) -> tuple[Sequence[str], Lines]:
    """Headings and a row for each bin of confidence that holds pixels."""
    rows = [
        [f"{b['low']:.3f} to {b['high']:.3f}", str(b["pixels"]), percent(b["confidence"]), percent(b["accuracy"])]
        for b in scores["calibration"]["bins"]
        if b["pixels"]
    ]
    return ["Confidence", "Pixels", "Mean (%)", "Right (%)"], rows
