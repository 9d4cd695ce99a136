"""ProGAN: the progressively growing GAN of Karras, Aila, Laine and Lehtinen (2018)."""

from typing import TYPE_CHECKING

from progan.config import DiscriminatorConfig, GeneratorConfig
from progan.lazy import lazy_names

if TYPE_CHECKING:
    from progan.discriminator import Discriminator
    from progan.generator import Generator

__all__ = ["Discriminator", "DiscriminatorConfig", "Generator", "GeneratorConfig"]
__getattr__ = lazy_names(__name__, {"Discriminator": "progan.discriminator", "Generator": "progan.generator"})
