"""Real pictures made worse: anchors that say what a bad number is, and practice for the classifier."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Float images [N, C, H, W] under a Gaussian of `sigma` pixels, edges repeated."""
    reach = math.ceil(4 * sigma)
    line = torch.exp(-(torch.arange(-reach, reach + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    line = (line / line.sum()).to(images.dtype)
    x = images.flatten(0, 1)[:, None]
    x = functional.conv2d(functional.pad(x, (0, 0, reach, reach), "replicate"), line[None, None, :, None])
    x = functional.conv2d(functional.pad(x, (reach, reach, 0, 0), "replicate"), line[None, None, None, :])
    return x.reshape(images.shape)


def blurred_pictures(images: np.ndarray, sigma: float) -> np.ndarray:
    """The same of pictures of uint8."""
    return blurred(torch.tensor(images).float(), sigma).round().clamp(0, 255).to(torch.uint8).numpy()


def noisy_pictures(images: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Pictures of uint8 with normal noise of `deviation` grey levels, each value's its own."""
    noise = deviation * rng.standard_normal(images.shape, dtype=np.float32)
    return (images + noise).round().clip(0, 255).astype(np.uint8)
