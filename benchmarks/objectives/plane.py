"""Objectives in the plane: 25 Gaussians to be found, and two lines that move apart.

Points are images [N, 2, 1, 1] of two channels, so that the objectives of the training program take them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.objectives.measures import histogram, layer_gradients
from benchmarks.units import Unit
from progan.layers import Linear, cached_weights
from train.step import constraints
from train.step.config import LossName, StepConfig
from train.step.objectives import OBJECTIVES, critic_loss, generator_loss

NAMES = ("gan", "ns", "wgan-clip", "wgan-gp", "hinge", "hinge + spectral norm", "ns-r1")
DISTANCES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0)  # of the two lines
DEVIATION = 0.05  # of each Gaussian; their means are whole numbers from -2 to 2
CENTRES = torch.cartesian_prod(*[torch.arange(-2.0, 3.0)] * 2)
SCORED = 2500  # points
BATCH, WIDTH, Z_DIM = 256, 128, 16
CLIP = 0.1  # the paper's 0.01 leaves no gradient in networks without batch normalisation


@dataclass(frozen=True)
class Budget:
    """How much is trained: critic steps, learning rates and seeds of the games, and critic steps of the lines."""

    steps: int = 10_000
    rates: tuple[float, ...] = (0.0005, 0.002, 0.01)
    seeds: tuple[int, ...] = (0, 1)
    line_steps: int = 1500


QUICK = Budget(steps=500, rates=(0.0005, 0.002), seeds=(0,), line_steps=100)


def units(budget: Budget) -> list[Unit]:
    """All trainings: the "plane" (objective, rate, seed, steps), and "lines" (objective, distance, steps)."""
    games = [(name, rate, seed) for name in NAMES for rate in budget.rates for seed in budget.seeds]
    lines = [(name, distance) for name in ("ns", "wgan-gp") for distance in DISTANCES]
    return [
        *(Unit("plane", find_modes, (*game, budget.steps)) for game in games),
        *(Unit("lines", lines_apart, (*line, budget.line_steps)) for line in lines),
    ]


class Network(nn.Module):
    """Fully connected layers [N, inputs, ...] -> [N, outputs], with three hidden ones and leaky ReLU between them.

    A point's output does not depend on the others, and so not on how many `batches` there are.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        sizes = [inputs, WIDTH, WIDTH, WIDTH, outputs]
        self.layers = nn.ModuleList(Linear(a, b, equalized=False) for a, b in pairwise(sizes))

    def forward(self, x: Tensor, batches: int = 1) -> Tensor:
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = nn.functional.leaky_relu(layer(x), 0.2)
        return self.layers[-1](x)


def gaussians(count: int, random: torch.Generator) -> Tensor:
    """Points [count, 2, 1, 1] of the 25 Gaussians, all equally likely."""
    chosen = CENTRES[torch.randint(len(CENTRES), (count,), generator=random)]
    return (chosen + DEVIATION * torch.randn(count, 2, generator=random)).reshape(count, 2, 1, 1)


def modes(points: Tensor) -> tuple[int, float]:
    """(how many of the Gaussians are found, fraction of the points [N, 2] that lie within three deviations of one).

    Found is one to which a fifth of the points that belong to it come so near.
    """
    distances, nearest = torch.cdist(points, CENTRES).min(dim=1)
    near = distances < 3 * DEVIATION
    counts = torch.bincount(nearest[near], minlength=len(CENTRES))
    return int((counts >= len(points) / len(CENTRES) / 5).sum()), near.float().mean().item()


def sliced_distance(first: Tensor, second: Tensor, directions: int = 64) -> float:
    """The mean Wasserstein distance of equally many points [N, 2] along directions all around."""
    angles = torch.arange(directions) * (math.pi / directions)
    along = torch.stack([angles.cos(), angles.sin()])
    return ((first @ along).sort(dim=0).values - (second @ along).sort(dim=0).values).abs().mean().item()


class Game:
    """Two networks in the plane that play an objective."""

    def __init__(self, config: StepConfig, lr: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.config, self.random = config, torch.Generator().manual_seed(seed)
        self.generator, self.critic = Network(Z_DIM, 2), Network(2, 1)
        if config.spectral_norm != "no":
            constraints.normalise(self.critic)
        self.g_adam, self.d_adam = (
            torch.optim.Adam(network.parameters(), lr=lr, betas=config.betas, fused=True)
            for network in (self.generator, self.critic)
        )

    def latents(self, count: int) -> Tensor:
        """Latents [count, Z_DIM] from the game's own random numbers."""
        return torch.randn(count, Z_DIM, generator=self.random)

    def points(self, count: int) -> Tensor:
        """Points [count, 2] of the generator."""
        with torch.no_grad():
            return self.generator(self.latents(count))

    def critic_step(self, reals: Tensor, fakes: Tensor) -> float:
        """One step of the critic; what its loss estimates of the distance between reals and fakes."""
        mix = torch.rand(len(reals), 1, 1, 1, generator=self.random)
        constraints.iterate(self.critic)
        self.d_adam.zero_grad()
        with cached_weights(self.critic):
            result = critic_loss(self.config, self.critic, reals, fakes.reshape(reals.shape), mix)
        result.value.backward()
        self.d_adam.step()
        if self.config.loss == "wgan-clip":
            constraints.clip_weights(self.critic, self.config.clip)
        return result.statistics[OBJECTIVES[self.config.loss].estimate.name].item()

    def generator_step(self) -> None:
        """One step of the generator."""
        self.g_adam.zero_grad()
        fakes = self.generator(self.latents(BATCH)).reshape(-1, 2, 1, 1)
        generator_loss(self.config, self.critic, fakes).value.backward()
        self.g_adam.step()


def find_modes(name: str, lr: float, seed: int, steps: int, looks: int = 20) -> dict[str, Any]:
    """Play on the 25 Gaussians for so many critic steps; what was found, and a curve of estimate and quality."""
    config = config_of(name)
    game, curve = Game(config, lr, seed), []
    exact = gaussians(SCORED, torch.Generator().manual_seed(1)).flatten(1)
    estimates: list[float] = []
    for step in range(1, steps + 1):
        estimates.append(game.critic_step(gaussians(BATCH, game.random), game.points(BATCH)))
        if step % config.n_critic == 0:
            game.generator_step()
        if step % max(steps // looks, 1) == 0:
            points = game.points(SCORED)
            distance = sliced_distance(points, exact) if points.isfinite().all() else math.inf
            curve.append([step, float(np.mean(estimates)), distance])
            estimates = []
    points = game.points(SCORED)
    found, share = modes(points)
    return {
        "modes": found,
        "share": share,
        "curve": curve,
        "points": points[:1000].tolist(),
        "weights": histogram(game.critic),
        "gradients": layer_gradients(game.critic, gaussians(BATCH, game.random)),
    }


def lines_apart(name: str, distance: float, steps: int) -> dict[str, Any]:
    """A critic's "estimate" between the line {0} x [0, 1] and one so far beside it (Arjovsky 2017, example 1).

    Exact are JS = log 2 for every distance but 0, and W = |distance|.
    """
    game = Game(config_of(name), 0.001, 0)
    estimates = []
    for _ in range(steps):
        reals, fakes = (torch.zeros(BATCH, 2, 1, 1) for _ in range(2))
        for points, place in ((reals, 0.0), (fakes, distance)):
            points[:, 0] = place
            points[:, 1] = torch.rand(BATCH, 1, 1, generator=game.random)
        estimates.append(game.critic_step(reals, fakes))
    return {"estimate": float(np.mean(estimates[-max(steps // 10, 1) :]))}


def config_of(name: str) -> StepConfig:
    """The config of an objective, with its "+ spectral norm"; the WGANs' critics step five times as often."""
    loss, _, normalised = name.partition(" + ")
    config = StepConfig(
        loss=cast(LossName, loss), spectral_norm="critic" if normalised else "no", n_critic=5 if "wgan" in loss else 1
    )
    return replace(config, clip=CLIP) if loss == "wgan-clip" else config
