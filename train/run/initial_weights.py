"""The networks that a run starts from a model: what they take from it, and what begins anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from progan.config import stages
from progan.widening import widened
from stylegrow.architectures import ARCHITECTURES
from stylegrow.models import find_model, load_generator
from stylegrow.models.config import read_config_of
from stylegrow.models.weights import WEIGHTS, load_network
from train.config.init_from import WIDTHS, blur_of
from train.config.run_config import RunConfig
from train.step import constraints

if TYPE_CHECKING:
    from stylegrow.architectures import Generator, Partner


def networks_of(model: str) -> tuple[Generator, Partner | None]:
    """A model's generator, and what it was trained with where that is there. ModelError as from load_generator."""
    folder = find_model(model)
    config = read_config_of(folder)
    partner = ARCHITECTURES[config["architecture"]].partner
    there = bool(config.get(partner)) and (folder / WEIGHTS[partner]).is_file()
    return load_generator(model), load_network(folder, config, partner) if there else None


def start_from(model: str, generator: Generator, critic: Partner) -> None:
    """Give both networks what they share with the model's."""
    its_generator, its_critic = networks_of(model)
    for source, target in ((its_generator, generator), (its_critic, critic)):
        if source is not None:
            constraints.copy_weights(widened(source, target.config.fmap_base, target.config.fmap_max), target)


def notes_on_model(config: RunConfig) -> Iterator[str]:
    """What of the networks is the model's of --init-from, and what is new. ModelError where it cannot be loaded."""
    model, schedule = config.options.init_from, config.schedule
    if model is None:
        return
    generator, critic = networks_of(model)
    fading = f", alpha {schedule.start_alpha:.2f}" if schedule.start_alpha < 1 else ""
    new = [str(r) for r in stages(config.generator.resolution) if r > generator.resolution]
    blocks = f", blocks of {', '.join(new)} px are new" if new else ""
    yield f"starts from {model} at {schedule.start_resolution} px{fading}{blocks}"
    if (its := blur_of(generator.config)) != config.options.blur and isinstance(config.options.blur, str):
        yield f"{model} was trained with --blur {its}, so that its pictures are worse at first"
    common = stages(min(config.generator.resolution, generator.resolution))
    maps = {r: (generator.config.feature_maps(r), config.generator.feature_maps(r)) for r in common}
    if more := [f"{wider} for {own} at {r} px" for r, (own, wider) in maps.items() if own != wider]:
        yield f"widened by copies of {model}'s feature maps: {', '.join(more)}"
    if critic is None:
        yield f"{model} has no critic, so that a new one begins"
    anew = [f"the generator's {name}" for name in begun_anew(generator, config.generator)]
    anew += [f"the critic's {name}" for name in begun_anew(critic, config.discriminator)] if critic else []
    if anew:
        yield f"not taken from {model}, since they depend on labels or channels: {', '.join(anew)}"


def begun_anew(network: Generator | Partner, config: Any) -> list[str]:
    """The tensors that a network of this configuration does not take from `network`, apart from its new blocks'."""
    with torch.device("meta"):
        maps = {name: getattr(config, name) for name in WIDTHS}
        grown = type(network).from_config(replace(network.config, resolution=config.resolution, **maps))
        wanted = type(network).from_config(config)
    shapes: list[dict[str, torch.Size]] = [shapes_of(grown), shapes_of(wanted)]
    return sorted(name for name in shapes[0] | shapes[1] if shapes[0].get(name) != shapes[1].get(name))


def shapes_of(network: nn.Module) -> dict[str, torch.Size]:
    """The shapes of a network's tensors, by name."""
    return {name: tensor.shape for name, tensor in network.state_dict().items()}
