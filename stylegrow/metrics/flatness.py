"""Flatness: how uneven images are where flat ones have their background, in the upper corners."""

from __future__ import annotations

import numpy as np

PART = 16  # of the side


def corner_deviations(images: np.ndarray) -> np.ndarray:
    """The standard deviation [n] of images [n, C, R, R] (uint8) in a corner, in grey levels, averaged over channels.

    It is that of the more even of the two upper corners, squares of R / 16 px.
    """
    side = images.shape[-1] // PART
    corners = np.stack([images[..., :side, :side], images[..., :side, -side:]]).astype(np.float64)
    return corners.std(axis=(3, 4)).mean(axis=2).min(axis=0)


def flatness(deviations: np.ndarray) -> dict[str, float]:
    """The median and the 90th percentile, by the names of results; 0 for a flat background."""
    return {"flatness": float(np.median(deviations)), "flatness_p90": float(np.percentile(deviations, 90))}
