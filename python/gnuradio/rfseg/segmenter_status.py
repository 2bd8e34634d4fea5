# SPDX-License-Identifier: GPL-3.0-or-later
"""What Segmentation Inference counts, logs and publishes on ``status``."""

from __future__ import annotations

from typing import Any, Callable

import pmt
from rfseg.framejudge import FrameOutcome, ModelChange
from rfseg.framequeue import DropPolicy, LogPace
from rfseg.geometry import Geometry
from rfseg.pipeline import FrameState

from .messages import event_to_pmt
from .rfseg_python import keys

__all__ = ["SegmenterStatus"]

_STATUS_INTERVAL = 1.0  # s


class SegmenterStatus:
    """Counters of one run and the messages that tell of them.

    Parameters
    ----------
    publish : callable
        Sends a message on ``status``.
    logger
        The block's.
    geometry : Geometry
        Of the stream.
    policy : DropPolicy
        Of the queue.
    """

    def __init__(
        self, publish: Callable[[pmt.pmt_base], None], logger: Any, *, geometry: Geometry, policy: DropPolicy
    ) -> None:
        self._send, self._logger, self._geometry, self._policy = publish, logger, geometry, policy
        self._bad_message_pace = LogPace()
        self.reset()

    def reset(self) -> None:
        """Begin a run."""
        self.counts = dict.fromkeys(FrameState, 0)
        self._bad_messages = 0
        self._inference_ms = 0.0
        self._reported_drops = 0
        self._reported_rate = 0.0
        self._pace = LogPace(_STATUS_INTERVAL)
        self._pace.is_due()  # nothing to say before the first second is over

    @property
    def frames(self) -> int:
        """Frames so far in this run."""
        return sum(self.counts.values())

    def count(self, outcome: FrameOutcome) -> None:
        """Take a frame in; tell of a rate that is not covered, once for each."""
        self.counts[outcome.state] += 1
        if outcome.state is FrameState.INFERRED:
            self._inference_ms = 1e3 * outcome.duration
        samp_rate = outcome.frame.samp_rate
        if outcome.state is FrameState.UNSUPPORTED_RATE and samp_rate != self._reported_rate:
            self._reported_rate = samp_rate
            reason = (
                f"model {outcome.model!r} does not cover this rate with {self._geometry.bins} bins; restart the"
                " flowgraph with the new rate"
            )
            self._logger.warn(f"samp_rate={samp_rate:g} Hz: {reason}; frames are masked 255")
            self.publish(keys.UNSUPPORTED_RATE, {keys.SAMP_RATE: samp_rate, keys.REASON: reason})

    def report(self, *, model: str, waiting: int, is_last: bool = False) -> None:
        """Publish the totals, at most once a second unless the stream ends.

        Parameters
        ----------
        model : str
            Name of the model in use.
        waiting : int
            Frames in the queue.
        """
        if not (is_last or self._pace.is_due()):
            return
        counts = {
            keys.FRAMES: self.frames,
            keys.INFERRED: self.counts[FrameState.INFERRED],
            keys.DROPPED: self.counts[FrameState.DROPPED],
            keys.SKIPPED: self.counts[FrameState.SKIPPED],
            keys.FAILED: self.counts[FrameState.FAILED],
        }
        dropped = counts[keys.DROPPED]
        if dropped > self._reported_drops:
            self._reported_drops = dropped
            self._logger.warn(f"inference is too slow: {dropped} of {self.frames} frames dropped")
            totals = {keys.FRAMES: self.frames, keys.DROPPED: dropped}
            self.publish(keys.DROPPED, {**totals, keys.POLICY: self._policy.value})
        gauges = {keys.QUEUE_DEPTH: waiting, keys.INFERENCE_MS: self._inference_ms, keys.MODEL: model}
        self.publish(keys.PROGRESS, {**counts, **gauges})

    def tell_change(self, change: ModelChange) -> None:
        """Say what became of a request for a model."""
        if change.is_refused:
            self._logger.warn(f"model {change.model!r} is refused, the old one stays: {change.reason}")
            self.publish(keys.MODEL_REFUSED, {keys.MODEL: change.model, keys.REASON: change.reason})
        else:
            self.publish(keys.MODEL, {keys.MODEL: change.model})

    def refuse(self, port: str, message: pmt.pmt_base, *, expected: str) -> None:
        """Count a malformed message and tell of it."""
        self._bad_messages += 1
        reason = f"message is {message}, expected {expected}"
        if self._bad_message_pace.is_due():
            self._logger.warn(f"{port}: {reason}; {self._bad_messages} so far")
        self.publish(
            keys.BAD_MESSAGE, {keys.PORT: port, keys.REASON: reason, keys.TOTAL: self._bad_messages}
        )

    def tell_end(self, error: Exception) -> None:
        """Say why the block cannot go on."""
        self._logger.error(f"stops: {error}")
        self.publish(keys.FAILED, {keys.REASON: str(error)})

    def publish(self, event: str, fields: dict[str, int | float | str]) -> None:
        """Send one event."""
        self._send(event_to_pmt(keys.SEGMENTER, event, fields))
