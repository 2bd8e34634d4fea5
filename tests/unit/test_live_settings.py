"""Settings of a receiver: what is read, and how each mistake is refused."""

from __future__ import annotations

import builtins
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from rfseg.cli import EXIT_BAD_INPUT, live, main
from rfseg.errors import BackendUnavailableError, OptionError
from rfseg.live.settings import (
    FeedSettings,
    LiveSettings,
    RecordingSettings,
    parse_address,
    read_settings,
    read_toml,
    settings_to_table,
)
from rfseg.live.sources import SOURCES, FileSettings, SoapySettings, ZeromqSettings
from rfseg.occupancy import OccupancyRules
from rfseg.tracking import TrackRules

FILE = {"kind": "file", "path": "a.sigmf-meta"}
SOAPY = {"kind": "soapy", "samp_rate": 20e6, "center_freq": 2.4e9}
ZEROMQ = {"kind": "zeromq", "samp_rate": 20e6, "address": "tcp://127.0.0.1:5555"}
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "live.toml"


def refused(table: Any) -> str:
    """Why a table is refused."""
    with pytest.raises(OptionError) as caught:
        read_settings(table)
    return str(caught.value)


# ---- what is read


def test_a_table_of_a_source_is_enough():
    settings = read_settings({"source": FILE})
    assert settings == LiveSettings(source=FileSettings(path="a.sigmf-meta"))
    assert (settings.mode, settings.occupancy, settings.feeds) == ("live", None, ())


def test_every_key_comes_back_from_the_table_of_the_settings():
    table = {
        "source": {**SOAPY, "gain": {"LNA": 20}, "antenna": "RX"},
        "frame_duration": 10e-3,
        "detection": {"calibration": "cal.csv", "reject": 0.5},
        "tracker": {"confirm_hits": 3},
        "occupancy": {},
        "feeds": [{"destination": "mqtt://:1883/a", "messages": ["bands"], "options": {"qos": 2}}],
        "control": {"xmlrpc": ":8080"},
        "process": {"affinity": [0, 1], "realtime": True},
        "recording": {"labels": ["Radar"], "freq_range": [3.5e9, 3.6e9], "quota_bytes": 1000},
    }
    settings = read_settings(table)
    assert isinstance(settings.source, SoapySettings) and settings.source.gain == {"LNA": 20.0}
    assert settings.tracker == TrackRules(confirm_hits=3) and settings.occupancy is not None
    assert settings.process.affinity == (0, 1) and settings.feeds[0].options == {"qos": 2}
    assert read_settings(json.loads(json.dumps(settings_to_table(settings)))) == settings


def test_whole_numbers_stand_for_real_ones():
    assert read_settings({"source": {**SOAPY, "gain": 30}}).source.gain == 30.0


def test_the_example_is_good():
    settings = read_settings(read_toml(EXAMPLE))
    assert settings.source.kind == "soapy" and settings.feeds and settings.control.xmlrpc


def test_the_document_shows_good_settings_and_names_every_key():
    document = (EXAMPLE.parents[1] / "docs" / "live.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", document, re.DOTALL)
    credentials = "/etc/rfseg/mqtt"  # looked for when the feed is made, not here
    assert credentials in block and read_settings(tomllib.loads(block)).source.kind == "uhd"
    sections = vars(LiveSettings(source=FileSettings(path="a"))).values()
    tables = [LiveSettings, *SOURCES.values(), *(type(section) for section in sections if is_dataclass(section))]
    tables += [FeedSettings, RecordingSettings, OccupancyRules]
    names = {entry.name for table in tables for entry in fields(table)}
    prose = re.sub(r"```.*?```", "", document, flags=re.DOTALL)
    shown = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`", prose)) + block))
    assert names - shown == set()


@pytest.mark.parametrize(
    ("text", "address"),
    [("8080", "127.0.0.1:8080"), (":8080", "127.0.0.1:8080"), ("0.0.0.0:1", "0.0.0.0:1"), ("*:5557", "*:5557")],
)
def test_an_address_without_a_host_is_this_machine(text: str, address: str):
    assert str(parse_address(text)) == address


def test_only_what_can_wait_may_be_lossless():
    assert read_settings({"source": {**ZEROMQ, "socket": "pull"}, "mode": "lossless"}).source.can_wait
    assert not ZeromqSettings(samp_rate=1e6, address="ipc://a").can_wait


# ---- what is refused


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "there is no [source]; give one, with kind = one of soapy, uhd, zeromq, file"),
        ({"kind": "rtl"}, "[source] kind='rtl' is unknown, expected one of soapy, uhd, zeromq, file"),
        ({"kind": "file"}, "[source] path is missing; it has no default"),
        ({"kind": "soapy", "center_freq": 1e9}, "[source] samp_rate is missing"),
        ({**FILE, "gain": 3}, "[source] gain is unknown; known: kind, settling"),
        ({**FILE, "path": 3}, "[source] path=3 is no text"),
        ({**FILE, "repeat": 1}, "[source] repeat=1 is no true or false"),
        ({**FILE, "pace": "fast"}, "[source] pace='fast' is unknown, expected one of clock, none"),
        ({**FILE, "pace": "none"}, "pace='none' plays the file as fast as inference goes, which needs mode='lossless'"),
        ({**FILE, "settling": -1.0}, "[source] settling=-1.0 must be a time in s, 0 or more"),
        ({**FILE, "buffer": float("inf")}, "[source] buffer=inf must be a time in s"),
        ({**FILE, "stall_timeout": float("nan")}, "[source] stall_timeout=nan must be a time in s"),
        ({**SOAPY, "samp_rate": 0}, "[source] samp_rate=0.0 must be a rate above 0, in Hz"),
        ({**SOAPY, "samp_rate": "20e6"}, "[source] samp_rate='20e6' is no number"),
        ({**SOAPY, "samp_rate": True}, "[source] samp_rate=True is no number"),
        ({**SOAPY, "center_freq": float("nan")}, "[source] center_freq=nan must be a frequency in Hz"),
        ({**SOAPY, "item_type": "cf32"}, "[source] item_type='cf32' is unknown, expected one of complex64, int16, int8"),
        ({**SOAPY, "gain": "full"}, "[source] gain='full' is neither a number of dB, a table of them nor 'auto'"),
        ({**SOAPY, "gain": {"LNA": "x"}}, "[source] gain='x' is no number"),
        ({**SOAPY, "gain": [1]}, "[source] gain=[1] is no number or text or table"),
        ({**SOAPY, "bandwidth": 0}, "[source] bandwidth=0.0 must be above 0, in Hz"),
        ({**SOAPY, "kind": "uhd", "channel": -1}, "[source] channel=-1 must be 0 or more"),
        ({**SOAPY, "kind": "uhd", "channel": 1.5}, "[source] channel=1.5 is no integer"),
        ({**ZEROMQ, "address": "host:1"}, "[source] address='host:1' names no transport; write such as tcp://"),
        ({**ZEROMQ, "socket": "push"}, "[source] socket='push' is unknown, expected one of sub, pull, req"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(source: Any, message: str):
    assert message in refused({"source": source})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"modes": 1}, "modes is unknown; known: source, mode, model, frame_duration"),
        ({"mode": "fast"}, "mode='fast' is unknown, expected one of live, lossless"),
        ({"frame_duration": 0}, "frame_duration=0.0 must be a time above 0, in s"),
        ({"duration": -1}, "duration=-1.0 must be a time above 0, in s"),
        ({"status_interval": float("inf")}, "status_interval=inf must be a time above 0, in s"),
        ({"detection": 5}, "detection=5 is no table; write [detection]"),
        ({"detection": {"min_confidence": 2}}, "[detection] min_confidence=2.0"),
        ({"detection": {"reject": 1.5}}, "[detection] reject=1.5 is a confidence; expected 0 to 1, 0 for none"),
        ({"detection": {"calibration": True}}, "[detection] calibration=True is no number or text"),
        ({"inference": {"policy": "drop"}}, "[inference] policy='drop' is unknown, expected one of drop_oldest"),
        ({"inference": {"threads": -1}}, "[inference] threads=-1 must be 0 (one a core) or more"),
        ({"inference": {"workers": 0}}, "[inference] workers=0 must be at least 1, the frames inferred at the same time"),
        ({"inference": {"queue_depth": 0}}, "[inference] queue_depth=0 must be at least 1, the frames that may wait"),
        ({"inference": {"hold": 0}}, "[inference] hold=0.0 must be a time above 0, in s"),
        ({"tracker": {"hold": -1}}, "[tracker] hold=-1.0 must be a time in s, 0 or more"),
        ({"occupancy": {"max_duty": 2}}, "[occupancy] max_duty=2.0 is a share of the time; expected 0 to 1"),
        ({"recording": {"record": "some"}}, "[recording] record='some' is unknown, expected one of"),
        ({"recording": {"pre": -1}}, "[recording] pre=-1.0 must be a time of at least 0, in s"),
        ({"recording": {"freq_range": [2e9, 1e9]}}, "[recording] freq_range=(2000000000.0, 1000000000.0) must be a lower and"),
        ({"recording": {"labels": "LTE"}}, "[recording] labels='LTE' is no list"),
        ({"recording": {"on_full": "burn"}}, "[recording] on_full='burn' is unknown, expected one of stop, delete_oldest"),
        ({"recording": {"queue_seconds": 0}}, "[recording] queue_seconds=0.0 must be a time above 0, in s"),
        ({"feeds": {"destination": "file:a"}}, "feeds={'destination': 'file:a'} is no list"),
        ({"feeds": [{"destination": "a"}]}, "[feeds] destination 'a' begins with no transport"),
        ({"feeds": [{"destination": "file:a", "encoding": "xml"}]}, "[feeds] encoding='xml' is unknown, expected one of json"),
        (
            {"feeds": [{"destination": "file:a", "messages": ["band"]}]},
            "[feeds] messages=['band'] expected some of bands, status, occupancy, track",
        ),
        ({"feeds": [{"destination": "file:a", "messages": []}]}, "[feeds] messages=[] expected some of"),
        ({"feeds": [{"destination": "file:a", "queue_depth": 0}]}, "[feeds] queue_depth=0 must be at least 1, the messages"),
        ({"feeds": [{"destination": "file:a"}] * 2}, "two feeds write 'file:a'; give each its own file"),
        ({"control": {"xmlrpc": "host"}}, "[control] xmlrpc='host' names no port; write HOST:PORT, or :PORT for this machine"),
        ({"control": {"zeromq": ":99999"}}, "[control] zeromq=':99999' names no port"),
        ({"process": {"affinity": [-1]}}, "[process] affinity=[-1] must be numbers of cores, from 0 on"),
        ({"process": {"affinity": ["0"]}}, "[process] affinity='0' is no integer"),
    ],
)
def test_settings_that_make_no_sense_are_refused(more: dict[str, Any], message: str):
    assert message in refused({"source": FILE, **more})


@pytest.mark.parametrize("source", [SOAPY, ZEROMQ])
def test_a_radio_cannot_be_held_up(source: dict[str, Any]):
    message = f"mode='lossless' would hold up the source {source['kind']!r}, which cannot wait; choose live"
    assert message in refused({"source": source, "mode": "lossless"})


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path):
    with pytest.raises(OptionError, match="gone.toml cannot be read: No such file or directory; name a file of settings"):
        read_toml(tmp_path / "gone.toml")
    (tmp_path / "a.toml").write_text("mode = ")
    with pytest.raises(OptionError, match="a.toml is no TOML: "):
        read_toml(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff")
    with pytest.raises(OptionError, match="b.toml is no TOML: "):
        read_toml(tmp_path / "b.toml")


def test_without_a_reader_of_toml_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name in ("tomllib", "tomli"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BackendUnavailableError, match="TOML files need Python 3.11 or tomli: pip install tomli"):
        read_toml(tmp_path / "a.toml")


# ---- the command


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What ``rfseg live`` would turn into."""
    programs: list[list[str]] = []
    monkeypatch.setattr(live, "_become", programs.append)
    return programs


def test_options_make_a_table(become):
    options = ["--soapy", "driver=lime", "--samp-rate", "20e6", "--center-freq", "2.4e9", "--gain", "auto", "--antenna", "LNAH"]
    more = ["--frame-ms", "5", "--reject", "0", "--feed", "influx=http://:8086/write?db=a", "--feed", "file:a=b", "--xmlrpc", "1", "--infer-every", "3"]
    assert main(["live", *options, *more, "--quiet", "--json"]) == 0
    ((quiet, as_json, table),) = become
    assert (quiet, as_json) == ("--quiet", "--json")
    assert json.loads(table) == {
        "source": {
            "kind": "soapy", "device": "driver=lime", "samp_rate": 20e6, "center_freq": 2.4e9, "gain": "auto",
            "antenna": "LNAH",
        },
        "frame_duration": 5e-3,
        "inference": {"infer_every": 3},
        "detection": {"reject": 0.0},
        "control": {"xmlrpc": "1"},
        "feeds": [
            {"encoding": "influx", "destination": "http://:8086/write?db=a"}, {"destination": "file:a=b"}
        ],
    }  # fmt: skip


def test_options_overrule_the_file(become, tmp_path: Path):
    config = tmp_path / "a.toml"
    config.write_text('[source]\nkind = "uhd"\nsamp_rate = 20e6\ncenter_freq = 1e9\nsubdev = "A:A"\n[detection]\nreject = 0.5\n')
    assert main(["live", str(config), "--center-freq", "2e9", "--min-confidence", "0.7", "--duration", "3"]) == 0
    table = json.loads(become[-1][-1])
    assert table["source"] == {"kind": "uhd", "samp_rate": 20e6, "center_freq": 2e9, "subdev": "A:A"}
    assert table["detection"] == {"reject": 0.5, "min_confidence": 0.7} and table["duration"] == 3.0
    assert main(["live", str(config), "--zeromq", "tcp://a:1"]) == 0
    expected = {"kind": "zeromq", "address": "tcp://a:1", "samp_rate": 20e6, "center_freq": 1e9}
    assert json.loads(become[-1][-1])["source"] == expected
    assert main(["live", "--file", "a.sigmf-meta", "--lossless", "--repeat"]) == 0
    assert json.loads(become[-1][-1]) == {
        "source": {"kind": "file", "path": "a.sigmf-meta", "repeat": True, "pace": "none"}, "mode": "lossless"
    }  # fmt: skip


def test_a_check_prints_all_settings_and_starts_nothing(become, capsys):
    assert main(["live", "--file", "a", "--check"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert become == [] and printed["source"]["pace"] == "clock" and printed["tracker"]["confirm_hits"] == 2


def test_devices_are_listed_by_the_program(become):
    assert main(["live", "--devices"]) == 0 and become == [["--devices"]]
    assert main(["live", "--devices", "--json"]) == 0 and become[1:] == [["--devices", "--json"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "there is no source; give one of --soapy, --uhd, --zeromq, --file or a TOML file"),
        (["--file", "a", "--gain", "3"], "[source] gain is unknown; known: kind, settling"),
        (["--uhd", "", "--samp-rate", "1e6"], "[source] center_freq is missing; it has no default"),
        (["--file", "a", "--feed", "xml=b"], "--feed 'xml=b': encoding 'xml' is unknown; give one of json, "),
    ],
)
def test_options_that_make_no_sense_are_refused(options: list[str], message: str, become, capsys):
    assert main(["live", *options]) == EXIT_BAD_INPUT
    assert message in capsys.readouterr().err and become == []


def test_a_gain_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["live", "--gain", "loud"])
    assert "--gain: 'loud' is neither a number of dB nor auto" in capsys.readouterr().err


def test_without_gnu_radio_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["live", "--file", "a"]) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert "rfseg live needs GNU Radio 3.10, which " in error and "apt-get install gnuradio" in error


def test_without_the_blocks_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path):
    (tmp_path / "gnuradio/rfseg/live").mkdir(parents=True)
    (tmp_path / "gnuradio/rfseg/live/__main__.py").touch()  # the source, of which nothing has been compiled
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert main(["live", "--file", "a"]) == EXIT_BAD_INPUT
    assert "rfseg live needs the blocks of gr-rfseg, which " in capsys.readouterr().err


def test_blocks_that_cannot_be_loaded_are_told_in_one_line(tmp_path: Path):
    for file, text in (("__init__", ""), ("rfseg/__init__", ""), ("rfseg/live/__init__", "import no_such_library"), ("rfseg/live/__main__", "")):
        (tmp_path / "broken" / f"{file}.py").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "broken" / f"{file}.py").write_text(text)
    command = [sys.executable, "-m", "rfseg.programs", "broken.rfseg.live.part"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (EXIT_BAD_INPUT, "")
    assert done.stderr == (
        "rfseg: error: broken.rfseg.live.part cannot be loaded: No module named 'no_such_library'; rfseg doctor says what to mend\n"
    )


def test_the_program_takes_the_place_of_this_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    (tmp_path / "gnuradio/rfseg/live").mkdir(parents=True)
    (tmp_path / "gnuradio/rfseg/live/__main__.py").touch()
    (tmp_path / "gnuradio/rfseg/rfseg_python.so").touch()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    calls = []
    monkeypatch.setattr("os.execv", lambda program, arguments: calls.append((program, arguments)))
    assert main(["live", "--file", "a", "--json"]) == 0
    ((program, arguments),) = calls
    assert arguments[:-1] == [program, "-m", "rfseg.programs", "gnuradio.rfseg.live", "--json"]
    assert json.loads(arguments[-1]) == {"source": {"kind": "file", "path": "a"}}


def test_a_network_may_run_elsewhere():
    table = {"source": FILE, "inference": {"remote": "tcp://gpu:5560", "remote_dtype": "int16"}}
    inference = read_settings(table).inference
    assert (inference.remote, inference.remote_dtype) == ("tcp://gpu:5560", "int16")
    table["inference"]["remote_dtype"] = "int8"
    with pytest.raises(OptionError, match="remote_dtype='int8' is unknown, expected one of float32, int16"):
        read_settings(table)
