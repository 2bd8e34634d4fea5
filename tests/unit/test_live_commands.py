"""Commands to a receiver, and what it says of itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rfseg.errors import OptionError
from rfseg.live.commands import UNCHANGED, LiveCommand, command_from_json
from rfseg.live.status import LiveStatus, status_line, status_to_json, totals_line

FEED = {"destination": "file:a", "submitted": 9, "sent": 6, "dropped": 2, "refused": 1, "waiting": 0}
STATUS = LiveStatus(
    uptime=12.04, source="file", samples=240_000_000, samp_rate=20e6, rate_in=19.9e6, model="m", frames=600,
    inferred=598, dropped=2, bands=1200, tracks=3, feeds=(FEED,),
)  # fmt: skip


def test_a_command_names_what_it_changes():
    command = command_from_json('{"freq": 3600000000, "reject": null, "gain": "auto"}')
    assert command == LiveCommand(center_freq=3_600_000_000, reject=None, gain="auto")
    assert command.model is UNCHANGED and repr(command.model) == "UNCHANGED" and not command.stop
    assert command_from_json(b"{}") == LiveCommand()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], r"command \[\] is no table; send such as \{'gain': 30\}"),
        ({"rate": 1}, "command 'rate' is unknown; known: center_freq, gain, min_confidence, reject, model, resume, stop"),
        ({"center_freq": "x"}, "center_freq='x' must be a frequency in Hz"),
        ({"gain": "full"}, "gain='full' must be a number of dB or 'auto'"),
        ({"gain": True}, "gain=True must be a number of dB"),
        ({"min_confidence": 1.1}, "min_confidence=1.1 must be a number from 0 to 1"),
        ({"reject": -0.1}, "reject=-0.1 must be a number from 0 to 1, or none for the model's"),
        ({"model": ""}, "model='' must be the name or file of a model"),
        ({"stop": 1}, "stop=1 must be true or false"),
        ({"resume": None}, "resume=None must be true or false"),
    ],
)
def test_commands_that_make_no_sense_are_refused(table: Any, message: str):
    with pytest.raises(OptionError, match=message):
        LiveCommand.from_table(table)


def test_what_is_no_json_is_refused():
    with pytest.raises(OptionError, match="the command is no JSON: "):
        command_from_json(b"{")


def test_a_line_says_what_is_wrong_only_where_something_is():
    line = status_line(replace(STATUS, feeds=()))
    assert "failed" not in line and "skipped" not in line and "gaps" not in line and "lost" not in line and "latency -" in line
    recording = {"recordings": 2, "written": 9, "dropped": 4, "refused": 3, "stopped": True}
    line = status_line(replace(STATUS, failed=4, gaps=1, lost_samples=512, latency=0.0312, lag=0.25, recording=recording))
    for part in ("0.2 s behind", "2 recordings (4 samples lost, 3 samples left out), recording has stopped", "4 frames failed", "1 gaps (512 samples)", "3 messages lost", "latency 31 ms"):
        assert part in line


def test_frames_left_out_on_purpose_are_told_apart_from_dropped_ones():
    status = replace(STATUS, inferred=298, skipped=300)
    assert "600 frames (298 inferred, 300 skipped, 2 dropped, 0 late bands)" in status_line(status)
    assert "600 frames (298 inferred, 300 skipped, 2 dropped, 0 failed)" in totals_line(status, "ended")
    assert json.loads(status_to_json(status, event="status"))["skipped"] == 300


def test_the_totals_say_why_it_ended():
    assert totals_line(STATUS, "stopped by SIGTERM") == (
        "stopped by SIGTERM after 12.0 s: 240000000 samples, 600 frames (598 inferred, 2 dropped, 0 failed), 1200 bands,"
        " 3 tracks, 0 overflows; 6 messages to file:a (3 messages lost)"
    )


def test_json_leaves_out_what_is_not_known():
    table = json.loads(status_to_json(STATUS, event="status"))
    assert table["event"] == "status" and table["feeds"] == [FEED]
    assert "latency" not in table and "center_freq" not in table
