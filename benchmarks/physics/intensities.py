"""Roots against logarithms of intensities: the same small generator, trained on the same showers for equal steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.physics.networks import Layers, adversarial, draw
from benchmarks.physics.refining import PIXELS, judged
from benchmarks.physics.samples import Pixels, Scale, forward, labels, part
from stylegrow.physics.observables import Showers

Z_DIM = 64
WHITE = 255


def rounding(deposits: np.ndarray, scale: Scale) -> dict[str, float]:
    """What 8 bits cost: the relative deviation of the sum, and its mean, with the largest deposit at white."""
    most = forward(np.array(deposits.max()), scale)
    levels = np.rint(WHITE * forward(deposits, scale) / most) / WHITE * most
    read = np.square(levels) if scale == "root" else np.expm1(levels)
    changes = read.sum(axis=(1, 2, 3)) / deposits.sum(axis=(1, 2, 3)) - 1
    return {"bias": float(changes.mean()), "width": float(changes.std())}


def study(scale: Scale, data: Showers, seed: int, steps: int) -> dict[str, Any]:
    """Train on all but the last fifth of the showers; what is generated for the labels of that fifth, judged."""
    torch.manual_seed(seed)
    pixels, split = Pixels.of(data.deposits, scale), len(data.energy) * 4 // 5
    known, apart = part(data, 0, split), part(data, split)
    images, told, (_, layers, cells, _) = pixels.images(known.deposits), labels(known), data.deposits.shape
    generator, critic = Layers(Z_DIM + told.shape[1], PIXELS), Layers(PIXELS + told.shape[1], 1)

    def fakes(labels: tuple[Tensor, ...]) -> tuple[Tensor, float]:
        return generator(torch.randn(len(labels[0]), Z_DIM), *labels).view(-1, layers, cells, cells), 0.0

    average = adversarial(generator, critic, lambda: draw(images, told), fakes, steps)
    with torch.inference_mode():
        wanted = labels(apart)
        made = average(torch.randn(len(wanted), Z_DIM), wanted).view(-1, layers, cells, cells)
    reals = part(known, 0, len(apart.energy))
    generated = apart._replace(deposits=pixels.deposits(made))
    return {
        "generated": judged(generated, reals),
        "real": judged(apart, reals),
        "rounding": rounding(data.deposits, scale),
    }
