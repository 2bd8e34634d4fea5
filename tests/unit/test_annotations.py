"""SigMF annotations: what is written, what is kept, and what never happens to a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import sigmf

from rfseg import __version__
from rfseg.annotations import EXTENSION, annotating, make_annotation, write_annotations
from rfseg.bands import Band
from rfseg.errors import BandError, RecordingError
from rfseg.sigmf import open_recording

Write = Callable[..., Path]
RAMP = (np.arange(200) - 100j).astype(np.complex64)
BAND = Band(
    label="LTE",
    class_id=1,
    confidence=0.98765,
    freq_lower_edge=2.401e9,
    freq_upper_edge=2.405e9,
    freq_reference="rf",
    sample_start=50,
    sample_count=20,
    power_dbfs=-31.416,
    model="test-model",
)
FOREIGN = [
    {"core:sample_start": 0, "core:sample_count": 200, "core:label": "truth"},
    {"core:sample_start": 90, "core:sample_count": 10, "core:generator": "someone else"},
]
OWN = {"core:sample_start": 10, "core:sample_count": 10, "core:generator": "gr-rfseg 0.0.9"}


def _at(sample_start: int) -> Band:
    return Band(**{**BAND.__dict__, "sample_start": sample_start, "id": sample_start})


def _load(folder: Path, name: str = "scene") -> dict:
    metadata = json.loads((folder / f"{name}.sigmf-meta").read_text("utf-8"))
    sigmf.validate.validate(metadata)
    return metadata


def test_every_key_of_an_annotation() -> None:
    annotation = make_annotation(BAND, sample_offset=1000)
    uuid = annotation.pop("core:uuid")
    assert len(uuid) == 36
    assert annotation == {
        "core:sample_start": 1050,
        "core:sample_count": 20,
        "core:freq_lower_edge": 2.401e9,
        "core:freq_upper_edge": 2.405e9,
        "core:label": "LTE",
        "core:generator": f"gr-rfseg {__version__}",
        "rfseg:class_id": 1,
        "rfseg:confidence": 0.9877,
        "rfseg:model": "test-model",
        "rfseg:power_dbfs": -31.42,
    }


def test_the_document_describes_every_key_and_no_other() -> None:
    document = (Path(__file__).parents[2] / "docs" / "sigmf-extension.md").read_text("utf-8")
    measured = Band(**{**BAND.__dict__, "snr_db": 3.0, "power_dbm": -60.0, "pulse_width": 1e-5, "label": "Unknown", "guess": "LTE", "track": 4})
    keys = {key for key in make_annotation(measured) if key.startswith("rfseg:")}
    described = {line.split("`")[1] for line in document.splitlines() if line.startswith("| `rfseg:")}
    assert described == keys
    assert f"version {EXTENSION['version']}" in document


def test_annotations_are_valid_sorted_and_declared(write_recording: Write, tmp_path: Path) -> None:
    recording = open_recording(write_recording(RAMP, annotations=[*FOREIGN[::-1], OWN]))
    path = write_annotations(tmp_path / "out", recording, [_at(0), _at(50), _at(120)])
    metadata = _load(path.parent)
    starts = [a["core:sample_start"] for a in metadata["annotations"]]
    assert starts == [0, 0, 50, 90, 120]
    assert EXTENSION in metadata["global"]["core:extensions"]
    assert metadata["captures"] == recording.metadata["captures"]


def test_foreign_annotations_are_kept_and_own_ones_replaced(write_recording: Write, tmp_path: Path) -> None:
    recording = open_recording(write_recording(RAMP, annotations=[FOREIGN[0], OWN, FOREIGN[1]]))
    write_annotations(tmp_path / "out", recording, [])
    assert _load(tmp_path / "out")["annotations"] == FOREIGN


def test_the_same_run_writes_the_same_file(write_recording: Write, tmp_path: Path) -> None:
    recording = open_recording(write_recording(RAMP))
    texts = [write_annotations(tmp_path / n, recording, [_at(0), _at(50)]).read_bytes() for n in ("a", "b")]
    assert texts[0] == texts[1]
    uuids = {a["core:uuid"] for a in json.loads(texts[0])["annotations"]}
    assert len(uuids) == 2


def test_viewers_find_the_data_beside_the_metadata(write_recording: Write, tmp_path: Path) -> None:
    write_annotations(tmp_path / "out", open_recording(write_recording(RAMP)), [BAND])
    pair = sigmf.fromfile(tmp_path / "out" / "scene.sigmf-meta")
    np.testing.assert_array_equal(pair.read_samples(), RAMP)
    assert not os.path.isabs(os.readlink(tmp_path / "out" / "scene.sigmf-data"))


def test_raw_iq_becomes_a_recording(tmp_path: Path) -> None:
    (tmp_path / "capture.cf32").write_bytes(RAMP.tobytes())
    recording = open_recording(tmp_path / "capture.cf32", samp_rate=20e6, datatype="complex64", center_freq=1e9)
    write_annotations(tmp_path / "out", recording, [BAND])
    pair = sigmf.fromfile(tmp_path / "out" / "capture.sigmf-meta")
    pair.validate()
    np.testing.assert_array_equal(pair.read_samples(), RAMP)
    assert pair.get_captures()[0]["core:frequency"] == 1e9


def test_in_the_own_folder_the_metadata_is_replaced(write_recording: Write, tmp_path: Path) -> None:
    path = write_recording(RAMP, annotations=FOREIGN)
    write_annotations(tmp_path, open_recording(path), [BAND])
    write_annotations(tmp_path, open_recording(path), [BAND])
    assert len(_load(tmp_path)["annotations"]) == 3
    assert not (tmp_path / "scene.sigmf-data").is_symlink()
    assert open_recording(path).sample_count == 200


def test_results_can_be_segmented_again(write_recording: Write, tmp_path: Path) -> None:
    write_annotations(tmp_path / "out", open_recording(write_recording(RAMP)), [BAND])
    write_annotations(tmp_path / "out", open_recording(tmp_path / "out" / "scene"), [_at(0)])
    assert len(_load(tmp_path / "out")["annotations"]) == 1
    np.testing.assert_array_equal(open_recording(tmp_path / "out" / "scene").read(0, 200), RAMP)


def test_metadata_of_an_archive_stands_alone(write_recording: Write, tmp_path: Path) -> None:
    sigmf.fromfile(write_recording(RAMP)).archive(str(tmp_path / "packed.sigmf"))
    write_annotations(tmp_path / "out", open_recording(tmp_path / "packed.sigmf"), [BAND])
    assert _load(tmp_path / "out", "packed")["global"]["core:metadata_only"] is True


def test_without_links_the_metadata_stands_alone(
    write_recording: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    write_annotations(tmp_path / "out", open_recording(write_recording(RAMP)), [BAND])
    assert _load(tmp_path / "out")["global"]["core:metadata_only"] is True
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["scene.sigmf-meta"]


def test_data_of_another_name_keeps_it(write_recording: Write, tmp_path: Path) -> None:
    path = write_recording(RAMP, dataset="device.bin", trailing_bytes=0)
    (tmp_path / "scene.sigmf-data").rename(tmp_path / "device.bin")
    write_annotations(tmp_path / "out", open_recording(path), [BAND])
    np.testing.assert_array_equal(open_recording(tmp_path / "out" / "scene").read(0, 200), RAMP)


def test_old_metadata_is_brought_up_to_date(write_recording: Write, tmp_path: Path) -> None:
    recording = open_recording(write_recording(RAMP, version="0.0.2", extensions={"antenna": "0.9.0"}))
    write_annotations(tmp_path / "out", recording, [BAND])
    info = _load(tmp_path / "out")["global"]
    assert info["core:version"].startswith("1.")
    assert info["core:extensions"] == [{"name": "antenna", "version": "0.9.0", "optional": True}, EXTENSION]


def test_the_offset_of_a_split_recording_is_added(write_recording: Write, tmp_path: Path) -> None:
    recording = open_recording(write_recording(RAMP, offset=1000, captures=[{"core:sample_start": 1000}]))
    write_annotations(tmp_path / "out", recording, [BAND])
    assert _load(tmp_path / "out")["annotations"][0]["core:sample_start"] == 1050


def test_texts_of_any_kind_survive(write_recording: Write, tmp_path: Path) -> None:
    description = "Zürich \ud800 東京"  # the middle one is no character at all
    recording = open_recording(write_recording(RAMP, description=description))
    write_annotations(tmp_path / "out", recording, [BAND])
    assert _load(tmp_path / "out")["global"]["core:description"] == description


def test_another_dataset_of_that_name_is_left_alone(write_recording: Write, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    other = tmp_path / "out" / "scene.sigmf-data"
    other.write_bytes(b"something else")
    with pytest.raises(RecordingError, match=r"scene.sigmf-data is there already and holds other data .*--out"):
        write_annotations(tmp_path / "out", open_recording(write_recording(RAMP)), [BAND])
    assert other.read_bytes() == b"something else"


def test_a_run_that_fails_leaves_the_old_file(write_recording: Write, tmp_path: Path) -> None:
    recording = open_recording(write_recording(RAMP))
    path = write_annotations(tmp_path / "out", recording, [BAND])
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), annotating(tmp_path / "out", recording) as annotations:
        annotations.add([BAND])
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["scene.sigmf-data", "scene.sigmf-meta"]


def test_bands_out_of_order_are_refused(write_recording: Write, tmp_path: Path) -> None:
    with pytest.raises(BandError, match="a band at sample 0 follows one at 50; sort them"):
        write_annotations(tmp_path / "out", open_recording(write_recording(RAMP)), [_at(50), _at(0)])


def test_a_folder_that_cannot_be_made_is_refused(write_recording: Write, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match=r"file/out cannot be written: Not a directory; .*--out"):
        write_annotations(tmp_path / "file" / "out", open_recording(write_recording(RAMP)), [BAND])


def test_a_full_disk_is_refused_and_leaves_nothing(write_recording: Write, tmp_path: Path) -> None:
    recording = open_recording(write_recording(RAMP))
    with pytest.raises(RecordingError, match="scene.sigmf-meta cannot be written: No space left on device; make room"):
        with annotating(tmp_path / "out", recording):
            raise OSError(28, "No space left on device")
    assert list((tmp_path / "out").iterdir()) == []
