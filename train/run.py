"""A training run from its plan to its exit status."""

import contextlib
import dataclasses
import importlib.util
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

import zoo
from data import Dataset, open_dataset
from progan import Discriminator, Generator
from train import checkpoints, forecast, reports
from train.draws import Draws
from train.errors import OptionError
from train.feed import Feed
from train.loop import Loop, write_whole, writing
from train.options import Options, PrecisionName
from train.plan import Plan, check_resumed, choose_preset, find_run, make_plan
from train.processes import Processes, fast_bf16
from train.reports import Reporter
from train.snapshots import Snapshots
from train.trainer import Labels, Trainer


def run(architecture: str, options: Options, reparse: Callable[[Options], Options]) -> int:
    """Train as the options say, and return the exit status. `reparse` reads the command line with other defaults.

    OptionError, DataError, ModelError and RunError, in one line, for what cannot be done.
    """
    folder, stored = None, None
    if options.resume is not None:
        folder = find_run(options.resume, options.out)
        stored = Plan.read(folder)
        if stored.architecture != architecture:
            raise OptionError(f"--resume {folder}: is a run of train/{stored.architecture}.py; continue it with that")
        options = reparse(stored.options)
        check_resumed(stored, options)
    check_tracker(options.log_with)
    with Processes(None if options.log_with == "none" else options.log_with) as processes:
        dataset = processes.machine_by_machine(lambda: open_data(options, stored, quiet=not processes.is_main))
        plan, said = processes.on_main(lambda: decide(architecture, options, stored, dataset, processes))
        processes.together(lambda: check_data(plan, dataset))
        if options.dry_run:
            return processes.on_main(lambda: dry_run(plan, processes))
        folder = processes.on_main(lambda: folder or create_run(plan))
        with contextlib.closing(Reporter(folder if processes.is_main else None)) as reporter:
            for line in said:
                reporter.say(line)
            return train(plan, folder, dataset, processes, reporter, resumed=stored is not None)


def decide(
    architecture: str, options: Options, stored: Plan | None, dataset: Dataset, processes: Processes
) -> tuple[Plan, list[str]]:
    """The plan, which is the main process's for all of them, and what there is to say about it."""
    precision, remark = choose_precision(options, stored, dataset, processes)
    if stored is None:
        plan = make_plan(architecture, options, dataset, processes.count, precision)
    else:
        plan = resumed_plan(stored, dataclasses.replace(options, mixed_precision=precision), processes.count)
    return plan, list(remarks(plan, stored, dataset, processes, remark))


def check_data(plan: Plan, dataset: Dataset) -> None:
    """OptionError where the pictures of this machine are not those that the plan was made for."""
    training, held_out = dataset.split(plan.options.holdout)
    there = [dataset.names[int(index)] for index in held_out]
    shape = (dataset.resolution, dataset.channels, len(training), there)
    wanted = (plan.generator["resolution"], plan.generator["image_channels"], plan.data["pictures"])
    if shape != (*wanted, list(plan.data["held_out"])):
        raise OptionError(
            f"{dataset.source}: {len(training)} pictures of {dataset.resolution} px that are not the "
            f"{plan.data['pictures']} of this run; every machine needs the same"
        )


def open_data(options: Options, stored: Plan | None, quiet: bool) -> Dataset:
    """The data set of these options; that of a resumed run as it was prepared, where it is still there."""
    if stored is not None and Path(stored.data["prepared"]).is_dir():
        return open_dataset(stored.data["prepared"], quiet=quiet)
    resolution = options.resolution
    if options.init_from and resolution is None:
        resolution = zoo.read_config(options.init_from)["generator"]["resolution"]
    dataset = open_dataset(
        options.data, resolution=resolution, cache=options.cache, workers=options.workers, quiet=quiet
    )
    if stored is not None and dataset.path.name != Path(stored.data["prepared"]).name:
        raise OptionError(
            f"--resume: the pictures in {dataset.source} have changed since the run began; start a new run"
        )
    return dataset


def choose_precision(
    options: Options, stored: Plan | None, dataset: Dataset, processes: Processes
) -> tuple[PrecisionName, str | None]:
    """The precision to train in, and what there is to say about it."""
    before = stored.options.mixed_precision if stored else None
    given = options.mixed_precision if options.mixed_precision != before else None
    asked: PrecisionName | None = given or processes.launched_precision or before
    if processes.device.type == "mps":
        return "no", "Apple's GPU trains in float32" if asked == "bf16" else None
    if asked is not None:
        return asked, None
    wanted = choose_preset(options, dataset, processes.count).mixed_precision
    return ("bf16" if wanted == "bf16" and fast_bf16(processes.device) else "no"), None


def resumed_plan(stored: Plan, options: Options, processes: int) -> Plan:
    """The stored plan with what may differ. OptionError when the processes cannot share its batches."""
    for resolution, batch in stored.schedule.batch.items():
        if batch % processes:
            raise OptionError(
                f"--resume: the run's batch of {batch} at {resolution} px cannot be shared by {processes} processes; "
                f"start as many as divide it (it was started with {stored.processes})"
            )
    options = dataclasses.replace(options, out=stored.options.out, resume=None, dry_run=False)
    return dataclasses.replace(stored, options=options, processes=processes)


def remarks(
    plan: Plan, stored: Plan | None, dataset: Dataset, processes: Processes, remark: str | None
) -> Iterator[str]:
    """What there is to say before training starts."""
    yield reports.description(plan)
    if remark:
        yield f"note: {remark}"
    if processes.lost_others:
        yield (
            "note: accelerate launch started only this process; for several on a CPU use "
            "torchrun --nproc-per-node N train/progan.py"
        )
    if not plan.data["classes"] and dataset.attributes and plan.data["source"] != "toonhead":
        yield f"note: the data has labels ({', '.join(dataset.attributes)}); --cond trains with them"
    if stored is not None:
        for field in dataclasses.fields(Options):
            before, now = getattr(stored.options, field.name), getattr(plan.options, field.name)
            if before != now:
                yield f"note: {field.name} is now {now}; it was {before}"
        if stored.processes != plan.processes:
            yield f"note: {plan.processes} processes; there were {stored.processes}"


def check_tracker(name: str) -> None:
    """OptionError when the tracker's package is not installed."""
    if name != "none" and importlib.util.find_spec(name) is None:
        raise OptionError(f"--log-with {name}: its package is not installed; pip install {name}")


def dry_run(plan: Plan, processes: Processes) -> int:
    """Print the plan."""
    with torch.device("meta"):
        generator, discriminator = Generator(**plan.generator), Discriminator(**plan.discriminator)
    print(reports.description(plan))
    for name, value in dataclasses.asdict(plan.options).items():
        print(f"  --{name.replace('_', '-')}: {'-' if value is None else value}")
    print(reports.schedule_table(plan.schedule, plan.images / 1000))
    print(f"generator {forecast.parameters(generator):,} parameters, critic {forecast.parameters(discriminator):,}")
    memory = forecast.memory(plan)
    print(
        f"memory of a process, estimated: {sum(memory.values()):.2f} GB ({memory['state']:.2f} networks, "
        f"{memory['activations']:.2f} activations at {plan.options.resolution} px), on {processes.device}"
    )
    return 0


def create_run(plan: Plan) -> Path:
    """A new, numbered run folder with the plan in it. OptionError when it cannot be written."""
    out = Path(plan.options.out).expanduser().absolute()
    words = [plan.architecture, f"{plan.data['name']}{plan.options.resolution}", plan.options.desc]
    name = "-".join(word for word in words if word)
    try:
        out.mkdir(parents=True, exist_ok=True)
        taken = [int(number) for path in out.iterdir() if (number := path.name.split("-")[0]).isdecimal()]
        for following in itertools.count(max(taken, default=-1) + 1):
            folder = out / f"{following:05d}-{name}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            write_whole(folder / "options.json", plan.to_json())
            return folder
    except OSError as error:
        raise OptionError(
            f"--out {plan.options.out}: cannot be written ({error.strerror}); give another folder"
        ) from None
    raise AssertionError


def build(plan: Plan, processes: Processes, dataset: Dataset) -> Trainer:
    """The networks, seeded or taken from a model, and what trains them."""
    assert plan.options.seed is not None
    torch.manual_seed(plan.options.seed)
    generator, discriminator = Generator(**plan.generator), Discriminator(**plan.discriminator)
    if plan.options.init_from:
        generator.load_state_dict(zoo.load_generator(plan.options.init_from).state_dict())
        if zoo.read_config(plan.options.init_from).get("discriminator"):
            discriminator.load_state_dict(zoo.load_discriminator(plan.options.init_from).state_dict())
    training, _ = dataset.split(plan.options.holdout)
    labels = None
    if plan.options.cond is not None:
        labels = Labels(torch.from_numpy(dataset.labels(plan.options.cond)), training)
    draws = Draws(plan.options.seed)
    return Trainer(generator, discriminator, plan.schedule, plan.recipe, draws, processes, labels)


def train(plan: Plan, folder: Path, dataset: Dataset, processes: Processes, reporter: Reporter, resumed: bool) -> int:
    """From the last good checkpoint, or from the start, to the end or to a request to stop."""
    trainer = build(plan, processes, dataset)
    training, _ = dataset.split(plan.options.holdout)
    if resumed:
        found = processes.on_main(lambda: checkpoints.read_newest(folder / "checkpoints", reporter.say))
        if found is not None:
            checkpoints.restore(trainer, found)
        if trainer.images >= plan.images:
            reporter.say(f"{folder} is finished at {trainer.images / 1000:g} kimg; a larger --kimg goes on")
            return 0
    snapshots = Snapshots(folder, plan, trainer.draws, trainer.labels)
    loop = Loop(plan, folder, trainer, snapshots, processes, reporter)
    if processes.is_main:
        with writing(folder):
            write_whole(folder / "options.json", plan.to_json())
            if trainer.images == 0:
                snapshots.write_reals(dataset, training)
        loop.announce()
    feed = Feed(dataset, training, plan.schedule, trainer.draws, processes.rank, processes.count)
    return loop.run(feed)
