"""Why an image is left out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from stylegrow.common.text import one_line


class UnusableError(Exception):
    """Why one file is left out; the text goes into the report."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raises UnusableError for whatever is raised inside: decoders raise all that a broken file leads them to."""
    try:
        yield
    except UnusableError:
        raise
    except Exception as error:
        raise UnusableError(explain(error)) from error


def explain(error: Exception) -> str:
    """A reason for the report, from what a decoder raised."""
    text = one_line(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    if "truncated" in text.lower():
        return "truncated"
    if any(words in text.lower() for words in ("unsupported", "unknown raw mode")):
        return f"of a kind that is not read ({text})"
    return f"corrupt ({text})"
