"""Radar alarms on simulated time: hours of frames, with the periods that regulations name."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest
from jsonschema import Draft202012Validator

from rfseg.bands import Band
from rfseg.errors import BandError, OptionError
from rfseg.feeds.feed import Feed
from rfseg.feeds.messages import alarm_to_message, load_schema
from rfseg.geometry import Frame, RxTime
from rfseg.radaralarm import AlarmEvent, AlarmRules, Notice, RadarAlarm

RATE = 20e6  # Hz
CENTER = 3560e6  # Hz
FRAME = 1.0  # s; long ones make the hours short
COUNT = round(FRAME * RATE)
LOW, HIGH = (3550e6, 3560e6), (3560e6, 3570e6)  # channels
BEGIN = 1_769_860_800  # s
SCHEMA = Draft202012Validator(load_schema())


@dataclass
class Receiver:
    """Frames one after the other; ``said`` is what the alarm says, with seconds from the beginning."""

    alarm: RadarAlarm
    center_freq: float | None = CENTER
    has_time: bool = True
    frames: int = 0
    said: list[tuple[float, str, tuple[float, float]]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def listen(self, seconds: int, *pulses: Band, is_judged: bool = True, skipped: float = 0.0) -> None:
        """Hear frames with these pulses in the first of them, ``skipped`` s after the last one."""
        for number in range(int(seconds)):
            start = self.frames * COUNT
            time = RxTime(seconds=BEGIN + self.frames + int(skipped), fraction=0.0) if self.has_time else None
            frame = Frame(
                index=self.frames, sample_start=start, sample_count=COUNT, valid_samples=COUNT, samp_rate=RATE,
                center_freq=self.center_freq, rx_time=time,
            )  # fmt: skip
            bands = [moved(band, start) for band in pulses] if number == 0 else []
            for notice in self.alarm.hear(frame, bands, is_judged=is_judged):
                SCHEMA.validate(alarm_to_message(notice.to_fields()))
                self.notices.append(notice)
                since = notice.time.seconds - (BEGIN if self.has_time else 0) + notice.time.fraction
                self.said.append((since, notice.event.value, (notice.channel_lower_edge, notice.channel_upper_edge)))
            self.frames += 1


def moved(band: Band, start: int) -> Band:
    """The band, this much later."""
    return replace(band, sample_start=band.sample_start + start)


def pulse(at: float, low: float = 3553e6, high: float = 3555e6, **changes) -> Band:
    """A pulse of 100 us, ``at`` s after the frame's beginning."""
    values = {
        "label": "Radar", "class_id": 3, "confidence": 0.9, "freq_lower_edge": low, "freq_upper_edge": high,
        "freq_reference": "rf", "sample_start": round(at * RATE), "sample_count": round(100e-6 * RATE), "track": 7,
    }  # fmt: skip
    return Band(**{**values, **changes})


def burst(start: float = 0.25, **changes) -> list[Band]:
    """Three pulses, 1 ms apart."""
    return [pulse(start + number * 1e-3, **changes) for number in range(3)]


def ready(**rules) -> Receiver:
    """A receiver of one channel, which has been found clear after a minute."""
    receiver = Receiver(RadarAlarm(AlarmRules(**{"channels": [LOW], "reminder": 3600.0, **rules})))
    receiver.listen(60)
    assert receiver.said == [(60.0, "clear", LOW)]
    receiver.said.clear()
    return receiver


def test_no_channel_may_be_used_before_it_was_watched_for_the_availability_check():
    alarm = RadarAlarm(AlarmRules(channels=[LOW, HIGH]))
    receiver = Receiver(alarm)
    receiver.listen(59)
    assert receiver.said == [] and alarm.closed() == [LOW, HIGH]
    receiver.listen(1)
    assert receiver.said == [(60.0, "clear", LOW), (60.0, "clear", HIGH)] and alarm.closed() == []


def test_a_frame_that_comes_again_as_the_last_is_watched_once():
    alarm = RadarAlarm(AlarmRules(channels=[LOW], availability_check=2.0))
    first, second = (
        Frame(index=i, sample_start=i * COUNT, sample_count=COUNT, valid_samples=COUNT, samp_rate=RATE, center_freq=CENTER)
        for i in range(2)
    )
    assert alarm.hear(first, []) == alarm.hear(replace(first, last=True), []) == [] and alarm.closed() == [LOW]
    assert [notice.event for notice in alarm.hear(second, [])] == [AlarmEvent.CLEAR]


def test_after_a_restart_of_a_receiver_without_time_periods_go_on_with_what_was_left():
    alarm = RadarAlarm(AlarmRules(channels=[LOW], non_occupancy=1800.0, reminder=600.0))
    first = Receiver(alarm, has_time=False)
    first.listen(10_000)
    first.listen(1, *burst())  # the last one ends at 10 000.2521 s
    first.listen(1000)
    assert [event for _, event, _ in first.said] == ["clear", "evacuate", "closed"]
    again = Receiver(alarm, has_time=False)  # at 11 001 s of the other's time
    again.listen(799)
    assert again.said == [(200.0, "closed", LOW)] and alarm.closed() == [LOW]
    again.listen(1)
    assert again.said[1:] == [(800.0, "clear", LOW)] and alarm.closed() == []
    closed = again.notices[0]
    assert closed.first_pulse == closed.last_pulse == RxTime(seconds=0, fraction=0.0)  # before the beginning
    assert (closed.closed_until.seconds, closed.closed_until.fraction) == (799, pytest.approx(0.2521))
    again.listen(1, *burst(track=1))
    assert again.said[-1] == (801.0, "evacuate", LOW)


def test_a_radar_closes_its_channel_with_the_times_that_matter():
    receiver = ready()
    receiver.listen(1, *burst())
    (notice,) = receiver.notices[1:]
    assert receiver.said == [(61.0, "evacuate", LOW)] and receiver.alarm.closed() == [LOW]
    assert notice.first_pulse == RxTime(seconds=BEGIN + 60, fraction=0.25)
    assert notice.last_pulse == RxTime(seconds=BEGIN + 60, fraction=0.2521)
    assert notice.deadline == RxTime(seconds=BEGIN + 120, fraction=0.25)
    assert notice.closed_until == RxTime(seconds=BEGIN + 1860, fraction=0.2521)
    assert (notice.freq_lower_edge, notice.freq_upper_edge, notice.track) == (3553e6, 3555e6, 7)
    assert (notice.watermark, notice.time_reference) == (61 * COUNT, "rx")


def test_the_all_clear_comes_when_the_non_occupancy_period_is_over():
    receiver = ready()
    receiver.listen(1861, *burst())
    assert receiver.said == [(61.0, "evacuate", LOW), (1861.0, "clear", LOW)]
    assert receiver.notices[-1].first_pulse == RxTime(seconds=BEGIN + 60, fraction=0.25)
    assert receiver.notices[-1].deadline is None and receiver.alarm.closed() == []


def test_further_pulses_extend_the_period_and_raise_no_second_alarm():
    receiver = ready()
    receiver.listen(1000, *burst())
    receiver.listen(1801, *burst(0.5, track=8, low=3551e6))
    assert receiver.said == [(61.0, "evacuate", LOW), (2861.0, "clear", LOW)]
    last = receiver.notices[-1]
    assert last.last_pulse == RxTime(seconds=BEGIN + 1060, fraction=0.5021) and last.freq_lower_edge == 3551e6


def test_after_the_all_clear_the_next_radar_raises_a_new_alarm():
    receiver = ready()
    receiver.listen(1900, *burst())
    receiver.listen(1, *burst())
    assert receiver.said[2:] == [(1961.0, "evacuate", LOW)]
    assert receiver.notices[-1].first_pulse == RxTime(seconds=BEGIN + 1960, fraction=0.25)


@pytest.mark.parametrize(
    "bands",
    [
        burst()[:2],  # too few
        burst(label="LTE"),
        burst(confidence=0.3),
        burst(low=3560.2e6, high=3562e6),  # the next channel's
        [pulse(0.1, track=1), pulse(0.2, track=2), pulse(0.3, track=3)],  # three that are not one
    ],
)
def test_what_is_no_radar_in_the_channel_raises_no_alarm(bands):
    receiver = ready(min_confidence=0.5)
    receiver.listen(10, *bands)
    assert receiver.said == []


def test_pulses_too_far_apart_are_not_one_radar():
    receiver = ready(pulse_window=6.0)
    for seconds in (7, 7, 7, 6, 6, 1):
        receiver.listen(seconds, pulse(0.5))
    assert [event for _, event, _ in receiver.said] == ["evacuate"]
    assert receiver.notices[-1].first_pulse == RxTime(seconds=BEGIN + 60 + 21, fraction=0.5)


def test_a_radar_at_the_border_closes_both_channels_with_the_guard_a_near_one_too():
    for rules, bands in (({}, burst(low=3559e6, high=3561e6)), ({"guard": 1e6}, burst(low=3560.5e6, high=3561e6))):
        receiver = Receiver(RadarAlarm(AlarmRules(channels=[LOW, HIGH], **rules)))
        receiver.listen(1, *bands)
        assert receiver.said == [(1.0, "evacuate", LOW), (1.0, "evacuate", HIGH)]


def test_a_closed_channel_is_told_again_for_those_who_came_late():
    receiver = ready(reminder=600.0)
    receiver.listen(1861, *burst())
    times = [(61.0, "evacuate"), (661.0, "closed"), (1261.0, "closed"), (1861.0, "clear")]
    assert [(time, event) for time, event, _ in receiver.said] == times


def test_what_nobody_watched_does_not_count_as_silence():
    """The period is over, but half of the last minute was dropped, out of view, or missing."""
    receiver = ready(non_occupancy=30.0, reminder=1e6)
    receiver.listen(30, *burst())
    receiver.listen(100, is_judged=False)
    receiver.center_freq = CENTER + 5e6
    receiver.listen(100)
    receiver.center_freq = CENTER
    receiver.listen(30, skipped=5000.0)  # with the 29 s after the pulses, a second is missing
    assert [event for _, event, _ in receiver.said] == ["evacuate"]
    receiver.listen(1, skipped=5000.0)
    assert [event for _, event, _ in receiver.said] == ["evacuate", "clear"]


def test_a_pulse_during_the_check_begins_it_anew():
    receiver = Receiver(RadarAlarm(AlarmRules(channels=[LOW])))
    receiver.listen(50)
    receiver.listen(60, pulse(0.5))  # one: no alarm, but no silence either
    assert receiver.said == []
    receiver.listen(1)
    assert receiver.said == [(111.0, "clear", LOW)]


def test_without_a_clock_times_count_from_the_first_sample():
    receiver = Receiver(RadarAlarm(AlarmRules(channels=[LOW])), has_time=False)
    receiver.listen(1, *burst())
    (notice,) = receiver.notices
    assert notice.time_reference == "stream" and notice.deadline == RxTime(seconds=60, fraction=0.25)


def test_a_feed_carries_alarms(tmp_path):
    receiver = Receiver(RadarAlarm(AlarmRules(channels=[LOW])))
    receiver.listen(1, *burst())
    feed = Feed(f"file:{tmp_path}/alarms.jsonl")
    feed.start()
    feed.publish(alarm_to_message(receiver.notices[0].to_fields()))
    feed.stop()
    message = json.loads((tmp_path / "alarms.jsonl").read_text())
    SCHEMA.validate(message)
    assert (message["type"], message["event"], message["sequence"]) == ("alarm", AlarmEvent.EVACUATE.value, 0)
    assert message["deadline"] == [BEGIN + 60, 0.25]


def test_bands_without_rf_are_refused():
    alarm = RadarAlarm(AlarmRules(channels=[LOW]))
    frame = Frame(index=0, sample_start=0, sample_count=COUNT, valid_samples=COUNT, samp_rate=RATE)
    with pytest.raises(BandError, match="bands are baseband, which lie in no channel; give the chain the centre frequency"):
        alarm.hear(frame, burst(freq_reference="baseband"))


@pytest.mark.parametrize(
    "rules, message",
    [
        ({"channels": []}, "channels is empty"),
        ({"channels": [(2.0, 1.0)]}, "channel from 2.0 to 1.0 Hz: the lower edge must be below"),
        ({"min_pulses": 0}, "min_pulses=0 must be an integer of at least 1"),
        ({"min_confidence": 2}, "min_confidence=2 must be from 0 to 1"),
        ({"non_occupancy": -1.0}, "non_occupancy=-1.0 must be a number of at least 0"),
        ({"reminder": 0}, "reminder=0 s would repeat a notice with every frame"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules, message):
    with pytest.raises(OptionError, match=message):
        AlarmRules(**{"channels": [LOW], **rules})
