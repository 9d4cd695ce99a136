"""What growing saves: the time of as many images with growth, as a preset schedules them, and at full size throughout.

python -m benchmarks.growing
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from statistics import median
from typing import Literal

import tyro

from benchmarks.measuring import apart, machine, ratio, seconds_each
from benchmarks.training import operations_per_image
from benchmarks.widths import batch_at, width
from stylegrow.common.system import available_cpus
from stylegrow.common.tables import markdown_table
from train.config.schedule import Schedule, resolutions


@dataclass(frozen=True)
class Options:
    """Measure a thousand images at every stage, stable and fading, and add them up along the preset's schedule."""

    network: Literal["stylegan", "progan"] = "stylegan"
    """What is trained."""
    preset: str = "official"
    """Preset that gives the width, the batches and the schedule; "official" has 512 maps and is for one GPU."""
    resolutions: tuple[int, ...] = (64, 256, 1024)
    """Full resolutions to train to."""
    measured: int = 256
    """Highest stage that is measured; those above it are extrapolated."""
    batch: int | None = None
    """Pictures an iteration at most; without it, as many as the preset has at each stage."""
    steps: int = 2
    """Iterations that are timed at each stage, after one that is not."""
    precision: Literal["no", "bf16"] = "bf16"
    """Of the convolutions."""
    threads: int | None = None
    """Threads; without it, one a CPU."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where."""


@dataclass(frozen=True)
class Stage:
    """A stage that is measured: `fading` in, or trained alone."""

    network: str
    preset: str
    resolution: int
    fading: bool
    batch: int
    steps: int
    precision: str
    threads: int
    device: str


def seconds_per_kimg(stage: Stage) -> float:
    """Seconds a thousand images, in this process."""
    import torch

    from benchmarks.ours import Training
    from train.distributed.processes import SingleProcess

    torch.set_num_threads(stage.threads)
    preset = width(stage.network, stage.preset, stage.resolution)
    alpha = 0.5 if stage.fading else 1.0
    training = Training(
        stage.network,
        preset,
        stage.resolution,
        stage.batch,
        SingleProcess(stage.device),
        alpha,
        mixed_precision=stage.precision,
    )
    return 1000 * median(seconds_each(training.step, stage.steps, stage.device)) / stage.batch


def measure(options: Options) -> dict[tuple[int, bool], float]:
    """Seconds a thousand images of every stage, by (resolution, fading), as a table too.

    A stage above those that are measured is taken to do as many operations a second as the largest that is.
    """
    last = max(options.resolutions)
    first = width(options.network, options.preset, last).start_resolution
    found: dict[tuple[int, bool], float] = {}
    rows = []
    for r in resolutions(first, last):
        batch = batch_at(width(options.network, options.preset, last), r)
        batch = min(batch, options.batch or batch)
        if r <= options.measured:
            threads = options.threads or available_cpus()
            for fading in (False, True)[: 1 + (r > first)]:
                common = (batch, options.steps, options.precision, threads, options.device)
                found[r, fading] = apart(seconds_per_kimg, Stage(options.network, options.preset, r, fading, *common))
        else:
            counts = [apart(operations_per_image, options.network, options.preset, at) for at in (r, r // 2)]
            for fading in (False, True):
                below = found.get((r // 2, fading), found[r // 2, False])  # the first stage does not fade in
                found[r, fading] = below * counts[0] / counts[1]
        how = "measured" if r <= options.measured else "extrapolated"
        fade = f"{found[r, True]:.1f}" if r > first else "-"
        rows.append([f"{r} px", str(batch) if r <= options.measured else "-", f"{found[r, False]:.1f}", fade, how])
    print(markdown_table(["stage", "batch", "s/kimg", "fading in", ""], rows))
    return found


def seconds(schedule: Schedule, kimg: float, found: dict[tuple[int, bool], float]) -> float:
    """Seconds of a whole training along a schedule."""
    rows = schedule.phases(kimg)
    return sum((row.end_kimg - row.start_kimg) * found[row.resolution, row.fading] for row in rows)


def main() -> int:
    """The command line; returns the exit status."""
    options = tyro.cli(Options, description=Options.__doc__)
    print(machine(options.threads or available_cpus(), options.device))
    print(f"{options.network}, {options.preset}, precision {options.precision}\n")
    found = measure(options)
    rows = []
    for r in options.resolutions:
        preset = width(options.network, options.preset, r)
        schedule = preset.schedule(r)
        grown = seconds(schedule, preset.total_kimg, found)
        whole = preset.total_kimg * found[r, False]
        note = "measured" if r <= options.measured else "extrapolated"
        hours = [f"{value / 3600:,.1f} h" for value in (grown, whole)]
        rows.append([f"{r} px", f"{preset.total_kimg:,.0f}", *hours, ratio(whole, grown), "2 to 6x", note])
    head = ["to", "kimg", "grown", "at full size throughout", "growing gains", "paper", ""]
    print(f"\n{markdown_table(head, rows)}")
    if max(options.resolutions) > options.measured:
        print(
            f"\nExtrapolated: a stage above {options.measured} px does as many floating-point operations a second as "
            f"that of {options.measured} px, and needs as many an image as its iteration counts."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
