"""Files of published sets: HDF4 rasters and pictures, whole and broken."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rfseg.datasets.hdf4 import decode_raster, encode_raster, read_raster
from rfseg.datasets.labelcolours import colours_to_mask
from rfseg.datasets.pictures import picture_size, read_labels, read_picture
from rfseg.errors import DatasetError

RASTER = np.repeat([[0, 127, 127, 255, 3], [9, 9, 9, 9, 9], [255, 0, 255, 0, 255]], 60, axis=1).astype(np.uint8)
GREYS = {(0, 0, 0): "Noise", (80, 80, 80): "LTE", (160, 160, 160): "NR", (255, 255, 255): "Radar"}


def run_lengths(row: bytes) -> bytes:
    """HDF4's run lengths, literals for single bytes."""
    packed, position = bytearray(), 0
    while position < len(row):
        run = 1
        while run < 127 and row[position : position + 1] * (run + 1) == row[position : position + run + 1]:
            run += 1
        packed += bytes([0x80 | run, row[position]]) if run > 1 else bytes([1, row[position]])
        position += run
    return bytes(packed)


def hdf4(
    raster: np.ndarray,
    *,
    rle: bool = False,
    old: bool = False,
    twins: bool = False,
    blocks: int = 1,
    components: int = 1,
) -> bytes:
    """A file as the HDF4 library lays it out, with its descriptors in one or more blocks."""
    height, width = raster.shape
    pixels = b"".join(run_lengths(row.tobytes()) for row in raster) if rle else raster.tobytes()
    if old:
        dimensions = (200, struct.pack(">HH", width, height))
    else:
        compression = (11, 2) if rle else (0, 0)
        dimensions = (300, struct.pack(">iiHHHHHH", width, height, 106, 2, components, 0, *compression))
    tag = 302 + rle
    elements = [(30, b"\0" * 92), dimensions, (tag, pixels)]
    head = 4 + blocks * 6 + 12 * (len(elements) + twins + blocks)
    offset, descriptors = head, []
    for number, content in elements:
        descriptors.append(struct.pack(">HHII", number, 2, offset, len(content)))
        if number == tag and twins:
            descriptors.append(struct.pack(">HHII", tag - 100, 2, offset, len(content)))
        offset += len(content)
    shares = [descriptors[i::blocks] + [struct.pack(">HHII", 1, 0, 0, 0)] for i in range(blocks)]
    table, position = b"", 4
    for number, share in enumerate(shares):
        position += 6 + 12 * len(share)
        table += struct.pack(">HI", len(share), position if number + 1 < blocks else 0) + b"".join(share)
    return b"\x0e\x03\x13\x01" + table + b"".join(content for _, content in elements)


@pytest.mark.parametrize("rle", [False, True])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(("twins", "blocks"), [(False, 1), (True, 1), (True, 3)])
def test_an_hdf4_raster_is_read(rle: bool, old: bool, twins: bool, blocks: int) -> None:
    content = hdf4(RASTER, rle=rle, old=old, twins=twins, blocks=blocks)
    assert np.array_equal(decode_raster(content), RASTER)


def test_an_hdf4_raster_survives_the_round_trip() -> None:
    content = encode_raster(RASTER)
    assert np.array_equal(decode_raster(content), RASTER)
    # What the HDF library's own reader asks for besides: a raster image group and the number type DFNT_UCHAR8.
    assert struct.pack(">HHHH", 300, 2, 302, 2) in content and struct.pack(">HH", 106, 2) in content[:54]
    assert content[58:62] == bytes((1, 3, 8, 0))


@pytest.mark.parametrize("raster", [RASTER.astype(np.uint16), RASTER[0], RASTER[:0], np.zeros((1, 16385), np.uint8)])
def test_what_is_no_raster_is_not_written(raster: np.ndarray) -> None:
    with pytest.raises(DatasetError, match=r"the raster is uint\d+ \(.*expected uint8 \(height, width\) of 1 to 16384 each"):
        encode_raster(raster)


@pytest.mark.parametrize("rle", [False, True])
def test_a_truncated_hdf4_file_is_refused_wherever_it_ends(rle: bool) -> None:
    content = hdf4(RASTER, rle=rle, blocks=2)
    for length in range(len(content)):
        with pytest.raises(DatasetError, match="is truncated|is no HDF4 file"):
            decode_raster(content[:length])


def test_lies_in_an_hdf4_file_are_refused_and_nothing_else_happens() -> None:
    content = hdf4(RASTER, rle=True, blocks=2)
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(content)
        for position in rng.integers(4, 150, size=2):
            damaged[position] = rng.integers(256)
        try:
            assert decode_raster(bytes(damaged)).dtype == np.uint8
        except DatasetError:
            refused += 1
    assert refused > 500


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "begins with nothing"),
        (b"\x89HDF\r\n\x1a\n", "no HDF4 file: it begins with 89 48 44 46"),
        (hdf4(RASTER, components=3), "3 components per pixel, expected 1"),
        (hdf4(RASTER).replace(struct.pack(">ii", 300, 3), struct.pack(">ii", 300, 4)), "900 bytes for 300 x 4 pixels"),
        (hdf4(RASTER).replace(struct.pack(">ii", 300, 3), struct.pack(">ii", -1, 3)), "states -1 x 3 pixels"),
        (hdf4(RASTER).replace(struct.pack(">H", 302), struct.pack(">H", 0x4000 | 302)), "linked or chunked blocks"),
        (hdf4(RASTER).replace(struct.pack(">H", 302), struct.pack(">H", 702)), "0 raster images of 8 bits, expected 1"),
        (hdf4(RASTER).replace(struct.pack(">H", 300) + b"\0\2", struct.pack(">H", 700) + b"\0\2"), "no dimensions"),
        (b"\x0e\x03\x13\x01" + struct.pack(">HI", 0, 4), "run in a circle at byte 4"),
        (hdf4(RASTER, rle=True).replace(struct.pack(">HH", 11, 2), struct.pack(">HH", 12, 2)), "by method 12"),
    ],
)
def test_what_is_wrong_with_an_hdf4_file_is_said(content: bytes, text: str) -> None:
    with pytest.raises(DatasetError, match=text):
        decode_raster(content)


def test_an_hdf4_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.hdf").write_bytes(hdf4(RASTER)[:-1])
    with pytest.raises(DatasetError, match=r"a\.hdf is truncated: the element of tag 302 .* fetch or write it again"):
        read_raster(tmp_path / "a.hdf")
    with pytest.raises(DatasetError, match=r"b\.hdf cannot be read: No such file"):
        read_raster(tmp_path / "b.hdf")


@pytest.fixture
def png(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_every_kind_of_8_bit_picture_becomes_rgb(tmp_path: Path) -> None:
    grey = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4))
    palettised = Image.new("P", (2, 2))
    palettised.putpalette([249, 249, 22, 62, 38, 168])
    palettised.putdata([0, 1, 1, 0])
    rgba = Image.new("RGBA", (2, 2), (1, 2, 3, 200))
    for name, image in (("grey", grey), ("palettised", palettised), ("rgba", rgba)):
        image.save(tmp_path / f"{name}.png")
    assert np.array_equal(read_picture(tmp_path / "grey.png")[1], np.repeat([[4], [5], [6], [7]], 3, axis=1))
    assert read_picture(tmp_path / "palettised.png")[0].tolist() == [[249, 249, 22], [62, 38, 168]]
    assert read_picture(tmp_path / "rgba.png")[1, 1].tolist() == [1, 2, 3]
    assert picture_size(tmp_path / "grey.png") == (4, 4)


def test_a_truncated_png_is_refused_wherever_it_ends(png: Path) -> None:
    content = png.read_bytes()
    for length in [*range(0, 60), *range(60, len(content), 97), len(content) - 12, len(content) - 1]:
        png.write_bytes(content[:length])
        with pytest.raises(DatasetError, match=r"a\.png is (truncated: it ends at byte \d+|no PNG)"):
            read_picture(png)


def test_a_flipped_bit_in_a_png_is_found(png: Path) -> None:
    content = bytearray(png.read_bytes())
    content[len(content) // 2] ^= 1
    png.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.png is damaged: the check sum of the chunk IDAT at byte \d+ is wrong"):
        read_picture(png)


def test_pictures_of_no_use_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DatasetError, match="deep.png has pixels of type 'I;16'?.*, expected 8 bits a channel"):
        read_picture(tmp_path / "deep.png")
    (tmp_path / "a.jpg").write_bytes(b"no picture at all")
    with pytest.raises(DatasetError, match="a.jpg is no whole picture: its content is of no known format"):
        read_picture(tmp_path / "a.jpg")
    (tmp_path / "huge.gif").write_bytes(b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";")
    with pytest.raises(DatasetError, match="huge.gif (states more pixels|is no whole picture)"):
        picture_size(tmp_path / "huge.gif")
    with pytest.raises(DatasetError, match="none.png cannot be read: No such file"):
        read_picture(tmp_path / "none.png")


def test_the_grey_of_a_raster_is_in_all_three_channels(tmp_path: Path) -> None:
    (tmp_path / "a.HDF").write_bytes(hdf4(RASTER))
    assert np.array_equal(read_labels(tmp_path / "a.HDF"), np.repeat(RASTER[..., None], 3, axis=2))


def pixels(*colours: tuple[int, int, int]) -> np.ndarray:
    return np.array([colours], np.uint8)


def test_the_nearest_colour_decides_and_the_worst_distance_is_told() -> None:
    near = pixels((0, 0, 0), (84, 80, 78), (160, 151, 160), (255, 255, 255))
    mask, worst = colours_to_mask(near, GREYS, tolerance=12)
    assert mask.tolist() == [[0, 1, 2, 3]]
    assert worst == 9


def test_a_colour_that_nobody_defined_is_an_error_with_its_place() -> None:
    text = r"colour \(0, 90, 200\) at row 0, column 1, .* is \(80, 80, 80\) LTE, 120 levels away, expected at most 12"
    with pytest.raises(DatasetError, match=text):
        colours_to_mask(pixels((0, 0, 0), (0, 90, 200)), GREYS, tolerance=12)


