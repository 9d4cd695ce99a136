"""What differs between the architectures in training: how their generators draw images."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

import progan
import stylegan
from stylegan.synthesis import layer_sizes
from train.config.schedule import Stage
from train.distributed.processes import SingleProcess
from train.step.random_streams import RandomStreams

Generator = progan.Generator | stylegan.Generator
Discriminator = progan.Discriminator | stylegan.Discriminator


class Fakes(NamedTuple):
    """Images [n, C, r, r], and by name what their making gives to be averaged over the batch.

    That is StyleGAN's `w` [w_dim], the mean of the first latents' w.
    """

    images: Tensor
    means: Mapping[str, Tensor]


def fakes(
    generator: Generator,
    stage: Stage,
    streams: RandomStreams,
    purpose: str,
    images: int,
    processes: SingleProcess,
    labels: Tensor | None,
    mixing: float,
) -> Callable[[slice], Fakes]:
    """What makes the fakes of any part of this process's share, from what is drawn for this purpose at this moment.

    `labels` [share, L] are those of the share. StyleGAN's rows are mixed, with probability `mixing`, from two latents
    at a crossover that the whole batch has in common (Karras 2019, section 3.1) and are not truncated.
    """
    dtype = next(generator.parameters()).dtype

    def latents(purpose: str) -> Tensor:
        return processes.shard(streams.latents(purpose, images, stage.batch, generator.z_dim), dtype)

    def part_of(whole: Tensor | None, part: slice) -> Tensor | None:
        return None if whole is None else whole[part]

    first = latents(purpose)
    if isinstance(generator, progan.Generator):
        return lambda part: Fakes(generator(first[part], part_of(labels, part), stage.resolution, stage.alpha), {})

    layers = min(len(layer_sizes(stage.resolution)), generator.num_layers)
    crossover = streams.crossover(f"{purpose} crossover", images, layers, mixing)
    second = latents(f"{purpose} second") if crossover < layers else None
    noise = noise_maps(stage, streams, f"{purpose} noise", images, processes, dtype)

    def mixed(part: slice) -> Fakes:
        w = generator.mapping(first[part], part_of(labels, part))
        ws = w.unsqueeze(1).expand(-1, layers, -1)
        if second is not None:
            others = generator.mapping(second[part], part_of(labels, part)).unsqueeze(1)
            below = torch.arange(layers, device=w.device).reshape(-1, 1) < crossover
            ws = torch.where(below, ws, others)
        drawn = generator.synthesis(ws, stage.resolution, stage.alpha, [one[part] for one in noise])
        return Fakes(drawn, {"w": w.detach().mean(dim=0)})

    return mixed


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


def samples(generator: Generator, latents: Tensor, labels: Tensor | None, stage: Stage) -> Tensor:
    """Images [N, C, r, r] of latents [N, z_dim] as a run shows them: the same every time, and not truncated."""
    constant = {"noise": "const"} if isinstance(generator, stylegan.Generator) else {}
    return generator(latents, labels, resolution=stage.resolution, alpha=stage.alpha, **constant)
