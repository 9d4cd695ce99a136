"""The Inception-v3 network of the Frechet Inception distance, as TensorFlow published it in December 2015.

Its weights are those that torch-fidelity made of TensorFlow's file. It is torchvision's network (Szegedy 2016) but for
the pooling in its mixed blocks: averages leave out the padding, and the last block takes the maximum.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models import inception

SIZE, CLASSES = 299, 1008


class _Pooled:
    """Replaces the pooling of one of torchvision's mixed blocks."""

    pool: Any = partial(functional.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)

    def _forward(self: Any, x: Tensor) -> list[Tensor]:
        *branches, _ = super()._forward(x)  # type: ignore[misc]
        return [*branches, self.branch_pool(self.pool(x))]


class _MixedA(_Pooled, inception.InceptionA): ...


class _MixedC(_Pooled, inception.InceptionC): ...


class _MixedE(_Pooled, inception.InceptionE): ...


class _MixedEMax(_MixedE):
    pool = partial(functional.max_pool2d, kernel_size=3, stride=1, padding=1)


class Inception(inception.Inception3):
    """Images [N, 3, H, W] of grey levels 0 to 255 to features [N, 2048], those before the classifier."""

    def __init__(self) -> None:
        blocks = [inception.BasicConv2d, _MixedA, inception.InceptionB, _MixedC, inception.InceptionD, _MixedE]
        super().__init__(CLASSES, aux_logits=False, init_weights=False, inception_blocks=[*blocks, torch.nn.Identity])
        self.Mixed_7c = _MixedEMax(2048)

    def forward(self, images: Tensor) -> Tensor:
        x = (resized(images, SIZE) - 128) / 128
        for name, layer in self.named_children():
            if name == "avgpool":
                break
            x = layer(x)
        return x.mean(dim=(2, 3))


def resized(images: Tensor, size: int) -> Tensor:
    """Images [N, C, H, W] at [N, C, size, size] as TensorFlow 1 does it: bilinear, pixel 0 at 0 and no antialiasing."""
    for dim in (2, 3):
        length = images.shape[dim]
        places = torch.arange(size, device=images.device, dtype=images.dtype) * (length / size)
        below = places.floor().long().clamp(max=length - 1)
        above = (below + 1).clamp(max=length - 1)
        weight = (places - below).reshape([-1 if i == dim else 1 for i in range(4)])
        images = torch.lerp(images.index_select(dim, below), images.index_select(dim, above), weight)
    return images
