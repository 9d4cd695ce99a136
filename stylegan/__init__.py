"""StyleGAN: the style-based GAN of Karras, Laine and Aila (2019)."""

from typing import TYPE_CHECKING

from progan.lazy import lazy_names
from stylegan.config import DiscriminatorConfig, GeneratorConfig

if TYPE_CHECKING:
    from stylegan.discriminator import Discriminator
    from stylegan.generator import Generator

__all__ = ["Discriminator", "DiscriminatorConfig", "Generator", "GeneratorConfig"]
__getattr__ = lazy_names(__name__, {"Discriminator": "stylegan.discriminator", "Generator": "stylegan.generator"})
