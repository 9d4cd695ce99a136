"""Paths that users give: what they stand for, and whether something can be written there."""

import os
from pathlib import Path

from stylegrow.common.errors import DataError, InputError
from stylegrow.common.text import printable


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with a home for its "~". InputError for the home of a user whom this machine does not know."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{printable(path)}: this machine knows no such user; write the whole path") from error


def check_folder(folder: Path, option: str) -> None:
    """InputError unless files can be written there, or where its first part that is missing would be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        reason = "cannot be written" if there.is_dir() else "is not a folder"
        raise InputError(f"{option} {printable(folder)}: {printable(there)} {reason}; give another folder")


def check_file(file: str, option: str) -> None:
    """InputError unless a file of this name can be written, in a folder that is there or would be made."""
    if (path := expanded(file)).is_dir() or not path.name:
        raise InputError(f"{option} {printable(file)}: is a folder; give the name of a file in it")
    check_folder(path.parent, option)


def check_apart(folder: Path, option: str, images: str | os.PathLike[str]) -> None:
    """DataError for a folder to write in that is the folder of images, whole and resolved, or lies below it.

    What is written there would be read as images the next time.
    """
    if Path(images) in (resolved := folder.resolve(), *resolved.parents):
        raise DataError(
            f"{option} {printable(folder)}: lies in the folder of images, where nothing is written; choose another"
        )
