"""What the golden tests share: chain, source and sink, and what is known of frames, tracks and messages."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

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
TIMEOUT = 600.0  # s; far beyond what a flowgraph here takes, though other processes may have the processor
FRAME = air.GEOMETRY.frame_samples
_AHEAD = 10 * FRAME


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


class AirSource(gr.sync_block):
    """Plays the air with its tags, in pieces of random size, and posts UHD's overflow message at the gap.

    It pauses before each sample of ``stops`` until :meth:`go_on`.  Where ``told`` says up to which sample bands have been
    told, it is never further ahead of that than ``_AHEAD``: a chain in live mode then has the time that it needs.
    """

    def __init__(
        self,
        samples: air.Air,
        *,
        stops: tuple[int, ...] = (),
        count: int = air.COUNT,
        told: Callable[[], int] | None = None,
        seed: int = 1,
    ) -> None:
        gr.sync_block.__init__(self, name="air_source", in_sig=None, out_sig=[(np.int16, 2)])
        self._air, self._count, self._told = samples, count, told
        self._rng = np.random.default_rng(seed)
        self._tags, self._stops = air.tags(), list(stops)
        self._is_free = threading.Semaphore(0)
        self.set_min_output_buffer(1 << 18)
        self.message_port_register_out(pmt.intern("async_msgs"))

    def go_on(self) -> None:
        """Let it pass one stop."""
        self._is_free.release()

    def work(self, input_items: list, output_items: list) -> int:
        """Write the next piece."""
        start = self.nitems_written(0)
        if self._stops and start == self._stops[0]:
            self._stops.pop(0)
            self._is_free.acquire(timeout=TIMEOUT)  # a test that fails does not set it free
        end = min([self._count, *self._stops[:1]])
        count = min(len(output_items[0]), end - start, int(self._rng.integers(1, 1 << 18)))
        if count == 0:
            return int(gr.WORK_DONE)
        if self._told is not None:
            ears.until(lambda: start + count <= self._told() + _AHEAD)
        output_items[0][:count] = self._air.items(start, count)
        for sample, found in self._tags.items():
            if start <= sample < start + count:
                for key, value in found:
                    self.add_item_tag(0, sample, pmt.intern(key), value)
        if start <= air.GAP < start + count:
            told = pmt.dict_add(pmt.make_dict(), pmt.intern("overflows"), pmt.from_uint64(1))
            self.message_port_pub(pmt.intern("async_msgs"), pmt.cons(pmt.intern("uhd_async_msg"), told))
        return count


class AirSink(gr.sync_block):
    """Compares the stream with the air, bit for bit, and keeps its tags."""

    def __init__(self, samples: air.Air) -> None:
        gr.sync_block.__init__(self, name="air_sink", in_sig=[(np.int16, 2)], out_sig=None)
        self._air = samples
        self.received = self.differing = 0
        self.tags: list[tuple[int, str, object]] = []

    def work(self, input_items: list, output_items: list) -> int:
        """Compare the next piece."""
        items = input_items[0]
        if not np.array_equal(items, self._air.items(self.nitems_read(0), len(items))):
            self.differing += len(items)
        found = self.get_tags_in_window(0, 0, len(items))
        self.tags += [(tag.offset, pmt.symbol_to_string(tag.key), tag.value) for tag in found]
        self.received += len(items)
        return len(items)


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
