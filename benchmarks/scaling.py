"""How training scales: real pictures a second for several numbers of processes that share the machine's cores.

python benchmarks/scaling.py --resolution 32 --processes 1 2
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a script, it stands beside the packages

from benchmarks.widths import batch_at, width


@dataclass(frozen=True)
class Options:
    """Measure training steps on noise, started by torchrun, and print a row for each number of processes."""

    network: Literal["progan", "stylegan"] = "progan"
    """What is trained."""
    resolution: int = 32
    """Stage that is trained."""
    preset: str = "toonhead"
    """Preset that gives the networks' width and the batch; "official" has 512 maps."""
    processes: tuple[int, ...] = (1, 2)
    """Numbers of processes."""
    threads: int | None = None
    """Threads of each process; without it, its share of the cores."""
    batch: int | None = None
    """Pictures a step over all processes."""
    mixed_precision: Literal["no", "bf16"] = "no"
    """Precision of the convolutions."""
    steps: int = 20
    """Steps that are timed, after two that are not."""


def measure(options: Options) -> None:
    """One of the processes: the first prints the batch, seconds a step and numbers in a step's messages, as JSON."""
    import torch

    from benchmarks.ours import Training
    from train.distributed.processes import Processes
    from train.run.estimates import parameters

    r = options.resolution
    table = width(options.network, options.preset, r)
    with Processes() as processes:
        batch = options.batch or batch_at(table, r)
        precision = options.mixed_precision
        training = Training(options.network, table, r, batch, processes, mixed_precision=precision)

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


def launch(options: Options, processes: int, threads: int) -> dict[str, float]:
    """What the first of so many processes printed."""
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [*words, __file__, *sys.argv[1:]],
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    """The command line; returns the exit status."""
    options = tyro.cli(Options)
    if "LOCAL_RANK" in os.environ:
        measure(options)
        return 0
    from stylegrow.common.system import available_cpus

    what = f"{options.network}, {options.preset}, {options.resolution} px, precision {options.mixed_precision}"
    print(f"{what}, {available_cpus()} CPUs")
    print(f"{'processes':>9} {'threads':>8} {'batch':>6} {'ms/step':>9} {'images/s':>9} {'speed':>6} {'MB/step':>8}")
    base = 0.0
    for processes in options.processes:
        threads = options.threads or max(available_cpus() // processes, 1)
        try:
            found = launch(options, processes, threads)
        except subprocess.CalledProcessError:
            print(f"error: {processes} processes could not be measured; see above", file=sys.stderr)
            return 1
        speed = found["batch"] / found["seconds"]
        base = base or speed
        sent = 4e-6 * found["numbers"] if processes > 1 else 0.0
        row = f"{processes:>9} {threads:>8} {found['batch']:>6} {1000 * found['seconds']:>9.1f}"
        print(f"{row} {speed:>9.1f} {speed / base:>5.2f}x {sent:>8.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
