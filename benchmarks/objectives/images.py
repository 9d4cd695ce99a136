"""Objectives on images, and a VAE beside them: the project's networks at 32 px, narrow and without growing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import ours
from benchmarks.units import Unit
from stylegrow.data import open_dataset
from stylegrow.metrics import evaluate, swd
from stylegrow.metrics.reconstruction import component_error, fit_of, reconstruct
from train.distributed.processes import SingleProcess
from train.step.autoencoder import AutoencoderTrainer
from train.step.batch_loader import BatchLoader
from train.step.objectives import OBJECTIVES
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

DATA = {"fashion-mnist": "Fashion-MNIST", "toonhead": "the embedded faces"}
VAE = "vae"
# The options of each. The WGAN with the penalty is that of Karras et al. (2018), one critic step for each of the
# generator's; the others are as in their papers (presets dcgan, wgan and sngan), but with the bound of clipping that a
# critic without batch normalisation needs, and at four times that paper's rate.
SETTINGS: dict[str, dict[str, Any]] = {
    "wgan-gp": {"loss": "wgan-gp", "preset": "small"},
    VAE: {"preset": "small"},
    "hinge + spectral norm": {"loss": "hinge", "spectral_norm": "critic", "preset": "sngan"},
    "ns": {"loss": "ns", "preset": "dcgan"},
    "wgan-clip": {"loss": "wgan-clip", "preset": "wgan", "clip": 0.1, "lr": 2e-4},
}
NAMES = tuple(SETTINGS)
RESOLUTION, BATCH, SHOWN, Z_DIM = 32, 16, 32, 64
METRICS = ("swd", "kid", "pr", "dc")
MOST = 4000  # training images that principal components are of


@dataclass(frozen=True)
class Budget:
    """How much is trained: steps, looks at the distance with so many images, and images that are scored at the end."""

    steps: int = 1000
    looks: int = 20
    looked_at: int = 128
    scored: int = 500


QUICK = Budget(steps=20, looks=4, looked_at=32, scored=40)


def units(budget: Budget) -> list[Unit]:
    """All trainings of the study: "images" (data, name, steps, looks, looked at, scored)."""
    rest = budget.steps, budget.looks, budget.looked_at, budget.scored
    return [Unit("images", train_on_images, (data, name, *rest)) for name in NAMES for data in DATA]


def train_on_images(data: str, name: str, steps: int, looks: int, looked_at: int, scored: int) -> dict[str, Any]:
    """Train for so many steps, of the critic where there is one; its curve, what it draws, and how good that is."""
    count = {"count": 4000} if data == "toonhead" else {}
    dataset = open_dataset(data, resolution=RESOLUTION, workers=1, quiet=True, **count)  # type: ignore[arg-type]
    options = SETTINGS[name]
    network, kind = ("vae", AutoencoderTrainer) if name == VAE else ("progan", Trainer)
    config = ours.config_of(
        network, data=dataset, fmap_base=256, fmap_max=64, z_dim=Z_DIM, ema_kimg=0.5, batch=BATCH,
        start_resolution=RESOLUTION, stable_kimg=ours.FOREVER, fade_kimg=0.0, mixed_precision="bf16", **options,
    )  # fmt: skip
    torch.manual_seed(0)
    trainer = kind(*config.build(), config.schedule, config.step, RandomStreams(0), SingleProcess())
    training, held_out = dataset.split()
    loader = BatchLoader(dataset, training, config.schedule, trainer.inputs.streams, 0, 1)
    decoder = trainer.generator_ema
    reals = swd.descriptors(dataset.read(training[:looked_at], RESOLUTION), np.random.default_rng(0))
    estimate = "VAE/loss" if name == VAE else f"D/{OBJECTIVES[options['loss']].estimate.name}"
    curve, estimates, seconds = [], [], []
    for step in range(1, steps + 1):
        batch = loader.read(trainer.images)
        start = time.thread_time()
        statistics = trainer.step([batch])
        seconds.append(time.thread_time() - start)
        estimates.append(statistics[estimate].item())
        if step % max(steps // looks, 1) == 0:
            curve.append([step, float(np.mean(estimates)), distance(reals, images_of(decoder, looked_at))])
            estimates = []
    trainer.discriminator.eval()
    found = evaluate(decoder.eval(), dataset, METRICS, scored, quiet=True)
    drawn = images_of(decoder, scored)
    result = {
        "curve": curve,
        "seconds": median(seconds),
        "skipped": trainer.skipped,
        "metrics": {one.name: [one.value, one.floor] for one in found},
        "sharpness": sharpness(drawn) / sharpness(dataset.read(training[:scored], RESOLUTION)),
        "samples": drawn[:SHOWN].tolist(),
        "reals": dataset.read(held_out[:SHOWN], RESOLUTION).tolist(),
    }
    if name == VAE:
        encoder, unseen = trainer.discriminator, dataset.read(held_out[:scored], RESOLUTION)
        result |= {
            "fit": fit_of(encoder, decoder, unseen)._asdict(),
            "components": component_error(dataset.read(training[:MOST], RESOLUTION), unseen, Z_DIM),
            "reconstructed": ours.levels(reconstruct(encoder, decoder, unseen[:SHOWN])).tolist(),
        }
    return result


@torch.inference_mode()
def images_of(generator: nn.Module, count: int) -> np.ndarray:
    """Images uint8 [count, C, R, R] of fixed latents."""
    latents: Tensor = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(1))  # type: ignore[call-overload]
    return ours.levels(torch.cat([generator(part) for part in latents.split(64)]))


def distance(reals: swd.Descriptors, images: np.ndarray) -> float:
    """The sliced Wasserstein distance of images from real ones, over all levels, times 1000."""
    rng = np.random.default_rng(0)
    fakes = swd.descriptors(images, rng)
    return float(np.mean(list(swd.sliced_wasserstein(reals, fakes, rng).values())))


def sharpness(images: np.ndarray) -> float:
    """The variance of the Laplacian of images [N, C, R, R] (uint8), averaged over them; channels are averaged first."""
    grey = images.mean(axis=1, dtype=np.float64)
    middle = grey[:, 1:-1, 1:-1]
    laplacian = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * middle
    return float(laplacian.var(axis=(1, 2)).mean())
