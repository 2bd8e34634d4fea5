"""Recordings that a crash interrupted: what is on disk becomes a recording like any other."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from ..datatype import Datatype
from ..errors import RecordingError
from ..sigmf_files import DATA_SUFFIX, META_SUFFIX
from .files import PART, settle

__all__ = ["recover"]

_LONGEST_SAMPLE = 16  # bytes; metadata follow the first sample
_NOTE = "Interrupted, then recovered: bands and changes of the last moments may be missing."


def recover(folder: str | Path, *, prefix: str = "") -> list[Path]:
    """Finish the recordings in progress that no program is writing any more.

    All samples on disk are kept; captures and annotations are those of the last flush.  Where a power cut took samples,
    what speaks of them goes.  A pair without any sample is removed.

    Parameters
    ----------
    prefix : str
        Only recordings whose name begins so.

    Returns
    -------
    list of Path
        Their metadata files, sorted.

    Raises
    ------
    RecordingError
        If the folder or one of the recordings cannot be read or written; all others are recovered.
    """
    folder = Path(folder)
    recovered, failures = [], []
    for suffix, recover_one in ((PART + DATA_SUFFIX, _recover_grown), (PART + META_SUFFIX, _recover_moved)):
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError as error:
            raise _refused(folder, error) from error
        for name in (name[: -len(suffix)] for name in names if name.startswith(prefix) and name.endswith(suffix)):
            try:
                recovered += recover_one(folder, name)
            except RecordingError as error:
                failures.append(error)
            except OSError as error:
                failures.append(_refused(folder / name, error))
    if failures:
        raise failures[0]
    return recovered


def _refused(path: Path, error: OSError) -> RecordingError:
    return RecordingError(
        f"{error.filename or path} cannot be recovered: {error.strerror or error}; check who may write it, and that"
        " there is room"
    )


def _recover_grown(folder: Path, name: str) -> list[Path]:
    """Finish a recording whose data have the name of one in progress."""
    data = folder / (name + PART + DATA_SUFFIX)
    file = os.open(data, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []  # it is being written
        _remove_temporary(folder, name)
        final, part = folder / (name + META_SUFFIX), folder / (name + PART + META_SUFFIX)
        if final.exists():  # only the old names were left to be removed
            part.unlink(missing_ok=True)
            data.unlink()
            return [final]
        metadata = _load(part)
        sample_count = 0
        if metadata is not None:
            sample_count = _cut_to_whole_samples(file, metadata)
        elif os.fstat(file).st_size > _LONGEST_SAMPLE:
            raise RecordingError(f"{part} is missing; write it by hand, or remove {data}")
        if sample_count == 0:
            part.unlink(missing_ok=True)
            data.unlink()
            (folder / (name + DATA_SUFFIX)).unlink(missing_ok=True)
            return []
        settle(folder, name, _text_of(metadata, sample_count), is_synced=True)
        return [final]
    finally:
        os.close(file)


def _recover_moved(folder: Path, name: str) -> list[Path]:
    """Finish a recording whose data have their final name, on a file system without links."""
    data, part = folder / (name + DATA_SUFFIX), folder / (name + PART + META_SUFFIX)
    if not data.exists() or (folder / (name + PART + DATA_SUFFIX)).exists():
        return []
    metadata = _load(part)
    count = data.stat().st_size // Datatype.from_name(metadata["global"]["core:datatype"]).sample_bytes
    settle(folder, name, _text_of(metadata, count), is_synced=True)
    return [folder / (name + META_SUFFIX)]


def _load(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RecordingError(f"{path} is no JSON: {error}; write it again by hand, or remove it and its data") from None


def _cut_to_whole_samples(file: int, metadata: dict[str, Any]) -> int:
    size = os.fstat(file).st_size
    sample_bytes = Datatype.from_name(metadata["global"]["core:datatype"]).sample_bytes
    if size % sample_bytes:
        os.ftruncate(file, size - size % sample_bytes)
    return size // sample_bytes


def _text_of(metadata: dict[str, Any], sample_count: int) -> str:
    """The metadata without what speaks of samples that are not there, and with a note."""
    annotations = []
    for annotation in metadata["annotations"]:
        left = sample_count - annotation["core:sample_start"]
        if left > 0:
            annotations.append({**annotation, "core:sample_count": min(annotation["core:sample_count"], left)})
    info = dict(metadata["global"])
    stated = info.get("core:description")
    info["core:description"] = f"{stated} {_NOTE}" if stated else _NOTE
    kept = [capture for capture in metadata["captures"] if capture["core:sample_start"] < sample_count]
    recovered = {"global": info, "captures": kept, "annotations": annotations}
    return json.dumps(recovered, indent=2, ensure_ascii=False) + "\n"


def _remove_temporary(folder: Path, name: str) -> None:
    """Metadata that were being written."""
    for part in (PART, ""):
        (folder / f".{name}{part}{META_SUFFIX}.tmp").unlink(missing_ok=True)
