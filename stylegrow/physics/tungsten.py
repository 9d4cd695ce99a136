"""Tungsten, and the calorimeter made of it that the simulators share.

Lengths are in radiation lengths X0 of tungsten, across the shower also in Moliere radii R_M; energies are in MeV.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

ELECTRON_MASS = 0.51099895  # MeV, CODATA 2018
AVOGADRO = 0.602214076  # 1e24 / mol, so that areas are in barn
# Particle Data Group, Atomic and nuclear properties of materials, tungsten (2025): X0 in g/cm2; the critical energy of
# electrons in MeV, after Rossi: what an electron loses to ionisation in one X0 is its energy.
Z, A, X0, CRITICAL_ENERGY = 74, 183.84, 6.76, 7.97
# Particle Data Group, Passage of particles through matter: E_s = sqrt(4 pi / alpha) m_e, R_M = X0 E_s / E_c.
SCATTERING_ENERGY = math.sqrt(4 * math.pi * 137.035999) * ELECTRON_MASS
MOLIERE_RADIUS = SCATTERING_ENERGY / CRITICAL_ENERGY

PER_BARN = AVOGADRO / A * X0
"""interactions per X0 where an atom has a cross section of one barn"""


@dataclass(frozen=True)
class Calorimeter:
    """Thin silicon planes after each X0 of tungsten, of `cells` x `cells` squares of `pitch` R_M around the axis.

    A particle that crosses a plane leaves 1 MIP (the signal of a minimum-ionising particle) where it crosses upright,
    and more in proportion to its way through the silicon, `most` MIP where it is almost parallel to the plane. The
    tungsten ends at `depth` X0, with the last plane.
    """

    planes: int = 24
    cells: int = 32
    pitch: float = 0.25
    most: float = 5.0
    depth: float = 24.0

    def cell(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The (row, column) of places in X0 [n], at least `cells` or negative outside."""
        column, row = (np.floor(at / (self.pitch * MOLIERE_RADIUS) + self.cells / 2).astype(np.int64) for at in (x, y))
        return row, column

    def signals(self, places: np.ndarray, values: np.ndarray | None, showers: int) -> np.ndarray:
        """Signals [showers, planes, cells, cells] float32, the sums of `values` [n], or ones, at flat `places` [n]."""
        shape = (showers, self.planes, self.cells, self.cells)
        return np.bincount(places, values, math.prod(shape)).reshape(shape).astype(np.float32)


CALORIMETER = Calorimeter()
LAYERS = (slice(0, 6), slice(6, 10), slice(10, 24))
"""the planes that are read out as one layer: one channel of an image each"""


def layers(signals: np.ndarray) -> np.ndarray:
    """The three read-out layers [n, 3, cells, cells] of signals [n, 24, cells, cells] of all planes."""
    return np.stack([signals[:, planes].sum(axis=1) for planes in LAYERS], axis=1)
