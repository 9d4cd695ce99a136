"""The objectives of the field side by side: same seeds, same budget, on points, clothes and faces.

python -m benchmarks.objectives
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks import ours, plane
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.errors import DataError
from stylegrow.common.files import write_whole
from stylegrow.data import open_dataset
from stylegrow.metrics import swd
from train.distributed.processes import SingleProcess
from train.step.batch_loader import BatchLoader
from train.step.objectives import OBJECTIVES
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

NAMES = ("gan", "ns", "wgan-clip", "wgan-gp", "hinge", "hinge + spectral norm", "ns-r1")
DATA = {"fashion-mnist": "Fashion-MNIST", "toonhead": "the embedded faces"}
DISTANCES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0)
RESOLUTION, BATCH, SHOWN = 32, 16, 32


@dataclass(frozen=True)
class Options:
    """Train small generators with each objective, and write docs/objectives.md's figures and tables.

    Every training is kept when it ends: the same command goes on where it was stopped.
    """

    quick: bool = False
    """a few minutes instead of less than two hours: the same page from trainings that are far too short"""
    out: Path = Path("docs")
    """folder of objectives.md and its images"""
    work: Path = Path("runs/objectives")
    """folder in which trainings are kept"""
    workers: Annotated[int, tyro.conf.arg(metavar="INT")] = 2
    """trainings at once, each in a thread of its own"""
    cache: Path | None = None
    """where prepared images are kept (default: $STYLEGROW_CACHE, else ~/.cache/stylegrow)"""


@dataclass(frozen=True)
class Budget:
    """How much is trained: critic steps, learning rates and seeds in the plane; critic steps and scored images."""

    plane_steps: int = 10_000
    rates: tuple[float, ...] = (0.0005, 0.002, 0.01)
    seeds: tuple[int, ...] = (0, 1)
    line_steps: int = 1500
    image_steps: int = 1500
    scored: int = 512
    looks: int = 15


QUICK = Budget(plane_steps=500, rates=(0.0005, 0.002), seeds=(0,), line_steps=100, image_steps=20, scored=64, looks=4)


class Unit(NamedTuple):
    """One training: on "pictures" (data, objective, ...), in the "plane" (objective, rate, ...), or of "lines"."""

    kind: str
    arguments: tuple[Any, ...]

    @property
    def file(self) -> str:
        """The name that its result is kept under."""
        return "-".join([self.kind, *(str(part).replace(" ", "") for part in self.arguments)]) + ".json"


Results = Mapping[Unit, dict[str, Any]]


def units(budget: Budget) -> list[Unit]:
    """All trainings, the longest first so that none is left alone at the end."""
    looks = budget.image_steps, budget.scored, budget.looks
    plane = [(name, rate, seed) for name in NAMES for rate in budget.rates for seed in budget.seeds]
    lines = [(name, distance) for name in ("ns", "wgan-gp") for distance in DISTANCES]
    return [
        *(Unit("pictures", (data, name, *looks)) for data in DATA for name in NAMES),
        *(Unit("plane", (*game, budget.plane_steps)) for game in plane),
        *(Unit("lines", (*line, budget.line_steps)) for line in lines),
    ]


def compute(unit: Unit, work: Path, cache: Path | None) -> dict[str, Any]:
    """Do one training in this process and keep its result."""
    torch.set_num_threads(1)
    match unit:
        case "plane", (name, rate, seed, steps):
            result = plane.find_modes(plane.config_of(name), rate, seed, steps)
        case "lines", (name, distance, steps):
            result = {"estimate": plane.lines_apart(plane.config_of(name), distance, steps)}
        case _, (data, name, steps, scored, looks):
            result = train_on_images(data, name, steps, scored, looks, cache)
    write_whole(work / unit.file, json.dumps(result).encode())
    return result


def train_on_images(
    data: str, name: str, steps: int, scored: int, looks: int, cache: Path | None = None
) -> dict[str, Any]:
    """The project's ProGAN at 32 px without growing, for so many critic steps on a data set."""
    count = {"count": 4000} if data == "toonhead" else {}
    dataset = open_dataset(data, resolution=RESOLUTION, cache=cache, workers=1, quiet=True, **count)  # type: ignore[arg-type]
    loss, _, normalised = name.partition(" + ")
    config = ours.config_of(
        "progan", "small", dataset, loss=loss, spectral_norm="critic" if normalised else "no", clip=plane.CLIP,
        fmap_base=512, fmap_max=32, z_dim=64, ema_kimg=0.5, batch=BATCH,
        start_resolution=RESOLUTION, stable_kimg=ours.FOREVER, fade_kimg=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    trainer = Trainer(*config.build(), config.schedule, config.step, RandomStreams(0), SingleProcess())
    training, _ = dataset.split()
    loader = BatchLoader(dataset, training, config.schedule, trainer.inputs.streams, 0, 1)
    reals = swd.descriptors(dataset.read(training[:scored], RESOLUTION), np.random.default_rng(0))
    curve, estimates, seconds = [], [], []
    for step in range(1, steps + 1):
        batch = loader.read(trainer.images)
        start = time.perf_counter()
        statistics = trainer.step([batch])
        seconds.append(time.perf_counter() - start)
        estimates.append(statistics[f"D/{OBJECTIVES[loss].estimate.name}"].item())
        if step % max(steps // looks, 1) == 0:
            curve.append([step, float(np.mean(estimates)), distance(reals, images_of(trainer.generator_ema, scored))])
            estimates = []
    images = torch.from_numpy(dataset.read(training[:BATCH], RESOLUTION)) / 127.5 - 1
    return {
        "curve": curve,
        "seconds": median(seconds),
        "skipped": trainer.skipped,
        "weights": plane.histogram(trainer.discriminator),
        "gradients": plane.layer_gradients(trainer.discriminator, images),
        "samples": images_of(trainer.generator_ema, SHOWN).tolist(),
    }


@torch.inference_mode()
def images_of(generator: nn.Module, count: int) -> np.ndarray:
    """Images uint8 [count, C, R, R] of fixed latents."""
    latents: Tensor = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(1))  # type: ignore[call-overload]
    images = torch.cat([generator(part) for part in latents.split(64)])
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()


def distance(reals: swd.Descriptors, images: np.ndarray) -> float:
    """The sliced Wasserstein distance of images from real ones, over all levels, times 1000."""
    rng = np.random.default_rng(0)
    fakes = swd.descriptors(images, rng)
    return float(np.mean(list(swd.sliced_wasserstein(reals, fakes, rng).values())))


def run(options: Options) -> Results:
    """Results of all trainings; those that are kept already are not done again."""
    options.work.mkdir(parents=True, exist_ok=True)
    todo = units(QUICK if options.quick else Budget())
    results = {}
    for unit in todo:
        if (path := options.work / unit.file).is_file():
            results[unit] = json.loads(path.read_bytes())
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to come
    with (
        tqdm(total=len(todo), initial=len(results), unit="training", dynamic_ncols=True) as bar,
        ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool,
    ):
        left = [unit for unit in todo if unit not in results]
        waiting = {pool.submit(compute, unit, options.work, options.cache): unit for unit in left}
        try:
            for done in as_completed(waiting):
                results[waiting[done]] = done.result()
                bar.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {unit: results[unit] for unit in todo}


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.objectives")
    from benchmarks import objectives_page

    try:
        results = run(options)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130
    print(objectives_page.write(options.out, results, options.quick))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
