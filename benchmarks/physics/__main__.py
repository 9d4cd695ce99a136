"""The command: python -m benchmarks.physics."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from benchmarks.physics import page, parts
from benchmarks.units import run_units
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.errors import InputError


@dataclass(frozen=True)
class Options:
    """Simulate, train and judge showers, and write the figures and tables of docs/physics.md.

    Every part is kept when it ends: the same command goes on where it was stopped.
    """

    parts: tuple[str, ...] = ()
    """kinds of parts to do, of which the page then tells (default: all)"""
    quick: bool = False
    """a minute or two instead of the better part of an hour: the same page from trainings that are far too short"""
    model: Annotated[str, tyro.conf.arg(metavar="MODEL", help_behavior_hint="(default: none)")] = ""
    """generator of --data calorimeter that is judged and timed as well"""
    out: Path = Path("docs")
    """folder of physics.md and its images"""
    work: Path = Path("runs/physics")
    """folder in which parts are kept"""
    workers: Annotated[int, tyro.conf.arg(metavar="INT")] = 2
    """parts at once, each in a thread of its own"""


def main() -> None:
    """The command line."""
    options = parse(Options, "python -m benchmarks.physics")
    budget = parts.QUICK if options.quick else parts.Budget()
    place = parts.Place(options.work, options.model)
    todo = parts.units(budget, place), parts.timings(budget, place)  # of which nothing is to run beside the latter
    kinds = dict.fromkeys(unit.kind for one in todo for unit in one)
    for kind in options.parts:
        if kind not in kinds:
            raise InputError(f"--parts {kind}: is none of {', '.join(kinds)}")
    first, timed = ([unit for unit in one if unit.kind in (options.parts or kinds)] for one in todo)
    results = {**run_units(first, options.work, options.workers), **run_units(timed, options.work, 1)}
    print(page.write(options.out, results, budget, place, options.quick))


if __name__ == "__main__":
    sys.exit(run_command(main, interrupted="interrupted: the same command goes on"))
