"""Reading pictures: decoded whole, or refused with the reason."""

from __future__ import annotations

import struct
import warnings
import zlib
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator

import numpy as np

from ..errors import BackendUnavailableError, DatasetError
from .hdf4 import read_raster

__all__ = ["HDF4_SUFFIXES", "picture_size", "read_labels", "read_picture", "require_pillow"]

HDF4_SUFFIXES = (".hdf", ".hdf4", ".h4")
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


def require_pillow() -> ModuleType:
    """Pillow's module ``Image``.

    Raises
    ------
    BackendUnavailableError
        If Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise BackendUnavailableError("reading pictures needs Pillow: pip install 'rfseg[data]'") from error
    return Image


def read_picture(path: Path) -> np.ndarray:
    """A picture of 8 bits a channel, palettes applied: uint8 ``(height, width, 3)``.

    Raises
    ------
    DatasetError
        If the file is missing, truncated, damaged or has other than 8 bits.
    """
    _check_whole(path)
    with _opening(path) as image:
        if image.mode not in _EIGHT_BIT_MODES:
            raise DatasetError(f"{path} has pixels of type {image.mode!r}, expected 8 bits a channel; convert it")
        return np.array(image.convert("RGB"))


def read_labels(path: Path) -> np.ndarray:
    """A label picture, uint8 ``(height, width, 3)``; the grey of an HDF4 raster in all three channels.

    Raises
    ------
    DatasetError
        As :func:`read_picture` and :func:`rfseg.datasets.hdf4.read_raster` do.
    """
    if path.suffix.lower() in HDF4_SUFFIXES:
        return np.repeat(read_raster(path)[..., None], 3, axis=-1)
    return read_picture(path)


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture, pixels, from its head alone (of an HDF4 file, from all of it).

    Raises
    ------
    DatasetError
        If the file has no such head.
    """
    if path.suffix.lower() in HDF4_SUFFIXES:
        return read_raster(path).shape
    with _opening(path) as image:
        width, height = image.size
    return height, width


@contextmanager
def _opening(path: Path) -> Iterator[Any]:
    """An image of Pillow's whose head is read; what Pillow raises in the block becomes a :class:`DatasetError`."""
    image_module = require_pillow()
    with warnings.catch_warnings():
        warnings.simplefilter("error", image_module.DecompressionBombWarning)
        try:
            with image_module.open(path) as image:
                yield image
        except DatasetError:
            raise
        except (image_module.DecompressionBombError, image_module.DecompressionBombWarning) as error:
            raise DatasetError(f"{path} states more pixels than any spectrogram has; fetch it again") from error
        except (OSError, SyntaxError, ValueError, struct.error, zlib.error) as error:
            raise DatasetError(f"{path} is no whole picture: {_reason(error)}; fetch it again") from error


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return "its content is of no known format" if text.startswith("cannot identify") else text


def _check_whole(path: Path) -> None:
    """Walk through the chunks of a PNG: decoders accept files that lack their end.

    Raises
    ------
    DatasetError
        If it is cut or a check sum is wrong; a file that is no PNG passes.
    """
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}; check that it is there") from error
    if content[:8] != _PNG_MAGIC:
        if path.suffix.lower() == ".png":
            raise DatasetError(f"{path} is no PNG: it begins with {content[:8].hex(' ') or 'nothing'}; fetch it again")
        return
    position, kind = 8, b""
    while kind != b"IEND":
        head = content[position : position + 8]
        length, kind = struct.unpack(">I4s", head) if len(head) == 8 else (0, b"????")
        stop = position + 12 + length
        if len(head) < 8 or stop > len(content):
            name = kind.decode("ascii", "replace")
            raise DatasetError(
                f"{path} is truncated: it ends at byte {len(content)}, inside the chunk {name} at byte {position};"
                " fetch it again"
            )
        (stated,) = struct.unpack_from(">I", content, stop - 4)
        if zlib.crc32(content[position + 4 : stop - 4]) != stated:
            name = kind.decode("ascii", "replace")
            raise DatasetError(
                f"{path} is damaged: the check sum of the chunk {name} at byte {position} is wrong; fetch it again"
            )
        position = stop
