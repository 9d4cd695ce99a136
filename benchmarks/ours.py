"""The project's own training step on noise, as the benchmarks time it, with the networks of a preset."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks.timing import operations_of
from stylegrow.common.system import keep_freed_memory
from train.config.options import Options
from train.config.run_config import RunConfig, make_run_config
from train.distributed.processes import SingleProcess
from train.step.batch_loader import Batch
from train.step.graphs import EAGER_CALLS
from train.step.objectives import critic_loss, generator_loss
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

OFFICIAL = {"progan": "v2-1gpu", "stylegan": "stylegan-1gpu"}
FOREVER = 1e9  # thousands of images


def config_of(network: str, preset: str, data: Any, processes: int = 1, **options: Any) -> RunConfig:
    """A run with a preset's values on a data set, or on noise of a resolution; with WGAN-GP where no loss is given.

    Blur that the preset begins with later is there from the start. "official" is the official program's preset for one
    GPU. Raises SystemExit for a preset that there is not.
    """
    if isinstance(data, int):
        data = SimpleNamespace(
            name="noise", source="noise", credit=None, path=Path(), resolution=data, channels=3, names=[],
            attributes=(), transform=None, sided=(), split=lambda _=None: (range(0), range(0)),
        )  # fmt: skip
    name = OFFICIAL[network] if preset == "official" else preset
    given = Options(**{"preset": name, "loss": "wgan-gp", "spectral_norm": "no"} | options)
    try:
        config = make_run_config(network, given, data, processes, options.get("mixed_precision", "no"))
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None
    return replace(config, schedule=replace(config.schedule, blur_kimg=0.0))


class Training:
    """A trainer that stays at one stage, and noise to train on; `step` is one iteration of all `processes`.

    The stage is the full resolution, or fading it in where `alpha` is below 1. `options` are those of training.
    """

    def __init__(
        self,
        network: str,
        preset: str,
        resolution: int,
        batch: int,
        processes: SingleProcess,
        alpha: float = 1.0,
        **options: Any,
    ) -> None:
        keep_freed_memory()  # as the training commands do
        torch.manual_seed(0)
        # A stage, or a fade, that lasts as good as for ever.
        stage = {"start_resolution": resolution, "stable_kimg": FOREVER, "fade_kimg": 0.0}
        if alpha < 1.0:
            stage = {"start_resolution": resolution // 2, "stable_kimg": 0.0, "fade_kimg": FOREVER}
        config = config_of(network, preset, resolution, processes.count, batch=batch, **stage, **options)
        self.schedule = config.schedule
        self.trainer = Trainer(*config.build(), config.schedule, config.step, RandomStreams(0), processes)
        if alpha < 1.0:
            self.trainer.images = round(FOREVER * 1000 * alpha)
        own = config.at_once(resolution)
        images = torch.randint(0, 256, (own, 3, resolution, resolution), dtype=torch.uint8)
        self.images = images.pin_memory() if processes.device.type == "cuda" else images  # as they are read ahead
        self.indices = np.zeros(own, np.int64)

    def step(self) -> None:
        """One iteration."""
        self.trainer.step([Batch(self.trainer.images, self.images, self.indices)])

    def warm_up(self) -> None:
        """Iterations that are not to be timed: on a GPU until its graphs are captured and replayed."""
        for _ in range(EAGER_CALLS + 2 if self.trainer.graphs.enabled else 1):
            self.step()


@torch.no_grad()
def begin_with(mean: torch.Tensor, generator: Any) -> None:
    """Have a new ProGAN's images lie around the mean pixel [C] of the data.

    Else the first steps of a training that has few would go into making images dark.
    """
    last = generator.to_image[f"{generator.resolution}x{generator.resolution}"]
    last.weight.mul_(0.1)
    last.bias.copy_(mean)


def levels(images: torch.Tensor) -> np.ndarray:
    """Images in [-1, 1] in grey levels, uint8, as they lie."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()


def operations_per_image(network: str, preset: str, resolution: int) -> float:
    """Floating-point operations of an iteration of WGAN-GP for each image, those of its derivatives included.

    Counted on tensors without content, so that the largest networks take neither time nor memory.
    """
    config = config_of(network, preset, resolution)
    with torch.device("meta"):
        generator, critic = config.build()
        latents = torch.empty(1, config.generator.z_dim)
        reals = torch.empty(1, 3, resolution, resolution)
        mix = torch.empty(1, 1, 1, 1)

    def iteration() -> None:
        with torch.no_grad():
            fakes = generator(latents)
        critic_loss(config.step, critic, reals, fakes, mix).value.backward()
        critic.requires_grad_(False)
        generator_loss(config.step, critic, generator(latents)).value.backward()

    return float(operations_of(iteration))
