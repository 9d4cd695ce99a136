"""From pictures to a prepared data set: every image at every resolution, in a folder of the cache.

    pyramid.json     what it is: resolution, channels, how each level is stored, classes, settings
    level-*          see `data.levels`
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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.common.system import available_cpus
from stylegrow.common.text import printable
from stylegrow.data.dataset import FORMAT, FORMAT_VERSION, Dataset, is_prepared
from stylegrow.data.decoding import Shape, UnusableError
from stylegrow.data.levels import ArrayWriter, EncodedWriter, encode, is_array, sync
from stylegrow.data.sources import NAMES, Source, default_resolution, find_source
from stylegrow.data.workers import Workers

MIN_RESOLUTION, MAX_RESOLUTION = 4, 1024
SHOWN_FILES = 5

# Raise it when the same source and settings give other files.
PREPARATION = 1

# Fewer pictures than this are not worth the start of other processes.
WORTH_WORKERS = 64
SECONDS_BETWEEN_LINES = 10


@dataclass(frozen=True)
class Request:
    """How a user wants a source prepared; what is left open depends on the pictures."""

    resolution: int | None = None
    channels: Literal["auto", "rgb", "grey"] = "auto"
    fit: Literal["crop", "pad"] = "crop"
    drop_duplicates: bool = False

    def __post_init__(self) -> None:
        if self.resolution is not None:
            check_resolution(self.resolution)
        for option, value, allowed in (
            ("channels", self.channels, ("auto", "rgb", "grey")),
            ("fit", self.fit, ("crop", "pad")),
        ):
            if value not in allowed:
                raise DataError(f"--{option} {value}: choose from {', '.join(allowed)}")

    def settle(self, found: tuple[int, int] | None) -> Settings | None:
        """All settings, given the (resolution, channels) that suit the pictures; None where those are missing."""
        channels = {"rgb": 3, "grey": 1}.get(self.channels)
        if found is None and (self.resolution is None or channels is None):
            return None
        resolution, auto = found or (0, 0)
        return Settings(Shape(self.resolution or resolution, channels or auto, self.fit), self.drop_duplicates)


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
    """(the data set for a source, whether it is new: prepared in this call or while it waited). Raises DataError."""
    if workers is not None and workers < 1:
        raise DataError(f"--workers {workers}: give a number of processes from 1 up")
    if source is not None and os.fspath(source) not in NAMES and is_prepared(source):
        return _open_prepared(Path(source).expanduser().resolve(), request, count), False
    folder = cache_folder(cache)
    pictures = find_source(source, count, downloads=folder / "downloads")
    path = _find(pictures, request, folder)
    if path is not None:
        return Dataset(path), False
    if not pictures.names:
        raise DataError(
            f"{printable(pictures.path)} holds no images: give a folder or a zip file of JPEG, PNG, ... files"
        )
    if Path(pictures.path) in (folder, *folder.parents):
        reason = "lies in the folder of pictures, where nothing is written: choose another"
        raise DataError(f"--cache {printable(folder)} {reason}")
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{pictures.name}-{pictures.stamp}.lock", quiet):
            path = _find(pictures, request, folder)
            if path is not None:  # prepared by the process that had the lock
                return Dataset(path), True
            enough = len(pictures.names) >= WORTH_WORKERS
            with Workers((workers or available_cpus()) if enough else 1, pictures) as pool:
                settings = request.settle(pictures.known) or request.settle(_scan(pictures, folder, pool))
                assert settings is not None
                path = _path(pictures, settings, folder)
                if not is_prepared(path):
                    _build(pictures, settings, path, pool)
    return Dataset(path), True


def cache_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Where prepared data sets live: the folder given, or $STYLEGROW_CACHE, or ~/.cache/stylegrow."""
    try:
        return Path(given or os.environ.get("STYLEGROW_CACHE") or "~/.cache/stylegrow").expanduser().resolve()
    except RuntimeError as error:
        raise DataError(f"the cache folder cannot be found ({error}): give one with --cache") from error


def report_lines(dataset: Dataset, shown: int = SHOWN_FILES) -> list[str]:
    """What a user should know about the pictures of a data set, a line each; at most `shown` files by name."""
    report, skipped, lines = dataset.report, dataset.report["skipped"], []
    if skipped:
        lines.append(f"skipped: {len(skipped):,} of {report['found']:,} files")
        lines += [f"  {printable(name)}: {reason}" for name, reason in skipped[:shown]]
        if len(skipped) > shown:
            lines.append(f"  and {len(skipped) - shown:,} more: see {printable(dataset.path / 'report.json')}")
    if report["duplicates"]:
        name, first = map(printable, report["duplicates"][0])
        what = (
            "left out"
            if dataset.settings["drop_duplicates"]
            else "kept, stylegrow data prepare --drop-duplicates leaves them out"
        )
        lines.append(f"duplicates: {len(report['duplicates']):,}, {what} (the first: {name} equals {first})")
    if report["enlarged"]:
        lines.append(f"enlarged: {report['enlarged']:,}, smaller than {dataset.resolution} px")
    if report["profiles_ignored"]:
        lines.append(f"colour profile ignored as unusable: {report['profiles_ignored']:,}")
    return lines


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
    """What a worker makes of a run of pictures; lists have one entry a usable picture."""

    used: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    classes: list[tuple[int, ...]] = field(default_factory=list)
    enlarged: list[bool] = field(default_factory=list)
    profile_ignored: list[bool] = field(default_factory=list)
    levels: dict[int, Any] = field(default_factory=dict)  # uint8 [n, C, r, r], or n encoded images
    skipped: list[tuple[int, str]] = field(default_factory=list)


def prepare_chunk(source: Source, start: int, stop: int, shape: Shape, arrays: tuple[int, ...]) -> Chunk:
    """Pictures `start` to `stop` of a source at all resolutions; those not in `arrays` are encoded."""
    chunk = Chunk()
    tops = []
    for index in range(start, stop):
        try:
            picture = source.picture(index, shape)
        except UnusableError as error:
            chunk.skipped.append((index, str(error)))
            continue
        tops.append(picture.pixels)
        chunk.used.append(index)
        chunk.digests.append(hashlib.blake2b(picture.pixels.tobytes(), digest_size=16).digest())
        chunk.classes.append(picture.classes)
        chunk.enlarged.append(picture.enlarged)
        chunk.profile_ignored.append(picture.profile_ignored)
    for resolution, images in levels_of(np.stack(tops)) if tops else ():
        chunk.levels[resolution] = images if resolution in arrays else [encode(pixels) for pixels in images]
    return chunk


def scan_chunk(source: Source, start: int, stop: int) -> tuple[list[tuple[int, bool]], list[tuple[int, str]]]:
    """((smaller side, whether it is grey) of usable pictures, (index, reason) of the others), from the headers."""
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
        f"--channels {request.channels}": {"rgb": 3, "grey": 1}.get(request.channels, own["channels"])
        != own["channels"],
        f"--fit {request.fit}": request.fit != "crop" and request.fit != own["fit"],
        "--drop-duplicates": request.drop_duplicates and not own["drop_duplicates"],
    }
    for option, differs in conflicts.items():
        if differs:
            raise DataError(
                f"{option}: {printable(path)} is already prepared: leave it out or give the original pictures"
            )
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
    """The (resolution, channels) that suit the pictures, from their headers; kept in the cache."""
    headers, skipped = [], []
    with _progress(f"looking at {source.name}", len(source.names)) as update:
        for start, stop, result in _chunks(pool, scan_chunk, len(source.names), 256):
            headers += result[0]
            skipped += result[1]
            update(stop - start)
    if not headers:
        raise _nothing_usable(source, skipped)
    sides, grey = zip(*headers, strict=True)
    found = default_resolution(np.array(sides)), 1 if all(grey) else 3
    file = _scan_file(source, folder)
    partial = file.with_name(file.name + ".partial")
    _write_json(partial, {"resolution": found[0], "channels": found[1]})
    partial.replace(file)
    return found


def _chunks(
    pool: Workers, function: Callable[..., Any], count: int, size: int, *arguments: Any
) -> Iterator[tuple[int, int, Any]]:
    """(start, stop, `function(source, start, stop, *arguments)`) over runs of `count` pictures, in order."""
    size = max(1, min(size, -(-count // (4 * pool.count))))
    spans = [(start, min(start + size, count)) for start in range(0, count, size)]
    for span, result in zip(spans, pool.map(function, ((*span, *arguments) for span in spans)), strict=True):
        yield *span, result


def _build(source: Source, settings: Settings, path: Path, pool: Workers) -> None:
    """Prepare `source` in the folder `path`, which appears when it is complete."""
    partial = path.with_name(path.name + ".partial")
    for leftover in (partial, path):  # of a preparation that was killed, and a folder that someone took files from
        if leftover.exists():
            shutil.rmtree(leftover)
    partial.mkdir()
    try:
        _fill(source, settings, partial, pool)
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fill(source: Source, settings: Settings, folder: Path, pool: Workers) -> None:
    shape, count = settings.shape, len(source.names)
    levels = [2**i for i in range(2, shape.resolution.bit_length())]
    arrays = tuple(r for r in levels if is_array(count, shape.channels, r))
    gathered = _Gathered(source, settings.drop_duplicates)
    with contextlib.ExitStack() as stack:
        writers: dict[int, ArrayWriter | EncodedWriter] = {}
        for r in levels:
            writers[r] = ArrayWriter(folder, r, shape.channels) if r in arrays else EncodedWriter(folder, r)
            stack.callback(writers[r].close)
        update = stack.enter_context(_progress(f"preparing {source.name} at {shape.resolution} px", count))
        size = min(64, 2**20 // shape.resolution**2)
        for start, stop, chunk in _chunks(pool, prepare_chunk, count, size, shape, arrays):
            rows = gathered.add(chunk)
            for r, images in chunk.levels.items():
                writers[r].append([images[row] for row in rows])
            update(stop - start)
        if not gathered.used:
            raise _nothing_usable(source, gathered.skipped)
        for writer in writers.values():
            writer.finish()
    used = np.array(gathered.used, np.int64)
    labels = source.labels(used, np.array(gathered.classes, np.int64))
    _write_json(folder / "names.json", [source.names[i] for i in used])
    _write_json(folder / "report.json", gathered.report())
    with _synced(folder / "duplicates.npy") as file:
        np.save(file, np.array(gathered.same, np.int64))
    with _synced(folder / "labels.npz") as file:
        np.savez(file, allow_pickle=False, **{attribute: values for attribute, (_, values) in labels.items()})
    facts = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": source.name,
        "source": source.path,
        "credit": source.credit,
        "count": len(used),
        "resolution": shape.resolution,
        "channels": shape.channels,
        "levels": {str(r): "array" if r in arrays else "encoded" for r in levels},
        "classes": {attribute: names for attribute, (names, _) in labels.items()},
        "settings": {**asdict(shape), "drop_duplicates": settings.drop_duplicates},
    }
    _write_json(folder / "pyramid.json", facts)


class _Gathered:
    """What is known about the pictures so far."""

    def __init__(self, source: Source, drop_duplicates: bool) -> None:
        self._source = source
        self._drop_duplicates = drop_duplicates
        self._firsts: dict[bytes, int] = {}
        self._duplicates: list[tuple[int, int]] = []
        self._enlarged = 0
        self._profiles_ignored = 0
        self.used: list[int] = []
        self.same: list[int] = []
        self.classes: list[tuple[int, ...]] = []
        self.skipped: list[tuple[int, str]] = []

    def add(self, chunk: Chunk) -> list[int]:
        """The rows of a chunk that are to be stored."""
        self.skipped += chunk.skipped
        rows = []
        for row, (index, digest) in enumerate(zip(chunk.used, chunk.digests, strict=True)):
            position = len(self.used)
            first = self._firsts.setdefault(digest, position)
            if first != position:
                self._duplicates.append((index, self.used[first]))
                if self._drop_duplicates:
                    continue
            rows.append(row)
            self.used.append(index)
            self.same.append(first)
            self.classes.append(chunk.classes[row])
            self._enlarged += chunk.enlarged[row]
            self._profiles_ignored += chunk.profile_ignored[row]
        return rows

    def report(self) -> dict[str, Any]:
        names = self._source.names
        return {
            "found": len(names),
            "used": len(self.used),
            "skipped": [(names[index], reason) for index, reason in self.skipped],
            "duplicates": [(names[index], names[first]) for index, first in self._duplicates],
            "enlarged": self._enlarged,
            "profiles_ignored": self._profiles_ignored,
        }


def _nothing_usable(source: Source, skipped: list[tuple[int, str]]) -> DataError:
    index, reason = skipped[0]
    first = f"{printable(source.names[index])}: {reason}"
    what = "give a folder or a zip file of JPEG, PNG, ... files"
    return DataError(f"{printable(source.path)}: none of its {len(skipped):,} files is usable ({first}): {what}")


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turns a failure to write in the cache into a line for the user."""
    try:
        yield
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        what = "make room or give another with --cache or STYLEGROW_CACHE"
        raise DataError(f"the cache folder {printable(folder)} cannot be written ({reason}): {what}") from error


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
    """A function to be told how many more pictures are done: a bar on a terminal, else a line now and then."""
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

        print(f"{what}: {total:,} pictures", file=sys.stderr, flush=True)
        yield update


def _write_json(path: Path, content: object) -> None:
    with _synced(path) as file:
        file.write(json.dumps(content).encode("ascii"))


@contextlib.contextmanager
def _synced(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        yield file
        sync(file)
