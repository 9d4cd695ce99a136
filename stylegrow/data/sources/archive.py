"""Image files in a zip file, read in place.

zipfile and the decompressors raise whatever a damaged file leads them to, so that all exceptions are caught here.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from stylegrow.common.errors import DataError
from stylegrow.common.text import one_line, printable
from stylegrow.data.formats import plugins_for
from stylegrow.data.sources.base import ImageFiles, safe_name
from stylegrow.data.sources.folder import may_be_image
from stylegrow.data.sources.labels import LARGEST_TABLE, Table, read_table
from stylegrow.data.unusable import UnusableError, explain

MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Archive(ImageFiles):
    """The image files of a zip file; `members` are places in its directory, where a name may be twice."""

    members: tuple[int, ...]

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_zip"}

    def files(self) -> Iterator[tuple[str, Path]]:
        yield "", Path(self.path)

    def open(self, index: int) -> BinaryIO:
        member = self._zip.infolist()[self.members[index]]
        if member.flag_bits & 1:
            raise UnusableError("encrypted")
        if member.file_size > MAX_FILE_BYTES:
            raise UnusableError("larger than 1 GiB")
        try:  # the whole member, so that its checksum is tested
            return io.BytesIO(self._zip.read(member))
        except NotImplementedError as error:
            raise UnusableError("packed by a method that Python cannot read") from error
        except Exception as error:
            raise UnusableError(explain(error)) from error


def find(path: Path) -> Archive:
    """The images of a zip file. Raises DataError for one that cannot be read or holds names outside itself."""
    shown = printable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [_checked_name(member.orig_filename, shown) for member in members]
            tables = sorted((n.count("/"), i) for i, n in enumerate(names) if f"/{n}".endswith("/dataset.json"))
            table = _table(archive, members[tables[0][1]], names[tables[0][1]]) if tables else None
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{shown} cannot be read ({printable(one_line(error))}): make the zip file again") from error
    files = sorted((name, i) for i, name in enumerate(names) if name and not name.endswith("/") and may_be_image(name))
    return Archive(
        path=str(path),
        name=safe_name(path.stem),
        names=tuple(name for name, _ in files),
        readers=plugins_for(name for name, _ in files),
        table=table,
        members=tuple(i for _, i in files),
    )


def _table(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Table:
    place = f"{printable(name)} in {printable(archive.filename)}"
    try:
        with archive.open(member) as file:
            content = file.read(LARGEST_TABLE + 1)
    except Exception as error:
        return Table(place, problem=f"cannot be read ({one_line(error)})")
    return read_table(content, place, name.removesuffix("dataset.json"))


def _checked_name(name: str, archive: str) -> str:
    name = name.replace("\\", "/")
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
        reason = "a name outside the archive: make the zip file again without it"
        raise DataError(f"{archive} holds {printable(name)!r}, {reason}")
    return name
