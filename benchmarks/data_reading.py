"""How fast a prepared data set is read: random batches of each level, in images a second.

python benchmarks/data_reading.py --data DIR --resolution 256
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a script, it stands beside the packages

from data import DataError, Dataset, open_dataset


@dataclass(frozen=True)
class Options:
    """Read random batches of every level of a data set and print the speed."""

    data: str | None = None
    """A folder, a zip file or a prepared folder; without it the embedded faces."""
    resolution: int | None = None
    """The highest level."""
    cache: str | None = None
    """Where prepared data sets live."""
    batch: int = 64
    """Images a batch."""
    seconds: float = 3.0
    """Time for each level."""


def images_a_second(dataset: Dataset, resolution: int, batch: int, seconds: float) -> float:
    """The speed over at least `seconds` of reading, after one batch that opens the files."""
    generator = np.random.default_rng(0)
    dataset.read(generator.integers(len(dataset), size=batch), resolution)
    start, images = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        dataset.read(generator.integers(len(dataset), size=batch), resolution)
        images += batch
    return images / elapsed


def main() -> int:
    """The command line; returns the exit status."""
    options = tyro.cli(Options)
    try:
        dataset = open_dataset(options.data, resolution=options.resolution, cache=options.cache)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{dataset.name}: {len(dataset):,} images, {dataset.channels} channels, batches of {options.batch}")
    print(f"{'level':>8} {'stored as':>10} {'size':>11} {'images/s':>10}")
    for resolution, kind, size in dataset.storage():
        speed = images_a_second(dataset, resolution, options.batch, options.seconds)
        print(f"{resolution:>5} px {kind:>10} {size / 1e6:>8,.1f} MB {speed:>10,.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
