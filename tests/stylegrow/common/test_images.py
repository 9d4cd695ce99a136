"""Generators' images as bytes."""

import numpy as np
import pytest
import torch

from stylegrow.common.images import to_uint8


def pixel(value):
    return to_uint8(np.full((1, 1, 1, 1), value, np.float32)).item()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-1, 0),  # 0.5 is truncated
        (0, 128),
        (1, 255),  # 255.5 is saturated
        (-0.5, 64),  # 64.25
        (0.5, 191),  # 191.75
        (127 / 127.5, 255),
        (126.9 / 127.5, 254),
        (-7, 0),
        (7, 255),
        (float("inf"), 255),
        (float("-inf"), 0),
        (float("nan"), 0),
    ],
)
def test_to_uint8_scales_saturates_and_truncates(value, expected):
    assert pixel(value) == expected


def test_every_grey_level_survives_the_way_in_and_back():
    levels = np.arange(256, dtype=np.float32)
    assert (to_uint8((levels / 127.5 - 1).reshape(1, 1, 16, 16)).ravel() == levels).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_to_uint8_takes_tensors_and_moves_channels_last(dtype):
    images = torch.linspace(-1, 1, 2 * 3 * 4 * 5).reshape(2, 3, 4, 5).to(dtype).requires_grad_()
    pixels = to_uint8(images)
    assert (pixels.shape, pixels.dtype) == ((2, 4, 5, 3), np.uint8)
    assert (pixels == to_uint8(images.detach().float().numpy())).all()
    assert pixels[1, 3, 4, 2] == to_uint8(images[1:, 2:, 3:, 4:]).item()
