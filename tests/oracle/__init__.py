"""Numbers that the official programs gave in float64, and the map from their variables' names to our parameters."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import progan
import stylegan


@cache
def load(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A file's description and its arrays."""
    with np.load(Path(__file__).parent / f"{name}.npz", allow_pickle=False) as arrays:
        return json.loads(str(arrays["meta_json"])), {key: arrays[key] for key in arrays.files}


def tensor(array: np.ndarray, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.from_numpy(np.array(array)).to(dtype)


def parameter_name(official: str, resolution: int) -> str:
    """Our parameter for an official variable such as 8x8/Conv0_up/weight, ToRGB_lod2/bias or G_mapping/Dense0/bias."""
    if official == "dlatent_avg":
        return "w_avg"
    if match := re.fullmatch(r"G_mapping/(?:Dense(\d)/(\w+)|LabelConcat/weight)", official):
        return f"mapping.layers.{match[1]}.{match[2]}" if match[1] else "mapping.label_embedding"
    if official.startswith("G_synthesis/"):
        return "synthesis." + parameter_name(official.removeprefix("G_synthesis/"), resolution)
    if re.fullmatch(r"noise\d+", official):
        return official
    if match := re.fullmatch(r"(To|From)RGB_lod(\d+)/(\w+)", official):
        r = resolution >> int(match[2])
        return f"{'to' if match[1] == 'To' else 'from'}_image.{r}x{r}.{match[3]}"
    block, layer, *kind = official.split("/")
    if layer in ("Dense0", "Dense1"):
        return f"{'dense' if layer == 'Dense0' else 'output'}.{kind[0]}"
    firsts = ("Const", "Dense", "Conv0", "Conv0_up")
    return f"blocks.{block}.{'first' if layer in firsts else 'second'}.{STYLED.get('/'.join(kind), '.'.join(kind))}"


# Parts of a StyleGAN layer beside its convolution.
STYLED = {
    "Noise/weight": "noise_strength",
    "StyleMod/weight": "style.weight",
    "StyleMod/bias": "style.bias",
}


def ours(official: str, value: np.ndarray) -> np.ndarray:
    """An official array in our layout: HWIO (ProGAN's Conv0_up: HWOI) -> OIHW, dense [in, out] -> [out, in]."""
    if not official.endswith("weight") or value.ndim == 1 or "LabelConcat" in official:
        return value
    if value.ndim == 2:
        return value.T
    return value.transpose((2, 3, 0, 1) if re.fullmatch(r"\d+x\d+/Conv0_up/weight", official) else (3, 2, 0, 1))


def name_in(network: nn.Module, official: str, resolution: int) -> str:
    """The name of our parameter in this network."""
    name = parameter_name(official, resolution)
    if hasattr(network, "from_image"):
        return name.replace("blocks.4x4.second", "conv")
    if isinstance(network, stylegan.Generator):
        return re.sub(r"(blocks\.\d+x\d+\.\w+)\.weight", r"\1.conv.weight", name)
    return name


def fill(network: nn.Module, arrays: dict[str, np.ndarray], resolution: int) -> None:
    """Load the official weights `w/...` into the network, in float64; all of its state must be there, and no other."""
    state = {
        name_in(network, key[2:], resolution): tensor(ours(key[2:], value))
        for key, value in arrays.items()
        if key.startswith("w/") and not key.endswith("lod")
    }
    network.double().load_state_dict(state)


RENAMED = {
    "num_channels": "image_channels",
    "label_size": "label_dim",
    "mbstd_group_size": "mbstd_group",
    "latent_size": "z_dim",
    "dlatent_size": "w_dim",
}
SAME = {"resolution", "fmap_base", "fmap_max", "fused_scale", "mapping_fmaps", "mapping_layers"}
NETWORKS: dict[str, type[nn.Module]] = {
    "G_paper": progan.Generator,
    "D_paper": progan.Discriminator,
    "G_style": stylegan.Generator,
    "D_basic": stylegan.Discriminator,
}


def build(name: str) -> tuple[nn.Module, dict[str, Any], dict[str, np.ndarray]]:
    """The network of a file with its weights, in float64."""
    meta, arrays = load(name)
    official = meta["static_kwargs"]
    unknown = set(official) - SAME - set(RENAMED)
    assert not unknown, unknown
    arguments = {RENAMED.get(key, key): value for key, value in official.items()}
    if meta["network"] == "G_paper":
        arguments["z_dim"] = meta["inputs"]["latents"][1]
    network = NETWORKS[meta["network"]](**arguments)
    fill(network, arrays, official["resolution"])
    return network, meta, arrays


def cases(*files: str) -> list[Any]:
    """Every evaluation of these files, in both precisions, as parameters of a test."""
    return [
        pytest.param(file, case, precision, id=f"{file}-{case['name']}-{str(precision)[6:]}")
        for file in files
        for case in load(file)[0]["evals"]
        for precision in (torch.float64, torch.float32)
    ]


def check(case: dict[str, Any], output: str, found: Tensor, expected: np.ndarray, precision: torch.dtype) -> None:
    """That an output, in this precision, is the official one."""
    assert found.dtype == precision
    most = 10 * case["f32_err"][output] + 1e-6 if precision == torch.float32 else 2e-6
    assert (found.double() - tensor(expected)).abs().max() <= most


def stage(lod: float, resolution: int) -> tuple[int, float]:
    """The official lod as our (resolution, alpha)."""
    return resolution >> int(lod), 1.0 - (lod - int(lod))
