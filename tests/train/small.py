"""Trainings small enough for a test."""

from itertools import islice

import numpy as np
import torch

import progan
import stylegan
from train.config.schedule import Schedule, resolutions
from train.distributed.processes import SingleProcess
from train.step.batch_loader import BatchLoader
from train.step.config import StepConfig
from train.step.inputs import Labels
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

CLASSES = 3


class Pictures:
    """Random pictures at every resolution up to 16, as a prepared data set gives them."""

    transform = None

    def __init__(self, count=60, channels=3):
        numbers = np.random.RandomState(0)
        self.levels = {r: numbers.randint(0, 256, (count, channels, r, r)).astype(np.uint8) for r in (4, 8, 16)}
        self.labels = torch.eye(CLASSES)[numbers.randint(0, CLASSES, count)]
        self.vectors = torch.from_numpy(numbers.normal(100, [1, 10, 100], (count, CLASSES)))
        self.training = np.flatnonzero(np.arange(count) % 10)

    def read(self, indices, resolution):
        return self.levels[resolution][indices]


def with_other_edges(margin):
    """Pictures that differ from `Pictures()` only in a margin, which is so wide at 16 px."""
    same, changed = Pictures(), Pictures()
    for r, pictures in changed.levels.items():
        within = slice(edge := margin * r // 16, r - edge)
        changed.levels[r] = 255 - pictures
        changed.levels[r][:, :, within, within] = same.levels[r][:, :, within, within]
    return changed


def a_schedule(batch=16, resolution=16, start=4, stable=0.02, fade=0.02, lr=0.002):
    """20 images a stage and 20 a fade."""
    table = resolutions(start, resolution)
    return Schedule(resolution, start, stable, fade, dict.fromkeys(table, batch), dict.fromkeys(table, lr))


def networks(
    dtype=torch.float64, labels=False, mbstd=4, seed=0, maps=8, architecture="progan", equalized=True, margin=0
):
    torch.manual_seed(seed)
    shared = {"resolution": 16, "fmap_base": 4 * maps, "fmap_max": maps, "label_dim": CLASSES if labels else 0}
    if labels == "vector":
        shared |= {"label_kind": "vector", "label_mean": [100] * 3, "label_deviation": [1, 10, 100]}
    shared["equalized_lr"] = equalized
    group = {"mbstd_group": max(mbstd, 1), "mbstd_features": int(mbstd > 0)}
    if architecture == "progan":
        generator = progan.Generator(z_dim=8, margin=margin, **shared)
        return generator.to(dtype), progan.Discriminator(**group, **shared).to(dtype)
    generator = stylegan.Generator(z_dim=8, w_dim=8, mapping_fmaps=8, mapping_layers=2, margin=margin, **shared)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("noise_strength"):  # zero at first, which hides what noise does
                parameter.normal_()
    return generator.to(dtype), stylegan.Discriminator(**group, **shared).to(dtype)


def a_trainer(
    processes=None,
    schedule=None,
    data=None,
    dtype=torch.float64,
    labels=False,
    mbstd=4,
    seed=0,
    maps=8,
    architecture="progan",
    equalized=True,
    margin=0,
    **config,
):
    """A trainer of tiny networks, and the loader of its pictures; `labels` may also be "vector"."""
    processes, schedule, data = processes or SingleProcess(), schedule or a_schedule(), data or Pictures()
    known = Labels(data.vectors if labels == "vector" else data.labels, data.training) if labels else None
    both = networks(dtype, labels, mbstd, seed, maps, architecture, equalized, margin)
    trainer = Trainer(*both, schedule, StepConfig(**config), RandomStreams(0), processes, known)
    return trainer, BatchLoader(data, data.training, schedule, trainer.inputs.streams, processes.rank, processes.count)


def step(trainer, loader):
    """One step from where the trainer stands; what it measured."""
    images, batches = trainer.images, []
    for _ in range(trainer.config.n_critic):
        batches.append(loader.read(images))
        images += trainer.schedule.at(images).batch
    return trainer.step(batches)


def train(trainer, loader, steps):
    """Several steps on batches that are read ahead."""
    batches = loader.batches(trainer.images)
    for _ in range(steps):
        trainer.step(islice(batches, trainer.config.n_critic))
    batches.close()
    return trainer


def weights(trainer):
    """All weights by name, those of the average too."""
    parts = {"generator": trainer.generator, "discriminator": trainer.discriminator, "average": trainer.generator_ema}
    return {
        f"{part}.{name}": value.detach().clone()
        for part, net in parts.items()
        for name, value in net.state_dict().items()
    }


def gradients(trainer):
    """All gradients by name, None for those of parameters that the stage does not use."""
    parts = {"generator": trainer.generator, "discriminator": trainer.discriminator}
    return {
        f"{part}.{name}": None if parameter.grad is None else parameter.grad.clone()
        for part, net in parts.items()
        for name, parameter in net.named_parameters()
    }
