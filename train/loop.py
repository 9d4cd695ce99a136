"""The loop around the training step: when to report, to show, to save and to stop."""

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from train import checkpoints, forecast, reports
from train.errors import RunError
from train.feed import Feed
from train.plan import Plan
from train.processes import Processes
from train.reports import Meter, Reporter, duration
from train.snapshots import Snapshots
from train.trainer import Trainer

SECONDS_A_TICK = 20.0
PATIENCE_WITH_SKIPS = 20  # steps in a row without a finite gradient


class Loop:
    """One run from where its trainer stands to its end, in every process; the main one reports and writes."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        trainer: Trainer,
        snapshots: Snapshots,
        processes: Processes,
        reporter: Reporter,
    ) -> None:
        self.plan, self.folder, self.trainer = plan, folder, trainer
        self.snapshots, self.processes, self.reporter = snapshots, processes, reporter
        self.meter = Meter()
        self.seconds: dict[int, float] = {}
        self.started = self.ticked = time.monotonic()
        self.ticked_images = trainer.images

    def announce(self) -> None:
        """Say what is to come and how long it will take, which is measured first."""
        trainer, plan = self.trainer, self.plan
        self.reporter.say(f"{self.folder}: from {trainer.images / 1000:g} kimg; measuring this machine ...")
        self.seconds = forecast.seconds_per_image(plan, self.processes.device)
        left = forecast.seconds_left(plan.schedule, trainer.images, plan.images, self.seconds)
        self.reporter.say(reports.schedule_table(plan.schedule, plan.images / 1000, self.seconds))
        self.reporter.say(f"this will take about {duration(left)}; Ctrl-C stops it, --resume continues it")
        self.reporter.say(reports.LEGEND)
        if self.processes.accelerator.log_with:
            settings = {
                name: value for name, value in vars(plan.options).items() if isinstance(value, int | float | str)
            }
            self.processes.accelerator.project_configuration.set_directories(str(self.folder))
            self.processes.accelerator.init_trackers(self.folder.name, config=settings)

    def run(self, feed: Feed) -> int:
        """Train to the end of the plan, or until a stop is asked for; returns the exit status."""
        trainer, every = self.trainer, self.plan.options
        assert every.snapshot_kimg is not None
        assert every.checkpoint_kimg is not None
        self.processes.stop.defer()
        if trainer.images == 0:
            self.show()
        batches = feed.batches(trainer.images, pin=self.processes.device.type == "cuda")
        self.reporter.start_bar(trainer.images, self.plan.images)
        self.started = self.ticked = time.monotonic()
        stop = None
        while trainer.images < self.plan.images and stop is None:
            before, phase = trainer.images, trainer.phase
            self.meter.add(self.step(itertools.islice(batches, every.n_critic)))
            self.reporter.advance(trainer.images - before)
            stop = self.processes.stop_status()
            ended = trainer.images >= self.plan.images
            if time.monotonic() - self.ticked > SECONDS_A_TICK or trainer.phase != phase or ended or stop is not None:
                self.tick()
            if ended or crossed(before, trainer.images, every.snapshot_kimg):
                self.show()
            if ended or stop is not None or crossed(before, trainer.images, every.checkpoint_kimg):
                self.save()
        self.finish(stop)
        return stop or 0

    def step(self, batches: Iterator) -> dict[str, Tensor]:
        """One step. RunError where it cannot go on: out of memory, or no finite gradient for many steps."""
        trainer = self.trainer
        try:
            measured = trainer.step(batches)
        except torch.OutOfMemoryError as error:
            stage = trainer.schedule.at(trainer.images)
            share = max(stage.batch // self.processes.count // 2, 1)
            raise RunError(
                f"out of memory at {stage.resolution} px with a batch of {stage.batch}: continue with --resume and "
                f"--batch-per-device {min(share, (self.plan.options.batch_per_device or share + 1) - 1) or 1}"
            ) from error
        if trainer.skipped_in_a_row >= PATIENCE_WITH_SKIPS:
            raise RunError(
                f"gradients were not finite for {PATIENCE_WITH_SKIPS} steps up to {trainer.images / 1000:g} kimg; "
                "continue with --resume --mixed-precision no, or start a run with a lower --lr"
            )
        return measured

    def tick(self) -> None:
        """A line of progress, with the means since the last one."""
        means = self.meter.take()
        now, trainer = time.monotonic(), self.trainer
        shown, seconds = trainer.images - self.ticked_images, now - self.ticked
        self.ticked, self.ticked_images = now, trainer.images
        if not self.processes.is_main:
            return
        stage = trainer.schedule.at(max(trainer.images - 1, 0))
        if seconds > 1:
            self.seconds[stage.resolution] = seconds / max(shown, 1)
        left = forecast.seconds_left(trainer.schedule, trainer.images, self.plan.images, self.seconds)
        stats = reports.statistics(
            trainer.images, stage, shown, seconds, now - self.started, left, means, trainer.skipped
        )
        with writing(self.folder):
            self.reporter.tick(stats)
        self.processes.accelerator.log({**means, "resolution": stage.resolution, "alpha": stage.alpha}, trainer.images)

    def show(self) -> None:
        """A snapshot, on the main process."""
        if self.processes.is_main:
            with writing(self.folder):
                self.snapshots.write(self.trainer)

    def save(self) -> None:
        """A checkpoint, on the main process."""
        if self.processes.is_main:
            with writing(self.folder):
                checkpoints.save(self.folder / "checkpoints", self.trainer, self.plan.options.keep)

    def finish(self, stop: int | None) -> None:
        """The last line."""
        kimg, took = self.trainer.images / 1000, duration(time.monotonic() - self.started)
        if stop is None:
            self.reporter.say(f"finished {kimg:g} kimg in {took}: {self.folder / 'model'} holds the model")
        else:
            self.reporter.say(f"stopped at {kimg:g} kimg, all is saved; --resume {self.folder} continues")


def crossed(before: int, after: int, kimg: float) -> bool:
    """Whether a multiple of so many thousand images lies in (before, after]."""
    images = max(round(kimg * 1000), 1)
    return before // images != after // images


def write_whole(path: Path, text: str) -> None:
    """Replace a file at once."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns a failure to write into one line that says what is still whole."""
    try:
        yield
    except OSError as error:
        good = next(iter(checkpoints.checkpoints_in(folder / "checkpoints")), None)
        saved = f"{good} is whole" if good else "no checkpoint was written yet"
        where = error.filename or folder
        raise RunError(f"{where}: cannot be written ({error.strerror}); {saved}; make room and use --resume") from error
