"""Objectives on images: the project's ProGAN at 32 px, small and without growing, on clothes and faces."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import ours
from benchmarks.objectives.measures import histogram, layer_gradients
from benchmarks.units import Unit
from stylegrow.data import open_dataset
from stylegrow.metrics import swd
from train.distributed.processes import SingleProcess
from train.step.batch_loader import BatchLoader
from train.step.objectives import OBJECTIVES
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

NAMES = ("gan", "ns", "wgan-clip", "wgan-gp", "hinge", "hinge + spectral norm", "ns-r1")
DATA = {"fashion-mnist": "Fashion-MNIST", "toonhead": "the embedded faces"}
RESOLUTION, BATCH, SHOWN = 32, 16, 32
CLIP = 0.1  # the paper's 0.01 leaves no gradient in networks without batch normalisation


@dataclass(frozen=True)
class Budget:
    """How much is trained: critic steps, images scored at each look, and looks."""

    steps: int = 1500
    scored: int = 512
    looks: int = 15


QUICK = Budget(steps=20, scored=64, looks=4)


def units(budget: Budget) -> list[Unit]:
    """All trainings of the study: "images" (data, objective, steps, scored, looks)."""
    looks = budget.steps, budget.scored, budget.looks
    return [Unit("images", train_on_images, (data, name, *looks)) for data in DATA for name in NAMES]


def train_on_images(
    data: str, name: str, steps: int, scored: int, looks: int, cache: Path | None = None
) -> dict[str, Any]:
    """The project's ProGAN at 32 px without growing, for so many critic steps on a data set."""
    count = {"count": 4000} if data == "toonhead" else {}
    dataset = open_dataset(data, resolution=RESOLUTION, cache=cache, workers=1, quiet=True, **count)  # type: ignore[arg-type]
    loss, _, normalised = name.partition(" + ")
    config = ours.config_of(
        "progan", "small", dataset, loss=loss, spectral_norm="critic" if normalised else "no", clip=CLIP,
        fmap_base=512, fmap_max=32, z_dim=64, ema_kimg=0.5, batch=BATCH,
        start_resolution=RESOLUTION, stable_kimg=ours.FOREVER, fade_kimg=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    trainer = Trainer(*config.build(), config.schedule, config.step, RandomStreams(0), SingleProcess())
    training, _ = dataset.split()
    loader = BatchLoader(dataset, training, config.schedule, trainer.inputs.streams, 0, 1)
    reals = swd.descriptors(dataset.read(training[:scored], RESOLUTION), np.random.default_rng(0))
    curve, estimates, seconds = [], [], []
    for step in range(1, steps + 1):
        batch = loader.read(trainer.images)
        start = time.perf_counter()
        statistics = trainer.step([batch])
        seconds.append(time.perf_counter() - start)
        estimates.append(statistics[f"D/{OBJECTIVES[loss].estimate.name}"].item())
        if step % max(steps // looks, 1) == 0:
            curve.append([step, float(np.mean(estimates)), distance(reals, images_of(trainer.generator_ema, scored))])
            estimates = []
    images = torch.from_numpy(dataset.read(training[:BATCH], RESOLUTION)) / 127.5 - 1
    return {
        "curve": curve,
        "seconds": median(seconds),
        "skipped": trainer.skipped,
        "weights": histogram(trainer.discriminator),
        "gradients": layer_gradients(trainer.discriminator, images),
        "samples": images_of(trainer.generator_ema, SHOWN).tolist(),
    }


@torch.inference_mode()
def images_of(generator: nn.Module, count: int) -> np.ndarray:
    """Images uint8 [count, C, R, R] of fixed latents."""
    latents: Tensor = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(1))  # type: ignore[call-overload]
    images = torch.cat([generator(part) for part in latents.split(64)])
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()


def distance(reals: swd.Descriptors, images: np.ndarray) -> float:
    """The sliced Wasserstein distance of images from real ones, over all levels, times 1000."""
    rng = np.random.default_rng(0)
    fakes = swd.descriptors(images, rng)
    return float(np.mean(list(swd.sliced_wasserstein(reals, fakes, rng).values())))
