"""How long a run will take, and how much memory: measured on throwaway networks, stage by stage."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.system import is_out_of_memory
from train.config.run_config import RunConfig
from train.config.schedule import Schedule, resolutions
from train.distributed.processes import SingleProcess
from train.step.batch_loader import Batch
from train.step.inputs import Labels
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

PATIENCE = 20.0  # seconds for all stages together
GROWTH = 4.0  # a stage that was not measured is taken to cost this many times the one before

# What a step holds at its peak beside the networks' state, fitted to real steps on a CPU from 32 to 256 px, wide and
# narrow, in both precisions: so many times all weights, as scaled, cast and upscaled for each evaluation, and so many
# times the outputs of one evaluation of both networks, before and after each nonlinearity. A critic step holds those of
# reals, fakes and interpolates, and the gradient penalty's own. Fitted to ProGAN; StyleGAN's steps take 0.75 to 1.2
# times as much.
WEIGHT_COPIES = 4.5
EVALUATIONS = 2.4


def seconds_per_image(config: RunConfig, device: torch.device, say: Callable[[str], None] = print) -> dict[int, float]:
    """Seconds a real image takes at each resolution of the schedule, measured on one process.

    Where memory does not suffice to measure, `say` is given a line and the seconds are guessed.
    """
    torch.manual_seed(0)
    generator, discriminator = config.build()
    labels = None
    if config.generator.label_dim:
        labels = Labels(torch.eye(config.generator.label_dim), np.arange(config.generator.label_dim))
    step = replace(config.step, n_critic=1)
    measured: dict[int, float] = {}
    deadline = time.perf_counter() + PATIENCE
    for r in resolutions(config.schedule.start_resolution, config.schedule.resolution):
        guess = GROWTH * measured.get(r // 2, 0.0)
        batch = max(config.schedule.batch[r] // config.processes, 1)
        if measured and time.perf_counter() + 2 * guess * config.schedule.batch[r] > deadline:
            measured[r] = guess
            continue
        still = Schedule(
            config.schedule.resolution, r, 1e9, 0, dict(config.schedule.batch) | {r: batch}, config.schedule.lr
        )
        trainer = Trainer(generator, discriminator, still, step, RandomStreams(0), SingleProcess(device), labels)
        try:
            seconds = seconds_per_step(trainer, r, batch, config.generator.image_channels)
        except (MemoryError, RuntimeError) as error:
            if not (measured and is_out_of_memory(error)):
                raise
            say(f"note: memory did not do to measure {r} px; should it not do to train, {less_memory(config, r)}")
            measured[r] = guess
        else:
            measured[r] = seconds / batch / config.processes
    return measured


def seconds_per_step(trainer: Trainer, resolution: int, batch: int, channels: int) -> float:
    """Seconds of a step on noise, after one to warm up: the quickest of one to four."""
    images = torch.randint(0, 256, (batch, channels, resolution, resolution), dtype=torch.uint8)
    times: list[float] = []
    while len(times) < 2 or (len(times) < 5 and sum(times) < 1.0):
        start = time.perf_counter()
        trainer.step([Batch(trainer.images, images, np.zeros(batch, dtype=np.int64))])
        if trainer.processes.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


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
        r = config.schedule.resolution
        images = torch.zeros(1, config.generator.image_channels, r, r)
        latents = torch.zeros(1, config.generator.z_dim)
        labels = torch.zeros(1, config.generator.label_dim) if config.generator.label_dim else None
        scored = [images, labels] if ARCHITECTURES[config.architecture].scores_by_class else [images]
        outputs = activations(generator, latents, labels) + activations(discriminator, *scored)
    width = 2 if config.options.mixed_precision == "bf16" else 4
    # Weights, gradients and two moments of both networks, and the averaged generator, in float32.
    state = 4 * (5 * parameters(generator) + 4 * parameters(discriminator))
    copies = WEIGHT_COPIES * (parameters(generator) + parameters(discriminator)) * width
    return {"networks": (state + copies) / 1e9, "activations": EVALUATIONS * outputs * config.at_once(r) * width / 1e9}


def less_memory(config: RunConfig, resolution: int) -> str:
    """What to do so that the stage of this resolution needs less."""
    at_once = config.at_once(resolution)
    if at_once == 1:
        return "start a run with a lower --fmap-base or --resolution"
    return f"continue with --resume --batch-per-device {at_once // 2}"


def activations(network: nn.Module, *inputs: Tensor | None) -> int:
    """How many numbers a step keeps of the layers' outputs for one image: each before and after its nonlinearity."""
    count = 0

    def count_output(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal count
        count += 2 * output.numel()

    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(count_output)
    network(*inputs)
    return count
