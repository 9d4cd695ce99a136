"""The discriminator ("critic") of the progressively growing GAN (Karras et al. 2018, table 2)."""

from typing import cast

import torch
from torch import Tensor, nn

from progan.config import DiscriminatorConfig, stages
from progan.energies import ChannelSums, Perceptron, any_of_four, downscale_roots
from progan.layers import (
    Alpha,
    Blur,
    Conv2d,
    DownConv2d,
    Linear,
    Standardize,
    activation,
    check_labels,
    downscale2x,
    fade,
    is_fading,
    minibatch_stddev,
)
from progan.network import Network, takes_fields_of

SUMS_WEIGHT = 0.3  # two showers are then about as far from each other by these numbers as by their images
HITS_WEIGHT = 0.2  # likewise by their hits


class BaseDiscriminator(Network):
    """A discriminator for images [N, image_channels, r, r] of any resolution r from 4 to its own.

    The generator's mirror image: a 1x1 convolution from the image at each resolution, a block that halves it from 8x8
    on, and at 4x4 the minibatch standard deviation, a convolution and two dense layers. A label vector is an input of
    the first of these: a score that is only linear in it cannot tell whether an image has its label. So are, where
    configured, the energies of the channels, through layers of their own; hits are further maps beside the image (see
    `with_sums`). `outputs` is the length of the last one's output, `fused` is that of the blocks.
    """

    config: DiscriminatorConfig

    def __init__(self, config: DiscriminatorConfig, outputs: int, fused: bool) -> None:
        super().__init__(config)
        equalized, maps = config.equalized_lr, config.feature_maps
        self.from_image = nn.ModuleDict()
        self.blocks = nn.ModuleDict()
        for r in reversed(stages(config.resolution)):
            self.from_image[f"{r}x{r}"] = Conv2d(config.seen_channels, maps(r), 1, equalized=equalized)
            if r > 4:
                self.blocks[f"{r}x{r}"] = Block(maps(r), maps(r // 2), config, fused)
        self.conv = Conv2d(maps(4) + config.mbstd_features, maps(4), 3, equalized=equalized)
        self.dense = Linear(maps(4) * 16, maps(2), equalized=equalized)
        self.takes_vector = config.label_kind == "vector"
        if self.takes_vector:
            self.standardize = Standardize(config)
            # With a scale of its own: as a few of 8192 inputs that share one it would take long to be seen.
            self.dense_of_label = Linear(config.label_dim, maps(2), equalized=equalized, bias=False)
        if config.channel_sums:
            self.sums = ChannelSums(config)
            self.dense_of_sums = Perceptron(config.sums + config.label_dim, maps(2), config)
        self.output = Linear(maps(2), outputs, gain=1.0, equalized=equalized)

    def outputs(self, images: Tensor, labels: Tensor | None, alpha: Alpha, batches: int) -> Tensor:
        """The last layer's outputs [N, outputs] for images [N, C, r, r], in the images' precision.

        The stage is read off the images; `alpha` is how far its block is faded in. The images may be several `batches`
        of equal size, one after the other, whose outputs are those of each by itself; labels [N / batches, label_dim]
        are the same for each, and are looked at if they are vectors. Images may be those that `with_sums` returned.
        ValueError for images that are not square or of a resolution that the network does not have, and for a missing
        vector.
        """
        config, resolution = self.config, images.shape[-1]
        if images.shape[-2] != resolution or f"{resolution}x{resolution}" not in self.from_image:
            fitting = ", ".join(map(str, stages(self.resolution)))
            raise ValueError(f"images of {resolution}x{images.shape[-2]} do not fit: squares of {fitting} do")
        if self.takes_vector:
            check_labels("discriminator", labels, self.label_dim)
            labels = cast(Tensor, labels).repeat(batches, 1)
        sums = None
        if config.channel_sums:
            images = images if images.shape[1] > config.image_channels else self.with_sums(images, labels)
            images, maps = images.tensor_split([config.seen_channels], dim=1)
            sums = maps.mean(dim=(2, 3)) * resolution
        x = self.features(images)
        for r in reversed(stages(resolution)[1:]):
            x = self.blocks[f"{r}x{r}"](x)
            if r == resolution and is_fading(alpha):
                x = fade(self.features(self.downscaled(images)), x, alpha)
        if config.mbstd_features:
            x = minibatch_stddev(x, config.mbstd_group, config.mbstd_features, batches)
        x = self.conv(x, config.nonlinearity).flatten(1).to(images.dtype)
        x = self.dense(x)
        if self.takes_vector:
            label = self.standardize(labels).to(x.dtype)
            x = x + self.dense_of_label(label)
            if sums is not None:
                x = x + self.dense_of_sums(torch.cat([sums, label], dim=1))
        return cast(Tensor, self.output(activation(x, config.nonlinearity)))

    def with_sums(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Images [N, C, r, r] of labels [N, L] with hits and their channels' energies beside them, where configured.

        Hits are maps [N, C, r, r] times HITS_WEIGHT. Energies are constant maps [N, sums, r, r] as long as the numbers
        of ChannelSums times SUMS_WEIGHT, whatever r. Both are coordinates of an image to the critic, along which a
        gradient penalty mixes reals and fakes and bounds the slope. Where the critic derived them from the mixed image,
        a slope in them that tells wrong energies apart, by which an image moves little, would be out of bounds.
        """
        if not self.config.channel_sums or labels is None:
            return images
        sums = SUMS_WEIGHT / images.shape[-1] * self.sums(images, labels)
        hits = self.sums.hits(images)
        maps = [images] if hits is None else [images, HITS_WEIGHT * hits]
        return torch.cat([*maps, sums[:, :, None, None].expand(-1, -1, *images.shape[2:])], dim=1)

    def downscaled(self, maps: Tensor) -> Tensor:
        """What the stage below would see of the maps that this one sees, [N, C, r, r] -> [N, C, r/2, r/2]."""
        if not self.config.channel_sums:
            return downscale2x(maps)
        images, hits = maps.tensor_split([self.config.image_channels], dim=1)
        return torch.cat([downscale_roots(images), HITS_WEIGHT * any_of_four(hits / HITS_WEIGHT)], dim=1)

    def features(self, images: Tensor) -> Tensor:
        """The first maps [N, maps, r, r] of those seen [N, seen_channels, r, r], in the convolutions' precision."""
        r = images.shape[-1]
        x = images.to(self.compute_dtype or images.dtype)
        return cast(Tensor, self.from_image[f"{r}x{r}"](x, self.config.nonlinearity))


class Discriminator(BaseDiscriminator):
    """Scores images [N, image_channels, r, r]. The arguments are the fields of DiscriminatorConfig."""

    @takes_fields_of(DiscriminatorConfig)
    def __init__(self, config: DiscriminatorConfig) -> None:
        logits = config.label_dim if config.label_kind == "classes" else 0
        super().__init__(config, outputs=1 + logits, fused=bool(config.fused_scale))

    def forward(
        self, images: Tensor, labels: Tensor | None = None, alpha: Alpha = 1.0, batches: int = 1
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Scores [N, 1]; of a discriminator of classes also the label logits [N, label_dim], as (scores, logits).

        Classes are not needed to score and are ignored; label vectors [N / batches, label_dim] are in the data's units.
        The other arguments and errors are those of `outputs`.
        """
        x = self.outputs(images, labels, alpha, batches)
        return (x[:, :1], x[:, 1:]) if self.config.label_kind == "classes" else x


class Block(nn.Module):
    """A convolution, a blur and a convolution that halves the resolution: [N, in, r, r] -> [N, out, r/2, r/2].

    Without a filter there is no blur. `fused` downscales before bias and nonlinearity; otherwise they come first.
    """

    def __init__(self, inputs: int, outputs: int, config: DiscriminatorConfig, fused: bool) -> None:
        super().__init__()
        self.fused, self.nonlinearity = fused, config.nonlinearity
        self.first = Conv2d(inputs, inputs, 3, equalized=config.equalized_lr)
        self.blur = nn.Identity() if config.blur_filter is None else Blur(config.blur_filter)
        self.second: nn.Module
        if fused:
            self.second = DownConv2d(inputs, outputs, config.equalized_lr)
        else:
            self.second = Conv2d(inputs, outputs, 3, equalized=config.equalized_lr)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blur(self.first(x, self.nonlinearity))
        x = self.second(x, self.nonlinearity)
        return x if self.fused else downscale2x(x)
