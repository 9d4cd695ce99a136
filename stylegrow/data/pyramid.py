"""From images to a prepared data set: every image at every resolution, in a folder of the cache.

    pyramid.json     what it is: resolution, channels, how each level is stored, classes, settings
    level-*          see levels.py
    names.json       file names
    labels.npz       for each attribute class indices int64 [N] or vectors float32 [N, classes]
    duplicates.npy   int64 [N]: the first image that equals this one (itself, where there is no other)
    report.json      what was skipped, enlarged, found twice

The folder is built under another name and renamed when it is whole: one that is there is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.files import new_folder, write_whole
from stylegrow.common.system import available_cpus
from stylegrow.common.text import printable
from stylegrow.data.dataset import FORMAT, FORMAT_VERSION, Dataset, is_prepared
from stylegrow.data.decoding import Shape, SquareImage, UnusableError
from stylegrow.data.levels import ArrayWriter, EncodedWriter, encode, is_array
from stylegrow.data.sources import NAMES, find_source
from stylegrow.data.sources.base import Source, default_resolution
from stylegrow.data.workers import Workers

MIN_RESOLUTION, MAX_RESOLUTION = 4, 1024
CHANNELS = {"auto": None, "rgb": 3, "grey": 1}
FITS = ("crop", "pad")

# Raise it when the same source and settings give other files.
PREPARATION = 1

# Fewer images than this are not worth the start of other processes.
WORTH_WORKERS = 64
SECONDS_BETWEEN_LINES = 10
IMAGE_FILES = "give a folder or a zip file of JPEG, PNG, ... files"


@dataclass(frozen=True)
class Request:
    """How a user wants a source prepared; what is left open depends on the images. Raises DataError."""

    resolution: int | None = None
    channels: Literal["auto", "rgb", "grey"] = "auto"
    fit: Literal["crop", "pad"] = "crop"
    drop_duplicates: bool = False

    def __post_init__(self) -> None:
        if self.resolution is not None:
            check_resolution(self.resolution)
        for option, value, allowed in (("channels", self.channels, CHANNELS), ("fit", self.fit, FITS)):
            if value not in allowed:
                raise DataError(f"--{option} {value}: choose from {', '.join(allowed)}")

    def settle(self, found: tuple[int, int] | None) -> Settings | None:
        """All settings, given the (resolution, channels) that suit the images; None where those are missing."""
        resolution, channels = self.resolution, CHANNELS[self.channels]
        if found is None and (resolution is None or channels is None):
            return None
        suitable = found or (0, 0)
        return Settings(Shape(resolution or suitable[0], channels or suitable[1], self.fit), self.drop_duplicates)


@dataclass(frozen=True)
class Settings:
    """All that decides how a source is prepared."""

    shape: Shape
    drop_duplicates: bool = False


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
    if path := _find(images, request, folder):
        return Dataset(path), False
    if not images.names:
        raise DataError(f"{printable(images.path)} holds no images: {IMAGE_FILES}")
    if Path(images.path) in (folder, *folder.parents):
        reason = "lies in the folder of images, where nothing is written: choose another"
        raise DataError(f"--cache {printable(folder)} {reason}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{images.name}-{images.stamp}.lock", quiet):
            path = _find(images, request, folder)  # by the process that had the lock
            return Dataset(path or _prepare(images, request, folder, workers)), True
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


def check_resolution(resolution: int) -> None:
    """Raises DataError unless `resolution` is a power of two from 4 to 1024."""
    if not MIN_RESOLUTION <= resolution <= MAX_RESOLUTION or resolution & (resolution - 1):
        nearest = min((2**i for i in range(2, 11)), key=lambda r: abs(r - resolution))
        allowed = f"a power of two from {MIN_RESOLUTION} to {MAX_RESOLUTION}"
        raise DataError(f"--resolution {resolution}: it must be {allowed}: use {nearest}")


def halve(images: np.ndarray) -> np.ndarray:
    """The 2x2 averages of float images [..., 2h, 2w], as [..., h, w]."""
    rows = images[..., ::2, :] + images[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) * images.dtype.type(0.25)


def levels_of(images: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(resolution, uint8 images [N, C, r, r]) from that of `images` down to 4.

    Averages stay float from level to level; they are rounded where they are stored, halves to the even number as in
    the official data sets. Sums of up to 4^8 bytes fit the 24 bits of a float32, so every average is exact.
    """
    yield images.shape[-1], images
    exact = images.astype(np.float32)
    while exact.shape[-1] > MIN_RESOLUTION:
        exact = halve(exact)
        yield exact.shape[-1], np.rint(exact).astype(np.uint8)


@dataclass
class Chunk:
    """What a worker makes of a run of images."""

    used: list[tuple[int, bytes, SquareImage]] = field(default_factory=list)  # (index, digest, all but the pixels)
    skipped: list[tuple[int, str]] = field(default_factory=list)  # (index, reason)
    levels: dict[int, Any] = field(default_factory=dict)  # uint8 [n, C, r, r], or n encoded images


def prepare_chunk(source: Source, start: int, stop: int, shape: Shape, arrays: tuple[int, ...]) -> Chunk:
    """Images `start` to `stop` of a source at all resolutions; those not in `arrays` are encoded."""
    chunk, tops = Chunk(), []
    for index in range(start, stop):
        try:
            image = source.image(index, shape)
        except UnusableError as error:
            chunk.skipped.append((index, str(error)))
            continue
        tops.append(image.pixels)
        digest = hashlib.blake2b(image.pixels.tobytes(), digest_size=16).digest()
        chunk.used.append((index, digest, replace(image, pixels=np.empty(0, np.uint8))))
    for resolution, images in levels_of(np.stack(tops)) if tops else ():
        chunk.levels[resolution] = images if resolution in arrays else [encode(pixels) for pixels in images]
    return chunk


def scan_chunk(source: Source, start: int, stop: int) -> tuple[list[tuple[int, bool]], list[tuple[int, str]]]:
    """((smaller side, whether it is grey) of usable images, (index, reason) of the others), from the headers."""
    headers, skipped = [], []
    for index in range(start, stop):
        try:
            headers.append(source.header(index))
        except UnusableError as error:
            skipped.append((index, str(error)))
    return headers, skipped


def _open_prepared(path: Path, request: Request, count: int | None) -> Dataset:
    dataset = Dataset(path, request.resolution)
    own = dataset.settings
    conflicts = {
        f"--count {count}": count is not None,
        f"--channels {request.channels}": CHANNELS[request.channels] not in (None, own["channels"]),
        f"--fit {request.fit}": request.fit not in ("crop", own["fit"]),
        "--drop-duplicates": request.drop_duplicates and not own["drop_duplicates"],
    }
    for option, differs in conflicts.items():
        if differs:
            reason = "is already prepared: leave it out or give the original images"
            raise DataError(f"{option}: {printable(path)} {reason}")
    return dataset


def _find(source: Source, request: Request, folder: Path) -> Path | None:
    """The prepared folder of a source, where it is there."""
    settings = request.settle(source.known or _read_scan(source, folder))
    if settings is None:
        return None
    path = _path(source, settings, folder)
    return path if is_prepared(path) else None


def _path(source: Source, settings: Settings, folder: Path) -> Path:
    content = json.dumps([PREPARATION, source.stamp, asdict(settings)]).encode("ascii")
    return folder / f"{source.name}-{hashlib.sha256(content).hexdigest()[:16]}"


def _scan_file(source: Source, folder: Path) -> Path:
    return folder / f"{source.name}-{source.stamp}.scan.json"


def _read_scan(source: Source, folder: Path) -> tuple[int, int] | None:
    try:
        scan = json.loads(_scan_file(source, folder).read_bytes())
        return scan["resolution"], scan["channels"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _scan(source: Source, folder: Path, pool: Workers) -> tuple[int, int]:
    """The (resolution, channels) that suit the images, from their headers; kept in the cache."""
    headers, skipped = [], []
    for more_headers, more_skipped in _chunks(pool, f"looking at {source.name}", scan_chunk, source, 256):
        headers += more_headers
        skipped += more_skipped
    if not headers:
        raise _nothing_usable(source, skipped)
    sides, grey = zip(*headers, strict=True)
    resolution, channels = default_resolution(sides), 1 if all(grey) else 3
    write_whole(_scan_file(source, folder), _json({"resolution": resolution, "channels": channels}))
    return resolution, channels


def _chunks(
    pool: Workers, what: str, function: Callable[..., Any], source: Source, size: int, *arguments: Any
) -> Iterator[Any]:
    """`function(source, start, stop, *arguments)` for runs of images in order, while a progress bar says `what`."""
    count = len(source.names)
    size = max(1, min(size, -(-count // (4 * pool.count))))
    spans = [(start, min(start + size, count)) for start in range(0, count, size)]
    with _progress(what, count) as update:
        tasks = ((*span, *arguments) for span in spans)
        for (start, stop), result in zip(spans, pool.map(function, tasks), strict=True):
            yield result
            update(stop - start)


def _prepare(source: Source, request: Request, cache: Path, workers: int | None) -> Path:
    """Prepare a source in its folder of the cache, which appears when it is complete."""
    enough = len(source.names) >= WORTH_WORKERS
    with Workers((workers or available_cpus()) if enough else 1, source) as pool:
        settings = request.settle(source.known) or request.settle(_scan(source, cache, pool))
        assert settings is not None
        path = _path(source, settings, cache)
        if not is_prepared(path):
            shutil.rmtree(path, ignore_errors=True)  # someone took files from it
            with new_folder(path) as partial:
                _fill(source, settings, partial, pool)
    return path


def _fill(source: Source, settings: Settings, folder: Path, pool: Workers) -> None:
    shape, count = settings.shape, len(source.names)
    levels = [2**i for i in range(2, shape.resolution.bit_length())]
    arrays = tuple(r for r in levels if is_array(count, shape.channels, r))
    images = _Images(source, settings.drop_duplicates)
    with contextlib.ExitStack() as stack:
        writers: dict[int, ArrayWriter | EncodedWriter] = {}
        for r in levels:
            writers[r] = ArrayWriter(folder, r, shape.channels) if r in arrays else EncodedWriter(folder, r)
            stack.callback(writers[r].close)
        what, size = f"preparing {source.name} at {shape.resolution} px", min(64, 2**20 // shape.resolution**2)
        for chunk in _chunks(pool, what, prepare_chunk, source, size, shape, arrays):
            places = images.add(chunk)
            for r, level in chunk.levels.items():
                writers[r].append([level[place] for place in places])
    if not images.used:
        raise _nothing_usable(source, images.skipped)
    labels = source.labels(np.array(images.used, np.int64), np.array(images.classes, np.int64))
    (folder / "names.json").write_bytes(_json([source.names[i] for i in images.used]))
    (folder / "report.json").write_bytes(_json(images.report()))
    np.save(folder / "duplicates.npy", np.array(images.same, np.int64))
    np.savez(folder / "labels.npz", allow_pickle=False, **{name: values for name, (_, values) in labels.items()})
    facts = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": source.name,
        "source": source.path,
        "credit": source.credit,
        "count": len(images.used),
        "resolution": shape.resolution,
        "channels": shape.channels,
        "levels": {str(r): "array" if r in arrays else "encoded" for r in levels},
        "classes": {attribute: names for attribute, (names, _) in labels.items()},
        "settings": {**asdict(shape), "drop_duplicates": settings.drop_duplicates},
    }
    (folder / "pyramid.json").write_bytes(_json(facts))


class _Images:
    """What is known about the images so far."""

    def __init__(self, source: Source, drop_duplicates: bool) -> None:
        self._names = source.names
        self._drop_duplicates = drop_duplicates
        self._firsts: dict[bytes, int] = {}
        self._duplicates: list[tuple[str, str]] = []
        self._enlarged = 0
        self._profiles_ignored = 0
        self.used: list[int] = []
        self.same: list[int] = []
        self.classes: list[tuple[int, ...]] = []
        self.skipped: list[tuple[int, str]] = []

    def add(self, chunk: Chunk) -> list[int]:
        """The places in a chunk's levels of the images that are to be stored."""
        self.skipped += chunk.skipped
        places = []
        for place, (index, digest, image) in enumerate(chunk.used):
            first = self._firsts.setdefault(digest, len(self.used))
            if first != len(self.used):
                self._duplicates.append((self._names[index], self._names[self.used[first]]))
                if self._drop_duplicates:
                    continue
            places.append(place)
            self.used.append(index)
            self.same.append(first)
            self.classes.append(image.classes)
            self._enlarged += image.enlarged
            self._profiles_ignored += image.profile_ignored
        return places

    def report(self) -> dict[str, Any]:
        """The content of report.json."""
        return {
            "found": len(self._names),
            "used": len(self.used),
            "skipped": [(self._names[index], reason) for index, reason in self.skipped],
            "duplicates": self._duplicates,
            "enlarged": self._enlarged,
            "profiles_ignored": self._profiles_ignored,
        }


def _nothing_usable(source: Source, skipped: list[tuple[int, str]]) -> DataError:
    index, reason = skipped[0]
    none = f"none of its {len(skipped):,} files is usable ({printable(source.names[index])}: {reason})"
    return DataError(f"{printable(source.path)}: {none}: {IMAGE_FILES}")


def _json(content: object) -> bytes:
    return json.dumps(content).encode("ascii")


@contextlib.contextmanager
def _locked(path: Path, quiet: bool) -> Iterator[None]:
    """Only one process of the machine at a time gets past; the lock goes with the process that holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not quiet:
            print("another process is preparing this data: waiting for it", file=sys.stderr, flush=True)
        lock.acquire(poll_interval=0.2)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], object]]:
    """A function that takes how many more images are done: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(desc=what, total=total, unit="img", dynamic_ncols=True) as bar:
            yield bar.update
    else:
        done, last = 0, time.monotonic()

        def update(more: int) -> None:
            nonlocal done, last
            done += more
            if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                print(f"{what}: {done:,} of {total:,}", file=sys.stderr, flush=True)

        print(f"{what}: {total:,} images", file=sys.stderr, flush=True)
        yield update
