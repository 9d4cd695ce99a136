"""From an image to the w that draws it: projection, after that of Karras et al. 2020 (appendix D).

What is optimised are coordinates along the principal components of w, in which the w of random seeds have mean 0 and
deviation 1: so one learning rate fits every model, and how unlike the average w may become is a distance from 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylegrow.common.arithmetic import exact_float32
from stylegrow.sampling import generation
from stylegrow.sampling.inputs import STEPS, ProjectionSpace

if TYPE_CHECKING:
    from stylegrow.sampling.generation import Setting
    from stylegrow.sampling.sampler import Sampler

# From images [N, 3, r, r] of grey levels 0 to 255 to maps [N, C, h, w] of features.
Maps = Callable[[Tensor], Sequence[Tensor]]

LATENTS, CANDIDATES = 4096, 64  # random w, of which the components are taken, and of which one is where it begins
PIXELS, PIXEL_WEIGHT = 32, 30.0  # px at which pixels are compared, and what their difference counts
LEARNING_RATE, WARM_UP, FALLING = 0.1, 0.05, 0.5  # and the shares of the steps in which it rises and falls
NOISE, NOISY = 0.3, 0.5  # added to the coordinates at first, and the share of the steps until there is none
TO_AVERAGE, TO_ONE_W = 1e-3, 1e-2  # how much coordinates are pulled to 0, and those of all layers together
MEMORY, MEMORY_OF_SQUARES, TINY = 0.9, 0.999, 1e-8  # of Adam
LEAST_VARIANCE = 1e-8  # of a component, as a share of the largest


class Distance:
    """How far images are from one image: in features, each place's brought to length 1, and in pixels made larger."""

    def __init__(self, target: Tensor, maps: Maps) -> None:
        """`target` is [1, C, r, r] in [-1, 1]."""
        self._maps = maps
        with torch.no_grad():
            self._features, self._pixels = self._seen(target)

    def __call__(self, images: Tensor) -> Tensor:
        """The distances [N] of images [N, C, r, r]; they can be differentiated."""
        features, pixels = self._seen(images)
        distance = PIXEL_WEIGHT * (pixels - self._pixels).square().mean(dim=(1, 2, 3))
        for one, target in zip(features, self._features, strict=True):
            distance = distance + (one - target).square().sum(dim=1).mean(dim=(1, 2))
        return distance

    def _seen(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        maps = self._maps((images.expand(-1, 3, -1, -1) + 1) * 127.5)
        pixels = F.adaptive_avg_pool2d(images, min(PIXELS, images.shape[-1]))
        return [F.normalize(one, dim=1) for one in maps], pixels


@dataclass(frozen=True)
class Step:
    """A projection after `number` steps: ws [1, num_layers, w_dim], their image [1, C, r, r] and its distance."""

    number: int
    ws: Tensor
    image: Tensor
    distance: float


def project(
    sampler: Sampler,
    target: np.ndarray,
    maps: Maps,
    setting: Setting,
    space: ProjectionSpace = "w+",
    steps: int = STEPS,
    seed: int = 0,
) -> Iterator[Step]:
    """Step by step to the w whose image is nearest to the target [C, r, r] (uint8), that of the setting's stage.

    Before the last step some noise of the seed is on w. In "w+" every layer has a w of its own, in "w" all have the
    same. `maps` are what images are compared by; they are on the sampler's device. InputError for a model without
    styles.
    """
    sampler.check_projection()
    generator: Any = sampler.generator
    device, layers = generator.w_avg.device, generator.num_layers

    def draw(w: Tensor) -> tuple[Tensor, Tensor]:
        """ws and images of coordinates [N, layers or 1, w_dim]."""
        ws = (mean + w @ axes).expand(-1, layers, -1)
        return ws, generator.synthesis(ws, setting.resolution, setting.alpha, "const").float()

    with torch.no_grad(), exact_float32(device):
        distance = Distance(torch.tensor(target, device=device)[None] / 127.5 - 1, maps)
        mean, axes, candidates = components(sampler, replace(setting, psi=1.0))
        parts = generation.parts(len(candidates), generation.largest_batch(generator, setting))
        distances = torch.cat([distance(draw(candidates[part, None])[1]) for part in parts])
    w = candidates[distances.argmin()].repeat(1, layers if space == "w+" else 1, 1)
    slope, square = torch.zeros_like(w), torch.zeros_like(w)
    source = torch.Generator().manual_seed(seed)
    for step in range(steps):
        time = step / steps
        noise = NOISE * max(0.0, 1 - time / NOISY) ** 2 * torch.randn(1, 1, w.shape[2], generator=source).to(device)
        with torch.enable_grad(), exact_float32(device):
            w.requires_grad_()
            ws, image = draw(w + noise)
            found = distance(image)[0]
            pull = TO_AVERAGE * w.square().mean() + TO_ONE_W * (w - w.mean(dim=1, keepdim=True)).square().mean()
            (gradient,) = torch.autograd.grad(found + pull, [w])
        yield Step(step, ws.detach(), image.detach(), found.item())
        # Adam, by hand: torch.optim would load PyTorch's compiler, which takes seconds and 0.15 GB.
        slope = MEMORY * slope + (1 - MEMORY) * gradient
        square = MEMORY_OF_SQUARES * square + (1 - MEMORY_OF_SQUARES) * gradient**2
        size = (square / (1 - MEMORY_OF_SQUARES ** (step + 1))).sqrt() + TINY
        w = w.detach() - rate(step, steps) * slope / (1 - MEMORY ** (step + 1)) / size
    with torch.no_grad(), exact_float32(device):
        ws, image = draw(w)
        found = distance(image)
    yield Step(steps, ws, image, found.item())


def components(sampler: Sampler, setting: Setting) -> tuple[Tensor, Tensor, Tensor]:
    """The mean [w_dim] of random w, the axes [w_dim, w_dim] of coordinates, and those of the first of them [N, w_dim].

    w = mean + coordinates @ axes. The setting is untruncated.
    """
    ws = sampler.inputs(range(LATENTS), setting)[:, 0]
    w = ws.double().cpu()
    centred = w - w.mean(dim=0)
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(w))
    deviations = variances.clamp(min=LEAST_VARIANCE * float(variances[-1])).sqrt()
    coordinates = centred[:CANDIDATES] @ directions / deviations
    mean, axes, first = (one.float().to(ws.device) for one in (w.mean(dim=0), (directions * deviations).T, coordinates))
    return mean, axes, first


def rate(step: int, steps: int) -> float:
    """The learning rate of a step: it rises at first, and falls to 0 as a cosine does."""
    time = step / steps
    rising, falling = min(1.0, (time + 1 / steps) / WARM_UP), min(1.0, (1 - time) / FALLING)
    return LEARNING_RATE * rising * (0.5 - 0.5 * math.cos(math.pi * falling))
