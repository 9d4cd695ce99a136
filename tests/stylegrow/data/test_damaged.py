"""Damaged image files: each is read or is named with a reason, whatever is wrong with it."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from benchmarks.mutations import image_files, mutated, with_checksums
from stylegrow.data import open_dataset
from stylegrow.data.decoding import is_grey, open_image, square
from stylegrow.data.request import Shape
from stylegrow.data.unusable import UnusableError, explained
from tests.stylegrow.data.image_files import encoded, noise

FILES = image_files()
PALETTE = Image.fromarray(noise((24, 20))).quantize(16)


def read(content):
    """(whether it is grey, its pixels) as a source reads it."""
    with explained():
        opened = open_image(io.BytesIO(content))
        return is_grey(opened), square(opened, Shape(8, 3)).pixels


def outcome(content):
    """What is said of a file."""
    try:
        _, pixels = read(content)
    except UnusableError as error:
        return str(error)
    assert pixels.shape == (3, 8, 8)
    return "read"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_read_or_have_a_reason(name):
    read(FILES[name])
    for content in mutated(FILES[name], 20, seed=sum(name.encode())):
        assert outcome(content).isprintable()


def short_png() -> bytes:
    """A PNG with a palette of four bytes."""
    content = encoded(PALETTE)
    start = content.index(b"PLTE") - 4
    (size,) = struct.unpack_from(">I", content, start)
    chunk = struct.pack(">I", 4) + content[start + 4 : start + 12] + bytes(4)
    return with_checksums(content[:start] + chunk + content[start + 12 + size :])


def short_tiff() -> bytes:
    """A TIFF with a palette of ten numbers."""
    content = bytearray(encoded(PALETTE, "TIFF"))
    entry = content.index(struct.pack("<HH", 320, 3))
    struct.pack_into("<I", content, entry + 4, 10)
    return bytes(content)


def few_colours() -> bytes:
    """A PNG whose palette lacks the last colours."""
    content = encoded(PALETTE)
    start = content.index(b"PLTE") - 4
    (size,) = struct.unpack_from(">I", content, start)
    chunk = struct.pack(">I", 9) + content[start + 4 : start + 17] + bytes(4)
    return with_checksums(content[:start] + chunk + content[start + 12 + size :])


@pytest.mark.parametrize("made", [short_png, short_tiff, few_colours])
def test_broken_palettes_are_corrupt(made):
    with pytest.raises(UnusableError, match="corrupt"):
        read(made())


@pytest.mark.parametrize("kind", ["BMP", "PNG", "TIFF", "TGA"])
@pytest.mark.parametrize("colours", [lambda i: (i, i, i), lambda i: (16 * i, i, 255 - i)], ids=["grey", "colour"])
def test_palettes_of_every_format_are_looked_up(kind, colours):
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16) % 16, "P")
    image.putpalette([value for i in range(16) for value in colours(i)])
    opened = open_image(io.BytesIO(encoded(image, kind)))
    assert is_grey(opened) == (colours(1) == (1, 1, 1))
    pixels = square(opened, Shape(16, 3)).pixels.transpose(1, 2, 0)
    assert np.array_equal(pixels, np.array([[colours(i) for i in range(16)]] * 16))


def test_one_bad_palette_stops_nothing(tmp_path):
    (tmp_path / "images").mkdir()
    files = {"a.png": encoded(noise((24, 20))), "b.bmp": encoded(PALETTE, "BMP"), "c.png": short_png()}
    for name, content in files.items():
        (tmp_path / "images" / name).write_bytes(content)
    dataset = open_dataset(tmp_path / "images", cache=tmp_path / "cache", quiet=True)
    assert list(dataset.names) == ["a.png", "b.bmp"]
    assert [name for name, _ in dataset.report["skipped"]] == ["c.png"]
