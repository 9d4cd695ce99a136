"""The objectives of the field side by side: same seeds, same budget, on points, clothes and faces.

python -m benchmarks.objectives
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import tyro
from tqdm import tqdm

from benchmarks import plane
from stylegrow.common.files import write_whole

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
    """folder of objectives.md and its pictures"""
    work: Path = Path("runs/objectives")
    """folder in which trainings are kept"""
    workers: Annotated[int, tyro.conf.arg(metavar="INT")] = 2
    """trainings at once, each in a thread of its own"""
    cache: Path | None = None
    """where prepared pictures are kept (default: $STYLEGROW_CACHE, else ~/.cache/stylegrow)"""


@dataclass(frozen=True)
class Budget:
    """How much is trained. Critic steps, learning rates and seeds in the plane; critic steps and judged pictures."""

    plane_steps: int = 10_000
    rates: tuple[float, ...] = (0.0005, 0.002, 0.01)
    seeds: tuple[int, ...] = (0, 1)
    line_steps: int = 1500
    picture_steps: int = 1500
    judged: int = 512
    looks: int = 15


QUICK = Budget(plane_steps=500, rates=(0.0005, 0.002), seeds=(0,), line_steps=100, picture_steps=20, judged=64, looks=4)


@dataclass(frozen=True)
class Unit:
    """One training; `weight` is how long it takes, in critic steps of the plane."""

    kind: str
    arguments: tuple[Any, ...]
    weight: float

    @property
    def file(self) -> str:
        """The name that its result is kept under."""
        return "-".join([self.kind, *(str(part).replace(" ", "") for part in self.arguments)]) + ".json"


def units(budget: Budget) -> list[Unit]:
    """All trainings, the longest first so that none is left alone at the end."""
    pictures = [
        Unit("pictures", (data, name, budget.picture_steps, budget.judged, budget.looks), 40.0 * budget.picture_steps)
        for data in DATA
        for name in NAMES
    ]
    games = [
        Unit("plane", (name, rate, seed, budget.plane_steps), budget.plane_steps)
        for name in NAMES
        for rate in budget.rates
        for seed in budget.seeds
    ]
    lines = [
        Unit("lines", (name, distance, budget.line_steps), budget.line_steps)
        for name in ("ns", "wgan-gp")
        for distance in DISTANCES
    ]
    return [*pictures, *games, *lines]


def compute(unit: Unit, work: str, cache: str | None) -> dict[str, Any]:
    """Do one training in this process and keep its result."""
    import torch

    torch.set_num_threads(1)
    match unit.kind:
        case "plane":
            name, rate, seed, steps = unit.arguments
            result = plane.find_modes(plane.config_of(name), rate, seed, steps)
        case "lines":
            name, distance, steps = unit.arguments
            result = {"estimate": plane.lines_apart(plane.config_of(name), distance, steps)}
        case _:
            data, name, steps, judged, looks = unit.arguments
            result = draw_pictures(data, name, steps, judged, looks, cache)
    write_whole(Path(work) / unit.file, json.dumps(result).encode())
    return result


def draw_pictures(data: str, name: str, steps: int, judged: int, looks: int, cache: str | None) -> dict[str, Any]:
    """The project's ProGAN at 32 px without growing, for so many critic steps on a data set."""
    import numpy as np
    import torch

    import progan
    from stylegrow.data import open_dataset
    from train.config.presets import preset
    from train.config.schedule import Schedule
    from train.distributed.processes import SingleProcess
    from train.step.batch_loader import BatchLoader
    from train.step.config import StepConfig
    from train.step.objectives import OBJECTIVES
    from train.step.random_streams import RandomStreams
    from train.step.trainer import Trainer

    count = {"count": 4000} if data == "toonhead" else {}
    dataset = open_dataset(data, resolution=RESOLUTION, cache=cache, workers=1, quiet=True, **count)  # type: ignore[arg-type]
    loss, _, normalised = name.partition(" + ")
    spectral_norm = "critic" if normalised else "no"
    chosen = preset("progan", "small", RESOLUTION).for_loss(loss, spectral_norm)  # type: ignore[arg-type]
    torch.manual_seed(0)
    shared: dict[str, Any] = {
        "resolution": RESOLUTION,
        "image_channels": dataset.channels,
        "fmap_base": 512,
        "fmap_max": 32,
    }
    shared["equalized_lr"] = chosen.equalized_lr
    generator, critic = progan.Generator(z_dim=64, **shared), progan.Discriminator(**shared)
    schedule = Schedule(RESOLUTION, RESOLUTION, 1e9, 0, {RESOLUTION: BATCH}, {RESOLUTION: chosen.lr_base})
    config = StepConfig(loss=loss, spectral_norm=spectral_norm, clip=plane.CLIP, ema_kimg=0.5)
    estimate = f"D/{OBJECTIVES[loss].estimate.name}"
    trainer = Trainer(generator, critic, schedule, config, RandomStreams(0), SingleProcess())
    training, _ = dataset.split()
    loader = BatchLoader(dataset, training, schedule, trainer.inputs.streams, 0, 1)
    judge = Judge(dataset.read(training[:judged], RESOLUTION), judged)
    curve, said, seconds = [], [], []
    for step in range(1, steps + 1):
        batch = loader.read(trainer.images)
        start = time.perf_counter()
        measured = trainer.step([batch])
        seconds.append(time.perf_counter() - start)
        said.append(measured[estimate].item())
        if step % max(steps // looks, 1) == 0:
            curve.append([step, float(np.mean(said)), judge.distance(trainer.generator_ema)])
            said = []
    reals = torch.from_numpy(dataset.read(training[:BATCH], RESOLUTION)) / 127.5 - 1
    gradients = plane.layer_gradients(trainer.discriminator, reals, lambda x: trainer.discriminator(x).mean())
    return {
        "curve": curve,
        "seconds": median(seconds),
        "skipped": trainer.skipped,
        "weights": plane.histogram(trainer.discriminator),
        "gradients": gradients,
        "samples": judge.draw(trainer.generator_ema, SHOWN).tolist(),
    }


class Judge:
    """The sliced Wasserstein distance of a generator's pictures from real ones, over all levels, times 1000."""

    def __init__(self, reals: Any, count: int) -> None:
        import numpy as np

        from stylegrow.metrics import swd

        self.count = count
        self.reals = swd.descriptors(reals, np.random.default_rng(0))

    def draw(self, generator: Any, count: int) -> Any:
        """Pictures uint8 [count, C, R, R] of fixed latents."""
        import torch

        latents = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            images = torch.cat([generator(part) for part in latents.split(64)])
        return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()

    def distance(self, generator: Any) -> float:
        """From its pictures of fixed latents."""
        import numpy as np

        from stylegrow.metrics import swd

        rng = np.random.default_rng(0)
        fakes = swd.descriptors(self.draw(generator, self.count), rng)
        return float(np.mean(list(swd.sliced_wasserstein(self.reals, fakes, rng).values())))


def rank_correlation(first: list[float], second: list[float]) -> float:
    """Spearman's: the correlation of the ranks, 1 where both always rise and fall together; nan for constants."""
    import numpy as np

    def ranks(values: list[float]) -> Any:
        array = np.asarray(values)
        return np.array([(array < value).sum() + ((array == value).sum() - 1) / 2 for value in array])

    one, other = ranks(first), ranks(second)
    if len(one) < 2 or one.std() == 0 or other.std() == 0:
        return math.nan
    return float(np.corrcoef(one, other)[0, 1])


def run(options: Options) -> dict[Unit, dict[str, Any]]:
    """Results of all trainings; those that are kept already are not done again."""
    budget = QUICK if options.quick else Budget()
    options.work.mkdir(parents=True, exist_ok=True)
    cache = None if options.cache is None else str(options.cache)
    results: dict[Unit, dict[str, Any]] = {}
    left = []
    for unit in units(budget):
        path = options.work / unit.file
        if path.is_file():
            results[unit] = json.loads(path.read_bytes())
        else:
            left.append(unit)
    total = sum(unit.weight for unit in units(budget))
    form = "{l_bar}{bar}| {elapsed}<{remaining} {postfix}"
    context = multiprocessing.get_context("spawn")
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to come
    with (
        tqdm(total=total, initial=total - sum(u.weight for u in left), bar_format=form, dynamic_ncols=True) as bar,
        ProcessPoolExecutor(options.workers, context) as pool,
    ):
        waiting = {pool.submit(compute, unit, str(options.work), cache): unit for unit in left}
        try:
            for done in as_completed(waiting):
                results[waiting[done]] = done.result()
                bar.update(waiting[done].weight)
                bar.set_postfix_str(f"{len(results)} of {len(units(budget))} trainings")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {unit: results[unit] for unit in units(budget)}


def of_kind(results: Mapping[Unit, dict[str, Any]], kind: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The results of one kind of training by their arguments."""
    return {unit.arguments: result for unit, result in results.items() if unit.kind == kind}


def main() -> int:
    """The command; returns the exit status."""
    options = tyro.cli(Options, prog="python -m benchmarks.objectives")
    from benchmarks import objectives_page
    from stylegrow.common.errors import DataError

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
    sys.exit(main())
