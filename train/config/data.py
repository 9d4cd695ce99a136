"""A run's data: opened, what is recorded of it, and whether it is still the same."""

from __future__ import annotations

from typing import Any, NotRequired

import numpy as np
from pydantic import ConfigDict, PositiveInt, with_config
from typing_extensions import TypedDict

from stylegrow.common.errors import InputError
from stylegrow.common.text import printable
from stylegrow.data import Dataset, open_dataset
from stylegrow.data.dataset import read_names
from stylegrow.models import read_config
from stylegrow.physics.intensity import MIP_ROOT, WHITE
from stylegrow.physics.observables import HIT
from stylegrow.physics.tungsten import CALORIMETER
from train.config.options import Options
from train.config.presets import GPU_FACES

EXAMPLES = 100  # of label vectors, which a model keeps to draw from
SHOWERS = 4000  # images of which the energies are looked at


def open_data(options: Options, quiet: bool, on_gpu: bool = False) -> Dataset:
    """The data set of these options. The embedded faces have 64 px where no resolution is given, and more `on_gpu`."""
    resolution = options.resolution
    if options.init_from and resolution is None:
        resolution = read_config(options.init_from)["generator"]["resolution"]
    if options.data is None and resolution is None and on_gpu:
        resolution = GPU_FACES
    planned = resolution if options.data is None and options.processes is not None else None
    size = None if planned else resolution
    dataset = open_dataset(options.data, resolution=size, cache=options.cache, workers=options.workers, quiet=quiet)
    if planned:
        dataset.resolution = planned  # for which no face need be drawn
    return dataset


def with_labels(options: Options, dataset: Dataset) -> Options:
    """The options with the labels that this data is trained with where none are asked for; "none" asks for none."""
    if options.cond is None and dataset.cond is not None:
        return options.but(cond=dataset.cond)
    return options.but(cond=None) if options.cond == "none" and "none" not in dataset.attributes else options


def check_mirror(options: Options, dataset: Dataset) -> None:
    """InputError for mirrored images of which a label would be wrong."""
    if options.mirror and options.cond in dataset.sided:
        others = [name for name in dataset.attributes if name not in dataset.sided]
        instead = "".join(f", or train with --cond {name}" for name in others[:1])
        raise InputError(
            f"--mirror: a mirror image has another label than --cond {options.cond}; leave it out{instead}"
        )


def holdout_of(options: Options) -> int | list[str] | None:
    """How many images are held out, or the names in the file that lists them. InputError."""
    return read_names(options.holdout) if isinstance(options.holdout, str) else options.holdout


@with_config(ConfigDict(strict=True, extra="forbid"))
class Facts(TypedDict):
    """What a run records of its data, in options.json."""

    name: str
    source: str
    prepared: str
    pictures: PositiveInt
    credit: str | None
    classes: list[str]
    label_values: NotRequired[dict[str, list[Any]] | None]
    transform: NotRequired[str | None]
    held_out: list[str]


def facts_of(dataset: Dataset, options: Options) -> Facts:
    """What a run records of its data. InputError where the data has no such labels as --cond asks for."""
    training, held_out = dataset.split(holdout_of(options))
    classes: list[str] = []
    label_values = None
    if options.cond is not None:
        if options.cond not in dataset.attributes:
            raise InputError(f"--cond {options.cond}: the data has no such labels; {dataset.choices}")
        classes = [printable(name) for name in dataset.classes(options.cond)]
        if dataset.label_kind(options.cond) == "vector":
            label_values = values_of(dataset.labels(options.cond, training))
            if units := dataset.units.get(options.cond):
                label_values["units"] = list(units)
    return {
        "name": dataset.name,
        "source": dataset.source,
        "prepared": str(dataset.path),
        "pictures": len(training),
        "credit": dataset.credit,
        "classes": classes,
        "label_values": label_values,
        "transform": dataset.transform,
        "held_out": [dataset.names[int(index)] for index in held_out],
    }


def values_of(vectors: np.ndarray) -> dict[str, Any]:
    """What config.json tells of label vectors [n, L]: the range of each component, and some of the vectors."""
    some = vectors[np.random.RandomState(0).permutation(len(vectors))[:EXAMPLES]]  # whose numbers never change
    return {"min": decimals(vectors.min(axis=0)), "max": decimals(vectors.max(axis=0)), "examples": decimals(some)}


def decimals(values: np.ndarray) -> list[Any]:
    """Numbers of float32 as Python's that look like them."""
    return [decimals(value) if value.ndim else float(str(value)) for value in values]


def label_arguments(dataset: Dataset, options: Options) -> dict[str, Any]:
    """What networks are told of the labels. InputError for a vector of which a component never varies."""
    arguments: dict[str, Any] = {"label_dim": 0, "label_kind": "none", "label_mean": None, "label_deviation": None}
    if options.cond is None:
        return arguments
    names, kind = dataset.classes(options.cond), dataset.label_kind(options.cond)
    arguments |= {"label_dim": len(names), "label_kind": kind}
    if kind == "classes":
        return arguments
    vectors = dataset.labels(options.cond, dataset.split(holdout_of(options))[0]).astype(np.float64)
    for name, values in zip(names, vectors.T, strict=True):
        if values.min() == values.max():
            raise InputError(
                f"--cond {options.cond}: {printable(name)!r} is {values[0]:g} in the labels of all training images; "
                "leave it out of dataset.json"
            )
    return arguments | {"label_mean": vectors.mean(axis=0).tolist(), "label_deviation": vectors.std(axis=0).tolist()}


def knows_energies(dataset: Dataset, options: Options) -> bool:
    """Whether images are roots of energies in all channels, and trained on with labels that begin with the energy."""
    return dataset.transform == MIP_ROOT.name and options.cond is not None


def least_hit(dataset: Dataset) -> float | None:
    """The least amplitude of a hit in a pixel of a calorimeter's images; None of others."""
    if dataset.transform != MIP_ROOT.name:
        return None
    return float(MIP_ROOT.scales[0].encode(np.array(HIT))) / WHITE * dataset.resolution / CALORIMETER.cells


def sums_arguments(dataset: Dataset, options: Options) -> dict[str, Any]:
    """What networks with --channel-sums are told of the images' energies. InputError where these cannot be energies."""
    if not options.channel_sums:
        return {}
    if options.cond is None or dataset.label_kind(options.cond) != "vector":
        raise InputError("--channel-sums: needs labels that are vectors, energies first; leave it out, or give --cond")
    import torch

    from progan.energies import numbers_of

    training = dataset.split(holdout_of(options))[0]
    some = training[np.random.RandomState(0).permutation(len(training))[:SHOWERS]]
    labels = dataset.labels(options.cond, some).astype(np.float64)
    if labels[:, 0].min() <= 0:
        name = printable(dataset.classes(options.cond)[0])
        raise InputError(f"--channel-sums: {name!r} is {labels[:, 0].min():g} in a label, no energy; leave it out")
    images = torch.from_numpy(dataset.read(some, dataset.resolution)) / 127.5 - 1
    hit = least_hit(dataset)
    numbers = numbers_of(images.double(), torch.from_numpy(labels), hit).numpy()
    known = np.column_stack([np.ones(len(labels)), labels])
    deviation = (numbers - known @ np.linalg.lstsq(known, numbers)[0]).std(axis=0)
    deviation[deviation < 1e-6] = 1.0  # of the share of an image's only channel
    return {"sums_mean": numbers.mean(axis=0).tolist(), "sums_deviation": deviation.tolist(), "hit": hit}
