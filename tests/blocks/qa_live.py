"""rfseg live without a process of its own: sources, commands, ends."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
import time
import xmlrpc.client
from dataclasses import replace
from pathlib import Path

import numpy as np
import pmt
import pytest
import zmq
from gnuradio import gr, uhd, zeromq
from gnuradio.rfseg.live import __main__ as live_program, radios, running as live_running, silence as live_silence
from gnuradio.rfseg.live.receiver import Receiver
from gnuradio.rfseg.live.running import Exit, Reporter
from gnuradio.rfseg.live.taps import LiveFeed
from gnuradio.rfseg.live.telemetry import Telemetry
from gnuradio.rfseg.messages import event_to_pmt

from rfseg.bands.lines import band_to_json
from rfseg.errors import BackendUnavailableError, OptionError, RecordingError, SourceError
from rfseg.inference import Session
from rfseg.live.commands import LiveCommand
from rfseg.live.settings import read_settings
from rfseg.pipeline import segment_recording
from rfseg.sigmf import Recording, open_recording


def _load(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


live_kit = _load("live_kit")
running, until = live_kit.running, live_kit.until
SAMP_RATE = live_kit.SAMP_RATE
FRAME_DURATION = 2e-3  # s
FRAME = 30_720  # samples
CENTERS = (2.4e9, 2.5e9)  # Hz
TONE = (2.402e9, 2.405e9)  # Hz; the carrier of the test's radio
BIN = 240e3  # Hz


@pytest.fixture(scope="module", autouse=True)
def tone_device(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A radio that SoapySDR finds; it must be there before the first look for radios."""
    folder = tmp_path_factory.mktemp("soapy")
    live_kit.build_tone_device(folder)
    os.environ["SOAPY_SDR_PLUGIN_PATH"] = str(folder)


@pytest.fixture
def iq(kit) -> np.ndarray:
    """Two carriers over noise; 20 frames and a piece."""
    count = 20 * FRAME + 1000
    samples = kit.noise(count, level_db=-90.0, seed=4)
    samples[FRAME // 2 : 8 * FRAME] += kit.comb(8 * FRAME - FRAME // 2, bins=64, first=10, last=20, level_db=-50.0)
    samples[5 * FRAME :] += kit.comb(count - 5 * FRAME, bins=64, first=40, last=55, level_db=-55.0)
    return samples


@pytest.fixture
def recording(iq: np.ndarray, tmp_path: Path) -> Path:
    """The same as a SigMF recording with a retune in the middle of a frame."""
    iq.tofile(tmp_path / "scene.sigmf-data")
    path = tmp_path / "scene.sigmf-meta"
    captures = [
        {"core:sample_start": start, "core:frequency": center, "core:datetime": f"2026-01-31T12:00:0{second}Z"}
        for start, center, second in zip((0, 11 * FRAME + 500), CENTERS, (0, 5))
    ]
    info = {"core:datatype": "cf32_le", "core:sample_rate": SAMP_RATE, "core:version": "1.2.5"}
    path.write_text(json.dumps({"global": info, "captures": captures, "annotations": []}))
    return path


def table_of(model: str, source: dict, **more: object) -> dict:
    """Settings of a quick run."""
    return {"source": source, "model": model, "frame_duration": FRAME_DURATION, "status_interval": 0.1, **more}


def file_table(model: str, path: Path, **more: object) -> dict:
    """The same of a file in lossless mode."""
    return table_of(model, {"kind": "file", "path": str(path), "pace": "none"}, mode="lossless", **more)


def radio_table(model: str, *, device: str = "driver=rfsegtest", source: dict | None = None, **more: object) -> dict:
    """The same of the test's radio, at a tenth of the pace that the chain is told, and with frames in proportion."""
    radio = {"kind": "soapy", "device": device, "samp_rate": SAMP_RATE, "center_freq": 2.4e9, "gain": 0, **(source or {})}
    return table_of(model, radio, inference={"queue_depth": 50, "hold": 2.0}, **more)


def check_lines(path: Path, recording: Recording, model: str) -> list[dict]:
    """The bands in a file are those that ``rfseg segment`` finds, and each has a track; levels to float32's precision."""
    results = segment_recording(recording, Session(model, threads=1), frame_duration=FRAME_DURATION)
    expected = [json.loads(band_to_json(band, r.frame)) for r in results for band in r.bands]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == len(expected) > 20
    for line, wanted in zip(lines, expected):
        assert line.pop("track") > 0
        for level in ("power_dbfs", "snr_db"):
            assert line.pop(level, None) == pytest.approx(wanted.pop(level, None), abs=1e-3)
        assert line == wanted
    return lines


# ---- files


def test_a_file_in_lossless_mode_gives_the_bands_of_rfseg_segment(recording: Path, threshold_model: str, tmp_path: Path):
    feeds = [
        {"destination": f"file:{tmp_path / 'bands'}", "encoding": "bands"},
        {"destination": f"file:{tmp_path / 'all'}", "options": {}},
    ]
    with running(file_table(threshold_model, recording, feeds=feeds)) as (said, end):
        assert end() is Exit.STOPPED
    lines = check_lines(tmp_path / "bands", open_recording(recording), threshold_model)
    assert {line["freq_reference"] for line in lines} == {"rf"}
    messages = [json.loads(line) for line in (tmp_path / "all").read_text().splitlines()]
    assert [message["sequence"] for message in messages] == list(range(len(messages)))
    frames = [message for message in messages if message["type"] == "bands"]
    assert frames[-1]["last"] and sum(frame["valid_samples"] for frame in frames) == 20 * FRAME + 1000
    assert {message["type"] for message in messages} == {"bands", "status", "track", "occupancy"}
    last = said.last
    assert (last["event"], last["reason"], last["samples"]) == ("end", "ended with the file", 20 * FRAME + 1000)
    assert (last["frames"], last["inferred"], last["dropped"], last["failed"]) == (22, 22, 0, 0)
    assert (last["bands"], last["retunes"], last["gaps"]) == (len(lines), 1, 1)
    assert last["feeds"][0]["sent"] == len(lines)
    assert said.said("file ") == f"file {recording}: 15.36 MS/s at 2400 MHz, model threshold, lossless"


def test_bands_are_recorded(iq: np.ndarray, recording: Path, threshold_model: str, tmp_path: Path):
    rules = {"folder": str(tmp_path / "out"), "labels": ["LTE"], "min_snr": 10.0, "pre": 0.0, "post": 0.0}
    feeds = [{"destination": f"file:{tmp_path / 'status'}", "messages": ["status"]}]
    with running(file_table(threshold_model, recording, recording=rules, feeds=feeds)) as (said, end):
        assert end() is Exit.STOPPED
    files = sorted((tmp_path / "out").glob("*.sigmf-meta"))
    counts = said.last["recording"]
    assert (counts["recordings"], counts["dropped"], counts["refused"]) == (len(files), 0, 0) and files
    first = json.loads(files[0].read_text())
    start = first["captures"][0]["core:global_index"]
    samples = open_recording(files[0]).read(0, 1000)
    assert np.array_equal(samples, iq[start : start + 1000])
    assert "LTE" in {annotation["core:label"] for annotation in first["annotations"]}
    sources = {json.loads(line)["source"] for line in (tmp_path / "status").read_text().splitlines()}
    assert sources >= {"segmenter", "recorder"}


def test_a_quota_that_is_full_stops_recording_and_nothing_else(recording: Path, threshold_model: str, tmp_path: Path):
    rules = {"folder": str(tmp_path / "out"), "record": "all", "quota_bytes": 1_000_000}
    table = file_table(threshold_model, recording, recording=rules, duration=0.4)
    table["source"]["repeat"] = True
    with running(table) as (said, end):
        assert end() is Exit.STOPPED
    assert said.last["problem"].startswith("recording stopped: ")
    assert said.last["recording"]["stopped"] and said.last["recording"]["refused"] > 0
    assert said.last["samples"] == round(0.4 * SAMP_RATE) and said.last["inferred"] == said.last["frames"] > 200


def test_recording_goes_on_when_it_is_told_to_and_there_is_room(recording: Path, threshold_model: str, tmp_path: Path):
    folder = tmp_path / "out"
    rules = {"folder": str(folder), "record": "all", "quota_bytes": 1_000_000}
    table = table_of(
        threshold_model, {"kind": "file", "path": str(recording), "pace": "clock", "repeat": True},
        recording=rules, control={"xmlrpc": "0"},
    )  # fmt: skip
    with running(table) as (said, end):
        control = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{said.port('XmlRpcControl')}", allow_none=True)
        until(lambda: control.status()["recording"]["stopped"] and control.status()["problem"])
        written = control.status()["recording"]["written"]
        for file in folder.iterdir():
            file.unlink()
        control.resume()
        until(lambda: control.status()["recording"]["written"] > written)
        control.stop()
        assert end() is Exit.STOPPED
    assert list(folder.glob("*.sigmf-meta"))


def test_a_problem_that_is_over_is_forgotten_and_no_other():
    telemetry = Telemetry(None, lambda text: None)
    telemetry.hear_recorder(event_to_pmt("recorder", "stopped", {"reason": "the quota is used up"}))
    telemetry.forget_problem("model")
    assert telemetry.counters["problem"] == "recording stopped: the quota is used up"
    telemetry.forget_problem("recording ")
    assert telemetry.counters["problem"] == ""


def test_who_records_nothing_cannot_go_on_with_it(recording: Path, threshold_model: str):
    receiver = Receiver(read_settings(file_table(threshold_model, recording)))
    with pytest.raises(OptionError, match=r"resume: nothing is recorded; give a table \[recording\]"):
        receiver.apply(LiveCommand(resume=True))


def test_frames_that_are_left_out_are_counted(recording: Path, threshold_model: str):
    with running(file_table(threshold_model, recording, inference={"infer_every": 3})) as (said, end):
        assert end() is Exit.STOPPED
    last = said.last  # 11 whole frames and a piece up to the retune, which is inferred next, and the rest
    assert (last["frames"], last["inferred"], last["skipped"], last["dropped"]) == (22, 8, 14, 0)


def test_a_folder_that_cannot_be_written_is_refused(recording: Path, threshold_model: str, tmp_path: Path):
    (tmp_path / "file").touch()
    table = file_table(threshold_model, recording, recording={"folder": str(tmp_path / "file")})
    with pytest.raises(RecordingError, match="file cannot be written: File exists"):
        Receiver(read_settings(table))


def test_a_short_file_has_shorter_frames_as_rfseg_segment_makes_them(kit, threshold_model: str, tmp_path: Path):
    samples = kit.comb(5 * 15360, bins=64, first=10, last=20, level_db=-50.0)
    samples.tofile(tmp_path / "a.cf32")
    source = {"kind": "file", "path": str(tmp_path / "a.cf32"), "pace": "none", "samp_rate": SAMP_RATE, "datatype": "cf32"}
    with running({"source": source, "model": threshold_model, "mode": "lossless"}) as (said, end):
        assert end() is Exit.STOPPED
    assert (said.last["frames"], said.last["inferred"], "center_freq" in said.last) == (1, 1, False)


def test_a_file_keeps_the_pace_of_the_clock_and_repeats(recording: Path, threshold_model: str):
    table = table_of(threshold_model, {"kind": "file", "path": str(recording), "repeat": True}, duration=0.1)
    begin = time.monotonic()
    with running(table) as (said, end):
        assert end() is Exit.STOPPED
    assert time.monotonic() - begin >= 0.1  # 0.041 s of signal, more than twice over
    last = said.last
    assert (last["reason"], last["samples"]) == ("ended at its duration", 1_536_000)
    # Each time through cuts at the retune and where it begins anew; the time, which is told once, makes one gap.
    assert (last["retunes"], last["gaps"]) == (4, 1) and last["frames"] == last["inferred"] + last["dropped"]


def test_sample_times_do_not_drift(recording: Path, threshold_model: str):
    receiver = Receiver(read_settings(table_of(threshold_model, {"kind": "file", "path": str(recording)})))
    block = receiver.source.block
    block._begin = time.monotonic() - 86400.0  # a day ago
    due = block._wait(int(86400 * SAMP_RATE) - 5000, 1000)
    elapsed = time.monotonic() - block._begin - 86400.0
    assert 5000 <= due <= 5000 + elapsed * SAMP_RATE + 1
    assert block.lag == pytest.approx((due - 1000) / SAMP_RATE)


def test_a_file_that_becomes_shorter_is_a_failure_of_the_source(recording: Path, threshold_model: str):
    table = table_of(threshold_model, {"kind": "file", "path": str(recording), "repeat": True})
    with running(table) as (said, end):
        until(lambda: said.statuses)
        os.truncate(recording.with_suffix(".sigmf-data"), 1000)
        assert end() is Exit.SOURCE_FAILED
    assert "the source failed: " in said.last["reason"] and "became shorter while it was read" in said.last["reason"]


def test_a_missing_file_is_refused(threshold_model: str, tmp_path: Path):
    with pytest.raises(RecordingError, match="gone.sigmf-meta' does not exist"):
        Receiver(read_settings(file_table(threshold_model, tmp_path / "gone.sigmf-meta")))


# ---- ZeroMQ


def test_iq_by_zeromq_gives_the_bands_of_the_file(kit, iq, recording, threshold_model: str, tmp_path: Path):
    sender, source = gr.top_block(), kit.array_source(iq, is_open=True)
    sink = zeromq.push_sink(gr.sizeof_gr_complex, 1, "tcp://127.0.0.1:*", 100, False)
    sender.connect(source, sink)
    table = table_of(
        threshold_model,
        {"kind": "zeromq", "address": sink.last_endpoint(), "socket": "pull", "samp_rate": SAMP_RATE, "center_freq": 2.4e9},
        mode="lossless", feeds=[{"destination": f"file:{tmp_path / 'bands'}", "encoding": "bands"}], control={"xmlrpc": "0"},
    )  # fmt: skip
    with running(table) as (said, end):
        control = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{said.port('XmlRpcControl')}", allow_none=True)
        sender.start()
        until(lambda: control.status()["samples"] == len(iq))
        with pytest.raises(xmlrpc.client.Fault, match="gain=3: the source 'zeromq' has no gain; only radios have"):
            control.set_gain(3)
        assert control.set_center_freq(2.5e9)["center_freq"] == 2.5e9  # where the sender is tuned to from now on
        control.stop()
        assert end() is Exit.STOPPED
    source.end.set()
    sender.stop()
    sender.wait()
    # The last frame, cut by the end, as well.
    check_lines(tmp_path / "bands", replace(open_recording(recording), captures=((0, 2.4e9, None),)), threshold_model)
    assert (said.last["reason"], said.last["samples"]) == ("stopped by a command", len(iq))


def test_a_sender_whose_messages_are_others_is_a_failure_of_the_source(kit, iq, threshold_model: str, monkeypatch):
    monkeypatch.setattr(live_silence, "_PACE", 0.1)  # s
    sender, source = gr.top_block(), kit.array_source(iq, is_open=True)
    sink = zeromq.push_sink(gr.sizeof_gr_complex, 1, "tcp://127.0.0.1:*", 100, False)
    sender.connect(source, sink)
    stream = {"kind": "zeromq", "address": sink.last_endpoint(), "socket": "pull", "samp_rate": SAMP_RATE, "pass_tags": True}
    sender.start()
    with running(table_of(threshold_model, stream)) as (said, end):
        assert end() is Exit.SOURCE_FAILED
    source.end.set()
    sender.stop()
    sender.wait()
    assert said.last["reason"].endswith("told above; pass_tags and item_type must be those of the sender's sink")
    assert said.said("what the blocks held is lost") is None


def test_silence_is_told_with_what_is_waited_for_and_its_end_too(kit, iq, threshold_model: str, monkeypatch):
    monkeypatch.setattr(live_silence, "_NOTABLE", 0.2)  # s
    sender, source = gr.top_block(), kit.array_source(iq, is_open=True)
    sink = zeromq.push_sink(gr.sizeof_gr_complex, 1, "tcp://127.0.0.1:*", 100, False)
    sender.connect(source, sink)
    stream = {"kind": "zeromq", "address": sink.last_endpoint(), "socket": "pull", "samp_rate": SAMP_RATE}
    with running(table_of(threshold_model, stream, control={"xmlrpc": "0"})) as (said, end):
        control = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{said.port('XmlRpcControl')}", allow_none=True)
        until(lambda: said.said(f"s: waiting for a PUSH sink at {sink.last_endpoint()}"))
        sender.start()
        until(lambda: said.said("samples come again, after "))
        control.stop()
        assert end() is Exit.STOPPED
    source.end.set()
    sender.stop()
    sender.wait()


def test_who_waits_for_an_answer_is_told_what_helps(threshold_model: str):
    stream = {"kind": "zeromq", "address": "tcp://127.0.0.1:1", "socket": "req", "samp_rate": SAMP_RATE}
    hint = Receiver(read_settings(table_of(threshold_model, stream))).source.silence_hint
    assert "for a REP sink at tcp://127.0.0.1:1; if the sender was started anew, start this program anew" in hint


def test_an_address_that_is_none_is_a_failure_of_the_source(threshold_model: str):
    source = {"kind": "zeromq", "address": "tcp://nowhere", "samp_rate": SAMP_RATE}
    with pytest.raises(SourceError, match="ZeroMQ cannot connect to 'tcp://nowhere': .*; correct the address"):
        Receiver(read_settings(table_of(threshold_model, source)))


# ---- radios and commands


def test_a_radio_is_retuned_by_xmlrpc_and_its_bands_stay_where_they_are(threshold_model: str, tmp_path: Path):
    path = tmp_path / "bands"
    table = radio_table(
        threshold_model, feeds=[{"destination": f"file:{path}", "encoding": "bands"}], control={"xmlrpc": "0"},
        source={"settling": 1e-3}, occupancy={},
    )  # fmt: skip
    with running(table) as (said, end):
        control = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{said.port('XmlRpcControl')}", allow_none=True)
        until(lambda: control.status()["bands"] > 5)
        assert control.set_center_freq(2.403e9)["center_freq"] == 2.403e9
        until(lambda: control.status()["retunes"] == 1)
        before = control.status()["bands"]
        until(lambda: control.status()["bands"] > before + 5)
        assert control.set_gain(10)["gain"] == 10.0
        assert control.set_min_confidence(0.9)["min_confidence"] == 0.9  # the test model says 0.8
        before = until(lambda: (a := control.status()["bands"]) and control.status()["bands"] == a and a)
        control.set_min_confidence(0.5)
        assert control.set_reject(0.95)["problem"] == ""
        until(lambda: '"Unknown"' in path.read_text())
        control.set_reject(None)
        for call, message in (
            (lambda: control.set_center_freq(1e12), r"center_freq=1e\+12 Hz is outside what the radio can: 1e\+09 to 6e\+09 Hz"),
            (lambda: control.set_gain(99), "gain=99 dB is outside what the radio can: 0 to 40 dB"),
            (lambda: control.set_gain("auto"), "gain='auto': the radio has no automatic gain; give dB"),
            (lambda: control.set_model("none-such"), "model 'none-such' is unknown; known: "),
            (lambda: control.set_min_confidence("x"), "min_confidence='x' must be a number from 0 to 1"),
        ):
            with pytest.raises(xmlrpc.client.Fault, match=message):
                call()
        assert control.stop()["samples"] > 0
        assert end() is Exit.STOPPED
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    centers = {line["sample_start"]: line for line in lines}
    assert len(centers) == len(lines)
    # Also of those samples that waited for the chain while the radio was retuned.
    for line in lines:
        assert abs(line["freq_lower_edge"] - TONE[0]) < BIN and abs(line["freq_upper_edge"] - TONE[1]) < BIN
    assert (said.last["source"], said.last["retunes"]) == ("SoapySDR", 1)


def test_commands_by_zeromq_are_answered(threshold_model: str, recording: Path, tmp_path: Path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    table = table_of(
        threshold_model, {"kind": "file", "path": str(recording), "repeat": True}, control={"zeromq": ":0", "xmlrpc": "0"}
    )
    with running(table) as (said, end):
        socket = zmq.Context.instance().socket(zmq.REQ)
        socket.setsockopt(zmq.RCVTIMEO, 20_000)
        socket.connect(f"tcp://127.0.0.1:{said.port('ZeromqControl')}")

        def ask(command: bytes) -> dict:
            socket.send(command)
            return socket.recv_json()

        answer = ask(b"{}")
        assert answer["ok"] and answer["status"]["model"] == "threshold"
        assert ask(b'{"min_confidence": 0.25}')["status"]["min_confidence"] == 0.25
        assert ask(b"{") == {"ok": False, "error": "the command is no JSON: Expecting property name enclosed in double quotes:"
                             " line 1 column 2 (char 1)"}  # fmt: skip
        assert ask(b'{"center_freq": 1e9}')["error"] == "center_freq=1e+09 Hz: a file cannot be tuned; only radios can"
        assert ask(b'{"gain": 1}')["error"].startswith("gain=1: the source 'file' has no gain")
        assert ask(json.dumps({"model": str(tmp_path / "bad.onnx")}).encode())["ok"]
        until(lambda: ask(b"{}")["status"]["problem"].startswith("model_refused: "))
        assert ask(json.dumps({"model": threshold_model}).encode())["ok"]
        until(lambda: said.said("model threshold is in use"))
        assert ask(b'{"stop": true}')["ok"]
        socket.close(linger=0)
        assert end() is Exit.STOPPED
    assert said.last["reason"] == "stopped by a command"


class Speaker(gr.basic_block):
    """Says what it is told to."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, name="speaker", in_sig=None, out_sig=None)
        self.message_port_register_out(pmt.intern("out"))

    def say(self, message: pmt.pmt_base) -> None:
        """Send a message."""
        self.message_port_pub(pmt.intern("out"), message)


def test_messages_of_another_flowgraph_are_commands(threshold_model: str, recording: Path):
    sender, port = gr.top_block(), 0
    with zmq.Context() as context, context.socket(zmq.PUSH) as probe:
        port = probe.bind_to_random_port("tcp://127.0.0.1")
    source = {"kind": "file", "path": str(recording), "repeat": True}
    table = table_of(threshold_model, source, control={"messages": f":{port}"})
    with running(table) as (said, end):
        assert said.port("MessageControl") == port
        out = zeromq.push_msg_sink(f"tcp://127.0.0.1:{port}", 100, False)
        speaker = Speaker()
        sender.msg_connect(speaker, "out", out, "in")
        sender.start()
        speaker.say(pmt.cons(pmt.intern("freq"), pmt.from_double(1e9)))
        until(lambda: said.said("a file cannot be tuned"))
        speaker.say(pmt.intern("hello"))
        until(lambda: said.said("command hello is refused: command 'hello' is no table"))
        speaker.say(pmt.to_pmt({"min_confidence": 0.75, "stop": True}))
        assert end() is Exit.STOPPED
        sender.stop()
        sender.wait()
    assert said.last["min_confidence"] == 0.75


def test_a_radio_that_vanishes_is_told_with_what_is_found(threshold_model: str):
    table = radio_table(threshold_model, device="driver=rfsegtest,lost_after=0.2", source={"stall_timeout": 0.3})
    with running(table) as (said, end):
        assert end() is Exit.SOURCE_FAILED
    last = said.last
    assert last["reason"].startswith("no samples from SoapySDR for 0.3 s: it has vanished or hangs; found now: driver=rfsegtest")
    assert last["samples"] > 0 and last["frames"] == last["inferred"] + last["dropped"]  # what had come was worked off


@pytest.mark.parametrize(
    ("device", "reason"), [("driver=null", "Only  0 channels available"), ("driver=none-such", "Device::make\\(\\) no match")]
)
def test_a_missing_radio_is_told_with_what_is_found(device: str, reason: str, threshold_model: str):
    with pytest.raises(SourceError, match=f"SoapySDR cannot open the radio '{device}': .*{reason}.*; found: driver=rfsegtest"):
        Receiver(read_settings(radio_table(threshold_model, device=device)))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"center_freq": 9e9}, r"center_freq=9e\+09 Hz is outside what the radio can: 1e\+09 to 6e\+09 Hz"),
        ({"samp_rate": 100e6}, r"samp_rate=100000000.0 is refused by SoapySDR: .*Unsupported sample rate"),
        ({"antenna": "TX"}, r"antenna='TX' is refused by SoapySDR: .*Available antennas are: \[RX, AUX\]"),
        ({"gain": {"VGA": 1.0}}, r"gain of VGA=1.0 is refused by SoapySDR: .*Unknown gain VGA"),
        ({"gain": 41}, "gain=41 dB is outside what the radio can: 0 to 40 dB"),
        ({"samp_rate": 20.1e6}, r"samp_rate=2.01e\+07 Hz: the radio runs at 20000000 Hz instead; set a rate that it has"),
    ],
)
def test_what_a_radio_refuses_is_an_error_of_the_settings(source: dict, message: str, threshold_model: str):
    with pytest.raises(OptionError, match=message):
        Receiver(read_settings(radio_table(threshold_model, source=source)))


def test_radios_are_listed():
    assert [radio for radio in radios.find_radios() if radio["driver"] == "soapy"] == [
        {"driver": "soapy", "arguments": "driver=rfsegtest, label=Tone for tests"}
    ]


def test_the_list_of_radios_is_printed_as_lines_or_as_json(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live_program, "find_radios", lambda: [])
    assert live_program._list_radios(as_json=False) == "no radios found"
    assert json.loads(live_program._list_radios(as_json=True)) == []
    monkeypatch.setattr(live_program, "find_radios", lambda: [{"driver": "uhd", "arguments": "serial=1"}])
    assert live_program._list_radios(as_json=False) == "uhd: serial=1"
    assert json.loads(live_program._list_radios(as_json=True)) == [{"driver": "uhd", "arguments": "serial=1"}]


SETTERS = {
    "set_subdev_spec", "set_clock_source", "set_time_source", "set_samp_rate", "set_antenna", "set_bandwidth",
    "set_center_freq", "set_gain", "set_rx_agc", "set_time_now",
}  # fmt: skip


class FakeUsrp(gr.sync_block):
    """A USRP as far as the receiver uses it; it notes what it is told."""

    def __init__(self, device: str, stream: object) -> None:
        if device == "addr=none":
            raise RuntimeError("LookupError: KeyError: No devices found for ----->\naddr=none")
        gr.sync_block.__init__(self, name="fake_usrp", in_sig=None, out_sig=[np.complex64])
        self.message_port_register_in(pmt.intern("command"))
        self.message_port_register_out(pmt.intern("async_msgs"))
        self.told: dict[str, tuple] = {}

    def __getattr__(self, name: str):
        if name not in SETTERS:
            return super().__getattr__(name)
        return lambda *values: self.told.__setitem__(name, values)

    def get_samp_rate(self) -> float:
        """As it was set."""
        return self.told["set_samp_rate"][0]

    def get_freq_range(self) -> object:
        """Of a usual daughterboard."""
        return uhd.meta_range_t(70e6, 6e9, 1.0)

    def get_gain_range(self) -> object:
        """The same."""
        return uhd.meta_range_t(0.0, 76.0, 1.0)

    def work(self, input_items: list, output_items: list) -> int:
        """Silence."""
        time.sleep(1e-3)  # the pace of the source
        output_items[0][:] = 0
        return len(output_items[0])


UHD = {
    "kind": "uhd", "device": "addr=here", "samp_rate": SAMP_RATE, "center_freq": 2.4e9, "gain": 30, "antenna": "RX2",
    "subdev": "A:A", "bandwidth": 20e6, "clock_source": "external", "time_source": "external",
}  # fmt: skip


def test_a_usrp_is_set_up_and_its_overflows_are_heard(threshold_model: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uhd, "usrp_source", FakeUsrp)
    real = uhd.uhd_python.usrp_source
    receiver = Receiver(read_settings(table_of(threshold_model, UHD)))
    usrp = receiver.source.block
    told = {name: values for name, values in usrp.told.items() if name != "set_time_now"}
    assert told == {
        "set_subdev_spec": ("A:A",), "set_clock_source": ("external",), "set_time_source": ("external",),
        "set_samp_rate": (SAMP_RATE,), "set_antenna": ("RX2",), "set_bandwidth": (20e6,), "set_center_freq": (2.4e9,),
        "set_gain": (30.0,),
    }  # fmt: skip
    assert abs(usrp.told["set_time_now"][0].get_real_secs() - time.time()) < 5.0
    assert [name for name in (*SETTERS, "get_samp_rate", "get_freq_range", "get_gain_range") if not hasattr(real, name)] == []
    count = pmt.dict_add(pmt.make_dict(), pmt.intern("overflows"), pmt.from_uint64(3))
    receiver.begin()
    try:
        usrp.message_port_pub(pmt.intern("async_msgs"), pmt.cons(pmt.intern("uhd_async_msg"), count))
        until(lambda: receiver.status().overflows == 3)
    finally:
        receiver.request_end()
        receiver.wait()
    receiver.source.set_gain("auto")
    assert usrp.told["set_rx_agc"] == (True, 0)
    receiver.source.set_gain({"PGA": 10.0})
    assert usrp.told["set_rx_agc"] == (False, 0)
    assert usrp.told["set_gain"] == (10.0, "PGA", 0)
    with pytest.raises(OptionError, match="gain=99 dB is outside what the radio can: 0 to 76 dB"):
        receiver.source.set_gain(99)
    with pytest.raises(OptionError, match=r"center_freq=1e\+06 Hz is outside what the radio can: 7e\+07 to 6e\+09 Hz"):
        receiver.source.tune(1e6)


def test_a_missing_usrp_is_told(threshold_model: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uhd, "usrp_source", FakeUsrp)
    with pytest.raises(SourceError, match="UHD cannot open the radio 'addr=none': LookupError: KeyError: No devices found"):
        Receiver(read_settings(table_of(threshold_model, {**UHD, "device": "addr=none"})))


# ---- what else can go wrong


@pytest.mark.parametrize(("name", "key"), [("gnuradio.soapy", "soapy"), ("gnuradio.uhd", "uhd")])
def test_a_driver_that_is_missing_is_named(name: str, key: str, threshold_model: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delattr(f"gnuradio.{key}", raising=False)
    with pytest.raises(BackendUnavailableError, match=f"the source '{key}' needs gr-{key}: apt-get install gnuradio"):
        Receiver(read_settings(table_of(threshold_model, {**UHD, "kind": key} if key == "uhd" else radio_table("")["source"])))


@pytest.mark.parametrize("control", ["xmlrpc", "zeromq", "messages"])
def test_a_port_that_is_taken_is_refused(control: str, recording: Path, threshold_model: str):
    with zmq.Context() as context, context.socket(zmq.PUSH) as taken:
        port = taken.bind_to_random_port("tcp://127.0.0.1")
        with pytest.raises(OptionError, match=f"{control}='127.0.0.1:{port}' cannot be listened on: .*; choose another port"):
            with running(file_table(threshold_model, recording, control={control: f":{port}"})) as (_, end):
                end()


def test_without_pyzmq_the_way_out_is_named(recording: Path, threshold_model: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(BackendUnavailableError, match="control by ZeroMQ needs pyzmq: apt-get install python3-zmq"):
        with running(file_table(threshold_model, recording, control={"zeromq": ":0"})) as (_, end):
            end()


def test_cores_that_are_not_there_are_refused(recording: Path, threshold_model: str):
    with pytest.raises(OptionError, match=r"affinity=\[4000\] names cores that this process may not use; it may: \[0"):
        with running(file_table(threshold_model, recording, process={"affinity": [4000]})) as (_, end):
            end()


def test_priority_that_is_refused_is_told_and_the_run_goes_on(recording, threshold_model, monkeypatch):
    monkeypatch.setattr(live_running.gr, "enable_realtime_scheduling", lambda: gr.RT_NO_PRIVS)
    first = min(os.sched_getaffinity(0))
    with running(file_table(threshold_model, recording, process={"realtime": True, "affinity": [first]})) as (said, end):
        assert end() is Exit.STOPPED
    assert "real-time priority is refused (RT_NO_PRIVS): run with CAP_SYS_NICE" in said.said("real-time priority")
    assert os.sched_getaffinity(0) != {first} or os.cpu_count() == 1  # only the flowgraph's threads are bound


def test_a_chain_that_fails_ends_the_run(recording: Path, threshold_model: str, monkeypatch: pytest.MonkeyPatch):
    begin = Receiver.begin

    def begin_and_fail(self: Receiver) -> None:
        begin(self)
        self._telemetry.hear_chain(event_to_pmt("segmenter", "failed", {"reason": "rows differ"}))

    monkeypatch.setattr(Receiver, "begin", begin_and_fail)
    with running(table_of(threshold_model, {"kind": "file", "path": str(recording), "repeat": True})) as (said, end):
        assert end() is Exit.CHAIN_FAILED
    assert said.last["reason"] == "the chain failed: rows differ"


def test_a_feed_that_is_away_is_told_once_and_holds_nothing_up(recording: Path, threshold_model: str, monkeypatch):
    monkeypatch.setattr(LiveFeed, "stop", lambda self: self._feed.stop(0.2))  # s; 5 otherwise
    feeds = [{"destination": "http://127.0.0.1:9/write", "encoding": "influx", "queue_depth": 5}]
    table = table_of(threshold_model, {"kind": "file", "path": str(recording)}, feeds=feeds)
    with running(table) as (said, end):
        assert end() is Exit.STOPPED
    (counts,) = said.last["feeds"]
    assert counts["sent"] == 0 and counts["dropped"] == counts["submitted"] > 0
    assert len([note for note in said.notes if "http://127.0.0.1:9/write: disconnected: " in note]) == 1


def test_who_asks_is_answered_whatever_a_driver_raises(recording: Path, threshold_model: str, monkeypatch):
    apply, failures = Receiver.apply, [RuntimeError("usb is gone")]

    def apply_or_fail(self: Receiver, command: object) -> object:
        if failures:
            raise failures.pop()
        return apply(self, command)

    monkeypatch.setattr(Receiver, "apply", apply_or_fail)
    table = table_of(threshold_model, {"kind": "file", "path": str(recording), "repeat": True}, control={"zeromq": ":0"})
    with running(table) as (said, end):
        socket = zmq.Context.instance().socket(zmq.REQ)
        socket.setsockopt(zmq.RCVTIMEO, 20_000)
        socket.connect(f"tcp://127.0.0.1:{said.port('ZeromqControl')}")
        socket.send(b"{}")
        assert socket.recv_json() == {"ok": False, "error": "usb is gone"}
        socket.send(b'{"stop": true}')
        assert socket.recv_json()["ok"]
        socket.close(linger=0)
        assert end() is Exit.STOPPED


def test_a_status_message_that_makes_no_sense_is_told_and_left_out():
    notes: list[str] = []
    telemetry = Telemetry(None, notes.append)
    before = dict(telemetry.counters)
    telemetry.hear_chain(pmt.intern("status"))
    telemetry.hear_recorder(pmt.intern("status"))
    assert len(notes) == 2 and notes[0].startswith("a status message is left out: ") and telemetry.counters == before


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def test_a_terminal_has_one_line_that_changes(recording: Path, threshold_model: str, capsys):
    status = Receiver(read_settings(file_table(threshold_model, recording))).status()
    terminal = Terminal()
    reporter = Reporter(terminal)
    reporter.status(status)
    reporter.status(status)
    assert terminal.getvalue().count("\r\x1b[K0 s: ") == 2 and "\n" not in terminal.getvalue()
    reporter.note("a gap")
    assert terminal.getvalue().endswith("overflows\n") and "rfseg live: a gap\n" in capsys.readouterr().err
    plain, quiet = io.StringIO(), io.StringIO()
    Reporter(plain).status(status)
    assert plain.getvalue().startswith("0 s: ") and plain.getvalue().endswith("overflows\n")
    silent = Reporter(quiet, is_quiet=True)
    silent.status(status)
    silent.end(status, "over")
    assert quiet.getvalue() == ""
