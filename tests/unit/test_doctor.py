"""rfseg doctor on broken installations: it says what is wrong and how to mend it, whatever is broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Callable, Iterable

import pytest

from rfseg import __version__
from rfseg.cli import EXIT_DONE, EXIT_FAULTS, main
from rfseg.doctor import checks, models, packages, system
from rfseg.doctor.findings import Finding, Level, Trial, fault, note, pip_install, sound, try_python, warning
from rfseg.inference import MODEL_PATH_VARIABLE

GNURADIO = {"gnuradio/__init__.py": "", "gnuradio/gr.py": "def version(): return '3.10.5.1'"}


@pytest.fixture
def install(tmp_path: Path, monkeypatch) -> Callable[[dict[str, str]], None]:
    """Put modules before those that are installed, for processes that are started from now on."""

    def put(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = tmp_path / "modules" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))

    return put


def only(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


# ---- trying things out


def test_what_is_tried_gives_its_result_whatever_is_printed() -> None:
    assert try_python("print('noise'); result = [sys.argv[1], 1]", "a") == Trial(result=["a", 1])


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "the process crashed with SIGSEGV"),
        ("sys.exit(4)", "exit code 4"),
        ("os._exit(0)", "it printed '' instead of a result"),
    ],
)
def test_what_fails_says_how(code: str, error: str) -> None:
    trial = try_python(code)
    assert (trial.error, trial.has_failed) == (error, True)


def test_what_hangs_is_given_up() -> None:
    assert try_python("import threading; threading.Event().wait()", seconds=0.2).error == "no answer within 0.2 s"


# ---- packages


def test_a_package_that_is_missing_or_old_is_a_fault(monkeypatch) -> None:
    answers = {"numpy": Trial(result="1.21.0"), "onnxruntime": Trial(error="ModuleNotFoundError: No module named 'onnxruntime'")}
    monkeypatch.setattr(packages, "try_python", lambda code, name: answers.get(name, Trial(result="99.1")))
    found = {finding.area: finding for finding in packages.check_packages()}
    assert found["numpy"] == fault("numpy", "version 1.21.0 is older than 1.24", pip_install("'numpy>=1.24'"))
    assert found["onnxruntime"].level is Level.FAULT and found["onnxruntime"].remedy == pip_install("'onnxruntime>=1.18'")
    assert found["scipy"] == sound("scipy", "99.1")
    assert found["Python"].level is Level.OK


def test_an_optional_package_that_is_missing_is_a_note_with_what_is_lost(monkeypatch) -> None:
    monkeypatch.setattr(
        packages, "try_python", lambda code, name: Trial(error="none") if name in ("torch", "PIL") else Trial(result="99")
    )
    found = {finding.area: finding for finding in packages.check_packages()}
    assert (found["PIL"].level, found["PIL"].remedy) == (Level.NOTE, pip_install("'rfseg[data]'"))
    assert "no synth, train, export and import-checkpoint" in found["torch"].text
    assert "./scripts/training" in found["torch"].remedy


# ---- GNU Radio and blocks


def test_a_numpy_that_gnuradio_was_not_compiled_for_is_a_fault(install) -> None:
    install({**GNURADIO, "numpy/__init__.py": "__version__ = '2.1.0'"})
    finding = only(packages.check_gnuradio())
    assert finding == fault("GNU Radio", "3.10.5.1 is compiled against NumPy 1, this one is 2.1.0", pip_install("'numpy<2'"))


def test_a_gnuradio_that_such_a_numpy_keeps_from_starting_is_the_same_fault(install) -> None:
    install({"gnuradio/__init__.py": "raise ImportError('initialization failed')", "numpy/__init__.py": "__version__ = '2.1.0'"})
    finding = only(packages.check_gnuradio())
    assert finding == fault("GNU Radio", "it is compiled against NumPy 1, this one is 2.1.0", pip_install("'numpy<2'"))


def test_a_gnuradio_that_crashes_is_a_fault_and_the_doctor_survives(install) -> None:
    install({"gnuradio/__init__.py": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"})
    finding = only(packages.check_gnuradio())
    assert finding.level is Level.FAULT
    assert finding.text == "cannot be imported: the process crashed with SIGSEGV"
    assert list(packages.check_blocks()) == []  # there is nothing to add


def test_a_gnuradio_of_another_version_is_a_fault(install) -> None:
    install({**GNURADIO, "gnuradio/gr.py": "def version(): return '3.8.2.0'"})
    assert only(packages.check_gnuradio()).text == "is 3.8.2.0, expected 3.10.x"


def test_no_gnuradio_is_a_note_for_machines_that_train(monkeypatch) -> None:
    monkeypatch.setattr(packages, "try_python", lambda code: Trial(error="ModuleNotFoundError: No module named 'gnuradio'"))
    finding = only(packages.check_gnuradio())
    assert finding.level is Level.NOTE and "no blocks, no rfseg live" in finding.text
    assert finding.remedy.startswith("apt-get install gnuradio")


def test_missing_blocks_are_a_fault_that_says_where_was_looked(install, tmp_path: Path, monkeypatch) -> None:
    install(GNURADIO)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    finding = only(packages.check_blocks())
    assert finding.level is Level.FAULT
    assert "gnuradio.rfseg does not work: ModuleNotFoundError: No module named 'gnuradio.rfseg'" in finding.text
    assert str(tmp_path / "modules" / "gnuradio") in finding.text
    assert "cmake --install build" in finding.remedy


def test_a_source_tree_is_no_installation(install, tmp_path: Path, monkeypatch) -> None:
    install({**GNURADIO, "gnuradio/rfseg/__init__.py": "from . import rfseg_python"})
    monkeypatch.setattr(sys, "path", [str(tmp_path / "modules")])
    finding = only(packages.check_blocks())
    assert finding.level is Level.FAULT
    assert finding.text == f"gnuradio.rfseg is not installed; folders of gnuradio: {tmp_path / 'modules' / 'gnuradio'}"


def test_halves_of_different_versions_are_a_fault(monkeypatch) -> None:
    answer = ["/p/gnuradio/rfseg/__init__.py", ["/p/lib/libgnuradio-rfseg.so.0.0.9"], __version__, "/q/rfseg/__init__.py"]
    monkeypatch.setattr(packages, "try_python", lambda code: Trial(result=answer))
    finding = only(packages.check_blocks())
    assert finding.level is Level.FAULT
    assert finding.text == f"libgnuradio-rfseg is 0.0.9, the library rfseg in /q/rfseg/__init__.py is {__version__}"
    assert "delete older copies of libgnuradio-rfseg" in finding.remedy


@pytest.mark.parametrize(("is_known", "level"), [(True, Level.OK), (False, Level.NOTE)])
def test_companion_is_told_where_the_blocks_are(is_known: bool, level: Level, tmp_path: Path, monkeypatch) -> None:
    module = tmp_path / "lib" / "gnuradio" / "rfseg" / "__init__.py"
    folder = tmp_path / "share" / "gnuradio" / "grc" / "blocks"
    folder.mkdir(parents=True)
    (folder / "rfseg_segmenter.block.yml").touch()
    monkeypatch.setenv("GRC_BLOCKS_PATH", str(folder) if is_known else "")
    answer = [str(module), [f"/p/libgnuradio-rfseg.so.{__version__}"], __version__, "/q/rfseg/__init__.py"]
    monkeypatch.setattr(packages, "try_python", lambda code: Trial(result=answer))
    blocks, companion = packages.check_blocks()
    assert (blocks.level, companion.level) == (Level.OK, level)
    assert is_known or companion.remedy.endswith(f"set GRC_BLOCKS_PATH={folder}")


# ---- models and providers


def test_a_corrupt_model_is_a_fault_with_its_file(tmp_path: Path, threshold_model: Path, monkeypatch) -> None:
    good = threshold_model.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(good[: len(good) // 2])
    shutil.copy(threshold_model, tmp_path / "rf-segmenter.onnx")  # the name of the default one
    monkeypatch.setenv(MODEL_PATH_VARIABLE, os.pathsep.join([str(tmp_path), "/no/such/folder"]))
    listed, absent = models.try_python(models._LIST).result[2:]
    assert absent == ["/no/such/folder"]
    own = {name: path for name, path in listed.items() if path.startswith(str(tmp_path))}
    assert sorted(own) == ["cut", "rf-segmenter"]
    real = models.try_python
    monkeypatch.setattr(
        models, "try_python",
        lambda code, *rest: Trial(result=["rf-segmenter", MODEL_PATH_VARIABLE, own, ["/no/such/folder"]]) if code == models._LIST else real(code, *rest),
    )  # fmt: skip
    wrong_folder, cut, default = models.check_models()
    assert wrong_folder == warning(
        "models", f"{MODEL_PATH_VARIABLE} names /no/such/folder, which is no folder", f"correct {MODEL_PATH_VARIABLE}"
    )
    assert cut.level is Level.FAULT and str(tmp_path / "cut.onnx") in cut.text
    assert cut.remedy == "copy cut.onnx there again, or remove it"
    assert default.level is Level.OK and default.text.startswith("threshold, fp32, on cpu: self-test passed")


def test_a_missing_default_model_is_a_fault(monkeypatch) -> None:
    monkeypatch.delenv(MODEL_PATH_VARIABLE, raising=False)
    monkeypatch.setattr(models, "try_python", lambda code, *rest: Trial(result=["rf-segmenter", MODEL_PATH_VARIABLE, {}, []]))
    finding = only(models.check_models())
    assert finding.level is Level.FAULT and finding.text == "the default model 'rf-segmenter' is not there"
    assert f"set {MODEL_PATH_VARIABLE} to a folder that holds rf-segmenter.onnx" in finding.remedy


@pytest.mark.parametrize(
    ("there", "has_driver", "level", "text"),
    [
        (["cpu"], False, Level.OK, "ONNX Runtime has cpu of cuda, cpu"),
        (["cpu"], True, Level.NOTE, "there is an NVIDIA driver, which is not used"),
        (["cuda", "cpu"], True, Level.OK, "ONNX Runtime has cuda, cpu of cuda, cpu"),
        ([], False, Level.FAULT, "ONNX Runtime has none of cuda, cpu"),
    ],
)
def test_providers(there: list[str], has_driver: bool, level: Level, text: str, tmp_path: Path, monkeypatch) -> None:
    driver = tmp_path / "version"
    if has_driver:
        driver.touch()
    monkeypatch.setattr(models, "_NVIDIA", driver)
    monkeypatch.setattr(models, "try_python", lambda code: Trial(result=[there, ["cuda", "cpu"]]))
    finding = only(models.check_providers())
    assert finding.level is level and text in finding.text


# ---- radios, permissions, room


def test_radios_and_their_drivers(monkeypatch) -> None:
    monkeypatch.setattr(system, "program_command", lambda module, purpose: ["python"])
    answers = {("soapy",): Trial(result=True), ("uhd",): Trial(error="ImportError: no uhd"), (): Trial(result=[])}
    monkeypatch.setattr(system, "try_python", lambda code, *names, **_: answers[names])
    soapy, uhd, none = system.check_radios()
    assert soapy == sound("radios", "SoapySDR (gr-soapy) is there")
    assert uhd.level is Level.NOTE and "no UHD (gr-uhd): ImportError: no uhd" in uhd.text
    assert none.level is Level.NOTE and none.text == "none found" and "soapysdr-module" in none.remedy
    answers[()] = Trial(result=["soapy: driver=lime"])
    assert list(system.check_radios())[-1] == sound("radios", "soapy: driver=lime")
    answers[()] = Trial(error="no answer within 60 s")
    assert list(system.check_radios())[-1].level is Level.WARNING


@pytest.mark.parametrize(("may_open", "level"), [(True, Level.OK), (False, Level.FAULT)])
def test_a_radio_on_usb_that_may_not_be_opened_is_a_fault(may_open: bool, level: Level, tmp_path: Path, monkeypatch) -> None:
    for name, facts in {"1-1": ("2cf0", "5250", "1", "7"), "1-2": ("046d", "c31c", "1", "8"), "usb1": ("", "", "1", "1")}.items():
        device = tmp_path / "devices" / name
        device.mkdir(parents=True)
        for file, text in zip(("idVendor", "idProduct", "busnum", "devnum"), facts):
            (device / file).write_text(f"{text}\n")
    node = tmp_path / "nodes" / "001" / "007"
    node.parent.mkdir(parents=True)
    if may_open:
        node.touch()
    monkeypatch.setattr(system, "_USB_DEVICES", tmp_path / "devices")
    monkeypatch.setattr(system, "_USB_NODES", tmp_path / "nodes")
    finding = only(system.check_usb())  # a keyboard is none of its business
    assert finding.level is level and f"bladeRF at {node}" in finding.text
    assert may_open or "udev rules" in finding.remedy


@pytest.mark.parametrize(("user", "limit", "level"), [(0, 0, Level.OK), (1000, 0, Level.NOTE), (1000, 95, Level.OK)])
def test_the_limit_of_real_time_priority(user: int, limit: int, level: Level, monkeypatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(system.resource, "getrlimit", lambda which: (0, limit))
    finding = next(system.check_scheduling())
    assert finding.level is level
    assert level is Level.OK or "LimitRTPRIO=50" in finding.remedy


@pytest.mark.parametrize(("governor", "level"), [("performance", Level.OK), ("powersave", Level.WARNING), (None, Level.OK)])
def test_a_governor_that_saves_power_is_a_warning(governor: str | None, level: Level, tmp_path: Path, monkeypatch) -> None:
    if governor:
        (tmp_path / "cpu0" / "cpufreq").mkdir(parents=True)
        (tmp_path / "cpu0" / "cpufreq" / "scaling_governor").write_text(governor)
    monkeypatch.setattr(system, "_GOVERNORS", tmp_path)
    _, finding = system.check_scheduling()
    assert finding.level is level and (governor or "not told") in finding.text
    assert level is Level.OK or finding.remedy == "sudo cpupower frequency-set -g performance"


def test_a_folder_that_cannot_be_written_is_a_fault(monkeypatch) -> None:
    monkeypatch.chdir("/proc")  # where not even root can
    finding = next(system.check_room())
    assert finding.level is Level.FAULT
    assert finding.text.startswith("/proc cannot be written; results") and "name one with --out" in finding.remedy


def test_too_little_room_is_a_warning(monkeypatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(system.shutil, "disk_usage", lambda place: usage(64 << 20))
    findings = list(system.check_room())
    assert [finding.level for finding in findings] == [Level.WARNING] * 3
    assert "make room" in findings[0].remedy
    assert "64 MiB free, where GNU Radio may put its buffers" in findings[2].text and "--shm-size=1g" in findings[2].remedy


# ---- the command


def test_findings_are_printed_with_their_remedies_and_decide_the_exit_code(monkeypatch, capsys) -> None:
    found = [sound("a", "fine"), note("b", "not there", "get it"), fault("c", "broken", "mend it")]
    monkeypatch.setattr("rfseg.cli.doctor.examine", lambda: iter(found))
    assert main(["doctor"]) == EXIT_FAULTS
    assert capsys.readouterr().out.splitlines() == [
        "ok      a             fine",
        "note    b             not there",
        "                      -> get it",
        "fault   c             broken",
        "                      -> mend it",
        "",
        "1 fault, 0 warnings, 1 note",
    ]
    assert main(["doctor", "--quiet"]) == EXIT_FAULTS
    assert "fine" not in capsys.readouterr().out
    found.pop()
    assert main(["doctor", "--json"]) == EXIT_DONE
    report = json.loads(capsys.readouterr().out)
    assert report["findings"][1] == {"area": "b", "level": "note", "text": "not there", "remedy": "get it"}
    assert [report[level] for level in ("ok", "note", "warning", "fault")] == [1, 1, 0, 0]


def test_it_runs_where_nothing_else_can(install) -> None:
    broken = {f"{name}/__init__.py": "raise ImportError('this one is broken')" for name in ("numpy", "onnxruntime", "tqdm", "gnuradio")}
    install(broken)
    run = subprocess.run([sys.executable, "-m", "rfseg", "doctor", "--json"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (EXIT_FAULTS, "")
    report = json.loads(run.stdout)
    faults = {finding["area"]: finding for finding in report["findings"] if finding["level"] == "fault"}
    assert {"numpy", "onnxruntime", "tqdm", "GNU Radio", "models"} <= set(faults)
    assert faults["numpy"]["text"] == "cannot be imported: ImportError: this one is broken"
    assert faults["numpy"]["remedy"] == pip_install("'numpy>=1.24'")
    assert report["fault"] == len(faults)


def test_every_check_is_made_once() -> None:
    made = [getattr(module, name) for module in (packages, models, system) for name in module.__all__]
    assert sorted(made, key=id) == sorted(checks.CHECKS, key=id)
