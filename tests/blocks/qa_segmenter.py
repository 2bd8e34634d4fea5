"""Segmentation Inference, fed by STFT Spectrogram Sink: states, models, errors, start and stop."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr, rfseg

from rfseg.errors import ContractError, GeometryError, OptionError
from rfseg.modelfile import load_contract

SAMP_RATE = 15.36e6  # Hz
FRAME_DURATION = 2e-3  # s
THRESHOLD_MODEL = Path(__file__).parents[1] / "models" / "threshold.onnx"
ROWS, BINS = 256, 64
FRAME = 30_720  # samples
TIMEOUT = 10.0  # s; far longer than anything here takes


def signal(kit, frames: float, *, seed: int = 0) -> np.ndarray:
    """Noise with a carrier on bins 20 to 30."""
    count = int(frames * FRAME)
    return kit.noise(count, level_db=-90.0, seed=seed) + kit.comb(count, bins=BINS, first=20, last=30, level_db=-50.0)


class Bench:
    """Source, spectrogram, segmenter and what collects its outputs, in one flowgraph."""

    def __init__(self, kit, session, *, source, mode: str = "lossless", **options) -> None:
        self.top = gr.top_block()
        self.source = source
        self.spectrogram = rfseg.spectrogram_sink(
            SAMP_RATE, model=THRESHOLD_MODEL, frame_duration=FRAME_DURATION, mode=mode
        )
        self.segmenter = rfseg.segmenter(
            SAMP_RATE, model=session, frame_duration=FRAME_DURATION, mode=mode, **options
        )
        self.mask, self.confidence = blocks.vector_sink_b(BINS), blocks.vector_sink_b(BINS)
        self.rows = blocks.vector_sink_f(2 * BINS)
        self.rows_in = blocks.vector_sink_f(2 * BINS)
        self.status = kit.message_log()
        self.top.connect(source, self.spectrogram, self.segmenter)
        self.top.connect(self.spectrogram, self.rows_in)
        for port, sink in enumerate((self.mask, self.confidence, self.rows)):
            self.top.connect((self.segmenter, port), sink)
        self.top.msg_connect(self.segmenter, "status", self.status, "in")

    def masks(self) -> np.ndarray:
        """Frames of the mask, uint8 ``(n, T, F)``."""
        return np.array(self.mask.data(), np.uint8).reshape(-1, ROWS, BINS)

    def states(self) -> list[str]:
        """State of each frame, from the tags of the mask."""
        return [pmt.to_python(tag.value)["state"] for tag in self.mask.tags()]

    def models(self) -> list[str]:
        """Model of each frame, from the tags of the mask."""
        return [pmt.to_python(tag.value)["model"] for tag in self.mask.tags()]

    def events(self, event: str) -> list[dict]:
        """Status messages of one kind."""
        return [m for m in self.status.messages if m["event"] == event]


def damaged(model: str, folder, old: bytes, new: bytes) -> str:
    """Path of a copy of the model in which ``old`` is replaced by as many other bytes."""
    content = Path(model).read_bytes()
    assert len(old) == len(new) and content.count(old) >= 1
    path = folder / "damaged.onnx"
    path.write_bytes(content.replace(old, new))
    return str(path)


@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_every_row_becomes_a_mask_row_and_each_frame_keeps_its_tag(kit, threshold_session, mode):
    bench = Bench(kit, threshold_session, source=kit.array_source(signal(kit, 5.4)), mode=mode, queue_depth=10)
    kit.run(bench.top)
    masks = bench.masks()
    assert len(masks) == 6 and bench.states() == ["inferred"] * 6
    assert [t.offset for t in bench.mask.tags()] == [ROWS * k for k in range(6)]
    assert np.all(masks[:5, :, 22:29] == 1) and np.all(masks[:5, :, :15] == 0)

    valid_rows = -(-int(0.4 * FRAME) // 120)
    assert np.all(masks[5, :valid_rows] != 255) and np.all(masks[5, valid_rows:] == 255)
    confidences = np.array(bench.confidence.data(), np.uint8).reshape(masks.shape)
    assert np.array_equal(confidences == 0, masks == 255)
    assert np.array_equal(bench.rows.data(), bench.rows_in.data())

    tags = [pmt.to_python(t.value) for t in bench.mask.tags()]
    assert [t["valid_samples"] for t in tags] == [FRAME] * 5 + [int(0.4 * FRAME)]
    assert [t["last"] for t in tags] == [False] * 5 + [True]
    assert {t["model"] for t in tags} == {"threshold"}
    assert bench.segmenter.frames() == bench.segmenter.inferred() == 6
    assert bench.events("progress")[-1]["frames"] == 6


def test_live_mode_publishes_a_result_at_once_and_without_more_input(kit, threshold_session):
    # The scheduler looks at a block without input four times a second; woken, the block publishes in milliseconds.  On a
    # busy machine most results may take longer, but with nobody to wake it none comes before the scheduler looks again.
    class Stepped:
        """A backend that infers one frame for each permit."""

        contract = threshold_session.contract
        permits = threading.Semaphore(0)

        def run(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """Wait for a permit, then segment."""
            assert self.permits.acquire(timeout=TIMEOUT)
            return threshold_session.run(rows)

    frames = 9
    session, source, log = Stepped(), kit.array_source(signal(kit, frames + 0.5), is_open=True), kit.message_log()
    top = gr.top_block()
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=session, frame_duration=FRAME_DURATION, mode="live", queue_depth=frames
    )
    top.connect(source, chain)
    top.msg_connect(chain, "bands", log, "in")
    top.start()
    wait_until(lambda: chain._segmenter.nitems_read(0) == frames * ROWS)
    latencies = []
    for count in range(1, frames + 1):
        begin = time.monotonic()
        session.permits.release()
        log.wait_for(lambda messages: len(messages) == count)  # the source still holds the stream open
        latencies.append(time.monotonic() - begin)
    session.permits.release()
    source.end.set()
    top.wait()
    assert min(latencies) < 0.15
    assert [m["state"] for m in log.messages] == ["inferred"] * (frames + 1)


def wait_until(condition) -> None:
    """Until the condition holds; fails after a while."""
    pause, end = threading.Event(), time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "it never came true"
        pause.wait(1e-3)


@pytest.mark.parametrize("policy, kept", [("drop_oldest", [0, 7, 8, 9]), ("drop_newest", [0, 1, 2, 9])])
def test_a_full_queue_drops_by_policy_and_keeps_the_order(kit, stub_session, policy, kept):
    # The first frame is in work while eight more come, two of which may wait.  The last one waits for its
    # place in the queue, since nothing follows it.
    stub_session.gate.clear()
    source = kit.array_source(signal(kit, 9.5), is_open=True, pause_at=FRAME + FRAME // 2)
    bench = Bench(kit, stub_session, source=source, mode="live", queue_depth=2, policy=policy, workers=1)
    bench.top.start()
    assert stub_session.begun.wait(TIMEOUT)
    source.go_on.set()
    wait_until(lambda: bench.segmenter.nitems_read(0) == 9 * ROWS)
    assert bench.segmenter.frames() == 0
    stub_session.gate.set()
    source.end.set()
    bench.top.wait()
    assert [k for k, state in enumerate(bench.states()) if state == "inferred"] == kept
    assert bench.segmenter.dropped() == 6
    masks = bench.masks()
    rows = np.array(bench.rows.data(), np.float32).reshape(10, ROWS, -1)
    for k, state in enumerate(bench.states()):
        assert np.all(masks[k] == 255) == np.all(np.isnan(rows[k])) == (state == "dropped")
    assert bench.events("dropped")[-1]["policy"] == policy


def test_an_error_of_the_backend_fails_the_frame_and_not_the_stream(kit, stub_session, caplog):
    stub_session.error = RuntimeError("out of memory")
    for mode in ("lossless", "live"):
        caplog.clear()
        source = kit.array_source(signal(kit, 3))
        bench = Bench(kit, stub_session, source=source, mode=mode, queue_depth=10, workers=1)
        kit.run(bench.top)
        assert bench.states() == ["failed"] * 3 and bench.segmenter.failed() == 3
        assert np.all(bench.masks() == 255)
        assert [r.message for r in caplog.records] == ["model 'threshold' failed on frame 0: out of memory"]
        assert bench.events("progress")[-1]["failed"] == 3


def test_a_rate_that_the_model_does_not_cover_is_masked_and_reported_once(kit, threshold_session):
    tags = {
        2 * FRAME: [("rx_rate", pmt.from_double(30.72e6))],
        4 * FRAME: [("rx_rate", pmt.from_double(SAMP_RATE))],
    }
    bench = Bench(kit, threshold_session, source=kit.array_source(signal(kit, 6), tags=tags))
    kit.run(bench.top)
    assert bench.states() == ["inferred"] * 2 + ["unsupported_rate"] * 2 + ["inferred"] * 2
    assert np.all(bench.masks()[2:4] == 255)
    assert [e["samp_rate"] for e in bench.events("unsupported_rate")] == [30.72e6]
    assert bench.segmenter.unsupported() == 2


def test_a_rate_that_the_model_covers_goes_on_being_inferred(kit, threshold_session):
    tags = {2 * FRAME + 7: [("rx_rate", pmt.from_double(15.4e6))]}  # the same bins and hop
    bench = Bench(kit, threshold_session, source=kit.array_source(signal(kit, 4), tags=tags))
    kit.run(bench.top)
    assert bench.states() == ["inferred"] * 5
    rates = [pmt.to_python(tag.value)["samp_rate"] for tag in bench.mask.tags()]
    assert rates == [SAMP_RATE] * 3 + [15.4e6] * 2
    assert not bench.events("unsupported_rate")


@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_frames_in_which_the_receiver_settles_are_not_judged(kit, stub_session, mode):
    tags = {2 * FRAME: [("rx_freq", pmt.from_double(3.5e9))]}
    source = kit.array_source(signal(kit, 6), tags=tags)
    bench = Bench(kit, stub_session, source=source, mode=mode, queue_depth=10)
    bench.spectrogram.set_settling(1.5 * FRAME / SAMP_RATE)
    kit.run(bench.top)
    assert bench.states() == ["inferred"] * 2 + ["settling"] * 2 + ["inferred"] * 3
    assert bench.segmenter.settling() == 2 and bench.segmenter.inferred() == stub_session.runs == 5
    masks, rows = bench.masks(), np.reshape(bench.rows.data(), (-1, ROWS, 2 * BINS))
    assert np.all(masks[2:4] == 255) and np.all(np.isnan(rows[2:4]))
    assert np.all(masks[4, :, 22:29] == 1) and not np.isnan(rows[4]).any()


def test_frames_in_which_the_receiver_settles_drop_no_other(kit, stub_session):
    stub_session.gate.clear()
    tags = {FRAME: [("rx_freq", pmt.from_double(3.5e9))]}
    source = kit.array_source(signal(kit, 5), tags=tags, is_open=True, pause_at=FRAME + 1)
    bench = Bench(kit, stub_session, source=source, mode="live", queue_depth=1)
    bench.spectrogram.set_settling(3 * FRAME / SAMP_RATE)
    bench.top.start()
    assert stub_session.begun.wait(TIMEOUT)
    source.go_on.set()
    wait_until(lambda: bench.segmenter.nitems_read(0) >= 4 * ROWS)  # one in work, three settling, one on its way
    stub_session.gate.set()
    source.end.set()
    bench.top.wait()
    assert bench.states() == ["inferred"] + ["settling"] * 3 + ["inferred"]


def test_rows_without_frames_end_the_flowgraph_with_the_reason(kit, threshold_session):
    top = gr.top_block()
    segmenter = rfseg.segmenter(SAMP_RATE, model=threshold_session, frame_duration=FRAME_DURATION, mode="lossless")
    source = kit.array_source(np.zeros((600, 2 * BINS), np.float32))
    sinks, log = [blocks.null_sink(BINS), blocks.null_sink(BINS)], kit.message_log()
    top.connect(source, segmenter)
    for port, sink in enumerate(sinks):
        top.connect((segmenter, port), sink)
    top.msg_connect(segmenter, "status", log, "in")
    kit.run(top)
    assert "row 0 begins a frame but carries no tag rfseg_frame" in log.messages[0]["reason"]


def test_frames_of_another_duration_end_the_flowgraph_with_the_reason(kit, threshold_session):
    top = gr.top_block()
    spectrogram = rfseg.spectrogram_sink(SAMP_RATE, model=THRESHOLD_MODEL, frame_duration=4e-3, mode="lossless")
    segmenter = rfseg.segmenter(SAMP_RATE, model=threshold_session, frame_duration=2e-3, mode="lossless")
    source, log = kit.array_source(signal(kit, 4)), kit.message_log()
    sinks = [blocks.null_sink(BINS), blocks.null_sink(BINS)]
    top.connect(source, spectrogram, segmenter)
    for port, sink in enumerate(sinks):
        top.connect((segmenter, port), sink)
    top.msg_connect(segmenter, "status", log, "in")
    kit.run(top)
    assert "frames cover 61440 samples, expected 30720" in log.messages[0]["reason"]


# -- models


def test_bad_models_are_refused_at_construction(threshold_model, tmp_path):
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(np.random.default_rng(0).bytes(4096))
    bare = damaged(threshold_model, tmp_path, b"rfseg_contract", b"other_contract")
    cases = [
        ("no-such-model", ContractError, "model 'no-such-model' is unknown; known: "),
        (str(tmp_path / "missing.onnx"), ContractError, "does not exist"),
        (str(empty), ContractError, "empty.onnx"),
        (str(noise), ContractError, "is not an ONNX model"),
        (bare, ContractError, "carries no contract"),
    ]
    for build in (rfseg.segmenter, rfseg.rf_segmenter):
        for model, error, text in cases:
            with pytest.raises(error) as caught:
                build(SAMP_RATE, model=model)
            assert text in str(caught.value)


def test_a_model_that_fails_its_self_test_is_refused(threshold_model, tmp_path):
    threshold = np.float32(-70.0).tobytes()
    path = damaged(threshold_model, tmp_path, threshold, np.float32(-95.0).tobytes())
    with pytest.raises(ContractError, match="fails its self-test"):
        rfseg.segmenter(SAMP_RATE, model=path)


@pytest.mark.parametrize("build", [rfseg.segmenter, rfseg.rf_segmenter, rfseg.mask_to_bands])
def test_a_rate_or_duration_outside_the_contract_is_refused_at_construction(build, threshold_model):
    with pytest.raises(GeometryError, match="samp_rate=7.68e.06 Hz is outside"):
        build(7.68e6, model=threshold_model)
    with pytest.raises(GeometryError, match="frame_duration=0.1 s is outside"):
        build(SAMP_RATE, model=threshold_model, frame_duration=0.1)


@pytest.mark.parametrize("build", [rfseg.segmenter, rfseg.rf_segmenter])
def test_unknown_options_are_refused_at_construction(build, threshold_model):
    cases = [
        ({"mode": "fast"}, "mode='fast' is unknown, expected one of live, lossless"),
        ({"policy": "drop_all"}, "policy='drop_all' is unknown, expected one of drop_oldest, drop_newest"),
        ({"queue_depth": 0}, "queue_depth=0 must be an integer of at least 1"),
    ]
    for options, text in cases:
        with pytest.raises(OptionError, match=text):
            build(SAMP_RATE, model=threshold_model, **options)


def renamed(model: str, folder, name: str) -> str:
    """A copy of the model under another name of nine letters."""
    path = damaged(model, folder, b'"name": "threshold"', b'"name": "%s"' % name.encode())
    assert load_contract(path).name == name
    return path


@pytest.mark.parametrize("way", ["message", "setter"])
@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_another_model_takes_over_at_a_frame_boundary(kit, threshold_model, stub_session, tmp_path, mode, way):
    other = renamed(threshold_model, tmp_path, "successor")
    iq = signal(kit, 40)
    stub_session.gate.clear()
    bench = Bench(kit, stub_session, source=kit.array_source(iq), mode=mode, queue_depth=100, workers=1)
    bench.top.start()
    assert stub_session.begun.wait(TIMEOUT)  # the first frame is in work
    if way == "setter":
        bench.segmenter.set_model(other)
    else:
        bench.segmenter.to_basic_block()._post(pmt.intern("model"), pmt.intern(other))
    wait_until(lambda: bench.segmenter._judge._next is not None)
    stub_session.gate.set()
    bench.top.wait()
    models = bench.models()
    assert bench.states() == ["inferred"] * 40
    assert models == ["threshold"] + ["successor"] * 39


@pytest.mark.parametrize(
    "old, new, reason",
    [
        (b'"label": "Radar"', b'"label": "Sonar"', "has the classes Noise, LTE, NR, Sonar, expected"),
        (b'"samp_rate_range": [15360000.0', b'"samp_rate_range": [20000000.0', "the stream runs at"),
        (b"rfseg_contract", b"other_contract", "carries no contract"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_and_the_old_one_stays(
    kit, threshold_session, threshold_model, tmp_path, old, new, reason
):
    path = damaged(threshold_model, tmp_path, old, new)
    source = kit.array_source(signal(kit, 4), is_open=True)
    bench = Bench(kit, threshold_session, source=source)
    bench.top.start()
    bench.segmenter.set_model(path)
    bench.status.wait_for(lambda messages: any(m["event"] == "model_refused" for m in messages))
    source.end.set()
    bench.top.wait()
    refused = bench.events("model_refused")
    assert len(refused) == 1 and reason in refused[0]["reason"]
    assert bench.segmenter.model() == "threshold" and bench.states() == ["inferred"] * 4


@pytest.mark.parametrize("message", [pmt.PMT_T, pmt.from_double(1.0), pmt.make_dict(), pmt.intern("")])
def test_a_malformed_message_is_counted_and_reported(kit, threshold_session, message):
    source = kit.array_source(signal(kit, 3), is_open=True)
    bench = Bench(kit, threshold_session, source=source)
    bench.top.start()
    for _ in range(2):
        bench.segmenter.to_basic_block()._post(pmt.intern("model"), message)
    bench.status.wait_for(lambda messages: sum(m["event"] == "bad_message" for m in messages) == 2)
    source.end.set()
    bench.top.wait()
    assert [e["total"] for e in bench.events("bad_message")] == [1, 2]
    assert bench.events("bad_message")[0]["port"] == "model"
    assert bench.states() == ["inferred"] * 3


# -- start and stop


@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_it_stops_while_it_is_busy(kit, stub_session, mode):
    stub_session.gate.clear()
    top = gr.top_block()
    chain = rfseg.rf_segmenter(SAMP_RATE, model=stub_session, frame_duration=FRAME_DURATION, mode=mode)
    source = blocks.null_source(gr.sizeof_gr_complex)
    top.connect(source, chain)
    top.start()
    assert stub_session.begun.wait(TIMEOUT)
    stopper = threading.Thread(target=lambda: (top.stop(), top.wait()), daemon=True)
    stopper.start()
    stub_session.gate.set()  # the frame in work ends; no other begins
    stopper.join(TIMEOUT)
    assert not stopper.is_alive()


@pytest.mark.parametrize("mode", ["lossless", "live"])
def test_a_second_run_repeats_the_first(kit, threshold_session, mode):
    iq = signal(kit, 6.5)
    top = gr.top_block()
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=threshold_session, frame_duration=FRAME_DURATION, mode=mode, queue_depth=10, hold=5.0
    )
    source, sink = blocks.vector_source_c(iq, False), blocks.vector_sink_c()
    log = kit.message_log()
    top.connect(source, chain, sink)
    top.msg_connect(chain, "bands", log, "in")
    runs = []
    for _ in range(2):
        source.rewind()
        sink.reset()
        log.messages.clear()
        kit.run(top)
        tags = [(t.offset, pmt.symbol_to_string(t.key)) for t in sink.tags()]
        runs.append((list(log.messages), tags, np.array(sink.data(), np.complex64)))
        assert chain.frames() == chain.inferred() == 7
    assert runs[0][0] == runs[1][0] and runs[0][1] == runs[1][1]
    assert np.array_equal(runs[0][2], iq) and np.array_equal(runs[1][2], iq)


def test_a_stopped_run_leaves_nothing_to_the_next(kit, stub_session):
    stub_session.delay = 1e-3
    top = gr.top_block()
    chain = rfseg.rf_segmenter(SAMP_RATE, model=stub_session, frame_duration=FRAME_DURATION, mode="lossless")
    source, head = blocks.null_source(gr.sizeof_gr_complex), blocks.head(gr.sizeof_gr_complex, 20 * FRAME)
    log = kit.message_log()
    top.connect(source, head, chain)
    top.msg_connect(chain, "bands", log, "in")
    top.start()
    log.wait_for(lambda messages: len(messages) > 2)
    top.stop()
    top.wait()
    log.messages.clear()
    head.reset()
    kit.run(top)
    second = log.messages[-20:]  # what the log had not read of the first run comes before
    assert [m["index"] for m in second] == list(range(20))
    assert log.messages[-1]["watermark"] == 20 * FRAME


def test_a_sender_of_model_messages_that_ends_does_not_end_the_stream(kit, stub_session):
    # GNU Radio tells the receivers of a block that has ended; those without streams end as well.
    stub_session.gate.clear()
    bench = Bench(kit, stub_session, source=kit.array_source(signal(kit, 5)), mode="live", queue_depth=10)
    bench.top.start()
    assert stub_session.begun.wait(TIMEOUT)
    kit.end(bench.segmenter)
    stub_session.gate.set()
    bench.top.wait()
    assert bench.states() == ["inferred"] * 5
