"""Channels that must be left when a radar comes, and that may be used again when it has been away for long enough.

The rules have the shape of dynamic frequency selection (DFS): a channel is checked before its first use (channel
availability check), left in time after a radar was seen in it, and not used again until a non-occupancy period is
over.  Periods count in the time of the samples; what nobody has watched does not count as silence.

This is a part for experiments.  It makes no system compliant with any regulation: those demand detection
probabilities, test signals and certification that nobody has measured here.

Sources of the terms: 47 CFR 15.407(h)(2); ETSI EN 301 893, annex D (channel availability check 60 s, move time 10 s,
non-occupancy period 30 minutes); 47 CFR 96.15(a)(4) and 96.39(c)(2) (3.5 GHz: 300 s for the access system, 60 s for a
device that it has told).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Sequence

from .bands import Band
from .errors import BandError, OptionError
from .geometry import Frame, RxTime

__all__ = ["AlarmRules", "AlarmEvent", "Notice", "RadarAlarm"]

_NS = 1_000_000_000  # times are whole nanoseconds: exact to compare, and nothing drifts


class AlarmEvent(str, Enum):
    """What is said of a channel."""

    EVACUATE = "evacuate"  # a radar was seen in it: leave it before the deadline
    CLOSED = "closed"  # again, while it stays closed: later readers learn of it
    CLEAR = "clear"  # it may be used


@dataclass(frozen=True, kw_only=True)
class AlarmRules:
    """What is protected, and for how long.

    Parameters
    ----------
    channels : sequence of (float, float)
        Lower and upper edge of each channel, RF, Hz.
    label : str
        Of the bands that are protected.
    min_confidence : float
        Bands below this do not count, 0 to 1.
    min_pulses, pulse_window : int, float
        An alarm needs so many bands of one track, each within ``pulse_window`` s of the one before.
    guard : float
        A radar this near to a channel counts as in it, Hz.
    evacuation_time : float
        From the first pulse to the deadline, s.
    non_occupancy : float
        From the last pulse to the all-clear, s.
    availability_check : float
        An all-clear needs this much time that was watched and had no pulse in it, s; also the first one.
    reminder : float
        Time between ``closed`` notices, s.
    """

    channels: Sequence[tuple[float, float]]
    label: str = "Radar"
    min_confidence: float = 0.0
    min_pulses: int = 3
    pulse_window: float = 6.0
    guard: float = 0.0
    evacuation_time: float = 60.0
    non_occupancy: float = 1800.0
    availability_check: float = 60.0
    reminder: float = 10.0

    def __post_init__(self) -> None:
        if not self.channels:
            raise OptionError("channels is empty; give at least one pair of edges, RF, in Hz")
        for low, high in self.channels:
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise OptionError(f"channel from {low!r} to {high!r} Hz: the lower edge must be below the upper one")
        if int(self.min_pulses) != self.min_pulses or self.min_pulses < 1:
            raise OptionError(f"min_pulses={self.min_pulses!r} must be an integer of at least 1")
        if not 0 <= self.min_confidence <= 1:
            raise OptionError(f"min_confidence={self.min_confidence!r} must be from 0 to 1")
        for name in ("pulse_window", "guard", "evacuation_time", "non_occupancy", "availability_check", "reminder"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise OptionError(f"{name}={value!r} must be a number of at least 0")
        if self.reminder == 0:
            raise OptionError("reminder=0 s would repeat a notice with every frame; choose a time above 0")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something that is said of a channel.

    Parameters
    ----------
    event : AlarmEvent
    channel_lower_edge, channel_upper_edge : float
        Of the channel, RF, Hz.
    watermark : int
        Sample up to which this is known.
    time : RxTime
        Moment of that sample.
    time_reference : str
        ``rx``: times are those of the source; ``stream``: the source tells none, they count from the first sample.
    first_pulse, last_pulse : RxTime or None
        Of this alarm; None in an all-clear before any.
    deadline : RxTime or None
        When the channel must be empty.
    closed_until : RxTime or None
        When the non-occupancy period ends, if no further pulse comes; None in an all-clear.
    freq_lower_edge, freq_upper_edge : float or None
        Lowest and highest edge of the radar's bands so far, RF, Hz.
    track : int or None
        The track that raised the alarm.
    """

    event: AlarmEvent
    channel_lower_edge: float
    channel_upper_edge: float
    watermark: int
    time: RxTime
    time_reference: str
    first_pulse: RxTime | None = None
    last_pulse: RxTime | None = None
    deadline: RxTime | None = None
    closed_until: RxTime | None = None
    freq_lower_edge: float | None = None
    freq_upper_edge: float | None = None
    track: int | None = None

    def to_fields(self) -> dict[str, Any]:
        """By name, times as pairs, without what is not known."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        times = {key: [value["seconds"], value["fraction"]] for key, value in values.items() if isinstance(value, dict)}
        return {**values, **times, "event": self.event.value}


@dataclass
class _Sighting:
    """Bands of one track in one channel, none far from the one before; times in ns."""

    first: int
    last: int
    low: float
    high: float
    count: int = 1

    def add(self, start: int, stop: int, band: Band) -> None:
        self.last, self.count = max(self.last, stop), self.count + 1
        self.low, self.high = min(self.low, band.freq_lower_edge), max(self.high, band.freq_upper_edge)


@dataclass
class _Channel:
    """What is known of a channel; times in ns."""

    edges: tuple[float, float]
    is_clear: bool = False
    watched: int = 0  # without a pulse, since the last one
    alarm: _Sighting | None = None  # what closed it
    track: int | None = None
    reminded: int = 0
    sightings: dict[int | None, _Sighting] = field(default_factory=dict)


class RadarAlarm:
    """Watches channels, frame by frame; see :class:`AlarmRules`."""

    def __init__(self, rules: AlarmRules) -> None:
        self._rules = rules
        self._channels = [_Channel(edges=(float(low), float(high))) for low, high in rules.channels]
        self._newest: int | None = None  # first sample of the newest frame
        self._now = 0  # moment of its end, ns

    def closed(self) -> list[tuple[float, float]]:
        """Channels that may not be used now, those not checked yet among them."""
        return [channel.edges for channel in self._channels if not channel.is_clear]

    def hear(self, frame: Frame, bands: Sequence[Band], *, is_judged: bool = True) -> list[Notice]:
        """Take a frame with its bands; what is to be said, in the order of the channels.

        A frame that comes again, as the last, only ends the stream.  Where time runs backwards, as after a restart of a
        receiver that tells none, periods go on with what was left of them: what passed in between counts for nothing.

        Parameters
        ----------
        is_judged : bool
            Whether a model has looked at the frame; time in a frame that was dropped is not watched.

        Raises
        ------
        BandError
            If a band's frequencies are not RF.
        """
        rules = self._rules
        pulses = [b for b in bands if b.label == rules.label and b.confidence >= rules.min_confidence]
        if any(band.freq_reference != "rf" for band in pulses):
            raise BandError("bands are baseband, which lie in no channel; give the chain the centre frequency")
        if frame.last and frame.sample_start == self._newest:
            return []
        now = _moment(frame, frame.watermark)
        if self._newest is not None and now < self._now:
            self._move(_moment(frame, frame.sample_start) - self._now)
        self._newest, self._now = frame.sample_start, now
        notices: list[Notice] = []
        for channel in self._channels:
            low, high = channel.edges[0] - rules.guard, channel.edges[1] + rules.guard
            inside = [band for band in pulses if band.freq_lower_edge < high and band.freq_upper_edge > low]
            for band in inside:
                start, stop = (_moment(frame, band.sample_start + offset) for offset in (0, band.sample_count))
                notices += self._see(channel, band, (start, stop), frame)
            if inside:
                channel.watched = 0
            elif is_judged and _covers(frame, channel.edges):
                channel.watched += _nanoseconds(frame.valid_samples / frame.samp_rate)
            notices += self._pass_time(channel, now, frame)
        return notices

    def _move(self, shift: int) -> None:
        """Move what is remembered to another time, by ns; tracks have other numbers there."""
        for channel in self._channels:
            channel.sightings.clear()
            channel.reminded += shift
            if channel.alarm is not None:
                channel.alarm.first += shift
                channel.alarm.last += shift

    def _see(self, channel: _Channel, band: Band, times: tuple[int, int], frame: Frame) -> list[Notice]:
        """A pulse in a channel."""
        window = _nanoseconds(self._rules.pulse_window)
        known = {key: one for key, one in channel.sightings.items() if times[0] - one.last <= window}
        sighting = known.get(band.track)
        if sighting is None:
            sighting = known[band.track] = _Sighting(*times, band.freq_lower_edge, band.freq_upper_edge)
        else:
            sighting.add(*times, band)
        channel.sightings = known
        if sighting.count < self._rules.min_pulses:
            return []
        if channel.alarm is not None:
            if sighting is not channel.alarm:
                channel.alarm.add(*times, band)
            return []
        channel.alarm, channel.track, channel.is_clear = sighting, band.track, False
        channel.reminded = _moment(frame, frame.watermark)
        return [self._notice(AlarmEvent.EVACUATE, channel, frame)]

    def _pass_time(self, channel: _Channel, now: int, frame: Frame) -> list[Notice]:
        """All-clear or reminder, if it is time for one."""
        rules = self._rules
        if channel.is_clear:
            return []
        is_watched = channel.watched >= _nanoseconds(rules.availability_check)
        if is_watched and (channel.alarm is None or now >= channel.alarm.last + _nanoseconds(rules.non_occupancy)):
            notice = self._notice(AlarmEvent.CLEAR, channel, frame)
            channel.is_clear, channel.alarm, channel.track = True, None, None
            channel.sightings.clear()
            return [notice]
        if channel.alarm is not None and now >= channel.reminded + _nanoseconds(rules.reminder):
            channel.reminded = now
            return [self._notice(AlarmEvent.CLOSED, channel, frame)]
        return []

    def _notice(self, event: AlarmEvent, channel: _Channel, frame: Frame) -> Notice:
        alarm, rules, details = channel.alarm, self._rules, {}
        if alarm is not None:
            details = {
                "first_pulse": _to_time(alarm.first),
                "last_pulse": _to_time(alarm.last),
                "deadline": _to_time(alarm.first + _nanoseconds(rules.evacuation_time)),
                "closed_until": _to_time(alarm.last + _nanoseconds(rules.non_occupancy)),
                "freq_lower_edge": alarm.low,
                "freq_upper_edge": alarm.high,
                "track": channel.track,
            }
            if event is AlarmEvent.CLEAR:
                del details["deadline"], details["closed_until"]
        return Notice(
            event=event,
            channel_lower_edge=channel.edges[0],
            channel_upper_edge=channel.edges[1],
            watermark=frame.watermark,
            time=_to_time(_moment(frame, frame.watermark)),
            time_reference="stream" if frame.rx_time is None else "rx",
            **details,
        )


def _covers(frame: Frame, edges: tuple[float, float]) -> bool:
    """Whether the whole channel is in view."""
    if frame.center_freq is None:
        return False
    half = frame.samp_rate / 2
    return frame.center_freq - half <= edges[0] and edges[1] <= frame.center_freq + half


def _moment(frame: Frame, sample: int) -> int:
    """Time of a sample, ns: the source's, or counted from the stream's first sample."""
    if frame.rx_time is None:
        time = RxTime(seconds=0, fraction=0.0).after(sample, frame.samp_rate)
    else:
        time = frame.rx_time.after(sample - frame.sample_start, frame.samp_rate)
    return time.seconds * _NS + _nanoseconds(time.fraction)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * _NS)


def _to_time(nanoseconds: int) -> RxTime:
    seconds, rest = divmod(max(0, nanoseconds), _NS)  # what was before a restart was before second 0
    return RxTime(seconds=seconds, fraction=rest / _NS)
