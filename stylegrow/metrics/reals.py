"""Which real images generators are compared with, how they are read, and real images made worse."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stylegrow.architectures import architecture_of
from stylegrow.common.errors import DataError, InputError
from stylegrow.common.images import colours
from stylegrow.data.sources import TOONHEAD
from stylegrow.metrics.table import METRICS, Kind, check_network
from stylegrow.physics.intensity import MIP_ROOT
from stylegrow.sampling import generation

if TYPE_CHECKING:
    from stylegrow.architectures import Generator
    from stylegrow.data import Dataset

LEAST, DEFAULT_SAMPLES = 20, 2000  # the least are ten splits of two
BATCH = 64
STREAM = 0  # of random numbers
CALLED: dict[Kind, str] = {
    "faces": "the embedded faces",
    "pictures": "pictures",
    "showers": "the embedded showers in a calorimeter (--data calorimeter)",
    "footprints": "footprints",
}


@dataclass(frozen=True)
class Reals:
    """Images of a data set at one resolution.

    `training` and `held_out` are indices of images that training sees or does not; `chosen` and `others` [samples] are
    drawn from the former and have none in common; `mirrored` [of all images] says which are shown mirrored.
    """

    dataset: Dataset
    resolution: int
    training: np.ndarray
    held_out: np.ndarray
    chosen: np.ndarray
    others: np.ndarray
    mirrored: np.ndarray = field(repr=False)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Images [n, C, r, r] (uint8), two channels as `colours`."""
        images = colours(self.dataset.read(indices, self.resolution).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        return np.where(self.mirrored[indices][:, None, None, None], images[..., ::-1], images)

    def batches(self, indices: np.ndarray) -> Iterator[np.ndarray]:
        """The same, some at a time."""
        return (self.read(indices[part]) for part in generation.parts(len(indices), BATCH))


def choose_reals(
    dataset: Dataset,
    resolution: int,
    samples: int | None,
    seed: int = 0,
    mirror: bool = False,
    held_out: Sequence[int] | np.ndarray | None = None,
) -> Reals:
    """Real images, and as many others for the floor. InputError where there are too few, or none of this size."""
    if resolution not in dataset.levels:
        raise InputError(
            f"--data: the images are prepared at {dataset.resolution} px, the model draws {resolution} px; "
            f"prepare them at {resolution} px"
        )
    if held_out is None:
        training, out = dataset.split()
    else:
        out = np.unique(np.asarray(held_out, np.int64))
        training = np.setdiff1d(np.arange(len(dataset)), out)
    most = len(training) // 2
    if most < LEAST:
        raise InputError(
            f"--data: has {len(training)} training images; {2 * LEAST} are the least, half of them for the floor"
        )
    samples = min(DEFAULT_SAMPLES, most) if samples is None else samples
    if not LEAST <= samples <= most:
        why = f"the floor takes as many again, and there are {len(training):,} training images"
        raise InputError(f"--samples {samples}: give a number from {LEAST} to {most:,}; {why}")
    order = np.random.default_rng([seed, STREAM]).permutation(training)
    coins = np.random.RandomState(0).randint(0, 2, len(dataset))  # the same for every seed, since features are cached
    mirrored = coins.astype(bool) if mirror else np.zeros(len(dataset), bool)
    return Reals(dataset, resolution, training, out, order[:samples], order[samples : 2 * samples], mirrored)


def kind_of(dataset: Dataset) -> Kind:
    """What a data set's images are, for the metrics."""
    if dataset.transform is not None:
        return "showers" if dataset.transform == MIP_ROOT.name else "footprints"
    return "faces" if dataset.source == TOONHEAD else "pictures"


def check_data(names: Sequence[str], dataset: Dataset, resolution: int) -> None:
    """InputError for a metric that this data set does not have."""
    for name in names:
        if kind_of(dataset) not in METRICS[name].of:
            theirs = " or ".join(CALLED[kind] for kind in METRICS[name].of)
            raise InputError(f"--metrics {name}: is for {theirs}; leave it out for other data")
        if resolution < (least := METRICS[name].least_resolution):
            raise InputError(f"--metrics {name}: needs images of at least {least} px, not {resolution}; leave it out")


def check_generator(reals: Reals, generator: Generator, cond: str | None, names: Sequence[str]) -> None:
    """InputError where a generator's images or labels are others than the data's, or it lacks what a metric needs."""
    data, channels = reals.dataset, generator.config.image_channels
    architecture = architecture_of(generator)
    check_network(names, architecture.has_styles, not architecture.adversarial)
    if generator.resolution != reals.resolution:
        raise InputError(
            f"--model: draws {generator.resolution} px, the real images have {reals.resolution} px; "
            f"prepare the data at {generator.resolution} px"
        )
    if channels != data.channels:
        raise InputError(f"--model: draws {channels} colour channels, the data has {data.channels}; give other data")
    for name in names:
        if METRICS[name].needs == "showers" and not generator.label_dim:
            raise InputError(f"--metrics {name}: needs a generator that is told the energy; this one takes no labels")
    check_labels(data, generator, cond)


def check_labels(data: Dataset, generator: Generator, cond: str | None) -> None:
    """InputError unless the data's labels `cond` are of the generator's kind and number, where it has any."""
    if not generator.label_dim:
        return
    try:
        classes = None if cond is None else len(data.classes(cond))
    except DataError as error:
        raise InputError(f"--model: was trained on labels that the data does not have ({error})") from error
    if classes is not None and data.label_kind(str(cond)) != (kind := generator.config.label_kind):
        raise InputError(
            f"--model: its labels are of kind {kind}, the data's are not; give the data that it was trained on"
        )
    if classes != generator.label_dim:
        there = "the data's are not known" if classes is None else f"the data's {cond} has {classes}"
        raise InputError(f"--model: takes {generator.label_dim} classes, {there}; give the data that it was trained on")


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Float images [N, C, H, W] under a Gaussian of `sigma` pixels, edges repeated."""
    reach = math.ceil(4 * sigma)
    line = torch.exp(-(torch.arange(-reach, reach + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    line = (line / line.sum()).to(images.dtype)
    x = images.flatten(0, 1)[:, None]
    x = functional.conv2d(functional.pad(x, (0, 0, reach, reach), "replicate"), line[None, None, :, None])
    x = functional.conv2d(functional.pad(x, (reach, reach, 0, 0), "replicate"), line[None, None, None, :])
    return x.reshape(images.shape)


def blurred_images(images: np.ndarray, sigma: float) -> np.ndarray:
    """Images of uint8, blurred likewise."""
    return blurred(torch.tensor(images).float(), sigma).round().clamp(0, 255).to(torch.uint8).numpy()


def noisy_images(images: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Images of uint8 with independent normal noise of `deviation` grey levels."""
    noise = deviation * rng.standard_normal(images.shape, dtype=np.float32)
    return (images + noise).round().clip(0, 255).astype(np.uint8)
