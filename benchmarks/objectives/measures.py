"""What both studies measure of a critic, and of a training's curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from progan.layers import weighted_layers
from stylegrow.metrics.fidelity import distances
from stylegrow.sampling.generation import parts


def histogram(critic: nn.Module, bins: int = 41) -> tuple[list[float], list[float]]:
    """(edges, shares) of the effective weights of all layers, biases and what is not finite left out."""
    values = torch.cat([(layer.weight * layer.scale).detach().flatten() for layer in weighted_layers(critic)])
    finite = values[values.isfinite()]
    most = finite.abs().max().item() * 1.0001 if finite.any() else 1.0
    counts, edges = np.histogram(finite.numpy(), bins, (-most, most))
    return edges.tolist(), (counts / len(values)).tolist()


def layer_gradients(critic: nn.Module, reals: Tensor) -> list[float]:
    """The norm of the mean score's gradient at each layer's output, from the images' side to the score."""
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        outputs.append(output)
        return output.clone()  # since what follows may write over it

    hooks = [layer.register_forward_hook(keep) for layer in weighted_layers(critic)]
    try:
        critic.requires_grad_(True)
        gradients = torch.autograd.grad(critic(reals).mean(), outputs, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    return [gradient.norm().item() for gradient in gradients if gradient is not None]


T95 = {2: 4.30, 3: 3.18, 4: 2.78}  # Student's t for an interval of 95 %, by degrees of freedom


def mean_of(values: Sequence[float], digits: int) -> str:
    """The mean of a few seeds' values with half of its 95 % interval, a dash where one is no number.

    One seed has no interval, and two have none that says anything.
    """
    mean = float(np.mean(values))
    if not math.isfinite(mean):
        return "-"
    if len(values) < 3:
        return f"{mean:.{digits}f}"
    half = T95[len(values) - 1] * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def shown(correlation: float) -> str:
    """A rank correlation; a dash where there is none, since one of the two never changed."""
    return "-" if math.isnan(correlation) else f"{correlation:.2f}"


def correlation_of(curve: list[list[float]]) -> float:
    """The rank correlation of a critic's estimate with the distance of the samples, over a training."""
    _, estimates, distances = zip(*curve, strict=True)
    return rank_correlation(estimates, distances)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's: the correlation of the ranks, 1 where both always rise and fall together; nan for constants."""

    def ranks(values: Sequence[float]) -> Any:
        array = np.asarray(values)
        return np.array([(array < value).sum() + ((array == value).sum() - 1) / 2 for value in array])

    one, other = ranks(first), ranks(second)
    if len(one) < 2 or one.std() == 0 or other.std() == 0:
        return math.nan
    return float(np.corrcoef(one, other)[0, 1])


def intrinsic_dimension(rows: np.ndarray, k: int = 10, block: int = 256) -> float:
    """The maximum likelihood estimate of Levina & Bickel (2004, eq. 8) of the dimension that points [N, D] lie on.

    From each one's distances to its k nearest; their inverse estimates are averaged (MacKay & Ghahramani 2005). Points
    that are equal to another are left out.
    """
    inverses = []
    for part in parts(len(rows), block):
        near = np.partition(distances(rows[part], rows), k, axis=1)[:, : k + 1]
        near.sort(axis=1)  # the first is the point itself
        near = near[near[:, 1] > 0, 1:]
        inverses.append(np.log(near[:, -1:] / near[:, :-1]).mean(axis=1))
    return float(1 / np.concatenate(inverses).mean())
