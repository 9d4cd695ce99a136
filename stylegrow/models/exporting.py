"""Generators as ONNX files, for programs that have no PyTorch."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn

from progan.layers import cache_weights
from stylegrow.architectures import has_styles
from stylegrow.common.errors import InputError
from stylegrow.common.paths import expanded
from stylegrow.models import folders
from stylegrow.models.config import stage_reached

if TYPE_CHECKING:
    from stylegrow.architectures import Generator

PACKAGES = ("onnx", "onnxscript")  # what PyTorch exports with
CONSTANTS = "constants.safetensors"
BATCH = 2  # of the trace; PyTorch would take a 1 for a constant


class Part(NamedTuple):
    """A function of a generator: what it takes, by name, each with N rows, and the name of what it gives."""

    function: Callable[..., Tensor]
    inputs: dict[str, Tensor]
    output: str


def export_onnx(name_or_path: str | os.PathLike[str], out: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Write a model's generator, at the stage it has reached, into the folder `out`; says which inputs each file takes.

    generator.onnx (z [N, z_dim] -> images [N, C, r, r]) or, of one with styles, mapping.onnx (z -> w [N, w_dim], not
    truncated) and synthesis.onnx (ws [N, layers, w_dim] and noise0, noise1, ... [N, 1, h, w], a map a layer -> images),
    with constants.safetensors: w_avg and the network's own noise maps [1, 1, h, w]. N may be any number. What takes z
    takes labels [N, label_dim] too where the model has them. Equal weights are equal bytes, by one version of PyTorch.

    InputError where packages are missing; ModelError when the model does not load and when `out` exists and is not
    empty or cannot be made; then nothing is written. OSError when writing fails.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise InputError(f"models export: needs {' and '.join(missing)}; install with pip install {' '.join(PACKAGES)}")
    out = expanded(out)
    folders.check_new_folder(out)
    source = folders.find_model(name_or_path)
    generator = folders.load_generator(source).requires_grad_(False)
    cache_weights(generator)
    stage, alpha = stage_reached(folders.read_config(source)["training"], generator.resolution)
    parts = parts_of(generator, stage or generator.resolution, alpha)
    files = {name: encode_part(generator, part) for name, part in parts.items()}
    if has_styles(generator):
        noise = {name: getattr(generator.synthesis, name) for name in parts["synthesis.onnx"].inputs if name != "ws"}
        files[CONSTANTS] = save(noise | {"w_avg": generator.w_avg}, metadata={"format": "pt"})
    folders.create(out, files)
    return {name: list(part.inputs) for name, part in parts.items()}


def parts_of(generator: Generator, resolution: int, alpha: float) -> dict[str, Part]:
    """The functions of a generator at a stage, by their files' names."""
    z = {"z": torch.randn(BATCH, generator.z_dim)}
    if generator.label_dim:
        z["labels"] = torch.eye(generator.label_dim)[torch.arange(BATCH) % generator.label_dim]
    if not has_styles(generator):

        def images(z: Tensor, labels: Tensor | None = None) -> Tensor:
            return generator(z, labels, resolution, alpha)

        return {"generator.onnx": Part(images, z, "images")}

    def synthesis(ws: Tensor, *noise: Tensor) -> Tensor:
        return generator.synthesis(ws, resolution, alpha, noise or "none")

    ws = torch.randn(BATCH, generator.layers_at(resolution), generator.w_dim)
    own = generator.synthesis.noise_maps("const", ws, resolution)
    noise = {f"noise{layer}": torch.randn(BATCH, *one.shape[1:]) for layer, one in enumerate(own)}
    return {
        "mapping.onnx": Part(generator.mapping, z, "w"),
        "synthesis.onnx": Part(synthesis, {"ws": ws} | noise, "images"),
    }


class Traced(nn.Module):
    """A function as the module that PyTorch exports."""

    def __init__(self, generator: Generator, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.generator, self.function = generator, function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


@torch.no_grad()
def encode_part(generator: Generator, part: Part) -> bytes:
    """The content of one ONNX file."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    inputs = tuple(part.inputs.values())
    part.function(*inputs)  # computes the effective weights, which then are constants of the file
    rows = {0: torch.export.Dim("N")}
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        program = torch.onnx.export(
            Traced(generator, part.function).eval(),
            inputs,
            dynamo=True,
            verbose=False,
            dynamic_shapes=((rows,) * len(inputs),),
            input_names=list(part.inputs),
            output_names=[part.output],
        )
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)  # which tell this machine's folders
    return program.model_proto.SerializeToString()
