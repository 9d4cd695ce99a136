"""Showers of both simulators on few cells, kept in the work folder, and how small networks see them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from stylegrow.common.files import write_whole
from stylegrow.data import Dataset
from stylegrow.metrics.physics import read_showers
from stylegrow.physics import showers
from stylegrow.physics.observables import HIT, Showers
from stylegrow.physics.tungsten import CALORIMETER

CELLS = 8  # to a side, of those that the small networks see
Scale = Literal["root", "logarithm"]


def kept(path: Path, make: Callable[[], Showers]) -> Showers:
    """Showers that are in a file, or are made and put there."""
    if not path.is_file():
        made, file = make(), io.BytesIO()
        np.savez_compressed(file, deposits=made.deposits, energy=made.energy, impact=np.asarray(made.impact))
        write_whole(path, file.getvalue())
    with np.load(path, allow_pickle=False) as arrays:
        return Showers(arrays["deposits"], arrays["energy"], arrays["impact"])


def joined(deposits: np.ndarray, cells: int) -> np.ndarray:
    """The deposits [N, 3, n, n] of `cells` x `cells` larger cells each [N, 3, cells, cells]."""
    count, layers, side, _ = deposits.shape
    return deposits.reshape(count, layers, cells, side // cells, cells, side // cells).sum(axis=(3, 5))


def of_data(dataset: Dataset, cells: int, start: int, count: int) -> Showers:
    """So many of the embedded showers from index `start` on, as they are stored in 32 x 32 cells."""
    chosen = np.arange(start, start + count)
    found = read_showers(dataset.read(chosen, CALORIMETER.cells), dataset, chosen, dataset.cond)
    return found._replace(deposits=joined(found.deposits, cells))


def of_gflash(cells: int, start: int, count: int) -> Showers:
    """GFLASH's showers of the electrons from index `start` on, in multiples of a block."""
    numbers = range(start // showers.BLOCK, -(-(start + count) // showers.BLOCK))
    blocks = [showers.block(number, "gflash") for number in numbers]
    deposits = np.concatenate([joined(one.deposits, cells) for one in blocks])
    energy, impact = (np.concatenate([getattr(one, name) for one in blocks]) for name in ("energy", "impact"))
    return Showers(deposits[:count], energy[:count], impact[:count])


def part(whole: Showers, start: int, stop: int | None = None) -> Showers:
    """Some of these showers."""
    assert whole.impact is not None
    return Showers(*(one[start:stop] for one in (whole.deposits, whole.energy, whole.impact)))


@dataclass(frozen=True)
class Pixels:
    """Deposits as images [N, 3, n, n] around 0 with a deviation of 1, and back.

    Roots or logarithms of the deposits, less their mean and over their deviation, one of each for all cells, so that
    the penalty of slopes means the same for both.
    """

    scale: Scale
    mean: float
    deviation: float

    @classmethod
    def of(cls, deposits: np.ndarray, scale: Scale = "root") -> Pixels:
        """Those in which these deposits have mean 0 and deviation 1."""
        values = forward(deposits, scale)
        return cls(scale, float(values.mean()), float(values.std()))

    def images(self, deposits: np.ndarray) -> Tensor:
        """Deposits (MIP) as images."""
        return torch.from_numpy(((forward(deposits, self.scale) - self.mean) / self.deviation).astype(np.float32))

    def values(self, images: Tensor) -> Tensor:
        """Images as deposits, differentiable; what is below nothing is nothing."""
        values = (images * self.deviation + self.mean).clamp(min=0)
        return values.square() if self.scale == "root" else values.expm1()

    def deposits(self, images: Tensor) -> np.ndarray:
        """Images as deposits, without what is less than a hit."""
        found = self.values(images.detach()).numpy()
        return np.where(found < HIT, 0, found)


def forward(deposits: np.ndarray, scale: Scale) -> np.ndarray:
    """The roots of deposits, or the logarithms of 1 + deposit, float64."""
    wide = deposits.astype(np.float64)
    return np.sqrt(wide) if scale == "root" else np.log1p(wide)


def labels(of: Showers) -> Tensor:
    """The logarithms of the energies and the impacts [N, 3], each around 0 with a deviation of about 1."""
    assert of.impact is not None
    low, high = np.log(showers.LEAST_ENERGY), np.log(showers.MOST_ENERGY)
    place = (np.log(of.energy) - low) / (high - low) - 0.5
    uniform = np.column_stack([place, of.impact / showers.WIDTH])  # from -1/2 to 1/2
    return torch.from_numpy((uniform * np.sqrt(12)).astype(np.float32))
