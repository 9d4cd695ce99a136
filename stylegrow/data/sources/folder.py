"""Image files in a folder and the folders below it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from stylegrow.common.schema import read_bounded
from stylegrow.common.text import printable
from stylegrow.data.formats import plugins_for
from stylegrow.data.sources.base import ImageFiles, safe_name
from stylegrow.data.sources.labels import LARGEST_TABLE, Table, read_table
from stylegrow.data.unusable import UnusableError

LABELS = "dataset.json"
# Files that come along with images and are no failed images: neither used nor reported.
HIDDEN = (".", "__MACOSX", "Thumbs.db", "desktop.ini")
SIDECARS = {
    *(".json", ".jsonl", ".txt", ".csv", ".tsv", ".md", ".rst", ".html", ".htm", ".xml", ".xmp", ".yaml", ".yml"),
    *(".toml", ".ini", ".log", ".db", ".pkl", ".npy", ".npz", ".md5", ".sha256", ".url", ".lnk"),
}


class Folder(ImageFiles):
    """The image files of a folder, opened one by one."""

    def files(self) -> Iterator[tuple[str, Path]]:
        for name in (*self.names, *([LABELS] if self.table else [])):
            yield name, Path(self.path, name)

    def open(self, index: int) -> BinaryIO:
        path = Path(self.path, self.names[index])
        try:
            if not path.is_file() and path.exists():
                raise UnusableError("cannot be listed" if path.is_dir() else "not a file")
            return path.open("rb")
        except OSError as error:
            raise UnusableError(f"cannot be read ({error.strerror})") from error


def find(path: Path) -> Folder:
    """The images of a folder."""
    names = sorted(filter(may_be_image, _walk(path)))
    file, table = path / LABELS, None
    if file.is_file():
        try:
            table = read_table(read_bounded(file, LARGEST_TABLE), printable(file))
        except OSError as error:
            table = Table(printable(file), problem=f"cannot be read ({error.strerror})")
    return Folder(
        path=str(path),
        name=safe_name(path.name),
        names=tuple(names),
        readers=plugins_for(names),
        table=table,
    )


def may_be_image(name: str) -> bool:
    """Whether a file should be an image: hidden files and those that describe images should not."""
    parts = name.split("/")
    hidden = any(part.startswith(HIDDEN) for part in parts)
    return not hidden and Path(parts[-1]).suffix.lower() not in SIDECARS


def _walk(top: Path) -> Iterator[str]:
    """The path below `top` with forward slashes of every file; links are followed, circles are not."""
    seen: set[Path] = set()
    unlisted: list[str] = []
    for folder, folders, files in os.walk(top, followlinks=True, onerror=lambda e: unlisted.append(e.filename)):
        place = Path(folder)
        if (real := place.resolve()) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN))
        below = "" if place == top else place.relative_to(top).as_posix() + "/"
        for name in files:
            yield below + name
    for folder in unlisted:  # reported as a file that cannot be read
        yield Path(folder).relative_to(top).as_posix()
