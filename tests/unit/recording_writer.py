"""Records a ramp as fast as it can: for each line that it reads in a process to be killed; ``full``: on a small disk."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

from rfseg.bands import Band
from rfseg.recording.filerules import FileRules
from rfseg.recording.recorder import Recorder
from rfseg.recording.stream import StreamChange
from rfseg.sigmf import open_recording

SAMP_RATE = 1e6  # Hz
BLOCK = 5_000  # samples


def main(folder: Path, *, is_full: bool) -> None:
    """Record."""
    events = []
    rules = FileRules() if is_full else FileRules(rotate_bytes=1_000_000, flush_interval=0.001)
    recorder = Recorder(
        folder,
        samp_rate=SAMP_RATE,
        item_type="int16",
        center_freq=1e9,
        mode="lossless",
        files=rules,
        on_event=lambda event, fields: events.append((event, fields)),
    )
    recorder.start()
    for start in range(0, 3_000_000 if is_full else 1 << 40, BLOCK):
        index = np.arange(start, start + BLOCK)
        samples = np.stack([index % 30_000, index // 30_000 % 30_000], -1).astype(np.int16)
        band = Band(
            label="LTE",
            class_id=1,
            confidence=0.9,
            freq_lower_edge=1e9,
            freq_upper_edge=1.001e9,
            freq_reference="rf",
            sample_start=start + 100,
            sample_count=BLOCK,
            model="m",
        )
        changes = [StreamChange(offset=start + 77, center_freq=1e9 + start)] if start // BLOCK % 7 == 0 else []
        recorder.push(samples, bands=[band], changes=changes)
        if start == 10 * BLOCK:
            recorder.drain()
            print(os.getpid(), flush=True)
    counts = recorder.stop()
    opened = [open_recording(path).sample_count for path in sorted(folder.glob("*.sigmf-meta"))]
    totals = {name: getattr(counts, name) for name in ("wanted", "written", "refused")}
    print(json.dumps({**totals, "opened": opened, "event": events[-1][0], "reason": events[-1][1]["reason"]}))


def nurse(folder: Path) -> None:
    """Have a process record for each line that is read, and say when it is gone; one import serves all."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            main(folder, is_full=False)
        os.waitpid(child, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    if sys.argv[2:] == ["full"]:
        main(Path(sys.argv[1]), is_full=True)
    else:
        nurse(Path(sys.argv[1]))
