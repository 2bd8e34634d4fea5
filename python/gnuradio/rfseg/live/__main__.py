# SPDX-License-Identifier: GPL-3.0-or-later
"""The program: ``python -m gnuradio.rfseg.live [--quiet] [--json] SETTINGS``, the settings as JSON."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from typing import Sequence

from rfseg.errors import OptionError, RemoteError, RfsegError, SourceError
from rfseg.live.settings import read_settings

from .radios import find_radios
from .running import Exit, Reporter, run_receiver

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the receiver; its exit code."""
    parser = argparse.ArgumentParser(prog="rfseg live", description="Use rfseg live, which starts this program.")
    parser.add_argument("settings", nargs="?", help="the settings as a JSON object")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--devices", action="store_true")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="rfseg live: %(levelname)s: %(message)s", level=logging.WARNING)
    # GNU Radio and drivers print on standard output, which is for the status: let them use standard error.
    out = os.fdopen(os.dup(1), "w", buffering=1, errors="backslashreplace")
    os.dup2(2, 1)
    try:
        if options.devices:
            print(_list_radios(as_json=options.json), file=out)
            return Exit.STOPPED
        settings = read_settings(_table(options.settings))
        return run_receiver(settings, Reporter(out, is_quiet=options.quiet, as_json=options.json))
    except RfsegError as error:
        print(f"rfseg live: error: {error}", file=sys.stderr)
        kinds = {SourceError: Exit.SOURCE_FAILED, RemoteError: Exit.CHAIN_FAILED}
        return next((code for kind, code in kinds.items() if isinstance(error, kind)), Exit.BAD_INPUT)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def _list_radios(*, as_json: bool) -> str:
    radios = find_radios()
    if as_json:
        return json.dumps(radios, indent=2)
    return "\n".join(f"{radio['driver']}: {radio['arguments']}" for radio in radios) or "no radios found"


def _table(text: str | None) -> object:
    try:
        return json.loads(text or "")
    except ValueError as error:
        raise OptionError(f"the settings are no JSON: {error}; start rfseg live instead") from None


if __name__ == "__main__":
    sys.exit(main())
