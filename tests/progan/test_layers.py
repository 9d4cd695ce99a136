"""Single layers against the official ones, and their gradients of second order against finite differences."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from progan import layers
from tests import oracle

_, ARRAYS = oracle.load("primitives")


def given(name: str, key: str = "in/x") -> Tensor:
    return oracle.tensor(ARRAYS[f"{name}/{key}"])


def layer_with(layer: layers.EqualizedWeight, name: str) -> layers.EqualizedWeight:
    layer.double().weight.data = given(name, "in/w").permute(3, 2, 0, 1)
    layer.scale = 1.0
    return layer


OPERATIONS = {
    "upscale2": layers.upscale2x,
    "downscale2": layers.downscale2x,
    "pixel_norm": layers.pixel_norm,
    "mbstd_g4_f1": layers.minibatch_stddev,
    "mbstd_g4_f2": lambda x: layers.minibatch_stddev(x, 4, 2),
    "mbstd_g16_f1": lambda x: layers.minibatch_stddev(x, 16),
    "blur121": lambda x: layers.Blur([1, 2, 1]).double()(x),
    "conv3": lambda x: layer_with(layers.Conv2d(3, 5, 3), "conv3")(x),
    "upconv_fused": lambda x: layer_with(layers.UpConv2d(3, 5), "upconv_fused")(x),
    "upconv_unfused": lambda x: layer_with(layers.UpConv2d(3, 5, fused=False), "upconv_unfused")(x),
    "downconv_fused": lambda x: layer_with(layers.DownConv2d(3, 5), "downconv_fused")(x),
    "downconv_unfused": lambda x: layer_with(layers.DownConv2d(3, 5), "downconv_unfused")(x),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_equals_the_official_one(name):
    torch.testing.assert_close(OPERATIONS[name](given(name)), given(name, "out"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", [layers.Conv2d(2, 3, 3), layers.UpConv2d(2, 3), layers.DownConv2d(2, 3)])
def test_gradients_of_second_order(layer):
    torch.manual_seed(0)
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    layer.double()
    assert torch.autograd.gradgradcheck(lambda x: layers.activation(layer(x), "lrelu"), (x,))
    assert torch.autograd.gradgradcheck(lambda x: layers.minibatch_stddev(layers.pixel_norm(x)), (x,))


BLURS = [[1, 2, 1], [1, 3, 3, 1], [1, 4], [5], [1, 4, 6, 4, 1], [[1, 2], [3, -4], [0.5, 7]]]


@pytest.mark.parametrize("taps", BLURS)
def test_blur_is_a_depthwise_convolution_of_the_same_size(taps):
    kernel = torch.tensor(taps, dtype=torch.float64)
    kernel = kernel if kernel.dim() == 2 else kernel.outer(kernel)
    kernel /= kernel.sum()
    h, w = kernel.shape
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    # "Same" padding puts the odd zero behind, as the official program's framework does.
    padded = F.pad(x, ((w - 1) // 2, w // 2, (h - 1) // 2, h // 2))
    expected = F.conv2d(padded, kernel.expand(3, 1, h, w), groups=3)
    blur = layers.Blur(taps).double()
    torch.testing.assert_close(blur(x), expected, rtol=0, atol=1e-6)
    assert torch.autograd.gradcheck(blur, (x,))
    assert torch.autograd.gradgradcheck(blur, (x,))


@pytest.mark.parametrize("taps", [[], [1, -1], [[1, 2], [3]], "121", [None], 5, [float("nan")]])
def test_what_is_no_filter_is_refused(taps):
    with pytest.raises(ValueError, match="blur_filter"):
        layers.Blur(taps)


@pytest.mark.parametrize(
    ("batch", "group", "expected"), [(8, 4, 4), (6, 4, 3), (7, 4, 1), (3, 4, 3), (16, 16, 16), (10, 4, 2)]
)
def test_the_largest_group_divides_the_batch(batch, group, expected):
    assert layers.largest_group(batch, group) == expected


def test_groups_of_the_stddev_are_strided():
    x = torch.randn(8, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    joint = layers.minibatch_stddev(x)
    torch.testing.assert_close(joint[0::2], layers.minibatch_stddev(x[0::2]))
    torch.testing.assert_close(joint[1::2], layers.minibatch_stddev(x[1::2]))
