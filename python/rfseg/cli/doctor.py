"""``rfseg doctor``: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..doctor.checks import examine
from ..doctor.findings import Finding, Level
from .exits import EXIT_DONE, EXIT_FAULTS
from .options import add_json

__all__ = ["add_parser", "run"]

_WIDTH = 12  # of an area's name


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "doctor",
        description="Check the installation: packages, GNU Radio and the blocks, providers, models, radios, permissions, room"
        " and processor; say how to mend each finding. Takes some seconds; changes nothing. Exit code 1 if anything is"
        " broken.",
    )
    parser.add_argument("--quiet", action="store_true", help="only what could be mended")
    add_json(parser, instead_of="text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the findings; the exit code."""
    findings = []
    for finding in examine():
        findings.append(finding)
        if not options.json and not (options.quiet and finding.level is Level.OK):
            print(_format(finding), flush=True)
    counts = {level.value: sum(finding.level is level for finding in findings) for level in Level}
    if options.json:
        print(json.dumps({"findings": [finding.to_json() for finding in findings], **counts}, indent=2))
    else:
        print("\n" + ", ".join(f"{counts[name]} {name}{'s' * (counts[name] != 1)}" for name in ("fault", "warning", "note")))
    return EXIT_FAULTS if counts["fault"] else EXIT_DONE


def _format(finding: Finding) -> str:
    line = f"{finding.level.value:8}{finding.area:{_WIDTH}}  {finding.text}"
    return f"{line}\n{'':{8 + _WIDTH}}  -> {finding.remedy}" if finding.remedy else line
