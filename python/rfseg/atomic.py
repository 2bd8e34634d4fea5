"""Output files that are complete or not there."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

from .errors import RecordingError

__all__ = ["make_folder", "remove_leftovers", "replacing"]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_TEMPORARY = re.compile(r"\..+\.(\d+)\.part")  # names of temporary files, and the process that writes each


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends, and goes when the block fails.

    Raises
    ------
    RecordingError
        If the block or the move fails with an :class:`OSError`: no space, no permission.
    """
    temporary = path.absolute().with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise _not_writable(path, error) from error
    finally:
        with suppress(OSError):  # in a folder that may not be entered nothing was begun, and the error above says why
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote into a folder."""
    for path in folder.glob(".*.part"):
        name = _TEMPORARY.fullmatch(path.name)
        if name and not _is_running(int(name[1])):
            with suppress(OSError):
                path.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's, which is running, or no process at all
        pass
    return True


def make_folder(path: Path) -> None:
    """Make a folder for output, with its parents, where it is not there yet.

    Raises
    ------
    RecordingError
        If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: OSError) -> RecordingError:
    remedy = "make room or name" if error.errno in _NO_ROOM else "name"
    return RecordingError(f"{path} cannot be written: {error.strerror or error}; {remedy} another place (--out)")
