"""ProGAN: the progressively growing GAN of Karras, Aila, Laine and Lehtinen (2018)."""

from progan.discriminator import Discriminator
from progan.generator import Generator

__all__ = ["Discriminator", "Generator"]
