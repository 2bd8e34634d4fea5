"""Annotations of SigMF recordings, painted into masks and written as a set."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rfseg.contract import ClassKind, SignalClass
from rfseg.datasets.annotated import LabelRules, classes_of_labels, plan_annotated, write_annotated
from rfseg.datasets.boxes import Box, paint_boxes, read_boxes
from rfseg.datasets.classes import STANDARD_CLASSES
from rfseg.datasets.items import restore_rows
from rfseg.errors import DatasetError, RfsegError
from rfseg.geometry import Frame, make_geometry
from rfseg.sigmf import open_recording
from rfseg.spectrogram import frame_rows

SAMP_RATE, CENTER = 15.36e6, 2.4e9
GEOMETRY = make_geometry(SAMP_RATE, frame_duration=5e-3)  # 64 bins of 240 kHz, rows of 300 samples
ROW, COUNT = GEOMETRY.row_samples, GEOMETRY.frame_samples
FRAME = Frame(index=0, sample_start=0, sample_count=COUNT, valid_samples=COUNT, samp_rate=SAMP_RATE, center_freq=CENTER)
NOISE, LTE, NR, RADAR, UNKNOWN = 0, 1, 2, 3, 255


def box(class_id: int, rows: tuple[float, float], bins: tuple[float, float] | None = None, index: int = 0) -> Box:
    """A box of fractional rows and bin edges."""
    edges = None if bins is None else tuple(CENTER + GEOMETRY.edge_freq(b) for b in bins)
    start, stop = (round(r * ROW) for r in rows)
    return Box(index=index, class_id=class_id, sample_start=start, sample_stop=stop, edges=edges)


def paint(*boxes: Box, frame: Frame = FRAME, **options: int) -> np.ndarray:
    return paint_boxes(boxes, frame=frame, geometry=GEOMETRY, classes=STANDARD_CLASSES, **options)


def expected(*parts: tuple[int, slice, slice], background: int = NOISE) -> np.ndarray:
    mask = np.full((256, 64), background, np.uint8)
    for class_id, rows, bins in parts:
        mask[rows, bins] = class_id
    return mask


def test_a_box_labels_the_rows_that_it_touches_and_the_bins_whose_centre_it_covers() -> None:
    mask = paint(box(LTE, (10.5, 20.01), (5.4, 9.6)))
    assert np.array_equal(mask, expected((LTE, slice(10, 21), slice(5, 10))))
    assert np.array_equal(paint(box(LTE, (10, 20), (5.6, 9.4))), expected((LTE, slice(10, 20), slice(6, 9))))


def test_what_is_narrower_than_a_bin_or_shorter_than_a_row_does_not_vanish() -> None:
    mask = paint(box(RADAR, (10.1, 10.2), (30.6, 30.7)))
    assert np.array_equal(mask, expected((RADAR, slice(10, 11), slice(30, 31))))


def test_without_edges_a_box_covers_the_whole_band() -> None:
    assert np.array_equal(paint(box(NR, (3, 5))), expected((NR, slice(3, 5), slice(None))))


def test_what_reaches_beyond_the_band_is_cut_at_its_edge() -> None:
    mask = paint(box(LTE, (0, 256), (60, 80)), box(NR, (0, 256), (-9, 0.2)), box(RADAR, (0, 256), (70, 90)))
    assert np.array_equal(mask, expected((LTE, slice(None), slice(60, 64)), (NR, slice(None), slice(0, 1))))


@pytest.mark.parametrize("order", [1, -1])
def test_overlaps_go_to_ignore_then_pulses_then_the_smaller_carrier_whatever_their_order(order: int) -> None:
    large, small = box(LTE, (0, 100), (0, 40)), box(NR, (0, 100), (30, 60))
    noise, radar, ignore = box(NOISE, (90, 95), (35, 36)), box(RADAR, (50, 60)), box(UNKNOWN, (55, 65), (38, 42))
    mask = paint(*[large, small, radar, ignore, noise][::order])
    parts = [
        (LTE, slice(0, 100), slice(0, 40)),
        (NR, slice(0, 100), slice(30, 60)),
        (RADAR, slice(50, 60), slice(None)),
        (UNKNOWN, slice(55, 65), slice(38, 42)),
    ]
    assert np.array_equal(mask, expected(*parts))


def test_of_two_equal_boxes_the_later_wins() -> None:
    mask = paint(box(LTE, (0, 10), (0, 10), index=1), box(NR, (0, 10), (0, 10), index=0))
    assert mask[0, 0] == LTE


def test_unlabelled_pixels_may_be_unknown_while_noise_is_stated() -> None:
    mask = paint(box(NOISE, (0, 10), (0, 32)), unlabelled=UNKNOWN)
    assert np.array_equal(mask, expected((NOISE, slice(0, 10), slice(0, 32)), background=UNKNOWN))


def test_a_later_frame_shows_its_part_of_a_box_and_nothing_after_its_end() -> None:
    frame = Frame(
        index=1, sample_start=COUNT, sample_count=COUNT, valid_samples=50 * ROW, samp_rate=SAMP_RATE, center_freq=CENTER
    )
    mask = paint(box(LTE, (200, 266), (5, 9)), box(NR, (270, 600), (20, 21)), frame=frame)
    parts = [(LTE, slice(0, 10), slice(5, 9)), (NR, slice(14, 50), slice(20, 21))]
    assert np.array_equal(mask, expected(*parts, (UNKNOWN, slice(50, 256), slice(None))))


def note(start: int = 0, count: int | None = 3000, label: str | None = "LTE", **edges: float) -> dict[str, Any]:
    stated = {"sample_start": start, "sample_count": count, "label": label, **edges}
    return {f"core:{key}": value for key, value in stated.items() if value is not None}


def inside(low: float, high: float) -> dict[str, float]:
    """Edges in MHz from the centre."""
    return {"freq_lower_edge": CENTER + low * 1e6, "freq_upper_edge": CENTER + high * 1e6}


IDS = {"Noise": NOISE, "LTE": LTE, "NR": NR, "Radar": RADAR, "junk": UNKNOWN}


def test_annotations_become_boxes(write_recording) -> None:
    captures = [{"core:sample_start": 0, "core:frequency": CENTER}, {"core:sample_start": 6000}]
    notes = [note(100, None, **inside(1, 2)), note(100, 7000, " NR "), note(5, 10, "junk"), note(7000, None, "Radar")]
    recording = open_recording(write_recording(np.zeros(9000, np.complex64), captures=captures, annotations=notes))
    boxes = [(b.index, b.class_id, b.sample_start, b.sample_stop, b.edges) for b in read_boxes(recording, IDS)]
    assert boxes == [
        (0, LTE, 100, 6000, (2.401e9, 2.402e9)),
        (1, NR, 100, 7100, None),
        (2, UNKNOWN, 5, 15, None),
        (3, RADAR, 7000, 9000, None),
    ]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (note(8000, 1001), "core:sample_start=8000, core:sample_count=1001, but the recording holds .* 0 to 9000"),
        (note(9000, None), "core:sample_start=9000, core:sample_count=None, but"),
        (note(-1, 10), "core:sample_start=-1, core:sample_count=10, but"),
        (note(0, 0), "core:sample_start=0, core:sample_count=0, but"),
        (note(0.5), "core:sample_start=0.5, expected an integer"),
        (note(0, True), "core:sample_count=True, expected an integer"),
        ({"core:label": "LTE"}, "core:sample_start=None, expected an integer"),
        (note(**inside(8, 9)), "core:freq_lower_edge=2408000000, core:freq_upper_edge=2409000000, but the recording"
         " covers 2392320000 to 2407680000 Hz"),
        (note(freq_lower_edge=1e6, freq_upper_edge=2e6), "core:freq_lower_edge=1000000, .* but the recording covers"),
        (note(freq_lower_edge=2.4e9), "core:freq_lower_edge=2400000000.0, core:freq_upper_edge=None, expected two"),
        (note(**inside(2, 1)), ".*expected two frequencies in Hz, the lower first, or neither"),
        (note(label="Wi-Fi"), "the label 'Wi-Fi', expected one of Noise, LTE, NR, Radar, junk; .* --map Wi-Fi=CLASS"),
        (note(label=None), "no core:label, expected one of"),
        (note(label=7), "core:label=7, expected a text"),
    ],
)  # fmt: skip
def test_an_annotation_that_cannot_be_is_named_with_its_values(wrong: dict, text: str, write_recording) -> None:
    path = write_recording(np.zeros(9000, np.complex64), annotations=[note(), wrong])
    with pytest.raises(DatasetError, match=f"annotation 1 of .*scene.sigmf-meta has {text}"):
        read_boxes(open_recording(path), IDS)


def test_an_annotation_may_leave_the_band_when_the_radio_is_retuned(write_recording) -> None:
    captures = [{"core:sample_start": 0, "core:frequency": CENTER}, {"core:sample_start": 6000, "core:frequency": 1e9}]
    samples = np.zeros(9000, np.complex64)
    path = write_recording(samples, captures=captures, annotations=[note(0, 9000, **inside(1, 2))])
    assert len(read_boxes(open_recording(path), IDS)) == 1
    path = write_recording(samples, captures=captures, annotations=[note(6500, 100, **inside(1, 2))])
    with pytest.raises(DatasetError, match="but the recording covers 992320000 to 1007680000 Hz"):
        read_boxes(open_recording(path), IDS)


def test_classes_are_made_of_the_labels_ours_first() -> None:
    classes = classes_of_labels({"drone", "Radar", "Noise", "LTE", "Wi-Fi"})
    assert [c.label for c in classes] == ["Noise", "LTE", "Radar", "Wi-Fi", "drone"]
    assert [c.kind for c in classes][2:] == [ClassKind.PULSED, ClassKind.CARRIER, ClassKind.CARRIER]
    with pytest.raises(DatasetError, match="no annotation has a label of a signal"):
        classes_of_labels({"Noise"})
    with pytest.raises(DatasetError, match="must have 1 to 20 characters.*; give it a shorter name with --map"):
        classes_of_labels({"a very long label indeed"})


def test_recordings_become_a_set_with_classes_of_their_own(make_carrier, write_recording, tmp_path: Path) -> None:
    frame = 2 * COUNT + 5000
    carrier = make_carrier(frame)
    write_recording(carrier, "a", annotations=[note(0, frame, "Wi-Fi", **inside(2, 5)), note(0, 300, "spur")])
    planned = plan_annotated(tmp_path, LabelRules(aliases=(("spur", "ignore"),)), frame_duration=5e-3)
    written = write_annotated(planned, tmp_path / "set", per_shard=2, processes=1)
    assert written.description.labels == ("Noise", "Wi-Fi")
    assert (len(written), planned.short, written.bins) == (3, 0, {64: 3})
    first, last = written[0], written[2]
    rows, _ = frame_rows(carrier[: COUNT + GEOMETRY.overhang], GEOMETRY)
    assert np.abs(restore_rows(first) - rows).max() < 0.04
    wifi = slice(41, 53)  # 2 to 5 MHz: bin edges 40.8 to 53.3
    parts = [(1, slice(None), wifi), (UNKNOWN, slice(0, 1), slice(None))]
    assert np.array_equal(first.mask, expected(*parts))
    in_band = first.data[0][first.mask == 1].astype(float).mean() - first.data[0][:, :30].astype(float).mean()
    assert in_band > 40  # dB: the mask lies where the carrier is
    assert (last.metadata["valid_rows"], last.metadata["sample_start"]) == (17, 2 * COUNT)
    assert np.all(last.mask[17:] == UNKNOWN)
    assert last.metadata["recording"] == "a.sigmf-meta"
    assert (last.metadata["center_freq"], last.metadata["samp_rate"]) == (CENTER, SAMP_RATE)


@pytest.mark.parametrize(
    ("datatype", "scale", "kind"),
    [
        ("cf32_le", 1, "<f4"),
        ("cf64_be", 1, ">f8"),
        ("ci32_be", 2**31, ">i4"),
        ("ci16_le", 2**15, "<i2"),
        ("ci8", 2**7, "i1"),
    ],
)
def test_every_datatype_gives_the_same_picture(
    datatype: str, scale: int, kind: str, write_recording, tmp_path: Path
) -> None:
    tone = 0.5 * np.exp(2j * np.pi * 2.88e6 / SAMP_RATE * np.arange(15360))  # 12 bins above DC
    components = np.stack([tone.real, tone.imag], axis=-1) * scale
    data = (components if scale == 1 else np.rint(components)).astype(kind)
    write_recording(data, annotations=[note(0, 15360, **inside(2.8, 2.9))], datatype=datatype)
    planned = plan_annotated(tmp_path, LabelRules())
    item = planned(0)
    peak = np.unravel_index(restore_rows(item)[0].argmax(), (256, 64))
    assert item.mask[peak] == LTE
    assert restore_rows(item)[0].max() == pytest.approx(-6.02, abs=0.5)


def test_rates_may_differ_from_recording_to_recording(write_recording, tmp_path: Path) -> None:
    for name, rate in (("low", 15.36e6), ("high", 30.72e6)):
        notes = [note(0, 30720, **inside(-1, 1))]
        write_recording(np.ones(30720, np.complex64), name, annotations=notes, sample_rate=rate)
    written = write_annotated(plan_annotated(tmp_path, LabelRules()), tmp_path / "set", per_shard=8, processes=1)
    assert written.bins == {64: 1, 128: 1}
    assert written.description.samp_rate_range == (15.36e6, 30.72e6)
    shapes = {written.metadata(i)["recording"]: written[i].mask.shape for i in range(2)}
    assert shapes == {"low.sigmf-meta": (256, 64), "high.sigmf-meta": (256, 128)}


def test_bad_recordings_are_refused_by_name_or_left_out(write_recording, tmp_path: Path) -> None:
    good = [note(0, 20000)]
    samples = np.ones(20000, np.complex64)
    write_recording(samples, "good", annotations=good)
    write_recording(samples, "late", annotations=[note(19000, 1001)])
    write_recording(samples, "slow", annotations=good, sample_rate=1e6)
    (tmp_path / "torn.sigmf-meta").write_text("{")
    with pytest.raises(DatasetError, match=r"slow.sigmf-meta: samp_rate=1e\+06 Hz is outside .*--skip-bad"):
        plan_annotated(tmp_path, LabelRules())
    planned = plan_annotated(tmp_path, LabelRules(), skip_bad=True)
    assert [path.name for path in planned.paths] == ["good.sigmf-meta"]
    assert [p.file.name for p in planned.problems] == ["slow.sigmf-meta", "torn.sigmf-meta", "late.sigmf-meta"]
    assert all(str(p.file) in p.text for p in planned.problems)
    (tmp_path / "good.sigmf-meta").unlink()
    with pytest.raises(DatasetError, match="gives no frame: .*slow"):
        plan_annotated(tmp_path, LabelRules(), skip_bad=True)


def test_short_frames_are_left_out_and_counted(write_recording, tmp_path: Path) -> None:
    write_recording(np.ones(COUNT + 5 * ROW, np.complex64), annotations=[note()])
    planned = plan_annotated(tmp_path, LabelRules(), frame_duration=5e-3, min_rows=6)
    assert (len(planned.frames), planned.short) == (1, 1)
    with pytest.raises(DatasetError, match="gives no frame: none has a frame of 256 rows; lower --min-rows"):
        plan_annotated(tmp_path, LabelRules(), frame_duration=10e-3, min_rows=256)


def test_an_archive_is_read_in_place_unless_its_pair_lies_beside_it(write_recording, tmp_path: Path) -> None:
    path = write_recording(np.ones(20000, np.complex64), annotations=[note()])
    with tarfile.open(tmp_path / "scene.sigmf", "w") as archive:
        for file in (path, path.with_suffix(".sigmf-data")):
            archive.add(file, f"scene/{file.name}")
    assert [p.name for p in plan_annotated(tmp_path, LabelRules()).paths] == ["scene.sigmf-meta"]
    path.unlink()
    planned = plan_annotated(tmp_path, LabelRules())
    assert [p.name for p in planned.paths] == ["scene.sigmf"]
    assert LTE in planned(0).mask


def test_labels_are_mapped_to_given_classes(write_recording, tmp_path: Path) -> None:
    write_recording(np.ones(20000, np.complex64), annotations=[note(label="5G"), note(9000, 300, label=None)])
    classes = (STANDARD_CLASSES[0], SignalClass(label="NR", kind="carrier"), SignalClass(label="pulse", kind="pulsed"))
    aliases = (("5G", "NR"), ("", "pulse"))
    planned = plan_annotated(tmp_path, LabelRules(classes=classes, aliases=aliases, ignores_unlabelled=True))
    assert np.unique(planned(0).mask).tolist() == [1, 2, 255]
    with pytest.raises(DatasetError, match="label '5G' is mapped to 'LTE', expected 'ignore' or one of Noise, NR, pu"):
        plan_annotated(tmp_path, LabelRules(classes=classes, aliases=(("5G", "LTE"),)))


def test_another_version_of_the_recordings_is_not_taken_for_the_same_set(write_recording, tmp_path: Path) -> None:
    path = write_recording(np.ones(20000, np.complex64), annotations=[note()])
    out = tmp_path / "set"
    write_annotated(plan_annotated(tmp_path, LabelRules()), out, per_shard=8, processes=1)
    metadata = json.loads(path.read_text())
    metadata["annotations"][0]["core:sample_count"] = 4000
    path.write_text(json.dumps(metadata))
    with pytest.raises(DatasetError, match="set/index.json is of another set: source is"):
        write_annotated(plan_annotated(tmp_path, LabelRules()), out, per_shard=8, processes=1)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RfsegError, match="holds no SigMF recording; looked for"):
        plan_annotated(tmp_path, LabelRules())
    with pytest.raises(RfsegError, match="none is no folder; give one with SigMF recordings"):
        plan_annotated(tmp_path / "none", LabelRules())
