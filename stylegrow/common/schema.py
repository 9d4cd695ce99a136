"""JSON files checked by pydantic models."""

import reprlib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Schema = TypeVar("Schema", bound=BaseModel)


def read_json(path: Path, schema: type[Schema]) -> Schema:
    """The content of a JSON file. ValueError, in one line, for the first thing that differs from `schema`; OSError."""
    try:
        return schema.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
    if first["type"] == "json_invalid":
        raise ValueError("is not JSON")
    where = ".".join(map(str, first["loc"]))
    given = "" if first["type"] == "missing" else f" {reprlib.repr(first['input'])}"
    raise ValueError(" ".join(f"{where}{given}: {first['msg']}".split()))
