"""Paths through latents: how many frames they have, how they speed up and slow down, and the points on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Space = Literal["z", "w"]
Easing = Literal["linear", "smoothstep", "cubic", "spline"]


def path_length(keys: int, frames: int, loop: bool, ping_pong: bool = False) -> int:
    """How many frames a path through `keys` seeds has, `frames` from each to the next."""
    there = keys * frames if loop else (keys - 1) * frames + 1
    return max(2 * there - 2, 1) if ping_pong else there


def path_points(keys: Tensor, steps: Sequence[int], frames: int, loop: bool, easing: Easing, space: Space) -> Tensor:
    """The points [len(steps), ...] that a path through keys [K, ...] reaches after so many frames.

    In z it keeps to the sphere, in w it is straight; "spline" is a curve through the keys in either.
    """
    places = [divmod(step, frames) for step in steps]
    share = torch.tensor([eased(frame / frames, easing) for _, frame in places], device=keys.device)
    before, start, end, after = (
        keys[[_key(key + ahead, len(keys), loop) for key, _ in places]] for ahead in (-1, 0, 1, 2)
    )
    if easing == "spline":
        return catmull_rom(before, start, end, after, share)
    if space == "z":
        return slerp(start, end, share)
    return torch.lerp(start, end, share.reshape(-1, 1, 1))


def _key(index: int, keys: int, loop: bool) -> int:
    """The key of this place on a path, which begins again or stays where it ends."""
    return index % keys if loop else min(max(index, 0), keys - 1)


def eased(share: float, easing: Easing) -> float:
    """How far from one key to the next a path is after this share of its time."""
    if easing == "smoothstep":
        return share * share * (3 - 2 * share)
    if easing == "cubic":
        return 4 * share**3 if share < 0.5 else 1 - 4 * (1 - share) ** 3
    return share


def catmull_rom(before: Tensor, start: Tensor, end: Tensor, after: Tensor, share: Tensor) -> Tensor:
    """Points [N, ...] on the curve through start and end whose slope in each is that between its neighbours."""
    t = share.reshape(-1, *[1] * (start.ndim - 1))
    slope_start, slope_end = (end - before) / 2, (after - start) / 2
    a = 2 * (start - end) + slope_start + slope_end
    b = 3 * (end - start) - 2 * slope_start - slope_end
    return ((a * t + b) * t + slope_start) * t + start


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Spherical interpolation of latents [N, z_dim] by shares [N]: angle and length change evenly."""
    a, b, t = start.double(), end.double(), share.double().reshape(-1, 1)
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    angle = torch.acos((a * b).sum(dim=1, keepdim=True).div(length_a * length_b).clamp(-1, 1))
    turned = (torch.sin((1 - t) * angle) * a / length_a + torch.sin(t * angle) * b / length_b) / torch.sin(angle)
    # Straight where there is no one plane to turn in: between equal or opposite directions.
    points = torch.where(torch.sin(angle) > 1e-6, turned * torch.lerp(length_a, length_b, t), torch.lerp(a, b, t))
    return points.to(start.dtype)
