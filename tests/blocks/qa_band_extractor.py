"""Band Extractor in flowgraphs: the library's samples, tags and PDUs, to the last sample of the stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.rfseg.extraction_messages import excerpt_from_pmt, excerpt_to_pmt
from gnuradio.rfseg.messages import band_from_pmt, band_to_pmt

from gnuradio import rfseg
from rfseg.bands import Band
from rfseg.errors import BandError, GeometryError, OptionError
from rfseg.extraction import BandExtractor, BandFollower, BandStart, ExtractionRules, StreamChange
from rfseg.geometry import RxTime

RATE, OUT_RATE = 30.72e6, 10.24e6  # Hz
CENTER = 3.5e9  # Hz
COUNT = 400_003  # samples
BEGIN = RxTime(seconds=1_790_000_000, fraction=0.5)
SAME = 1e-6  # relative to full scale; single precision
RULES = ExtractionRules(max_duration=3e-3)


def band(start: int, count: int, middle: float, *, track: int = 1, label: str = "LTE", power: float = -20.0) -> Band:
    """A band 4 MHz wide around ``middle`` MHz from the centre."""
    return Band(
        label=label, class_id=1, confidence=0.9, freq_lower_edge=CENTER + (middle - 2) * 1e6,
        freq_upper_edge=CENTER + (middle + 2) * 1e6, freq_reference="rf", sample_start=start, sample_count=count,
        power_dbfs=power, snr_db=20.0, model="m", id=start + track, track=track,
    )  # fmt: skip


# A carrier in two frames, a burst beside it, and a carrier up to the very end.
BANDS = [
    band(20_000, 80_000, 5.0), band(100_000, 60_001, 5.1),
    band(120_000, 5_000, -6.0, track=2, label="NR", power=-5.0), band(300_000, COUNT - 300_000, -3.0, track=3),
]  # fmt: skip


@pytest.fixture(scope="module")
def iq() -> np.ndarray:
    """A tone in each band, in noise."""
    rng = np.random.default_rng(3)
    samples = (rng.standard_normal((COUNT, 2)) * 1e-3) @ np.array([1, 1j])
    for one in BANDS:
        place = np.arange(one.sample_start, one.sample_start + one.sample_count)
        freq = (one.freq_lower_edge + one.freq_upper_edge) / 2 - CENTER
        samples[place] += 0.1 * np.exp(2j * np.pi * freq / RATE * place)
    return samples.astype(np.complex64)


def tags() -> dict:
    """Of the source and of Band Tagger."""
    time = pmt.make_tuple(pmt.from_uint64(BEGIN.seconds), pmt.from_double(BEGIN.fraction))
    found = {0: [("rx_time", time), ("rx_freq", pmt.from_double(CENTER)), ("rx_rate", pmt.from_double(RATE))]}
    for one in BANDS:
        found.setdefault(one.sample_start, []).append(("band_start", band_to_pmt(one)))
    return found


def expected(kind: type, iq: np.ndarray, **options: object) -> list:
    """What the library makes of the same stream at once."""
    extractor = kind(RATE, OUT_RATE, **{"rules": RULES, **options})
    change = StreamChange(sample=0, rx_time=BEGIN, samp_rate=RATE, center_freq=CENTER)
    return extractor.step(iq, [BandStart(b.sample_start, b) for b in BANDS], [change]) + extractor.finish()


def run_pdus(kit, items: np.ndarray, found: dict | None = None, **options: object) -> tuple[list, object]:
    """Excerpts in the PDUs of a flowgraph, and the block."""
    source = kit.array_source(items, tags=tags() if found is None else found)
    extractor = rfseg.band_extractor(RATE, OUT_RATE, output="pdus", **{"max_duration": 3e-3, **options})
    log, top = kit.message_log(), gr.top_block()
    top.connect(source, extractor)
    top.msg_connect(extractor, "pdus", log, "in")
    kit.run(top)
    return [excerpt_from_pmt(message) for message in log.messages], extractor


def assert_same_excerpts(found: list, wanted: list, *, tolerance: float = SAME) -> None:
    """Samples and everything said of them; the order may differ where bands overlap."""
    assert len(found) == len(wanted) > 0
    for one, other in zip(*(sorted(excerpts, key=lambda e: e.sample_start) for excerpts in (found, wanted))):
        assert np.abs(one.iq - other.iq).max() < tolerance
        for name in ("samp_rate", "center_freq", "sample_start", "sample_count", "rx_time", "part", "is_last", "band"):
            assert getattr(one, name) == getattr(other, name), name


def test_pdus_are_the_excerpts_of_the_library(kit, iq):
    found, block = run_pdus(kit, iq)
    assert_same_excerpts(found, expected(BandExtractor, iq))
    # The carrier in two frames is one band in two parts; the last one ends with the stream.
    assert sorted((e.band.track, e.part, e.is_last) for e in found) == [
        (1, 0, False), (1, 1, True), (2, 0, True), (3, 0, False), (3, 1, True),
    ]  # fmt: skip
    assert found[-1].sample_start + found[-1].sample_count >= COUNT
    assert (block.bands(), block.left_out(), block.bad_tags()) == (5, {}, 0)


def test_integer_samples_give_the_same_pdus(kit, iq):
    whole = np.round(iq.view(np.float32).reshape(-1, 2) * 32768).astype(np.int16)
    found, _ = run_pdus(kit, whole, item_type="int16")
    exact = (whole.astype(np.float32) / 32768).view(np.complex64)[:, 0]
    assert_same_excerpts(found, expected(BandExtractor, exact))


@pytest.mark.parametrize("absence", ["zeros", "gap"])
def test_the_stream_is_that_of_the_library_to_its_end(kit, iq, absence):
    from rfseg.extraction import Absence

    source = kit.array_source(iq, tags=tags())
    extractor = rfseg.band_extractor(RATE, OUT_RATE, label="LTE", absence=absence)
    slow, sink, top = kit.random_copy(np.complex64, seed=1, largest=3000), blocks.vector_sink_c(), gr.top_block()
    top.connect(source, extractor, slow, sink)
    kit.run(top)
    pieces = expected(BandFollower, iq, absence=Absence(absence), rules=ExtractionRules(label="LTE"))
    wanted = np.concatenate([piece.iq for piece in pieces])
    found = np.array(sink.data(), np.complex64)
    assert found.size == wanted.size and np.abs(found - wanted).max() < SAME
    if absence == "zeros":
        assert found.size == COUNT // 3  # the count of samples tells the time
    seen = [(t.offset, pmt.symbol_to_string(t.key), t.value) for t in sink.tags()]
    starts = [(offset, band_from_pmt(value).track) for offset, key, value in seen if key == "band_start"]
    offsets = np.cumsum([0, *(piece.iq.size for piece in pieces)])
    assert starts == [(offsets[n], p.begins.track) for n, p in enumerate(pieces) if p.begins is not None]
    assert [track for _, track in starts] == [1, 3]
    ends = [(offset, pmt.to_uint64(value)) for offset, key, value in seen if key == "band_end"]
    assert ends == [(offsets[n + 1] - 1, p.ends) for n, p in enumerate(pieces) if p.ends is not None]
    assert ends[-1] == (found.size - 1, BANDS[-1].id)
    times = [(offset, pmt.to_python(value)) for offset, key, value in seen if key == "rx_time"]
    for (offset, (seconds, fraction)), piece in zip(times, [p for p in pieces if p.rx_time is not None], strict=True):
        assert RxTime(seconds=seconds, fraction=fraction) == piece.rx_time
    if absence == "zeros":
        for offset, (seconds, fraction) in times:
            assert (seconds - BEGIN.seconds) + (fraction - BEGIN.fraction) == pytest.approx(offset / OUT_RATE, abs=1e-9)
    freqs = {offset: pmt.to_double(value) for offset, key, value in seen if key == "rx_freq"}
    assert freqs == {starts[0][0]: pytest.approx(CENTER + 5e6, abs=1), starts[1][0]: pytest.approx(CENTER - 3e6, abs=1)}
    rates = [pmt.to_double(value) for _, key, value in seen if key == "rx_rate"]
    assert rates and set(rates) == {OUT_RATE}


def test_it_runs_again_from_the_beginning(kit, iq):
    source = kit.array_source(iq[:60_000], tags={k: v for k, v in tags().items() if k < 60_000})
    extractor = rfseg.band_extractor(RATE, OUT_RATE, output="pdus")
    log, top = kit.message_log(), gr.top_block()
    top.connect(source, extractor)
    top.msg_connect(extractor, "pdus", log, "in")
    kit.run(top)
    kit.run(top)
    first, second = (excerpt_from_pmt(message) for message in log.messages)
    assert_same_excerpts([second], [first])


def test_a_tag_that_makes_no_sense_is_counted_and_passed_over(kit, iq):
    found = tags()
    found[50] = [("band_start", pmt.intern("LTE")), ("rx_rate", pmt.from_double(-1.0)), ("rx_time", pmt.PMT_T)]
    excerpts, block = run_pdus(kit, iq, found)
    assert_same_excerpts(excerpts, expected(BandExtractor, iq))
    assert block.bad_tags() == 3


def test_what_is_left_out_is_counted_with_its_reason(kit, iq):
    found = tags()
    del found[0]  # nobody tells the centre
    excerpts, block = run_pdus(kit, iq, found)
    assert excerpts == []
    assert sum(block.left_out().values()) == 4 and all("the centre is not known" in r for r in block.left_out())
    excerpts, block = run_pdus(kit, iq, found, center_freq=CENTER, min_duration=1e-3)
    assert [e.band.track for e in excerpts if e.is_last] == [1, 3] and block.left_out() == {"too_short": 1}
    assert {e.rx_time for e in excerpts} == {None}


def test_pdus_reach_the_other_blocks_of_gnu_radio(kit, iq):
    from gnuradio import pdu

    source = kit.array_source(iq, tags=tags())
    extractor = rfseg.band_extractor(RATE, OUT_RATE, output="pdus", label="NR")
    to_stream, sink, top = pdu.pdu_to_tagged_stream(gr.types.complex_t, "packet_len"), blocks.vector_sink_c(), gr.top_block()
    top.connect(source, extractor)
    top.msg_connect(extractor, "pdus", to_stream, "pdus")
    top.connect(to_stream, sink)
    kit.run(top)
    (wanted,) = expected(BandExtractor, iq, rules=ExtractionRules(label="NR"))
    assert np.abs(np.array(sink.data(), np.complex64) - wanted.iq).max() < SAME
    keys = {pmt.symbol_to_string(tag.key) for tag in sink.tags()}
    assert {"packet_len", "rx_time", "rx_freq", "rx_rate", "label", "track", "freq_lower_edge", "sample_start"} <= keys


def test_excerpts_survive_the_round_trip(iq):
    for excerpt in expected(BandExtractor, iq):
        assert_same_excerpts([excerpt_from_pmt(excerpt_to_pmt(excerpt))], [excerpt], tolerance=1e-30)


def test_a_message_that_is_no_pdu_of_a_band_is_refused():
    with pytest.raises(BandError, match="no pair of a dictionary and complex64 samples"):
        excerpt_from_pmt(pmt.cons(pmt.make_dict(), pmt.init_u8vector(1, [1])))
    with pytest.raises(BandError, match="a PDU lacks the key band_start"):
        excerpt_from_pmt(pmt.cons(pmt.make_dict(), pmt.init_c32vector(1, [1])))


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"output": "file"}, OptionError, "output='file' is unknown, expected one of stream, pdus"),
        ({"absence": "nan"}, OptionError, "absence='nan' is unknown, expected one of zeros, gap"),
        ({"item_type": "float"}, OptionError, "item_type='float' is unknown"),
        ({"out_rate": 0.0}, GeometryError, "out_rate=0.0 is not a rate"),
        ({"out_rate": 30.72e6 / 4099}, GeometryError, "is no fraction of samp_rate=30720000 Hz with numbers up to 4096"),
        ({"lead": -1.0}, BandError, "lead=-1.0 must be a time in s, 0 or more"),
    ],
)
def test_a_wrong_parameter_is_refused_when_the_block_is_built(options, error, text):
    with pytest.raises(error, match=text):
        rfseg.band_extractor(RATE, **{"out_rate": OUT_RATE, **options})


def test_behind_rf_segmenter_a_carrier_is_one_stretch_over_all_frames(kit):
    from rfseg.sigmf import open_recording

    demo = open_recording(Path(__file__).parents[2] / "examples" / "data" / "demo.sigmf-meta")
    recording = demo.read(0, demo.sample_count)
    source = kit.array_source(recording, tags={0: [("rx_freq", pmt.from_double(demo.center_freq))]})
    segmenter = rfseg.rf_segmenter(demo.samp_rate, mode="lossless")
    extractor, sink, top = rfseg.band_extractor(demo.samp_rate, 15.36e6, label="LTE"), blocks.vector_sink_c(), gr.top_block()
    top.connect(source, segmenter, extractor, sink)
    kit.run(top)
    samples = np.array(sink.data(), np.complex64)
    assert samples.size == recording.size // 2
    keys = [pmt.symbol_to_string(tag.key) for tag in sink.tags()]
    assert (keys.count("band_start"), keys.count("band_end")) == (1, 1)  # two frames, one carrier
    # The power of the carrier, in and out: all of it, and nothing else.
    spectrum = np.abs(np.fft.fft(recording[: 1 << 20])) ** 2
    freqs = np.fft.fftfreq(1 << 20, 1 / demo.samp_rate)
    inside = spectrum[np.abs(freqs + 9e6) < 5e6].sum() / (1 << 20) ** 2
    assert 10 * np.log10(np.mean(np.abs(samples) ** 2) / inside) == pytest.approx(0.0, abs=0.2)


def test_what_is_set_is_what_the_constructor_would_have_taken():
    block = rfseg.band_extractor(RATE, OUT_RATE)
    wanted = {
        "label": "NR", "track": 7, "max_pause": 1e-3, "min_duration": 2e-3, "max_duration": 3e-3, "max_bands": 4, "switch_margin": 3.0
    }  # fmt: skip
    for name, value in wanted.items():
        getattr(block, f"set_{name}")(value)
    assert block.rules() == ExtractionRules(**wanted)
    block.set_label("")
    assert block.rules().label is None
    with pytest.raises(BandError, match="max_bands=0 must be an integer of at least 1"):
        block.set_max_bands(0)
    assert block.rules().max_bands == 4


@pytest.mark.parametrize("output", ["stream", "pdus"])
def test_a_flowgraph_that_never_ends_can_be_stopped(kit, output):
    noise = kit.noise(50_000, level_db=-40, seed=1)
    start = band_to_pmt(band(0, 1 << 50, 2.0))
    tag = gr.tag_t()
    tag.offset, tag.key, tag.value = 0, pmt.intern("band_start"), start
    source = blocks.vector_source_c(noise.tolist(), repeat=True, tags=[tag])
    extractor, top = rfseg.band_extractor(RATE, OUT_RATE, output=output, center_freq=CENTER), gr.top_block()
    top.connect(source, extractor)
    log, sink = kit.message_log(), blocks.null_sink(gr.sizeof_gr_complex)
    if output == "stream":
        top.connect(extractor, sink)
    else:
        top.msg_connect(extractor, "pdus", log, "in")
    top.start()
    if output == "pdus":
        log.wait_for(bool)
    top.stop()
    top.wait()
    assert extractor.left_out() == {}
