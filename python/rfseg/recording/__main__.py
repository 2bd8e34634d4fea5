"""Recover interrupted recordings: ``python -m rfseg.recording FOLDER``."""

import sys

from ..errors import RfsegError
from .recovery import recover

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m rfseg.recording FOLDER")
    try:
        print(*recover(sys.argv[1]), sep="\n")
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
