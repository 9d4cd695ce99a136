"""The critic with blur; its numbers against the official ones are in tests/progan, with ProGAN's."""

import pytest
import torch

from progan import Discriminator as ProganDiscriminator
from stylegan import Discriminator

SMALL = {"resolution": 16, "fmap_base": 64, "fmap_max": 8}


def test_without_blur_it_is_progans():
    torch.manual_seed(0)
    plain, progan = Discriminator(**SMALL, blur_filter=None), ProganDiscriminator(**SMALL)
    progan.load_state_dict(plain.state_dict())
    images = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(plain(images, alpha=0.3), progan(images, alpha=0.3))
    blurred = Discriminator(**SMALL)
    blurred.load_state_dict(plain.state_dict())
    assert (blurred(images) - plain(images)).abs().max() > 1e-4


def test_labels_choose_the_score():
    torch.manual_seed(1)
    d = Discriminator(**SMALL, label_dim=3)
    images = torch.randn(4, 3, 16, 16)
    each = torch.cat([d(images, torch.eye(3)[[k] * 4]) for k in range(3)], dim=1)
    weights = torch.rand(4, 3)
    torch.testing.assert_close(d(images, weights), (each * weights).sum(dim=1, keepdim=True))
    with pytest.raises(ValueError, match=r"takes labels \[N, 3\]"):
        d(images)
    with pytest.raises(ValueError, match="no labels expected"):
        Discriminator(**SMALL)(images, weights)


def test_gradients_of_second_order_through_the_blur():
    torch.manual_seed(2)
    d = Discriminator(resolution=8, fmap_base=8, fmap_max=2, image_channels=1).double()
    images = torch.randn(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(d, (images,))


@pytest.mark.parametrize("size", [1, 2, 4, 6, 8])
def test_batches_that_are_scored_together_do_not_see_each_other(size):
    torch.manual_seed(3)
    d = Discriminator(**SMALL, label_dim=3).double()
    first, second = torch.randn(2, size, 3, 16, 16, dtype=torch.float64)
    labels = torch.rand(size, 3, dtype=torch.float64)
    together = d(torch.cat([first, second]), labels, alpha=0.3, batches=2)
    torch.testing.assert_close(together, torch.cat([d(first, labels, 0.3), d(second, labels, 0.3)]))
