"""Faces broken on purpose, and the textures that generators give to intact and broken faces alike.

All draw from torch's own generator. Faces are [N, 3, R, R] in [-1, 1]; lengths in px are those of images of 64 px.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

WARP = 2.5  # px, the standard deviation of strong displacements
SEEN, LEAST_SEEN = 0.2, 0.005  # what counts as a changed pixel (of 2), and the least part of a face that must be


def warped(faces: Tensor, strength: float | Tensor = WARP) -> Tensor:
    """Faces under smooth displacements of which `strength` is the standard deviation, each under its own."""
    count, _, height, width = faces.shape
    axes = (torch.linspace(-1 + 1 / n, 1 - 1 / n, n) for n in (height, width))
    y, x = torch.meshgrid(*axes, indexing="ij")
    shift = smooth_noise(count, 2, 7, height).permute(0, 2, 3, 1) * strength / 32
    return functional.grid_sample(faces, torch.stack([x, y], -1) + shift, padding_mode="border", align_corners=False)


def smooth_noise(count: int, channels: int, knots: int, side: int) -> Tensor:
    """Random smooth maps [count, channels, side, side] of mean 0 and deviation 1, whose waves have 64 / knots px."""
    noise = functional.interpolate(torch.randn(count, channels, knots, knots), side, mode="bicubic")
    return noise / noise.std(dim=(2, 3), keepdim=True)


def broken(faces: Tensor) -> tuple[Tensor, Tensor]:
    """Each face broken in one of five ways, and whether that can be seen: bool [N].

    Parts of two faces joined, patches exchanged for those of another place and face, patches erased, two faces blended
    into each other, and warps.
    """
    count, _, side, _ = faces.shape
    others = faces.roll(1, 0)
    moved = torch.stack([x.roll(torch.randint(side // 8, 7 * side // 8, (2,)).tolist(), (1, 2)) for x in others])
    erased = functional.interpolate(functional.interpolate(faces, 5, mode="area"), side, mode="bicubic")
    sources = torch.stack([others, moved, erased, others])
    masks = torch.stack([_parts(count, side), _patches(count, side), _patches(count, side), _clouds(count, side)])
    way = torch.randint(0, 5, (count,))
    chosen = way.clamp(max=3), torch.arange(count)
    found = torch.lerp(faces, sources[chosen], masks[chosen])
    found = torch.where(_each(way == 4), warped(faces, _each(1 + 3 * torch.rand(count))), found)
    changed = ((found - faces).abs().amax(dim=1) > SEEN).float().mean(dim=(1, 2))
    return found, changed > LEAST_SEEN


def _parts(count: int, side: int) -> Tensor:
    """Masks [count, 1, side, side]: one side of an upright or level line near the middle."""
    line = torch.arange(side) + 0.5
    after = (line[None] > side * (0.35 + 0.3 * torch.rand(count, 1))).float()
    flat = torch.rand(count, 1, 1) < 0.5
    return torch.where(flat, after[:, :, None], after[:, None, :]).expand(-1, side, side)[:, None]


def _patches(count: int, side: int) -> Tensor:
    """Masks likewise: rectangles about where faces are."""
    line = (torch.arange(side) + 0.5) / side
    centre = torch.tensor([0.55, 0.5]) + (torch.rand(count, 2) - 0.5) * torch.tensor([0.5, 0.4])
    reach = 0.06 + 0.14 * torch.rand(count, 2)
    inside = ((line - centre[..., None]).abs() < reach[..., None]).float()
    return (inside[:, 0, :, None] * inside[:, 1, None, :])[:, None]


def _clouds(count: int, side: int) -> Tensor:
    """Masks likewise: smooth clouds, or one value all over."""
    clouds = torch.sigmoid(6 * (smooth_noise(count, 1, 4, side) + 0.3))
    even = (0.35 + 0.3 * torch.rand(count, 1, 1, 1)).expand_as(clouds)
    return torch.where(_each(torch.rand(count) < 0.3), even, clouds)


def textured(faces: Tensor) -> Tensor:
    """Faces as generators draw them: shifted in colour, mottled, noisy, blurred or sharpened, resized; some hardly.

    The backgrounds of some turn from one colour into another.
    """
    count, _, side, _ = faces.shape
    x = torch.where(_each(torch.rand(count) < 0.4), _two_backgrounds(faces), faces)
    x = x + _amount(count, 0.1) * smooth_noise(count, 3, 5, side) + _amount(count, 0.1) * torch.randn(count, 3, 1, 1)
    x = x + _amount(count, 0.06) * smooth_noise(count, 3, 24, side)
    smaller = int(torch.randint(side * 5 // 8, side + 1, ()))
    resized = functional.interpolate(functional.interpolate(x, smaller, mode="area"), side, mode="bilinear")
    x = torch.where(_each(torch.rand(count) < 0.25), resized, x)
    blurred = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    x = torch.lerp(x, blurred, 1.8 * torch.rand(count, 1, 1, 1) - 0.8)  # below 0 it sharpens
    return (x + _amount(count, 0.05) * torch.randn(x.shape)).clamp(-1, 1)


def _two_backgrounds(faces: Tensor) -> Tensor:
    """Faces in front of a smooth mixture of their own background, that of the upper left corner, and another's."""
    own = faces[:, :, :1, :1]
    there = ((faces - own).abs().amax(dim=1, keepdim=True) < 0.04).float()
    cloud = torch.sigmoid(4 * smooth_noise(len(faces), 1, 4, faces.shape[-1]))
    return faces + there * cloud * (own.roll(1, 0) - own)


def _amount(count: int, most: float) -> Tensor:
    return _each(most * torch.rand(count) ** 2)


def _each(values: Tensor) -> Tensor:
    return values[:, None, None, None]
