"""Data sets: where images come from, how they are prepared and how they are read."""

from __future__ import annotations

import os
import sys
from typing import Literal

from stylegrow.common.errors import DataError
from stylegrow.data.dataset import Dataset
from stylegrow.data.request import WHITE, Fit, Request

__all__ = ["DataError", "Dataset", "open_dataset"]


def open_dataset(
    source: str | os.PathLike[str] | None = None,
    *,
    resolution: int | None = None,
    channels: Literal["auto", "rgb", "grey"] = "auto",
    fit: Fit = "crop",
    pad_color: str | None = None,
    background: str = WHITE,
    drop_duplicates: bool = False,
    count: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> Dataset:
    """The data set of a source, prepared first where it is not yet.

    `source` is a folder, a zip file or a prepared folder; None or "toonhead" are the embedded faces, "calorimeter"
    and "footprints" particle showers, `count` of them; "fashion-mnist", "mnist" and "cifar-10" are found on this
    machine, the first is also downloaded to the cache; a .npy or .npz file is an array of images. `resolution` defaults
    to 64 for the faces, 32 or 16 for showers, else to what most images reach, at most 256; `channels` to grey where all
    images are grey; `cache` to $STYLEGROW_CACHE or ~/.cache/stylegrow; `workers` to one process a CPU. Images are
    cropped to their centre, padded to squares (by `pad_color`, by default that of each image's border) or stretched;
    `background` shows through where they are transparent.
    One process of the machine prepares, others that ask for the same wait for it. It shows its progress on stderr, also
    where it is `quiet`, which only keeps back what else there is to say (waiting, files that were skipped). Raises
    DataError.
    """
    from stylegrow.data import pyramid

    request = Request(resolution, channels, fit, drop_duplicates, pad_color, background)
    dataset, new = pyramid.open_or_prepare(source, request, count=count, cache=cache, workers=workers, quiet=quiet)
    for line in dataset.report_lines() if new and not quiet else ():
        print(line, file=sys.stderr)
    return dataset
