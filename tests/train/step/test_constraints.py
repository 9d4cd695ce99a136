"""Spectral normalisation and weight clipping: what they bound, and that a training step treats them as weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import parametrize

from progan.layers import Conv2d, weighted_layers
from tests.train.small import Pictures, a_schedule, a_trainer, gradients, networks, step, train, weights
from train.step import constraints

ARCHITECTURES = pytest.mark.parametrize("architecture", ["progan", "stylegan"])
EQUALIZED = pytest.mark.parametrize("equalized", [False, True])


def largest(layer):
    """The largest singular value of the effective weight as a matrix [out, in * k * k]."""
    return torch.linalg.svdvals((layer.weight * layer.scale).detach().flatten(1))[0].item()


@ARCHITECTURES
@EQUALIZED
def test_every_weights_largest_singular_value_becomes_one(architecture, equalized):
    for network in networks(architecture=architecture, equalized=equalized):
        before = [largest(layer) for layer in weighted_layers(network)]
        assert any(abs(value - 1) > 0.2 for value in before)
        constraints.normalise(network)
        for _ in range(400):
            constraints.iterate(network)
        assert [largest(layer) for layer in weighted_layers(network)] == pytest.approx([1.0] * len(before), abs=1e-3)


def test_a_convolution_may_stretch_more_than_its_matrix():
    """A kernel of nine equal numbers: its matrix [1, 9] has norm 1, yet an even picture gets three times as bright."""
    layer = Conv2d(1, 1, 3, equalized=False)
    with torch.no_grad():
        layer.weight.fill_(7.0)
    constraints.normalise(layer)
    assert largest(layer) == pytest.approx(1)
    assert layer(torch.ones(1, 1, 5, 5))[0, 0, 2, 2].item() == pytest.approx(3)


@ARCHITECTURES
@EQUALIZED
def test_a_plain_copy_is_the_same_function(architecture, equalized):
    generator, critic = networks(architecture=architecture, equalized=equalized)
    for network in (generator, critic):
        constraints.normalise(network)
    z, images = torch.randn(4, 8).double(), torch.randn(4, 3, 16, 16).double()
    noise = {"noise": "const"} if architecture == "stylegan" else {}
    for network, arguments in ((generator, {"z": z, **noise}), (critic, {"images": images})):
        copy = constraints.effective_copy(network)
        torch.testing.assert_close(copy(**arguments), network(**arguments), rtol=1e-12, atol=1e-12)
        assert type(copy).__name__ == type(network).__name__
        assert not any(parametrize.is_parametrized(module) for module in copy.modules())
        assert copy.state_dict().keys() == networks(architecture=architecture)[network is critic].state_dict().keys()
        assert any(parametrize.is_parametrized(module) for module in network.modules())


@ARCHITECTURES
@EQUALIZED
def test_weights_are_carried_over_the_equalized_learning_rate(architecture, equalized):
    z, images = torch.randn(4, 8).double(), torch.randn(4, 3, 16, 16).double()
    noise = {"noise": "const"} if architecture == "stylegan" else {}
    source = networks(architecture=architecture, equalized=equalized)
    target = networks(architecture=architecture, equalized=not equalized, seed=9)
    for before, after, arguments in zip(source, target, ({"z": z, **noise}, {"images": images}), strict=True):
        constraints.copy_weights(before, after)
        torch.testing.assert_close(after(**arguments), before(**arguments), rtol=1e-10, atol=1e-10)


@ARCHITECTURES
@pytest.mark.parametrize("full", [4, 8, 32])
def test_networks_of_two_resolutions_share_the_stages_of_the_lower_one(architecture, full):
    """The same function at each of them, while the blocks above stay as they were drawn."""
    noise = {"noise": "const"} if architecture == "stylegan" else {}
    source, target = networks(architecture=architecture), []
    for network in source:
        torch.manual_seed(9)
        target.append(type(network).from_config(replace(network.config, resolution=full)).double())
    fresh = [{name: value.clone() for name, value in network.state_dict().items()} for network in target]
    for before, after in zip(source, target, strict=True):
        constraints.copy_weights(before, after)
    z = torch.randn(4, 8).double()
    for r in (4, 8, 16)[: (full // 4).bit_length()]:
        images = torch.randn(4, 3, r, r).double()
        for alpha in (0.3, 1.0):
            given = {"resolution": r, "alpha": alpha} | noise
            assert torch.equal(target[0](z, **given), source[0](z, **given))
            assert torch.equal(target[1](images, alpha=alpha), source[1](images, alpha=alpha))
    for before, now in zip(fresh, target, strict=True):
        new = {name for name in before if "32x32" in name or name in ("synthesis.noise6", "synthesis.noise7")}
        assert {name for name, value in now.state_dict().items() if torch.equal(value, before[name])} >= new
        assert bool(new) == (full == 32)


@ARCHITECTURES
def test_weights_of_another_shape_are_left_as_they_are(architecture):
    source, target = (networks(architecture=architecture, labels=labels, seed=labels) for labels in (False, True))
    for before, after in zip(source, target, strict=True):
        fresh = {name: value.clone() for name, value in after.state_dict().items()}
        constraints.copy_weights(before, after)
        for name, value in after.state_dict().items():
            known = before.state_dict().get(name)
            assert torch.equal(value, fresh[name] if known is None or known.shape != value.shape else known)


def test_a_normalised_weights_gradient_does_not_change_its_length():
    """The effective weight is the same whatever the weight's length, so that the gradient is at a right angle to it."""
    layer = Conv2d(3, 4, 3, equalized=False).double()
    constraints.normalise(layer)
    (original,) = (value for name, value in layer.named_parameters() if "weight" in name)
    layer(torch.randn(2, 3, 4, 4).double()).square().sum().backward()
    assert original.grad.norm() > 1
    assert (original.grad * original).sum().abs() < 1e-9

    def weight(value):
        normalising = layer.parametrizations.weight[0]
        return normalising(value)

    assert torch.autograd.gradcheck(weight, original.detach().clone().requires_grad_())


@pytest.mark.parametrize("most", [None, 4])
@pytest.mark.parametrize("loss", ["hinge", "wgan-gp"])
def test_singular_vectors_are_iterated_once_a_step(loss, most):
    trainer, loader = a_trainer(loss=loss, spectral_norm="both", batch_per_device=most, equalized=False)
    for network in (trainer.generator, trainer.discriminator):
        layer = network.get_submodule("conv" if network is trainer.discriminator else "blocks.4x4.second")
        normalising = layer.parametrizations.weight[0]
        matrix, v = layer.parametrizations.weight.original.detach().flatten(1).clone(), normalising._v.clone()
        u = F.normalize(matrix @ v, dim=0)
        network.expected = normalising, u, F.normalize(matrix.T @ u, dim=0)
    step(trainer, loader)
    for network in (trainer.generator, trainer.discriminator):
        normalising, u, v = network.expected
        torch.testing.assert_close((normalising._u, normalising._v), (u, v), rtol=1e-12, atol=1e-12)


@ARCHITECTURES
def test_accumulated_gradients_are_those_of_one_pass(architecture):
    for config in ({"loss": "hinge", "spectral_norm": "both"}, {"loss": "wgan-clip"}, {"loss": "gan"}, {"loss": "ns"}):
        found = []
        for most in (None, 4):
            trainer, loader = a_trainer(batch_per_device=most, architecture=architecture, labels=True, **config)
            trainer.images = 72  # in a fade
            found.append((step(trainer, loader), gradients(trainer)))
        torch.testing.assert_close(found[1][1], found[0][1], rtol=0, atol=1e-10)
        torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-5, atol=1e-5)


@ARCHITECTURES
def test_clipping_bounds_every_parameter_after_every_step(architecture):
    trainer, loader = a_trainer(
        loss="wgan-clip", clip=0.003, n_critic=2, equalized=False, schedule=a_schedule(stable=9, lr=0.01),
        architecture=architecture,
    )  # fmt: skip
    bounds, critic_step = [], trainer.critic_step

    def noting(*arguments):
        measured = critic_step(*arguments)
        bounds.append(max(parameter.abs().max().item() for parameter in trainer.discriminator.parameters()))
        return measured

    trainer.critic_step = noting
    for _ in range(3):
        step(trainer, loader)
    assert bounds == [pytest.approx(0.003)] * 6
    assert max(bounds) <= 0.003
    assert max(parameter.abs().max().item() for parameter in trainer.generator.parameters()) > 0.1


@ARCHITECTURES
def test_what_is_averaged_are_effective_weights(architecture):
    trainer = train(*a_trainer(ema_kimg=0, architecture=architecture, loss="hinge", spectral_norm="both"), 3)
    found = weights(trainer)
    for name, value in constraints.effective_copy(trainer.generator).state_dict().items():
        assert torch.equal(found[f"average.{name}"], value)


@pytest.mark.parametrize(
    ("config", "lr"),
    [
        ({"loss": "gan"}, 0.01),
        ({"loss": "ns"}, 0.01),
        ({"loss": "hinge"}, 0.01),
        ({"loss": "hinge", "spectral_norm": "both", "equalized": False}, 0.002),
        ({"loss": "wgan-clip", "clip": 0.1, "equalized": False}, 0.002),
    ],
)
def test_it_learns_a_colour(config, lr):
    """Every objective has the right sign: the generator comes to draw what it is shown."""
    data = Pictures()
    data.levels[4][:] = np.array([255, 64, 128], np.uint8).reshape(1, 3, 1, 1)
    schedule = a_schedule(resolution=4, lr=lr)
    trainer, loader = a_trainer(schedule=schedule, data=data, dtype=torch.float32, ema_kimg=0.5, **config)
    train(trainer, loader, 150)
    drawn = trainer.generator_ema(torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), resolution=4)
    torch.testing.assert_close(drawn.mean((0, 2, 3)), torch.tensor([1.0, -0.5, 0.0]), rtol=0, atol=0.2)
