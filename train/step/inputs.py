"""The inputs of a step: all that is random or read in it, as tensors of this process's shard of the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stylegan.config import layer_sizes
from stylegrow.architectures import TrainingInputs, has_styles
from train.config.schedule import Stage
from train.distributed.processes import SingleProcess
from train.step.batch_loader import Batch
from train.step.config import StepConfig
from train.step.random_streams import RandomStreams

if TYPE_CHECKING:
    from stylegrow.architectures import Generator


@dataclass(frozen=True)
class Labels:
    """The labels [images, L] of a whole data set, and which of its images are trained on."""

    values: Tensor
    training: np.ndarray

    def of(self, indices: np.ndarray) -> Tensor:
        """The labels of these images of the data set."""
        return self.values[torch.from_numpy(indices)]


@dataclass(frozen=True)
class CriticInputs:
    """The inputs of the critic's part of a step, for a shard of n samples.

    Attributes:
        images: the reals, uint8 [n, C, r, r].
        mirrored: which of them are mirrored [n, 1, 1, 1]; None for none.
        mix: the gradient penalty's coefficients [n, 1, 1, 1].
        fakes: what as many images are generated from, with the labels of the reals.
    """

    images: Tensor
    mirrored: Tensor | None
    mix: Tensor
    fakes: TrainingInputs


class StepInputs:
    """Draws the inputs of steps for a generator; they depend on the streams and on the images seen, not on weights."""

    def __init__(
        self,
        generator: Generator,
        config: StepConfig,
        streams: RandomStreams,
        processes: SingleProcess,
        labels: Labels | None,
    ) -> None:
        self.generator, self.config = generator, config
        self.streams, self.processes, self.labels = streams, processes, labels
        self.dtype = next(generator.parameters()).dtype

    def for_critic(self, batch: Batch, stage: Stage) -> CriticInputs:
        """The inputs of the critic on a batch of reals and as many fakes."""
        device = self.processes.device
        mirrored = None
        if self.config.mirror:
            mirrored = self._shard(self.streams.uniform("mirror", batch.start, stage.batch)) < 0.5
        labels = None if self.labels is None else self.labels.of(batch.indices).to(device, self.dtype)
        mix = self._shard(self.streams.uniform("mix", batch.start, stage.batch))
        fakes = self._fakes("critic", batch.start, stage, labels)
        return CriticInputs(batch.images.to(device, non_blocking=True), mirrored, mix, fakes)

    def for_generator(self, images: int, stage: Stage) -> TrainingInputs:
        """The inputs of the generator after so many images, with labels of random images of the data."""
        labels = None
        if self.labels is not None:
            places = self.streams.choices("labels", images, stage.batch, len(self.labels.training))
            labels = self._shard(self.labels.of(self.labels.training[places]))
        return self._fakes("generator", images, stage, labels)

    def _fakes(self, purpose: str, images: int, stage: Stage, labels: Tensor | None) -> TrainingInputs:
        """What images are generated from, with these labels [n, L] of the shard.

        With styles, those of two latents are mixed, with probability config.mixing, at a crossover that the whole batch
        has in common (Karras 2019, section 3.1).
        """
        z = self._latents(purpose, images, stage)
        if not has_styles(self.generator):
            return TrainingInputs(z, labels)
        layers = self.generator.layers_at(stage.resolution)
        crossover = self.streams.crossover(f"{purpose} crossover", images, layers, self.config.mixing)
        other_z = self._latents(f"{purpose} second", images, stage) if crossover < layers else None
        return TrainingInputs(z, labels, other_z, crossover, self._noise(f"{purpose} noise", images, stage))

    def _latents(self, purpose: str, images: int, stage: Stage) -> Tensor:
        return self._shard(self.streams.latents(purpose, images, stage.batch, self.generator.z_dim))

    def _noise(self, purpose: str, images: int, stage: Stage) -> list[Tensor]:
        """Noise [n, 1, r, r] for both layers of each resolution r up to the stage's.

        On a CPU it is drawn for the whole batch and sharded, as latents are. On a GPU each process draws its own there,
        so that it is another for another number of processes: maps for a whole batch of large images would take longer
        to draw on the CPU than the step itself.
        """
        sizes, processes = layer_sizes(stage.resolution), self.processes
        if processes.device.type == "cpu":
            return [self._shard(one) for one in self.streams.noise(purpose, images, stage.batch, sizes)]
        purpose, shard = f"{purpose} of process {processes.rank}", stage.batch // processes.count
        return [one.to(self.dtype) for one in self.streams.noise(purpose, images, shard, sizes, processes.device)]

    def _shard(self, whole: Tensor) -> Tensor:
        return self.processes.shard(whole, self.dtype)
