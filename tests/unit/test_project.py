"""The checkout itself: nothing unfinished, nothing of one machine, documents that agree with the files."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

import rfseg

ROOT = Path(__file__).resolve().parents[2]
LARGEST_TEXT = 1_000_000  # bytes; longer files are data

# One letter of each word stands in brackets, so that this file does not match itself.
UNFINISHED = re.compile(
    r"\bTO[D]O\b|\bFIX[M]E\b|\bXX[X]\b|lorem ipsu[m]|placeholde[r]|inser[t] (your|docstring)|please inser[t]"
    r"|gr_modtoo[l]|<\+.*\+>|NotImplementedErro[r]"
)
ONE_MACHINE = re.compile(r"(?<![\w.}])/(wor[k]|roo[t]|hom[e]|User[s]|far[m])/|\b(deb\.debia[n]|pyp[i]|pythonhoste[d])\.org")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def _tracked() -> list[Path]:
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    try:
        names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not a git checkout: {error}")
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


def _text(path: Path) -> str | None:
    """Content of a text file; None for data."""
    content = path.read_bytes()
    if len(content) > LARGEST_TEXT or b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _matches(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in _tracked()
        if path.name != "COPYING" and (text := _text(path)) is not None
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_unfinished() -> None:
    assert _matches(UNFINISHED) == []


def test_no_file_names_a_path_or_host_of_one_machine() -> None:
    assert _matches(ONE_MACHINE) == []


def test_every_example_says_what_it_does() -> None:
    examples = [p for p in _tracked() if p.parent == ROOT / "examples" and p.suffix in (".grc", ".py")]
    assert examples
    assert [path.name for path in examples if not path.with_suffix(".md").is_file()] == []


def test_the_index_of_examples_names_each() -> None:
    folder = ROOT / "examples"
    index = set(LINK.findall((folder / "README.md").read_text("utf-8")))
    pages = {path.name for path in _tracked() if path.parent == folder and path.suffix == ".md"} - {"README.md"}
    assert pages and sorted(pages - index) == []


def test_companion_writes_its_program_over_no_example() -> None:
    flowgraphs = [path for path in _tracked() if path.suffix == ".grc"]
    assert flowgraphs
    for path in flowgraphs:
        (program,) = re.findall(r"^options:\n.*?^    id: (\w+)$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        assert path.with_name(f"{program}.py") not in _tracked()


def test_every_model_has_a_card_and_every_card_a_model() -> None:
    models = {path.stem for path in (ROOT / "models").glob("*.onnx")}
    cards = {path.stem for path in (ROOT / "models").glob("*.md")} - {"README"}
    assert models and models == cards


def test_versions_agree() -> None:
    changelog = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    manifest = re.search(r"^stable_release: v?(\S+)", (ROOT / "MANIFEST.yml").read_text("utf-8"), re.MULTILINE)
    assert changelog and manifest
    assert changelog[1] == manifest[1] == rfseg.__version__


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for document in (path for path in _tracked() if path.suffix == ".md"):
        for target in LINK.findall(document.read_text("utf-8")):
            if re.match(r"[a-z]+:|#", target):
                continue
            if not (document.parent / target.split("#")[0]).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert broken == []


def test_pins_that_two_environments_share_are_the_same() -> None:
    pins = {
        name: dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "scripts" / name).read_text("utf-8"), re.MULTILINE))
        for name in ("requirements.txt", "requirements-test.txt", "requirements-training.txt")
    }
    training = pins.pop("requirements-training.txt")
    shared = {name: version for file in pins.values() for name, version in file.items() if name in training}
    assert "onnxruntime" in shared
    assert {name: training[name] for name in shared} == shared


@pytest.mark.parametrize("name", ["scripts/demo", "scripts/test", "scripts/companion", ".ci/run"])
def test_scripts_can_be_executed(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


def test_every_key_of_tags_and_messages_is_described() -> None:
    keys = re.findall(r'KEY\(\w+, "(\w+)"\)', (ROOT / "include/gnuradio/rfseg/keys.h").read_text("utf-8"))
    described = (ROOT / "docs/message-formats.md").read_text("utf-8")
    assert keys
    assert [key for key in keys if f"`{key}`" not in described] == []
