"""Every random number of a training, as a pure function of (seed, purpose, images seen).

A step draws for the whole batch on the processor, and each process takes its shard. So a resumed run continues with the
same numbers without any saved generator state, several processes draw what one would, and no device changes them. The
exception is StyleGAN's noise on a GPU (see inputs.StepInputs).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.step.config import StepConfig


@dataclass(frozen=True)
class RandomStreams:
    """The random numbers of one seed."""

    seed: int

    def generator(self, purpose: str, images: int, device: torch.device | str = "cpu") -> torch.Generator:
        """A generator of its own for this purpose at this moment."""
        digest = hashlib.blake2b(f"{self.seed} {purpose} {images}".encode(), digest_size=8).digest()
        return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)

    def latents(self, purpose: str, images: int, count: int, z_dim: int) -> Tensor:
        """Normal latents [count, z_dim]."""
        return torch.randn(count, z_dim, generator=self.generator(purpose, images))

    def uniform(self, purpose: str, images: int, count: int, shape: Sequence[int] = (1, 1, 1)) -> Tensor:
        """Uniform numbers in [0, 1), [count, *shape]: one a sample, or others of each."""
        return torch.rand(count, *shape, generator=self.generator(purpose, images))

    def choices(self, purpose: str, images: int, count: int, among: int) -> np.ndarray:
        """`count` positions below `among`, drawn with replacement."""
        return torch.randint(among, (count,), generator=self.generator(purpose, images)).numpy()

    def order(self, epoch: int, count: int) -> np.ndarray:
        """The order [count] in which an epoch shows so many images."""
        return torch.randperm(count, generator=self.generator("order", epoch)).numpy()

    def crossover(self, purpose: str, images: int, layers: int, probability: float = StepConfig.mixing) -> int:
        """Style mixing's crossover: uniform from 1 to layers - 1 with this probability, else `layers`, for none."""
        generator = self.generator(purpose, images)
        mixing = torch.rand((), generator=generator) < probability
        layer = torch.randint(1, max(layers, 2), (), generator=generator)
        return int(layer) if mixing else layers

    def noise(
        self, purpose: str, images: int, count: int, sizes: Sequence[int], device: torch.device | str = "cpu"
    ) -> list[Tensor]:
        """Normal noise maps [count, 1, size, size], one for each size, drawn on the device, on which they depend."""
        generator = self.generator(purpose, images, device)
        return [torch.randn(count, 1, size, size, generator=generator, device=device) for size in sizes]
