"""Every random number of a training, as a pure function of (seed, purpose, images seen).

A step draws for the whole batch on the processor, and each process takes its share. So a resumed run continues with the
same numbers without any saved generator state, several processes draw what one would, and no device changes them.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """The random numbers of one seed."""

    seed: int

    def generator(self, purpose: str, images: int) -> torch.Generator:
        """A generator of its own for this purpose at this moment."""
        digest = hashlib.blake2b(f"{self.seed} {purpose} {images}".encode(), digest_size=8).digest()
        return torch.Generator("cpu").manual_seed(int.from_bytes(digest, "little") >> 1)

    def latents(self, purpose: str, images: int, count: int, z_dim: int) -> Tensor:
        """Normal latents [count, z_dim]."""
        return torch.randn(count, z_dim, generator=self.generator(purpose, images))

    def uniform(self, purpose: str, images: int, count: int) -> Tensor:
        """Uniform numbers in [0, 1), [count, 1, 1, 1]: one a sample."""
        return torch.rand(count, 1, 1, 1, generator=self.generator(purpose, images))

    def choices(self, purpose: str, images: int, count: int, among: int) -> np.ndarray:
        """`count` positions below `among`, drawn with replacement."""
        return torch.randint(among, (count,), generator=self.generator(purpose, images)).numpy()

    def order(self, epoch: int, pictures: int) -> np.ndarray:
        """The order [pictures] in which an epoch shows the pictures."""
        return torch.randperm(pictures, generator=self.generator("order", epoch)).numpy()
