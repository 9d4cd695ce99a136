"""What config.json tells of a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from progan.config import stages
from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.text import printable
from stylegrow.models.folders import find_model, is_bundled, name_of, read_config
from stylegrow.models.labels import LabelSpace
from stylegrow.models.markdown import fact_text
from stylegrow.models.weights import first_stage

BUNDLED = (
    "stylegan-toonhead256",
    "stylegan-toonhead128",
    "stylegan-toonhead64",
    "progan-toonhead128",
    "progan-toonhead64",
    "progan-calorimeter32",
)


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without its weights.

    `name` is what to call it, in one line; `generator` holds the generator's arguments, `classes` the labels' names,
    `label_space` what the labels are, `training` the facts that save_model was given, `transform` of showers what made
    grey levels of their signals.
    """

    name: str
    folder: Path
    architecture: str
    resolution: int
    generator: dict[str, Any]
    classes: tuple[str, ...]
    training: dict[str, Any]
    discriminator: dict[str, Any] | None = None
    encoder: dict[str, Any] | None = None
    label_space: LabelSpace = field(kw_only=True)
    transform: str | None = field(default=None, kw_only=True)

    @property
    def styled(self) -> bool:
        """Whether it has truncation, styles and noise."""
        return ARCHITECTURES[self.architecture].has_styles

    @property
    def network(self) -> str:
        """The architecture's name as people write it."""
        return ARCHITECTURES[self.architecture].title

    @property
    def mixable(self) -> bool:
        """Whether each layer has styles of its own."""
        return self.styled and bool(self.generator.get("use_styles", True))

    @property
    def noisy(self) -> bool:
        """Whether it takes noise."""
        return self.styled and bool(self.generator.get("use_noise", True))

    @property
    def layers(self) -> int:
        """Of the synthesis network: two a resolution."""
        return 2 * len(self.stages)

    @property
    def stages(self) -> list[int]:
        """Its resolutions, 4 px first."""
        return stages(self.resolution)

    @cached_property
    def first_stage(self) -> int:
        """The smallest stage that was trained. ModelError for weights that cannot be read."""
        return first_stage(self.folder)

    @property
    def labels(self) -> list[tuple[str, str]]:
        """The labels to choose from, as (what to show, what to ask the sampler for); of vectors none in particular."""
        if self.label_space.kind == "vector":
            return [("as in the data, another for each seed", "")]
        count = int(self.generator.get("label_dim") or 0)
        names = self.classes or tuple(f"class {number}" for number in range(count))
        return [(name, str(number)) for number, name in enumerate(names)]

    @property
    def first_label(self) -> str | None:
        """The first of them; None where there is nothing to ask for."""
        return self.labels[0][1] or None if self.labels else None

    @property
    def bundled(self) -> bool:
        """Whether it comes with the project."""
        return is_bundled(self.folder)

    @property
    def reached(self) -> tuple[Any, Any]:
        """The stage that training has reached, as its facts have it: resolution and alpha."""
        return self.training.get("resolution", self.resolution), self.training.get("alpha", 1)

    def title(self) -> str:
        """The line that stands for it in a menu."""
        facts = [self.name, self.network, f"{self.resolution} px"]
        if isinstance(kimg := self.training.get("kimg"), int | float):
            facts.append(f"{kimg:,.0f} kimg" if kimg >= 10 else f"{kimg:.2g} kimg")
        return " · ".join(facts)

    def summary(self) -> tuple[str, str, str, str]:
        """Architecture, resolution, kimg and data, as they are listed."""
        resolution, (reached, _) = f"{self.resolution} px", self.reached
        if reached != self.resolution:
            resolution += f", at {printable_fact(reached)}"
        kimg, data = self.training.get("kimg", "-"), self.training.get("data", self.training.get("source", "-"))
        return self.architecture, resolution, printable_fact(kimg), printable_fact(data)


def printable_fact(value: Any) -> str:
    """A fact in one line that a terminal can show."""
    return f"{value:.10g}" if isinstance(value, float) else printable(fact_text(value))


def read_info(model: str | Path) -> ModelInfo:
    """What is known of a model, found as find_model does. ModelError, in one line, where there is none."""
    folder = find_model(model)
    config = read_config(folder)
    generator = config["generator"]
    return ModelInfo(
        printable(name_of(model, folder)),
        folder,
        config["architecture"],
        generator["resolution"],
        generator,
        tuple(config["classes"]),
        config["training"],
        config.get("discriminator"),
        config.get("encoder"),
        label_space=LabelSpace.of(config),
        transform=config.get("transform"),
    )


def models_in(folder: Path) -> list[Path]:
    """The folders of all models in a folder of models, a folder of runs, a run, or a model; in order."""
    places = ("config.json", "*/config.json", "*/model/config.json", "models/*/config.json")
    return sorted({path.parent for place in places for path in folder.glob(place)})
