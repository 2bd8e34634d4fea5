"""Programs of the half that needs GNU Radio: looked for by their files, run by this interpreter, never imported here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from .errors import BackendUnavailableError

__all__ = ["program_command"]


def program_command(module: str, *, purpose: str) -> list[str]:
    """First words of the command line that runs a module of ``gnuradio.rfseg`` as a program.

    Parameters
    ----------
    module : str
        A package with a ``__main__``, such as ``gnuradio.rfseg.live``.
    purpose : str
        What wants it, for the message.

    Raises
    ------
    BackendUnavailableError
        If GNU Radio or its half of rfseg is missing.
    """
    if importlib.util.find_spec("gnuradio") is None:
        raise BackendUnavailableError(
            f"{purpose} needs GNU Radio 3.10, which {sys.executable} cannot import: apt-get install gnuradio, and run"
            " rfseg from the environment of scripts/demo (.venv/bin/rfseg)"
        )
    main = Path(*module.split("."), "__main__.py")
    if not any((Path(folder) / main).is_file() for folder in sys.path):
        raise BackendUnavailableError(
            f"{purpose} needs the blocks of gr-rfseg, which {sys.executable} cannot find ({module}); build and"
            " install them: scripts/demo does, or cmake --install build"
        )
    return [sys.executable, "-m", module]
