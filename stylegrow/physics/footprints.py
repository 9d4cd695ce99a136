"""Air showers on the ground: what stations of an array see of a proton's shower, and when.

Each shower has the depth of its maximum from a distribution fitted to simulations, from there the number of its
electrons at the ground, the muons that the Heitler model expects, the lateral distributions of both, Poisson
fluctuations in each station, and a curved front. Distances are in m, depths in g/cm2, energies in EeV, times in ns,
signals in VEM, that of a muon that passes a station upright.

What is our own choice: electrons and the photons around them leave EM_SIGNAL together; stations measure to RESOLUTION
beside the Poisson fluctuations (at Auger such a term alone describes the accuracy, arXiv:2101.06158); the front is a
sphere around the maximum, which is never nearer than NEAREST; air is isothermal; X_0 and lambda of the profile are the
same for all showers. Muons are neither attenuated nor do they fluctuate. Their number grows as E^0.85, for showers of
one mass; Auger measures E^1.03 (Phys. Rev. D 91 (2015) 032003), of masses that may change with the energy.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

STATIONS, SPACING = 16, 750.0  # a square of stations
AREA = 10.0  # m2 of a station
LEAST_ENERGY, MOST_ENERGY = 3.0, 100.0  # EeV
STEEPEST_COSINE = 0.5  # of the zenith angle: to 60 degrees
GROUND = 870.0  # g/cm2, vertical; as at the Pierre Auger Observatory
AIR_DENSITY = 1.06e-3  # g/cm3 there
SCALE_HEIGHT = 8400.0  # m, of an isothermal atmosphere: k T / (m g) at 288 K
LIGHT = 0.299792458  # m/ns
# Particle Data Group, dry air: X0 E_s / E_c = 36.62 g/cm2 21.2052 MeV / 87.92 MeV; at the ground in m.
MOLIERE_RADIUS = 36.62 * 21.2052 / 87.92 / AIR_DENSITY / 100
FIRST, ATTENUATION = -50.0, 65.0  # X_0 and lambda of Gaisser and Hillas, g/cm2; own choice, as fits to showers find
LOSS_PER_DEPTH = 2.19e-12  # EeV per electron and g/cm2: Song et al., Astropart. Phys. 14 (2000) 7
VISIBLE = 0.87  # of the energy goes into that: Pierre Auger Collaboration, Phys. Rev. D 100 (2019) 082003
NEAREST = 2000.0  # m to the maximum
CLOSEST = 20.0  # m from the axis, where densities are taken to end
EM_SIGNAL = 0.4  # VEM
RESOLUTION, THRESHOLD = 0.1, 3.0  # of the signal, and VEM for a station to be triggered

BLOCK = 64
SEED = 20191


class Footprints(NamedTuple):
    """Air showers as an array sees them.

    Attributes:
        signal: VEM, float32 [n, 16, 16]; 0 where a station is not triggered. Rows are y, columns x.
        time: of arrival, ns after the front's plane passes the core, float32 [n, 16, 16]; 0 where there is no signal.
        energy: EeV [n], log-uniform from 3 to 100.
        direction: where the shower comes from, x and y of a vector of length 1 [n, 2]; zenith angles to 60 degrees as
            a flat array sees them.
        core: x and y from the array's middle, m [n, 2], uniform in the square of four stations around it.
        maximum: the depth of the shower's maximum, g/cm2 [n].
    """

    signal: np.ndarray
    time: np.ndarray
    energy: np.ndarray
    direction: np.ndarray
    core: np.ndarray
    maximum: np.ndarray


def gumbel(energy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mu, sigma, lambda) of the depth of maximum of protons' showers of so many EeV.

    De Domenico, Settimo, Riggi and Bertin, JCAP 07 (2013) 050, with the Pierre Auger Collaboration's parameters for
    EPOS-LHC, as in its package astrotools.
    """
    log = np.log10(energy) - 1
    return 775.457 + 58.5306 * log - 1.40781 * log**2, 32.2632 + 1.27601 * log, 0.641093 + 0.0726131 * log


def depths_of_maximum(energy: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The depth of one shower's maximum at each energy [n], g/cm2: -ln of a gamma variable of mean 1 is Gumbel's."""
    mu, sigma, shape = gumbel(energy)
    return mu - sigma * np.log(rng.gamma(shape) / shape)


def electrons_at(depth: np.ndarray, maximum: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """How many electrons a shower of this energy and maximum has at a depth (Gaisser and Hillas 1977).

    Their number at the maximum is such that all together lose the VISIBLE energy.
    """
    xi = (maximum - FIRST) / ATTENUATION
    log_gamma = np.vectorize(math.lgamma, otypes=[float])(xi + 1)
    integral = ATTENUATION * np.exp(xi + log_gamma - xi * np.log(xi))
    most = VISIBLE * energy / LOSS_PER_DEPTH / integral
    return most * np.exp(xi * np.log((depth - FIRST) / (maximum - FIRST)) + (maximum - depth) / ATTENUATION)


def muons(energy: np.ndarray) -> np.ndarray:
    """How many muons a proton's shower has: 10^4 (E / PeV)^0.85 (Matthews, Astropart. Phys. 22 (2005) 387).

    At 10 EeV 2.5e7, where the Pierre Auger Collaboration counts 2.7e7 +- 0.5e7 in showers of 67 degrees (Phys. Rev. D
    91 (2015) 032003).
    """
    return 1e4 * (energy * 1000) ** 0.85


def electron_density(radius: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Per m2 at this distance from the axis, for one electron (Kamata and Nishimura 1958, Greisen 1960)."""
    log_gamma = np.vectorize(math.lgamma, otypes=[float])
    norm = np.exp(log_gamma(4.5 - age) - log_gamma(age) - log_gamma(4.5 - 2 * age))
    r = radius / MOLIERE_RADIUS
    return norm / (2 * np.pi * MOLIERE_RADIUS**2) * r ** (age - 2) * (1 + r) ** (age - 4.5)


def muon_density(radius: np.ndarray) -> np.ndarray:
    """Per m2 at this distance from the axis, for one muon (Greisen 1960)."""
    norm = math.gamma(2.5) / math.gamma(1.25) ** 2 / (2 * np.pi * 320**1.25)
    return norm * radius**-0.75 * (1 + radius / 320) ** -2.5


def thickness(radius: np.ndarray) -> np.ndarray:
    """The spread of particles' arrival times at this distance from the axis, ns (Linsley, J. Phys. G 12 (1986) 51)."""
    return 2.6 * (1 + radius / 30) ** 1.5


def distance_to_maximum(maximum: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """From the ground along the axis, m, in an isothermal atmosphere: the radius of the front's curvature."""
    height = SCALE_HEIGHT * np.log(GROUND / (maximum * cosine))
    return np.maximum(height / cosine, NEAREST)


def stations() -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of the stations [16, 16] each, m from the middle."""
    line = (np.arange(STATIONS) - (STATIONS - 1) / 2) * SPACING
    x, y = np.meshgrid(line, line)
    return x, y


def seen_from(direction: np.ndarray, core: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(how far towards where the shower comes from, how far from its axis) stations lie, m [n, 16, 16] each."""
    x, y = (stations()[axis] - core[:, axis, None, None] for axis in (0, 1))
    along = x * direction[:, 0, None, None] + y * direction[:, 1, None, None]
    return along, np.sqrt(np.maximum(x * x + y * y - along**2, 0))


def simulate(
    energy: np.ndarray, direction: np.ndarray, core: np.ndarray, maximum: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(signals, times) [n, 16, 16] of showers as Footprints describes them."""

    def each(values: np.ndarray) -> np.ndarray:
        return values[:, None, None]

    cosine = np.sqrt(1 - np.square(direction).sum(axis=1))
    depth = GROUND / cosine
    age = np.clip(3 * depth / (depth + 2 * maximum), 0.5, 1.8)
    along, distance = seen_from(direction, core)
    radius = np.maximum(distance, CLOSEST)
    electrons = each(electrons_at(depth, maximum, energy)) * electron_density(radius, each(age)) * AREA * each(cosine)
    heavy = each(muons(energy)) * muon_density(radius) * AREA * each(cosine)
    electron_count, muon_count = rng.poisson(electrons), rng.poisson(heavy)
    signal = (EM_SIGNAL * electron_count + muon_count) * (1 + RESOLUTION * rng.standard_normal(electrons.shape))
    # A plane, its curvature, and the first of as many particles, each of which is late by the thickness.
    time = (-along + distance**2 / (2 * each(distance_to_maximum(maximum, cosine)))) / LIGHT
    count = np.maximum(electron_count + muon_count, 1)
    time += rng.exponential(size=signal.shape) * thickness(distance) / count
    triggered = signal >= THRESHOLD
    return np.where(triggered, signal, 0).astype(np.float32), np.where(triggered, time, 0).astype(np.float32)


@lru_cache(maxsize=2)
def block(number: int) -> Footprints:
    """The BLOCK showers from index `number` * BLOCK on; each is the same whatever is asked for beside it."""
    rng = np.random.default_rng([SEED, number])
    energy = LEAST_ENERGY * (MOST_ENERGY / LEAST_ENERGY) ** rng.random(BLOCK)
    sine = np.sqrt((1 - STEEPEST_COSINE**2) * rng.random(BLOCK))
    azimuth = 2 * np.pi * rng.random(BLOCK)
    direction = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth)], axis=1)
    core = SPACING * (rng.random((BLOCK, 2)) - 0.5)
    maximum = depths_of_maximum(energy, rng)
    return Footprints(*simulate(energy, direction, core, maximum, rng), energy, direction, core, maximum)


def fit_direction(signal: np.ndarray, time: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Where showers come from [n, 2], as Footprints has it, by arrival times [n, 16, 16] and cores [n, 2].

    A plane with a curvature is fitted to the times of the stations with a signal, weighted by it, first with distances
    on the ground, then twice with those from the axis. Not a number where fewer than five stations have one.
    """
    fitted = np.full((len(signal), 2), np.nan)
    for shower in np.flatnonzero((signal > 0).sum(axis=(1, 2)) >= 5):
        seen = signal[shower] > 0
        x, y = ((of_all - at)[seen] for of_all, at in zip(stations(), core[shower], strict=True))
        weight = np.sqrt(signal[shower][seen].astype(np.float64))
        direction = np.zeros(2)
        for _ in range(3):
            square = x * x + y * y - (x * direction[0] + y * direction[1]) ** 2
            terms = np.stack([x, y, square, np.ones_like(x)], axis=1) * weight[:, None]
            slopes = np.linalg.lstsq(terms, time[shower][seen] * weight, rcond=None)[0][:2]
            direction = -LIGHT * slopes
        fitted[shower] = direction
    return fitted


def angle_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Degrees [n] between directions [n, 2] as Footprints has them."""
    (a, b), (c, d) = first.T, second.T
    cosines = a * c + b * d + np.sqrt(np.maximum(1 - a * a - b * b, 0) * np.maximum(1 - c * c - d * d, 0))
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))
