"""What bands cost behind the network: ``bands.py [--frames N] [--rounds N] [--before FOLDER]``.

Made-up frames of 20 ms at 61.44 MS/s with three carriers and so many pulses that 5, 30 or 90 bands are found; milliseconds of
processor time a frame, median of the rounds, for each step from masks to messages, tracks and lines of JSON.  ``--before`` names a
folder with another state of ``rfseg`` and ``gnuradio/rfseg``, which a second process measures in turns with this one: the last
column is the ratio, round by round.  ``--check`` compares what both say of the same frames instead.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any, Callable, Iterator

import numpy as np
from gnuradio.rfseg.feed_messages import bands_of
from gnuradio.rfseg.messages import BandsMessage, FrameTag
from gnuradio.rfseg.track_messages import track_event_to_pmt

from rfseg.bands import mask_to_bands
from rfseg.contract import ClassKind, SignalClass
from rfseg.feeds.messages import to_json
from rfseg.geometry import Frame, make_geometry
from rfseg.bands.noisefloor import NoiseFloor
from rfseg.pipeline import FrameState
from rfseg.tracking import BandTracker

RATE = 61.44e6
GEOMETRY = make_geometry(RATE)
CLASSES = tuple(
    SignalClass(label=label, kind=kind)
    for label, kind in (
        ("Noise", ClassKind.BACKGROUND),
        ("LTE", ClassKind.CARRIER),
        ("NR", ClassKind.CARRIER),
        ("Radar", ClassKind.PULSED),
    )
)
LTE, NR, RADAR = 1, 2, 3
CARRIERS = ((LTE, 20, 80, 0, 256), (NR, 150, 190, 0, 128), (LTE, 215, 240, 77, 230))  # class, bins, rows
PLACES = np.array([60, 100, 112, 124, 136, 196, 206, 228, 246])  # bins in which pulses are, with carriers and without
COUNTS = (5, 30, 90)
MOST_WIDE = 20  # bins
SHOWN = 8  # different frames


def make_air(bands: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mask and confidence, uint8 ``(T, F)``, and rows in dBFS, float32 ``(C, T, F)``, of a frame."""
    rng = np.random.default_rng([bands, seed])
    shape = GEOMETRY.rows, GEOMETRY.bins
    level, mask = np.full(shape, 1e-8), np.zeros(shape, np.uint8)
    for class_id, left, right, first, stop in CARRIERS:
        level[first:stop, left:right], mask[first:stop, left:right] = 1e-6, class_id
    mean = level * rng.gamma(GEOMETRY.segments_per_row, 1 / GEOMETRY.segments_per_row, shape)
    peak = level * rng.gumbel(4.0, 0.8, shape).clip(2.0)
    pulses = bands - len(CARRIERS)
    for row in np.sort(rng.choice(np.arange(1, GEOMETRY.rows // 2 - 1), pulses, replace=False)) * 2:
        width, rows = int(rng.integers(3, MOST_WIDE)), int(rng.integers(1, 3))
        left = int(rng.choice(PLACES)) - width // 2
        strength = 1e-8 * 10 ** rng.uniform(0.5, 5)
        shape_ = np.hanning(width + 2)[1:-1]
        box = slice(row, row + (rows if pulses < 64 else 1)), slice(max(0, left), left + width)
        shape_ = shape_[-(box[1].stop - box[1].start) :][: GEOMETRY.bins - box[1].start]
        mean[box] += 0.1 * strength * shape_
        peak[box] += strength * shape_
        mask[box] = RADAR
    rows = (10 * np.log10(np.stack([mean, np.maximum(mean, peak)]))).astype(np.float32)
    return mask, rng.integers(150, 256, mask.shape, np.uint8), rows


class Chain:
    """The steps behind the network, for one number of bands."""

    def __init__(self, bands: int) -> None:
        self.air = [make_air(bands, seed) for seed in range(SHOWN)]
        self.noise, self.tracker = NoiseFloor(), BandTracker(CLASSES)
        self.seconds: dict[str, float] = {}
        self.frames = self.first_id = 0

    def step(self) -> list[str]:
        """A frame; the lines that a feed would write."""
        mask, confidence, rows = self.air[self.frames % SHOWN]
        size = GEOMETRY.frame_samples
        place = {"sample_start": self.frames * size, "sample_count": size, "valid_samples": size}
        frame = Frame(index=self.frames, samp_rate=RATE, center_freq=3.6e9, **place)
        tag = FrameTag(frame=frame, state=FrameState.INFERRED, model="rf-segmenter")
        fields = {"frame": frame, "geometry": GEOMETRY, "classes": CLASSES, "noise": self.noise, "model": tag.model}
        found = self._timed("find", lambda: mask_to_bands(mask, confidence, rows, first_id=self.first_id, **fields))
        sent = self._timed("to PMT", lambda: BandsMessage(tag=tag, bands=tuple(found)).to_pmt())
        read = self._timed("from PMT", lambda: BandsMessage.from_pmt(sent))
        tracked = self._timed("track", lambda: self.tracker.step(read.tag.frame, read.bands))
        message = BandsMessage(tag=read.tag, bands=tracked.bands)
        sent = self._timed("tracked to PMT", lambda: (message.to_pmt(), list(map(track_event_to_pmt, tracked.events)))[0])
        content = self._timed("feed: from PMT", lambda: bands_of(sent))
        line = self._timed("feed: JSON", lambda: to_json(content))
        self.frames, self.first_id = self.frames + 1, self.first_id + len(found)
        return [line, *(to_json(event.to_fields()) for event in tracked.events)]

    def measure(self, frames: int) -> dict[str, float]:
        """Milliseconds a frame by step."""
        self.seconds = {}
        for _ in range(frames):
            self.step()
        return {name: 1e3 * value / frames for name, value in self.seconds.items()}

    def _timed(self, name: str, act: Callable[[], Any]) -> Any:
        begin = time.process_time()
        result = act()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - begin
        return result


def serve() -> None:
    """Answer on stdout to lines ``measure FRAMES`` and ``check FRAMES``."""
    chains = {count: Chain(count) for count in COUNTS}
    for line in sys.stdin:
        action, frames = line.split()
        if action == "measure":
            answer = {count: chain.measure(int(frames)) for count, chain in chains.items()}
        else:
            answer = {count: [json.loads(text) for _ in range(int(frames)) for text in chain.step()] for count, chain in chains.items()}
        print(json.dumps(answer), flush=True)


class Process:
    """One state of the software."""

    def __init__(self, folder: str | None) -> None:
        environment = {**os.environ, **({"PYTHONPATH": folder} if folder else {})}
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, action: str, frames: int) -> dict[str, Any]:
        """Its answer."""
        self._process.stdin.write(f"{action} {frames}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait()


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two answers differ by more than rounding."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, pair in enumerate(zip(one, other)):
            yield from differences(*pair, f"{path}/{place}")
    elif one != other and not (isinstance(one, float) and abs(one - other) <= 1e-6 * abs(one)):
        yield f"{path}: {one!r} is not {other!r}"


def report(rounds: list[list[dict[str, Any]]]) -> None:
    """Medians by count and step, and ratios to the first process where there are two."""
    for count in map(str, COUNTS):
        print(f"\n{count} bands")
        steps = list(rounds[0][-1][count])
        for name in [*steps, "all"]:
            series = [
                [sum(answers[n][count].values()) if name == "all" else answers[n][count][name] for answers in rounds]
                for n in range(len(rounds[0]))
            ]
            texts = [f"{statistics.median(values):8.3f}" for values in series]
            if len(series) == 2:
                ratios = [after / before for before, after in zip(*series)]
                texts.append(f"   {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
            print(f"  {name:16}", *texts)


def main() -> None:
    """Measure, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--before")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    processes = [Process(folder) for folder in ([options.before] if options.before else []) + [None]]
    if options.check:
        found = list(differences(*(process.ask("check", options.frames) for process in processes)))
        print(*found[:20], f"{len(found)} differences", sep="\n")
    else:
        for process in processes:
            process.ask("measure", options.frames)  # warm
        report([[process.ask("measure", options.frames) for process in processes] for _ in range(options.rounds)])
    for process in processes:
        process.close()


if __name__ == "__main__":
    main()
