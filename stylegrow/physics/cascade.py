"""The electromagnetic cascade of an electron in tungsten: a Monte Carlo of its electrons, positrons and photons.

All particles of many showers are moved by one step at a time, so that numpy has long arrays to work on.

What is in it: bremsstrahlung and pairs in the limit of complete screening, the pairs' cross section after Hubbell,
Gimm and Overbo, Klein and Nishina's Compton scattering, photo-effect, ionisation at its mean, and scattering by small
angles. What is not: fluctuations of the ionisation, fluorescence, Rayleigh scattering, the photons of annihilation
(positrons are electrons that owe their mass), photons from nuclei, hadrons, noise and light of a real read-out. Its
showers are too wide: 90 % of the energy lie within 1.4 R_M, where Grindhammer and Peters have 1.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stylegrow.physics.tungsten import (
    AVOGADRO,
    CALORIMETER,
    CRITICAL_ENERGY,
    ELECTRON_MASS,
    MOLIERE_RADIUS,
    PER_BARN,
    SCATTERING_ENERGY,
    A,
    Calorimeter,
    Z,
)

STEP = 0.1  # the longest step of an electron, X0
SOFT = 1.0  # MeV: bremsstrahlung below it is part of the continuous loss
LEAST = 0.3  # MeV: what has less (of electrons the kinetic energy) stays where it is
WIDEST = 60.0  # X0: photons further from the axis have left

# Hubbell, Gimm and Overbo, J. Phys. Chem. Ref. Data 9 (1980) 1023, in the form of the Geant4 Physics Reference Manual,
# "Gamma conversion": sigma = Z (Z + 1) (F1 + F2 Z + F3 / Z) microbarn, F polynomials in ln(E / m_e), from 1.5 MeV on.
PAIR_F1 = (8.7842e2, -1.9625e3, 1.2949e3, -2.0028e2, 1.2575e1, -2.8333e-1)
PAIR_F2 = (-1.0342e1, 1.7692e1, -8.2381, 1.3063, -9.0815e-2, 2.3586e-3)
PAIR_F3 = (-4.5263e2, 1.1161e3, -8.6749e2, 2.1773e2, -2.0467e1, 6.5372e-1)
PAIR_LEAST = 1.5
# Photo-effect in tungsten: energies in MeV and cm2/g. Boone and Chavez, Med. Phys. 23 (1996) 1997 (package mucoeff).
PHOTO_ENERGY = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 50.0)
PHOTO = (
    *(0.64158, 0.21813, 0.10338, 0.059890, 0.039554, 0.020552, 0.012963),
    *(0.0059757, 0.0036018, 0.0018994, 9.0437e-4, 3.7472e-4, 6.3119e-5),
)
CLASSICAL_RADIUS_SQUARED = 0.0794078  # barn, CODATA 2018


def pair_cross_section(energy: np.ndarray) -> np.ndarray:
    """Barn per atom for a photon of so many MeV to become a pair (Hubbell, Gimm and Overbo 1980)."""
    x = np.log(np.maximum(energy, PAIR_LEAST) / ELECTRON_MASS)
    f1, f2, f3 = (np.polynomial.polynomial.polyval(x, f) for f in (PAIR_F1, PAIR_F2, PAIR_F3))
    above = np.clip((energy - 2 * ELECTRON_MASS) / (PAIR_LEAST - 2 * ELECTRON_MASS), 0, 1)
    return np.maximum(Z * (Z + 1) * (f1 + f2 * Z + f3 / Z) * 1e-6, 0) * above**2


def compton_cross_section(energy: np.ndarray) -> np.ndarray:
    """Barn per atom for a photon of so many MeV to be scattered by an electron (Klein and Nishina 1929)."""
    k = energy / ELECTRON_MASS
    t = 1 + 2 * k
    per_electron = (1 + k) / k**2 * (2 * (1 + k) / t - np.log(t) / k) + np.log(t) / (2 * k) - (1 + 3 * k) / t**2
    return Z * 2 * np.pi * CLASSICAL_RADIUS_SQUARED * per_electron


def photo_cross_section(energy: np.ndarray) -> np.ndarray:
    """Barn per atom for a photon of so many MeV to be absorbed; 0.2 MeV and more."""
    table = np.exp(np.interp(np.log(energy), np.log(PHOTO_ENERGY), np.log(PHOTO)))
    return np.where(energy > PHOTO_ENERGY[-1], PHOTO[-1] * PHOTO_ENERGY[-1] / energy, table) * A / AVOGADRO


def hard_photons(energy: np.ndarray) -> np.ndarray:
    """Photons of more than SOFT that an electron of so many MeV in all radiates per X0, 0 where it has no more.

    The integral of dN/dy = (4/3 - 4/3 y + y^2) / y, complete screening (Particle Data Group, Passage of particles
    through matter, equation 34.29).
    """
    y = np.minimum(SOFT / energy, 1.0)
    return -4 / 3 * np.log(y) - 4 / 3 * (1 - y) + (1 - y * y) / 2


class Table:
    """What happens to a photon, by the logarithm of its energy: interactions per X0, and the shares of each kind."""

    ENERGIES = np.geomspace(0.2, 2e6, 1400)

    def __init__(self) -> None:
        self._start, step = np.log(self.ENERGIES[0]), np.log(self.ENERGIES[1] / self.ENERGIES[0])
        self._per_log = 1 / step
        pair, compton = pair_cross_section(self.ENERGIES), compton_cross_section(self.ENERGIES)
        total = pair + compton + photo_cross_section(self.ENERGIES)
        self._values = np.stack([total * PER_BARN, pair / total, (pair + compton) / total])

    def __call__(self, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(interactions per X0, share of pairs, share of pairs and of Compton scattering) for energies in MeV [n]."""
        place = (np.log(energy) - self._start) * self._per_log
        below = place.astype(np.int64)
        share = place - below
        per_length, pairs, scattered = self._values[:, below] * (1 - share) + self._values[:, below + 1] * share
        return per_length, pairs, scattered


PHOTONS = Table()


class Particles(NamedTuple):
    """Electrons and positrons, or photons: which shower each belongs to [n], its energy (kinetic where it has mass) in
    MeV [n], where it is in X0 [3, n] and where it flies to [3, n], of length 1."""

    shower: np.ndarray
    energy: np.ndarray
    position: np.ndarray
    direction: np.ndarray

    def chosen(self, which: np.ndarray) -> Particles:
        """Those that a mask or indices name."""
        return Particles(self.shower[which], self.energy[which], self.position[:, which], self.direction[:, which])

    def having(self, energy: np.ndarray, direction: np.ndarray) -> Particles:
        """Others at the same places."""
        return Particles(self.shower, energy, self.position, direction)

    @staticmethod
    def joined(parts: list[Particles]) -> Particles:
        """All of several groups."""
        shower, energy, position, direction = zip(*parts, strict=True)
        joined = np.concatenate(position, axis=1), np.concatenate(direction, axis=1)
        return Particles(np.concatenate(shower), np.concatenate(energy), *joined)


@dataclass
class Ledger:
    """What became of the energy of `showers` showers, in MeV, and how far their electrons flew.

    Attributes:
        deposited: [showers, bins] by depth, in bins of one X0; the last has all that is deeper.
        leaked: [showers] out of the tungsten.
        track: [showers] the way of all electrons and positrons, X0.
        radial: [400] of all showers by the distance from the axis of each, in bins of R_M / 40, the last of all beyond.
        impact: [showers, 2] where they begin, X0.
    """

    deposited: np.ndarray
    leaked: np.ndarray
    track: np.ndarray
    radial: np.ndarray
    impact: np.ndarray

    @classmethod
    def of(cls, impact: np.ndarray, bins: int = 25) -> Ledger:
        """An empty one of showers that begin at `impact` [showers, 2], X0."""
        return cls(np.zeros((len(impact), bins)), np.zeros(len(impact)), np.zeros(len(impact)), np.zeros(400), impact)

    def deposit(self, shower: np.ndarray, position: np.ndarray, energy: np.ndarray) -> None:
        """Energies [n] left at positions [3, n] by showers [n]."""
        count, bins = self.deposited.shape
        depth = np.clip(position[2].astype(np.int64), 0, bins - 1)
        self.deposited += np.bincount(shower * bins + depth, energy, count * bins).reshape(count, bins)
        radius = np.hypot(*(position[:2] - self.impact[shower].T)) / MOLIERE_RADIUS
        self.radial += np.bincount(np.minimum(radius * 40, 399).astype(np.int64), energy, 400)

    def leak(self, particles: Particles) -> None:
        """Particles that have left."""
        self.leaked += np.bincount(particles.shower, particles.energy, len(self.leaked))


def accepted(count: int, propose: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """`count` numbers by rejection: `propose` gives, for these of them, (numbers, whether each is accepted)."""
    values, wanted = np.empty(count), np.arange(count)
    while len(wanted):
        numbers, taken = propose(wanted)
        values[wanted[taken]] = numbers[taken]
        wanted = wanted[~taken]
    return values


def pair_shares(count: int, rng: np.random.Generator) -> np.ndarray:
    """The shares x of the energy that one of a pair takes, of density 1 - 4/3 x (1 - x)."""

    def propose(wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, u = rng.random((2, len(wanted)))
        return x, u < 1 - 4 / 3 * x * (1 - x)

    return accepted(count, propose)


def photon_shares(least: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The shares y of an electron's energy that hard photons take, from `least` [n] to 1, of density
    (4/3 - 4/3 y + y^2) / y."""

    def propose(wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u, v = rng.random((2, len(wanted)))
        y = least[wanted] ** (1 - u)
        return y, v * 4 / 3 < 4 / 3 - 4 / 3 * y + y * y

    return accepted(len(least), propose)


def compton_shares(energy: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The shares of their energies [n], MeV, that scattered photons keep, after Klein and Nishina.

    The density (x + 1/x) (1 - x sin^2 / (1 + x^2)) is sampled as the sum of its first factor's two terms and rejected
    by the second.
    """
    k = energy / ELECTRON_MASS
    least = 1 / (1 + 2 * k)
    first, second = -np.log(least), (1 - least**2) / 2

    def propose(wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        which, u, v = rng.random((3, len(wanted)))
        a, low = first[wanted], least[wanted]
        inverse = which * (a + second[wanted]) < a
        x = np.where(inverse, np.exp(-u * a), np.sqrt(low**2 + (1 - low**2) * u))
        t = (1 - x) / (k[wanted] * x)
        return x, v < 1 - x * t * (2 - t) / (1 + x * x)

    return accepted(len(energy), propose)


def scattered(variance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """1 - cos theta of angles on the sphere whose projections have this variance [n] where they are small.

    The density exp(cos(theta) / variance), which is normalised at any variance: cos theta = 1 + variance ln(u + (1 - u)
    exp(-2 / variance)). A Gaussian angle is not: cut at pi, it turns slow electrons around too often, and the signal
    depends on the step.
    """
    u = 1 - rng.random(len(variance))
    return np.minimum(-np.log(u + (1 - u) * np.exp(-2 / variance)) * variance, 2.0)


def turned(direction: np.ndarray, versine: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
    """Directions [3, n] turned by angles of which 1 - cos theta is given [n], to the side that the azimuth [n] says.

    The basis across a direction is that of Duff et al., Journal of Computer Graphics Techniques 6 (2017) 1.
    """
    u, v, w = direction
    sign = np.copysign(1.0, w)
    a = -1 / (sign + w)
    b = u * v * a
    sine = np.sqrt(versine * (2 - versine))
    p, q = sine * np.cos(azimuth), sine * np.sin(azimuth)
    cosine = 1 - versine
    turned_by = np.empty_like(direction)
    turned_by[0] = u * cosine + p * (1 + sign * u * u * a) + q * b
    turned_by[1] = v * cosine + p * sign * b + q * (sign + v * v * a)
    turned_by[2] = w * cosine - p * sign * u - q * v
    return turned_by


class Cascade:
    """Showers on their way through a calorimeter."""

    def __init__(self, showers: int, rng: np.random.Generator, calorimeter: Calorimeter, step: float) -> None:
        self.showers, self.rng, self.calorimeter, self.step = showers, rng, calorimeter, step
        self.ledger: Ledger | None = None
        self._places: list[np.ndarray] = []
        self._values: list[np.ndarray] = []

    def run(self, electrons: Particles) -> np.ndarray:
        """The signals [showers, planes, cells, cells] in MIP of all that these electrons lead to."""
        photons = electrons.chosen(np.empty(0, np.int64))
        while len(electrons.energy) or len(photons.energy):
            freed, left = self.photons(photons)
            kept, radiated = self.electrons(electrons)
            electrons, photons = (
                self.followed(Particles.joined(parts)) for parts in ([kept, *freed], [radiated, left])
            )
        places, values = np.concatenate(self._places), np.concatenate(self._values)
        return self.calorimeter.signals(places, values, self.showers)

    def followed(self, particles: Particles) -> Particles:
        """Those that are inside and have energy to go on; the others' is accounted for."""
        x, y, z = particles.position
        outside = (z < 0) | (z > self.calorimeter.depth) | (x * x + y * y > WIDEST**2)
        slow = particles.energy < LEAST
        if self.ledger:
            self.ledger.leak(particles.chosen(outside))
            self._deposit(particles.chosen(slow & ~outside))
        return particles.chosen(~(outside | slow))

    def photons(self, photons: Particles) -> tuple[list[Particles], Particles]:
        """(electrons and positrons set free, photons that are left) after each photon's next interaction."""
        rng = self.rng
        per_length, pairs, scattered = PHOTONS(photons.energy)
        way = rng.exponential(size=len(photons.energy)) / per_length
        moved = photons._replace(position=photons.position + way * photons.direction)
        x, y, z = moved.position
        outside = (z < 0) | (z > self.calorimeter.depth) | (x * x + y * y > WIDEST**2)
        u = rng.random(len(way))
        makes_pair = (u < pairs) & ~outside
        is_scattered = (u >= pairs) & (u < scattered) & ~outside
        is_absorbed = (u >= scattered) & ~outside
        recoiling, kept = self.compton(moved.chosen(is_scattered))
        left = Particles.joined([kept, moved.chosen(outside)])
        return [*self.pairs(moved.chosen(makes_pair)), recoiling, moved.chosen(is_absorbed)], left

    def pairs(self, photons: Particles) -> list[Particles]:
        """The electrons and the positrons that photons become; their masses are left on the spot."""
        rng, count = self.rng, len(photons.energy)
        share, kinetic = pair_shares(count, rng), photons.energy - 2 * ELECTRON_MASS
        if self.ledger:
            self._deposit(photons._replace(energy=photons.energy - kinetic))
        both = []
        for energy in (share * kinetic, (1 - share) * kinetic):
            # The angle is about m_e / E.
            angle = np.minimum(ELECTRON_MASS / (energy + ELECTRON_MASS) * np.sqrt(rng.exponential(size=count)), np.pi)
            azimuth = 2 * np.pi * rng.random(count)
            both.append(photons.having(energy, turned(photons.direction, 2 * np.sin(angle / 2) ** 2, azimuth)))
        return both

    def compton(self, photons: Particles) -> tuple[Particles, Particles]:
        """(recoiling electrons, scattered photons)."""
        energy, azimuth = photons.energy, 2 * np.pi * self.rng.random(len(photons.energy))
        share = compton_shares(energy, self.rng)
        versine = (1 - share) / share * ELECTRON_MASS / energy
        kept = share * energy
        given = energy - kept
        # What the photon loses of its momentum along its old way, over the electron's momentum.
        along = (given + kept * versine) / np.sqrt(given * (given + 2 * ELECTRON_MASS))
        recoil = turned(photons.direction, np.clip(1 - along, 0, 2), azimuth + np.pi)
        return photons.having(given, recoil), photons.having(kept, turned(photons.direction, versine, azimuth))

    def electrons(self, electrons: Particles) -> tuple[Particles, Particles]:
        """(the electrons, the hard photons that they radiate) after one step of each electron.

        The step ends at a hard photon, where the energy does, or after the longest step. Scattering is by E_s^2 t / (2
        p^2 beta^2) in each projection (Rossi), half of it before the step, so that the way is along the mean of both
        directions. The loss per X0 is that of ionisation, which is the critical energy, and of soft photons.
        """
        shower, energy, position, direction = electrons
        rng, count = self.rng, len(energy)
        total = energy + ELECTRON_MASS
        with np.errstate(divide="ignore"):
            to_photon = rng.exponential(size=count) / hard_photons(np.maximum(total, SOFT))
        loss = CRITICAL_ENERGY + 4 / 3 * np.minimum(SOFT, total)
        way = np.minimum(np.minimum(to_photon, self.step), energy / loss)
        speed_squared = energy * (energy + 2 * ELECTRON_MASS) / total  # p beta, MeV
        variance = np.maximum((SCATTERING_ENERGY / speed_squared) ** 2 * way / 2, 1e-20)
        after = turned(direction, scattered(variance, rng), 2 * np.pi * rng.random(count))
        mean = (direction + after) / 2
        there = position + way * mean
        self._cross(shower, position, there, mean)
        left = np.maximum(energy - loss * way, 0)
        if self.ledger:
            self.ledger.track += np.bincount(shower, way, self.showers)
            self.ledger.deposit(shower, (position + there) / 2, energy - left)
        radiating = np.flatnonzero((to_photon <= way) & (left + ELECTRON_MASS > SOFT))
        available = left[radiating] + ELECTRON_MASS
        photon = np.minimum(photon_shares(SOFT / available, rng) * available, left[radiating])
        left[radiating] -= photon
        moved = Particles(shower, left, there, after)
        return moved, moved.chosen(radiating)._replace(energy=photon)

    def _cross(self, shower: np.ndarray, start: np.ndarray, end: np.ndarray, mean: np.ndarray) -> None:
        """Note the signals of electrons that cross a plane between `start` and `end`."""
        above = np.floor(start[2])
        below = np.floor(end[2])
        crossing = np.flatnonzero(above != below)
        plane = np.maximum(above[crossing], below[crossing])
        (x, y, z), (to_x, to_y, to_z) = start[:, crossing], end[:, crossing]
        share = (plane - z) / (to_z - z)
        row, column = self.calorimeter.cell(x + share * (to_x - x), y + share * (to_y - y))
        cells, planes = self.calorimeter.cells, self.calorimeter.planes
        plane = plane.astype(np.int64) - 1
        seen = (plane >= 0) & (plane < planes) & (row >= 0) & (row < cells) & (column >= 0) & (column < cells)
        places = ((shower[crossing] * planes + plane) * cells + row) * cells + column
        self._places.append(places[seen])
        slope = np.maximum(np.abs(mean[2, crossing[seen]]), 1 / self.calorimeter.most)
        self._values.append(1 / slope)

    def _deposit(self, particles: Particles) -> None:
        assert self.ledger
        self.ledger.deposit(particles.shower, particles.position, particles.energy)


def simulate(
    energy: np.ndarray,
    impact: np.ndarray,
    rng: np.random.Generator,
    calorimeter: Calorimeter = CALORIMETER,
    step: float = STEP,
    ledger: Ledger | None = None,
) -> np.ndarray:
    """Signals [n, planes, cells, cells] in MIP of electrons of `energy` MeV [n] that enter at `impact` X0 [n, 2].

    They fly along the axis. `step` is the longest step in X0, below 1; a `ledger` is told what becomes of the energy.
    """
    count = len(energy)
    position = np.concatenate([np.asarray(impact, np.float64).T, np.zeros((1, count))])
    direction = np.zeros((3, count))
    direction[2] = 1
    cascade = Cascade(count, rng, calorimeter, step)
    cascade.ledger = ledger
    return cascade.run(Particles(np.arange(count), np.asarray(energy, np.float64), position, direction))
