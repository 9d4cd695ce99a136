"""The figures of the StyleGAN paper, with row and column labels, as files show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ImageDraw

from progan.config import stages as resolutions
from stylegrow.common.errors import InputError
from stylegrow.rendering.grids import Figure, labelled_grid, resized
from stylegrow.sampling.inputs import BANDS
from stylegrow.sampling.latents import Source, named

if TYPE_CHECKING:
    from stylegrow.sampling.generation import Setting
    from stylegrow.sampling.sampler import Sampler

SMALLEST_CELL, LARGEST_CELL = 128, 256  # px, by default
SMALLEST_SIZE = 32  # that leaves the labels room
MOST_PIXELS = 1 << 27
DETAILS = 4  # draws of noise that are shown
FRAME = (255, 0, 0)
COARSE_NOISE = 6  # layers, up to 16 px
# Shows how far the images of a figure have come; takes them and how many they will be.
Progress = Callable[[Iterable[Any], int], Iterable[Any]]


def silent(images: Iterable[Any], total: int) -> Iterable[Any]:
    """No progress."""
    return images


def sample_grid(
    sampler: Sampler,
    seeds: Sequence[Source],
    columns: int,
    setting: Setting,
    size: int | None = None,
    progress: Progress = silent,
) -> Figure:
    """Uncurated images, one a seed, in the order of the seeds."""
    size = cell_size(sampler, setting, size, len(seeds))
    cells = list(_cells(sampler.images(seeds, setting), len(seeds), size, progress))
    starts = range(0, len(seeds), columns)
    return labelled_grid(
        [cells[start : start + columns] for start in starts],
        captions=[[named(seed) for seed in seeds[start : start + columns]] for start in starts],
        size=size,
    )


def mixing_grid(
    sampler: Sampler,
    rows: Sequence[Source],
    columns: Sequence[Source],
    styles: Sequence[tuple[str, Sequence[int]]],
    setting: Setting,
    size: int | None = None,
    progress: Progress = silent,
) -> Figure:
    """Style mixing (Karras 2019, figure 3): the seeds of the rows, with some styles copied from those of the columns.

    `styles` are the bands of rows, (label, layers copied); each shows all seeds of the rows. The first row and
    column show the seeds themselves.
    """
    sampler.check_mixing()
    size = cell_size(sampler, setting, size, (1 + len(rows) * len(styles)) * (1 + len(columns)))
    sources = list(_cells(sampler.images([*rows, *columns], setting), len(rows) + len(columns), size, progress))
    cells: list[list[np.ndarray | None]] = [[None, *sources[len(rows) :]]]
    for _, layers in styles:
        mixed = _cells(sampler.mixed(rows, columns, layers, setting), len(rows) * len(columns), size, progress)
        cells += [[source, *(next(mixed) for _ in columns)] for source in sources[: len(rows)]]
    return labelled_grid(
        cells,
        ["", *(named(seed) for _ in styles for seed in rows)],
        ["", *(named(seed) for seed in columns)],
        row_bands=[("", 1), *((label, len(rows)) for label, _ in styles)],
        column_bands=[("", 1), ("styles from", len(columns))],
        size=size,
    )


def bands(layers: int) -> list[tuple[str, list[int]]]:
    """The paper's bands of a network with so many layers at this stage: (label with its resolutions, layers)."""
    found = []
    for name, (start, stop) in BANDS.items():
        if own := list(range(start, min(stop or layers, layers))):
            low, high = 4 << own[0] // 2, 4 << own[-1] // 2
            found.append((f"{name} {low}-{high} px" if low < high else f"{name} {low} px", own))
    return found


def truncation_strip(
    sampler: Sampler,
    seeds: Sequence[Source],
    psis: Sequence[float],
    setting: Setting,
    size: int | None = None,
    progress: Progress = silent,
) -> Figure:
    """The truncation trick (Karras 2019, figure 8): a row for each seed, a column for each psi."""
    settings = [replace(setting, psi=psi) for psi in psis]
    return strip(sampler, seeds, settings, [f"psi {psi:g}" for psi in psis], size, progress)


def strip(
    sampler: Sampler,
    seeds: Sequence[Source],
    settings: Sequence[Setting],
    titles: Sequence[str],
    size: int | None = None,
    progress: Progress = silent,
) -> Figure:
    """A row for each seed, a column for each setting with its title."""
    size = cell_size(sampler, settings[0], size, len(seeds) * len(settings))
    columns = [list(_cells(sampler.images(seeds, one), len(seeds), size, progress)) for one in settings]
    return labelled_grid(list(zip(*columns, strict=True)), [named(seed) for seed in seeds], titles, size=size)


def directions_strip(
    sampler: Sampler,
    seeds: Sequence[Source],
    names: Sequence[str],
    amounts: Sequence[float],
    setting: Setting,
    layers: Sequence[int] | None = None,
    size: int | None = None,
    progress: Progress = silent,
) -> Figure:
    """The model's directions of these names, one below the other, a row for each seed, a column for each amount."""
    size = cell_size(sampler, setting, size, len(seeds) * len(names) * len(amounts))
    wanted = [(seed, name, amount) for name in names for seed in seeds for amount in amounts]
    ways = [sampler.directions.amounts({name: amount}) for _, name, amount in wanted]
    images = sampler.along([seed for seed, *_ in wanted], ways, setting, layers)
    cells = list(_cells(images, len(wanted), size, progress))
    single = len(seeds) == 1
    return labelled_grid(
        [cells[start : start + len(amounts)] for start in range(0, len(cells), len(amounts))],
        list(names) if single else [named(seed) for _ in names for seed in seeds],
        [f"{amount:+g}" if amount else "0" for amount in amounts],
        row_bands=[] if single else [(name, len(seeds)) for name in names],
        size=size,
    )


def noise_detail(
    sampler: Sampler,
    seeds: Sequence[Source],
    draws: int,
    setting: Setting,
    size: int | None = None,
    progress: Progress = silent,
) -> Figure:
    """What noise changes (Karras 2019, figure 4): a row for each seed.

    A row shows an image, the part of it that varies most in several draws, and the deviation of all draws. They are
    those of `draws` noise seeds from the setting's own on. The deviation is that of the mean of the channels at each
    pixel; white is the largest, which its label says.
    """
    sampler.check_noise()
    shown = min(DETAILS, draws)
    size = cell_size(sampler, setting, size, len(seeds) * (2 + shown))
    kept: list[list[np.ndarray]] = []
    total, squares = np.zeros(()), np.zeros(())  # of the draws so far, which are not kept
    for noise_seed in progress(range(setting.noise_seed, setting.noise_seed + draws), draws):
        drawn = list(sampler.images(seeds, replace(setting, noise="random", noise_seed=noise_seed)))
        kept += [drawn] if len(kept) < shown else []
        greys = np.stack([image.mean(axis=2) for image in drawn])
        total, squares = total + greys, squares + greys**2
    deviations = np.sqrt(np.maximum(squares / draws - (total / draws) ** 2, 0))
    white = max(float(deviations.max()), 1.0)
    windows = [largest_window(deviation, max(deviation.shape[0] // 4, 1)) for deviation in deviations]
    figure = labelled_grid(
        [
            [
                resized(kept[0][row], size),
                *(resized(drawn[row][window], size) for drawn in kept),
                resized((deviations[row] / white * 255).astype(np.uint8)[..., None], size),
            ]
            for row, window in enumerate(windows)
        ],
        [named(seed) for seed in seeds],
        ["", *(f"noise seed {setting.noise_seed + draw}" for draw in range(shown)), f"white: {white:.1f} of 255"],
        column_bands=[("", 1), ("detail", shown), (f"std, {draws} draws", 1)],
        size=size,
    )
    for row, (down, across) in enumerate(windows):
        _frame(figure, row, down, across, len(deviations[row]))
    return figure


def noise_difference(
    sampler: Sampler, seeds: Sequence[int], setting: Setting, size: int | None = None
) -> tuple[Figure, int]:
    """Two draws of noise, those of the setting's noise seed and the next, and how they differ: a row for each seed.

    The difference is the absolute one of each channel, times a whole number that all rows share and that the label
    says: the largest at which nothing is cut off. Returns the figure and that number, 1 where there is no difference.
    """
    sampler.check_noise()
    size = cell_size(sampler, setting, size, len(seeds) * 3)
    numbers = (setting.noise_seed, setting.noise_seed + 1)
    one, other = (
        list(sampler.images(seeds, replace(setting, noise="random", noise_seed=number))) for number in numbers
    )
    apart = [np.abs(first.astype(int) - second) for first, second in zip(one, other, strict=True)]
    largest = max(int(image.max()) for image in apart)
    times = 255 // largest if largest else 1
    changes = [(image * times).astype(np.uint8) for image in apart]
    figure = labelled_grid(
        [[resized(image, size) for image in row] for row in zip(one, other, changes, strict=True)],
        [f"seed {seed}" for seed in seeds],
        [*(f"noise seed {number}" for number in numbers), f"difference x {times}"],
        size=size,
    )
    return figure, times


def noise_parts(sampler: Sampler, seeds: Sequence[Source], setting: Setting, size: int | None = None) -> Figure:
    """Noise in all layers, in none, in the coarse and in the fine ones (Karras 2019, figure 5).

    A row a seed. Coarse are those up to 16 px; the noise is that of the setting's noise seed.
    """
    size = cell_size(sampler, setting, size, len(seeds) * 4)
    layers = range(sampler.layers(setting))
    middle = min(COARSE_NOISE, len(layers))
    parts = {"all layers": layers, "none": [], f"up to {4 << (middle - 1) // 2} px": layers[:middle]}
    parts["above"] = layers[middle:]
    cells = [resized(image, size) for image in sampler.noise_parts(seeds, list(parts.values()), setting)]
    rows = [cells[start : start + len(parts)] for start in range(0, len(cells), len(parts))]
    return labelled_grid(
        rows, [named(seed) for seed in seeds], list(parts), column_bands=[("noise in", len(parts))], size=size
    )


def stages(sampler: Sampler, seeds: Sequence[Source], setting: Setting, size: int | None = None) -> Figure:
    """The same latents as every stage from the first trained on draws them, alone: a row a seed, a column a stage."""
    own = sampler.generator.resolution
    sizes = [size for size in resolutions(own) if size >= sampler.first_stage]
    size = cell_size(sampler, replace(setting, resolution=own), size, len(seeds) * len(sizes))
    columns = [
        [resized(image, size) for image in sampler.images(seeds, replace(setting, resolution=stage, alpha=1.0))]
        for stage in sizes
    ]
    rows = list(zip(*columns, strict=True))
    return labelled_grid(rows, [named(seed) for seed in seeds], [f"{stage} px" for stage in sizes], size=size)


def largest_window(values: np.ndarray, side: int) -> tuple[slice, slice]:
    """The square window of `side` px in [H, W] whose sum is largest."""
    sums = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    windows = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(windows.argmax(), windows.shape)
    return slice(int(top), int(top) + side), slice(int(left), int(left) + side)


def _frame(figure: Figure, row: int, down: slice, across: slice, own: int) -> None:
    """Draw around the window of the first image of a row, of `own` px, where its details are from."""
    scale = figure.size / own
    left, top = figure.lefts[0], figure.tops[row]
    box = (left + across.start * scale, top + down.start * scale, left + across.stop * scale, top + down.stop * scale)
    ImageDraw.Draw(figure.image).rectangle(box, outline=FRAME, width=max(figure.size // 64, 1))


def cell_size(sampler: Sampler, setting: Setting, size: int | None, count: int) -> int:
    """The px at which a figure shows `count` images. InputError for a size that cannot be, and for too many."""
    own = sampler.own_size(setting)
    if size is None:
        size = min(max(own, SMALLEST_CELL), LARGEST_CELL)
    if size < SMALLEST_SIZE or (size % own and own % size):
        raise InputError(
            f"size {size}: give {SMALLEST_SIZE} px or more that {own} px, an image's own, can be brought to"
        )
    if count * size**2 > MOST_PIXELS:
        raise InputError(f"{count:,} images of {size} px are too many for a figure; ask for fewer or a smaller size")
    return size


def _cells(images: Iterator[np.ndarray], total: int, size: int, progress: Progress) -> Iterator[np.ndarray]:
    return (resized(image, size) for image in progress(images, total))
