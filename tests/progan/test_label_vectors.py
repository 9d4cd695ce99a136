"""Label vectors as inputs of both networks."""

import pytest
import torch

import progan
import stylegan

NETWORK = {"resolution": 8, "fmap_base": 16, "fmap_max": 4, "image_channels": 1}
MEAN, DEVIATION = [500.0, -0.25], [300.0, 0.125]
UNITS = {"label_dim": 2, "label_kind": "vector", "label_mean": MEAN, "label_deviation": DEVIATION}
STANDARD = {"label_dim": 2, "label_kind": "vector"}
PACKAGES = pytest.mark.parametrize("package", [progan, stylegan])


def critic(package, **arguments):
    torch.manual_seed(0)
    return package.Discriminator(**NETWORK | arguments).double()


def generator(package, **arguments):
    torch.manual_seed(0)
    small = {} if package is progan else {"w_dim": 4, "mapping_layers": 2, "mapping_fmaps": 4}
    network = package.Generator(z_dim=4, **NETWORK, **small, **arguments).double()
    return network if package is progan else network.mapping


def images(count=4):
    return torch.randn(count, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def vectors(count=4):
    return torch.randn(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@PACKAGES
def test_values_are_in_the_units_of_the_data(package):
    values = vectors() * torch.tensor(DEVIATION).double() + torch.tensor(MEAN).double()
    z = torch.randn(4, 4, dtype=torch.float64)
    for make, x in ((critic, images()), (generator, z)):
        torch.testing.assert_close(make(package, **UNITS)(x, values), make(package, **STANDARD)(x, vectors()))
        assert make(package, **UNITS).state_dict().keys() == make(package, **STANDARD).state_dict().keys()


@PACKAGES
def test_the_critic_sees_whether_an_image_has_its_label(package):
    d, x, labels = critic(package, **STANDARD, fmap_base=64, fmap_max=16), images(2), vectors(2)
    scores = d(x, labels)
    assert scores.shape == (2, 1)
    # A score that is linear in the label, or a sum of one of the image and one of the label, is 0 in these.
    swapped = d(x, labels.flip(0))
    assert (scores.sum() - swapped.sum()).abs() > 1e-6
    middle = d(x, labels.mean(dim=0, keepdim=True).expand(2, -1))
    assert ((scores + swapped) / 2 - middle).abs().max() > 1e-6


@PACKAGES
def test_a_labels_length_is_not_lost(package):
    z, g = torch.randn(4, 4, dtype=torch.float64), generator(package, **STANDARD)
    none, once, twice = (g.normalized(z, times * vectors()) for times in range(3))
    torch.testing.assert_close(twice - none, 2 * (once - none))
    assert (once - none).abs().max() > 0.1


@PACKAGES
def test_first_and_second_derivatives(package):
    d, g = critic(package, **UNITS), generator(package, **UNITS)
    x, labels = images(2).requires_grad_(), (vectors(2) * 100).requires_grad_()
    assert torch.autograd.gradcheck(d, (x, labels))
    assert torch.autograd.gradgradcheck(d, (x, labels))
    assert torch.autograd.gradcheck(g, (torch.randn(2, 4, dtype=torch.float64, requires_grad=True), labels))


@PACKAGES
def test_missing_labels_and_arguments_that_make_no_network(package):
    for network in (package.Generator, package.Discriminator):
        for wrong in (
            {"label_dim": 2, "label_kind": "words"},
            {"label_dim": 2, "label_mean": MEAN},
            {"label_dim": 3, "label_kind": "vector", "label_mean": MEAN},
            UNITS | {"label_deviation": [1, 0]},
            UNITS | {"label_mean": [float("nan"), 0]},
        ):
            with pytest.raises(ValueError, match="label_"):
                network(**NETWORK, **wrong)
    with pytest.raises(ValueError, match=r"takes labels \[N, 2\]"):
        critic(package, **UNITS)(images())
    with pytest.raises(ValueError, match=r"takes labels \[N, 2\]"):
        generator(package, **UNITS)(torch.randn(2, 4, dtype=torch.float64))


@PACKAGES
def test_what_no_kind_means(package):
    assert critic(package).config.label_kind == "none"
    assert critic(package, label_dim=2).config.label_kind == "classes"
    assert critic(package, label_dim=0, label_kind="vector").config.label_kind == "none"
