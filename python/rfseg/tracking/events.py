"""What a tracker tells: tracks and the events in their lives."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from ..geometry import RxTime

__all__ = ["EndReason", "EventKind", "Track", "TrackEvent"]


class EventKind(str, Enum):
    """What happened to a track."""

    ONSET = "onset"  # it is confirmed; its first sample lies in the past
    UPDATE = "update"  # its label has changed, or the interval between updates is over
    END = "end"  # nothing more will be said of it


class EndReason(str, Enum):
    """Why a track has ended."""

    SILENCE = "silence"  # not seen for longer than its hold
    MERGE = "merge"  # with others, or into another, which is named as its child
    SPLIT = "split"  # into its children
    RESHAPE = "reshape"  # its one child is much wider or much narrower
    RETUNE = "retune"  # its frequencies mean nothing any more: the centre became known or unknown
    RATE_CHANGE = "rate_change"  # the same, of a baseband track
    GAP = "gap"  # more time is missing than its hold, or time ran backwards
    ABSENCE = "absence"  # out of view for too long
    STREAM_END = "stream_end"


@dataclass(frozen=True, kw_only=True)
class Track:
    """What is known of a track at one moment.

    Parameters
    ----------
    track : int
        Its number; no other track of the run has it.
    label, class_id
        What most of its recent bands were called.
    confidence : float
        Mean of its bands, weighted with their lengths, 0 to 1.
    freq_lower_edge, freq_upper_edge : float
        Medians of its bands' edges, Hz.
    freq_reference : str
        ``rf`` or ``baseband``.
    sample_start, sample_count : int
        First sample of its first band, and from there to the last one of its last.
    samp_rate : float
        Of the newest frame, Hz.
    rx_time, end_time : RxTime or None
        Moments of its first sample and of the one after its last, where the source tells the time.
    band_count : int
        Bands that belong to it.
    occupied_time : float
        Time that its bands cover, s.
    observed_time : float
        Time from its first to its last sample in which it could have been seen, s.
    power_dbfs, power_dbm, snr_db : float or None
        Medians of its bands, where they are measured.
    pulse_interval : float or None
        Of a pulsed signal: mean time between its pulses as far as rows tell, s.
    pulse_width : float or None
        Of a pulsed signal: median of its bands, where rows tell that of most of them, s.
    parents, children : tuple of int
        Tracks that it came from by a merge or split, and that came from it.
    model : str
        Name of the model that saw it last.
    """

    track: int
    label: str
    class_id: int
    confidence: float
    freq_lower_edge: float
    freq_upper_edge: float
    freq_reference: str
    sample_start: int
    sample_count: int
    samp_rate: float
    rx_time: RxTime | None = None
    end_time: RxTime | None = None
    band_count: int
    occupied_time: float
    observed_time: float
    power_dbfs: float | None = None
    power_dbm: float | None = None
    snr_db: float | None = None
    pulse_interval: float | None = None
    pulse_width: float | None = None
    parents: tuple[int, ...] = ()
    children: tuple[int, ...] = ()
    model: str = ""

    @property
    def duty_cycle(self) -> float:
        """Share of the time observed in which its bands were there, 0 to 1."""
        return min(1.0, self.occupied_time / self.observed_time)


@dataclass(frozen=True, kw_only=True)
class TrackEvent:
    """One event.

    Parameters
    ----------
    kind : EventKind
    track : Track
    watermark : int
        What is said holds up to this sample.
    reason : EndReason or None
        Of an end.
    """

    kind: EventKind
    track: Track
    watermark: int
    reason: EndReason | None = None

    def to_fields(self) -> dict[str, Any]:
        """Everything under the names that messages and files use; what is not known is left out.

        Times are pairs of whole seconds and a fraction, parents and children lists.
        """
        values: dict[str, Any] = {"event": self.kind.value, "watermark": self.watermark}
        if self.reason is not None:
            values["reason"] = self.reason.value
        for field in fields(self.track):
            value = getattr(self.track, field.name)
            if isinstance(value, RxTime):
                value = [value.seconds, value.fraction]
            if value is not None:
                values[field.name] = list(value) if isinstance(value, tuple) else value
        values["duty_cycle"] = self.track.duty_cycle
        return values
