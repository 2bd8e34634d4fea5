"""Programs of the half that needs GNU Radio: looked for by their files, and run by this interpreter.

``python -m rfseg.programs MODULE ARGUMENTS`` runs one, and says in one line why it cannot where its libraries are broken.
"""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
from pathlib import Path

from .errors import BackendUnavailableError

__all__ = ["program_command"]

_NO_USE = 2  # exit code, as that of rfseg for bad input: a restart does not help


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
    package, main = Path(*module.split(".")[:2]), Path(*module.split("."), "__main__.py")
    folders = [Path(folder) for folder in sys.path]
    # The source tree, which an editable installation puts on the path, has the programs, but nothing that is compiled.
    if not any((folder / main).is_file() and any((folder / package).glob("rfseg_python*.so")) for folder in folders):
        raise BackendUnavailableError(
            f"{purpose} needs the blocks of gr-rfseg, which {sys.executable} cannot find ({module}); build and"
            " install them: scripts/demo does, or cmake --install build"
        )
    return [sys.executable, "-m", "rfseg.programs", module]


def _run() -> None:
    module = sys.argv.pop(1)
    try:
        importlib.import_module(module.rpartition(".")[0])
    except ImportError as error:
        print(f"rfseg: error: {module} cannot be loaded: {error}; rfseg doctor says what to mend", file=sys.stderr)
        sys.exit(_NO_USE)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run()
