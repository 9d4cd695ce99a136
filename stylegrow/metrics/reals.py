"""Which real pictures are looked at, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from stylegrow.common.errors import DataError, InputError
from stylegrow.metrics import msssim, swd
from stylegrow.sampling import drawing

if TYPE_CHECKING:
    from stylegrow.data import Dataset

LEAST, DEFAULT_SAMPLES = 20, 2000  # the least are ten splits of two
BATCH = 64
STREAM = 0  # of chance
LEAST_RESOLUTION = {"swd": swd.LOWEST, "msssim": msssim.LOWEST}


@dataclass(frozen=True)
class Reals:
    """Pictures of a data set at one resolution.

    `training` and `held_out` are indices of pictures that training sees or does not; `chosen` and `others` [samples]
    are drawn from the former and have none in common; `mirrored` [of all pictures] says which are shown mirrored.
    """

    dataset: Dataset
    resolution: int
    training: np.ndarray
    held_out: np.ndarray
    chosen: np.ndarray
    others: np.ndarray
    mirrored: np.ndarray = field(repr=False)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Pictures [n, C, r, r] (uint8)."""
        images = self.dataset.read(indices, self.resolution)
        return np.where(self.mirrored[indices][:, None, None, None], images[..., ::-1], images)

    def batches(self, indices: np.ndarray) -> Iterator[np.ndarray]:
        """The same, some at a time."""
        return (self.read(indices[part]) for part in drawing.parts(len(indices), BATCH))


def draw_reals(
    dataset: Dataset,
    resolution: int,
    samples: int | None,
    seed: int = 0,
    mirror: bool = False,
    held_out: Sequence[int] | np.ndarray | None = None,
) -> Reals:
    """Real pictures, and as many others for the floor. InputError where there are too few, or none of this size."""
    if resolution not in dataset.levels:
        raise InputError(
            f"--data: the pictures are prepared at {dataset.resolution} px, the model draws {resolution} px; "
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
            f"--data: has {len(training)} training pictures; {2 * LEAST} are the least, half of them for the floor"
        )
    samples = min(DEFAULT_SAMPLES, most) if samples is None else samples
    if not LEAST <= samples <= most:
        why = f"the floor takes as many again, and there are {len(training):,} training pictures"
        raise InputError(f"--samples {samples}: give a number from {LEAST} to {most:,}; {why}")
    order = np.random.default_rng([seed, STREAM]).permutation(training)
    coins = np.random.RandomState(0).randint(0, 2, len(dataset))  # the same for every seed, since features are kept
    mirrored = coins.astype(bool) if mirror else np.zeros(len(dataset), bool)
    return Reals(dataset, resolution, training, out, order[:samples], order[samples : 2 * samples], mirrored)


def check_fit(names: Sequence[str], dataset: Dataset, resolution: int) -> None:
    """InputError for a metric that pictures such as these do not have."""
    if "attributes" in names and dataset.name != "toonhead":
        raise InputError("--metrics attributes: is for the embedded faces; leave it out for other data")
    for name, least in LEAST_RESOLUTION.items():
        if name in names and resolution < least:
            raise InputError(f"--metrics {name}: needs pictures of at least {least} px, not {resolution}; leave it out")


def check_generator(reals: Reals, resolution: int, channels: int, label_dim: int, cond: str | None) -> None:
    """InputError where a generator's pictures or labels are others than the data's."""
    data = reals.dataset
    if resolution != reals.resolution:
        raise InputError(
            f"--model: draws {resolution} px, the real pictures have {reals.resolution} px; "
            f"prepare the data at {resolution} px"
        )
    if channels != data.channels:
        raise InputError(f"--model: draws {channels} colour channels, the data has {data.channels}; give other data")
    if label_dim:
        try:
            classes = None if cond is None else len(data.classes(cond))
        except DataError as error:
            raise InputError(f"--model: was trained on labels that the data lacks ({error})") from error
        if classes != label_dim:
            there = "the data's are not known" if classes is None else f"the data's {cond} has {classes}"
            raise InputError(f"--model: takes {label_dim} classes, {there}; give the data that it was trained on")
