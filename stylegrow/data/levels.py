"""One level of a prepared data set on disk, written in order and read at random.

Low levels are one array (`level-0064.npy`, mapped into memory), and so are high ones that there is room for. Others are
images encoded without loss, one after another (`level-0256.bin`), with the N + 1 offsets into them (`level-0256.npy`).
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.system import available_cpus
from stylegrow.common.text import printable

# A level is stored as an array up to this resolution, or where it takes no more than this altogether; or no more than
# this share of the disk's free space and of the memory, in which the system keeps what is read over and over.
ARRAY_RESOLUTION = 64
ARRAY_BYTES = 256 << 20
ARRAY_SHARE = 0.125

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

    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    file = io.BytesIO()
    if features.check("webp"):
        image.save(file, "WEBP", lossless=True, quality=0, method=0)
    else:
        image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def decode(content: bytes, out: np.ndarray) -> None:
    """Write the image that `encode` made `content` of into `out`, uint8 [C, r, r]."""
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=("WEBP", "PNG")) as image:
        pixels = np.asarray(image)
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


class EncodedImages:
    """The images of an encoded level, indexed like an array of them."""

    def __init__(self, folder: Path, resolution: int, channels: int, count: int) -> None:
        self._shape = (channels, resolution, resolution)
        self._path = _file(folder, resolution, encoded=True)
        self._offsets = np.array(_mapped(_file(folder, resolution), (count + 1,)))
        with damage_named(self._path):
            self._content = np.memmap(self._path, np.uint8, "r", shape=(int(self._offsets[-1]),))

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """Images `indices` [n] as uint8 [n, C, r, r], decoded in several threads. Raises DataError for damaged ones."""
        images = np.empty((len(indices), *self._shape), np.uint8)

        # All threads have a part of a small batch: on a GPU a step is over before one of them had decoded half of it.
        at_a_time = min(_MOST_AT_A_TIME, -(-len(indices) // _count_of_threads()) or 1)

        def read_batch(start: int) -> None:
            for position in range(start, min(start + at_a_time, len(indices))):
                first, last = self._offsets[indices[position]], self._offsets[indices[position] + 1]
                decode(self._content[first:last].tobytes(), images[position])

        with damage_named(self._path):  # image decoders let go of Python's lock
            list(_threads(os.getpid()).map(read_batch, range(0, len(indices), at_a_time)))
        return images


def open_level(folder: Path, resolution: int, channels: int, count: int, encoded: bool) -> np.ndarray | EncodedImages:
    """A level: indexed by image numbers [n] it gives uint8 [n, C, r, r]. Raises DataError for a damaged one."""
    if encoded:
        return EncodedImages(folder, resolution, channels, count)
    return _mapped(_file(folder, resolution), (count, channels, resolution, resolution))


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
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        what = f"delete the folder {printable(path.parent)} and prepare the data again"
        raise DataError(f"{printable(path)} is damaged ({error}): {what}") from error


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    with damage_named(path):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.shape != shape:
            raise ValueError(f"its shape is {array.shape}, not {shape}")
        return array.view(np.ndarray)
