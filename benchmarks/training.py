"""How fast a training iteration is, beside a reference transcription of it and another implementation.

python -m benchmarks.training --peer DIR
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import torch

from benchmarks import ours, peer, reference
from benchmarks.timing import apart, interleaved, machine, machine_speed, peak_memory, ratio, seconds_each
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.system import available_cpus
from stylegrow.common.tables import markdown_table
from train.distributed.processes import SingleProcess
from train.run import estimates

RowName = Literal["peer", "baseline", "float32", "tf32", "bf16"]
ROWS: tuple[RowName, ...] = ("peer", "baseline", "float32", "tf32", "bf16")


@dataclass(frozen=True)
class Options:
    """Time iterations of WGAN-GP (critic step with penalty, generator step, optimizers and EMA) on noise."""

    network: Literal["stylegan", "progan"] = "stylegan"
    """What is trained."""
    widths: tuple[str, ...] = ("official", "toonhead")
    """Presets whose networks are trained; "official" has 512 maps."""
    resolutions: tuple[int, ...] = ()
    """Pixels; without it 64 and 32, on a GPU 256."""
    batch: int | None = None
    """Images an iteration; without it 8 at the official width, else the preset's."""
    steps: int = 5
    """Iterations that are timed in each process."""
    warm_up: int = 1
    """Iterations before them that are not."""
    repeats: int = 1
    """Times that each row is measured, forwards and backwards in turn, each in a process of its own."""
    rows: tuple[RowName, ...] = ()
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
class Found:
    """A row: seconds an iteration, bytes at most, FLOP/s of a large convolution, waits for the GPU in an iteration."""

    seconds: Sequence[float]
    memory: float
    machine: float
    waits: int | None


def iteration(options: Options, row: str, preset: str, resolution: int, batch: int) -> Callable[[], object]:
    """One iteration of a row."""
    torch.set_num_threads(options.threads or available_cpus())
    torch.manual_seed(0)
    if row == "peer":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        theirs = peer.Training(options.peer or "", resolution, options.device)
        reals = torch.rand(batch, 3, resolution, resolution).to(options.device) * 2 - 1
        return lambda: theirs.step(reals)
    if row == "baseline":
        config = ours.config_of(options.network, preset, resolution)
        baseline = reference.Training(*reference.networks(*config.build()), ema_kimg=config.step.ema_kimg)
        images = torch.randint(0, 256, (batch, 3, resolution, resolution), dtype=torch.uint8)
        return lambda: baseline.step(images)
    precision = "no" if row == "float32" else row
    process = SingleProcess(options.device)
    own = ours.Training(options.network, preset, resolution, batch, process, mixed_precision=precision)
    if options.device != "cpu":
        own.warm_up()
    return own.step


def measure(options: Options, row: str, preset: str, resolution: int, batch: int) -> Found:
    """The row, in this process."""
    clock = time.process_time if options.cpu_time else time.perf_counter
    step = iteration(options, row, preset, resolution, batch)
    seconds = seconds_each(step, options.steps, options.device, options.warm_up, clock)
    memory = peak_memory(options.device)
    waits = None if options.device == "cpu" else waits_for_gpu(step)
    return Found(seconds, memory, machine_speed(row == "bf16", options.device, clock), waits)


def waits_for_gpu(step: Callable[[], object]) -> int:
    """How often an iteration waits for the GPU, as far as PyTorch notices."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        step()
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in found)


def profile(options: Options, row: str, preset: str, resolution: int, batch: int) -> str:
    """The operators in which an iteration spends most time, as a table."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as watch

    step = iteration(options, row, preset, resolution, batch)
    for _ in range(options.warm_up):
        step()
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if options.device != "cpu" else [])
    with watch(activities=activities) as watched:
        step()
    key = "self_cpu_time_total" if options.device == "cpu" else "self_device_time_total"
    return watched.key_averages().table(sort_by=key, row_limit=20, max_name_column_width=60)


def memory_at_1024() -> str:
    """The estimate for training at 1024 px with batch 4, for both architectures and precisions."""
    rows = []
    for network in ("stylegan", "progan"):
        for precision in ("no", "bf16"):
            config = ours.config_of(network, "official", 1024, batch=4, mixed_precision=precision)
            parts = estimates.memory(config)
            gigabytes = [f"{size:.1f} GB" for size in (*parts.values(), sum(parts.values()))]
            rows.append([network, "float32" if precision == "no" else precision, *gigabytes])
    return markdown_table(["1024 px, batch 4, estimated", "precision", "networks", "activations", "together"], rows)


def rows_of(options: Options, preset: str) -> list[str]:
    """The rows of a table that can be measured."""
    there = {
        "peer": options.peer is not None and options.network == peer.NETWORK and preset == "official",
        "baseline": options.device == "cpu",
        "tf32": options.device != "cpu",
    }
    return [row for row in options.rows or ROWS if there.get(row, True)]


def compare(options: Options, rows: Sequence[str], preset: str, resolution: int, batch: int) -> str:
    """The table of these rows."""
    operations = batch * ours.operations_per_image(options.network, preset, resolution)
    found = {row: summary(each) for row, each in interleaved(measure, options, rows, preset, resolution, batch).items()}
    lines = [cells(row, found, batch, operations) for row in rows]
    title = f"{options.network}, {preset}, {resolution} px, batch {batch}, {operations / 1e9:,.0f} GFLOP"
    head = [title, "s/iteration", "images/s", "to peer", "to baseline", "memory", "TFLOP/s", "machine", "share"]
    return markdown_table(head if options.device == "cpu" else [*head, "waits"], lines)


def summary(found: Sequence[Found]) -> Found:
    """One of several measurements of a row: the median of all iterations and of the machine's speeds."""
    seconds = median(one for each in found for one in each.seconds)
    return Found([seconds], max(each.memory for each in found), median(each.machine for each in found), found[0].waits)


def cells(row: str, found: Mapping[str, Found], batch: int, operations: float) -> list[str]:
    """A row of the table: speeds in multiples of the peer's and the baseline's, memory also in the peer's."""
    own = found[row]
    speed = {name: batch / one.seconds[0] for name, one in found.items()}
    memory = f"{own.memory / 1e9:.2f} GB"
    if "peer" in found and row != "peer":
        memory += f" ({own.memory / found['peer'].memory:.2f} of peer)"
    flops = operations / own.seconds[0]
    times = [ratio(speed[row], speed.get(other)) for other in ("peer", "baseline")]
    parts = [f"{own.seconds[0]:.3f}", f"{speed[row]:.2f}", *times, memory]
    parts += [f"{flops / 1e12:.3f}", f"{own.machine / 1e12:.3f}", f"{flops / own.machine:.0%}"]
    return [row, *parts, *([] if own.waits is None else [str(own.waits)])]


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.training")
    print(machine(options.threads or available_cpus(), options.device))
    if options.dry:
        print(memory_at_1024())
        return 0
    print("GFLOP: what the project's own iteration computes; TFLOP/s of every row counts the same, and its share is of")
    print("a large convolution in the row's precision. Memory is each process's peak.")
    for preset in options.widths:
        for resolution in options.resolutions or ((64, 32) if options.device == "cpu" else (256,)):
            schedule = ours.config_of(options.network, preset, resolution).schedule
            batch = options.batch or (8 if preset == "official" else schedule.batch[resolution])
            rows = rows_of(options, preset)
            if options.profile:
                for row in rows:
                    text = apart(profile, options, row, preset, resolution, batch)
                    print(f"\n{row}, {preset}, {resolution} px\n{text}", flush=True)
            elif rows:
                print(f"\n{compare(options, rows, preset, resolution, batch)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
