"""The picture: what is shown where, and how little it keeps."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rfseg.bands import Band
from rfseg.colours import class_colour, to_rgb
from rfseg.contract import NOT_INFERRED, ClassKind, SignalClass
from rfseg.errors import BackendUnavailableError, RecordingError
from rfseg.geometry import Frame, make_geometry
from rfseg.picture import MAX_COLUMNS, RecordingPicture
from rfseg.pipeline import FrameResult

SAMP_RATE = 15.36e6
GEOMETRY = make_geometry(SAMP_RATE, frame_duration=1e-3)  # 256 rows of 60 samples, 64 bins
CLASSES = (
    SignalClass(label="Noise", kind=ClassKind.BACKGROUND),
    SignalClass(label="Radar", kind=ClassKind.PULSED),
    SignalClass(label="LTE", kind=ClassKind.CARRIER),
)
RADAR, LTE = 1, 2


def _frame(index: int, *, center_freq: float | None = 1e9, valid: int = GEOMETRY.frame_samples) -> Frame:
    return Frame(
        index=index,
        sample_start=index * GEOMETRY.frame_samples,
        sample_count=GEOMETRY.frame_samples,
        valid_samples=valid,
        samp_rate=SAMP_RATE,
        center_freq=center_freq,
    )


def _result(frame: Frame, mask: np.ndarray | None = None, bands: list[Band] = []) -> FrameResult:
    rng = np.random.default_rng(frame.index)
    shape = (GEOMETRY.rows, GEOMETRY.bins)
    mask = np.zeros(shape, np.uint8) if mask is None else mask
    rows = (rng.random((2, *shape)) * 10 - 90).astype(np.float32)
    rows[1] += 30.0 * (mask > 0)
    confidence = np.full(shape, 200, np.uint8)
    return FrameResult(
        frame=frame, geometry=GEOMETRY, rows=rows, mask=mask, confidence=confidence, bands=bands, non_finite=0
    )


def _band(frame: Frame, low: float, high: float) -> Band:
    center = frame.center_freq or 0.0
    return Band(
        label="LTE",
        class_id=LTE,
        confidence=0.9,
        freq_lower_edge=center + low,
        freq_upper_edge=center + high,
        freq_reference="baseband" if frame.center_freq is None else "rf",
        sample_start=frame.sample_start,
        sample_count=frame.valid_samples,
    )


def _draw(*results: FrameResult):
    picture = RecordingPicture(sample_count=results[-1].frame.watermark, classes=CLASSES)
    for result in results:
        picture.add(result)
    return picture.make_figure(title="a title")


def _boxes(figure) -> list[tuple[float, float, float, float]]:
    """Left, bottom, width, height of the band boxes."""
    return [(p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in figure.axes[1].patches if not p.get_fill()]


def _texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[1].texts]


def test_axes_are_in_mhz_and_ms() -> None:
    figure = _draw(_result(_frame(0)))
    upper, lower = figure.axes[:2]
    bin_mhz = 0.24
    assert lower.get_xlim() == pytest.approx((0.0, 1.0))
    assert lower.get_ylim() == pytest.approx((1000 - 32.5 * bin_mhz, 1000 + 31.5 * bin_mhz))
    assert (lower.get_xlabel(), lower.get_ylabel()) == ("Time (ms)", "Frequency (MHz)")
    assert upper.get_title(loc="left") == "a title"


def test_an_unknown_centre_gives_offsets() -> None:
    lower = _draw(_result(_frame(0, center_freq=None))).axes[1]
    assert lower.get_ylabel() == "Offset from centre (MHz)"
    assert lower.get_ylim()[0] == pytest.approx(-7.8)


def test_long_recordings_are_in_seconds() -> None:
    picture = RecordingPicture(sample_count=int(11 * SAMP_RATE), classes=CLASSES)
    picture.add(_result(_frame(0)))
    assert picture.make_figure(title="").axes[1].get_xlabel() == "Time (s)"


def test_a_carrier_through_several_frames_is_one_labelled_box() -> None:
    frames = [_frame(i) for i in range(3)]
    figure = _draw(*(_result(f, bands=[_band(f, 1e6, 4e6)]) for f in frames))
    assert _boxes(figure) == [pytest.approx((0.0, 1001.0, 3.0, 3.0))]
    assert _texts(figure) == ["LTE 0.90"]


def test_no_text_lies_over_another_or_outside() -> None:
    frame, samples = _frame(0), GEOMETRY.frame_samples
    bands = [replace(_band(frame, -1e6, 0.0), sample_start=samples // 8 * k, sample_count=samples // 16) for k in range(8)]
    bands += [_band(frame, 0.2e6, 7.6e6), replace(_band(frame, 2e6, 3e6), sample_start=samples - 200, sample_count=200)]
    figure = _draw(_result(frame, bands=bands))
    figure.draw_without_rendering()  # settles where texts are
    axes = figure.axes[1]
    frames = [text.get_bbox_patch().get_window_extent() for text in axes.texts]
    assert len(frames) > 5
    assert not any(one.overlaps(other) for i, one in enumerate(frames) for other in frames[:i])
    assert all(axes.bbox.x0 <= f.x0 and f.x1 <= axes.bbox.x1 and axes.bbox.y0 <= f.y0 and f.y1 <= axes.bbox.y1 for f in frames)


def test_a_box_stays_inside_the_picture() -> None:
    frame = _frame(0)
    ((_, bottom, _, height),) = _boxes(_draw(_result(frame, bands=[_band(frame, -9e6, 9e6)])))
    assert (bottom, height) == pytest.approx((992.2, 64 * 0.24))


def test_classes_have_their_colours_in_the_mask_and_in_the_key() -> None:
    mask = np.zeros((GEOMETRY.rows, GEOMETRY.bins), np.uint8)
    mask[:100, 10:30], mask[100:, 40:50] = LTE, RADAR
    figure = _draw(_result(_frame(0), mask))
    image = figure.axes[1].images[0].get_array()  # (F, columns, 3)
    for place, class_id in [((20, 50), LTE), ((45, 200), RADAR)]:
        colour = [level / 255 for level in to_rgb(class_colour(class_id))]
        np.testing.assert_allclose(image[place] / image[place].max(), np.array(colour) / max(colour), atol=1e-6)
    assert np.ptp(image[60, 10]) == 0.0  # grey where nothing is
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["Radar", "LTE"]


def test_what_was_not_inferred_is_hatched_and_in_the_key() -> None:
    mask = np.zeros((GEOMETRY.rows, GEOMETRY.bins), np.uint8)
    mask[64:128] = NOT_INFERRED
    figure = _draw(_result(_frame(0), mask))
    (span,) = [p for p in figure.axes[1].patches if p.get_hatch()]
    extents = span.get_extents().transformed(figure.axes[1].transData.inverted())
    assert extents.intervalx == pytest.approx((0.25, 0.5))
    assert figure.axes[0].get_legend().get_texts()[-1].get_text() == "not inferred"


def test_the_padding_of_a_cut_frame_is_not_shown() -> None:
    mask = np.full((GEOMETRY.rows, GEOMETRY.bins), NOT_INFERRED, np.uint8)
    mask[:100] = 0
    figure = _draw(_result(_frame(0, valid=3000), mask))
    assert figure.axes[1].get_xlim()[1] == pytest.approx(3000 / 15360)
    assert not [p for p in figure.axes[1].patches if p.get_hatch()]


def test_retunes_are_marked_and_end_boxes() -> None:
    frames = [_frame(0), _frame(1, center_freq=2e9), _frame(2, center_freq=None)]
    figure = _draw(*(_result(f, bands=[_band(f, 1e6, 4e6)]) for f in frames))
    assert figure.axes[1].get_ylabel() == "Offset from centre (MHz)"
    assert [box[:2] for box in _boxes(figure)] == [pytest.approx((1.0 * i, 1.0)) for i in range(3)]
    assert _texts(figure)[:3] == ["centre 1000 MHz", "centre 2000 MHz", "centre unknown"]


def test_pulses_survive_where_rows_are_merged() -> None:
    picture = RecordingPicture(sample_count=40 * GEOMETRY.frame_samples, classes=CLASSES)
    for index in range(40):  # 10240 rows
        mask = np.full((GEOMETRY.rows, GEOMETRY.bins), LTE, np.uint8)
        if index == 20:
            mask[77, 30] = RADAR
        picture.add(_result(_frame(index), mask))
    image = picture.make_figure(title="").axes[1].images[0].get_array()
    assert MAX_COLUMNS // 2 <= image.shape[1] <= MAX_COLUMNS
    is_blue = image[..., 2] > image[..., 0]  # the first colour is blue, the second orange
    assert np.argwhere(is_blue).tolist() == [[30, (20 * 256 + 77) // 16]]


def test_memory_does_not_grow_with_the_number_of_frames() -> None:
    def peak(frames: int) -> int:
        picture = RecordingPicture(sample_count=frames * GEOMETRY.frame_samples, classes=CLASSES)
        result = _result(_frame(0))
        tracemalloc.start()
        try:
            for index in range(frames):
                picture.add(FrameResult(**{**result.__dict__, "frame": _frame(index)}))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(400) < 1.5 * peak(20)


def test_a_saved_picture_is_a_png(tmp_path: Path) -> None:
    picture = RecordingPicture(sample_count=GEOMETRY.frame_samples, classes=CLASSES)
    picture.add(_result(_frame(0)))
    picture.save(tmp_path / "a.png", title="")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RecordingError, match=r"nowhere/a.png cannot be written: No such file or directory"):
        picture.save(tmp_path / "nowhere" / "a.png", title="")


def test_without_matplotlib_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BackendUnavailableError, match=r"install 'rfseg\[picture\]', or go without \(--no-picture\)"):
        _draw(_result(_frame(0)))


def test_the_module_is_imported_without_matplotlib() -> None:
    code = "import sys; sys.modules['matplotlib'] = None; import rfseg.picture, rfseg.cli"
    subprocess.run([sys.executable, "-c", code], check=True)
