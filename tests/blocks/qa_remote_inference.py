# SPDX-License-Identifier: GPL-3.0-or-later
"""Both halves of remote inference as programs; a server that is killed and comes back while the stream goes on."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from gnuradio import gr, rfseg

from rfseg.remote import RemoteSession

pytest.importorskip("zmq")

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 240.0  # s; many times what a busy machine takes
RATE = 15.36e6  # Hz


def shape(text: str) -> list[str]:
    """Lines without their numbers, and each kind of line once: what does not depend on the machine."""
    lines = [line for line in text.splitlines() if ":warning:" not in line]  # GNU Radio's, of a machine that is busy
    lines = [re.sub(r"\d+(\.\d+)?", "N", re.sub(r"tcp://\S+", "ADDRESS", line)) for line in lines]
    return list(dict.fromkeys(line.replace("model threshold ", "model rf-segmenter ") for line in lines))


def shown(page: str) -> list[str]:
    """What the page of an example shows as its output."""
    return shape(re.search(r"\*\*Expected output.*?```\n(.*?)```", (ROOT / "examples" / page).read_text(), re.S)[1])


@pytest.fixture
def address() -> str:
    """A free one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def serve(address, threshold_model):
    """Starts the server, with GNU Radio and PyTorch out of its reach, and waits until it answers."""
    started = []
    alone = "import sys, runpy; sys.modules.update(gnuradio=None, pmt=None, torch=None); sys.argv = sys.argv[1:]; "

    def start() -> subprocess.Popen:
        server = subprocess.Popen(
            [sys.executable, "-c", alone + "runpy.run_path(sys.argv[0], run_name='__main__')",
             "examples/remote_inference_server.py", "--bind", address, "--model", threshold_model, "--threads", "1"],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(server)
        server.first_line = server.stdout.readline()
        return server

    yield start
    for server in started:
        server.kill()
        server.communicate()


def test_the_two_programs_print_what_their_pages_show(serve, address):
    server = serve()
    receiver = subprocess.run(
        [sys.executable, "examples/remote_inference.py", address, "--seconds", "0.5"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    server.send_signal(signal.SIGTERM)
    output, _ = server.communicate(timeout=TIMEOUT)
    assert receiver.returncode == server.returncode == 0
    assert shape(receiver.stdout) == shown("remote_inference.md")
    assert shape(server.first_line + output) == shown("remote_inference_server.md")

    *_, progress, end = (line for line in receiver.stdout.splitlines() if ":warning:" not in line)
    frames, inferred, lost, dropped = (int(number) for number in re.findall(r"\d+", progress)[:4])
    assert frames == inferred + lost + dropped == 25
    assert inferred > 0 and end.startswith("15360000 samples and ")
    assert int(re.match(r"\d+", output.splitlines()[-1])[0]) >= inferred


def test_a_server_that_is_killed_costs_frames_not_samples_until_it_is_back(serve, address, kit):
    server = serve()
    session = RemoteSession(address, timeout=2.0, connect_timeout=TIMEOUT)
    top = gr.top_block()
    count = round(TIMEOUT * RATE)
    source = kit.paced_source(kit.noise(1 << 16, level_db=-60, seed=1), RATE, count=count)
    segmenter, log = rfseg.rf_segmenter(RATE, model=session), kit.message_log()
    top.connect(source, segmenter)
    top.msg_connect(segmenter, "bands", log, "in")

    def wait_for(state: str) -> None:
        seen = len(log.messages)
        log.wait_for(lambda messages: any(m["state"] == state for m in messages[seen:]), TIMEOUT / 4)

    top.start()
    try:
        wait_for("inferred")
        server.kill()
        wait_for("failed")
        newest = log.messages[-1]["index"]
        log.wait_for(lambda messages: messages[-1]["index"] > newest + 10, TIMEOUT / 4)  # the stream goes on without it
        serve()
        wait_for("inferred")
    finally:
        top.stop()
        top.wait()
        session.close()
    frames = [message["index"] for message in log.messages]
    assert frames == list(range(len(frames)))  # none is missing, whatever became of it
    counts = session.counts()
    assert counts.answered > 0 and counts.lost > 0 and counts.refused == 0
    assert counts.requests == counts.answered + counts.lost
    assert segmenter.frames() == sum(
        (segmenter.inferred(), segmenter.dropped(), segmenter.failed())
    ) and segmenter.failed() >= counts.lost - 1


def test_rfseg_live_lets_a_network_run_elsewhere(serve, address):
    serve()
    options = ["--file", "examples/data/demo.sigmf-meta", "--lossless", "--frame-ms", "20"]
    live = [sys.executable, "-m", "rfseg", "live", *options, "--json", "--remote", address]
    ended = subprocess.run(live, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)
    assert ended.returncode == 0, ended.stderr
    last = json.loads(ended.stdout.splitlines()[-1])
    assert (last["model"], last["frames"], last["inferred"]) == ("threshold", 2, 2)


def test_nobody_there_is_an_error_on_one_line(monkeypatch, capsys):
    import importlib.util

    spec = importlib.util.spec_from_file_location("remote_inference", ROOT / "examples" / "remote_inference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RemoteSession", lambda address, **options: RemoteSession(address, connect_timeout=0.05))
    monkeypatch.setattr("sys.argv", ["remote_inference.py", "tcp://127.0.0.1:9"])
    assert module.main() == 2
    error = capsys.readouterr().err
    assert error.endswith("error: nobody answers at tcp://127.0.0.1:9; start the other half there\n")
