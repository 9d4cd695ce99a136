"""Train with an objective of your own, least squares (Mao et al. 2017): python examples/custom_objective.py [STEPS].

The step by itself, without a run folder: what train/run/start.py builds around it, in one screen.
"""

import sys
from itertools import islice
from typing import cast

import torch
from torch import Tensor

from progan import Discriminator, Generator
from stylegrow import open_dataset
from train.config.schedule import Schedule, resolutions
from train.distributed.processes import SingleProcess
from train.step.batch_loader import BatchLoader
from train.step.config import LossName, StepConfig
from train.step.objectives import OBJECTIVES, Estimate, Objective
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer


def critic(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """mean (D(real) - 1)^2 + mean D(fake)^2, of scores [N, 1] (Mao et al. 2017, equation 9)."""
    return (real_scores - 1).square().mean() + fake_scores.square().mean()


def generator(fake_scores: Tensor) -> Tensor:
    """mean (D(fake) - 1)^2, of scores [N, 1] (Mao et al. 2017, equation 9)."""
    return (fake_scores - 1).square().mean()


# Reported beside the loss: how far it is below that of a critic that scores all images alike.
OBJECTIVES["least-squares"] = Objective(critic, generator, Estimate("least_squares", "LS", lambda loss: 0.5 - loss))


def main(steps: int = 100, faces: int = 500) -> float:
    """Train a ProGAN of 16 px for so many steps on the embedded faces; the last value of the estimate."""
    torch.manual_seed(0)
    dataset = open_dataset(resolution=16, count=faces)
    training, _ = dataset.split()
    stages = resolutions(4, 16)
    schedule = Schedule(
        16, 4, stable_kimg=0.2, fade_kimg=0.2, batch=dict.fromkeys(stages, 16), lr=dict.fromkeys(stages, 1e-3)
    )
    streams = RandomStreams(0)
    trainer = Trainer(
        Generator(resolution=16, z_dim=32, fmap_base=256, fmap_max=32),
        Discriminator(resolution=16, fmap_base=256, fmap_max=32),
        schedule,
        StepConfig(loss=cast(LossName, "least-squares"), ema_kimg=0.1),
        streams,
        SingleProcess(),
    )
    batches = BatchLoader(dataset, training, schedule, streams, rank=0, processes=1).batches(0)
    for step in range(steps):
        statistics = trainer.step(islice(batches, 1))
        if step % 10 == 0:
            print(step, schedule.at(trainer.images).resolution, f"{statistics['D/least_squares'].item():.3f}")
    batches.close()
    return statistics["D/least_squares"].item()


if __name__ == "__main__":  # preparing the faces starts processes that import this file
    main(*map(int, sys.argv[1:2]))
