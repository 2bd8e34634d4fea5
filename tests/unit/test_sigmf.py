"""Recordings on disk: every datatype, every place of data and metadata, everything that is refused."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tracemalloc
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import sigmf

from rfseg.datatype import DATATYPE_ALIASES, Datatype
from rfseg.errors import RecordingError
from rfseg.geometry import RxTime
from rfseg.sigmf import open_recording

Write = Callable[..., Path]
WIDE = [f"c{kind}_{order}" for kind in ("f32", "f64", "i32", "i16", "u32", "u16") for order in ("le", "be")]
DATATYPES = [*WIDE, "ci8", "cu8"]
RAMP = (np.arange(200) - 100j).astype(np.complex64)
EXACT = 1e-7  # of full scale: float32 holds 24 bits


def _components(datatype: str, count: int) -> np.ndarray:
    """Interleaved I and Q over the whole range of a datatype."""
    component = Datatype.from_name(datatype).component
    rng = np.random.default_rng(3)
    if component.kind == "f":
        return rng.standard_normal(2 * count).astype(component)
    limits = np.iinfo(component)
    return rng.integers(limits.min, limits.max, 2 * count, endpoint=True, dtype=component.newbyteorder("=")).astype(
        component
    )


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_reads_as_the_sigmf_package_reads_it(datatype: str, write_recording: Write) -> None:
    path = write_recording(_components(datatype, 300), datatype=datatype)
    recording = open_recording(path)
    assert recording.sample_count == 300
    samples = recording.read(0, 300)
    assert samples.dtype == np.complex64
    np.testing.assert_allclose(samples, sigmf.fromfile(path).read_samples(), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize(
    ("datatype", "stored", "full_scale"),
    [("ci16_le", [-32768, 16384], -1 + 0.5j), ("ci8", [64, -128], 0.5 - 1j), ("cu8", [128, 0], 0 - 1j)],
)
def test_full_scale_of_integers_is_one(datatype: str, stored: list[int], full_scale: complex) -> None:
    kind = Datatype.from_name(datatype)
    assert kind.to_complex64(np.array(stored, kind.component))[0] == full_scale


@pytest.mark.parametrize("alias", DATATYPE_ALIASES)
def test_raw_iq_needs_only_its_rate_and_type(alias: str, tmp_path: Path) -> None:
    components = _components(alias, 50)
    (tmp_path / "capture.iq").write_bytes(components.tobytes())
    recording = open_recording(tmp_path / "capture.iq", samp_rate=20e6, datatype=alias, center_freq=1e9)
    assert (recording.name, recording.samp_rate, recording.center_freq) == ("capture", 20e6, 1e9)
    np.testing.assert_array_equal(recording.read(0, 50), Datatype.from_name(alias).to_complex64(components))


def test_any_piece_is_the_same_piece(write_recording: Write) -> None:
    recording = open_recording(write_recording(RAMP))
    for start, stop in [(0, 200), (0, 1), (199, 200), (17, 130), (50, 50)]:
        np.testing.assert_array_equal(recording.read(start, stop - start), RAMP[start:stop])


@pytest.mark.parametrize("given", ["scene.sigmf-meta", "scene.sigmf-data", "scene"])
def test_any_name_of_the_pair_opens_it(given: str, write_recording: Write, tmp_path: Path) -> None:
    write_recording(RAMP)
    recording = open_recording(tmp_path / given)
    assert recording.name == "scene"
    assert recording.captures == ((0, 2.4e9, None),)


@pytest.mark.parametrize("given", ["scene.sigmf", "scene"])
def test_an_archive_is_read_in_place(given: str, write_recording: Write, tmp_path: Path) -> None:
    path = write_recording(RAMP)
    sigmf.fromfile(path).archive(str(tmp_path / "scene.sigmf"))
    path.unlink()
    recording = open_recording(tmp_path / given)
    assert recording.data_path == tmp_path / "scene.sigmf"
    np.testing.assert_array_equal(recording.read(10, 100), RAMP[10:110])
    assert recording.has_stated_hash() is True


def test_data_of_another_name_with_headers_and_trailer(write_recording: Write, tmp_path: Path) -> None:
    captures = [
        {"core:sample_start": 0, "core:header_bytes": 5},
        {"core:sample_start": 120, "core:header_bytes": 3},
    ]
    path = write_recording(RAMP, captures=captures, dataset="device.bin", trailing_bytes=7)
    data = b"HEAD1" + RAMP[:120].tobytes() + b"HD2" + RAMP[120:].tobytes() + b"TRAILER"
    (tmp_path / "device.bin").write_bytes(data)
    recording = open_recording(path)
    assert recording.sample_count == 200
    np.testing.assert_array_equal(recording.read(100, 60), RAMP[100:160])
    np.testing.assert_array_equal(recording.read(0, 200), RAMP)


def test_captures_tell_retunes_and_times(write_recording: Write) -> None:
    captures = [
        {"core:sample_start": 0, "core:frequency": 1e9, "core:datetime": "2026-01-31T12:00:01.123456789Z"},
        {"core:sample_start": 50, "core:frequency": 2e9},
        {"core:sample_start": 90, "core:datetime": "1970-01-01T00:00:60Z"},  # a leap second
    ]
    recording = open_recording(write_recording(RAMP, captures=captures))
    assert recording.captures == (
        (0, 1e9, RxTime(seconds=1769860801, fraction=0.123456789)),  # date -u -d 2026-01-31T12:00:01 +%s
        (50, 2e9, None),
        (90, None, RxTime(seconds=60, fraction=0.0)),
    )


def test_samples_before_the_first_capture_are_signal_of_unknown_frequency(write_recording: Write) -> None:
    recording = open_recording(write_recording(RAMP, captures=[{"core:sample_start": 30, "core:frequency": 1e9}]))
    assert recording.captures == ((0, None, None), (30, 1e9, None))


def test_a_recording_without_captures_is_one_capture(write_recording: Write) -> None:
    assert open_recording(write_recording(RAMP, captures=[])).captures == ((0, None, None),)


def test_indices_include_the_offset_of_a_split_recording(write_recording: Write) -> None:
    captures = [{"core:sample_start": 1000, "core:frequency": 1e9}, {"core:sample_start": 1060, "core:frequency": 2e9}]
    recording = open_recording(write_recording(RAMP, captures=captures, offset=1000))
    assert recording.sample_offset == 1000
    assert recording.captures == ((0, 1e9, None), (60, 2e9, None))


def test_an_offset_that_the_indices_ignore_is_ignored(write_recording: Write) -> None:
    recording = open_recording(write_recording(RAMP, offset=1000))
    assert (recording.sample_offset, recording.captures) == (0, ((0, 2.4e9, None),))


def test_arguments_fill_in_what_the_metadata_leaves_out(write_recording: Write) -> None:
    path = write_recording(RAMP, captures=[{"core:sample_start": 0}], sample_rate=None)
    recording = open_recording(path, samp_rate=20e6, center_freq=3.5e9, datatype="complex64")
    assert (recording.samp_rate, recording.center_freq) == (20e6, 3.5e9)
    assert recording.metadata["global"]["core:sample_rate"] == 20e6


@pytest.mark.parametrize(("changed", "verdict"), [(False, True), (True, False)])
def test_the_stated_hash_is_compared(changed: bool, verdict: bool, write_recording: Write) -> None:
    path = write_recording(RAMP, sha512=hashlib.sha512(RAMP.tobytes()).hexdigest())
    if changed:
        write_recording(RAMP[::-1].copy(), name="other")
        path.with_name("other.sigmf-data").replace(path.with_name("scene.sigmf-data"))
    assert open_recording(path).has_stated_hash() is verdict


def test_no_hash_no_verdict(write_recording: Write) -> None:
    assert open_recording(write_recording(RAMP)).has_stated_hash() is None


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.iq"
    with open(path, "wb") as file:
        file.truncate(1 << 33)  # 8 GiB, sparse
    tracemalloc.start()
    try:
        recording = open_recording(path, samp_rate=61.44e6, datatype="ci16_le")
        assert not recording.read(recording.sample_count - 1000, 1000).any()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_becomes_shorter_is_noticed(write_recording: Write) -> None:
    recording = open_recording(write_recording(RAMP))
    recording.data_path.write_bytes(RAMP[:100].tobytes())
    with pytest.raises(RecordingError, match="became shorter while it was read"):
        recording.read(50, 100)


def test_a_file_that_goes_away_is_noticed(write_recording: Write) -> None:
    recording = open_recording(write_recording(RAMP, sha512="0" * 128))
    recording.data_path.unlink()
    with pytest.raises(RecordingError, match="cannot be read: No such file or directory; check"):
        recording.has_stated_hash()
    with pytest.raises(RecordingError, match="cannot be read: No such file or directory; check"):
        recording.read(0, 1)


@pytest.mark.parametrize(("start", "count"), [(-1, 2), (0, -1), (199, 2)])
def test_samples_that_are_not_there_are_refused(start: int, count: int, write_recording: Write) -> None:
    with pytest.raises(RecordingError, match=r"samples .* are not in .*, which holds 200"):
        open_recording(write_recording(RAMP)).read(start, count)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"datatype": "cf33_le"}, r"datatype 'cf33_le' of .*scene.sigmf-meta is unknown; expected cf32"),
        ({"datatype": None}, r"datatype None of .* is unknown; expected cf32"),
        ({"datatype": 7}, r"datatype 7 of .* is unknown"),
        ({"datatype": "rf32_le"}, r"holds real samples, expected complex .* convert it to complex baseband"),
        ({"sample_rate": None}, r"core:sample_rate=None in .*, expected a rate above 0 Hz; give --samp-rate"),
        ({"sample_rate": -1}, r"core:sample_rate=-1.0 in .*, expected a rate above 0 Hz"),
        ({"sample_rate": 10**400}, r"core:sample_rate=1000.* in .*, expected a finite number"),
        ({"sample_rate": "fast"}, r"core:sample_rate='fast' in .*, expected a finite number; correct it"),
        ({"num_channels": 2}, r"interleaves 2 channels, expected 1; split it"),
        ({"offset": -4}, r"core:offset=-4 in .*, expected an integer from 0 on"),
        ({"trailing_bytes": 1600}, r"holds no samples besides 1600 bytes of headers and trailer; record it again"),
        ({"captures": [{"core:sample_start": 0.5}]}, r"core:sample_start=0.5 in .*, expected an integer"),
        ({"captures": [{"core:sample_start": 200}]}, r"is truncated: it holds 200 samples, but .* sample 200; fetch"),
        ({"captures": [{"core:sample_start": 9}, {"core:sample_start": 3}]}, r"\[9, 3\], expected an ascending order"),
        ({"captures": [{"core:sample_start": 0, "core:datetime": "noon"}]}, r"core:datetime='noon' in .*expected such"),
        ({"captures": [{"core:sample_start": 0, "core:datetime": "2026-02-30T00:00:00Z"}]}, r"datetime='2026-02-30T00"),
        ({"captures": [{"core:sample_start": 0, "core:frequency": True}]}, r"core:frequency=True .* finite number"),
        ({"captures": [3]}, r"'captures' in .* is \[3\], expected a list of objects; correct it"),
    ],
)
def test_metadata_that_makes_no_sense_is_refused(info: dict, message: str, write_recording: Write) -> None:
    with pytest.raises(RecordingError, match=message):
        open_recording(write_recording(RAMP, **info))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"samp_rate": 1e6}, r"core:sample_rate is 15360000.0 in .*, but 1000000.0 was given; omit it or correct"),
        ({"datatype": "int16"}, r"core:datatype is 'cf32_le' in .*, but 'ci16_le' was given"),
        ({"center_freq": 1.0}, r"core:frequency is 2400000000.0 in .*, but 1.0 was given"),
    ],
)
def test_arguments_that_contradict_the_metadata_are_refused(given: dict, message: str, write_recording: Write) -> None:
    with pytest.raises(RecordingError, match=message):
        open_recording(write_recording(RAMP), **given)


@pytest.mark.parametrize("cut", [1, 4, 7])
def test_data_cut_inside_a_sample_is_refused(cut: int, write_recording: Write, tmp_path: Path) -> None:
    path = write_recording(RAMP)
    (tmp_path / "scene.sigmf-data").write_bytes(RAMP.tobytes()[:-cut])
    with pytest.raises(RecordingError, match=rf"{1600 - cut} bytes .* multiple of the 8 .*truncate -s -{8 - cut} "):
        open_recording(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.sigmf-meta", None, r"recording '.*gone.sigmf-meta' does not exist; give a .sigmf-meta file"),
        ("gone.sigmf-data", None, r"recording '.*gone.sigmf-data' does not exist"),
        ("gone.iq", None, r"recording '.*gone.iq' does not exist"),
        ("lonely.sigmf-meta", b'{"global": {}}', r"describes 'lonely.sigmf-data', which is missing; put it into"),
        ("bad.sigmf-meta", b"{", r"bad.sigmf-meta is no JSON: .*; fetch or write it again"),
        ("bad.sigmf-meta", b"\xff\xfe", r"is no JSON"),
        ("bad.sigmf-meta", b"[" * 100_000, r"is no JSON"),
        ("dots.sigmf-meta", b'{"global": {"core:dataset": "."}}', r"describes '', which is missing"),
        ("bad.sigmf-meta", b"[]", r"is no SigMF metadata, expected an object with 'global'"),
        ("raw.iq", b"1234", r"has no raw.iq.sigmf-meta beside it, .* give both, such as --samp-rate"),
        ("raw.sigmf-data", b"1234", r"has no raw.sigmf-meta beside it"),
        ("bad.sigmf", b"not a tar file at all", r"is no SigMF archive, which is a tar file"),
        ("packed.sigmf.gz", b"", r"is a compressed archive or a collection; unpack it"),
        ("many.sigmf-collection", b"", r"is a compressed archive or a collection"),
    ],
)
def test_files_that_are_no_recording_are_refused(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        open_recording(tmp_path / name)


def test_a_folder_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    for path, kind in ((".", "is a folder"), ("/", "is a folder"), ("/dev/zero", "is no regular file")):
        with pytest.raises(RecordingError, match=f"recording '{path}' {kind}; give a .sigmf-meta file"):
            open_recording(path, samp_rate=1e6, datatype="ci8")
    with pytest.raises(RecordingError, match="is a folder; give a .sigmf-meta file"):
        open_recording(tmp_path)
    (tmp_path / "empty.iq").touch()
    with pytest.raises(RecordingError, match="empty.iq holds no samples; record it again"):
        open_recording(tmp_path / "empty.iq", samp_rate=20e6, datatype="ci8")


def test_an_archive_of_two_recordings_or_without_data_is_refused(write_recording: Write, tmp_path: Path) -> None:
    metas = [write_recording(RAMP, name) for name in ("one", "two")]
    for name, members, message in [
        ("both", metas, "holds 2 recordings, expected 1"),
        ("no", metas[:1], "lacks 'one.sigmf-data'"),
    ]:
        with tarfile.open(tmp_path / f"{name}.sigmf", "w") as archive:
            for member in members:
                archive.add(member, f"{member.stem}/{member.name}")
        with pytest.raises(RecordingError, match=message):
            open_recording(tmp_path / f"{name}.sigmf")


def test_a_cut_archive_is_refused(write_recording: Write, tmp_path: Path) -> None:
    sigmf.fromfile(write_recording(RAMP)).archive(str(tmp_path / "cut.sigmf"))
    whole = (tmp_path / "cut.sigmf").read_bytes()
    (tmp_path / "cut.sigmf").write_bytes(whole[: whole.index(RAMP.tobytes()[:64]) + 100])
    with pytest.raises(RecordingError, match="is no SigMF archive|became shorter"):
        recording = open_recording(tmp_path / "cut.sigmf")
        recording.read(0, recording.sample_count)


def test_metadata_with_a_byte_order_mark_is_read(write_recording: Write) -> None:
    path = write_recording(RAMP)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert open_recording(path).sample_count == 200


def test_metadata_survives_opening(write_recording: Write) -> None:
    path = write_recording(RAMP)
    assert open_recording(path).metadata == json.loads(path.read_text("utf-8"))


def test_data_that_may_not_be_read_is_refused_when_the_recording_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.iq"
    path.write_bytes(bytes(8))
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root, whom the tests may run as, may read everything
    with pytest.raises(RecordingError, match="a.iq cannot be read: Permission denied; check that it is there and who may"):
        open_recording(path, samp_rate=1e6, datatype="ci8")
