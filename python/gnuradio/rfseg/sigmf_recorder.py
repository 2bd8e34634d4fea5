# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF Recorder: a tagged stream into annotated recordings."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
import pmt
from gnuradio import gr
from rfseg.errors import BandError, RecordingError
from rfseg.framequeue import LogPace, choose
from rfseg.recording.filerules import FileRules
from rfseg.recording.recorder import DEFAULT_QUEUE_SECONDS, ITEM_TYPES, Recorder, RecorderCounts, Scope
from rfseg.recording.stream import StreamChange
from rfseg.recording.trigger import TriggerRules

from .endings import ends_safely
from .message_queues import LeftOver
from .messages import FrameTag, event_to_pmt
from .rfseg_python import keys
from .stream_tags import bands_of, changes_of

__all__ = ["sigmf_recorder"]


class sigmf_recorder(gr.sync_block):
    """Writes IQ as SigMF with its bands as annotations: all of it, or what lies around chosen bands.

    Stream in: IQ of the item type with the tags of Band Tagger or RF Segmenter.
    Stream out: none.
    Messages in: ``bands`` (optional), for what the source does not tell in tags: centre, rate and time of frames.
    Messages out: ``status``: files begun, finished, recovered and deleted, why recording has stopped, and, at most once
    a second, what was written and lost.
    Tags: reads ``band_start``, ``rx_time``, ``rx_rate``, ``rx_freq``.
    Latency: blocks of 10 ms of signal are handed over; metadata on disk are a second behind.
    Threads: the block's own copies samples; another writes, and in live mode the first never waits for it; a third
    forces data onto the disk and finishes files.

    What a crash interrupted in the same folder is completed when the flowgraph starts.  When the quota or the disk is
    full, recording stops with a message and the stream goes on; ``resume()`` begins anew.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second, until a tag says otherwise, Hz.
    folder : str or Path
        Where recordings are kept; made where it is not there.
    item_type : str
        ``complex64``, ``int16`` or ``int8``.
    record : str
        ``bands``: what lies around chosen bands; ``all``: everything.
    mode : str
        ``live``: what the disk does not take in time is lost and counted; ``lossless``: the stream waits.
    labels : sequence of str
        ``bands``: labels that begin a recording; empty for any.
    min_confidence : float
        ``bands``: least confidence, 0 to 1.
    min_snr : float or None
        ``bands``: least SNR, dB.
    freq_range : (float, float) or None
        ``bands``: lower and upper frequency, Hz; bands that lie in it in part count.
    pre, post : float
        ``bands``: time before and after a band that is recorded too, s.
    max_seconds : float
        ``bands``: longest recording, s.
    max_per_minute : int
        ``bands``: recordings that may begin in a minute of signal; 0 for any number.
    rotate_bytes : int
        Largest data file, bytes; 0 for any.
    rotate_seconds : float
        Longest file, s of signal; 0 for any.
    quota_bytes : int
        What all recordings of the folder and prefix may take, bytes; 0 for what the disk has.
    on_full : str
        ``stop`` or ``delete_oldest`` recording.
    center_freq : float or None
        RF centre until a tag says otherwise, Hz.
    prefix : str
        Begins the names of the files.
    sync : str
        When data are forced onto the disk: at each ``flush`` of the metadata, when a ``file`` is finished, ``never``.
    queue_seconds : float
        Signal that may wait for the disk, s.
    info : mapping or None
        More keys of SigMF's global object, such as ``{"core:hw": "B210"}``.
    """

    def __init__(
        self,
        samp_rate: float,
        folder: str | Path = "recordings",
        *,
        item_type: str = "complex64",
        record: str = "bands",
        mode: str = "live",
        labels: Sequence[str] = (),
        min_confidence: float = TriggerRules.min_confidence,
        min_snr: float | None = None,
        freq_range: tuple[float, float] | None = None,
        pre: float = TriggerRules.pre,
        post: float = TriggerRules.post,
        max_seconds: float = TriggerRules.max_seconds,
        max_per_minute: int = TriggerRules.max_per_minute,
        rotate_bytes: int = FileRules.rotate_bytes,
        rotate_seconds: float = FileRules.rotate_seconds,
        quota_bytes: int = FileRules.quota_bytes,
        on_full: str = FileRules.on_full.value,
        center_freq: float | None = None,
        prefix: str = FileRules.prefix,
        sync: str = FileRules.sync.value,
        queue_seconds: float = DEFAULT_QUEUE_SECONDS,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        trigger = TriggerRules(
            labels=labels,
            min_confidence=min_confidence,
            min_snr=min_snr,
            freq_range=freq_range,
            pre=pre,
            post=post,
            max_seconds=max_seconds,
            max_per_minute=max_per_minute,
        )
        files = FileRules(
            prefix=prefix,
            rotate_bytes=rotate_bytes,
            rotate_seconds=rotate_seconds,
            quota_bytes=quota_bytes,
            on_full=on_full,
            sync=sync,
            info={} if info is None else info,
        )
        recorder = Recorder(
            folder,
            samp_rate=samp_rate,
            item_type=item_type,
            center_freq=center_freq,
            trigger=trigger if choose(Scope, record, "record") is Scope.BANDS else None,
            files=files,
            queue_seconds=queue_seconds,
            mode=mode,
            on_event=lambda event, fields: self._publish(event, fields),
        )
        shape, dtype = ITEM_TYPES[item_type]
        gr.sync_block.__init__(self, name="sigmf_recorder", in_sig=[(dtype, *shape) if shape else dtype], out_sig=None)
        self._recorder = recorder
        self._bad_tag_pace = LogPace()
        self._left_over = LeftOver(keys.BANDS)
        self._reset()
        self.message_port_register_out(pmt.intern(keys.STATUS))
        self.message_port_register_in(pmt.intern(keys.BANDS))
        self.set_msg_handler(pmt.intern(keys.BANDS), self._on_bands)

    # -- what scripts may ask and do while the flowgraph runs

    def counts(self) -> RecorderCounts:
        """What became of the samples to record in this run."""
        return self._recorder.counts()

    def is_stopped(self) -> bool:
        """Whether recording has stopped because there is no room."""
        return self._recorder.is_stopped

    def resume(self) -> None:
        """Record again after such a stop."""
        self._recorder.resume()

    def bad_tags(self) -> int:
        """Tags and messages that made no sense in this run."""
        return self._bad_tags

    # -- what the scheduler calls

    def start(self) -> bool:
        """Complete what a crash left, and begin; messages that the run before left speak of other samples."""
        self._left_over.forget(self)
        self._reset()
        try:
            self._recorder.start(self.nitems_read(0))
        except RecordingError as error:  # sensing goes on
            self._fail(error)
        return True

    @ends_safely
    def stop(self) -> bool:
        """Write what waits and finish the recording."""
        try:
            self._recorder.stop()
        except Exception as error:
            self._fail(error)
        self._report(is_last=True)
        return True

    def work(self, input_items: list[np.ndarray], output_items: list[np.ndarray]) -> int:
        """Take samples and what their tags say."""
        samples = input_items[0]
        if self._has_failed:
            return len(samples)
        try:
            tags = self.get_tags_in_window(0, 0, len(samples))
            tags.sort(key=lambda tag: tag.offset)
            changes = self._frames_before(self.nitems_read(0) + len(samples)) + changes_of(tags, self._refuse)
            changes.sort(key=lambda change: change.offset)  # on one sample, tags come last and hold
            self._recorder.push(samples, changes=changes, bands=bands_of(tags, self._refuse))
            self._report()
        except Exception as error:  # sensing goes on, whatever happens to recording
            self._fail(error)
        return len(samples)

    def _fail(self, error: Exception) -> None:
        self._has_failed = True
        self._frames.clear()
        self.logger.error(f"{type(error).__name__}: {error}; recording ends here, the stream goes on")
        self._publish(keys.FAILED, {keys.REASON: str(error) or type(error).__name__})

    def _on_bands(self, message: pmt.pmt_base) -> None:
        if self._has_failed:  # nothing is recorded that it could be of use to, nor is it ever taken out again
            return
        try:
            frame = FrameTag.from_pmt(message).frame
        except BandError as error:
            self._refuse(str(error))
            return
        self._frames.append(
            StreamChange(
                offset=frame.sample_start,
                samp_rate=frame.samp_rate,
                center_freq=frame.center_freq,
                rx_time=frame.rx_time,
            )
        )

    def _frames_before(self, stop: int) -> list[StreamChange]:
        """What messages told of the samples up to this one."""
        due = []
        while self._frames and self._frames[0].offset < stop:
            due.append(self._frames.popleft())
        return due

    def _refuse(self, reason: str) -> None:
        self._bad_tags += 1
        if self._bad_tag_pace.is_due():
            self.logger.warn(f"a tag or message is passed over: {reason}; {self._bad_tags} so far")

    def _report(self, *, is_last: bool = False) -> None:
        """Publish the totals, at most once a second unless the stream ends."""
        if not (is_last or self._pace.is_due()):
            return
        counts = self._recorder.counts()
        if counts.dropped > self._told_drops:
            self._told_drops = counts.dropped
            self.logger.warn(f"{counts.dropped} samples lost: the disk is too slow; raise queue_seconds or record less")
        self._publish(keys.PROGRESS, {name: getattr(counts, name) for name in counts.__dataclass_fields__})

    def _publish(self, event: str, fields: dict[str, Any]) -> None:
        self.message_port_pub(pmt.intern(keys.STATUS), event_to_pmt(keys.RECORDER, event, fields))

    def _reset(self) -> None:
        """Back to the state before the first sample."""
        self._bad_tags = self._told_drops = 0
        self._has_failed = False
        self._frames: deque[StreamChange] = deque()  # told by messages, of samples to come
        self._pace = LogPace()
        self._pace.is_due()  # nothing to say before the first second is over
