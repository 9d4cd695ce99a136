"""Objectives on images, and a VAE beside them: the project's networks at 32 px, narrow and without growing."""

from __future__ import annotations

import math
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
from stylegrow.metrics.neighbours import nearest
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
# critic without batch normalisation needs, and at four times that paper's rate. The VAE's beta is what makes of the
# decoder's deviation about the error of its reconstructions, 25 grey levels (Rybkin et al. 2021).
SETTINGS: dict[str, dict[str, Any]] = {
    "wgan-gp": {"loss": "wgan-gp", "preset": "small"},
    VAE: {"preset": "small", "beta": 4.0},
    "hinge + spectral norm": {"loss": "hinge", "spectral_norm": "critic", "preset": "sngan"},
    "ns": {"loss": "ns", "preset": "dcgan"},
    "wgan-clip": {"loss": "wgan-clip", "preset": "wgan", "clip": 0.1, "lr": 2e-4},
}
NAMES = tuple(SETTINGS)
# Hinge at settings of Miyato et al. (2018, table 1): C, C with the rate of D to F, and F. Of each the critic is left as
# it is or normalised, at C the generator too (Zhang et al. 2019).
RATES: dict[str, dict[str, Any]] = {
    "C": {},
    "C x5": {"lr": 1e-3},
    "F": {"lr": 1e-3, "betas": (0.9, 0.999), "n_critic": 5},
}
HINGE = {
    f"{rate}, {which}": {"loss": "hinge", "preset": "sngan", "spectral_norm": which, **options}
    for rate, options in RATES.items()
    for which in ("no", "critic", "both")
    if which != "both" or rate == "C"
}
RATES_DATA = "fashion-mnist"
RESOLUTION, BATCH, SHOWN, Z_DIM = 32, 16, 32, 64
METRICS = ("swd", "kid", "pr", "dc")
MOST = 4000  # training images that principal components are of


@dataclass(frozen=True)
class Budget:
    """How much is trained: steps, of HINGE fewer; looks at the distance with so many images; images that are scored."""

    steps: int = 10_000
    fewer: int = 3000
    looks: int = 40
    looked_at: int = 128
    scored: int = 500


QUICK = Budget(steps=20, fewer=20, looks=4, looked_at=32, scored=40)


def units(budget: Budget) -> list[Unit]:
    """All trainings of the study: "images" (data, name, steps, looks, looked at, scored)."""
    rest = budget.looks, budget.looked_at, budget.scored
    wanted = [(data, name, budget.steps) for data in DATA for name in NAMES]
    wanted += [(RATES_DATA, name, budget.fewer) for name in HINGE]
    return [Unit("images", train_on_images, (*which, *rest)) for which in wanted]


def train_on_images(data: str, name: str, steps: int, looks: int, looked_at: int, scored: int) -> dict[str, Any]:
    """Train for so many steps, of the critic where there is one; its curve, what it draws, and how good that is."""
    count = {"count": 4000} if data == "toonhead" else {}
    dataset = open_dataset(data, resolution=RESOLUTION, workers=1, quiet=True, **count)  # type: ignore[arg-type]
    options = (SETTINGS | HINGE)[name]
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
    at_once = config.step.n_critic  # for each of the generator's
    for step in range(at_once, steps + 1, at_once):
        start = time.thread_time()
        statistics = trainer.step(loader.read(trainer.images) for _ in range(at_once))
        seconds.append((time.thread_time() - start) / at_once)
        estimates.append(statistics[estimate].item())
        if step % max(steps // looks, 1) == 0:
            curve.append([step, float(np.mean(estimates)), distance(reals, images_of(decoder, looked_at))])
            estimates = []
    trainer.discriminator.eval()
    found = evaluate(decoder.eval(), dataset, METRICS, scored, quiet=True)
    drawn = images_of(decoder, scored)
    known, unseen = (dataset.read(places[:scored], RESOLUTION) for places in (training, held_out))
    result = {
        "curve": curve,
        "seconds": median(seconds),
        "skipped": trainer.skipped,
        "metrics": {one.name: [one.value, one.floor] for one in found},
        "nearest": [to_nearest(unseen, some) for some in (drawn, known)],
        "sharpness": sharpness(drawn) / sharpness(known),
        "samples": drawn[:SHOWN].tolist(),
        "reals": unseen[:SHOWN].tolist(),
    }
    if name == VAE:
        encoder = trainer.discriminator
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


def to_nearest(images: np.ndarray, others: np.ndarray) -> float:
    """How far images are from the nearest of others on the mean: root mean square, in grey levels."""
    rows, many = (some.reshape(len(some), -1) for some in (images, others))
    return float(nearest(rows, many, 1)[1].mean() / math.sqrt(rows.shape[1]))


def sharpness(images: np.ndarray) -> float:
    """The variance of the Laplacian of images [N, C, R, R] (uint8), averaged over them; channels are averaged first."""
    grey = images.mean(axis=1, dtype=np.float64)
    middle = grey[:, 1:-1, 1:-1]
    laplacian = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * middle
    return float(laplacian.var(axis=(1, 2)).mean())
