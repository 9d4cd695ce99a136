"""The loop around the training step: when to report, to evaluate, to save and to stop."""

import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor

from stylegrow.common.errors import RunError
from stylegrow.common.system import is_out_of_memory
from stylegrow.common.text import duration
from train.config import memory
from train.config.run_config import RunConfig
from train.config.schedule import Stage, to_images
from train.distributed.processes import Processes
from train.run import checkpoints, estimates
from train.run.descriptions import schedule_table
from train.run.evaluation import Evaluation
from train.run.reporter import LEGEND, Reporter
from train.run.snapshots import Snapshots
from train.run.statistics import Clock, Meter, progress
from train.run.trackers import start_trackers, track_grid
from train.step.batch_loader import Batch, BatchLoader
from train.step.graphs import EAGER_CALLS
from train.step.trainer import Trainer

SECONDS_A_TICK = 20.0
SECONDS_TO_FORECAST = 1.0
PATIENCE_WITH_SKIPS = 20  # steps in a row without a finite gradient


class Loop:
    """One run from where its trainer stands to its end, in every process; the main one reports and writes."""

    def __init__(
        self,
        config: RunConfig,
        folder: Path,
        trainer: Trainer,
        snapshots: Snapshots,
        evaluation: Evaluation,
        clock: Clock,
        processes: Processes,
        reporter: Reporter,
    ) -> None:
        self.config, self.folder, self.trainer = config, folder, trainer
        self.snapshots, self.evaluation = snapshots, evaluation
        self.clock, self.processes, self.reporter = clock, processes, reporter
        trainer.graphs.say = reporter.say
        if trainer.slower_since:
            reporter.say(f"note: steps are slower, since Triton's kernels do not work here: {trainer.slower_since}")
        self.meter = Meter()
        self.seconds: dict[int, float] = {}  # a real image takes at the resolutions up to now
        self.steps = 0  # in this phase
        self.warm_up = EAGER_CALLS + 1 if trainer.graphs.enabled else 1
        self.started = self.ticked = time.monotonic()
        self.ticked_images = trainer.images

    def announce(self) -> None:
        """Report the schedule, and start the trackers."""
        self.reporter.say(
            f"{self.folder}: from {self.trainer.images / 1000:g} kimg; Ctrl-C stops it, --resume continues it"
        )
        self.reporter.say(schedule_table(self.config))
        self.reporter.say(LEGEND)
        start_trackers(self.processes.accelerator, self.config, self.folder)

    def run(self, loader: BatchLoader) -> int:
        """Train to the end of the run, or until a stop is requested; returns the exit status."""
        self.processes.stop.defer()
        if self.trainer.images == 0:
            self.snapshot()
            self.evaluate()  # now, so that what prevents it is known before hours of training
        self.reporter.start_bar(self.trainer.images, self.config.images)
        self.started = self.ticked = time.monotonic()
        self.clock.start()
        with closing(loader.batches(self.trainer.images, pin=self.processes.device.type == "cuda")) as batches:
            stop = self.train(batches)
        self.finish(stop)
        return stop or 0

    def train(self, batches: Iterator[Batch]) -> int | None:
        """Step after step, with all that is due in between; returns the exit status of a stop, None at the end."""
        trainer, every = self.trainer, self.config.options
        stop = None
        while trainer.images < self.config.images and stop is None:
            before, stage = trainer.images, trainer.schedule.at(trainer.images)
            if self.steps == self.warm_up:
                self.begin_tick()  # at the rate of what follows
            self.meter.add(self.step(itertools.islice(batches, every.n_critic)))
            self.reporter.advance(trainer.images)
            stop = self.processes.stop_status()
            ended = trainer.images >= self.config.images
            new_phase = trainer.schedule.at(trainer.images).phase != stage.phase
            self.steps = 0 if new_phase else self.steps + 1
            passed = time.monotonic() - self.ticked
            if ended or stop is not None or new_phase or passed > SECONDS_A_TICK:
                self.tick(stage)
            elif not self.seconds and self.steps > self.warm_up and passed > SECONDS_TO_FORECAST:
                self.forecast(stage)
            if ended or crossed(before, trainer.images, every.snapshot_kimg):
                self.snapshot()
            # Not where a stop is requested, since it takes long.
            if stop is None and (ended or crossed(before, trainer.images, every.metrics_kimg)):
                self.evaluate()
            # Last, so that a run whose last checkpoint is there has its last model and metrics too.
            if ended or stop is not None or crossed(before, trainer.images, every.checkpoint_kimg):
                self.save()
        return stop

    def step(self, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """One step. RunError where it cannot go on: out of memory, or no finite gradient for many steps."""
        trainer = self.trainer
        try:
            statistics = trainer.step(batches)
            if self.processes.device.type == "cpu":
                self.check_skipped()  # which on a GPU waits for it: there at each tick
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            resolution = trainer.schedule.at(trainer.images).resolution
            raise RunError(
                f"out of memory at {resolution} px with {self.config.at_once(resolution)} pictures at once; "
                f"{estimates.less_memory(self.config, resolution)}"
            ) from error
        return statistics

    def check_skipped(self) -> None:
        """RunError where gradients have not been finite for many steps."""
        if self.trainer.skipped_in_a_row >= PATIENCE_WITH_SKIPS:
            precision = self.config.options.mixed_precision
            advice = "" if precision == "no" else "--mixed-precision no or "
            raise RunError(
                f"gradients were not finite for {PATIENCE_WITH_SKIPS} steps up to {self.trainer.images / 1000:g} kimg; "
                f"continue with --resume and {advice}a lower --lr"
            )

    def begin_tick(self) -> None:
        """Time what follows, after all that a GPU still has to do."""
        if self.processes.device.type == "cuda":
            torch.cuda.synchronize()
        self.ticked, self.ticked_images = time.monotonic(), self.trainer.images

    def tick(self, stage: Stage) -> None:
        """A line of progress, with the means since the last one, all of this stage."""
        self.check_skipped()
        means, trainer = self.meter.take(), self.trainer
        shown, seconds = self.measure(stage)
        self.begin_tick()
        if not self.processes.is_main:
            return
        left, elapsed = self.seconds_left(), self.clock.seconds
        self.reporter.tick(progress(trainer.images, stage, shown, seconds, elapsed, left, means, trainer.skipped))
        self.processes.accelerator.log({**means, "resolution": stage.resolution, "alpha": stage.alpha}, trainer.images)

    def measure(self, stage: Stage) -> tuple[int, float]:
        """How many reals were shown since the tick began, and in how many seconds; the forecast goes by these."""
        shown, seconds = self.trainer.images - self.ticked_images, time.monotonic() - self.ticked
        if seconds > 1 or stage.resolution not in self.seconds:
            self.seconds[stage.resolution] = seconds / max(shown, 1)
        return shown, seconds

    def forecast(self, stage: Stage) -> None:
        """Report how long the run will take, before the first line of progress does."""
        if self.processes.device.type == "cuda":
            torch.cuda.synchronize()
        self.measure(stage)
        if self.processes.is_main:
            left = duration(self.seconds_left())
            self.reporter.say(f"by its first steps this will take about {left}, which larger resolutions make surer")

    def seconds_left(self) -> float:
        """The estimate for the rest of the run."""
        config, images = self.config, self.trainer.images
        width = config.options.fmap_base, config.options.fmap_max
        outputs = {r: memory.outputs(config.architecture, *width, r) for r in config.schedule.batch}
        seconds = estimates.seconds_per_image(self.seconds, config.schedule, outputs)
        left = estimates.seconds_left(config.schedule, images, config.images, seconds)
        return left + self.evaluation.seconds_left(images)

    def snapshot(self) -> None:
        """A snapshot, on the main process."""
        if self.processes.is_main:
            grid = self.snapshots.write(self.trainer)
            track_grid(self.processes.accelerator, grid, self.trainer.images)

    def evaluate(self) -> None:
        """The metrics, if there are any, on the main process; the others wait however long it takes."""
        if not self.evaluation.names:
            return
        began = time.monotonic()

        def write() -> None:
            results = self.evaluation.write(self.trainer)
            values = {f"metrics/{result.name}": result.value for result in results}
            self.processes.accelerator.log(values, self.trainer.images)

        self.processes.on_main(write)
        self.ticked += time.monotonic() - began  # which training did not take

    def save(self) -> None:
        """A checkpoint, on the main process."""
        if self.processes.is_main:
            checkpoints.save(self.folder / "checkpoints", self.trainer, self.config.options.keep)

    def finish(self, stop: int | None) -> None:
        """The last line."""
        kimg, took = self.trainer.images / 1000, duration(time.monotonic() - self.started)
        if stop is None:
            self.reporter.say(f"finished {kimg:g} kimg in {took}: {self.folder / 'model'} holds the model")
        else:
            self.reporter.say(f"stopped at {kimg:g} kimg, all is saved; --resume {self.folder} continues")


def crossed(before: int, after: int, kimg: float | None) -> bool:
    """Whether a multiple of so many thousand images lies in (before, after]; None stands for never."""
    if kimg is None:
        return False
    images = max(to_images(kimg), 1)
    return before // images != after // images
