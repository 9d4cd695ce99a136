"""Small models with random weights, as folders: a StyleGAN, one with classes, one still growing, a grey ProGAN."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

import progan
import stylegan
from stylegrow.models import save_model

CLASSES = ["cat", "2", "öwl"]
CREDIT = "“Faces” by Zoë, CC BY 4.0"


def lively(generator: stylegan.Generator) -> stylegan.Generator:
    """A new network whose styles and noise change the image, as training would have made them."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith(("noise_strength", "bias")):
                parameter.normal_(0, 0.3)
            elif name.endswith("style.weight"):
                parameter.normal_(0, 2)
            elif "to_image" in name:
                parameter.mul_(0.3)
        generator.w_avg.normal_(0, 0.2)
    return generator


def style(resolution: int = 32, **arguments: Any) -> stylegan.Generator:
    torch.manual_seed(0)
    small = {"z_dim": 8, "w_dim": 8, "mapping_layers": 2, "mapping_fmaps": 8, "fmap_base": 64, "fmap_max": 8}
    return lively(stylegan.Generator(resolution, **(small | arguments)))


def save_models(folder: Path) -> Path:
    """Save one of each kind into a folder."""
    save_model(folder / "style", style(64), training={"credit": CREDIT})
    save_model(folder / "classes", style(16, label_dim=3, image_channels=1), classes=CLASSES)
    save_model(folder / "unnamed", style(8, label_dim=2))
    save_model(folder / "growing", style(32), training={"resolution": 16, "alpha": 0.5})
    save_model(folder / "silent", style(8, use_noise=False))
    save_model(folder / "one-style", style(8, use_styles=False, const_input=False))
    grey = progan.Generator(16, z_dim=8, fmap_base=64, fmap_max=8, image_channels=1)
    save_model(folder / "run" / "model", grey)
    return folder


def close(shown: Any, expected: Any) -> bool:
    """Equal within a grey level, and not all of one colour."""
    shown, expected = np.asarray(shown).astype(int), np.asarray(expected).astype(int)
    return shown.shape == expected.shape and np.abs(shown - expected).max() <= 1 and expected.std() > 5
