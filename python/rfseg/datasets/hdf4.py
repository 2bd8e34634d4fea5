"""8-bit raster images in HDF4 files, as MATLAB's ``imwrite(..., 'hdf')`` writes them.

Source: *HDF Specification and Developer's Guide* (file header, data descriptor blocks, raster image tags).
A file is the magic number, then a chain of blocks of data descriptors (tag, reference, offset, length), then
the elements that they point to.  All numbers are big-endian.  Nothing in the file is believed before it is
compared with the file's length.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DatasetError

__all__ = ["decode_raster", "encode_raster", "read_raster"]

_MAGIC = b"\x0e\x03\x13\x01"
_LARGEST_SIDE = 16384  # pixels; far above any published image
_MOST_BLOCKS = 65536
_NO_TAGS = (0, 1)  # DFTAG_WILDCARD, DFTAG_NULL: an empty descriptor
_SPECIAL = 0x4000  # bit of the tag of an element that is chunked, linked or stored elsewhere
_DIMENSIONS, _DIMENSIONS_8 = 300, 200  # DFTAG_ID: two int32 and more; DFTAG_ID8: two uint16
_RAW, _COMPRESSED = (302, 202), (303, 203)  # DFTAG_RI, DFTAG_RI8; DFTAG_CI, DFTAG_CI8
_NO_COMPRESSION, _RLE = 0, 11  # DFTAG_RLE, as the dimension record names it
_NUMBER_TYPE, _GROUP = 106, 306  # DFTAG_NT, DFTAG_RIG
_UCHAR8 = bytes((1, 3, 8, 0))  # of DFTAG_NT: version, DFNT_UCHAR8, bits, class; the HDF library reads no other


@dataclass(frozen=True)
class _Element:
    """One data descriptor."""

    tag: int
    ref: int
    offset: int
    length: int


def read_raster(path: Path) -> np.ndarray:
    """The raster image of an HDF4 file, uint8 ``(height, width)``.

    Raises
    ------
    DatasetError
        If the file cannot be read, is truncated or is no HDF4 file with one 8-bit raster image.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}; check that it is there") from error
    try:
        return decode_raster(content)
    except DatasetError as error:
        raise DatasetError(f"{path} {error}; fetch or write it again") from error


def decode_raster(content: bytes) -> np.ndarray:
    """The raster image of the content of an HDF4 file, uint8 ``(height, width)``.

    Raises
    ------
    DatasetError
        With a text that continues the name of the file.
    """
    if content[:4] != _MAGIC:
        raise DatasetError(f"is no HDF4 file: it begins with {content[:4].hex(' ') or 'nothing'}, not 0e 03 13 01")
    elements = _elements(content)
    pixels = _only(elements, (*_RAW, *_COMPRESSED))
    width, height, compression = _dimensions(content, elements, pixels)
    data = _bytes(content, pixels)
    if pixels.tag in _COMPRESSED:
        if compression != _RLE:
            raise DatasetError(f"is compressed by method {compression}, expected run lengths ({_RLE})")
        data = _decode_runs(data, width * height)
    if len(data) != width * height:
        raise DatasetError(f"holds {len(data)} bytes for {width} x {height} pixels, expected {width * height}")
    return np.frombuffer(data, np.uint8).reshape(height, width)


def encode_raster(raster: np.ndarray) -> bytes:
    """The content of an HDF4 file with one raster image, not compressed; inverse of :func:`decode_raster`.

    Parameters
    ----------
    raster : uint8 ``(height, width)``

    Raises
    ------
    DatasetError
        If the raster is of another type or shape, or larger than any published image.
    """
    if raster.dtype != np.uint8 or raster.ndim != 2 or not 0 < min(raster.shape) <= max(raster.shape) <= _LARGEST_SIDE:
        raise DatasetError(
            f"the raster is {raster.dtype} {raster.shape}, expected uint8 (height, width) of 1 to {_LARGEST_SIDE} each"
        )
    height, width = raster.shape
    ref, components, interlace = 2, 1, 0
    dimensions = struct.pack(">iiHHHHHH", width, height, _NUMBER_TYPE, ref, components, interlace, _NO_COMPRESSION, 0)
    group = struct.pack(">HHHH", _DIMENSIONS, ref, _RAW[0], ref)  # what belongs to the image
    elements = ((_NUMBER_TYPE, _UCHAR8), (_DIMENSIONS, dimensions), (_RAW[0], raster.tobytes()), (_GROUP, group))
    offset = len(_MAGIC) + 6 + 12 * len(elements)
    head = _MAGIC + struct.pack(">HI", len(elements), 0)
    for tag, content in elements:
        head += struct.pack(">HHII", tag, ref, offset, len(content))
        offset += len(content)
    return head + b"".join(content for _, content in elements)


def _elements(content: bytes) -> list[_Element]:
    """Every descriptor of the chain of blocks that is not empty."""
    elements, block, seen = [], 4, set()
    while block:
        if block in seen or len(seen) == _MOST_BLOCKS:
            raise DatasetError(f"has descriptor blocks that run in a circle at byte {block}")
        seen.add(block)
        count, following = struct.unpack(">HI", _slice(content, block, 6, "a descriptor block"))
        table = _slice(content, block + 6, 12 * count, f"{count} descriptors")
        elements += [_Element(*fields) for fields in struct.iter_unpack(">HHII", table) if fields[0] not in _NO_TAGS]
        block = following
    return elements


def _only(elements: list[_Element], tags: tuple[int, ...]) -> _Element:
    """The pixels: old and new descriptors of the same bytes are one element."""
    found = {(e.offset, e.length): e for e in sorted(elements, key=lambda e: e.tag) if e.tag in tags}
    if len(found) == 1:
        return next(iter(found.values()))
    if any(e.tag & ~_SPECIAL in tags for e in elements if e.tag & _SPECIAL):
        raise DatasetError("holds its pixels in linked or chunked blocks, expected one contiguous raster")
    raise DatasetError(f"holds {len(found)} raster images of 8 bits, expected 1")


def _dimensions(content: bytes, elements: list[_Element], pixels: _Element) -> tuple[int, int, int]:
    """Width, height and compression of the image that the pixels belong to."""
    records = [e for e in elements if e.tag in (_DIMENSIONS, _DIMENSIONS_8)]
    records.sort(key=lambda e: (e.ref != pixels.ref, e.tag != _DIMENSIONS))
    if not records:
        raise DatasetError(f"has pixels but no dimensions (tag {_DIMENSIONS} or {_DIMENSIONS_8})")
    data, is_old = _bytes(content, records[0]), records[0].tag == _DIMENSIONS_8
    layout = ">HH" if is_old else ">ii"
    if len(data) < struct.calcsize(layout):
        raise DatasetError(f"has a dimension record of {len(data)} bytes, expected {struct.calcsize(layout)}")
    width, height = struct.unpack_from(layout, data)
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
        raise DatasetError(f"states {width} x {height} pixels, expected 1 to {_LARGEST_SIDE} each")
    compression = _RLE if pixels.tag in _COMPRESSED else _NO_COMPRESSION
    if len(data) >= 20 and not is_old:  # type of the numbers (tag, ref), components, interlace, compression (tag, ref)
        components, _, stated = struct.unpack_from(">HHH", data, 12)
        if components != 1:
            raise DatasetError(f"has {components} components per pixel, expected 1")
        compression = stated or compression
    return width, height, compression


def _decode_runs(data: bytes, size: int) -> bytes:
    """Undo run lengths: a control byte of 128 or more repeats the next byte, a lower one precedes literal bytes."""
    decoded, position = bytearray(), 0
    while position < len(data) and len(decoded) <= size:
        control = data[position]
        if control & 0x80:
            decoded += data[position + 1 : position + 2] * (control & 0x7F)
            position += 2
        else:
            decoded += data[position + 1 : position + 1 + control]
            position += 1 + control
    return bytes(decoded)


def _bytes(content: bytes, element: _Element) -> bytes:
    return _slice(content, element.offset, element.length, f"the element of tag {element.tag}")


def _slice(content: bytes, start: int, length: int, what: str) -> bytes:
    if start + length > len(content):
        raise DatasetError(
            f"is truncated: {what} should lie at bytes {start} to {start + length}, but the file ends at {len(content)}"
        )
    return content[start : start + length]
