"""How fast images of 1024 px are drawn, and one small face, beside other implementations.

python -m benchmarks.generating --peer DIR
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import torch

from benchmarks import ours, peer, reference
from benchmarks.timing import apart, interleaved, machine, peak_memory, ratio, seconds_each
from progan.layers import cache_weights
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.system import available_cpus, keep_freed_memory
from stylegrow.common.tables import markdown_table
from stylegrow.sampling.sampler import Sampler

ROWS = ("peer", "baseline", "float32", "bf16")
FACE = "stylegan-toonhead64"


@dataclass(frozen=True)
class Options:
    """Time generators of official width from latents to images, random weights, and the latency of a 64 px face."""

    networks: tuple[Literal["stylegan", "progan"], ...] = ("stylegan", "progan")
    """What draws."""
    resolution: int = 1024
    """Pixels."""
    preset: str = "official"
    """Preset that gives the networks; "official" has 512 maps at most. There is no peer for another."""
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


def drawing(options: Options, row: str, network: str, batch: int) -> Callable[[], object]:
    """A function that draws a batch as the row stands for."""
    torch.set_num_threads(options.threads or available_cpus())
    torch.manual_seed(0)
    if row == "peer":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        theirs = peer.model(options.peer or "").StyledGenerator(peer.CODE).to(options.device).eval()
        latents = torch.randn(batch, peer.CODE, device=options.device)
        return lambda: theirs(latents, step=options.resolution.bit_length() - 3, alpha=1)
    generator: Any
    generator, critic = ours.config_of(network, options.preset, options.resolution).build()
    latents = torch.randn(batch, generator.z_dim, device=options.device)
    if row == "baseline":
        transcribed = reference.networks(generator, critic)[0].to(options.device).eval()
        return lambda: transcribed(latents)
    # As the app and its commands do.
    keep_freed_memory()
    cache_weights(generator)
    generator = generator.to(options.device).eval()
    generator.compute_dtype = torch.bfloat16 if row == "bf16" else None
    return lambda: generator(latents)


def measure(options: Options, row: str, network: str, batch: int) -> tuple[list[float], float]:
    """Seconds a batch and bytes at most, in this process."""
    clock = time.process_time if options.cpu_time else time.perf_counter
    draw = drawing(options, row, network, batch)
    with torch.inference_mode():
        seconds = seconds_each(draw, options.rounds, options.device, clock=clock)
    return seconds, peak_memory(options.device)


def latency(options: Options, dtype: Literal["float32", "bf16"]) -> list[float]:
    """Seconds from a seed to one uint8 face of the bundled StyleGAN, for several seeds."""
    torch.set_num_threads(options.threads or available_cpus())
    sampler = Sampler(FACE, options.device, dtype=dtype)
    setting = sampler.setting()
    seeds = iter(range(options.faces + 3))
    return seconds_each(lambda: list(sampler.images([next(seeds)], setting)), options.faces, options.device, warm_up=3)


def compare(options: Options, network: str, batch: int) -> str:
    """The table of a network and a batch."""
    there = options.peer is not None and network == peer.NETWORK and options.preset == "official"
    found = interleaved(measure, options, ROWS if there else ROWS[1:], network, batch)
    seconds = {row: median(one for times, _ in each for one in times) for row, each in found.items()}
    speed = {row: batch / own for row, own in seconds.items()}
    rows = []
    for row, each in found.items():
        times = [ratio(speed[row], speed.get(other)) for other in ("peer", "baseline")]
        memory = max(most for _, most in each)
        rows.append([row, f"{seconds[row]:.3f}", f"{speed[row]:.2f}", *times, f"{memory / 1e9:.2f} GB"])
    title = f"{network}, {options.resolution} px, batch {batch}"
    return markdown_table([title, "s/batch", "images/s", "to peer", "to baseline", "memory"], rows)


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.generating")
    print(machine(options.threads or available_cpus(), options.device))
    for network in options.networks:
        for batch in options.batches:
            print(f"\n{compare(options, network, batch)}", flush=True)
    if options.faces:
        rows = []
        for dtype in ("float32", "bf16"):
            times = [1000 * value for value in apart(latency, options, dtype)]
            rows.append([dtype, *(f"{value:.1f} ms" for value in (median(times), min(times), max(times)))])
        print(f"\n{markdown_table([f'one 64 px face of {FACE}', 'median', 'least', 'most'], rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
