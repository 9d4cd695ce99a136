"""config.json of a model folder: what network it holds, the labels' names, and the facts of its training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from progan.config import stages
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import ModelError
from stylegrow.common.schema import read_json

FORMAT_VERSION = 1


def _known(architecture: str) -> str:
    if architecture not in ARCHITECTURES:
        raise ValueError(f"is unknown; known: {', '.join(ARCHITECTURES)}")
    return architecture


def _power_of_two(resolution: int) -> int:
    stages(resolution)
    return resolution


class Version(BaseModel):
    """The one key that config.json has in every format."""

    model_config = ConfigDict(strict=True)

    format_version: int


class Arguments(BaseModel):
    """The generator's constructor arguments, of which these are used without building it."""

    model_config = ConfigDict(strict=True, extra="allow")

    resolution: Annotated[int, AfterValidator(_power_of_two)]
    image_channels: int
    z_dim: int
    label_dim: int


class ModelConfig(Version):
    """The content of config.json."""

    model_config = ConfigDict(extra="allow")

    architecture: Annotated[str, AfterValidator(_known)]
    generator: Arguments
    discriminator: Mapping[str, Any] | None = None
    classes: Sequence[str]
    training: Mapping[str, Any]

    @model_validator(mode="after")
    def _names_of_labels(self) -> "ModelConfig":
        if self.classes and len(self.classes) != self.generator.label_dim:
            raise ValueError(f"'classes' is not the names of the generator's {self.generator.label_dim} labels")
        return self


def read_config_of(folder: Path) -> dict[str, Any]:
    """config.json of a folder. ModelError, in one line, for what is no such file."""
    path = folder / "config.json"
    try:
        if (version := read_json(path, Version).format_version) != FORMAT_VERSION:
            raise ModelError(f"{folder} was saved by format {version}; this version reads {FORMAT_VERSION}.")
        return read_json(path, ModelConfig).model_dump(exclude_unset=True)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except ModelError:
        raise
    except ValueError as error:
        raise ModelError(f"{path}: {error}") from error


def stage_reached(training: Mapping[str, Any], resolution: int) -> tuple[int | None, float]:
    """The stage that training facts name, and its alpha; None, the whole network, where they name none of its own."""
    stage, alpha = training.get("resolution"), training.get("alpha", 1.0)
    if stage not in stages(resolution):
        return None, 1.0
    return stage, float(alpha) if isinstance(alpha, int | float) and 0 <= alpha <= 1 else 1.0
