"""Models on disk: folders of config.json and safetensors, found by name or path, and the bundled models."""

from stylegrow.common.errors import ModelError
from stylegrow.models.folders import (
    find_model,
    load_discriminator,
    load_encoder,
    load_generator,
    read_config,
    save_model,
    write_card,
)

__all__ = [
    "ModelError",
    "find_model",
    "load_discriminator",
    "load_encoder",
    "load_generator",
    "read_config",
    "save_model",
    "write_card",
]
