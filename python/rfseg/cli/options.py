"""Options that several commands have, and the types of their values: one spelling, one meaning."""

from __future__ import annotations

import argparse
import math
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from ..errors import BackendUnavailableError
from ..providers import AUTO, PROVIDERS

__all__ = [
    "DEFAULT_FOLDER",
    "add_json",
    "add_providers",
    "add_threads",
    "count",
    "finite",
    "natural",
    "not_negative",
    "positive",
    "training_packages",
]

DEFAULT_FOLDER = Path("rfseg-out")


def add_json(parser: Any, *, instead_of: str = "the table") -> None:
    """``--json``: one JSON value on standard output and nothing else."""
    parser.add_argument("--json", action="store_true", help=f"print JSON instead of {instead_of}")


def add_threads(parser: Any) -> None:
    """``--threads``."""
    parser.add_argument(
        "--threads", type=natural, default=0, metavar="N", help="threads of the inference (default: one a core)"
    )


def add_providers(parser: Any) -> None:
    """``--providers``."""
    option = parser.add_argument(
        "--providers", default=AUTO, metavar="NAMES",
        help=f"what computes the network: {', '.join(PROVIDERS)}, with commas between several (default: the first that works)",
    )  # fmt: skip
    option.words = (AUTO, *PROVIDERS)  # for completion; choices would refuse several


def finite(text: str) -> float:
    """A number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no number; give one such as 2.5 or 61.44e6")
    return value


def positive(text: str) -> float:
    """A number above 0."""
    value = finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return value


def not_negative(text: str) -> float:
    """A number of at least 0."""
    value = finite(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is below 0")
    return value


def natural(text: str) -> int:
    """An integer of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no count; give an integer of at least 0")
    return int(text)


def count(text: str) -> int:
    """An integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count; give an integer of at least 1")
    return int(text)


@contextmanager
def training_packages(command: str, *packages: str) -> Iterator[None]:
    """Around imports of what needs PyTorch.

    Raises
    ------
    BackendUnavailableError
        If one of the packages is missing; the message says how to install it.
    """
    try:
        yield
    except ImportError as error:
        if isinstance(error, BackendUnavailableError) or (error.name or "").split(".")[0] not in packages:
            raise
        raise BackendUnavailableError(
            f"rfseg {command} needs the package {error.name}; install it with: pip install 'rfseg[train]', or in a checkout"
            f" run ./scripts/training, then .venv-train/bin/rfseg {command}"
        ) from error
