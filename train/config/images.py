"""Which images a run is for, so that it goes on with the same ones, wherever they and their prepared copies lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from stylegrow.common.errors import InputError
from stylegrow.common.files import write_whole
from stylegrow.common.schema import LARGEST_LIST, read_json
from stylegrow.common.text import printable
from stylegrow.data import Dataset
from stylegrow.data.request import Fit

FILE = "images.json"  # of a run folder
SAME = "every machine needs the images that the run began with: give them with --data"


@with_config(ConfigDict(strict=True, extra="forbid"))
class Settings(TypedDict):
    """How a data set is prepared, as `Dataset.settings` tells it."""

    resolution: int
    channels: int
    fit: Fit
    pad_color: str | None
    background: str
    drop_duplicates: bool


@with_config(ConfigDict(strict=True))
class Stored(TypedDict):
    """What images.json holds: of each image its name and its digests in hexadecimal digits."""

    settings: Settings
    labels: str | None
    images: list[Annotated[list[str], Field(min_length=3, max_length=3)]]


@dataclass(frozen=True)
class Images:
    """The names of a data set's images, digests uint8 [N, 16] of the bytes and of the pixels of each, and one of all
    labels that are trained with, if any are; `settings` is how they were prepared."""

    settings: Mapping[str, Any]
    names: list[str]
    contents: np.ndarray
    pixels: np.ndarray
    labels: str | None

    @classmethod
    def of(cls, dataset: Dataset, cond: str | None) -> Images:
        """Those of a data set, with labels where it has such."""
        labels = None
        if cond in dataset.attributes:
            names = json.dumps(dataset.classes(str(cond))).encode("ascii")
            labels = hashlib.sha256(names + dataset.labels(str(cond)).tobytes()).hexdigest()
        return cls(dataset.settings, list(dataset.names), *dataset.digests, labels)

    def write(self, run: Path) -> None:
        """Write them in a run folder. OSError when they cannot be written."""
        rows = [[name, *map(_hex, row)] for name, *row in zip(self.names, self.contents, self.pixels, strict=True)]
        content = {"settings": self.settings, "labels": self.labels, "images": rows}
        # In ASCII, since file names may hold what no encoding can write.
        write_whole(run / FILE, json.dumps(content).encode("ascii"))

    @classmethod
    def read(cls, run: Path) -> Images | None:
        """Those of a run folder; None for a run of an earlier version. InputError for a damaged file."""
        try:
            content = read_json(run / FILE, Stored, LARGEST_LIST)
            names, contents, pixels = map(list, zip(*content["images"], strict=True))
            return cls(content["settings"], names, _digests(contents), _digests(pixels), content["labels"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"--resume: {run / FILE} cannot be read ({error}); put back the run's own") from None

    def check(self, there: Images, source: str) -> list[str]:
        """What is to be said where `there`, from `source`, are to be these. InputError where they are others."""
        shown = printable(source)
        if difference := self.first_difference(there):
            raise InputError(f"--data {shown}: {difference}; {SAME}")
        if self.labels != there.labels:
            raise InputError(
                f"--data {shown}: its labels are others than those that the run began with; put these back"
            )
        for name, value in self.settings.items():
            if there.settings.get(name) != value:
                raise InputError(
                    f"--data {shown}: is prepared with {name} {there.settings.get(name)}, the run's images with "
                    f"{value}; give the original images"
                )
        changed = np.flatnonzero((self.pixels != there.pixels).any(axis=1))
        if not len(changed):
            return []
        return [
            f"{len(changed):,} of {len(self.names):,} images are decoded to other pixels than before, by another "
            f"version of a decoder (the first: {printable(self.names[changed[0]])}); their files are the same"
        ]

    def first_difference(self, there: Images) -> str | None:
        """The first image that is another `there`, has another name or is missing, and which of these."""
        pairs = enumerate(zip_longest(self.names, there.names))
        place, names = next(((i, pair) for i, pair in pairs if pair[0] != pair[1]), (len(self.names), None))
        changed = np.flatnonzero((self.contents[:place] != there.contents[:place]).any(axis=1))
        if len(changed):
            return f"{printable(self.names[changed[0]])} is another image than that of the run"
        if names is None:
            return None
        ours, theirs = names
        if theirs is None or (ours is not None and ours not in set(there.names)):
            return f"{printable(ours)} is missing, or cannot be used"
        return f"{printable(theirs)} is not among the images of the run"


def _digests(texts: list[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint8).reshape(len(texts), 16)


def _hex(digest: np.ndarray) -> str:
    return digest.tobytes().hex()
