"""A run that goes on: what may differ from how it was started, and what does."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from stylegrow.common.errors import InputError
from stylegrow.common.text import printable
from stylegrow.data import Dataset, open_dataset
from stylegrow.data.dataset import is_prepared
from train.config.data import Facts
from train.config.fields import as_given, flag, shown
from train.config.images import Images
from train.config.options import ABOUT, Options
from train.config.run_config import RunConfig, check_batch, with_decay, with_metrics
from train.run.folders import find_run


def find_stored(architecture: str, options: Options) -> tuple[Path, RunConfig, Images | None]:
    """The run folder that --resume means, the configuration in it, and its images where it tells of them."""
    assert options.resume is not None
    folder = find_run(options.resume, options.out)
    stored = RunConfig.read(folder)
    if stored.architecture != architecture:
        program = f"train/{stored.architecture}.py, which make train runs with NETWORK={stored.architecture}"
        raise InputError(f"--resume {folder}: is a run of {program}; continue it with that")
    return folder, stored, Images.read(folder)


def open_again(options: Options, stored: RunConfig, images: Images | None, quiet: bool) -> Dataset:
    """The data set of a resumed run as it was prepared, where it is still there and is not to lie elsewhere now.

    Else it is prepared as before; `images` tells how.
    """
    prepared = stored.data["prepared"]
    moved = [options.data, options.cache] != [stored.options.data, stored.options.cache]
    if options.data is not None and is_prepared(options.data):
        prepared, moved = options.data, False
    if not moved and is_prepared(prepared):
        return open_dataset(prepared, resolution=options.resolution, quiet=quiet)
    settings: Any = images.settings if images else {"resolution": options.resolution}
    shower = stored.data.get("transform") is not None
    channels: Any = "auto" if shower else {1: "grey", 3: "rgb"}[stored.generator.image_channels]
    settings = {**settings, "channels": channels, "cache": options.cache, "workers": options.workers}
    dataset = open_dataset(options.data, **settings, quiet=quiet)
    return Dataset(dataset.path, options.resolution, dataset.source)


def resumed_options(stored: RunConfig, asked: Options) -> Options:
    """The run's options with those given now. InputError for one in which it may not differ, with both values."""
    for name, value in asked.given.items():
        before = getattr(stored.options, name)
        if value != before and not ABOUT[name].resumable:
            started = f"without {flag(name)}" if before is None else f"with {as_given(name, before)}"
            raise InputError(
                f"{as_given(name, value)}: the run was started {started}; leave the option out, or start a new run"
            )
    return stored.options.but(**asked.given)


def resumed_config(stored: RunConfig, options: Options, dataset: Dataset, processes: int) -> RunConfig:
    """The stored configuration with what differs. InputError where processes cannot share its batches."""
    schedule = with_decay(stored.schedule, options)
    if options.batch is not None and options.batch != stored.options.batch:
        check_batch(options, processes)
        schedule = replace(schedule, batch=dict.fromkeys(schedule.batch, options.batch))
    if options.lr is not None and options.lr != stored.options.lr:
        schedule = replace(schedule, lr=dict.fromkeys(schedule.lr, options.lr))
    for resolution, batch in schedule.batch.items():
        if batch % processes:
            raise InputError(
                f"--resume: the run's batch of {batch} at {resolution} px cannot be shared by {processes} processes; "
                f"start as many as divide it (it was started with {stored.processes})"
            )
    options = with_metrics(
        options.but(out=stored.options.out, resume=None, dry_run=None, processes=None), stored.data["pictures"]
    )
    data: Facts = {**stored.data, "source": dataset.source, "prepared": str(dataset.path)}
    return replace(stored, options=options, schedule=schedule, data=data, processes=processes).checked()


def differences(stored: RunConfig, config: RunConfig) -> list[str]:
    """What a resumed run does differently from here on, a line each."""
    lines = []
    for field in fields(Options):
        before, now = getattr(stored.options, field.name), getattr(config.options, field.name)
        if before != now and field.name != "data":
            was = "not given" if before is None else shown(before)
            lines.append(f"{flag(field.name)} is now {shown(now)}; it was {was}")
    for before, now, what in (
        (stored.data["source"], config.data["source"], "the images are"),
        (stored.data["prepared"], config.data["prepared"], "prepared images are"),
    ):
        if before != now:
            lines.append(f"{what} now in {printable(now)}; they were in {printable(before)}")
    if stored.processes != config.processes:
        lines.append(f"{config.processes} processes; there were {stored.processes}")
    return lines
