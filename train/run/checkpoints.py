"""The full state of a training on disk: a folder a checkpoint, written whole or not at all, checked when read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from stylegrow.common.errors import RunError
from stylegrow.common.files import new_folder
from stylegrow.common.schema import read_json
from stylegrow.models.config import all_arguments
from train.config.schedule import FIRST_PHASE
from train.run.folders import keep_newest, numbered
from train.step.trainer import Trainer

if TYPE_CHECKING:
    from stylegrow.architectures import Generator, Partner

FORMAT_VERSION = 2
ADAM_SLOTS = ("step", "exp_avg", "exp_avg_sq")


class BadCheckpointError(ValueError):
    """A checkpoint that is not whole, and what is wrong with it."""


class Facts(BaseModel):
    """What state.json holds of a checkpoint: the state apart from tensors, what these belong to, and a digest of all.

    `sha256` is that of state.safetensors followed by the other facts.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    format_version: int
    images: NonNegativeInt
    phase: Annotated[int, Field(ge=FIRST_PHASE)] | None
    skipped: NonNegativeInt
    networks: Mapping[str, Mapping[str, Any]]
    sha256: str

    def digest(self, content: bytes) -> str:
        """What `sha256` is with these tensors, in the bytes of state.safetensors."""
        others = self.model_dump(mode="json", exclude={"sha256"})
        return hashlib.sha256(content + json.dumps(others, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and found whole."""

    path: Path
    facts: Facts
    tensors: Mapping[str, Tensor]


def state_of(trainer: Trainer) -> dict[str, Tensor]:
    """All tensors that the next step depends on; random numbers are functions of the images seen."""
    tensors: dict[str, Tensor] = {}
    for name, module in modules_of(trainer).items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    for name, owner, adam in optimizers_of(trainer):
        for key, parameter in owner.named_parameters():
            tensors |= {f"{name}.{key}.{slot}": value for slot, value in adam.state.get(parameter, {}).items()}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def networks_of(trainer: Trainer) -> dict[str, Generator | Partner]:
    """The networks of a training, by the names that their tensors begin with."""
    return {"generator": trainer.generator, "discriminator": trainer.discriminator, "average": trainer.generator_ema}


def modules_of(trainer: Trainer) -> dict[str, nn.Module]:
    """All modules of a training with state, by the names that their tensors begin with."""
    return {**networks_of(trainer), "augmentation": trainer.computation.augmentation}


def optimizers_of(trainer: Trainer) -> list[tuple[str, nn.Module, torch.optim.Adam]]:
    """(name, network, optimizer) of both, by the names that their tensors begin with."""
    return [
        ("g_adam", trainer.generator, trainer.g_adam),
        ("d_adam", trainer.discriminator, trainer.d_adam),
    ]


def save(folder: Path, trainer: Trainer, keep: int) -> Path:
    """Write a checkpoint under `folder`, then remove all but the newest `keep`. OSError when it cannot be written."""
    path = folder / name_of(trainer.images)
    content = save_tensors(state_of(trainer))
    networks = {name: asdict(network.config) for name, network in networks_of(trainer).items()}
    facts = Facts(
        format_version=FORMAT_VERSION,
        images=trainer.images,
        phase=trainer.phase,
        skipped=trainer.skipped,
        networks=networks,
        sha256="",
    )
    facts = facts.model_copy(update={"sha256": facts.digest(content)})
    with new_folder(path, ".partial") as partial:
        (partial / "state.safetensors").write_bytes(content)
        (partial / "state.json").write_bytes(facts.model_dump_json(indent=2).encode())
        if path.exists():  # one that was not usable, or this training would not have come here again
            shutil.rmtree(path)
    keep_newest(folder, path.name, keep)
    return path


def name_of(images: int) -> str:
    """What the folder of a checkpoint after so many images is called."""
    return f"{images:012d}"


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints under `folder`, newest first."""
    return numbered(folder)


def read(path: Path) -> Checkpoint:
    """The checkpoint in this folder. BadCheckpointError if it is truncated, damaged or of another version."""
    try:
        facts = read_json(path / "state.json", Facts)
        content = (path / "state.safetensors").read_bytes()
    except OSError as error:
        raise BadCheckpointError(f"{Path(error.filename or path).name} cannot be read ({error.strerror})") from None
    except ValueError:
        raise BadCheckpointError("state.json is damaged or of another version") from None
    if facts.format_version != FORMAT_VERSION:
        raise BadCheckpointError("state.json is of another version")
    if facts.digest(content) != facts.sha256:
        raise BadCheckpointError("state.safetensors or state.json is truncated or damaged")
    if path.name != name_of(facts.images):
        raise BadCheckpointError(f"it is that of {facts.images:,} images, which its folder's name is not")
    try:
        return Checkpoint(path, facts, load_tensors(content))
    except SafetensorError as error:
        raise BadCheckpointError(f"state.safetensors is damaged ({error})") from None


def read_newest(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is whole, or None; names those that are not."""
    for path in checkpoints_in(folder):
        try:
            return read(path)
        except BadCheckpointError as error:
            say(f"checkpoint {path} is not usable: {error}; trying the one before")
    say(f"there is no usable checkpoint in {folder}: starting at image 0")
    return None


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Put the trainer into the checkpoint's state. RunError when it is that of other networks."""
    for name, network in networks_of(trainer).items():
        check_network(network, checkpoint, name)
    for name, module in modules_of(trainer).items():
        start = f"{name}."
        tensors = checkpoint.tensors.items()
        try:
            module.load_state_dict({key.removeprefix(start): value for key, value in tensors if key.startswith(start)})
        except RuntimeError:
            raise RunError(f"{checkpoint.path}: its tensors are not those of this run's {name}") from None
    for name, owner, adam in optimizers_of(trainer):
        adam.state.clear()
        for key, parameter in owner.named_parameters():
            if slots := slots_of(parameter, f"{name}.{key}", checkpoint.tensors):
                adam.state[parameter] = slots
    trainer.images, trainer.phase = checkpoint.facts.images, checkpoint.facts.phase
    trainer.skipped = checkpoint.facts.skipped
    trainer.blur(trainer.schedule.at(trainer.images).blur)


def slots_of(parameter: Tensor, name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adam's state of one parameter; nothing for one that has not been trained since Adam was reset."""
    slots = {}
    for slot in ADAM_SLOTS:
        if (value := tensors.get(f"{name}.{slot}")) is not None:
            # The moments must lie in memory as the parameter does: the fused optimizer walks them side by side.
            empty = torch.empty_like(parameter) if value.ndim else torch.empty_like(value, device=parameter.device)
            slots[slot] = empty.copy_(value)
    return slots


def check_network(network: Generator | Partner, checkpoint: Checkpoint, name: str) -> None:
    """RunError that names the first argument in which the checkpoint's network is another."""
    saved = all_arguments(checkpoint.facts.networks[name], type(network.config))
    for key, value in asdict(network.config).items():
        if saved.get(key) != value:
            raise RunError(
                f"{checkpoint.path}: is of another configuration, the {name}'s {key} is {saved.get(key)} there and "
                f"{value} in this run; put back the run's own checkpoints"
            )
