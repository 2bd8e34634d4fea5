"""``rfseg live``: a receiver that runs until it is stopped."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, Mapping

from ..errors import OptionError
from ..feeds.feed import ENCODINGS
from ..live.settings import read_settings, read_toml, settings_to_table
from ..live.sources import SOURCES
from ..programs import program_command
from ..providers import AUTO, PROVIDERS

__all__ = ["LIVE_MODULE", "add_parser", "run"]

LIVE_MODULE = "gnuradio.rfseg.live"  # run as a program; this library never imports it
_SOURCE_NAMES = {"soapy": "device", "uhd": "device", "zeromq": "address", "file": "path"}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "live",
        description="Receive from a radio, ZeroMQ or a file and find bands until stopped. Settings come from a TOML file"
        " (docs/live.md), options add to it and overrule it. Needs GNU Radio.",
    )
    add = parser.add_argument
    add("config", type=Path, nargs="?", metavar="CONFIG.toml", help="settings")
    add("--quiet", action="store_true", help="print no status, only notes and warnings")
    add("--json", action="store_true", help="print the status as one JSON object a line, or the radios as a list")
    add("--check", action="store_true", help="check the settings, print all of them as JSON and end")
    add("--devices", action="store_true", help="list the radios that SoapySDR and UHD find and end")
    add = parser.add_argument_group("source").add_mutually_exclusive_group().add_argument
    add("--soapy", metavar="ARGS", help="a radio by SoapySDR, such as driver=lime")
    add("--uhd", metavar="ARGS", help="a USRP, such as addr=192.168.10.2, or ''")
    add("--zeromq", metavar="ADDRESS", help="IQ by ZeroMQ, such as tcp://192.168.1.5:5555")
    add("--file", metavar="FILE", help="a SigMF recording or raw IQ, at the pace of a clock")
    add = parser.add_argument_group("of the source").add_argument
    add("--samp-rate", type=float, metavar="HZ", help="complex samples per second")
    add("--center-freq", type=float, metavar="HZ", help="RF centre")
    add("--gain", type=_gain, metavar="DB", help="dB, or auto")
    add("--antenna", metavar="NAME")
    add("--datatype", metavar="TYPE", help="of raw IQ: cf32, ci16, ci8, cu8 ...")
    add("--repeat", action="store_true", default=None, help="begin a file anew at its end")
    add("--lossless", action="store_true", help="play a file as fast as inference goes and lose no frame")
    add = parser.add_argument_group("chain").add_argument
    add("--model", help="name or path of a model")
    option = add(
        "--providers", metavar="NAMES",
        help=f"what computes the network: {', '.join(PROVIDERS)}, with commas between several",
    )  # fmt: skip
    option.words = (AUTO, *PROVIDERS)  # for completion
    add("--remote", metavar="ADDRESS", help="let the network run elsewhere (rfseg.remote), such as tcp://gpu.example:5560")
    add("--frame-ms", type=float, metavar="T", help="duration of a frame, ms")
    add("--infer-every", type=int, metavar="N", help="infer one frame in so many, where the host is too slow for all")
    add("--min-confidence", type=float, metavar="P", help="drop bands below it")
    add("--reject", type=float, metavar="P", help="label bands below it Unknown; 0 for none")
    add("--duration", type=float, metavar="S", help="stop after so many seconds of samples")
    add(
        "--feed", action="append", default=[], metavar="[ENCODING=]DESTINATION",
        help=f"such as file:bands.jsonl or influx=http://:8086/write?db=rf; {', '.join(ENCODINGS)}; may be repeated",
    )  # fmt: skip
    add = parser.add_argument_group("control, at HOST:PORT, or :PORT for this machine only").add_argument
    add("--xmlrpc", metavar="ADDRESS", help="take commands by XML-RPC")
    add("--control-zeromq", metavar="ADDRESS", help="take commands by ZeroMQ REP, as JSON")
    add("--control-messages", metavar="ADDRESS", help="take GNU Radio messages by ZeroMQ PULL")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Check the settings and become the program that receives; its exit code is that of ``rfseg``.

    Raises
    ------
    RfsegError
        If the settings make no sense, or GNU Radio or its half of rfseg is missing.
    """
    if options.devices:
        _become(["--devices", *(["--json"] if options.json else [])])
        return
    table = options_to_table(options, read_toml(options.config) if options.config is not None else {})
    settings = read_settings(table)
    if options.check:
        print(json.dumps(settings_to_table(settings), indent=2))
        return
    flags = [flag for flag, is_set in (("--quiet", options.quiet), ("--json", options.json)) if is_set]
    _become([*flags, json.dumps(table)])


def options_to_table(options: argparse.Namespace, table: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a file with what the options say in it."""
    table = dict(table)
    table["source"] = _source_table(options, table.get("source", {}))
    given = {
        "model": options.model,
        "frame_duration": None if options.frame_ms is None else options.frame_ms * 1e-3,
        "duration": options.duration,
        "mode": "lossless" if options.lossless else None,
    }
    table.update({name: value for name, value in given.items() if value is not None})
    _add(table, "inference", providers=options.providers, remote=options.remote, infer_every=options.infer_every)
    _add(table, "detection", min_confidence=options.min_confidence, reject=options.reject)
    _add(
        table,
        "control",
        xmlrpc=options.xmlrpc,
        zeromq=options.control_zeromq,
        messages=options.control_messages,
    )
    if options.feed:
        table["feeds"] = [*table.get("feeds", []), *(_feed_table(text) for text in options.feed)]
    return table


def _source_table(options: argparse.Namespace, source: Any) -> Any:
    if not isinstance(source, Mapping):
        return source  # refused where all tables are checked
    source = dict(source)
    for kind, name in _SOURCE_NAMES.items():
        value = getattr(options, kind)
        if value is not None:
            if source.get("kind") != kind:
                source = {key: source[key] for key in ("samp_rate", "center_freq") if key in source}
            source.update({"kind": kind, name: value})
    if "kind" not in source:
        raise OptionError(f"there is no source; give one of {', '.join('--' + kind for kind in SOURCES)} or a TOML file")
    names = ("samp_rate", "center_freq", "gain", "antenna", "datatype", "repeat")
    source.update({name: value for name in names if (value := getattr(options, name)) is not None})
    if options.lossless and source["kind"] == "file":
        source["pace"] = "none"
    return source


def _feed_table(text: str) -> dict[str, Any]:
    encoding, equals, destination = text.partition("=")
    if not equals or not encoding.isalnum():  # a = of the destination's own
        return {"destination": text}
    if encoding not in ENCODINGS:
        raise OptionError(f"--feed {text!r}: encoding {encoding!r} is unknown; give one of {', '.join(ENCODINGS)}, or none")
    return {"encoding": encoding, "destination": destination}


def _add(table: dict[str, Any], section: str, **values: Any) -> None:
    given = {name: value for name, value in values.items() if value is not None}
    if given:
        table[section] = {**table.get(section, {}), **given}


def _become(arguments: list[str]) -> None:
    """Replace this process by the receiver: signals, exit code and standard streams are then its own."""
    command = program_command(LIVE_MODULE, purpose="rfseg live")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], [*command, *arguments])


def _gain(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of dB nor auto") from None
