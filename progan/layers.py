"""The layers of the progressively growing GAN (Karras et al. 2018, https://arxiv.org/abs/1710.10196).

Activations are [N, C, H, W]. Every layer computes in the precision of its input and casts its weights to it, so that
float64 in gives float64 out and a bfloat16 trunk needs no autocast.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from progan.config import NetworkConfig
from progan.operations import Filter, at_least_float32, cast_all, convolve, convolve_transposed, rectify, scale_all

SQRT2 = math.sqrt(2.0)
SLOPES = {"lrelu": 0.2, "relu": 0.0, "linear": 1.0}  # of the nonlinearities, below zero
Alpha = float | Tensor  # how far a block is faded in, as a number or as a tensor [] on the maps' device


def pixel_norm(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Normalise each pixel's feature vector [N, C, ...] to unit mean square (Karras 2018, section 4.2)."""
    # Not x.square().mean(): its gradient leaves the channels-last layout, which makes the layer three times as slow.
    return x * torch.rsqrt((x * x).sum(dim=1, keepdim=True) * (1 / x.shape[1]) + eps)


def upscale2x(x: Tensor) -> Tensor:
    """Repeat every pixel 2x2: [N, C, H, W] -> [N, C, 2H, 2W]."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def downscale2x(x: Tensor) -> Tensor:
    """Average every 2x2 box: [N, C, H, W] -> [N, C, H/2, W/2]."""
    return F.avg_pool2d(x, 2)


def repeat_within(images: Tensor, margin: int) -> Tensor:
    """Images [N, C, r, r] whose outermost `margin` pixels at each edge repeat the nearest within.

    A convolution takes zeros for what lies outside, which leaves a frame; and a network whose maps are normalised one
    by one puts its largest values there, where they are seen least, to tell the layers how strong the others are, as
    it does with the drops of Karras et al. 2020 (https://arxiv.org/abs/1912.04958), section 2.
    """
    if not margin:
        return images
    for dim in (2, 3):  # of views alone, whose gradients are the same bits each time on a GPU too
        within = images.narrow(dim, margin, images.shape[dim] - 2 * margin)
        ends = [within.narrow(dim, at, 1) for at in (0, within.shape[dim] - 1)]
        first, last = (end.repeat_interleave(margin, dim) for end in ends)
        images = torch.cat([first, within, last], dim)
    return images


def is_fading(alpha: Alpha) -> bool:
    """Whether something is to be faded; a tensor says so by being there, for nobody may look at its value."""
    return isinstance(alpha, Tensor) or alpha < 1.0


def fade(old: Tensor, new: Tensor, alpha: Alpha) -> Tensor:
    """(1 - alpha) * old + alpha * new, the cross-fade of Karras 2018, figure 2; exactly `new` at alpha 1."""
    return cast(Tensor, Fade.apply(old, new, alpha)) if isinstance(alpha, Tensor) else torch.lerp(old, new, alpha)


class Fade(torch.autograd.Function):
    """torch.lerp by a tensor [] that may be more precise than the maps, with the same result as by that number."""

    @staticmethod
    def forward(ctx: Any, old: Tensor, new: Tensor, alpha: Tensor) -> Tensor:
        ctx.save_for_backward(alpha)
        dtype = at_least_float32(old.dtype)
        return torch.lerp(old.to(dtype), new.to(dtype), alpha.to(dtype)).to(old.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,), (alpha,) = gradients, ctx.saved_tensors
        return gradient * (1 - alpha), gradient * alpha, None


def largest_group(batch: int, group: int) -> int:
    """The largest divisor of `batch` that is not above `group`."""
    return next(size for size in range(min(group, batch), 0, -1) if batch % size == 0)


def minibatch_stddev(x: Tensor, group: int = 4, features: int = 1, batches: int = 1) -> Tensor:
    """Append `features` maps with the standard deviation over groups of samples (Karras 2018, section 3).

    [N, C, H, W] -> [N, C + features, H, W]. With M = N / group, sample i belongs to group i mod M; the variance is
    biased and computed in float32 at least. A batch that `group` does not divide uses the largest divisor not above it.
    x may hold several `batches` of equal size, one after the other, each with groups of its own.
    """
    (n, c, h, w), size = x.shape, len(x) // batches
    group = largest_group(size, group)
    y = x.to(at_least_float32(x.dtype)).reshape(batches, group, size // group, features, c // features, h, w)
    y = (y - y.mean(dim=1, keepdim=True)).square().mean(dim=1, keepdim=True)
    y = (y + 1e-8).sqrt().mean(dim=(4, 5, 6)).to(x.dtype)
    y = y.expand(-1, group, -1, -1).reshape(n, features, 1, 1).expand(-1, -1, h, w)
    return torch.cat([x, y], dim=1)


def four_shifts() -> Tensor:
    """The matrix [16, 9] that makes of a 3x3 kernel the 4x4 kernel which is the sum of its four shifts by one pixel.

    That kernel does a 3x3 convolution and a 2x2 repetition (or sum) of pixels at once.
    """
    w = F.pad(torch.eye(9).reshape(9, 3, 3), (1, 1, 1, 1))
    return (w[..., 1:, 1:] + w[..., :-1, 1:] + w[..., 1:, :-1] + w[..., :-1, :-1]).reshape(9, 16).T.contiguous()


def kernel_4x4(weight: Tensor, shifts: Tensor) -> Tensor:
    """3x3 kernels [out, in, 3, 3] as 4x4 kernels [out, in, 4, 4], by a matrix [16, 9]."""
    # As a product of matrices: the gradients of slices are ten times as slow as the whole of this.
    outputs, inputs = weight.shape[:2]
    kernels = shifts @ weight.permute(0, 2, 3, 1).reshape(outputs, 9, inputs)
    return kernels.reshape(outputs, 4, 4, inputs).permute(0, 3, 1, 2)


Scaled = tuple[Tensor, Tensor | None]  # an effective weight and a bias
Cache = dict[tuple[torch.dtype, bool], Scaled]  # by precision and whether gradients are wanted


class EqualizedWeight(nn.Module):
    """A weight drawn from N(0, 1) and scaled at run time by gain / sqrt(fan_in), with a zero bias (`bias` 0: none).

    The equalized learning rate of Karras 2018, section 4.1. With `equalized` False the scale is in the initial values.
    `lrmul` multiplies the learning rate of weight and bias: both are so much larger in memory and scaled back here.
    """

    cache: Cache | None = None  # see cache_weights
    used: tuple[torch.dtype, ...] = ()  # the precisions asked for while there was a cache, last time

    def __init__(
        self, shape: tuple[int, ...], bias: int, fan_in: int, gain: float, equalized: bool, lrmul: float = 1.0
    ) -> None:
        super().__init__()
        scale = gain / math.sqrt(fan_in)
        self.scale = scale * lrmul if equalized else lrmul
        self.lrmul = lrmul
        self.weight = nn.Parameter(torch.randn(shape) * ((1.0 if equalized else scale) / lrmul))
        self.bias = nn.Parameter(torch.zeros(bias)) if bias else None

    def scaled(self, dtype: torch.dtype) -> Scaled:
        """The effective weight and the bias in the precision of the computation."""
        if self.cache is None:
            return compute_scaled([(self, dtype)])[0]
        if dtype not in self.used:
            self.used = (*self.used, dtype)
        key = dtype, torch.is_grad_enabled()  # weights computed without a gradient are of no use where one is wanted
        if key not in self.cache:
            self.cache[key] = compute_scaled([(self, dtype)])[0]
        return self.cache[key]

    def kernel(self, weight: Tensor) -> Tensor:
        """What the layer computes with, of its weight times its scale."""
        return weight


def compute_scaled(layers: Sequence[tuple[EqualizedWeight, torch.dtype]]) -> list[Scaled]:
    """The effective weights and biases of several layers, each in a precision, with few operations for all of them."""
    weights = [layer.weight.to(torch.promote_types(layer.weight.dtype, dtype)) for layer, dtype in layers]
    biased = [one for one in layers if one[0].bias is not None]
    biases = [layer.bias for layer, _ in biased if layer.bias is not None]
    scales = [*(layer.scale for layer, _ in layers), *(layer.lrmul for layer, _ in biased)]
    scaled = scale_all([*weights, *biases], scales)
    kernels = [layer.kernel(weight) for (layer, _), weight in zip(layers, scaled, strict=False)]
    dtypes = [dtype for _, dtype in (*layers, *biased)]
    found = cast_all([*kernels, *scaled[len(layers) :]], dtypes)
    bias_of = dict(zip(biased, found[len(layers) :], strict=True))
    return [(weight, bias_of.get(one)) for one, weight in zip(layers, found, strict=False)]


def weighted_layers(network: nn.Module) -> Iterator[EqualizedWeight]:
    """The layers with weights, in the order in which the network holds them."""
    return (layer for layer in network.modules() if isinstance(layer, EqualizedWeight))


def cache_weights(network: nn.Module, enabled: bool = True) -> None:
    """Have layers compute their effective weights only once: for networks whose weights do not change any more."""
    for layer in weighted_layers(network):
        layer.cache = {} if enabled else None


@contextmanager
def cached_weights(network: nn.Module) -> Iterator[None]:
    """Within, effective weights are computed only once: for several passes of a training step.

    Those that were used within the last time are computed together, which is faster than one by one.
    """
    cache_weights(network)
    used = [(layer, dtype) for layer in weighted_layers(network) for dtype in layer.used]
    for (layer, dtype), scaled in zip(used, compute_scaled(used), strict=True):
        layer.used = ()
        layer.cache[dtype, torch.is_grad_enabled()] = scaled  # type: ignore[index]
    try:
        yield
    finally:
        cache_weights(network, enabled=False)


class Conv2d(EqualizedWeight):
    """Convolution that keeps the size: [N, in, H, W] -> [N, out, H, W], weight [out, in, k, k]."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, gain: float = SQRT2, equalized: bool = True, bias: bool = True
    ) -> None:
        shape = (outputs, inputs, kernel, kernel)
        super().__init__(shape, outputs * bias, inputs * kernel * kernel, gain, equalized)
        self.padding = kernel // 2

    def forward(self, x: Tensor, nonlinearity: str = "linear") -> Tensor:
        weight, bias = self.scaled(x.dtype)
        return convolve(x, weight, bias, padding=self.padding, slope=SLOPES[nonlinearity])


class UpConv2d(EqualizedWeight):
    """2x upscaling and 3x3 convolution in one: [N, in, H, W] -> [N, out, 2H, 2W], weight [out, in, 3, 3].

    Computed as one transposed convolution with a 4x4 kernel and stride 2. `fused` is the official fused_scale: True is
    that convolution itself, False is "repeat pixels, then convolve", which is the same with the kernel flipped.
    """

    def __init__(
        self, inputs: int, outputs: int, fused: bool = True, equalized: bool = True, bias: bool = True
    ) -> None:
        super().__init__((outputs, inputs, 3, 3), outputs * bias, inputs * 9, SQRT2, equalized)
        self.fused = fused
        self.shifts: Tensor
        self.register_buffer("shifts", four_shifts() if fused else four_shifts().flip(1), persistent=False)

    def kernel(self, weight: Tensor) -> Tensor:
        """The 4x4 kernel [in, out, 4, 4] of a transposed convolution."""
        return kernel_4x4(weight.transpose(0, 1), self.shifts.to(weight.dtype))

    def forward(self, x: Tensor, blur: nn.Module | None = None) -> Tensor:
        """The maps, filtered by `blur` before the bias is added, which would else fall off towards the border."""
        weight, bias = self.scaled(x.dtype)
        if blur is None:
            return convolve_transposed(x, weight, bias, stride=2, padding=1)
        x = blur(convolve_transposed(x, weight, None, stride=2, padding=1))
        return x if bias is None else x + bias.reshape(1, -1, 1, 1)


class DownConv2d(EqualizedWeight):
    """3x3 convolution and 2x2 average in one: [N, in, H, W] -> [N, out, H/2, W/2], weight [out, in, 3, 3].

    Computed as one convolution with a 4x4 kernel and stride 2, which equals the convolution followed by the average.
    """

    def __init__(self, inputs: int, outputs: int, equalized: bool = True) -> None:
        super().__init__((outputs, inputs, 3, 3), outputs, inputs * 9, SQRT2, equalized)
        self.shifts: Tensor
        self.register_buffer("shifts", four_shifts() / 4, persistent=False)

    def kernel(self, weight: Tensor) -> Tensor:
        """The 4x4 kernel [out, in, 4, 4]."""
        return kernel_4x4(weight, self.shifts.to(weight.dtype))

    def forward(self, x: Tensor, nonlinearity: str = "linear") -> Tensor:
        weight, bias = self.scaled(x.dtype)
        return convolve(x, weight, bias, stride=2, padding=1, slope=SLOPES[nonlinearity])


class Linear(EqualizedWeight):
    """Fully connected layer [N, in] -> [N, out], weight [out, in]."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        gain: float = SQRT2,
        equalized: bool = True,
        lrmul: float = 1.0,
        bias: bool = True,
    ) -> None:
        super().__init__((outputs, inputs), outputs * bias, inputs, gain, equalized, lrmul)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.scaled(x.dtype)
        return F.linear(x, weight, bias)


class LatentTo4x4(EqualizedWeight):
    """The generator's first layer: a dense layer whose output is read as maps, [N, in] -> [N, out, 4, 4].

    Its gain is a quarter of sqrt(2), as in the official program; the bias is one value a map.
    """

    def __init__(self, inputs: int, outputs: int, equalized: bool = True, bias: bool = True) -> None:
        super().__init__((outputs * 16, inputs), outputs * bias, inputs, SQRT2 / 4, equalized)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.scaled(x.dtype)
        maps = F.linear(x, weight).reshape(x.shape[0], -1, 4, 4)
        return maps if bias is None else maps + bias.reshape(1, -1, 1, 1)


def blur_kernel(taps: Any) -> list[list[float]]:
    """The rows of a blur's kernel, of sum 1, from its numbers in one direction or in both. ValueError for others."""
    try:
        both = isinstance(taps[0], list | tuple)
        rows = [[float(tap) for tap in row] for row in taps] if both else [[float(a * b) for b in taps] for a in taps]
        total = math.fsum(math.fsum(row) for row in rows)
        if len({len(row) for row in rows}) == 1 and math.isfinite(1 / total):
            return [[value / total for value in row] for row in rows]
    except (TypeError, ValueError, LookupError, ArithmeticError):
        pass
    raise ValueError(f"blur_filter {taps!r} is not a list of numbers with a sum other than 0")


class Blur(nn.Module):
    """Low-pass filter of every map, which keeps the size and takes what lies outside as zero (Karras 2019, appendix C).

    `taps` are the filter's numbers, of both directions if in one list and [rows, columns] if in a list of lists; they
    are normalised to a sum of 1. While `on` is False, as it may be at first in a training, maps stay as they are.
    ValueError for what is no filter.
    """

    on = True

    def __init__(self, taps: Sequence[float] | Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.kernel: Tensor
        self.register_buffer("kernel", torch.tensor(blur_kernel(taps)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.on:
            return x
        height, width = self.kernel.shape
        before = ((height - 1) // 2, (width - 1) // 2)
        return cast(Tensor, Filter.apply(x, self.kernel.to(x.dtype), before))


def activation(x: Tensor, nonlinearity: str) -> Tensor:
    """Leaky ReLU with slope 0.2 ("lrelu") or ReLU ("relu"), written over x, which spares as much memory."""
    return rectify(x, SLOPES[nonlinearity])


class Standardize(nn.Module):
    """Labels [N, label_dim] in the data's units with mean 0 and deviation 1; see NetworkConfig."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        for name, values, default in (("mean", config.label_mean, 0.0), ("deviation", config.label_deviation, 1.0)):
            # The configuration holds them, so the weights need not.
            self.register_buffer(name, torch.tensor(values or [default] * config.label_dim), persistent=False)

    def forward(self, labels: Tensor) -> Tensor:
        return (labels - self.mean) / self.deviation


def check_labels(network: str, labels: Tensor | None, label_dim: int) -> None:
    """ValueError where a network that takes labels [N, label_dim] is given none, or one without is given some."""
    if (labels is None) != (label_dim == 0):
        raise ValueError(f"the {network} takes labels [N, {label_dim}]" if labels is None else "no labels expected")
