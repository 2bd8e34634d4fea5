"""An evaluation as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any, Sequence

from ..atomic import replacing
from ..picture import require_matplotlib
from . import plots, summary
from .measuring import Evaluation, WorstFrame

__all__ = ["make_page", "save_page"]

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: .6rem 0 1.4rem; font-size: 13px; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
th { background: #f3f3f3; }
img { max-width: 100%; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
figure { margin: 0 0 1.2rem; } figcaption { font-size: 13px; color: #555; }
"""


def save_page(path: Path, evaluation: Evaluation) -> None:
    """Write the report; the file appears complete or not at all.

    Raises
    ------
    BackendUnavailableError
        If Matplotlib is not installed.
    RecordingError
        If the file cannot be written.
    """
    require_matplotlib()
    page = make_page(evaluation)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def make_page(evaluation: Evaluation) -> str:
    """The HTML text, with its pictures inside."""
    facts = evaluation.to_json()
    model = facts["systems"]["model"]
    title = f"{facts['model']} on {facts['set']['name']}"
    parts = [
        f"<p>{facts['frames']} of {facts['set']['frames']} frames, mask <i>{escape(facts['set']['mask'])}</i>."
        " What each figure means is in docs/evaluation.md of rfseg.</p>",
        _section("Systems", _table(*summary.overview_lines(facts))),
        _section("Classes", _image(plots.draw_pixels(facts)) + _table(*summary.class_lines(facts["classes"], model))),
    ]
    if model["bands"]:
        parts.append(_section("Detection", _image(plots.draw_detection(facts))))
        parts.append(_section("Bands", _table(*summary.band_lines(facts)) + f"<p>{escape(summary.rejected_line(model))}</p>"))
    if model["pulses"]:
        parts.append(_section("Radar pulses found, %", _table(*summary.pulse_lines(facts))))
    for group, heading in summary.GROUP_TITLES.items():
        if model["pixels"][group]:
            parts.append(_section(heading[0].upper() + heading[1:], _table(*summary.group_lines(facts, group))))
    if model["calibration"]["ece"] is not None:
        text = f"<p>Expected calibration error {100 * model['calibration']['ece']:.2f} %.</p>"
        parts.append(_section("Calibration", text + _image(plots.draw_reliability(facts)) + _table(*summary.bin_lines(model))))
    if evaluation.worst:
        figures = "".join(_worst(frame, evaluation.labels) for frame in evaluation.worst)
        parts.append(_section(f"The {len(evaluation.worst)} worst frames", figures))
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = f"<h1>{escape(title)}</h1>" + "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _section(heading: str, content: str) -> str:
    return f"<h2>{escape(heading)}</h2>\n{content}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _image(figure: Any) -> str:
    data = base64.b64encode(plots.to_png(figure)).decode("ascii")
    return f'<img alt="" src="data:image/png;base64,{data}">'


def _worst(worst: WorstFrame, labels: Sequence[str]) -> str:
    facts = worst.to_json()
    seed = "" if facts["seed"] is None else f", seed {facts['seed']}"
    caption = (
        f"item {facts['item']}{seed}: {facts['samp_rate'] / 1e6:g} MS/s, {facts['frame_duration'] * 1e3:g} ms,"
        f" {100 * worst.accuracy:.1f} % of the pixels right"
    )
    return f"<figure>{_image(plots.draw_worst(worst, labels))}<figcaption>{escape(caption)}</figcaption></figure>"
