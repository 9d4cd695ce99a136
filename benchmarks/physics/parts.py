"""What is measured for docs/physics.md, in units that are each kept when they end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import conditioning, simulating
from benchmarks.physics import air, intensities, judging, references, refining, translating
from benchmarks.physics.samples import CELLS, kept, of_data, of_gflash
from benchmarks.simulating import speed, speed_of_processes
from benchmarks.timing import machine
from benchmarks.units import Unit
from stylegrow.data import Dataset, open_dataset
from stylegrow.physics import cascade, showers
from stylegrow.physics.observables import Showers

ENERGIES = (10.0, 30.0, 100.0)  # GeV
STEPS = (0.05, 0.2)  # X0, beside the usual one
SPEED_ENERGIES = (10.0, 100.0, 1000.0)
CODE = 32  # numbers between encoder and decoders


@dataclass(frozen=True)
class Budget:
    """How much is simulated and trained: showers and steps."""

    count: int = 10_000  # embedded showers, and as many by GFLASH
    judged: int = 2000  # of each kind
    simulated: int = 600  # at 10 GeV, and as many as cost the same above
    conditioning: int = 2000
    intensities: int = 1500
    refining: int = 1500
    regressions: int = 2000
    translating: int = 2500
    air: int = 3000
    air_count: int = 10_000
    seeds: tuple[int, ...] = (0, 1, 2)  # of refiners
    seconds: float = 2.0  # that each speed is measured for


QUICK = Budget(
    count=1280, judged=256, simulated=32, conditioning=10, intensities=50, refining=50, regressions=200,
    translating=100, air=10, air_count=500, seeds=(0,), seconds=0.2,
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where showers are kept, and the generator that is judged: what load_generator takes, or ""."""

    work: Path
    model: str = ""

    def dataset(self, count: int) -> Dataset:
        """The embedded showers, simulated on first use."""
        return open_dataset("calorimeter", count=count, quiet=True)

    def pair(self, count: int) -> tuple[Showers, Showers]:
        """The data's showers on few cells, and as many of GFLASH's, of other electrons."""
        beyond = -(-count // showers.BLOCK) * showers.BLOCK
        return (
            kept(self.work / f"cascade-{CELLS}-{count}.npz", lambda: of_data(self.dataset(count), CELLS, 0, count)),
            kept(self.work / f"gflash-{CELLS}-{count}.npz", lambda: of_gflash(CELLS, beyond, count)),
        )


def units(budget: Budget, place: Place) -> list[Unit]:
    """All parts but the timed ones, the longest first so that none is left alone at the end."""
    of = budget.count
    model = [(place.model, simulating.opened(place.model).weights)] if place.model else []
    refined = [(kept, seed) for seed in budget.seeds for kept in ("simulation", "data", *refining.WEIGHTS)]
    simulated = [
        (name, energy, cascade.STEP, max(8, round(budget.simulated * ENERGIES[0] / energy)))
        for name in showers.SIMULATORS
        for energy in ENERGIES
    ]
    simulated += [("cascade", ENERGIES[0], step, budget.simulated) for step in STEPS]
    return [
        Unit("air", air.study, (budget.air, budget.air_count)),
        *(Unit("refining", partial(refine, place), (*one, budget.refining, budget.regressions, of)) for one in refined),
        *(Unit("intensities", partial(scale, place), (one, budget.intensities, of)) for one in ("root", "logarithm")),
        Unit("translating", partial(translate, place), (CODE, budget.translating, of)),
        *(
            Unit("conditioning", partial(condition, place), (name, budget.conditioning, of))
            for name in conditioning.MECHANISMS
        ),
        *(
            Unit("judged", partial(judge, place), (Path(what).name, weights, budget.judged, of))
            for what, weights in [(judging.REAL, ""), (judging.GFLASH, ""), *model]
        ),
        *(Unit("simulated", references.simulate, one) for one in simulated),
    ]


def timings(budget: Budget, place: Place) -> list[Unit]:
    """What is timed, which nothing else is to run beside."""
    weights = simulating.opened(place.model).weights if place.model else ""
    return [Unit("speed", partial(time_all, place), (Path(place.model).name, weights, budget.seconds))]


def refine(place: Place, kept: Any, seed: int, steps: int, fit_steps: int, count: int) -> dict[str, Any]:
    """See refining: a refinement, or in its place the simulation or the data themselves."""
    data, simulation = place.pair(count)
    if kept in ("simulation", "data"):
        return refining.tested(data if kept == "data" else simulation, data, seed, fit_steps)
    return refining.study(kept, data, simulation, seed, steps, fit_steps)


def scale(place: Place, name: Any, steps: int, count: int) -> dict[str, Any]:
    """See intensities.study."""
    return intensities.study(name, place.pair(count)[0], 0, steps)


def translate(place: Place, code: int, steps: int, count: int) -> dict[str, Any]:
    """See translating.study."""
    return translating.study(*place.pair(count), code, 0, steps)


def condition(place: Place, mechanism: str, steps: int, count: int) -> dict[str, Any]:
    """What a small ProGAN with this mechanism makes of labels that are held out, and the truth."""
    options = conditioning.Options(resolution=CELLS, steps=steps, data=str(place.dataset(count).path))
    data = conditioning.read(options)
    found = conditioning.train(mechanism, options, data)
    return found | {"truth": conditioning.figures(data.held_out, data.edges), "edges": data.edges.tolist()}


def judge(place: Place, name: str, _weights: str, samples: int, count: int) -> dict[str, Any]:
    """See judging.judged."""
    what = place.model if name not in (judging.REAL, judging.GFLASH) else name
    return judging.judged(what, lambda: place.dataset(count), samples, place.work)


def time_all(place: Place, _model: str, _weights: str, seconds: float) -> dict[str, Any]:
    """Showers a second of what makes them; the machine.

    On one core by the processor's own time: simulators at SPEED_ENERGIES, generators, which are as fast at each, at the
    first. At the first also on two cores and on a GPU, where there is one, by the clock.
    """
    models = {judging.untrained(name, place.work): name for name in judging.UNTRAINED}
    models |= {place.model: Path(place.model).name} if place.model else {}
    first, found = SPEED_ENERGIES[0], {}
    for name in showers.SIMULATORS:
        one = [speed(name, energy, seconds, cpu_time=True) for energy in SPEED_ENERGIES]
        found[name] = {"one": one, "two": speed_of_processes(name, first, seconds, 2)}
    for path, name in models.items():
        one = [speed(path, first, seconds, cpu_time=True)] * len(SPEED_ENERGIES)
        found[name] = {"one": one, "two": speed(path, first, seconds, threads=2)}
        if torch.cuda.is_available():
            found[name]["gpu"] = speed(path, first, seconds, "cuda")
    return {"speeds": found, "machine": machine(2)}
