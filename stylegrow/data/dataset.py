"""A prepared data set, open for reading."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator, with_config
from typing_extensions import TypedDict

from stylegrow.common.errors import DataError
from stylegrow.common.schema import LARGEST, LARGEST_LIST, T, Text, read_json
from stylegrow.common.text import printable
from stylegrow.data.levels import ArrayImages, EncodedImages, damage_named, open_level, read_integers
from stylegrow.data.request import MAX_RESOLUTION, MIN_RESOLUTION
from stylegrow.data.sources.labels import is_one_hot, match

FORMAT = "stylegrow-pyramid"
FORMAT_VERSION = 2
HOLDOUT_SHARE, HOLDOUT_LEAST = 0.01, 20


class Format(BaseModel):
    """What tells a prepared data set of any version, in its pyramid.json."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    format: Literal["stylegrow-pyramid"]
    format_version: int


@with_config(ConfigDict(strict=True, extra="allow"))
class Settings(TypedDict):
    """How a data set was prepared: `Shape` and what else there is."""

    channels: Literal[1, 2, 3]
    fit: str
    drop_duplicates: bool


class Facts(Format):
    """What pyramid.json holds."""

    name: str
    source: str
    credit: str | None
    count: int = Field(ge=1, le=1 << 40)
    resolution: int = Field(ge=MIN_RESOLUTION, le=MAX_RESOLUTION)
    channels: Literal[1, 2, 3]
    levels: Mapping[str, Literal["array", "encoded"]]
    classes: Mapping[str, Sequence[str]]
    settings: Settings
    transform: str | None = None
    cond: str | None = None
    units: Mapping[str, Sequence[str]] = Field(default_factory=dict)
    sided: Sequence[str] = ()

    @model_validator(mode="after")
    def _all_levels(self) -> Facts:
        wanted = [str(1 << exponent) for exponent in range(2, self.resolution.bit_length())]
        if list(self.levels) != wanted or int(wanted[-1]) != self.resolution:
            raise ValueError(f"levels {', '.join(self.levels)} are not those of {self.resolution} px")
        return self


Pair = Annotated[Sequence[str], Field(min_length=2, max_length=2)]


@with_config(ConfigDict(strict=True))
class Report(TypedDict):
    """What report.json holds: numbers of files; pairs of a file and the reason, or the first file equal to it."""

    found: int
    used: int
    skipped: Sequence[Pair]
    duplicates: Sequence[Pair]
    enlarged: int
    profiles_ignored: int
    dark: NotRequired[Sequence[str]]
    labels: NotRequired[Sequence[str]]


class Dataset:
    """The images of a prepared folder at every resolution from 4 to `resolution`, their labels and their report.

    Opening one reads a few hundred bytes; a level's file is opened when it is first read. It may be read from many
    threads at once and sent to other processes, which open it anew. Raises DataError for a folder that holds none.

    `levels` are the resolutions that can be read, `attributes` the names of what images are labelled with, `credit`
    whom to name where images are shown, `settings` how they were prepared, `source` the path they came from: that
    given, since equal images of several places are prepared once, else the one that they were prepared from. Of showers
    `transform` names what made grey levels of energies (stylegrow.physics.intensity), whose roots they are at every
    level, `cond` the labels that they are trained with where nobody says which, `units` those of the components of
    label vectors, and `sided` the labels that a mirror image does not have.
    """

    def __init__(self, path: str | os.PathLike[str], resolution: int | None = None, source: str | None = None) -> None:
        self.path = Path(path)
        found, shown = _find_format(self.path), printable(path)
        if found is None:
            raise DataError(f"{shown} is no prepared data set: make one with `stylegrow data prepare`")
        if found.format_version > FORMAT_VERSION:
            raise DataError(f"{shown} was prepared by a newer version: update this program or prepare the data again")
        if found.format_version < FORMAT_VERSION:
            raise DataError(f"{shown} was prepared by an earlier version: prepare the original images again")
        facts = _read_json(self.path / "pyramid.json", Facts)
        own = facts.resolution
        if resolution is not None and resolution > own:
            reason = f"was prepared at {own} px: leave --resolution out or prepare the original images again"
            raise DataError(f"--resolution {resolution}: {shown} {reason}")
        self.name = facts.name
        self.source = source or facts.source
        self.settings: dict[str, Any] = dict(facts.settings)
        self.channels: int = facts.channels
        self.credit = facts.credit
        self.resolution = resolution or own
        self.levels = tuple(int(r) for r in facts.levels if int(r) <= self.resolution)
        self.attributes = tuple(facts.classes)
        self.transform, self.cond, self.units, self.sided = facts.transform, facts.cond, facts.units, facts.sided
        self._kinds = facts.levels
        self._classes = facts.classes
        self._count = facts.count
        self._opened: dict[int, ArrayImages | EncodedImages] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Dataset], tuple[Path, int, str]]:
        return Dataset, (self.path, self.resolution, self.source)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}: {len(self)} images, {self.channels}x{self.resolution}x{self.resolution})"

    @cached_property
    def names(self) -> Sequence[str]:
        """The file name of each image."""
        names = _read_json(self.path / "names.json", list[Text], LARGEST_LIST)
        with damage_named(self.path / "names.json"):
            if len(names) != len(self):
                raise ValueError(f"has {len(names)} names of {len(self)} images")
        return names

    @cached_property
    def report(self) -> Report:
        """What was found: the numbers "found", "used", "enlarged" and "profiles_ignored", pairs of file and reason in
        "skipped" and of file and the first equal one in "duplicates"; in "dark" the files of 16 or more bits that use
        few of them and say nothing of it; lines about the labels in "labels"."""
        return _read_json(self.path / "report.json", Report, LARGEST_LIST)

    @cached_property
    def digests(self) -> tuple[np.ndarray, np.ndarray]:
        """What tells images apart, uint8 [N, 16] each: digests of the bytes that they were decoded from, and of the
        pixels that these gave at the resolution that they were prepared at."""
        path = self.path / "digests.npz"
        with damage_named(path), np.load(path, allow_pickle=False) as file:
            return file["contents"], file["pixels"]

    def check_sizes(self) -> None:
        """DataError unless the files of all levels are of the size that their images need."""
        for resolution in self.levels:
            self._level(resolution)

    def read(self, indices: np.ndarray, resolution: int) -> np.ndarray:
        """Images `indices` [n] at one of `levels` as uint8 [n, C, resolution, resolution]."""
        wanted = np.asarray(indices, np.int64).reshape(-1)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"{self!r} has no image {wanted.min() if wanted.min() < 0 else wanted.max()}")
        return self._level(resolution)[wanted]

    @property
    def choices(self) -> str:
        """Which attributes there are, or why there are none, to end a sentence with."""
        there = f"choose from {', '.join(self.attributes)}" if self.attributes else "it has no labels"
        return "; ".join([there, *self.report.get("labels", ())])

    def classes(self, attribute: str) -> tuple[str, ...]:
        """The names of an attribute's classes, or of its vectors' components. DataError for one that is not there."""
        if attribute not in self._classes:
            raise DataError(f"{printable(self.source)} has no attribute {attribute!r}: {self.choices}")
        return tuple(self._classes[attribute])

    def label_kind(self, attribute: str) -> Literal["classes", "vector"]:
        """Whether an attribute is classes, or vectors of numbers whose components `classes` names. DataError."""
        self.classes(attribute)
        values = self._labels[attribute]
        return "classes" if values.ndim == 1 or is_one_hot(values) else "vector"

    def labels(self, attribute: str, indices: np.ndarray | None = None) -> np.ndarray:
        """Labels of all images, or of `indices`, as float32 [n, classes]: one-hot, or vectors in the data's units."""
        width = len(self.classes(attribute))
        values = self._labels[attribute]
        values = values if indices is None else values[indices]
        if values.ndim == 2:
            return values.astype(np.float32)
        one_hot = np.zeros((len(values), width), np.float32)
        one_hot[np.arange(len(values)), values] = 1
        return one_hot

    def split(self, holdout: int | Sequence[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(training indices, held-out indices), sorted int64, for `holdout` images kept out of training.

        By default 1 %, at least 20, never more than half. Which ones depends on the number of images only, except that
        equal images stay on one side: sets of duplicates may take a few images more or less out than asked for.
        `holdout` may also be the names of those images. Raises DataError for a number or a name that cannot be.
        """
        path = self.path / "duplicates.npy"
        same = read_integers(path, len(self))
        with damage_named(path):
            if (same < 0).any() or (same > np.arange(len(self))).any():
                raise ValueError("it names images that there are not")
        if holdout is None or isinstance(holdout, int | np.integer):
            return split(same, holdout)
        matches = match(dict.fromkeys(holdout, 0), self.names)
        if unknown := set(holdout).difference(entry for entry in matches if entry is not None):
            first = printable(next(name for name in holdout if name in unknown))
            raise DataError(f"--holdout {first}: {printable(self.source)} has no such image that is used: correct it")
        held = np.isin(same, same[[entry is not None for entry in matches]])
        if held.all():
            raise DataError(f"--holdout: names all {len(same)} images: leave some to train on")
        return np.flatnonzero(~held), np.flatnonzero(held)

    def report_lines(self, shown: int = 5) -> list[str]:
        """What a user should know about the images, a line each; at most `shown` skipped files by name."""
        report, skipped, lines = self.report, self.report["skipped"], []
        if skipped:
            lines.append(f"skipped: {len(skipped):,} of {report['found']:,} files")
            lines += [f"  {printable(name)}: {reason}" for name, reason in skipped[:shown]]
            if len(skipped) > shown:
                lines.append(f"  and {len(skipped) - shown:,} more: see {printable(self.path / 'report.json')}")
        if report["duplicates"]:
            name, first = map(printable, report["duplicates"][0])
            what = "kept, stylegrow data prepare --drop-duplicates leaves them out"
            what = "left out" if self.settings["drop_duplicates"] else what
            lines.append(f"duplicates: {len(report['duplicates']):,}, {what} (the first: {name} equals {first})")
        if report["enlarged"]:
            lines.append(f"enlarged: {report['enlarged']:,}, smaller than {self.resolution} px")
        if report["profiles_ignored"]:
            lines.append(f"colour profile ignored as unusable: {report['profiles_ignored']:,}")
        if dark := report.get("dark"):
            what = "hold 12 bits or fewer in 16 or more, and do not say so: scale them to all bits"
            lines.append(f"nearly black: {len(dark):,} {what} (the first: {printable(dark[0])})")
        lines += [f"labels: {note}" for note in report.get("labels", ())]
        return lines

    def storage(self) -> list[tuple[int, str, int]]:
        """(resolution, "array" or "encoded", bytes on disk) of each level."""
        sizes = [sum(file.stat().st_size for file in self.path.glob(f"level-{r:04d}.*")) for r in self.levels]
        return [(r, self._kinds[str(r)], size) for r, size in zip(self.levels, sizes, strict=True)]

    @cached_property
    def _labels(self) -> dict[str, np.ndarray]:
        path = self.path / "labels.npz"
        with damage_named(path), np.load(path, allow_pickle=False) as file:
            labels = {attribute: file[attribute] for attribute in self.attributes if attribute in file}
            for attribute, names in self._classes.items():
                values = labels.get(attribute)
                if values is None or not _are_labels(values, len(self), len(names)):
                    raise ValueError(f"it has no labels of the kind {printable(attribute)!r} for {len(self)} images")
            return labels

    def _level(self, resolution: int) -> ArrayImages | EncodedImages:
        if resolution not in self.levels:
            raise ValueError(f"{self!r} has no level {resolution}; its levels are {self.levels}")
        with self._lock:
            if resolution not in self._opened:
                encoded = self._kinds[str(resolution)] == "encoded"
                self._opened[resolution] = open_level(self.path, resolution, self.channels, len(self), encoded)
            return self._opened[resolution]


def _are_labels(values: np.ndarray, count: int, width: int) -> bool:
    """Whether an array holds `count` indices of `width` classes, or vectors of so many numbers."""
    if values.ndim == 1:
        return values.dtype == np.int64 and len(values) == count and bool(((values >= 0) & (values < width)).all())
    return values.shape == (count, width) and values.dtype.kind == "f" and bool(np.isfinite(values).all())


def split(same: np.ndarray, holdout: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """`Dataset.split` for images of which `same` [N] gives the first that equals each."""
    count, half = len(same), len(same) // 2
    default = min(max(HOLDOUT_LEAST, round(HOLDOUT_SHARE * count)), half)
    wanted = default if holdout is None else holdout
    if not 0 <= wanted <= half:
        raise DataError(f"--holdout {wanted}: give a number from 0 to {half}, half of the {count} images")
    order = np.random.RandomState(count).permutation(count)  # this generator's numbers never change
    sizes = np.bincount(same, minlength=count)
    out: set[int] = set()
    taken = 0
    for most in (wanted, half):  # sets too large to give the number asked for are taken when there is nothing else
        for first in same[order]:
            if taken >= wanted:
                break
            if first not in out and taken + sizes[first] <= most:
                out.add(int(first))
                taken += int(sizes[first])
    held = np.isin(same, np.fromiter(out, np.int64, len(out)))
    return np.flatnonzero(~held), np.flatnonzero(held)


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """The names in a file, one a line. Raises DataError for one that cannot be read or has none."""
    try:
        names = [line.strip() for line in Path(path).read_text("utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is no text in UTF-8"
        raise DataError(f"--holdout {printable(path)}: {reason}: give a number or a file of names") from error
    if not any(names):
        raise DataError(f"--holdout {printable(path)}: is empty: give a file with a name in each line")
    return [name for name in names if name]


def is_prepared(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a prepared data set."""
    try:
        return _find_format(Path(path).expanduser()) is not None
    except RuntimeError:  # the home of a user who does not exist
        return False


def _find_format(path: Path) -> Format | None:
    """The format that a folder's pyramid.json names; None where it has none of ours."""
    try:
        return read_json(path / "pyramid.json", Format)
    except (OSError, ValueError):
        return None


def _read_json(path: Path, schema: type[T], largest: int = LARGEST) -> T:
    with damage_named(path):
        return read_json(path, schema, largest)
