"""StyleGAN: the style-based GAN of Karras, Laine and Aila (2019)."""

from stylegan.discriminator import Discriminator
from stylegan.generator import Generator

__all__ = ["Discriminator", "Generator"]
