"""The configurations of a VAE's networks. Loading them does not load torch."""

from dataclasses import dataclass

import progan


@dataclass(frozen=True)
class GeneratorConfig(progan.GeneratorConfig):
    """The arguments of the decoder: those of ProGAN's generator."""

    # The encoder tells by a latent's length how sure it is, and the prior is not on a sphere.
    normalize_latents: bool = False


@dataclass(frozen=True)
class EncoderConfig(progan.DiscriminatorConfig):
    """The arguments of the encoder: those of ProGAN's discriminator, and the length of the latents."""

    z_dim: int = 512
    mbstd_features: int = 0  # an image's latents are its own, whatever it is encoded beside
