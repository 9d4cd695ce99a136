"""Fashion-MNIST (Xiao et al. 2017): the files that are on this machine, else a download of them."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import sys
import tempfile
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

from stylegrow.common.errors import DataError
from stylegrow.common.text import printable
from stylegrow.data.levels import sync

NAME = "fashion-mnist"
PACKAGE = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
ADDRESS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
    "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion"
)
# The files that are used, and the SHA-256 of what is in them unpacked.
FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
}
ADVICE = "install Debian's package dataset-fashion-mnist, or give a folder with its files"
MOST_BYTES = 64 << 20  # of a file as it is sent; the pictures are 26 MB
SECONDS = 30.0  # without an answer


def find(downloads: Path | None) -> Path:
    """The folder of the training files: of Debian's package, of torchvision, or a download kept under `downloads`.

    torchvision's is looked for where programs put it: FashionMNIST/raw in the working or the home folder, or in the
    folders data and datasets there. DataError where there are no files and none can be had.
    """
    own = [] if downloads is None else [downloads / NAME]
    for folder in (PACKAGE, *filter(None, map(of_torchvision, usual_places())), *own):
        if all(present(folder, name) for name in FILES):
            return folder
    if not own:
        raise DataError(f"--data {NAME}: is not on this machine: {ADVICE}")
    download(own[0])
    return own[0]


def of_torchvision(root: Path) -> Path | None:
    """The folder in which torchvision, given this root, keeps the files; None where it has none."""
    folder = root / "FashionMNIST" / "raw"
    return folder if present(folder, next(iter(FILES))) else None


def usual_places() -> Iterator[Path]:
    """Folders that programs give torchvision as root."""
    for find_top in (Path.cwd, Path.home):
        try:
            top = find_top()
        except (OSError, RuntimeError):  # a working folder that has been removed, a user without a home
            continue
        yield from (top, top / "data", top / "datasets")


def present(folder: Path, name: str) -> bool:
    """Whether a file is there, packed or not."""
    return any((folder / f"{name}{ending}").is_file() for ending in ("", ".gz"))


def download(folder: Path) -> None:
    """Fetch the files that a folder lacks; each appears whole and checked, or not at all. Raises DataError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, digest in FILES.items():
            if not present(folder, name):
                print(f"downloading {ADDRESS}/{name}.gz", file=sys.stderr, flush=True)
                keep(folder / f"{name}.gz", fetched(f"{ADDRESS}/{name}.gz", digest))
    except OSError as error:
        raise DataError(f"{printable(folder)} cannot be written ({error.strerror}): choose another --cache") from error


def fetched(address: str, digest: str) -> bytes:
    """The gzipped bytes at an address. DataError where they cannot be had, or are others than those of this digest."""
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            content = answer.read(MOST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"--data {NAME}: is not on this machine and cannot be downloaded ({printable(error)}): {ADVICE}"
        ) from error
    try:
        unpacked = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        unpacked = b""
    if hashlib.sha256(unpacked).hexdigest() != digest:
        raise DataError(f"--data {NAME}: {address} holds other bytes than it should: try again, or give a folder")
    return bytes(content)


def keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            sync(file)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
