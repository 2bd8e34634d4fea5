"""The command line: ``rfseg COMMAND``.

Only the module of the command that is run is imported, so that ``rfseg doctor`` starts on an installation where
the others cannot, and a help text takes no second.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import sys
from typing import Sequence

from .. import __version__
from ..errors import RfsegError
from .exits import EXIT_BAD_INPUT, EXIT_DONE, EXIT_FAULTS, EXIT_INTERRUPTED

__all__ = ["COMMANDS", "EXIT_BAD_INPUT", "EXIT_DONE", "EXIT_FAULTS", "EXIT_INTERRUPTED", "main", "make_parser"]

COMMANDS = {
    "find bands": {
        "segment": "find the bands in a recording",
        "live": "receive and find bands until stopped",
    },
    "models": {
        "models": "list the models that --model can name",
        "evaluate": "measure a model on a set with known truth",
        "card": "write the page that describes a model",
        "export": "make a model file of a trained network",
        "import-checkpoint": "make a model file of what published code saved",
    },
    "data and training": {
        "dataset": "look into datasets, and make sets for training",
        "synth": "make scenes with known truth",
        "train": "train a network",
    },
    "this machine": {
        "doctor": "check the installation, and say how to mend it",
        "bench": "measure what this machine keeps up with",
        "completion": "print the completion script of a shell",
    },
}  # what --help prints, by group
_NAMES = tuple(name for group in COMMANDS.values() for name in group)
_EPILOG = """rfseg COMMAND --help says more of a command.
Exit codes: 0 done; 1 faults were found (doctor), or the chain failed (live); 2 bad input, with one line that says what to do;
3 the radio or stream is missing or fell silent (live); 130 interrupted."""


def make_parser(*commands: str) -> argparse.ArgumentParser:
    """Parser of the whole command line, or with the options of these commands only; the function to run is in ``run``."""
    wanted = commands or _NAMES
    parser = argparse.ArgumentParser(
        prog="rfseg",
        usage="rfseg [-h] [--version] COMMAND ...",
        description="Find LTE, NR and radar in IQ samples.\n" + _list_commands(),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rfseg {__version__}")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, prog="rfseg", help=argparse.SUPPRESS
    )
    for name in _NAMES:
        if name in wanted:
            importlib.import_module(f".{name.replace('-', '_')}", __name__).add_parser(subparsers)
        else:
            subparsers.add_parser(name)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (that of the process by default); its exit code."""
    logging.basicConfig(format="rfseg: %(levelname)s: %(message)s", level=logging.WARNING)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for file names that are no UTF-8
    arguments = sys.argv[1:] if arguments is None else arguments
    # Of what stands before a command, nothing takes a value.
    chosen = next((a for a in arguments if not a.startswith("-")), "")
    try:
        options = make_parser(chosen or "--help").parse_args(arguments)
        code = options.run(options)
        sys.stdout.flush()
    except RfsegError as error:
        print(f"rfseg: error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except ImportError as error:  # of a package that is there and broken; what is missing has been told
        print(f"rfseg: error: {error}; rfseg doctor says what to mend", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("rfseg: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except PermissionError as error:  # where a module only asks whether a file is there
        text = f"{error.filename}: {error.strerror}; check who may read and write it, or name another"
        print(f"rfseg: error: {text}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return EXIT_DONE if code is None else code


def _list_commands() -> str:
    width = max(map(len, _NAMES))
    lines = []
    for title, group in COMMANDS.items():
        lines += ["", f"{title}:", *(f"  {name:{width}}  {text}" for name, text in group.items())]
    return "\n".join(lines)
