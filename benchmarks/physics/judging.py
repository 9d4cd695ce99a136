"""Simulators and generators against the cascade: physics' judges, and showers a second beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import progan
import stylegan
from benchmarks.physics.samples import joined, kept, of_data, of_gflash, part
from benchmarks.simulating import LABELS, generated, opened
from stylegrow.data import Dataset
from stylegrow.metrics.physics import compare_observables, compare_showers
from stylegrow.models import save_model
from stylegrow.physics import showers
from stylegrow.physics.intensity import MIP_ROOT
from stylegrow.physics.observables import Showers

REAL, GFLASH = "cascade", "gflash"
METRICS = ("fpd", "kpd", "auc")
CELLS = 32
UNTRAINED: dict[str, tuple[Any, int]] = {
    f"{name}, {maps} maps": (package, maps)
    for name, package in (("ProGAN", progan), ("StyleGAN", stylegan))
    for maps in (64, 128)
}
"""networks that are timed: their package, and their maps at every resolution"""


def of(what: str, dataset: Callable[[], Dataset], count: int, work: Path) -> Showers:
    """Showers in 32 x 32 cells by a simulator or a generator, twice as many of the cascade: a half to compare with.

    Those that are compared are of the same electrons, those of the second half.
    """
    if what == REAL:
        return kept(work / f"cascade-{CELLS}-{2 * count}.npz", lambda: of_data(dataset(), CELLS, 0, 2 * count))
    if what == GFLASH:
        return kept(work / f"gflash-{CELLS}-{count}.npz", lambda: of_gflash(CELLS, count, count))
    sampler = opened(what)
    path = work / f"{sampler.weights}-{CELLS}-{count}.npz"
    return kept(path, lambda: generated(sampler, part(of(REAL, dataset, count, work), count)))


def judged(what: str, dataset: Callable[[], Dataset], count: int, work: Path) -> dict[str, Any]:
    """All metrics of showers (`stylegrow metrics --metrics observables,fpd,kpd,auc`) against real ones."""
    reals = of(REAL, dataset, count, work)
    first, second = part(reals, 0, count), part(reals, count)
    others = second if what == REAL else of(what, dataset, count, work)
    cells = others.deposits.shape[-1]
    if cells < CELLS:  # of a generator that is coarser
        first, second = (one._replace(deposits=joined(one.deposits, cells)) for one in (first, second))
    results = compare_observables(others, second, first)
    found: dict[str, Any] = {one.name: one.value for one in results}
    for metric in METRICS:
        found |= {name: value for name, (value, _) in compare_showers(metric, first, others, 0).items()}
    details = {name: value for one in results for name, value in one.details.items()}
    return found | {"bins": details["bins"], "separations": {k: v[0] for k, v in details["separations"].items()}}


def untrained(name: str, folder: Path) -> str:
    """The model folder of new networks of UNTRAINED, which are as fast as trained ones."""
    package, maps = UNTRAINED[name]
    path = folder / name.replace(", ", "-").replace(" ", "-").lower()
    if not (path / "config.json").is_file():
        torch.manual_seed(0)
        generator = package.Generator(
            CELLS, z_dim=64, fmap_base=maps * CELLS, fmap_max=maps, label_dim=len(LABELS), label_kind="vector"
        )
        half = showers.WIDTH / 2
        low, high = (
            [energy, side, side] for energy, side in ((showers.LEAST_ENERGY, -half), (showers.MOST_ENERGY, half))
        )
        values = {"min": low, "max": high, "examples": [low, high]}
        save_model(path, generator, classes=LABELS, label_values=values, transform=MIP_ROOT.name)
    return str(path)
