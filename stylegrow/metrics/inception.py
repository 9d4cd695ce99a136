"""The Inception-v3 network of the Frechet Inception distance, as TensorFlow published it in December 2015.

Its weights are those that torch-fidelity made of TensorFlow's file; layers carry the names that they have there. It is
Szegedy 2016's network but for the pooling of its mixed blocks: averages leave out the padding, and the last block takes
the maximum.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

SIZE, DIM, CLASSES = 299, 2048, 1008
Kernel = int | tuple[int, int]
# Convolutions side by side, of the same input: name, maps out, kernel and stride of each.
Step = tuple[tuple[str, int, Kernel, int], ...]
Branch = list[Step]


class Convolution(nn.Module):
    """A convolution without a bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, stride: int = 1, padding: Kernel = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Branches of convolutions side by side, and one that pools: "average" or "max" with `pooled` maps, or "down"."""

    def __init__(self, inputs: int, branches: Sequence[Branch], pool: str, pooled: int = 0) -> None:
        super().__init__()
        self.pool, self.branches = pool, [[[name for name, *_ in step] for step in branch] for branch in branches]
        for branch in branches:
            maps = inputs
            for step in branch:
                for name, outputs, kernel, stride in step:
                    padding = _same(kernel) if stride == 1 else 0
                    self.add_module(name, Convolution(maps, outputs, kernel, stride, padding))
                maps = step[-1][1]
        if pooled:
            self.branch_pool = Convolution(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for branch in self.branches:
            y = x
            for names in branch:
                y = torch.cat([self.get_submodule(name)(y) for name in names], dim=1)
            found.append(y)
        if self.pool == "down":
            return torch.cat([*found, functional.max_pool2d(x, 3, 2)], dim=1)
        around = (
            functional.max_pool2d(x, 3, 1, 1)
            if self.pool == "max"
            else functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        )
        return torch.cat([*found, self.branch_pool(around)], dim=1)


def _same(kernel: Kernel) -> Kernel:
    return kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)


def _one(name: str, maps: int, kernel: Kernel, stride: int = 1) -> Step:
    return ((name, maps, kernel, stride),)


def _block_35(inputs: int, pooled: int) -> Mixed:
    branches = [
        [_one("branch1x1", 64, 1)],
        [_one("branch5x5_1", 48, 1), _one("branch5x5_2", 64, 5)],
        [_one("branch3x3dbl_1", 64, 1), _one("branch3x3dbl_2", 96, 3), _one("branch3x3dbl_3", 96, 3)],
    ]
    return Mixed(inputs, branches, "average", pooled)


def _block_17(maps: int) -> Mixed:
    wide, high = (1, 7), (7, 1)
    double: list[tuple[int, Kernel]] = [(maps, 1), (maps, high), (maps, wide), (maps, high), (192, wide)]
    branches = [
        [_one("branch1x1", 192, 1)],
        [_one("branch7x7_1", maps, 1), _one("branch7x7_2", maps, wide), _one("branch7x7_3", 192, high)],
        [_one(f"branch7x7dbl_{i}", outputs, kernel) for i, (outputs, kernel) in enumerate(double, 1)],
    ]
    return Mixed(768, branches, "average", 192)


def _block_8(inputs: int, pool: str) -> Mixed:
    wide, high = (1, 3), (3, 1)
    fork = _one("branch3x3_2a", 384, wide) + _one("branch3x3_2b", 384, high)
    fork_double = _one("branch3x3dbl_3a", 384, wide) + _one("branch3x3dbl_3b", 384, high)
    branches = [
        [_one("branch1x1", 320, 1)],
        [_one("branch3x3_1", 384, 1), fork],
        [_one("branch3x3dbl_1", 448, 1), _one("branch3x3dbl_2", 384, 3), fork_double],
    ]
    return Mixed(inputs, branches, pool, 192)


def _reduction_17() -> Mixed:
    double = [_one("branch3x3dbl_1", 64, 1), _one("branch3x3dbl_2", 96, 3), _one("branch3x3dbl_3", 96, 3, 2)]
    return Mixed(288, [[_one("branch3x3", 384, 3, 2)], double], "down")


def _reduction_8() -> Mixed:
    double: list[tuple[Kernel, int]] = [(1, 1), ((1, 7), 1), ((7, 1), 1), (3, 2)]
    branches = [
        [_one("branch3x3_1", 192, 1), _one("branch3x3_2", 320, 3, 2)],
        [_one(f"branch7x7x3_{i}", 192, kernel, stride) for i, (kernel, stride) in enumerate(double, 1)],
    ]
    return Mixed(768, branches, "down")


class Inception(nn.Module):
    """Pictures [N, 3, H, W] of grey levels 0 to 255 to features [N, 2048], those before the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3)
        self.Mixed_5b = _block_35(192, 32)
        self.Mixed_5c = _block_35(256, 64)
        self.Mixed_5d = _block_35(288, 64)
        self.Mixed_6a = _reduction_17()
        self.Mixed_6b = _block_17(128)
        self.Mixed_6c = _block_17(160)
        self.Mixed_6d = _block_17(160)
        self.Mixed_6e = _block_17(192)
        self.Mixed_7a = _reduction_8()
        self.Mixed_7b = _block_8(1280, "average")
        self.Mixed_7c = _block_8(2048, "max")
        self.fc = nn.Linear(DIM, CLASSES)  # not used, but the file has its weights

    def forward(self, images: Tensor) -> Tensor:
        x = (resized(images, SIZE) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, 2)))
        x = functional.max_pool2d(x, 3, 2)
        for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = self.get_submodule(f"Mixed_{name}")(x)
        return x.mean(dim=(2, 3))


def resized(images: Tensor, size: int) -> Tensor:
    """Images [N, C, H, W] at [N, C, size, size] as TensorFlow 1 does it: bilinear, pixel 0 at 0 and no antialiasing."""
    for dim in (2, 3):
        length = images.shape[dim]
        places = torch.arange(size, device=images.device, dtype=images.dtype) * (length / size)
        below = places.floor().long().clamp(max=length - 1)
        above = (below + 1).clamp(max=length - 1)
        share = (places - below).reshape([-1 if i == dim else 1 for i in range(4)])
        images = torch.lerp(images.index_select(dim, below), images.index_select(dim, above), share)
    return images
