"""VAE: the variational autoencoder of Kingma and Welling (2014), of the stages of a ProGAN."""

from typing import TYPE_CHECKING

from progan.lazy import lazy_names
from vae.config import EncoderConfig, GeneratorConfig

if TYPE_CHECKING:
    from vae.networks import Encoder, Generator

__all__ = ["Encoder", "EncoderConfig", "Generator", "GeneratorConfig"]
__getattr__ = lazy_names(__name__, {"Encoder": "vae.networks", "Generator": "vae.networks"})
