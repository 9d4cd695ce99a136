"""Encoder and decoder of a variational autoencoder (Kingma and Welling 2014), which grow as a ProGAN does."""

from torch import Tensor

import progan
from progan.discriminator import BaseDiscriminator
from progan.layers import Alpha
from progan.network import takes_fields_of
from vae.config import EncoderConfig, GeneratorConfig


class Generator(progan.Generator):
    """The decoder: the mean images [N, image_channels, r, r] of latents [N, z_dim]. Arguments as GeneratorConfig's."""

    @takes_fields_of(GeneratorConfig)
    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(**vars(config))
        self.config: GeneratorConfig = config


class Encoder(BaseDiscriminator):
    """The latents that images [N, image_channels, r, r] may have been drawn from. Arguments as EncoderConfig's."""

    @takes_fields_of(EncoderConfig)
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config, outputs=2 * config.z_dim, fused=bool(config.fused_scale))
        self.z_dim = config.z_dim

    def forward(self, images: Tensor, labels: Tensor | None = None, alpha: Alpha = 1.0) -> tuple[Tensor, Tensor]:
        """Mean and log variance [N, z_dim] of the normal distribution q(z|x) (Kingma and Welling 2014, equation 9).

        Its components are independent. Classes are not needed; label vectors [N, label_dim] are in the data's units.
        ValueError for images that are not square or of a resolution that the network does not have.
        """
        mean, log_variance = self.outputs(images, labels, alpha, batches=1).chunk(2, dim=1)
        return mean, log_variance
