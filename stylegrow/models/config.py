"""config.json of a model folder: what network it holds, the labels' names, and the facts of its training."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, AllowInfNan, BaseModel, ConfigDict, Field, model_validator

from progan.config import LabelKind, stages
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import ModelError
from stylegrow.common.held_out import public_facts
from stylegrow.common.schema import read_json

FORMAT_VERSION = 1
MOST_STAGES = 16  # more than any memory holds
Finite = Annotated[float, AllowInfNan(False)]


def _known(architecture: str) -> str:
    if architecture not in ARCHITECTURES:
        raise ValueError(f"is unknown; known: {', '.join(ARCHITECTURES)}")
    return architecture


def _power_of_two(resolution: int) -> int:
    if len(stages(resolution)) > MOST_STAGES:
        raise ValueError("is too large")
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
    label_kind: LabelKind | None = None
    label_mean: Sequence[Finite] | None = None
    label_deviation: Sequence[Annotated[Finite, Field(gt=0)]] | None = None


class LabelValues(BaseModel):
    """What label vectors of the data are like: the range of each component, and some whole vectors."""

    model_config = ConfigDict(strict=True)

    min: Sequence[Finite]
    max: Sequence[Finite]
    examples: Annotated[Sequence[Sequence[Finite]], Field(min_length=1)]
    units: Sequence[str] | None = None


class ModelConfig(Version):
    """The content of config.json."""

    model_config = ConfigDict(extra="allow")

    architecture: Annotated[str, AfterValidator(_known)]
    generator: Arguments
    discriminator: Mapping[str, Any] | None = None
    encoder: Mapping[str, Any] | None = None
    classes: Sequence[str]
    label_values: LabelValues | None = None
    transform: str | None = None
    training: Mapping[str, Any]

    @model_validator(mode="after")
    def _names_of_labels(self) -> "ModelConfig":
        if self.classes and len(self.classes) != self.generator.label_dim:
            raise ValueError(f"'classes' is not the names of the generator's {self.generator.label_dim} labels")
        values, generator = self.label_values, self.generator
        rows = (values.min, values.max, *values.examples) if values else ()
        for row in (*rows, generator.label_mean, generator.label_deviation):
            if row is not None and len(row) != generator.label_dim:
                raise ValueError(f"a label is a vector of {generator.label_dim} numbers, not of {len(row)}")
        if values and values.units is not None and len(values.units) != generator.label_dim:
            raise ValueError(f"'units' is not those of the generator's {generator.label_dim} labels")
        if values and any(least >= most for least, most in zip(values.min, values.max, strict=True)):
            raise ValueError("'label_values' has a 'min' that is not below its 'max'")
        return self


def read_config_of(folder: Path) -> dict[str, Any]:
    """config.json of a folder. ModelError, in one line, for what is no such file."""
    path = folder / "config.json"
    try:
        if (version := read_json(path, Version).format_version) != FORMAT_VERSION:
            raise ModelError(f"{folder} was saved by format {version}; this version reads {FORMAT_VERSION}.")
        config = read_json(path, ModelConfig).model_dump(exclude_unset=True)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except ModelError:
        raise
    except ValueError as error:
        raise ModelError(f"{path}: {error}") from error
    config["training"] = public_facts(config["training"])
    architecture = ARCHITECTURES[config["architecture"]]
    return config | {role: all_arguments(config[role], architecture.config_class(role)) for role in roles_of(config)}


def roles_of(config: Mapping[str, Any]) -> list[str]:
    """The roles of the networks that a config.json holds, of those that its architecture has."""
    return [role for role in ARCHITECTURES[config["architecture"]].roles if config.get(role)]


def all_arguments(arguments: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """A network's arguments as config.json stores them, with those that models of earlier versions lack.

    `kind` is the class of its configuration.
    """
    labels = "classes" if arguments.get("label_dim") else "none"
    added: dict[str, Any] = {"label_kind": labels, "label_mean": None, "label_deviation": None}
    added |= {"channel_sums": False, "sums_mean": None, "sums_deviation": None, "hit": None, "margin": 0}
    added |= {"repeat_edges_from": 0}
    if getattr(kind, "blur_filter", None) is None:  # a StyleGAN's was never left out
        added["blur_filter"] = None
    known = {field.name for field in fields(kind)} - set(arguments)
    return dict(arguments) | {name: value for name, value in added.items() if name in known}


def stage_reached(training: Mapping[str, Any], resolution: int) -> tuple[int | None, float]:
    """The stage that training facts name, and its alpha; None, the whole network, where they name none of its own."""
    stage, alpha = training.get("resolution"), training.get("alpha", 1.0)
    if stage not in stages(resolution):
        return None, 1.0
    return stage, float(alpha) if isinstance(alpha, int | float) and 0 <= alpha <= 1 else 1.0
