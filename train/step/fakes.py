"""The random inputs of generated images in training, and the images of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stylegan.synthesis import layer_sizes
from stylegrow.architectures import Generated, TrainingInputs, architecture_of, has_styles
from train.config.schedule import Stage
from train.distributed.processes import SingleProcess
from train.step.random_streams import RandomStreams

if TYPE_CHECKING:
    from stylegrow.architectures import Generator


def fakes(
    generator: Generator,
    stage: Stage,
    streams: RandomStreams,
    purpose: str,
    images: int,
    processes: SingleProcess,
    labels: Tensor | None,
    mixing: float,
) -> Callable[[slice], Generated]:
    """What makes the fakes of any part of this process's share, from what is drawn for this purpose at this moment.

    `labels` [share, L] are those of the share. With styles, those of two latents are mixed, with probability `mixing`,
    at a crossover that the whole batch has in common (Karras 2019, section 3.1).
    """
    dtype = next(generator.parameters()).dtype

    def latents(purpose: str) -> Tensor:
        return processes.shard(streams.latents(purpose, images, stage.batch, generator.z_dim), dtype)

    inputs = TrainingInputs(latents(purpose), labels)
    if has_styles(generator):
        layers = generator.layers_at(stage.resolution)
        crossover = streams.crossover(f"{purpose} crossover", images, layers, mixing)
        other_z = latents(f"{purpose} second") if crossover < layers else None
        noise = noise_maps(stage, streams, f"{purpose} noise", images, processes, dtype)
        inputs = TrainingInputs(inputs.z, labels, other_z, crossover, noise)
    generate = architecture_of(generator).generate
    return lambda part: generate(generator, inputs[part], stage.resolution, stage.alpha)


def noise_maps(
    stage: Stage, streams: RandomStreams, purpose: str, images: int, processes: SingleProcess, dtype: torch.dtype
) -> list[Tensor]:
    """Noise [share, 1, r, r] for both layers of each resolution r up to the stage's, for this process's share.

    On a CPU it is drawn for the whole batch and shared, as latents are. On a GPU each process draws its own there, so
    that it is another for another number of processes: maps for a whole batch of large pictures would take longer to
    draw on the CPU than the step itself.
    """
    sizes = layer_sizes(stage.resolution)
    if processes.device.type == "cpu":
        return [processes.shard(one, dtype) for one in streams.noise(purpose, images, stage.batch, sizes)]
    share = stage.batch // processes.count
    own = streams.noise(f"{purpose} of process {processes.rank}", images, share, sizes, processes.device)
    return [one.to(dtype) for one in own]
