# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of radar alarms: what its page shows, also to a subscriber; and on the bands of another receiver."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from rfseg.bands import Band
from rfseg.feeds.feed import Feed
from rfseg.feeds.messages import FrameBands, bands_to_message, load_schema
from rfseg.geometry import Frame, RxTime
from rfseg.pipeline import FrameState

zmq = pytest.importorskip("zmq")

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 240.0  # s; many times what a busy machine takes
SCHEMA = Draft202012Validator(load_schema())


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("radar_alarm", ROOT / "examples" / "radar_alarm.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def port() -> int:
    """A free one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_it_says_what_its_page_shows_to_the_terminal_and_to_subscribers(example, monkeypatch, capsys, port):
    heard, ended = [], threading.Event()
    subscriber = zmq.Context.instance().socket(zmq.SUB)
    subscriber.setsockopt(zmq.RECONNECT_IVL, 10)  # ms
    subscriber.connect(f"tcp://127.0.0.1:{port}")
    subscriber.subscribe("rfseg/alarm")

    def listen() -> None:
        while not ended.is_set() or subscriber.poll(0):
            if subscriber.poll(50):
                heard.append(json.loads(subscriber.recv_multipart()[1]))

    thread = threading.Thread(target=listen)
    thread.start()
    monkeypatch.setattr("sys.argv", ["radar_alarm.py", "--feed", f"zeromq://:{port}"])
    assert example.main() == 0
    ended.set()
    thread.join(TIMEOUT)
    subscriber.close(linger=0)

    output = capsys.readouterr().out
    assert f"```\n{output}```" in (ROOT / "examples" / "radar_alarm.md").read_text()
    said = [json.loads(line) for line in output.splitlines()]
    assert [message["event"] for message in said] == ["clear"] * 3 + ["evacuate", "closed", "closed", "clear"]
    for message in said:
        SCHEMA.validate(message)
    evacuate = said[3]
    signal = example.HEARD[0] * example.PERIOD / 30.72e6  # s; the radar's first pulse comes soon after
    assert signal < evacuate["first_pulse"][1] < signal + 1e-3
    assert evacuate["deadline"][1] == pytest.approx(evacuate["first_pulse"][1] + 0.06)
    assert (evacuate["channel_lower_edge"], evacuate["channel_upper_edge"]) == (3605e6, 3615e6)
    assert said[6]["time"][1] > said[6]["last_pulse"][1] + 0.2
    assert [{**message, "sequence": number} for number, message in enumerate(said)] == heard


def frame_bands(number: int, *, pulses: int = 0) -> FrameBands:
    """A second of a receiver at 3.6 GHz; pulses of a radar at 3610 MHz in it."""
    bands = [
        Band(
            label="Radar", class_id=3, confidence=0.9, freq_lower_edge=3609e6, freq_upper_edge=3611e6,
            freq_reference="rf", sample_start=number * 30_720_000 + pulse * 30_720, sample_count=2_400, track=5,
        )
        for pulse in range(pulses)
    ]  # fmt: skip
    frame = Frame(
        index=number, sample_start=number * 30_720_000, sample_count=30_720_000, valid_samples=30_720_000,
        samp_rate=30.72e6, center_freq=3600e6, rx_time=RxTime(seconds=1000 + number, fraction=0.0),
    )  # fmt: skip
    return FrameBands(frame=frame, bands=tuple(bands), state=FrameState.INFERRED, model="test")


def test_on_the_bands_of_a_receiver_periods_are_those_of_the_rules(port, tmp_path):
    """Half an hour of frames, as fast as they go; the periods count in the time of the samples."""
    feed = Feed(f"zeromq://:{port}", mode="lossless", queue_depth=4096, options={"subscriber_buffer": 10_000})
    feed.start()
    watcher = subprocess.Popen(
        [sys.executable, "examples/radar_alarm.py", "--bands", f"tcp://127.0.0.1:{port}", "--channels", "3605-3615",
         "--feed", f"file:{tmp_path}/alarms.jsonl", "--remind", "1e6"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        number, lines, pause = 0, [], threading.Event()
        reader = threading.Thread(target=lambda: lines.extend(iter(watcher.stdout.readline, "")))
        reader.start()
        while len(lines) < 1:  # it must have connected before the radar comes
            feed.publish(bands_to_message(frame_bands(number)))
            number += 1
            pause.wait(5e-3)
            assert number < TIMEOUT / 5e-3 and watcher.poll() is None
        clear = json.loads(lines[0])
        assert clear["event"] == "clear" and clear["time"][0] >= 1060
        for later in range(1900):
            feed.publish(bands_to_message(frame_bands(number + later, pulses=4 if later == 0 else 0)))
        for _ in range(round(TIMEOUT / 10e-3)):
            if len(lines) == 3:
                break
            pause.wait(10e-3)
    finally:
        feed.stop()
        watcher.terminate()
        watcher.wait(TIMEOUT)
        reader.join(TIMEOUT)
        watcher.stdout.close()
    assert watcher.returncode == 0
    evacuate, clear = (json.loads(line) for line in lines[1:])
    assert evacuate["event"] == "evacuate" and clear["event"] == "clear"
    start = 1000 + number
    assert evacuate["first_pulse"] == [start, 0.0] and evacuate["deadline"] == [start + 60, 0.0]
    assert evacuate["closed_until"][0] == start + 1800
    assert clear["time"] == [start + 1801, 0.0]  # the end of the frame in which the period ends
    assert [json.loads(line)["event"] for line in (tmp_path / "alarms.jsonl").read_text().splitlines()] == [
        "clear", "evacuate", "clear"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--hold", "-1"], "error: non_occupancy=-1.0 must be a number of at least 0"),
        (["--model", "none"], "error: model 'none' is unknown"),
    ],
)
def test_what_makes_no_sense_is_an_error_on_one_line(example, monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.setattr("sys.argv", ["radar_alarm.py", "--feed", f"file:{tmp_path}/alarms.jsonl", *arguments])
    assert example.main() == 2
    error = capsys.readouterr().err
    assert error.startswith(message) and error.count("\n") == 1


def test_channels_that_are_none_are_refused(example, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["radar_alarm.py", "--channels", "3585"])
    monkeypatch.setattr(example, "guard", None)
    assert example.parse_channels("3585-3595") == [(3585e6, 3595e6)]
    with pytest.raises(SystemExit):
        example.main()
    assert "'3585': expected edges in MHz, such as 3585-3595" in capsys.readouterr().err
