"""Footprints of air showers: a generator trained by the project's own trainer, judged by what arrays measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import ours
from stylegrow.data import Dataset, open_dataset
from stylegrow.physics.footprints import angle_between, fit_direction
from stylegrow.physics.intensity import VEM_ROOT_NS
from train.distributed.processes import SingleProcess
from train.step.batch_loader import BatchLoader
from train.step.inputs import Labels
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

BATCH, STATIONS, SHOWN = 32, 16, 8
HELD_OUT = 1000
GP_WEIGHT = 10.0
SIGNALS = 3.0 * 10 ** np.arange(0, 3.76, 0.25)  # VEM: edges of the spectrum, from the threshold up
ENERGY_EDGES = (3.0, 10.0, 30.0, 100.0)  # EeV


def study(steps: int, count: int) -> dict[str, Any]:
    """Train for so many critic steps on `count` footprints; what is made of the labels of those that are held out."""
    data = open_dataset("footprints", count=count, workers=1, quiet=True)
    training, apart = data.split(min(HELD_OUT, count // 5))
    trainer = trained(data, training, steps)
    truth = data.labels("particle", apart)
    reals = data.read(apart, STATIONS)
    made = images(trainer.generator_ema, truth)
    others = data.read(training[: len(apart)], STATIONS)
    return {
        "real": figures(reals, truth),
        "generated": figures(made, truth),
        "other": figures(others, data.labels("particle", training[: len(apart)])),
        "samples": {"real": reals[:SHOWN].tolist(), "generated": made[:SHOWN].tolist()},
        "labels": truth[:SHOWN].tolist(),
    }


def trained(data: Dataset, training: np.ndarray, steps: int) -> Trainer:
    """The project's ProGAN with label vectors, without growing, for so many critic steps."""
    config = ours.config_of(
        "progan", "small", data, cond="particle", gp_weight=GP_WEIGHT, fmap_base=512, fmap_max=32, z_dim=64,
        ema_kimg=2.0, batch=BATCH, lr=0.002, lr_decay_kimg=steps * BATCH / 2000, kimg=steps * BATCH / 1000,
        start_resolution=STATIONS, stable_kimg=ours.FOREVER, fade_kimg=0.0, g_lr_ratio=2,
        holdout=len(data) - len(training),
    )  # fmt: skip
    torch.manual_seed(0)
    labels = Labels(torch.from_numpy(data.labels("particle")), training)
    trainer = Trainer(*config.build(), config.schedule, config.step, RandomStreams(0), SingleProcess(), labels)
    mean = torch.from_numpy(data.read(training[:500], STATIONS)).float().mean(dim=(0, 2, 3)) / 127.5 - 1
    for generator in (trainer.generator, trainer.generator_ema):
        ours.begin_with(mean, generator)
    loader = BatchLoader(data, training, config.schedule, trainer.inputs.streams, 0, 1)
    for _ in range(steps):
        trainer.step([loader.read(trainer.images)])
    return trainer


@torch.inference_mode()
def images(generator: nn.Module, labels: np.ndarray) -> np.ndarray:
    """Images uint8 [N, 2, 16, 16] of these labels [N, 5]."""
    random = torch.Generator().manual_seed(1)
    latents = torch.randn(len(labels), generator.z_dim, generator=random)  # type: ignore[call-overload]
    parts = zip(latents.split(64), torch.from_numpy(labels).split(64), strict=True)
    made = torch.cat([generator(*one) for one in parts])
    return ours.levels(made)


def figures(levels: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """What is compared of footprints [N, 2, 16, 16] (uint8) with these labels [N, 5].

    How many stations have a signal, in bins of the energy; the median angle (degrees) between the true direction and
    that fitted to the arrival times; the spectrum of signals a shower; the distance (m) between the core and the
    signals' centre of gravity; the share of stations of which one of both, signal and time, is nothing.
    """
    signal, time = VEM_ROOT_NS.decode(levels).transpose(1, 0, 2, 3)
    energy, direction, core = labels[:, 0], labels[:, 1:3], labels[:, 3:5]
    stations = (signal > 0).sum(axis=(1, 2))
    place = np.digitize(energy, ENERGY_EDGES[1:-1])
    angles = angle_between(fit_direction(signal, time, core), direction)
    return {
        "stations": float(stations.mean()),
        "stations by energy": [float(stations[place == k].mean()) for k in range(len(ENERGY_EDGES) - 1)],
        "angle": float(np.nanmedian(angles)),
        "fitted": float(np.isfinite(angles).mean()),
        "spectrum": (np.histogram(signal, SIGNALS)[0] / len(signal)).tolist(),
        "sum": float(np.log(np.maximum(signal.sum(axis=(1, 2)), 1)).mean()),
        "energy": float(np.corrcoef(np.log(np.maximum(signal.sum(axis=(1, 2)), 1)), np.log(energy))[0, 1]),
        "mismatched": float(((signal > 0) != (levels[:, 1] > 0)).mean()),
    }
