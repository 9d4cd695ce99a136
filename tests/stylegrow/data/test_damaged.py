"""Damaged image files: each is read or is named with a reason, whatever is wrong with it."""

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.mutations import image_files, mutated, with_checksums
from stylegrow.common.errors import DataError
from stylegrow.data import open_dataset
from stylegrow.data.decoding import is_grey, open_image, square
from stylegrow.data.request import Shape
from stylegrow.data.sources import find_source
from stylegrow.data.unusable import UnusableError, explained
from tests.stylegrow.data.image_files import cifar_batches, encoded, idx, noise, records

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


def png_with_palette(size: int) -> bytes:
    """A PNG that keeps so many bytes of its palette."""
    content = encoded(PALETTE)
    start = content.index(b"PLTE") - 4
    (whole,) = struct.unpack_from(">I", content, start)
    chunk = struct.pack(">I", size) + content[start + 4 : start + 8 + size] + bytes(4)
    return with_checksums(content[:start] + chunk + content[start + 12 + whole :])


def short_png() -> bytes:
    """A PNG with a palette of four bytes, which are no whole colours."""
    return png_with_palette(4)


def short_tiff() -> bytes:
    """A TIFF with a palette of ten numbers."""
    content = bytearray(encoded(PALETTE, "TIFF"))
    entry = content.index(struct.pack("<HH", 320, 3))
    struct.pack_into("<I", content, entry + 4, 10)
    return bytes(content)


def few_colours() -> bytes:
    """A PNG whose palette lacks the last colours."""
    return png_with_palette(9)


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


RGB = np.stack([noise((8, 8), seed) for seed in range(6)])
PNGS = {f"a/{i}.png": encoded(RGB[i]) for i in range(3)}
TABLE = json.dumps({"labels": [[name, i] for i, name in enumerate(PNGS)]}).encode()


def sources(folder: Path) -> dict[Path, Path]:
    """For each file that is damaged, written here with all others, what is given as --data."""
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (PNGS | {"dataset.json": TABLE}).items():
            archive.writestr(name, content)
            (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "images" / name).write_bytes(content)
    np.save(folder / "a.npy", RGB / 255)
    np.savez_compressed(folder / "a.npz", images=RGB, labels=np.arange(6))
    records(folder / "tf/a-r03.tfrecords", RGB.transpose(0, 3, 1, 2))
    with (folder / "tf/a-rxx.labels").open("wb") as labels:
        np.save(labels, np.eye(6, dtype=np.float32))
    cifar_batches(folder / "cifar", 1)
    for name, packed in (("idx", False), ("idxgz", True)):
        (folder / name).mkdir()
        content = idx(RGB[..., 0])
        path = folder / name / f"train-images-idx3-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    files = ["a.zip", "a.npy", "a.npz", "images/dataset.json", "tf/a-r03.tfrecords", "tf/a-rxx.labels"]
    files += ["cifar/data_batch_2", "idx/train-images-idx3-ubyte", "idxgz/train-images-idx3-ubyte.gz"]
    return {folder / file: folder / file.split("/")[0] for file in files}


@pytest.mark.filterwarnings("ignore")
def test_mutated_sources_are_read_or_have_a_reason(tmp_path):
    for seed, (file, given) in enumerate(sources(tmp_path).items()):
        whole = file.read_bytes()
        for content in mutated(whole, 25, seed):
            file.write_bytes(content)
            assert said_of(given).isprintable()
        file.write_bytes(whole)
        assert said_of(given) == "read"


def said_of(given: Path) -> str:
    """What is said of a source, its images and its labels."""
    try:
        return look_at(given)
    except DataError as error:
        return str(error)


def look_at(given: Path) -> str:
    source = find_source(given)
    used, reasons = [], []
    for index in range(len(source.names)):
        try:
            source.image(index, Shape(8, 3))
            used.append(index)
        except UnusableError as error:
            reasons.append(str(error))
    labels = source.labels(np.array(used), np.zeros((len(used), 0), np.int64)) if used else {}
    assert all(len(values) == len(used) for _, values in labels.values())
    return " ".join([*reasons, *source.label_notes(np.array(used, np.int64))] if used else reasons) or "read"
