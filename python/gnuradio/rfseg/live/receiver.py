# SPDX-License-Identifier: GPL-3.0-or-later
"""The flowgraph of a receiver: a source, RF Segmenter, Occupancy, and feeds."""

from __future__ import annotations

import math
import threading
import time
from functools import partial
from typing import Any, Callable

import pmt
from gnuradio import blocks, gr
from rfseg.errors import OptionError
from rfseg.feeds.messages import BANDS, OCCUPANCY, STATUS, TRACK
from rfseg.framequeue import Mode
from rfseg.inference import Session, find_model
from rfseg.live.commands import UNCHANGED, LiveCommand
from rfseg.live.settings import LiveSettings
from rfseg.live.sources import FileSettings
from rfseg.live.status import LiveStatus
from rfseg.pipeline import fitting_frame_duration
from rfseg.remote import RemoteSession

from ..band_tagger import ITEM_SIZES
from ..occupancy import occupancy
from ..rf_segmenter import rf_segmenter
from ..rfseg_python import keys
from ..sigmf_recorder import sigmf_recorder
from .sources import end_stream, make_source
from .taps import LiveFeed, message_tap
from .telemetry import Telemetry

__all__ = ["Receiver"]

_ENDLESS = 1 << 62  # samples
_REMOTE_TIMEOUTS = {Mode.LIVE: 0.5, Mode.LOSSLESS: 30.0}  # s until a frame is given up; files can wait
_LONGEST_TUNING = 10.0  # s that a source may take to tune
_RECORDED = ("recordings", "written", "dropped", "refused")


class Receiver(gr.top_block):
    """A receiver that can be asked and commanded while it runs.

    Parameters
    ----------
    settings : LiveSettings
    on_note : callable
        Told in a line what a user should know; called from any thread.

    Raises
    ------
    RfsegError
        If the source, the model or a feed is of no use.
    """

    def __init__(self, settings: LiveSettings, *, on_note: Callable[[str], None] = lambda text: None) -> None:
        gr.top_block.__init__(self, "rfseg live")
        self.settings = settings
        self.stop_wanted = threading.Event()  # set by a command
        self._commanding = threading.Lock()
        self._recorder: sigmf_recorder | None = None
        self._watermark: int | None = None
        self._latency: float | None = None
        self._min_confidence = settings.detection.min_confidence
        self.feeds = [LiveFeed(feed, mode=settings.mode, on_note=on_note) for feed in settings.feeds]
        self._item_type = getattr(settings.source, "item_type", "complex64")
        session = _open_session(settings)
        self.source = make_source(settings.source, ITEM_SIZES)
        self.chain = self._make_chain(session)
        self._limit = _ENDLESS if settings.duration is None else max(1, round(settings.duration * self.source.samp_rate))
        # It counts what has come, and ends the stream: at a limit, or when it is set to 0.
        self._valve = blocks.head(ITEM_SIZES[self._item_type], self._limit)
        self._telemetry = Telemetry(self.source.center_freq, on_note)
        self._start_time = self._previous_time = time.monotonic()
        self._previous_samples = 0
        self._connect()

    def _make_chain(self, session: Session | RemoteSession) -> rf_segmenter:
        settings, source = self.settings, self.source
        frame_duration = settings.frame_duration
        if frame_duration is None and isinstance(settings.source, FileSettings):
            frame_duration = fitting_frame_duration(session.contract, source.recording.duration)
        detection, inference = settings.detection, settings.inference
        chain = rf_segmenter(
            source.samp_rate,
            model=session,
            frame_duration=frame_duration,
            mode=settings.mode,
            item_type=self._item_type,
            center_freq=source.center_freq,
            settling=settings.source.settling,
            infer_every=inference.infer_every,
            hold=inference.hold,
            queue_depth=inference.queue_depth,
            policy=inference.policy,
            threads=inference.threads,
            workers=inference.workers,
            providers=inference.providers,
            min_bandwidth=detection.min_bandwidth,
            min_duration=detection.min_duration,
            min_confidence=detection.min_confidence,
            max_gap=detection.max_gap,
            reject=detection.reject,
            mask_dc=detection.mask_dc,
            calibration=detection.calibration,
        )
        chain.tracker().set_rules(settings.tracker)
        return chain

    def _connect(self) -> None:
        self.connect(self.source.block, self._valve, self.chain)
        if "async_msgs" in _ports_out(self.source.block):  # UHD's
            self.msg_connect(self.source.block, "async_msgs", self.chain, keys.OVERFLOW)
        self._taps = [
            self._tap(BANDS, self.chain, keys.BANDS, self._on_bands),
            self._tap(STATUS, self.chain, keys.STATUS, self._telemetry.hear_chain),
            self._tap(TRACK, self.chain, keys.TRACKS),
        ]
        if self.settings.recording is not None:
            self._connect_recorder()
        rules = self.settings.occupancy
        if rules is not None or any(OCCUPANCY in feed.settings.messages for feed in self.feeds):
            self._occupancy = occupancy(**({} if rules is None else vars(rules)))
            self.msg_connect(self.chain, keys.BANDS, self._occupancy, keys.BANDS)
            self._taps.append(self._tap(OCCUPANCY, self._occupancy, keys.OCCUPANCY))

    def _connect_recorder(self) -> None:
        self._recorder = sigmf_recorder(
            self.source.samp_rate,
            **vars(self.settings.recording),
            item_type=self._item_type,
            mode=self.settings.mode,
            center_freq=self.source.center_freq,
        )
        self.connect(self.chain, self._recorder)
        self.msg_connect(self.chain, keys.BANDS, self._recorder, keys.BANDS)
        self._taps.append(self._tap(STATUS, self._recorder, keys.STATUS, self._telemetry.hear_recorder))

    def _tap(self, kind: str, block: Any, port: str, *receivers: Callable[[pmt.pmt_base], None]) -> message_tap:
        feeds = [partial(feed.take, kind) for feed in self.feeds if kind in feed.settings.messages]
        tap = message_tap([*receivers, *feeds])
        self.msg_connect(block, port, tap, "in")
        return tap

    # -- a run

    def begin(self, max_noutput_items: int = 100_000_000) -> None:
        """Start the feeds and the flowgraph."""
        for feed in self.feeds:
            feed.start()
        self._start_time = self._previous_time = time.monotonic()
        self.start(max_noutput_items)

    def request_end(self) -> None:
        """End the stream after what has come so far; what the blocks hold is still worked off."""
        self._valve.set_length(0)
        if self.source.has_died():  # it can say so no more
            self.source.block.detail().set_done(True)
            end_stream(self._valve)
        else:
            end_stream(self.source.block)

    def close(self) -> None:
        """Let the feeds deliver what waits; all at once, 5 s at most."""
        stops = [threading.Thread(target=feed.stop) for feed in self.feeds]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()

    def samples(self) -> int:
        """Samples that have come."""
        return self._valve.nitems_written(0)

    @property
    def failure(self) -> str:
        """Why the chain cannot go on; empty while it can."""
        return self._telemetry.failure

    def has_reached_limit(self) -> bool:
        """Whether all samples of the duration have come."""
        return self.samples() >= self._limit

    def announce(self) -> str:
        """What is received, in a line."""
        settings, source = self.settings, self.source
        place = getattr(settings.source, "device", None) or getattr(settings.source, "address", None)
        place = place or getattr(settings.source, "path", "") or "any"
        center = "" if source.center_freq is None else f" at {source.center_freq / 1e6:g} MHz"
        return f"{source.name} {place}: {source.samp_rate / 1e6:g} MS/s{center}, model {self.chain.model()}, {settings.mode}"

    def status(self) -> LiveStatus:
        """How it is doing; the rate is that since the call before."""
        now, samples = time.monotonic(), self.samples()
        elapsed = now - self._previous_time
        rate = (samples - self._previous_samples) / elapsed if elapsed > 0 else 0.0
        return LiveStatus(
            uptime=now - self._start_time,
            source=self.source.name,
            samples=samples,
            samp_rate=self.source.samp_rate,
            rate_in=rate,
            center_freq=self.source.center_freq,
            gain=self.source.gain,
            model=self.chain.model(),
            frames=self.chain.frames(),
            inferred=self.chain.inferred(),
            dropped=self.chain.dropped(),
            skipped=self.chain.skipped(),
            failed=self.chain.failed(),
            bands=self.chain.bands(),
            tracks=self.chain.tracks(),
            late=self.chain.late_bands(),
            latency=self._latency,
            min_confidence=self._min_confidence,
            feeds=tuple(feed.counts() for feed in self.feeds),
            recording=self._recorded(),
            lag=getattr(self.source.block, "lag", 0.0),
            **self._telemetry.counters,
        )

    def _recorded(self) -> dict[str, int | bool] | None:
        if self._recorder is None:
            return None
        counts = self._recorder.counts()
        return {"stopped": self._recorder.is_stopped(), **{name: getattr(counts, name) for name in _RECORDED}}

    def mark(self) -> None:
        """From here on the rate is measured anew."""
        self._previous_time, self._previous_samples = time.monotonic(), self.samples()

    # -- commands

    def apply(self, command: LiveCommand) -> LiveStatus:
        """Obey a command; the status after it.  What it asks for is refused at the first thing that is.

        Raises
        ------
        RfsegError
            If the source or the chain refuses it.
        """
        with self._commanding:
            if command.model is not UNCHANGED:
                find_model(command.model)  # an unknown name is refused here, an unfit model on the status
            if command.center_freq is not UNCHANGED:
                self._tune(float(command.center_freq))
            if command.gain is not UNCHANGED:
                self.source.set_gain(command.gain)
            if command.min_confidence is not UNCHANGED:
                self.chain.set_min_confidence(float(command.min_confidence))
                self._min_confidence = float(command.min_confidence)
            if command.reject is not UNCHANGED:
                self.chain.set_reject(None if command.reject is None else float(command.reject))
            if command.model is not UNCHANGED:
                self.chain.set_model(command.model)
            if command.resume:
                self._resume()
            if command.stop:
                self.stop_wanted.set()
        return self.status()

    def _resume(self) -> None:
        """Record again after a stop for want of room."""
        if self._recorder is None:
            raise OptionError("resume: nothing is recorded; give a table [recording]")
        self._recorder.resume()
        self._telemetry.forget_problem("recording ")

    def _tune(self, center_freq: float) -> None:
        """Tune the source, and have the chain look at no sample of which it is not certain where it is from.

        A message reaches the chain at the sample that it reads next.  So the chain settles from before the source is
        tuned until all that had come by then has gone through, and for the source's settling time on top.  A retune to
        the same frequency is none: while the source is on its way, the chain is told one that is off by the last bit.
        Where the source tags its retunes, the tag that follows says where exactly.
        """
        self.source.check_tuning(center_freq)
        self.chain.set_settling(_LONGEST_TUNING)
        self.chain.set_center_freq(math.nextafter(center_freq, math.inf))
        try:
            self.source.tune(center_freq)
        finally:
            waiting = max(0, self.source.block.nitems_written(0) - self.chain.samples_read())
            self.chain.set_settling(self.settings.source.settling + waiting / self.source.samp_rate)
            self.chain.set_center_freq(self.source.center_freq)

    # -- what the taps call

    def _on_bands(self, message: pmt.pmt_base) -> None:
        if not pmt.eqv(pmt.dict_ref(message, pmt.intern(keys.STATE), pmt.PMT_NIL), pmt.intern(keys.INFERRED)):
            return  # what nobody looks at is told at once
        watermark = pmt.to_uint64(pmt.dict_ref(message, pmt.intern(keys.WATERMARK), pmt.from_uint64(0)))
        self._latency = max(0, self.samples() - watermark) / self.source.samp_rate


def _open_session(settings: LiveSettings) -> Session | RemoteSession:
    """The network, here or where it is said to run."""
    inference = settings.inference
    if inference.remote is not None:
        timeout = _REMOTE_TIMEOUTS[Mode(settings.mode)]
        return RemoteSession(inference.remote, timeout=timeout, dtype=inference.remote_dtype)
    return Session(settings.model, threads=inference.threads, providers=inference.providers)


def _ports_out(block: Any) -> list[str]:
    """Names of the message ports out of a block."""
    ports = block.to_basic_block().message_ports_out()
    return [pmt.symbol_to_string(pmt.vector_ref(ports, i)) for i in range(pmt.length(ports))]
