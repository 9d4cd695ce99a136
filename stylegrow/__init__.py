"""Image generators: load, sample, evaluate and render them."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public names and their modules, which are imported when a name is first used: most need torch.
_MODULES = {
    "evaluate": "stylegrow.metrics",
    "load_discriminator": "stylegrow.models",
    "load_generator": "stylegrow.models",
    "save_model": "stylegrow.models",
}
__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
