"""Image generators: load, sample, evaluate and render them."""

__version__ = "0.1.0"
