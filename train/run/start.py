"""A training run from its options to its exit status."""

from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from stylegrow.architectures import ARCHITECTURES
from stylegrow.common.errors import InputError
from stylegrow.common.paths import check_apart, check_folder
from stylegrow.common.system import keep_freed_memory
from stylegrow.data import Dataset
from train.config.data import open_data, with_labels
from train.config.images import Images
from train.config.init_from import model_for, options_of
from train.config.options import Options
from train.config.presets import choose_preset, preset
from train.config.run_config import RunConfig, make_run_config
from train.distributed.devices import fast_bf16, gpu_memory
from train.distributed.launcher import launched_precision
from train.distributed.processes import Processes
from train.run import checkpoints, folders, provenance
from train.run.descriptions import description, notes_on, show_plan
from train.run.evaluation import Evaluation, check_metrics, forget_after
from train.run.initial_weights import notes_on_model, start_from
from train.run.loop import Loop
from train.run.reporter import Reporter
from train.run.resuming import differences, find_stored, open_again, resumed_config, resumed_options
from train.run.snapshots import Snapshots
from train.run.statistics import Clock, elapsed_at
from train.run.trackers import check_tracker
from train.step.autoencoder import AutoencoderTrainer
from train.step.batch_loader import BatchLoader
from train.step.config import PrecisionName
from train.step.inputs import Labels
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

PLANNED_GPU = 80.0  # GB, of a plan for GPUs where there is none


def run(architecture: str, options: Options) -> tuple[Path | None, int]:
    """Train as the checked options say; returns the run's folder, None after a dry run, and the exit status.

    InputError, DataError, ModelError and RunError, in one line, for what cannot be done.
    """
    keep_freed_memory()
    with Processes() as processes:
        command = provenance.command(architecture, options, processes.count)
        asked = options.given.get("mixed_precision") or launched_precision(processes.launcher)
        options, folder, stored, images = options.but(mixed_precision=asked), None, None, None
        if options.resume is not None:
            folder, stored, images = processes.on_main(lambda: find_stored(architecture, options))
            options = resumed_options(stored, options)
        else:
            processes.on_main(lambda: check_folder(Path(options.out), "--out"))
        check_tracker(options.log_with)
        count, gpu = planned(options, processes)
        dataset = processes.machine_by_machine(
            lambda: (
                open_again(options, stored, images, quiet=not processes.is_main)
                if stored
                else open_data(options, quiet=not processes.is_main, on_gpu=gpu is not None)
            )
        )
        if stored is None:
            processes.on_main(lambda: check_apart(Path(options.out), "--out", dataset.source))
            options = with_labels(options, dataset)
        there = processes.together(lambda: Images.of(dataset, options.cond))
        images = processes.on_main(lambda: images or there)
        notes = processes.gather(lambda: images.check(there, dataset.source))
        config, said = processes.on_main(
            lambda: decide(architecture, options, stored, dataset, processes, command, count, gpu)
        )
        said += [f"note: {note}" for note in dict.fromkeys(chain(*notes))]
        processes.together(lambda: config.check_data(dataset))
        if options.dry_run:
            processes.on_main(lambda: show_plan(config, said, gpu))
            return None, 0
        processes.together(dataset.check_sizes)
        folder = processes.on_main(lambda: folder or create_run(config))
        with ExitStack() as held:
            processes.on_main(lambda: held.enter_context(folders.claim(folder)))
            held.enter_context(folders.writing(folder))
            reporter = held.enter_context(closing(Reporter(folder if processes.is_main else None)))
            for line in said:
                reporter.say(line)
            return folder, train(config, folder, dataset, there, processes, reporter, resumed=stored is not None)


def planned(options: Options, processes: Processes) -> tuple[int, float | None]:
    """How many processes the run is for, and the memory in gigabytes of each one's GPU; None on other devices."""
    gpu = gpu_memory(processes.device)
    return (processes.count, gpu) if options.processes is None else (options.processes, gpu or PLANNED_GPU)


def decide(
    architecture: str,
    options: Options,
    stored: RunConfig | None,
    dataset: Dataset,
    processes: Processes,
    command: str,
    count: int,
    gpu: float | None,
) -> tuple[RunConfig, list[str]]:
    """The configuration, which is the main process's for all of them, and what there is to say about it."""
    fast = fast_bf16(processes.device) or options.processes is not None
    precision, notes = choose_precision(architecture, options, processes.device, fast)
    changes = []
    if stored is None:
        config = make_run_config(architecture, options, dataset, count, precision, gpu)
        config = replace(config, command=command)
        by_model = options_of(model_for(architecture, options), options, dataset.resolution)
        chosen = choose_preset(architecture, options, dataset, count, precision, gpu)
        changes = chosen.changes(options.but(**by_model | options.given), dataset.resolution)
        if chosen.reason:
            changes.insert(0, f"preset {chosen.name}: {chosen.reason}")
        if config.options.batch_per_device != options.batch_per_device:
            changes.append(
                f"--batch-per-device {config.options.batch_per_device}: a GPU of {gpu:.0f} GB has no room for more"
            )
        notes += notes_on_model(config)
    else:
        config = resumed_config(stored, options.but(mixed_precision=precision), dataset, count)
        notes += differences(stored, config)
        learned = ("batch", "lr", "ema_kimg", "ema_rampup")
        changed = {n: options.given[n] for n in learned if getattr(options, n) != getattr(stored.options, n)}
        if changed and config.command:
            again = provenance.command(architecture, Options(**changed), count)
            config = replace(config, command=f"{config.command} && {again} --resume")
    machine = provenance.hardware(processes.device, processes.count)
    config = replace(config, hardware=tuple(dict.fromkeys([*config.hardware, machine])))
    check_metrics(config, dataset)
    notes += notes_on(config, dataset, processes.launcher)
    return config, [description(config), *changes, *(f"note: {note}" for note in notes)]


def choose_precision(
    architecture: str, options: Options, device: torch.device, fast: bool
) -> tuple[PrecisionName, list[str]]:
    """The precision to train in, where bf16 is `fast` or not, and what there is to say about it."""
    asked = options.given.get("mixed_precision")
    if device.type == "mps" and options.processes is None:
        return "no", ["Apple's GPU trains in float32"] if asked == "bf16" else []
    if asked == "tf32" and device.type != "cuda" and options.processes is None:
        return "no", ["tf32 is a precision of NVIDIA's GPUs; this trains in float32"]
    if asked is None and fast:
        # No preset that is chosen where none is named has a precision of its own.
        asked = preset(architecture, options.preset or "small").options.given.get("mixed_precision", "bf16")
    return asked or "no", []


def create_run(config: RunConfig) -> Path:
    """A new run folder with options.json in it. InputError when it cannot be written."""
    words = [config.architecture, f"{config.data['name']}{config.options.resolution}", config.options.desc]
    try:
        folder = folders.create_run(config.options.out, "-".join(word for word in words if word))
        config.write(folder)
    except OSError as error:
        raise InputError(
            f"--out {config.options.out}: cannot be written ({error.strerror}); give another folder"
        ) from None
    return folder


def train(
    config: RunConfig,
    folder: Path,
    dataset: Dataset,
    images: Images,
    processes: Processes,
    reporter: Reporter,
    resumed: bool,
) -> int:
    """From the last good checkpoint, or from the start, to the end or to a request to stop."""
    checkpoint = None
    if resumed:
        checkpoint = processes.on_main(lambda: checkpoints.read_newest(folder / "checkpoints", reporter.say))
        if checkpoint is not None and checkpoint.facts.images >= config.images:
            reporter.say(f"{folder} is finished at {checkpoint.facts.images / 1000:g} kimg; a larger --kimg goes on")
            return 0
    training, held_out = dataset.split(config.holdout)
    trainer = build(config, dataset, training, processes, fresh=checkpoint is None)
    if checkpoint is not None:
        checkpoints.restore(trainer, checkpoint)
    clock = Clock(elapsed_at(folder / "stats.jsonl", trainer.images) if resumed and processes.is_main else 0.0)
    snapshots = Snapshots(folder, config, trainer.inputs.streams, clock, trainer.inputs.labels, dataset, held_out)
    evaluation = Evaluation(snapshots, dataset, reporter.say)
    loop = Loop(config, folder, trainer, snapshots, evaluation, clock, processes, reporter)
    if processes.is_main:
        if resumed:
            forget_after(folder, -1 if checkpoint is None else trainer.images)
        images.write(folder)
        config.write(folder)
        if trainer.images == 0:
            snapshots.write_reals(dataset, training)
        loop.announce()
    loader = BatchLoader(dataset, training, config.schedule, trainer.inputs.streams, processes.rank, processes.count)
    return loop.run(loader)


def build(config: RunConfig, dataset: Dataset, training: np.ndarray, processes: Processes, fresh: bool) -> Trainer:
    """The networks and what trains them; with `fresh`, the networks begin as the model of --init-from, if any."""
    torch.manual_seed(config.options.seed)
    generator, discriminator = config.build()
    if fresh and config.options.init_from:
        start_from(config.options.init_from, generator, discriminator)
    labels = None
    if config.options.cond is not None:
        labels = Labels(torch.from_numpy(dataset.labels(config.options.cond)), training)
    streams = RandomStreams(config.options.seed)
    kind = Trainer if ARCHITECTURES[config.architecture].adversarial else AutoencoderTrainer
    return kind(generator, discriminator, config.schedule, config.step, streams, processes, labels)
