"""The displays: what they paint, what they tell, and that they never hold up a stream."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr, rfseg
from gnuradio.rfseg.messages import BandsMessage, FrameTag
from PyQt5 import QtCore, QtGui, QtWidgets, sip
from PyQt5.QtTest import QTest

from rfseg.bands import Band
from rfseg.colours import class_colour, to_rgb
from rfseg.contract import NOT_INFERRED
from rfseg.display.shapes import Box, Image
from rfseg.errors import GeometryError, OptionError
from rfseg.geometry import Frame
from rfseg.modelfile import load_contract

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "tests" / "models" / "threshold.onnx"
CONTRACT = load_contract(MODEL)
LTE, NR, RADAR = 1, 2, 3
SAMP_RATE, CENTER = 30.72e6, 3.6e9
GEOMETRY = CONTRACT.make_geometry(SAMP_RATE)
ROWS, BINS = GEOMETRY.rows, GEOMETRY.bins
TIMEOUT = 60.0  # s
FLOOD = 300  # frames, as fast as they come
MOST_CPU = 2e-3  # s that a frame of 20 ms may cost the processor in the display


@pytest.fixture(scope="module")
def application():
    """The one Qt application of this process."""
    yield QtWidgets.QApplication.instance() or QtWidgets.QApplication([])


@pytest.fixture
def display(application):
    """A dark display of two frames, 900 x 560 pixels."""
    made = rfseg.segmentation_display(SAMP_RATE, model=MODEL, time_span=0.04, theme="dark", opacity=1.0)
    made.widget().resize(900, 560)
    made.widget().show()
    yield made
    made.widget().hide()


class FrameSource(gr.sync_block):
    """Gives out one frame over and over, as Segmentation Inference would: tags, mask, confidence and rows."""

    def __init__(self, frames: int, mask: np.ndarray, *, first_tag: int = 0) -> None:
        types = [(np.uint8, BINS), (np.uint8, BINS), (np.float32, 2 * BINS)]
        gr.sync_block.__init__(self, name="frame_source", in_sig=None, out_sig=types)
        self._frames, self._mask, self._first_tag = frames, mask, first_tag
        self._rows = np.concatenate([np.full((ROWS, BINS), -80.0), np.full((ROWS, BINS), -60.0)], 1).astype(np.float32)
        for port in range(3):
            self.set_min_output_buffer(port, 4 * ROWS)

    def work(self, input_items: list, output_items: list) -> int:
        """One frame, or as much of it as there is room for."""
        done = self.nitems_written(0)
        index, row = divmod(done, ROWS)
        if index == self._frames:
            return int(gr.WORK_DONE)
        if row == 0 and index >= self._first_tag:
            tag = FrameTag(frame=frame(index, last=index == self._frames - 1)).to_pmt()
            self.add_item_tag(0, done, pmt.intern(rfseg.keys.FRAME), tag)
        count = min(ROWS - row, len(output_items[0]))
        output_items[0][:count] = self._mask[row : row + count]
        output_items[1][:count] = 204
        output_items[2][:count] = self._rows[row : row + count]
        return count


class Listener(gr.basic_block):
    """Keeps the messages that it hears."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, name="listener", in_sig=None, out_sig=None)
        self.heard: list = []
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self.hear)

    def hear(self, message: pmt.pmt_base) -> None:
        """Keep it."""
        self.heard.append(pmt.to_python(message))


def frame(index: int = 0, **changes: object) -> Frame:
    """The frame of a number."""
    count = GEOMETRY.frame_samples
    fields = {"index": index, "sample_start": index * count, "sample_count": count, "valid_samples": count}
    return Frame(**{**fields, "samp_rate": SAMP_RATE, "center_freq": CENTER, **changes})


def striped() -> np.ndarray:
    """LTE in bins 20 to 39, radar in bins 100 to 109."""
    mask = np.zeros((ROWS, BINS), np.uint8)
    mask[:, 20:40], mask[:, 100:110] = LTE, RADAR
    return mask


def play(display: gr.basic_block, source: FrameSource) -> gr.top_block:
    """A flowgraph of a source and a display."""
    graph = gr.top_block()
    for port in range(3):
        graph.connect((source, port), (display, port))
    graph.source = source
    return graph


def run_beside(application: QtWidgets.QApplication, graph: gr.top_block) -> float:
    """Run a flowgraph while the application draws; the seconds that it took."""
    ended, begun = threading.Event(), time.monotonic()
    graph.start()
    threading.Thread(target=lambda: (graph.wait(), ended.set()), daemon=True).start()
    while not ended.is_set():
        application.processEvents(QtCore.QEventLoop.AllEvents, 20)
        assert time.monotonic() < begun + TIMEOUT, "the flowgraph never ends"
        ended.wait(5e-3)
    return time.monotonic() - begun


def post(block: gr.basic_block, port: str, message: pmt.pmt_base) -> None:
    """As if another block had sent it."""
    block.to_basic_block()._post(pmt.intern(port), message)


def pixel(display: gr.basic_block, share_x: float, share_y: float) -> tuple[int, int, int]:
    """Colour on the screen at a place of the plot, 0 to 1 from its left and top."""
    canvas = display.widget().canvas
    x, y = place(display, share_x, share_y)
    colour = QtGui.QColor(canvas.grab().toImage().pixel(x, y))
    return colour.red(), colour.green(), colour.blue()


def place(display: gr.basic_block, share_x: float, share_y: float) -> tuple[int, int]:
    """Pixels of a place of the plot."""
    canvas = display.widget().canvas
    shapes = display._view.draw(canvas.width(), canvas.height(), canvas.measure)
    rect = next(shape for shape in shapes if isinstance(shape, Image)).rect
    return int(rect.left + share_x * rect.width), int(rect.top + share_y * rect.height)


def near(colour: tuple[int, int, int], wanted: str, *, within: int = 60) -> bool:
    """Whether a colour is about that one: of the same hue, whatever the level has made of its brightness."""
    one, other = (np.array(c, float) for c in (colour, to_rgb(wanted)))
    return float(np.abs(one / max(one.max(), 1) - other / other.max()).max()) < within / 255


# -- on the screen


def test_mask_and_boxes_are_painted_where_they_are(application, display):
    run_beside(application, play(display, FrameSource(2, striped())))
    edges = {"freq_lower_edge": CENTER + 5e6, "freq_upper_edge": CENTER + 9e6}
    band = Band(
        label="NR", class_id=NR, confidence=0.9, **edges, freq_reference="rf",
        sample_start=0, sample_count=GEOMETRY.frame_samples,
    )  # fmt: skip
    message = BandsMessage(tag=FrameTag(frame=frame()), bands=(band,))
    display._bands.mail.put(message.to_pmt())
    display.widget().tick()
    assert near(pixel(display, 30.5 / BINS, 0.5), class_colour(LTE))
    assert near(pixel(display, 105.5 / BINS, 0.9), class_colour(RADAR))
    grey = pixel(display, 60.5 / BINS, 0.3)
    assert max(grey) - min(grey) < 12
    left = (SAMP_RATE / 2 + 5e6 + GEOMETRY.bin_width / 2) / SAMP_RATE
    at_edge = [pixel(display, left + step / 1000, 0.8) for step in range(-3, 4)]
    assert any(near(colour, class_colour(NR)) for colour in at_edge)
    assert not near(pixel(display, left, 0.3), class_colour(NR))  # the newer frame has no band


def test_the_legend_hides_a_class_and_the_slider_sets_the_mask(application, display):
    run_beside(application, play(display, FrameSource(2, striped())))
    panel = display.widget()
    panel.tick()
    panel.class_button(LTE).click()
    grey = pixel(display, 30.5 / BINS, 0.5)
    assert max(grey) - min(grey) < 12 and near(pixel(display, 105.5 / BINS, 0.5), class_colour(RADAR))
    panel.class_button(LTE).click()
    assert near(pixel(display, 30.5 / BINS, 0.5), class_colour(LTE))
    panel.opacity.setValue(0)
    assert not near(pixel(display, 30.5 / BINS, 0.5), class_colour(LTE))
    display.set_opacity(1.0)
    assert panel.opacity.value() == 100 and near(pixel(display, 30.5 / BINS, 0.5), class_colour(LTE))
    assert panel.boxes.isChecked()
    panel.boxes.click()
    assert not display._view.has_boxes


def test_light_and_dark_are_light_and_dark(application, display):
    run_beside(application, play(display, FrameSource(2, striped())))
    for theme, is_dark in (("light", False), ("dark", True)):
        display.set_theme(theme)
        image = display.widget().grab().toImage()
        assert (QtGui.QColor(image.pixel(3, 3)).lightness() < 128) == is_dark


def test_pause_holds_the_picture_while_the_stream_goes_on(application, display):
    run_beside(application, play(display, FrameSource(2, striped())))
    panel = display.widget()
    panel.tick()
    panel.pause.click()
    application.processEvents()  # the layout settles
    held = panel.canvas.grab().toImage()
    run_beside(application, play(display, FrameSource(4, np.full((ROWS, BINS), NR, np.uint8))))
    panel.tick()
    assert display.frames() == 4 and panel.canvas.grab().toImage() == held
    panel.pause.click()
    run_beside(application, play(display, FrameSource(2, np.full((ROWS, BINS), NR, np.uint8))))
    panel.tick()
    assert near(pixel(display, 60.5 / BINS, 0.5), class_colour(NR))


def test_the_pointer_reads_and_a_double_click_tells_the_frequency(application, display):
    listener = Listener()
    source = FrameSource(2, striped())
    graph = play(display, source)
    graph.msg_connect(display, "freq", listener, "in")
    run_beside(application, graph)
    panel = display.widget()
    panel.tick()
    x, y = place(display, 30.5 / BINS, 0.5)
    QTest.mouseMove(panel.canvas, QtCore.QPoint(x, y))
    panel.point_at(x, y)
    reading = panel.findChildren(QtWidgets.QLabel, "readout")[0].text()
    assert "MHz" in reading and "20." in reading and "LTE 80 %" in reading and "−60.0 dBFS" in reading
    expected = CENTER + GEOMETRY.edge_freq(30.5)
    QTest.mouseDClick(panel.canvas, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, QtCore.QPoint(x, y))
    run_beside(application, graph)  # the message waits for the next run
    ((key, freq),) = listener.heard
    assert key == "freq" and freq == pytest.approx(expected, abs=GEOMETRY.bin_width)


def test_what_was_not_inferred_is_striped_and_named(application, display):
    run_beside(application, play(display, FrameSource(2, np.full((ROWS, BINS), NOT_INFERRED, np.uint8))))
    display.widget().tick()
    display.widget().canvas.grab()
    display.widget().tick()
    names = [label for label in display.widget().findChildren(QtWidgets.QLabel) if "not inferred" in label.text()]
    assert names[0].isVisible()


def test_qwidget_is_the_address_that_companion_wraps(application, display):
    assert sip.wrapinstance(display.qwidget(), QtWidgets.QWidget) is display.widget()


# -- beside a stream


def test_a_stream_ends_although_nobody_ever_draws(application, display):
    count = 500
    play(display, FrameSource(count, striped())).run()
    assert display.frames() == count
    assert display.dropped() == count - len(display._frames.mail.take()) > count - 100
    assert display.pictures() < 5
    display.widget().tick()
    assert f"{display.dropped()} frames not shown" in display._status_text()


def test_a_flood_does_not_slow_the_stream_and_pictures_keep_their_rate(application, display):
    def null_sinks() -> gr.top_block:
        graph = gr.top_block()
        graph.source = FrameSource(FLOOD, striped())
        graph.sinks = [blocks.null_sink(size) for size in (BINS, BINS, 8 * BINS)]
        for port, sink in enumerate(graph.sinks):
            graph.connect((graph.source, port), sink)
        return graph

    # Processor time, since other programs may keep this one waiting; the display's window is drawn in both runs.
    begun = time.process_time()
    run_beside(application, null_sinks())
    alone = time.process_time() - begun
    before, begun = display.pictures(), time.process_time()
    seconds = run_beside(application, play(display, FrameSource(FLOOD, striped())))
    with_display, pictures = time.process_time() - begun, display.pictures() - before
    print(f"{FLOOD} frames: {alone:.3f} s of processor without the display, {with_display:.3f} s with it, {pictures} pictures")
    assert display.frames() == FLOOD
    assert with_display - alone < MOST_CPU * FLOOD
    assert pictures <= 20 * seconds + 3


def test_a_second_run_begins_anew(application, display):
    for _ in range(2):
        run_beside(application, play(display, FrameSource(2, striped())))
        display.widget().tick()
        assert (display.frames(), display.dropped()) == (2, 0)
    assert display._view._waterfall.watermark == 2 * GEOMETRY.frame_samples


def test_what_came_too_late_for_a_run_is_not_shown_in_the_next(application, display):
    occupancy = rfseg.occupancy_display()
    graph = play(display, FrameSource(1, striped()))
    graph.source.message_port_register_out(pmt.intern("reports"))
    graph.msg_connect(graph.source, "reports", occupancy, "occupancy")
    for _ in range(2):
        run_beside(application, graph)
        post(display._bands, "bands", pmt.intern("late"))
        post(occupancy, "occupancy", pmt.intern("late"))
    occupancy.widget().tick()
    display.widget().tick()
    assert (display.bad_messages(), occupancy.reports(), occupancy.bad_messages()) == (0, 0, 0)


def test_rows_of_no_frame_are_passed_over_and_counted(application, display):
    run_beside(application, play(display, FrameSource(3, striped(), first_tag=1)))
    assert display.frames() == 2 and display.bad_messages() >= 1


def test_bands_that_make_no_sense_are_counted(application, display):
    display._bands.mail.put(pmt.intern("nonsense"))
    display.widget().tick()
    assert display.bad_messages() == 1


def test_rf_segmenter_shows_what_the_chain_of_blocks_shows(application, display):
    rng = np.random.default_rng(4)
    iq = (1e-3 * rng.standard_normal((2 * GEOMETRY.frame_samples, 2)) @ [1, 1j]).astype(np.complex64)
    tones = np.arange(30, 50) - BINS // 2
    phases = rng.random(tones.size)
    period = np.exp(2j * np.pi * (np.outer(np.arange(BINS), tones) / BINS + phases)).sum(axis=1)
    iq += (0.02 * np.resize(period, iq.size)).astype(np.complex64)
    graph = gr.top_block()
    source = blocks.vector_source_c(iq)
    segmenter = rfseg.rf_segmenter(SAMP_RATE, model=MODEL, mode="lossless", center_freq=CENTER)
    graph.connect(source, segmenter)
    for port in range(3):
        graph.connect((segmenter, 1 + port), (display, port))
    graph.msg_connect(segmenter, "bands", display, "bands")
    run_beside(application, graph)
    display.widget().tick()
    canvas = display.widget().canvas
    shapes = display._view.draw(canvas.width(), canvas.height(), canvas.measure)
    plot = next(shape for shape in shapes if isinstance(shape, Image)).rect
    (box,) = [s for s in shapes if isinstance(s, Box) and s.colour == class_colour(NR)]
    bin_pixels = plot.width / BINS
    assert box.rect.left == pytest.approx(plot.left + 30 * bin_pixels, abs=1.5 * bin_pixels)
    assert box.rect.right == pytest.approx(plot.left + 50 * bin_pixels, abs=1.5 * bin_pixels)
    assert box.rect.top == plot.top and box.rect.bottom == pytest.approx(plot.bottom, abs=3)
    assert near(pixel(display, 40.5 / BINS, 0.6), class_colour(NR))


# -- occupancy


def test_the_occupancy_display_paints_its_reports(application):
    occupancy = rfseg.occupancy(window=0.02, interval=0.02, hold=0.0, bin_width=240e3)
    display = rfseg.occupancy_display(history=0.4, theme="dark")
    display.widget().resize(900, 560)
    display.widget().show()
    graph = gr.top_block()
    graph.msg_connect(occupancy, "occupancy", display, "occupancy")
    edges = {"freq_lower_edge": CENTER - 8e6, "freq_upper_edge": CENTER}
    for index in range(10):
        start = index * GEOMETRY.frame_samples
        band = Band(
            label="LTE", class_id=LTE, confidence=0.9, **edges, freq_reference="rf",
            sample_start=start, sample_count=GEOMETRY.frame_samples,
        )  # fmt: skip
        bands = (band,) if index < 5 else ()
        post(occupancy, "bands", BandsMessage(tag=FrameTag(frame=frame(index)), bands=bands).to_pmt())
    post(display, "occupancy", pmt.intern("nonsense"))
    post(occupancy, "system", pmt.cons(pmt.intern("done"), pmt.from_long(1)))
    run_beside(application, graph)
    display.widget().tick()
    assert display.reports() >= 10 and display.bad_messages() == 1
    duty = display._view.theme.duty
    assert near(pixel(display, 0.35, 0.4), duty[-1]) and not near(pixel(display, 0.35, 0.1), duty[-1])
    assert pixel(display, 0.75, 0.4) == to_rgb(duty[0])
    assert "free" in display.widget().findChildren(QtWidgets.QLabel, "status")[0].text()
    display.set_history(1.0)
    display.widget().canvas.grab()
    assert display._view.is_empty
    display.widget().hide()


# -- refusals


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"theme": "blue"}, OptionError, "theme='blue' is unknown, expected one of auto, dark, light"),
        ({"update_rate": 0.0}, OptionError, "update_rate=0 Hz must lie in 0.1 to 100 pictures per second"),
        ({"opacity": 2.0}, OptionError, "opacity=2.0 must lie in 0"),
        ({"time_span": 0.0}, OptionError, "time_span=0.0 s must be above 0"),
        ({"levels": (-10.0, -90.0)}, OptionError, "must be two numbers of dBFS, the lower first"),
        ({"frame_duration": 1.0}, GeometryError, "frame_duration=1 s is outside"),
    ],
)
def test_what_cannot_be_is_refused_when_the_display_is_made(application, options, error, text):
    with pytest.raises(error, match=text):
        rfseg.segmentation_display(SAMP_RATE, model=MODEL, **options)


def test_setters_refuse_what_the_constructor_refuses(application, display):
    with pytest.raises(OptionError, match="update_rate"):
        display.set_update_rate(1000.0)
    with pytest.raises(OptionError, match="theme='' is unknown"):
        display.set_theme("")
    with pytest.raises(OptionError, match="time_span"):
        display.set_time_span(-1.0)
    with pytest.raises(OptionError, match="levels"):
        display.set_levels((1.0, 1.0))
    display.set_update_rate(1.0)  # 50 frames a second: those of two pictures are kept, but no more than 64
    play(display, FrameSource(100, striped())).run()
    assert len(display._frames.mail.take()) == 64
    display.set_levels((-90.0, -30.0))
    display.set_time_span(0.1)
    assert display._view._waterfall.span_samples >= 0.1 * SAMP_RATE


def test_other_blocks_need_no_qt_and_without_an_application_a_display_says_what_to_do():
    program = f"""
import sys
sys.modules["PyQt5"] = None
from gnuradio import rfseg
rfseg.occupancy()
del sys.modules["PyQt5"]
for make, options in ((rfseg.segmentation_display, {{"samp_rate": 30.72e6, "model": {str(MODEL)!r}}}), (rfseg.occupancy_display, {{}})):
    try:
        make(**options)
    except RuntimeError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout.count("set Generate Options of the flowgraph to QT GUI") == 2, done.stderr


# -- the pictures of the documents


def test_the_pictures_of_the_documents_are_drawn(application, tmp_path):
    path = ROOT / "scripts" / "display-pictures"
    spec = importlib.util.spec_from_loader("display_pictures", SourceFileLoader("display_pictures", str(path)))
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(tmp_path)
    shipped = {p.name for p in (ROOT / "docs" / "images").glob("display-*.png")}
    assert {p.name for p in tmp_path.iterdir()} == shipped
    dark, light = (QtGui.QImage(str(tmp_path / f"display-{theme}.png")) for theme in ("dark", "light"))
    for image in (dark, light):
        assert (image.width(), image.height()) == script.SIZE
        colours = [QtGui.QColor(image.pixel(x, 350)) for x in range(image.width())]
        for class_id in (LTE, NR):
            hues = [c.hue() for c in colours if c.saturation() > 60]
            wanted = QtGui.QColor(class_colour(class_id)).hue()
            assert sum(abs(hue - wanted) < 12 for hue in hues) > 100  # pixels across
    assert QtGui.QColor(dark.pixel(3, 3)).lightness() < 60 < 200 < QtGui.QColor(light.pixel(3, 3)).lightness()
