"""Convolutions whose gradients are convolutions again, however often they are derived.

The gradient penalty derives the critic twice. PyTorch's own second derivative of a convolution convolves with kernels
as large as the maps, and that of a grouped one falls apart into one convolution a channel; these stay with the kernels
that a training step uses anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor

Tensors = tuple[Tensor, ...]


class Kernels(Protocol):
    """Single kernels for what PyTorch makes several of; see train.step.kernels."""

    def fit(self, x: Tensor) -> bool:
        """Whether they take such maps."""

    def add_and_rectify(self, x: Tensor, patterns: Tensor | None, amounts: Tensor, slope: float, out: Tensor) -> Tensor:
        """Leaky ReLU of maps x plus patterns [k, N * h * w] by amounts [k, C], or plus amounts [1, C], in `out`."""

    def normalise(self, x: Tensor, style: Tensor, eps: float) -> Tensors:
        """adaptive_instance_norm's result, and the mean and 1 / deviation of each map [N, C]."""

    def gradients_of_normalise(self, gradient: Tensor, x: Tensor, style: Tensor, mean: Tensor, inverse: Tensor) -> Any:
        """The gradients of x and of the style."""


kernels: Kernels | None = None  # of the GPU that networks train on: a global, which a layer need not be told of
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


def fast_kernels(x: Tensor) -> Kernels | None:
    """Those that take such maps as x, if there are any."""
    return kernels if kernels is not None and kernels.fit(x) else None


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, slope: float = 1.0
) -> Tensor:
    """[N, in, H, W] -> [N, out, H', W'] with weight [out, in, k, k], and a rectifier with a slope below zero."""
    if slope == 1.0 or bias is None or fast_kernels(x) is None:
        convolved = cast(Tensor, Convolution.apply(x, weight, bias, stride, padding, False))
        return convolved if slope == 1.0 else rectify(convolved, slope)
    return rectify(cast(Tensor, Convolution.apply(x, weight, None, stride, padding, False)), slope, bias)


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
            of_bias = sums_of_maps(gradient)
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


def as_rows(x: Tensor) -> Tensor:
    """Maps [N, C, h, w] as a matrix [N * h * w, C], without a copy where they are channels-last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def sums_of_maps(x: Tensor) -> Tensor:
    """The sum [C] of each of C maps over all samples [N, C, h, w]."""
    if fast_kernels(x) is None:
        return x.sum(dim=(0, 2, 3))
    rows = as_rows(x)  # as a product of matrices: a GPU takes half of the time, or a quarter
    return (rows.new_ones(1, len(rows)) @ rows)[0]


def rectify(x: Tensor, slope: float, bias: Tensor | None = None) -> Tensor:
    """Leaky ReLU with a slope below zero, written over x; of x plus a bias [C] where there are fast_kernels(x)."""
    return cast(Tensor, Rectifier.apply(x, slope, bias))


class Rectifier(torch.autograd.Function):
    """Leaky ReLU, whose second derivative is zero and so is left out, as PyTorch's own is not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float, bias: Tensor | None) -> Tensor:
        ctx.mark_dirty(x)
        fast = fast_kernels(x)
        if bias is not None and fast is not None:
            fast.add_and_rectify(x, None, bias[None], slope, x)
        else:
            F.leaky_relu_(x, slope)
        ctx.save_for_backward(x)
        ctx.slope = slope
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor | None]:
        of_x = RectifierGradient.apply(gradients[0], *ctx.saved_tensors, ctx.slope)
        return of_x, None, sums_of_maps(of_x) if ctx.needs_input_grad[2] and not _inputs_only else None


class RectifierGradient(torch.autograd.Function):
    """The gradient of a rectifier's input, from that of its output and the output itself."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, result: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(result)
        ctx.slope = slope
        return torch.ops.aten.leaky_relu_backward(gradient, result, slope, True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return RectifierGradient.apply(gradients[0], *ctx.saved_tensors, ctx.slope), None, None


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """The precision for sums over many values."""
    return torch.promote_types(dtype, torch.float32)


def scale_all(tensors: Sequence[Tensor], factors: Sequence[float]) -> Tensors:
    """Each tensor times its number: a kernel or two for all of them, and for all of their gradients."""
    results = list(tensors)
    if places := [place for place, factor in enumerate(factors) if factor != 1.0]:
        scaled = ScaleAll.apply([factors[place] for place in places], *(tensors[place] for place in places))
        for place, result in zip(places, scaled, strict=True):
            results[place] = result
    return tuple(results)


def cast_all(tensors: Sequence[Tensor], dtypes: Sequence[torch.dtype]) -> Tensors:
    """Each tensor in its precision: a kernel or two for all of them, and for all of their gradients."""
    results = list(tensors)
    if places := [place for place, dtype in enumerate(dtypes) if tensors[place].dtype != dtype]:
        converted = CastAll.apply([dtypes[place] for place in places], *(tensors[place] for place in places))
        for place, result in zip(places, converted, strict=True):
            results[place] = result
    return tuple(results)


class ScaleAll(torch.autograd.Function):
    """See scale_all."""

    @staticmethod
    def forward(ctx: Any, factors: Sequence[float], *tensors: Tensor) -> Tensors:
        ctx.set_materialize_grads(False)
        ctx.factors = factors
        return tuple(torch._foreach_mul(tensors, factors))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        there = {place: gradient for place, gradient in enumerate(gradients) if gradient is not None}
        scaled = scale_all(list(there.values()), [ctx.factors[place] for place in there])
        found = dict(zip(there, scaled, strict=True))
        return None, *(found.get(place) for place in range(len(gradients)))


class CastAll(torch.autograd.Function):
    """See cast_all."""

    @staticmethod
    def forward(ctx: Any, dtypes: Sequence[torch.dtype], *tensors: Tensor) -> Tensors:
        ctx.set_materialize_grads(False)
        ctx.dtypes = [tensor.dtype for tensor in tensors]
        results = [torch.empty_like(tensor, dtype=dtype) for tensor, dtype in zip(tensors, dtypes, strict=True)]
        torch._foreach_copy_(results, tensors)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        there = {place: gradient for place, gradient in enumerate(gradients) if gradient is not None}
        cast_back = cast_all(list(there.values()), [ctx.dtypes[place] for place in there])
        found = dict(zip(there, cast_back, strict=True))
        return None, *(found.get(place) for place in range(len(gradients)))
