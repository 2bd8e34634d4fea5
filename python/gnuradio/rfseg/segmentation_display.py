# SPDX-License-Identifier: GPL-3.0-or-later
"""Segmentation Display: waterfall, mask and bands on the screen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pmt
from gnuradio import gr
from rfseg.contract import Contract
from rfseg.display.mailbox import Mailbox
from rfseg.display.segmentationview import SegmentationView
from rfseg.display.waterfall import FrameRows
from rfseg.errors import BandError
from rfseg.framequeue import LogPace
from rfseg.geometry import Geometry, Reduction
from rfseg.inference import DEFAULT_MODEL
from rfseg.modelfile import load_contract

from .display_options import DEFAULT_UPDATE_RATE, DisplayTheme, HasPanel, check_update_rate, choose_theme
from .message_queues import LeftOver
from .messages import BandsMessage, FrameTag
from .rfseg_python import keys

__all__ = ["segmentation_display"]

_FEWEST_FRAMES, _MOST_FRAMES = 4, 64  # that may wait to be drawn


class segmentation_display(HasPanel, gr.hier_block2):
    """Shows a spectrogram with the mask over it and boxes around bands, in a window or a tab of a Qt application.

    Stream in: ``mask`` and ``confidence``, bytes ``[bins]``, and ``rows``, float ``[channels * bins]`` in dBFS, as
    Segmentation Inference and RF Segmenter write them.
    Stream out: none.
    Messages in: ``bands``, one per frame.
    Messages out: ``freq``, a pair of ``freq`` and a number in Hz, on a double click.
    Tags: reads ``rfseg_frame``.
    Latency: a frame and at most ``1 / update_rate``.
    Threads: the block's own only copies frames, never waits, and lets the newest push out what has not been drawn;
    the application's draws, at most ``update_rate`` times a second.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second of the IQ that the masks are from, Hz.
    model : str, Path or Contract
        Name or file of the model, whose contract knows the classes.
    frame_duration : float or None
        As given to STFT Spectrogram Sink, s; None for the model's default.
    title : str
        Above the picture.
    time_span : float
        Time that is shown, s.
    update_rate : float
        Pictures per second, Hz.
    opacity : float
        Of the mask over the spectrogram, 0 to 1.
    levels : (float, float) or None
        Ends of the power scale, dBFS; None to follow the signal.
    theme : str
        ``auto`` (as the desktop is), ``dark`` or ``light``.

    Raises
    ------
    OptionError
        If a value is outside its range.
    RuntimeError
        If there is no Qt application.
    """

    def __init__(
        self,
        samp_rate: float,
        *,
        model: str | Path | Contract = DEFAULT_MODEL,
        frame_duration: float | None = None,
        title: str = "",
        time_span: float = 1.0,
        update_rate: float = DEFAULT_UPDATE_RATE,
        opacity: float = 0.6,
        levels: tuple[float, float] | None = None,
        theme: str = DisplayTheme.AUTO.value,
    ) -> None:
        contract = model if isinstance(model, Contract) else load_contract(model)
        geometry = contract.make_geometry(samp_rate, frame_duration=frame_duration)
        check_update_rate(update_rate)
        depth = _depth(update_rate, geometry)
        sizes = [geometry.bins, geometry.bins, geometry.row_size * gr.sizeof_float]
        gr.hier_block2.__init__(
            self, "segmentation_display", gr.io_signature.makev(3, 3, sizes), gr.io_signature(0, 0, 0)
        )
        self._view = SegmentationView(contract, geometry, time_span=time_span, opacity=opacity, levels=levels)
        self._geometry = geometry
        self._pace = LogPace()
        self._frames = _FrameTap(geometry, depth=depth, complain=self._complain)
        self._bands = _BandTap(depth)
        self._bad_messages = 0
        for port in range(3):
            self.connect((self, port), (self._frames, port))
        self.message_port_register_hier_in(keys.BANDS)
        self.message_port_register_hier_out(keys.FREQ)
        self.msg_connect(self, keys.BANDS, self._bands, keys.BANDS)
        self.msg_connect(self._frames, keys.FREQ, self, keys.FREQ)
        self._panel = self._make_panel(title=title, update_rate=update_rate, theme=choose_theme(theme))

    def _make_panel(self, **options: Any) -> Any:
        from .display.panel import require_application
        from .display.segmentation_panel import SegmentationPanel

        require_application()
        return SegmentationPanel(
            self._view, feed=self._feed, status=self._status_text, on_freq=self._frames.post_freq, **options
        )

    def set_time_span(self, time_span: float) -> None:
        """Time that is shown, s; what was shown is forgotten."""
        with self._view.lock:
            self._view.set_time_span(time_span)

    def set_update_rate(self, update_rate: float) -> None:
        """Pictures per second, Hz."""
        check_update_rate(update_rate)
        for mail in (self._frames.mail, self._bands.mail):
            mail.set_depth(_depth(update_rate, self._geometry))
        self._panel.set_update_rate(update_rate)

    def set_opacity(self, opacity: float) -> None:
        """Opacity of the mask, 0 to 1."""
        with self._view.lock:
            self._view.set_opacity(opacity)
        self._panel.show_opacity()

    def set_levels(self, levels: tuple[float, float] | None) -> None:
        """Ends of the power scale, dBFS; None to follow the signal."""
        with self._view.lock:
            self._view.set_levels(levels)

    def frames(self) -> int:
        """Frames that have come in this run."""
        return self._frames.mail.received

    def dropped(self) -> int:
        """Frames that newer ones pushed out before they were drawn."""
        return self._frames.mail.dropped

    def bad_messages(self) -> int:
        """Messages and tags that made no sense."""
        return self._bad_messages

    # -- what the application's thread calls

    def _feed(self, is_paused: bool) -> None:
        frames, messages = self._frames.mail.take(), self._bands.mail.take()
        if is_paused:
            return
        with self._view.lock:
            for tag, arrays in frames:
                self._try(self._show_frame, tag, arrays)
            for message in messages:
                self._try(self._show_bands, message)

    def _try(self, show: Callable[..., None], *arguments: Any) -> None:
        try:
            show(*arguments)
        except BandError as error:
            self._complain(f"passed over: {error}")

    def _show_frame(self, tag: pmt.pmt_base, arrays: tuple[np.ndarray, ...]) -> None:
        mask, confidence, power = arrays
        frame = FrameTag.from_pmt(tag).frame
        self._view.add_frame(FrameRows(frame=frame, mask=mask, confidence=confidence, power=power))

    def _show_bands(self, message: pmt.pmt_base) -> None:
        content = BandsMessage.from_pmt(message)
        self._view.add_bands(content.tag.frame, content.bands)

    def _status_text(self) -> str:
        return self._view.status(dropped=self.dropped())

    def _complain(self, text: str) -> None:
        self._bad_messages += 1
        if self._pace.is_due():
            gr.logger("segmentation_display").warn(f"{text}; {self._bad_messages} so far")


class _FrameTap(gr.sync_block):
    """Copies frames; the newest push out what nobody has drawn.

    It tells the frequency as well: a block that has messages alone would keep a flowgraph from ending.
    """

    def __init__(self, geometry: Geometry, *, depth: int, complain: Callable[[str], None]) -> None:
        mask_type = (np.uint8, geometry.bins)
        rows_type = (np.float32, geometry.row_size)
        gr.sync_block.__init__(self, name="frame_tap", in_sig=[mask_type, mask_type, rows_type], out_sig=None)
        reductions = geometry.reductions
        channel = reductions.index(Reduction.MAX) if Reduction.MAX in reductions else 0
        self._power_bins = slice(channel * geometry.bins, (channel + 1) * geometry.bins)
        self._geometry, self._complain = geometry, complain
        self.mail: Mailbox[tuple[pmt.pmt_base, tuple[np.ndarray, ...]]] = Mailbox(depth)
        self._tag: pmt.pmt_base | None = None  # of the frame being filled
        self._arrays: tuple[np.ndarray, ...] = ()
        self._filled = 0
        self.message_port_register_out(pmt.intern(keys.FREQ))

    def start(self) -> bool:
        """Begin a run."""
        self.mail.clear()
        self._tag = None
        return True

    def post_freq(self, freq: float) -> None:
        """Tell a frequency, Hz, to whoever listens."""
        self.message_port_pub(pmt.intern(keys.FREQ), pmt.cons(pmt.intern(keys.FREQ), pmt.from_double(freq)))

    def work(self, input_items: list[np.ndarray], output_items: list[np.ndarray]) -> int:
        """Take all that is there."""
        count = len(input_items[0])
        taken = 0
        while taken < count:
            taken += self._take(input_items, taken, count)
        return count

    def _take(self, inputs: list[np.ndarray], begin: int, end: int) -> int:
        if self._tag is None:
            skipped = self._find_frame(begin, end)
            if skipped:
                return skipped
        count = min(end - begin, self._geometry.rows - self._filled)
        to, of = slice(self._filled, self._filled + count), slice(begin, begin + count)
        mask, confidence, power = self._arrays
        mask[to], confidence[to], power[to] = inputs[0][of], inputs[1][of], inputs[2][of, self._power_bins]
        self._filled += count
        if self._filled == self._geometry.rows:
            self.mail.put((self._tag, self._arrays))
            self._tag = None
        return count

    def _find_frame(self, begin: int, end: int) -> int:
        """Begin a frame on the row ``begin``, or say how many rows belong to none."""
        tags = self.get_tags_in_window(0, begin, end, pmt.intern(keys.FRAME))
        here = self.nitems_read(0) + begin
        tag = min(tags, key=lambda tag: tag.offset, default=None)
        if tag is None or tag.offset != here:
            self._complain(f"mask row {here} begins a frame but carries no tag {keys.FRAME}; connect Segmentation Inference")
            return end - begin if tag is None else tag.offset - here
        shape = self._geometry.rows, self._geometry.bins
        self._arrays = np.empty(shape, np.uint8), np.empty(shape, np.uint8), np.empty(shape, np.float32)
        self._tag, self._filled = tag.value, 0
        return 0


class _BandTap(gr.basic_block):
    """Keeps the newest messages; a block of its own, since the last ones come after the stream has ended."""

    def __init__(self, depth: int) -> None:
        gr.basic_block.__init__(self, name="band_tap", in_sig=None, out_sig=None)
        self.mail: Mailbox[pmt.pmt_base] = Mailbox(depth)
        self._left_over = LeftOver(keys.BANDS)
        self.message_port_register_in(pmt.intern(keys.BANDS))
        self.set_msg_handler(pmt.intern(keys.BANDS), self._on_bands)

    def start(self) -> bool:
        """Begin a run."""
        self._left_over.forget(self)
        self.mail.clear()
        return True

    def _on_bands(self, message: pmt.pmt_base) -> None:
        self.mail.put(message)


def _depth(update_rate: float, geometry: Geometry) -> int:
    """Frames that may wait to be drawn: those of two pictures, within reason."""
    return min(max(math.ceil(2 / (update_rate * geometry.frame_duration)), _FEWEST_FRAMES), _MOST_FRAMES)
