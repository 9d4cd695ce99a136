"""How fast a prepared data set is read, in images a second, and how long training waits for it.

python -m benchmarks.data_reading --data DIR --resolution 256
python -m benchmarks.data_reading --synthetic 10000 --resolution 256 --waiting toonhead
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks import ours
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.errors import DataError
from stylegrow.data import Dataset, open_dataset
from train.distributed.processes import SingleProcess
from train.step.batch_loader import BatchLoader
from train.step.random_streams import RandomStreams


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
    synthetic: int | None = None
    """Read so many images that are painted for the purpose instead, at the resolution (256)."""
    waiting: str | None = None
    """Also train at each level with this preset's width and batch ("official": 512 maps), and print the time waited."""
    network: Literal["stylegan", "progan"] = "stylegan"
    """What is trained then."""


def images_a_second(dataset: Dataset, resolution: int, batch: int, seconds: float) -> float:
    """The speed over at least `seconds` of reading, after one batch that opens the files."""
    generator = np.random.default_rng(0)
    dataset.read(generator.integers(len(dataset), size=batch), resolution)
    start, images = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        dataset.read(generator.integers(len(dataset), size=batch), resolution)
        images += batch
    return images / elapsed


def waited(dataset: Dataset, options: Options, resolution: int) -> tuple[float, int]:
    """The fraction of the time for which training at a level waits for images, and the steps that were watched."""
    preset = options.waiting or ""
    batch_size = ours.config_of(options.network, preset, resolution, start_resolution=resolution).schedule.batch[
        resolution
    ]
    training = ours.Training(options.network, preset, resolution, batch_size, SingleProcess())
    batches = BatchLoader(dataset, np.arange(len(dataset)), training.schedule, RandomStreams(0), 0, 1).batches(0)
    training.trainer.step([next(batches)])
    waiting, steps, start = 0.0, 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < options.seconds or steps < 3:
        before = time.perf_counter()
        batch = next(batches)
        waiting += time.perf_counter() - before
        training.trainer.step([batch])
        steps += 1
    batches.close()
    return waiting / elapsed, steps


def painted(count: int, resolution: int, folder: Path) -> Path:
    """A zip file of `count` images with soft colours, edges and grain, so that they compress as photographs do."""
    from PIL import Image

    generator = np.random.default_rng(0)
    path = folder / "painted.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for index in range(count):
            small = Image.fromarray(generator.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            image = np.asarray(small.resize((resolution, resolution), Image.Resampling.BICUBIC)).astype(np.int16)
            left, top = generator.integers(0, resolution // 2, 2)
            image[top : top + resolution // 3, left : left + resolution // 2] += generator.integers(-60, 60, 3)
            image += generator.integers(-4, 5, image.shape)
            file = io.BytesIO()
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(file, "jpeg", quality=92)
            archive.writestr(f"{index:06}.jpg", file.getvalue())
    return path


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.data_reading")
    with tempfile.TemporaryDirectory() as folder:
        try:
            if options.synthetic:
                resolution = options.resolution or 256
                data = painted(options.synthetic, resolution, Path(folder))
                dataset = open_dataset(data, resolution=resolution, cache=folder)
            else:
                dataset = open_dataset(options.data, resolution=options.resolution, cache=options.cache)
        except DataError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        report(dataset, options)
    return 0


def report(dataset: Dataset, options: Options) -> None:
    """Print the tables, each row as soon as it is known."""
    print(f"{dataset.name}: {len(dataset):,} images, {dataset.channels} channels, batches of {options.batch}")
    print(f"{'level':>8} {'stored as':>10} {'size':>11} {'images/s':>10}")
    for resolution, kind, size in dataset.storage():
        speed = images_a_second(dataset, resolution, options.batch, options.seconds)
        print(f"{resolution:>5} px {kind:>10} {size / 1e6:>8,.1f} MB {speed:>10,.0f}", flush=True)
    if options.waiting:
        print(f"\ntraining {options.network}, {options.waiting}\n{'level':>8} {'steps':>6} {'waited for data':>16}")
        for resolution, _, _ in dataset.storage():
            fraction, steps = waited(dataset, options, resolution)
            print(f"{resolution:>5} px {steps:>6} {fraction:>16.2%}", flush=True)


if __name__ == "__main__":
    sys.exit(run_command(main))
