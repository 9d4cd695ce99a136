"""The generator of the progressively growing GAN (Karras et al. 2018, table 2)."""

from typing import Any

import torch
from torch import Tensor, nn

from progan.layers import (
    Conv2d,
    LatentTo4x4,
    UpConv2d,
    activation,
    check_choice,
    check_labels,
    fade,
    feature_maps,
    pixel_norm,
    stages,
    upscale2x,
)


class Generator(nn.Module):
    """Draws images [N, image_channels, r, r] from latents [N, z_dim], at any resolution r from 4 to its own.

    One block a resolution: a dense layer and a convolution at 4x4, an upscaling and a plain convolution from 8x8 on,
    and a 1x1 convolution to the image at each. The arguments are the official ones; `config` holds them all.

    Args:
        resolution: the full resolution, a power of two from 4 on.
        z_dim: length of the latent vector.
        label_dim: length of the label vector; 0 for a generator without labels.
        image_channels: 3 for RGB, 1 for grey.
        fmap_base, fmap_decay, fmap_max: a block at resolution r has min(fmap_base / (r/2)**fmap_decay, fmap_max) maps.
        fused_scale: the official "fused" upscaling (see layers.UpConv2d).
        normalize_latents: pixel norm over latents and labels together.
        equalized_lr: scale the weights at run time.
        pixelnorm, pixelnorm_eps: pixel norm after each layer; the epsilon of it and of the latents' norm.
        nonlinearity: "lrelu" or "relu".
    """

    def __init__(
        self,
        resolution: int = 1024,
        z_dim: int = 512,
        label_dim: int = 0,
        image_channels: int = 3,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        fmap_decay: float = 1.0,
        fused_scale: bool = True,
        normalize_latents: bool = True,
        equalized_lr: bool = True,
        pixelnorm: bool = True,
        pixelnorm_eps: float = 1e-8,
        nonlinearity: str = "lrelu",
    ) -> None:
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        check_choice("nonlinearity", nonlinearity, ("lrelu", "relu"))
        self.config: dict[str, Any] = arguments
        self.resolution, self.z_dim, self.label_dim = resolution, z_dim, label_dim
        self.normalize_latents, self.pixelnorm_eps = normalize_latents, pixelnorm_eps
        self.compute_dtype: torch.dtype | None = None  # of the convolutions; None: that of the latents
        self.blocks = nn.ModuleDict()
        self.to_image = nn.ModuleDict()
        inputs = z_dim + label_dim
        for r in stages(resolution):
            maps = feature_maps(r, fmap_base, fmap_decay, fmap_max)
            first = (
                LatentTo4x4(inputs, maps, equalized_lr) if r == 4 else UpConv2d(inputs, maps, fused_scale, equalized_lr)
            )
            self.blocks[f"{r}x{r}"] = Block(
                first, Conv2d(maps, maps, 3, equalized=equalized_lr), pixelnorm_eps if pixelnorm else None, nonlinearity
            )
            self.to_image[f"{r}x{r}"] = Conv2d(maps, image_channels, 1, gain=1.0, equalized=equalized_lr)
            inputs = maps

    def forward(
        self, z: Tensor, labels: Tensor | None = None, resolution: int | None = None, alpha: float = 1.0
    ) -> Tensor:
        """Images [N, C, r, r] from latents [N, z_dim] and labels [N, label_dim].

        Their nominal range is [-1, 1], not clamped. `resolution` is the stage (None: all of the network), `alpha` how
        far its newest block is faded in. ValueError for a stage that the network does not have, and for labels that are
        missing or not expected.
        """
        resolution = resolution or self.resolution
        x = self.normalized(z, labels).to(self.compute_dtype or z.dtype)
        x_previous = x
        for r in stages_up_to(resolution, self.resolution):
            x_previous, x = x, self.blocks[f"{r}x{r}"](x)
        return faded_images(self.to_image, x_previous, x, alpha, z.dtype)

    def normalized(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Latents and labels side by side [N, z_dim + label_dim], normalised together where the network does so."""
        check_labels("generator", labels, self.label_dim)
        x = z if labels is None else torch.cat([z, labels.to(z.dtype)], dim=1)
        return pixel_norm(x, self.pixelnorm_eps) if self.normalize_latents else x


def stages_up_to(resolution: int, full: int) -> list[int]:
    """The resolutions 4, 8, ..., `resolution`. ValueError when that is no stage of a network with this full one."""
    sizes = stages(resolution)
    if resolution > full:
        raise ValueError(f"resolution {resolution} is above the network's own, {full}")
    return sizes


def faded_images(to_image: nn.ModuleDict, x_previous: Tensor, x: Tensor, alpha: float, dtype: torch.dtype) -> Tensor:
    """Images from a stage's maps x [N, maps, r, r], the newest block faded in over those before it by `alpha`."""
    resolution = x.shape[-1]
    images = to_image[f"{resolution}x{resolution}"](x).to(dtype)
    if alpha >= 1.0 or resolution == 4:
        return images
    half = resolution // 2
    return fade(upscale2x(to_image[f"{half}x{half}"](x_previous).to(dtype)), images, alpha)


class Block(nn.Module):
    """Two layers of one resolution, each followed by the nonlinearity and pixel norm (None: without)."""

    def __init__(self, first: nn.Module, second: nn.Module, pixelnorm_eps: float | None, nonlinearity: str) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.pixelnorm_eps, self.nonlinearity = pixelnorm_eps, nonlinearity

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second):
            x = activation(layer(x), self.nonlinearity)
            if self.pixelnorm_eps is not None:
                x = pixel_norm(x, self.pixelnorm_eps)
        return x
