"""rfseg live as a program: signals, streams, exit codes."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import xmlrpc.client
from pathlib import Path

import numpy as np
import pytest

from rfseg.cli import make_parser
from rfseg.live.settings import Address
from rfseg.live.status import LiveStatus

ROOT = Path(__file__).resolve().parents[2]
SAMP_RATE = "15.36e6"  # Hz
TIMEOUT = 60.0  # s


@pytest.fixture
def recording(tmp_path: Path) -> list[str]:
    """Options that name 40 ms of silence."""
    np.zeros(614_400, np.complex64).tofile(tmp_path / "a.cf32")
    return ["--file", str(tmp_path / "a.cf32"), "--samp-rate", SAMP_RATE, "--datatype", "cf32"]


@pytest.fixture
def start(threshold_model: str):
    """Start ``rfseg live`` with options."""
    programs = []

    def run(*options: str, **environment: str) -> subprocess.Popen:
        paths = os.pathsep.join(path for path in sys.path if path)
        programs.append(
            subprocess.Popen(
                [sys.executable, "-m", "rfseg", "live", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, env={**os.environ, "PYTHONPATH": paths, **environment}, start_new_session=True,
            )  # fmt: skip
        )
        return programs[-1]

    yield run
    for program in programs:
        if program.poll() is None:
            program.kill()
        program.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_everything_worked_off(number, start, recording, threshold_model: str, tmp_path: Path):
    feed = f"file:{tmp_path / 'bands'}"
    program = start(*recording, "--repeat", "--model", threshold_model, "--json", "--frame-ms", "5", "--feed", feed)
    first = json.loads(program.stdout.readline())  # after a second; nothing but the status is on standard output
    assert (first["event"], first["source"]) == ("status", "file") and first["rate_in"] > 0
    program.send_signal(number)
    out, err = program.communicate(timeout=TIMEOUT)
    assert program.returncode == 0
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["reason"]) == ("end", f"stopped by {number.name}")
    messages = [json.loads(line) for line in (tmp_path / "bands").read_text().splitlines()]
    frames = [message for message in messages if message["type"] == "bands"]
    assert frames[-1]["last"] and sum(frame["valid_samples"] for frame in frames) == last["samples"] >= first["samples"]
    assert last["feeds"] == [
        {"destination": feed, "submitted": len(messages), "sent": len(messages), "dropped": 0, "refused": 0, "waiting": 0}
    ]
    assert f"rfseg live: file {recording[1]}: 15.36 MS/s, model threshold, live" in err and "Traceback" not in err


def test_a_radio_that_is_missing_is_another_exit_code_than_bad_settings(start, threshold_model: str, tmp_path: Path):
    options = ["--samp-rate", SAMP_RATE, "--center-freq", "2.4e9", "--model", threshold_model]
    missing = start("--soapy", "driver=null", *options, SOAPY_SDR_PLUGIN_PATH=str(tmp_path))
    unfit = start("--soapy", "driver=null", *options[:-1], str(tmp_path / "gone.onnx"))
    out, err = missing.communicate(timeout=TIMEOUT)
    assert (missing.returncode, out) == (3, "")
    assert "rfseg live: error: SoapySDR cannot open the radio 'driver=null': " in err
    out, err = unfit.communicate(timeout=TIMEOUT)
    assert (unfit.returncode, out) == (2, "")
    assert "rfseg live: error: " in err and "gone.onnx' does not exist" in err


def test_a_reader_of_the_status_may_leave_early(start, recording: list[str], threshold_model: str):
    program = start(*recording, "--repeat", "--model", threshold_model)
    assert re.match(r"\d+ s: ", program.stdout.readline())
    program.stdout.close()
    err = program.stderr.read()
    assert program.wait(TIMEOUT) == 0 and "Traceback" not in err and "Broken" not in err


def test_the_service_starts_a_command_that_exists_and_restarts_only_where_that_helps():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(ROOT / "examples" / "systemd" / "rfseg-live.service")
    service = unit["Service"]
    for key in ("ExecStart", "ExecStartPre"):
        program, *arguments = shlex.split(service[key])
        assert Path(program).name == "rfseg" and make_parser().parse_args(arguments).command == "live"
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "2")
    assert service["KillSignal"] == "SIGTERM"


def test_a_client_that_says_nothing_holds_up_neither_others_nor_the_end():
    from gnuradio.rfseg.live.control import XmlRpcControl

    status = LiveStatus(uptime=1.0, source="s", samples=2, samp_rate=3.0, rate_in=4.0, model="m")
    control = XmlRpcControl(Address("127.0.0.1", 0), lambda command: status)
    control.start()
    with socket.create_connection((control.address.host, control.address.port)):
        with xmlrpc.client.ServerProxy(f"http://{control.address}", allow_none=True) as proxy:
            answers = []
            asking = threading.Thread(target=lambda: answers.append(proxy.status()["samples"]), daemon=True)
            asking.start()
            asking.join(TIMEOUT / 3)
            assert answers == [2]
    with socket.create_connection((control.address.host, control.address.port)):
        ending = threading.Thread(target=control.stop, daemon=True)
        ending.start()
        ending.join(TIMEOUT / 3)
        assert not ending.is_alive()
