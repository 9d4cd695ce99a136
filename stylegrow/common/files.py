"""Files and folders that are there whole or not at all, whenever the program is killed."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file to, which then reaches the disk and replaces `path` at once."""
    partial = path.with_name(f".{path.name}.tmp")
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file at once. OSError when it cannot be written; the earlier one stays then."""
    with replacing(path) as partial:
        partial.write_bytes(content)


@contextlib.contextmanager
def new_folder(folder: Path, partial_name: str = "") -> Iterator[Path]:
    """An empty folder beside `folder` to fill; its files then reach the disk and it is renamed to `folder`.

    OSError when that is there and not empty.
    A later call with the same name removes what a writer that was killed has left.
    """
    partial = folder.with_name(partial_name or f".{folder.name}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for path in partial.rglob("*"):
            if path.is_file():
                _sync(path)
        if folder.is_dir():
            folder.rmdir()  # OSError unless it is empty
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, after ending one that a full disk or a kill has cut short."""
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":
                line = "\n" + line
        file.write(line.encode() + b"\n")


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
