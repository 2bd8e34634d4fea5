"""``rfseg bench``: what this machine keeps up with."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..atomic import make_folder, replacing
from ..bench.eager_client import find_torch_python
from ..bench.machine import available_cores
from ..bench.plan import SECTIONS, Plan, quick
from ..bench.plot import save_plot
from ..bench.report import format_report
from ..bench.running import run_bench
from ..inference import DEFAULT_MODEL
from ..picture import require_matplotlib
from .options import DEFAULT_FOLDER, add_json, count, positive

__all__ = ["add_parser", "make_plan", "run"]

_ABOUT = {
    "spectrogram": "the block in a flowgraph, beside GNU Radio's own chain and the bound of one core",
    "inference": "each model, provider, batch and number of threads, beside PyTorch eager where it is found",
    "lossless": "the whole chain as fast as it goes without losing a frame",
    "live": "the whole chain behind a source paced by the clock: frames dropped, latency, processor, memory",
    "process": "what it costs that the blocks in Python share a process",
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    width = max(map(len, _ABOUT))
    parser = commands.add_parser(
        "bench",
        description="Measure what this machine keeps up with; print the report as Markdown and write bench.json, bench.md and"
        " bench.png.\nAll sections take about twenty minutes, with --quick a minute or two; nothing else should run.",
        epilog="sections:\n" + "\n".join(f"  {name:{width}}  {text}" for name, text in _ABOUT.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    sections = add("section", nargs="*", type=_section, metavar="SECTION", help="only these (default: all)")
    sections.words = SECTIONS  # for completion; choices would refuse none
    add("--quick", action="store_true", help="fewer lines and shorter runs, for a look")
    add("--out", type=Path, default=DEFAULT_FOLDER, metavar="FOLDER", help="for the report (default: %(default)s)")
    add("--no-picture", action="store_true", help="draw no picture")
    add_json(parser, instead_of="the report")
    add = parser.add_argument_group("what is measured").add_argument
    add("--model", metavar="MODEL", help=f"only this one (default: {DEFAULT_MODEL} in the chain, all models alone)")
    add("--samp-rate", type=positive, metavar="HZ", help=f"of the chain (default: {Plan.samp_rate / 1e6:g}e6)")
    add("--frame-ms", type=positive, metavar="T", help=f"duration of a frame, ms (default: {Plan.frame_duration * 1e3:g})")
    add("--threads", type=count, metavar="N", help="only so many threads of the inference (default: one, and one a core)")
    add("--seconds", type=positive, metavar="S", help=f"of each live run (default: {Plan.seconds:g})")
    add("--repeats", type=count, metavar="N", help=f"rounds (default: {Plan.repeats})")
    add("--no-radar", action="store_true", help="leave the pulses, each of which is a band, out of the chain's scene")
    add("--no-growth", action="store_true", help="leave rate, frame duration and channels as they are")
    add("--torch-python", type=Path, metavar="FILE", help="interpreter with PyTorch (default: this one or .venv-train)")
    add("--without-pytorch", action="store_true", help="compare with no PyTorch")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure, print and write the report.

    Raises
    ------
    RfsegError
        If an option or the model is of no use, a package that is asked for is missing, or a file cannot be written.
    """
    if not options.no_picture:
        require_matplotlib()
    plan = make_plan(options)
    sections = options.section or list(SECTIONS)
    wants_torch = "inference" in sections and not options.without_pytorch
    make_folder(options.out)
    report = run_bench(
        plan,
        sections,
        torch_python=find_torch_python(options.torch_python) if wants_torch else None,
        is_lenient=not options.section,
        say=lambda text: print(f"rfseg: {text}", file=sys.stderr, flush=True),
    )
    text = format_report(report)
    files = {"report": options.out / "bench.md", "figures": options.out / "bench.json"}
    for path, content in zip(files.values(), (text, json.dumps(report, indent=1, allow_nan=False))):
        with replacing(path) as temporary:
            temporary.write_text(content + "\n", encoding="utf-8")
    picture = options.out / "bench.png"
    if not options.no_picture and save_plot(picture, report):
        files["picture"] = picture
    if options.json:
        print(json.dumps(report, indent=1, allow_nan=False))
        return
    print(text)
    print("\n".join(["", *(f"{kind}: {path}" for kind, path in files.items())]))


def make_plan(options: argparse.Namespace) -> Plan:
    """The plan that the options describe."""
    cores = available_cores()
    plan = Plan(threads=(1,) if cores == 1 else (1, cores))
    if options.quick:
        plan = quick(plan)
    given = {
        "model": options.model,
        "all_models": None if options.model is None else False,
        "samp_rate": options.samp_rate,
        "frame_duration": None if options.frame_ms is None else options.frame_ms * 1e-3,
        "threads": None if options.threads is None else (options.threads,),
        "seconds": options.seconds,
        "repeats": options.repeats,
        "has_radar": False if options.no_radar else None,
        "grows": False if options.no_growth else None,
    }
    return replace(plan, **{name: value for name, value in given.items() if value is not None})


def _section(text: str) -> str:
    if text not in SECTIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is no section; choose from {', '.join(SECTIONS)}")
    return text
