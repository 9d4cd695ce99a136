"""The generator of the progressively growing GAN (Karras et al. 2018, table 2)."""

import torch
from torch import Tensor, nn

from progan.config import BlurFilter, GeneratorConfig, stages
from progan.energies import ChannelSums, Perceptron, PixelNoise, with_energies
from progan.layers import (
    Alpha,
    Blur,
    Conv2d,
    LatentTo4x4,
    Standardize,
    UpConv2d,
    activation,
    check_labels,
    fade,
    is_fading,
    pixel_norm,
    repeat_within,
    upscale2x,
)
from progan.network import Network, takes_fields_of


class Generator(Network):
    """Draws images [N, image_channels, r, r] from latents [N, z_dim], at any resolution r from 4 to its own.

    One block a resolution: a dense layer and a convolution at 4x4, an upscaling convolution, smoothed where there is a
    blur_filter, and another from 8x8 on, and a 1x1 convolution to the image at each. With `channel_sums`, a perceptron
    draws the channels' energies first, and images are scaled to have them at every stage; with `hit`, pixels are hit by
    chance. The arguments are the fields of GeneratorConfig.
    """

    config: GeneratorConfig

    @takes_fields_of(GeneratorConfig)
    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        self.z_dim = config.z_dim
        self.standardize = Standardize(config) if config.label_kind == "vector" else None
        self.blocks = nn.ModuleDict()
        self.to_image = nn.ModuleDict()
        equalized, inputs = config.equalized_lr, config.z_dim + config.label_dim
        if config.channel_sums:
            self.sums = ChannelSums(config)
            self.draw_sums = Perceptron(inputs, config.image_channels + 1, config)
            inputs += config.image_channels + 1
        drawn = config.image_channels * (1 if config.hit is None else 3)  # maps; see with_energies
        for r in stages(config.resolution):
            maps = config.feature_maps(r)
            if r == 4:
                first: nn.Module = LatentTo4x4(inputs, maps, equalized)
            else:
                first = UpConv2d(inputs, maps, config.fused_scale, equalized)
            second = Conv2d(maps, maps, 3, equalized=equalized)
            self.blocks[f"{r}x{r}"] = Block(first, second, config, None if r == 4 else config.blur_filter)
            self.to_image[f"{r}x{r}"] = Conv2d(maps, drawn, 1, gain=1.0, equalized=equalized)
            inputs = maps
        self.noise = None if config.hit is None else PixelNoise(config)

    def forward(
        self, z: Tensor, labels: Tensor | None = None, resolution: int | None = None, alpha: Alpha = 1.0
    ) -> Tensor:
        """Images [N, C, r, r] from latents [N, z_dim] and labels [N, label_dim], one-hot or in the data's units.

        Their nominal range is [-1, 1], not clamped. `resolution` is the stage (None: all of the network), `alpha` how
        far its newest block is faded in. ValueError for a stage that the network does not have, and for labels that are
        missing or not expected.
        """
        resolution = resolution or self.resolution
        x, energies = self.normalized(z, labels), None
        if self.config.channel_sums and labels is not None:
            sums = self.draw_sums(x)
            energies = self.sums.energies(sums, labels)
            x = torch.cat([x, sums.detach()], dim=1)  # the shape follows the energies, which learn from their own
        x_previous = x = x.to(self.compute_dtype or z.dtype)
        for r in stages_up_to(resolution, self.resolution):
            x_previous, x = x, self.blocks[f"{r}x{r}"](x)
        images = faded_images(self.to_image, x_previous, x, alpha, z.dtype)
        images = repeat_within(images, self.config.margin_at(resolution))
        if energies is None:
            return images
        return with_energies(images, energies, None if self.noise is None else self.noise(z, resolution))

    def normalized(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Latents and labels side by side [N, z_dim + label_dim], normalised where the network does so.

        Classes are normalised together with the latents; of a vector that would hide the length.
        """
        check_labels("generator", labels, self.label_dim)
        vector = None if labels is None or self.standardize is None else self.standardize(labels).to(z.dtype)
        if labels is not None and vector is None:
            z = torch.cat([z, labels.to(z.dtype)], dim=1)
        x = pixel_norm(z, self.config.pixelnorm_eps) if self.config.normalize_latents else z
        return x if vector is None else torch.cat([x, vector], dim=1)


def stages_up_to(resolution: int, full: int) -> list[int]:
    """The resolutions 4, 8, ..., `resolution`. ValueError when that is no stage of a network with this full one."""
    sizes = stages(resolution)
    if resolution > full:
        raise ValueError(f"resolution {resolution} is above the network's own, {full}")
    return sizes


def faded_images(to_image: nn.ModuleDict, x_previous: Tensor, x: Tensor, alpha: Alpha, dtype: torch.dtype) -> Tensor:
    """Images from a stage's maps x [N, maps, r, r], the newest block faded in over those before it by `alpha`."""
    resolution = x.shape[-1]
    images = to_image[f"{resolution}x{resolution}"](x).to(dtype)
    if resolution == 4 or not is_fading(alpha):
        return images
    half = resolution // 2
    return fade(upscale2x(to_image[f"{half}x{half}"](x_previous).to(dtype)), images, alpha)


class Block(nn.Module):
    """Two layers of one resolution, each followed by the nonlinearity and, where configured, pixel norm.

    A blur by `blur_filter`, if any, comes between the first one's convolution and its bias (Karras 2019, table 1, B).
    """

    def __init__(self, first: nn.Module, second: nn.Module, config: GeneratorConfig, blur_filter: BlurFilter) -> None:
        super().__init__()
        self.first, self.second, self.config = first, second, config
        self.blur = None if blur_filter is None else Blur(blur_filter)

    def forward(self, x: Tensor) -> Tensor:
        x = self.finished(self.first(x) if self.blur is None else self.first(x, self.blur))
        return self.finished(self.second(x))

    def finished(self, x: Tensor) -> Tensor:
        """What follows a convolution."""
        x = activation(x, self.config.nonlinearity)
        return pixel_norm(x, self.config.pixelnorm_eps) if self.config.pixelnorm else x
