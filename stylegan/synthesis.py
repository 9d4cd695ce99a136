"""The synthesis network from intermediate latents w to images (Karras et al. 2019, figure 1b)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from progan.config import BlurFilter, check_choice, stages
from progan.generator import faded_images, stages_up_to
from progan.layers import Alpha, Blur, Conv2d, LatentTo4x4, Linear, UpConv2d, activation, pixel_norm
from stylegan.config import GeneratorConfig, layer_sizes

Noise = str | Sequence[Tensor]


class Synthesis(nn.Module):
    """Images [N, image_channels, r, r] from ws [N, num_layers, w_dim], at any resolution r from 4 to its own.

    Two layers a resolution, each with its own w, noise map and noise strength.
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
                first: nn.Module = InputLayer(maps, config)
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
        maps = self.noise_maps(noise, ws, sizes)
        x_previous = x = ws
        for r in sizes:
            layer = 2 * sizes.index(r) if config.use_styles else 0
            x_previous, x = x, self.blocks[f"{r}x{r}"](x, ws[:, layer : layer + 2], maps[r], trunk)
        return faded_images(self.to_image, x_previous, x, alpha, ws.dtype)

    def noise_maps(self, noise: Noise, ws: Tensor, sizes: list[int]) -> dict[int, tuple[Tensor | None, Tensor | None]]:
        """Both maps of every stage, None for none."""
        if isinstance(noise, str):
            check_choice("noise", noise, ("random", "const", "none"))
        if not self.config.use_noise or noise == "none":
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
    """The two layers of one resolution: [N, in, r/2, r/2] -> [N, out, r, r], with a w for each."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor, ws: Tensor, noise: tuple[Tensor | None, Tensor | None], dtype: torch.dtype) -> Tensor:
        x = self.first(x, ws[:, 0], noise[0], dtype)
        return self.second(x, ws[:, -1], noise[1], dtype)


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

    def finish(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Maps [N, C, h, w] with the style of w [N, w_dim] and the noise map [N or 1, 1, h, w]."""
        x = x + self.bias.to(x.dtype).reshape(1, -1, 1, 1)
        if self.noise_strength is not None and noise is not None:
            x.addcmul_(noise.to(x.dtype), self.noise_strength.to(x.dtype).reshape(1, -1, 1, 1))
        x = activation(x, self.config.nonlinearity)
        if self.config.pixelnorm:
            x = pixel_norm(x)
        if self.style is None:
            return instance_norm(x).to(x.dtype) if self.config.instance_norm else x
        scale, shift = self.style(w).reshape(len(w), 2, -1, 1, 1).unbind(1)
        if self.config.instance_norm:
            return adaptive_instance_norm(x, scale + 1, shift)
        return torch.addcmul(shift.to(x.dtype), x, (scale + 1).to(x.dtype))


class InputLayer(Layer):
    """The first layer: a learned constant [C, 4, 4], or (const_input False) a dense layer of the first w."""

    def __init__(self, maps: int, config: GeneratorConfig) -> None:
        super().__init__(maps, config)
        self.const = nn.Parameter(torch.ones(1, maps, 4, 4)) if config.const_input else None
        self.dense = None if config.const_input else LatentTo4x4(config.w_dim, maps, config.equalized_lr, bias=False)

    def forward(self, ws: Tensor, w: Tensor, noise: Tensor | None, dtype: torch.dtype) -> Tensor:
        x = self.dense(w) if self.dense is not None else self.const.expand(len(w), -1, -1, -1)  # type: ignore[union-attr]
        return self.finish(x.to(dtype, memory_format=torch.channels_last), w, noise)


class ConvLayer(Layer):
    """A convolution, an upscaling one followed by the blur, and what follows."""

    def __init__(self, conv: nn.Module, blur_filter: BlurFilter, maps: int, config: GeneratorConfig) -> None:
        super().__init__(maps, config)
        self.conv = conv
        self.blur = nn.Identity() if blur_filter is None else Blur(blur_filter)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, dtype: torch.dtype) -> Tensor:
        return self.finish(self.blur(self.conv(x)), w, noise)


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
