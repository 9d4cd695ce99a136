"""How training scales: real images a second for several numbers of processes that have the machine's cores in common.

python -m benchmarks.scaling --resolution 32 --processes 1 2
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from benchmarks import ours
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.system import available_cpus
from stylegrow.common.tables import text_table
from train.distributed.processes import Processes
from train.run.estimates import parameters

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Options:
    """Time training steps on noise, started by torchrun, and print a row for each number of processes."""

    network: Literal["progan", "stylegan"] = "progan"
    """What is trained."""
    resolution: int = 32
    """Stage that is trained."""
    preset: str = "toonhead"
    """Preset that gives the networks and the batch; "official" has 512 maps."""
    processes: tuple[int, ...] = (1, 2)
    """Numbers of processes."""
    threads: int | None = None
    """Threads of each process; without it, the cores divided among them."""
    batch: int | None = None
    """Images a step over all processes."""
    mixed_precision: Literal["no", "bf16"] = "no"
    """Precision of the convolutions."""
    steps: int = 20
    """Steps that are timed, after two that are not."""


def measure(options: Options) -> None:
    """One of the processes: the first prints the batch, seconds a step and numbers in a step's messages, as JSON."""
    r = options.resolution
    batch = options.batch or ours.config_of(options.network, options.preset, r).schedule.batch[r]
    with Processes() as processes:
        training = ours.Training(
            options.network, options.preset, r, batch, processes, mixed_precision=options.mixed_precision
        )

        def steps(count: int) -> float:
            processes.together(lambda: None)
            start = time.perf_counter()
            for _ in range(count):
                training.step()
            if processes.device.type == "cuda":
                torch.cuda.synchronize()
            return (time.perf_counter() - start) / count

        steps(2)
        seconds = steps(options.steps)
        if processes.is_main:
            numbers = parameters(training.trainer.generator) + parameters(training.trainer.discriminator)
            print(json.dumps({"batch": training.schedule.batch[r], "seconds": seconds, "numbers": numbers}))


def launch(options: Sequence[str], processes: int, threads: int) -> dict[str, float]:
    """What the first of so many processes printed, given these words. CalledProcessError where they fail."""
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [*words, "-m", "benchmarks.scaling", *options],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.scaling")
    if "LOCAL_RANK" in os.environ:
        measure(options)
        return 0
    what = f"{options.network}, {options.preset}, {options.resolution} px, precision {options.mixed_precision}"
    print(f"{what}, {available_cpus()} CPUs")
    rows, base = [["processes", "threads", "batch", "ms/step", "images/s", "speed", "MB/step"]], 0.0
    for processes in options.processes:
        threads = options.threads or max(available_cpus() // processes, 1)
        try:
            found = launch(sys.argv[1:], processes, threads)
        except subprocess.CalledProcessError:
            print(f"error: {processes} processes could not be measured; see above", file=sys.stderr)
            return 1
        speed = found["batch"] / found["seconds"]
        base = base or speed
        sent = 4e-6 * found["numbers"] if processes > 1 else 0.0
        numbers = [f"{1000 * found['seconds']:.1f}", f"{speed:.1f}", f"{speed / base:.2f}x", f"{sent:.1f}"]
        rows.append([str(processes), str(threads), str(found["batch"]), *numbers])
    print(*text_table(rows, ">"), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
