"""Convolutions whose gradients are convolutions again, however often they are derived.

The gradient penalty derives the critic twice. PyTorch's own second derivative of a convolution convolves with kernels
as large as the maps, and that of a grouped one falls apart into one convolution a channel; these stay with the kernels
that a training step uses anyway.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

_inputs_only = False  # a global and no argument, since a GPU's gradients are computed in threads of their own


@contextmanager
def gradients_of_inputs() -> Iterator[None]:
    """Within, convolutions leave out the gradients of their weights: for a penalty, which wants those of the images."""
    global _inputs_only
    before, _inputs_only = _inputs_only, True
    try:
        yield
    finally:
        _inputs_only = before


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Tensor:
    """[N, in, H, W] -> [N, out, H', W'] with weight [out, in, k, k]."""
    return cast(Tensor, Convolution.apply(x, weight, bias, stride, padding, False))


def convolve_transposed(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """[N, in, H', W'] -> [N, out, H, W] with weight [in, out, k, k]."""
    return cast(Tensor, Convolution.apply(x, weight, bias, stride, padding, True))


class Convolution(torch.autograd.Function):
    """A convolution or, transposed, what its gradient with respect to its input is."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, transposed: bool
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding, transposed
        function = F.conv_transpose2d if transposed else F.conv2d
        return function(x, weight, bias, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, weight) = gradients, ctx.saved_tensors
        stride, padding, transposed = ctx.geometry
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = Convolution.apply(gradient, weight, None, stride, padding, not transposed)
        if ctx.needs_input_grad[1] and not _inputs_only:
            large, small = (gradient, x) if transposed else (x, gradient)
            geometry = [stride, stride], [padding, padding], [1, 1], False, [0, 0], 1
            of_weight = torch.ops.aten.convolution_backward(
                small, large, weight, None, *geometry, [False, True, False]
            )[1]
        if ctx.needs_input_grad[2] and not _inputs_only:
            of_bias = gradient.sum(dim=(0, 2, 3))
        return of_x, of_weight, of_bias, None, None, None


class Filter(torch.autograd.Function):
    """The same small filter on every map, which has itself, turned round, as gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, before: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.before = before
        after = (kernel.shape[0] - 1 - before[0], kernel.shape[1] - 1 - before[1])
        if before != after:
            x = F.pad(x, (before[1], after[1], before[0], after[0]))
        weight = kernel.expand(x.shape[1], 1, *kernel.shape)
        return F.conv2d(x, weight, padding=before if before == after else 0, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (kernel,) = ctx.saved_tensors
        after = (kernel.shape[0] - 1 - ctx.before[0], kernel.shape[1] - 1 - ctx.before[1])
        return Filter.apply(gradients[0], kernel.flip(0, 1), after), None, None
