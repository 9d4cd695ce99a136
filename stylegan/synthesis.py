"""The synthesis network from intermediate latents w to images (Karras et al. 2019, figure 1b)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from progan.generator import faded_images, stages_up_to
from progan.layers import (
    Blur,
    Conv2d,
    LatentTo4x4,
    Linear,
    UpConv2d,
    activation,
    check_choice,
    feature_maps,
    pixel_norm,
    stages,
)

FUSED_FROM = 128  # px; what "auto" means
Noise = str | Sequence[Tensor]


def layer_sizes(resolution: int) -> list[int]:
    """The resolution of each layer of a network, or of a stage, of this one: two a resolution."""
    return [r for r in stages(resolution) for _ in range(2)]


@dataclass(frozen=True)
class LayerOptions:
    """What all layers of a synthesis network have in common."""

    w_dim: int
    equalized: bool
    use_styles: bool
    use_noise: bool
    pixelnorm: bool
    instance_norm: bool
    nonlinearity: str


class Synthesis(nn.Module):
    """Images [N, image_channels, r, r] from the rows ws [N, num_layers, w_dim], at any resolution r from 4 to its own.

    Two layers a resolution, each with its own row, noise map and noise strength. The arguments are the generator's.
    """

    def __init__(
        self,
        resolution: int,
        image_channels: int,
        fmap_base: int,
        fmap_max: int,
        fmap_decay: float,
        const_input: bool,
        fused_scale: bool | str,
        blur_filter: Sequence[Any] | None,
        options: LayerOptions,
    ) -> None:
        super().__init__()
        check_choice("nonlinearity", options.nonlinearity, ("lrelu", "relu"))
        check_choice("fused_scale", fused_scale, (True, False, "auto"))
        self.resolution, self.options = resolution, options
        # Without styles only the first layer may look at w, so there is one row.
        self.num_layers = len(layer_sizes(resolution)) if options.use_styles else 1
        self.compute_dtype: torch.dtype | None = None  # of the convolutions; None: that of ws
        self.blocks = nn.ModuleDict()
        self.to_image = nn.ModuleDict()
        inputs = 0
        for r in stages(resolution):
            maps = feature_maps(r, fmap_base, fmap_decay, fmap_max)
            if r == 4:
                first: nn.Module = InputLayer(maps, const_input, options)
            else:
                fused = r >= FUSED_FROM if fused_scale == "auto" else bool(fused_scale)
                up = UpConv2d(inputs, maps, fused, options.equalized, bias=False)
                first = ConvLayer(up, blur_filter, maps, options)
            second = Conv2d(maps, maps, 3, equalized=options.equalized, bias=False)
            self.blocks[f"{r}x{r}"] = Block(first, ConvLayer(second, None, maps, options))
            self.to_image[f"{r}x{r}"] = Conv2d(maps, image_channels, 1, gain=1.0, equalized=options.equalized)
            inputs = maps
        if options.use_noise:
            for index, size in enumerate(layer_sizes(resolution)):
                self.register_buffer(f"noise{index}", torch.randn(1, 1, size, size))

    def forward(self, ws: Tensor, resolution: int | None = None, alpha: float = 1.0, noise: Noise = "random") -> Tensor:
        """Images [N, C, r, r], in nominal range [-1, 1], not clamped, from rows [N, num_layers, w_dim].

        `resolution` is the stage (None: all of the network), `alpha` how far its newest block is faded in. `noise` is
        "random", "const" (the network's own maps), "none", or a map [N or 1, 1, h, w] a layer. Rows and maps of layers
        above the stage are ignored. ValueError for a stage that the network does not have, and for rows or noise that
        do not fit.
        """
        resolution = resolution or self.resolution
        sizes = stages_up_to(resolution, self.resolution)
        trunk = self.compute_dtype or ws.dtype
        if ws.dim() != 3 or ws.shape[1] < min(2 * len(sizes), self.num_layers) or ws.shape[2] != self.options.w_dim:
            raise ValueError(f"rows are [N, {self.num_layers}, {self.options.w_dim}], not {list(ws.shape)}")
        maps = self.noise_maps(noise, ws, sizes)
        x_previous = x = ws
        for r in sizes:
            layer = 2 * sizes.index(r) if self.options.use_styles else 0
            rows = ws[:, layer : layer + 2]
            x_previous, x = x, self.blocks[f"{r}x{r}"](x, rows, maps[r], trunk)
        return faded_images(self.to_image, x_previous, x, alpha, ws.dtype)

    def noise_maps(self, noise: Noise, ws: Tensor, sizes: list[int]) -> dict[int, tuple[Tensor | None, Tensor | None]]:
        """Both maps of every stage, None for none."""
        if isinstance(noise, str):
            check_choice("noise", noise, ("random", "const", "none"))
        if not self.options.use_noise or noise == "none":
            return dict.fromkeys(sizes, (None, None))
        own = layer_sizes(sizes[-1])
        count = len(own)
        if noise == "const":
            maps = [getattr(self, f"noise{index}") for index in range(count)]
        elif noise == "random":
            maps = [torch.randn(len(ws), 1, size, size, dtype=ws.dtype, device=ws.device) for size in own]
        else:
            maps = list(noise)[:count]
        for index, (one, size) in enumerate(zip(maps, own, strict=False)):
            if one.shape not in ((1, 1, size, size), (len(ws), 1, size, size)):
                raise ValueError(
                    f"the noise map of layer {index} is [N or 1, 1, {size}, {size}], not {list(one.shape)}"
                )
        if len(maps) < count:
            raise ValueError(f"noise takes one map for each of {count} layers, not {len(maps)}")
        return {r: (maps[2 * place], maps[2 * place + 1]) for place, r in enumerate(sizes)}


class Block(nn.Module):
    """The two layers of one resolution: [N, in, r/2, r/2] -> [N, out, r, r], with a row of ws for each."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(
        self, x: Tensor, rows: Tensor, noise: tuple[Tensor | None, Tensor | None], dtype: torch.dtype
    ) -> Tensor:
        x = self.first(x, rows[:, 0], noise[0], dtype)
        return self.second(x, rows[:, -1], noise[1], dtype)


class Layer(nn.Module):
    """What makes maps into the output of a layer: noise, bias, nonlinearity, normalisation, style, in this order."""

    def __init__(self, maps: int, options: LayerOptions) -> None:
        super().__init__()
        self.options = options
        self.noise_strength = nn.Parameter(torch.zeros(maps)) if options.use_noise else None
        self.bias = nn.Parameter(torch.zeros(maps))
        self.style = (
            Linear(options.w_dim, 2 * maps, gain=1.0, equalized=options.equalized) if options.use_styles else None
        )

    def finish(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Maps [N, C, h, w] as the row w [N, w_dim] and the noise map [N or 1, 1, h, w] make them."""
        x = x + self.bias.to(x.dtype).reshape(1, -1, 1, 1)
        if self.noise_strength is not None and noise is not None:
            x.addcmul_(noise.to(x.dtype), self.noise_strength.to(x.dtype).reshape(1, -1, 1, 1))
        x = activation(x, self.options.nonlinearity)
        if self.options.pixelnorm:
            x = pixel_norm(x)
        if self.style is None:
            return instance_norm(x).to(x.dtype) if self.options.instance_norm else x
        scale, shift = self.style(w).reshape(len(w), 2, -1, 1, 1).unbind(1)
        if self.options.instance_norm:
            return adaptive_instance_norm(x, scale + 1, shift)
        return torch.addcmul(shift.to(x.dtype), x, (scale + 1).to(x.dtype))


class InputLayer(Layer):
    """The first layer: a learned constant [C, 4, 4], or (const_input False) a dense layer's view of the first row."""

    def __init__(self, maps: int, const_input: bool, options: LayerOptions) -> None:
        super().__init__(maps, options)
        self.const = nn.Parameter(torch.ones(1, maps, 4, 4)) if const_input else None
        self.dense = None if const_input else LatentTo4x4(options.w_dim, maps, options.equalized, bias=False)

    def forward(self, ws: Tensor, w: Tensor, noise: Tensor | None, dtype: torch.dtype) -> Tensor:
        x = self.dense(w) if self.dense is not None else self.const.expand(len(w), -1, -1, -1)  # type: ignore[union-attr]
        return self.finish(x.to(dtype, memory_format=torch.channels_last), w, noise)


class ConvLayer(Layer):
    """A convolution, an upscaling one followed by the blur, and what follows."""

    def __init__(self, conv: nn.Module, blur_filter: Sequence[Any] | None, maps: int, options: LayerOptions) -> None:
        super().__init__(maps, options)
        self.conv = conv
        self.blur = None if blur_filter is None else Blur(blur_filter)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, dtype: torch.dtype) -> Tensor:
        x = self.conv(x)
        return self.finish(x if self.blur is None else self.blur(x), w, noise)


def instance_norm(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Maps [N, C, H, W] with mean 0 and variance 1 each (biased), in float32 at least."""
    x, scale = centred(x, eps)
    return x * scale


def adaptive_instance_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float = 1e-8) -> Tensor:
    """scale * (x - mean) / std + shift (Karras 2019, equation 1): x [N, C, H, W], scale and shift [N, C, 1, 1]."""
    dtype = x.dtype
    x, own_scale = centred(x, eps)
    return torch.addcmul(shift, x, scale * own_scale).to(dtype)


def centred(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Maps less their mean, [N, C, H, W], and 1 / their standard deviation, [N, C, 1, 1], in float32 at least."""
    # As sums: the gradients of mean() and var() leave the channels-last layout, which makes them three times as slow.
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    share = 1 / (x.shape[2] * x.shape[3])
    x = x - x.sum(dim=(2, 3), keepdim=True) * share
    return x, torch.rsqrt((x * x).sum(dim=(2, 3), keepdim=True) * share + eps)
