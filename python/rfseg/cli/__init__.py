"""The command line: ``rfseg segment``, ``rfseg live``, ``rfseg models``, ``rfseg dataset``, ``rfseg synth``, ``rfseg train``,
``rfseg export``, ``rfseg evaluate``, ``rfseg card``, ``rfseg import-checkpoint``.

Exit codes: 0, all is well; 2, bad input, with one line that begins with ``rfseg: error:`` on standard
error; 130, interrupted.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from typing import Sequence

from .. import __version__
from ..errors import RfsegError
from . import card, dataset, evaluate, export, import_checkpoint, live, models, segment, synth, train

__all__ = ["EXIT_BAD_INPUT", "EXIT_INTERRUPTED", "main", "make_parser"]

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def make_parser() -> argparse.ArgumentParser:
    """Parser of the whole command line; the chosen command's function is in ``run``."""
    parser = argparse.ArgumentParser(prog="rfseg", description="Find LTE, NR and radar in IQ recordings.")
    parser.add_argument("--version", action="version", version=f"rfseg {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for command in (segment, live, models, dataset, synth, train, export, evaluate, card, import_checkpoint):
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (that of the process by default); its exit code."""
    logging.basicConfig(format="rfseg: %(levelname)s: %(message)s", level=logging.WARNING)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for file names that are no UTF-8
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except RfsegError as error:
        print(f"rfseg: error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("rfseg: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
