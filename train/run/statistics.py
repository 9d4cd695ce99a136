"""The numbers of a run's progress, as lines of stats.jsonl: means over steps, speed, memory and time."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from stylegrow.common.schema import Number, check, load_json
from train.config.schedule import Stage

LONGEST_LINE = 1 << 20  # bytes; a metric's may tell of many images


class Line(BaseModel):
    """What is read again of the lines of a run's .jsonl files, which hold more."""

    model_config = ConfigDict(extra="allow")

    kimg: Number = Field(ge=0)
    elapsed_sec: Number = Field(0.0, ge=0)


class Meter:
    """Means of finite values over the steps since the last `take`. Sums stay on the device until then."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._sums: Tensor | None = None

    def add(self, statistics: Mapping[str, Tensor]) -> None:
        """Count the statistics of one step, which are the same in each."""
        values = torch.stack(list(statistics.values())).detach().float()
        finite = values.isfinite()
        counted = torch.stack([torch.where(finite, values, 0.0), finite.float()])
        self._names, self._sums = tuple(statistics), counted if self._sums is None else self._sums + counted

    def take(self) -> dict[str, float]:
        """The means; the next ones begin here."""
        if self._sums is None:
            return {}
        totals, counts = self._sums
        self._sums = None
        return dict(zip(self._names, (totals / counts.clamp(min=1)).tolist(), strict=True))


class Clock:
    """How long a run has been training: `before` seconds in earlier processes, and since start()."""

    def __init__(self, before: float = 0.0) -> None:
        self._before = before
        self._started: float | None = None

    def start(self) -> None:
        """Training begins now."""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Until now."""
        return self._before + (0.0 if self._started is None else time.monotonic() - self._started)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a .jsonl file of a run, but for damaged ones; none where there is none."""
    found: list[dict[str, Any]] = []
    with path.open("rb") if path.is_file() else contextlib.nullcontext() as file:
        while file and (line := file.readline(LONGEST_LINE)):
            with contextlib.suppress(ValueError):
                check(entry := load_json(line), Line)
                found.append(entry)
    return found


def elapsed_at(stats: Path, images: int) -> float:
    """The seconds that training to so many images took, by a run's stats.jsonl."""
    entries = [entry for entry in read_lines(stats) if entry["kimg"] * 1000 <= images + 0.5]
    return next((entry["elapsed_sec"] for entry in reversed(entries) if "elapsed_sec" in entry), 0.0)


def progress(
    images: int,
    stage: Stage,
    shown: int,
    seconds: float,
    elapsed: float,
    left: float,
    means: Mapping[str, float],
    skipped: int,
) -> dict[str, Any]:
    """A line of stats.jsonl: `shown` reals took `seconds`; `elapsed` since the run's start, `left` to its end."""
    rate = shown / seconds if seconds > 0 else 0.0
    return {
        "kimg": images / 1000,
        "resolution": stage.resolution,
        "alpha": stage.alpha,
        "batch": stage.batch,
        "lr": stage.lr,
        "img_per_sec": rate,
        "sec_per_kimg": 1000 / rate if rate else None,
        **means,
        "memory_gb": memory_gb(),
        "skipped_steps": skipped,
        "elapsed_sec": elapsed,
        "left_sec": left,
        "timestamp": time.time(),
    }


def memory_gb() -> float:
    """This process's memory: the peak on a GPU, else what it holds now."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 1e9
    return psutil.Process().memory_info().rss / 1e9
