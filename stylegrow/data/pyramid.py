"""From images to a prepared data set: every image at every resolution, in a folder of the cache.

    pyramid.json     what it is: resolution, channels, how each level is stored, classes, settings
    level-*          see levels.py
    names.json       file names
    digests.npz      "contents" and "pixels", uint8 [N, 16]: of what each image was decoded from, and into, at full size
    labels.npz       for each attribute class indices int64 [N] or vectors float32 [N, classes]
    duplicates.npy   int64 [N]: the first image that equals this one (itself, where there is no other)
    report.json      what was skipped, enlarged, found twice; what to know about the labels

The folder is built under another name and renamed when it is whole: one that is there is complete.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from stylegrow.common.errors import DataError
from stylegrow.common.files import new_folder, write_whole
from stylegrow.common.paths import check_apart
from stylegrow.common.schema import read_json
from stylegrow.common.system import available_cpus
from stylegrow.common.text import printable
from stylegrow.data.averages import levels_of
from stylegrow.data.dataset import FORMAT, FORMAT_VERSION, Dataset, is_prepared
from stylegrow.data.identity import digest, stamp_of, stamp_of_source
from stylegrow.data.levels import LevelWriter, array_bytes, encode, is_array
from stylegrow.data.request import CHANNELS, MAX_RESOLUTION, MIN_RESOLUTION, WHITE, Request, Shape
from stylegrow.data.sources import NAMES, find_source
from stylegrow.data.sources.base import Source, default_resolution
from stylegrow.data.unusable import UnusableError
from stylegrow.data.workers import Workers
from stylegrow.physics.intensity import roots_of

T = TypeVar("T")

# Raise it when the same source and settings give other files.
PREPARATION = 3

# Fewer images than this are not worth the start of other processes.
WORTH_WORKERS = 64
SECONDS_BETWEEN_LINES = 10
IMAGE_FILES = "give a folder or a zip file of JPEG, PNG, ... files"


def open_or_prepare(
    source: str | os.PathLike[str] | None,
    request: Request,
    *,
    count: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> tuple[Dataset, bool]:
    """(the data set of a source, whether it is new: prepared in this call or while it waited). Raises DataError."""
    if workers is not None and workers < 1:
        raise DataError(f"--workers {workers}: give a number of processes from 1 up")
    if source is not None and os.fspath(source) not in NAMES and is_prepared(source):
        return _open_prepared(Path(source).expanduser().resolve(), request, count), False
    folder = cache_folder(cache)
    images = find_source(source, count, downloads=folder / "downloads")
    if images.transform and CHANNELS[request.channels] is not None:
        raise DataError(f"--channels {request.channels}: the channels of {images.name} are no colours: leave it out")
    if not images.names:
        raise DataError(f"{printable(images.path)} holds no images: {IMAGE_FILES}")
    check_apart(folder, "--cache", images.path)
    stamp = stamp_of_source(images, folder)
    if path := _find(images, stamp, request, folder):
        return Dataset(path, source=images.path), False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{images.name}-{stamp}.lock", quiet):
            path = _find(images, stamp, request, folder)  # by the process that had the lock
            return Dataset(path or _prepare(images, stamp, request, folder, workers), source=images.path), True
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        what = "make room or give another with --cache or STYLEGROW_CACHE"
        raise DataError(f"the cache folder {printable(folder)} cannot be written ({reason}): {what}") from error


def cache_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Where prepared data sets live: the folder given, or $STYLEGROW_CACHE, or ~/.cache/stylegrow."""
    try:
        return Path(given or os.environ.get("STYLEGROW_CACHE") or "~/.cache/stylegrow").expanduser().resolve()
    except RuntimeError as error:
        raise DataError(f"the cache folder cannot be found ({error}): give one with --cache") from error


@dataclass(frozen=True)
class Used:
    """A usable image of a source: digests of what it was decoded from and of its pixels, and what else is known."""

    index: int
    content: bytes
    pixels: bytes
    classes: tuple[int, ...]
    enlarged: bool
    profile_ignored: bool
    dark: bool


@dataclass(frozen=True)
class Chunk:
    """What a worker makes of a run of images."""

    used: list[Used]
    skipped: list[tuple[int, str]]  # (index, reason)
    levels: dict[int, list[bytes]]  # the used images at each resolution, as LevelWriter takes them


@dataclass
class Found:
    """What has been found in a source so far."""

    drop_duplicates: bool
    used: list[Used] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    duplicates: list[tuple[int, int]] = field(default_factory=list)  # (index, index of the first equal image)
    firsts: dict[bytes, int] = field(default_factory=dict)  # the place in `used` of the first image with these pixels

    def add(self, chunk: Chunk) -> list[int]:
        """The places in a chunk of the images to be stored."""
        self.skipped += chunk.skipped
        places = []
        for place, image in enumerate(chunk.used):
            first = self.firsts.setdefault(image.pixels, len(self.used))
            if first < len(self.used):
                self.duplicates.append((image.index, self.used[first].index))
                if self.drop_duplicates:
                    continue
            places.append(place)
            self.used.append(image)
        return places

    def report(self, names: Sequence[str]) -> dict[str, Any]:
        """The content of report.json."""
        return {
            "found": len(names),
            "used": len(self.used),
            "skipped": [(names[index], reason) for index, reason in self.skipped],
            "duplicates": [(names[index], names[first]) for index, first in self.duplicates],
            "enlarged": sum(image.enlarged for image in self.used),
            "profiles_ignored": sum(image.profile_ignored for image in self.used),
            "dark": [names[image.index] for image in self.used if image.dark],
        }


def usable(read: Callable[[int], T], indices: range) -> tuple[dict[int, T], list[tuple[int, str]]]:
    """(what `read` gives for each usable image of `indices`, (index, reason) of the others)."""
    found, skipped = {}, []
    for index in indices:
        try:
            found[index] = read(index)
        except UnusableError as error:
            skipped.append((index, str(error)))
    return found, skipped


def scan_chunk(source: Source, start: int, stop: int) -> tuple[dict[int, tuple[int, bool]], list[tuple[int, str]]]:
    """`usable` headers, (smaller side, whether it is grey), of images `start` to `stop` of a source."""
    return usable(source.header, range(start, stop))


def prepare_chunk(source: Source, start: int, stop: int, shape: Shape, arrays: tuple[int, ...]) -> Chunk:
    """Images `start` to `stop` of a source at all resolutions; those not in `arrays` are encoded."""
    found, skipped = usable(lambda i: (source.image(i, shape), digest(source.content(i))), range(start, stop))
    used = []
    for index, (image, content) in found.items():
        pixels = digest(image.pixels.tobytes())
        used.append(Used(index, content, pixels, image.classes, image.enlarged, image.profile_ignored, image.dark))
    levels = {}
    stacked = np.stack([image.pixels for image, _ in found.values()]) if found else None
    for resolution, averages in levels_of(stacked, roots_of(source.transform)) if stacked is not None else ():
        packed = np.ndarray.tobytes if resolution in arrays else encode
        levels[resolution] = [packed(pixels) for pixels in averages]
    return Chunk(used, skipped, levels)


def _open_prepared(path: Path, request: Request, count: int | None) -> Dataset:
    dataset = Dataset(path, request.resolution)
    own = dataset.settings
    conflicts = {
        f"--count {count}": count is not None,
        f"--channels {request.channels}": CHANNELS[request.channels] not in (None, own["channels"]),
        f"--fit {request.fit}": request.fit not in ("crop", own["fit"]),
        f"--pad-color {request.pad_color}": request.pad_color not in (None, own.get("pad_color")),
        f"--background {request.background}": request.background not in (WHITE, own.get("background")),
        "--drop-duplicates": request.drop_duplicates and not own["drop_duplicates"],
    }
    for option, differs in conflicts.items():
        if differs:
            reason = "is already prepared: leave it out or give the original images"
            raise DataError(f"{option}: {printable(path)} {reason}")
    return dataset


def _find(source: Source, stamp: str, request: Request, folder: Path) -> Path | None:
    """The prepared folder of a source, where it is there."""
    shape = request.shape(source.known or _read_scan(_scan_file(source, stamp, folder)))
    path = _path(source, stamp, shape, request.drop_duplicates, folder) if shape else None
    return path if path and is_prepared(path) else None


def _path(source: Source, stamp: str, shape: Shape, drop_duplicates: bool, folder: Path) -> Path:
    settings = {"shape": asdict(shape), "drop_duplicates": drop_duplicates}
    return folder / f"{source.name}-{stamp_of([PREPARATION, stamp, settings])}"


def _scan_file(source: Source, stamp: str, folder: Path) -> Path:
    return folder / f"{source.name}-{stamp}.scan.json"


@with_config(ConfigDict(strict=True))
class Scan(TypedDict):
    """What the headers of a source's images call for, in its .scan.json."""

    resolution: Annotated[int, Field(ge=MIN_RESOLUTION, le=MAX_RESOLUTION)]
    channels: Literal[1, 3]


def _read_scan(file: Path) -> tuple[int, int] | None:
    try:
        scan = read_json(file, Scan)
        return scan["resolution"], scan["channels"]
    except (OSError, ValueError):
        return None


def _scan(source: Source, file: Path, pool: Workers) -> tuple[int, int]:
    """The (resolution, channels) that suit the images, from their headers; kept in a file of the cache."""
    headers: list[tuple[int, bool]] = []
    skipped: list[tuple[int, str]] = []
    for more_headers, more_skipped in chunks(pool, f"looking at {source.name}", scan_chunk, source, 256):
        headers += more_headers.values()
        skipped += more_skipped
    if not headers:
        raise _nothing_usable(source, skipped)
    sides, grey = zip(*headers, strict=True)
    resolution, channels = default_resolution(sides), 1 if all(grey) else 3
    content = json.dumps({"resolution": resolution, "channels": channels})
    write_whole(file, content.encode("ascii"))
    return resolution, channels


def chunks(
    pool: Workers, what: str, function: Callable[..., Any], source: Source, size: int, *arguments: Any
) -> Iterator[Any]:
    """`function(source, start, stop, *arguments)` for runs of images in order.

    The progress of `what` is a bar on a terminal, else a line now and then.
    """
    from tqdm import tqdm

    count = len(source.names)
    size = max(1, min(size, -(-count // (4 * pool.count))))
    spans = [(start, min(start + size, count)) for start in range(0, count, size)]
    results = pool.map(function, ((*span, *arguments) for span in spans))
    last = time.monotonic()
    with tqdm(desc=what, total=count, unit="img", dynamic_ncols=True, disable=None) as bar:
        if bar.disable:
            print(f"{what}: {count:,} images", file=sys.stderr, flush=True)
        for (start, stop), result in zip(spans, results, strict=True):
            yield result
            bar.update(stop - start)
            if bar.disable and time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                print(f"{what}: {stop:,} of {count:,}", file=sys.stderr, flush=True)


def _prepare(source: Source, stamp: str, request: Request, cache: Path, workers: int | None) -> Path:
    """Prepare a source in its folder of the cache, which appears when it is complete."""
    enough = len(source.names) >= WORTH_WORKERS
    with Workers((workers or available_cpus()) if enough else 1, source) as pool:
        shape = request.shape(source.known) or request.shape(_scan(source, _scan_file(source, stamp, cache), pool))
        assert shape is not None
        path = _path(source, stamp, shape, request.drop_duplicates, cache)
        if not is_prepared(path):
            shutil.rmtree(path, ignore_errors=True)  # someone took files from it
            with new_folder(path) as partial:
                _fill(source, shape, request.drop_duplicates, partial, pool)
    return path


def _fill(source: Source, shape: Shape, drop_duplicates: bool, folder: Path, pool: Workers) -> None:
    """Write all files of a prepared data set."""
    levels = [2**i for i in range(2, shape.resolution.bit_length())]
    most = array_bytes(folder)
    arrays = tuple(r for r in levels if is_array(len(source.names), shape.channels, r, most))
    found = Found(drop_duplicates)
    with contextlib.ExitStack() as stack:
        writers = {r: LevelWriter(folder, r, shape.channels, r not in arrays) for r in levels}
        for writer in writers.values():
            stack.callback(writer.close)
        what, size = f"preparing {source.name} at {shape.resolution} px", min(64, 2**20 // shape.resolution**2)
        for chunk in chunks(pool, what, prepare_chunk, source, size, shape, arrays):
            places = found.add(chunk)
            for r, images in chunk.levels.items():
                writers[r].append([images[place] for place in places])
    if not found.used:
        raise _nothing_usable(source, found.skipped)
    indices = np.array([image.index for image in found.used], np.int64)
    report = found.report(source.names) | {"labels": source.label_notes(indices)}
    labels = source.labels(indices, np.array([image.classes for image in found.used], np.int64))
    facts = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": source.name,
        "source": source.path,
        "credit": source.credit,
        "count": len(indices),
        "resolution": shape.resolution,
        "channels": shape.channels,
        "levels": {str(r): "array" if r in arrays else "encoded" for r in levels},
        "classes": {attribute: classes for attribute, (classes, _) in labels.items()},
        "transform": source.transform,
        "cond": source.cond,
        "units": source.units,
        "sided": source.sided,
        "settings": {**asdict(shape), "drop_duplicates": drop_duplicates},
    }
    names = [source.names[i] for i in indices]
    for file, content in (("names", names), ("report", report), ("pyramid", facts)):
        (folder / f"{file}.json").write_text(json.dumps(content), "ascii")
    np.save(folder / "duplicates.npy", np.array([found.firsts[image.pixels] for image in found.used], np.int64))
    contents, pixels = zip(*((image.content, image.pixels) for image in found.used), strict=True)
    np.savez(folder / "digests.npz", allow_pickle=False, contents=_stacked(contents), pixels=_stacked(pixels))
    np.savez(folder / "labels.npz", allow_pickle=False, **{name: values for name, (_, values) in labels.items()})


def _stacked(digests: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1)


def _nothing_usable(source: Source, skipped: list[tuple[int, str]]) -> DataError:
    index, reason = skipped[0]
    none = f"none of its {len(skipped):,} files is usable ({printable(source.names[index])}: {reason})"
    return DataError(f"{printable(source.path)}: {none}: {IMAGE_FILES}")


def _locked(path: Path, quiet: bool) -> contextlib.AbstractContextManager[object]:
    """Only one process of the machine at a time gets past; the lock goes with the process that holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        if not quiet:
            print("another process is preparing this data: waiting for it", file=sys.stderr, flush=True)
        return lock.acquire(poll_interval=0.2)
