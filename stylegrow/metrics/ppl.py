"""Perceptual path length: how much images change along short steps in latent space (Karras 2019, section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stylegrow.architectures import has_styles
from stylegrow.common.arithmetic import exact_float32
from stylegrow.sampling import generation

if TYPE_CHECKING:
    from stylegrow.architectures import Generator
    from stylegrow.metrics.features import EmbeddedNetwork

EPSILON = 1e-4
LOW, HIGH = 1, 99  # percentiles: what lies outside them is left out
DISTANCE = "EfficientNet-Lite0, unit-normalised maps"
Space = Literal["z", "w"]
Where = Literal["full", "end"]


def variants(generator: Generator) -> list[tuple[Space, Where]]:
    """The variants that a generator has: ProGAN has no w."""
    spaces: tuple[Space, ...] = ("z", "w") if has_styles(generator) else ("z",)
    places: tuple[Where, ...] = ("full", "end")
    return list(product(spaces, places))


def path_length(
    generator: Generator,
    network: EmbeddedNetwork,
    seeds: Sequence[int],
    space: Space = "z",
    where: Where = "full",
    setting: generation.Setting | None = None,
    labels: Tensor | None = None,
    epsilon: float = EPSILON,
    batch: int = 0,
) -> float:
    """The mean distance between two images a step `epsilon` apart, over epsilon^2 (Karras 2019, eq. 2-3).

    Paths lead from the latent of each seed to another drawn after it: "full" takes steps at places drawn uniformly on
    them, "end" at their beginning. Steps are spherical in z and straight in w; both images of a step have the same
    noise and labels. The distance is not the paper's (VGG), see `perceptual_distance`; images are not cropped.
    """
    setting = setting or generation.Setting(noise="random")
    found = []
    before, generator.compute_dtype = generator.compute_dtype, None  # bfloat16 has too few digits for such steps
    try:
        for part in generation.parts(len(seeds), max(1, (batch or generation.largest_batch(generator, setting)) // 2)):
            ends = [_ends(seed, generator.z_dim) for seed in seeds[part]]
            start, end, t = (torch.stack(values) for values in zip(*ends, strict=True))
            t = t if where == "full" else torch.zeros_like(t)
            own = None if labels is None else labels[part]
            inputs = torch.cat([_inputs(generator, start, end, place, space, own) for place in (t, t + epsilon)])
            both = None if own is None else torch.cat([own, own])
            images = generation.generate(generator, inputs, setting, [*seeds[part], *seeds[part]], both)
            found.append(perceptual_distance(network, *images.chunk(2)).numpy() / epsilon**2)
    finally:
        generator.compute_dtype = before
    lengths = np.concatenate(found).astype(np.float64)
    low, high = np.percentile(lengths, LOW, method="lower"), np.percentile(lengths, HIGH, method="higher")
    return float(lengths[(lengths >= low) & (lengths <= high)].mean())


def _ends(seed: int, z_dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """A path's two latents [z_dim] and a place [1] on it; the first is the seed's own latent."""
    generator = torch.Generator("cpu").manual_seed(seed)
    start, end = torch.randn(z_dim, generator=generator), torch.randn(z_dim, generator=generator)
    return start, end, torch.rand(1, generator=generator)


def _inputs(generator: Generator, start: Tensor, end: Tensor, t: Tensor, space: Space, labels: Tensor | None) -> Tensor:
    """The latents, or with styles the ws, [n, ...] at places t [n, 1] of paths in z or in w."""
    inputs_of = partial(generation.network_inputs, generator, setting=generation.Setting(), labels=labels)
    if space == "z":
        return inputs_of(on_great_circle(start, end, t))
    first, last = inputs_of(start), inputs_of(end)
    return torch.lerp(first, last, t.to(first.device)[:, :, None])


def on_great_circle(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Places t [n, 1] on the great circles from start to end [n, d], with start's length; computed in float64.

    Accurate for ends that are close or opposite, since it divides by no sine.
    """
    a, b = (functional.normalize(x.double(), dim=1) for x in (start, end))
    cosine = (a * b).sum(dim=1, keepdim=True).clamp(-1, 1)
    across = functional.normalize(b - cosine * a, dim=1)
    angle = t.double() * torch.acos(cosine)
    return ((a * angle.cos() + across * angle.sin()) * start.double().norm(dim=1, keepdim=True)).to(start.dtype)


@torch.inference_mode()
def perceptual_distance(network: EmbeddedNetwork, first: Tensor, second: Tensor) -> Tensor:
    """Distances [N] between images [N, C, r, r] of nominal range [-1, 1], float32, on the CPU.

    Zhang 2018, eq. 1, with all weights 1: at each of five resolutions the squared difference of the network's maps,
    normalised to length 1 at each place, summed over maps and averaged over places.
    """
    device = next(network.parameters()).device
    total = torch.zeros(len(first), device=device)
    with exact_float32(device):
        maps = [network.stages((images.to(device) * 127.5 + 127.5).expand(-1, 3, -1, -1)) for images in (first, second)]
    for a, b in zip(*maps, strict=True):
        a, b = functional.normalize(a, dim=1), functional.normalize(b, dim=1)
        total += ((a - b) ** 2).sum(dim=1).mean(dim=(1, 2))
    return total.cpu()
