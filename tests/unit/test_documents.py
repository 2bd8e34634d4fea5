"""The documents: links lead somewhere, errors that the FAQ quotes exist, and pages whose programs are marked to run do run.

How pages are marked: tests/documents.py.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
MESSAGE_GAP = "…"  # stands for a value in a quoted error
FENCED = re.compile(r"^( *)(```+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)
SOURCES = ("python", "lib", "scripts")

_spec = importlib.util.spec_from_file_location("documents", ROOT / "tests" / "documents.py")
runner = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(runner)
RUNNABLE = sorted(page for page in DOCS.rglob("*.md") if runner.is_run(page, "run"))


def documents() -> list[Path]:
    """Every page of the repository."""
    names = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


def anchors_of(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and the site make them."""
    found: set[str] = set()
    for title in HEADING.findall(FENCED.sub("", page.read_text("utf-8"))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (anchor := slug if not number else f"{slug}-{number}") in found:
            number += 1
        found.add(anchor)
    return found


def test_every_link_and_anchor_leads_somewhere() -> None:
    broken = []
    for page in documents():
        for target in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
            path, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            other = (page.parent / path).resolve() if path else page
            if not other.exists() or (anchor and other.suffix == ".md" and anchor not in anchors_of(other)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


def test_the_navigation_of_the_site_names_pages_that_exist() -> None:
    named = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:")[1])
    made = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
    generated = ("reference/cli.md", "reference/headers.md", "models/")
    missing = [n for n in named if not n.startswith(generated) and not (DOCS / n).is_file() and not (ROOT / made.get(n, n)).is_file()]
    assert len(named) > 30 and missing == []


def printable_texts() -> list[str]:
    """Texts in the source; what is filled in at run time is a gap."""
    texts = []
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix == ".py":
                texts += _texts_of(ast.parse(path.read_text("utf-8")))
            elif path.suffix == ".cc" or (folder == "scripts" and path.is_file() and not path.suffix):
                texts.append(re.sub(r'"\s*\n\s*"', "", path.read_text("utf-8")))
    return texts


def _texts_of(tree: ast.AST) -> list[str]:
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    texts = ["".join(v.value if isinstance(v, ast.Constant) else MESSAGE_GAP for v in node.values) for node in joined]
    return texts + [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def test_every_error_in_the_faq_is_printed_by_the_source() -> None:
    blocks = re.findall(r"^```text\n(.*?)^```", (DOCS / "faq.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    quoted = [line for block in blocks for line in block.splitlines()]
    texts = printable_texts()
    patterns = {line: re.compile(".*".join(map(re.escape, filter(None, line.split(MESSAGE_GAP))))) for line in quoted}
    assert len(quoted) > 20
    assert [line for line, pattern in patterns.items() if not any(map(pattern.search, texts))] == []


def test_the_tutorials_are_among_the_pages_that_run() -> None:
    names = {page.relative_to(DOCS).as_posix() for page in RUNNABLE}
    assert names >= {f"tutorials/{name}.md" for name in ("first-ten-minutes", "your-own-sdr", "headless-host")} | {"howto/index.md"}


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.stem)
def test_what_a_page_shows_runs(page: Path, tmp_path: Path) -> None:
    runner.run_page(page, "run", tmp_path)
