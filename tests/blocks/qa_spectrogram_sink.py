# SPDX-License-Identifier: GPL-3.0-or-later
"""STFT Spectrogram Sink in flowgraphs: every sample in exactly one frame, whatever happens."""

import threading
import time

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr

from gnuradio.rfseg import rfseg_python
from gnuradio.rfseg.rfseg_python import keys
from rfseg.geometry import Geometry, RxTime
from rfseg.spectrogram import frame_rows

PATIENCE = 20.0  # s, far beyond what any flowgraph here takes
ROWS_DB = 0.01  # dB, noise has no deep nulls in rows of several segments
GEOMETRY = Geometry(samp_rate=1e6, fft_size=64, hop=30, segments_per_row=3, rows=8)
FRAME = GEOMETRY.frame_samples  # 720
CENTER = 2.4e9
ITEM_SOURCES = {
    "complex64": (np.complex64, gr.sizeof_gr_complex),
    "int16": (np.int16, 4),
    "int8": (np.int8, 2),
}


class pieces_source(gr.sync_block):
    """Emits bytes of items in work calls of random size, with tags; may wait at one sample."""

    def __init__(self, data: bytes, item_size: int, *, tags=(), largest=1 << 20, gate_at=None):
        gr.sync_block.__init__(self, "pieces_source", None, [(np.uint8, item_size)])
        self.items = np.frombuffer(data, np.uint8).reshape(-1, item_size)
        self.to_come = sorted(tags, key=lambda tag: tag[0])
        self.largest = largest
        self.gate_at = gate_at
        self.at_gate = threading.Event()
        self.gate = threading.Event()
        self.rng = np.random.default_rng(1)
        self.position = 0

    def work(self, input_items, output_items):
        if self.position == len(self.items):
            return -1
        end = len(self.items)
        if self.gate_at is not None and not self.gate.is_set():
            if self.position == self.gate_at:
                self.at_gate.set()
                time.sleep(1e-3)
                return 0
            end = self.gate_at
        out = output_items[0]
        count = min(len(out), int(self.rng.integers(1, self.largest + 1)), end - self.position)
        out[:count] = self.items[self.position : self.position + count]
        while self.to_come and self.to_come[0][0] < self.position + count:
            offset, key, value = self.to_come.pop(0)
            self.add_item_tag(0, offset, pmt.intern(key), value)
        self.position += count
        return count


def noise(count, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * (rng.standard_normal(count) + 1j * rng.standard_normal(count))).astype(np.complex64)


def make_sink(geometry=GEOMETRY, *, item_type="complex64", center_freq=CENTER, lossless=True, settling=0.0):
    return rfseg_python.spectrogram_sink(
        samp_rate=geometry.samp_rate,
        fft_size=geometry.fft_size,
        hop=geometry.hop,
        segments_per_row=geometry.segments_per_row,
        rows=geometry.rows,
        reductions=[r.value for r in geometry.reductions],
        item_type=item_type,
        center_freq=center_freq,
        lossless=lossless,
        settling=settling,
    )


def run(top, **options):
    """Run to the end, or fail instead of hanging."""
    top.start(**options)
    finish(top)


def finish(top):
    waiter = threading.Thread(target=top.wait, daemon=True)
    waiter.start()
    waiter.join(PATIENCE)
    if waiter.is_alive():
        top.stop()
        pytest.fail("the flowgraph does not end")


class flowgraph:
    """Source, spectrogram sink, collectors of rows and of status."""

    def __init__(self, source, sink, geometry=GEOMETRY):
        self.geometry = geometry
        self.source = source  # a block written in Python lives only as long as Python knows it
        self.sink = sink
        self.top = gr.top_block()
        self.rows = blocks.vector_sink_f(geometry.channels * geometry.bins)
        self.status = blocks.message_debug()
        self.top.connect(source, sink, self.rows)
        self.top.msg_connect(sink, keys.STATUS, self.status, "store")

    def frames(self):
        """Rows (C, T, F) and tag of every frame."""
        shape = (-1, self.geometry.channels, self.geometry.bins)
        rows = np.array(self.rows.data(), np.float32).reshape(shape).transpose(1, 0, 2)
        tags = sorted(self.rows.tags(), key=lambda tag: tag.offset)
        assert all(pmt.symbol_to_string(tag.key) == keys.FRAME for tag in tags)
        count = self.geometry.rows
        assert [tag.offset for tag in tags] == [count * i for i in range(rows.shape[1] // count)]
        return [
            (rows[:, tag.offset : tag.offset + count], pmt.to_python(tag.value)) for tag in tags
        ]

    def events(self, name):
        messages = (
            pmt.to_python(self.status.get_message(i)) for i in range(self.status.num_messages())
        )
        return [m for m in messages if m[keys.EVENT] == name]


def check_frames(frames, iq, cuts=(), geometry=GEOMETRY):
    """Frames partition the samples, end at every cut, and hold the rows of the specification."""
    position = 0
    for index, (rows, info) in enumerate(frames):
        assert info[keys.INDEX] == index
        assert info[keys.SAMPLE_START] == position
        assert info[keys.SAMPLE_COUNT] == geometry.frame_samples
        run_end = min([len(iq), *(cut for cut in cuts if cut > position)])
        assert info[keys.VALID_SAMPLES] == min(run_end - position, geometry.frame_samples)
        assert info[keys.LAST] is (index == len(frames) - 1)
        expected, non_finite = frame_rows(iq[position:run_end], geometry)
        assert np.abs(rows - expected).max() < ROWS_DB
        assert info[keys.NON_FINITE] == non_finite
        position += info[keys.VALID_SAMPLES]
    assert position == len(iq)


@pytest.mark.parametrize("largest", [1, 50, 5000])
@pytest.mark.parametrize("item_type", ["complex64", "int16", "int8"])
def test_rows_and_tags_for_any_work_size(item_type, largest):
    dtype, item_size = ITEM_SOURCES[item_type]
    if item_type == "complex64":
        samples = iq = noise(3 * FRAME + 100)
    else:
        limits = np.iinfo(dtype)
        rng = np.random.default_rng(3)
        samples = rng.integers(limits.min, limits.max, (3 * FRAME + 100, 2), endpoint=True, dtype=dtype)
        iq = (samples.astype(np.float32) / -np.float32(limits.min)).view(np.complex64)[:, 0]
    graph = flowgraph(
        pieces_source(samples.tobytes(), item_size, largest=largest), make_sink(item_type=item_type)
    )
    run(graph.top)
    frames = graph.frames()
    check_frames(frames, iq)
    for _, info in frames:
        assert info[keys.SAMP_RATE] == GEOMETRY.samp_rate
        assert info[keys.CENTER_FREQ] == CENTER
        assert keys.RX_TIME not in info


AWKWARD_LENGTHS = [0, 1, 2, 63, 64, 65, FRAME - 1, FRAME, FRAME + 1, FRAME + 33, FRAME + 34, FRAME + 35, 2 * FRAME]


@pytest.mark.parametrize("count", AWKWARD_LENGTHS)
def test_the_stream_may_end_anywhere(count):
    iq = noise(count)
    graph = flowgraph(pieces_source(iq.tobytes(), 8), make_sink())
    run(graph.top)
    frames = graph.frames()
    assert len(frames) == -(-count // FRAME)
    check_frames(frames, iq)


@pytest.mark.parametrize("count", AWKWARD_LENGTHS)
def test_unconnected_it_is_a_sink_with_a_latest_frame(count):
    iq = noise(count)
    sink = make_sink()
    top = gr.top_block()
    source = pieces_source(iq.tobytes(), 8)
    top.connect(source, sink)
    run(top)
    assert sink.frames() == -(-count // FRAME)
    if count == 0:
        assert sink.latest_frame() is None
        return
    rows, info = sink.latest_frame()
    start = (sink.frames() - 1) * FRAME
    assert (info[keys.SAMPLE_START], info[keys.VALID_SAMPLES]) == (start, count - start)
    assert info[keys.LAST] is True
    assert np.abs(rows - frame_rows(iq[start:], GEOMETRY)[0]).max() < ROWS_DB


def test_connected_it_has_a_latest_frame_too():
    iq = noise(2 * FRAME)
    graph = flowgraph(pieces_source(iq.tobytes(), 8), make_sink())
    run(graph.top)
    rows, info = graph.sink.latest_frame()
    assert np.array_equal(rows, graph.frames()[1][0])
    assert info[keys.INDEX] == 1


@pytest.mark.parametrize("most_items", [1, 3, 7])
def test_a_frame_goes_out_in_parts_where_space_is_short(most_items):
    iq = noise(3 * FRAME + 100)
    graph = flowgraph(pieces_source(iq.tobytes(), 8, largest=500), make_sink())
    run(graph.top, max_noutput_items=most_items)
    check_frames(graph.frames(), iq)


def test_a_buffer_smaller_than_a_frame_only_slows_it():
    geometry = Geometry(samp_rate=1e6, fft_size=512, hop=256, segments_per_row=1, rows=400)
    iq = noise(2 * geometry.frame_samples + 1000)
    sink = make_sink(geometry)
    sink.set_min_output_buffer(0)
    sink.set_max_output_buffer(16)
    graph = flowgraph(pieces_source(iq.tobytes(), 8), sink, geometry)
    run(graph.top)
    assert [info[keys.VALID_SAMPLES] for _, info in graph.frames()] == [102400, 102400, 1000]


def rx_time(seconds, fraction):
    return pmt.make_tuple(pmt.from_uint64(seconds), pmt.from_double(fraction))


@pytest.mark.parametrize("largest", [1, 70, 5000])
def test_retunes_cut_exactly_at_their_tags(largest):
    iq = noise(5 * FRAME)
    cuts = [100, 101, FRAME + 101, FRAME + 111, 3 * FRAME]
    tags = [(0, keys.RX_FREQ, pmt.from_double(CENTER))]
    tags += [(cut, keys.RX_FREQ, pmt.from_double(CENTER + cut)) for cut in cuts]
    tags += [(cut + 5, keys.RX_FREQ, pmt.from_double(CENTER + cut)) for cut in cuts if cut != 100]  # nothing new
    graph = flowgraph(pieces_source(iq.tobytes(), 8, tags=tags, largest=largest), make_sink())
    run(graph.top)
    frames = graph.frames()
    check_frames(frames, iq, cuts)
    for _, info in frames:
        before = [cut for cut in cuts if cut <= info[keys.SAMPLE_START]]
        assert info[keys.CENTER_FREQ] == CENTER + (before[-1] if before else 0)
    retunes = graph.events(keys.RETUNE)
    assert [(e[keys.SAMPLE], e[keys.CENTER_FREQ]) for e in retunes] == [(c, CENTER + c) for c in cuts]
    assert all(e[keys.SOURCE] == keys.SPECTROGRAM for e in retunes)


def test_an_unknown_centre_stays_out_of_the_tag():
    graph = flowgraph(pieces_source(noise(FRAME).tobytes(), 8), make_sink(center_freq=None))
    run(graph.top)
    assert keys.CENTER_FREQ not in graph.frames()[0][1]


def test_the_clock_is_followed_and_its_jumps_are_gaps():
    iq = noise(4 * FRAME)
    start = RxTime(seconds=1_700_000_000, fraction=0.9995)
    agreeing = start.after(200, GEOMETRY.samp_rate)
    lost = 1_000_000
    jump = start.after(1000 + lost, GEOMETRY.samp_rate)
    tags = [
        (0, keys.RX_TIME, rx_time(start.seconds, start.fraction)),
        (200, keys.RX_TIME, rx_time(agreeing.seconds, agreeing.fraction + 0.5e-6)),  # half a sample off
        (1000, keys.RX_TIME, rx_time(jump.seconds, jump.fraction)),
        (2000, keys.RX_TIME, rx_time(start.seconds, start.fraction)),  # time runs backwards
    ]
    graph = flowgraph(pieces_source(iq.tobytes(), 8, tags=tags, largest=300), make_sink())
    run(graph.top)
    frames = graph.frames()
    check_frames(frames, iq, [1000, 2000])
    for _, info in frames:
        sample = info[keys.SAMPLE_START]
        if sample < 1000:
            expected = start.after(sample, GEOMETRY.samp_rate)
        elif sample < 2000:
            expected = jump.after(sample - 1000, GEOMETRY.samp_rate)
        else:
            expected = start.after(sample - 2000, GEOMETRY.samp_rate)
        seconds, fraction = info[keys.RX_TIME]
        assert abs(seconds - expected.seconds + fraction - expected.fraction) < 0.6e-6
    gaps = graph.events(keys.GAP)
    assert [(e[keys.SAMPLE], e[keys.GAPS]) for e in gaps] == [(1000, 1), (2000, 2)]
    assert abs(gaps[0][keys.LOST_SAMPLES] - lost) <= 1
    assert gaps[1][keys.LOST_SAMPLES] == -(lost + 2000)
    assert graph.sink.gaps() == 2


def test_a_rate_change_cuts():
    iq = noise(2 * FRAME)
    tags = [(0, keys.RX_RATE, pmt.from_double(1e6)), (500, keys.RX_RATE, pmt.from_double(2e6))]
    graph = flowgraph(pieces_source(iq.tobytes(), 8, tags=tags), make_sink())
    run(graph.top)
    frames = graph.frames()
    check_frames(frames, iq, [500])
    assert [info[keys.SAMP_RATE] for _, info in frames] == [1e6, 2e6, 2e6]
    (event,) = graph.events(keys.RATE_CHANGE)
    assert (event[keys.SAMPLE], event[keys.SAMP_RATE]) == (500, 2e6)


def test_samples_that_are_not_finite_are_reported():
    iq = noise(2 * FRAME)
    iq[[5, 6, FRAME + 7]] = np.nan
    graph = flowgraph(pieces_source(iq.tobytes(), 8), make_sink())
    run(graph.top)
    check_frames(graph.frames(), iq)
    events = graph.events(keys.NON_FINITE)
    assert [(e[keys.SAMPLE], e[keys.NON_FINITE], e[keys.TOTAL]) for e in events] == [(0, 2, 2), (FRAME, 1, 3)]
    assert graph.sink.non_finite() == 3


def post(block, port, message):
    block.to_basic_block()._post(pmt.intern(port), message)


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(1e-3)


def dict_of(key, value):
    return pmt.dict_add(pmt.make_dict(), pmt.intern(key), value)


@pytest.mark.parametrize(
    "message",
    [
        pmt.from_double(3e9),
        pmt.from_long(3_000_000_000),
        pmt.cons(pmt.intern("freq"), pmt.from_double(3e9)),
        dict_of("freq", pmt.from_double(3e9)),
    ],
)
def test_a_freq_message_cuts(message):
    iq = noise(2 * FRAME)
    source = pieces_source(iq.tobytes(), 8, gate_at=1000)
    graph = flowgraph(source, make_sink())
    graph.top.start()
    wait_until(lambda: graph.sink.nitems_read(0) == 1000)
    post(graph.sink, keys.FREQ, message)
    wait_until(lambda: graph.events(keys.RETUNE))
    source.gate.set()
    finish(graph.top)
    frames = graph.frames()
    check_frames(frames, iq, [1000])
    assert [info[keys.CENTER_FREQ] for _, info in frames] == [CENTER, CENTER, 3e9]
    (event,) = graph.events(keys.RETUNE)
    assert (event[keys.SAMPLE], event[keys.CENTER_FREQ]) == (1000, 3e9)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("message", [pmt.intern("overflow"), dict_of("event", pmt.intern("overflow"))])
def test_an_overflow_message_cuts_and_is_counted(message, lossless):
    iq = noise(2 * FRAME)
    source = pieces_source(iq.tobytes(), 8, gate_at=1000)
    graph = flowgraph(source, make_sink(lossless=lossless))
    graph.top.start()
    wait_until(lambda: graph.sink.nitems_read(0) == 1000)
    post(graph.sink, keys.OVERFLOW, message)
    wait_until(lambda: graph.events(keys.OVERFLOW))
    source.gate.set()
    finish(graph.top)
    check_frames(graph.frames(), iq, [1000])
    (event,) = graph.events(keys.OVERFLOW)
    assert (event[keys.SAMPLE], event[keys.OVERFLOWS]) == (1000, 1)
    assert len(graph.events(keys.LOSSLESS_OVERFLOW)) == int(lossless)


def test_malformed_messages_and_tags_are_counted_and_change_nothing():
    bad_freq = [
        pmt.intern("high"),
        pmt.from_double(float("nan")),
        pmt.from_complex(1j),
        pmt.cons(pmt.intern("gain"), pmt.from_double(1)),
        dict_of("gain", pmt.from_double(1)),
        pmt.PMT_NIL,
        pmt.init_f32vector(2, [1.0, 2.0]),
    ]
    bad_overflow = [pmt.from_double(1), dict_of("other", pmt.intern("overflow")), pmt.PMT_NIL]
    bad_tags = [
        (10, keys.RX_FREQ, pmt.intern("high")),
        (11, keys.RX_RATE, pmt.from_double(-1)),
        (12, keys.RX_RATE, pmt.PMT_T),
        (13, keys.RX_TIME, pmt.from_double(5)),
        (14, keys.RX_TIME, rx_time(5, 1.5)),
        (15, keys.RX_TIME, pmt.make_tuple(pmt.intern("x"), pmt.from_double(0))),
        (16, "burst", pmt.PMT_T),
    ]
    iq = noise(FRAME)
    graph = flowgraph(pieces_source(iq.tobytes(), 8, tags=bad_tags), make_sink())
    for message in bad_freq:
        post(graph.sink, keys.FREQ, message)
    for message in bad_overflow:
        post(graph.sink, keys.OVERFLOW, message)
    post(graph.sink, keys.OVERFLOW, pmt.intern("underflow"))  # well formed, and not ours
    run(graph.top)
    check_frames(graph.frames(), iq)
    events = graph.events(keys.BAD_MESSAGE)
    expected = len(bad_freq) + len(bad_overflow) + 6
    assert [e[keys.TOTAL] for e in events] == list(range(1, expected + 1))
    assert {e[keys.PORT] for e in events} == {keys.FREQ, keys.OVERFLOW, keys.RX_FREQ, keys.RX_RATE, keys.RX_TIME}
    assert all("expected" in e[keys.REASON] for e in events)
    assert graph.sink.bad_messages() == expected
    assert graph.sink.overflows() == 0


def test_it_starts_again():
    iq = noise(2 * FRAME + 50)
    source = blocks.vector_source_c(iq.tolist())
    graph = flowgraph(source, make_sink())
    for _ in range(3):
        source.rewind()
        graph.rows.reset()
        run(graph.top)
        check_frames(graph.frames(), iq)
        assert graph.sink.frames() == 3


@pytest.mark.parametrize("connected", [True, False])
def test_it_stops_while_busy_and_starts_again(connected):
    sink = make_sink()
    top = gr.top_block()
    top.connect(blocks.null_source(8), sink)
    if connected:
        top.connect(sink, blocks.null_sink(4 * GEOMETRY.channels * GEOMETRY.bins))
    for _ in range(3):
        top.start()
        wait_until(lambda: sink.frames() > 10)
        top.stop()
        finish(top)


def test_after_a_reconfiguration_frames_count_anew_as_the_samples_do():
    iq = noise(3 * FRAME)
    source = pieces_source(iq.tobytes(), 8, gate_at=1000)
    graph = flowgraph(source, make_sink())
    graph.top.start()
    wait_until(lambda: graph.sink.nitems_read(0) == 1000)
    graph.top.lock()
    graph.rows.reset()
    graph.top.connect(graph.sink, blocks.null_sink(4 * GEOMETRY.channels * GEOMETRY.bins))
    graph.top.unlock()
    source.gate.set()
    finish(graph.top)
    check_frames(graph.frames(), iq[1000:])


def test_it_rests_while_the_source_does():
    source = pieces_source(noise(3 * FRAME).tobytes(), 8, gate_at=2 * FRAME + 10)
    graph = flowgraph(source, make_sink())
    graph.top.start()
    wait_until(lambda: graph.sink.nitems_read(0) == 2 * FRAME + 10)
    begin = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - begin < 0.25  # a spinning thread would take 0.5 s
    source.gate.set()
    finish(graph.top)


def test_the_newest_frame_is_safe_to_read_while_running():
    sink = make_sink()
    top = gr.top_block()
    top.connect(blocks.null_source(8), sink)
    top.start()
    wait_until(lambda: sink.latest_frame() is not None)
    indices = []
    for _ in range(500):
        rows, info = sink.latest_frame()
        assert rows.shape == (GEOMETRY.channels, GEOMETRY.rows, GEOMETRY.bins)
        assert np.abs(rows + 200).max() < ROWS_DB
        indices.append(info[keys.INDEX])
    top.stop()
    finish(top)
    assert indices == sorted(indices)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"samp_rate": -1.0}, "samp_rate=-1 is not a rate"),
        ({"fft_size": 63}, "fft_size=63 is odd"),
        ({"hop": 65}, "hop=65 exceeds fft_size=64"),
        ({"reductions": ["min"]}, 'reduction "min" is not known'),
        ({"item_type": "short"}, 'item_type "short" is not known; choose complex64, int16 or int8'),
        ({"center_freq": float("inf")}, "center_freq=inf is not a frequency"),
        ({"settling": -1.0}, "settling=-1 is not a duration; give s, 0 or more"),
        ({"settling": float("nan")}, "settling=-?nan is not a duration"),
    ],
)
def test_bad_arguments_are_refused(change, said):
    good = {
        "samp_rate": 1e6,
        "fft_size": 64,
        "hop": 30,
        "segments_per_row": 3,
        "rows": 8,
        "reductions": ["mean"],
        "item_type": "complex64",
        "center_freq": None,
        "lossless": True,
        "settling": 0.0,
    }
    with pytest.raises(ValueError, match=said):
        rfseg_python.spectrogram_sink(**{**good, **change})
