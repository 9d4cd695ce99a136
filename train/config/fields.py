"""How an option is declared: a dataclass field with its help, the values it takes, and what it belongs to."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

from stylegrow.common.errors import InputError
from stylegrow.data.sources import NAMES, TOONHEAD

T = TypeVar("T")


@dataclass(frozen=True)
class Allowed:
    """The values that an option takes: a test, and the words that ask for one that passes."""

    words: str
    test: Callable[[Any], bool]


GANS, STYLED, AUTOENCODERS = ("progan", "stylegan"), ("stylegan",), ("vae",)  # architectures that an option is for

COUNT = Allowed("a whole number of at least 1", lambda x: x >= 1)
COUNT_OR_FILE = Allowed("a whole number of at least 0, or a file", lambda x: isinstance(x, str) or x >= 0)
COUNT_OR_0 = Allowed("a whole number of at least 0", lambda x: x >= 0)
LARGEST_KIMG = 1e12  # a training's images are then 1e15, which floats and int64 count exactly
ABOVE_0 = Allowed("a number above 0", lambda x: 0 < x < math.inf)
FROM_0 = Allowed("a number of at least 0", lambda x: 0 <= x < math.inf)
KIMG_FROM_0 = Allowed(f"a number from 0 to {LARGEST_KIMG:g}", lambda x: 0 <= x <= LARGEST_KIMG)
KIMG_ABOVE_0 = Allowed(f"a number above 0, up to {LARGEST_KIMG:g}", lambda x: 0 < x <= LARGEST_KIMG)
PROBABILITY = Allowed("a number from 0 to 1", lambda x: 0 <= x <= 1)
POWER_OF_2 = Allowed("a power of two from 4 to 1024", lambda x: 4 <= x <= 1024 and x & (x - 1) == 0)


@dataclass(frozen=True)
class About:
    """What is declared of an option beside its name, type and default; its type's choices need no `allowed`."""

    help: str
    allowed: Allowed | None = None
    only: tuple[str, ...] = ()  # the architectures that have it, if not all do
    loss: str | None = None  # the objective that it is a weight of
    resumable: bool = False  # whether a resumed run may change it
    private: bool = False  # whether it says where things lie on one machine
    values: str | None = None  # what --help shows of them, where their type does not tell
    bare: str | None = None  # its value where the option stands without one
    keep: Callable[[str], str | None] = str  # what is kept of a text: a path from the root

    def belongs_to(self, architecture: str) -> bool:
        """Whether trainings of this architecture have it."""
        return not self.only or architecture in self.only


def option(default: T, help: str, allowed: Allowed | None = None, **more: Any) -> T:
    """The field of an option; `more` are further fields of About."""
    return field(default=default, metadata={"about": About(help, allowed, **more)})


def check_value(name: str, value: Any, kind: Any, about: About) -> None:
    """InputError where an option cannot have this value: one of another type or choice, or out of bounds."""
    choices, words = get_args(kind), None
    if get_origin(kind) is Literal:
        words = None if value in choices else f"one of {', '.join(choices)}"
    elif not isinstance(value, types_of(kind)):
        words = f"a value of type {getattr(kind, '__name__', kind)}"
    elif value == "":
        words = "it a value or leave it out"
    elif about.allowed is not None and not about.allowed.test(value):
        words = about.allowed.words
    if words:
        raise InputError(f"{flag(name)} {shown(value) or repr(value)}: give {words}")


def types_of(kind: Any) -> Any:
    """What isinstance takes for a value of an option of this type."""
    if kind is float:
        return int, float
    return kind if isinstance(kind, UnionType) else get_origin(kind) or kind


def flag(name: str) -> str:
    """A field's name as it stands on the command line."""
    return "--" + name.replace("_", "-")


def shown(value: Any) -> str:
    """A value as it stands on the command line."""
    if isinstance(value, tuple):
        return " ".join(map(shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_given(name: str, value: Any) -> str:
    """An option and its value as on the command line."""
    if isinstance(value, bool):
        return flag(name) if value else f"--no{flag(name)[1:]}"
    return f"{flag(name)} {shown(value)}"


def whole_path(path: str) -> str:
    """The path from the root, "~" and symbolic links resolved. InputError where that cannot be."""
    try:
        return str(Path(path).expanduser().resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path!r}: is no path ({error}); give another") from None


def data_path(text: str) -> str | None:
    """The path from the root of a data set, or a name among those that come with the project; None for its faces."""
    return None if text == TOONHEAD else text if text in NAMES else whole_path(text)


def model_path(text: str) -> str:
    """The path from the root where this is one; else it is the name of a model that comes with the project."""
    is_path = text.startswith("~") or Path(text).is_absolute() or os.path.exists(text)  # noqa: PTH110 (never raises)
    return whole_path(text) if is_path else text
