"""`stylegrow data prepare`: prepare a data set for training, and say what became of its files."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from stylegrow.common.commandline import discard
from stylegrow.common.errors import RunError
from stylegrow.common.text import printable
from stylegrow.data.request import WHITE, Fit, Request

if TYPE_CHECKING:
    from stylegrow.data import Dataset


@dataclass(frozen=True)
class Prepare:
    """Prepare a data set: every image as a square at every resolution from 4 px up.

    It is kept in the cache and found there again as long as the files stay as they are; the source is only read.
    """

    source: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")] = None
    """A folder or zip file of images (a sub-folder a class, or a dataset.json with labels, if you like), or a folder
    with MNIST-style idx files or the official programs' TFRecords, or a .npy or .npz file. fashion-mnist: that data
    set, found or downloaded; mnist, cifar-10: what torchvision has downloaded. calorimeter, footprints: the embedded
    particle showers. Without it: the embedded faces."""
    resolution: Annotated[int | None, tyro.conf.arg(metavar="PX")] = None
    """A power of two from 4 to 1024. Default: 64 for the embedded faces, 32 or 16 for showers, else what most images
    reach, at most 256."""
    channels: Literal["auto", "rgb", "grey"] = "auto"
    """auto: grey where every image is grey."""
    fit: Fit = "crop"
    """Make images square: cut to their centre, whole with bars, or stretched."""
    pad_color: Annotated[str | None, tyro.conf.arg(metavar="COLOR")] = None
    """The colour of --fit pad's bars: a name or #rrggbb. Default: that of each image's own border."""
    background: Annotated[str, tyro.conf.arg(metavar="COLOR")] = WHITE
    """What shows through where images are transparent."""
    drop_duplicates: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Leave out images that equal an earlier one."""
    count: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """How many embedded faces or showers. Default: 10,000."""
    cache: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Where prepared data sets live. Default: $STYLEGROW_CACHE, or ~/.cache/stylegrow."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Processes to prepare with. Default: one a CPU."""

    def run(self) -> None:
        """Prepare the data set and print what became of it. Raises DataError."""
        from stylegrow.data import pyramid

        # A shell's background jobs and what job runners start begin with the signal ignored; being sent it stops them.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        request = Request(
            self.resolution, self.channels, self.fit, self.drop_duplicates, self.pad_color, self.background
        )
        dataset, new = pyramid.open_or_prepare(
            self.source, request, count=self.count, cache=self.cache, workers=self.workers
        )
        try:
            print("\n".join(summary(dataset, new)), flush=True)
        except BrokenPipeError:
            discard(sys.stdout)
            raise RunError(f"standard output: nobody reads it; the data is prepared in {dataset.path}") from None


def summary(dataset: Dataset, new: bool) -> Iterator[str]:
    """What became of the files of a data set that is prepared, `new` or found so, in lines."""
    colours = "grey" if dataset.channels == 1 else "RGB"
    if dataset.transform is not None:
        colours = f"{dataset.channels} channels of energies ({dataset.transform})"
    when = "prepared" if new else "already prepared"
    yield f"{dataset.name}: {len(dataset):,} images of {dataset.resolution} px, {colours}, {when}"
    yield from dataset.report_lines(shown=20)
    for attribute in dataset.attributes:
        names = [printable(name) for name in dataset.classes(attribute)]
        what = "classes" if dataset.label_kind(attribute) == "classes" else "numbers"
        yield f"label {attribute}: {len(names)} {what} ({', '.join(names[:10])}{', ...' if len(names) > 10 else ''})"
    yield f"{'level':>8} {'stored as':>10} {'size':>10}"
    for resolution, kind, size in dataset.storage():
        yield f"{resolution:>5} px {kind:>10} {size / 1e6:>7,.1f} MB"
    if dataset.credit:
        yield dataset.credit
    yield f"prepared folder: {printable(dataset.path)}"
    yield f"train on it: python train/progan.py --data {printable(dataset.path)}"
