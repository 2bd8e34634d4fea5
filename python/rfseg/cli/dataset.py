"""``rfseg dataset``: what a dataset holds; making, importing and checking sets for training."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Sequence

from ..atomic import make_folder
from ..contract import ClassKind, SignalClass
from ..datasets.annotated import MIN_ROWS, LabelRules, plan_annotated, write_annotated
from ..datasets.classes import STANDARD_CLASSES
from ..datasets.importing import import_published
from ..datasets.inspection import Inspection, inspect_published, inspect_shards
from ..datasets.layouts import LAYOUTS
from ..datasets.published import PublishedSet, open_published
from ..datasets.setplan import INDEX
from ..datasets.shardset import ShardSet, find_sets
from ..datasets.sheet import save_sheet
from ..errors import DatasetError
from .options import DEFAULT_FOLDER, add_json, count, positive
from .progress import watch
from .table import format_table

__all__ = ["add_parser"]

_LISTED_PROBLEMS = 20


def add_parser(commands: Any) -> None:
    """Add the command, with its own commands, to the subparsers of the command line."""
    parser = commands.add_parser(
        "dataset", description="Look into datasets, and make sets for training."
    )
    actions = parser.add_subparsers(title="commands", dest="action", required=True)
    _add_inspect(actions)
    _add_import(actions)
    _add_from_sigmf(actions)
    _add_verify(actions)


def _add_inspect(actions: Any) -> None:
    parser = actions.add_parser(
        "inspect",
        help="say what a dataset holds",
        description="Say what a dataset holds: format, pairs, sizes, class balance, problems by file, and sample"
        " pictures. Knows the published sets and those that rfseg writes.",
    )
    _add_source(parser)
    add_json(parser)
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_FOLDER, metavar="FOLDER", help="for the pictures (default: %(default)s)"
    )
    parser.add_argument("--no-picture", action="store_true", help="draw no sample pictures")
    parser.set_defaults(run=_inspect)


def _add_import(actions: Any) -> None:
    parser = actions.add_parser(
        "import",
        help="make sets for training of a published one",
        description="Read every pair of a published set and write SET/SPLIT for each of its splits.",
    )
    _add_source(parser)
    _add_destination(parser)
    add_json(parser)
    parser.set_defaults(run=_import)


def _add_from_sigmf(actions: Any) -> None:
    parser = actions.add_parser(
        "from-sigmf",
        help="make a set for training of SigMF recordings with annotations",
        description="Cut the SigMF recordings in and below a folder into frames; paint their annotations into masks.",
    )
    add = parser.add_argument
    add("folder", type=Path, help="folder with .sigmf-meta and .sigmf-data files, or .sigmf archives")
    _add_destination(parser)
    add(
        "--classes",
        type=_classes,
        metavar="A,B,...",
        help="classes in the order of their ids, the background first; LABEL:pulsed for one that comes in pulses"
        " (default: Noise, then the labels found)",
    )
    add(
        "--map",
        type=_alias,
        action="append",
        default=[],
        metavar="LABEL=CLASS",
        help="annotations of this label are of that class, or are not judged: LABEL=ignore; =CLASS for those"
        " without a label; may be repeated",
    )
    add("--unlabelled", choices=("noise", "ignore"), default="noise", help="what no annotation covers (default: noise)")
    add("--frame-ms", type=positive, metavar="T", help="duration of a frame, ms (default: 20, or the recording's)")
    add("--min-rows", type=count, default=MIN_ROWS, metavar="N", help="of a frame that is kept (default: %(default)s)")
    add("--skip-bad", action="store_true", help="leave out recordings with problems, and say which")
    add_json(parser)
    parser.set_defaults(run=_from_sigmf)


def _add_verify(actions: Any) -> None:
    parser = actions.add_parser(
        "verify",
        help="compare a set with its check sums",
        description="Compare every shard of a set, or of the sets in a folder, with the SHA-256 of its index.",
    )
    parser.add_argument("set", type=Path, help="folder of a set, or of sets")
    add_json(parser, instead_of="text")
    parser.set_defaults(run=_verify)


def _add_source(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=Path, help="folder of the dataset")
    add("--layout", choices=[x.name for x in LAYOUTS], metavar="NAME", help="layout of the set (default: detected)")
    add("--split", action="append", metavar="NAME", help="only this split; may be repeated")
    add("--pairs", type=count, metavar="N", help="only N pairs of each split, drawn at random and always the same")
    add("--tolerance", type=count, metavar="LEVELS", help="by which a label may differ from the colour of its class")
    add("--skip-bad", action="store_true", help="leave out files with problems, and say which")


def _add_destination(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="SET", help="folder of the set; an interrupted run goes on in it")
    add("--per-shard", type=count, default=64, metavar="N", help="frames in one file (default: %(default)s)")
    add("--processes", type=count, default=1, metavar="N", help="that work at a time (default: %(default)s)")


def _inspect(options: argparse.Namespace) -> None:
    if (options.folder / INDEX).is_file() or (options.folder.is_dir() and any(options.folder.glob(f"*/{INDEX}"))):
        inspection = inspect_shards(find_sets(options.folder))
    else:
        _, inspection = _read(options)
    pictures = {} if options.no_picture else _save_samples(inspection, options.out)
    if options.json:
        print(json.dumps({**inspection.to_json(), "pictures": pictures}, indent=2, allow_nan=False))
        return
    _print_inspection(inspection)
    for split, path in pictures.items():
        print(f"samples of {split}: {path}")


def _import(options: argparse.Namespace) -> None:
    dataset, inspection = _read(options)
    sets = import_published(
        dataset, inspection, options.out, per_shard=options.per_shard, processes=options.processes
    )
    if options.json:
        _print_sets(inspection, sets)
        return
    _print_inspection(inspection)
    for written in sets:
        print(f"{written.folder}: {len(written)} items in {len(written.entries)} shards")


def _from_sigmf(options: argparse.Namespace) -> None:
    rules = LabelRules(
        classes=options.classes, aliases=tuple(options.map), ignores_unlabelled=options.unlabelled == "ignore"
    )
    planned = plan_annotated(
        options.folder,
        rules,
        frame_duration=None if options.frame_ms is None else options.frame_ms * 1e-3,
        min_rows=options.min_rows,
        skip_bad=options.skip_bad,
        watch=lambda paths: watch(paths, "recordings", "file"),
    )
    written = write_annotated(planned, options.out, per_shard=options.per_shard, processes=options.processes)
    inspection = inspect_shards([written.folder])
    inspection.problems = [*planned.problems]
    if planned.short:
        inspection.notes.append(f"{planned.short} frames of fewer than {options.min_rows} rows are left out")
    if options.json:
        _print_sets(inspection, [written])
        return
    _print_inspection(inspection)
    shards = len(written.entries)
    print(f"{written.folder}: {len(written)} frames of {len(planned.paths)} recordings in {shards} shards")


def _verify(options: argparse.Namespace) -> None:
    sound = []
    for folder in find_sets(options.set):
        checked = ShardSet(folder)
        bar = watch(checked.verify(), folder.name, "shard", total=len(checked.entries))
        problems = [problem for _, problem in bar if problem is not None]
        if problems:
            for problem in problems:
                print(problem, file=sys.stderr if options.json else sys.stdout)
            raise DatasetError(
                f"{len(problems)} of {len(checked.entries)} shards of {folder} are damaged, the first: {problems[0]};"
                " run the command that wrote the set again, it makes them anew"
            )
        sound.append(checked)
        if not options.json:
            print(f"{folder}: {len(checked)} items in {len(checked.entries)} shards are what was written")
    if options.json:
        print(json.dumps([_set_facts(checked) for checked in sound], indent=2))


def _print_sets(inspection: Inspection, sets: Sequence[ShardSet]) -> None:
    facts = {**inspection.to_json(), "sets": [_set_facts(written) for written in sets]}
    print(json.dumps(facts, indent=2, allow_nan=False))


def _set_facts(written: ShardSet) -> dict[str, Any]:
    return {"folder": str(written.folder), "items": len(written), "shards": len(written.entries)}


def _read(options: argparse.Namespace) -> tuple[PublishedSet, Inspection]:
    """Open a published set and look at every pair."""
    dataset = open_published(
        options.folder,
        layout=options.layout,
        tolerance=options.tolerance,
        splits=options.split,
        per_split=options.pairs,
        watch=lambda pairs: watch(pairs, "sizes", "pair"),
    )
    inspection = inspect_published(
        dataset, skip_bad=options.skip_bad, watch=lambda pairs: watch(pairs, dataset.root.name, "pair")
    )
    return dataset, inspection


def _save_samples(inspection: Inspection, folder: Path) -> dict[str, str]:
    """Contact sheets, one for each split; the path of each."""
    make_folder(folder)
    paths = {}
    for split in inspection.splits:
        if split.samples:
            name = "-".join(dict.fromkeys((inspection.folder.resolve().name, split.name)))
            path = folder / f"{name}.samples.png"
            captions, items = zip(*split.samples)
            save_sheet(path, items, inspection.labels, captions=captions)
            paths[split.name] = str(path)
    return paths


def _print_inspection(inspection: Inspection) -> None:
    print(f"{inspection.folder}: {inspection.format}, {inspection.title}")
    labels = inspection.labels
    headings = ("Split", "Frames", "Left out", "Rows x bins", *(f"{x} (%)" for x in (*labels, "unknown")))
    rows = []
    for split in inspection.splits:
        sizes = ", ".join(f"{rows} x {bins}" for rows, bins in sorted(split.sizes))
        shares = split.shares(labels)
        shown = (f"{100 * share:.2f}" for share in shares.values())
        rows.append((split.name, str(split.count), str(split.left_out), sizes, *shown))
    print(format_table(headings, rows, right_from=1))
    if inspection.worst_distance is not None:
        print(f"worst colour: {inspection.worst_distance} of {inspection.tolerance} levels from that of its class")
    for note in inspection.notes:
        print(f"note: {note}")
    if inspection.problems:
        print(f"{len(inspection.problems)} problems; what they are of is left out:")
        for problem in inspection.problems[:_LISTED_PROBLEMS]:
            print(f"  {problem.text}")
        if len(inspection.problems) > _LISTED_PROBLEMS:
            print(f"  and {len(inspection.problems) - _LISTED_PROBLEMS} more; --json of inspect lists all")


def _classes(text: str) -> tuple[SignalClass, ...]:
    known = {c.label: c.kind for c in STANDARD_CLASSES}
    classes = []
    for number, part in enumerate(text.split(",")):
        label, _, kind = part.strip().partition(":")
        wanted = kind or (ClassKind.BACKGROUND if number == 0 else known.get(label, ClassKind.CARRIER))
        try:
            classes.append(SignalClass(label=label, kind=wanted))
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    kinds = [c.kind for c in classes]
    if len({c.label for c in classes}) != len(classes) or kinds.count(ClassKind.BACKGROUND) != 1 or len(classes) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} must be labels that differ, one background first: Noise,LTE")
    return tuple(classes)


def _alias(text: str) -> tuple[str, str]:
    label, equals, target = text.rpartition("=")
    if not equals or not target:
        raise argparse.ArgumentTypeError(f"{text!r} is no mapping; give LABEL=CLASS or LABEL=ignore")
    return label.strip(), target.strip()
