# SPDX-License-Identifier: GPL-3.0-or-later
"""Band Tagger in flowgraphs: the output is the input bit for bit, tags are where they belong."""

import threading
import time

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr

from gnuradio.rfseg import rfseg_python
from gnuradio.rfseg.rfseg_python import keys

PATIENCE = 20.0  # s, far beyond what any flowgraph here takes
FRAME = 1000  # samples per bands message of the band sources below


def band(band_id, start, count):
    fields = {keys.ID: band_id, keys.SAMPLE_START: start, keys.SAMPLE_COUNT: count}
    dictionary = pmt.make_dict()
    for key, value in fields.items():
        dictionary = pmt.dict_add(dictionary, pmt.intern(key), pmt.from_uint64(value))
    return pmt.dict_add(dictionary, pmt.intern(keys.LABEL), pmt.intern("LTE"))


def bands_message(watermark, bands=(), *, last=False):
    vector = pmt.make_vector(len(bands), pmt.PMT_NIL)
    for i, one in enumerate(bands):
        pmt.vector_set(vector, i, one)
    message = pmt.make_dict()
    message = pmt.dict_add(message, pmt.intern(keys.WATERMARK), pmt.from_uint64(watermark))
    message = pmt.dict_add(message, pmt.intern(keys.BANDS), vector)
    message = pmt.dict_add(message, pmt.intern(keys.SAMPLE_COUNT), pmt.from_uint64(FRAME))
    return pmt.dict_add(message, pmt.intern(keys.LAST), pmt.from_bool(last))


class pieces_source(gr.sync_block):
    """Emits items in work calls of random size, with tags; may wait at one sample."""

    def __init__(self, items, *, tags=(), largest=1 << 20, gate_at=None):
        gr.sync_block.__init__(self, "pieces_source", None, [(np.uint8, items.shape[1])])
        self.items = items
        self.tags = sorted(tags)
        self.largest = largest
        self.gate_at = gate_at
        self.gate = threading.Event()
        self.rng = np.random.default_rng(1)

    def start(self):
        self.position = 0
        self.to_come = list(self.tags)
        return True

    def work(self, input_items, output_items):
        if self.position == len(self.items):
            return -1
        end = len(self.items)
        if self.gate_at is not None and not self.gate.is_set():
            if self.position == self.gate_at:
                time.sleep(1e-3)
                return 0
            end = self.gate_at
        out = output_items[0]
        count = min(len(out), int(self.rng.integers(1, self.largest + 1)), end - self.position)
        out[:count] = self.items[self.position : self.position + count]
        while self.to_come and self.to_come[0][0] < self.position + count:
            offset, key = self.to_come.pop(0)
            self.add_item_tag(0, offset, pmt.intern(key), pmt.from_uint64(offset))
        self.position += count
        return count


class band_source(gr.sync_block):
    """Stands for the whole inference chain: one bands message per frame of the stream it reads.

    The last one comes from ``stop()``, as Mask to Bands posts it.
    """

    def __init__(self, item_size, bands, *, frame=FRAME, delay=0.0, dies_at=None, total=None):
        gr.sync_block.__init__(self, "band_source", [(np.uint8, item_size)], None)
        self.bands = bands  # of (id, start, count)
        self.frame = frame
        self.delay = delay
        self.dies_at = dies_at
        self.total = total
        self.message_port_register_out(pmt.intern(keys.BANDS))

    def start(self):
        self.read = 0
        self.posted = 0
        return True

    def post(self, watermark, *, last):
        due = [b for b in self.bands if self.posted <= b[1] < watermark]
        message = bands_message(watermark, [band(*b) for b in due], last=last)
        self.message_port_pub(pmt.intern(keys.BANDS), message)
        self.posted = watermark

    def work(self, input_items, output_items):
        if self.dies_at is not None and self.read >= self.dies_at:
            return -1
        count = len(input_items[0])
        self.read += count
        while self.read - self.posted > self.frame:
            time.sleep(self.delay)
            self.post(self.posted + self.frame, last=False)
        return count

    def stop(self):
        if self.dies_at is None and self.read == self.total:
            self.post(self.read, last=True)
        return True


class flowgraph:
    """Source, Band Tagger, collector; messages from a band source or posted by the test."""

    def __init__(self, source, tagger, bands=None):
        self.source, self.tagger, self.bands = source, tagger, bands
        self.item_size = source.items.shape[1]
        self.top = gr.top_block()
        self.out = blocks.vector_sink_b(self.item_size)
        self.late = blocks.message_debug()
        self.top.connect(source, tagger, self.out)
        self.top.msg_connect(tagger, keys.LATE, self.late, "store")
        if bands:
            self.top.connect(source, bands)
            self.top.msg_connect(bands, keys.BANDS, tagger, keys.BANDS)

    def run(self, **options):
        self.top.start(**options)
        self.finish()

    def finish(self):
        waiter = threading.Thread(target=self.top.wait, daemon=True)
        waiter.start()
        waiter.join(PATIENCE)
        if waiter.is_alive():
            self.top.stop()
            pytest.fail("the flowgraph does not end")

    def post(self, message):
        self.tagger.to_basic_block()._post(pmt.intern(keys.BANDS), message)

    def check_bits(self):
        assert bytes(self.out.data()) == self.source.items.tobytes()
        assert self.tagger.released() == len(self.source.items)
        assert self.tagger.held() == 0

    def tags(self, key):
        """Offsets and values of the tags of one key."""
        return sorted(
            (tag.offset, pmt.to_python(tag.value))
            for tag in self.out.tags()
            if pmt.symbol_to_string(tag.key) == key
        )

    def check_band_tags(self, expected):
        starts = {value[keys.ID]: (offset, value) for offset, value in self.tags_of_dicts()}
        assert sorted(starts) == sorted(band_id for band_id, _, _ in expected)
        for band_id, start, count in expected:
            offset, value = starts[band_id]
            assert offset == start
            assert (value[keys.SAMPLE_START], value[keys.SAMPLE_COUNT]) == (start, count)
            assert value[keys.LABEL] == "LTE"
        ends = sorted((start + count - 1, band_id) for band_id, start, count in expected)
        assert self.tags(keys.BAND_END) == ends

    def tags_of_dicts(self):
        return [
            (tag.offset, pmt.to_python(tag.value))
            for tag in self.out.tags()
            if pmt.symbol_to_string(tag.key) == keys.BAND_START
        ]


def random_items(count, item_size=8):
    return np.random.default_rng(9).integers(0, 256, (count, item_size), dtype=np.uint8)


def random_bands(total, count=60):
    rng = np.random.default_rng(2)
    found = []
    for band_id in range(count):
        start = int(rng.integers(0, total))
        frame_end = min(total, (start // FRAME + 1) * FRAME)
        found.append((band_id, start, int(rng.integers(1, frame_end - start + 1))))
    return [*found, (1000, 0, 1), (1001, total - 1, 1), (1002, FRAME, FRAME)]


def make_tagger(item_size=8, mode="lossless", hold_seconds=0.25, ring_samples=10 * FRAME):
    return rfseg_python.band_tagger(
        item_size=item_size, mode=mode, hold_seconds=hold_seconds, ring_samples=ring_samples
    )


@pytest.mark.parametrize("largest", [1, 300, 100_000])
@pytest.mark.parametrize("item_size", [2, 4, 8])
def test_lossless_output_is_the_input_with_tags_in_place(item_size, largest):
    total = 20_000 if largest > 1 else 5_000
    items = random_items(total, item_size)
    bands = random_bands(total)
    rng = np.random.default_rng(5)
    tags = sorted((int(offset), "marker") for offset in rng.integers(0, total, 300))
    graph = flowgraph(
        pieces_source(items, tags=tags, largest=largest),
        make_tagger(item_size, ring_samples=3 * FRAME + 17),
        band_source(item_size, bands, total=total),
    )
    graph.run()
    graph.check_bits()
    graph.check_band_tags(bands)
    assert graph.tags("marker") == [(offset, offset) for offset, _ in tags]
    assert graph.tagger.late_bands() == 0


@pytest.mark.parametrize("total", [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME])
@pytest.mark.parametrize("mode", ["live", "lossless"])
def test_everything_is_flushed_wherever_the_stream_ends(mode, total):
    items = random_items(total).reshape(-1, 8)
    bands = random_bands(total, 5) if total >= 2 * FRAME else []
    graph = flowgraph(pieces_source(items), make_tagger(mode=mode), band_source(8, bands, total=total))
    graph.run()
    graph.check_bits()
    graph.check_band_tags(bands)


@pytest.mark.parametrize("most_items", [1, 7, 100])
def test_little_space_only_slows_it(most_items):
    items = random_items(4_000)
    bands = random_bands(4_000)
    graph = flowgraph(pieces_source(items), make_tagger(), band_source(8, bands, total=4_000))
    graph.run(max_noutput_items=most_items)
    graph.check_bits()
    graph.check_band_tags(bands)


def test_a_slow_chain_delays_and_loses_nothing():
    items = random_items(10_000)
    bands = random_bands(10_000)
    graph = flowgraph(
        pieces_source(items),
        make_tagger(ring_samples=3 * FRAME),
        band_source(8, bands, delay=0.03, total=10_000),
    )
    graph.run()
    graph.check_bits()
    graph.check_band_tags(bands)


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(1e-3)


def test_lossless_samples_wait_for_their_watermark_and_no_longer():
    items = random_items(5_000)
    graph = flowgraph(pieces_source(items, gate_at=3_000), make_tagger())
    graph.top.start()
    wait_until(lambda: graph.tagger.held() == 3_000)
    assert graph.tagger.released() == 0
    graph.post(bands_message(1_234, [band(1, 1_233, 1)]))
    wait_until(lambda: graph.tagger.released() == 1_234)
    graph.post(bands_message(1_000))  # a watermark never goes back
    graph.post(bands_message(2_000, [band(2, 1_234, 1)]))  # the very next sample
    wait_until(lambda: graph.tagger.released() == 2_000)
    assert graph.tagger.held() == 1_000
    graph.source.gate.set()
    graph.post(bands_message(5_000, last=True))
    graph.finish()
    graph.check_bits()
    graph.check_band_tags([(1, 1_233, 1), (2, 1_234, 1)])


def test_a_band_whose_samples_have_left_is_late():
    items = random_items(5_000)
    graph = flowgraph(pieces_source(items, gate_at=3_000), make_tagger())
    graph.top.start()
    graph.post(bands_message(2_000))
    wait_until(lambda: graph.tagger.released() == 2_000)
    late, in_time = (7, 1_999, 500), (8, 2_000, 500)
    graph.post(bands_message(3_000, [band(*late), band(*in_time)]))
    wait_until(lambda: graph.tagger.released() == 3_000)
    graph.source.gate.set()
    graph.post(bands_message(5_000, last=True))
    graph.finish()
    graph.check_bits()
    graph.check_band_tags([in_time])
    assert graph.tagger.late_bands() == 1
    assert graph.late.num_messages() == 1
    message = pmt.to_python(graph.late.get_message(0))
    assert (message[keys.ID], message[keys.SAMPLE_START], message[keys.SAMPLE_COUNT]) == late
    assert message[keys.RELEASED] == 2_000
    assert message[keys.LABEL] == "LTE"


def test_live_samples_leave_after_the_hold_without_any_message():
    hold = 0.2
    items = random_items(5_000)
    graph = flowgraph(pieces_source(items, gate_at=3_000), make_tagger(mode="live", hold_seconds=hold))
    begin = time.monotonic()
    graph.top.start()
    wait_until(lambda: graph.tagger.held() == 3_000)
    wait_until(lambda: graph.tagger.released() == 3_000)
    assert time.monotonic() - begin >= hold
    graph.source.gate.set()
    graph.finish()
    graph.check_bits()


def test_live_samples_leave_at_their_watermark_before_the_hold():
    items = random_items(5_000)
    bands = random_bands(5_000)
    graph = flowgraph(
        pieces_source(items),
        make_tagger(mode="live", hold_seconds=1000.0),
        band_source(8, bands, total=5_000),
    )
    graph.run()
    graph.check_bits()
    graph.check_band_tags(bands)


def test_live_bands_that_come_after_the_whole_stream_has_left_are_late():
    items = random_items(5_000)
    bands = random_bands(5_000)
    graph = flowgraph(
        pieces_source(items, gate_at=2_000),
        make_tagger(mode="live", hold_seconds=0.0),
        band_source(8, bands, delay=0.05, total=5_000),
    )
    graph.top.start()
    wait_until(lambda: graph.tagger.late_bands() > 0)
    graph.source.gate.set()
    graph.finish()
    graph.check_bits()
    tagged = {value[keys.ID] for _, value in graph.tags_of_dicts()}
    late = {pmt.to_python(graph.late.get_message(i))[keys.ID] for i in range(graph.late.num_messages())}
    assert late and not tagged & late
    assert tagged | late == {band_id for band_id, _, _ in bands}
    assert graph.tagger.late_bands() == len(late)


def test_a_band_beyond_the_end_is_said(capfd):
    items = random_items(500)
    graph = flowgraph(pieces_source(items), make_tagger())
    graph.post(bands_message(500, [band(1, 400, 200)], last=True))
    graph.run()
    graph.check_bits()
    assert [offset for offset, _ in graph.tags_of_dicts()] == [400]
    said = capfd.readouterr()
    assert "1 band tags lie after the end of the stream, sample 500" in said.out + said.err


def test_a_full_ring_lets_the_oldest_go_in_live_mode():
    items = random_items(5_000)
    graph = flowgraph(
        pieces_source(items, gate_at=3_000), make_tagger(mode="live", hold_seconds=1000.0, ring_samples=700)
    )
    graph.top.start()
    wait_until(lambda: graph.tagger.released() == 2_300)
    assert graph.tagger.held() == 700
    graph.source.gate.set()
    wait_until(lambda: graph.tagger.released() == 4_300)
    graph.post(bands_message(5_000, last=True))
    graph.finish()
    graph.check_bits()


def test_a_full_ring_without_progress_is_said_and_costs_no_sample_in_lossless_mode(capfd):
    items = random_items(5_000)
    tagger = make_tagger(ring_samples=700)
    tagger.set_stall_timeout(0.3)
    graph = flowgraph(pieces_source(items, tags=[(3, "marker"), (4_999, "marker")]), tagger)
    graph.run()
    graph.check_bits()
    assert graph.tags("marker") == [(3, 3), (4_999, 4_999)]
    said = capfd.readouterr()
    said = said.out + said.err
    assert "ring_samples=700 is full and no bands message has come" in said
    assert said.count("samples go out without tags until one comes") == 1


def test_after_a_stall_samples_wait_for_their_bands_again():
    items = random_items(8_000)
    tagger = make_tagger(ring_samples=2 * FRAME)
    tagger.set_stall_timeout(0.3)
    graph = flowgraph(pieces_source(items, gate_at=4_000), tagger)
    graph.top.start()
    wait_until(lambda: tagger.released() == 4_000)  # nobody spoke of them
    tagger.set_stall_timeout(PATIENCE)
    late, in_time = (1, 3_999, 5), (2, 4_500, 100)
    graph.post(bands_message(4_500, [band(*late)]))
    wait_until(lambda: tagger.late_bands() == 1)
    graph.source.gate.set()
    wait_until(lambda: tagger.held() == 2 * FRAME)
    assert tagger.released() == 4_500
    graph.post(bands_message(8_000, [band(*in_time)], last=True))
    graph.finish()
    graph.check_bits()
    graph.check_band_tags([in_time])


def test_a_ring_shorter_than_a_frame_says_what_it_needs_and_is_given_up(capfd):
    items = random_items(5_000)
    tagger = make_tagger(ring_samples=FRAME // 2)
    tagger.set_stall_timeout(0.3)
    graph = flowgraph(pieces_source(items, largest=100, gate_at=4_000), tagger)
    graph.post(bands_message(100))
    graph.top.start()
    wait_until(lambda: tagger.released() == 4_000)
    graph.post(bands_message(FRAME))  # it would only fill up again
    graph.source.gate.set()
    graph.finish()
    graph.check_bits()
    said = capfd.readouterr()
    assert f"Frames have {FRAME} samples" in said.out + said.err
    assert f"at least {3 * FRAME}" in said.out + said.err


def test_a_chain_that_dies_costs_the_tags_and_no_sample(capfd):
    items = random_items(5_000)
    tagger = make_tagger()
    tagger.set_stall_timeout(0.3)
    graph = flowgraph(
        pieces_source(items, largest=100), tagger, band_source(8, [], dies_at=2_500)
    )
    graph.run()
    graph.check_bits()
    said = capfd.readouterr()
    assert "they go out without tags" in said.out + said.err


def test_malformed_messages_are_counted_and_change_nothing():
    def without(message, key):
        return pmt.dict_delete(message, pmt.intern(key))

    def changed(message, key, value):
        return pmt.dict_add(message, pmt.intern(key), value)

    good = bands_message(100)
    messages = [
        pmt.PMT_NIL,
        pmt.intern("bands"),
        pmt.from_double(5),
        pmt.make_dict(),
        without(good, keys.WATERMARK),
        without(good, keys.BANDS),
        changed(good, keys.WATERMARK, pmt.from_double(5)),
        changed(good, keys.WATERMARK, pmt.from_long(-5)),
        changed(good, keys.BANDS, pmt.from_double(5)),
    ]
    bad_bands = [
        pmt.PMT_NIL,
        pmt.intern("band"),
        without(band(1, 2, 3), keys.ID),
        without(band(1, 2, 3), keys.SAMPLE_START),
        band(1, 2, 0),
        band(1, 2**64 - 1, 2),
    ]
    items = random_items(3_000)
    graph = flowgraph(pieces_source(items, gate_at=1_000), make_tagger())
    graph.top.start()
    for message in messages:
        graph.post(message)
    wait_until(lambda: graph.tagger.bad_messages() == len(messages))
    assert graph.tagger.released() == 0
    graph.post(bands_message(3_000, [*bad_bands, band(9, 1, 1)], last=True))
    graph.source.gate.set()
    graph.finish()
    graph.check_bits()
    graph.check_band_tags([(9, 1, 1)])
    assert graph.tagger.bad_messages() == len(messages) + len(bad_bands)
    assert graph.late.num_messages() == 0


def test_it_starts_again():
    items = random_items(5_000)
    bands = random_bands(5_000)
    graph = flowgraph(pieces_source(items), make_tagger(), band_source(8, bands, total=5_000))
    for _ in range(3):
        graph.out.reset()
        graph.run()
        graph.check_bits()
        graph.check_band_tags(bands)


@pytest.mark.parametrize("mode", ["live", "lossless"])
def test_it_stops_while_busy_and_starts_again(mode):
    tagger = make_tagger(mode=mode, hold_seconds=0.01)
    top = gr.top_block()
    source = blocks.null_source(8)
    bands = band_source(8, [])
    top.connect(source, tagger, blocks.null_sink(8))
    top.connect(source, bands)
    top.msg_connect(bands, keys.BANDS, tagger, keys.BANDS)
    for _ in range(3):
        top.start()
        wait_until(lambda: tagger.released() > 100_000)
        top.stop()
        waiter = threading.Thread(target=top.wait, daemon=True)
        waiter.start()
        waiter.join(PATIENCE)
        assert not waiter.is_alive()


@pytest.mark.parametrize("mode", ["live", "lossless"])
def test_it_rests_while_nothing_can_move(mode):
    items = random_items(5_000)
    graph = flowgraph(
        pieces_source(items), make_tagger(mode=mode, hold_seconds=0.8, ring_samples=2_000)
    )
    graph.top.start()
    wait_until(lambda: graph.tagger.held() == 2_000)
    begin = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - begin < 0.25  # a spinning thread would take 0.5 s
    graph.post(bands_message(5_000, last=True))
    graph.finish()
    graph.check_bits()


def test_spectrogram_and_tagger_do_not_hold_each_other_up():
    shape = {"fft_size": 64, "hop": 30, "segments_per_row": 3, "rows": 8}
    frame = 3 * 30 * 8
    total = 50 * frame + 11
    items = random_items(total, 4)
    sink = rfseg_python.spectrogram_sink(
        samp_rate=1e6, reductions=["max"], item_type="int16", center_freq=None, lossless=True, settling=0.0, **shape
    )
    bands = frame_bands(64)
    # One frame with its overhang and one sample more is the least that can move.
    tagger = make_tagger(4, ring_samples=frame + 64)
    graph = flowgraph(pieces_source(items), tagger)
    graph.top.connect(graph.source, sink, bands)
    graph.top.msg_connect(bands, keys.BANDS, tagger, keys.BANDS)
    graph.run()
    graph.check_bits()
    graph.check_band_tags([(i, i * frame, min(frame, total - i * frame)) for i in range(51)])


class frame_bands(gr.sync_block):
    """One band over every frame, as soon as its first row is seen."""

    def __init__(self, bins):
        gr.sync_block.__init__(self, "frame_bands", [(np.float32, bins)], None)
        self.message_port_register_out(pmt.intern(keys.BANDS))

    def work(self, input_items, output_items):
        count = len(input_items[0])
        for tag in self.get_tags_in_window(0, 0, count, pmt.intern(keys.FRAME)):
            info = pmt.to_python(tag.value)
            start, valid = info[keys.SAMPLE_START], info[keys.VALID_SAMPLES]
            found = band(info[keys.INDEX], start, valid)
            message = bands_message(start + valid, [found], last=info[keys.LAST])
            self.message_port_pub(pmt.intern(keys.BANDS), message)
        return count


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"item_size": 3}, r"item_size=3 is no complex sample; give 8 \(complex64\), 4 \(int16\) or 2 \(int8\)"),
        ({"mode": "fast"}, 'mode="fast" is not known; choose live or lossless'),
        ({"hold_seconds": -1.0}, "hold_seconds=-1 must be a time in s, 0 or more"),
        ({"hold_seconds": float("nan")}, "hold_seconds=nan must be a time in s"),
        ({"ring_samples": 0}, r"ring_samples=0 must lie in 1 to 2\^36"),
        ({"ring_samples": 2**40}, "ring_samples=1099511627776 must lie in"),
    ],
)
def test_bad_arguments_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        make_tagger(**change)


def test_a_stall_timeout_that_is_none_is_refused():
    with pytest.raises(ValueError, match="seconds=0 must be a time in s, above 0"):
        make_tagger().set_stall_timeout(0.0)
