"""Objectives in the plane: Gaussians to be found, critics before a fixed generator, and two lines that move apart.

Points are images [N, 2, 1, 1] of two channels, so that the objectives of the training program take them. The networks
see data of about unit variance, and compute their inner layers in bfloat16, as trainings with --mixed-precision do.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.objectives.measures import histogram, layer_gradients
from benchmarks.units import Unit
from progan.layers import Linear, cached_weights, weighted_layers
from train.step import constraints
from train.step.config import StepConfig
from train.step.objectives import OBJECTIVES, critic_loss, generator_loss

SCORED, SHOWN = 5000, 400  # points that are measured; points that are kept
DISTANCES = (0.0, 0.05, 0.1, 0.4, 1.0, 2.0)  # of the two lines


@dataclass(frozen=True)
class Mixture:
    """Round Gaussians in the plane, all equally likely.

    Attributes:
        centres: their means [M, 2].
        deviation: of each.
        scale: of the points as networks see them.
    """

    centres: Tensor
    deviation: float
    scale: float = 1.0

    def sample(self, count: int, random: torch.Generator) -> Tensor:
        """Points [count, 2]."""
        chosen = self.centres[torch.randint(len(self.centres), (count,), generator=random)]
        return chosen + self.deviation * torch.randn(count, 2, generator=random)

    def modes(self, points: Tensor) -> tuple[int, float]:
        """(how many of the Gaussians are found, fraction of the points [N, 2] within three deviations of one).

        Found is one to which a fifth of the points that belong to it come so near.
        """
        distances, nearest = torch.cdist(points, self.centres).min(dim=1)
        near = distances < 3 * self.deviation
        counts = torch.bincount(nearest[near], minlength=len(self.centres))
        return int((counts >= len(points) / len(self.centres) / 5).sum()), near.float().mean().item()


GRID = Mixture(torch.cartesian_prod(*[torch.arange(-2.0, 3.0)] * 2), 0.05, scale=math.sqrt(0.5))
ANGLES = torch.arange(8) * (math.pi / 4)
RING = Mixture(2 * torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1), 0.02)


@dataclass(frozen=True)
class Setting:
    """How a game is played.

    Attributes:
        config: objective, its weights, Adam's betas and the critic's steps.
        lr: learning rate.
        width, hidden: of both networks' hidden layers, and how many there are; d_hidden of the critic's where it has
            another number.
        gain: of the orthogonal weights that networks begin with; None for He's.
        shrunk: what the critic multiplies points by first.
        latents: numbers in a latent.
        rmsprop: whether this is the optimizer, instead of Adam.
        batch: points a step.
        steps: of the generator.
        seeds: how many games.
        looks: how often it is measured.
        data: what is to be found.
    """

    config: StepConfig
    lr: float
    width: int = 128
    hidden: int = 3
    d_hidden: int | None = None
    gain: float | None = None
    shrunk: float = 1.0
    latents: int = 2
    rmsprop: bool = False
    batch: int = 256
    steps: int = 10_000
    seeds: int = 3
    looks: int = 60
    data: Mixture = field(default=GRID, repr=False)


DCGAN, SNGAN = (0.5, 0.999), (0.0, 0.9)  # betas
SETTINGS = {
    # The program that Gulrajani et al. published for such points, at half its width of 512.
    "wgan-gp": Setting(
        StepConfig(loss="wgan-gp", gp_weight=0.1, betas=(0.5, 0.9), n_critic=5), 1e-4, width=256, steps=7500, seeds=5
    ),
    # Arjovsky et al. 2017, algorithm 1, with the networks of that program.
    "wgan-clip": Setting(
        StepConfig(loss="wgan-clip", clip=0.01, n_critic=5), 5e-5, width=256, steps=7500, rmsprop=True
    ),
    # Radford et al. 2016.
    "gan": Setting(StepConfig(loss="gan", betas=DCGAN), 2e-4, steps=25_000),
    "ns": Setting(StepConfig(loss="ns", betas=DCGAN), 2e-4, steps=25_000),
    "hinge": Setting(StepConfig(loss="hinge", betas=DCGAN), 2e-4, steps=25_000),
    # Miyato et al. 2018, table 1, setting C.
    "hinge + spectral norm": Setting(StepConfig(loss="hinge", spectral_norm="critic", betas=DCGAN), 2e-4),
    # Mescheder et al. 2018.
    "ns-r1": Setting(StepConfig(loss="ns-r1", gamma=0.1, betas=(0.0, 0.99)), 1e-4, rmsprop=True, steps=25_000),
}
# Metz et al. 2017, appendix A, whose 25,000 steps are each of one network in turn.
METZ = Setting(
    StepConfig(loss="gan", betas=DCGAN), 1e-4, hidden=2, d_hidden=1, gain=0.8, shrunk=0.25, latents=256, batch=512,
    steps=12_500, looks=125, data=RING,
)  # fmt: skip
RINGS = {f"ring {loss}": replace(METZ, config=replace(METZ.config, loss=loss)) for loss in ("gan", "ns")}
# The same, looked at often enough to see how the points move.
CLOSE = {f"{name}, closely": replace(setting, steps=3000, seeds=1, looks=150) for name, setting in RINGS.items()}
SETTINGS |= RINGS | CLOSE
NAMES = ("gan", "ns", "hinge", "hinge + spectral norm", "ns-r1", "wgan-clip", "wgan-gp")
# Miyato et al. 2018, table 1: settings E and F, a high rate and momentum, with five critic steps.
SETTINGS |= {
    f"{name}, {label}": replace(
        SETTINGS[name], config=replace(SETTINGS[name].config, betas=betas, n_critic=5), lr=1e-3, steps=3000, seeds=2
    )
    for name in ("hinge", "hinge + spectral norm")
    for label, betas in {"setting E": (0.5, 0.999), "setting F": (0.9, 0.999)}.items()
}
# A fifth and five times of the rate of some.
RATES = {"a fifth of the rate": 0.2, "five times the rate": 5.0}
SETTINGS |= {
    f"{name}, {label}": replace(SETTINGS[name], lr=factor * SETTINGS[name].lr, steps=3000, seeds=2)
    for name in ("ns", "hinge", "hinge + spectral norm")
    for label, factor in RATES.items()
}
SETTINGS["hinge + spectral norm, both networks normalised"] = replace(
    SETTINGS["hinge + spectral norm"],
    config=replace(SETTINGS["hinge + spectral norm"].config, spectral_norm="both"),
    steps=3000,
    seeds=2,
)
CONSTRAINTS = {
    **{f"clip {bound:g}": StepConfig(loss="wgan-clip", clip=bound) for bound in (0.1, 0.01, 0.001)},
    "penalty": StepConfig(loss="wgan-gp", gp_weight=0.1, betas=(0.5, 0.9)),
}


@dataclass(frozen=True)
class Budget:
    """How much is trained: the share of each setting's steps, looks and seeds at most, and steps of single critics."""

    share: float = 1.0
    seeds: int = 5
    looks: int = 150
    critic_steps: int = 1500
    line_steps: int = 1000


QUICK = Budget(share=0.01, seeds=1, looks=10, critic_steps=50, line_steps=100)
DEEP_SEEDS = 3  # of the critics of 12 layers


def units(budget: Budget) -> list[Unit]:
    """All games: "plane" (setting, seed, steps, looks), the first seed of all first."""
    return [
        Unit("plane", play, (name, seed, math.ceil(setting.steps * budget.share), min(setting.looks, budget.looks)))
        for seed in range(budget.seeds)
        for name, setting in sorted(SETTINGS.items(), key=lambda item: -item[1].config.n_critic)
        if seed < setting.seeds
    ]


def critics(budget: Budget) -> list[Unit]:
    """Critics alone: "lines" (objective, distance, steps), and "critics" (data, constraint, seed, steps)."""
    deep = [
        ("swiss roll", constraint, seed) for seed in range(min(DEEP_SEEDS, budget.seeds)) for constraint in CONSTRAINTS
    ]
    flat = [("25 Gaussians", constraint, 0) for constraint in CONSTRAINTS]
    lines = [(name, distance) for name in ("ns", "wgan-gp") for distance in DISTANCES]
    return [
        *(Unit("lines", lines_apart, (*line, budget.line_steps)) for line in lines),
        *(Unit("critics", fixed_generator, (*critic, budget.critic_steps)) for critic in (*flat, *deep)),
    ]


class Network(nn.Module):
    """Fully connected layers [N, inputs, ...] -> [N, outputs], with ReLU after the hidden ones.

    A point's output does not depend on the others, and so not on how many `batches` there are. The inputs are
    multiplied by `shrunk` first; the weights begin as orthogonal matrices of a `gain`, or by He's rule.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 128,
        hidden: int = 3,
        gain: float | None = None,
        shrunk: float = 1.0,
    ) -> None:
        super().__init__()
        sizes = [inputs, *[width] * hidden, outputs]
        self.layers = nn.ModuleList(Linear(a, b, equalized=False) for a, b in pairwise(sizes))
        self.shrunk = shrunk
        if gain is not None:
            for layer in self.layers:
                nn.init.orthogonal_(layer.weight, gain)  # type: ignore[arg-type]

    def forward(self, x: Tensor, batches: int = 1) -> Tensor:
        x = self.layers[0](x.flatten(1) * self.shrunk).relu().bfloat16()
        for layer in self.layers[1:-1]:
            x = layer(x).relu()
        return self.layers[-1](x.float())


def sliced_distance(first: Tensor, second: Tensor, directions: int = 64) -> float:
    """The mean Wasserstein distance of equally many points [N, 2] along directions all around."""
    angles = torch.arange(directions) * (math.pi / directions)
    along = torch.stack([angles.cos(), angles.sin()])
    return ((first @ along).sort(dim=0).values - (second @ along).sort(dim=0).values).abs().mean().item()


def swiss_roll(count: int, random: torch.Generator) -> Tensor:
    """Points [count, 2] of a spiral of one and a half turns, of about unit variance (Gulrajani et al. 2017)."""
    angles = 1.5 * math.pi * (1 + 2 * torch.rand(count, generator=random))
    points = torch.stack([angles * angles.cos(), angles * angles.sin()], dim=1)
    return (points + 0.25 * torch.randn(count, 2, generator=random)) / 7.5


class Game:
    """Two networks in the plane that play an objective, the generator's steps left to whoever calls."""

    def __init__(self, setting: Setting, seed: int) -> None:
        torch.manual_seed(seed)
        self.setting, self.config, self.random = setting, setting.config, torch.Generator().manual_seed(seed)
        hidden = setting.d_hidden or setting.hidden
        self.generator = Network(setting.latents, 2, setting.width, setting.hidden, setting.gain)
        self.critic = Network(2, 1, setting.width, hidden, setting.gain, setting.shrunk)
        if self.config.spectral_norm != "no":
            constraints.normalise(self.critic)
        if self.config.spectral_norm == "both":
            constraints.normalise(self.generator)
        self.g_optimizer, self.d_optimizer = self.optimizer(self.generator), self.optimizer(self.critic)

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """The setting's, of a network."""
        if self.setting.rmsprop:
            return torch.optim.RMSprop(network.parameters(), lr=self.setting.lr)
        return torch.optim.Adam(network.parameters(), lr=self.setting.lr, betas=self.config.betas, fused=True)

    def latents(self, count: int) -> Tensor:
        """Latents [count, L] from the game's own random numbers."""
        return torch.randn(count, self.setting.latents, generator=self.random)

    def reals(self) -> Tensor:
        """A batch [N, 2] of the data as networks see them."""
        return self.setting.data.sample(self.setting.batch, self.random) * self.setting.data.scale

    @torch.no_grad()
    def points(self, count: int) -> Tensor:
        """Points [count, 2] of the generator."""
        return self.generator(self.latents(count)) / self.setting.data.scale

    @torch.no_grad()
    def fakes(self) -> Tensor:
        """A batch [N, 2] of the generator's as the critic sees them."""
        return self.generator(self.latents(self.setting.batch))

    def critic_step(self, reals: Tensor, fakes: Tensor) -> Tensor:
        """One step of the critic; what its loss estimates of the distance between reals and fakes [N, 2], a scalar."""
        reals, fakes = (points.reshape(-1, 2, 1, 1) for points in (reals, fakes))
        mix = torch.rand(len(reals), 1, 1, 1, generator=self.random)
        constraints.iterate(self.critic)
        self.d_optimizer.zero_grad()
        with cached_weights(self.critic):
            result = critic_loss(self.config, self.critic, reals, fakes, mix)
        result.value.backward()
        self.d_optimizer.step()
        if self.config.loss == "wgan-clip":
            constraints.clip_weights(self.critic, self.config.clip)
        return result.statistics[OBJECTIVES[self.config.loss].estimate.name]

    def generator_step(self) -> None:
        """One step of the generator."""
        constraints.iterate(self.generator)
        self.g_optimizer.zero_grad()
        self.critic.requires_grad_(False)
        fakes = self.generator(self.latents(self.setting.batch)).reshape(-1, 2, 1, 1)
        generator_loss(self.config, self.critic, fakes).value.backward()
        self.critic.requires_grad_(True)
        self.g_optimizer.step()


def play(name: str, seed: int, steps: int, looks: int) -> dict[str, Any]:
    """Play a setting for so many generator steps; what was found.

    Returns "curve" of rows (generator step, the critic's mean estimate since the last row, distance of the points),
    "found" of (modes, share of the points near one) at the same steps, the last "points", of the ring those of every
    look as "frames", and the processor's "seconds".
    """
    return played(SETTINGS[name], seed, steps, looks)


def played(setting: Setting, seed: int, steps: int, looks: int) -> dict[str, Any]:
    """Play any setting; see `play`."""
    start, game, data = time.process_time(), Game(setting, seed), setting.data
    exact = data.sample(SCORED, torch.Generator().manual_seed(1))
    curve, found, frames, estimates = [], [], [], []
    for step in range(1, steps + 1):
        for _ in range(setting.config.n_critic):
            estimates.append(game.critic_step(game.reals(), game.fakes()))
        game.generator_step()
        if step % max(steps // looks, 1) == 0:
            points = game.points(SCORED)
            distance = sliced_distance(points, exact) if points.isfinite().all() else math.inf
            curve.append([step, torch.stack(estimates).mean().item(), distance])
            found.append([*data.modes(points)])
            frames.append(rounded(points[:SHOWN]))
            estimates = []
    return {
        "curve": curve,
        "found": found,
        "points": rounded(points[: 4 * SHOWN]),
        "frames": frames if data is RING else [],
        "seconds": time.process_time() - start,
    }


def rounded(points: Tensor) -> list[list[float]]:
    """Points [N, 2] as a file needs them."""
    return [[round(x, 3) for x in point] for point in points.tolist()]


def fixed_generator(place: str, constraint: str, seed: int, steps: int) -> dict[str, Any]:
    """Train a WGAN's critic where the fakes are the reals with unit noise (Gulrajani et al. 2017, figures 1 and 2).

    On the "swiss roll" with 12 hidden layers, on "25 Gaussians" with 3. Returns the "gradients" of its mean score by
    layer, the histogram of its "weights", the "share" of them at the bound, its last "estimate" and its "surface": the
    values on a grid of points from -2.5 to 2.5, a row of the same ordinate each.
    """
    config = CONSTRAINTS[constraint]
    clipped = config.loss == "wgan-clip"
    size = {"width": 128, "hidden": 12} if place == "swiss roll" else {"width": 256}
    game = Game(Setting(config, 2e-4, rmsprop=clipped, **size), seed)  # type: ignore[arg-type]
    reals = (lambda: swiss_roll(256, game.random)) if place == "swiss roll" else game.reals
    estimates = []
    for _ in range(steps):
        batch = reals()
        estimates.append(game.critic_step(batch, batch + torch.randn(batch.shape, generator=game.random)))
    axis = torch.linspace(-2.5, 2.5, 61)
    with torch.no_grad():
        surface = game.critic(torch.cartesian_prod(axis, axis).flip(1)).reshape(61, 61)
    weights = torch.cat([layer.weight.detach().flatten() for layer in weighted_layers(game.critic)])
    return {
        "gradients": layer_gradients(game.critic, reals()),
        "weights": histogram(game.critic),
        "share": (weights.abs() >= 0.999 * config.clip).float().mean().item() if clipped else 0.0,
        "estimate": torch.stack(estimates[-max(steps // 10, 1) :]).mean().item(),
        "surface": surface.tolist(),
    }


def lines_apart(name: str, distance: float, steps: int) -> dict[str, Any]:
    """A critic's "estimate" between the line {0} x [0, 1] and one so far beside it (Arjovsky 2017, example 1).

    Exact are JS = log 2 for every distance but 0, and W = |distance|; with a penalty of weight lambda the best slope
    is not 1 but 1 + W / (2 lambda), and the estimate W as many times.
    """
    game = Game(Setting(StepConfig(loss="wgan-gp" if name == "wgan-gp" else "ns", betas=(0.0, 0.99)), 1e-3), 0)
    estimates = []
    for _ in range(steps):
        reals, fakes = torch.rand(2, 256, 2, generator=game.random)
        reals[:, 0], fakes[:, 0] = 0.0, distance
        estimates.append(game.critic_step(reals, fakes))
    return {"estimate": torch.stack(estimates[-max(steps // 10, 1) :]).mean().item()}
