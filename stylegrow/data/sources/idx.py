"""The training part of MNIST-style idx files, gzipped or not.

They are read without torchvision: it needs them unpacked, and each worker process would import torch first.
"""

import gzip
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.text import printable
from stylegrow.data.sources import FASHION_MNIST
from stylegrow.data.sources.arrays import MIN_SIDE, ArrayLabels, Arrays
from stylegrow.data.sources.base import default_resolution, safe_name

FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
FASHION_LABELS_CRC = 0x2ED6E46A  # of the 60,000 training labels
IMAGES = re.compile(r"train-images[.-]idx3-ubyte(\.gz)?")
LABELS = re.compile(r"train-labels[.-]idx1-ubyte(\.gz)?")


@dataclass(frozen=True, kw_only=True)
class Idx(Arrays):
    """The training images of an MNIST-style folder, with their labels where they are there."""

    file: Path
    label_file: Path | None

    def files(self) -> Iterator[tuple[str, Path]]:
        return ((file.name, file) for file in (self.file, self.label_file) if file)

    @cached_property
    def pixels(self) -> np.ndarray:
        return read_idx(self.file, 3)


def find(path: Path) -> Idx | None:
    """The training images in this very folder; None where it holds none. Raises DataError for damaged files."""
    entries = sorted(entry for entry in path.iterdir() if entry.is_file())
    images, labels = (next((e for e in entries if kind.fullmatch(e.name)), None) for kind in (IMAGES, LABELS))
    if images is None:
        return None
    count, height, width = read_shape(images, 3)
    if count < 1 or min(height, width) < MIN_SIDE:
        raise DataError(f"{printable(images)} holds {count} images of {width}x{height} px: there is nothing to use")
    folder = path.parent.name if path.name == "raw" else path.name  # torchvision's FashionMNIST/raw
    known_labels = _labels(labels, count, "fashion" in folder.lower()) if labels else ArrayLabels()
    return Idx(
        path=str(path),
        name=FASHION_MNIST if known_labels.names == FASHION_CLASSES else safe_name(folder),
        names=[f"train-{i:05d}" for i in range(count)],
        known=(default_resolution([min(height, width)]), 1),
        file=images,
        label_file=labels,
        known_labels=known_labels,
        black_frame=True,
    )


def _labels(file: Path, count: int, is_fashion: bool) -> ArrayLabels:
    try:
        label = read_idx(file, 1)
    except DataError as error:
        return ArrayLabels(problem=str(error))
    if len(label) != count:
        reason = f"holds {len(label)} labels for {count} images: take files that belong together"
        return ArrayLabels(problem=f"{printable(file)} {reason}")
    is_fashion = is_fashion or zlib.crc32(label.tobytes()) == FASHION_LABELS_CRC
    last = max(int(label.max()), 9)
    return ArrayLabels(label, FASHION_CLASSES if is_fashion and last == 9 else tuple(map(str, range(last + 1))))


def read_shape(path: Path, dimensions: int) -> tuple[int, ...]:
    """The shape that the head of an idx file of bytes announces. Raises DataError for another file."""
    head = _content(path, 4 + 4 * dimensions)
    sizes = np.frombuffer(head[4:], ">i4") if len(head) == 4 + 4 * dimensions else np.array([-1])
    if head[:4] != bytes((0, 0, 8, dimensions)) or sizes.min() < 0:
        raise DataError(f"{printable(path)} is no idx file of bytes in {dimensions} dimensions: fetch the file again")
    shape = tuple(sizes.tolist())
    if _unpacked_size(path) != (len(head) + math.prod(shape)) % 2**32:
        raise DataError(f"{printable(path)} does not hold the {shape} values it announces: fetch the file again")
    return shape


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of an idx file. Raises DataError for a damaged one."""
    shape, content = read_shape(path, dimensions), _content(path)
    return np.frombuffer(content, np.uint8, math.prod(shape), offset=4 + 4 * dimensions).reshape(shape)


def _unpacked_size(path: Path) -> int:
    """The size of a file in bytes, modulo 2^32, as the end of a gzip file tells it."""
    if path.suffix != ".gz":
        return path.stat().st_size % 2**32
    with path.open("rb") as file:
        file.seek(-4, 2)
        return int.from_bytes(file.read(), "little")


def _content(path: Path, size: int = -1) -> bytes:
    """The first `size` bytes, unpacked."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{printable(path)} cannot be read ({error}): fetch the file again") from error
