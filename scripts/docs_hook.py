"""What the documentation site has besides docs/: a hook of MkDocs, which scripts/docs runs.

Pages of other folders (examples, models, changelog, contributing), files that pages link to, and a reference made of docstrings, GRC
files and the command line's own help.  Links stay as they are in the repository, so that they work there too; here they are turned into
links of the site.
"""

from __future__ import annotations

import json
import posixpath
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any, Iterator

import yaml
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
FENCE = re.compile(r"^( *)(```+)", re.MULTILINE)
BLOCK_HEADING = re.compile(r"(<p>|\n)(Streams? in|Streams? out|Stream in and out|Messages in|Messages out|Tags|Latency|Threads):")
OUTER_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "README.md": "index.md"}
OUTER_FOLDERS = ("examples", "examples/data", "models")
LANGUAGES = {".py": "python", ".toml": "toml", ".h": "cpp", ".cc": "cpp", ".json": "json", ".service": "ini", ".m": "matlab", ".yml": "yaml"}
LIBRARY = {  # pages of the reference: title, modules
    "recordings": ("Recordings", ["rfseg.sigmf", "rfseg.datatype", "rfseg.annotations"]),
    "pipeline": ("Pipeline", ["rfseg.pipeline", "rfseg.inference", "rfseg.modelfile", "rfseg.contract"]),
    "spectrogram": ("Geometry and spectrogram", ["rfseg.geometry", "rfseg.spectrogram", "rfseg.published"]),
    "bands": ("Bands", ["rfseg.bands", "rfseg.bands.groups", "rfseg.bands.lines", "rfseg.bands.calibration"]),
    "tracking": ("Tracks and pulses", ["rfseg.tracking"]),
    "occupancy": ("Occupancy", ["rfseg.occupancy", "rfseg.occupancyreport"]),
    "scanning": ("Scanning", ["rfseg.scanning"]),
    "extraction": ("Extraction", ["rfseg.extraction"]),
    "recording": ("Recording", ["rfseg.recording.recorder", "rfseg.recording.trigger", "rfseg.recording.filerules"]),
    "feeds": ("Feeds", ["rfseg.feeds.feed", "rfseg.feeds.messages"]),
    "datasets": ("Datasets", ["rfseg.datasets.items", "rfseg.datasets.shardset", "rfseg.datasets.writing", "rfseg.datasets.layouts"]),
    "synth": ("Scenes", ["rfseg.synth"]),
    "models": ("Networks", ["rfseg.models"]),
    "training": ("Training", ["rfseg.training.laws", "rfseg.training.checkpoint"]),
    "evaluation": ("Evaluation", ["rfseg.evaluation"]),
    "errors": ("Errors", ["rfseg.errors"]),
}


def on_config(config: Any) -> Any:
    """Give each entry of the navigation that ends in ``/*`` the pages of that folder, and "How to" those that nobody names."""
    pages = [*(f"reference/blocks/{name}.md" for name in grc_blocks()), *(f"reference/library/{name}.md" for name in LIBRARY)]
    pages += [*outer_pages().values(), *sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))]
    config["nav"] = _expand(config["nav"], pages)
    named = json.dumps(config["nav"])
    (howto,) = (entry["How to"] for entry in config["nav"] if "How to" in entry)
    howto += [page for page in pages if f'"{page}"' not in named and not page.startswith("examples/")]
    return config


def _expand(entries: list[Any], pages: list[str]) -> list[Any]:
    expanded: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            expanded.append({title: _expand(part, pages) if isinstance(part, list) else part for title, part in entry.items()})
        elif entry.endswith("/*"):
            expanded += [page for page in pages if posixpath.dirname(page) == entry[:-2] and not page.endswith("README.md")]
        else:
            expanded.append(entry)
    return expanded


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not in docs/."""
    for path, page in outer_pages().items():
        if page != "index.md":
            files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    pages = {"reference/cli.md": command_line(), "reference/headers.md": headers()}
    for name, block in grc_blocks().items():
        pages[f"reference/blocks/{name}.md"] = block_page(name, block)
    for name, (title, modules) in LIBRARY.items():
        pages[f"reference/library/{name}.md"] = "\n\n".join([f"# {title}", *(f"::: {module}" for module in modules)]) + "\n"
    for page, content in pages.items():
        files.append(File.generated(config, page, content=content))
    for path in sorted(linked_files(files)):
        files.append(File.generated(config, f"source/{path}.md", content=source_page(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links of the repository into links of the site."""
    origin = repository_path(page.file.src_uri)
    here = posixpath.dirname(page.file.src_uri)

    def replace(match: re.Match[str]) -> str:
        target, _, anchor = match[2].partition("#")
        path = resolve(origin, target)
        if path is None or (ROOT / path).is_dir():
            return match[0]
        return f"{match[1]}{posixpath.relpath(site_path(path), here or '.')}{'#' + anchor if anchor else ''}{match[3]}"

    return "".join(part if is_code else LINK.sub(replace, part) for part, is_code in split_code(markdown))


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Begin a line with each heading of a block's docstring."""
    if not page.file.src_uri.startswith("reference/blocks/"):
        return html
    return BLOCK_HEADING.sub(lambda match: f"{'<br>' if match[1] != '<p>' else match[1]}<strong>{match[2]}</strong>:", html)


def split_code(markdown: str) -> Iterator[tuple[str, bool]]:
    """Text and fenced code, in turn."""
    text: list[str] = []
    fence = ""
    for line in markdown.splitlines(keepends=True):
        match = FENCE.match(line)
        if match and not fence:
            yield "".join(text), False
            fence, text = match[2], [line]
        elif match and line.strip() == fence:
            yield "".join([*text, line]), True
            fence, text = "", []
        else:
            text.append(line)
    yield "".join(text), bool(fence)


def resolve(origin: str, target: str) -> str | None:
    """Repository path that a link of a page leads to; None for anchors of the same page and for the web."""
    if not target or re.match(r"[a-z]+:", target) or origin.startswith("build/"):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))


def outer_pages() -> dict[str, str]:
    """Repository path and page of each document outside docs/."""
    found = {f"{folder}/{path.name}": f"{folder}/{path.name}" for folder in OUTER_FOLDERS for path in sorted((ROOT / folder).glob("*.md"))}
    return {**found, **OUTER_PAGES}


def repository_path(page: str) -> str:
    """Where in the repository a page comes from; generated ones are as if they lay in docs/."""
    return {page: path for path, page in outer_pages().items() if page != "index.md"}.get(page, f"docs/{page}")


def site_path(path: str) -> str:
    """Page or file of the site for a path of the repository."""
    if path in outer_pages():
        return outer_pages()[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else f"source/{path}.md"


def linked_files(files: Any) -> set[str]:
    """Repository paths that pages link to and that are no pages."""
    found = set()
    for file in files.documentation_pages():
        origin = repository_path(file.src_uri)
        for part, is_code in split_code(file.content_string):
            targets = [] if is_code else [match[2].partition("#")[0] for match in LINK.finditer(part)]
            for path in filter(None, (resolve(origin, target) for target in targets)):
                if not path.startswith("docs/") and path not in outer_pages() and (ROOT / path).is_file():
                    found.add(path)
    return found


def source_page(path: str) -> str:
    """A text file as a page; of data, its size."""
    content = (ROOT / path).read_bytes()
    if b"\0" in content or len(content) > 200_000:
        return f"# {path}\n\nData, {len(content)} bytes; the file is in the repository.\n"
    language = LANGUAGES.get(Path(path).suffix, "bash" if content.startswith(b"#!/usr/bin/env bash") else "text")
    return f"# {path}\n\n````{language}\n{content.decode()}\n````\n"


def command_line() -> str:
    """The help of every command, from the installed program."""
    program = ROOT / ".venv/bin/python"
    if not program.exists():
        raise PluginError("the reference of the command line needs .venv; run ./scripts/docs, which makes it")
    script = textwrap.dedent("""
        import argparse, json, os
        os.environ["COLUMNS"] = "84"
        from rfseg.cli import make_parser
        def walk(parser, found):
            found.append((parser.prog, parser.format_help()))
            for action in parser._actions:
                if isinstance(action, argparse._SubParsersAction):
                    for child in dict.fromkeys(action.choices.values()):
                        walk(child, found)
            return found
        print(json.dumps(walk(make_parser(), [])))
    """)
    helps = json.loads(subprocess.run([program, "-c", script], check=True, capture_output=True, text=True).stdout)
    sections = [f"## {name}\n\n```text\n{text.rstrip()}\n```" for name, text in helps]
    intro = "What each command prints with `--help`. What it does and means is in [the command line](../command-line.md)."
    return "\n\n".join(["# Commands and options", intro, *sections]) + "\n"


def headers() -> str:
    """The C++ headers with the first sentence of each."""
    lines = ["# C++ headers", "", "Installed as `gnuradio/rfseg/NAME.h`; the library is `gnuradio-rfseg`.", "", "| Header | |", "|---|---|"]
    for path in sorted((ROOT / "include/gnuradio/rfseg").glob("*.h")):
        brief = re.search(r"\\brief (.*?)(?:\n \*\n|\n \*/)", path.read_text("utf-8"), re.DOTALL)
        text = re.sub(r"\s*\n \*\s*", " ", brief[1]) if brief else ""
        lines.append(f"| [{path.name}](../../{path.relative_to(ROOT)}) | {text} |")
    return "\n".join(lines) + "\n"


def grc_blocks() -> dict[str, dict[str, Any]]:
    """GRC files by the name of the block."""
    blocks = {}
    for path in sorted((ROOT / "grc").glob("rfseg_*.block.yml")):
        blocks[path.name.removeprefix("rfseg_").removesuffix(".block.yml")] = yaml.safe_load(path.read_text("utf-8"))
    return blocks


def block_page(name: str, block: dict[str, Any]) -> str:
    """Docstring of a block, and what Companion shows of it."""
    parts = [f"# {block['label']}"]
    exported = re.findall(r'^ {4}"(\w+)",$', (ROOT / "python/gnuradio/rfseg/__init__.py").read_text("utf-8"), re.MULTILINE)
    if name in exported:
        path = f"{name}.{name}" if (ROOT / f"python/gnuradio/rfseg/{name}.py").exists() else name
        parts.append(f"::: gnuradio.rfseg.{path}")
    parts.append("## In GNU Radio Companion")
    if block.get("documentation"):
        parts.append(block["documentation"].strip().replace("\n", "  \n"))
    rows = ["| Parameter | Id | Default | Choices |", "|---|---|---|---|"]
    for entry in block.get("parameters", []):
        choices = ", ".join(f"`{option}`" for option in entry.get("options", []))
        default = str(entry.get("default", "")).replace("|", "\\|")
        rows.append(f"| {entry['label']} | `{entry['id']}` | {f'`{default}`' if default else ''} | {choices} |")
    parts.append("\n".join(rows))
    for side, title in (("inputs", "Inputs"), ("outputs", "Outputs")):
        ports = [f"`{port.get('id') or port.get('label', 'stream')}` ({port['domain']}{', optional' if port.get('optional') else ''})" for port in block.get(side, [])]
        if ports:
            parts.append(f"**{title}:** {', '.join(ports)}")
    refused = [text.partition("#")[2].rstrip(" }") for text in block.get("asserts", [])]
    if refused:
        parts.append("**Refused before it runs:**\n\n" + "\n".join(f"- {text}" for text in refused if text))
    return "\n\n".join(parts) + "\n"
