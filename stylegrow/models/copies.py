"""Copies of models, with all their weights or with half of the bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load

from stylegrow.architectures import ARCHITECTURES, architecture_of
from stylegrow.common.errors import ModelError
from stylegrow.common.images import to_uint8
from stylegrow.common.paths import expanded
from stylegrow.models import folders
from stylegrow.models.config import stage_reached
from stylegrow.models.labels import LabelSpace
from stylegrow.models.weights import DIRECTIONS, GROWTH, WEIGHTS, encode, retold

if TYPE_CHECKING:
    from stylegrow.architectures import Generator

IMAGES, MOST_CHANGE = 64, 1
FIRST = ("blocks.4x4", "blocks.8x8", "blocks.16x16")  # whose rounding, passed on by all others, changes images most


@dataclass(frozen=True)
class Copied:
    """What a copy came to: the sizes in bytes of the model and its copy, and the largest change of an image's value.

    `change` is in grey levels, of 255.
    """

    before: int
    after: int
    change: int


def copy_model(
    name_or_path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    float16: bool = False,
    margin: int | None = None,
    repeat_edges_from: int | None = None,
) -> Copied:
    """Copy a model, found as find_model does, to the folder `out`: config.json, weights, card and the images beside.

    With `float16` the weights are stored so, unless that changes any of 64 images, of the seeds from 0 at the stage
    reached, by more than one grey level in 8 bits: then the generator's first stages stay float32. `margin` and
    `repeat_edges_from` are the copy's (see progan.config and stylegan.config). ModelError, in one line, when that
    changes images as much, when the model does not load or cannot have them, and when `out` exists and is not empty or
    cannot be made; then nothing is written. OSError when writing fails.
    """
    out = expanded(out)
    folders.check_new_folder(out)
    source = folders.find_model(name_or_path)
    files = {name: folders.public_content(source, name) for name in folders.files_of(source)}
    weights = files[WEIGHTS["generator"]]
    networks, change = folders.load_networks(source), 0
    before = sum(map(len, files.values()))
    if float16:
        try:
            files |= {WEIGHTS[role]: encode(network, "float16") for role, network in networks.items()}
        except ModelError as error:
            raise ModelError(f"{source}: {error}") from error
        config = folders.read_config(source)
        generator, examples = networks["generator"], LabelSpace.of(config).examples
        change = largest_change(generator, config["training"], examples)
        if change > MOST_CHANGE:
            files[WEIGHTS["generator"]] = encode(generator, "float16", FIRST)
            change = largest_change(generator, config["training"], examples, FIRST)
        if change > MOST_CHANGE:
            raise ModelError(
                f"{source}: as float16 its images change by up to {change} of 255 grey levels, and {MOST_CHANGE} is "
                "the most that is let pass; copy it without --float16"
            )
        new = files[WEIGHTS["generator"]]
        files |= {name: retold(files[name], weights, new) for name in (DIRECTIONS, GROWTH) if name in files}
    asked = {"margin": margin, "repeat_edges_from": repeat_edges_from}
    if edges := {name: value for name, value in asked.items() if value is not None}:
        files["config.json"] = with_edges(files["config.json"], edges, source)
    folders.create(out, files)
    return Copied(before, sum(map(len, files.values())), change)


def with_edges(content: bytes, edges: Mapping[str, int], source: Path) -> bytes:
    """A config.json of a generator with these arguments. ModelError for those that it cannot have."""
    config = json.loads(content)
    kind = ARCHITECTURES[config["architecture"]].config_class("generator")
    if unknown := edges.keys() - {field.name for field in fields(kind)}:
        raise ModelError(f"{source}: a model of {config['architecture']} has no {' and '.join(unknown)}")
    config["generator"] |= edges
    try:
        kind(**config["generator"])
    except ValueError as error:
        raise ModelError(f"{source}: {error}") from error
    return folders.encoded(config)


@torch.inference_mode()
def largest_change(
    generator: Generator,
    training: Mapping[str, Any],
    examples: Sequence[Sequence[float]] = (),
    whole: Sequence[str] = (),
) -> int:
    """How much float16 weights change a value of 64 images, in grey levels of 8 bits, at the stage that was reached.

    The images are those of the seeds from 0, of each example of a label (by default each class) in turn, not truncated
    and with the network's own noise. The modules of `whole` stay float32.
    """
    rounded, sample = deepcopy(generator), architecture_of(generator).sample
    rounded.load_state_dict(load(encode(generator, "float16", whole)))
    stage, alpha = stage_reached(training, generator.resolution)
    examples = examples or torch.eye(generator.label_dim).tolist()
    change = 0
    for seed in range(IMAGES):
        z = torch.randn(1, generator.z_dim, generator=torch.Generator("cpu").manual_seed(seed))
        labels = torch.tensor([examples[seed % len(examples)]]) if examples else None
        a, b = (to_uint8(sample(one, z, labels, stage or generator.resolution, alpha)) for one in (generator, rounded))
        change = max(change, int(abs(a.astype(int) - b).max()))
    return change
