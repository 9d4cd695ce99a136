"""The model that a run starts from, which decides some of its options."""

from collections.abc import Mapping
from typing import Any

from stylegrow.common.errors import InputError
from stylegrow.models import read_config
from train.config.fields import as_given
from train.config.options import ABOUT, Options

# What a model to start from has to have in common with the data, and what to do where it has not.
SHARED = {
    "resolution": "give the model's --resolution",
    "label_dim": "--cond decides about labels",
    "image_channels": "take a model of images with as many channels",
}


def model_for(architecture: str, options: Options, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The configuration of --init-from's model, if there is one. InputError where it does not fit run and data."""
    if options.init_from is None:
        return None
    model = read_config(options.init_from)
    if model["architecture"] != architecture:
        raise InputError(
            f"--init-from {options.init_from}: is a model of {model['architecture']}; take one of {architecture}"
        )
    for name, advice in SHARED.items():
        if model["generator"][name] != arguments[name]:
            raise InputError(
                f"--init-from {options.init_from}: the model's {name} is {model['generator'][name]}, "
                f"the data's {arguments[name]}; {advice}"
            )
    return model


def options_of(model: Mapping[str, Any] | None, options: Options) -> dict[str, Any]:
    """The options that are decided by the model to start from. InputError for one that is given otherwise."""
    if model is None:
        return {}
    generator = model["generator"]
    found = {name: generator[name] for name in ABOUT if name in generator and name not in SHARED}
    if "blur_filter" in generator:
        found["blur"] = "yes" if generator["blur_filter"] else "no"
    for name, value in found.items():
        if options.given.get(name, value) != value:
            raise InputError(
                f"{as_given(name, options.given[name])}: the model of --init-from has {value}; leave the option out"
            )
    # Growing goes on where the model had got.
    return found | {"start_resolution": model["training"].get("resolution", generator["resolution"])}
