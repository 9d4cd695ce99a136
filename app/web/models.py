"""The models that the app offers, by name, and the few of them that are in memory."""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from stylegrow.common.commandline import DtypeName
from stylegrow.common.errors import InputError, ModelError
from stylegrow.common.text import printable
from stylegrow.models.folders import ZOO
from stylegrow.models.info import BUNDLED, ModelInfo, read_info

if TYPE_CHECKING:
    from stylegrow.sampling.directions import Directions
    from stylegrow.sampling.sampler import Sampler

MOST_IN_MEMORY = 2
TRIES, LONGEST_TRYING = 5, 1.0  # how often an image is drawn to know how long it takes; seconds
LONGEST_AGAIN = 2.0  # seconds an image from which it is not worth while to find out whether it takes less by now
COMMANDS = ("make train NETWORK=stylegan", "python -m app --model PATH")
NO_MODEL = f"No model is loaded. Train one with {COMMANDS[0]} or start the app with --model PATH."


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
        """Those given, then those in a folder; without either the bundled ones. InputError or ModelError."""
        self._device, self._batch, self._dtype = device, batch, dtype
        self._lock = Lock()
        self._samplers: OrderedDict[str, tuple[Sampler, float]] = OrderedDict()
        self.cards: dict[str, ModelInfo] = {}
        for model in models:
            self._add(read_info(model))
        if folder is not None:
            for card in _cards_in(Path(folder)):
                self._add(card)
        if not models and folder is None:
            for name in BUNDLED:
                if (ZOO / name / "config.json").is_file():
                    self._add(read_info(name))

    def _add(self, card: ModelInfo) -> None:
        if any(card.folder.resolve() == other.folder.resolve() for other in self.cards.values()):
            return
        name, count = card.name, 1
        while name in self.cards:
            count += 1
            name = f"{card.name} ({count})"
        self.cards[name] = card if name == card.name else ModelInfo(**(vars(card) | {"name": name}))

    @property
    def first(self) -> str | None:
        """The name of the model that visitors see first."""
        return next(iter(self.cards), None)

    def card(self, name: Any) -> ModelInfo:
        """The card of a model. InputError when there is none of this name."""
        if not self.cards:
            raise InputError(NO_MODEL)
        if not isinstance(name, str) or name not in self.cards:
            raise InputError("There is no such model here; choose one from the list.")
        return self.cards[name]

    def sampler(self, name: Any) -> Sampler:
        """The sampler of a model, loaded if need be. InputError when there is none, or when it cannot be loaded."""
        return self._loaded(name)[0]

    def growing(self, name: Any) -> Sampler:
        """The sampler of a model, with its smaller stages in true colours. InputError as from `sampler`."""
        sampler = self.sampler(name)
        with self._lock:  # colours that the model does not bring are fitted only once
            return sampler.growing

    def directions(self, name: Any) -> Directions:
        """The directions of a model. InputError as from `sampler`, and for a file of them that is damaged."""
        sampler, card = self.sampler(name), self.card(name)
        try:
            with self._lock:  # those that the model does not bring are found only once
                return sampler.directions
        except ModelError as error:
            raise InputError(str(error).replace(str(card.folder), card.name)) from None

    def seconds(self, name: Any) -> float | None:
        """How long the model takes for an image, if it is in memory: the least that was measured."""
        with self._lock:
            found = self._samplers.get(name) if isinstance(name, str) else None
            return found[1] if found else None

    def measured_again(self, name: Any) -> float:
        """The same, loaded if need be, after another look: others may have been at work when it was loaded.

        InputError as from `sampler`.
        """
        sampler, before = self._loaded(name)
        if before > LONGEST_AGAIN:
            return before
        seconds = min(before, _seconds_of(sampler, self.card(name)))
        self.drew(name, seconds)
        return seconds

    def drew(self, name: str, seconds: float) -> None:
        """Take note that an image of the model took so long: others may be done with what made it slow before."""
        with self._lock:
            if found := self._samplers.get(name):
                self._samplers[name] = (found[0], min(found[1], seconds))

    def device(self) -> str:
        """ "cpu", "cuda", ...: where models are loaded to."""
        from stylegrow.sampling.sampler import default_device

        return self._device.partition(":")[0] if self._device else default_device()

    def _loaded(self, name: Any) -> tuple[Sampler, float]:
        card = self.card(name)
        with self._lock:
            if card.name not in self._samplers:
                while len(self._samplers) >= MOST_IN_MEMORY:
                    self._samplers.popitem(last=False)
                self._samplers[card.name] = self._load(card)
            self._samplers.move_to_end(card.name)
            return self._samplers[card.name]

    def _load(self, card: ModelInfo) -> tuple[Sampler, float]:
        from stylegrow.sampling.sampler import Sampler

        try:
            sampler = Sampler(str(card.folder), self._device, self._batch, self._dtype)
        except (ModelError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            raise InputError(
                f'"{card.name}" cannot be loaded: {str(error).replace(str(card.folder), card.name)}'
            ) from None
        list(sampler.images([0], sampler.setting(label=card.first_label)))  # pays for what is set up once
        return sampler, _seconds_of(sampler, card)


def _seconds_of(sampler: Sampler, card: ModelInfo) -> float:
    """How long an image takes: the best of some, since others may be at work."""
    setting = sampler.setting(label=card.first_label)
    seconds: list[float] = []
    while len(seconds) < TRIES and sum(seconds) < LONGEST_TRYING:
        start = time.perf_counter()
        list(sampler.images([0], setting))
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _cards_in(folder: Path) -> Iterable[ModelInfo]:
    """Of the model and run folders in a folder; those that cannot be used are named on stderr and left out."""
    if not folder.is_dir():
        raise InputError(f"--models-dir {printable(folder)}: is no folder; give one that holds model or run folders")
    for path in sorted(folder.iterdir()):
        if any((at / "config.json").is_file() for at in (path, path / "model")):
            try:
                yield read_info(str(path))
            except (InputError, ModelError) as error:
                print(f"note: left out: {error}", file=sys.stderr)
