"""The contract of a model file, read without a backend.

An ONNX file is one protocol-buffer message, ``ModelProto``.  Only its ``metadata_props`` are of
interest here; the graph is skipped, so reading a contract takes a fraction of a millisecond and
needs neither ONNX Runtime nor the ``onnx`` package.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, Iterator

from .contract import Contract
from .errors import ContractError
from .inference import DEFAULT_MODEL, find_model

__all__ = ["load_contract", "read_metadata"]

# onnx.proto3: ModelProto.metadata_props, StringStringEntryProto.key and .value
_METADATA_FIELD, _KEY_FIELD, _VALUE_FIELD = 14, 1, 2
# Protocol Buffers encoding: wire types
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10  # bytes


def load_contract(model: str | Path = DEFAULT_MODEL) -> Contract:
    """Contract of a model given by name or by file.  The graph itself is not looked at.

    Raises
    ------
    ContractError
        If there is no such model, or its file carries no valid contract.
    """
    path = find_model(model)
    return Contract.from_metadata(read_metadata(path), source=str(path))


def read_metadata(path: Path) -> dict[str, str]:
    """The ``metadata_props`` of an ONNX file.

    Raises
    ------
    ContractError
        If the file is not a protocol-buffer message.
    """
    with path.open("rb") as file:
        try:
            entries = [e for number, e in _fields(file, path.stat().st_size) if number == _METADATA_FIELD]
            return dict(_entry(e) for e in entries)
        except (EOFError, UnicodeDecodeError, ValueError) as error:
            raise ContractError(f"{path} is not an ONNX model: {error}; give a .onnx file exported by rfseg") from error


def _fields(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """Field numbers, and the content of those that may be metadata (empty for all others)."""
    while file.tell() < end:
        number, wire_type = divmod(_varint(file), 8)
        if wire_type == _BYTES:
            size = _varint(file)
            if file.tell() + size > end:
                raise ValueError("it is truncated")
            if number == _METADATA_FIELD:
                yield number, file.read(size)
            else:
                file.seek(size, 1)
                yield number, b""
        elif wire_type == _VARINT:
            _varint(file)
        elif wire_type in (_FIXED64, _FIXED32):
            file.seek(8 if wire_type == _FIXED64 else 4, 1)
        else:
            raise ValueError(f"field {number} has wire type {wire_type}")


def _varint(file: BinaryIO) -> int:
    value = 0
    for position in range(_LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            raise EOFError("it is truncated")
        value |= (byte[0] & 0x7F) << (7 * position)
        if byte[0] < 0x80:
            return value
    raise ValueError("an integer in it does not end")


def _entry(content: bytes) -> tuple[str, str]:
    """Key and value of one ``StringStringEntryProto``."""
    texts = {_KEY_FIELD: "", _VALUE_FIELD: ""}
    file = io.BytesIO(content)
    while file.tell() < len(content):
        number, wire_type = divmod(_varint(file), 8)
        if wire_type != _BYTES or number not in texts:
            raise ValueError(f"a metadata entry has field {number} of wire type {wire_type}")
        texts[number] = file.read(_varint(file)).decode("utf-8")
    return texts[_KEY_FIELD], texts[_VALUE_FIELD]
