"""The energies of an image's channels: the critic's own inputs, and what the generator scales its images to."""

import math

import pytest
import torch

import progan
import stylegan
from progan.discriminator import HITS_WEIGHT, SUMS_WEIGHT
from progan.energies import any_of_four, downscale_roots, mean_energies, numbers_of, soft_hits, with_energies
from train.step.objectives import gradient_norms, gradient_penalty

CHANNELS = 2
MEAN, DEVIATION = [0.09, 0.7, 0.6, *[0.1] * 12], [0.01, 0.1, 0.2, *[0.2] * 12]
NETWORK = {
    "resolution": 8,
    "fmap_base": 16,
    "fmap_max": 4,
    "image_channels": CHANNELS,
    "label_dim": 2,
    "label_kind": "vector",
    "label_mean": [40.0, 0.0],
    "label_deviation": [20.0, 1.0],
    "channel_sums": True,
    "sums_mean": MEAN,
    "sums_deviation": DEVIATION,
}
HITS = {"hit": 0.4, "sums_mean": [*MEAN, 2.0, 3.0], "sums_deviation": [*DEVIATION, 0.5, 0.4]}
WITH_HITS = pytest.mark.parametrize("hits", [{}, HITS])
PACKAGES = pytest.mark.parametrize("package", [progan, stylegan])


def critic(package, **arguments):
    torch.manual_seed(0)
    return package.Discriminator(**NETWORK | arguments).double()


def generator(**arguments):
    torch.manual_seed(0)
    return progan.Generator(**NETWORK | {"z_dim": 4} | arguments).double()


def images(count=4, resolution=8):
    random = torch.Generator().manual_seed(1)
    return torch.rand(count, CHANNELS, resolution, resolution, dtype=torch.float64, generator=random) * 2 - 1


def labels(count=4):
    random = torch.Generator().manual_seed(2)
    values = torch.rand(count, 2, dtype=torch.float64, generator=random)
    return values * torch.tensor([90.0, 1.0]) + torch.tensor([10.0, -0.5])


def sums_alone(package):
    """A critic that looks at nothing else."""
    d = critic(package)
    with torch.no_grad():
        d.dense.weight.zero_()
    return d


def test_known_energies():
    x = torch.full((1, 2, 8, 8), -1.0, dtype=torch.float64)
    x[0, 0, 2, 3], x[0, 1, :, 0] = 1.0, 0.0  # energies of 1 and of eight quarters
    energies = torch.tensor([[1.0, 2.0]], dtype=torch.float64) / 64
    torch.testing.assert_close(mean_energies(x), energies, rtol=1e-12, atol=0)
    roots, centres, widths, spread, peak = numbers_of(x, torch.tensor([[30.0, 7.0]]))[0].split([3, 4, 4, 2, 2])

    def close(found, *expected):
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=2e-4, atol=1e-12)

    close(roots, math.sqrt(3 / 64 / 30), math.sqrt(1 / 3), math.sqrt(2 / 3))
    close(centres, 3.5 / 8 - 0.5, 0.5 / 8 - 0.5, 2.5 / 8 - 0.5, 0.0)  # across of both channels, then down
    uniform = math.sqrt((8**2 - 1) / 12) / 8 + 0.5e-6 / (math.sqrt((8**2 - 1) / 12) / 8)
    close(widths, 1e-3, 1e-3, 1e-3, uniform)
    close(spread, 1 / 8, math.sqrt(8) / 8)
    close(peak, 1.0, math.sqrt(1 / 8))


def test_energies_are_the_same_at_every_stage():
    x = images()
    half = downscale_roots(x)
    torch.testing.assert_close(mean_energies(half), mean_energies(x), rtol=0.05, atol=0)
    exact = torch.nn.functional.avg_pool2d(((x + 1) / 2).square(), 2).sqrt() * 2 - 1
    torch.testing.assert_close(mean_energies(exact), mean_energies(x))
    torch.testing.assert_close(half, exact, rtol=0, atol=0.02)
    nothing = torch.full((1, 2, 4, 4), -1.0)
    torch.testing.assert_close(downscale_roots(nothing), nothing[:, :, :2, :2])


def test_numbers_and_energies_are_inverse():
    sums, x = critic(progan).sums, images()
    numbers = sums(x, labels())[:, :3]
    torch.testing.assert_close(sums.energies(numbers, labels()), mean_energies(x), rtol=2e-3, atol=0)


def test_images_are_scaled_to_energies_exactly():
    wanted = torch.rand(4, 2, dtype=torch.float64)
    wanted[0, 1] = 0
    maps = 5 * images()
    found = with_energies(maps, wanted)
    torch.testing.assert_close(mean_energies(found), wanted, rtol=1e-12, atol=1e-15)
    assert (found[1].flatten(1).argsort(dim=1) == maps[1].flatten(1).argsort(dim=1)).all()
    dark = torch.full((1, 2, 8, 8), -20.0, dtype=torch.float64, requires_grad=True)  # can become brighter again
    (gradients,) = torch.autograd.grad(with_energies(dark, wanted[1:2])[..., 0, 0].sum(), dark)
    assert (gradients[..., 0, 0] > 1e-3 * wanted[1].sqrt()).all()


@WITH_HITS
@pytest.mark.parametrize(("resolution", "alpha"), [(4, 1.0), (8, 0.3), (8, 1.0)])
def test_a_generator_s_images_have_the_energies_that_it_drew(resolution, alpha, hits):
    g, z = generator(**hits), torch.randn(4, 4, dtype=torch.float64)
    drawn = g.sums.energies(g.draw_sums(g.normalized(z, labels())), labels())
    torch.testing.assert_close(mean_energies(g(z, labels(), resolution, alpha)), drawn, rtol=1e-10, atol=0)
    assert g(z, labels(), resolution, alpha).min() >= -1


@WITH_HITS
def test_latents_of_float64_make_images_of_float64(hits):
    g, z = generator(**hits).float(), torch.randn(2, 4, dtype=torch.float64)
    images = g(z, labels(2))
    assert images.dtype == torch.float64
    torch.testing.assert_close(images, g(z.float(), labels(2).float()).double(), rtol=0, atol=1e-4)


@WITH_HITS
def test_a_generator_s_derivatives(hits):
    g, z, of = generator(**hits), torch.randn(2, 4, dtype=torch.float64, requires_grad=True), labels(2)
    assert torch.autograd.gradcheck(lambda z: mean_energies(g(z, of)), (z,))
    g(z, of).square().sum().backward()
    assert all(parameter.grad is not None for parameter in g.draw_sums.parameters())


@PACKAGES
def test_scores_of_energies_alone(package):
    d, x = sums_alone(package), images()
    assert (d(x.roll(2, 3), labels()) - d(x, labels())).abs().min() > 1e-6  # each channel's place
    assert (d(0.9 * (x + 1) - 1, labels()) - d(x, labels())).abs().min() > 1e-4
    assert (d(x.flip(1), labels()) - d(x, labels())).abs().min() > 1e-4  # each channel's own


@PACKAGES
def test_images_may_come_with_them_and_in_two_batches(package):
    d, x, of = critic(package), images(2), labels(2)
    scores = d(x, of)
    assert scores.shape == (2, 1)
    torch.testing.assert_close(d(d.with_sums(x, of), of), scores, rtol=0, atol=0)
    torch.testing.assert_close(d(torch.cat([x, x.flip(0)]), of, batches=2)[:2], scores)
    assert d(images(2, 4), of).shape == (2, 1)
    assert torch.isfinite(d(x, of, alpha=0.5)).all()


@PACKAGES
def test_a_penalty_mixes_them_and_bounds_their_slope_by_itself(package):
    d, of = sums_alone(package), labels(2)
    reals, fakes = images(2), 0.7 * (images(2).flip(0) + 1) - 1
    mix = torch.full((2, 1, 1, 1), 0.5, dtype=torch.float64)
    numbers = torch.lerp(*(d.sums(x, of) for x in (reals, fakes)), 0.5).requires_grad_()

    def score(numbers):
        label = d.standardize(of)
        x = d.dense.bias + d.dense_of_label(label) + d.dense_of_sums(torch.cat([numbers, label], dim=1))
        return d.output(progan.layers.activation(x, "lrelu"))

    (slopes,) = torch.autograd.grad(score(numbers * SUMS_WEIGHT).sum(), numbers)
    expected = slopes.norm(dim=1) / SUMS_WEIGHT
    shown = [d.with_sums(x, of) for x in (reals, fakes)]
    found = gradient_norms(lambda x: d(x, of), torch.lerp(*shown, mix))
    torch.testing.assert_close(found, expected)
    penalty = gradient_penalty(lambda x: d(x, of), *shown, mix, 3.0)
    torch.testing.assert_close(penalty, 3.0 * (expected - 1).square().mean())


@PACKAGES
@WITH_HITS
@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_first_and_second_derivatives(package, alpha, hits):
    d, of = critic(package, resolution=8, fmap_max=2, **hits), labels(2)
    x = d.with_sums(images(2), of).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: d(x, of, alpha=alpha), (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: d(x, of, alpha=alpha), (x,), fast_mode=True)


@WITH_HITS
def test_derivatives_of_energies(hits):
    x = images(2, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: critic(progan, **hits).sums(x, labels(2)), (x,))
    blank = torch.full((1, 2, 4, 4), -1.0).double().requires_grad_()
    assert torch.autograd.gradgradcheck(downscale_roots, (blank,))


@PACKAGES
def test_a_critic_without_them_has_the_weights_of_before(package):
    names = critic(package).state_dict().keys()
    without = {"channel_sums": False, "sums_mean": None, "sums_deviation": None}
    assert {name.partition(".")[0] for name in names - critic(package, **without).state_dict().keys()} == {
        "dense_of_sums"
    }
    x = images()
    assert critic(package, **without).with_sums(x, labels()) is x


def test_known_hits():
    energies = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64) * 0.16  # of the least hit's
    x = (energies.sqrt() * 2 - 1).expand(1, 2, 4, 4)
    torch.testing.assert_close(soft_hits(x, 0.4), torch.tensor([0.0, 0.5, 0.8, 0.9]).double().expand(1, 2, 4, 4))
    of = torch.tensor([[25.0, 7.0]])
    numbers = numbers_of(x, of, 0.4)
    torch.testing.assert_close(numbers[0, -2:], torch.tensor([4 * 2.2 / 5] * 2).double())
    torch.testing.assert_close(numbers[:, :-2], numbers_of(x, of), rtol=0, atol=0)
    drawn = critic(progan, **HITS).sums(x.repeat(1, 1, 2, 2), of)[0, -2:]
    torch.testing.assert_close(drawn, torch.tensor([(16 * 2.2 / 5 - 2) / 0.5, (16 * 2.2 / 5 - 3) / 0.4]).double())


def test_a_hit_is_one_at_every_stage():
    sums, x = critic(progan, **HITS).sums, torch.full((1, 2, 8, 8), -1.0, dtype=torch.float64)
    x[0, :, 2, 5], x[0, 0, 4, 1], x[0, 1, 0, 0] = 0.8 - 1, 1.0, 0.2 - 1  # amplitudes of 0.4, 1 and 0.1
    half = torch.nn.functional.avg_pool2d(((x + 1) / 2).square(), 2).sqrt() * 2 - 1
    torch.testing.assert_close(sums.hits(half), any_of_four(sums.hits(x)))
    both = torch.tensor([[0.5, 0.5], [0.0, 0.0]]).double().expand(1, 1, 2, 2)
    assert any_of_four(both).item() == 0.75


def test_pixels_are_hit_by_the_noise():
    noise = torch.zeros(1, 2 * CHANNELS, 2, 2, dtype=torch.float64)
    noise[:, :CHANNELS] = torch.tensor([[8.0, -8.0], [2.0, -4.0]])
    sizes, odds = images(1, 2), torch.full((1, CHANNELS, 2, 2), 3.0, dtype=torch.float64)
    maps = torch.cat([sizes, odds, torch.full_like(odds, -30.0)], dim=1)
    amplitudes = (with_energies(maps, torch.full((1, 2), 0.25).double(), noise) + 1) / 2
    assert (amplitudes[..., 1] < 0.002).all()
    ratio = torch.nn.functional.softplus(sizes)[..., 0]
    torch.testing.assert_close(amplitudes[:, :, 0, 0] / amplitudes[:, :, 1, 0], ratio[..., 0] / ratio[..., 1])
    maps[:, 2 * CHANNELS :] = 3.0
    noise[:, CHANNELS:, 0, 0] = 2.0
    brighter = (with_energies(maps, torch.full((1, 2), 0.25).double(), noise) + 1) / 2
    assert (brighter[..., 0, 0] / brighter[..., 1, 0] > amplitudes[..., 0, 0] / amplitudes[..., 1, 0] + 0.1).all()


def test_noise_is_of_the_latents_and_as_if_by_chance():
    g, random = generator(z_dim=64, **HITS), torch.Generator().manual_seed(3)
    z = torch.randn(4000, 64, dtype=torch.float64, generator=random)
    noise = g.noise(z, 4).flatten(1)
    assert noise.shape == (4000, 2 * CHANNELS * 4 * 4)
    torch.testing.assert_close(g.noise(z[:7], 4).flatten(1), noise[:7])
    chances = torch.sigmoid(noise)
    for share in (0.1, 0.5, 0.9):  # logistic, within five deviations
        assert ((chances < share).double().mean(dim=0) - share).abs().max() < 5 * (share * (1 - share) / 4000) ** 0.5
    correlations = torch.corrcoef(noise.T) - torch.eye(64)
    assert correlations.abs().max() < 5 / 4000**0.5


@PACKAGES
def test_a_penalty_bounds_the_slope_along_hits_by_itself(package):
    d, of = critic(package, **HITS), labels(2)
    shown = d.with_sums(images(2), of)
    assert shown.shape == (2, 2 * CHANNELS + d.config.sums, 8, 8)
    torch.testing.assert_close(shown[:, CHANNELS : 2 * CHANNELS], HITS_WEIGHT * soft_hits(images(2), 0.4))
    one = shown.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(d(one, of).sum(), one)
    assert (slopes[:, CHANNELS : 2 * CHANNELS].flatten(1).norm(dim=1) > 1e-3).all()
    moved = shown.clone()
    moved[:, CHANNELS : 2 * CHANNELS] *= 0.5  # the image stays
    assert (d(moved, of) - d(shown, of)).abs().min() > 1e-4


CLASSES = {"label_kind": "classes", "label_mean": None, "label_deviation": None}


@pytest.mark.parametrize("change", [CLASSES, {"sums_mean": [1.0, 2.0]}, {"sums_deviation": [0.0] * 15}, {"hit": 2.0}])
def test_configurations_that_make_no_sense(change):
    with pytest.raises(ValueError, match="sums"):
        progan.DiscriminatorConfig(**NETWORK | change)
