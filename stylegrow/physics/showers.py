"""The showers of the embedded data, each fixed by its index alone.

Blocks of BLOCK consecutive showers are simulated together, with random numbers of their own, so that a shower is the
same whatever is simulated beside it. Energies are log-uniform, impacts uniform in a square.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from stylegrow.physics import cascade, gflash
from stylegrow.physics.observables import Showers
from stylegrow.physics.tungsten import MOLIERE_RADIUS, layers

BLOCK = 64
SEED = 20190
LEAST_ENERGY, MOST_ENERGY = 10.0, 100.0  # GeV
WIDTH = 1.0  # R_M, of the square around the axis in which electrons enter

SIMULATORS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]] = {
    "cascade": cascade.simulate,
    "gflash": gflash.simulate,
}


def electrons(number: int) -> tuple[np.ndarray, np.ndarray]:
    """(Energies [BLOCK] in GeV, impacts [BLOCK, 2] in R_M) of the showers from index `number` * BLOCK on."""
    rng = np.random.default_rng([SEED, number, 0])
    energy = LEAST_ENERGY * (MOST_ENERGY / LEAST_ENERGY) ** rng.random(BLOCK)
    return energy, WIDTH * (rng.random((BLOCK, 2)) - 0.5)


@lru_cache(maxsize=2)
def block(number: int, simulator: str = "cascade") -> Showers:
    """The BLOCK showers from index `number` * BLOCK on, by one of SIMULATORS: of the same electrons by each."""
    energy, impact = electrons(number)
    rng = np.random.default_rng([SEED, number, 1])
    signals = SIMULATORS[simulator](energy * 1000, impact * MOLIERE_RADIUS, rng)
    return Showers(layers(signals), energy, impact)


def shower(index: int, simulator: str = "cascade") -> Showers:
    """One shower, as arrays of one."""
    number, place = divmod(index, BLOCK)
    whole, one = block(number, simulator), slice(place, place + 1)
    assert whole.impact is not None
    return Showers(whole.deposits[one], whole.energy[one], whole.impact[one])
