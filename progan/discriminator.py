"""The discriminator ("critic") of the progressively growing GAN (Karras et al. 2018, table 2)."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

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
        fused_scale: bool = True,
        equalized_lr: bool = True,
        nonlinearity: str = "lrelu",
    ) -> None:
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        check_choice("nonlinearity", nonlinearity, ("lrelu", "relu"))
        self.config: dict[str, Any] = arguments
        self.resolution, self.label_dim = resolution, label_dim
        self.compute_dtype: torch.dtype | None = None  # of the convolutions; None: that of the images
        add_tower(
            self,
            lambda inputs, outputs: Block(inputs, outputs, fused_scale, equalized_lr, nonlinearity),
            partial(feature_maps, fmap_base=fmap_base, fmap_decay=fmap_decay, fmap_max=fmap_max),
            outputs=1 + label_dim,
        )

    def forward(
        self, images: Tensor, labels: Tensor | None = None, alpha: float = 1.0
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Scores [N, 1]; with label_dim also the label logits [N, label_dim], as (scores, logits).

        The stage is read off the images [N, C, r, r]; `alpha` is how far its block is faded in. Labels are not needed
        to score and are ignored. ValueError for images that are not square or of a resolution the network does not
        have.
        """
        x = judge(self, images, alpha)
        return (x[:, :1], x[:, 1:]) if self.label_dim else x


def add_tower(critic: Any, block: Callable[[int, int], nn.Module], maps: Callable[[int], int], outputs: int) -> None:
    """Give a critic its layers: `block` makes those of a resolution, `maps` says how many maps it has.

    Here rather than in a class, since ProGAN's and StyleGAN's critics share all but the blocks and the labels.
    """
    arguments = critic.config
    equalized = arguments["equalized_lr"]
    if arguments["mbstd_group"] < 1:
        raise ValueError(
            f"mbstd_group {arguments['mbstd_group']} is no number of samples; mbstd_features 0 does without"
        )
    critic.from_image = nn.ModuleDict()
    critic.blocks = nn.ModuleDict()
    for r in reversed(stages(arguments["resolution"])):
        critic.from_image[f"{r}x{r}"] = Conv2d(arguments["image_channels"], maps(r), 1, equalized=equalized)
        if r > 4:
            critic.blocks[f"{r}x{r}"] = block(maps(r), maps(r // 2))
    critic.conv = Conv2d(maps(4) + arguments["mbstd_features"], maps(4), 3, equalized=equalized)
    critic.dense = Linear(maps(4) * 16, maps(2), equalized=equalized)
    critic.output = Linear(maps(2), outputs, gain=1.0, equalized=equalized)


def judge(critic: Any, images: Tensor, alpha: float) -> Tensor:
    """What the last layer of a critic says of images [N, C, r, r]: [N, outputs], in the images' precision."""
    resolution, arguments = images.shape[-1], critic.config
    if images.shape[-2] != resolution or f"{resolution}x{resolution}" not in critic.from_image:
        size = f"{images.shape[-1]}x{images.shape[-2]}"
        raise ValueError(
            f"images of {size} do not fit: squares of {', '.join(map(str, stages(arguments['resolution'])))} do"
        )
    trunk, nonlinearity = critic.compute_dtype or images.dtype, arguments["nonlinearity"]

    def features(images: Tensor) -> Tensor:
        r = images.shape[-1]
        return activation(critic.from_image[f"{r}x{r}"](images.to(trunk)), nonlinearity)

    x = features(images)
    for r in reversed(stages(resolution)[1:]):
        x = critic.blocks[f"{r}x{r}"](x)
        if r == resolution and alpha < 1.0:
            x = fade(features(downscale2x(images)), x, alpha)
    if arguments["mbstd_features"]:
        x = minibatch_stddev(x, arguments["mbstd_group"], arguments["mbstd_features"])
    x = activation(critic.conv(x), nonlinearity).flatten(1).to(images.dtype)
    return cast(Tensor, critic.output(activation(critic.dense(x), nonlinearity)))


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
