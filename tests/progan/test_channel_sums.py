"""The sums of an image's channels as inputs of the critic's dense layer."""

import math

import pytest
import torch

import progan
import stylegan
from progan.layers import channel_norms

NETWORK = {"resolution": 8, "fmap_base": 16, "fmap_max": 4, "image_channels": 2}
PACKAGES = pytest.mark.parametrize("package", [progan, stylegan])


def critic(package, **arguments):
    torch.manual_seed(0)
    return package.Discriminator(**NETWORK | {"channel_sums": True} | arguments).double()


def images(count=4, resolution=8):
    random = torch.Generator().manual_seed(1)
    return torch.rand(count, 2, resolution, resolution, dtype=torch.float64, generator=random) * 2 - 1


def sums_alone(package):
    """A critic that looks at nothing else."""
    d = critic(package)
    with torch.no_grad():
        d.dense.weight.zero_()
    return d


def test_known_energies():
    x = torch.full((1, 2, 8, 8), -1.0, dtype=torch.float64)
    x[0, 0, 2, 3], x[0, 1, :, 0] = 1.0, 0.0  # energies of 1 and of eight quarters
    expected = [[1.0, math.sqrt(2), math.sqrt(3)]]
    torch.testing.assert_close(channel_norms(x, 8), torch.tensor(expected).double(), rtol=1e-4, atol=0)
    assert channel_norms(torch.full((1, 2, 8, 8), -1.0), 8).max() == pytest.approx(0.01)


def test_energies_are_the_same_at_every_stage():
    x = images()
    pooled = torch.nn.functional.avg_pool2d(((x + 1) / 2).square(), 2).sqrt() * 2 - 1
    torch.testing.assert_close(channel_norms(pooled, 8), channel_norms(x, 8))


@PACKAGES
def test_scores_of_sums_alone(package):
    d, x = sums_alone(package), images()
    moved = x.flip(2).roll(1, 3)
    torch.testing.assert_close(d(moved), d(x))
    assert (d(0.9 * (x + 1) - 1) - d(x)).abs().min() > 1e-4
    assert (d(x.flip(1)) - d(x)).abs().min() > 1e-4  # a sum for each channel


@PACKAGES
def test_they_come_with_labels_and_at_every_stage(package):
    d = critic(package, label_dim=2, label_kind="vector")
    x, labels = images(2), torch.randn(2, 2, dtype=torch.float64)
    scores = d(x, labels)
    assert scores.shape == (2, 1)
    torch.testing.assert_close(d(torch.cat([x, x.flip(0)]), labels, batches=2)[:2], scores)
    assert d(images(2, 4), labels).shape == (2, 1)


@PACKAGES
def test_first_and_second_derivatives(package):
    x = images(2).requires_grad_()
    for d in (critic(package), sums_alone(package)):
        assert torch.autograd.gradcheck(d, (x,))
        assert torch.autograd.gradgradcheck(d, (x,))
    assert torch.autograd.gradcheck(
        lambda x: channel_norms(x, 8), (torch.full((1, 2, 4, 4), -1.0).double().requires_grad_(),)
    )


@PACKAGES
def test_a_critic_without_them_has_the_weights_of_before(package):
    names = critic(package).state_dict().keys() - critic(package, channel_sums=False).state_dict().keys()
    assert names == {"dense_of_sums.weight"}
    assert not package.Discriminator(**NETWORK).config.channel_sums
