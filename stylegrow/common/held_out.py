"""The images that a training held out, as its models tell them: files keep their names to themselves."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from stylegrow.common.text import printable

EMBEDDED = re.compile(r"(toonhead|calorimeter|footprints)-\d{5,9}")  # an image that is embedded, and so invented
DIGEST = re.compile(r"[0-9a-f]{32}")


def public_name(name: str) -> str:
    """What a model says of an image: the name of an embedded one, and of any other a digest of its name.

    A digest stays as it is.
    """
    if EMBEDDED.fullmatch(name) or DIGEST.fullmatch(name):
        return name
    return hashlib.blake2b(printable(name).encode(), digest_size=16).hexdigest()


def public_facts(training: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a training with public names under `held_out`, where earlier versions wrote the files' own."""
    facts = dict(training)
    if isinstance(names := facts.get("held_out"), list):
        facts["held_out"] = [public_name(name) if isinstance(name, str) else name for name in names]
    return facts
