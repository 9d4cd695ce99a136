"""The networks that NVIDIA published for ProGAN (2018) and StyleGAN (2019), as model folders, without TensorFlow.

A published file is a pickle of three networks: the generator, the critic and the averaged generator (G, D, Gs). Each
holds the arguments it was made with (`static_kwargs`), where an absent one has the official default, and its variables
by name. It also holds the source text of the program that made it, which is never looked at.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import ModelError
from stylegrow.common.text import one_line
from stylegrow.models.folders import check_new_folder, save_model
from stylegrow.models.official.networks import CONV, CONV_OUT_IN, CRITICS, GENERATORS, Axes, Function
from stylegrow.models.official.pickles import Array, Network, is_argument, read_pickle, shown
from stylegrow.models.weights import difference

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

LICENSE = "cc-by-nc-4.0"
CREDIT = (
    "Converted from a file of the official program. The weights that NVIDIA published are under CC BY-NC 4.0 "
    "(https://creativecommons.org/licenses/by-nc/4.0/), which does not allow commercial use."
)
SPARE_BYTES = 1 << 28


def import_official(file: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Make the model folder `out` of an official pickle `file`: Gs and D, the file's name, and the stage reached.

    The weights are the file's own float32 numbers. No program in the file is run. ModelError, in one line, when `out`
    exists and is not empty or cannot be written, when the file is no official ProGAN or StyleGAN pickle, and when a
    network in it is not one that ours can be: by name and value of the argument, or by name of the variable.
    """
    file, out = Path(file), Path(out)
    try:
        check_new_folder(out)
        try:
            generator, discriminator, facts = _converted(file)
        except ModelError as error:
            raise ModelError(f"{file}: {error}") from error
        save_model(out, generator, discriminator, training=facts)  # type: ignore[arg-type]
    except OSError as error:
        raise ModelError(f"{out}: cannot be written ({error.strerror or error})") from error
    except MemoryError as error:
        raise ModelError(f"{file}: needs more memory than there is") from error


def _converted(file: Path) -> tuple[nn.Module, nn.Module, dict[str, Any]]:
    """Gs, D, and the training facts. ModelError without the file's name."""
    networks = read_pickle(file)
    several = networks if isinstance(networks, tuple | list) else [networks]
    if not several or not all(isinstance(network, Network) for network in several):
        raise ModelError("does not hold the three networks (G, D, Gs) of an official pickle")
    if len(several) != 3:
        raise ModelError(f"holds {len(several)} network(s), not the three (G, D, Gs) of an official pickle")
    # More than this only if some numbers are used many times over, in a file made to take all memory.
    most_bytes = file.stat().st_size + SPARE_BYTES
    generator = Part.of(several[2], "Gs", GENERATORS, most_bytes)
    critic = Part.of(several[1], "D", CRITICS, most_bytes)
    del networks, several  # and with them G, whose numbers nobody needs
    if generator.function.package != critic.function.package:
        raise ModelError(f"has a Gs made by {generator.name} and a D made by {critic.name}, which are no pair here")
    for option in ("resolution", "num_channels"):
        in_g, in_d = generator.options[option], critic.options[option]
        if in_g != in_d:
            raise ModelError(f"has networks that do not fit together: {option} is {in_g} in Gs and {in_d} in D")
    _stage(critic)
    facts: dict[str, Any] = dict(zip(("resolution", "alpha"), _stage(generator), strict=True))
    for option in ("truncation_psi", "truncation_cutoff"):
        if option in generator.options:
            facts[option] = generator.options[option]
    facts |= {"license": LICENSE, "credit": CREDIT, "source": os.fsencode(file.name).decode(errors="replace")}
    architecture = ARCHITECTURES[generator.function.package]
    return (
        _network(architecture.network_class("generator"), generator),
        _network(architecture.network_class("discriminator"), critic),
        facts,
    )


@dataclass
class Part:
    """Gs or D: what made it, its arguments (official names, absent ones as well, values as ours) and its variables."""

    role: str
    module: str  # of its class
    name: str  # of the official function
    function: Function
    options: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, network: Network, role: str, functions: Mapping[str, Function], most_bytes: int) -> Part:
        """A network of a pickle; ModelError where it is not built as the official ones are."""
        state = _state(network, role)
        name = state["build_func_name"]
        if name not in functions:
            raise ModelError(f"has a {role} made by {shown(name)}, not by one of {', '.join(functions)}")
        part = cls(role, network.module, name, functions[name])
        part.add(state, "")
        for component in part.function.components:
            inner = state.get("components")
            if not isinstance(inner, dict) or not isinstance(inner.get(component), Network):
                raise ModelError(f"has a {role} without the network {component!r} that {name} consists of")
            inner_state = _state(inner[component], f"{role}/{component}")
            if inner_state["build_func_name"] != f"G_{component}":
                made_by = shown(inner_state["build_func_name"])
                raise ModelError(f"has a {role}/{component} made by {made_by}, not by G_{component}")
            part.add(inner_state, f"{component}/")
        if sum(value.nbytes for value in part.variables.values()) > most_bytes:
            raise ModelError(f"has a {role} of more numbers than the file can hold")
        part.options = dict(part.function.arguments()) | part.options
        return part

    def add(self, state: Mapping[str, Any], prefix: str) -> None:
        """Take arguments and variables from the state of the network itself (no prefix) or of a component."""
        for key, value in self.read(state["static_kwargs"], f"{self.role}/{prefix}".rstrip("/")).items():
            if self.options.setdefault(key, value) != value:
                both = f"{key}={shown(value)} and {key}={shown(self.options[key])}"
                raise ModelError(f"has a {self.role} whose parts do not agree: they have {both}")
        for entry in state["variables"]:
            if not isinstance(entry, tuple | list) or len(entry) != 2 or not isinstance(entry[0], str):
                raise ModelError(f"has a variable of {self.role} that is not a name and a value")
            name = prefix + entry[0]
            if name in self.variables:
                raise ModelError(f"has the variable {self.role}/{_text(name)} twice")
            self.variables[name] = _numbers(entry[1], f"{self.role}/{_text(name)}")

    def read(self, static_kwargs: Mapping[str, Any], where: str) -> dict[str, Any]:
        """The arguments among `static_kwargs` that change a network."""
        kwargs = {key: value for key, value in static_kwargs.items() if key not in self.function.inert}
        kwargs |= {key: value.item() for key, value in kwargs.items() if hasattr(value, "dtype")}
        for key, value in kwargs.items():
            if not is_argument(value):
                raise ModelError(f"has {_text(key)}={shown(value)} in the static_kwargs of {where}, too much of it")
        if unknown := kwargs.keys() - self.function.arguments.model_fields.keys():
            key = min(unknown)
            raise ModelError(f"has the unknown {_text(key)}={shown(kwargs[key])} in the static_kwargs of {where}")
        try:
            read = self.function.arguments.model_validate(kwargs)
        except ValidationError as error:
            key = str(error.errors()[0]["loc"][0])
            why = "; ".join({one["msg"]: "" for one in error.errors() if one["loc"][0] == key})
            raise ModelError(f"has {key}={shown(kwargs[key])} in the static_kwargs of {where} ({why})") from error
        return {key: value for key, value in read if key in read.model_fields_set}

    def taken(self, name: str) -> np.ndarray:
        """A variable, which is dropped here, so that what was converted takes no more memory."""
        if name not in self.variables:
            raise ModelError(f"lacks the variable {self.role}/{name}")
        return self.variables.pop(name)

    def arguments(self) -> dict[str, Any]:
        """The arguments of our network. ValueError or ArithmeticError where there is none."""
        from progan.config import feature_maps

        fields = self.function.arguments.model_fields.items()
        arguments = {ours: self.options[key] for key, field in fields if (ours := field.serialization_alias)}
        sizes = {name: arguments[name] for name in ("fmap_base", "fmap_decay", "fmap_max")}
        if arguments.get("z_dim", 0) is None:
            arguments["z_dim"] = feature_maps(2, **sizes)
        if self.name == "D_paper" and self.module != "tfutil":
            arguments["label_dim"] = 0  # StyleGAN's copy of ProGAN's critic takes labels, and does nothing with them
        if arguments.get("mbstd_group", 2) < 2:
            # The official critics look at the deviation within groups, or not at all.
            arguments |= {"mbstd_group": 1, "mbstd_features": 0}
        elif (features := arguments.get("mbstd_features", 1)) < 1 or feature_maps(4, **sizes) % features:
            raise ValueError(f"mbstd_num_features {features} does not divide the maps at 4x4")
        return arguments

    def has_conv0_up_in_out(self) -> bool:
        """Whether ProGAN's upscaling weights are [k, k, in, out], as in StyleGAN's copy of the program of 2018.

        The shapes tell, where they can: one program could read what the other wrote.
        """
        for name, value in self.variables.items():
            if name.endswith("Conv0_up/weight") and value.ndim == 4 and value.shape[2] != value.shape[3]:
                bias = self.variables.get(f"{name.removesuffix('weight')}bias")
                return bias is None or bias.size == value.shape[3]
        return self.module != "tfutil"


def _state(network: Network, role: str) -> dict[str, Any]:
    """A network's state, which the network loses; ModelError unless it is whole, and of a version known here."""
    state, network.state = network.state, None
    if state is None:
        raise ModelError(f"has a {role} without contents")
    if network.module == "network":
        raise ModelError(
            "is a file of ProGAN's Theano program, which is not readable here; take that of the TensorFlow program, "
            "such as karras2018iclr-celebahq-1024x1024.pkl"
        )
    version = state.get("version")
    if type(version) is not int or version not in (2, 3):
        what = "a StyleGAN2 pickle" if version == 4 and type(version) is int else "a pickle of networks"
        raise ModelError(f"is {what} of version {shown(version)}; those of ProGAN are version 2, of StyleGAN 3")
    for key, kind in (("static_kwargs", dict), ("variables", list), ("build_func_name", str)):
        if not isinstance(state.get(key), kind):
            problem = f"whose {key!r} is not a {kind.__name__}" if key in state else f"without {key!r}"
            raise ModelError(f"has a {role} {problem}")
    return state


def _numbers(value: Any, where: str) -> np.ndarray:
    import numpy as np

    if isinstance(value, Array) and value.value is not None:
        return value.value
    if isinstance(value, np.generic | float | int):
        return np.asarray(value)
    raise ModelError(f"has {shown(value)} as the variable {where}, which is not numbers")


def _stage(part: Part) -> tuple[int, float]:
    """The stage (resolution, alpha) that a network has reached: what its variable "lod" says."""
    lod = math.nan
    for name in reversed(part.function.lods):
        value = part.taken(name)
        lod = float(value) if value.ndim == 0 and value.dtype.kind in "fiu" else math.nan
    if not math.isfinite(lod):
        raise ModelError(f"has a variable {part.role}/lod that is not a finite number")
    resolution: int = part.options["resolution"]
    lod = min(max(lod, 0.0), math.log2(resolution) - 2)  # as the official networks do
    return resolution >> int(lod), round(1 - lod % 1, 6)


def _network(make: type[nn.Module], part: Part) -> nn.Module:
    """Our network with the weights of an official one."""
    import torch

    try:
        arguments = part.arguments()
        # Without memory: what it would draw is not needed, and absurd sizes cost none.
        with torch.device("meta"):
            network = make(**arguments)
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise ModelError(f"has a {part.role} whose static_kwargs make no network ({one_line(error)})") from error
    names = dict(part.function.names(arguments))
    if problem := difference(names.keys(), part.variables.keys(), f"variable {part.role}/"):
        raise ModelError(f"{problem}; it does not fit the static_kwargs")
    in_out = part.has_conv0_up_in_out()
    plan, state = network.state_dict(), {}
    for official, (name, axes) in names.items():
        axes = CONV if axes == CONV_OUT_IN and in_out else axes
        state[name] = _tensor(part.taken(official), plan[name].shape, axes, f"{part.role}/{official}")
    network.load_state_dict(state, assign=True)
    return network


def _tensor(value: np.ndarray, wanted: tuple[int, ...], axes: Axes, where: str) -> Tensor:
    """A variable as our tensor; ModelError unless it is of the shape wanted and of finite float32 numbers."""
    import numpy as np
    import torch

    if axes is not None:
        wanted = tuple(wanted[axes.index(axis)] for axis in range(len(axes)))
    if value.shape != tuple(wanted):
        shapes = f"{list(value.shape)}; its static_kwargs call for {list(wanted)}"
        raise ModelError(f"has the variable {where} of shape {shapes}")
    if value.dtype.kind != "f" or value.dtype.itemsize != 4:
        raise ModelError(f"has the variable {where} of {value.dtype}, not of float32")
    if not np.isfinite(value).all():
        raise ModelError(f"has the variable {where} with NaN or infinity, so it draws nothing")
    return torch.from_numpy(np.array(value if axes is None else value.transpose(axes), np.float32, order="C"))


def _text(name: str) -> str:
    """A name from a file as part of a line."""
    return shown(name).strip("'\"")
