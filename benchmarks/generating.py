"""How fast images of 1024 px are drawn, and one small face, beside other implementations.

python -m benchmarks.generating --peer DIR
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal

import tyro

from benchmarks.measuring import apart, machine, peak_memory, ratio, seconds_each
from benchmarks.widths import width
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.system import available_cpus
from stylegrow.common.tables import markdown_table

ROWS = ("peer", "baseline", "float32", "bf16")
FACE = "stylegan-toonhead64"


@dataclass(frozen=True)
class Options:
    """Measure generators of official width from latents to images, random weights, and the latency of a 64 px face."""

    networks: tuple[Literal["stylegan", "progan"], ...] = ("stylegan", "progan")
    """What draws."""
    resolution: int = 1024
    """Pixels."""
    preset: str = "official"
    """Preset that gives the width; "official" has 512 maps at most. There is no peer for another."""
    batches: tuple[int, ...] = (1, 8)
    """Images at once."""
    rounds: int = 3
    """Batches that are timed in each process, after one that is not."""
    repeats: int = 1
    """Times that each row is measured, forwards and backwards in turn, each in a process of its own."""
    faces: int = 50
    """Faces whose latency is measured; 0 for none."""
    peer: str | None = None
    """A checkout of rosinality/style-based-gan-pytorch; without it there is no row for it."""
    threads: int | None = None
    """Threads of each process; without it, one a CPU."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where."""
    cpu_time: bool = False
    """Time the processor's work, over all threads, not the clock: steadier where others work too, with one thread."""


@dataclass(frozen=True)
class Job:
    """A row of a table."""

    row: str
    network: str
    preset: str
    resolution: int
    batch: int
    rounds: int
    threads: int
    device: str
    cpu_time: bool
    peer: str | None


def drawing(job: Job) -> Callable[[], object]:
    """Draws a batch as the row stands for."""
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    if job.row == "peer":
        from benchmarks import peer

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        theirs = peer.model(job.peer or "").StyledGenerator(peer.CODE).to(job.device).eval()
        step = job.resolution.bit_length() - 3
        latents = torch.randn(job.batch, peer.CODE, device=job.device)
        return lambda: theirs(latents, step=step, alpha=1)
    from benchmarks import ours, plain
    from progan.layers import keep_weights
    from stylegrow.common.system import keep_freed_memory

    generator, critic = ours.networks(job.network, width(job.network, job.preset, job.resolution), job.resolution)
    latents = torch.randn(job.batch, generator.z_dim, device=job.device)
    if job.row == "baseline":
        transcribed, _ = plain.networks(generator, critic, job.resolution)
        transcribed = transcribed.to(job.device).eval()
        return lambda: transcribed(latents)
    # As the app and its commands do.
    keep_freed_memory()
    keep_weights(generator)
    generator = generator.to(job.device).eval()
    generator.compute_dtype = torch.bfloat16 if job.row == "bf16" else None
    return lambda: generator(latents)


def measure(job: Job) -> tuple[list[float], float]:
    """Seconds a batch and bytes at most, in this process."""
    import torch

    clock = time.process_time if job.cpu_time else time.perf_counter
    draw = drawing(job)
    with torch.inference_mode():
        seconds = seconds_each(draw, job.rounds, job.device, clock=clock)
    return seconds, peak_memory(job.device)


def latency(count: int, threads: int, device: str, bf16: bool) -> list[float]:
    """Seconds from a seed to one uint8 face of the bundled StyleGAN, for several seeds."""
    import torch

    from stylegrow.sampling.engine import Engine

    torch.set_num_threads(threads)
    engine = Engine(FACE, device, dtype="bf16" if bf16 else "float32")
    setting = engine.setting()
    seeds = iter(range(count + 3))
    return seconds_each(lambda: list(engine.images([next(seeds)], setting)), count, device, warm_up=3)


def compare(options: Options, network: str, batch: int) -> str:
    """The table of a network and a batch."""
    there = options.peer is not None and ARCHITECTURES[network].has_styles and options.preset == "official"
    threads = options.threads or available_cpus()
    common = (network, options.preset, options.resolution, batch, options.rounds, threads)
    where = (options.device, options.cpu_time, options.peer)
    todo = [Job(row, *common, *where) for row in ROWS if row != "peer" or there]
    found: dict[str, tuple[list[float], float]] = {job.row: ([], 0.0) for job in todo}
    for repeat in range(options.repeats):
        for job in todo[:: -1 if repeat % 2 else 1]:
            seconds, memory = apart(measure, job)
            found[job.row] = (found[job.row][0] + seconds, max(found[job.row][1], memory))
    speed = {row: batch / median(seconds) for row, (seconds, _) in found.items()}
    rows = []
    for row, (seconds, memory) in found.items():
        times = [ratio(speed[row], speed.get(other)) for other in ("peer", "baseline")]
        rows.append([row, f"{median(seconds):.3f}", f"{speed[row]:.2f}", *times, f"{memory / 1e9:.2f} GB"])
    title = f"{network}, {options.resolution} px, batch {batch}"
    return markdown_table([title, "s/batch", "images/s", "to peer", "to baseline", "memory"], rows)


def main() -> int:
    """The command line; returns the exit status."""
    options = tyro.cli(Options, description=Options.__doc__)
    threads = options.threads or available_cpus()
    print(machine(threads, options.device))
    for network in options.networks:
        for batch in options.batches:
            print(f"\n{compare(options, network, batch)}", flush=True)
    if options.faces:
        rows = []
        for name, bf16 in (("float32", False), ("bf16", True)):
            times = [1000 * value for value in apart(latency, options.faces, threads, options.device, bf16)]
            rows.append([name, *(f"{value:.1f} ms" for value in (median(times), min(times), max(times)))])
        print(f"\n{markdown_table([f'one 64 px face of {FACE}', 'median', 'least', 'most'], rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
