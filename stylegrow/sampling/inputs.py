"""What users write as text: seeds, lists of numbers, layers, labels."""

import math
import re
from collections.abc import Iterator
from typing import Literal

from stylegrow.common.errors import InputError
from stylegrow.common.text import printable
from stylegrow.models.labels import LabelSpace

LARGEST_SEED = 2**32 - 1
MOST_SEEDS = 100_000
ProjectionSpace = Literal["w+", "w"]
STEPS, MOST_STEPS = 200, 10_000  # of a projection
# Layers of the resolutions that the paper calls so; a layer l draws at 4 * 2**(l // 2) px.
BANDS = {"coarse": (0, 4), "middle": (4, 8), "fine": (8, None)}
MOST_NAMED = 50  # classes or components, in a message


class TooManyError(InputError):
    """What was given can be read, and is more than there may be."""


def read_seeds(text: str, name: str = "seeds", most: int = MOST_SEEDS) -> list[int]:
    """The seeds that "1,5-9" names, in its order. InputError that calls the input `name`."""
    ranges = list(_ranges(text, name, "seeds like 1,4,10-15"))
    for _, last in ranges:
        if last > LARGEST_SEED:
            raise InputError(f"{name} {shown(text)}: a seed is a whole number from 0 to {LARGEST_SEED}")
    if (count := sum(last - first + 1 for first, last in ranges)) > most:
        raise TooManyError(f"{name} {shown(text)}: these are {count:,} seeds; give at most {most:,}")
    return [seed for first, last in ranges for seed in range(first, last + 1)]


def read_layers(text: str, count: int, name: str = "styles") -> list[int]:
    """The layers of a network with `count` that "0-3", "0,2,5-7" or "coarse" names. InputError."""
    if text in BANDS:
        first, end = BANDS[text]
        if first >= count:
            raise InputError(f"{name} {text}: the network has only {count} layers here, 0 to {count - 1}")
        return list(range(first, min(end or count, count)))
    ranges = list(_ranges(text, name, "layers like 0-3, or coarse, middle or fine"))
    if max(last for _, last in ranges) >= count:
        raise InputError(f"{name} {shown(text)}: the network has {count} layers here, 0 to {count - 1}")
    return sorted({layer for first, last in ranges for layer in range(first, last + 1)})


def read_label(text: str, labels: LabelSpace, name: str = "class") -> int | tuple[float, ...]:
    """The label that a text means: the number of a class, else all values [label_dim].

    A class is its name or, where the names are no numbers themselves, its number; "cat:0.3,dog:0.7" is between
    classes, whose weights come to have the sum 1. A vector is all of its values in order, "-0.5,200", or some of them
    by name, "energy:200" or "energy:200 GeV"; the others are the mean. InputError that calls the input `name`.
    """
    numbers = dict(enumerate(labels.names)) if not all(map(str.isdecimal, labels.names)) else {}
    indices = {str(number): number for number in numbers} | {one: i for i, one in enumerate(labels.names)}
    if labels.kind == "classes" and text in indices:
        return indices[text]
    if labels.kind == "vector" and ":" not in text:
        values = read_numbers(text, name, len(labels.names))
        if len(values) < len(labels.names):
            raise InputError(
                f"{name} {shown(text)}: gives {len(values)} of {len(labels.names)} values; {known_labels(labels)}"
            )
        return tuple(values)
    given: dict[int, float] = {}
    for part in text.split(","):
        named, colon, value = part.rpartition(":")
        index = indices.get(named.strip())
        if not colon or index is None or index in given:
            raise InputError(f"{name} {shown(text)}: {known_labels(labels)}")
        unit = labels.units[index] if labels.kind == "vector" else ""
        (given[index],) = read_numbers(value.strip().removesuffix("" if unit.isdecimal() else unit), name, 1)
    if labels.kind == "vector":
        return tuple(given.get(index, mean) for index, mean in enumerate(labels.mean))
    if (total := math.fsum(given.values())) <= 0:
        raise InputError(f"{name} {shown(text)}: give weights with a sum above 0")
    return tuple(given.get(index, 0.0) / total for index in range(len(labels.names)))


def read_sweep(
    text: str, labels: LabelSpace, steps: int, name: str, base: int | tuple[float, ...] | None = None
) -> list[tuple[str, tuple[float, ...]]]:
    """The labels [label_dim] that "energy:10-100" means, each with its title: `steps` values of a component.

    They are in equal ratios where both ends are above 0, else equally far apart; the other components are those of
    `base`, by default the mean. InputError that calls the input `name`.
    """
    component, _, ends = text.rpartition(":")
    match = re.fullmatch(r"\s*(-?[0-9.e+]+)\s*-\s*(-?[0-9.e+]+)\s*", ends)
    if labels.kind != "vector" or component not in labels.names or not match:
        names = ", ".join(labels.names) if labels.kind == "vector" else "none, since this model has no label vectors"
        raise InputError(f"{name} {shown(text)}: give NAME:FROM-TO; the names are {names}")
    first, last = (read_numbers(end, name, 1)[0] for end in match.groups())
    ratio = last / first if min(first, last) > 0 else None
    place, whole = labels.names.index(component), base if isinstance(base, tuple) else labels.mean
    found = []
    for step in range(steps):
        share = step / (steps - 1)
        value = first + (last - first) * share if ratio is None else first * ratio**share
        found.append((f"{value:.3g} {labels.units[place]}".strip(), (*whole[:place], value, *whole[place + 1 :])))
    return found


def label_text(label: int | tuple[float, ...], labels: LabelSpace) -> str | int:
    """A label as people write it; the number of a class that has no name."""
    if isinstance(label, int):
        return labels.names[label] if labels.named else label
    used = [(name, value) for name, value in zip(labels.names, label, strict=True) if value or labels.kind == "vector"]
    return ",".join(f"{name}:{value:.6g}" for name, value in used)


def known_labels(labels: LabelSpace) -> str:
    """What may be given as a label."""
    count = len(labels.names)
    names = ", ".join(printable(name) for name in labels.names[:MOST_NAMED])
    if count > MOST_NAMED:
        names += f", ... ({count} in all)"
    if labels.kind == "vector":
        return f"give NAME:VALUE,... with names of {names}, or all values in this order"
    between = ", or NAME:WEIGHT,NAME:WEIGHT between them" if count > 1 else ""
    if not labels.named:
        return f"give a number from 0 to {count - 1}{between}"
    numbers = "" if all(map(str.isdecimal, labels.names)) else f", or its number from 0 to {count - 1}"
    return f"give one of {names}{numbers}{between}"


def read_numbers(text: str, name: str, most: int) -> list[float]:
    """The numbers that "1,.7,-1" lists. InputError unless there are 1 to `most`, all finite."""
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"{name} {shown(text)}: cannot be read; write numbers like 1,.7,0,-.5")
    if len(numbers) > most:
        raise InputError(f"{name}: these are {len(numbers)} numbers; give at most {most}")
    return numbers


def shown(text: str) -> str:
    """What a user gave, in quotes, in one line that is not too long."""
    text = printable(text)
    return f"'{text if len(text) <= 60 else text[:57] + '...'}'"


def _ranges(text: str, name: str, example: str) -> Iterator[tuple[int, int]]:
    """(first, last) of each number or range in a list. Numbers of too many digits come out as one too large."""
    for word in text.split(","):
        match = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", word)
        if not match:
            raise InputError(f"{name} {shown(text)}: cannot be read; write {example}")
        first, last = (10**20 if len(digits) > 20 else int(digits) for digits in (match[1], match[2] or match[1]))
        if last < first:
            raise InputError(f"{name} {shown(text)}: {first}-{last} runs backwards; write {last}-{first}")
        yield first, last
