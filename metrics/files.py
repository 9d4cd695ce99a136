"""Files that are there whole or not at all."""

import contextlib
import os
from pathlib import Path

from zoo.folders import write_synced


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, and its folder where that is missing. OSError when it cannot be."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_synced(partial, content)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
