"""Which bands are worth a recording, and which samples around them."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from ..bands import Band
from ..errors import RecordingError

__all__ = ["Stretch", "TriggerPlan", "TriggerRules"]

_MINUTE = 60.0  # s


@dataclass(frozen=True, kw_only=True)
class TriggerRules:
    """Which bands begin a recording, and how long it is.

    Parameters
    ----------
    labels : tuple of str
        Labels of the bands; empty for any.
    min_confidence : float
        Least confidence, 0 to 1.
    min_snr : float or None
        Least SNR, dB; a band whose SNR is not known does not reach it.
    freq_range : (float, float) or None
        Lower and upper frequency, Hz, in the reference of the bands; those that lie in it in part count.
    pre, post : float
        Time before the first and after the last sample of a band that is recorded too, s.
    max_seconds : float
        Longest recording, s; a band that goes on begins another.
    max_per_minute : int
        Recordings that may begin in a minute of signal; 0 for any number.

    Raises
    ------
    RecordingError
        If a value makes no sense.
    """

    labels: tuple[str, ...] = ()
    min_confidence: float = 0.0
    min_snr: float | None = None
    freq_range: tuple[float, float] | None = None
    pre: float = 0.1
    post: float = 0.1
    max_seconds: float = 10.0
    max_per_minute: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.labels, str) or not all(isinstance(label, str) and label for label in self.labels):
            raise RecordingError(f"labels={self.labels!r} must be a list of names, such as ['LTE'], or empty")
        object.__setattr__(self, "labels", tuple(self.labels))
        if not 0.0 <= self.min_confidence <= 1.0:
            raise RecordingError(f"min_confidence={self.min_confidence!r} is no probability; expected 0 to 1")
        if self.min_snr is not None and not math.isfinite(self.min_snr):
            raise RecordingError(f"min_snr={self.min_snr!r} must be a number of dB, or None")
        if self.freq_range is not None and not (len(self.freq_range) == 2 and self.freq_range[0] < self.freq_range[1]):
            raise RecordingError(f"freq_range={self.freq_range!r} must be a lower and a higher frequency, Hz, or None")
        for name in ("pre", "post"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise RecordingError(f"{name}={getattr(self, name)!r} must be a time of at least 0, in s")
        if not self.pre < self.max_seconds < math.inf:
            raise RecordingError(f"max_seconds={self.max_seconds!r} must be longer than pre={self.pre!r}, in s")
        if int(self.max_per_minute) != self.max_per_minute or self.max_per_minute < 0:
            raise RecordingError(f"max_per_minute={self.max_per_minute!r} must be a number of recordings, 0 for any")

    def matches(self, band: Band) -> bool:
        """Whether a band is worth a recording."""
        if self.labels and band.label not in self.labels or band.confidence < self.min_confidence:
            return False
        if self.min_snr is not None and (band.snr_db is None or band.snr_db < self.min_snr):
            return False
        if self.freq_range is None:
            return True
        lower, upper = self.freq_range
        return band.freq_lower_edge < upper and band.freq_upper_edge > lower


@dataclass
class Stretch:
    """Samples to record, ``start`` to ``stop``; ``is_full`` once it has the greatest length."""

    start: int
    stop: int
    is_full: bool = False


class TriggerPlan:
    """Turns bands into stretches of samples; those of bands that lie close make one.

    Nothing depends on the pieces in which the stream comes: two stretches are one where they overlap or touch.
    """

    def __init__(self, rules: TriggerRules) -> None:
        self._rules = rules
        self.stretches: deque[Stretch] = deque()  # that are not over, in order
        self._last_stop = 0  # of the newest stretch, also when it is over
        self._starts: deque[int] = deque()  # of those begun in the minute before the newest
        self.triggers = 0  # bands that were worth a recording
        self.limited = 0  # of these, how many began none because there had been enough in a minute

    def offer(self, band: Band, samp_rate: float, *, oldest: int) -> None:
        """Plan a recording of a band, if it is worth one; bands come sorted by first sample.

        Parameters
        ----------
        samp_rate : float
            Hz.
        oldest : int
            First sample that is still held.
        """
        rules = self._rules
        if not rules.matches(band):
            return
        self.triggers += 1
        longest = max(1, round(rules.max_seconds * samp_rate))
        start = max(band.sample_start - round(rules.pre * samp_rate), oldest)
        stop = band.sample_start + band.sample_count + round(rules.post * samp_rate)
        last = self.stretches[-1] if self.stretches else None
        if last is not None and not last.is_full and start <= last.stop:
            self._extend(last, stop, longest)
        if band.sample_start + band.sample_count > self._last_stop:
            self._begin(max(start, self._last_stop), stop, longest, samp_rate)

    def take_finished(self, position: int, samp_rate: float) -> bool:
        """Whether the first stretch is over now that ``position`` samples have come; if so it is taken out."""
        if not self.stretches:
            return False
        first = self.stretches[0]
        # A band to come may still join what ended less than ``pre`` ago.
        wait = 0 if first.is_full or len(self.stretches) > 1 else round(self._rules.pre * samp_rate) + 1
        if position < first.stop + wait:
            return False
        self.stretches.popleft()
        return True

    def _extend(self, stretch: Stretch, stop: int, longest: int) -> None:
        stretch.stop = max(stretch.stop, min(stop, stretch.start + longest))
        stretch.is_full = stop > stretch.start + longest
        self._last_stop = stretch.stop

    def _begin(self, start: int, stop: int, longest: int, samp_rate: float) -> None:
        while self._starts and self._starts[0] <= start - _MINUTE * samp_rate:
            self._starts.popleft()
        if 0 < self._rules.max_per_minute <= len(self._starts):
            self.limited += 1
            return
        self._starts.append(start)
        stretch = Stretch(start, start)
        self._extend(stretch, stop, longest)
        self.stretches.append(stretch)
