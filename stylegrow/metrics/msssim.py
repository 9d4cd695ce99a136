"""Multi-scale structural similarity of pairs of images (Wang 2003), as ProGAN's paper uses it for diversity."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
K1, K2, RANGE = 0.01, 0.03, 255.0


@torch.inference_mode()
def ms_ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The similarity [N] of images [N, C, R, R] (0 to 255) to those of a second set, in float64 (Wang 2003, eq. 7).

    As in the programs of the ProGAN paper: valid windows, which shrink where the image is smaller than one, box
    averages from scale to scale, and terms below 0 counted as 0.
    """
    a, b = (torch.tensor(images, dtype=torch.float64) for images in (first, second))
    product = torch.ones(len(a), dtype=torch.float64)
    for scale, weight in enumerate(WEIGHTS):
        similarity, contrast = _ssim(a, b)
        last = scale == len(WEIGHTS) - 1
        product *= (similarity if last else contrast).clamp(min=0) ** weight
        if not last:
            a, b = functional.avg_pool2d(a, 2), functional.avg_pool2d(b, 2)
    return product.numpy()


def _ssim(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """(structural similarity, its contrast and structure term) [N] each, averaged over places and channels."""
    window = _window(min(WINDOW, a.shape[-1]))

    def mean(x: Tensor) -> Tensor:
        lines = functional.conv2d(x.flatten(0, 1)[:, None], window[None, None, :, None])
        return functional.conv2d(lines, window[None, None, None, :]).unflatten(0, x.shape[:2])[:, :, 0]

    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    contrast = (2 * covariance + c2) / (variances + c2)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return (luminance * contrast).mean(dim=(1, 2, 3)), contrast.mean(dim=(1, 2, 3))


def _window(size: int) -> Tensor:
    """A Gaussian [size] of sum 1, as wide in proportion to its size as that of 11 px."""
    places = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    line = torch.exp(-(places**2) / (2 * (size * SIGMA / WINDOW) ** 2))
    return line / line.sum()
