"""Where a recording's samples and its metadata are: SigMF files, ``.sigmf`` archives, raw IQ."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import RecordingError

__all__ = ["DATA_SUFFIX", "META_SUFFIX", "SIGMF_VERSION", "Source", "locate"]

SIGMF_VERSION = "1.2.5"  # stated in metadata that is made where there is none
META_SUFFIX, DATA_SUFFIX, _ARCHIVE_SUFFIX = ".sigmf-meta", ".sigmf-data", ".sigmf"
_OTHER_SUFFIXES = (".sigmf-collection", ".sigmf.gz", ".sigmf.xz", ".sigmf.zip")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Which bytes of which file are the dataset."""

    name: str
    data_path: Path
    meta_path: Path | None
    byte_start: int
    byte_stop: int
    is_archived: bool = False

    @property
    def described_in(self) -> str:
        """The file that a message should point to."""
        return str(self.meta_path or self.data_path)


def locate(path: Path, *, is_raw: bool) -> tuple[Source, dict[str, Any]]:
    """Find the data of a recording and its metadata.

    Parameters
    ----------
    is_raw : bool
        Whether the caller knows the rate and the datatype of a file without metadata.

    Raises
    ------
    RecordingError
        If a file is missing or is not what its name says.
    OSError
        If a file cannot be read.
    """
    if not path.name:  # the current folder, or the root
        raise RecordingError(_no_recording(path))
    if path.name.endswith(_OTHER_SUFFIXES):
        raise RecordingError(f"{path} is a compressed archive or a collection; unpack it and name one .sigmf-meta file")
    archive = path if path.suffix == _ARCHIVE_SUFFIX else path.with_name(path.name + _ARCHIVE_SUFFIX)
    if archive.is_file() and (archive == path or not path.exists()):
        return _locate_in_archive(archive)
    is_sigmf = path.suffix in (META_SUFFIX, DATA_SUFFIX)
    meta_path = path.with_suffix(META_SUFFIX) if is_sigmf else path.with_name(path.name + META_SUFFIX)
    if meta_path.is_file():
        metadata = _parse_metadata(meta_path.read_bytes(), str(meta_path))
        named = Path(str(metadata["global"].get("core:dataset") or meta_path.with_suffix(DATA_SUFFIX))).name
        data_path = meta_path.parent / named
        if not data_path.is_file():
            raise RecordingError(f"{meta_path} describes {named!r}, which is missing; put it into {meta_path.parent}")
        return _whole_file(meta_path.stem, data_path, meta_path), metadata
    if not path.is_file() or path.suffix == META_SUFFIX:
        raise RecordingError(_no_recording(path))
    if not is_raw:
        raise RecordingError(
            f"{path} has no {meta_path.name} beside it, so its rate and its datatype are unknown; give both, such as"
            " --samp-rate 30.72e6 --datatype ci16_le"
        )
    made = {"global": {"core:version": SIGMF_VERSION}, "captures": [{"core:sample_start": 0}], "annotations": []}
    return _whole_file(path.stem, path, None), made


def _no_recording(path: Path) -> str:
    kind = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
    return f"recording {str(path)!r} {kind}; give a .sigmf-meta file, or a file of raw IQ"


def _whole_file(name: str, data_path: Path, meta_path: Path | None) -> Source:
    size = data_path.stat().st_size
    return Source(name=name, data_path=data_path, meta_path=meta_path, byte_start=0, byte_stop=size)


def _locate_in_archive(path: Path) -> tuple[Source, dict[str, Any]]:
    """The one recording of an uncompressed tar archive, to be read in place."""
    try:
        with tarfile.open(path, "r:") as archive:
            files = {Path(m.name).name: m for m in archive.getmembers() if m.isfile()}
            metas = [name for name in files if name.endswith(META_SUFFIX)]
            if len(metas) != 1:
                raise RecordingError(f"{path} holds {len(metas)} recordings, expected 1; unpack it and name one")
            metadata = _parse_metadata(archive.extractfile(files[metas[0]]).read(), f"{path}/{metas[0]}")
    except tarfile.TarError as error:
        raise RecordingError(f"{path} is no SigMF archive, which is a tar file: {error}; fetch it again") from error
    name = metas[0][: -len(META_SUFFIX)]
    named = str(metadata["global"].get("core:dataset") or name + DATA_SUFFIX)
    if named not in files:
        raise RecordingError(f"{path} lacks {named!r}, the data of {metas[0]!r}; fetch it again")
    start = files[named].offset_data
    source = Source(
        name=name,
        data_path=path,
        meta_path=None,
        byte_start=start,
        byte_stop=start + files[named].size,
        is_archived=True,
    )
    return source, metadata


def _parse_metadata(text: bytes, where: str) -> dict[str, Any]:
    """Metadata with its three parts in place."""
    try:
        metadata = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{where} is no JSON: {error}; fetch or write it again") from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get("global"), dict):
        raise RecordingError(f"{where} is no SigMF metadata, expected an object with 'global'; name a .sigmf-meta file")
    for part in ("captures", "annotations"):
        entries = metadata.setdefault(part, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise RecordingError(f"{part!r} in {where} is {entries!r:.60}, expected a list of objects; correct it")
    if not metadata["captures"]:
        metadata["captures"].append({"core:sample_start": 0})
    return metadata
