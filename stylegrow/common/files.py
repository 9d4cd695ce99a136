"""Files and folders that are there whole or not at all, whenever the program is killed."""

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file to, which then reaches the disk and replaces `path` at once.

    An OSError names `path`, even that of a full disk, which has no file's name of its own.
    """
    partial = path.with_name(f".{path.name}.tmp")
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        _set_name(error, path, partial)
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file at once. An OSError, with the file's name, where it cannot be written; the earlier one stays."""
    with replacing(path) as partial:
        partial.write_bytes(content)


@contextlib.contextmanager
def new_folder(folder: Path, partial_name: str = "") -> Iterator[Path]:
    """An empty folder beside `folder` to fill; its files then reach the disk and it is renamed to `folder`.

    OSError when that is there and not empty, and with its name where it cannot be written. A later call with the same
    name removes what a writer that was killed has left. The current folder stays the same one: files move into it.
    """
    folder = folder if folder.name else folder.resolve()
    partial = folder.with_name(partial_name or f".{folder.name}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for path in (partial, *partial.rglob("*")):
            if path.is_dir():
                _sync_folder(path)
            elif path.is_file():
                _sync(path)
        if folder.resolve() == Path.cwd():
            if any(folder.iterdir()):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(folder))
            for path in partial.iterdir():
                path.rename(folder / path.name)
            partial.rmdir()
        else:
            if folder.is_dir():
                folder.rmdir()  # OSError unless it is empty
            partial.rename(folder)
        _sync_folder(folder.parent)
    except BaseException as error:
        _set_name(error, folder, partial)
        shutil.rmtree(partial, ignore_errors=True)
        raise


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, after ending one that a full disk or a kill has cut short."""
    try:
        with path.open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":
                    line = "\n" + line
            file.write(line.encode() + b"\n")
    except OSError as error:
        _set_name(error, path)
        raise


def _set_name(error: BaseException, path: Path, partial: Path | None = None) -> None:
    """Have an OSError name `path`: that of a full disk names no file, others name the partial one."""
    if isinstance(error, OSError) and error.filename in (None, str(partial)):
        error.filename = str(path)


def _sync_folder(path: Path) -> None:
    """Have the names in a folder reach the disk, where the system and the file system can be told to."""
    if sys.platform == "win32":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(folder)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
