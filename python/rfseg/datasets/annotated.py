"""Bring your own: a folder of SigMF recordings with annotations becomes a training set."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Callable, Iterable, Iterator

from ..contract import ClassKind, SignalClass
from ..errors import ContractError, DatasetError, RfsegError
from ..geometry import DEFAULT_FRAME_DURATION, FRAME_DURATION_RANGE, Frame, Geometry, make_geometry
from ..pipeline import iter_frames
from ..sigmf import Recording, open_recording
from ..spectrogram import frame_rows
from .boxes import IGNORE, Box, paint_boxes, read_boxes
from .classes import IGNORED, STANDARD_CLASSES, STANDARD_LABELS
from .items import Content, Item, SetDescription, level_rows
from .pairing import Problem
from .shardset import ShardSet
from .writing import write_set

__all__ = ["AnnotatedFolder", "LabelRules", "classes_of_labels", "plan_annotated", "write_annotated"]

MIN_ROWS = 16  # a frame cut shorter than this teaches little


@dataclass(frozen=True, kw_only=True)
class LabelRules:
    """What becomes of the labels of annotations.

    Parameters
    ----------
    classes : tuple of SignalClass or None
        In the order of their ids, background first; None to make them of the labels found.
    aliases : tuple of (str, str)
        Label of an annotation (empty for one without) and the class that stands for it, or ``ignore``.
    ignores_unlabelled : bool
        Whether pixels that no annotation covers are unknown rather than background.
    """

    classes: tuple[SignalClass, ...] | None = None
    aliases: tuple[tuple[str, str], ...] = ()
    ignores_unlabelled: bool = False

    def class_ids(self, classes: tuple[SignalClass, ...]) -> dict[str, int]:
        """Class id, or 255, of each label that annotations may have.

        Raises
        ------
        DatasetError
            If an alias stands for a class that does not exist.
        """
        ids = {signal_class.label: class_id for class_id, signal_class in enumerate(classes)}
        named = dict(ids)
        for label, target in self.aliases:
            if target != IGNORE and target not in ids:
                raise DatasetError(
                    f"label {label!r} is mapped to {target!r}, expected {IGNORE!r} or one of {', '.join(ids)}"
                )
            named[label] = IGNORED if target == IGNORE else ids[target]
        return named


@dataclass(frozen=True, kw_only=True)
class AnnotatedFolder:
    """Recordings whose annotations were found good, and the frames that they are cut into.

    Parameters
    ----------
    folder : Path
    paths : tuple of Path
        Recordings.
    frames : tuple of (int, Frame, int)
        Index of the recording, the frame, and samples to read for it, overhang included.
    classes : tuple of SignalClass
    rules : LabelRules
    frame_duration : float or None
        Asked for, s.
    short : int
        Frames left out because too few of their rows are valid.
    problems : tuple of Problem
        Recordings left out.
    digest : str
        SHA-256 of names, lengths and metadata of the recordings.
    """

    folder: Path
    paths: tuple[Path, ...]
    frames: tuple[tuple[int, Frame, int], ...]
    classes: tuple[SignalClass, ...]
    rules: LabelRules
    frame_duration: float | None
    short: int = 0
    problems: tuple[Problem, ...] = field(default=())
    digest: str = ""

    def __call__(self, number: int) -> Item:
        """Item of the frame of a number."""
        index, frame, length = self.frames[number]
        path = self.paths[index]
        recording, boxes = _open_with_boxes(path, self.classes, self.rules, self.digest)
        geometry = _geometry(recording, self.frame_duration)
        rows, non_finite = frame_rows(recording.read(frame.sample_start, length), geometry)
        data, level = level_rows(rows)
        mask = paint_boxes(
            boxes,
            frame=frame,
            geometry=geometry,
            classes=self.classes,
            unlabelled=IGNORED if self.rules.ignores_unlabelled else 0,
        )
        metadata = {
            "recording": path.relative_to(self.folder).as_posix(),
            "frame": frame.index,
            "sample_start": frame.sample_start,
            "samp_rate": recording.samp_rate,
            "center_freq": frame.center_freq,
            "frame_duration": geometry.frame_duration,
            "segments_per_row": geometry.segments_per_row,
            "valid_rows": geometry.valid_rows(frame.valid_samples),
            "non_finite": non_finite,
            "level_dbfs": level,
        }
        return Item(data, mask, metadata)


@dataclass(frozen=True)
class _Spans:
    """A recording whose ``read`` gives only the number of samples: frames are cut without reading any."""

    recording: Recording

    def __getattr__(self, name: str) -> object:
        return getattr(self.recording, name)

    def read(self, start: int, count: int) -> int:
        return count


def classes_of_labels(labels: Iterable[str]) -> tuple[SignalClass, ...]:
    """Classes made of labels: the background, then this library's own in their order, then the others sorted.

    Raises
    ------
    DatasetError
        If a label is too long for SigMF, or none is left besides the background.
    """
    found = set(labels) - {STANDARD_LABELS[0]}
    if not found:
        raise DatasetError("no annotation has a label of a signal; annotate the recordings, or give --classes")
    others = sorted(found - set(STANDARD_LABELS))
    try:
        return (
            STANDARD_CLASSES[0],
            *(c for c in STANDARD_CLASSES if c.label in found),
            *(SignalClass(label=label, kind=ClassKind.CARRIER) for label in others),
        )
    except ContractError as error:
        raise DatasetError(f"{error}; give it a shorter name with --map LABEL=CLASS and --classes") from error


def plan_annotated(
    folder: Path,
    rules: LabelRules,
    *,
    frame_duration: float | None = None,
    min_rows: int = MIN_ROWS,
    skip_bad: bool = False,
    watch: Callable[[list[Path]], Iterable[Path]] = iter,
) -> AnnotatedFolder:
    """Open every recording of a folder, check its annotations, cut it into frames.  No sample is read.

    Parameters
    ----------
    frame_duration : float or None
        Wanted duration of a frame, s; None for 20 ms, or less where a recording is shorter.
    min_rows : int
        Frames with fewer valid rows are left out.
    skip_bad : bool
        Whether to note what is wrong with a recording and go on without it.
    watch
        Wraps the recordings, for a progress bar.

    Raises
    ------
    DatasetError
        If there is no recording, an annotation is wrong, or nothing is left.
    RfsegError
        If a recording cannot be read or has an impossible rate, unless ``skip_bad``.
    """
    paths = _find_recordings(folder)
    problems: list[Problem] = []
    opened: dict[Path, Recording] = {}
    for path in watch(paths):
        with _noting(path, problems, skip_bad):
            recording = open_recording(path)
            _geometry(recording, frame_duration)
            opened[path] = recording
    classes = rules.classes or classes_of_labels(_labels(opened.values(), rules))
    ids = rules.class_ids(classes)
    kept, frames, short, digest = [], [], 0, hashlib.sha256()
    for path, recording in opened.items():
        with _noting(path, problems, skip_bad):
            read_boxes(recording, ids)
            geometry = _geometry(recording, frame_duration)
            for frame, length in iter_frames(_Spans(recording), geometry):
                if geometry.valid_rows(frame.valid_samples) >= min_rows:
                    frames.append((len(kept), frame, length))
                else:
                    short += 1
            kept.append(path)
            stated = json.dumps([path.relative_to(folder).as_posix(), recording.sample_count, recording.metadata])
            digest.update(stated.encode("ascii"))
    if not frames:
        why = problems[0].text if problems else f"none has a frame of {min_rows} rows; lower --min-rows"
        raise DatasetError(f"{folder} gives no frame: {why}")
    return AnnotatedFolder(
        folder=folder, paths=tuple(kept), frames=tuple(frames), classes=classes, rules=rules,
        frame_duration=frame_duration, short=short, problems=tuple(problems), digest=digest.hexdigest(),
    )  # fmt: skip


def write_annotated(planned: AnnotatedFolder, out: Path, *, per_shard: int, processes: int) -> ShardSet:
    """Write the frames as a set; raises what :func:`rfseg.datasets.writing.write_set` does."""
    rates = [frame.samp_rate for _, frame, _ in planned.frames]
    durations = [frame.sample_count / frame.samp_rate for _, frame, _ in planned.frames]
    rules = planned.rules
    description = SetDescription(
        name=planned.folder.resolve().name,
        content=Content.ROWS,
        classes=planned.classes,
        masks=("annotated",),
        samp_rate_range=(min(rates), max(rates)),
        frame_duration_range=(min(durations), max(durations)),
        recipe="SigMF recordings with annotations",
        source={
            "recordings": len(planned.paths),
            "recordings_sha256": planned.digest,
            "aliases": dict(rules.aliases),
            "unlabelled": IGNORE if rules.ignores_unlabelled else planned.classes[0].label,
        },
    )
    return write_set(
        out, planned, len(planned.frames), description=description, per_shard=per_shard, processes=processes
    )


@contextmanager
def _noting(path: Path, problems: list[Problem], skip_bad: bool) -> Iterator[None]:
    """Note an error as a problem of a file and go on, or name the file and raise."""
    try:
        yield
    except RfsegError as error:
        text = str(error) if str(path) in str(error) else f"{path}: {error}"
        if not skip_bad:
            raise DatasetError(f"{text}, or leave the recording out with --skip-bad") from error
        problems.append(Problem(file=path, text=text))


def _find_recordings(folder: Path) -> list[Path]:
    """Metadata files and archives in and below a folder, sorted; an archive of the name of a pair is left out."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; give one with SigMF recordings")
    metas = [p for p in folder.rglob("*.sigmf-meta") if p.is_file()]
    unpacked = {p.with_suffix(".sigmf") for p in metas}
    archives = [p for p in folder.rglob("*.sigmf") if p.is_file() and p not in unpacked]
    found = sorted(p for p in [*metas, *archives] if p.name[:1] != ".")
    if not found:
        raise DatasetError(f"{folder} holds no SigMF recording; looked for *.sigmf-meta and *.sigmf in and below it")
    return found


def _labels(recordings: Iterable[Recording], rules: LabelRules) -> set[str]:
    """Labels that become classes, aliases resolved; what is no text is found out when boxes are made."""
    aliases = dict(rules.aliases)
    stated = (a.get("core:label") for recording in recordings for a in recording.annotations)
    labels = {label.strip() for label in stated if isinstance(label, str)} - set(aliases) - {""}
    return labels | (set(aliases.values()) - {IGNORE})


def _geometry(recording: Recording, frame_duration: float | None) -> Geometry:
    if frame_duration is None:
        frame_duration = min(DEFAULT_FRAME_DURATION, max(FRAME_DURATION_RANGE[0], recording.duration))
    return make_geometry(recording.samp_rate, frame_duration=frame_duration)


@lru_cache(maxsize=8)
def _open_with_boxes(
    path: Path, classes: tuple[SignalClass, ...], rules: LabelRules, _digest: str
) -> tuple[Recording, list[Box]]:
    """A recording with its boxes; the digest tells recordings apart that were changed in between."""
    recording = open_recording(path)
    return recording, read_boxes(recording, rules.class_ids(classes))
