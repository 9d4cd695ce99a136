"""Batches of reals, read ahead by a thread.

The position in the data is the number of images seen: image n of a run is place n mod N of epoch n // N, in that
epoch's own order. So a batch is a pure function of where it starts, and nothing about the position needs saving.
"""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from progan.layers import Alpha, downscale2x, fade, is_fading, upscale2x
from stylegrow.common.errors import DataError, RunError
from stylegrow.data import Dataset
from stylegrow.physics.intensity import roots_of
from train.config.schedule import Schedule
from train.step.random_streams import RandomStreams

AHEAD = 3  # batches


@dataclass(frozen=True)
class Batch:
    """This process's shard of the batch of reals after the first `start` ones.

    uint8 images [n, C, r, r], which images of the data set they are [n], and of showers which channels are roots of
    energies.
    """

    start: int
    images: Tensor
    indices: np.ndarray
    roots: tuple[bool, ...] | None = None


class BatchLoader:
    """Reads the batches of a schedule in order, from `images` seen on, a few ahead of their use."""

    def __init__(
        self,
        dataset: Dataset,
        training: np.ndarray,
        schedule: Schedule,
        streams: RandomStreams,
        rank: int,
        processes: int,
    ) -> None:
        self._dataset, self._training, self._schedule, self._streams = dataset, training, schedule, streams
        self._shard = slice(rank, None, processes)
        self._epoch = lru_cache(maxsize=2)(lambda epoch: streams.order(epoch, len(training)))

    def indices(self, images: int, batch: int) -> np.ndarray:
        """Which images the whole batch that starts after `images` shows."""
        places = np.arange(images, images + batch)
        epochs, within = np.divmod(places, len(self._training))
        return self._training[[self._epoch(int(e))[w] for e, w in zip(epochs, within, strict=True)]]

    def read(self, images: int, pin: bool = False) -> Batch:
        """This process's shard of the batch that starts after `images`: every `processes`-th image of it."""
        stage = self._schedule.at(images)
        indices = self.indices(images, stage.batch)[self._shard]
        reals = torch.from_numpy(self._dataset.read(indices, stage.resolution))
        roots = roots_of(self._dataset.transform)
        return Batch(images, reals.pin_memory() if pin else reals, indices, roots)

    def batches(self, images: int, pin: bool = False) -> Generator[Batch, None, None]:
        """Batches without end from `images` seen on, in page-locked memory if `pin`.

        An error of the reading thread is raised here, in its batch's turn, a DataError as a RunError; the thread ends
        when the iterator is closed.
        """
        reader = ThreadPoolExecutor(1, "loader")
        ahead: deque[Future[Batch]] = deque()
        try:
            while True:
                while len(ahead) < AHEAD:
                    ahead.append(reader.submit(self.read, images, pin))
                    images += self._schedule.at(images).batch
                try:
                    batch = ahead.popleft().result()
                except DataError as error:  # what was sound when training began
                    raise RunError(f"{error}; continue with --resume") from error
                yield batch
        finally:
            reader.shutdown(cancel_futures=True)


def to_reals(images: Tensor, mirrored: Tensor | None, alpha: Alpha, roots: tuple[bool, ...] | None = None) -> Tensor:
    """Images as the critic sees them: 0 to 255, float [n, C, r, r] -> -1 to 1, some mirrored, faded like fakes.

    `mirrored` [n] says which; while a block is faded in, the next lower resolution shows through by the same alpha (the
    official program's process_reals). Of showers `roots` says which channels are roots of energies, as for `means_of`:
    energies are what is averaged and faded, so that each cell's mean energy stays the same.
    """
    reals = images / 127.5 - 1.0
    if mirrored is not None:
        reals = torch.where(mirrored.reshape(-1, 1, 1, 1), reals.flip(3), reals)
    if reals.shape[-1] == 4 or not is_fading(alpha):
        return reals
    if roots is None:
        return fade(upscale2x(downscale2x(reals)), reals, alpha)
    channels = zip(((reals + 1) / 2).split(1, dim=1), roots, strict=True)
    return torch.cat([_faded_shower(levels, alpha, root) for levels, root in channels], dim=1) * 2 - 1


def _faded_shower(levels: Tensor, alpha: Alpha, root: bool) -> Tensor:
    """A channel [n, 1, r, r] from 0 to 1, faded."""
    if root:
        energies = levels**2
        return fade(upscale2x(downscale2x(energies)), energies, alpha).sqrt()
    share = downscale2x((levels > 0).to(levels.dtype))
    return fade(upscale2x(downscale2x(levels) / share.clamp(min=0.25)), levels, alpha)
