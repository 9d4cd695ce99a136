"""Encoder and decoder: shapes at every stage, fading, and gradients."""

import pytest
import torch

import progan
import vae

SMALL = {"resolution": 16, "z_dim": 6, "fmap_base": 64, "fmap_max": 8}


def networks():
    torch.manual_seed(0)
    return vae.Generator(**SMALL).double(), vae.Encoder(**SMALL).double()


@pytest.mark.parametrize("resolution", [4, 8, 16])
def test_an_image_has_as_many_means_and_variances_as_the_decoder_takes_latents(resolution):
    decoder, encoder = networks()
    mean, log_variance = encoder(torch.randn(5, 3, resolution, resolution, dtype=torch.float64))
    assert mean.shape == log_variance.shape == (5, 6)
    assert decoder(mean, resolution=resolution).shape == (5, 3, resolution, resolution)


def test_images_are_encoded_each_by_itself():
    _, encoder = networks()
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    for together, alone in zip(encoder(images), encoder(images[2:3]), strict=True):
        torch.testing.assert_close(together[2:3], alone)


def test_a_block_that_is_not_faded_in_leaves_the_latents_of_the_smaller_image():
    _, encoder = networks()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    smaller = torch.nn.functional.avg_pool2d(images, 2)
    for faded, small in zip(encoder(images, alpha=0.0), encoder(smaller), strict=True):
        torch.testing.assert_close(faded, small)


def test_the_decoder_is_progans_generator_that_sees_how_long_a_latent_is():
    decoder, _ = networks()
    same = progan.Generator(**SMALL, normalize_latents=False).double()
    same.load_state_dict(decoder.state_dict())
    z = torch.randn(3, 6, dtype=torch.float64)
    torch.testing.assert_close(decoder(z), same(z))
    assert not torch.allclose(decoder(z), decoder(2 * z))
    assert vae.Generator.from_config(decoder.config).config == decoder.config
