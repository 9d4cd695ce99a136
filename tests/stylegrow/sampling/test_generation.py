"""From seeds to images: whatever the batch, and as the networks themselves draw."""

import numpy as np
import pytest
import torch

import progan
import stylegan
from stylegrow.common.images import to_uint8
from stylegrow.sampling.generation import (
    Setting,
    generate,
    images,
    largest_batch,
    latents,
    network_inputs,
    noise_maps,
    parts,
)
from tests.small_models import style as small_style

SEEDS = [0, 7, 2**32 - 1, 3, 7, 123456, 1]


@pytest.fixture(scope="module")
def style() -> stylegan.Generator:
    return small_style(32, label_dim=3, fmap_base=128, fmap_max=16).eval()


@pytest.fixture(scope="module")
def grown() -> progan.Generator:
    torch.manual_seed(0)
    return progan.Generator(32, z_dim=8, label_dim=3, fmap_base=128, fmap_max=16).eval()


LABELS = torch.eye(3)[[0, 1, 2, 0, 1, 2, 0]]


def drawn(generator, seeds, setting, batch, labels=LABELS):
    return torch.cat(list(images(generator, seeds, setting, labels, batch)))


def test_a_seeds_latent_is_its_own():
    z = latents(SEEDS, 12)
    assert z.shape == (7, 12)
    for seed, own in zip(SEEDS, z, strict=True):
        assert torch.equal(own, torch.randn(12, generator=torch.Generator("cpu").manual_seed(seed)))
    assert len({tuple(own.tolist()) for own in z}) == 6  # 7 is there twice


@pytest.mark.parametrize("noise", ["const", "random", "none"])
def test_the_batch_changes_no_image(style, noise):
    setting = Setting(0.7, 5, noise, noise_seed=4)
    alone = torch.cat([drawn(style, [seed], setting, 1, LABELS[[i]]) for i, seed in enumerate(SEEDS)])
    for batch in (2, 3, 7, 32):
        together = drawn(style, SEEDS, setting, batch)
        assert together.shape == (7, 3, 32, 32)
        assert np.abs(to_uint8(together).astype(int) - to_uint8(alone)).max() <= 1
    assert (alone[0] - alone[1]).abs().max() > 0.1


def test_images_are_the_networks_own(style, grown):
    setting = Setting(0.5, 3, "const", resolution=16, alpha=0.25)
    with torch.inference_mode():
        z = latents(SEEDS, 8)
        styled = style(z, LABELS, psi=0.5, cutoff=3, resolution=16, alpha=0.25, noise="const")
        plain = grown(z, LABELS, resolution=16, alpha=0.25)
    torch.testing.assert_close(drawn(style, SEEDS, setting, 3), styled, rtol=0, atol=1e-4)
    torch.testing.assert_close(drawn(grown, SEEDS, setting, 3), plain, rtol=0, atol=1e-4)


def test_random_noise_is_drawn_from_noise_seed_image_seed_and_layer(style):
    setting = Setting(noise="random", noise_seed=5)
    maps = noise_maps(style, SEEDS, setting)
    assert [tuple(one.shape) for one in maps] == [(7, 1, r, r) for r in (4, 4, 8, 8, 16, 16, 32, 32)]
    assert all(map(torch.equal, maps, noise_maps(style, SEEDS, setting)))
    for one, alone in zip(maps, noise_maps(style, SEEDS[3:4], setting), strict=True):
        assert torch.equal(one[3:4], alone)
        assert torch.equal(one[1], one[4])  # the same image seed
    others = noise_maps(style, SEEDS, Setting(noise="random", noise_seed=6))
    different = [maps[6][0], maps[6][1], maps[7][0], others[6][0]]
    for index, one in enumerate(different):
        assert abs(one.mean()) < 0.15
        assert abs(one.std() - 1) < 0.15
        for other in different[:index]:
            assert abs((one * other).mean()) < 0.15
    assert len(noise_maps(style, SEEDS, Setting(resolution=8))) == 4


def test_random_noise_reaches_the_image(style):
    setting = Setting(0.7, None, "random", 5)
    with torch.inference_mode():
        ws = style.truncate(style.mapping(latents(SEEDS, 8), LABELS), 0.7)
        expected = style.synthesis(ws, noise=noise_maps(style, SEEDS, setting))
    torch.testing.assert_close(drawn(style, SEEDS, setting, 2), expected, rtol=0, atol=1e-4)


def test_rows_may_be_mixed_before_they_are_drawn(style):
    both = network_inputs(style, latents([1, 2], 8), Setting(), LABELS[:2]).clone()
    assert both.shape == (2, 8, 8)
    mixed = torch.cat([both[:1, :4], both[1:, 4:]], dim=1)
    with torch.inference_mode():
        expected = style.synthesis(style.truncate(mixed, 0.7), noise="const")
    torch.testing.assert_close(generate(style, mixed, Setting(0.7), [1]), expected, rtol=0, atol=1e-4)


def test_parts_cover_all_once():
    for count in range(1, 9):
        for size in range(1, 10):
            slices = list(parts(count, size))
            assert [index for part in slices for index in range(count)[part]] == list(range(count))
            assert all(part.stop - part.start <= size for part in slices)


@pytest.mark.parametrize(("resolution", "batch"), [(4, 32), (64, 32), (256, 16), (512, 4), (1024, 1)])
def test_batches_fit_a_cpu(style, resolution, batch):
    assert largest_batch(style, Setting(resolution=resolution)) == batch


def test_nothing_is_kept_for_gradients_and_the_callers_draws_stay(style):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    image = next(images(style, [1], Setting(noise="random"), LABELS[:1]))
    assert not image.requires_grad
    assert torch.equal(before, torch.get_rng_state())
