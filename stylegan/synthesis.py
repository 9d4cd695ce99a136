"""The synthesis network from intermediate latents w to images (Karras et al. 2019, figure 1b)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from progan.config import BlurFilter, check_choice, stages
from progan.generator import faded_images, stages_up_to
from progan.layers import SLOPES, Alpha, Blur, Conv2d, LatentTo4x4, Linear, UpConv2d, pixel_norm, repeat_within
from stylegan.config import GeneratorConfig, layer_sizes
from stylegan.operations import adaptive_instance_norm, add_and_rectify, normalised_alike

Noise = str | Sequence[Tensor]
Added = tuple[Tensor, Tensor]  # patterns and amounts, see add_and_rectify
Maps = list[Tensor]  # of a layer [N, C, h, w]; where edges are repeated, as they are without that and then with it


class Synthesis(nn.Module):
    """Images [N, image_channels, r, r] from ws [N, num_layers, w_dim], at any resolution r from 4 to its own.

    Two layers a resolution, each with its own w, noise map and noise strength.

    Convolutions take zeros for what lies outside of their maps, which leaves a frame; and where maps are normalised one
    by one, their largest values stand there, as in the drops of Karras et al. 2020 (https://arxiv.org/abs/1912.04958),
    section 2. In eval mode the stages from `repeat_edges_from` on, of the configuration, take the nearest values within
    instead. Maps are still divided by the deviations that they have with zeros, or the colours would change, so that
    these stages compute all maps twice.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        # Without styles only the first layer may look at w, so there is one.
        self.num_layers = len(layer_sizes(config.resolution)) if config.use_styles else 1
        self.compute_dtype: torch.dtype | None = None  # of the convolutions; None: that of ws
        self.blocks = nn.ModuleDict()
        self.to_image = nn.ModuleDict()
        equalized, inputs = config.equalized_lr, 0
        for r in stages(config.resolution):
            maps = config.feature_maps(r)
            if r == 4:
                first: Layer = InputLayer(maps, config)
            else:
                up = UpConv2d(inputs, maps, config.is_fused(r), equalized, bias=False)
                first = ConvLayer(up, config.blur_filter, maps, config)
            second = Conv2d(maps, maps, 3, equalized=equalized, bias=False)
            self.blocks[f"{r}x{r}"] = Block(first, ConvLayer(second, None, maps, config))
            self.to_image[f"{r}x{r}"] = Conv2d(maps, config.image_channels, 1, gain=1.0, equalized=equalized)
            inputs = maps
        if config.use_noise:
            for index, size in enumerate(layer_sizes(config.resolution)):
                self.register_buffer(f"noise{index}", torch.randn(1, 1, size, size))

    def forward(self, ws: Tensor, resolution: int | None = None, alpha: Alpha = 1.0, noise: Noise = "random") -> Tensor:
        """Images [N, C, r, r], in nominal range [-1, 1], not clamped, from ws [N, num_layers, w_dim].

        `resolution` is the stage (None: all of the network), `alpha` how far its newest block is faded in. `noise` is
        "random", "const" (the network's own maps), "none", or a map [N or 1, 1, h, w] a layer. The w and maps of
        layers above the stage are ignored. ValueError for a stage that the network does not have, and for ws or noise
        that do not fit.
        """
        config = self.config
        sizes = stages_up_to(resolution or config.resolution, config.resolution)
        trunk = self.compute_dtype or ws.dtype
        if ws.dim() != 3 or ws.shape[1] < min(2 * len(sizes), self.num_layers) or ws.shape[2] != config.w_dim:
            raise ValueError(f"ws are [N, {self.num_layers}, {config.w_dim}], not {list(ws.shape)}")
        blocks = [cast(Block, self.blocks[f"{r}x{r}"]) for r in sizes]
        added = added_patterns(blocks, self.noise_maps(noise, ws, sizes[-1]), ws, trunk)
        w = ws.unbind(1) if config.use_styles else ws.unbind(1)[:1] * (2 * len(sizes))
        x_previous = x = [ws]
        for place, (r, block) in enumerate(zip(sizes, blocks, strict=True)):
            layers = slice(2 * place, 2 * place + 2)
            if r == config.repeat_edges_from and not self.training:
                x = x * 2
            x_previous, x = x, block(x, w[layers], added[layers], trunk)
        images = faded_images(self.to_image, x_previous[-1], x[-1], alpha, ws.dtype)
        return repeat_within(images, config.margin_at(sizes[-1]))

    def noise_maps(self, noise: Noise, ws: Tensor, resolution: int) -> list[Tensor]:
        """The maps of all layers of a stage, none for none."""
        if isinstance(noise, str):
            check_choice("noise", noise, ("random", "const", "none"))
        if not self.config.use_noise or noise == "none":
            return []
        own = layer_sizes(resolution)
        count = len(own)
        if noise == "const":
            maps = [getattr(self, f"noise{index}") for index in range(count)]
        elif noise == "random":
            maps = [torch.randn(ws.shape[0], 1, size, size, dtype=ws.dtype, device=ws.device) for size in own]
        else:
            maps = list(noise)[:count]
        for index, (one, size) in enumerate(zip(maps, own, strict=False)):
            if one.shape not in ((1, 1, size, size), (ws.shape[0], 1, size, size)):
                raise ValueError(
                    f"the noise map of layer {index} is [N or 1, 1, {size}, {size}], not {list(one.shape)}"
                )
        if len(maps) < count:
            raise ValueError(f"noise takes one map for each of {count} layers, not {len(maps)}")
        return maps


class Block(nn.Module):
    """The two layers of one resolution: [N, in, r/2, r/2] -> [N, out, r, r], with a w for each."""

    def __init__(self, first: Layer, second: Layer) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Maps, ws: Sequence[Tensor], added: Sequence[Added], dtype: torch.dtype) -> Maps:
        x = self.first(x, ws[0], added[0], dtype)
        return self.second(x, ws[1], added[1], dtype)


class Layer(nn.Module):
    """What makes maps into the output of a layer: noise, bias, nonlinearity, normalisation, style, in this order."""

    def __init__(self, maps: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.noise_strength = nn.Parameter(torch.zeros(maps)) if config.use_noise else None
        self.bias = nn.Parameter(torch.zeros(maps))
        self.style = (
            Linear(config.w_dim, 2 * maps, gain=1.0, equalized=config.equalized_lr) if config.use_styles else None
        )

    def finish(self, maps: Maps, w: Tensor, added: Added) -> Maps:
        """Maps with the style of w [N, w_dim] and what is `added` to them."""
        maps = [add_and_rectify(x, *added, SLOPES[self.config.nonlinearity]) for x in maps]
        if self.config.pixelnorm:
            maps = [pixel_norm(x) for x in maps]
        if self.style is not None:
            style = self.style(w).reshape(w.shape[0], 2, -1, 1, 1)
        elif self.config.instance_norm:
            style = w.new_zeros(w.shape[0], 2, len(self.bias), 1, 1)
        else:
            return maps
        if self.config.instance_norm:
            return normalised_alike(maps, style) if maps[1:] else [adaptive_instance_norm(maps[0], style)]
        scale, shift = style.to(maps[0].dtype).unbind(1)
        return [torch.addcmul(shift, x, scale + 1) for x in maps]


class InputLayer(Layer):
    """The first layer: a learned constant [C, 4, 4], or (const_input False) a dense layer of the first w."""

    def __init__(self, maps: int, config: GeneratorConfig) -> None:
        super().__init__(maps, config)
        self.const = nn.Parameter(torch.ones(1, maps, 4, 4)) if config.const_input else None
        self.dense = None if config.const_input else LatentTo4x4(config.w_dim, maps, config.equalized_lr, bias=False)

    def forward(self, maps: Maps, w: Tensor, added: Added, dtype: torch.dtype) -> Maps:
        x = self.dense(w) if self.dense is not None else self.const.expand(w.shape[0], -1, -1, -1)  # type: ignore[union-attr]
        return self.finish([x.to(dtype, memory_format=torch.channels_last)], w, added)


class ConvLayer(Layer):
    """A convolution, an upscaling one followed by the blur, and what follows."""

    def __init__(self, conv: nn.Module, blur_filter: BlurFilter, maps: int, config: GeneratorConfig) -> None:
        super().__init__(maps, config)
        self.conv = conv
        self.blur = nn.Identity() if blur_filter is None else Blur(blur_filter)
        reach = max(self.blur.kernel.shape) // 2 if isinstance(self.blur, Blur) else 0
        self.around = 1 + math.ceil(reach / 2)  # pixels that the convolution, which may upscale, and the blur see

    def forward(self, maps: Maps, w: Tensor, added: Added, dtype: torch.dtype) -> Maps:
        return self.finish([self.convolved(maps[0]), *map(self.with_repeated_edges, maps[1:])], w, added)

    def convolved(self, x: Tensor) -> Tensor:
        """The convolution of maps, and what is smoothed of it."""
        return cast(Tensor, self.blur(self.conv(x)))

    def with_repeated_edges(self, x: Tensor) -> Tensor:
        """The same with the nearest values within where else there are zeros."""
        y = self.convolved(F.pad(x, [self.around] * 4, mode="replicate"))
        edge = self.around * y.shape[-1] // (x.shape[-1] + 2 * self.around)
        return y[..., edge:-edge, edge:-edge]


def added_patterns(blocks: Sequence[Block], noise: Sequence[Tensor], ws: Tensor, dtype: torch.dtype) -> list[Added]:
    """What is added in each layer of these blocks: the bias everywhere, and the layer's noise map by its strengths."""
    layers = [layer for block in blocks for layer in (block.first, block.second)]
    sizes = [ws.shape[0] * r * r for r in layer_sizes(2 ** (len(blocks) + 1))]
    ones = ws.new_ones(sizes[-1])
    maps = [one.expand(ws.shape[0], -1, -1, -1).flatten() for one in noise]
    rows = [row for place, size in enumerate(sizes) for row in (*maps[place : place + 1], ones[:size])]
    kinds = len(rows) // len(layers)
    biases = [layer.bias for layer in layers]
    strengths = [layer.noise_strength for layer in layers if layer.noise_strength is not None] if noise else []
    amounts = torch.cat([*strengths, *biases])
    patterns = torch.cat(rows).to(dtype).split([kinds * size for size in sizes])
    of_layers = amounts.reshape(kinds, -1).to(dtype).split([len(bias) for bias in biases], dim=1)
    return [(pattern.reshape(kinds, -1), amount) for pattern, amount in zip(patterns, of_layers, strict=True)]
