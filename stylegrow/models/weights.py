"""The networks of a model folder: weights as safetensors files, and the networks built of config.json's arguments."""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import ModelError
from stylegrow.common.text import one_line, printable

if TYPE_CHECKING:
    from torch import Tensor, nn

Storage = Literal["float32", "float16"]
WEIGHTS = {
    "generator": "model.safetensors",
    "discriminator": "discriminator.safetensors",
    "encoder": "encoder.safetensors",
}
GROWTH = "growth.safetensors"  # how a generator's smaller stages show the colours of the whole
DIRECTIONS = "directions.safetensors"  # in w, along which images change in one way
STAGE_BIAS = re.compile(r"\bto_image\.(\d+)x\1\.bias$")
UNTRAINED = re.compile(r"w_avg|synthesis\.noise\d+")
SMALL = 5 * 10**7  # weights of a network that is built whether its file fits or not, which tells what is wrong with it
LARGEST_NUMBER, LONGEST_VALUE = 1e12, 100  # of an argument: beyond them a network would only fail slowly
CHECKED = ("label_kind", "label_mean", "label_deviation")  # arguments of which a configuration knows what they may be


def encode(network: nn.Module, dtype: Storage, whole: Sequence[str] = ()) -> bytes:
    """A network's weights as the content of a safetensors file. ModelError for those that float16 cannot hold.

    StyleGAN's mapping network and styles stay float32: every layer passes a rounded latent or style on, which alone
    changes images by several grey levels at 256 px, and they are a small part of the bytes. So do the modules of
    `whole`, such as "blocks.4x4".
    """
    import torch
    from safetensors.torch import save

    state = {}
    for name, tensor in network.state_dict().items():
        styled = name.startswith("mapping.") or ".style." in name
        exact = styled or any(f"{module}." in name for module in whole)
        kind = torch.float32 if exact else getattr(torch, dtype)
        state[name] = tensor.detach().to("cpu", kind).contiguous()
        if dtype == "float16" and not state[name].isfinite().all():
            largest = tensor.abs().max().item()
            raise ModelError(f"{name} cannot be stored as float16, its largest number is {largest:g}; use float32")
    return save(state, metadata={"format": "pt"})


def digest(content: bytes) -> str:
    """What the files beside a generator's weights call these: the first 64 bits of their SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def retold(content: bytes, old: bytes, new: bytes) -> bytes:
    """A safetensors file that names the weights `old`, naming `new`; one that names others stays as it is."""
    head = 8 + int.from_bytes(content[:8], "little")
    return content[:head].replace(digest(old).encode(), digest(new).encode()) + content[head:]


def load_network(folder: Path, config: Mapping[str, Any], role: str) -> Any:
    """The network of a model folder with this role of WEIGHTS, as load_generator gives it. ModelError otherwise."""
    if role not in ARCHITECTURES[config["architecture"]].roles or not config.get(role):
        raise ModelError(f"{folder / 'config.json'}: the model has no {role}; it was saved without one")
    path = folder / WEIGHTS[role]
    tensors = _read(path)
    most = max(SMALL, 4 * sum(tensor.numel() for tensor in tensors.values()))
    network = _build(folder / "config.json", config, role, most)
    _check_fit(path, network.state_dict(), tensors)
    network.load_state_dict(tensors)
    return network.eval()


def first_stage(folder: Path) -> int:
    """The smallest stage that a model's training has drawn at, which need not have begun at 4 px.

    The layer that makes images at a stage begins with a bias of 0 and, once it is trained, never comes back to it. 4
    where no stage is trained. ModelError for weights that cannot be read.
    """
    from safetensors import safe_open

    with _readable(folder / WEIGHTS["generator"]) as path, safe_open(path, "numpy") as file:
        biases = {int(m[1]): name for name in file.keys() if (m := STAGE_BIAS.search(name))}  # noqa: SIM118
        return next((stage for stage in sorted(biases) if file.get_tensor(biases[stage]).any()), 4)


def difference(wanted: Set[str], found: Set[str], kind: str) -> str:
    """Which names (of this `kind`) are missing or too many, as part of a message; empty where all are there."""
    for names, problem in ((wanted - found, "lacks the"), (found - wanted, "has the unexpected")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            return f"{problem} {kind}{printable(min(names))}{more}"
    return ""


def _build(path: Path, config: Mapping[str, Any], role: str, most: int) -> nn.Module:
    """The network, with whatever memory holds for weights. ModelError also for one of more than `most` numbers."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Undrawn(TorchFunctionMode):
        """Draws no initial weights, which are replaced, and makes none of absurd sizes.

        The device "meta" would do that too, but imports PyTorch's compiler: seconds, and 200 MB.
        """

        left = most

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func in (torch.randn, torch.zeros, torch.ones):
                self.left -= math.prod(args[0] if isinstance(args[0], Sequence) else args)
                if self.left < 0:
                    raise ValueError("they ask for far more weights than are there")
                func = torch.empty if func is torch.randn else func
            return func(*args, **(kwargs or {}))

    architecture, arguments = ARCHITECTURES[config["architecture"]], config[role]
    known = {field.name: field.default for field in fields(architecture.config_class(role))}
    if problem := difference(known.keys(), arguments.keys(), "argument "):
        raise ModelError(f"{path}: {role} {problem}")
    for name, value in arguments.items():
        if name not in CHECKED and not _plausible(value, known[name]):
            problem = f"{name} cannot be {reprlib.repr(value)}"
            raise ModelError(f"{path}: the arguments of {role} make no network ({problem})")
    try:
        with torch.device("cpu"), Undrawn():
            return architecture.network_class(role).from_config(arguments).float()
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise ModelError(f"{path}: the arguments of {role} make no network ({one_line(error)})") from error


def _plausible(value: Any, default: Any) -> bool:
    """Whether an argument is worth a try; networks check the values they know, and no more than that."""
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int | float):
        # A comparison with NaN is false.
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER
    return not isinstance(value, str | list | dict) or len(value) <= LONGEST_VALUE


def count_parameters(folder: Path, role: str) -> int:
    """How many numbers of a network are trained, by the head of its file alone. ModelError where that is damaged."""
    from safetensors import safe_open

    with _readable(folder / WEIGHTS[role]) as path, safe_open(path, "numpy") as file:
        names = [name for name in file.keys() if not UNTRAINED.fullmatch(name)]  # noqa: SIM118  (it is no mapping)
        return sum(math.prod(file.get_slice(name).get_shape()) for name in names)


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    with _readable(path):
        return load_file(path)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """What reading a safetensors file raises becomes a ModelError."""
    from safetensors import SafetensorError

    if path.exists() and not path.is_file():
        raise ModelError(f"{path}: is no file")  # reading a pipe would never end
    try:
        yield path
    except FileNotFoundError as error:
        raise ModelError(f"{path}: is missing") from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: is damaged or no safetensors file ({one_line(error)})") from error


def _check_fit(path: Path, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    import torch

    if problem := difference(wanted.keys(), found.keys(), "weight "):
        raise ModelError(f"{path}: {problem}; it does not fit config.json")
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape:
            shapes = f"{list(found[name].shape)} does not fit config.json, which needs {list(tensor.shape)}"
            raise ModelError(f"{path}: {name} of shape {shapes}")
        if found[name].dtype not in (tensor.dtype, torch.float16):
            raise ModelError(f"{path}: {name} holds {found[name].dtype}, not {tensor.dtype}")
        if not found[name].isfinite().all():
            raise ModelError(f"{path}: {name} holds numbers that are not finite; take an earlier snapshot of the run")
