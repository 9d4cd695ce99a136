"""The TFRecords of the official programs of 2018 and 2019, read without TensorFlow.

A data set is a folder with a file for each resolution, NAME-r10.tfrecords for 1024 px, and NAME-rxx.labels, a numpy
array [N, size]. A record is its length (uint64), a checksum of that, a serialised tf.train.Example with the features
"shape" (three integers: C, H, W) and "data" (the bytes of an uint8 array of this shape), and a checksum of it.
Checksums are not looked at.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.text import one_line, printable
from stylegrow.data.sources.arrays import ArrayLabels, Arrays, labels_of_array
from stylegrow.data.sources.base import default_resolution, safe_name
from stylegrow.data.unusable import UnusableError, explained

LEVEL = re.compile(r"(.*)-r(\d\d)\.tfrecords")
SUFFIXES = (".tfrecords", ".tfrecord")
HEAD, TAIL = 12, 4  # bytes around a record


@dataclass(frozen=True, kw_only=True)
class Records(Arrays):
    """The images of a TFRecords file, read one by one."""

    file: Path
    label_file: Path | None
    offsets: np.ndarray = field(repr=False)

    def files(self) -> Iterator[tuple[str, Path]]:
        return ((name, file) for name, file in (("images", self.file), ("labels", self.label_file)) if file)

    @cached_property
    def pixels(self) -> np.ndarray:
        return np.memmap(self.file, np.uint8, "r")

    def pixels_of(self, index: int) -> np.ndarray:
        start, stop = self.offsets[index], self.offsets[index + 1]
        with explained():
            return image_of(self.pixels[start + HEAD : stop - TAIL].tobytes())


def find(path: Path) -> Records | None:
    """The images of the highest resolution in a folder; None where it has no such files.

    Raises DataError for a damaged file and for several data sets.
    """
    levels = sorted(
        (found[1], int(found[2]), entry) for entry in path.iterdir() if (found := LEVEL.fullmatch(entry.name))
    )
    if len(sets := sorted({name for name, _, _ in levels})) > 1:
        several = printable(", ".join(sets))
        raise DataError(f"{printable(path)} holds several data sets ({several}): give the file of one of them")
    return find_file(levels[-1][2]) if levels else None


def find_file(file: Path) -> Records:
    """The images of a file. Raises DataError for a damaged one."""
    offsets = _offsets(file)
    count = len(offsets) - 1
    found = LEVEL.fullmatch(file.name)
    label_file = file.with_name(f"{found[1]}-rxx.labels") if found else None
    if label_file and not label_file.is_file():
        label_file = None
    source = Records(
        path=str(file),
        name=safe_name(found[1] if found else file.stem),
        names=[f"{i:08d}" for i in range(count)],
        known_labels=_labels(label_file, count) if label_file else ArrayLabels(),
        file=file,
        label_file=label_file,
        offsets=offsets,
    )
    try:
        first = source.pixels_of(0)
    except UnusableError as error:
        raise DataError(f"{printable(file)} holds no images of the official programs ({error})") from error
    return replace(source, known=(default_resolution([min(first.shape[:2])]), 1 if first.ndim == 2 else 3))


def _offsets(file: Path) -> np.ndarray:
    """Where each record begins, and where the last ends: int64 [N + 1]."""
    offsets, size = [0], file.stat().st_size
    with file.open("rb") as content:
        while offsets[-1] < size:
            content.seek(offsets[-1])
            head = content.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
            offsets.append(offsets[-1] + HEAD + length + TAIL)
    if len(offsets) < 2 or offsets[-1] > size:
        raise DataError(f"{printable(file)} is empty or cut off: it holds {len(offsets) - 2:,} records: copy it again")
    return np.array(offsets, np.int64)


def _labels(file: Path, count: int) -> ArrayLabels:
    try:
        values = np.load(file, allow_pickle=False)
    except Exception as error:  # numpy raises whatever a broken header leads it to
        return ArrayLabels(problem=f"{printable(file)} cannot be read ({printable(one_line(error))}): copy it again")
    return labels_of_array(values, count, printable(file))


def image_of(example: bytes) -> np.ndarray:
    """The image of a serialised tf.train.Example as uint8 [H, W] or [H, W, 3]. Raises ValueError and the like."""
    features: dict[bytes, bytes] = {}
    for part in _parts(example, 1):  # Example.features
        for entry in _parts(part, 1):  # an entry of the map Features.feature
            (key,), (value,) = _parts(entry, 1), _parts(entry, 2)
            features[key] = value
    (numbers,) = _parts(features[b"shape"], 3)  # Feature.int64_list
    shape = [size for packed in _parts(numbers, 1) for size in _integers(packed)]
    (data,) = _parts(features[b"data"], 1)  # Feature.bytes_list
    (content,) = _parts(data, 1)
    image = np.frombuffer(content, np.uint8).reshape(shape)
    if image.ndim != 3 or len(image) not in (1, 3):
        raise ValueError(f"an image of shape {shape}")
    return image[0] if len(image) == 1 else image.transpose(1, 2, 0)


def _parts(message: bytes, number: int) -> list[bytes]:
    """The values of a field of a protocol buffer message; integers as the bytes that they are written in."""
    return [value for field_number, value in _fields(message) if field_number == number]


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place < len(message):
        tag, place = _integer(message, place)
        if tag & 7 == 2:
            size, place = _integer(message, place)
        elif tag & 7 == 0:
            size = _integer(message, place)[1] - place
        else:
            size = {1: 8, 5: 4}[tag & 7]
        if place + size > len(message):
            raise ValueError("truncated")
        yield tag >> 3, message[place : place + size]
        place += size


def _integer(message: bytes, place: int) -> tuple[int, int]:
    """(an integer in base 128, the place after it)."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _integers(packed: bytes) -> Iterator[int]:
    place = 0
    while place < len(packed):
        value, place = _integer(packed, place)
        yield value
