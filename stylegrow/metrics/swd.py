"""Sliced Wasserstein distance of sets of images, for each level of a Laplacian pyramid (Karras 2018, section 5)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stylegrow.metrics.table import METRICS

LOWEST = METRICS["swd"].least_resolution
PATCH, PATCHES_PER_IMAGE = 7, 128
REPEATS, DIRECTIONS = 4, 128
TAPS = (1, 4, 6, 4, 1)
SCALE = 1e3  # as the paper reports it

Descriptors = dict[int, np.ndarray]


def descriptors(images: np.ndarray, rng: np.random.Generator) -> Descriptors:
    """Patches of images [N, 3, R, R] at random places of each level: float32 [N * 128, 3, 7, 7] by resolution."""
    return {level.shape[-1]: _patches(level.numpy(), rng) for level in pyramid(torch.tensor(images).float())}


def pyramid(images: Tensor) -> list[Tensor]:
    """The Laplacian pyramid of images [N, C, R, R]: what each level adds to the next, and the last, 16 px, itself."""
    result = []
    while images.shape[-1] >= 2 * LOWEST:
        smaller = _smoothed(images, 1)[:, :, ::2, ::2]
        result.append(images - _enlarged(smaller))
        images = smaller
    return [*result, images]


def _smoothed(images: Tensor, gain: float) -> Tensor:
    """The images convolved with the binomial kernel, mirrored at their edges without repeating the outermost pixel."""
    taps = torch.tensor(TAPS, dtype=images.dtype) / sum(TAPS)
    kernel = (gain * taps[:, None] * taps[None, :]).expand(images.shape[1], 1, -1, -1)
    return functional.conv2d(functional.pad(images, (2, 2, 2, 2), "reflect"), kernel, groups=images.shape[1])


def _enlarged(images: Tensor) -> Tensor:
    """The images with zeros between their pixels, smoothed: twice as wide and high."""
    spread = images.new_zeros(*images.shape[:2], 2 * images.shape[2], 2 * images.shape[3])
    spread[:, :, ::2, ::2] = images
    return _smoothed(spread, 4.0)


def _patches(level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count, channels, size, _ = level.shape
    places = rng.integers(0, size - PATCH + 1, (2, count * PATCHES_PER_IMAGE))
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(2, 3))
    which = np.repeat(np.arange(count), PATCHES_PER_IMAGE)
    return windows[which, :, places[0], places[1]].reshape(-1, channels, PATCH, PATCH)


def sliced_wasserstein(reals: Descriptors, fakes: Descriptors, rng: np.random.Generator) -> dict[int, float]:
    """The distance, times 1000, at each resolution; both sets must have equally many descriptors.

    Each set is normalised by its own mean and deviation of each channel; projections are sorted, so that the mean
    absolute difference is the Wasserstein distance along each of 4 x 128 random directions.
    """
    return {resolution: SCALE * _sliced(reals[resolution], fakes[resolution], rng) for resolution in reals}


def _sliced(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> float:
    first, second = _normalised(a), _normalised(b)
    found = []
    for _ in range(REPEATS):
        directions = rng.standard_normal((first.shape[1], DIRECTIONS))
        directions = (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
        # As rows: sorting along memory is much quicker than across it.
        one, other = (np.sort(directions.T @ side.T, axis=1) for side in (first, second))
        found.append(np.abs(one - other).mean(dtype=np.float64))
    return float(np.mean(found))


def _normalised(patches: np.ndarray) -> np.ndarray:
    """Patches [n, C, 7, 7] as rows [n, C * 49] whose channels have mean 0 and deviation 1."""
    mean = patches.mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64).astype(np.float32)
    deviation = patches.std(axis=(0, 2, 3), keepdims=True, dtype=np.float64).astype(np.float32)
    # A channel without any contrast has nothing to normalise.
    return ((patches - mean) / np.where(deviation > 0, deviation, 1)).reshape(len(patches), -1)
