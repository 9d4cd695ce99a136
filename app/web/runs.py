"""Training runs, read from their folders while they may be written: nothing is changed or locked there.

What is damaged, half-written or leads out of the root is left out. A visitor names a run, never a path.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from stylegrow.common.errors import InputError
from stylegrow.rendering.grids import save_png

MOST_RUNS = 200
POINTS = 400  # of a curve; a plot has about as many pixels
READ_WHOLE = 1 << 20  # bytes of stats.jsonl: some 2,000 lines; of larger files only as many lines as there are points
LONGEST_LINE = 1 << 14
LARGEST_OPTIONS, LARGEST_PICTURE = 1 << 24, 1 << 27  # bytes
WIDEST, MOST_PIXELS = 2048, 1 << 26  # px across that are shown, and pixels of a snapshot that is read at all
SILENT = 300.0  # seconds without a line after which a run hardly runs; writing a snapshot takes less
RUNNING, FINISHED, STOPPED = "running", "finished", "stopped"
SIGNS = ("options.json", "stats.jsonl", "log.txt")
SNAPSHOT = re.compile(r"fakes(\d{6,9})\.png", re.ASCII)

Stats = dict[str, float]


@dataclass(frozen=True)
class Snapshot:
    """A grid of pictures that a run has written."""

    kimg: int
    path: Path


@dataclass(frozen=True)
class Summary:
    """How a run is doing. What is not known is None."""

    name: str
    state: str
    seconds_silent: float
    architecture: str | None
    data: str | None
    loss: str | None
    full_resolution: int | None
    total_kimg: float | None
    newest: Stats

    @property
    def share(self) -> float | None:
        """How much of the training is done, 0 to 1."""
        kimg = self.newest.get("kimg")
        return min(kimg / self.total_kimg, 1.0) if self.total_kimg and kimg is not None else None

    @property
    def seconds_left(self) -> float | None:
        """To the end, for a run that runs."""
        left = self.newest.get("left_sec")
        return max(left - self.seconds_silent, 0.0) if self.state == RUNNING and left is not None else None

    def facts(self) -> dict[str, Any]:
        """For programs."""
        shown = ("kimg", "resolution", "alpha", "img_per_sec")
        return {
            "name": self.name,
            "state": self.state,
            "seconds_silent": round(self.seconds_silent, 1),
            "architecture": self.architecture,
            "data": self.data,
            "objective": self.loss,
            "full_resolution": self.full_resolution,
            "total_kimg": self.total_kimg,
            **{key: self.newest.get(key) for key in shown},
            "seconds_left": self.seconds_left,
        }


class Runs:
    """The run folders under a root, None for none."""

    def __init__(self, root: Path | None) -> None:
        self.root = root

    def names(self) -> list[str]:
        """The names of the runs, those with the latest news first."""
        try:
            found = [path for path in self.root.iterdir() if self._is_run(path)] if self.root else []
        except OSError:
            return []
        return [path.name for path in sorted(found, key=lambda path: (-_news(path), path.name))[:MOST_RUNS]]

    def find(self, name: Any) -> Run:
        """The run of this name. InputError when there is none."""
        if not isinstance(name, str) or name not in self.names():
            raise InputError("There is no such run here; choose one from the list.")
        assert self.root is not None
        return Run(self.root / name)

    def _is_run(self, path: Path) -> bool:
        if not path.name.isprintable() or path.name.startswith(".") or not path.is_dir() or self.root is None:
            return False
        inside = not path.is_symlink() or path.resolve().is_relative_to(self.root.resolve())
        return inside and any(_own_file(path / sign) for sign in SIGNS)


class Run:
    """One run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def summary(self, now: float | None = None) -> Summary:
        """How it is doing at a time, by default now."""
        options = _options(self.folder / "options.json")
        chosen, data, generator = (_dict(options, key) for key in ("options", "data", "generator"))
        lines = list(_lines(self.folder / "stats.jsonl", 1))
        newest = lines[-1] if lines else {}
        silent = max((time.time() if now is None else now) - _news(self.folder), 0.0)
        total = _number(chosen.get("kimg"))
        done = newest.get("kimg", 0.0) >= total if total else newest.get("left_sec") == 0.0
        stopped = silent > SILENT or _last_words(self.folder / "log.txt").startswith(b"stopped at")
        resolution = _number(generator.get("resolution"))
        return Summary(
            name=self.folder.name,
            state=FINISHED if done else STOPPED if stopped else RUNNING,
            seconds_silent=silent,
            architecture=_text(options.get("architecture")),
            data=_text(data.get("name")),
            loss=_text(chosen.get("loss")),
            full_resolution=None if resolution is None else int(resolution),
            total_kimg=total,
            newest=newest,
        )

    def stats(self, points: int = POINTS) -> list[Stats]:
        """At most so many lines of stats.jsonl, with the last, without those that a resumed run has replaced."""
        kept: list[Stats] = []
        for line in _lines(self.folder / "stats.jsonl", points):
            while kept and kept[-1]["kimg"] >= line["kimg"]:
                kept.pop()
            kept.append(line)
        step = -(-len(kept) // points) or 1
        return kept[::-1][::step][::-1]

    def snapshots(self) -> list[Snapshot]:
        """The grids that it has written, the oldest first."""
        try:
            found = [(SNAPSHOT.fullmatch(path.name), path) for path in self.folder.iterdir()]
        except OSError:
            return []
        shots = [Snapshot(int(match[1]), path) for match, path in found if match and _own_file(path)]
        return sorted(shots, key=lambda shot: (shot.kimg, shot.path.name))

    def version(self) -> tuple[int, int]:
        """What changes whenever stats.jsonl does."""
        try:
            status = (self.folder / "stats.jsonl").stat()
        except OSError:
            return (0, 0)
        return status.st_mtime_ns, status.st_size


def preview(shot: Snapshot, files: Path) -> str:
    """A copy of a snapshot in a folder of `files`, made once and no wider than WIDEST; returns its path.

    InputError when it is no picture.
    """
    try:
        status = shot.path.stat()
        told = f"{shot.path.resolve()} {status.st_mtime_ns} {status.st_size}"
        copy = files / hashlib.sha256(os.fsencode(told)).hexdigest()[:32] / shot.path.name
        if copy.is_file():
            return str(copy)
        if status.st_size > LARGEST_PICTURE:
            raise ValueError("too large")
        with Image.open(io.BytesIO(shot.path.read_bytes()), formats=["PNG"]) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError("too large")
            text = {str(key): value for key, value in image.info.items() if isinstance(value, str)}
            image.load()
            image.thumbnail((WIDEST, WIDEST))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError(f"The snapshot at {shot.kimg} kimg cannot be read; choose another.") from None
    copy.parent.mkdir(mode=0o700, exist_ok=True)
    save_png(image, copy, text)
    return str(copy)


def _own_file(path: Path) -> bool:
    """Whether it is a plain file of this folder: no link elsewhere, no pipe that would never end."""
    return path.is_file() and not path.is_symlink()


def _news(folder: Path) -> float:
    """When a run last wrote a line; 0.0 when it never has."""
    times = [0.0]
    for name in SIGNS:
        path = folder / name
        try:
            times += [path.stat().st_mtime] if _own_file(path) else []
        except OSError:
            continue
    return max(times)


def _options(path: Path) -> dict[str, Any]:
    try:
        if not _own_file(path) or path.stat().st_size > LARGEST_OPTIONS:
            return {}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _dict(options: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = options.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    """What JSON held, if it is a number that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
        return None  # also for nan
    return float(value)


def _last_words(path: Path) -> bytes:
    """The last line of a file."""
    try:
        if not _own_file(path):
            return b""
        with path.open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - LONGEST_LINE, 0))
            return file.read(LONGEST_LINE).strip().rpartition(b"\n")[2]
    except OSError:
        return b""


def _lines(path: Path, points: int) -> Iterator[Stats]:
    """The lines that can be read, in order; of a large file about `points`, evenly over it, and its last ones."""
    try:
        if not _own_file(path):
            return
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            lines = file.read(size).split(b"\n") if size <= READ_WHOLE and points > 1 else _sampled(file, size, points)
    except OSError:
        return
    for line in lines:
        if (stats := _parsed(line)) is not None:
            yield stats


def _sampled(file: BinaryIO, size: int, points: int) -> Sequence[bytes]:
    tail = max(size - 4 * LONGEST_LINE, 0)
    lines, after = [], -1
    for number in range(points if tail else 0):
        start = tail * number // points
        file.seek(max(start - 1, 0))
        if start:
            file.readline(LONGEST_LINE)  # the rest of the line before
        if (place := file.tell()) > after and place < tail:
            lines.append(file.readline(LONGEST_LINE))
            after = place
    file.seek(tail)
    return [*lines, *file.read(4 * LONGEST_LINE).split(b"\n")]


def _parsed(line: bytes) -> Stats | None:
    """The numbers of a line; None for what is not a line of a run."""
    if not line.strip() or len(line) >= LONGEST_LINE:
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    stats = {key: number for key, value in found.items() if (number := _number(value)) is not None}
    return stats if stats.get("kimg", -1.0) >= 0 and math.isfinite(stats["kimg"]) else None
