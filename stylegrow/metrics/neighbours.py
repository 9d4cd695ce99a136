"""Nearest neighbours among the training images: whether a generator copies what it has seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from stylegrow.metrics.fidelity import distances
from stylegrow.rendering.grids import labelled_grid
from stylegrow.sampling import generation

SHOWN, NEAREST = 8, 5
BLOCK = 256


def nearest(queries: np.ndarray, training: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows of `training` [n, k], distances [n, k]) of the k nearest of each query's features, the nearest first."""
    places, lengths = [], []
    for part in generation.parts(len(queries), BLOCK):
        found = distances(queries[part], training)
        order = np.argsort(found, axis=1, kind="stable")[:, :k]
        places.append(order)
        lengths.append(np.take_along_axis(found, order, axis=1))
    return np.concatenate(places), np.concatenate(lengths)


def figure(generated: np.ndarray, reals: Sequence[np.ndarray], lengths: np.ndarray, floor: float | None) -> Image.Image:
    """Generated images [n, C, R, R] (uint8), each in a row with its nearest reals [k, C, R, R] and their distances.

    `floor` is the mean distance from held-out images to their nearest, printed above.
    """
    size = max(generated.shape[-1], 64)
    cells = [
        [image.transpose(1, 2, 0), *(real.transpose(1, 2, 0) for real in row)]
        for image, row in zip(generated, reals, strict=True)
    ]
    captions = [["", *(f"{length:.3g}" for length in row)] for row in lengths]
    heading = "nearest training pictures" + ("" if floor is None else f" (held-out: {floor:.3g})")
    bands = [("generated", 1), (heading, lengths.shape[1])]
    return labelled_grid(cells, column_bands=bands, captions=captions, size=size).image
