"""``rfseg segment``: from a recording to bands, annotations and a picture."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Iterator

from ..annotations import annotating
from ..atomic import make_folder, replacing
from ..bands.lines import band_to_json
from ..bands import BandRules
from ..inference import DEFAULT_MODEL, Session
from ..picture import RecordingPicture, require_matplotlib
from ..pipeline import FrameResult, segment_recording
from ..bands.calibration import PowerCalibration
from ..sigmf import Recording, open_recording
from .options import DEFAULT_FOLDER, add_json, add_providers, add_threads, finite, not_negative, positive
from .progress import bar
from .report import Report
from .table import format_bands

__all__ = ["add_parser", "run"]

_HASH_LIMIT = 1 << 28  # bytes; larger files are not read twice only to compare their hash


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "segment",
        description="Find the bands in a recording. Prints a table, and writes NAME.sigmf-meta (annotations),"
        " NAME.bands.jsonl (each band of each frame) and NAME.png into a folder.",
    )
    add = parser.add_argument
    add("recording", type=Path, help="a SigMF recording (.sigmf-meta, .sigmf-data, .sigmf) or a file of raw IQ")
    add("--out", type=Path, default=DEFAULT_FOLDER, metavar="FOLDER", help="folder for the results (default: %(default)s)")
    add("--model", default=DEFAULT_MODEL, help="name or path of a model (default: %(default)s)")
    add("--frame-ms", type=positive, metavar="T", help="duration of a frame, ms (default: the model's)")
    add(
        "--reject", type=finite, metavar="P",
        help="bands below this confidence are labelled Unknown; 0 for none (default: what the model says of each class)",
    )  # fmt: skip
    add(
        "--calibration", metavar="DBM",
        help="what 0 dBFS is at the receiver's input, dBm, or a CSV file of lines Hz,dBm; bands then have power in dBm too",
    )  # fmt: skip
    add("--keep-dc", action="store_true", help="the spike at the centre is a signal and not the receiver's")
    add(
        "--settling", type=not_negative, default=0.0, metavar="S",
        help="time after a retune in which the samples are not good and no bands are looked for, s (default: %(default)g)",
    )  # fmt: skip
    add("--no-picture", action="store_true", help="draw no picture")
    add_json(parser)
    add_threads(parser)
    add_providers(parser)
    add = parser.add_argument_group("what the file does not say itself; raw IQ needs the first two").add_argument
    add("--samp-rate", type=positive, metavar="HZ", help="complex samples per second")
    add("--datatype", metavar="TYPE", help="of the samples: cf32, ci16, ci8, cu8 ... or complex64, int16, int8")
    add("--center-freq", type=finite, metavar="HZ", help="RF centre; without one, frequencies are offsets from it")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Segment one recording.

    Raises
    ------
    RfsegError
        If the recording, the model or the folder for the results is of no use.
    """
    if not options.no_picture:
        require_matplotlib()
    recording = open_recording(
        options.recording, samp_rate=options.samp_rate, datatype=options.datatype, center_freq=options.center_freq
    )
    session = Session(options.model, threads=options.threads, providers=options.providers)
    report = Report(recording=recording, contract=session.contract)
    _check_hash(recording, report)
    rules = BandRules.for_model(session.contract, reject=options.reject, mask_dc=not options.keep_dc)
    calibration = None if options.calibration is None else PowerCalibration.read(options.calibration)
    frame_duration = None if options.frame_ms is None else options.frame_ms * 1e-3
    results = segment_recording(
        recording,
        session,
        frame_duration=frame_duration,
        rules=rules,
        calibration=calibration,
        settling=options.settling,
    )
    _segment(recording, session, report, options.out, results, draw=not options.no_picture)
    for warning in report.warnings:
        print(f"rfseg: warning: {warning}", file=sys.stderr)
    if options.json:
        print(json.dumps(report.to_json(), indent=2, allow_nan=False))
    else:
        print(report.headline())
        print(format_bands(report.groups.groups(), samp_rate=recording.samp_rate) if report.bands else "no bands found")
        print("\n".join(["", *(f"{kind}: {path}" for kind, path in report.files.items())]))


def _segment(
    recording: Recording, session: Session, report: Report, folder: Path, results: Iterator[FrameResult], *, draw: bool
) -> None:
    """Run the frames through the model and write what comes out as it comes."""
    first = next(results)  # fails before any file is touched
    make_folder(folder)
    files = {
        "annotations": folder / f"{recording.name}.sigmf-meta",
        "bands": folder / f"{recording.name}.bands.jsonl",
        **({"picture": folder / f"{recording.name}.png"} if draw else {}),
    }
    picture = RecordingPicture(sample_count=recording.sample_count, classes=session.contract.classes)
    with ExitStack() as stack:
        annotations = stack.enter_context(annotating(folder, recording))
        lines = stack.enter_context(open(stack.enter_context(replacing(files["bands"])), "w", encoding="utf-8"))
        progress = stack.enter_context(bar(recording.name, "S", recording.sample_count, unit_scale=True))
        for result in itertools.chain([first], results):
            report.add(result)
            annotations.add(result.bands)
            lines.writelines(band_to_json(band, result.frame) + "\n" for band in result.bands)
            if draw:
                picture.add(result)
            progress.update(result.frame.valid_samples)
    if draw:
        picture.save(files["picture"], title=report.headline())
    report.files = {kind: str(path) for kind, path in files.items()}


def _check_hash(recording: Recording, report: Report) -> None:
    """Note it where the data is not what the metadata was written for."""
    if recording.data_path.stat().st_size <= _HASH_LIMIT and recording.has_stated_hash() is False:
        report.notes.append(
            f"the SHA-512 of {recording.data_path} is not the one that its metadata states; the data was changed or cut"
        )
