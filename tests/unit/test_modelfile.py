"""Contracts read without a backend are those that the backend reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rfseg.errors import ContractError
from rfseg.inference import Session
from rfseg.modelfile import load_contract, read_metadata

MODEL = Path(__file__).parents[1] / "models" / "threshold.onnx"


def test_the_contract_is_the_one_that_the_session_reads():
    assert load_contract(MODEL) == Session(MODEL).contract


def test_a_model_is_found_by_its_name(monkeypatch):
    monkeypatch.setenv("RFSEG_MODEL_PATH", str(MODEL.parent))
    assert load_contract("threshold").name == "threshold"


def test_fields_of_every_wire_type_are_passed_over(tmp_path):
    path = tmp_path / "model.onnx"
    varint, fixed64, fixed32 = b"\x08\xff\x01", b"\x11" + bytes(8), b"\x1d" + bytes(4)
    path.write_bytes(varint + fixed64 + fixed32 + b"\x72\x06\x0a\x01k\x12\x01v")
    assert read_metadata(path) == {"k": "v"}


@pytest.mark.parametrize(
    "content, text",
    [
        (b"\x3a\x7fabc", "it is truncated"),
        (b"\x3a", "it is truncated"),
        (b"\xff" * 11, "an integer in it does not end"),
        (b"\x0b", "field 1 has wire type 3"),
        (b"\x72\x04\x0a\x02\xff\xfe", "can't decode"),
        (b"\x72\x02\x08\x01", "a metadata entry has field 1 of wire type 0"),
        (b"", "carries no contract"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content, text):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ContractError, match=text):
        load_contract(path)


def test_no_random_file_does_worse_than_being_refused(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "model.onnx"
    for _ in range(200):
        path.write_bytes(rng.bytes(int(rng.integers(1, 200))))
        with pytest.raises(ContractError):
            load_contract(path)


def test_a_truncated_model_is_refused(tmp_path):
    content = MODEL.read_bytes()
    path = tmp_path / "model.onnx"
    for size in range(1, len(content), 37):
        path.write_bytes(content[:size])
        with pytest.raises(ContractError):
            load_contract(path)
