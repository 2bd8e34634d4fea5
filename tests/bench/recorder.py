"""How fast the recorder writes complex int16: alone and in a flowgraph, with the processor time that it takes.

``python tests/bench/recorder.py FOLDER`` writes for some seconds into the folder and removes what it wrote.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from rfseg.recording.filerules import FileRules
from rfseg.recording.recorder import Recorder, RecorderCounts

SAMP_RATE = 61.44e6  # Hz; sizes blocks and queue
CHUNK = 16_384  # samples that a scheduler hands over at once
RULES = {"rotate_bytes": 1 << 30, "quota_bytes": 3 << 30, "on_full": "delete_oldest"}
SAMPLES = np.random.default_rng(0).integers(-2000, 2000, (CHUNK, 2), dtype=np.int16)


def alone(folder: Path, seconds: float, sync: str) -> RecorderCounts:
    """The library, pushed as fast as it takes."""
    recorder = Recorder(
        folder, samp_rate=SAMP_RATE, item_type="int16", files=FileRules(sync=sync, **RULES), mode="lossless"
    )
    recorder.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        recorder.push(SAMPLES)
    return recorder.stop()


def flowgraph(folder: Path, seconds: float, sync: str) -> RecorderCounts:
    """The block behind a source that costs next to nothing."""
    from gnuradio import blocks, gr, rfseg

    top = gr.top_block()
    source = blocks.null_source(SAMPLES.itemsize * 2)
    recorder = rfseg.sigmf_recorder(
        SAMP_RATE, folder, item_type="int16", record="all", mode="lossless", sync=sync, **RULES
    )
    top.connect(source, recorder)
    top.start()
    time.sleep(seconds)  # what is measured
    top.stop()
    top.wait()
    return recorder.counts()


def raw(folder: Path, seconds: float, sync: str) -> RecorderCounts:
    """Plain writes, for comparison."""
    count, block = 0, bytes(SAMPLES.tobytes() * 16)
    end = time.monotonic() + seconds
    with open(folder / "raw", "wb", buffering=0) as file:
        while time.monotonic() < end:
            file.write(block)
            count += len(block) // 4
            if count % (1 << 28) == 0:  # as large as a file of the others
                os.fdatasync(file.fileno())
                file.truncate(0)
                file.seek(0)
        os.fdatasync(file.fileno())
    return RecorderCounts(wanted=count, written=count)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--sync", default="file", choices=("flush", "file", "never"))
    options = parser.parse_args()
    for measure in (raw, alone, flowgraph):
        folder = Path(tempfile.mkdtemp(dir=options.folder))
        try:
            begin, processor = time.monotonic(), time.process_time()
            counts = measure(folder, options.seconds, options.sync)
            wall, processor = time.monotonic() - begin, time.process_time() - processor
            rate = counts.written / wall / 1e6
            print(
                f"{measure.__name__:9s} {rate:6.1f} MS/s sustained ({4 * rate:.0f} MB/s), processor"
                f" {1e9 * processor / counts.written:.2f} ns a sample ({counts.written / processor / 1e6:.0f} MS/s a core)",
                flush=True,
            )
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
