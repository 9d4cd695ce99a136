"""How fast showers are simulated and how good they are: the cascade, GFLASH, and generators.

python -m benchmarks.simulating --models MODEL --plot profiles.png
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from benchmarks.profiles import draw_profiles
from benchmarks.timing import apart, machine, ratio, seconds_in_a_row
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.errors import InputError
from stylegrow.common.images import to_uint8
from stylegrow.common.tables import markdown_table
from stylegrow.data.pyramid import levels_of
from stylegrow.metrics.physics import auc_of_observables, kpd, read_deposits
from stylegrow.physics import showers
from stylegrow.physics.intensity import MIP_ROOT
from stylegrow.physics.observables import Showers, features, separations
from stylegrow.physics.tungsten import CALORIMETER
from stylegrow.sampling import generation
from stylegrow.sampling.sampler import Sampler

BATCH = 64
LABELS = ("energy", "impact_x", "impact_y")  # GeV, R_M


@dataclass(frozen=True)
class Options:
    """Time showers of given energies by the cascade, GFLASH and generators, and judge those from 10 to 100 GeV."""

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL")] = ()
    """Generators of --data calorimeter: what load_generator takes."""
    energies: tuple[float, ...] = (10, 100, 1000)
    """GeV; generators know 10 to 100 GeV, and are as fast at others."""
    threads: tuple[int, ...] = (1, 2)
    """CPU cores: as many threads of a generator, and processes of a simulator, which has one thread."""
    seconds: float = 5.0
    """That each speed is measured for."""
    cpu_time: bool = False
    """Time the processor's work, not the clock: steadier where others work too, with one thread on a CPU alone."""
    showers: int = 512
    """Of each kind, for the quality: a multiple of 64; the cascade simulates twice as many."""
    plot: str | None = None
    """PNG of one page of profiles."""


def drawing(what: str, energy: float, device: str = "cpu", threads: int = 1) -> tuple[Callable[[], object], int]:
    """A function that makes showers of so many GeV, and how many."""
    torch.set_num_threads(threads)
    if what in showers.SIMULATORS:
        count = max(1, min(BATCH, round(BATCH * 20 / energy)))
        rng, energies = np.random.default_rng(0), np.full(count, 1000 * energy)
        return lambda: showers.SIMULATORS[what](energies, np.zeros((count, 2)), rng), count
    sampler = opened(what, device)
    values = [energy if name == "energy" else 0.0 for name in sampler.labels.names]
    labels = torch.tensor([values] * BATCH, device=device)
    latents = torch.randn(BATCH, sampler.generator.z_dim, device=device)
    return torch.inference_mode()(lambda: read_deposits(pixels(sampler.generator(latents, labels)))), BATCH


def speed(
    what: str, energy: float, seconds: float, device: str = "cpu", threads: int = 1, cpu_time: bool = False
) -> float:
    """Showers a second."""
    work, count = drawing(what, energy, device, threads)
    work()
    clock = time.process_time if cpu_time else time.perf_counter
    return count / seconds_in_a_row(work, seconds, device, clock=clock)


def speed_of_processes(what: str, energy: float, seconds: float, count: int) -> float:
    """Showers a second that several processes of one thread make together."""
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        return sum(pool.map(speed, [what] * count, [energy] * count, [seconds] * count))


def opened(model: str, device: str = "cpu") -> Sampler:
    """A generator of showers. InputError for another."""
    sampler = Sampler(model, device)
    if sampler.transform != MIP_ROOT.name or not set(sampler.labels.names) <= set(LABELS):
        raise InputError(f"--models {model}: is no generator of --data calorimeter; leave it out")
    return sampler


def pixels(images: torch.Tensor) -> np.ndarray:
    """Images of a generator as grey levels [N, 3, n, n] (uint8)."""
    return to_uint8(images).transpose(0, 3, 1, 2)


def simulated(simulator: str, blocks: Sequence[int]) -> Showers:
    """The embedded showers of these blocks, by one of the simulators."""
    found = [showers.block(number, simulator) for number in blocks]
    deposits, energy = (np.concatenate([getattr(one, name) for one in found]) for name in ("deposits", "energy"))
    return Showers(deposits, energy, np.concatenate([one.impact for one in found if one.impact is not None]))


def generated(sampler: Sampler, electrons: Showers) -> Showers:
    """A generator's showers of the same electrons; of their impacts where it is told them."""
    assert electrons.impact is not None
    known = dict(zip(LABELS, (electrons.energy, *electrons.impact.T), strict=True))
    labels = torch.from_numpy(np.stack([known[name] for name in sampler.labels.names], axis=1).astype(np.float32))
    setting = sampler.setting()
    images = generation.images(sampler.generator, range(len(labels)), setting, labels, BATCH)
    told = set(LABELS) <= set(sampler.labels.names)
    return as_stored(np.concatenate([pixels(one) for one in images]), electrons, told)


def as_stored(levels: np.ndarray, electrons: Showers, told: bool = True) -> Showers:
    """Showers of grey levels [N, 3, n, n], as the metrics see them."""
    return Showers(read_deposits(levels), electrons.energy, electrons.impact if told else None)


def stored(real: Showers, cells: int) -> Showers:
    """Simulated showers with n x n cells, as data sets store them."""
    return as_stored(dict(levels_of(MIP_ROOT.encode(real.deposits), MIP_ROOT.roots))[cells], real)


def quality(others: Showers, reals: Showers) -> list[str]:
    """The mean separation power, 1,000 times the KPD, and the AUC of the observables."""
    if others.impact is None:
        reals = reals._replace(impact=None)
    mean = float(np.mean(list(separations(reals, others).values())))
    distance, error = kpd(features(reals), features(others))
    auc, _ = auc_of_observables(reals, others, 0)
    return [f"{mean:.3f}", f"{1000 * distance:.3g} ± {1000 * error:.2g}", f"{auc:.3f}"]


def speeds(options: Options) -> str:
    """The table of showers a second; behind them, how many times faster than the cascade."""
    places = [("cpu", threads) for threads in options.threads]
    places += [("cuda", 1)] if torch.cuda.is_available() else []
    rows: list[list[str]] = []
    cascade: dict[tuple[int, float], float] = {}
    for what in (*showers.SIMULATORS, *options.models):
        for device, threads in places:
            if device != "cpu" and what in showers.SIMULATORS:
                continue
            row = [what, f"{threads} of CPU" if device == "cpu" else "GPU"]
            for energy in options.energies:
                if what in showers.SIMULATORS and threads > 1:
                    found = speed_of_processes(what, energy, options.seconds, threads)
                else:
                    found = apart(speed, what, energy, options.seconds, device, threads, options.cpu_time)
                if what == "cascade":
                    cascade[threads, energy] = found
                    row.append(f"{found:.3g}")
                else:
                    row.append(f"{found:.3g} ({ratio(found, cascade[threads, energy])})")
            rows.append(row)
    return markdown_table(["showers/s", "cores", *(f"{energy:g} GeV" for energy in options.energies)], rows)


def judged(options: Options) -> tuple[str, dict[str, Showers]]:
    """The table of qualities, and the showers that a page of profiles shows."""
    half = options.showers // showers.BLOCK
    reals, others = (simulated("cascade", range(start, start + half)) for start in (0, half))
    parametrised, drawn, rows = simulated("gflash", range(half, 2 * half)), {}, []
    samplers = {model: opened(model) for model in options.models}
    sizes = sorted({sampler.generator.resolution for sampler in samplers.values()} or {CALORIMETER.cells})
    for cells in sizes:
        real = stored(reals, cells)
        sets = {"cascade": stored(others, cells), "gflash": stored(parametrised, cells)}
        for model, sampler in samplers.items():
            if sampler.generator.resolution == cells:
                sets[model] = generated(sampler, others)
        rows += [[name, f"{cells} x {cells}", *quality(one, real)] for name, one in sets.items()]
        drawn = sets | {"cascade": real}  # of the largest
    titles = ["against the cascade", "cells", "separation", "KPD x 1000", "AUC, observables"]
    return markdown_table(titles, rows), drawn


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.simulating")
    if options.showers < showers.BLOCK or options.showers % showers.BLOCK:
        raise InputError(f"--showers {options.showers}: give a multiple of {showers.BLOCK}")
    if options.cpu_time and (options.threads != (1,) or torch.cuda.is_available()):
        raise InputError("--cpu-time: is for one thread on a CPU; give --threads 1 where there is no GPU")
    start = time.monotonic()
    print(machine(max(options.threads)))
    print(f"\n{speeds(options)}", flush=True)
    table, sets = judged(options)
    print(f"\n{table}\n\n{time.monotonic() - start:.0f} s")
    if options.plot is not None:
        draw_profiles(sets, Path(options.plot))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
