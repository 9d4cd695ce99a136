"""The project's own training step on noise, as the benchmarks time it: networks, optimizers and averages."""

from typing import Any

import numpy as np
import torch

from benchmarks.measuring import operations_of
from benchmarks.widths import width
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.system import keep_freed_memory
from train.config.options import Options as TrainingOptions
from train.config.options import PrecisionName
from train.config.presets import Preset
from train.config.run_config import RunConfig
from train.config.schedule import Schedule, resolutions
from train.distributed.processes import SingleProcess
from train.run.estimates import memory
from train.step.batch_loader import Batch
from train.step.config import StepConfig
from train.step.objectives import critic_loss, generator_loss
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

FOREVER = 1e9  # thousands of pictures


def networks(network: str, table: Preset, resolution: int) -> tuple[Any, Any]:
    """New networks of a preset's width for a full resolution."""
    architecture = ARCHITECTURES[network]
    maps: dict[str, Any] = {"resolution": resolution, "fmap_base": table.fmap_base, "fmap_max": table.fmap_max}
    return architecture.generator(z_dim=table.z_dim, **maps), architecture.discriminator(
        mbstd_group=table.mbstd_group, **maps
    )


class Training:
    """A trainer that stays at one stage, and noise to train on; `step` is one iteration of all `processes`.

    The stage is the full resolution, or fading it in where `alpha` is below 1. `config` are arguments of StepConfig.
    """

    def __init__(
        self,
        network: str,
        table: Preset,
        resolution: int,
        batch: int,
        processes: SingleProcess,
        alpha: float = 1.0,
        full: int | None = None,
        **config: Any,
    ) -> None:
        keep_freed_memory()  # as the training commands do
        torch.manual_seed(0)
        r = resolution
        generator, discriminator = networks(network, table, full or r)
        fading = alpha < 1.0
        start = r // 2 if fading else r
        sizes = resolutions(start, full or r)
        # A stage, or a fade, that lasts as good as for ever.
        stable, fade = (0.0, FOREVER) if fading else (FOREVER, 0.0)
        schedule = Schedule(full or r, start, stable, fade, dict.fromkeys(sizes, batch), dict.fromkeys(sizes, 0.001))
        self.schedule = schedule.for_processes(processes.count)
        self.trainer = Trainer(
            generator, discriminator, self.schedule, StepConfig(**config), RandomStreams(0), processes
        )
        if fading:
            self.trainer.images = round(FOREVER * 1000 * alpha)
        share = self.schedule.batch[r] // processes.count
        self.pictures = torch.randint(0, 256, (share, 3, r, r), dtype=torch.uint8)
        self.indices = np.zeros(share, np.int64)

    def step(self) -> None:
        """One iteration."""
        self.trainer.step([Batch(self.trainer.images, self.pictures, self.indices)])


def estimated_memory(network: str, resolution: int, batch: int, precision: PrecisionName) -> dict[str, float]:
    """Gigabytes that training at the official width is estimated to take (see train.forecast.memory)."""
    table = width(network, "official", resolution)
    maps = {"resolution": resolution, "fmap_base": table.fmap_base, "fmap_max": table.fmap_max}
    generator = {"z_dim": table.z_dim, "label_dim": 0, "image_channels": 3} | maps
    options = TrainingOptions(mixed_precision=precision)
    schedule = table.schedule(resolution, batch=batch)
    return memory(RunConfig(network, options, schedule, generator, maps, {}, 1))


def operations_per_image(network: str, name: str, resolution: int) -> float:
    """Floating-point operations of an iteration of WGAN-GP for each image, those of its derivatives included.

    Counted on tensors without content, so that the largest networks take neither time nor memory.
    """
    with torch.device("meta"):
        generator, critic = networks(network, width(network, name, resolution), resolution)
        latents = torch.empty(1, generator.z_dim)
        reals = torch.empty(1, 3, resolution, resolution)
        mix = torch.empty(1, 1, 1, 1)
    config = StepConfig(loss="wgan-gp")

    def iteration() -> None:
        with torch.no_grad():
            fakes = generator(latents)
        critic_loss(config, critic, reals, fakes, mix).value.backward()
        critic.requires_grad_(False)
        generator_loss(config, critic, generator(latents)).value.backward()

    return float(operations_of(iteration))
