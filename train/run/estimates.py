"""How long a run will take, by the steps that it has taken, and how much memory."""

import math
from collections.abc import Mapping

import torch
from torch import nn

from train.config.memory import activations
from train.config.run_config import RunConfig
from train.config.schedule import Schedule
from train.step.parts import part_sizes

# All weights, as scaled, cast and upscaled for each evaluation of a step; fitted to real steps on a CPU, as
# activations are.
WEIGHT_COPIES = 4.5


def seconds_per_image(
    measured: Mapping[int, float], schedule: Schedule, outputs: Mapping[int, int]
) -> dict[int, float]:
    """Seconds a real image takes at each resolution: measured at one of them or more, reckoned for the others.

    A step takes so long for each block of the networks, however little it computes, and so long for each of the
    `outputs`. The two largest resolutions that were measured tell both; one alone tells the bounds, of which this is
    the geometric mean.
    """

    def blocks(r: int) -> int:
        return r.bit_length() - 2

    def work(r: int) -> int:
        return schedule.batch[r] * outputs[r]

    *_, before, last = [0, *sorted(measured)]
    step = measured[last] * schedule.batch[last]
    most, block = step / blocks(last), None
    if before:
        step_before = measured[before] * schedule.batch[before]
        if scale := blocks(before) * work(last) - blocks(last) * work(before):
            block = min(max((step_before * work(last) - step * work(before)) / scale, 0.0), most)

    def reckoned(r: int) -> float:
        if block is None:
            return math.sqrt(most * blocks(r) * step * work(r) / work(last))
        return block * blocks(r) + (step - block * blocks(last)) * work(r) / work(last)

    return {r: measured.get(r) or reckoned(r) / batch for r, batch in schedule.batch.items()}


def seconds_left(schedule: Schedule, images: int, end: int, seconds: Mapping[int, float]) -> float:
    """The estimate for the rest of a run."""
    total = 0.0
    for row in schedule.phases(end / 1000):
        first, last = max(row.start_kimg * 1000, images), row.end_kimg * 1000
        total += max(last - first, 0.0) * seconds[row.resolution]
    return total


def parameters(network: nn.Module) -> int:
    """How many trainable numbers a network has."""
    return sum(parameter.numel() for parameter in network.parameters())


def memory(config: RunConfig) -> dict[str, float]:
    """A process's memory at the last stage, estimated in gigabytes: the networks with their state, and activations."""
    with torch.device("meta"):
        generator, discriminator = config.build()
    r, precision = config.schedule.resolution, config.options.mixed_precision
    # Weights, gradients and two moments of both networks, and the averaged generator, in float32.
    state = 4 * (5 * parameters(generator) + 4 * parameters(discriminator))
    copies = WEIGHT_COPIES * (parameters(generator) + parameters(discriminator)) * (2 if precision == "bf16" else 4)
    return {
        "networks": (state + copies) / 1e9,
        "activations": config.at_once(r) * activations(config.architecture, config.options, r, precision),
    }


def less_memory(config: RunConfig, resolution: int) -> str:
    """What to do so that the stage of this resolution needs less."""
    sizes = part_sizes(config.share(resolution), config.discriminator)
    smaller = [size for size in sizes if config.least_at_once <= size < config.at_once(resolution)]
    if not smaller:
        return "start a run with a lower --batch, --fmap-base or --resolution"
    return f"continue with --resume --batch-per-device {smaller[-1]}"
