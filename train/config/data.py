"""A run's data: opened, what is recorded of it, and whether it is still the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegrow.common.errors import InputError
from stylegrow.common.text import printable
from stylegrow.data import Dataset, open_dataset
from stylegrow.data.dataset import is_prepared
from stylegrow.models import read_config
from train.config.options import Options

if TYPE_CHECKING:
    from train.config.run_config import RunConfig


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


def facts_of(dataset: Dataset, options: Options) -> dict[str, Any]:
    """What a run records of its data. InputError where the data has no such labels as --cond asks for."""
    training, held_out = dataset.split(options.holdout)
    classes: list[str] = []
    if options.cond is not None:
        if options.cond not in dataset.attributes:
            raise InputError(f"--cond {options.cond}: the data has no such labels; {dataset.choices}")
        classes = [printable(name) for name in dataset.classes(options.cond)]
    return {
        "name": dataset.name,
        "source": dataset.source,
        "prepared": str(dataset.path),
        "pictures": len(training),
        "credit": dataset.credit,
        "classes": classes,
        "held_out": [dataset.names[int(index)] for index in held_out],
    }


def check_data(config: RunConfig, dataset: Dataset) -> None:
    """InputError where the pictures of this machine are not those that the run is for."""
    training, held_out = dataset.split(config.options.holdout)
    there = [dataset.names[int(index)] for index in held_out]
    shape = (dataset.resolution, dataset.channels, len(training), there)
    wanted = (config.generator.resolution, config.generator.image_channels, config.data["pictures"])
    if shape != (*wanted, list(config.data["held_out"])):
        raise InputError(
            f"{dataset.source}: {len(training)} pictures of {dataset.resolution} px that are not the "
            f"{config.data['pictures']} of this run; every machine needs the same"
        )
