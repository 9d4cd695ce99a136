"""The inputs of a step: all that is random, read or scheduled in it, as tensors of this process's shard of the batch.

They are drawn on the CPU, in page-locked memory where a GPU is to read them; `Graphs.place` moves them to the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from progan.layers import Alpha
from stylegan.config import layer_sizes
from stylegrow.architectures import TrainingInputs, has_styles
from train.config.schedule import Stage
from train.distributed.processes import SingleProcess
from train.step.augmentation import NUMBERS, TRANSFORMS, transform_names
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


class CriticInputs(NamedTuple):
    """The inputs of the critic's part of a step, for a shard of n samples.

    Attributes:
        fakes: what as many images are generated from, with the labels of the reals.
        alpha: how far the newest block is faded in, []; the number 1 outside of fades.
        lr: the learning rate, [].
        images: the reals, uint8 [n, C, r, r].
        mirrored: which of them are mirrored, bool [n, 1, 1, 1]; None for none.
        mix: the gradient penalty's coefficients [n, 1, 1, 1].
        augment_reals, augment_fakes: the numbers of Augmentation for both; None for none.
        roots: of showers, which channels of the reals are roots of energies.
    """

    fakes: TrainingInputs
    alpha: Alpha
    lr: Tensor
    images: Tensor
    mirrored: Tensor | None
    mix: Tensor
    augment_reals: Tensor | None
    augment_fakes: Tensor | None
    roots: tuple[bool, ...] | None = None

    def part(self, samples: slice) -> CriticInputs:
        """The inputs of some of the samples."""
        return self._replace(
            fakes=self.fakes.part(samples),
            images=self.images[samples],
            mirrored=None if self.mirrored is None else self.mirrored[samples],
            mix=self.mix[samples],
            augment_reals=None if self.augment_reals is None else self.augment_reals[samples],
            augment_fakes=None if self.augment_fakes is None else self.augment_fakes[samples],
        )


class GeneratorInputs(NamedTuple):
    """The inputs of the generator's part of a step.

    Attributes:
        fakes: what images are generated from, with labels of random images of the data.
        alpha: how far the newest block is faded in, []; the number 1 outside of fades.
        lr: the learning rate, [].
        resolution: of the images.
        ema_weight: how far the EMA moves towards the generator, [].
        augment: the numbers of Augmentation for the images; None for none.
    """

    fakes: TrainingInputs
    alpha: Alpha
    lr: Tensor
    resolution: int
    ema_weight: Tensor
    augment: Tensor | None

    def part(self, samples: slice) -> GeneratorInputs:
        """The inputs of some of the samples."""
        augment = None if self.augment is None else self.augment[samples]
        return self._replace(fakes=self.fakes.part(samples), augment=augment)


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
        # On a CPU as precise as Python's numbers. A GPU's fused Adam takes float32, and Apple's has no float64.
        self.scalar_dtype = torch.float64 if processes.device.type == "cpu" else torch.float32

    def for_critic(self, batch: Batch, stage: Stage) -> CriticInputs:
        """The inputs of the critic on a batch of reals and as many fakes."""
        mirrored = None
        if self.config.mirror:
            mirrored = self._shard(self.streams.uniform("mirror", batch.start, stage.batch) < 0.5)
        labels = None if self.labels is None else self._pinned(self.labels.of(batch.indices).to(self.dtype))
        mix = self._floats(self.streams.uniform("mix", batch.start, stage.batch))
        fakes = self._fakes("critic", batch.start, stage, labels)
        alpha, lr = self._scheduled(stage)
        augment = [self._augment(one, batch.start, stage) for one in ("reals", "critic")]
        return CriticInputs(fakes, alpha, lr, batch.images, mirrored, mix, augment[0], augment[1], batch.roots)

    def for_generator(self, images: int, stage: Stage, shown: int) -> GeneratorInputs:
        """The inputs of the generator after so many images, `shown` of them in this step."""
        labels = None
        if self.labels is not None:
            places = self.streams.choices("labels", images, stage.batch, len(self.labels.training))
            labels = self._floats(self.labels.of(self.labels.training[places]))
        fakes = self._fakes("generator", images, stage, labels)
        augment = self._augment("generator", images, stage)
        return GeneratorInputs(
            fakes, *self._scheduled(stage), stage.resolution, self.ema_weight(images, shown), augment
        )

    def ema_weight(self, images: int, shown: int) -> Tensor:
        """How far the EMA moves in a step that shows so many images and ends after `images`, []."""
        half_life = self.config.ema_kimg * 1000
        if self.config.ema_rampup:
            half_life = min(half_life, self.config.ema_rampup * images)
        return self._pinned(torch.tensor(1 - (0.5 ** (shown / half_life) if half_life else 0.0), dtype=self.dtype))

    def _scheduled(self, stage: Stage) -> tuple[Alpha, Tensor]:
        """The stage's alpha and learning rate."""
        alpha, lr = (self._pinned(torch.tensor(one, dtype=self.scalar_dtype)) for one in (stage.alpha, stage.lr))
        return alpha if stage.alpha < 1.0 else 1.0, lr

    def _fakes(self, purpose: str, images: int, stage: Stage, labels: Tensor | None) -> TrainingInputs:
        """What images are generated from, with these labels [n, L] of the shard.

        With styles, those of two latents are mixed, with probability config.mixing, at a crossover that the whole batch
        has in common (Karras 2019, section 3.1). Where it comes after the last layer, nothing is mixed.
        """
        z = self._latents(purpose, images, stage)
        if not has_styles(self.generator):
            return TrainingInputs(z, labels)
        mixing = None
        if self.config.mixing:
            layers = self.generator.layers_at(stage.resolution)
            crossover = self.streams.crossover(f"{purpose} crossover", images, layers, self.config.mixing)
            first = self._pinned(torch.arange(layers).reshape(-1, 1) < crossover)
            mixing = self._latents(f"{purpose} second", images, stage), first
        return TrainingInputs(z, labels, mixing, self._noise(f"{purpose} noise", images, stage))

    def _augment(self, purpose: str, images: int, stage: Stage) -> Tensor | None:
        """The numbers [n, transforms, NUMBERS] for images of this purpose; they do not depend on which are chosen."""
        if not transform_names(self.config.augment):
            return None
        shape = len(TRANSFORMS), NUMBERS
        return self._floats(self.streams.uniform(f"augment {purpose}", images, stage.batch, shape))

    def _latents(self, purpose: str, images: int, stage: Stage) -> Tensor:
        return self._floats(self.streams.latents(purpose, images, stage.batch, self.generator.z_dim))

    def _noise(self, purpose: str, images: int, stage: Stage) -> tuple[Tensor, ...]:
        """Noise [n, 1, r, r] for both layers of each resolution r up to the stage's.

        On a CPU it is drawn for the whole batch and sharded, as latents are. On a GPU each process draws its own there,
        so that it is another for another number of processes: maps for a whole batch of large images would take longer
        to draw on the CPU than the step itself.
        """
        sizes, processes = layer_sizes(stage.resolution), self.processes
        if processes.device.type == "cpu":
            return tuple(self._floats(one) for one in self.streams.noise(purpose, images, stage.batch, sizes))
        purpose, shard = f"{purpose} of process {processes.rank}", stage.batch // processes.count
        return tuple(one.to(self.dtype) for one in self.streams.noise(purpose, images, shard, sizes, processes.device))

    def _floats(self, whole: Tensor) -> Tensor:
        """The shard in the networks' precision."""
        return self._shard(whole.to(self.dtype))

    def _shard(self, whole: Tensor) -> Tensor:
        return self._pinned(self.processes.shard(whole))

    def _pinned(self, tensor: Tensor) -> Tensor:
        return tensor.pin_memory() if self.processes.device.type == "cuda" else tensor
