"""Where pictures come from: a folder, a zip file, MNIST-style idx files, Fashion-MNIST or the embedded faces.

Every kind of source has the same attributes and methods (see `Source`) and can be sent to a worker process.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import os
import re
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.text import printable
from stylegrow.data.decoding import MIN_SIDE, Picture, Shape, UnusableError, explain, is_grey, open_image, square
from stylegrow.data.sources import fashion_mnist

TOONHEAD = "toonhead"
NAMES = (TOONHEAD, fashion_mnist.NAME)  # of the data sets that are found by name
MAX_FILE_BYTES = 1 << 30
MAX_LABEL = 65_535

# Files that come along with pictures and are no failed pictures: neither used nor reported.
HIDDEN = (".", "__MACOSX", "Thumbs.db", "desktop.ini")
SIDECARS = {
    *(".json", ".jsonl", ".txt", ".csv", ".tsv", ".md", ".rst", ".html", ".htm", ".xml", ".xmp", ".yaml", ".yml"),
    *(".toml", ".ini", ".log", ".db", ".pkl", ".npy", ".npz", ".md5", ".sha256", ".url", ".lnk"),
}

FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
FASHION_LABELS_CRC = 0x2ED6E46A  # of the 60,000 training labels
IDX_IMAGES = re.compile(r"train-images[.-]idx3-ubyte(\.gz)?")
IDX_LABELS = re.compile(r"train-labels[.-]idx1-ubyte(\.gz)?")

# For each attribute: the names of its classes, and the index of each image's class [n] or a float vector [n, classes].
Labels = dict[str, tuple[tuple[str, ...], np.ndarray]]


class Source(Protocol):
    """What `prepare` needs to know about pictures."""

    @property
    def path(self) -> str:
        """The absolute path, or "toonhead"."""

    @property
    def name(self) -> str:
        """A short name, safe as a part of a file name."""

    @property
    def names(self) -> Sequence[str]:
        """One name a picture, in the order in which they are stored."""

    @property
    def stamp(self) -> str:
        """Differs when the pictures may differ: a hash of the path and of the files' names, sizes and times."""

    @property
    def credit(self) -> str | None:
        """Whom to name wherever the pictures are shown."""

    @property
    def known(self) -> tuple[int, int] | None:
        """(default resolution, channels) where no file has to be opened to tell them."""

    def picture(self, index: int, shape: Shape) -> Picture:
        """One picture in its final form. Raises UnusableError."""

    def header(self, index: int) -> tuple[int, bool]:
        """(smaller side, whether it is grey) of one picture, from its header. Raises UnusableError."""

    def labels(self, used: np.ndarray, classes: np.ndarray) -> Labels:
        """Labels of the pictures `used` (indices [n]); `classes` [n, attributes] are indices that came with them."""


def find_source(
    source: str | os.PathLike[str] | None, count: int | None = None, downloads: Path | None = None
) -> Source:
    """The pictures that a user's `source` stands for; None and "toonhead" are `count` embedded faces.

    "fashion-mnist" is that data set, wherever it is; it may be downloaded to `downloads`, if given. Raises DataError.
    """
    if source is None or os.fspath(source) == TOONHEAD:
        return _faces(count)
    if count is not None:
        raise DataError(f"--count {count}: only the embedded faces take a count; leave it out for {printable(source)}")
    shown, what = printable(source), "give a folder or a zip file of images"
    try:
        if os.fspath(source) == fashion_mnist.NAME:
            source = fashion_mnist.find(downloads)
        path = Path(source).expanduser().resolve(strict=True)
        if path.is_dir():
            return _idx(fashion_mnist.of_torchvision(path) or path) or _folder(path)
        if path.is_file() and zipfile.is_zipfile(path):
            return _zip(path)
    except OSError as error:
        raise DataError(f"data {shown}: {error.strerror}: {what}") from error
    except RuntimeError as error:  # of expanduser and resolve
        raise DataError(f"data {shown}: {error}: {what}") from error
    raise DataError(f"data {shown}: neither a folder nor a zip file: {what}")


def default_resolution(sides: np.ndarray) -> int:
    """The largest power of two that more than half of the smaller sides [n] reach, from 4 to 256; 28 counts as 32."""
    sides = np.where(sides == 28, 32, sides)
    reached = [r for r in (8, 16, 32, 64, 128, 256) if 2 * np.count_nonzero(sides >= r) > len(sides)]
    return max(reached, default=4)


def safe_name(text: str) -> str:
    """`text` as a part of a file name on any system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:40] or "data"


@dataclass(frozen=True)
class _Files(ABC):
    """What the two sources of image files share."""

    path: str
    name: str
    names: tuple[str, ...]
    stamp: str
    table: Mapping[str, int | tuple[float, ...]] | None = None
    known: None = None
    credit: None = None

    @abstractmethod
    def _open(self, index: int) -> BinaryIO:
        """The bytes of one file. Raises UnusableError."""

    def picture(self, index: int, shape: Shape) -> Picture:
        with self._open(index) as file:
            return square(open_image(file), shape)

    def header(self, index: int) -> tuple[int, bool]:
        with self._open(index) as file:
            image = open_image(file)
            return min(image.size), is_grey(image)

    def labels(self, used: np.ndarray, classes: np.ndarray) -> Labels:
        names = [self.names[i] for i in used]
        return _folder_labels(names) if self.table is None else _table_labels(self.table, names)


@dataclass(frozen=True)
class Folder(_Files):
    """Image files in a folder and the folders below it."""

    def _open(self, index: int) -> BinaryIO:
        path = Path(self.path, self.names[index])
        try:
            if not path.is_file() and path.exists():
                raise UnusableError("cannot be listed" if path.is_dir() else "not a file")
            return path.open("rb")
        except OSError as error:
            raise UnusableError(f"cannot be read ({error.strerror})") from error


@dataclass(frozen=True)
class Zip(_Files):
    """Image files in a zip file, read in place; `members` are places in its directory (a name may be there twice)."""

    members: tuple[int, ...] = ()

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_archive"}

    def _open(self, index: int) -> BinaryIO:
        member = self._archive.infolist()[self.members[index]]
        if member.flag_bits & 1:
            raise UnusableError("encrypted")
        if member.file_size > MAX_FILE_BYTES:
            raise UnusableError("larger than 1 GiB")
        try:  # the whole member, so that its checksum is tested
            return io.BytesIO(self._archive.read(member))
        except NotImplementedError as error:
            raise UnusableError("packed by a method that Python cannot read") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise UnusableError(explain(error)) from error


@dataclass(frozen=True)
class Idx:
    """The training images of an MNIST-style folder, with their labels where they are there."""

    path: str
    name: str
    stamp: str
    file: Path
    shape: tuple[int, int, int]
    label: np.ndarray | None = field(repr=False)
    class_names: tuple[str, ...] = ()
    credit: None = None

    @cached_property
    def names(self) -> Sequence[str]:
        return [f"train-{i:05d}" for i in range(self.shape[0])]

    @property
    def known(self) -> tuple[int, int]:
        return default_resolution(np.array([min(self.shape[1:])])), 1

    @cached_property
    def _pixels(self) -> np.ndarray:
        return _read_idx(self.file, 3)

    def picture(self, index: int, shape: Shape) -> Picture:
        from PIL import Image

        return square(Image.fromarray(self._pixels[index]), shape)

    def header(self, index: int) -> tuple[int, bool]:
        return min(self.shape[1:]), True

    def labels(self, used: np.ndarray, classes: np.ndarray) -> Labels:
        return {} if self.label is None else {"class": (self.class_names, self.label[used].astype(np.int64))}


@dataclass(frozen=True)
class Faces:
    """The embedded faces, drawn at the resolution of the data set."""

    count: int
    stamp: str
    credit: str
    path: str = TOONHEAD
    name: str = TOONHEAD
    known: tuple[int, int] = (64, 3)

    @cached_property
    def names(self) -> Sequence[str]:
        return [f"{TOONHEAD}-{i:05d}" for i in range(self.count)]

    def picture(self, index: int, shape: Shape) -> Picture:
        from PIL import Image

        from stylegrow.data.sources import toonhead

        face = toonhead.attributes(index)
        classes = tuple(toonhead.classes(name).index(face[name]) for name in toonhead.ATTRIBUTES)
        pixels = square(Image.fromarray(toonhead.render(index, shape.resolution)), shape).pixels
        return Picture(pixels, classes=classes)

    def header(self, index: int) -> tuple[int, bool]:
        return self.known[0], False

    def labels(self, used: np.ndarray, classes: np.ndarray) -> Labels:
        from stylegrow.data.sources import toonhead

        return {name: (toonhead.classes(name), classes[:, i]) for i, name in enumerate(toonhead.ATTRIBUTES)}


def _faces(count: int | None) -> Faces:
    from stylegrow.data.sources import toonhead

    count = toonhead.DEFAULT_COUNT if count is None else count
    if count < 1:
        raise DataError(f"--count {count}: give a number of faces from 1 up")
    return Faces(count, _hash([TOONHEAD, toonhead.VERSION, count]), toonhead.CREDIT)


def _folder(path: Path) -> Folder:
    files = sorted((name, info) for name, info in _walk(path) if _is_candidate(name))
    table = path / "dataset.json"
    extra = [_times(table)] if table.is_file() else []
    stamp = _hash([str(path), extra, [(name, info) for name, info in files]])
    names = tuple(name for name, _ in files)
    return Folder(str(path), safe_name(path.name), names, stamp, _read_table(table) if extra else None)


def _walk(top: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """(path below `top` with forward slashes, (size, time)) of every file; links are followed, circles are not."""
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
            yield below + name, _times(place / name)
    for folder in unlisted:  # reported as a file that cannot be read
        yield Path(folder).relative_to(top).as_posix(), (-1, -1)


def _times(path: Path) -> tuple[int, int]:
    try:
        info = path.stat()
    except OSError:  # a link to nowhere: reported when it cannot be opened
        return -1, -1
    return info.st_size, info.st_mtime_ns


def _is_candidate(name: str) -> bool:
    """Whether a file should be a picture: hidden files and those that describe pictures should not."""
    parts = name.split("/")
    hidden = any(part.startswith(HIDDEN) for part in parts)
    return not hidden and Path(parts[-1]).suffix.lower() not in SIDECARS


def _zip(path: Path) -> Zip:
    shown = printable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [_checked_name(member.orig_filename, shown) for member in members]
            files = sorted((name, i) for i, name in enumerate(names) if not members[i].is_dir() and _is_candidate(name))
            tables = sorted((n.count("/"), i) for i, n in enumerate(names) if f"/{n}".endswith("/dataset.json"))
            content = archive.read(members[tables[0][1]]) if tables else None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{shown} cannot be read ({error}): make the zip file again") from error
    table = None
    if content is not None:
        inside = names[tables[0][1]]
        table = _parse_table(content, f"{inside} in {shown}", prefix=inside.removesuffix("dataset.json"))
    stamp = _hash([str(path), _times(path)])
    return Zip(
        str(path), safe_name(path.stem), tuple(n for n, _ in files), stamp, table, members=tuple(i for _, i in files)
    )


def _checked_name(name: str, archive: str) -> str:
    name = name.replace("\\", "/")
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
        raise DataError(
            f"{archive} holds {printable(name)!r}, a name outside the archive: make the zip file again without it"
        )
    return name


def _read_table(path: Path) -> Mapping[str, int | tuple[float, ...]] | None:
    try:
        return _parse_table(path.read_bytes(), printable(path))
    except OSError as error:
        raise DataError(f"{printable(path)} cannot be read ({error.strerror})") from error


def _parse_table(content: bytes, place: str, prefix: str = "") -> Mapping[str, int | tuple[float, ...]] | None:
    """The labels of an official dataset.json by file name: {} where it says that there are none, None for others."""
    try:
        table = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is not valid JSON ({error}): repair or remove it") from error
    if not isinstance(table, dict) or "labels" not in table:
        return None
    labels: dict[str, int | tuple[float, ...]] = {}
    for entry in table["labels"] or ():
        match entry:
            case [str(name), bool()]:
                raise DataError(f"{place}: the label of {printable(name)!r} is no class number: repair it")
            case [str(name), int(label)] if 0 <= label <= MAX_LABEL:
                labels[prefix + name.replace("\\", "/")] = label
            case [str(name), [*values]] if values and all(isinstance(v, int | float) for v in values):
                labels[prefix + name.replace("\\", "/")] = tuple(map(float, values))
            case _:
                shown = printable(json.dumps(entry))[:60]
                raise DataError(
                    f"{place}: the label {shown} is not [file, class number] or [file, [numbers]]: repair it"
                )
    return labels


def _table_labels(table: Mapping[str, int | tuple[float, ...]], names: Sequence[str]) -> Labels:
    """dataset.json's labels where it has one of the same kind for every image, else none."""
    values = [table.get(name) for name in names]
    if all(isinstance(value, int) for value in values):
        classes = np.array(values, np.int64)
        return {"class": (tuple(map(str, range(int(classes.max()) + 1))), classes)}
    widths = {len(value) if isinstance(value, tuple) else None for value in values}
    if len(widths) != 1 or None in widths:
        return {}
    vectors = np.array(values, np.float32)
    return {"class": (tuple(map(str, range(vectors.shape[1]))), vectors)}


def _folder_labels(names: Sequence[str]) -> Labels:
    """The outermost folders that tell images apart, where every image is in one of at least two."""
    parts = [name.split("/")[:-1] for name in names]
    shared = 0
    while all(len(folders) > shared and folders[shared] == parts[0][shared] for folders in parts):
        shared += 1
    outer = [folders[shared] if len(folders) > shared else None for folders in parts]
    if None in outer:
        return {}
    classes, indices = np.unique(np.array(outer, dtype=object), return_inverse=True)
    return {"class": (tuple(classes), indices.reshape(-1).astype(np.int64))}


def _idx(path: Path) -> Idx | None:
    """The training part of MNIST-style files in this very folder; the test part is left alone."""
    entries = sorted(entry for entry in path.iterdir() if entry.is_file())
    images = next((entry for entry in entries if IDX_IMAGES.fullmatch(entry.name)), None)
    labels = next((entry for entry in entries if IDX_LABELS.fullmatch(entry.name)), None)
    if images is None:
        return None
    count, height, width = _read_idx_shape(images, 3)
    if count < 1 or min(height, width) < MIN_SIDE:
        raise DataError(f"{printable(images)} holds {count} images of {width}x{height} px: there is nothing to use")
    label = None if labels is None else _read_idx(labels, 1)
    class_names: tuple[str, ...] = ()
    if label is not None:
        if len(label) != count:
            reason = f"holds {len(label)} labels for {count} images: take files that belong together"
            raise DataError(f"{printable(labels)} {reason}")
        folder = path.parent.name if path.name == "raw" else path.name  # torchvision's FashionMNIST/raw
        clothes = "fashion" in folder.lower() or zlib.crc32(label.tobytes()) == FASHION_LABELS_CRC
        last = max(int(label.max()), 9)
        class_names = FASHION_CLASSES if clothes and last == 9 else tuple(map(str, range(last + 1)))
    stamp = _hash([str(path), [(entry.name, _times(entry)) for entry in (images, labels) if entry is not None]])
    name = fashion_mnist.NAME if class_names == FASHION_CLASSES else safe_name(path.name)
    return Idx(str(path), name, stamp, images, (count, height, width), label, class_names)


def _idx_content(path: Path, size: int = -1) -> bytes:
    """The first `size` bytes of an idx file, which may be gzipped."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{printable(path)} cannot be read ({error}): fetch the file again") from error


def _read_idx_shape(path: Path, dimensions: int) -> tuple[int, ...]:
    head = _idx_content(path, 4 + 4 * dimensions)
    sizes = np.frombuffer(head[4:], ">i4") if len(head) == 4 + 4 * dimensions else np.array([-1])
    if head[:4] != bytes((0, 0, 8, dimensions)) or sizes.min() < 0:
        raise DataError(f"{printable(path)} is no idx file of bytes in {dimensions} dimensions: fetch the file again")
    return tuple(sizes.tolist())


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of an idx file."""
    shape, content = _read_idx_shape(path, dimensions), _idx_content(path)
    start = 4 + 4 * dimensions
    if len(content) - start != math.prod(shape):
        raise DataError(f"{printable(path)} does not hold the {shape} values it announces: fetch the file again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()[:16]
