"""What visitors may give, each a function from whatever reached the server to a value that can be used.

All raise InputError with a sentence for the visitor. Nothing here knows the model: what only that can tell is checked
when it draws.
"""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stylegrow.common.errors import InputError
from stylegrow.common.text import printable
from stylegrow.sampling.directions import FARTHEST, read_amounts
from stylegrow.sampling.inputs import LARGEST_SEED, TooManyError, read_layers, read_numbers, read_seeds

MOST_SEEDS = 64
LEAST_PSI, MOST_PSI = -1.0, 2.0
MOST_LAYERS = 18  # of 1024 px
LONGEST_TEXT = 2000
Check = Callable[[Any], Any]


def quoted(value: object) -> str:
    """What was given, in one line that is not too long and holds no markup."""
    text = printable(str(value)[:200]).replace("<", "‹").replace(">", "›").replace("&", "+")
    return f'"{text if len(text) <= 60 else text[:57] + "..."}"'


def seed(value: Any) -> int:
    """One seed."""
    wrong = f"Seed must be a whole number from 0 to {LARGEST_SEED}."
    if value is None or value == "":
        raise InputError(wrong)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not (number.is_integer() and 0 <= number <= LARGEST_SEED):
        raise InputError(f"{wrong} You gave {quoted(value)}.")
    return int(number)


def seed_or_none(value: Any) -> int | None:
    """One seed, or none."""
    return None if value is None or value == "" else seed(value)


def seeds(value: Any, most: int = MOST_SEEDS, least: int = 1) -> list[int]:
    """Seeds as text: "1,4,10-15"."""
    text = "" if value is None else str(value).strip()
    if not re.search(r"[^,-][,-]", text):  # no list, so what is said of one seed helps more
        found = [seed(text)]
    else:
        try:
            found = read_seeds(text if len(text) <= LONGEST_TEXT else "", "Seeds", most)
        except TooManyError as error:
            raise InputError(f"{error}.") from None
        except InputError:
            raise InputError(f"Could not read {quoted(text)}: write seeds like 1,4,10-15 (at most {most}).") from None
    if len(found) < least:
        raise InputError(f"Give at least {least} seeds, like 1,4,10-15.")
    return found


def several_seeds(least: int, most: int) -> Check:
    """The check of text that must name so many seeds."""
    return lambda value: seeds(value, most, least)


def psi(value: Any) -> float:
    """Truncation."""
    return _number(value, LEAST_PSI, MOST_PSI, "Truncation must be between -1 and 2.")


def psis(value: Any, most: int = 12) -> list[float]:
    """Several truncations, as text: "1,.7,-1"."""
    text = "" if value is None else str(value)[:LONGEST_TEXT]
    try:
        found = read_numbers(text, "psi", most)
    except InputError:
        raise InputError(f"Could not read {quoted(text)}: write numbers like 1,.7,0,-1 (at most {most}).") from None
    return [psi(number) for number in found]


def number(least: float, most: float, name: str) -> Check:
    """The check of a number in a range."""
    return lambda value: _number(value, least, most, f"{name} must be between {least:g} and {most:g}.")


def whole(least: int, most: int, name: str) -> Check:
    """The check of a whole number in a range."""
    wrong = f"{name} must be a whole number from {least} to {most}."

    def check(value: Any) -> int:
        found = _number(value, least, most, wrong)
        if not found.is_integer():
            raise InputError(wrong)
        return int(found)

    return check


def _number(value: Any, least: float, most: float, wrong: str) -> float:
    try:
        found = math.nan if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not least <= found <= most:
        raise InputError(wrong)
    return found


def one_of(choices: Sequence[str], name: str) -> Check:
    """The check of a choice."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise InputError(f"{name} must be one of: {', '.join(choices)}.")
        return value

    return check


def flag(value: Any) -> bool:
    """On or off."""
    if not isinstance(value, bool):
        raise InputError("Give true or false.")
    return value


def upload(value: Any) -> Path:
    """A file that was uploaded; Gradio lets no other through."""
    if not isinstance(value, str) or not value:
        raise InputError("Upload a picture first.")
    return Path(value)


def layers(value: Any) -> str:
    """Layers as text: "coarse", "0-3" or "0,2,5", empty for none; whether the network has them shows when it draws."""
    text = "" if value is None else str(value).strip()[:LONGEST_TEXT]
    if not text:
        return text
    try:
        read_layers(text, MOST_LAYERS)
    except InputError:
        raise InputError(
            f"Could not read {quoted(text)}: give coarse, middle or fine, or layers like 0-3 or 0,2,5."
        ) from None
    return text


def amounts(value: Any) -> dict[str, float]:
    """How far to go along directions, as text; whether the model has them shows when it draws."""
    text = "" if value is None else str(value).strip()
    try:
        return read_amounts(text if len(text) <= LONGEST_TEXT else ":")
    except InputError:
        wanted = f"write directions and amounts from -{FARTHEST:g} to {FARTHEST:g}, like beard:1.5,PCA 1:-2"
        raise InputError(f"Could not read {quoted(text)}: {wanted}.") from None


def label(value: Any) -> str | None:
    """The name or number of a class, or another label as `read_label` reads it; empty where none is wanted."""
    if value is None or value == "":
        return None
    if not isinstance(value, str | int) or len(str(value)) > LONGEST_TEXT:
        raise InputError("A class is given by its name or its number.")
    return str(value)
