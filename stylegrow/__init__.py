"""Image generators: load, sample and evaluate them, and the data that they are trained on."""

from typing import TYPE_CHECKING

from progan.lazy import lazy_names

if TYPE_CHECKING:
    from stylegrow.data import open_dataset
    from stylegrow.metrics import evaluate
    from stylegrow.models import load_discriminator, load_encoder, load_generator, save_model
    from stylegrow.sampling.sampler import sample

__version__ = "0.2.0"
__all__ = [
    "__version__",
    "evaluate",
    "load_discriminator",
    "load_encoder",
    "load_generator",
    "open_dataset",
    "sample",
    "save_model",
]
__getattr__ = lazy_names(
    __name__,
    {
        "evaluate": "stylegrow.metrics",
        "load_discriminator": "stylegrow.models",
        "load_encoder": "stylegrow.models",
        "load_generator": "stylegrow.models",
        "open_dataset": "stylegrow.data",
        "sample": "stylegrow.sampling.sampler",
        "save_model": "stylegrow.models",
    },
)
