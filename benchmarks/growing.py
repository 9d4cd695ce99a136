"""What growing saves: the time of as many images with growth, as a preset schedules them, and at full size throughout.

python -m benchmarks.growing
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from benchmarks import ours
from benchmarks.timing import apart, machine, ratio, seconds_in_a_row
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.system import available_cpus
from stylegrow.common.tables import markdown_table
from train.config.schedule import Schedule
from train.distributed.processes import SingleProcess


@dataclass(frozen=True)
class Options:
    """Time a thousand images at every stage, stable and fading, and add them up along the preset's schedule."""

    network: Literal["stylegan", "progan"] = "stylegan"
    """What is trained."""
    preset: str = "official"
    """Preset that gives the networks, the batches and the schedule; "official" has 512 maps and is for one GPU."""
    resolutions: tuple[int, ...] = (64, 256, 1024)
    """Full resolutions to train to."""
    measured: int | None = None
    """Highest stage that is measured, those above it are extrapolated; without it 256, on a GPU all."""
    batch: int | None = None
    """Images an iteration at most; without it, as many as the preset has at each stage."""
    steps: int = 2
    """Iterations that are timed at each stage at least, after some that are not."""
    seconds: float = 0.0
    """Time for the iterations of all stages together, in which more are timed; to start a stage takes seconds more."""
    precision: Literal["no", "bf16"] = "bf16"
    """Of the convolutions."""
    threads: int | None = None
    """Threads; without it, one a CPU."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where."""


def seconds_per_kimg(
    options: Options, resolution: int, batch: int, alphas: Sequence[float], seconds: float
) -> list[float]:
    """Seconds a thousand images at a stage, faded in so far; each is measured for about so many seconds."""
    torch.set_num_threads(options.threads or available_cpus())
    found = []
    for alpha in alphas:
        training = ours.Training(
            options.network, options.preset, resolution, batch, SingleProcess(options.device), alpha,
            mixed_precision=options.precision,
        )  # fmt: skip
        training.warm_up()
        found.append(1000 * seconds_in_a_row(training.step, seconds, options.device, options.steps) / batch)
    return found


def measure(options: Options, highest: int) -> dict[tuple[int, bool], float]:
    """Seconds a thousand images of every stage, by (resolution, fading), as a table too.

    A stage above the `highest` that is measured is taken to do as many operations a second as that one.
    """
    batches = ours.config_of(options.network, options.preset, max(options.resolutions)).schedule.batch
    first = min(batches)  # which does not fade in
    found: dict[tuple[int, bool], float] = {}
    share = options.seconds / (2 * sum(r <= highest for r in batches) - 1)
    rows = []
    for r in sorted(batches):
        batch, how = min(batches[r], options.batch or batches[r]), "measured" if r <= highest else "extrapolated"
        if r <= highest:
            alphas = {False: 1.0} if r == first else {False: 1.0, True: 0.5}
            each = apart(seconds_per_kimg, options, r, batch, tuple(alphas.values()), share)
            found |= {(r, fading): value for fading, value in zip(alphas, each, strict=True)}
        else:
            counts = [ours.operations_per_image(options.network, options.preset, at) for at in (r, r // 2)]
            for fading in (False, True):
                below = found.get((r // 2, fading), found[r // 2, False])
                found[r, fading] = below * counts[0] / counts[1]
        fade = f"{found[r, True]:.1f}" if r > first else "-"
        rows.append([f"{r} px", str(batch) if r <= highest else "-", f"{found[r, False]:.1f}", fade, how])
    print(markdown_table(["stage", "batch", "s/kimg", "fading in", ""], rows))
    return found


def seconds(schedule: Schedule, kimg: float, found: dict[tuple[int, bool], float]) -> float:
    """Seconds of a whole training along a schedule."""
    rows = schedule.phases(kimg)
    return sum((row.end_kimg - row.start_kimg) * found[row.resolution, row.fading] for row in rows)


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.growing")
    print(machine(options.threads or available_cpus(), options.device))
    print(f"{options.network}, {options.preset}, precision {options.precision}\n")
    highest = options.measured or (256 if options.device == "cpu" else max(options.resolutions))
    found = measure(options, highest)
    rows = []
    for r in options.resolutions:
        config = ours.config_of(options.network, options.preset, r)
        kimg = config.options.kimg or 0.0
        grown, whole = seconds(config.schedule, kimg, found), kimg * found[r, False]
        note = "measured" if r <= highest else "extrapolated"
        hours = [f"{value / 3600:,.1f} h" for value in (grown, whole)]
        rows.append([f"{r} px", f"{kimg:,.0f}", *hours, ratio(whole, grown), "2 to 6x", note])
    head = ["to", "kimg", "grown", "at full size throughout", "growing gains", "paper", ""]
    print(f"\n{markdown_table(head, rows)}")
    if max(options.resolutions) > highest:
        print(
            f"\nExtrapolated: a stage above {highest} px does as many floating-point operations a second as "
            f"that of {highest} px, and needs as many an image as its iteration counts."
        )
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
