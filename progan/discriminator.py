"""The discriminator ("critic") of the progressively growing GAN (Karras et al. 2018, table 2)."""

from typing import Any

import torch
from torch import Tensor, nn

from progan.layers import (
    Conv2d,
    DownConv2d,
    Linear,
    activation,
    check_choice,
    downscale2x,
    fade,
    feature_maps,
    minibatch_stddev,
    stages,
)


class Discriminator(nn.Module):
    """Scores images [N, image_channels, r, r] of any resolution r from 4 to its own.

    The generator's mirror image: a 1x1 convolution from the image at each resolution, a plain and a downscaling
    convolution a block, and at 4x4 the minibatch standard deviation, a convolution and two dense layers. `config` holds
    all arguments.

    Args:
        resolution: the full resolution, a power of two from 4 on.
        label_dim: number of label logits to return beside the score; 0 for none.
        image_channels: 3 for RGB, 1 for grey.
        fmap_base, fmap_decay, fmap_max: feature maps, as in the generator.
        mbstd_group, mbstd_features: the minibatch standard deviation's group size and number of maps (0: none).
        fused_scale: True downscales before bias and nonlinearity, False after them: a different function.
        equalized_lr: scale the weights at run time.
        nonlinearity: "lrelu" or "relu".
    """

    def __init__(
        self,
        resolution: int = 1024,
        label_dim: int = 0,
        image_channels: int = 3,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        mbstd_group: int = 4,
        mbstd_features: int = 1,
        fmap_decay: float = 1.0,
        fused_scale: bool = True,
        equalized_lr: bool = True,
        nonlinearity: str = "lrelu",
    ) -> None:
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        check_choice("nonlinearity", nonlinearity, ("lrelu", "relu"))
        self.config: dict[str, Any] = arguments
        self.resolution, self.label_dim, self.nonlinearity = resolution, label_dim, nonlinearity
        self.mbstd_group, self.mbstd_features = mbstd_group, mbstd_features
        self.compute_dtype: torch.dtype | None = None  # of the convolutions; None: that of the images
        self.from_image = nn.ModuleDict()
        self.blocks = nn.ModuleDict()
        for r in reversed(stages(resolution)):
            maps = feature_maps(r, fmap_base, fmap_decay, fmap_max)
            self.from_image[f"{r}x{r}"] = Conv2d(image_channels, maps, 1, equalized=equalized_lr)
            if r > 4:
                outputs = feature_maps(r // 2, fmap_base, fmap_decay, fmap_max)
                self.blocks[f"{r}x{r}"] = Block(maps, outputs, fused_scale, equalized_lr, nonlinearity)
        maps = feature_maps(4, fmap_base, fmap_decay, fmap_max)
        hidden = feature_maps(2, fmap_base, fmap_decay, fmap_max)
        self.conv = Conv2d(maps + mbstd_features, maps, 3, equalized=equalized_lr)
        self.dense = Linear(maps * 16, hidden, equalized=equalized_lr)
        self.output = Linear(hidden, 1 + label_dim, gain=1.0, equalized=equalized_lr)

    def forward(
        self, images: Tensor, labels: Tensor | None = None, alpha: float = 1.0
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Scores [N, 1]; with label_dim also the label logits [N, label_dim], as (scores, logits).

        The stage is read off the images [N, C, r, r]; `alpha` is how far its block is faded in. Labels are not needed
        to score and are ignored. ValueError for images that are not square or of a resolution the network does not
        have.
        """
        resolution = images.shape[-1]
        if images.shape[-2] != resolution or f"{resolution}x{resolution}" not in self.from_image:
            size = f"{images.shape[-1]}x{images.shape[-2]}"
            raise ValueError(
                f"images of {size} do not fit: squares of {', '.join(map(str, stages(self.resolution)))} do"
            )
        trunk = self.compute_dtype or images.dtype
        x = self.features(images.to(trunk), resolution)
        for r in reversed(stages(resolution)[1:]):
            x = self.blocks[f"{r}x{r}"](x)
            if r == resolution and alpha < 1.0:
                x = fade(self.features(downscale2x(images).to(trunk), r // 2), x, alpha)
        if self.mbstd_features:
            x = minibatch_stddev(x, self.mbstd_group, self.mbstd_features)
        x = activation(self.conv(x), self.nonlinearity).flatten(1).to(images.dtype)
        x = self.output(activation(self.dense(x), self.nonlinearity))
        return (x[:, :1], x[:, 1:]) if self.label_dim else x

    def features(self, images: Tensor, resolution: int) -> Tensor:
        """The image's first feature maps [N, maps, r, r]."""
        return activation(self.from_image[f"{resolution}x{resolution}"](images), self.nonlinearity)


class Block(nn.Module):
    """A convolution at one resolution and one that halves it: [N, in, r, r] -> [N, out, r/2, r/2]."""

    def __init__(self, inputs: int, outputs: int, fused_scale: bool, equalized_lr: bool, nonlinearity: str) -> None:
        super().__init__()
        self.fused_scale, self.nonlinearity = fused_scale, nonlinearity
        self.first = Conv2d(inputs, inputs, 3, equalized=equalized_lr)
        self.second: nn.Module
        if fused_scale:
            self.second = DownConv2d(inputs, outputs, equalized_lr)
        else:
            self.second = Conv2d(inputs, outputs, 3, equalized=equalized_lr)

    def forward(self, x: Tensor) -> Tensor:
        x = activation(self.first(x), self.nonlinearity)
        x = activation(self.second(x), self.nonlinearity)
        return x if self.fused_scale else downscale2x(x)
