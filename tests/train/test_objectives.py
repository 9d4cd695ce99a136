"""The objectives against numbers that the official programs gave in float64, gradients of second order included."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from progan import Discriminator
from tests import oracle
from train import objectives

FILES = {name: oracle.load(name) for name in ("losses_progan_d_16", "losses_stylegan_d_16")}
SCENES = [pytest.param(name, lod, id=f"{name}-{lod}") for name in FILES for lod in FILES[name][0]["lods"]]


def scene(file, lod):
    """The critic, its function at this stage, and the inputs at the stage's resolution."""
    meta, arrays = FILES[file]
    critic, _, _ = oracle.build(meta["D_weights"])
    resolution, alpha = oracle.stage(lod, 16)
    pool = 16 // resolution
    reals, fakes = (F.avg_pool2d(oracle.tensor(arrays[f"in/{key}"]), pool) for key in ("reals", "fakes"))
    return critic, lambda images: critic(images, alpha=alpha), reals, fakes


def expected(file, lod, term):
    return oracle.tensor(FILES[file][1][f"out/lod{lod}/D/{term}"])


def check_gradients(critic, file, lod, loss):
    meta, arrays = FILES[file]
    key = f"grad/lod{lod}/D/{loss}/"
    given = [name for name in arrays if name.startswith(key)]
    assert given
    parameters = dict(critic.named_parameters())
    for name in given:
        official = name.removeprefix(key)
        parameter = parameters[oracle.name_in(critic, official, 16)]
        ours = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        wanted = oracle.tensor(oracle.ours(official, arrays[name])).reshape(ours.shape)
        torch.testing.assert_close(ours, wanted, rtol=1e-8, atol=1e-10)
    norms = meta["grad_norms"][f"lod{lod}/D/{loss}"]
    for official, norm in norms.items():
        if official == "lod":  # a parameter of theirs, an argument of ours
            continue
        gradient = parameters[oracle.name_in(critic, official, 16)].grad
        assert (0.0 if gradient is None else gradient.norm().item()) == pytest.approx(norm, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize(("file", "lod"), SCENES)
def test_wgan_gp_equals_the_official_one(file, lod):
    critic, function, reals, fakes = scene(file, lod)
    mix = oracle.tensor(FILES[file][1]["in/mix_eps"])
    loss, statistics = objectives.wgan_gp_critic(function, reals, fakes, mix)
    norms = objectives.gradient_norms(function, torch.lerp(reals, fakes, mix))
    torch.testing.assert_close(norms, expected(file, lod, "mixed_norms"), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(statistics["penalty"], expected(file, lod, "gp"), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(-statistics["wasserstein"], expected(file, lod, "wgan_critic"), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(loss, expected(file, lod, "wgan_gp_total"), rtol=1e-9, atol=1e-12)
    loss.backward()
    check_gradients(critic, file, lod, "wgan_gp_total")


@pytest.mark.parametrize(("file", "lod"), SCENES)
def test_logistic_loss_with_r1_equals_the_official_one(file, lod):
    critic, function, reals, fakes = scene(file, lod)
    loss, statistics = objectives.logistic_r1_critic(function, reals, fakes)
    torch.testing.assert_close(statistics["penalty"], expected(file, lod, "r1_gamma10"), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(loss, expected(file, lod, "logistic_d_r1_total"), rtol=1e-9, atol=1e-12)
    loss.backward()
    check_gradients(critic, file, lod, "logistic_d_r1_total")


@pytest.mark.parametrize(("file", "lod"), SCENES)
def test_generator_losses_equal_the_official_ones(file, lod):
    _, function, _, fakes = scene(file, lod)
    wgan = objectives.wgan_generator(function, fakes).loss
    torch.testing.assert_close(wgan, expected(file, lod, "wgan_g"), rtol=1e-9, atol=1e-12)
    logistic = objectives.nonsaturating_generator(function, fakes).loss
    torch.testing.assert_close(logistic, expected(file, lod, "logistic_g_nonsat"), rtol=1e-9, atol=1e-12)


def labelled_critic():
    torch.manual_seed(0)
    critic = Discriminator(resolution=8, label_dim=3, fmap_base=32, fmap_max=8).double()
    return critic, torch.randn(4, 3, 8, 8).double(), torch.randn(4, 3, 8, 8).double()


def test_labels_add_the_cross_entropy_of_reals_and_of_fakes():
    critic, reals, fakes = labelled_critic()
    labels, mix = torch.eye(3).double()[[0, 2, 1, 1]], torch.rand(4, 1, 1, 1).double()

    def entropy(images):
        return -critic(images)[1].log_softmax(dim=1).mul(labels).sum(dim=1).mean()

    plain = objectives.wgan_gp_critic(critic, reals, fakes, mix)
    conditional = objectives.wgan_gp_critic(critic, reals, fakes, mix, labels)
    torch.testing.assert_close(conditional.loss - plain.loss, entropy(reals) + entropy(fakes))
    torch.testing.assert_close(conditional.statistics["label_loss"], entropy(reals) + entropy(fakes))
    generator = objectives.wgan_generator(critic, fakes, labels).loss - objectives.wgan_generator(critic, fakes).loss
    torch.testing.assert_close(generator, entropy(fakes))


def test_a_critic_of_slope_one_pays_no_penalty():
    direction = F.normalize(torch.randn(1, 12, generator=torch.Generator().manual_seed(1)).double())
    reals, fakes = torch.randn(2, 5, 3, 2, 2, generator=torch.Generator().manual_seed(2)).double()

    def linear(images, slope):
        return slope * images.flatten(1) @ direction.T

    for slope, penalty in ((1.0, 0.0), (3.0, 40.0)):
        critic = partial(linear, slope=slope)
        result = objectives.wgan_gp_critic(critic, reals, fakes, torch.full((5, 1, 1, 1), 0.3).double(), drift=0.0)
        assert result.statistics["penalty"].item() == pytest.approx(penalty, abs=1e-9)
        distance = (slope * (reals - fakes).flatten(1) @ direction.T).mean()
        torch.testing.assert_close(result.statistics["wasserstein"], distance)
        torch.testing.assert_close(result.loss, result.statistics["penalty"] - distance)


def test_the_penalty_scales_with_weight_and_target():
    critic, reals, fakes = labelled_critic()
    mix = torch.full((4, 1, 1, 1), 0.5).double()
    norms = objectives.gradient_norms(critic, (reals + fakes) / 2)
    result = objectives.wgan_gp_critic(critic, reals, fakes, mix, gp_weight=7.0, target=750.0)
    torch.testing.assert_close(result.statistics["penalty"], 7 * (norms / 750 - 1).square().mean())


def test_a_flat_critic_has_finite_gradients():
    weight = torch.zeros(12, 1, dtype=torch.float64, requires_grad=True)
    images = torch.ones(2, 3, 2, 2, dtype=torch.float64)
    mix = torch.zeros(2, 1, 1, 1, dtype=torch.float64)
    objectives.wgan_gp_critic(lambda x: x.flatten(1) @ weight, images, images, mix).loss.backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()
