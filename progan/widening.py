"""Widening: a trained network with more feature maps, which computes the same and can learn more.

Net2WiderNet of Chen et al. 2016, https://arxiv.org/abs/1511.05641, section 2.3: every map is there several times, and
what reads it divides its weight among the copies. The shares are drawn by chance, each anew, since copies that are read
alike have gradients alike and stay copies. What it gives shows late, if at all: KID of a ProGAN at 64 px was 0.057
after 40 thousand images with twice the maps, and without.
"""

from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from progan.discriminator import BaseDiscriminator
from progan.layers import EqualizedWeight, LatentTo4x4
from progan.network import Network

Widened = TypeVar("Widened", bound=Network)

PIXELS = 16  # of a map at 4x4, each of which has a row or column of its own in a dense layer
LEAST_SHARE, MOST_SHARE = 0.25, 1.75  # of a copy, in what it has on average


@torch.no_grad()
def widened(network: Widened, fmap_base: int, fmap_max: int, seed: int = 0) -> Widened:
    """The network with so many feature maps (see NetworkConfig), a whole number of times its own at each resolution.

    Its outputs are the network's, but for rounding, and it is the network itself where that has them already. `seed` is
    of the shares. ValueError for other numbers of maps.
    """
    config: Any = network.config
    if (config.fmap_base, config.fmap_max) == (fmap_base, fmap_max):
        return network
    config.check_widening(fmap_base, fmap_max)
    wider = type(network).from_config(replace(config, fmap_base=fmap_base, fmap_max=fmap_max))
    wider.to(next(network.parameters()).dtype)
    random = torch.Generator().manual_seed(seed)
    tensors, layers = wider.state_dict(), dict(wider.named_modules())
    for name, value in network.state_dict().items():
        module, _, leaf = name.rpartition(".")
        layer, target = layers[module], tensors[name]
        if isinstance(layer, EqualizedWeight) and leaf == "weight":
            rows = PIXELS if isinstance(layer, LatentTo4x4) else 1
            value = value.index_select(0, copied(value.shape[0], target.shape[0], rows))
            value = shared(value, copied(value.shape[1], target.shape[1], *columns(network, module)), random)
            value = value * (network.get_submodule(module).scale / layer.scale)  # type: ignore[operator]
        for dim, size in enumerate(target.shape):
            value = value.index_select(dim, copied(value.shape[dim], size))
        target.copy_(value)
    return wider


def columns(network: Network, layer: str) -> tuple[int, int]:
    """How many columns of a layer's weight belong to one map, and how many at the end to no map of a network's own."""
    if isinstance(network, BaseDiscriminator) and layer == "dense":
        return PIXELS, 0
    if isinstance(network, BaseDiscriminator) and layer == "conv":
        return 1, network.config.mbstd_features
    return 1, 0


def copied(before: int, after: int, unit: int = 1, kept: int = 0) -> Tensor:
    """Of which of `before` numbers each of `after` is a copy, [after].

    `unit` together are of one map, `kept` at the end of none. Copies of one map follow each other, so that groups of
    maps, and a style's scales and shifts, stay together.
    """
    maps = torch.arange(before - kept).reshape(-1, unit)
    times = (after - kept) // (before - kept)
    return torch.cat([maps.repeat_interleave(times, dim=0).flatten(), torch.arange(before - kept, before)])


def shared(weight: Tensor, of: Tensor, random: torch.Generator) -> Tensor:
    """A weight [out, in, ...] divided among copies of its inputs, `of` which each is one: [out, copies, ...]."""
    shape = (weight.shape[0], len(of), *weight.shape[2:])
    shares = LEAST_SHARE + (MOST_SHARE - LEAST_SHARE) * torch.rand(shape, generator=random, dtype=weight.dtype)
    total = torch.zeros_like(weight).index_add_(1, of, shares)
    return weight.index_select(1, of) * (shares / total.index_select(1, of))  # a share of exactly 1 where there is one
