"""Where the game's real images come from: the ones that training held out, or a folder of the user's.

They are prepared by the very functions that prepare training data, so that they differ from generated ones no more than
the model's own training images do.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stylegrow.common.errors import DataError, InputError
from stylegrow.common.held_out import public_name
from stylegrow.common.images import colours
from stylegrow.common.text import printable
from stylegrow.data.request import Shape
from stylegrow.data.sources import CALORIMETER, TOONHEAD
from stylegrow.data.sources.base import Source
from stylegrow.data.trained_on import data_of_run, held_out_of
from stylegrow.data.unusable import UnusableError
from stylegrow.models import read_config
from stylegrow.physics.intensity import roots_of
from stylegrow.sampling.sampler import Sampler

LEAST, MOST = 20, 10_000
EMBEDDED_NOUNS = {TOONHEAD: "face", CALORIMETER: "shower"}
MISSING = f"The game needs real photos: start the app with --real-images DIR (at least {LEAST})."


@dataclass(frozen=True)
class RealImages:
    """Real images at the stage of a model; safe to share between threads.

    Attributes:
        count: how many there are; some may turn out to be unusable when they are first needed.
        read: the image of a number, [r, r, C] (uint8); UnusableError, DataError or OSError where it cannot.
        noun: what they show: "face" or "shower" for embedded ones, "picture" for all others.
        labels: each image's class [count], None where it is not known.
    """

    count: int
    read: Callable[[int], np.ndarray]
    noun: str = "picture"
    labels: Sequence[int] | None = None
    unusable: dict[int, str] = field(default_factory=dict, repr=False)

    def image(self, index: int) -> np.ndarray | None:
        """Image `index` [r, r, C] (uint8); None for one that cannot be read, the reason for which is kept."""
        try:
            return self.read(index)
        except (UnusableError, DataError, OSError) as error:
            self.unusable[index] = printable(error)
            return None

    def draw(self, seen: set[int], rng: random.Random) -> tuple[int, np.ndarray]:
        """(number, image [r, r, C] uint8) of one that is not among the `seen`, which is emptied once all have been.

        InputError when none of them can be read any more.
        """
        while len(self.unusable) < self.count:
            fresh = [index for index in range(self.count) if index not in seen and index not in self.unusable]
            if not fresh:
                seen.clear()
                continue
            index = rng.choice(fresh)
            if (image := self.image(index)) is not None:
                return index, image
        raise InputError(MISSING)


def find_real_images(sampler: Sampler, folder: str | os.PathLike[str] | None = None) -> RealImages:
    """The real images for a model: those of `folder`, else those that its training held out.

    `folder` (or zip file, or prepared data set) has at least 20 usable images. InputError where there are too few.
    """
    if folder is not None:
        return _of_folder(sampler, Path(folder))
    training = read_config(sampler.folder)["training"]
    held_out = training.get("held_out")
    if not (isinstance(held_out, list) and len(held_out) >= LEAST and all(isinstance(name, str) for name in held_out)):
        raise InputError(MISSING)
    held_out, attribute = held_out[:MOST], training.get("labels")
    for name, noun in EMBEDDED_NOUNS.items():
        if (numbers := held_out_of(name, training)) is not None:
            return _embedded(sampler, name, numbers[:MOST], noun, attribute)
    return _of_run(sampler, training, held_out, attribute)


def _embedded(sampler: Sampler, name: str, numbers: Sequence[int], noun: str, attribute: object) -> RealImages:
    """Embedded images, each made when it is needed: far quicker than preparing thousands to look at a hundred."""
    from stylegrow.data.sources import find_source, toonhead

    labels = None
    if attribute in toonhead.ATTRIBUTES and sampler.classes == list(toonhead.classes(str(attribute))):
        labels = [sampler.classes.index(toonhead.attributes(number)[str(attribute)]) for number in numbers]
    return RealImages(len(numbers), _read_source(sampler, find_source(name), numbers), noun, labels)


def _of_run(sampler: Sampler, training: Mapping[str, Any], held_out: Sequence[str], attribute: object) -> RealImages:
    """Held-out images of the run whose folder the model lies in (model/, models/000100/), from its data set."""
    from stylegrow.data import Dataset

    try:
        dataset = Dataset((data_of_run(sampler.folder, training) or {})["prepared"])
        places = {public_name(name): place for place, name in enumerate(dataset.names)}
        indices = [places[name] for name in held_out]
        labels = None
        if attribute in dataset.attributes and dataset.label_kind(str(attribute)) == "classes":
            labels = dataset.labels(str(attribute), np.array(indices)).argmax(axis=1).tolist()
        return RealImages(len(indices), _read_prepared(sampler, dataset, indices), labels=labels)
    except (OSError, ValueError, KeyError, TypeError) as error:
        named = training.get("data")
        where = f" The model was trained on {printable(named)}, which is not at hand." if named else ""
        raise InputError(MISSING + where) from error


def _of_folder(sampler: Sampler, path: Path) -> RealImages:
    """Images of a folder. Twenty are read now, so that what is wrong is said at once; the others when needed."""
    from stylegrow.data import Dataset
    from stylegrow.data.dataset import is_prepared
    from stylegrow.data.sources import find_source

    try:
        if is_prepared(path):
            dataset = Dataset(path.expanduser())
            chosen = _spread(len(dataset))
            read = _read_prepared(sampler, dataset, chosen)
        else:
            source = find_source(path)
            chosen = _spread(len(source.names))
            read = _read_source(sampler, source, chosen)
    except DataError as error:
        raise InputError(f"{MISSING} --real-images: {error}") from error
    reals, usable = RealImages(len(chosen), read), 0
    for index in range(reals.count):
        usable += reals.image(index) is not None
        if usable == LEAST:
            return reals
    reason = "".join(f" (one cannot: {reason})" for reason in list(reals.unusable.values())[:1])
    raise InputError(f"{MISSING} --real-images {printable(path)} has {usable} that can be used{reason}")


def _spread(count: int) -> list[int]:
    """All images of a source, or as many as the game keeps in mind, taken from all over it."""
    return list(range(count)) if count <= MOST else sorted(random.Random(count).sample(range(count), MOST))


def _read_source(sampler: Sampler, source: Source, chosen: Sequence[int]) -> Callable[[int], np.ndarray]:
    """A function that keeps nothing of the sampler, which may be gone from memory before the images are."""
    shape, resolution, alpha = _shape(sampler), sampler.resolution, sampler.alpha
    roots = roots_of(source.transform)
    return lambda index: at_stage(source.image(chosen[index], shape).pixels, resolution, alpha, roots)


def _read_prepared(sampler: Sampler, dataset: Any, chosen: Sequence[int]) -> Callable[[int], np.ndarray]:
    """As `_read_source`. DataError where the data set was prepared for other models."""
    resolution, alpha, channels = sampler.resolution, sampler.alpha, _shape(sampler).channels
    if dataset.resolution < resolution or dataset.channels != channels:
        raise DataError(
            f"the data set is prepared at {dataset.resolution} px with {dataset.channels} channels: "
            f"give pictures of {resolution} px with {channels} channels for this model"
        )
    roots = roots_of(dataset.transform)
    return lambda index: at_stage(dataset.read(np.array([chosen[index]]), resolution)[0], resolution, alpha, roots)


def _shape(sampler: Sampler) -> Shape:
    """How training prepares images for this model."""
    return Shape(sampler.generator.resolution, sampler.generator.config.image_channels)


def at_stage(pixels: np.ndarray, resolution: int, alpha: float, roots: Sequence[bool] | None = None) -> np.ndarray:
    """An image [C, R, R] (uint8) as the critic sees it at a stage: [r, r, C] (uint8).

    Averaged down as `means_of` does with these `roots`, and faded by alpha with the resolution below as the newest
    block is (Karras 2018, fig. 2): of roots of energies these are faded.
    """
    from stylegrow.data.averages import levels_of, means_of

    pixels = dict(levels_of(pixels[None], roots))[resolution][0]
    if alpha < 1 and resolution > 4:
        power = np.where(False if roots is None else np.reshape(roots, (-1, 1, 1)), 2, 1)
        low = next(means_of(pixels[None], roots))[0].repeat(2, axis=-1).repeat(2, axis=-2)
        old, new = (each.astype(np.float32) ** power for each in (low, pixels))
        pixels = np.rint((old + (new - old) * alpha) ** (1 / power)).astype(np.uint8)
    return np.ascontiguousarray(colours(pixels.transpose(1, 2, 0)))
