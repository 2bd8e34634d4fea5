"""The command line as a whole: help, consistent options, completion, JSON, exit codes."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from rfseg.cli import COMMANDS, EXIT_BAD_INPUT, EXIT_DONE, main, make_parser
from rfseg.inference import MODEL_PATH_VARIABLE
from rfseg.modelfile import load_contract

NAMES = [name for group in COMMANDS.values() for name in group]
WITHOUT_JSON = {(), ("dataset",), ("completion",)}  # what prints no result of its own, or a script


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **changes}


def all_parsers(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from all_parsers(inner, (*path, name))


@pytest.fixture(scope="module")
def parsers() -> dict[tuple[str, ...], argparse.ArgumentParser]:
    """Every parser by the words that lead to it."""
    return dict(all_parsers(make_parser()))


def test_help_names_every_command_once_and_fits_a_screen(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    out = capsys.readouterr().out
    assert ended.value.code == EXIT_DONE
    lines = out.splitlines()
    assert [sum(line.startswith(f"  {name} ") for line in lines) for name in NAMES] == [1] * len(NAMES)
    assert len(lines) <= 45 and max(map(len, lines)) <= 132
    assert all(code in out for code in ("0 done", "1 faults", "2 bad input", "3 the radio", "130 interrupted"))


def test_the_table_of_commands_is_what_the_parser_knows(parsers) -> None:
    assert [path[0] for path in parsers if len(path) == 1] == NAMES
    page = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text("utf-8")
    assert [name for name in NAMES if f"rfseg {name}" not in page] == []


def test_an_unknown_command_is_refused_with_those_there_are(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["segmnet"])
    err = capsys.readouterr().err
    assert ended.value.code == EXIT_BAD_INPUT
    assert "invalid choice: 'segmnet'" in err and all(name in err for name in NAMES)


def test_no_command_is_refused(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == EXIT_BAD_INPUT
    assert "the following arguments are required: COMMAND" in capsys.readouterr().err


def test_every_result_can_be_had_as_json(parsers) -> None:
    without = {path for path, parser in parsers.items() if "--json" not in parser._option_string_actions}
    assert without == WITHOUT_JSON


def test_one_option_is_spelt_one_way(parsers) -> None:
    options = {flag: action for parser in parsers.values() for flag, action in parser._option_string_actions.items()}
    assert options.keys().isdisjoint({"--frame-duration", "--sample-rate", "--output", "--verbose", "--format"})
    for path, parser in parsers.items():
        for flag, action in parser._option_string_actions.items():
            if flag in ("--frame-ms", "--samp-rate", "--center-freq", "--threads"):
                assert action.metavar == {"--frame-ms": "T", "--threads": "N"}.get(flag, "HZ"), (path, flag)
            if flag == "--out":
                assert action.type is Path and action.metavar in ("FOLDER", "SET", "FILE.md", "MODEL.onnx"), path
            assert action.help or flag == "--antenna", (path, flag)


def test_help_needs_no_package_but_pythons_own() -> None:
    code = (
        "import sys\nfor name in ('numpy', 'scipy', 'onnxruntime', 'tqdm', 'matplotlib'): sys.modules[name] = None\n"
        "from rfseg.cli import main\nmain(['--help'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert (run.returncode, run.stderr) == (0, "")


def test_a_package_that_is_broken_is_told_in_one_line() -> None:
    code = "import sys\nsys.modules['numpy'] = None\nfrom rfseg.cli import main\nsys.exit(main(['models']))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert run.returncode == EXIT_BAD_INPUT
    assert run.stderr == "rfseg: error: import of numpy halted; None in sys.modules; rfseg doctor says what to mend\n"


def test_values_of_no_use_are_refused_with_the_value(capsys) -> None:
    cases = {
        ("segment", "a", "--frame-ms", "0"): "argument --frame-ms: '0' is not above 0",
        ("segment", "a", "--samp-rate", "fast"): "argument --samp-rate: 'fast' is no number; give one such as 2.5 or 61.44e6",
        ("segment", "a", "--threads", "-1"): "argument --threads: '-1' is no count; give an integer of at least 0",
        ("evaluate", "m", "--on", "s", "--limit", "0"): "argument --limit: '0' is no count; give an integer of at least 1",
        ("bench", "speed"): "argument SECTION: 'speed' is no section; choose from spectrogram, inference, lossless, live, process",
    }
    for arguments, text in cases.items():
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        assert ended.value.code == EXIT_BAD_INPUT
        assert text in capsys.readouterr().err


# ---- rfseg models


def test_models_as_json_say_what_the_contract_says(threshold_model: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("rfseg.cli.models.list_models", lambda: {"threshold": threshold_model})
    assert main(["models", "--json"]) == EXIT_DONE
    (entry,) = json.loads(capsys.readouterr().out)
    contract = load_contract(threshold_model)
    assert (entry["model"], entry["file"], entry["size"]) == ("threshold", str(threshold_model), threshold_model.stat().st_size)
    assert (entry["classes"], entry["samp_rate_range"]) == (list(contract.labels), list(contract.samp_rate_range))
    assert (entry["accuracy"], entry["mean_iou"], entry["speed"]) == (None, None, None)


def test_the_speed_of_models_is_measured_where_it_is_asked_for(threshold_model: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("rfseg.cli.models.list_models", lambda: {"threshold": threshold_model})
    assert main(["models", "--json", "--speed"]) == EXIT_DONE
    (entry,) = json.loads(capsys.readouterr().out)
    assert 0 < entry["speed"]["least_ms"] <= entry["speed"]["median_ms"]
    assert entry["speed"]["threads"] == 1


def test_the_figures_of_a_card_are_in_the_table(threshold_model: Path, monkeypatch, capsys) -> None:
    contract = load_contract(threshold_model)
    metrics = {
        "rfseg-test": {"accuracy": 0.877, "mean_iou": 0.6543},
        "speed": {"processor": "A Machine", "bins": {"256": {"median_ms": 12.34, "least_ms": 11.0}}},
    }
    object.__setattr__(contract, "metrics", metrics)
    monkeypatch.setattr("rfseg.cli.models.list_models", lambda: {"threshold": threshold_model})
    monkeypatch.setattr("rfseg.cli.models.load_contract", lambda path: contract)
    assert main(["models"]) == EXIT_DONE
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.startswith("threshold ")]
    assert all(f" {cell} " in row for cell in ("87.7", "0.654", "12.3"))
    assert "in one thread, on A Machine." in out


# ---- rfseg completion


def completion(shell: str, capsys) -> str:
    assert main(["completion", shell]) == EXIT_DONE
    return capsys.readouterr().out


@pytest.fixture
def complete(capsys, tmp_path: Path, threshold_model: Path):
    """What bash offers for a line whose last word is completed."""
    script = tmp_path / "rfseg.bash"
    script.write_text(completion("bash", capsys))
    program = tmp_path / "bin" / "rfseg"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rfseg "$@"\n')
    program.chmod(0o755)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "scene.sigmf-meta").touch()
    (tmp_path / "here" / "sets").mkdir()
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"

    def run(*words: str) -> list[str]:
        code = f'source {script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rfseg; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(
            ["bash", "--norc", "-c", code, "bash", "rfseg", *words], capture_output=True, text=True, check=True,
            cwd=tmp_path / "here", env=environment(PATH=path, **{MODEL_PATH_VARIABLE: str(threshold_model.parent)}),
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout.split()

    return run


def test_bash_completes_commands_options_values_and_files(complete) -> None:
    assert complete("") == NAMES
    assert complete("se") == ["segment"]
    assert complete("dataset", "") == ["inspect", "import", "from-sigmf", "verify"]
    assert complete("dataset", "inspect", "--no") == ["--no-picture"]
    assert complete("segment", "sc") == ["scene.sigmf-meta"]
    assert complete("segment", "--out", "s") == ["sets"]
    assert complete("segment", "--frame-ms", "") == []
    assert complete("export", "--precision", "") == ["fp32", "fp16", "int8"]
    assert complete("live", "--providers", "c") == complete("segment", "--providers", "c") == ["cuda", "cpu"]
    assert complete("train", "--network", "rf") == complete("import-checkpoint", "--network", "rf") == ["rf-segmenter"]
    assert complete("train", "--accelerator", "") == ["cpu", "gpu", "auto"]
    assert complete("bench", "l") == ["lossless", "live"]
    assert "standard" in complete("synth", "st")
    assert complete("evaluate", "thr") == ["threshold"]
    assert set(complete("--v")) == {"--version"}


def test_zsh_takes_the_script_and_is_given_every_command_and_option(capsys, tmp_path: Path, parsers) -> None:
    zsh = shutil.which("zsh")
    assert zsh, "zsh is missing: apt-get install zsh"
    script = tmp_path / "_rfseg"
    script.write_text(completion("zsh", capsys))
    # What the completion system would be called with, printed.
    code = (
        "_arguments() { print -rl -- \"$@\"; state=command }; _describe() { print -rl -- $commands }\n"
        f"words=(rfseg); source {script}\n" + "\n".join(f"_rfseg_{name.replace('-', '_')}" for name in NAMES)
    )
    run = subprocess.run([zsh, "-f", "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    for name in NAMES:
        assert f"{name}:" in run.stdout
    for path in [(name,) for name in NAMES]:
        for flag in parsers[path]._option_string_actions:
            assert flag == "-h" or f"*{flag}" in run.stdout, (path, flag)


def test_completion_of_a_shell_that_is_not_known_is_refused(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["completion", "tcsh"])
    assert ended.value.code == EXIT_BAD_INPUT
    assert "invalid choice: 'tcsh' (choose from 'bash', 'zsh', 'models')" in capsys.readouterr().err
