"""Text tables, and the table of bands."""

from __future__ import annotations

from typing import Sequence

from ..bands.groups import BandGroup

__all__ = ["format_bands", "format_table"]

_HEADINGS = (
    "Label", "Lower (MHz)", "Upper (MHz)", "Width (MHz)", "First (ms)", "Last (ms)",
    "Frames", "Bands", "Confidence", "Power (dBFS)", "SNR (dB)",
)  # fmt: skip


def format_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right_from: int | None = None) -> str:
    """Columns as wide as their content, two spaces apart; those from ``right_from`` on flush right."""
    widths = [max(len(line[i]) for line in (headings, *rows)) for i in range(len(headings))]
    first_right = len(headings) if right_from is None else right_from
    lines = []
    for line in (headings, ["-" * width for width in widths], *rows):
        cells = (
            cell.rjust(width) if i >= first_right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def format_bands(groups: Sequence[BandGroup], *, samp_rate: float) -> str:
    """One line for each group of bands; frequencies from the centre where they are not RF."""
    return format_table(_HEADINGS, [_cells(group, samp_rate) for group in groups], right_from=1)


def _cells(group: BandGroup, samp_rate: float) -> tuple[str, ...]:
    sign = "+" if group.freq_reference == "baseband" else ""
    low, high = group.freq_lower_edge / 1e6, group.freq_upper_edge / 1e6
    return (
        group.label if group.guess is None else f"{group.label} ({group.guess}?)",
        f"{low:{sign}.3f}",
        f"{high:{sign}.3f}",
        f"{high - low:.3f}",
        f"{group.sample_start / samp_rate * 1e3:.3f}",
        f"{group.sample_stop / samp_rate * 1e3:.3f}",
        str(group.frames),
        str(group.bands),
        f"{group.confidence:.2f}",
        *("-" if value is None else f"{value:.1f}" for value in (group.power_dbfs, group.snr_db)),
    )
