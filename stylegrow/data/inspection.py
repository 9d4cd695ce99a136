"""A look at every image of a source, without preparing anything: what there is, and what a person should look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.system import available_cpus
from stylegrow.data.identity import digest
from stylegrow.data.pyramid import WORTH_WORKERS, chunks, usable
from stylegrow.data.request import Shape
from stylegrow.data.sources.base import Source, default_resolution
from stylegrow.data.sources.labels import Labels
from stylegrow.data.workers import Workers

SIDE = 64  # px at which images are looked at
BLACK, FLAT = 6, 1.5  # an image's mean, and its deviation, in grey levels, below which it is suspicious
SMALL = 4  # times smaller than the median


@dataclass(frozen=True)
class Look:
    """What one usable image looks like; `pixels` uint8 [3, 64, 64] only of those that are shown."""

    index: int
    size: tuple[int, int]
    is_grey: bool
    digest: bytes
    classes: tuple[int, ...]
    doubts: tuple[str, ...]
    pixels: np.ndarray | None


@dataclass(frozen=True)
class Inspection:
    """All usable images of a source, (index, reason) of the others, and the labels with what is to say about them."""

    source: Source
    looks: Sequence[Look]
    skipped: Sequence[tuple[int, str]]
    labels: Labels
    notes: Sequence[str]

    @property
    def resolution(self) -> int:
        """The resolution that the images would be prepared at."""
        if self.source.known:
            return self.source.known[0]
        return default_resolution([min(look.size) for look in self.looks])

    @property
    def sizes(self) -> list[tuple[tuple[int, int], int]]:
        """(width, height) and how many images have it, the commonest first."""
        return Counter(look.size for look in self.looks).most_common()

    @property
    def suspicious(self) -> list[tuple[int, str]]:
        """(index, reason) of the images that a person should look at."""
        return [(look.index, doubt) for look in self.looks for doubt in look.doubts]

    @property
    def shown(self) -> np.ndarray:
        """Images from all over the source for a contact sheet, uint8 [n, 64, 64, 3]."""
        kept = [look.pixels.transpose(1, 2, 0) for look in self.looks if look.pixels is not None]
        return np.stack(kept) if kept else np.zeros((0, SIDE, SIDE, 3), np.uint8)


def inspect(source: Source, workers: int | None = None, most_shown: int = 144) -> Inspection:
    """Look at all images of a source, `most_shown` of which are kept to be shown. Raises DataError."""
    if source.transform is not None:
        raise DataError(f"{source.name}: are simulated showers, of which there are no files to look at: prepare them")
    step = -(-len(source.names) // most_shown)
    looks: list[Look] = []
    skipped: list[tuple[int, str]] = []
    with Workers((workers or available_cpus()) if len(source.names) >= WORTH_WORKERS else 1, source) as pool:
        for found, unusable in chunks(pool, f"looking at {source.name}", look_chunk, source, 64, step):
            looks += found
            skipped += unusable
    looks = _compared(looks, source.names)
    used = np.array([look.index for look in looks], np.int64)
    labels, notes = {}, []
    if looks:
        labels = source.labels(used, np.array([look.classes for look in looks], np.int64))
        notes = source.label_notes(used)
    return Inspection(source, looks, skipped, labels, notes)


def look_chunk(source: Source, start: int, stop: int, step: int) -> tuple[list[Look], list[tuple[int, str]]]:
    """(Looks at the usable ones of images `start` to `stop`, (index, reason) of the others)."""
    images, skipped = usable(lambda index: source.image(index, Shape(SIDE, 3)), range(start, stop))
    looks = []
    for index, image in images.items():
        pixels, doubts = image.pixels, []
        if image.dark:
            doubts.append("nearly black: it holds 12 bits or fewer in 16 or more")
        elif pixels.mean() < BLACK:
            doubts.append("nearly black")
        elif pixels.std(axis=(1, 2)).max() < FLAT:
            doubts.append("of one colour")
        looks.append(
            Look(
                index,
                image.size,
                bool((pixels == pixels[:1]).all()),
                digest(pixels.tobytes()),
                image.classes,
                tuple(doubts),
                pixels if index % step == 0 else None,
            )
        )
    return looks, skipped


def _compared(looks: Sequence[Look], names: Sequence[str]) -> list[Look]:
    """`looks` with the doubts that come from comparing them: duplicates, and images far smaller than most."""
    median = float(np.median([min(look.size) for look in looks])) if looks else 0
    firsts: dict[bytes, int] = {}
    compared = []
    for look in looks:
        doubts = list(look.doubts)
        if min(look.size) * SMALL <= median:
            doubts.append(f"perhaps a thumbnail: {look.size[0]}x{look.size[1]}, half of all are {median:g} px or more")
        first = firsts.setdefault(look.digest, look.index)
        if first != look.index:
            doubts.append(f"looks like {names[first]}")
        compared.append(replace(look, doubts=tuple(doubts)))
    return compared


def class_counts(labels: Labels) -> dict[str, list[tuple[str, int]]]:
    """For each attribute whose labels are classes: (name, number of images) of each."""
    return {
        attribute: list(zip(names, np.bincount(values, minlength=len(names)).tolist(), strict=True))
        for attribute, (names, values) in labels.items()
        if values.ndim == 1
    }
