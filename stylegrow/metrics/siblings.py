"""Siblings: generated images that are closer to another one than real images are to each other."""

from __future__ import annotations

import numpy as np

from stylegrow.metrics.fidelity import radii

CLOSE = 5  # the percentile of real images' distances below which two are siblings


def siblings(reals: np.ndarray, fakes: np.ndarray) -> float:
    """The share of fakes whose nearest other fake is closer than the 5th percentile of that distance among reals.

    Both are features, of as many images [N, D], since the nearest of more images are closer.
    """
    return float((radii(fakes, 1) < np.percentile(radii(reals, 1), CLOSE)).mean())
