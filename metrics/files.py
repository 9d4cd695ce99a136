"""Files that are there whole or not at all."""

import os
from pathlib import Path

from zoo import folders


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, and its folder where that is missing. OSError when it cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folders.write_whole(path, content, mark=f".{os.getpid()}")  # several processes share the cache
