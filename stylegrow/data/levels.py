"""One level of a prepared data set on disk, written in order and read at random.

Low levels are one array (`level-0064.npy`, mapped into memory); high ones are images encoded without loss, one after
the other (`level-0256.bin`), with the N + 1 offsets into them (`level-0256.npy`).
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.system import available_cpus
from stylegrow.common.text import printable

# Up to this resolution, or as long as a level takes no more than this altogether, it is stored as an array.
ARRAY_RESOLUTION = 64
ARRAY_BYTES = 256 << 20

_BATCH = 8  # images a thread decodes at a time
_MAX_THREADS = 8


def is_array(count: int, channels: int, resolution: int) -> bool:
    """Whether a level of `count` images is stored as an array."""
    return resolution <= ARRAY_RESOLUTION or count * channels * resolution**2 <= ARRAY_BYTES


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


class ArrayWriter:
    """Writes an array of a length that is known at the end."""

    def __init__(self, folder: Path, resolution: int, channels: int) -> None:
        self._shape = (channels, resolution, resolution)
        self._count = 0
        self._file = _array_file(folder, resolution).open("wb")
        self._write_header()

    def _write_header(self) -> None:
        # As long for one count as for another: numpy leaves room for the first axis to grow.
        shape = (self._count, *self._shape)
        np.lib.format.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})

    def append(self, images: Sequence[np.ndarray]) -> None:
        """Add images uint8 [C, r, r]."""
        for image in images:
            self._file.write(image.tobytes())
        self._count += len(images)

    def close(self) -> None:
        """Write how many they are."""
        with self._file:
            self._file.seek(0)
            self._write_header()


class EncodedWriter:
    """Writes encoded images and their offsets."""

    def __init__(self, folder: Path, resolution: int) -> None:
        self._offsets = [0]
        self._file = _encoded_file(folder, resolution).open("wb")
        self._index = _array_file(folder, resolution)

    def append(self, images: Sequence[bytes]) -> None:
        """Add images made by `encode`."""
        for image in images:
            self._file.write(image)
            self._offsets.append(self._offsets[-1] + len(image))

    def close(self) -> None:
        """Write where each begins."""
        with self._file:
            np.save(self._index, np.array(self._offsets, np.int64))


class ArrayReader:
    """Reads an array level. Raises DataError for a damaged one."""

    def __init__(self, folder: Path, resolution: int, channels: int, count: int) -> None:
        self._array = _mapped(_array_file(folder, resolution), (count, channels, resolution, resolution))

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Images `indices` [n] as uint8 [n, C, r, r]."""
        return np.take(self._array, indices, axis=0)


class EncodedReader:
    """Reads an encoded level. Raises DataError for a damaged one."""

    def __init__(self, folder: Path, resolution: int, channels: int, count: int) -> None:
        self._shape = (channels, resolution, resolution)
        self._path = _encoded_file(folder, resolution)
        self._offsets = np.array(_mapped(_array_file(folder, resolution), (count + 1,)))
        try:
            self._content = np.memmap(self._path, np.uint8, "r", shape=(int(self._offsets[-1]),))
        except (OSError, ValueError) as error:
            raise damaged(self._path, error) from error

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Images `indices` [n] as uint8 [n, C, r, r], decoded in several threads."""
        images = np.empty((len(indices), *self._shape), np.uint8)

        def read_batch(start: int) -> None:
            for position in range(start, min(start + _BATCH, len(indices))):
                first, last = self._offsets[indices[position]], self._offsets[indices[position] + 1]
                decode(self._content[first:last].tobytes(), images[position])

        try:
            # Image decoders let go of Python's lock.
            list(_threads(os.getpid()).map(read_batch, range(0, len(indices), _BATCH)))
        except (OSError, ValueError) as error:
            raise damaged(self._path, error) from error
        return images


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """The threads of a process, since they do not survive a fork."""
    return ThreadPoolExecutor(min(_MAX_THREADS, available_cpus()), "decode")


def size_on_disk(folder: Path, resolution: int) -> int:
    """Bytes that a level takes."""
    files = (_array_file(folder, resolution), _encoded_file(folder, resolution))
    return sum(file.stat().st_size for file in files if file.exists())


def damaged(path: Path, error: Exception) -> DataError:
    """The error for a file of a prepared data set that cannot be used."""
    folder = printable(path.parent)
    return DataError(f"{printable(path)} is damaged ({error}): delete the folder {folder} and prepare the data again")


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, error) from error
    if array.shape != shape:
        raise damaged(path, ValueError(f"its shape is {array.shape}, not {shape}"))
    return array.view(np.ndarray)


def _array_file(folder: Path, resolution: int) -> Path:
    return folder / f"level-{resolution:04d}.npy"


def _encoded_file(folder: Path, resolution: int) -> Path:
    return folder / f"level-{resolution:04d}.bin"
