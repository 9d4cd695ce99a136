"""Where the game's real pictures come from: the ones that training held out, or a folder of the user's.

Real pictures are prepared by the very functions that prepare training data, so that they differ from generated ones no
more than the model's own training pictures do.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stylegrow.common.errors import DataError, InputError
from stylegrow.common.text import printable
from stylegrow.data.decoding import Shape, UnusableError
from stylegrow.data.sources import TOONHEAD, Source
from stylegrow.models import read_config
from stylegrow.sampling.engine import Engine

LEAST, MOST = 20, 10_000
MISSING = f"The game needs real photos: start the app with --real-images DIR (at least {LEAST})."
FACE = re.compile(rf"{TOONHEAD}-(\d{{5,9}})")


@dataclass(frozen=True)
class Reals:
    """Real pictures at the stage of a model; safe to share between threads.

    Attributes:
        count: how many there are; some may turn out to be unusable when they are first needed.
        read: the picture of a number, [r, r, C] (uint8); UnusableError, DataError or OSError where it cannot.
        noun: what they show: "face" for the embedded faces, "picture" for all others.
        credit: of these pictures; may be empty.
        labels: each picture's class [count], None where it is not known.
    """

    count: int
    read: Callable[[int], np.ndarray]
    noun: str = "picture"
    credit: str = ""
    labels: Sequence[int] | None = None
    unusable: dict[int, str] = field(default_factory=dict, repr=False)

    def picture(self, index: int) -> np.ndarray | None:
        """Picture `index` [r, r, C] (uint8); None for one that cannot be read, the reason for which is kept."""
        try:
            return self.read(index)
        except (UnusableError, DataError, OSError) as error:
            self.unusable[index] = printable(error)
            return None

    def draw(self, seen: set[int], rng: random.Random) -> tuple[int, np.ndarray]:
        """(number, picture [r, r, C] uint8) of one that is not among the `seen`, which is emptied once all have been.

        InputError when none of them can be read any more.
        """
        while len(self.unusable) < self.count:
            fresh = [index for index in range(self.count) if index not in seen and index not in self.unusable]
            if not fresh:
                seen.clear()
                continue
            index = rng.choice(fresh)
            if (picture := self.picture(index)) is not None:
                return index, picture
        raise InputError(MISSING)


def find_reals(engine: Engine, real_images: str | os.PathLike[str] | None = None) -> Reals:
    """The real pictures for a model: those in `real_images`, else those that its training held out.

    `real_images` is a folder (or zip file, or prepared data set) of at least 20 usable pictures. InputError where there
    are too few or none.
    """
    if real_images is not None:
        return _given(engine, Path(real_images))
    config = read_config(engine.folder)
    held_out = config["training"].get("held_out")
    if not (isinstance(held_out, list) and len(held_out) >= LEAST and all(isinstance(name, str) for name in held_out)):
        raise InputError(MISSING)
    held_out, attribute = held_out[:MOST], config["training"].get("labels")
    if str(config["training"].get("data", "")).startswith(f"{TOONHEAD}, "):
        numbers = [int(found[1]) for found in map(FACE.fullmatch, held_out) if found]
        if len(numbers) == len(held_out):
            return _faces(engine, numbers, attribute)
    return _from_run(engine, held_out, attribute)


def _faces(engine: Engine, numbers: Sequence[int], attribute: object) -> Reals:
    """Embedded faces, each drawn when it is needed: far quicker than preparing thousands to look at a hundred."""
    from stylegrow.data.sources import find_source, toonhead

    labels = None
    if attribute in toonhead.ATTRIBUTES and engine.classes == list(toonhead.classes(str(attribute))):
        labels = [engine.classes.index(toonhead.attributes(number)[str(attribute)]) for number in numbers]
    read = _read_files(engine, find_source(TOONHEAD), numbers)
    return Reals(len(numbers), read, "face", toonhead.CREDIT, labels)


def _from_run(engine: Engine, held_out: Sequence[str], attribute: object) -> Reals:
    """Held-out pictures of a run whose folder the model lies in, from the run's own prepared data set."""
    from stylegrow.data import Dataset

    data = _run_data(engine.folder.resolve())
    names = [printable(name) for name in data.get("held_out", [])][:MOST]
    if names != list(held_out):  # another run's, or none
        raise InputError(MISSING)
    try:
        dataset = Dataset(data["prepared"])
        places = {printable(name): place for place, name in enumerate(dataset.names)}
        indices = [places[name] for name in held_out]
        labels = None
        if attribute in dataset.attributes:
            labels = dataset.labels(str(attribute), np.array(indices)).argmax(axis=1).tolist()
        _fits(engine, dataset.resolution, dataset.channels)
    except (DataError, KeyError, TypeError) as error:
        raise InputError(MISSING) from error
    read = _read_prepared(engine, dataset, indices)
    return Reals(len(indices), read, credit=dataset.credit or "", labels=labels)


def _run_data(folder: Path) -> dict[str, Any]:
    """What options.json notes of the data, in a run folder that holds this model folder (model/, models/000100/)."""
    for place in list(folder.parents)[:2]:
        try:
            data = json.loads((place / "options.json").read_bytes())["data"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(data, dict) and isinstance(data.get("prepared"), str) and isinstance(data.get("held_out"), list):
            return data
    return {}


def _given(engine: Engine, path: Path) -> Reals:
    """The pictures of a folder. Twenty are read now, so that what is wrong is said at once; the others when needed."""
    from stylegrow.data import Dataset
    from stylegrow.data.dataset import is_prepared
    from stylegrow.data.sources import find_source

    try:
        if is_prepared(path):
            dataset = Dataset(path.expanduser())
            _fits(engine, dataset.resolution, dataset.channels)
            chosen = _some(len(dataset))
            reals = Reals(len(chosen), _read_prepared(engine, dataset, chosen), credit=dataset.credit or "")
        else:
            source = find_source(path)
            chosen = _some(len(source.names))
            reals = Reals(len(chosen), _read_files(engine, source, chosen))
    except DataError as error:
        raise InputError(f"{MISSING} --real-images: {error}") from error
    usable = 0
    for index in range(reals.count):
        usable += reals.picture(index) is not None
        if usable == LEAST:
            return reals
    reason = "".join(f" (one cannot: {reason})" for reason in list(reals.unusable.values())[:1])
    raise InputError(f"{MISSING} --real-images {printable(path)} has {usable} that can be used{reason}")


def _some(count: int) -> list[int]:
    """All pictures of a source, or as many as the game keeps in mind, taken from all over it."""
    return list(range(count)) if count <= MOST else sorted(random.Random(count).sample(range(count), MOST))


def _read_files(engine: Engine, source: Source, chosen: Sequence[int]) -> Callable[[int], np.ndarray]:
    """A function that keeps nothing of the engine, which may be gone from memory before the pictures are."""
    shape, resolution, alpha = _shape(engine), engine.resolution, engine.alpha
    return lambda index: at_stage(source.picture(chosen[index], shape).pixels, resolution, alpha)


def _read_prepared(engine: Engine, dataset: Any, chosen: Sequence[int]) -> Callable[[int], np.ndarray]:
    """As `_read_files`."""
    resolution, alpha = engine.resolution, engine.alpha
    return lambda index: at_stage(dataset.read(np.array([chosen[index]]), resolution)[0], resolution, alpha)


def _fits(engine: Engine, resolution: int, channels: int) -> None:
    own = _shape(engine)
    if resolution < engine.resolution or channels != own.channels:
        wanted = f"pictures of {engine.resolution} px with {own.channels} channels for this model"
        raise DataError(f"the data set is prepared at {resolution} px with {channels} channels: give {wanted}")


def _shape(engine: Engine) -> Shape:
    """How training prepares pictures for this model."""
    return Shape(engine.generator.resolution, engine.generator.config["image_channels"])


def at_stage(pixels: np.ndarray, resolution: int, alpha: float) -> np.ndarray:
    """A picture [C, R, R] (uint8) as the critic sees it at a stage: [r, r, C] (uint8).

    Averaged down by halves, and faded by alpha with the resolution below as the newest block is (Karras 2018, fig. 2).
    """
    from stylegrow.data.pyramid import halve, levels_of

    pixels = dict(levels_of(pixels[None]))[resolution][0]
    if alpha < 1 and resolution > 4:
        low = halve(pixels.astype(np.float32)).repeat(2, axis=-1).repeat(2, axis=-2)
        pixels = np.rint(low + (pixels - low) * np.float32(alpha)).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0))
