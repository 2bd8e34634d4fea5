# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs that segmenter, bands, tracker and a feed share a process, and with it Python's interpreter lock."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from gnuradio import blocks, gr
from rfseg.bench.scene import make_scene
from rfseg.bench.spread import latencies
from rfseg.bench.usage import ThreadTimes, memory_mib
from rfseg.inference import Session

from ..band_feed import band_feed
from ..band_tagger import band_tagger
from ..band_tracker import band_tracker
from ..mask_to_bands import mask_to_bands
from ..rfseg_python import keys
from ..segmenter import segmenter
from ..spectrogram_sink import frame_geometry, spectrogram_sink
from .chains import watch
from .ends import scene_source

__all__ = ["STAGES", "measure_process"]

STAGES = ("spectrogram", "segmenter", "bands", "tracker", "tagger", "feed")  # each with all before it
_PERIOD = 2e-3  # s between two looks at the lock
_WARM_UP = 1.0  # s
# What Python does between two sleeps, in a process that has no other thread: what the machine itself costs.
_ALONE = """
import json, sys, time
late = []
while not sys.stdin.closed and len(late) < int(sys.argv[1]):
    begin = time.perf_counter(); time.sleep({period}); late.append(time.perf_counter() - begin - {period})
print(json.dumps(late))
""".format(period=_PERIOD)


def measure_process(
    *,
    model: str,
    samp_rate: float,
    frame_duration: float,
    stage: str,
    seconds: float,
    threads: int = 1,
    has_radar: bool = True,
) -> dict[str, Any]:
    """Processor time, and how long a thread waits for the interpreter lock, with the chain up to a stage, live."""
    session = Session(model, threads=threads)
    with tempfile.TemporaryDirectory() as folder:
        top, source, held = _make(session, samp_rate, frame_duration, has_radar, stage, Path(folder) / "bands.jsonl")
        top.start()
        try:
            time.sleep(min(_WARM_UP, seconds))  # until the ring is full and the clock runs
            figures = _watch(seconds)
        finally:
            source.end()
            top.stop()
            top.wait()
    figures["lag"] = latencies(source.lags)
    if "segmenter" in held:
        block = held["segmenter"]
        figures |= {"inferred": block.inferred(), "dropped": block.dropped()}
    return {"stage": stage, **figures}


def _watch(seconds: float) -> dict[str, Any]:
    looks = max(1, int(seconds / _PERIOD))
    alone = subprocess.Popen(
        [sys.executable, "-c", _ALONE, str(looks)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    late: list[float] = []
    ended = threading.Event()
    probe = threading.Thread(target=_probe, args=(late, ended), name="lock probe")
    used, begin = ThreadTimes(), time.monotonic()
    probe.start()
    list(watch(seconds))
    elapsed, spent = time.monotonic() - begin, used.seconds()
    ended.set()
    probe.join()
    answer, _ = alone.communicate()
    return {
        "seconds": elapsed,
        "cores": {name: round(s / elapsed, 4) for name, s in spent.items() if s > 1e-3 * elapsed and name != "lock probe"},
        "wait": latencies(late),
        "wait_alone": latencies(json.loads(answer)),
        "memory": memory_mib(),
    }


def _probe(late: list[float], ended: threading.Event) -> None:
    """Sleep and see how much later than asked for Python goes on: the machine's share, and the wait for the lock."""
    while not ended.is_set():
        begin = time.perf_counter()
        time.sleep(_PERIOD)
        late.append(time.perf_counter() - begin - _PERIOD)


def _make(
    session: Session, samp_rate: float, frame_duration: float, has_radar: bool, stage: str, path: Path
) -> tuple[gr.top_block, scene_source, dict[str, gr.basic_block]]:
    contract = session.contract
    shape = {"model": contract, "frame_duration": frame_duration}
    geometry = frame_geometry(samp_rate, **shape)
    top = gr.top_block()
    scene = make_scene(samp_rate, 2 * geometry.frame_samples, has_radar=has_radar)
    source = scene_source(scene, samp_rate, is_paced=True)
    rows = spectrogram_sink(samp_rate, **shape, mode="live")
    top.connect(source, rows)
    held: dict[str, gr.basic_block] = {"spectrogram": rows}
    last = STAGES.index(stage)
    if last >= STAGES.index("segmenter"):
        held["segmenter"] = block = segmenter(samp_rate, **{**shape, "model": session}, mode="live")
        top.connect(rows, block)
    else:
        top.connect(rows, blocks.null_sink(geometry.row_size * gr.sizeof_float))
    if last >= STAGES.index("bands"):
        held["bands"] = mask_to_bands(samp_rate, **shape, mode="live")
        for port in range(3):
            top.connect((block, port), (held["bands"], port))
    elif last == STAGES.index("segmenter"):
        for port in range(2):
            top.connect((block, port), blocks.null_sink(geometry.bins))
    if last >= STAGES.index("tracker"):
        held["tracker"] = band_tracker(model=contract)
        top.msg_connect(held["bands"], keys.BANDS, held["tracker"], keys.BANDS)
    if last >= STAGES.index("tagger"):
        held["tagger"] = band_tagger(samp_rate, **shape, mode="live")
        top.connect(source, held["tagger"], blocks.null_sink(gr.sizeof_gr_complex))
        top.msg_connect(held["tracker"], keys.BANDS, held["tagger"], keys.BANDS)
    if last >= STAGES.index("feed"):
        held["feed"] = band_feed(f"file:{path}")
        top.msg_connect(held["tracker"], keys.BANDS, held["feed"], keys.BANDS)
    return top, source, held
