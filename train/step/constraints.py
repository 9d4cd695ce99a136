"""What bounds the slopes of a network by its weights: spectral normalisation and weight clipping.

Both act on the effective weight, the one that a layer computes with, and so belong to networks without the equalized
learning rate. The 4x4 kernels of up- and downscaling convolutions are made from 3x3 weights, which are what is meant.

Spectral normalisation divides every weight, reshaped to a matrix [out, in * k * k], by its largest singular value. As
an operator on maps a k x k convolution with such a weight may still stretch by more than 1, up to k: every pixel goes
into k * k patches. The norm of the operator is the largest singular value of the kernel's transfer matrices [out, in]
over all frequencies (Sedghi et al. 2019), which the matrix of the weight only bounds.
"""

import copy
from collections.abc import Iterator
from operator import attrgetter
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from progan.layers import EqualizedWeight, weighted_layers

Network = TypeVar("Network", bound=nn.Module)


class Unscaled(nn.Module):
    """Takes out of a weight the factor that its layer is going to multiply it by."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        return weight / self.scale


def normalised(network: nn.Module) -> Iterator[nn.ModuleDict]:
    """The parametrizations of the layers that are normalised."""
    return (layer.parametrizations for layer in weighted_layers(network) if parametrize.is_parametrized(layer))  # type: ignore[misc]


def normalise(network: nn.Module) -> None:
    """Have every layer's weight divided by its largest singular value from now on (Miyato et al. 2018, section 2.1).

    Its singular vectors are estimated by 15 power iterations here and one more with each call of `iterate`. A network
    that is normalised stays as it is.
    """
    for layer in weighted_layers(network):
        if parametrize.is_parametrized(layer):
            continue
        spectral_norm(layer)
        if layer.scale != 1.0:
            parametrize.register_parametrization(layer, "weight", Unscaled(layer.scale))
        layer.parametrizations.eval()  # type: ignore[union-attr]


@torch.no_grad()
def iterate(network: nn.Module) -> None:
    """One power iteration for every normalised weight (Miyato et al. 2018, algorithm 1); none in other networks.

    Once a step and not, as torch does it by itself, at every use of a weight: a batch in several parts, or with passes
    for reals, fakes and a penalty, has the same weights throughout.
    """
    for parametrizations in normalised(network):
        parametrizations.train()
        parametrizations.weight()  # type: ignore[operator]
        parametrizations.eval()


@torch.no_grad()
def clip_weights(network: nn.Module, bound: float) -> None:
    """Move every parameter to the nearest number in [-bound, bound] (Arjovsky et al. 2017, algorithm 1)."""
    for parameter in network.parameters():
        parameter.clamp_(-bound, bound)


def effective_copy(network: Network) -> Network:
    """A copy that holds the effective weights themselves, and is not normalised any more."""
    network = copy.deepcopy(network)
    for layer in weighted_layers(network):
        if parametrize.is_parametrized(layer):
            # By hand, since remove_parametrizations would change the class, which the copy shares with the original.
            weight = layer.weight.detach()
            layer.__class__ = parametrize.type_before_parametrizations(layer)
            del layer.parametrizations
            layer.weight = nn.Parameter(weight)
    return network


def effective(network: nn.Module, name: str) -> Tensor:
    """The parameter or buffer of this name as `effective_copy` would hold it."""
    value: Tensor = attrgetter(name)(network)
    return value


@torch.no_grad()
def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Give `target` those weights of `source` that have the same name and shape in both.

    Names hold the resolution of their block, so networks of two resolutions share their common stages. They may differ
    in the equalized learning rate.
    """
    own, before = target.state_dict(), dict(source.named_modules())
    shared = {name: value for name, value in source.state_dict().items() if name in own}
    shared = {name: value for name, value in shared.items() if value.shape == own[name].shape}
    target.load_state_dict(shared, strict=False)
    for name, layer in target.named_modules():
        if isinstance(layer, EqualizedWeight) and f"{name}.weight" in shared:
            layer.weight.mul_(before[name].scale / layer.scale)
