"""Training runs, read from their folders while they may be written: nothing is changed or locked there.

What is damaged, half-written or leads out of the root is left out. A visitor names a run, never a path.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from stylegrow.common.errors import InputError
from stylegrow.common.schema import LARGEST, load_json
from stylegrow.rendering.grids import save_png

MOST_RUNS = 200
POINTS = 400  # of a curve; a plot has about as many pixels
LONGEST_LINE = 1 << 14
LARGEST_STATS, LARGEST_OPTIONS, LARGEST_IMAGE = 1 << 26, LARGEST, 1 << 27  # bytes; of stats.jsonl those at its end
WIDEST, MOST_PIXELS = 2048, 1 << 26  # px across that are shown, and pixels of a snapshot that is read at all
SILENT = 300.0  # seconds without a line after which a run hardly runs; writing a snapshot takes less
RUNNING, FINISHED, STOPPED = "running", "finished", "stopped"
SIGNS = ("options.json", "stats.jsonl", "log.txt")
SNAPSHOT = re.compile(r"fakes(\d{6,9})(?:_(\d{3}))?\.png", re.ASCII)  # kimg, and images beyond

Stats = dict[str, float]


@dataclass(frozen=True)
class Snapshot:
    """A grid of images that a run has written."""

    kimg: float
    path: Path


@dataclass(frozen=True)
class Summary:
    """How a run is doing; `share` is how much of it is done, 0 to 1. What is not known is None."""

    name: str
    state: str
    seconds_silent: float
    architecture: str | None
    data: str | None
    objective: str | None
    full_resolution: int | None
    total_kimg: float | None
    newest: Stats

    @property
    def share(self) -> float | None:
        kimg = self.newest.get("kimg")
        return min(kimg / self.total_kimg, 1.0) if self.total_kimg and kimg is not None else None

    @property
    def seconds_left(self) -> float | None:
        """To the end, for a run that runs."""
        left = self.newest.get("left_sec")
        return max(left - self.seconds_silent, 0.0) if self.state == RUNNING and left is not None else None

    def facts(self) -> dict[str, Any]:
        """For programs."""
        newest = {key: self.newest.get(key) for key in ("kimg", "resolution", "alpha", "img_per_sec")}
        known = {name: value for name, value in vars(self).items() if name != "newest"}
        return known | newest | {"seconds_left": self.seconds_left}


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
        if self.root is None or not isinstance(name, str) or name not in self.names():
            raise InputError("There is no such run here; choose one from the list.")
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
        options = _object(_read_end(self.folder / "options.json", LARGEST_OPTIONS))
        chosen, data = (found if isinstance(found := options.get(key), dict) else {} for key in ("options", "data"))
        lines = _read_end(self.folder / "stats.jsonl", 4 * LONGEST_LINE).split(b"\n")
        newest = next(filter(None, map(_stats, reversed(lines))), {})
        silent = max((time.time() if now is None else now) - _news(self.folder), 0.0)
        total, resolution = _number(chosen.get("kimg")), _number(chosen.get("resolution"))
        done = newest.get("kimg", 0.0) >= total if total else newest.get("left_sec") == 0.0
        last_words = _read_end(self.folder / "log.txt", LONGEST_LINE).strip().rpartition(b"\n")[2]
        stopped = silent > SILENT or last_words.startswith(b"stopped at")
        return Summary(
            name=self.folder.name,
            state=FINISHED if done else STOPPED if stopped else RUNNING,
            seconds_silent=round(silent, 1),
            architecture=_text(options.get("architecture")),
            data=_text(data.get("name")),
            objective=_text(chosen.get("loss")),
            full_resolution=None if resolution is None else int(resolution),
            total_kimg=total,
            newest=newest,
        )

    def stats(self, points: int = POINTS) -> list[Stats]:
        """At most so many lines of stats.jsonl, with the last, without those that a resumed run has replaced."""
        lines = _read_end(self.folder / "stats.jsonl", LARGEST_STATS).strip().split(b"\n")
        step = max(len(lines) // (2 * points), 1)  # of a long file not all are worth reading
        kept: list[Stats] = []
        for line in filter(None, map(_stats, lines[(len(lines) - 1) % step :: step])):
            while kept and kept[-1]["kimg"] >= line["kimg"]:
                kept.pop()
            kept.append(line)
        if step > 1 and (last := self.summary().newest) and [last] != kept[-1:]:
            kept.append(last)
        step = -(-len(kept) // points) or 1
        return kept[::-1][::step][::-1]

    def snapshots(self) -> list[Snapshot]:
        """The grids that it has written, the oldest first."""
        try:
            found = [(SNAPSHOT.fullmatch(path.name), path) for path in self.folder.iterdir()]
        except OSError:
            return []
        named = [(match[1], match[2], path) for match, path in found if match and _own_file(path)]
        shots = [Snapshot(float(f"{kimg}.{rest}") if rest else int(kimg), path) for kimg, rest, path in named]
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

    InputError when it is no image.
    """
    try:
        status = shot.path.stat()
        version = f"{shot.path.resolve()} {status.st_mtime_ns} {status.st_size}"
        copy = files / hashlib.sha256(os.fsencode(version)).hexdigest()[:32] / shot.path.name
        if copy.is_file():
            return str(copy)
        if status.st_size > LARGEST_IMAGE:
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
    """Whether it is a file of this folder: no link elsewhere, no pipe that would never end."""
    return path.is_file() and not path.is_symlink()


def _news(folder: Path) -> float:
    """When a run last wrote a line; 0.0 when it never has."""
    times = [0.0]
    for path in (folder / name for name in SIGNS):
        try:
            times += [path.stat().st_mtime] if _own_file(path) else []
        except OSError:
            continue
    return max(times)


def _read_end(path: Path, most: int) -> bytes:
    """The last bytes of a file; nothing of one that cannot be read."""
    try:
        if not _own_file(path):
            return b""
        with path.open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - most, 0))
            return file.read(most)
    except OSError:
        return b""


def _object(text: bytes) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        found = load_json(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    """What JSON held, if it is a number that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
        return None  # also for nan
    return float(value)


def _stats(line: bytes) -> Stats | None:
    """The numbers of a line; None for what is not a line of a run."""
    found = _object(line) if len(line) < LONGEST_LINE else {}
    stats = {key: number for key, value in found.items() if (number := _number(value)) is not None}
    return stats if stats.get("kimg", -1.0) >= 0 else None
