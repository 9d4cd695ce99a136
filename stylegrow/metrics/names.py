"""The metrics by name, and what can be wrong with a choice of them."""

from __future__ import annotations

from collections.abc import Sequence

from stylegrow.common.errors import InputError
from stylegrow.common.text import printable
from stylegrow.metrics.results import Better

# What each metric needs to know of a set of pictures; nothing for what is measured on the generator itself.
NEEDS = {
    "fd": "features",
    "fid": "features",
    "kid": "features",
    "pr": "features",
    "dc": "features",
    "swd": "patches",
    "msssim": "similarity",
    "attributes": "readings",
    "ppl": None,
    "neighbours": None,
}
DEFAULT = ("fd", "kid", "pr", "dc")
# Which way is good, where it is not "lower".
BETTER: dict[str, Better] = {
    "precision": "higher",
    "recall": "higher",
    "density": "higher",
    "coverage": "higher",
    "msssim": "floor",
}
# The metrics of results that are called otherwise.
METRICS = {"fid": "fd", "precision": "pr", "recall": "pr", "density": "dc", "coverage": "dc"}


def check_names(names: Sequence[str], inception: bool) -> tuple[str, ...]:
    """The metrics asked for, each once. InputError for a name that there is not, and for an FID without Inception."""
    if not names:
        raise InputError(f"--metrics: names none; choose from {', '.join(NEEDS)}")
    for name in names:
        if name not in NEEDS:
            raise InputError(f"--metrics {printable(name)}: there is no such metric; choose from {', '.join(NEEDS)}")
    if "fid" in names and not inception:
        raise InputError("--metrics fid: is by Inception's features; add --features inception, or ask for fd")
    # With Inception both names mean the FID.
    return tuple(dict.fromkeys("fd" if name == "fid" else name for name in names))


def metric_of(result: str) -> str:
    """The metric that a result belongs to: "swd" for "swd_16"."""
    first = result.partition("_")[0]
    return METRICS.get(first, first)
