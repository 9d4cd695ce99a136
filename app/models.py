"""The models that the app offers, by name, and the few of them that are in memory."""

from __future__ import annotations

import json
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import zoo
from app.errors import AppError
from data.commandline import DtypeName
from data.errors import printable
from zoo.folders import FORMAT_VERSION, ZOO, name_of

if TYPE_CHECKING:
    from app.engine import Engine

BUNDLED = ("stylegan-toonhead64", "progan-toonhead64")
MOST_IN_MEMORY = 2
TRIES, LONGEST_TRYING = 5, 3.0  # how often an image is drawn to know how long it takes; seconds
COMMANDS = ("make train NETWORK=stylegan", "python -m app --model PATH")
NO_MODEL = f"No model is loaded. Train one with {COMMANDS[0]} or start the app with --model PATH."


@dataclass(frozen=True)
class Card:
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
        return self.architecture == "stylegan"

    @property
    def network(self) -> str:
        """The architecture's name as people write it."""
        return {"stylegan": "StyleGAN", "progan": "ProGAN"}[self.architecture]

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


class Models:
    """The models by name, loaded when they are first asked for; those unused for longest make room. Thread-safe."""

    def __init__(
        self,
        models: Sequence[str] = (),
        folder: str | None = None,
        device: str | None = None,
        batch: int | None = None,
        dtype: DtypeName = "float32",
    ) -> None:
        """Those given, then those in a folder; without either the bundled ones. AppError or zoo.ModelError."""
        self._device, self._batch, self._dtype = device, batch, dtype
        self._lock = Lock()
        self._engines: OrderedDict[str, tuple[Engine, float]] = OrderedDict()
        self.cards: dict[str, Card] = {}
        for model in models:
            self._add(_card(model))
        if folder is not None:
            for card in _cards_in(Path(folder)):
                self._add(card)
        if not models and folder is None:
            for name in BUNDLED:
                if (ZOO / name / "config.json").is_file():
                    self._add(_card(name))

    def _add(self, card: Card) -> None:
        if any(card.folder.resolve() == other.folder.resolve() for other in self.cards.values()):
            return
        name, count = card.name, 1
        while name in self.cards:
            count += 1
            name = f"{card.name} ({count})"
        self.cards[name] = card if name == card.name else Card(**(vars(card) | {"name": name}))

    @property
    def first(self) -> str | None:
        """The name of the model that visitors see first."""
        return next(iter(self.cards), None)

    def card(self, name: Any) -> Card:
        """The card of a model. AppError when there is none of this name."""
        if not self.cards:
            raise AppError(NO_MODEL)
        if not isinstance(name, str) or name not in self.cards:
            raise AppError("There is no such model here; choose one from the list.")
        return self.cards[name]

    def engine(self, name: Any) -> Engine:
        """The engine of a model, loaded if need be. AppError when there is none, or when it cannot be loaded."""
        return self._loaded(name)[0]

    def seconds(self, name: Any) -> float | None:
        """How long the model takes for an image, if it is in memory: as measured when it was loaded."""
        with self._lock:
            found = self._engines.get(name) if isinstance(name, str) else None
            return found[1] if found else None

    def device(self) -> str:
        """ "cpu", "cuda", ...: where models are loaded to."""
        from app.engine import default_device

        return self._device.partition(":")[0] if self._device else default_device()

    def _loaded(self, name: Any) -> tuple[Engine, float]:
        card = self.card(name)
        with self._lock:
            if card.name not in self._engines:
                while len(self._engines) >= MOST_IN_MEMORY:
                    self._engines.popitem(last=False)
                self._engines[card.name] = self._load(card)
            self._engines.move_to_end(card.name)
            return self._engines[card.name]

    def _load(self, card: Card) -> tuple[Engine, float]:
        from app.engine import Engine

        try:
            engine = Engine(str(card.folder), self._device, self._batch, self._dtype)
        except (zoo.ModelError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            raise AppError(
                f'"{card.name}" cannot be loaded: {str(error).replace(str(card.folder), card.name)}'
            ) from None
        setting = engine.setting(label="0" if card.labels else None)
        list(engine.images([0], setting))  # the first image also pays for what is set up once
        seconds: list[float] = []
        while len(seconds) < TRIES and sum(seconds) < LONGEST_TRYING:  # the best of some, since others may be at work
            start = time.perf_counter()
            list(engine.images([0], setting))
            seconds.append(time.perf_counter() - start)
        return engine, min(seconds)


def _card(model: str) -> Card:
    """AppError or zoo.ModelError for what is no model."""
    path = Path(model).expanduser()
    if path.is_dir() and not any((at / "config.json").is_file() for at in (path, path / "model")):
        raise AppError(f"{printable(path)} is not a model folder: config.json is missing.")
    folder = zoo.find_model(model)
    _check_format(folder)
    config = zoo.read_config(folder)
    generator = config["generator"]
    resolution = generator.get("resolution")
    if not isinstance(resolution, int) or resolution < 4:
        raise AppError(f"{printable(folder)} is not a model folder: its config.json names no resolution.")
    return Card(
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
        raise AppError(f"{printable(folder)} was saved by format {version}; this version reads {FORMAT_VERSION}.")


def _cards_in(folder: Path) -> Iterable[Card]:
    """Of the model and run folders in a folder; those that cannot be used are named on stderr and left out."""
    if not folder.is_dir():
        raise AppError(f"--models-dir {printable(folder)}: is no folder; give one that holds model or run folders")
    for path in sorted(folder.iterdir()):
        if any((at / "config.json").is_file() for at in (path, path / "model")):
            try:
                yield _card(str(path))
            except (AppError, zoo.ModelError) as error:
                print(f"note: left out: {error}", file=sys.stderr)
