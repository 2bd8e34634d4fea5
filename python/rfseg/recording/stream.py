"""What is known of each sample of a stream besides its value: rate, centre, time, and where they break off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterator

from ..errors import RecordingError
from ..geometry import RxTime

__all__ = ["StreamChange", "StreamFollower", "StreamState"]

_CLOCK_TOLERANCE = 1  # samples that a time may be off without a gap, as in STFT Spectrogram Sink


@dataclass(frozen=True, kw_only=True)
class StreamChange:
    """What the source says at one sample; None where it says nothing.

    Parameters
    ----------
    offset : int
        Absolute index of the sample.
    samp_rate, center_freq : float or None
        From this sample on, Hz.
    rx_time : RxTime or None
        Moment of this sample.
    """

    offset: int
    samp_rate: float | None = None
    center_freq: float | None = None
    rx_time: RxTime | None = None


@dataclass(frozen=True, kw_only=True)
class StreamState:
    """What holds from one sample on.

    Parameters
    ----------
    offset : int
        Absolute index of that sample.
    capture : int
        Number of discontinuities before it; a recording begins a new SigMF capture where it changes.
    samp_rate : float
        Hz.
    center_freq : float or None
        RF centre, Hz.
    rx_time : RxTime or None
        Moment of that sample.
    """

    offset: int
    capture: int
    samp_rate: float
    center_freq: float | None
    rx_time: RxTime | None

    def time_at(self, offset: int) -> RxTime | None:
        """Moment of a sample from ``offset`` on, if known."""
        return None if self.rx_time is None else self.rx_time.after(offset - self.offset, self.samp_rate)


class StreamFollower:
    """Keeps the states of a stretch of the stream.

    Parameters
    ----------
    samp_rate : float
        Hz, until a change says otherwise.
    center_freq : float or None
        RF centre likewise, Hz.
    offset : int
        Absolute index of the first sample.
    """

    def __init__(self, samp_rate: float, center_freq: float | None = None, *, offset: int = 0) -> None:
        if not (math.isfinite(samp_rate) and samp_rate > 0):
            raise RecordingError(f"samp_rate={samp_rate!r} must be a rate above 0, in Hz")
        if center_freq is not None and not math.isfinite(center_freq):
            raise RecordingError(f"center_freq={center_freq!r} must be a frequency in Hz, or None")
        self._states = [
            StreamState(offset=offset, capture=0, samp_rate=float(samp_rate), center_freq=center_freq, rx_time=None)
        ]

    @property
    def newest(self) -> StreamState:
        """What holds from the newest change on."""
        return self._states[-1]

    def follow(self, change: StreamChange, *, not_before: int = 0) -> None:
        """Take what the source says; changes come in the order of their samples.

        One that is told too late holds from the sample ``not_before`` on.

        Another frequency or rate, the first time, and a time that is two samples or more off begin a new capture;
        a time that is at most one sample off sets the clock right.
        """
        state = self.newest
        offset = max(change.offset, not_before, state.offset)
        time = state.time_at(offset)
        expected, is_new = time, False
        if change.rx_time is not None:
            time = change.rx_time.after(offset - change.offset, change.samp_rate or state.samp_rate)
            is_new = expected is None or abs(_samples_between(expected, time, state.samp_rate)) > _CLOCK_TOLERANCE
        rate = state.samp_rate if change.samp_rate is None else change.samp_rate
        center = state.center_freq if change.center_freq is None else change.center_freq
        is_new = is_new or (rate, center) != (state.samp_rate, state.center_freq)
        changed = StreamState(
            offset=offset,
            capture=state.capture + is_new,
            samp_rate=rate,
            center_freq=center,
            rx_time=time,
        )
        if offset == state.offset:  # of several on one sample the last holds
            self._states.pop()
        self._states.append(changed)

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, StreamState]]:
        """Cut samples ``start`` to ``stop`` where the state changes: first sample, the one after the last, the state."""
        later = self._states[1:]
        for state, following in zip(self._states, [*later, None]):
            first = max(start, state.offset)
            last = stop if following is None else min(stop, following.offset)
            if first < last:
                yield first, last, state

    def forget(self, before: int) -> None:
        """Drop what no sample from ``before`` on needs."""
        while len(self._states) > 1 and self._states[1].offset <= before:
            self._states.pop(0)


def _samples_between(expected: RxTime, time: RxTime, samp_rate: float) -> int:
    """Samples from one moment to another, rounded."""
    seconds = (time.seconds - expected.seconds) + (time.fraction - expected.fraction)
    return round(seconds * samp_rate)
