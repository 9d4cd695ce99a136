"""Where images come from: one file a kind of source, and `find_source`, which finds the one that a user means."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from stylegrow.common.errors import DataError
from stylegrow.common.standins import stand_in
from stylegrow.common.text import printable
from stylegrow.data.formats import HEAD_BYTES, is_read

if TYPE_CHECKING:
    from stylegrow.data.sources.base import Source

# Data sets that are found by name.
EMBEDDED = TOONHEAD, CALORIMETER, FOOTPRINTS = ("toonhead", "calorimeter", "footprints")
NAMES = (*EMBEDDED, *(ELSEWHERE := ("fashion-mnist", "mnist", "cifar-10")))
FASHION_MNIST, MNIST, CIFAR_10 = ELSEWHERE


def find_source(
    source: str | os.PathLike[str] | None, count: int | None = None, downloads: Path | None = None
) -> Source:
    """The images that a user's `source` stands for; None and EMBEDDED are `count` embedded faces or showers.

    The other NAMES are those data sets, wherever they are; "fashion-mnist" may be downloaded to `downloads`, if given.
    Raises DataError.
    """
    from stylegrow.data.sources import archive, arrays, cifar, fashion_mnist, folder, idx, showers, tfrecords, toonhead

    if source is None or os.fspath(source) == TOONHEAD:
        return toonhead.find(count)
    if os.fspath(source) in EMBEDDED:
        return showers.find(os.fspath(source), count)
    if count is not None:
        raise DataError(
            f"--count {count}: only the embedded faces and showers take a count; leave it out for {printable(source)}"
        )
    shown, what = printable(source), "give a folder or a zip file of images, or a .npz file"
    try:
        if os.fspath(source) == FASHION_MNIST:
            source = fashion_mnist.find(downloads)
        elif os.fspath(source) in NAMES:
            source = fashion_mnist.find_local(os.fspath(source))
        path = Path(source).expanduser().resolve(strict=True)
        if path.is_dir():
            arranged = idx.find(fashion_mnist.of_torchvision(path) or path) or cifar.find(path) or tfrecords.find(path)
            return arranged or folder.find(path)
        if path.is_file() and path.suffix in arrays.SUFFIXES:
            return arrays.find(path)
        if path.is_file() and path.suffix in tfrecords.SUFFIXES:
            return tfrecords.find_file(path)
        if path.is_file() and zipfile.is_zipfile(path):
            return archive.find(path)
        with path.open("rb") as file:
            kind = not_a_source(file.read(HEAD_BYTES))
    except (OSError, RuntimeError) as error:  # RuntimeError: of expanduser and resolve
        raise DataError(f"data {shown}: {getattr(error, 'strerror', error)}: {what}") from error
    raise DataError(f"data {shown}: {kind or f'neither a folder nor a zip file: {what}'}")


def not_a_source(head: bytes) -> str | None:
    """What a file that is no source is, where its first bytes tell, with what to do about it."""
    if found := stand_in(head):
        return found
    if head.startswith(b"PK"):
        return "a damaged zip file, which ends too early: download or make it again"
    if head.startswith((b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")) or head[257:262] == b"ustar":
        return "an archive of another kind than zip: unpack it and give the folder"
    return "a single image: give the folder that it lies in" if is_read(head) else None
