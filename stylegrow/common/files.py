"""Files that are there whole or not at all, whenever the program is killed."""

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, content: bytes, mark: str = "") -> None:
    """Replace a file at once, by way of one beside it, which `mark` tells from those of other writers."""
    partial = path.with_name(f".{path.name}{mark}.tmp")
    try:
        write_synced(partial, content)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and have it reach the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
