"""Convolutions with gradients of their own, against PyTorch's, and weights that are made once for several passes."""

import pytest
import torch
import torch.nn.functional as F

from progan import Discriminator, layers
from progan.operations import cast_all, convolve, convolve_transposed, gradients_of_inputs, rectify, scale_all

GEOMETRIES = [(3, 1, 1), (4, 2, 1), (1, 1, 0)]  # kernel, stride, padding


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@pytest.mark.parametrize(("kernel", "stride", "padding"), GEOMETRIES)
@pytest.mark.parametrize("transposed", [False, True])
def test_values_and_gradients_of_both_orders(kernel, stride, padding, transposed):
    x, weight, bias = (
        normal(0, 2, 2, 4, 4),
        normal(1, *((2, 3) if transposed else (3, 2)), kernel, kernel),
        normal(2, 3),
    )
    ours, theirs = (convolve_transposed, F.conv_transpose2d) if transposed else (convolve, F.conv2d)

    def convolved(*tensors):
        return ours(*tensors, stride, padding)

    assert torch.equal(convolved(x, weight, bias), theirs(x, weight, bias, stride=stride, padding=padding))
    assert torch.autograd.gradcheck(convolved, (x, weight, bias))
    assert torch.autograd.gradgradcheck(convolved, (x, weight, bias))


def test_gradients_of_inputs_leave_the_weights_out_and_are_the_same():
    x, weight, bias = normal(0, 2, 2, 4, 4), normal(1, 3, 2, 3, 3), normal(2, 3)
    (expected,) = torch.autograd.grad(convolve(x, weight, bias).square().sum(), x)
    with gradients_of_inputs():
        found, of_weight, of_bias = torch.autograd.grad(
            convolve(x, weight, bias).square().sum(), (x, weight, bias), allow_unused=True
        )
    assert torch.equal(found, expected)
    assert of_weight is None
    assert of_bias is None
    assert torch.autograd.grad(convolve(x, weight, bias).sum(), weight)[0].any()  # and afterwards they are there


def test_a_penalty_has_the_gradients_that_pytorchs_convolutions_give(monkeypatch):
    torch.manual_seed(0)
    critic = Discriminator(16, fmap_base=64, fmap_max=8).double()
    images = normal(3, 4, 3, 16, 16)

    def gradients():
        critic.zero_grad()
        with gradients_of_inputs():
            (slope,) = torch.autograd.grad(critic(images, alpha=0.3).sum(), images, create_graph=True)
        slope.square().sum().backward()
        return [parameter.grad for parameter in critic.parameters() if parameter.grad is not None]

    found = gradients()

    def pytorchs(x, weight, bias, stride=1, padding=0, slope=1.0):
        return F.leaky_relu(F.conv2d(x, weight, bias, stride, padding), slope)

    monkeypatch.setattr(layers, "convolve", pytorchs)
    assert len(found) > 10
    torch.testing.assert_close(found, gradients(), rtol=1e-9, atol=1e-12)


def test_weights_that_are_kept_are_made_once_and_give_the_same():
    torch.manual_seed(0)
    critic = Discriminator(8, fmap_base=32, fmap_max=8).double()
    images = [normal(seed, 4, 3, 8, 8) for seed in range(3)]
    made = []
    critic.conv.kernel = lambda weight: made.append(1) or weight

    def gradients():
        critic.zero_grad()
        sum(critic(batch).square().sum() for batch in images).backward()
        return [parameter.grad for parameter in critic.parameters() if parameter.grad is not None]

    expected = gradients()
    assert len(made) == 3
    with layers.cached_weights(critic):
        with torch.no_grad():
            critic(images[0])  # what this makes has no gradient, and is not what the next passes use
        torch.testing.assert_close(gradients(), expected, rtol=1e-9, atol=1e-12)
    assert len(made) == 5
    critic(images[0])
    assert len(made) == 6  # outside nothing is kept


@pytest.mark.parametrize("slope", [0.2, 0.0])
def test_a_rectifier_has_pytorchs_values_and_derivatives(slope):
    x = normal(0, 4, 5).requires_grad_()
    assert torch.equal(rectify(x * 2, slope), torch.nn.functional.leaky_relu(x * 2, slope))
    assert torch.autograd.gradcheck(lambda x: rectify(x * 2, slope), x)
    assert torch.autograd.gradgradcheck(lambda x: rectify(x * 2, slope) * x, x)


def test_tensors_are_scaled_and_cast_together_with_the_gradients_of_each():
    values = [
        normal(seed, *shape).detach().float().requires_grad_() for seed, shape in enumerate([(3, 2), (4,), (1, 2, 2)])
    ]
    factors, dtypes = [0.5, 1.0, -3.0], [torch.bfloat16, torch.float32, torch.float64]
    found = cast_all(scale_all(values, factors), dtypes)
    for value, factor, dtype, result in zip(values, factors, dtypes, found, strict=True):
        assert torch.equal(result, (value * factor).to(dtype))
    found[0].sum().backward()
    assert torch.equal(values[0].grad, torch.full((3, 2), 0.5))
    assert values[1].grad is None
    assert values[2].grad is None
    assert cast_all([], []) == scale_all([], []) == ()
