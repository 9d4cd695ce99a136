"""What is known of a model without its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import InputError
from stylegrow.common.text import printable
from stylegrow.models import find_model, read_config
from stylegrow.models.folders import FORMAT_VERSION, ZOO, name_of

BUNDLED = ("stylegan-toonhead64", "progan-toonhead64")


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without its weights."""

    name: str
    folder: Path
    architecture: str
    resolution: int
    generator: dict[str, Any]
    classes: tuple[str, ...]
    training: dict[str, Any]

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
        return 2 * (self.resolution.bit_length() - 2)

    @property
    def stages(self) -> list[int]:
        """Its resolutions, 4 px first."""
        return [4 << step for step in range(self.resolution.bit_length() - 2)]

    @property
    def labels(self) -> list[tuple[str, str]]:
        """The classes to choose from, as (what to show, what to ask the engine for)."""
        count = int(self.generator.get("label_dim") or 0)
        names = self.classes or tuple(f"class {number}" for number in range(count))
        return [(name, str(number)) for number, name in enumerate(names)]

    @property
    def bundled(self) -> bool:
        """Whether it comes with the project."""
        return self.folder.resolve().parent == ZOO.resolve()

    def title(self) -> str:
        """The line that stands for it in a menu."""
        facts = [self.name, self.network, f"{self.resolution} px"]
        if isinstance(kimg := self.training.get("kimg"), int | float):
            facts.append(f"{kimg:,.0f} kimg" if kimg >= 10 else f"{kimg:.2g} kimg")
        if isinstance(fid := self.training.get("fid"), int | float):
            facts.append(f"FID {fid:.1f}")
        return " · ".join(facts)


def read_info(model: str) -> ModelInfo:
    """InputError or ModelError for what is no model."""
    path = Path(model).expanduser()
    if path.is_dir() and not any((at / "config.json").is_file() for at in (path, path / "model")):
        raise InputError(f"{printable(path)} is not a model folder: config.json is missing.")
    folder = find_model(model)
    _check_format(folder)
    config = read_config(folder)
    generator = config["generator"]
    resolution = generator.get("resolution")
    if not isinstance(resolution, int) or resolution < 4:
        raise InputError(f"{printable(folder)} is not a model folder: its config.json names no resolution.")
    return ModelInfo(
        printable(name_of(model, folder)),
        folder,
        config["architecture"],
        resolution,
        generator,
        tuple(config["classes"]),
        config["training"],
    )


def _check_format(folder: Path) -> None:
    try:
        version = json.loads((folder / "config.json").read_bytes()).get("format_version")
    except (OSError, ValueError, AttributeError, RecursionError):
        return  # read_config says what is wrong with it
    if isinstance(version, int) and version != FORMAT_VERSION:
        raise InputError(f"{printable(folder)} was saved by format {version}; this version reads {FORMAT_VERSION}.")
