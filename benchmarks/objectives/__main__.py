"""The command: python -m benchmarks.objectives [--critics | --images | --pixels]."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from benchmarks.objectives import images, images_page, pixels, plane, plane_page
from benchmarks.units import run_units
from stylegrow.common.commandline import parse, run_command


@dataclass(frozen=True)
class Options:
    """Train small generators with each objective, and write docs/objectives.md's figures and tables.

    Every training is kept when it ends: the same command goes on where it was stopped.
    """

    critics: bool = False
    """critics alone, before a fixed generator and between two lines, instead of games in the plane"""
    images: bool = False
    """Fashion-MNIST and the embedded faces instead of points in the plane"""
    pixels: bool = False
    """images that are drawn without a generator, beside the embedded faces, instead of points in the plane"""
    quick: bool = False
    """a few minutes instead of hours: the same page from trainings that are far too short"""
    out: Path = Path("docs")
    """folder of objectives.md and its images"""
    work: Path = Path("runs/objectives")
    """folder in which trainings are kept"""
    workers: Annotated[int, tyro.conf.arg(metavar="INT")] = 2
    """trainings at once, each in a thread of its own"""


def main() -> None:
    """The command line."""
    options = parse(Options, "python -m benchmarks.objectives")
    if options.images:
        todo = images.units(images.QUICK if options.quick else images.Budget())
        write = images_page.write
    elif options.pixels:
        todo, write = pixels.units(options.quick), pixels.write
    else:
        budget = plane.QUICK if options.quick else plane.Budget()
        todo = plane.critics(budget) if options.critics else plane.units(budget)
        write = plane_page.write_critics if options.critics else plane_page.write
    print(write(options.out, run_units(todo, options.work, options.workers), options.quick))


if __name__ == "__main__":
    sys.exit(run_command(main, interrupted="interrupted: the same command goes on"))
