"""The report of ``rfseg bench`` as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping

from ..atomic import replacing
from ..colours import CLASS_COLOURS
from ..picture import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["save_plot"]

_BLUE, _ORANGE, _PINK, _GREEN = CLASS_COLOURS[:4]
_GREY = "#808080"
_INCHES, _DPI = (6.4, 3.6), 110  # of one panel


def save_plot(path: Path, report: Mapping[str, Any]) -> bool:
    """Draw the sections that were measured; False where none has anything to draw.

    Raises
    ------
    BackendUnavailableError
        If Matplotlib is missing.
    RecordingError
        If the file cannot be written.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    draws: dict[str, Callable[[Axes, Mapping[str, Any]], None]] = {
        "spectrogram": _draw_spectrogram,
        "inference": _draw_inference,
        "lossless": _draw_lossless,
        "live": _draw_live,
        "process": _draw_process,
    }
    found = [(draws[name], figures) for name, figures in report["sections"].items()]
    if not found:
        return False
    figure = Figure(figsize=(2 * _INCHES[0], -(-len(found) // 2) * _INCHES[1]), dpi=_DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    machine = report["machine"]
    figure.suptitle(f"{machine['processor']}, {machine['cores']} cores, {machine['time']}", fontsize=9)
    for number, (draw, figures) in enumerate(found, 1):
        axes = figure.add_subplot(-(-len(found) // 2), 2, number)
        draw(axes, figures)
        axes.grid(axis="y", alpha=0.3)
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            canvas.print_png(file)
    return True


def _draw_spectrogram(axes: Axes, figures: Mapping[str, Any]) -> None:
    rows = [row for row in figures["rows"] if row["item_type"] == figures["rows"][0]["item_type"]]
    series = (("block", "block", _BLUE), ("gnuradio", "GNU Radio's chain", _ORANGE), ("bound", "bound", _GREY))
    _bars(
        axes,
        [str(row["bins"]) for row in rows],
        [(label, colour, [row["core"][name] for row in rows]) for name, label, colour in series],
    )
    axes.set(title=f"Spectrogram, {rows[0]['item_type']}, hop = bins", xlabel="bins", ylabel="MS/s per core")


def _draw_inference(axes: Axes, figures: Mapping[str, Any]) -> None:
    rows = figures["rows"]
    names = [f"{r['model']} {r['provider']}\n{r['threads']} thr, batch {r['batch']}, {r['bins']}" for r in rows]
    places = range(len(rows))
    axes.barh(places, [row["ms"]["p50"] for row in rows], color=[_ORANGE if r["provider"] == "pytorch" else _BLUE for r in rows])
    axes.scatter([row["ms"]["p99"] for row in rows], places, marker="|", s=60, color="black", label="p99")
    axes.set_yticks(places, names, fontsize=max(3, min(7, 90 // len(rows))))
    axes.invert_yaxis()
    axes.set(title="Inference", xlabel="ms, p50")
    axes.legend(fontsize=7)


def _draw_lossless(axes: Axes, figures: Mapping[str, Any]) -> None:
    rows = figures["rows"]
    _bars(axes, [_case(row) for row in rows], [("chain", _BLUE, [row["times_real_time"] for row in rows])])
    axes.axhline(1.0, color=_GREY, linestyle="--")
    axes.set(title="Whole chain, lossless", ylabel="times real time")


def _draw_live(axes: Axes, figures: Mapping[str, Any]) -> None:
    rows = figures["rows"]
    places = range(len(rows))
    for shift, (name, label, colour) in ((-0.2, ("to_message", "to message", _PINK)), (0.2, ("to_tag", "to tag", _GREEN))):
        values = [row[name] or {"p50": 0.0, "p99": 0.0} for row in rows]
        axes.bar([x + shift for x in places], [v["p50"] for v in values], 0.4, color=colour, label=f"{label}, p50")
        axes.scatter([x + shift for x in places], [v["p99"] for v in values], marker="_", color="black")
    names = [f"{_case(row)}\n{100 * row['dropped'] / max(1, row['frames']):.0f} % dropped" for row in rows]
    axes.set_xticks(places, names, fontsize=6)
    axes.set(title="Live: latency (dash: p99)", ylabel="ms")
    axes.legend(fontsize=7)


def _draw_process(axes: Axes, figures: Mapping[str, Any]) -> None:
    rows = figures["rows"]
    places = range(len(rows))
    axes.plot(places, [row["wait"]["p99"] for row in rows], "o-", color=_PINK, label="late in the process, p99")
    axes.plot(places, [row["wait_alone"]["p99"] for row in rows], "o--", color=_GREY, label="late elsewhere, p99")
    axes.set_xticks(places, [row["stage"] for row in rows], fontsize=7)
    axes.set(title="One process, one interpreter lock", ylabel="ms", xlabel="chain up to")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)


def _bars(axes: Axes, names: list[str], series: list[tuple[str, str, list[Mapping[str, Any]]]]) -> None:
    width = 0.8 / len(series)
    for number, (label, colour, figures) in enumerate(series):
        at = [x + (number - (len(series) - 1) / 2) * width for x in range(len(names))]
        medians = [f["median"] for f in figures]
        errors = [[f["median"] - f["low"] for f in figures], [f["high"] - f["median"] for f in figures]]
        axes.bar(at, medians, width, yerr=errors, capsize=2, color=colour, label=label)
    axes.set_xticks(range(len(names)), names, fontsize=7 if len(names) < 6 else 6)
    if len(series) > 1:
        axes.legend(fontsize=7)


def _case(row: Mapping[str, Any]) -> str:
    more = f"\n{row['channels']} ch" if row["channels"] > 1 else f"\n{row['threads']} thr" if row["threads"] > 1 else ""
    return f"{row['samp_rate'] / 1e6:g} MS/s\n{row['frame_duration'] * 1e3:.3g} ms{more}"
