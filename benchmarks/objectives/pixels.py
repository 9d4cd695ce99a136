"""Random pixels against the data's manifold: how far from every face images are that are drawn without a generator."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.objectives.measures import intrinsic_dimension
from benchmarks.pages import write_measured
from benchmarks.units import Results, Unit
from stylegrow.common.tables import markdown_table
from stylegrow.data import open_dataset
from stylegrow.data.sources import toonhead
from stylegrow.metrics.features import find_features
from stylegrow.metrics.fidelity import kernel_distance
from stylegrow.metrics.neighbours import nearest
from stylegrow.rendering import grids

RESOLUTION, SHOWN = 32, 10
LEVELS = 256
HELD_OUT = "other faces"
FIGURE = "objectives-pixels.png"


def uniform(reals: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Every level of every pixel as likely as any other."""
    return rng.integers(0, LEVELS, (count, reals.shape[1])).astype(float)


def marginals(reals: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Each number as that of a face, another face for each."""
    return reals[rng.integers(0, len(reals), (count, reals.shape[1])), np.arange(reals.shape[1])]


def gaussian(reals: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian of the faces' mean and covariance: all principal components with random weights."""
    mean = reals.mean(axis=0)
    return mean + rng.normal(size=(count, len(reals))) @ (reals - mean) / math.sqrt(len(reals) - 1)


def halfway(reals: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The mean of two faces."""
    return reals[rng.integers(0, len(reals), (2, count))].mean(axis=0)


# Each draws rows [count, D] of grey levels from those of the faces [N, D].
KINDS: dict[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "uniform pixels": uniform,
    "each pixel as in a face": marginals,
    "mean and covariance of the faces": gaussian,
    "halfway between two faces": halfway,
}


def units(quick: bool) -> list[Unit]:
    """The one there is: "pixels" (data, how many faces, of each kind for the dimension, and for features)."""
    return [Unit("pixels", measured, ("toonhead", *((100, 50, 20) if quick else (4000, 2000, 150))))]


def measured(data: str, faces: int, drawn: int, scored: int) -> dict[str, Any]:
    """How far each of KINDS, and held-out images of the data, are from the others.

    Returns a row for each: the "distance" to the nearest training image (root mean square, in grey levels, the mean of
    `scored` images), "kid", the "dimension" of `drawn` (for held-out images that of the training images) and images to
    be "shown"; besides "training", the number of these, and the processor's "seconds".
    """
    start, rng = time.process_time(), np.random.default_rng(0)
    count = {"count": faces} if data == "toonhead" else {}
    dataset = open_dataset(data, resolution=RESOLUTION, workers=1, quiet=True, **count)  # type: ignore[arg-type]
    places, others = dataset.split(scored)
    training, held_out = dataset.read(places, RESOLUTION), dataset.read(others, RESOLUTION)
    rows = training.reshape(len(training), -1)
    features = find_features()
    known = features.of(training[:scored])
    result: dict[str, Any] = {"training": len(training), "numbers": rows.shape[1]}
    for name in (*KINDS, HELD_OUT):
        some = held_out.reshape(len(held_out), -1)
        many = rows[:drawn]
        if name != HELD_OUT:
            many = (KINDS[name](rows.astype(float), drawn, rng).clip(0, LEVELS - 1) + 0.5).astype(np.uint8)
            some = many[:scored]
        images = some.reshape(-1, *training.shape[1:])
        result[name] = {
            "distance": float(nearest(some, rows, 1)[1].mean() / math.sqrt(rows.shape[1])),
            "kid": kernel_distance(known, features.of(images))[0],
            "dimension": intrinsic_dimension(many),
            "shown": images[:SHOWN].tolist(),
        }
    return result | {"seconds": time.process_time() - start}


def chance(distance: float, numbers: int) -> float:
    """The logarithm to base 10 of the most that so many uniform numbers can be as likely to be so near to one image.

    That of the ball's volume, of a root mean square `distance` in grey levels, in units of that of all images.
    """
    radius = distance * math.sqrt(numbers) / LEVELS
    volume = numbers / 2 * math.log(math.pi) - math.lgamma(numbers / 2 + 1) + numbers * math.log(radius)
    return volume / math.log(10)


def write(folder: Path, results: Results, quick: bool) -> Path:
    """Draw the images and put the table into objectives.md, whose other text is kept. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    result = next(iter(results.values()))
    names = (*KINDS, HELD_OUT)
    cells = [list(np.array(result[name]["shown"], np.uint8).transpose(0, 2, 3, 1)) for name in names]
    figure = grids.labelled_grid(cells, list(names), size=2 * RESOLUTION)
    grids.save_png(figure.image, folder / FIGURE, {"Source": toonhead.CREDIT})
    head = ["what is drawn", "distance to the nearest face (grey levels)", "KID", "intrinsic dimension"]
    rows = [
        [name, *(f"{result[name][one]:.{digits}f}" for one, digits in (("distance", 1), ("kid", 2), ("dimension", 0)))]
        for name in names
    ]
    near = result[HELD_OUT]["distance"]
    warning = "**From `--quick`: too few images to say anything.**\n\n" * quick
    least = -chance(near, result["numbers"]) - math.log10(result["training"])
    text = (
        f"{warning}Images of {RESOLUTION} px, {result['numbers']:,} numbers, beside {result['training']:,} faces; the "
        f"dimension of the last row is that of these ({result['seconds']:.0f} s of one core of a shared Xeon with AMX "
        f"bf16):\n\n{markdown_table(head, rows)}\n\n"
        f"Uniform pixels come as near to any of these faces as other faces do, {near:.0f} grey levels, with a chance "
        f"below 10^-{math.floor(least):,}, by the volume of the balls around them.\n\n"
        f"![What is drawn without a generator, and faces, a row each; drawn after ToonHead by Johan Melin, CC BY 4.0]"
        f"({FIGURE})\n"
    )
    return write_measured(folder / "objectives.md", "python -m benchmarks.objectives --pixels", text)
