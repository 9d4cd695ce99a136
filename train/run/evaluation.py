"""Metrics while training: of the generator's EMA every so many images, and the best model so far."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegrow.architectures import ARCHITECTURES, architecture_of
from stylegrow.common.errors import InputError, ModelError, RunError
from stylegrow.common.files import append_line, write_whole
from stylegrow.common.system import is_out_of_memory
from stylegrow.common.text import duration, with_deviation
from stylegrow.data import Dataset
from stylegrow.metrics import Result
from stylegrow.metrics.table import DECIDING, check_network
from stylegrow.models import read_config
from stylegrow.rendering.grids import save_png
from stylegrow.sampling.generation import Setting
from train.config.checks import metric_names
from train.config.run_config import RunConfig
from train.config.schedule import Stage, to_images
from train.run.snapshots import Snapshots
from train.run.statistics import read_lines
from train.step.trainer import Trainer

if TYPE_CHECKING:
    from stylegrow.metrics import Evaluator


def check_metrics(config: RunConfig, dataset: Dataset) -> None:
    """InputError where the run's metrics cannot be evaluated on its images."""
    if not (names := metric_names(config.options)):
        return
    from stylegrow.metrics.reals import check_data, choose_reals

    _, held_out = dataset.split(config.holdout)
    architecture = ARCHITECTURES[config.architecture]
    check_network(names, architecture.has_styles, not architecture.adversarial)
    try:
        check_data(names, dataset, dataset.resolution)
        choose_reals(dataset, dataset.resolution, config.options.metrics_samples, held_out=held_out)
    except InputError as error:
        raise InputError(str(error).replace("--samples", "--metrics-samples")) from None


class Evaluation:
    """The metrics of one run, evaluated by its main process, and best/: the model with the best first one.

    Their random numbers come from streams of their own, the same every time, so that training goes on as it would
    without them. best/ holds the best model that was evaluated, also when its line in metric-*.jsonl is dropped because
    the run goes back to a checkpoint before it.
    """

    def __init__(self, snapshots: Snapshots, dataset: Dataset, say: Callable[[str], None]) -> None:
        self.snapshots, self.dataset, self.say = snapshots, dataset, say
        self.config, self.run = snapshots.config, snapshots.run
        self.names = metric_names(self.config.options)
        self.seconds = 0.0  # that the last evaluation took
        self._evaluator: Evaluator | None = None

    def write(self, trainer: Trainer) -> list[Result]:
        """Evaluate at this moment: a line in each metric-NAME.jsonl, one in the log. RunError where it cannot be."""
        began, stage = time.monotonic(), trainer.stage
        results = self.evaluate(trainer, stage)
        moment = {"kimg": trainer.images / 1000, "resolution": stage.resolution, "alpha": stage.alpha}
        for result in results:
            append_line(self.run / f"metric-{result.name}.jsonl", json.dumps(moment | result.to_json()))
            if result.figure is not None:
                save_png(result.figure, self.run / f"{result.name}.png", self.snapshots.credit)
        best = self.keep_best(trainer, stage, results)
        self.seconds = time.monotonic() - began
        where = f"metrics at {moment['kimg']:g} kimg, {stage.resolution} px, alpha {stage.alpha:.2f}"
        self.say(f"{where}: {shown(results)}, took {duration(self.seconds)}{'; the best so far' if best else ''}")
        return results

    def evaluate(self, trainer: Trainer, stage: Stage) -> list[Result]:
        """The results of the generator's EMA at this stage. RunError where there are none."""
        try:
            if self._evaluator is None:
                self.say("metrics: looking at the real pictures first, which takes longer than later evaluations")
                self._evaluator = self.make_evaluator(trainer)
            setting = Setting(noise="random", resolution=stage.resolution, alpha=stage.alpha)
            encoder = None if architecture_of(trainer.generator).adversarial else trainer.discriminator
            return self._evaluator.evaluate(trainer.generator_ema, setting, encoder)
        except (InputError, MemoryError, RuntimeError) as error:
            if not isinstance(error, InputError) and not is_out_of_memory(error):
                raise
            problem = str(error) if isinstance(error, InputError) else "out of memory"
            raise RunError(
                f"metrics at {trainer.images / 1000:g} kimg: {problem}; "
                f"--resume {self.run} --metrics none continues without them"
            ) from error

    def make_evaluator(self, trainer: Trainer) -> Evaluator:
        """The evaluator of generators against the run's own training images."""
        from stylegrow.metrics import Evaluator

        options = self.config.options
        return Evaluator(
            self.dataset,
            self.names,
            options.metrics_samples,
            mirror=options.mirror,
            held_out=self.dataset.split(self.config.holdout)[1],
            cond=options.cond,
            cache=options.cache,
            device=trainer.processes.device,
            quiet=True,
        )

    def keep_best(self, trainer: Trainer, stage: Stage, results: Sequence[Result]) -> bool:
        """Save the model to best/ if the first metric is better than that of the model there; returns whether it is.

        It is also saved if the model there was evaluated otherwise.
        """
        result = next(result for result in results if result.name == DECIDING[self.names[0]])
        facts = {"metric": result.name, "metric_samples": result.samples, "metric_features": result.features}
        facts = {name: fact for name, fact in facts.items() if fact is not None}
        before = facts_of(self.run / "best")
        likewise = all(before.get(name) == fact for name, fact in facts.items())
        best = before.get("metric_value", math.nan)
        improved = result.value > best if result.better == "higher" else result.value < best
        if not math.isfinite(result.value) or (likewise and not improved):
            return False
        facts |= {"metric_value": result.value, "metric_floor": result.floor}
        self.snapshots.save_model(self.run / "best", trainer, stage, **facts)
        return True

    def seconds_left(self, images: int) -> float:
        """How long the evaluations after so many images will take, if each takes as long as the last one did."""
        if not self.seconds:
            return 0.0
        every = max(to_images(self.config.options.metrics_kimg or self.config.images), 1)
        return self.seconds * max(math.ceil(self.config.images / every) - images // every, 0)


def facts_of(best: Path) -> dict[str, Any]:
    """The training facts of the model in best/; nothing where there is none that can be read."""
    try:
        facts = read_config(best)["training"]
    except ModelError:
        return {}
    return facts if isinstance(facts.get("metric_value"), float) else {}


def shown(results: Sequence[Result]) -> str:
    """Results in one line for people, without those of single attributes."""
    whole = [result for result in results if "attribute" not in result.details]
    parts = []
    for result in whole:
        floor = "" if result.floor is None else f" (floor {with_deviation(result.floor, result.floor_deviation)})"
        parts.append(f"{result.name} {with_deviation(result.value, result.deviation)}{floor}")
    return f"{', '.join(parts)}, {whole[0].samples:,} samples"


def forget_after(run: Path, images: int) -> None:
    """Drop the lines of metric-*.jsonl of evaluations after so many images, and any that a kill has cut short."""
    for path in run.glob("metric-*.jsonl"):
        kept = [json.dumps(entry) + "\n" for entry in read_lines(path) if entry["kimg"] <= images / 1000]
        write_whole(path, "".join(kept).encode())
