"""Time of a stream: its samples, and the receiver's clock where samples were lost."""

from __future__ import annotations

from ..geometry import Frame

__all__ = ["StreamClock"]


class StreamClock:
    """Seconds from the start of the first frame to the end of the newest.

    Examples
    --------
    >>> from rfseg.geometry import RxTime
    >>> clock = StreamClock()
    >>> for start, time in ((0, 5), (10, 8)):  # 2 s are missing between two frames of 1 s
    ...     clock.add(Frame(index=0, sample_start=start, sample_count=10, valid_samples=10, samp_rate=10.0,
    ...                     rx_time=RxTime(seconds=time, fraction=0.0)))
    >>> clock.now
    4.0
    """

    def __init__(self) -> None:
        self.now = 0.0  # s
        self._newest: Frame | None = None

    def add(self, frame: Frame) -> None:
        """The next frame."""
        before, self._newest = self._newest, frame
        if before is None:
            self.now += frame.valid_samples / frame.samp_rate
            return
        self.now += (frame.watermark - before.watermark) / frame.samp_rate
        if before.rx_time is not None and frame.rx_time is not None:
            whole = frame.rx_time.seconds - before.rx_time.seconds
            passed = whole + frame.rx_time.fraction - before.rx_time.fraction
            self.now += max(0.0, passed - (frame.sample_start - before.sample_start) / before.samp_rate)
