# SPDX-License-Identifier: GPL-3.0-or-later
"""Retunes, gaps, overflows and changes of the rate: what frames and ``status`` say, alone and all at once."""

import threading
import time
from dataclasses import dataclass, field
from fractions import Fraction

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
GEOMETRY = Geometry(samp_rate=1e4, fft_size=64, hop=30, segments_per_row=3, rows=8)
RATE = GEOMETRY.samp_rate
FRAME = GEOMETRY.frame_samples  # 720
OVERHANG = GEOMETRY.overhang  # 34
SECOND = int(RATE)  # samples; how long a message is believed to belong to a tag
CENTER = 2.4e9
START = RxTime(seconds=1_700_000_000, fraction=0.9995)
NANOSECOND = 1e-9  # s; times are exact, and compared through sums of doubles
ROUNDING = 0.2 / RATE  # s; of the source's tags in a storm


@dataclass
class Story:
    """What happens to a stream: tags ``(sample, key, value)`` and messages ``(sample, port, message)``."""

    iq: np.ndarray
    tags: list = field(default_factory=list)
    messages: list = field(default_factory=list)


class story_source(gr.sync_block):
    """Tells a story: a message is posted, and handled, when the sink has read all samples before it and none after."""

    def __init__(self, story: Story, sink, *, largest: int = 1 << 20):
        gr.sync_block.__init__(self, "story_source", None, [np.complex64])
        self.iq, self.sink, self.largest = story.iq, sink, largest
        self.tags = sorted(story.tags, key=lambda tag: tag[0])
        self.messages = sorted(story.messages, key=lambda message: message[0])
        self.rng = np.random.default_rng(1)
        self.position = 0

    def work(self, input_items, output_items):
        while self.messages and self.messages[0][0] == self.position:
            _, port, message = self.messages.pop(0)
            wait_until(lambda: self.sink.nitems_read(0) == self.position)
            self.sink.to_basic_block()._post(pmt.intern(port), message)
            wait_until(lambda: self.sink.nmsgs(pmt.intern(port)) == 0)
        if self.position == len(self.iq):
            return -1
        end = self.messages[0][0] if self.messages else len(self.iq)
        out = output_items[0]
        count = min(len(out), int(self.rng.integers(1, self.largest + 1)), end - self.position)
        out[:count] = self.iq[self.position : self.position + count]
        while self.tags and self.tags[0][0] < self.position + count:
            offset, key, value = self.tags.pop(0)
            self.add_item_tag(0, offset, pmt.intern(key), value)
        self.position += count
        return count


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(1e-4)


@dataclass
class Told:
    """What came out: frames as (rows, tag), ``status`` messages, the block."""

    frames: list
    status: list
    sink: object

    def events(self, name):
        return [event for event in self.status if event[keys.EVENT] == name]

    def samples(self, name):
        return [event[keys.SAMPLE] for event in self.events(name)]


def make_sink(*, settling=0.0, center_freq=CENTER):
    return rfseg_python.spectrogram_sink(
        samp_rate=RATE,
        fft_size=GEOMETRY.fft_size,
        hop=GEOMETRY.hop,
        segments_per_row=GEOMETRY.segments_per_row,
        rows=GEOMETRY.rows,
        reductions=[r.value for r in GEOMETRY.reductions],
        item_type="complex64",
        center_freq=center_freq,
        lossless=False,
        settling=settling,
    )


def tell(story: Story, *, largest=1 << 20, sink=None, **options) -> Told:
    sink = sink or make_sink(**options)
    source = story_source(story, sink, largest=largest)
    rows, status = blocks.vector_sink_f(GEOMETRY.row_size), blocks.message_debug()
    top = gr.top_block()
    top.connect(source, sink, rows)
    top.msg_connect(sink, keys.STATUS, status, "store")
    top.start()
    waiter = threading.Thread(target=top.wait, daemon=True)
    waiter.start()
    waiter.join(PATIENCE)
    if waiter.is_alive():
        top.stop()
        pytest.fail("the flowgraph does not end")
    data = np.array(rows.data(), np.float32).reshape(-1, GEOMETRY.channels, GEOMETRY.bins).transpose(1, 0, 2)
    tags = sorted(rows.tags(), key=lambda tag: tag.offset)
    frames = [(data[:, t.offset : t.offset + GEOMETRY.rows], pmt.to_python(t.value)) for t in tags]
    return Told(frames, [pmt.to_python(status.get_message(i)) for i in range(status.num_messages())], sink)


def check_frames(told: Told, iq: np.ndarray, cuts=()) -> None:
    """Frames partition the samples, end at every cut and nowhere else, and hold the rows of the specification."""
    position = 0
    for index, (rows, info) in enumerate(told.frames):
        run_end = min([len(iq), *(cut for cut in cuts if cut > position)])
        assert (info[keys.INDEX], info[keys.SAMPLE_START]) == (index, position)
        assert info[keys.VALID_SAMPLES] == min(run_end - position, FRAME)
        assert info[keys.LAST] is (index == len(told.frames) - 1)
        assert np.abs(rows - frame_rows(iq[position:run_end], GEOMETRY)[0]).max() < ROWS_DB
        position += info[keys.VALID_SAMPLES]
    assert position == len(iq)


def noise(count, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * (rng.standard_normal(count) + 1j * rng.standard_normal(count))).astype(np.complex64)


def time_tag(sample: int, moment: RxTime):
    return sample, keys.RX_TIME, pmt.make_tuple(pmt.from_uint64(moment.seconds), pmt.from_double(moment.fraction))


def freq_tag(sample: int, freq: float):
    return sample, keys.RX_FREQ, pmt.from_double(freq)


def rate_tag(sample: int, rate: float):
    return sample, keys.RX_RATE, pmt.from_double(rate)


def freq_message(sample: int, freq: float):
    return sample, keys.FREQ, pmt.from_double(freq)


def dict_of(key, value):
    return pmt.dict_add(pmt.make_dict(), pmt.intern(key), value)


def uhd_overflow(sample: int, count: int):
    """As gr-uhd's source of GNU Radio 3.10 posts it on ``async_msgs``."""
    return sample, keys.OVERFLOW, pmt.cons(pmt.intern("uhd_async_msg"), dict_of("overflows", pmt.from_uint64(count)))


# -- settling


@pytest.mark.parametrize("largest", [1, 3000])
@pytest.mark.parametrize("blanked", [1, OVERHANG, 100, FRAME, 2 * FRAME + 5])
def test_the_next_frame_begins_with_the_first_good_sample(blanked, largest):
    iq = noise(4 * FRAME)
    told = tell(Story(iq, [freq_tag(0, CENTER), freq_tag(500, 3e9)]), settling=blanked / RATE, largest=largest)
    check_frames(told, iq, [500, 500 + blanked])
    settling = [info for _, info in told.frames if info[keys.SETTLING]]
    assert [i[keys.SAMPLE_START] for i in settling] == list(range(500, 500 + blanked, FRAME))
    assert sum(i[keys.VALID_SAMPLES] for i in settling) == blanked
    assert [i[keys.CENTER_FREQ] for _, i in told.frames] == [CENTER] + [3e9] * (len(told.frames) - 1)
    assert told.samples(keys.RETUNE) == [500]
    (begin,), (end,) = told.events(keys.SETTLING), told.events(keys.SETTLED)
    assert (begin[keys.SAMPLE], begin[keys.SETTLING_SAMPLES]) == (500, blanked)
    assert (end[keys.SAMPLE], end[keys.SETTLING_SAMPLES], end[keys.TOTAL]) == (500 + blanked, blanked, blanked)
    assert told.sink.settling_samples() == blanked


def test_a_retune_while_settling_settles_anew():
    iq = noise(3 * FRAME)
    tags = [freq_tag(500, 3e9), freq_tag(560, 4e9), freq_tag(1500, 3e9)]
    told = tell(Story(iq, tags), settling=100 / RATE)
    check_frames(told, iq, [500, 560, 660, 1500, 1600])
    assert [(e[keys.SAMPLE], e[keys.SETTLING_SAMPLES]) for e in told.events(keys.SETTLING)] == [
        (500, 100),
        (560, 100),
        (1500, 100),
    ]
    assert [(e[keys.SAMPLE], e[keys.SETTLING_SAMPLES], e[keys.TOTAL]) for e in told.events(keys.SETTLED)] == [
        (660, 160, 160),
        (1600, 100, 260),
    ]


@pytest.mark.parametrize("is_message", [True, False])
def test_a_retune_on_the_first_good_sample_comes_after_the_end_of_the_one_before(is_message):
    iq = noise(2 * FRAME)
    tags, messages = [freq_tag(500, 3e9)], []
    (messages if is_message else tags).append((freq_message if is_message else freq_tag)(600, 4e9))
    told = tell(Story(iq, tags, messages), settling=100 / RATE)
    check_frames(told, iq, [500, 600, 700])
    assert [(e[keys.EVENT], e[keys.SAMPLE]) for e in told.status] == [
        (keys.RETUNE, 500),
        (keys.SETTLING, 500),
        (keys.SETTLED, 600),
        (keys.RETUNE, 600),
        (keys.SETTLING, 600),
        (keys.SETTLED, 700),
    ]


def test_a_gap_while_settling_ends_the_frame_and_the_rest_settles():
    iq = noise(2 * FRAME)
    tags = [time_tag(0, START), freq_tag(500, 3e9), time_tag(540, START.after(5540, RATE))]
    told = tell(Story(iq, tags), settling=100 / RATE)
    check_frames(told, iq, [500, 540, 600])
    assert [info[keys.SETTLING] for _, info in told.frames] == [False, True, True, False, False]
    assert told.samples(keys.SETTLED) == [600]


def test_the_stream_may_end_while_settling():
    iq = noise(550)
    told = tell(Story(iq, [freq_tag(500, 3e9)]), settling=100 / RATE)
    check_frames(told, iq, [500])
    assert told.frames[-1][1][keys.SETTLING] is True
    assert not told.events(keys.SETTLED)


def test_a_change_of_the_rate_settles_at_the_new_rate():
    iq = noise(2 * FRAME)
    told = tell(Story(iq, [rate_tag(500, 2 * RATE)]), settling=100 / RATE)
    check_frames(told, iq, [500, 700])
    assert [(i[keys.SAMP_RATE], i[keys.SETTLING]) for _, i in told.frames] == [
        (RATE, False),
        (2 * RATE, True),
        (2 * RATE, False),
        (2 * RATE, False),
    ]


@pytest.mark.parametrize("center_freq", [None, CENTER, 1e9])
def test_tags_on_the_first_sample_say_where_the_stream_begins(center_freq):
    iq = noise(FRAME)
    tags = [time_tag(0, START), rate_tag(0, RATE / 2), freq_tag(0, CENTER)]
    told = tell(Story(iq, tags), settling=0.1, center_freq=center_freq)
    check_frames(told, iq)
    info = told.frames[0][1]
    assert (info[keys.SETTLING], info[keys.CENTER_FREQ], info[keys.SAMP_RATE]) == (False, CENTER, RATE / 2)
    assert not told.events(keys.SETTLING)
    assert len(told.events(keys.RETUNE)) == int(center_freq == 1e9)  # the parameter was wrong


@pytest.mark.parametrize("center_freq", [None, CENTER])
def test_a_message_before_the_first_sample_is_a_retune(center_freq):
    iq = noise(FRAME)
    told = tell(Story(iq, messages=[freq_message(0, 3e9)]), settling=100 / RATE, center_freq=center_freq)
    check_frames(told, iq, [100])
    assert [info[keys.SETTLING] for _, info in told.frames] == [True, False]
    assert told.samples(keys.RETUNE) == [0]


def test_settling_can_be_set_while_it_lives():
    sink = make_sink(settling=100 / RATE)
    story = Story(noise(FRAME), [freq_tag(500, 3e9)])
    assert tell(story, sink=sink).sink.settling_samples() == 100
    sink.set_settling(20 / RATE)
    assert tell(story, sink=sink).sink.settling_samples() == 20
    with pytest.raises(ValueError, match="settling=-0.5 is not a duration; give s, 0 or more"):
        sink.set_settling(-0.5)
    assert tell(story, sink=sink).sink.settling_samples() == 20


# -- retunes told twice


def test_a_frequency_told_again_is_no_retune():
    iq = noise(3 * FRAME)
    tags = [freq_tag(500, 3e9), freq_tag(501, 3e9), freq_tag(900, 3e9), time_tag(900, START), rate_tag(900, RATE)]
    told = tell(Story(iq, tags, [freq_message(1500, 3e9)]), settling=100 / RATE)
    check_frames(told, iq, [500, 600])
    assert told.samples(keys.RETUNE) == [500]


def test_the_tag_after_a_message_is_where_the_retune_takes_place():
    iq = noise(3 * FRAME)
    told = tell(Story(iq, [freq_tag(800, 3e9), freq_tag(1600, 3e9)], [freq_message(500, 3e9)]), settling=100 / RATE)
    check_frames(told, iq, [500, 600, 800, 900])
    assert told.samples(keys.RETUNE) == [500, 800]


def test_a_tag_long_after_a_message_only_repeats_it():
    iq = noise(SECOND + 2 * FRAME)
    told = tell(Story(iq, [freq_tag(501 + SECOND, 3e9)], [freq_message(500, 3e9)]))
    check_frames(told, iq, [500])
    assert told.samples(keys.RETUNE) == [500]


# -- several tags at once


@pytest.mark.parametrize("largest", [1, 3000])
def test_all_tags_on_one_sample_are_one_cut(largest):
    iq = noise(3 * FRAME)
    jump = START.after(500 + 1234, RATE)
    tags = [time_tag(0, START), freq_tag(500, 3e9), rate_tag(500, RATE / 2), time_tag(500, jump)]
    told = tell(Story(iq, tags), largest=largest)
    check_frames(told, iq, [500])
    (gap,) = told.events(keys.GAP)
    assert (gap[keys.LOST_SAMPLES], gap[keys.TOTAL]) == (1234, 1234)  # at the rate before the tag
    assert told.samples(keys.RATE_CHANGE) == told.samples(keys.RETUNE) == [500]
    info = told.frames[1][1]
    assert (info[keys.CENTER_FREQ], info[keys.SAMP_RATE]) == (3e9, RATE / 2)
    assert info[keys.RX_TIME] == (jump.seconds, pytest.approx(jump.fraction, abs=NANOSECOND))


def test_of_several_tags_of_a_kind_the_last_holds():
    iq = noise(2 * FRAME)
    tags = [time_tag(0, START), freq_tag(500, 3e9), freq_tag(500, 4e9), rate_tag(500, 2 * RATE), rate_tag(500, RATE)]
    tags += [time_tag(500, START), time_tag(500, START.after(500, RATE)), freq_tag(700, 3e9), freq_tag(700, 4e9)]
    told = tell(Story(iq, tags))
    check_frames(told, iq, [500])
    assert [(e[keys.SAMPLE], e[keys.CENTER_FREQ]) for e in told.events(keys.RETUNE)] == [(500, 4e9)]
    assert not told.events(keys.GAP) and not told.events(keys.RATE_CHANGE)


@pytest.mark.parametrize("largest", [1, 3000])
@pytest.mark.parametrize("edge", [-1, 0, 1, OVERHANG - 1, OVERHANG, OVERHANG + 1])
def test_tags_at_the_edge_of_a_frame(edge, largest):
    iq = noise(3 * FRAME)
    told = tell(Story(iq, [freq_tag(FRAME + edge, 3e9), freq_tag(2 * FRAME + edge, 4e9)]), largest=largest)
    check_frames(told, iq, [FRAME + edge, 2 * FRAME + edge])


# -- time


def moment_of(info) -> Fraction:
    seconds, fraction = info[keys.RX_TIME]
    return seconds + Fraction(fraction)


def at(moment: RxTime, samples: int) -> Fraction:
    return moment.seconds + Fraction(moment.fraction) + samples / Fraction(RATE)


JUMPS = [(-1.4, 0), (-1, 0), (0.5, 0), (1, 0), (1.4, 0), (2, 2), (-2, -2), (777.3, 777)]


@pytest.mark.parametrize(("jump", "lost"), JUMPS)
def test_a_jump_of_one_sample_is_rounding(jump, lost):
    iq = noise(2 * FRAME)
    agreeing = START.after(500, RATE)
    second = RxTime(seconds=agreeing.seconds, fraction=agreeing.fraction + jump / RATE)
    told = tell(Story(iq, [time_tag(0, START), time_tag(500, second)]))
    check_frames(told, iq, [500] if lost else [])
    assert [e[keys.LOST_SAMPLES] for e in told.events(keys.GAP)] == ([lost] if lost else [])
    assert told.sink.lost_samples() == max(lost, 0)
    assert told.sink.gaps() == int(lost != 0)
    info = told.frames[-1][1]
    assert abs(moment_of(info) - at(second, info[keys.SAMPLE_START] - 500)) < NANOSECOND  # time follows the newest tag


def test_lost_samples_add_up_and_time_that_runs_backwards_loses_none():
    iq = noise(4 * FRAME)
    jumps = {500: 1000, 900: 1000 + 250, 1300: -5000, 1700: -5000 + 7}
    tags = [time_tag(0, START)] + [time_tag(n, START.after(n + jump, RATE)) for n, jump in jumps.items()]
    told = tell(Story(iq, tags))
    check_frames(told, iq, list(jumps))
    gaps = [(e[keys.LOST_SAMPLES], e[keys.GAPS], e[keys.TOTAL]) for e in told.events(keys.GAP)]
    assert gaps == [(1000, 1, 1000), (250, 2, 1250), (-6250, 3, 1250), (7, 4, 1257)]
    assert told.sink.lost_samples() == 1257


# -- overflows


def test_an_overflow_is_where_the_tag_is_however_early_the_message():
    iq = noise(4 * FRAME)
    tags = [time_tag(0, START), time_tag(1500, START.after(1500 + 300, RATE))]
    told = tell(Story(iq, tags, [uhd_overflow(1000, 1), uhd_overflow(1400, 2)]))
    check_frames(told, iq, [1500])
    assert [(e[keys.SAMPLE], e[keys.OVERFLOWS]) for e in told.events(keys.OVERFLOW)] == [(1000, 1), (1400, 3)]
    assert [(e[keys.SAMPLE], e[keys.LOST_SAMPLES]) for e in told.events(keys.GAP)] == [(1500, 300)]
    assert told.sink.overflows() == 3


@pytest.mark.parametrize("late", [0, 1, 700, SECOND])
def test_an_overflow_is_where_the_tag_was_however_late_the_message(late):
    iq = noise(1500 + 2 * SECOND + FRAME)
    tags = [time_tag(0, START), time_tag(1500, START.after(1500 + 300, RATE))]
    told = tell(Story(iq, tags, [uhd_overflow(1500 + late, 5)]))
    check_frames(told, iq, [1500])
    assert told.sink.overflows() == 5
    assert not told.events(keys.TIME_LOST)
    assert all(keys.RX_TIME in info for _, info in told.frames)


def test_an_overflow_that_no_tag_follows_costs_the_time():
    lost = 1000 + SECOND
    again = lost + 2 * FRAME  # long after, the source tells the time
    iq = noise(again + FRAME)
    tags = [time_tag(0, START), time_tag(again, START)]
    told = tell(Story(iq, tags, [uhd_overflow(1000, 1), uhd_overflow(1100, 1)]))
    check_frames(told, iq, [lost])
    assert told.samples(keys.TIME_LOST) == [lost]
    assert not told.events(keys.GAP)
    timed = {info[keys.SAMPLE_START]: keys.RX_TIME in info for _, info in told.frames}
    assert all(timed[sample] for sample in timed if sample < lost)
    assert not timed[lost]
    assert timed[again]


def test_without_time_an_overflow_ends_the_frame_where_the_message_finds_the_stream():
    iq = noise(3 * FRAME)
    told = tell(Story(iq, messages=[uhd_overflow(1000, 7)]))
    check_frames(told, iq, [1000])
    (event,) = told.events(keys.OVERFLOW)
    assert (event[keys.SAMPLE], event[keys.OVERFLOWS]) == (1000, 7)


def test_other_words_of_a_source_are_passed_over_and_malformed_ones_refused():
    iq = noise(FRAME)
    uhd = pmt.intern("uhd_async_msg")
    other = [pmt.cons(uhd, dict_of("underflows", pmt.from_uint64(3))), pmt.cons(pmt.intern("gain"), pmt.PMT_T)]
    bad = [
        pmt.cons(uhd, pmt.from_uint64(3)),
        pmt.cons(uhd, dict_of("overflows", pmt.intern("3"))),
        pmt.cons(uhd, dict_of("overflows", pmt.from_long(-3))),
        pmt.cons(pmt.from_long(1), pmt.PMT_T),
    ]
    told = tell(Story(iq, messages=[(100 + i, keys.OVERFLOW, message) for i, message in enumerate(other + bad)]))
    check_frames(told, iq)
    assert told.sink.overflows() == 0
    assert [e[keys.PORT] for e in told.events(keys.BAD_MESSAGE)] == [keys.OVERFLOW] * len(bad)
    assert all("or (uhd_async_msg . dict)" in e[keys.REASON] for e in told.events(keys.BAD_MESSAGE))


# -- everything at once


class Reading:
    """The rules of docs/discontinuities.md, read sample by sample with exact arithmetic."""

    def __init__(self, story: Story, settling: float) -> None:
        self.settling, self.rate, self.freq = settling, RATE, CENTER
        self.clock: tuple[int, Fraction] | None = None
        self.good_from, self.since = 0, None
        self.gap_told = self.freq_told = self.time_due = None
        self.cuts, self.log, self.known = set(), [], {}
        tags, messages = {}, {}
        for sample, key, value in story.tags:
            tags.setdefault(sample, {})[key] = pmt.to_python(value)  # of a kind, the last
        for sample, port, message in story.messages:
            messages.setdefault(sample, []).append((port, message))
        for sample in range(len(story.iq)):
            if self.since is not None and sample == self.good_from:
                self.log.append((keys.SETTLED, sample, sample - self.since))
                self.since = None
                self.cuts.add(sample)
            for port, message in messages.get(sample, []):
                self.hear(sample, port, message)
            self.read(sample, tags.get(sample, {}))
            if sample == self.time_due:
                self.time_due = self.clock = None
                self.cut(sample, keys.TIME_LOST, None)
            self.known[sample] = self.rate, self.freq, self.moment(sample), sample < self.good_from

    def moment(self, sample):
        return None if self.clock is None else self.clock[1] + (sample - self.clock[0]) / Fraction(self.rate)

    def cut(self, sample, event, value):
        self.log.append((event, sample, value))
        self.cuts.add(sample)

    def settle(self, sample):
        if self.settling > 0:
            self.good_from = sample + -int(-self.settling * self.rate // 1)
            self.since = sample if self.since is None else self.since
            self.log.append((keys.SETTLING, sample, self.good_from - sample))

    def hear(self, sample, port, message):
        if port == keys.FREQ:
            freq = pmt.to_python(message)
            if freq != self.freq:
                self.freq, self.freq_told = freq, sample
                self.cut(sample, keys.RETUNE, freq)
                self.settle(sample)
            return
        self.log.append((keys.OVERFLOW, sample, None))
        second = int(self.rate)
        if self.clock is None:
            self.cuts.add(sample)
        elif self.time_due is None and (self.gap_told is None or sample - self.gap_told > second):
            self.time_due = sample + second

    def read(self, sample, tags):
        settles = False
        if keys.RX_TIME in tags:
            seconds, fraction = tags[keys.RX_TIME]
            told, expected = seconds + Fraction(fraction), self.moment(sample)
            lost = 0 if expected is None else round((told - expected) * Fraction(self.rate))
            self.time_due, self.clock = None, (sample, told)
            if abs(lost) > 1:
                self.gap_told = sample
                self.cut(sample, keys.GAP, lost)
        if tags.get(keys.RX_RATE, self.rate) != self.rate:
            moment = self.moment(sample)
            self.clock = None if moment is None else (sample, moment)
            self.rate, settles = tags[keys.RX_RATE], True
            self.cut(sample, keys.RATE_CHANGE, self.rate)
        if keys.RX_FREQ in tags:
            freq, told, self.freq_told = tags[keys.RX_FREQ], self.freq_told, None
            confirms = told is not None and 0 < sample - told <= int(self.rate)
            if freq != self.freq or confirms:
                self.freq, settles = freq, True
                self.cut(sample, keys.RETUNE, freq)
        if settles:
            self.settle(sample)


def stormy(seed: int) -> Story:
    """Four seconds of a bad receiver, with time and without."""
    rng = np.random.default_rng(seed)
    count = 4 * SECOND
    story = Story(noise(count, seed))
    freqs, rates = [CENTER, 3e9, 3.5e9], [RATE, 2 * RATE]
    if seed % 2:
        story.tags.append(time_tag(0, START))
    offset = 0
    for sample in np.unique(rng.integers(1, count, 60)).tolist():
        match rng.integers(6):
            case 0:
                story.messages.append(freq_message(sample, float(rng.choice(freqs))))
            case 1:
                story.messages.append(uhd_overflow(sample, 1))
            case 2:
                story.tags.append(rate_tag(sample, float(rng.choice(rates))))
            case _:
                story.tags.append(freq_tag(sample, float(rng.choice(freqs))))
        if seed % 2 and rng.random() < 0.2:
            offset += int(rng.integers(0, 5)) * 1000
            moment = START.after(sample + offset, RATE)
            rounding = rng.uniform(0.0, ROUNDING)  # never half a sample, which rounds either way
            story.tags.append(time_tag(sample, RxTime(seconds=moment.seconds, fraction=moment.fraction + rounding)))
    return story


EVENT_VALUES = {
    keys.RETUNE: keys.CENTER_FREQ,
    keys.RATE_CHANGE: keys.SAMP_RATE,
    keys.GAP: keys.LOST_SAMPLES,
    keys.SETTLING: keys.SETTLING_SAMPLES,
    keys.SETTLED: keys.SETTLING_SAMPLES,
}


@pytest.mark.parametrize("settling", [0.0, 0.03])
@pytest.mark.parametrize("seed", range(4))
def test_a_storm_is_read_as_the_rules_are(seed, settling):
    story = stormy(seed)
    reading = Reading(story, settling)
    told = tell(story, settling=settling, largest=3000)
    heard = [(e[keys.EVENT], e[keys.SAMPLE], e.get(EVENT_VALUES.get(e[keys.EVENT]))) for e in told.status]
    assert heard == reading.log
    check_frames(told, story.iq, reading.cuts - {0})
    for _, info in told.frames:
        rate, freq, moment, settles = reading.known[info[keys.SAMPLE_START]]
        assert (info[keys.SAMP_RATE], info[keys.CENTER_FREQ], info[keys.SETTLING]) == (rate, freq, settles)
        assert (keys.RX_TIME in info) == (moment is not None)
        assert moment is None or abs(moment_of(info) - moment) < ROUNDING  # a tag inside the frame corrects it
