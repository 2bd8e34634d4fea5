"""The report of ``rfseg bench`` as Markdown: tables that are read on a terminal and pasted into a document."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

__all__ = ["format_report", "markdown_table"]

_MAIN_THREADS = 4  # of a chain that are named; the others are in the sum


def format_report(report: Mapping[str, Any]) -> str:
    """All sections that were measured."""
    parts = [_machine(report["machine"], report["plan"])]
    formats = {
        "spectrogram": _spectrogram,
        "inference": _inference,
        "lossless": _lossless,
        "live": _live,
        "process": _process,
    }
    for name, figures in report["sections"].items():
        load = f"Load average {_number(figures['load_before'], 2)} before, {_number(figures['load_after'], 2)} after"
        parts.append(f"{formats[name](figures, report['plan'])}\n\n{load}; {figures['took']:.0f} s.")
    for name, reason in report["left_out"].items():
        parts.append(f"**{name}** is left out: {reason}")
    return "\n\n".join(parts)


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right_from: int = 1) -> str:
    """Columns as wide as their content; those from ``right_from`` on flush right."""
    widths = [max(3, *(len(line[i]) for line in (headings, *rows))) for i in range(len(headings))]
    rule = ["-" * (w - 1) + ":" if i >= right_from else "-" * w for i, w in enumerate(widths)]
    lines = []
    for line in (headings, rule, *rows):
        cells = (cell.rjust(w) if i >= right_from else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths)))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _machine(machine: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {machine[name]}" for name in ("rfseg", "python", "numpy", "onnxruntime"))
    return (
        f"{machine['time']}: {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, governor"
        f" {machine['governor']}; {machine['system']}; {packages}.\n"
        f"Chain: model {plan['model']}, {plan['samp_rate'] / 1e6:g} MS/s, frames of {plan['frame_duration'] * 1e3:g} ms."
        f" Each figure is the median of {plan['repeats']} rounds (least to greatest) unless stated; what is compared is"
        " measured in turns, and a ratio is the median of the rounds' ratios."
    )


def _spectrogram(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    rows = []
    for row in figures["rows"]:
        wall, core, ratios = row["wall"], row["core"], row["ratios"]
        rows.append(
            (
                f"{row['bins']}", row["item_type"],
                _spread(wall["block"]), _spread(wall["block_overlapped"]), _spread(wall["gnuradio"]),
                _spread(core["block"]), _spread(core["block_overlapped"]), _spread(core["gnuradio"]),
                _spread(core["bound"]), _spread(core["bound_overlapped"]),
                _ratio(ratios["block_to_gnuradio_wall"]), _ratio(ratios["block_to_gnuradio_core"]),
                _ratio(ratios["block_to_bound"]), _ratio(ratios["overlapped_to_bound"]),
            )
        )  # fmt: skip
    speeds = markdown_table(
        (
            "Bins", "Items", "block", "block, hop 15/32", "GNU Radio", "block, core", "hop 15/32, core", "GNU Radio, core",
            "bound, core", "bound, hop 15/32",
        ),
        [row[:10] for row in rows], right_from=2,
    )  # fmt: skip
    ratios = markdown_table(
        ("Bins", "Items", "block / GNU Radio", "the same, per core", "block / bound", "hop 15/32 / its bound"),
        [row[:2] + row[10:] for row in rows],
        right_from=2,
    )
    means = figures["rows"][0]["bound_means"]
    return (
        f"### Spectrogram\nMS/s in a flowgraph, by the clock; *core*: per second of processor time of all its threads but source"
        f" and sink. The block reduces 40 segments (19 where hop = bins) by mean and max to a row in dB; GNU Radio {figures['gnuradio']}:"
        " stream_to_vector, fft_vcc with a Hann window, complex_to_mag_squared, nlog10_ff, a row for each segment (from integers"
        " after a conversion). Hop = bins but where 15/32 of them is stated, the default. Bound: window, FFT, squared magnitude"
        f" and sum of complex64 on one core without a framework ({means}; larger FFTs in smaller batches)."
        f"\n\n{speeds}\n\n{ratios}"
    )


def _inference(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    rows = [
        (
            row["model"], row["precision"], row["provider"], str(row["threads"]), str(row["batch"]),
            f"{row['rows']} x {row['bins']}", *(_number(row["ms"][p], 2) for p in ("p50", "p95", "p99")),
            _number(row["ms"]["p50"] / row["batch"], 2),
            _ratio(row["pytorch_to_this"]) if "pytorch_to_this" in row else "-",
        )
        for row in figures["rows"]
    ]  # fmt: skip
    table = markdown_table(
        (
            "Model", "Precision", "Provider", "Threads", "Batch", "Frame", "p50 (ms)", "p95 (ms)", "p99 (ms)",
            "p50 a frame (ms)", "PyTorch / this",
        ),
        rows, right_from=3,
    )  # fmt: skip
    torch = "the same network in PyTorch eager, from rows to mask" if figures["pytorch"] else "PyTorch was not at hand"
    return (
        f"### Inference\nUp to {figures['rows'][0]['ms']['n']} inferences for each line, fewer of slow models, by the clock; providers found:"
        f" {', '.join(figures['providers'])}; {torch}.\n\n{table}"
    )


def _lossless(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    rows = [
        (
            *_case(row), _spread(row["rate"]), _spread(row["times_real_time"], 2), _cores(row["cores"]),
            _number(row["memory"].get("peak"), 0), _main_threads(row["cores"]),
        )
        for row in figures["rows"]
    ]  # fmt: skip
    table = markdown_table(
        (*_CASE, "MS/s", "times real time", "Cores busy", "Memory (MiB)", "Busiest threads (cores)"), rows
    )
    return (
        "### Whole chain, lossless\nRF Segmenter in mode lossless behind a source that is always ready: spectrogram, inference,"
        f" bands, tracker, tagger. MS/s of all channels together.\n\n{table}"
    )


def _live(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    rows = []
    for row in figures["rows"]:
        tag, message, lag = row["to_tag"], row["to_message"], row["lag"]
        rows.append(
            (
                *_case(row), str(row["frames"]), str(row["inferred"]), str(row["skipped"]), str(row["dropped"]), str(row["late"]),
                _percentiles(tag), _percentiles(message), _number(lag and lag["max"], 1), str(row["overruns"]),
                _cores(row["cores"]), f"{row['memory']['first']:.0f} to {row['memory']['last']:.0f}",
            )
        )  # fmt: skip
    table = markdown_table(
        (
            *_CASE, "Frames", "Inferred", "Skipped", "Dropped", "Late bands", "To tag, p50 / p99 (ms)", "To message, p50 / p99 (ms)",
            "Source late (ms)", "Overruns", "Cores busy", "Memory (MiB)",
        ),
        rows,
    )  # fmt: skip
    busiest = _main_threads(figures["rows"][0]["cores"], 8)
    return (
        f"### Whole chain, live\n{plan['seconds']:g} s each, behind a source paced by the clock, as a radio is. *To tag*, *to"
        " message*: from the moment at which the last sample of a frame was due at the source. *Source late*: the longest time"
        " by which it could not deliver what was due; *overruns*: times at which that was more than 50 ms. *Memory*: after a tenth of"
        " the run, and at its end.\n\n"
        f"{table}\n\nThreads of the first line (cores): {busiest}."
    )


def _process(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    rows = [
        (
            row["stage"], _cores(row["cores"]), _percentiles(row["wait"], 2), _percentiles(row["wait_alone"], 2),
            _number(row["lag"] and row["lag"]["max"], 1), str(row.get("dropped", "-")), _number(row["memory"].get("now"), 0),
            _main_threads(row["cores"]),
        )
        for row in figures["rows"]
    ]  # fmt: skip
    table = markdown_table(
        (
            "Up to", "Cores busy", "Late in it, p50 / p99 (ms)", "Late elsewhere, p50 / p99 (ms)", "Source late (ms)",
            "Dropped", "Memory (MiB)", "Busiest threads (cores)",
        ),
        rows,
    )  # fmt: skip
    return (
        "### One process, one interpreter lock\nThe chain live, one block more in each line. *Late*: how much later than asked"
        " for a Python thread goes on after a sleep of 2 ms, in that process and at the same time in one of its own; the"
        f" difference is the wait for the interpreter lock.\n\n{table}"
    )


_CASE = ("Case", "MS/s in", "Bins", "Frame (ms)", "Channels", "Threads")


def _case(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["why"], f"{row['samp_rate'] / 1e6:g}", str(row["bins"]), f"{row['frame_duration'] * 1e3:.3g}",
        str(row["channels"]), str(row["threads"]),
    )  # fmt: skip


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _spread(figures: Mapping[str, Any], digits: int | None = None) -> str:
    def text(value: float) -> str:
        return f"{value:.{digits}f}" if digits is not None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"

    return f"{text(figures['median'])} ({text(figures['low'])} to {text(figures['high'])})"


def _ratio(figures: Mapping[str, Any]) -> str:
    return _spread(figures, 2)


def _percentiles(figures: Mapping[str, Any] | None, digits: int = 1) -> str:
    return "-" if figures is None else f"{figures['p50']:.{digits}f} / {figures['p99']:.{digits}f}"


def _cores(cores: Mapping[str, float]) -> str:
    return f"{sum(cores.values()):.2f}"


def _main_threads(cores: Mapping[str, float], count: int = _MAIN_THREADS) -> str:
    busiest = sorted(cores.items(), key=lambda entry: -entry[1])[:count]
    return ", ".join(f"{name} {share:.2f}" for name, share in busiest)
