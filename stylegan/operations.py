"""What a layer of the synthesis network does after its convolution, in few passes over its maps."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from progan.operations import RectifierGradient, as_rows, at_least_float32, fast_kernels


def add_and_rectify(x: Tensor, patterns: Tensor, amounts: Tensor, slope: float) -> Tensor:
    """Leaky ReLU of maps x [N, C, h, w] to which patterns [k, N * h * w] are added by amounts [k, C]."""
    return cast(Tensor, AddAndRectify.apply(x, patterns, amounts, slope))


def adaptive_instance_norm(x: Tensor, style: Tensor, eps: float = 1e-8) -> Tensor:
    """(1 + scale) * (x - mean) / std + shift (Karras 2019, equation 1), with mean and variance (biased) of each map.

    x [N, C, H, W], scale and shift are style[:, 0] and style[:, 1] of style [N, 2, C, 1, 1]. Computed in float32 at
    least.
    """
    return cast(Tensor, AdaptiveInstanceNorm.apply(x, style, eps))


def normalised_alike(maps: Sequence[Tensor], style: Tensor, eps: float = 1e-8) -> list[Tensor]:
    """adaptive_instance_norm of several maps [N, C, H, W], all by the means and deviations of the first."""
    x = maps[0]
    variance, mean = torch.var_mean(x.to(at_least_float32(x.dtype)), dim=(2, 3), correction=0, keepdim=True)
    scale = (style[:, 0] + 1) * (variance + eps).rsqrt()
    return [torch.addcmul(style[:, 1], one - mean, scale).to(x.dtype) for one in maps]


def as_maps(rows: Tensor, shape: torch.Size) -> Tensor:
    """The opposite of as_rows, for maps of this shape."""
    n, c, h, w = shape
    return rows.reshape(n, h, w, c).permute(0, 3, 1, 2)


class AddAndRectify(torch.autograd.Function):
    """See add_and_rectify. Noise and bias are one product of matrices, and so are their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, patterns: Tensor, amounts: Tensor, slope: float) -> Tensor:
        if fast := fast_kernels(x):
            result = fast.add_and_rectify(x, patterns, amounts, slope, torch.empty_like(x))
        else:
            rows = torch.addmm(as_rows(x), patterns.T, amounts)
            result = as_maps(F.leaky_relu_(rows, slope), x.shape)
        ctx.save_for_backward(result, patterns, amounts)
        ctx.slope = slope
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        result, patterns, amounts = ctx.saved_tensors
        of_x = RectifierGradient.apply(gradients[0], result, ctx.slope)
        rows = as_rows(of_x)
        of_patterns = amounts @ rows.T if ctx.needs_input_grad[1] else None
        of_amounts = patterns @ rows if ctx.needs_input_grad[2] else None
        return of_x, of_patterns, of_amounts, None


def normalised(x: Tensor, style: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The result of adaptive_instance_norm, x less its means, 1 / its deviations, and what the one is multiplied by."""
    precise = x.to(at_least_float32(x.dtype))
    centred = precise - precise.mean(dim=(2, 3), keepdim=True)
    inverse = (centred * centred).mean(dim=(2, 3), keepdim=True).add_(eps).rsqrt_()
    scale = torch.addcmul(inverse, style[:, 0], inverse)
    return torch.addcmul(style[:, 1], centred, scale).to(x.dtype), centred, inverse, scale


class AdaptiveInstanceNorm(torch.autograd.Function):
    """See adaptive_instance_norm. Its gradient takes half of the passes over the maps that PyTorch would make of it.

    Where that is to be derived again, PyTorch's own is.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, style: Tensor, eps: float) -> Tensor:
        fast = fast_kernels(x)
        result, *parts = fast.normalise(x, style, eps) if fast else normalised(x, style, eps)
        ctx.save_for_backward(x, style, *parts)
        ctx.eps, ctx.fast = eps, fast
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, style, *parts = ctx.saved_tensors
        if torch.is_grad_enabled():
            again = gradients_of(lambda x, style: normalised(x, style, ctx.eps)[0], (x, style), gradients[0])
            return again[0], again[1], None
        if ctx.fast is not None:
            return *ctx.fast.gradients_of_normalise(gradients[0], x, style, *parts), None
        centred, inverse, scale = parts
        # With n = centred * inverse and means over a map: scale * (gradient - mean(gradient) - n * mean(gradient * n)).
        n, c, h, w = centred.shape
        gradient = gradients[0].to(centred.dtype)
        of_style = gradient.new_empty(n, 2, c, 1, 1)
        torch.sum(gradient * centred, dim=(2, 3), keepdim=True, out=of_style[:, 0])
        torch.sum(gradient, dim=(2, 3), keepdim=True, out=of_style[:, 1])
        of_style[:, 0].mul_(inverse)
        shares = of_style * (scale * (-1 / (h * w))).unsqueeze(1)
        of_x = torch.addcmul(shares[:, 1], gradient, scale).addcmul_(centred, shares[:, 0] * inverse)
        return of_x.to(gradients[0].dtype), of_style, None


def gradients_of(
    function: Callable[..., Tensor], inputs: tuple[Tensor, ...], gradient: Tensor
) -> tuple[Tensor | None, ...]:
    """The gradients of a function's inputs, which can be derived again; None for those that need none."""
    wanted = [one for one in inputs if one.requires_grad]
    found = iter(torch.autograd.grad(function(*inputs), wanted, gradient, create_graph=True))
    return tuple(next(found) if one.requires_grad else None for one in inputs)
