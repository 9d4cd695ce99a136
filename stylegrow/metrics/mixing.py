"""Mixtures of styles (Karras 2019, section 3.1): whether faces stay intact that take some of another's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stylegrow.sampling import generation
from stylegrow.sampling.inputs import BANDS

if TYPE_CHECKING:
    from stylegrow.architectures import Generator

MOST_ROWS = 16


def rows_of(samples: int) -> int:
    """The rows, and columns, of the grid of mixtures: as many as make at most `samples`, and at most 16."""
    return min(math.isqrt(samples), MOST_ROWS)


def mixtures(
    generator: Generator,
    seeds: Sequence[int],
    band: str,
    setting: generation.Setting,
    labels: Tensor | None = None,
    batch: int = 0,
) -> Iterator[Tensor]:
    """Images [n, C, r, r] of a grid: each of the first half of the seeds with the others' styles of a band of layers.

    The noise is that of the rows, the first half; labels are [seeds, label_dim].
    """
    inputs = generation.network_inputs(generator, generation.latents(seeds, generator.z_dim), setting, labels)
    count, layers = len(seeds) // 2, slice(*BANDS[band])
    row, column = torch.arange(count).repeat_interleave(count), count + torch.arange(count).repeat(count)
    for part in generation.parts(count**2, batch or generation.largest_batch(generator, setting)):
        ws = inputs[row[part]]
        ws[:, layers] = inputs[column[part]][:, layers]
        yield generation.generate(generator, ws, setting, [seeds[i] for i in row[part].tolist()])
