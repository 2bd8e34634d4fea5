"""Bands as SigMF annotations, written while they come.

The metadata file describes the recording's own samples: where it is written into another folder, a
symbolic link to the data is put beside it, so that viewers open the pair.  The keys of the namespace
``rfseg`` are in ``docs/sigmf-extension.md``.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterable, Iterator, TextIO

from . import __version__
from .atomic import make_folder, replacing
from .bands import Band
from .errors import BandError, RecordingError
from .sigmf import Recording
from .sigmf_files import DATA_SUFFIX, META_SUFFIX, SIGMF_VERSION

__all__ = ["EXTENSION", "GENERATOR", "AnnotationWriter", "annotating", "make_annotation", "write_annotations"]

EXTENSION = {"name": "rfseg", "version": "1.0.0", "optional": True}
GENERATOR = f"gr-rfseg {__version__}"
_GENERATOR_NAME = "gr-rfseg"
_UUID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:gr-rfseg:annotation")


def make_annotation(band: Band, *, sample_offset: int = 0, dataset: str = "") -> dict[str, Any]:
    """SigMF annotation of a band.

    Parameters
    ----------
    sample_offset : int
        The recording's ``core:offset``, samples.
    dataset : str
        Hash or name of the data; the annotation's uuid depends on it and on the band and on nothing
        else, so that the same run writes the same file.
    """
    annotation = {
        "core:sample_start": band.sample_start + sample_offset,
        "core:sample_count": band.sample_count,
        "core:freq_lower_edge": round(band.freq_lower_edge, 1),
        "core:freq_upper_edge": round(band.freq_upper_edge, 1),
        "core:label": band.label[:20],
        "core:generator": GENERATOR,
        "rfseg:class_id": band.class_id,
        "rfseg:confidence": round(band.confidence, 4),
        "rfseg:model": band.model,
    }
    if band.guess is not None:
        annotation["rfseg:guess"] = band.guess
    if band.track is not None:
        annotation["rfseg:track"] = band.track
    for name in ("power_dbfs", "power_dbm", "snr_db"):
        if getattr(band, name) is not None:
            annotation[f"rfseg:{name}"] = round(getattr(band, name), 2)
    if band.pulse_width is not None:
        annotation["rfseg:pulse_width"] = round(band.pulse_width, 9)
    identity = json.dumps([dataset, band.id, annotation], sort_keys=True)
    annotation["core:uuid"] = str(uuid.uuid5(_UUID_NAMESPACE, identity))
    return annotation


class AnnotationWriter:
    """Merges bands into the annotations that a recording has; made by :func:`annotating`.

    Parameters
    ----------
    file
        Receives the annotations, one a line.
    recording : Recording
    """

    def __init__(self, file: TextIO, recording: Recording) -> None:
        self._file = file
        self._sample_offset = recording.sample_offset
        self._dataset = str(recording.metadata["global"].get("core:sha512") or recording.name)
        kept = [a for a in recording.annotations if not str(a.get("core:generator", "")).startswith(_GENERATOR_NAME)]
        self._kept = deque(sorted(kept, key=_sample_start))
        self._separator = "\n    "
        self._newest = 0

    def add(self, bands: Iterable[Band]) -> None:
        """Write the bands of a frame, sorted by first sample and none before those of earlier frames.

        Raises
        ------
        BandError
            If they are out of order.
        """
        for band in bands:
            if band.sample_start < self._newest:
                raise BandError(f"a band at sample {band.sample_start} follows one at {self._newest}; sort them")
            self._newest = band.sample_start
            annotation = make_annotation(band, sample_offset=self._sample_offset, dataset=self._dataset)
            while self._kept and _sample_start(self._kept[0]) <= annotation["core:sample_start"]:
                self._write(self._kept.popleft())
            self._write(annotation)

    def finish(self) -> None:
        """Write the annotations that come after the last band."""
        while self._kept:
            self._write(self._kept.popleft())

    def _write(self, annotation: dict[str, Any]) -> None:
        self._file.write(self._separator + json.dumps(annotation, ensure_ascii=False))
        self._separator = ",\n    "


@contextmanager
def annotating(folder: Path, recording: Recording) -> Iterator[AnnotationWriter]:
    """Write ``NAME.sigmf-meta`` while bands come; it appears when the block ends without an error.

    Annotations that other programs made are kept, those of earlier runs of this one are not.

    Parameters
    ----------
    folder : Path
        Made where it is not there.  In the recording's own folder its metadata file is replaced.

    Raises
    ------
    RecordingError
        If the folder holds another dataset of this name, or cannot be written.
    """
    make_folder(folder)
    with _linking(folder, recording) as is_linked, replacing(folder / (recording.name + META_SUFFIX)) as temporary:
        with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
            text = json.dumps(_make_header(recording, is_linked=is_linked), indent=2, ensure_ascii=False)
            file.write(text[: text.rindex("}")].rstrip() + ',\n  "annotations": [')
            writer = AnnotationWriter(file, recording)
            yield writer
            writer.finish()
            file.write("\n  ]\n}\n")


def write_annotations(folder: Path, recording: Recording, bands: Iterable[Band]) -> Path:
    """Write the metadata of a recording with all its bands; the file it is in.  See :func:`annotating`."""
    with annotating(folder, recording) as writer:
        writer.add(bands)
    return folder / (recording.name + META_SUFFIX)


def _sample_start(annotation: dict[str, Any]) -> int:
    start = annotation.get("core:sample_start", 0)
    return start if isinstance(start, (int, float)) else 0


def _make_header(recording: Recording, *, is_linked: bool) -> dict[str, Any]:
    """The recording's metadata without its annotations, and with this extension declared."""
    header = {key: value for key, value in recording.metadata.items() if key != "annotations"}
    info = dict(header["global"])
    stated = info.get("core:extensions", [])
    if isinstance(stated, dict):  # as SigMF 0.0.2 had it
        stated = [{"name": name, "version": str(version), "optional": True} for name, version in stated.items()]
    stated = stated if isinstance(stated, list) else []
    others = [e for e in stated if isinstance(e, dict) and e.get("name") != EXTENSION["name"]]
    info["core:extensions"] = [*others, EXTENSION]
    if not str(info.get("core:version", "0")).startswith("1."):
        info["core:version"] = SIGMF_VERSION
    info.pop("core:metadata_only", None)
    if not is_linked:
        info.pop("core:dataset", None)
        info["core:metadata_only"] = True
    return {**header, "global": info}


@contextmanager
def _linking(folder: Path, recording: Recording) -> Iterator[bool]:
    """Put the data beside the metadata as a symbolic link; False where that is not possible.

    A link that is new goes again when the block fails.

    Raises
    ------
    RecordingError
        If other data is in that place.
    """
    has_own_name = recording.meta_path is not None and recording.data_path.suffix != DATA_SUFFIX
    link = folder / (recording.data_path.name if has_own_name else recording.name + DATA_SUFFIX)
    is_new = not link.is_symlink()
    if recording.source.is_archived:
        yield False
    elif link.exists() and link.samefile(recording.data_path):
        yield True
    elif link.exists() and is_new:
        raise RecordingError(
            f"{link} is there already and holds other data than {recording.data_path}; name another folder (--out)"
        )
    else:
        is_linked = _link(link, recording.data_path)
        try:
            yield is_linked
        except BaseException:
            if is_linked and is_new:
                link.unlink()
            raise


def _link(link: Path, target: Path) -> bool:
    """Make a relative symbolic link in place of any other; False on a file system that has none."""
    try:
        with replacing(link) as temporary:
            os.symlink(os.path.relpath(target.resolve(), link.parent.resolve()), temporary)
    except RecordingError:
        return False
    return True
