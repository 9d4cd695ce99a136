"""The model that a run starts from, which decides some of its options and where growing goes on."""

from collections.abc import Mapping
from typing import Any

from progan.config import NetworkConfig
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import InputError
from stylegrow.models import read_config
from stylegrow.models.config import roles_of, stage_reached
from train.config.fields import as_given
from train.config.options import ABOUT, Options

WIDTHS = ("fmap_base", "fmap_max")  # what may be larger than the model's, which is widened then
FREE = ("resolution", "margin", "repeat_edges_from")  # what may be other than the model's


def model_for(architecture: str, options: Options) -> dict[str, Any] | None:
    """The configuration of --init-from's model, if there is one. InputError for one of another architecture."""
    if options.init_from is None:
        return None
    model = read_config(options.init_from)
    if model["architecture"] != architecture:
        raise InputError(
            f"--init-from {options.init_from}: is a model of {model['architecture']}; take one of {architecture}"
        )
    return model


def options_of(model: Mapping[str, Any] | None, options: Options, resolution: int) -> dict[str, Any]:
    """The options that the model decides, in a run to `resolution`.

    InputError for one that is given otherwise, but for larger widths; and for those that the model cannot have.
    """
    if model is None:
        return {}
    generator, kind = model["generator"], ARCHITECTURES[model["architecture"]].config_class("generator")
    both = {**(model.get("discriminator") or {}), **generator}
    found = {name: both[name] for name in ABOUT if name in both and name not in FREE}
    if "instance_norm" in generator and generator["instance_norm"] != generator["pixelnorm"]:
        found["norm"] = "instance" if generator["instance_norm"] else "pixel"
    found |= widths_of(model, options)
    for name, value in found.items():
        if options.given.get(name, value) != value:
            raise InputError(
                f"{as_given(name, options.given[name])}: the model of --init-from has {value}; leave the option out"
            )
    found["margin"] = generator["margin"] * resolution // generator["resolution"]
    found["blur"] = blur_of(kind(**generator))
    if "repeat_edges_from" in generator:
        found["repeat_edges_from"] = generator["repeat_edges_from"]
    return found | {"start_resolution": stage_of(model, resolution)[0]}


def blur_of(network: NetworkConfig) -> str:
    """What --blur is for such a network."""
    return "yes" if network.blur_filter else "no"


def widths_of(model: Mapping[str, Any] | None, options: Options) -> dict[str, int]:
    """The numbers of feature maps that the model's networks are widened to, none where they keep theirs.

    InputError for those that are no multiple of the model's.
    """
    given = {name: options.given[name] for name in WIDTHS if name in options.given}
    if model is None or not any(value > model["generator"][name] for name, value in given.items()):
        return {}
    kind = ARCHITECTURES[model["architecture"]].config_class
    for network in (kind(role)(**model[role]) for role in roles_of(model)):
        widths = {name: getattr(network, name) for name in WIDTHS} | given
        try:
            network.check_widening(**widths)
        except ValueError as error:
            words = " ".join(as_given(name, value) for name, value in given.items())
            own = f"--fmap-base {network.fmap_base} and --fmap-max {network.fmap_max}"
            raise InputError(f"{words}: the model's {error}; it has {own}, of which give multiples") from None
    return given


def stage_of(model: Mapping[str, Any], resolution: int) -> tuple[int, float]:
    """Where growing to `resolution` goes on: the stage that the model has reached, and how far its block is faded in.

    That is the full resolution where the model had got beyond it.
    """
    full = model["generator"]["resolution"]
    stage, alpha = stage_reached(model["training"], full)
    stage = stage or full
    return (stage, alpha) if stage <= resolution else (resolution, 1.0)
