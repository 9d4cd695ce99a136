"""The simulators against what is published: response, linearity, resolution, depth and width of showers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stylegrow.physics import cascade, gflash
from stylegrow.physics.tungsten import MOLIERE_RADIUS, Calorimeter

FINE = Calorimeter(cells=160, pitch=0.1)
"""the calorimeter with cells that resolve radii, twice as wide"""
BLOCK = 16  # showers at once
RADII = np.arange(1, 401) / 40  # R_M, the upper edges of a ledger's bins
CONTAINED = 0.9


def simulate(simulator: str, energy: float, step: float, count: int, seed: int = 0) -> dict[str, Any]:
    """What showers of so many GeV on the axis are like, by one of both simulators.

    Response (MIP/GeV, its standard error), resolution times the root of the energy (its standard error), mean and
    deviation of ln T, the maximum of the mean profile (X0), radii of 90 % of the signal and of the deposits (R_M).
    """
    signals, profiles, rings, ledgers = [], [], [], []
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        impact, rng = np.zeros((size, 2)), np.random.default_rng([seed, start])
        if simulator == "cascade":
            ledger = cascade.Ledger.of(impact)
            found = cascade.simulate(np.full(size, 1000 * energy), impact, rng, FINE, step, ledger)
            profiles.append(ledger.deposited[:, 1:24])
            ledgers.append(ledger.radial)
        else:
            found = gflash.simulate(np.full(size, 1000 * energy), impact, rng, FINE)
            profiles.append(found.sum(axis=(2, 3))[:, :23])
        signals.append(found.sum(axis=(1, 2, 3)))
        rings.append(found.sum(axis=(0, 1)))
    # Deposits of a bin of the depth lie around its middle, signals at their plane, which ends it.
    depth = np.arange(1, 24) + (0.5 if simulator == "cascade" else 0.0)
    total, every = np.concatenate(signals), np.concatenate(profiles)
    logs = np.log([maximum(one, depth) for one in every])
    width = float(total.std(ddof=1) / total.mean()) * energy**0.5
    return {
        "response": [float(total.mean() / energy), float(total.std(ddof=1) / energy / np.sqrt(count))],
        "resolution": [width, width / (2 * count) ** 0.5],
        "log depth": [float(logs.mean()), float(logs.std(ddof=1))],
        "depth": maximum(every.mean(axis=0), depth),
        "radius of signals": radius_of(np.sum(rings, axis=0)),
        "radius of deposits": radius(np.cumsum(np.sum(ledgers, axis=0)), RADII) if ledgers else None,
    }


def maximum(profile: np.ndarray, depth: np.ndarray) -> float:
    """The depth T at which a profile [n] at these depths (X0) is largest, of the gamma distribution that fits best.

    The logarithm of one is linear in ln t and t; points count as the root of their content, as those of a Poisson do
    for a logarithm. 0.1 X0 at least, where a profile has no maximum.
    """
    seen = profile > 0
    t, weight = depth[seen], np.sqrt(profile[seen])
    terms = np.stack([np.log(t), -t, np.ones_like(t)], axis=1)
    a, b, _ = np.linalg.lstsq(terms * weight[:, None], np.log(profile[seen]) * weight)[0]
    return max(float(a / b), 0.1)


def radius(contained: np.ndarray, radii: np.ndarray) -> float:
    """The radius that holds CONTAINED of all, of cumulated contents [n] within radii [n]."""
    return float(np.interp(CONTAINED * contained[-1], contained, radii))


def radius_of(image: np.ndarray) -> float:
    """The radius (R_M) around the middle that holds CONTAINED of a fine image [n, n] of signals."""
    side = np.arange(len(image)) - (len(image) - 1) / 2
    distances = np.hypot(side[:, None], side[None, :]).ravel() * FINE.pitch
    order = np.argsort(distances)
    return radius(np.cumsum(image.ravel()[order]), distances[order])


def published(energy: float) -> dict[str, Any]:
    """What is known of showers of so many GeV in tungsten: see the page for the sources."""
    mev = np.array(1000 * energy)
    depth, deviation = gflash.depth_of_maximum(mev), gflash.deviations(mev)[0]
    contained = gflash.contained(float(mev), RADII)
    return {
        "log depth": [float(np.log(depth)), float(deviation)],
        "depth": float(depth),
        "radius": float(np.interp(CONTAINED, contained, RADII)),
        "rossi": float(np.log(mev / gflash.CRITICAL_ENERGY) - 0.5),
        "moliere": MOLIERE_RADIUS,
    }


def conserved(energies: Sequence[float] = (10.0, 100.0), count: int = 4) -> float:
    """The largest part of a shower's energy that is not accounted for."""
    worst = 0.0
    for energy in energies:
        impact = np.zeros((count, 2))
        ledger = cascade.Ledger.of(impact)
        cascade.simulate(np.full(count, 1000 * energy), impact, np.random.default_rng(1), ledger=ledger)
        found = (ledger.deposited.sum(axis=1) + ledger.leaked) / (1000 * energy) - 1
        worst = max(worst, float(np.abs(found).max()))
    return worst
