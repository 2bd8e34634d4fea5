"""A recording in one picture: spectrogram above, mask and bands below.

Rows are collected while frames come and merged whenever there are too many, so memory does not
grow with the recording.  Matplotlib draws; it is needed only when a picture is saved.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

import numpy as np

from .atomic import replacing
from .bands.groups import BandGroups
from .boxlabels import BoxLabels
from .colours import NOT_INFERRED_COLOUR, class_colour, class_table
from .contract import NOT_INFERRED, ClassKind, SignalClass
from .errors import BackendUnavailableError
from .geometry import Reduction
from .maskmerging import MaskOrder
from .pipeline import FrameResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RecordingPicture", "require_matplotlib"]

MAX_COLUMNS = 1024  # of the image, about its width in pixels
_BOX_GAP = 1 / 40  # of the recording: bands of one label closer than this share a box
_SIZE_INCHES, _DPI = (13.0, 8.0), 100
_POWER_PERCENTILES = (1.0, 99.2)  # of the pixels: the ends of the power scale
_DARKEST_TINT = 0.35  # brightness of a labelled pixel at the low end of the power scale
_NAMED_RETUNES = 12  # more of them would overprint each other


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """What turns samples and baseband frequencies into the numbers on the axes."""

    time_factor: float  # axis units per sample
    time_label: str
    center_freq: float  # Hz
    freq_label: str

    def freq(self, baseband: float) -> float:
        """MHz on the axis of a baseband frequency in Hz."""
        return (self.center_freq + baseband) / 1e6


class RecordingPicture:
    """Collects frames and draws them.

    Parameters
    ----------
    sample_count : int
        Length of the recording, samples.
    classes : sequence of SignalClass
        Of the model that made the masks.
    """

    def __init__(self, *, sample_count: int, classes: Sequence[SignalClass]) -> None:
        self._sample_count = sample_count
        self._classes = tuple(classes)
        self._groups = BandGroups(classes, max_gap=int(sample_count * _BOX_GAP))
        self._power: list[np.ndarray] = []  # float32 (t, F), dBFS
        self._mask: list[np.ndarray] = []  # uint8 (t, F)
        self._starts: list[np.ndarray] = []  # int (t,), first sample of each row
        self._columns = 0
        self._merged = 1  # rows in one column
        self._geometry = None
        self._centers: list[tuple[int, float | None]] = []  # first sample, RF centre (Hz)
        self._order = MaskOrder(classes)

    def add(self, result: FrameResult) -> None:
        """Take in the next frame."""
        frame, geometry = result.frame, result.geometry
        self._geometry = geometry
        if not self._centers or self._centers[-1][1] != frame.center_freq:
            self._centers.append((frame.sample_start, frame.center_freq))
            self._groups.close()
        center = frame.center_freq or 0.0
        self._groups.add(
            [
                replace(
                    band,
                    freq_lower_edge=band.freq_lower_edge - center,
                    freq_upper_edge=band.freq_upper_edge - center,
                    freq_reference="baseband",
                )
                for band in result.bands
            ],
            frame_index=frame.index,
        )
        valid = geometry.valid_rows(frame.valid_samples)
        channel = geometry.reductions.index(Reduction.MAX) if Reduction.MAX in geometry.reductions else 0
        starts = frame.sample_start + geometry.row_samples * np.arange(valid)
        self._append(result.rows[channel, :valid], self._order.rank[result.mask[:valid]], starts, self._merged)
        while self._columns > MAX_COLUMNS:
            power, ranks, starts = (np.concatenate(part) for part in (self._power, self._mask, self._starts))
            self._power, self._mask, self._starts, self._columns = [], [], [], 0
            self._append(power, ranks, starts, 2)
            self._merged *= 2

    def _append(self, power: np.ndarray, ranks: np.ndarray, starts: np.ndarray, step: int) -> None:
        """Store rows, each ``step`` of them merged into one column."""
        firsts = np.arange(0, len(starts), step)
        self._power.append(np.maximum.reduceat(power, firsts, axis=0))
        self._mask.append(np.maximum.reduceat(ranks, firsts, axis=0))
        self._starts.append(starts[firsts])
        self._columns += firsts.size

    def make_figure(self, *, title: str) -> Figure:
        """The picture as a Matplotlib figure.

        Raises
        ------
        BackendUnavailableError
            If Matplotlib is not installed.
        """
        require_matplotlib()
        from matplotlib.figure import Figure

        starts = np.concatenate(self._starts)
        columns = np.searchsorted(starts, np.linspace(0, self._sample_count, len(starts), endpoint=False), "right") - 1
        power = np.concatenate(self._power)[columns].T  # (F, columns)
        mask = self._order.class_id[np.concatenate(self._mask)][columns].T
        scale = self._scale()
        figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained", facecolor="white")
        upper, lower = figure.subplots(2, 1, sharex=True, sharey=True)
        extent = (
            0.0,
            self._sample_count * scale.time_factor,
            scale.freq(self._geometry.edge_freq(0)),
            scale.freq(self._geometry.edge_freq(self._geometry.bins)),
        )
        low, high = np.percentile(power, _POWER_PERCENTILES)
        high = max(high, low + 1.0)
        place = {"origin": "lower", "aspect": "auto", "extent": extent}
        image = upper.imshow(power, cmap="viridis", vmin=low, vmax=high, **place)
        lower.imshow(_tint(np.clip((power - low) / (high - low), 0.0, 1.0), mask), **place)
        figure.colorbar(image, ax=[upper, lower], label="Power per bin (dBFS)", pad=0.01, fraction=0.03, aspect=40)
        _hatch(lower, mask, extent)
        title = title.encode("utf-8", "backslashreplace").decode()  # a file's name may be no text at all
        upper.set_title(title, loc="left", fontsize=11, parse_math=False)
        for axes in (upper, lower):
            axes.set_ylabel(scale.freq_label)
            axes.ticklabel_format(useOffset=False)
            self._mark_retunes(axes, scale)
        lower.set_xlabel(scale.time_label)
        self._draw_key(upper, has_not_inferred=bool((mask == NOT_INFERRED).any()))
        figure.draw_without_rendering()  # settles where pixels are, which labels need to know
        self._draw_boxes(lower, scale)
        return figure

    def save(self, path: Path, *, title: str) -> None:
        """Draw into a PNG file, which appears complete or not at all.

        Raises
        ------
        BackendUnavailableError
            If Matplotlib is not installed.
        RecordingError
            If the file cannot be written.
        """
        with replacing(path) as temporary, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # a title in a script that the font lacks
            self.make_figure(title=title).savefig(temporary, format="png")

    def _scale(self) -> _Scale:
        samp_rate = self._geometry.samp_rate
        in_seconds = self._sample_count > 10 * samp_rate
        center = self._centers[0][1] if len(self._centers) == 1 else None
        return _Scale(
            time_factor=(1.0 if in_seconds else 1e3) / samp_rate,
            time_label="Time (s)" if in_seconds else "Time (ms)",
            center_freq=center or 0.0,
            freq_label="Offset from centre (MHz)" if center is None else "Frequency (MHz)",
        )

    def _mark_retunes(self, axes: Axes, scale: _Scale) -> None:
        if len(self._centers) < 2:
            return
        for start, center in self._centers:
            x = start * scale.time_factor
            axes.axvline(x, color="white", linewidth=1.0, linestyle="--")
            if len(self._centers) > _NAMED_RETUNES:
                continue
            text = "centre unknown" if center is None else f"centre {center / 1e6:g} MHz"
            axes.annotate(
                text, (x, 0.0), (4, 4), xycoords=("data", "axes fraction"), textcoords="offset points",
                color="white", fontsize=8, clip_on=True,
            )  # fmt: skip

    def _draw_boxes(self, axes: Axes, scale: _Scale) -> None:
        from matplotlib.patches import Rectangle
        from matplotlib.patheffects import Normal, Stroke

        outline = [Stroke(linewidth=4.0, foreground="black"), Normal()]  # seen on the class's own colour too
        labels = BoxLabels(axes)
        for group in sorted(self._groups.groups(), key=lambda g: g.sample_start - g.sample_stop):
            left, right = group.sample_start * scale.time_factor, group.sample_stop * scale.time_factor
            edges = np.clip((scale.freq(group.freq_lower_edge), scale.freq(group.freq_upper_edge)), *axes.get_ylim())
            bottom, top = float(edges[0]), float(edges[1])
            colour = class_colour(group.class_id)
            box = Rectangle((left, bottom), right - left, top - bottom, fill=False, edgecolor=colour, linewidth=1.8)
            if group.guess is not None:
                box.set_linestyle("--")
            box.set_path_effects(outline)
            axes.add_patch(box)
            labels.write(group, (left, right, bottom, top))

    def _draw_key(self, axes: Axes, *, has_not_inferred: bool) -> None:
        from matplotlib.patches import Patch

        entries = [
            Patch(facecolor=class_colour(i), label=c.label)
            for i, c in enumerate(self._classes)
            if c.kind is not ClassKind.BACKGROUND
        ]
        if has_not_inferred:
            entries.append(Patch(facecolor=NOT_INFERRED_COLOUR, hatch="///", edgecolor="white", label="not inferred"))
        axes.legend(
            handles=entries,
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=len(entries),
            frameon=False,
            fontsize=10,
            borderaxespad=0.2,
        )


def require_matplotlib() -> None:
    """Check that pictures can be drawn.

    Raises
    ------
    BackendUnavailableError
        If Matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise BackendUnavailableError(
            "a picture needs Matplotlib: pip install 'rfseg[picture]', or go without (--no-picture)"
        ) from error


def _tint(brightness: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Grey spectrogram in which labelled pixels have their class's colour: float ``(F, columns, 3)``, 0 to 1."""
    palette = class_table(NOT_INFERRED, background="#FFFFFF") / 255
    darkest = np.where(mask == 0, 0.0, _DARKEST_TINT)
    return palette[mask] * (darkest + (1.0 - darkest) * brightness)[..., None]


def _hatch(axes: Axes, mask: np.ndarray, extent: tuple[float, float, float, float]) -> None:
    """Hatch the spans of time that were not inferred at all."""
    missing = np.pad((mask == NOT_INFERRED).all(axis=0), 1)
    edges = np.flatnonzero(np.diff(missing.astype(np.int8))).reshape(-1, 2) * (extent[1] / mask.shape[1])
    for left, right in edges:
        axes.axvspan(left, right, facecolor="none", edgecolor="white", hatch="///", linewidth=0.0)
