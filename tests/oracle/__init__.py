"""Numbers that the official programs gave in float64, and the map from their variables' names to our parameters."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from progan import Discriminator, Generator


@cache
def load(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A file's description and its arrays."""
    with np.load(Path(__file__).parent / f"{name}.npz", allow_pickle=False) as arrays:
        return json.loads(str(arrays["meta_json"])), {key: arrays[key] for key in arrays.files}


def tensor(array: np.ndarray, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.from_numpy(np.array(array)).to(dtype)


def parameter_name(official: str, resolution: int) -> str:
    """Our parameter for an official ProGAN variable such as 8x8/Conv0_up/weight or ToRGB_lod2/bias."""
    if match := re.fullmatch(r"(To|From)RGB_lod(\d+)/(\w+)", official):
        r = resolution >> int(match[2])
        return f"{'to' if match[1] == 'To' else 'from'}_image.{r}x{r}.{match[3]}"
    block, layer, kind = official.split("/")
    if layer in ("Dense0", "Dense1"):
        return f"{'dense' if layer == 'Dense0' else 'output'}.{kind}"
    place = {"Dense": "first", "Conv0": "first", "Conv0_up": "first", "Conv1": "second", "Conv1_down": "second"}.get(
        layer
    )
    return f"blocks.{block}.{place or 'second'}.{kind}"


def ours(official: str, value: np.ndarray) -> np.ndarray:
    """An official array in our layout: HWIO (the generator's Conv0_up: HWOI) -> OIHW, dense [in, out] -> [out, in]."""
    if official.endswith("bias"):
        return value
    if value.ndim == 2:
        return value.T
    return value.transpose((2, 3, 0, 1) if "Conv0_up" in official else (3, 2, 0, 1))


def name_in(network: nn.Module, official: str, resolution: int) -> str:
    name = parameter_name(official, resolution)
    return name.replace("blocks.4x4.second", "conv") if isinstance(network, Discriminator) else name


def fill(network: nn.Module, arrays: dict[str, np.ndarray], resolution: int) -> None:
    """Load the official weights `w/...` into the network, in float64; every parameter must be there, and no other."""
    state = {
        name_in(network, key[2:], resolution): tensor(
            ours(key, value).reshape(-1) if key.endswith("bias") else ours(key, value)
        )
        for key, value in arrays.items()
        if key.startswith("w/") and key != "w/lod"
    }
    network.double().load_state_dict(state)


def build(name: str) -> tuple[nn.Module, dict[str, Any], dict[str, np.ndarray]]:
    """The network of a file with its weights, in float64."""
    meta, arrays = load(name)
    official = meta["static_kwargs"]
    known = {"num_channels", "resolution", "label_size", "fmap_base", "fmap_max", "fused_scale", "mbstd_group_size"}
    assert set(official) <= known, set(official) - known
    renamed = {"num_channels": "image_channels", "label_size": "label_dim", "mbstd_group_size": "mbstd_group"}
    arguments = {renamed.get(key, key): value for key, value in official.items()}
    network: nn.Module
    if meta["network"] == "G_paper":
        latents = meta["inputs"]["latents"][1]
        network = Generator(z_dim=latents, **arguments)
    else:
        network = Discriminator(**arguments)
    fill(network, arrays, official["resolution"])
    return network, meta, arrays


def stage(lod: float, resolution: int) -> tuple[int, float]:
    """The official lod as our (resolution, alpha)."""
    return resolution >> int(lod), 1.0 - (lod - int(lod))
