"""What the golden tests share: the chain under test, and what is known of its frames, tracks and messages."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pmt
from gnuradio import gr, rfseg
from jsonschema import Draft202012Validator

from rfseg.feeds.messages import load_schema


def _load(name: str) -> ModuleType:
    """A module beside this file, which pytest's import mode does not find by itself."""
    spec = importlib.util.spec_from_file_location(f"rfseg_tests_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


air, ears = _load("golden_air"), _load("golden_ears")
SCHEMA = Draft202012Validator(load_schema())
TIMEOUT = 60.0  # s; far beyond what a flowgraph here takes
FRAME = air.GEOMETRY.frame_samples


def plain(value: Any) -> Any:
    """A message's content as JSON has it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple, np.ndarray)) else value


@lru_cache(maxsize=None)
def read_valid(content: str | bytes) -> dict[str, Any]:
    """A message that keeps the schema; several feeds say the same."""
    message = json.loads(content)
    SCHEMA.validate(message)
    return message


def frame_starts(count: int = air.COUNT) -> list[int]:
    """First samples of the frames, by the rules: a retune, the end of settling and a gap begin new ones."""
    cuts = [min(cut, count) for cut in (0, air.RETUNE, air.SETTLED, air.GAP, count)]
    return [start for first, after in zip(cuts, cuts[1:]) for start in range(first, after, FRAME)]


def make_chain(session, *, mode: str, **options) -> rfseg.rf_segmenter:
    """The chain of all runs."""
    chain = rfseg.rf_segmenter(
        air.SAMP_RATE,
        model=session,
        frame_duration=air.FRAME_DURATION,
        mode=mode,
        item_type="int16",
        settling=air.SETTLING_TIME,
        **options,
    )
    for name in ("hold", "pulse_hold", "max_absence"):
        getattr(chain.tracker(), f"set_{name}")(getattr(air, name.upper()))
    return chain


def check_track(told: dict[str, Any], wanted, *, count: int = air.COUNT) -> None:
    """Everything that is known of a track by construction, in a run of so many samples."""
    assert told["label"] == wanted.label
    for key, edge in zip(("freq_lower_edge", "freq_upper_edge"), wanted.source.edges):
        assert abs(told[key] - edge) < air.BIN
    assert abs(told["sample_start"] - wanted.start) < air.ROW
    assert abs(told["sample_start"] + told["sample_count"] - min(wanted.stop, count)) < air.ROW
    assert told["freq_reference"] == "rf"


def run_to_end(top: gr.top_block) -> None:
    """Wait for the end of a flowgraph that has been started; one that hangs fails the test."""
    waiter = threading.Thread(target=top.wait, daemon=True)
    waiter.start()
    waiter.join(TIMEOUT)
    assert not waiter.is_alive(), "the flowgraph does not end"


def tags_of(sink, key: str) -> list[tuple[int, Any]]:
    """Samples and contents of the tags of one key."""
    return [(offset, pmt.to_python(value)) for offset, name, value in sink.tags if name == key]
