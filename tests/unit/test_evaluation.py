"""What an evaluation counts, against figures derived by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rfseg.bands import Band
from rfseg.datasets.classes import IGNORED, STANDARD_CLASSES
from rfseg.evaluation import (
    BandScores,
    Calibration,
    Confusion,
    EnergyDetector,
    PulseScores,
    TrueBand,
    read_bands,
    read_pulses,
)
from rfseg.evaluation.bandscores import Verdict, band_iou_score, judge_bands
from rfseg.evaluation.buckets import HIGH_SNR, in_order, snr_bucket
from rfseg.geometry import Geometry, make_geometry

LTE, NR, RADAR = 1, 2, 3
GEOMETRY = make_geometry(15.36e6)  # 64 bins of 240 kHz, 256 rows of 1200 samples


def emitter(label: str, low: float, high: float, geometry: Geometry = GEOMETRY, **facts) -> dict:
    """As the record of a scene has it, between two edges in bins."""
    whole = {"sample_start": 0, "sample_count": geometry.frame_samples, "snr_db": 12.0, "comment": "5 MHz, 15 kHz, TDD"}
    edges = {"freq_lower_edge": geometry.edge_freq(low), "freq_upper_edge": geometry.edge_freq(high)}
    return {"label": label, **edges, **whole, **facts}


def band(class_id: int, low: float, high: float, *, rows: tuple[int, int] = (0, 256)) -> Band:
    """A prediction between two edges in bins, on some rows."""
    return Band(
        label=STANDARD_CLASSES[class_id].label,
        class_id=class_id,
        confidence=1.0,
        freq_lower_edge=GEOMETRY.edge_freq(low),
        freq_upper_edge=GEOMETRY.edge_freq(high),
        freq_reference="baseband",
        sample_start=rows[0] * GEOMETRY.row_samples,
        sample_count=(rows[1] - rows[0]) * GEOMETRY.row_samples,
    )


def empty_mask() -> np.ndarray:
    return np.zeros((256, 64), np.uint8)


def true_bands(truth: np.ndarray, *emitters: dict):
    return read_bands({"emitters": list(emitters)}, truth, GEOMETRY, STANDARD_CLASSES)


def test_pixel_figures() -> None:
    # Known pixels, (true, assigned): (0,0) (0,0) (0,1) (1,1) (1,0), so the confusion is [[2, 1], [1, 1]].
    confusion = Confusion(classes=3)
    confusion.add(np.array([[0, 0, 0, 1, 1, IGNORED]]), np.array([[0, 0, 1, 1, 0, 2]]))
    assert confusion.counts.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    figures = confusion.to_json(["A", "B", "C"])
    assert (figures["pixels"], figures["accuracy"]) == (5, pytest.approx(3 / 5))
    assert figures["macro_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-6)
    assert figures["mean_iou"] == pytest.approx((2 / 4 + 1 / 3) / 2, abs=1e-6)  # class C does not occur
    assert figures["classes"]["A"] == pytest.approx({"iou": 2 / 4, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3}, abs=1e-6)
    assert figures["classes"]["B"] == pytest.approx({"iou": 1 / 3, "precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2}, abs=1e-6)
    assert set(figures["classes"]["C"].values()) == {None}


def test_a_class_that_is_only_assigned_has_iou_zero_and_no_recall() -> None:
    confusion = Confusion(classes=2)
    confusion.add(np.zeros((1, 4), np.uint8), np.array([[0, 0, 0, 1]], np.uint8))
    assert confusion.iou_scores.tolist() == [0.75, 0.0]
    assert np.isnan(confusion.recall_scores[1]) and confusion.precision_scores[1] == 0.0
    assert confusion.mean_iou_score == pytest.approx(0.375)


def test_calibration_error_is_the_mean_gap_between_confidence_and_accuracy() -> None:
    # Ten pixels of confidence 204 / 255 = 0.8 of which six are right, five of confidence 1 that all are, one unknown:
    # (10 * |0.6 - 0.8| + 5 * 0) / 15
    truth = np.array([[1] * 6 + [0] * 4 + [1] * 5 + [IGNORED]], np.uint8)
    confidence = np.array([[204] * 10 + [255] * 5 + [10]], np.uint8)
    calibration = Calibration()
    assert calibration.calibration_error is None
    calibration.add(truth, np.ones_like(truth), confidence)
    assert calibration.calibration_error == pytest.approx(2 / 15)
    table = calibration.table()
    assert len(table) == 15 and [n for n, b in enumerate(table) if b["pixels"]] == [12, 14]
    facts = {"low": 12 / 15, "high": 13 / 15, "pixels": 10, "confidence": 0.8, "accuracy": 0.6}
    assert table[12] == pytest.approx(facts, abs=1e-6)
    assert (table[14]["pixels"], table[14]["confidence"], table[14]["accuracy"]) == (5, 1.0, 1.0)


def test_a_carrier_that_the_mask_shows_is_judged() -> None:
    truth = empty_mask()
    truth[20:200, 10:30] = LTE
    truth[:, 40:64] = NR
    lte, nr = true_bands(truth, emitter("LTE", 10, 30), emitter("NR", 40, 70, comment=""))
    assert (lte.row_start, lte.row_stop, lte.channel, lte.is_judged) == (20, 200, "5 MHz", True)
    assert (lte.low, lte.high) == pytest.approx((10, 30)) and (lte.shows_low, lte.shows_high) == (True, True)
    # The band of the receiver ends at bin 64: there is no upper edge to measure.
    assert nr.high == 64 and (nr.shows_low, nr.shows_high) == (True, False) and nr.channel == "?"


@pytest.mark.parametrize("share_hidden, is_judged", [(10, True), (11, False)])
@pytest.mark.parametrize("other", [IGNORED, NR])
def test_a_carrier_that_is_mostly_unknown_or_covered_is_not_judged(other: int, share_hidden: int, is_judged: bool) -> None:
    truth = empty_mask()
    truth[:, 10:30] = LTE
    truth[:, 30 - share_hidden : 30] = other  # of 20 bins
    (lte,) = true_bands(truth, emitter("LTE", 10, 30))
    assert lte.is_judged is is_judged
    assert (lte.shows_low, lte.shows_high) == (True, False)


def test_a_carrier_too_narrow_to_report_or_never_shown_is_not_judged() -> None:
    truth = empty_mask()
    truth[:, 62:64] = LTE  # 480 kHz of a carrier at the end of the band; no band is below 700 kHz
    bands = true_bands(truth, emitter("LTE", 62, 80), emitter("NR", 10, 30))
    assert [b.is_judged for b in bands] == [False, False]


def test_overlap_counts_fractions_of_bins_and_leaves_out_unknown_pixels() -> None:
    truth = empty_mask()
    truth[:, 10:30] = LTE
    (lte,) = true_bands(truth, emitter("LTE", 10, 30))
    classes = [LTE, NR]

    def overlap(low: float, high: float, rows: tuple[int, int] = (0, 256)) -> float:
        found = TrueBand(class_id=LTE, low=low, high=high, row_start=rows[0], row_stop=rows[1], snr_db=0.0)
        return band_iou_score(found, lte, truth, classes)

    assert overlap(10, 30) == pytest.approx(1.0)
    assert overlap(10, 25.5) == pytest.approx(15.5 / 20)
    assert overlap(5, 30) == pytest.approx(20 / 25)
    assert overlap(10, 30, rows=(0, 128)) == pytest.approx(1 / 2)
    truth[:, 24:30] = IGNORED  # 14 bins can be judged, of both
    assert overlap(10, 25.5) == pytest.approx(1.0)
    truth[:, 24:30] = NR  # so it is where another carrier hides this one
    assert overlap(10, 25.5) == pytest.approx(1.0)


def test_band_figures_of_one_frame() -> None:
    truth = empty_mask()
    truth[:, 2:12] = LTE
    truth[:, 16:26] = LTE
    truth[:, 30:40] = NR
    truth[:, 50:60] = IGNORED  # of a carrier that is too weak to be seen
    record = true_bands(
        truth, emitter("LTE", 2, 12), emitter("LTE", 16, 26, snr_db=-7.0), emitter("NR", 30, 40), emitter("NR", 50, 60)
    )
    predicted = [
        band(LTE, 2, 14),  # IoU 10 / 12; the upper edge is 2 bins off
        band(LTE, 16, 22),  # IoU 6 / 10: found at 0.5, at 0.75 missed and a false alarm; 4 bins off
        band(LTE, 30, 40),  # the right place under the wrong name: NR missed, LTE a false alarm
        band(NR, 50, 60),  # over what nobody can tell
        band(RADAR, 45, 48),  # pulses are judged elsewhere
    ]
    scores = BandScores(STANDARD_CLASSES)
    scores.add(truth, predicted, record, GEOMETRY)
    figures = scores.to_json()
    assert (figures["bands"], figures["ignored"]) == (3, 1)
    assert figures["classes"]["LTE"] == {
        "bands": 2,
        "iou_0.5": {"found": 2, "detection": 1.0, "false_alarms_per_frame": 1.0},
        "iou_0.75": {"found": 1, "detection": 0.5, "false_alarms_per_frame": 2.0},
    }
    assert figures["classes"]["NR"]["iou_0.5"] == {"found": 0, "detection": 0.0, "false_alarms_per_frame": 0.0}
    assert "Radar" not in figures["classes"]
    assert figures["wrong_label"] == {"found": 3, "wrong": 1, "rate": pytest.approx(1 / 3, abs=1e-6)}
    # Errors of 0, 2, 0 and 4 bins of 240 kHz: the median lies between 0 and 480 kHz, 90 % at 2.7 of the 3 steps.
    assert figures["edge_error_khz"] == {"edges": 4, "median": pytest.approx(240), "p90": pytest.approx(480 + 0.7 * 480)}
    assert {k: (v["found"], v["bands"]) for k, v in figures["by_snr"].items()} == {"below -5 dB": (1, 1), "10 to 20 dB": (1, 2)}


def test_one_prediction_finds_one_carrier_only() -> None:
    truth = empty_mask()
    truth[:, 10:30] = LTE
    record = true_bands(truth, emitter("LTE", 10, 30))
    scores = BandScores(STANDARD_CLASSES)
    scores.add(truth, [band(LTE, 10, 30), band(LTE, 10, 29)], record, GEOMETRY)
    assert scores.to_json()["classes"]["LTE"]["iou_0.75"] == {"found": 1, "detection": 1.0, "false_alarms_per_frame": 1.0}


def pulse(row: int, low: float, high: float, family: str, snr_db: float = 25.0) -> dict:
    """A pulse of 12 samples in the middle of a row."""
    start = row * GEOMETRY.row_samples + 600
    return emitter("Radar", low, high, sample_start=start, sample_count=12, comment=family, snr_db=snr_db)


def test_bands_are_right_false_or_excused_one_by_one() -> None:
    truth = empty_mask()
    truth[:, 10:30], truth[100, 45:48], truth[200:210, 50:60] = LTE, RADAR, IGNORED
    found = [
        band(LTE, 10, 29),
        band(NR, 10, 29),  # the wrong name
        band(LTE, 12, 30),  # the carrier is taken
        band(RADAR, 44, 46, rows=(101, 102)),  # touches the pulse
        band(RADAR, 44, 46, rows=(103, 104)),
        band(RADAR, 50, 60, rows=(200, 215)),  # two thirds unknown
    ]
    carriers = true_bands(truth, emitter("LTE", 10, 30))
    right, false, excused = Verdict.RIGHT, Verdict.FALSE, Verdict.EXCUSED
    verdicts = judge_bands(truth, found, carriers, GEOMETRY, STANDARD_CLASSES)
    assert verdicts == [right, false, false, right, false, excused]


def test_pulses_are_found_at_their_rows_and_edges() -> None:
    truth = empty_mask()
    truth[10, 20:24] = truth[20, 20:24] = truth[30, 40:44] = RADAR
    truth[40, 20:24] = IGNORED
    record = {
        "emitters": [
            pulse(10, 20, 24, "ntia-1"),
            pulse(20, 20, 24, "ntia-1"),
            pulse(30, 40, 44, "marine"),
            pulse(40, 20, 24, "ntia-1"),  # too weak to be sure of
        ]
    }
    pulses = read_pulses(record, truth, GEOMETRY, STANDARD_CLASSES)
    assert [(p.row_start, p.row_stop, p.is_judged) for p in pulses] == [
        (10, 11, True), (20, 21, True), (30, 31, True), (40, 41, False),
    ]  # fmt: skip
    mask = empty_mask()
    mask[10, 22] = RADAR  # found
    mask[20, 50] = RADAR  # on the row of a pulse, far from its edges: missed, and the row is false
    mask[30, 39:44] = RADAR  # found; one bin too wide does not make the row false
    mask[40, 21] = RADAR  # unknown: neither
    mask[60, 5] = RADAR  # false
    scores = PulseScores()
    scores.add(truth, mask, pulses, class_ids=[RADAR])
    scores.add(empty_mask(), empty_mask(), [], class_ids=[RADAR])  # a second frame, with nothing
    figures = scores.to_json()
    assert (figures["pulses"], figures["found"], figures["ignored"]) == (3, 2, 1)
    assert figures["by_ntia_bin"] == {
        "1": {"pulses": 2, "found": 1, "detection": 0.5}, "other": {"pulses": 1, "found": 1, "detection": 1.0},
    }  # fmt: skip
    assert set(figures["by_family"]) == {"ntia-1", "marine"}
    assert figures["by_snr"] == {"20 to 30 dB": {"pulses": 3, "found": 2, "detection": pytest.approx(2 / 3, abs=1e-6)}}
    assert figures["false_rows_per_frame"] == 1.0  # rows 20 and 60, in two frames


def test_a_pulse_reaches_the_row_before_it_through_the_last_segment() -> None:
    # The last segment of row 9 starts 30 samples before its end and is 64 long, so it sees what row 10 begins with.
    record = {"emitters": [emitter("Radar", 20, 24, sample_start=10 * 1200 + 5, sample_count=12, comment="ntia-2")]}
    (early,) = read_pulses(record, empty_mask(), GEOMETRY, STANDARD_CLASSES)
    assert (early.row_start, early.row_stop, early.is_judged, early.ntia_bin) == (9, 11, False, "2")


def noisy_rows(geometry: Geometry) -> np.ndarray:
    """Mean and maximum of 32 independent exponential powers, -90 dBFS in the mean."""
    powers = np.random.default_rng(3).exponential(1e-9, (32, geometry.rows, geometry.bins))
    return 10 * np.log10(np.stack([powers.mean(0), powers.max(0)])).astype(np.float32)


def test_groups_are_named_and_ordered_by_their_numbers() -> None:
    names = [snr_bucket(snr_db) for snr_db in (-20, -5, -0.1, 0, 12, 30, 90)]
    assert names == ["below -5 dB", "-5 to 0 dB", "-5 to 0 dB", "0 to 5 dB", "10 to 20 dB", "above 30 dB", "above 30 dB"]
    assert in_order([HIGH_SNR, *reversed(names[2:]), *names[:2]]) == [*names, HIGH_SNR]
    assert in_order(["dfs-2", "dfs-1", "asr-11", "asr-8", "marine"]) == ["asr-8", "asr-11", "dfs-1", "dfs-2", "marine"]
    assert in_order(["NR 5 MHz", "LTE 20 MHz", "LTE 1.4 MHz"]) == ["LTE 1.4 MHz", "LTE 20 MHz", "NR 5 MHz"]


def test_the_energy_detector_names_carriers_by_width_and_pulses_by_duration() -> None:
    geometry = make_geometry(61.44e6)  # 256 bins of 240 kHz, rows of 78 us
    rows = noisy_rows(geometry)
    rows[:, :, 40:78] += 20.0  # 9.12 MHz; LTE has 9.015, NR 9.36
    rows[:, 100:250, 120:177] += 30.0  # 13.68 MHz; NR has that, LTE 13.515
    rows[:, :, 200:202] += 20.0  # 480 kHz, too narrow for either
    rows[1, 60, 210:240] += 25.0  # 78 us
    mask = EnergyDetector().detect(rows, geometry, STANDARD_CLASSES)
    expected = np.zeros_like(mask)
    expected[:, 40:78] = LTE
    expected[100:250, 120:177] = NR
    expected[60, 210:240] = RADAR
    # The average over half a millisecond moves the ends of the second carrier by up to four rows.
    assert (mask != expected)[:96].sum() + (mask != expected)[104:246].sum() + (mask != expected)[254:].sum() == 0
    assert (mask[175, 120:177] == NR).all()


def test_the_energy_detector_finds_nothing_in_noise() -> None:
    geometry = make_geometry(61.44e6)
    assert not EnergyDetector().detect(noisy_rows(geometry), geometry, STANDARD_CLASSES).any()
