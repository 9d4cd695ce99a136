"""The embedded particle showers: simulated ones, each fixed by its index alone, as grey levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.data.sources.base import Source
from stylegrow.data.sources.labels import Labels
from stylegrow.physics import showers
from stylegrow.physics.intensity import MIP_ROOT

if TYPE_CHECKING:
    from stylegrow.data.decoding import SquareImage
    from stylegrow.data.request import Shape

DEFAULT_COUNT = 10_000
RESOLUTION = 32  # of the calorimeter
VERSION = "1"  # raise it when a change of the simulator changes the images


@dataclass(frozen=True, kw_only=True)
class CalorimeterShowers(Source):
    """Showers of electrons in the calorimeter: what its three layers read out, as roots.

    Where fewer cells are asked for than it has, cells are joined; where more are, they are repeated.
    """

    def files(self) -> Iterator[tuple[str, Path]]:
        return iter(())

    def content(self, index: int) -> bytes:
        return self.names[index].encode()

    def image(self, index: int, shape: Shape) -> SquareImage:
        from stylegrow.data.decoding import SquareImage
        from stylegrow.data.pyramid import levels_of

        levels = MIP_ROOT.encode(showers.shower(index).deposits)
        if shape.resolution < RESOLUTION:
            levels = dict(levels_of(levels, energies=True))[shape.resolution]
        times = max(shape.resolution // RESOLUTION, 1)
        pixels = levels[0].repeat(times, axis=1).repeat(times, axis=2)
        return SquareImage(pixels, enlarged=times > 1, size=(RESOLUTION, RESOLUTION))

    def labels(self, used: np.ndarray, classes: np.ndarray) -> Labels:
        found = [showers.electrons(number) for number in range(int(used.max()) // showers.BLOCK + 1)]
        energy = np.concatenate([energy for energy, _ in found])[used, None]
        impact = np.concatenate([impact for _, impact in found])[used]
        electrons = np.concatenate([energy, impact], axis=1).astype(np.float32)
        return {"electron": (("energy", "impact_x", "impact_y"), electrons), "energy": (("energy",), electrons[:, :1])}


def find(name: str, count: int | None) -> Source:
    """The first `count` showers of a data set. Raises DataError for a number below 1."""
    count = DEFAULT_COUNT if count is None else count
    if count < 1:
        raise DataError(f"--count {count}: give a number of showers from 1 up")
    return CalorimeterShowers(
        path=name,
        name=name,
        names=[f"{name}-{i:05d}" for i in range(count)],
        readers=(VERSION, str(count)),
        known=(RESOLUTION, len(MIP_ROOT.scales)),
        transform=MIP_ROOT.name,
        cond="electron",
        units={"electron": ("GeV", "R_M", "R_M"), "energy": ("GeV",)},
        sided=("electron",),
    )
