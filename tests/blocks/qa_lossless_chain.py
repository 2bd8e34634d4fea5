"""RF Segmenter in lossless mode: output equals input, and tags lie on the signals."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pmt
import pytest
from gnuradio import gr, rfseg

from rfseg.contract import Contract
from rfseg.geometry import Geometry, RxTime
from rfseg.pipeline import segment_recording

SAMP_RATE = 15.36e6  # Hz
FRAME_DURATION = 10e-3  # s; rows of 600 samples, so a segment's overhang is 6 % of a row
NOISE_DBFS = -90.0
# A burst's bins lie 10 dB above the model's threshold: a row with 10 % of it passes; its neighbour, into
# which only the last segment reads, stays 16 dB below and does not.
BURST_DBFS = -60.0
CENTERS = (3.5e9, 3.6e9, 2.1e9)  # Hz


@dataclass(frozen=True)
class Burst:
    """A carrier on bins ``first`` to ``last`` from sample ``start`` to before ``stop``."""

    start: int
    stop: int
    first: int
    last: int


def make_scene(kit, geometry: Geometry, count: int, seed: int) -> tuple[np.ndarray, list[Burst], list[int]]:
    """Noise with bursts at random places, and retunes in between."""
    rng = np.random.default_rng(seed)
    iq = kit.noise(count, level_db=NOISE_DBFS, seed=seed)
    bursts = []
    position = 0
    while True:
        start = position + int(rng.integers(20_000, 200_000))
        stop = start + int(rng.integers(5_000, 120_000))
        if stop >= count:
            break
        first = int(rng.integers(2, 40))
        bursts.append(Burst(start, stop, first, first + int(rng.integers(6, 20))))
        b = bursts[-1]
        iq[start:stop] += kit.comb(stop - start, bins=geometry.bins, first=b.first, last=b.last, level_db=BURST_DBFS)
        position = stop
    retunes = sorted(int(r) for r in rng.integers(1, count, len(CENTERS)))
    return iq, bursts, retunes


def tags_of_retunes(retunes: list[int]) -> dict[int, list]:
    """``rx_freq`` tags that lead through the centres."""
    return {at: [("rx_freq", pmt.from_double(center))] for at, center in zip(retunes, CENTERS)}


def nearest(value: int, candidates: list[int]) -> int:
    """Distance to the nearest candidate."""
    return min(abs(value - c) for c in candidates)


def test_ten_million_samples_come_out_as_they_went_in_and_bursts_are_tagged(kit, threshold_model):
    contract: Contract = rfseg_contract(threshold_model)
    geometry = contract.make_geometry(SAMP_RATE, frame_duration=FRAME_DURATION)
    row = geometry.row_samples
    count = 10_000_000
    iq, bursts, retunes = make_scene(kit, geometry, count, seed=11)

    top = gr.top_block()
    chain = rfseg.rf_segmenter(
        SAMP_RATE,
        model=threshold_model,
        frame_duration=FRAME_DURATION,
        mode="lossless",
        min_duration=0.0,
        max_gap=0.0,
    )
    source = kit.array_source(iq, tags=tags_of_retunes(retunes), seed=1)
    copies = [kit.random_copy(np.complex64, seed=s, largest=n) for s, n in ((2, 30_000), (3, 50_000))]
    sink, log = kit.compare_sink(iq), kit.message_log()
    top.connect(source, copies[0], chain, copies[1], sink)
    top.msg_connect(chain, "bands", log, "in")
    kit.run(top)

    assert (sink.received, sink.differing) == (count, 0)
    assert [(o, pmt.to_double(v)) for o, k, v in sink.tags if k == "rx_freq"] == list(zip(retunes, CENTERS))

    messages = log.messages
    frames = [(m["sample_start"], m["sample_start"] + m["valid_samples"]) for m in messages]
    assert frames[0][0] == 0 and frames[-1][1] == count
    assert all(before[1] == after[0] for before, after in zip(frames, frames[1:]))  # each sample in one frame
    assert [m["last"] for m in messages] == [False] * (len(messages) - 1) + [True]
    assert set(retunes) <= {begin for begin, _ in frames}

    # A band begins where its burst begins, or where a frame begins inside the burst; it ends alike.
    starts = [o for o, k, _ in sink.tags if k == "band_start"]
    ends = [o for o, k, _ in sink.tags if k == "band_end"]
    cuts = [begin for begin, _ in frames if any(b.start < begin < b.stop for b in bursts)]
    assert len(starts) == len(ends) == chain.bands() >= len(bursts) > 40
    assert all(nearest(start, [b.start for b in bursts] + cuts) <= row for start in starts)
    assert all(nearest(end + 1, [b.stop for b in bursts] + cuts) <= row for end in ends)
    assert all(nearest(b.start, starts) <= row and nearest(b.stop, ends) <= row for b in bursts)
    assert chain.late_bands() == 0

    centers = [None] + list(CENTERS)
    for message in messages:
        center = centers[sum(r <= message["sample_start"] for r in retunes)]
        for band in message["bands"]:
            assert band["freq_reference"] == ("baseband" if center is None else "rf")
            middle = (band["freq_lower_edge"] + band["freq_upper_edge"]) / 2 - (center or 0.0)
            expected = [geometry.edge_freq((b.first + b.last + 1) / 2) for b in bursts if overlaps(b, band)]
            assert min(abs(middle - e) for e in expected) < geometry.bin_width


def overlaps(burst: Burst, band: dict) -> bool:
    """Whether the band lies on the burst, in time."""
    return burst.start < band["sample_start"] + band["sample_count"] and band["sample_start"] < burst.stop


def rfseg_contract(model: str) -> Contract:
    """The contract in a model file."""
    from rfseg.modelfile import load_contract

    return load_contract(model)


@pytest.mark.parametrize("dtype, item_type, scale", [(np.int16, "int16", 32767), (np.int8, "int8", 127)])
def test_integer_samples_pass_bit_for_bit(kit, threshold_model, dtype, item_type, scale):
    count = 400_000
    geometry = rfseg_contract(threshold_model).make_geometry(SAMP_RATE, frame_duration=2e-3)
    iq = kit.noise(count, level_db=-70.0, seed=3)
    iq[100_000:200_000] += kit.comb(100_000, bins=geometry.bins, first=20, last=30, level_db=-30.0)
    items = np.round(iq.view(np.float32) * scale).astype(dtype).view(np.uint8).reshape(count, -1)

    top = gr.top_block()
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=threshold_model, frame_duration=2e-3, mode="lossless", item_type=item_type
    )
    source, sink = kit.array_source(items), kit.compare_sink(items)
    top.connect(source, chain, sink)
    kit.run(top)

    assert (sink.received, sink.differing) == (count, 0)
    starts = [o for o, k, _ in sink.tags if k == "band_start"]
    assert nearest(100_000, starts) <= 2 * geometry.row_samples


def test_result_does_not_depend_on_how_the_scheduler_cuts_the_stream(kit, threshold_model):
    count = 400_000
    geometry = rfseg_contract(threshold_model).make_geometry(SAMP_RATE, frame_duration=2e-3)
    iq, _, retunes = make_scene(kit, geometry, count, seed=5)

    def messages(seed: int, largest: int, max_noutput_items: int = 1 << 20) -> list[dict]:
        top = gr.top_block()
        chain = rfseg.rf_segmenter(SAMP_RATE, model=threshold_model, frame_duration=2e-3, mode="lossless")
        source = kit.array_source(iq, tags=tags_of_retunes(retunes), seed=seed, largest=largest)
        log = kit.message_log()
        top.connect(source, chain)
        top.msg_connect(chain, "bands", log, "in")
        kit.run(top, max_noutput_items=max_noutput_items)
        return log.messages

    first = messages(1, 100)
    assert first == messages(2, 8191)
    assert first == messages(3, 8191, max_noutput_items=7)  # of samples, rows and mask rows
    assert sum(len(m["bands"]) for m in first) > 0


def test_the_iq_output_may_stay_unconnected(kit, threshold_model):
    top = gr.top_block()
    chain = rfseg.rf_segmenter(SAMP_RATE, model=threshold_model, frame_duration=2e-3, mode="lossless")
    source, log = kit.array_source(kit.noise(100_000, level_db=-90.0, seed=1)), kit.message_log()
    top.connect(source, chain)
    top.msg_connect(chain, "bands", log, "in")
    kit.run(top)
    assert log.messages[-1]["last"] and log.messages[-1]["watermark"] == 100_000


@pytest.mark.parametrize("count", [1, 63, 30_720, 30_721])
def test_short_streams_come_out_whole_and_end_with_a_last_frame(kit, threshold_model, count):
    iq = kit.noise(count, level_db=-60.0, seed=2)
    top = gr.top_block()
    chain = rfseg.rf_segmenter(SAMP_RATE, model=threshold_model, frame_duration=2e-3, mode="lossless")
    source, sink, log = kit.array_source(iq), kit.compare_sink(iq), kit.message_log()
    top.connect(source, chain, sink)
    top.msg_connect(chain, "bands", log, "in")
    kit.run(top)
    assert (sink.received, sink.differing) == (count, 0)
    assert [m["last"] for m in log.messages] == [False] * (len(log.messages) - 1) + [True]
    assert log.messages[-1]["watermark"] == count


def test_no_band_is_told_of_while_the_receiver_settles(kit, threshold_model):
    count, blanked = 400_000, 50_000  # samples; longer than a frame
    iq = kit.noise(count, level_db=NOISE_DBFS, seed=3)
    iq += kit.comb(count, bins=64, first=20, last=30, level_db=BURST_DBFS)
    retunes = [100_000, 130_000, 300_000]  # the second before the first has settled
    top = gr.top_block()
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=threshold_model, frame_duration=2e-3, mode="lossless", settling=blanked / SAMP_RATE
    )
    source, sink = kit.array_source(iq, tags=tags_of_retunes(retunes), seed=1), kit.compare_sink(iq)
    log, status = kit.message_log(), kit.message_log()
    top.connect(source, chain, sink)
    top.msg_connect(chain, "bands", log, "in")
    top.msg_connect(chain, "status", status, "in")
    kit.run(top)
    assert (sink.received, sink.differing) == (count, 0)
    good = [(0, 100_000), (180_000, 300_000), (350_000, count)]
    covered = sorted((m["sample_start"], m["watermark"]) for m in log.messages if m["state"] == "inferred")
    assert {begin for begin, _ in covered} >= {begin for begin, _ in good}  # frames begin with the first good sample
    assert sum(end - begin for begin, end in covered) == sum(end - begin for begin, end in good)
    assert all(m["settling"] == (m["state"] == "settling") == (not m["bands"]) for m in log.messages)
    settled = [m for m in status.messages if m["event"] == "settled"]
    assert [(m["sample"], m["settling_samples"]) for m in settled] == [(180_000, 80_000), (350_000, 50_000)]
    starts = [offset for offset, key, _ in sink.tags if key == "band_start"]
    assert starts and not any(100_000 <= s < 180_000 or 300_000 <= s < 350_000 for s in starts)


def test_frames_and_bands_around_settling_are_those_of_the_reference(kit, threshold_session):
    """The flowgraph against ``segment_recording``: a retune while the receiver settles, a gap, a frame that is cut."""
    count, settling = 700_000, 50_000 / SAMP_RATE
    iq = kit.noise(count, level_db=NOISE_DBFS, seed=3)
    iq[40_000:] += kit.comb(count - 40_000, bins=64, first=20, last=30, level_db=BURST_DBFS)
    begin = RxTime(seconds=5, fraction=0.75)
    places = [(0, 1e9, 0), (100_000, 2e9, 0), (130_000, 3e9, 0), (300_000, 3e9, 7_000), (500_000, 1e9, 7_000)]
    captures = [(start, center, begin.after(start + lost, SAMP_RATE)) for start, center, lost in places]
    tags = {
        start: [
            ("rx_freq", pmt.from_double(center)),
            ("rx_time", pmt.make_tuple(pmt.from_uint64(time.seconds), pmt.from_double(time.fraction))),
        ]
        for start, center, time in captures
    }
    top, log = gr.top_block(), kit.message_log()
    chain = rfseg.rf_segmenter(
        SAMP_RATE, model=threshold_session, frame_duration=2e-3, mode="lossless", settling=settling
    )
    source = kit.array_source(iq, tags=tags)
    top.connect(source, chain)
    top.msg_connect(chain, "bands", log, "in")
    kit.run(top)
    recording = SimpleNamespace(
        samp_rate=SAMP_RATE, sample_count=count, captures=captures, read=lambda start, count: iq[start : start + count]
    )
    wanted = list(segment_recording(recording, threshold_session, frame_duration=2e-3, settling=settling))
    frame = wanted[0].frame
    keys = [key for key in vars(frame) if key not in ("center_freq", "rx_time", "limits")]
    assert [[m[key] for key in keys] for m in log.messages] == [[getattr(r.frame, k) for k in keys] for r in wanted]
    for message, result in zip(log.messages, wanted):
        assert message["center_freq"] == result.frame.center_freq
        assert message["rx_time"][0] == result.frame.rx_time.seconds
        assert message["rx_time"][1] == pytest.approx(result.frame.rx_time.fraction, abs=1e-9)
        assert len(message["bands"]) == len(result.bands) == (not message["settling"] and message["watermark"] > 40_000)
        for band, expected in zip(message["bands"], result.bands):
            exact = ("id", "label", "sample_start", "sample_count")
            assert [band[key] for key in exact] == [getattr(expected, key) for key in exact]
            for key in ("freq_lower_edge", "freq_upper_edge", "power_dbfs", "snr_db"):
                assert band[key] == pytest.approx(getattr(expected, key), abs=0.01)
