"""The training images of CIFAR-10 (Krizhevsky 2009) as torchvision keeps them: pickles that Python 2 wrote."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.text import one_line, printable
from stylegrow.data.sources.arrays import ArrayLabels, Arrays

FOLDER = "cifar-10-batches-py"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
ALLOWED = {
    *(("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")),
    *(("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")),
}


@dataclass(frozen=True, kw_only=True)
class Cifar(Arrays):
    """The training images in a folder of CIFAR-10."""

    def files(self) -> Iterator[tuple[str, Path]]:
        return ((name, Path(self.path, name)) for name in BATCHES)

    @cached_property
    def pixels(self) -> np.ndarray:
        return np.concatenate([_read(Path(self.path, name))[0] for name in BATCHES])


def find(path: Path) -> Cifar | None:
    """The training images in this folder; None where it holds none. Raises DataError for damaged files."""
    if not (path / BATCHES[0]).is_file():
        return None
    labels = np.concatenate([_read(path / name)[1] for name in BATCHES])
    return Cifar(
        path=str(path),
        name="cifar-10",
        names=[f"train-{i:05d}" for i in range(len(labels))],
        known=(32, 3),
        known_labels=ArrayLabels(labels, CLASSES),
    )


class _Arrays(pickle.Unpickler):
    """Reads data and arrays, and refuses to look anything else up."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The images [N, 32, 32, 3] and class indices [N] of a batch."""
    try:
        with path.open("rb") as file:
            content = _Arrays(file).load()
        pixels = np.asarray(content[b"data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = np.asarray(content[b"labels"], np.int64).reshape(-1)
    except Exception as error:  # unpickling a damaged file raises anything
        raise DataError(
            f"{printable(path)} cannot be read ({printable(one_line(error))}): download it again"
        ) from error
    if len(labels) != len(pixels) or not len(labels) or not 0 <= labels.min() <= labels.max() < len(CLASSES):
        raise DataError(f"{printable(path)} is not a batch of CIFAR-10: download it again")
    return pixels, labels
