"""GFLASH, the classical fast simulation: electron showers from fitted profiles, without following a particle.

Grindhammer and Peters, The parameterized simulation of electromagnetic showers in homogeneous and sampling
calorimeters, hep-ex/0001020, appendix for homogeneous media; Geant4's GFlashHomoShowerParameterisation has the same
numbers. With y = E / E_c, t the depth in X0, tau = t / T and r in Moliere radii.
"""

from __future__ import annotations

import math

import numpy as np

from stylegrow.physics.tungsten import CALORIMETER, CRITICAL_ENERGY, MOLIERE_RADIUS, Calorimeter, Z

MIP_PER_GEV = 84.8
"""the cascade's response, before cells end: spots, of 1 MIP each, are as many on average"""


def depth_of_maximum(energy: np.ndarray) -> np.ndarray:
    """T of the average shower of so many MeV, X0."""
    return np.log(energy / CRITICAL_ENERGY) - 0.812


def shape(energy: np.ndarray) -> np.ndarray:
    """alpha of the average shower of so many MeV: its profile is (bt)^(alpha - 1) b exp(-bt) / Gamma(alpha)."""
    return 0.81 + (0.458 + 2.26 / Z) * np.log(energy / CRITICAL_ENERGY)


def deviations(energy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(standard deviation of ln T, that of ln alpha, the correlation of both) of showers of so many MeV."""
    log = np.log(energy / CRITICAL_ENERGY)
    return 1 / (-1.4 + 1.26 * log), 1 / (-0.58 + 0.86 * log), 0.705 - 0.023 * log


def longitudinal(energy: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(T in X0, alpha) of one shower of each energy [n], MeV."""
    of_depth, of_shape, correlation = deviations(energy)
    first, second = rng.standard_normal((2, len(energy)))
    a, b = np.sqrt((1 + correlation) / 2), np.sqrt((1 - correlation) / 2)
    depth = np.log(depth_of_maximum(energy)) + of_depth * (a * first + b * second)
    return np.exp(depth), np.exp(np.log(shape(energy)) + of_shape * (a * first - b * second))


def profile(depth: np.ndarray, maximum: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The share of a shower's energy per X0 at `depth`, of a shower with this T and alpha."""
    b = (alpha - 1) / maximum
    log_gamma = np.vectorize(math.lgamma, otypes=[float])(alpha)
    return b * np.exp((alpha - 1) * np.log(b * depth) - b * depth - log_gamma)


def radial(tau: np.ndarray, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(R_C, R_T, p) at the depth tau = t / T of showers of so many MeV: the median radii, in R_M, of core and tail, and
    the share of the core, in f(r) = p 2r R_C^2 / (r^2 + R_C^2)^2 + (1 - p) 2r R_T^2 / (r^2 + R_T^2)^2."""
    log = np.log(energy / 1000)
    core = 0.0251 + 0.00319 * log + (0.1162 - 0.000381 * Z) * tau
    tail = (0.659 - 0.00309 * Z) * (np.exp(-2.59 * (tau - 0.645)) + np.exp((0.3585 + 0.0412 * log) * (tau - 0.645)))
    q = (0.401 + 0.00187 * Z - tau) / (1.313 - 0.0686 * log)
    return core, tail, np.clip((2.632 - 0.00094 * Z) * np.exp(q - np.exp(q)), 0, 1)


def contained(energy: float, radius: np.ndarray) -> np.ndarray:
    """The share of the energy within these radii [n], R_M, of the average shower of so many MeV."""
    depth = np.linspace(0.02, 40, 2000)
    log_energy = np.asarray(energy, np.float64)
    weight = profile(depth, depth_of_maximum(log_energy), shape(log_energy))
    core, tail, share = radial(depth / depth_of_maximum(log_energy), log_energy)
    r = np.square(radius)[:, None]
    return ((share * r / (r + core**2) + (1 - share) * r / (r + tail**2)) * weight).sum(axis=1) / weight.sum()


def simulate(
    energy: np.ndarray, impact: np.ndarray, rng: np.random.Generator, calorimeter: Calorimeter = CALORIMETER
) -> np.ndarray:
    """Signals [n, planes, cells, cells] in MIP of electrons of `energy` MeV [n] that enter at `impact` X0 [n, 2].

    Each plane has a random number of spots, Poisson around the profile at its depth, of 1 MIP each.
    """
    count, planes, cells = len(energy), calorimeter.planes, calorimeter.cells
    maximum, alpha = longitudinal(energy, rng)
    depth = np.arange(1, planes + 1.0)
    expected = profile(depth, maximum[:, None], alpha[:, None]) * (MIP_PER_GEV * energy[:, None] / 1000)
    of_plane = np.repeat(np.arange(count * planes), rng.poisson(expected).reshape(-1))
    shower, plane = np.divmod(of_plane, planes)
    core, tail, share = radial((plane + 1) / maximum[shower], energy[shower])
    which, u, angle = rng.random((3, len(shower)))
    radius = np.where(which < share, core, tail) * np.sqrt(u / (1 - u)) * MOLIERE_RADIUS
    x, y = (impact[shower, axis] + radius * wave(2 * np.pi * angle) for axis, wave in enumerate((np.cos, np.sin)))
    row, column = calorimeter.cell(x, y)
    seen = (row >= 0) & (row < cells) & (column >= 0) & (column < cells)
    return calorimeter.signals(((of_plane * cells + row) * cells + column)[seen], None, count)
