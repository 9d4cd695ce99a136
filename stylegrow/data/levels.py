"""One level of a prepared data set on disk, written in order and read at random.

Low levels are one array (`level-0064.npy`), and so are high ones that there is room for. Others are
images encoded without loss, one after another (`level-0256.bin`), with the N + 1 offsets into them (`level-0256.npy`).
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import shutil
import struct
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.images import colours
from stylegrow.common.system import available_cpus
from stylegrow.common.text import one_line, printable

# A level is stored as an array up to this resolution, or where it takes no more than this altogether; or no more than
# this share of the disk's free space and of the memory, in which the system keeps what is read over and over.
ARRAY_RESOLUTION = 64
ARRAY_BYTES = 256 << 20
ARRAY_SHARE = 0.125

IN_MEMORY = 128 << 20  # bytes of a level that are read at once and kept
# What reading arrays, archives and images raises where they are damaged.
DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    SyntaxError,
    TokenError,
    struct.error,
    zlib.error,
    BadZipFile,
)

_MOST_AT_A_TIME = 8  # images that a thread decodes
_MAX_THREADS = 8


def array_bytes(folder: Path) -> int:
    """How many bytes a level in this folder may take as an array."""
    import psutil

    room = min(shutil.disk_usage(folder).free, psutil.virtual_memory().total)
    return max(ARRAY_BYTES, int(ARRAY_SHARE * room))


def is_array(count: int, channels: int, resolution: int, most: int) -> bool:
    """Whether a level of `count` images is stored as an array, where one may take `most` bytes."""
    return resolution <= ARRAY_RESOLUTION or count * channels * resolution**2 <= most


def encode(pixels: np.ndarray) -> bytes:
    """One image uint8 [C, r, r] without loss: as WebP, read twice as fast as PNG, where Pillow has it."""
    from PIL import Image, features

    planes = colours(pixels.transpose(1, 2, 0))
    image = Image.fromarray(np.ascontiguousarray(planes[..., 0] if len(pixels) == 1 else planes))
    file = io.BytesIO()
    if features.check("webp"):
        image.save(file, "WEBP", lossless=True, quality=0, method=0)
    else:
        image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def decode(content: bytes, out: np.ndarray) -> None:
    """Write the image that `encode` made `content` of into `out`, uint8 [C, r, r]."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("WEBP", "PNG")) as image:
            if image.size != out.shape[1:]:
                raise ValueError(f"an image has {image.width}x{image.height} px")
            pixels = np.asarray(image)
    except Image.DecompressionBombError as error:
        raise ValueError(error) from None
    out[...] = pixels.transpose(2, 0, 1)[: len(out)] if pixels.ndim == 3 else pixels  # WebP has no grey: R = G = B


class LevelWriter:
    """Writes a level of as many images as come, encoded or as an array."""

    def __init__(self, folder: Path, resolution: int, channels: int, encoded: bool) -> None:
        self._shape = (channels, resolution, resolution)
        self._offsets = [0]
        self._index = _file(folder, resolution) if encoded else None
        self._file = _file(folder, resolution, encoded).open("wb")
        if not encoded:
            self._write_header()

    def append(self, images: Sequence[bytes]) -> None:
        """Add images made by `encode`, or the bytes of arrays uint8 [C, r, r]."""
        for image in images:
            self._file.write(image)
            self._offsets.append(self._offsets[-1] + len(image))

    def close(self) -> None:
        """Write where each image begins, or how many they are."""
        with self._file:
            if self._index:
                np.save(self._index, np.array(self._offsets, np.int64))
            else:
                self._file.seek(0)
                self._write_header()

    def _write_header(self) -> None:
        # As long for one count as for another: numpy leaves room for the first axis to grow.
        shape = (len(self._offsets) - 1, *self._shape)
        np.lib.format.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})


class ReadFile:
    """A file that is read at any place, by any thread, and must stay as it was when it was opened.

    It is not mapped into memory: where a map's file is cut short, or its disk fails, the process is killed without a
    word. OSError and ValueError here.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._descriptor = self._file.fileno()
        self._state = self._now()

    @property
    def size(self) -> int:
        """In bytes."""
        return self._state[0]

    def start_of_array(self, dtype: str, shape: tuple[int, ...]) -> int:
        """Where the numbers of this .npy file begin. ValueError where it is of another type or shape."""
        version = np.lib.format.read_magic(self._file)
        if version != (1, 0):
            raise ValueError(f"it is an array of version {version}")
        there = np.lib.format.read_array_header_1_0(self._file)
        if there != (shape, False, np.dtype(dtype)):
            raise ValueError(f"its shape and type are {there[0]} {there[2]}, not {shape} {dtype}")
        start = self._file.tell()
        if start + math.prod(shape) * np.dtype(dtype).itemsize != self.size:
            raise ValueError(f"its size is {self.size:,} bytes")
        return start

    def read_into(self, out: np.ndarray, start: int) -> None:
        """Fill an array of bytes [n] from the place `start` on."""
        done = os.preadv(self._descriptor, (out,), start)  # type: ignore[arg-type]
        while done < len(out):  # one call need not read all of it
            count = os.preadv(self._descriptor, (out[done:],), start + done)  # type: ignore[arg-type]
            if not count:
                raise ValueError("it ends too early")
            done += count

    def check_unchanged(self) -> None:
        """ValueError where the file has another size, or another time, than when it was opened."""
        if self._now() != self._state:
            raise ValueError("it was changed while it was in use")

    def _now(self) -> tuple[int, int]:
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns


class ArrayImages:
    """The images of a level that is an array, indexed like it; a small one is kept in memory."""

    def __init__(self, folder: Path, resolution: int, channels: int, count: int) -> None:
        self._shape = (channels, resolution, resolution)
        self._path = _file(folder, resolution)
        with damage_named(self._path):
            self._file = ReadFile(self._path)
            self._start = self._file.start_of_array("u1", (count, *self._shape))
            self._all = None
            if self._file.size <= IN_MEMORY:
                self._all = np.empty((count, math.prod(self._shape)), np.uint8)
                self._file.read_into(self._all.reshape(-1), self._start)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """Images `indices` [n] as uint8 [n, C, r, r]. Raises DataError where the file cannot be read or has changed."""
        if self._all is not None:
            images = self._all[indices]
        else:
            images = np.empty((len(indices), math.prod(self._shape)), np.uint8)
            with damage_named(self._path):
                for image, index in zip(images, indices.tolist(), strict=True):
                    self._file.read_into(image, self._start + index * images.shape[1])
        with damage_named(self._path):
            self._file.check_unchanged()
        return images.reshape(-1, *self._shape)


class EncodedImages:
    """The images of an encoded level, indexed like an array of them."""

    def __init__(self, folder: Path, resolution: int, channels: int, count: int) -> None:
        self._shape = (channels, resolution, resolution)
        self._path = _file(folder, resolution, encoded=True)
        self._offsets = read_integers(_file(folder, resolution), count + 1)
        with damage_named(self._path):
            self._file = ReadFile(self._path)
            if self._offsets[0] != 0 or self._offsets[-1] != self._file.size or (np.diff(self._offsets) < 0).any():
                raise ValueError(f"its size of {self._file.size:,} bytes is not that of its images")

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """Images `indices` [n] as uint8 [n, C, r, r], decoded in several threads. Raises DataError for damaged ones."""
        images = np.empty((len(indices), *self._shape), np.uint8)

        # All threads have a part of a small batch: on a GPU a step is over before one of them had decoded half of it.
        at_a_time = min(_MOST_AT_A_TIME, -(-len(indices) // _count_of_threads()) or 1)

        def read_batch(start: int) -> None:
            for position in range(start, min(start + at_a_time, len(indices))):
                first, last = self._offsets[indices[position]], self._offsets[indices[position] + 1]
                content = np.empty(last - first, np.uint8)
                self._file.read_into(content, int(first))
                decode(content.tobytes(), images[position])

        with damage_named(self._path):  # image decoders let go of Python's lock
            list(_threads(os.getpid()).map(read_batch, range(0, len(indices), at_a_time)))
            self._file.check_unchanged()
        return images


def open_level(folder: Path, resolution: int, channels: int, count: int, encoded: bool) -> ArrayImages | EncodedImages:
    """A level: indexed by image numbers [n] it gives uint8 [n, C, r, r]. Raises DataError for a damaged one."""
    return (EncodedImages if encoded else ArrayImages)(folder, resolution, channels, count)


def read_integers(path: Path, count: int) -> np.ndarray:
    """The int64 [count] of a .npy file. Raises DataError for a damaged one."""
    with damage_named(path):
        file = ReadFile(path)
        start = file.start_of_array("i8", (count,))
        content = np.empty(count * 8, np.uint8)
        file.read_into(content, start)
        return content.view(np.int64)


def _count_of_threads() -> int:
    return min(_MAX_THREADS, available_cpus())


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """The threads of a process, since they do not survive a fork."""
    return ThreadPoolExecutor(_count_of_threads(), "decode")


def _file(folder: Path, resolution: int, encoded: bool = False) -> Path:
    return folder / f"level-{resolution:04d}.{'bin' if encoded else 'npy'}"


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Raises DataError, which names `path`, where a file of a prepared data set turns out to be unusable."""
    try:
        yield
    except DAMAGE as error:
        what = f"delete the folder {printable(path.parent)} and prepare the data again"
        raise DataError(f"{printable(path)} is damaged ({one_line(error)}): {what}") from error
