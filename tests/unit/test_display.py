"""What displays show: histories, colours, axes and the places of boxes and texts."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from rfseg.bands import UNKNOWN_LABEL, Band
from rfseg.colours import class_colour, class_table, to_rgb
from rfseg.contract import NOT_INFERRED
from rfseg.display.axes import Plot, nice_ticks, tick_texts
from rfseg.display.boxes import BandBoxes
from rfseg.display.labels import place_labels
from rfseg.display.mailbox import Mailbox
from rfseg.display.occupancyview import DutyHistory, OccupancyView
from rfseg.display.segmentationview import LevelRange, SegmentationView
from rfseg.display.shapes import Area, Box, Image, Line, Rect, Text
from rfseg.display.themes import DARK, LIGHT, overlay_table, waterfall_pixels
from rfseg.display.waterfall import FrameRows, Waterfall
from rfseg.errors import OptionError
from rfseg.geometry import Frame
from rfseg.modelfile import load_contract
from rfseg.occupancyreport import FreeBand, OccupancyReport, Span
from rfseg.published_geometry import make_picture_geometry

CONTRACT = load_contract("tests/models/threshold.onnx")  # Noise, LTE, NR, Radar
NOISE, LTE, NR, RADAR = range(4)
SAMP_RATE = 30.72e6
GEOMETRY = CONTRACT.make_geometry(SAMP_RATE)  # 256 rows of 2400 samples, 128 bins
CENTER = 3.6e9
WIDTH, HEIGHT = 900, 500


def measure(text: str, size: str) -> tuple[float, float]:
    """Every letter is 6 pixels wide and 12 high."""
    lines = text.split("\n")
    return 6.0 * max(map(len, lines)), 12.0 * len(lines)


def frame(index: int = 0, **changes: object) -> Frame:
    """The frame of a number, 614 400 samples each."""
    count = GEOMETRY.frame_samples
    fields = {"index": index, "sample_start": index * count, "sample_count": count, "valid_samples": count}
    return Frame(**{**fields, "samp_rate": SAMP_RATE, "center_freq": CENTER, **changes})


def rows(of: Frame, *, mask: np.ndarray | None = None, power: float | np.ndarray = -60.0) -> FrameRows:
    """A frame of one power, noise unless a mask is given, all with a confidence of 204 / 255 = 80 %."""
    shape = GEOMETRY.rows, GEOMETRY.bins
    return FrameRows(
        frame=of,
        mask=np.zeros(shape, np.uint8) if mask is None else mask,
        confidence=np.full(shape, 204, np.uint8),
        power=np.broadcast_to(np.float32(power), shape),
    )


def painted(value: int, *, rows: slice = slice(None), bins: slice = slice(None)) -> np.ndarray:
    """A mask that has a class somewhere."""
    mask = np.zeros((GEOMETRY.rows, GEOMETRY.bins), np.uint8)
    mask[rows, bins] = value
    return mask


def band(label: str = "LTE", class_id: int = LTE, *, low: float = -9e6, high: float = -1e6, **changes: object) -> Band:
    """A band of the first frame, edges in Hz from the centre."""
    fields = {"sample_start": 0, "sample_count": GEOMETRY.frame_samples, "confidence": 0.9, "freq_reference": "rf"}
    edges = {"freq_lower_edge": CENTER + low, "freq_upper_edge": CENTER + high}
    return Band(label=label, class_id=class_id, **{**fields, **edges, **changes})


def make_view(**changes: object) -> SegmentationView:
    """A view of two frames."""
    return SegmentationView(CONTRACT, GEOMETRY, **{"time_span": 0.04, "opacity": 0.5, **changes})


def of_kind(shapes: list, kind: type) -> list:
    """The shapes of one kind."""
    return [shape for shape in shapes if isinstance(shape, kind)]


# -- hand-over


def test_the_newest_push_out_what_nobody_took_and_whoever_puts_never_waits():
    box: Mailbox[int] = Mailbox(3)
    threads = [threading.Thread(target=lambda: [box.put(n) for n in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    waiting = box.take()
    assert len(waiting) == 3 and waiting[-1] == 999
    assert (box.received, box.dropped) == (4000, 3997)
    assert box.take() == []
    box.clear()
    assert (box.received, box.dropped) == (0, 0)


def test_a_smaller_mailbox_gives_up_the_oldest():
    box: Mailbox[int] = Mailbox(5)
    for item in range(5):
        box.put(item)
    box.set_depth(2)
    assert box.dropped == 3 and box.take() == [3, 4]


def test_a_mailbox_for_nothing_is_refused():
    with pytest.raises(OptionError, match="depth=0 must be at least 1 item"):
        Mailbox(0)


# -- the history


def test_a_pulse_of_one_row_shows_in_its_line_over_carrier_and_noise():
    waterfall = Waterfall(GEOMETRY, CONTRACT.classes, time_span=0.4)
    per_line = waterfall.rows_per_line
    assert per_line == 10 and waterfall.lines == 512
    mask, power = painted(LTE, bins=slice(20, 60)), np.full((GEOMETRY.rows, GEOMETRY.bins), -60.0, np.float32)
    mask[33, 40], power[33, 40] = RADAR, -20.0
    waterfall.add(rows(frame(), mask=mask, power=power))
    image = waterfall.image(height=512, width=128)
    line = waterfall.newest - 33 // per_line
    assert waterfall.order.class_id[image.ranks[line, 40] - 1] == RADAR
    assert waterfall.order.class_id[image.ranks[line, 41] - 1] == LTE
    assert image.power[line, 40] == -20.0 and image.power[line, 41] == -60.0
    assert image.confidence[line, 40] == 204


def test_merging_into_a_smaller_picture_keeps_pulses_too():
    waterfall = Waterfall(GEOMETRY, CONTRACT.classes, time_span=0.02)
    waterfall.add(rows(frame(), mask=painted(RADAR, rows=slice(100, 101), bins=slice(50, 51)), power=-60.0))
    image = waterfall.image(height=40, width=30)
    assert image.ranks.shape[0] <= 40 and image.ranks.shape[1] <= 30
    assert (image.ranks == waterfall.order.rank[RADAR] + 1).sum() == 1


def test_any_cut_of_the_stream_gives_the_same_lines():
    whole, cut = (Waterfall(GEOMETRY, CONTRACT.classes, time_span=0.4) for _ in range(2))
    rng = np.random.default_rng(3)
    mask = rng.integers(0, 4, (GEOMETRY.rows, GEOMETRY.bins), dtype=np.uint8)
    power = rng.normal(-60, 5, mask.shape).astype(np.float32)
    whole.add(rows(frame(), mask=mask, power=power))
    split = 77  # rows, not at the edge of a line
    samples = split * GEOMETRY.row_samples
    cut.add(rows(frame(valid_samples=samples), mask=mask, power=power))
    rest = frame(1, sample_start=samples, valid_samples=GEOMETRY.frame_samples - samples)
    cut.add(rows(rest, mask=np.roll(mask, -split, axis=0), power=np.roll(power, -split, axis=0)))
    images = [waterfall.image(height=512, width=128) for waterfall in (whole, cut)]
    assert np.array_equal(images[0].ranks, images[1].ranks)
    assert np.array_equal(images[0].power, images[1].power, equal_nan=True)


def test_a_frame_that_never_came_leaves_its_time_empty():
    waterfall = Waterfall(GEOMETRY, CONTRACT.classes, time_span=0.06)
    for index in (0, 2):
        waterfall.add(rows(frame(index), power=-50.0))
    power = waterfall.image(height=1000, width=128).power
    third = len(power) // 3
    known = np.isfinite(power).all(axis=1)
    assert known[:third].all() and not known[third + 1 : 2 * third].any() and known[2 * third + 1 :].all()


def test_old_lines_leave_and_a_new_stream_begins_anew():
    waterfall = Waterfall(GEOMETRY, CONTRACT.classes, time_span=0.04)
    for index in range(50):
        waterfall.add(rows(frame(index), power=float(index)))
    assert np.unique(waterfall.image(height=1000, width=128).power).tolist() == [48.0, 49.0]
    waterfall.add(rows(frame(0), power=7.0))
    power = waterfall.image(height=1000, width=128).power
    assert np.isnan(power[len(power) // 2 + 1 :]).all() and (power[: len(power) // 2 - 1] == 7.0).all()


def test_each_line_knows_its_centre():
    waterfall = Waterfall(GEOMETRY, CONTRACT.classes, time_span=0.1)
    for index, center in enumerate((3.5e9, 3.5e9, 3.6e9, None)):
        waterfall.add(rows(frame(index, center_freq=center)))
    lines = GEOMETRY.frame_samples / waterfall.line_samples
    assert [waterfall.center_at(round((i + 0.5) * lines)) for i in range(4)] == [3.5e9, 3.5e9, 3.6e9, None]
    assert [r.center_freq for r in waterfall.retunes()] == [3.5e9, 3.6e9, None]


@pytest.mark.parametrize("span", [0.0, -1.0, float("nan")])
def test_a_time_span_must_be_above_zero(span):
    with pytest.raises(OptionError, match="time_span=.* s must be above 0"):
        make_view(time_span=span)


# -- colours


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda t: t.name)
def test_opacity_goes_from_the_spectrogram_to_the_colours_of_classes(theme):
    order = Waterfall(GEOMETRY, CONTRACT.classes, time_span=0.02).order
    bare, full = (overlay_table(order, theme, opacity=opacity) for opacity in (0.0, 1.0))
    noise, lte = order.rank[NOISE] + 1, order.rank[LTE] + 1
    assert np.array_equal(bare[lte], bare[noise]) and np.array_equal(bare[noise], full[noise])
    assert hex(full[lte, 255]) == "0xff" + class_colour(LTE)[1:].lower()
    hidden = overlay_table(order, theme, opacity=1.0, hidden={LTE})
    assert np.array_equal(hidden[lte], bare[noise]) and not np.array_equal(hidden[order.rank[NR] + 1], bare[noise])
    brightness = np.array([to_rgb(f"#{pixel & 0xFFFFFF:06X}") for pixel in bare[noise]]).sum(axis=1)
    assert (np.diff(brightness) * (1 if theme.is_dark else -1) >= 0).all()


def test_what_no_model_has_judged_is_striped():
    waterfall = Waterfall(GEOMETRY, CONTRACT.classes, time_span=0.02)
    waterfall.add(rows(frame(), mask=painted(NOT_INFERRED), power=np.nan))
    table = overlay_table(waterfall.order, DARK, opacity=0.5)
    pixels = waterfall_pixels(waterfall.image(height=256, width=128), table, low=-100.0, high=-50.0)
    values, counts = np.unique(pixels, return_counts=True)
    assert len(values) == 2 and counts.min() / counts.sum() == pytest.approx(0.25, abs=0.01)


def test_classes_have_the_same_colours_everywhere():
    table = class_table(4, background="#000000")
    assert [tuple(table[i]) for i in (1, 2, 3)] == [to_rgb(class_colour(i)) for i in (1, 2, 3)]
    assert tuple(table[NOT_INFERRED]) == (128, 128, 128)


@pytest.mark.parametrize("opacity", [-0.1, 1.1])
def test_an_opacity_lies_in_0_to_1(opacity):
    with pytest.raises(OptionError, match="must lie in 0 .* to 1"):
        make_view(opacity=opacity)


# -- axes


@pytest.mark.parametrize("most", [2, 5, 9])
def test_ticks_are_round_and_not_too_many(most):
    rng = np.random.default_rng(5)
    for _ in range(200):
        low = rng.normal(0, 1e4)
        high = low + 10 ** rng.uniform(-4, 5)
        ticks = nice_ticks(low, high, most)
        assert len(ticks) <= most and all(low - 1e-6 <= tick <= high + 1e-6 for tick in ticks)
        assert len(set(tick_texts(ticks))) == len(ticks)
        assert most < 5 or len(ticks) >= 2


def test_pixels_and_values_are_inverse():
    plot = Plot(rect=Rect(80, 10, 800, 400), left=3584.0, right=3616.0, top=0.0, bottom=0.04)
    assert plot.from_x(plot.to_x(3600.0)) == pytest.approx(3600.0) and plot.from_y(plot.to_y(0.03)) == pytest.approx(0.03)
    assert plot.to_x(3600.0) == 440.0


# -- texts and boxes


def test_no_text_covers_another_and_none_leaves_the_plot():
    rng, bounds = np.random.default_rng(11), Rect(0, 0, 800, 500)
    for _ in range(30):
        corners = rng.uniform(0, 1, (25, 2)) * (760, 460)
        sizes = rng.uniform(5, 40, (25, 2))
        boxes = [Rect(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sizes)]
        found = place_labels(boxes, [((90.0, 14.0), (40.0, 14.0))] * 25, bounds)
        places = [place for _, place in filter(None, found)]
        assert len(places) > 10
        assert all(bounds.holds(place) for place in places)
        assert not any(a.meets(b) for i, a in enumerate(places) for b in places[:i])


def test_a_text_takes_the_fullest_version_that_fits_and_goes_inside_first():
    bounds = Rect(0, 0, 800, 500)
    wide, narrow, tiny = Rect(10, 10, 210, 200), Rect(300, 10, 360, 200), Rect(500, 100, 510, 110)
    versions = ((150.0, 14.0), (50.0, 28.0), (40.0, 14.0))
    found = place_labels([wide, narrow, tiny], [versions] * 3, bounds)
    assert [version for version, _ in found] == [0, 1, 1]
    assert wide.holds(found[0][1]) and narrow.holds(found[1][1]) and not tiny.meets(found[2][1])
    assert place_labels([tiny], [versions], bounds, may_leave=[False]) == [None]
    assert place_labels([wide], [versions], bounds, taken=[wide])[0][1].top > wide.bottom


def test_a_box_stands_where_the_band_is():
    view = make_view()
    for index in range(2):
        view.add_frame(rows(frame(index)))
    start = 100 * GEOMETRY.row_samples
    view.add_bands(frame(), [band(sample_start=start, sample_count=80 * GEOMETRY.row_samples)])
    shapes = view.draw(WIDTH, HEIGHT, measure)
    plot = of_kind(shapes, Image)[0].rect
    (box,) = [b for b in of_kind(shapes, Box) if b.colour == class_colour(LTE)]
    half_bin = GEOMETRY.bin_width / 2
    across = plot.width / SAMP_RATE  # the view spans the rate; the bins are centred on their frequencies
    assert box.rect.left == pytest.approx(plot.left + (-9e6 + SAMP_RATE / 2 + half_bin) * across, abs=0.01)
    assert box.rect.right == pytest.approx(plot.left + (-1e6 + SAMP_RATE / 2 + half_bin) * across, abs=0.01)
    down = plot.height / (2 * GEOMETRY.frame_samples)
    assert box.rect.bottom == pytest.approx(plot.top + (2 * GEOMETRY.frame_samples - start) * down, abs=0.01)
    assert box.rect.height == pytest.approx(80 * GEOMETRY.row_samples * down, abs=0.01)
    texts = [t.text for t in of_kind(shapes, Text) if t.back == class_colour(LTE)]
    assert texts == ["LTE 90 %\n3595.00 MHz\n8.00 MHz wide"]


def test_bands_of_one_signal_share_a_box_and_leave_with_their_time():
    view = make_view()
    for index in range(30):
        view.add_frame(rows(frame(index)))
        moved = {"sample_start": index * GEOMETRY.frame_samples}
        view.add_bands(frame(index), [band(**moved)] if index < 28 else [])
        boxes = [b for b in of_kind(view.draw(WIDTH, HEIGHT, measure), Box) if b.colour == class_colour(LTE)]
        assert len(boxes) == (1 if index < 29 else 0), index


def test_boxes_that_have_left_are_forgotten():
    boxes = BandBoxes(CONTRACT.classes, time_span=0.1, samp_rate=SAMP_RATE)
    for index in range(400):
        offset = (index * 7 % 20 - 10) * 1e6  # each frame elsewhere
        moved = band(low=offset, high=offset + 5e5, sample_start=index * GEOMETRY.frame_samples)
        boxes.add(frame(index), [moved])
        known = len(boxes.groups((index - 5) * GEOMETRY.frame_samples))
        assert known == min(index + 1, 6), index


def test_what_is_hidden_has_no_box_and_a_doubtful_band_has_a_dashed_one():
    view = make_view()
    view.add_frame(rows(frame()))
    doubtful = band(UNKNOWN_LABEL, NR, low=2e6, high=3e6, guess="NR", confidence=0.4)
    view.add_bands(frame(), [band(), doubtful])
    boxes = {b.colour: b for b in of_kind(view.draw(WIDTH, HEIGHT, measure), Box)}
    assert boxes[class_colour(NR)].is_dashed and not boxes[class_colour(LTE)].is_dashed
    view.hidden = {LTE}
    colours = {b.colour for b in of_kind(view.draw(WIDTH, HEIGHT, measure), Box)}
    assert class_colour(LTE) not in colours and class_colour(NR) in colours
    view.has_boxes = False
    assert class_colour(NR) not in {b.colour for b in of_kind(view.draw(WIDTH, HEIGHT, measure), Box)}


# -- the view


def test_the_mask_is_where_the_signal_is():
    view = make_view(opacity=1.0, levels=(-100.0, -60.0))
    view.add_frame(rows(frame(0), mask=painted(LTE, bins=slice(20, 40))))
    view.add_frame(rows(frame(1)))
    pixels = of_kind(view.draw(WIDTH, HEIGHT, measure), Image)[0].pixels
    lte = int("FF" + class_colour(LTE)[1:], 16)
    at = np.argwhere(pixels == lte)
    older = -(-len(pixels) // 2)  # the second frame is above
    assert at[:, 1].min() == 20 and at[:, 1].max() == 39
    assert at[:, 0].min() >= older - 1 and at[:, 0].max() == len(pixels) - 1


def test_the_reading_tells_frequency_time_level_and_class():
    view = make_view()
    assert view.reading(400, 200) == "" and view.freq_at(400, 200) is None
    view.add_frame(rows(frame(0), mask=painted(LTE)))
    view.add_frame(rows(frame(1), mask=painted(RADAR), power=-31.5))
    plot = of_kind(view.draw(WIDTH, HEIGHT, measure), Image)[0].rect
    middle = (plot.left + plot.right) / 2
    offset = -GEOMETRY.bin_width / 2  # the middle of the picture lies half a bin below the centre
    assert view.freq_at(middle, plot.top + 1) == pytest.approx(CENTER + offset, abs=1.0)
    assert view.reading(middle, plot.top + plot.height / 4) == "3599.880 MHz   10.0 ms ago   −31.5 dBFS   Radar 80 %"
    assert view.reading(middle, plot.top + plot.height * 3 / 4) == "3599.880 MHz   30.0 ms ago   −60.0 dBFS   LTE 80 %"
    assert view.reading(plot.left - 5, plot.top + 1) == ""


def test_a_line_of_another_centre_is_read_with_its_own_and_marked():
    view = make_view()
    view.add_frame(rows(frame(0, center_freq=3.5e9)))
    view.add_frame(rows(frame(1, center_freq=None)))
    shapes = view.draw(WIDTH, HEIGHT, measure)
    plot = of_kind(shapes, Image)[0].rect
    (line,) = [shape for shape in of_kind(shapes, Line) if shape.is_dashed]
    assert line.y0 == pytest.approx(plot.top + plot.height / 2, abs=2)
    assert "centre unknown" in [t.text for t in of_kind(shapes, Text)]
    assert "Offset from centre (MHz)" in [t.text for t in of_kind(shapes, Text)]
    right = plot.left + 0.75 * plot.width
    assert view.reading(right, plot.top + 5).startswith("+7.560 MHz")
    assert view.reading(right, plot.bottom - 5).startswith("3507.560 MHz")


def test_published_pictures_show_no_peaks():
    geometry = make_picture_geometry(256, SAMP_RATE, frame_duration=20e-3)
    view = SegmentationView(CONTRACT, geometry, time_span=0.04, opacity=0.5)
    own = frame(sample_count=geometry.frame_samples, valid_samples=geometry.frame_samples)
    blank = np.zeros((256, 256), np.uint8)
    view.add_frame(FrameRows(frame=own, mask=blank, confidence=blank, power=blank.astype(np.float32)))
    assert "Power per bin (dBFS)" in [t.text for t in of_kind(view.draw(WIDTH, HEIGHT, measure), Text)]


def test_axes_are_in_megahertz_and_milliseconds():
    view = make_view()
    view.add_frame(rows(frame()))
    texts = [t.text for t in of_kind(view.draw(WIDTH, HEIGHT, measure), Text)]
    assert {"Frequency (MHz)", "Time before the newest (ms)", "Peak power per bin (dBFS)"} <= set(texts)
    assert {"3590", "3600", "3610", "0", "40"} <= set(texts)
    long = make_view(time_span=20.0)
    long.add_frame(rows(frame()))
    assert "Time before the newest (s)" in [t.text for t in of_kind(long.draw(WIDTH, HEIGHT, measure), Text)]


def test_nothing_is_drawn_before_something_has_come():
    shapes = make_view().draw(WIDTH, HEIGHT, measure)
    assert "Waiting for frames" in [t.text for t in of_kind(shapes, Text)] and not of_kind(shapes, Image)


def test_another_rate_begins_a_new_picture():
    view = make_view()
    view.add_frame(rows(frame(0)))
    view.add_frame(rows(frame(1, samp_rate=15.36e6)))
    assert "15.36 MS/s" in view.status(dropped=0)
    pixels = of_kind(view.draw(WIDTH, HEIGHT, measure), Image)[0].pixels
    assert len(np.unique(pixels[-5:])) == 1  # the old frame is gone


def test_the_power_scale_follows_the_signal_and_stays_where_it_is_fixed():
    levels, rng = LevelRange(), np.random.default_rng(2)
    low, high = levels.follow(rng.normal(-70, 2, (100, 100)))
    assert -76 < low < -70 and high >= low + 20
    for _ in range(60):
        moved = levels.follow(rng.normal(-30, 2, (100, 100)))
    assert moved[0] == pytest.approx(-33, abs=1.5)
    assert LevelRange((-90.0, -20.0)).follow(np.zeros((4, 4))) == (-90.0, -20.0)
    assert LevelRange().follow(np.full((4, 4), np.nan))[0] < -100


@pytest.mark.parametrize("levels", [(-20.0, -90.0), (0.0, float("nan"))])
def test_a_power_scale_has_its_lower_end_first(levels):
    with pytest.raises(OptionError, match="must be two numbers of dBFS, the lower first, or None"):
        make_view(levels=levels)


# -- occupancy


def report(stop: float, duty: list[float], *, first: float = 3584e6, **changes: object) -> OccupancyReport:
    """A report of the moment ``stop`` (s) for bins of 1 MHz."""
    fields = {"sample_start": 0, "sample_stop": int(stop * 1e6), "samp_rate": 1e6, "freq_reference": "rf"}
    spans = (Span(freq_lower_edge=first, duty_cycle=tuple(duty)),)
    return OccupancyReport(**{**fields, "bin_width": 1e6, "spans": spans, **changes})


def test_the_history_shows_each_report_in_its_time():
    history = DutyHistory(10.0)
    for second in range(1, 31):
        history.add(report(second, [second / 100, 0.5]))
    low, high = history.bins()
    image = history.image(10, low, high)
    assert np.round(100 * image[:, 0]).tolist() == list(range(30, 20, -1)) and (image[:, 1] == 0.5).all()


def test_bins_of_a_scan_add_up_and_what_was_not_sensed_is_not_known():
    history = DutyHistory(10.0)
    history.add(report(1, [1.0, 0.0], first=3584e6))
    history.add(report(2, [0.25], first=3590e6))
    low, high = history.bins()
    assert (low, high) == (3584, 3591)
    assert np.array_equal(history.now(low, high), [np.nan] * 6 + [0.25], equal_nan=True)
    image = history.image(10, low, high)
    assert image[0, 6] == 0.25 and image[1, 0] == 1.0 and np.isnan(image[3:]).all()


def test_a_new_stream_or_other_bins_begin_a_new_history():
    history = DutyHistory(10.0)
    history.add(report(5, [1.0]))
    history.add(report(1, [0.5], first=3600e6))
    assert history.bins() == (3600, 3601)
    history.add(report(2, [0.5], bin_width=0.5e6))
    assert history.bins() == (7168, 7169)


def test_free_bands_and_duty_cycles_stand_where_they_are():
    view = OccupancyView(history=10.0)
    assert "Waiting for reports of Occupancy" in [t.text for t in of_kind(view.draw(WIDTH, HEIGHT, measure), Text)]
    free = FreeBand(freq_lower_edge=3588e6, freq_upper_edge=3592e6, valid_until=10**9)
    view.add(report(0.5, [1.0] * 16))
    view.add(report(1, [1.0] * 4 + [0.0] * 4 + [0.5] * 8, free=(free,)))
    shapes = view.draw(WIDTH, HEIGHT, measure)
    boxes = [b for b in of_kind(shapes, Box) if b.colour == view.theme.free]
    plot = of_kind(shapes, Image)[0].rect
    for box in boxes:
        assert box.rect.left == pytest.approx(plot.left + plot.width / 4)
        assert box.rect.right == pytest.approx(plot.left + plot.width / 2)
    area = of_kind(shapes, Area)[0]
    heights = {round((area.base - y) / (area.base - 8), 2) for _, y in area.points}
    assert heights == {0.96, 0.0, 0.48}  # the axis goes to 104 %
    assert "free  4.0 MHz" in [t.text for t in of_kind(shapes, Text)]
    assert view.reading(plot.left + 0.3 * plot.width, 20) == "3588.800 MHz   in use 0 % of the time   free"
    assert view.reading(plot.left + 0.1 * plot.width, plot.top + 2).endswith("s ago   in use 100 % of the time")
    assert view.freq_at(plot.left + plot.width / 2, 20) == pytest.approx(3592e6)
    assert view.freq_at(plot.left - 1, 20) is None and view.status() == "1 band free, 4.0 MHz"


def test_a_history_must_be_above_zero():
    with pytest.raises(OptionError, match="history=0 s must be above 0"):
        OccupancyView(history=0)
