"""What physicists see first of images of roots of energies, as numbers of order 1, and images of given energies.

A label's first number is the energy E that an image is of, and the energies of its channels are what a critic should
know best and a generator get right: of showers their sum is known by E to a few percent, while two showers of the same
E look entirely different. The numbers of an image are the root of the sum for each unit of E and the root of each
channel's share, and of each channel its centre and width, in sides of the image, how far it is spread and how peaked it
is. A configuration holds the mean that they have in the data, and their deviation from what a linear function of the
label tells of them.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from progan.config import NetworkConfig
from progan.layers import Linear, activation
from progan.operations import at_least_float32

HIDDEN = 64  # units of each hidden layer of Perceptron
LEAST_SHARE = 1e-4  # added to each share, whose root would have no slope at 0
LEAST_VARIANCE = 1e-6  # likewise to squared widths
LEAST_ROOT = 0.01  # of energies that are averaged, below which the average has less slope
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
    """The numbers [N, 1 + 7 C] of images [N, C, r, r], and the channels' energies by the first; see the module."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.energy_numbers = config.image_channels + 1
        for name, values, default in (("mean", config.sums_mean, 0.0), ("deviation", config.sums_deviation, 1.0)):
            # The configuration holds them, so the weights need not.
            self.register_buffer(name, torch.tensor(values or [default] * config.sums), persistent=False)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The numbers of images [N, C, r, r] with labels [N, L], whose first is above 0: standardised, [N, 1 + 7 C]."""
        return (numbers_of(images, labels) - self.mean) / self.deviation

    def energies(self, numbers: Tensor, labels: Tensor) -> Tensor:
        """Each channel's mean energy of a pixel [N, C] by the first of the numbers [N, C + 1], of labels [N, L]."""
        own = slice(self.energy_numbers)
        squares = (numbers * self.deviation[own] + self.mean[own]).square()
        shares = squares[:, 1:] / squares[:, 1:].sum(dim=1, keepdim=True).clamp_min(NOTHING)
        return shares * squares[:, :1] * labels[:, :1].to(numbers.dtype)


def mean_energies(images: Tensor) -> Tensor:
    """The mean energy of a pixel in each channel [N, C] of images [N, C, r, r]: 0 for -1 throughout, 1 for 1.

    A smaller stage holds the mean energies of the pixels that one of its own stands for, so that it is the same there.
    """
    return ((images.to(at_least_float32(images.dtype)) + 1) / 2).square().mean(dim=(2, 3)).to(images.dtype)


def downscale_roots(images: Tensor) -> Tensor:
    """The roots of the mean energies of every 2x2 box: [N, C, H, W] -> [N, C, H/2, W/2], as smooth as to be derived."""
    energies = F.avg_pool2d(((images + 1) / 2).square(), 2)
    return ((energies + LEAST_ROOT**2).sqrt() - LEAST_ROOT) * 2 - 1


def numbers_of(images: Tensor, labels: Tensor) -> Tensor:
    """The numbers [N, 1 + 7 C] of images [N, C, r, r] with labels [N, L], whose first is above 0; see the module."""
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
    return torch.cat([roots, *centres, *widths, spread, peak], dim=1).to(images.dtype)


def with_energies(maps: Tensor, energies: Tensor) -> Tensor:
    """Images [N, C, r, r] of these mean energies [N, C] of a pixel, whose roots are as softplus(maps) to each other.

    It is no rectifier, in which a channel that is nothing everywhere would stay so for good.
    """
    amplitudes = F.softplus(maps)
    own = amplitudes.square().mean(dim=(2, 3)).clamp_min(NOTHING)
    return amplitudes * (energies / own).sqrt()[:, :, None, None] * 2 - 1
