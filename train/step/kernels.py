"""Passes over maps as single kernels of a GPU, written in Triton, which comes with PyTorch on Linux.

What PyTorch makes of these is up to ten kernels each, most of them in float32; at 256 px they were half of a StyleGAN's
step. All maps are channels-last, and are read as a matrix with a row for each pixel.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 4096  # numbers that a program holds at once
ROWS, MOST_PARTS = 256, 32  # a map is shared among programs by so many rows at least, and among so many at most


def add_and_rectify(x: Tensor, patterns: Tensor | None, amounts: Tensor, slope: float, out: Tensor) -> Tensor:
    """Leaky ReLU of maps x [N, C, h, w] plus patterns [k, N * h * w] by amounts [k, C], written to `out`.

    Without patterns amounts [1, C] are the same everywhere.
    """
    n, c, h, w = x.shape
    rows, columns = n * h * w, _columns(c)
    tile = TILE // columns
    kinds, stride = (0, 0) if patterns is None else (len(patterns), patterns.stride(0))
    grid = triton.cdiv(rows, tile), triton.cdiv(c, columns)
    _add_and_rectify[grid](
        x, amounts if patterns is None else patterns, amounts, out, rows, c, stride, amounts.stride(0), slope, kinds,
        tile, columns,
    )  # fmt: skip
    return out


def normalise(x: Tensor, style: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """AdaIN of maps x [N, C, h, w] by a style [N, 2, C, 1, 1]; with each map's mean and 1 / deviation [N, C]."""
    n, c, h, w = x.shape
    grid, shape = _shares(x)
    means, squares = (x.new_empty(n, grid[0], c, dtype=torch.float32) for _ in range(2))
    _moments[grid](x, means, squares, h * w, c, *shape)
    out = torch.empty_like(x)
    mean, inverse = (x.new_empty(n, c, dtype=torch.float32) for _ in range(2))
    parts = triton.next_power_of_2(grid[0])
    _normalise[grid](x, means, squares, style.contiguous(), out, mean, inverse, eps, h * w, c, *shape, parts)
    return out, mean, inverse


def gradients_of_normalise(
    gradient: Tensor, x: Tensor, style: Tensor, mean: Tensor, inverse: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of x and style from that of `normalise`'s result, and what it returned besides."""
    n, c, h, w = x.shape
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    grid, shape = _shares(x)
    sums, products = (x.new_empty(n, grid[0], c, dtype=torch.float32) for _ in range(2))
    _gradient_sums[grid](gradient, x, mean, sums, products, h * w, c, *shape)
    of_x, of_style = torch.empty_like(x), torch.empty_like(style, memory_format=torch.contiguous_format)
    parts = triton.next_power_of_2(grid[0])
    _gradient[grid](
        gradient, x, style.contiguous(), mean, inverse, sums, products, of_x, of_style, h * w, c, *shape, parts
    )  # fmt: skip
    return of_x, of_style


def fit(x: Tensor) -> bool:
    """Whether these kernels take such maps: in bfloat16, as trainings on a GPU have them, and channels-last."""
    return x.dtype == torch.bfloat16 and x.is_cuda and x.is_contiguous(memory_format=torch.channels_last)


def try_out(device: torch.device) -> None:
    """Run all of them once on small maps. Raises what Triton does where it cannot compile."""
    x = torch.ones(1, 8, 4, 4, dtype=torch.bfloat16, device=device).contiguous(memory_format=torch.channels_last)
    style = torch.zeros(1, 2, 8, 1, 1, device=device)
    gradients_of_normalise(x, x, style, *normalise(add_and_rectify(x, None, x[:, :, 0, 0], 0.2, x), style, 1e-8)[1:])
    torch.cuda.synchronize(device)


def _columns(maps: int) -> int:
    """Maps that a program looks at."""
    return min(triton.next_power_of_2(maps), 64)


def _shares(x: Tensor) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The programs that share maps x: parts of a map, samples, groups of maps. A part's and a tile's rows, columns."""
    n, c, h, w = x.shape
    columns = _columns(c)
    part = triton.cdiv(h * w, min(max(h * w // ROWS, 1), MOST_PARTS))
    tile = min(TILE // columns, triton.next_power_of_2(part))
    return (triton.cdiv(h * w, part), n, triton.cdiv(c, columns)), (part, tile, columns)


@triton.jit
def _add_and_rectify(
    x, patterns, amounts, out, rows, c, pattern_stride, amount_stride, slope,
    KINDS: tl.constexpr, TILE: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (row < rows)[:, None] & (column < c)[None, :]
    at = row[:, None] * c + column[None, :]
    value = tl.load(x + at, inside, 0.0).to(tl.float32)
    if KINDS == 0:
        value += tl.load(amounts + column, column < c, 0.0).to(tl.float32)[None, :]
    for kind in tl.static_range(KINDS):
        pattern = tl.load(patterns + kind * pattern_stride + row, row < rows, 0.0).to(tl.float32)
        amount = tl.load(amounts + kind * amount_stride + column, column < c, 0.0).to(tl.float32)
        value += pattern[:, None] * amount[None, :]
    tl.store(out + at, tl.where(value > 0, value, value * slope).to(out.dtype.element_ty), inside)


@triton.jit
def _columns_here(c, COLUMNS: tl.constexpr):
    # This program's columns, and which of them there are.
    column = tl.program_id(2) * COLUMNS + tl.arange(0, COLUMNS)
    return column, column < c


@triton.jit
def _tile_from(start, end, size, c, column, known, TILE: tl.constexpr):
    # Where the rows from `start` of this program's sample lie, and which numbers are before `end`.
    row = start + tl.arange(0, TILE)
    inside = (row < end)[:, None] & known[None, :]
    return (tl.program_id(1).to(tl.int64) * size + row)[:, None] * c + column[None, :], inside


@triton.jit
def _of_all_parts(c, column, known, PARTS: tl.constexpr):
    # Where all parts' sums of this program's sample lie, and which there are.
    parts = tl.arange(0, PARTS)
    at = (tl.program_id(1) * tl.num_programs(0) + parts)[:, None] * c + column[None, :]
    return at, (parts < tl.num_programs(0))[:, None] & known[None, :]


@triton.jit
def _moments(x, means, squares, size, c, part, TILE: tl.constexpr, COLUMNS: tl.constexpr):
    # Mean and sum of squared differences from it, tile by tile (Chan et al. 1983), which loses no digits.
    place, sample = tl.program_id(0), tl.program_id(1)
    column, known = _columns_here(c, COLUMNS)
    end = min(place * part + part, size)
    count = 0.0
    mean = tl.zeros([COLUMNS], tl.float32)
    square = tl.zeros([COLUMNS], tl.float32)
    for start in range(place * part, end, TILE):
        at_row, inside = _tile_from(start, end, size, c, column, known, TILE)
        value = tl.load(x + at_row, inside, 0.0).to(tl.float32)
        own = (min(start + TILE, end) - start) * 1.0
        own_mean = tl.sum(value, 0) / own
        centred = tl.where(inside, value - own_mean[None, :], 0.0)
        difference = own_mean - mean
        mean += difference * (own / (count + own))
        square += tl.sum(centred * centred, 0) + difference * difference * (count * own / (count + own))
        count += own
    at = (sample * tl.num_programs(0) + place) * c + column
    tl.store(means + at, mean, known)
    tl.store(squares + at, square, known)


@triton.jit
def _normalise(
    x, means, squares, style, out, mean_out, inverse_out, eps, size, c, part,
    TILE: tl.constexpr, COLUMNS: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    place, sample = tl.program_id(0), tl.program_id(1)
    column, known = _columns_here(c, COLUMNS)
    at, there = _of_all_parts(c, column, known, PARTS)
    of_parts = tl.load(means + at, there, 0.0)
    counts = tl.maximum(tl.minimum(size - tl.arange(0, PARTS) * part, part), 0).to(tl.float32)[:, None]
    mean = tl.sum(of_parts * counts, 0) / size
    apart = tl.where(there, of_parts - mean[None, :], 0.0)
    square = tl.sum(tl.load(squares + at, there, 0.0) + apart * apart * counts, 0)
    inverse = 1 / tl.sqrt(square / size + eps)
    if place == 0:
        tl.store(mean_out + sample * c + column, mean, known)
        tl.store(inverse_out + sample * c + column, inverse, known)
    scale = inverse * (1 + tl.load(style + 2 * sample * c + column, known, 0.0))
    shift = tl.load(style + (2 * sample + 1) * c + column, known, 0.0)
    end = min(place * part + part, size)
    for start in range(place * part, end, TILE):
        at_row, inside = _tile_from(start, end, size, c, column, known, TILE)
        value = tl.load(x + at_row, inside, 0.0).to(tl.float32) - mean[None, :]
        tl.store(out + at_row, (value * scale[None, :] + shift[None, :]).to(out.dtype.element_ty), inside)


@triton.jit
def _gradient_sums(gradient, x, means, sums, products, size, c, part, TILE: tl.constexpr, COLUMNS: tl.constexpr):
    place, sample = tl.program_id(0), tl.program_id(1)
    column, known = _columns_here(c, COLUMNS)
    mean = tl.load(means + sample * c + column, known, 0.0)
    end = min(place * part + part, size)
    total = tl.zeros([COLUMNS], tl.float32)
    product = tl.zeros([COLUMNS], tl.float32)
    for start in range(place * part, end, TILE):
        at_row, inside = _tile_from(start, end, size, c, column, known, TILE)
        slope = tl.load(gradient + at_row, inside, 0.0).to(tl.float32)
        value = tl.load(x + at_row, inside, 0.0).to(tl.float32) - mean[None, :]
        total += tl.sum(slope, 0)
        product += tl.sum(slope * value, 0)
    at = (sample * tl.num_programs(0) + place) * c + column
    tl.store(sums + at, total, known)
    tl.store(products + at, product, known)


@triton.jit
def _gradient(
    gradient, x, style, means, inverses, sums, products, of_x, of_style, size, c, part,
    TILE: tl.constexpr, COLUMNS: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    # With n the normalised map: (1 + scale) / std * (gradient - mean(gradient) - n * mean(gradient * n)).
    place, sample = tl.program_id(0), tl.program_id(1)
    column, known = _columns_here(c, COLUMNS)
    at, there = _of_all_parts(c, column, known, PARTS)
    of_shift = tl.sum(tl.load(sums + at, there, 0.0), 0)
    mean = tl.load(means + sample * c + column, known, 0.0)
    inverse = tl.load(inverses + sample * c + column, known, 0.0)
    of_scale = tl.sum(tl.load(products + at, there, 0.0), 0) * inverse
    if place == 0:
        tl.store(of_style + 2 * sample * c + column, of_scale, known)
        tl.store(of_style + (2 * sample + 1) * c + column, of_shift, known)
    scale = inverse * (1 + tl.load(style + 2 * sample * c + column, known, 0.0))
    end = min(place * part + part, size)
    for start in range(place * part, end, TILE):
        at_row, inside = _tile_from(start, end, size, c, column, known, TILE)
        slope = tl.load(gradient + at_row, inside, 0.0).to(tl.float32)
        normal = (tl.load(x + at_row, inside, 0.0).to(tl.float32) - mean[None, :]) * inverse[None, :]
        value = scale[None, :] * (slope - of_shift[None, :] / size - normal * (of_scale[None, :] / size))
        tl.store(of_x + at_row, value.to(of_x.dtype.element_ty), inside)
