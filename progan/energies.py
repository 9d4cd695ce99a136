"""What physicists see first of images of roots of energies, as numbers of order 1, and images of given energies.

A label's first number is the energy E that an image is of, and the energies of its channels are what a critic should
know best and a generator get right: of showers their sum is known by E to a few percent, while two showers of the same
E look entirely different. The numbers of an image are the root of the sum for each unit of E and the root of each
channel's share, and of each channel its centre and width, in sides of the image, how far it is spread and how peaked it
is, and, where hits are looked at, how many pixels are hit for each root of a unit of E. A configuration holds the mean
that they have in the data, and their deviation from what a linear function of the label tells of them.
"""

import math
import random
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from progan.config import BaseGeneratorConfig, NetworkConfig
from progan.layers import Linear, activation
from progan.operations import at_least_float32

HIDDEN = 64  # units of each hidden layer of Perceptron
LEAST_SHARE = 1e-4  # added to each share, whose root would have no slope at 0
LEAST_VARIANCE = 1e-6  # likewise to squared widths
LEAST_ROOT = 0.01  # of energies that are averaged, below which the average has less slope
SHARPNESS = 1 / 0.15  # of the choice between a hit and none, in a generator's images
SPREAD = 0.3  # of hits' amplitudes that are drawn by chance, in a generator's first images
SMALLEST_CHANCE = 1e-4  # the logarithm of 0 would have no end
NOTHING = 1e-12  # mean energy of an image that holds none


class Perceptron(nn.Module):
    """Two hidden layers and a linear one: [N, inputs] -> [N, outputs]."""

    def __init__(self, inputs: int, outputs: int, config: NetworkConfig) -> None:
        super().__init__()
        self.nonlinearity, equalized = config.nonlinearity, config.equalized_lr
        self.first = Linear(inputs, HIDDEN, equalized=equalized)
        self.second = Linear(HIDDEN, HIDDEN, equalized=equalized)
        self.last = Linear(HIDDEN, outputs, gain=1.0, equalized=equalized)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second):
            x = activation(layer(x), self.nonlinearity)
        return cast(Tensor, self.last(x))


class ChannelSums(nn.Module):
    """The numbers [N, sums] and hits of images [N, C, r, r], and channels' energies by the first; see the module."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.energy_numbers = config.image_channels + 1
        self.hit, self.resolution = config.hit, config.resolution
        for name, values, default in (("mean", config.sums_mean, 0.0), ("deviation", config.sums_deviation, 1.0)):
            # The configuration holds them, so the weights need not.
            self.register_buffer(name, torch.tensor(values or [default] * config.sums), persistent=False)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The numbers of images [N, C, r, r] with labels [N, L], whose first is above 0: standardised, [N, sums]."""
        return (numbers_of(images, labels, self.hit_at(images.shape[-1])) - self.mean) / self.deviation

    def hits(self, images: Tensor) -> Tensor | None:
        """The soft hits [N, C, r, r] of images of any stage; None where hits are not looked at."""
        hit = self.hit_at(images.shape[-1])
        return None if hit is None else soft_hits(images, hit)

    def hit_at(self, resolution: int) -> float | None:
        """The least amplitude of a hit at a stage, where a pixel holds the mean energy of several."""
        return None if self.hit is None else self.hit * resolution / self.resolution

    def energies(self, numbers: Tensor, labels: Tensor) -> Tensor:
        """Each channel's mean energy of a pixel [N, C] by the first of the numbers [N, C + 1], of labels [N, L]."""
        own = slice(self.energy_numbers)
        squares = (numbers * self.deviation[own] + self.mean[own]).square()
        shares = squares[:, 1:] / squares[:, 1:].sum(dim=1, keepdim=True).clamp_min(NOTHING)
        return shares * squares[:, :1] * labels[:, :1].to(numbers.dtype)


class PixelNoise(nn.Module):
    """Two kinds of noise for each pixel and channel, by nothing but the latents: z [N, z_dim] -> [N, 2 C, r, r].

    Each number is of a latent's place on a wave along a direction of its own. Over latents it is logistic, and any two
    as good as independent; a latent always has the same noise. The directions are those of all networks of a size.
    """

    def __init__(self, config: BaseGeneratorConfig) -> None:
        super().__init__()
        self.directions: Tensor
        self.phases: Tensor
        draw = random.Random(0).random  # whose numbers never change
        maps, scale = (2 * config.image_channels, config.resolution, config.resolution), math.sqrt(12 / config.z_dim)
        for name, size in (("phases", maps), ("directions", (config.z_dim, *maps))):
            drawn = torch.zeros(size)  # of a size that a loader looks at, before it is filled
            drawn.copy_(torch.tensor([draw() for _ in range(drawn.numel())]).reshape(size))
            self.register_buffer(name, drawn if name == "phases" else scale * (drawn - 0.5), persistent=False)

    def forward(self, z: Tensor, resolution: int) -> Tensor:
        """The noise of a stage."""
        phases, directions = (each[..., :resolution, :resolution] for each in (self.phases, self.directions))
        turns = torch.addmm(phases.flatten().to(z.dtype), z, directions.flatten(1).to(z.dtype))
        chances = 2 * (turns - turns.round()).abs()
        return torch.logit(chances, SMALLEST_CHANCE).reshape(-1, *phases.shape)


def mean_energies(images: Tensor) -> Tensor:
    """The mean energy of a pixel in each channel [N, C] of images [N, C, r, r]: 0 for -1 throughout, 1 for 1.

    A smaller stage holds the mean energies of the pixels that one of its own stands for, so that it is the same there.
    """
    return ((images.to(at_least_float32(images.dtype)) + 1) / 2).square().mean(dim=(2, 3)).to(images.dtype)


def downscale_roots(images: Tensor) -> Tensor:
    """The roots of the mean energies of every 2x2 box: [N, C, H, W] -> [N, C, H/2, W/2], as smooth as to be derived."""
    energies = F.avg_pool2d(((images + 1) / 2).square(), 2)
    return ((energies + LEAST_ROOT**2).sqrt() - LEAST_ROOT) * 2 - 1


def soft_hits(images: Tensor, hit: float) -> Tensor:
    """How far the pixels of images [N, C, r, r] are hit: from 0 for nothing over 1/2 at the amplitude `hit` to 1."""
    energies = ((images.to(at_least_float32(images.dtype)) + 1) / 2).square()
    return (energies.square() / (energies.square() + hit**4)).to(images.dtype)


def any_of_four(hits: Tensor) -> Tensor:
    """How far any pixel of every 2x2 box is hit: [N, C, H, W] -> [N, C, H/2, W/2]."""
    missed = (1 - hits[:, :, ::2]) * (1 - hits[:, :, 1::2])
    return 1 - missed[..., ::2] * missed[..., 1::2]


def numbers_of(images: Tensor, labels: Tensor, hit: float | None = None) -> Tensor:
    """The numbers of images [N, C, r, r] with labels [N, L], whose first is above 0; see the module.

    They are [N, 1 + 7 C], or with the least amplitude of a hit [N, 1 + 8 C].
    """
    amplitudes = (images.to(at_least_float32(images.dtype)) + 1) / 2
    squares = amplitudes.square()
    energies = squares.mean(dim=(2, 3))
    total = energies.sum(dim=1, keepdim=True) + NOTHING
    roots = torch.cat([total / labels[:, :1].to(total.dtype), energies / total + LEAST_SHARE], dim=1).sqrt()
    sums = squares.sum(dim=(2, 3)) + NOTHING
    shares, side = squares / sums[:, :, None, None], images.shape[-1]
    places = (torch.arange(side, device=images.device, dtype=shares.dtype) + 0.5) / side - 0.5
    lines = torch.stack([shares.sum(dim=2), shares.sum(dim=3)])  # by column and by row
    centres = lines @ places
    widths = (lines @ places.square() - centres.square() + LEAST_VARIANCE).sqrt()
    spread = amplitudes.sum(dim=(2, 3)) / sums.sqrt() / side
    peak = (shares.square().sum(dim=(2, 3)) + NOTHING).sqrt()
    numbers = [roots, *centres, *widths, spread, peak]
    if hit is not None:
        numbers.append(soft_hits(images, hit).sum(dim=(2, 3)) / labels[:, :1].to(total.dtype).sqrt())
    return torch.cat(numbers, dim=1).to(images.dtype)


def with_energies(maps: Tensor, energies: Tensor, noise: Tensor | None = None) -> Tensor:
    """Images [N, C, r, r] of these mean energies [N, C] of a pixel, whose roots are as softplus(maps) to each other.

    It is no rectifier, in which a channel that is nothing everywhere would stay so for good. With `noise`
    [N, 2 C, r, r] there are three maps for each channel, [N, 3 C, r, r]: of a pixel's amplitude, of the logarithm of
    its odds to be hit, without which it is next to nothing, and of how far its amplitude is by chance.
    """
    if noise is None:
        amplitudes = F.softplus(maps)
    else:
        (sizes, odds, spreads), (of_hits, of_sizes) = maps.chunk(3, dim=1), noise.chunk(2, dim=1)
        sizes = sizes + SPREAD * F.softplus(spreads) * of_sizes
        amplitudes = F.softplus(sizes) * torch.sigmoid(SHARPNESS * (odds + of_hits))
    own = amplitudes.square().mean(dim=(2, 3)).clamp_min(NOTHING)
    return amplitudes * (energies / own).sqrt()[:, :, None, None] * 2 - 1
