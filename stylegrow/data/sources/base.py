"""What all kinds of sources have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from stylegrow.data.sources.labels import Labels, Table, labels_of_folders

if TYPE_CHECKING:
    from stylegrow.data.decoding import SquareImage
    from stylegrow.data.request import Shape


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """Images, numbered in an order that stays the same. A source can be sent to worker processes."""

    path: str
    """the absolute path, or the name of a data set"""
    name: str
    """a short name, safe as a part of a file name"""
    names: Sequence[str]
    """of the images, in their order"""
    readers: Sequence[str] = ()
    """what decides on the images beside the files: versions of what reads or draws them"""
    credit: str | None = None
    """whom to name wherever the images are shown"""
    known: tuple[int, int] | None = None
    """(default resolution, channels) where no headers have to be read to find them"""
    transform: str | None = None
    """which of stylegrow.physics.intensity's made grey levels of energies, whose roots they are; None for images"""
    cond: str | None = None
    """the labels that are trained with where nobody says which"""
    units: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """of the components of label vectors"""
    sided: Sequence[str] = ()
    """the labels that a mirror image does not have"""

    @abstractmethod
    def files(self) -> Iterator[tuple[str, Path]]:
        """(name, path) of each file that images and labels are read from; names are the same wherever they lie."""

    @abstractmethod
    def image(self, index: int, shape: Shape) -> SquareImage:
        """One image in its final form. Raises UnusableError."""

    @abstractmethod
    def content(self, index: int) -> bytes:
        """What one image is decoded from. Raises UnusableError."""

    @abstractmethod
    def labels(self, used: np.ndarray, classes: np.ndarray) -> Labels:
        """Labels of the images `used` (indices [n]); `classes` [n, attributes] are indices that came with them."""

    def label_notes(self, used: np.ndarray) -> list[str]:
        """What a user should know about the labels of the images `used`, a line each."""
        return []

    def header(self, index: int) -> tuple[int, bool]:
        """(smaller side, whether it is grey) of one image, from its header. Raises UnusableError."""
        raise NotImplementedError(f"{self.name}: `known` says it")


@dataclass(frozen=True, kw_only=True)
class ImageFiles(Source):
    """Image files, labelled by a dataset.json (`table`) or by their folders."""

    table: Table | None = None

    @abstractmethod
    def open(self, index: int) -> BinaryIO:
        """The bytes of one file. Raises UnusableError."""

    def image(self, index: int, shape: Shape) -> SquareImage:
        from stylegrow.data.decoding import open_image, square

        with self.open(index) as file:
            return square(open_image(file), shape)

    def content(self, index: int) -> bytes:
        with self.open(index) as file:
            return file.read()

    def header(self, index: int) -> tuple[int, bool]:
        from stylegrow.data.decoding import is_grey, open_image
        from stylegrow.data.unusable import explained

        with self.open(index) as file, explained():
            image = open_image(file)
            return min(image.size), is_grey(image)

    def labels(self, used: np.ndarray, classes: np.ndarray) -> Labels:
        return self._labels(used)[0]

    def label_notes(self, used: np.ndarray) -> list[str]:
        return self._labels(used)[1]

    def _labels(self, used: np.ndarray) -> tuple[Labels, list[str]]:
        names = [self.names[i] for i in used]
        if self.table is None:
            return labels_of_folders(names)
        labels, notes = self.table.labels_of(names)
        if self.table.is_other:
            labels, more = labels_of_folders(names)
            notes = notes + more
        return labels, notes


def default_resolution(sides: Sequence[int]) -> int:
    """The largest power of two that more than half of the smaller sides reach, from 4 to 256; 28 counts as 32."""
    sides = [32 if side == 28 else side for side in sides]
    return max((r for r in (8, 16, 32, 64, 128, 256) if 2 * sum(side >= r for side in sides) > len(sides)), default=4)


def safe_name(text: str) -> str:
    """`text` as a part of a file name on any system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:40] or "data"
