"""How fast a training iteration is, beside a plain transcription of it and another implementation.

python -m benchmarks.training --peer DIR
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import tyro

from benchmarks.measuring import apart, machine, machine_speed, peak_memory, ratio, seconds_each
from benchmarks.widths import batch_at, width
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.system import available_cpus
from stylegrow.common.tables import markdown_table

ROWS = ("peer", "baseline", "float32", "bf16")


@dataclass(frozen=True)
class Options:
    """Measure iterations of WGAN-GP (critic step with penalty, generator step, optimizers and averages) on noise."""

    network: Literal["stylegan", "progan"] = "stylegan"
    """What is trained."""
    widths: tuple[str, ...] = ("official", "toonhead")
    """Presets whose widths are measured; "official" has 512 maps."""
    resolutions: tuple[int, ...] = ()
    """Pixels; without it 64 and 32, on a GPU 256."""
    batch: int | None = None
    """Pictures an iteration; without it 8 at the official width, else the preset's."""
    steps: int = 5
    """Iterations that are timed in each process."""
    warm_up: int = 1
    """Iterations before them that are not."""
    repeats: int = 1
    """Times that each row is measured, forwards and backwards in turn, each in a process of its own."""
    rows: tuple[Literal["peer", "baseline", "float32", "bf16"], ...] = ()
    """Rows of the tables; without it, all that there are."""
    peer: str | None = None
    """A checkout of rosinality/style-based-gan-pytorch; without it there is no row for it."""
    threads: int | None = None
    """Threads of each process; without it, one a CPU."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where."""
    cpu_time: bool = False
    """Time the processor's work, over all threads, not the clock: steadier where others work too, with one thread."""
    profile: bool = False
    """Print the operators that take most of the project's own step instead, for each of its rows."""
    dry: bool = False
    """Only print the memory that training at 1024 px with batch 4 is estimated to take."""


@dataclass(frozen=True)
class Job:
    """What a process is to measure: a row of a table."""

    row: str
    network: str
    width: str
    resolution: int
    batch: int
    steps: int
    warm_up: int
    threads: int
    device: str
    cpu_time: bool
    peer: str | None

    @property
    def clock(self) -> Callable[[], float]:
        """What tells the time."""
        return time.process_time if self.cpu_time else time.perf_counter


@dataclass(frozen=True)
class Found:
    """What it found: seconds an iteration, bytes at most, FLOP/s of a large convolution, waits for the GPU a step."""

    seconds: tuple[float, ...]
    memory: float
    machine: float
    waits: int | None


def iteration(job: Job) -> Callable[[], object]:
    """One iteration of what the row stands for."""
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    if job.row == "peer":
        from benchmarks import peer

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        theirs = peer.Training(job.peer or "", job.resolution, job.device)
        reals = torch.rand(job.batch, 3, job.resolution, job.resolution).to(job.device) * 2 - 1
        return lambda: theirs.step(reals)
    from benchmarks import ours, plain
    from train.distributed.processes import SingleProcess

    preset = width(job.network, job.width, job.resolution)
    if job.row == "baseline":
        networks = plain.networks(*ours.networks(job.network, preset, job.resolution), job.resolution)
        baseline = plain.Training(*networks, ema_kimg=preset.ema_kimg)
        pictures = torch.randint(0, 256, (job.batch, 3, job.resolution, job.resolution), dtype=torch.uint8)
        return lambda: baseline.step(pictures)
    config: dict[str, Any] = {"mixed_precision": "no" if job.row == "float32" else "bf16", "ema_kimg": preset.ema_kimg}
    return ours.Training(job.network, preset, job.resolution, job.batch, SingleProcess(job.device), **config).step


def measure(job: Job) -> Found:
    """The row, in this process."""
    step = iteration(job)
    seconds = seconds_each(step, job.steps, job.device, job.warm_up, job.clock)
    memory = peak_memory(job.device)
    waits = None if job.device == "cpu" else waits_for_gpu(step)
    speed = machine_speed(job.row == "bf16", job.device, job.clock)
    return Found(tuple(seconds), memory, speed, waits)


def waits_for_gpu(step: Callable[[], object]) -> int:
    """How often an iteration waits for the GPU, as far as PyTorch notices."""
    import warnings

    import torch

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        step()
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in said)


def profile(job: Job) -> str:
    """The operators in which an iteration spends most time, as a table."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as watch

    step = iteration(job)
    for _ in range(job.warm_up):
        step()
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if job.device != "cpu" else [])
    with watch(activities=activities) as watched:
        step()
    key = "self_cpu_time_total" if job.device == "cpu" else "self_device_time_total"
    return watched.key_averages().table(sort_by=key, row_limit=20, max_name_column_width=60)


def operations_per_image(network: str, name: str, resolution: int) -> float:
    """As in `ours`, which cannot be imported where PyTorch is not to be."""
    from benchmarks import ours

    return ours.operations_per_image(network, name, resolution)


def memory_at_1024() -> str:
    """The estimate for training at 1024 px with batch 4, for both architectures and precisions."""
    from benchmarks.ours import estimated_memory

    rows = []
    for network in ("stylegan", "progan"):
        for precision in ("no", "bf16"):
            parts = estimated_memory(network, 1024, 4, precision)
            gigabytes = [f"{size:.1f} GB" for size in (*parts.values(), sum(parts.values()))]
            rows.append([network, "float32" if precision == "no" else precision, *gigabytes])
    return markdown_table(
        ["1024 px, batch 4, estimated", "precision", "networks", "activations", "together"], rows, padded=True
    )


def jobs(options: Options, name: str, resolution: int) -> list[Job]:
    """The rows of a table that can be measured."""
    preset = width(options.network, name, resolution)
    batch = options.batch or (8 if name == "official" else batch_at(preset, resolution))
    there = {
        "peer": options.peer is not None and ARCHITECTURES[options.network].has_styles and name == "official",
        "baseline": options.device == "cpu",
        "float32": True,
        "bf16": True,
    }
    threads = options.threads or available_cpus()
    common = (options.network, name, resolution, batch, options.steps, options.warm_up, threads)
    where = (options.device, options.cpu_time, options.peer)
    return [Job(row, *common, *where) for row in options.rows or ROWS if there[row]]


def compare(todo: list[Job], repeats: int) -> str:
    """The table of these rows."""
    first = todo[0]
    count = first.batch * apart(operations_per_image, first.network, first.width, first.resolution)
    found: dict[str, list[Found]] = {job.row: [] for job in todo}
    for repeat in range(repeats):
        for job in todo[:: -1 if repeat % 2 else 1]:
            found[job.row].append(apart(measure, job))
    each = {name: summary(several) for name, several in found.items()}
    rows = [cells(name, each, first.batch, count) for name in each]
    title = f"{first.network}, {first.width}, {first.resolution} px, batch {first.batch}, {count / 1e9:,.0f} GFLOP"
    head = [title, "s/iteration", "images/s", "to peer", "to baseline", "memory", "TFLOP/s", "machine", "share"]
    return markdown_table([*head, "waits"] if first.device != "cpu" else head, rows)


def summary(found: list[Found]) -> Found:
    """One of several measurements of a row: the median of all iterations and of the machine's speeds."""
    seconds = median([one for each in found for one in each.seconds])
    return Found((seconds,), max(each.memory for each in found), median(each.machine for each in found), found[0].waits)


def cells(name: str, each: dict[str, Found], batch: int, count: float) -> list[str]:
    """A row of the table: speeds are so many times the peer's and the baseline's, the memory is its share of them."""
    own = each[name]
    speed = {row: batch / one.seconds[0] for row, one in each.items()}
    memory = f"{own.memory / 1e9:.2f} GB"
    if "peer" in each and name != "peer":
        memory += f" ({own.memory / each['peer'].memory:.2f} of peer)"
    flops = count / own.seconds[0]
    times = [ratio(speed[name], speed.get(other)) for other in ("peer", "baseline")]
    parts = [f"{own.seconds[0]:.3f}", f"{speed[name]:.2f}", *times, memory]
    parts += [f"{flops / 1e12:.3f}", f"{own.machine / 1e12:.3f}", f"{flops / own.machine:.0%}"]
    return parts_with_waits([name, *parts], own.waits)


def parts_with_waits(parts: list[str], waits: int | None) -> list[str]:
    """The cells, and where there is a GPU how often the step waits for it."""
    return parts if waits is None else [*parts, str(waits)]


def main() -> int:
    """The command line; returns the exit status."""
    options = tyro.cli(Options, description=Options.__doc__)
    print(machine(options.threads or available_cpus(), options.device))
    if options.dry:
        print(apart(memory_at_1024))
        return 0
    print("GFLOP: what the project's own iteration computes; TFLOP/s of every row counts the same, and its share is of")
    print("a large convolution in the row's precision. Memory is each process's peak.")
    for name in options.widths:
        for resolution in options.resolutions or ((64, 32) if options.device == "cpu" else (256,)):
            todo = jobs(options, name, resolution)
            if options.profile:
                for job in todo:
                    print(f"\n{job.row}, {name}, {resolution} px\n{apart(profile, job)}", flush=True)
            elif todo:
                print(f"\n{compare(todo, options.repeats)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
