"""The discriminator ("critic") of the style-based GAN: ProGAN's, with a blur before each downscaling."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from progan.discriminator import add_tower, judge
from progan.layers import Blur, Conv2d, DownConv2d, Linear, activation, check_choice, check_labels, feature_maps


class Discriminator(nn.Module):
    """Scores images [N, image_channels, r, r] of any resolution r from 4 to its own.

    `config` holds all arguments.

    Args:
        resolution: the full resolution, a power of two from 4 on.
        label_dim: length of the label vector that decides which of as many scores counts; 0 for none.
        image_channels: 3 for RGB, 1 for grey.
        fmap_base, fmap_decay, fmap_max: feature maps, as in the generator.
        mbstd_group, mbstd_features: the minibatch standard deviation's group size and number of maps (0: none).
        fused_scale: True, False or "auto", as in the official program; here all three are the same function.
        equalized_lr: scale the weights at run time.
        nonlinearity: "lrelu" or "relu".
        blur_filter: the low-pass filter before downscaling; None for none.
    """

    from_image: nn.ModuleDict
    blocks: nn.ModuleDict
    conv: Conv2d
    dense: Linear
    output: Linear

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
        fused_scale: bool | str = "auto",
        equalized_lr: bool = True,
        nonlinearity: str = "lrelu",
        blur_filter: Sequence[Any] | None = (1, 2, 1),
    ) -> None:
        blur_filter = None if blur_filter is None else list(blur_filter)
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        check_choice("nonlinearity", nonlinearity, ("lrelu", "relu"))
        check_choice("fused_scale", fused_scale, (True, False, "auto"))
        self.config: dict[str, Any] = arguments
        self.resolution, self.label_dim = resolution, label_dim
        self.compute_dtype: torch.dtype | None = None  # of the convolutions; None: that of the images
        add_tower(
            self,
            lambda inputs, outputs: Block(inputs, outputs, blur_filter, equalized_lr, nonlinearity),
            partial(feature_maps, fmap_base=fmap_base, fmap_decay=fmap_decay, fmap_max=fmap_max),
            outputs=max(label_dim, 1),
        )

    def forward(self, images: Tensor, labels: Tensor | None = None, alpha: float = 1.0) -> Tensor:
        """Scores [N, 1]; with label_dim, the sum of label_dim scores weighted by the labels [N, label_dim].

        The stage is read off the images [N, C, r, r]; `alpha` is how far its block is faded in. ValueError for images
        that are not square or of a resolution the network does not have, and for labels that are missing or not
        expected.
        """
        check_labels("discriminator", labels, self.label_dim)
        x = judge(self, images, alpha)
        return x if labels is None else (x * labels.to(x.dtype)).sum(dim=1, keepdim=True)


class Block(nn.Module):
    """A convolution, a blur and a convolution that halves the size: [N, in, r, r] -> [N, out, r/2, r/2]."""

    def __init__(
        self, inputs: int, outputs: int, blur_filter: Sequence[Any] | None, equalized_lr: bool, nonlinearity: str
    ) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity
        self.first = Conv2d(inputs, inputs, 3, equalized=equalized_lr)
        self.blur = None if blur_filter is None else Blur(blur_filter)
        self.second = DownConv2d(inputs, outputs, equalized_lr)

    def forward(self, x: Tensor) -> Tensor:
        x = activation(self.first(x), self.nonlinearity)
        if self.blur is not None:
            x = self.blur(x)
        return activation(self.second(x), self.nonlinearity)
