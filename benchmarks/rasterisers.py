"""How fast the embedded faces are composed and rasterised: `python -m benchmarks.rasterisers` from the checkout.

Compares the library in use (resvg-py) with pyvips (installed with pyvips-binary) and skia-python where these can be
imported. Each draws the same documents; the last column is how far its pixels are from the first one's (mean, of 255).
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import tyro

from stylegrow.common.errors import DataError
from stylegrow.data.sources import toonhead

Rasterise = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Options:
    resolutions: tuple[int, ...] = (64, 256)
    faces: int = 200
    """How many faces each row is measured on."""
    processes: int = os.cpu_count() or 1
    """Worker processes of the last rows, which draw whole faces as the preparation of the data does."""


def pyvips_rasteriser() -> Rasterise:
    pyvips = importlib.import_module("pyvips")
    pyvips.cache_set_max(0)  # or it would remember the documents it has drawn

    def rasterise(document: str) -> np.ndarray:
        return pyvips.Image.svgload_buffer(document.encode()).flatten().numpy()

    return rasterise


def skia_rasteriser() -> Rasterise:
    skia = importlib.import_module("skia")

    def rasterise(document: str) -> np.ndarray:
        linked = document.replace(" href=", " xlink:href=")
        linked = linked.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1)
        drawing = skia.SVGDOM.MakeFromStream(skia.MemoryStream.MakeCopy(linked.encode()))
        size = drawing.containerSize()
        pixels = np.zeros((int(size.height()), int(size.width()), 4), np.uint8)
        drawing.render(skia.Canvas(pixels))
        return pixels[..., :3]

    return rasterise


RASTERISERS: dict[str, Callable[[], Rasterise]] = {
    "resvg-py": lambda: toonhead.rasterise,
    "pyvips": pyvips_rasteriser,
    "skia-python": skia_rasteriser,
}


def per_second(work: Iterable[object]) -> float:
    start = time.perf_counter()
    count = sum(1 for _ in work)
    return count / (time.perf_counter() - start)


def row(what: str, resolution: int | str, rate: str, difference: str = "") -> None:
    print(f"{what:24}{resolution:>6}{rate:>12}{difference:>12}")


def measure_rasterisers(options: Options, resolution: int) -> None:
    documents = [toonhead.svg(index, resolution) for index in range(options.faces)]
    expected = [toonhead.rasterise(document) for document in documents]
    for name, load in RASTERISERS.items():
        try:
            rasterise = load()
        except (ImportError, OSError) as error:  # cffi reports a missing system library as OSError
            row(name, resolution, "-", f"  cannot be imported: {error}")
            continue
        drawn = [rasterise(document) for document in documents]
        difference = np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(drawn, expected, strict=True)])
        row(name, resolution, f"{per_second(map(rasterise, documents)):.0f}", f"{difference:.2f}")


def measure_whole(options: Options, resolution: int) -> None:
    """Composing and rasterising together, in one process and in worker processes, their start included."""
    draw = partial(toonhead.render, resolution=resolution)
    row("whole faces, 1 process", resolution, f"{per_second(map(draw, range(options.faces, 2 * options.faces))):.0f}")
    start = time.perf_counter()
    count = options.faces * options.processes
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(draw, range(count), chunksize=10))
    rate = count / (time.perf_counter() - start)
    row(f"whole faces, {options.processes} processes", resolution, f"{rate:.0f}")


def print_table(options: Options) -> None:
    toonhead.svg(0, 64)  # parses the style, which is done once a process
    row("", "pixels", "faces/s", "difference")
    row("composing", "any", f"{per_second(toonhead.svg(i, 64) for i in range(10**6, 10**6 + options.faces)):.0f}")
    for resolution in options.resolutions:
        measure_rasterisers(options, resolution)
    for resolution in options.resolutions:
        measure_whole(options, resolution)


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    try:
        print_table(options)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
