"""A training run from its plan to its exit status."""

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from stylegrow.common.errors import InputError
from stylegrow.common.files import write_whole
from stylegrow.data import Dataset, open_dataset
from stylegrow.data.dataset import is_prepared
from stylegrow.models import load_discriminator, load_generator, read_config
from train.config.options import Options, PrecisionName, flag, shown
from train.config.run_config import (
    RunConfig,
    check_resumed,
    choose_preset,
    differences,
    make_run_config,
    resumed_config,
)
from train.config.schedule import to_images
from train.distributed.devices import fast_bf16
from train.distributed.launcher import launched_precision, lost_processes
from train.distributed.processes import Processes
from train.run import checkpoints, estimates, folders, provenance
from train.run.descriptions import description, schedule_table
from train.run.evaluation import Evaluation, check_metrics, forget_after
from train.run.loop import Loop
from train.run.reporter import Reporter
from train.run.snapshots import Snapshots
from train.run.statistics import Clock, elapsed_at
from train.run.trackers import check_tracker
from train.step import constraints
from train.step.batch_loader import BatchLoader
from train.step.inputs import Labels
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer


def run(architecture: str, options: Options, reparse: Callable[[Options], Options]) -> int:
    """Train as the options say, and return the exit status. `reparse` reads the command line with other defaults.

    InputError, DataError, ModelError and RunError, in one line, for what cannot be done.
    """
    with Processes() as processes:
        folder, stored = None, None
        if options.resume is not None:
            folder, stored = processes.on_main(lambda: find_stored(architecture, options))
            # Without its precision: how this training was launched may decide it anew.
            options = reparse(replace(stored.options, mixed_precision=None))
            check_resumed(stored, options)
        else:
            processes.on_main(lambda: folders.check_writable(options.out))
        check_tracker(options.log_with)
        options = replace(options, mixed_precision=options.mixed_precision or launched_precision(processes.launcher))
        dataset = processes.machine_by_machine(lambda: open_data(options, stored, quiet=not processes.is_main))
        config, said = processes.on_main(lambda: decide(architecture, options, stored, dataset, processes))
        processes.together(lambda: check_data(config, dataset))
        if options.dry_run:
            return processes.on_main(lambda: dry_run(config, said, processes))
        folder = processes.on_main(lambda: folder or create_run(config))
        with ExitStack() as held:
            processes.on_main(lambda: held.enter_context(folders.claim(folder)))
            held.enter_context(folders.writing(folder))
            reporter = held.enter_context(closing(Reporter(folder if processes.is_main else None)))
            for line in said:
                reporter.say(line)
            return train(config, folder, dataset, processes, reporter, resumed=stored is not None)


def find_stored(architecture: str, options: Options) -> tuple[Path, RunConfig]:
    """The run folder that --resume means, and the plan in it."""
    assert options.resume is not None
    folder = folders.find_run(options.resume, options.out)
    stored = RunConfig.read(folder)
    if stored.architecture != architecture:
        raise InputError(f"--resume {folder}: is a run of train/{stored.architecture}.py; continue it with that")
    return folder, stored


def open_data(options: Options, stored: RunConfig | None, quiet: bool) -> Dataset:
    """The data set of these options; that of a resumed run as it was prepared, where it is still there."""
    if stored is not None and is_prepared(Path(stored.data["prepared"])):
        return open_dataset(stored.data["prepared"], resolution=options.resolution, quiet=quiet)
    resolution = options.resolution
    if options.init_from and resolution is None:
        resolution = read_config(options.init_from)["generator"]["resolution"]
    dataset = open_dataset(
        options.data, resolution=resolution, cache=options.cache, workers=options.workers, quiet=quiet
    )
    if stored is not None and dataset.path.name != Path(stored.data["prepared"]).name:
        raise InputError(
            f"--resume: the pictures in {dataset.source} have changed since the run began; start a new run"
        )
    return dataset


def decide(
    architecture: str, options: Options, stored: RunConfig | None, dataset: Dataset, processes: Processes
) -> tuple[RunConfig, list[str]]:
    """The plan, which is the main process's for all of them, and what there is to say about it."""
    precision, remark = choose_precision(architecture, options, stored, dataset, processes)
    if stored is None:
        config = make_run_config(architecture, options, dataset, processes.count, precision)
        config = replace(config, command=provenance.command(architecture, sys.argv[1:], processes.count))
    else:
        config = resumed_config(stored, replace(options, mixed_precision=precision), processes.count)
    machine = provenance.hardware(processes.device, processes.count)
    config = replace(config, hardware=tuple(dict.fromkeys([*config.hardware, machine])))
    check_metrics(config, dataset)
    notes = [*([remark] if remark else []), *notes_on(config, dataset, processes)]
    if stored is not None:
        notes += differences(stored, config)
    return config, [description(config), *(f"note: {note}" for note in notes)]


def choose_precision(
    architecture: str, options: Options, stored: RunConfig | None, dataset: Dataset, processes: Processes
) -> tuple[PrecisionName, str | None]:
    """The precision to train in, and what there is to say about it."""
    before = stored.options.mixed_precision if stored else None
    asked: PrecisionName | None = options.mixed_precision or before
    if processes.device.type == "mps":
        return "no", "Apple's GPU trains in float32" if asked == "bf16" else None
    if asked is not None:
        return asked, None
    wanted = choose_preset(architecture, options, dataset, processes.count).mixed_precision
    return ("bf16" if wanted == "bf16" and fast_bf16(processes.device) else "no"), None


def notes_on(config: RunConfig, dataset: Dataset, processes: Processes) -> Iterator[str]:
    """What a user may not expect."""
    if lost_processes(processes.launcher):
        yield (
            "accelerate launch started only this process; for several on a CPU use "
            f"torchrun --nproc-per-node N train/{config.architecture}.py"
        )
    if not config.data["classes"] and dataset.attributes and config.data["source"] != "toonhead":
        yield f"the data has labels ({', '.join(dataset.attributes)}); --cond trains with them"
    if config.images < to_images(config.schedule.growing_kimg):
        # Half the run to grow, half at full resolution, as in the presets.
        length = config.images / 1000 / len(config.schedule.phases(config.schedule.growing_kimg)) / 2
        yield (
            f"{config.images / 1000:g} kimg end at {config.schedule.at(config.images).resolution} px; "
            f"--stable-kimg {length:.3g} --fade-kimg {length:.3g} would reach {config.options.resolution} px"
        )


def check_data(config: RunConfig, dataset: Dataset) -> None:
    """InputError where the pictures of this machine are not those that the plan was made for."""
    training, held_out = dataset.split(config.options.holdout)
    there = [dataset.names[int(index)] for index in held_out]
    shape = (dataset.resolution, dataset.channels, len(training), there)
    wanted = (config.generator["resolution"], config.generator["image_channels"], config.data["pictures"])
    if shape != (*wanted, list(config.data["held_out"])):
        raise InputError(
            f"{dataset.source}: {len(training)} pictures of {dataset.resolution} px that are not the "
            f"{config.data['pictures']} of this run; every machine needs the same"
        )


def dry_run(config: RunConfig, said: list[str], processes: Processes) -> int:
    """Print the plan."""
    with torch.device("meta"):
        generator, discriminator = config.build()
    for line in said:
        print(line)
    for name, value in dataclasses.asdict(config.options).items():
        print(f"  {flag(name)}: {'-' if value is None else shown(value)}")
    print(schedule_table(config.schedule, config.images / 1000))
    print(f"generator {estimates.parameters(generator):,} parameters, critic {estimates.parameters(discriminator):,}")
    memory = estimates.memory(config)
    print(
        f"memory of a process, estimated: {sum(memory.values()):.2f} GB ({memory['networks']:.2f} networks, "
        f"{memory['activations']:.2f} activations at {config.options.resolution} px), on {processes.device}"
    )
    return 0


def create_run(config: RunConfig) -> Path:
    """A new run folder with the plan in it. InputError when it cannot be written."""
    words = [config.architecture, f"{config.data['name']}{config.options.resolution}", config.options.desc]
    try:
        folder = folders.create_run(config.options.out, "-".join(word for word in words if word))
        write_whole(folder / "options.json", config.to_json().encode())
    except OSError as error:
        raise InputError(
            f"--out {config.options.out}: cannot be written ({error.strerror}); give another folder"
        ) from None
    return folder


def train(
    config: RunConfig, folder: Path, dataset: Dataset, processes: Processes, reporter: Reporter, resumed: bool
) -> int:
    """From the last good checkpoint, or from the start, to the end or to a request to stop."""
    checkpoint = None
    if resumed:
        checkpoint = processes.on_main(lambda: checkpoints.read_newest(folder / "checkpoints", reporter.say))
        if checkpoint is not None and checkpoint.facts.images >= config.images:
            reporter.say(f"{folder} is finished at {checkpoint.facts.images / 1000:g} kimg; a larger --kimg goes on")
            return 0
    training, _ = dataset.split(config.options.holdout)
    trainer = build(config, dataset, training, processes, fresh=checkpoint is None)
    if checkpoint is not None:
        checkpoints.restore(trainer, checkpoint)
    clock = Clock(elapsed_at(folder / "stats.jsonl", trainer.images) if resumed and processes.is_main else 0.0)
    snapshots = Snapshots(folder, config, trainer.inputs.streams, clock, trainer.inputs.labels)
    evaluation = Evaluation(snapshots, dataset, reporter.say)
    loop = Loop(config, folder, trainer, snapshots, evaluation, clock, processes, reporter)
    if processes.is_main:
        if resumed:
            forget_after(folder, -1 if checkpoint is None else trainer.images)
        write_whole(folder / "options.json", config.to_json().encode())
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
        constraints.copy_weights(load_generator(config.options.init_from), generator)
        if read_config(config.options.init_from).get("discriminator"):
            constraints.copy_weights(load_discriminator(config.options.init_from), discriminator)
    labels = None
    if config.options.cond is not None:
        labels = Labels(torch.from_numpy(dataset.labels(config.options.cond)), training)
    streams = RandomStreams(config.options.seed)
    return Trainer(generator, discriminator, config.schedule, config.step, streams, processes, labels)
