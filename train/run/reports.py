"""What a run says while it trains: lines on the terminal and in log.txt, stats.jsonl, and trackers."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import psutil
import torch
from accelerate import Accelerator
from accelerate.tracking import filter_trackers
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from stylegrow.common.errors import InputError
from stylegrow.common.files import append_line
from stylegrow.common.tables import text_table
from stylegrow.common.text import duration
from train.config.run_config import RunConfig
from train.config.schedule import Schedule, Stage

LEGEND = (
    "res: resolution; alpha: how far its block is faded in; kimg: thousands of real pictures shown; "
    "lossD, lossG: objectives; W, JS, TV: what the critic's loss estimates, a Wasserstein distance, Jensen-Shannon "
    "divergence or total variation; gradD, gradG: gradient norms; "
    "mem: memory of this process; left: time left"
)

NORMALISED = {"critic": " with spectral norm", "both": " with spectral norm in both networks"}


class Meter:
    """Means over the steps since the last look. Sums stay on the device until then; what is not finite counts not."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, measured: Mapping[str, Tensor]) -> None:
        """Note what one step measured."""
        for name, value in measured.items():
            value = value.detach().float()
            finite = value.isfinite()
            counted = torch.stack([torch.where(finite, value, 0.0), finite.float()])
            self._sums[name] = self._sums[name] + counted if name in self._sums else counted

    def take(self) -> dict[str, float]:
        """The means, and start again."""
        if not self._sums:
            return {}
        totals, counts = torch.stack(list(self._sums.values())).unbind(1)
        means = dict(zip(self._sums, (totals / counts.clamp(min=1)).tolist(), strict=True))
        self._sums = {}
        return means


class Clock:
    """The seconds that a run has been training: `before` this process took it up, and since start()."""

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


def elapsed_at(stats: Path, images: int) -> float:
    """How long training to so many images took, by a run's stats.jsonl, without what was lost after a checkpoint."""
    elapsed = 0.0
    lines = stats.read_text(encoding="utf-8", errors="replace").splitlines() if stats.exists() else []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # one that a kill has cut short
            tick = json.loads(line)
            if tick["kimg"] * 1000 <= images + 0.5:
                elapsed = float(tick["elapsed_sec"])
    return elapsed


class Reporter:
    """The voice of one run: the main process has it, the others have a silent one (`run` None)."""

    def __init__(self, run: Path | None) -> None:
        self.run = run
        self.bar: tqdm | None = None
        self._log: TextIO | None = None
        if run is not None:
            self._log = (run / "log.txt").open("a", encoding="utf-8", errors="backslashreplace", buffering=1)

    def say(self, text: str) -> None:
        """A line for the user, and for log.txt."""
        if self._log is None:
            return
        self._log.write(text + "\n")
        try:
            if self.bar is None:
                print(text, flush=True)
            else:
                self.bar.write(text)
        except OSError:
            silence(sys.stdout)

    def start_bar(self, images: int, total: int) -> None:
        """One progress bar where there is a terminal; lines alone do elsewhere."""
        if self._log is not None and sys.stderr.isatty():
            self.bar = tqdm(total=total, initial=min(images, total), unit="img", dynamic_ncols=True, smoothing=0.05)

    def advance(self, images: int) -> None:
        """Move the bar to so many images; the last batch may go beyond its end."""
        if self.bar is not None:
            self.bar.update(min(images, self.bar.total) - self.bar.n)

    def tick(self, stats: Mapping[str, Any]) -> None:
        """A line of progress, and the same in stats.jsonl."""
        if self.run is None:
            return
        append_line(self.run / "stats.jsonl", json.dumps(stats))
        self.say(progress_line(stats))

    def close(self) -> None:
        """End the bar and the log."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
        if self._log is not None:
            self._log.close()


def silence(stream: TextIO) -> None:
    """Send what is written there to nowhere: whoever read it has gone, and log.txt has it all."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def start_trackers(accelerator: Accelerator, config: RunConfig, run: Path) -> None:
    """Start the tracker of --log-with: files in the run folder, or a run of the folder's name elsewhere."""
    tracker = config.options.log_with
    if tracker == "none":
        return
    # Only now, since accelerate wants to know the folder before the tracker.
    accelerator.project_configuration.logging_dir = str(run)
    accelerator.log_with = filter_trackers(tracker, run)
    settings = {name: value for name, value in vars(config.options).items() if isinstance(value, int | float | str)}
    names = {"wandb": {"name": run.name, "dir": str(run)}, "trackio": {"name": run.name}}
    project = tracker if tracker == "tensorboard" else "stylegrow"
    try:
        accelerator.init_trackers(project, config=settings, init_kwargs=names)
    except Exception as error:  # whatever the tracker's own package raises, such as that nobody is logged in
        accelerator.trackers.clear()
        raise InputError(f"--log-with {tracker}: cannot be started ({error}); set it up or leave it out") from error


def track_grid(accelerator: Accelerator, grid: Image.Image, images: int) -> None:
    """Show a snapshot grid in the trackers that take pictures."""
    pixels = np.asarray(grid.convert("RGB"))[None]
    for tracker in accelerator.trackers:
        if hasattr(tracker, "log_images"):
            layout = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
            tracker.log_images({"fakes": pixels}, step=images, **layout)


def statistics(
    images: int,
    stage: Stage,
    shown: int,
    seconds: float,
    elapsed: float,
    left: float,
    means: Mapping[str, float],
    skipped: int,
) -> dict[str, Any]:
    """One line of stats.jsonl: `shown` pictures took `seconds`; `elapsed` since the run's start, `left` to its end."""
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


def progress_line(stats: Mapping[str, Any]) -> str:
    """A line of stats.jsonl for people."""
    parts = [
        f"res {stats['resolution']:<4}",
        f"alpha {stats['alpha']:.2f}",
        f"kimg {stats['kimg']:<8.1f}",
        f"img/s {stats['img_per_sec']:<6.1f}",
        f"sec/kimg {stats['sec_per_kimg'] or 0:<7.2f}",
    ]
    shown = {
        "lossD": "D/loss", "lossG": "G/loss", "W": "D/wasserstein", "JS": "D/jensen_shannon",
        "TV": "D/total_variation", "gradD": "D/gradient", "gradG": "G/gradient",
    }  # fmt: skip
    parts += [f"{title} {stats[name]:<7.3g}" for title, name in shown.items() if name in stats]
    parts.append(f"mem {stats['memory_gb']:.1f} GB")
    parts.append(f"left {duration(stats['left_sec'])}")
    if stats["skipped_steps"]:
        parts.append(f"skipped {stats['skipped_steps']} steps")
    return "  ".join(parts)


def memory_gb() -> float:
    """This process's memory: the peak on a GPU, else what it holds now."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 1e9
    return psutil.Process().memory_info().rss / 1e9


def schedule_table(schedule: Schedule, kimg: float, seconds: Mapping[int, float] | None = None) -> str:
    """The phases of a run, with their forecast duration where seconds an image are known for each resolution."""
    titles = ["from kimg", "to kimg", "resolution", "", "batch", "lr", "steps"]
    rows = []
    for row in schedule.phases(kimg):
        growth = "fade in" if row.fading else "stable"
        cells = [f"{row.start_kimg:g}", f"{row.end_kimg:g}", str(row.resolution), growth]
        rows.append([*cells, str(row.batch), f"{row.lr:g}", str(row.iterations)])
        if seconds is not None:
            rows[-1].append(duration(row.iterations * row.batch * seconds[row.resolution]))
    if seconds is not None:
        titles.append("takes about")
    return "\n".join(text_table([titles, *rows], ">"))


def description(config: RunConfig) -> str:
    """A run's main facts, a line each."""
    options, data = config.options, config.data
    labels = f"labels: {options.cond}, {len(data['classes'])} classes" if data["classes"] else "no labels"
    objective = f"{options.loss}{NORMALISED.get(options.spectral_norm or 'no', '')}"
    lines = [
        f"data: {data['name']}, {data['pictures']} pictures, {len(data['held_out'])} held out, {labels}",
        f"run: preset {options.preset}, {objective}, {options.kimg:g} kimg to {options.resolution} px, "
        f"{config.processes} process{'es' if config.processes > 1 else ''}, precision {options.mixed_precision}",
    ]
    if options.metrics != "none":
        lines.append(
            f"metrics: {options.metrics} every {options.metrics_kimg:g} kimg on {options.metrics_samples} samples"
        )
    if data["credit"]:
        lines.append(f"pictures: {data['credit']}")
    return "\n".join(lines)
