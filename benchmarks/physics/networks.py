"""Small fully connected networks of showers, and their adversarial training by WGAN-GP."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from train.step.config import StepConfig
from train.step.objectives import critic_loss, generator_loss

WIDTH, BATCH = 192, 64
AVERAGE = 0.005  # how far the averaged network moves with each step
CONFIG = StepConfig(loss="wgan-gp", n_critic=2)
LR = 3e-4


class Layers(nn.Module):
    """Fully connected layers with leaky ReLU between them: of one or more inputs [N, ...], side by side, to
    [N, outputs]."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 3, width: int = WIDTH) -> None:
        super().__init__()
        sizes = [inputs, *[width] * hidden, outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, *inputs: Tensor) -> Tensor:
        x = torch.cat([one.flatten(1) for one in inputs], dim=1)
        for layer in self.layers[:-1]:
            x = nn.functional.leaky_relu(layer(x), 0.2)
        return self.layers[-1](x)


def draw(*tensors: Tensor) -> tuple[Tensor, ...]:
    """A batch of equally long tensors, the same rows of each."""
    rows = torch.randint(len(tensors[0]), (BATCH,))
    return tuple(one[rows] for one in tensors)


def adversarial(
    maker: nn.Module,
    critic: nn.Module,
    reals: Callable[[], tuple[Tensor, ...]],
    fakes: Callable[[tuple[Tensor, ...]], tuple[Tensor, Tensor | float]],
    steps: int,
) -> nn.Module:
    """Train both for so many steps of `maker`; its average over the last of them.

    `reals` draws images and what the critic is told besides; `fakes` makes images by `maker` of what it is told, and
    gives a loss to be added to the critic's. The rates fall to 0 over the second half.
    """
    average = copy.deepcopy(maker)
    adams = [torch.optim.Adam(network.parameters(), LR, CONFIG.betas, fused=True) for network in (critic, maker)]

    def scores(told: tuple[Tensor, ...]) -> Any:
        return lambda images, *, batches=1: critic(images, *(one.repeat(batches, 1) for one in told))

    for step in range(steps):
        for adam in adams:
            adam.param_groups[0]["lr"] = LR * min(1.0, 2 * (1 - step / steps))
        for _ in range(CONFIG.n_critic):
            images, *told = reals()
            with torch.no_grad():
                made, _ = fakes(tuple(told))
            loss = critic_loss(CONFIG, scores(tuple(told)), images, made, torch.rand(len(images), 1, 1, 1))
            adams[0].zero_grad()
            loss.value.backward()
            adams[0].step()
        _, *told = reals()
        critic.requires_grad_(False)
        made, beside = fakes(tuple(told))
        adams[1].zero_grad()
        (generator_loss(CONFIG, scores(tuple(told)), made).value + beside).backward()
        critic.requires_grad_(True)
        adams[1].step()
        with torch.no_grad():
            for own, new in zip(average.parameters(), maker.parameters(), strict=True):
                own.lerp_(new, AVERAGE)
    return average


def fitted(network: nn.Module, loss: Callable[[], Tensor], steps: int, lr: float = 1e-3) -> None:
    """Minimise `loss`, which draws its own batches, over a network's weights; the rate falls to 0."""
    adam = torch.optim.AdamW(network.parameters(), lr, weight_decay=0.01, fused=True)
    for step in range(steps):
        adam.param_groups[0]["lr"] = lr * (1 - step / steps)
        adam.zero_grad()
        loss().backward()
        adam.step()
