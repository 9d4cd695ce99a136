"""The embedded particle showers: simulated ones, each fixed by its index alone, as grey levels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.data.sources import CALORIMETER, FOOTPRINTS
from stylegrow.data.sources.base import Source
from stylegrow.data.sources.labels import Labels
from stylegrow.physics import footprints, showers
from stylegrow.physics.intensity import MIP_ROOT, VEM_ROOT_NS, roots_of

if TYPE_CHECKING:
    from stylegrow.data.decoding import SquareImage
    from stylegrow.data.request import Shape

DEFAULT_COUNT = 10_000
VERSIONS = {CALORIMETER: "1", FOOTPRINTS: "2"}  # raise one when a change changes its images


@dataclass(frozen=True, kw_only=True)
class Showers(Source):
    """Showers as a detector sees them: roots of energies, and times of arrival.

    Where fewer cells are asked for than it has, cells are joined; where more are, they are repeated.
    """

    @abstractmethod
    def levels(self, index: int) -> np.ndarray:
        """The grey levels of one shower, uint8 [1, C, r, r]."""

    def files(self) -> Iterator[tuple[str, Path]]:
        return iter(())

    def content(self, index: int) -> bytes:
        return self.names[index].encode()

    def image(self, index: int, shape: Shape) -> SquareImage:
        from stylegrow.data.averages import levels_of
        from stylegrow.data.decoding import SquareImage

        levels = self.levels(index)
        own = levels.shape[-1]
        if shape.resolution < own:
            levels = dict(levels_of(levels, roots_of(self.transform)))[shape.resolution]
        times = max(shape.resolution // own, 1)
        pixels = levels[0].repeat(times, axis=1).repeat(times, axis=2)
        return SquareImage(pixels, enlarged=times > 1, size=(own, own))


@dataclass(frozen=True, kw_only=True)
class CalorimeterShowers(Showers):
    """Electrons' showers in the calorimeter: what its three layers read out."""

    def levels(self, index: int) -> np.ndarray:
        return MIP_ROOT.encode(showers.shower(index).deposits)

    def labels(self, used: np.ndarray, classes: np.ndarray) -> Labels:
        found = [showers.electrons(number) for number in range(int(used.max()) // showers.BLOCK + 1)]
        energy = np.concatenate([energy for energy, _ in found])[used, None]
        impact = np.concatenate([impact for _, impact in found])[used]
        electrons = np.concatenate([energy, impact], axis=1).astype(np.float32)
        return {"electron": (("energy", "impact_x", "impact_y"), electrons), "energy": (("energy",), electrons[:, :1])}


@dataclass(frozen=True, kw_only=True)
class AirShowers(Showers):
    """Air showers on the ground: the stations' signals, and the times at which they came."""

    def levels(self, index: int) -> np.ndarray:
        number, place = divmod(index, footprints.BLOCK)
        block = footprints.block(number)
        return VEM_ROOT_NS.encode(np.stack([block.signal[place], block.time[place]])[None])

    def labels(self, used: np.ndarray, classes: np.ndarray) -> Labels:
        found = [footprints.block(number) for number in range(int(used.max()) // footprints.BLOCK + 1)]
        rows = [np.concatenate([one.energy[:, None], one.direction, one.core], axis=1) for one in found]
        particles = np.concatenate(rows)[used].astype(np.float32)
        names = ("energy", "direction_x", "direction_y", "core_x", "core_y")
        return {"particle": (names, particles), "energy": (("energy",), particles[:, :1])}


def find(name: str, count: int | None) -> Showers:
    """The first `count` showers of a data set. Raises DataError for a number below 1."""
    count = DEFAULT_COUNT if count is None else count
    if count < 1:
        raise DataError(f"--count {count}: give a number of showers from 1 up")
    names = [f"{name}-{i:05d}" for i in range(count)]
    if name == CALORIMETER:
        return CalorimeterShowers(
            path=name,
            name=name,
            names=names,
            readers=(VERSIONS[name], str(count)),
            known=(32, 3),
            transform=MIP_ROOT.name,
            cond="electron",
            units={"electron": ("GeV", "R_M", "R_M"), "energy": ("GeV",)},
            sided=("electron",),
        )
    return AirShowers(
        path=name,
        name=name,
        names=names,
        readers=(VERSIONS[name], str(count)),
        known=(footprints.STATIONS, 2),
        transform=VEM_ROOT_NS.name,
        cond="particle",
        units={"particle": ("EeV", "", "", "m", "m"), "energy": ("EeV",)},
        sided=("particle",),
    )
