"""The JSON files that this program writes, read as what any file may hold: bounded, and checked by pydantic types."""

import json
import reprlib
from collections.abc import Sequence
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import AllowInfNan, ConfigDict, Strict, TypeAdapter, ValidationError, create_model

T = TypeVar("T")
LARGEST = 16 << 20  # bytes of a file that tells of one thing
LARGEST_LIST = 1 << 30  # of one that tells of each image
MOST_VALUES = 1 << 24
DEEPEST = 32  # levels of lists and objects

Text = Annotated[str, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(False)]


def read_json(path: Path, schema: type[T], largest: int = LARGEST) -> T:
    """The content of a JSON file of at most `largest` bytes, checked. ValueError, in one line, and OSError."""
    return check(load_json(read_bounded(path, largest), largest), schema)


def read_bounded(path: Path, largest: int = LARGEST) -> bytes:
    """A file's bytes, and no more than one beyond `largest`. ValueError for what is no file, OSError."""
    if path.exists() and not path.is_file():
        raise ValueError("is no file")  # reading a pipe would never end
    with path.open("rb") as file:
        return file.read(largest + 1)


def load_json(content: bytes, largest: int = LARGEST) -> Any:
    """What JSON of at most `largest` bytes holds. ValueError, in one line, where it is too much or none."""
    if len(content) > largest:
        raise ValueError(f"is larger than {largest >> 10:,} KiB")
    if sum(map(content.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ValueError(f"holds more than {MOST_VALUES:,} values")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({reprlib.repr(str(error))})") from None
    level = [found]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return found
    raise ValueError(f"is nested more than {DEEPEST} deep")


def check(value: Any, schema: type[T]) -> T:
    """A value that JSON held, as `schema` has it. ValueError, in one line, for the first thing that differs."""
    try:
        return _adapter(schema).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    given = "" if first["type"] == "missing" else f" {reprlib.repr(first['input'])}"
    raise ValueError(" ".join(f"{where}{given}: {first['msg']}".split()))


def check_fields(value: Any, kind: type[T]) -> T:
    """A dataclass of the values that JSON held of its fields. ValueError, in one line, where they are not of its types.

    Fields with defaults may be missing, and no others may be there.
    """
    return kind(**check(value, _schema_of(kind)).model_dump(exclude_unset=True))


def _inside(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


_adapter: Any = cache(TypeAdapter)


def _schema_of(kind: Any) -> Any:
    hints = get_type_hints(kind)
    known: Any = {
        field.name: (hints[field.name], ... if field.default is MISSING else field.default) for field in fields(kind)
    }
    return create_model(kind.__name__, __config__=ConfigDict(strict=True, extra="forbid"), **known)
