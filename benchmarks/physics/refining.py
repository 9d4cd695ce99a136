"""Refinement: a network changes simulated showers until a critic takes them for real ones.

Shrivastava et al. 2017 (arXiv:1612.07828) with WGAN-GP, as Erdmann et al. 2018 (arXiv:1802.03325) have it: GFLASH is
the simulation, the cascade stands for data. A self-regularisation keeps small what is changed, so that a shower
keeps its label. It is judged by what the refined showers are for: a regression of the energy is trained on the
simulation, on refined showers and on data, and each is tested on data.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.physics.networks import Layers, adversarial, draw, fitted
from benchmarks.physics.samples import CELLS, Pixels, part
from stylegrow.metrics.physics import auc_of_observables, kpd
from stylegrow.physics.observables import EnergyBins, Showers, energy_edges, features, hits, separations

NOISE = 32
PIXELS = 3 * CELLS**2
Kept = Literal["nothing", "cells", "sum"]
WEIGHTS: dict[Kept, float] = {"nothing": 0.0, "cells": 1.0, "sum": 30.0}
"""of the self-regularisation: none, the cells' as in the paper, or that of the whole signal alone"""


class Refiner(nn.Module):
    """A residual network: at first it changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.change = Layers(PIXELS + NOISE, PIXELS)
        for parameter in self.change.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        return images + self.change(images, torch.randn(len(images), NOISE)).view_as(images)


def change_of_cells(images: Tensor, refined: Tensor) -> Tensor:
    """The mean absolute change of a pixel: the paper's |refined - simulated|_1 (equation 4), over the pixels."""
    return (refined - images).abs().mean()


def change_of_sum(pixels: Pixels, images: Tensor, refined: Tensor) -> Tensor:
    """The mean squared change of ln(1 + signal), so that a shower keeps its energy and else may change."""
    before, after = (pixels.values(one).sum(dim=(1, 2, 3)).log1p() for one in (images, refined))
    return (after - before).square().mean()


def refiner(kept: Kept, simulated: Tensor, data: Tensor, pixels: Pixels, steps: int) -> nn.Module:
    """A refiner of simulated images towards those of data [N, 3, n, n]."""
    refine, critic, weight = Refiner(), Layers(PIXELS, 1), WEIGHTS[kept]

    def fakes(_told: tuple[Tensor, ...]) -> tuple[Tensor, Tensor | float]:
        (images,) = draw(simulated)
        made = refine(images)
        if kept == "nothing":
            return made, 0.0
        change = change_of_cells(images, made) if kept == "cells" else change_of_sum(pixels, images, made)
        return made, weight * change

    return adversarial(refine, critic, lambda: draw(data), fakes, steps)


class Regression(NamedTuple):
    """The mean and the deviation of ln(estimated / true energy)."""

    bias: float
    width: float


def regression(trained: Showers, tested: Showers, pixels: Pixels, steps: int, seed: int = 0) -> Regression:
    """How well a network that was trained on one set of showers knows the energies of another."""
    torch.manual_seed(seed)
    network = Layers(PIXELS, 1, hidden=2, width=128)
    images, truth = pixels.images(trained.deposits), torch.from_numpy(np.log(trained.energy)).float()
    mean = truth.mean()

    def loss() -> Tensor:
        shown, wanted = draw(images, truth)
        return (network(shown)[:, 0] - (wanted - mean)).square().mean()

    fitted(network, loss, steps)
    with torch.inference_mode():
        found = network(pixels.images(tested.deposits))[:, 0] + mean
    errors = found.numpy() - np.log(tested.energy)
    return Regression(float(errors.mean()), float(errors.std()))


def study(kept: Kept, data: Showers, simulation: Showers, seed: int, steps: int, fit_steps: int) -> dict[str, Any]:
    """Train a refiner on all but the last fifth of both; what a regression and judges make of what it makes."""
    torch.manual_seed(seed)
    pixels, split = Pixels.of(data.deposits), len(data.energy) * 4 // 5
    simulated = pixels.images(simulation.deposits)
    network = refiner(kept, simulated[:split], pixels.images(data.deposits[:split]), pixels, steps)
    with torch.inference_mode():
        refined = simulation._replace(deposits=pixels.deposits(network(simulated)))
    return tested(refined, data, seed, fit_steps)


def tested(showers: Showers, data: Showers, seed: int, fit_steps: int) -> dict[str, Any]:
    """How well a regression trained on all but the last fifth of some showers knows the last fifth of data, and what
    the last fifth of the showers is like."""
    split = len(data.energy) * 4 // 5
    apart, pixels = part(data, split), Pixels.of(data.deposits)
    return {
        "regression": regression(part(showers, 0, split), apart, pixels, fit_steps, seed),
        "judged": judged(part(showers, split), part(data, 0, len(apart.energy))),
    }


def judged(showers: Showers, reals: Showers) -> dict[str, Any]:
    """How far showers are from real ones: observables, KPD, AUC, response, resolution and hits in energy bins."""
    edges = energy_edges(reals.energy)
    bins = EnergyBins.of(showers, edges)
    powers = separations(reals, showers)
    return {
        "separation": float(np.mean(list(powers.values()))),
        "separations": powers,
        "kpd": kpd(features(reals), features(showers))[0],
        "auc": auc_of_observables(reals, showers, 0)[0],
        "response": bins.response.tolist(),
        "resolution": bins.resolution.tolist(),
        "hits": float(hits(showers.deposits).sum(axis=1).mean()),
    }
