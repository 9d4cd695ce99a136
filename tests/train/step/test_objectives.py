"""The objectives against numbers that the official programs gave in float64, gradients of second order included."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from progan import Discriminator
from tests import oracle
from train.step.config import StepConfig
from train.step.objectives import OBJECTIVES, critic_loss, generator_loss, gradient_norms

FILES = {name: oracle.load(name) for name in ("losses_progan_d_16", "losses_stylegan_d_16")}
WGAN_GP = StepConfig(loss="wgan-gp")
UNUSED = torch.empty(0)  # the mix, by objectives without a gradient penalty
SCENES = [pytest.param(name, lod, id=f"{name}-{lod}") for name in FILES for lod in FILES[name][0]["lods"]]


def scene(file, lod):
    """The critic, its function at this stage, and the inputs at the stage's resolution."""
    meta, arrays = FILES[file]
    critic, _, _ = oracle.build(meta["D_weights"])
    resolution, alpha = oracle.stage(lod, 16)
    pool = 16 // resolution
    reals, fakes = (F.avg_pool2d(oracle.tensor(arrays[f"in/{key}"]), pool) for key in ("reals", "fakes"))
    return critic, lambda images, batches=1: critic(images, alpha=alpha, batches=batches), reals, fakes


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
    loss, statistics = critic_loss(WGAN_GP, function, reals, fakes, mix)
    norms = gradient_norms(function, torch.lerp(reals, fakes, mix))
    torch.testing.assert_close(norms, expected(file, lod, "mixed_norms"), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(statistics["penalty"], expected(file, lod, "gp"), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(-statistics["wasserstein"], expected(file, lod, "wgan_critic"), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(loss, expected(file, lod, "wgan_gp_total"), rtol=1e-9, atol=1e-12)
    loss.backward()
    check_gradients(critic, file, lod, "wgan_gp_total")


@pytest.mark.parametrize(("file", "lod"), SCENES)
def test_logistic_loss_with_r1_equals_the_official_one(file, lod):
    critic, function, reals, fakes = scene(file, lod)
    loss, statistics = critic_loss(StepConfig(loss="ns-r1"), function, reals, fakes, UNUSED)
    torch.testing.assert_close(statistics["penalty"], expected(file, lod, "r1_gamma10"), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(loss, expected(file, lod, "logistic_d_r1_total"), rtol=1e-9, atol=1e-12)
    loss.backward()
    check_gradients(critic, file, lod, "logistic_d_r1_total")


@pytest.mark.parametrize(("file", "lod"), SCENES)
def test_generator_losses_equal_the_official_ones(file, lod):
    _, function, _, fakes = scene(file, lod)
    wgan = generator_loss(WGAN_GP, function, fakes).value
    torch.testing.assert_close(wgan, expected(file, lod, "wgan_g"), rtol=1e-9, atol=1e-12)
    logistic = generator_loss(StepConfig(loss="ns"), function, fakes).value
    torch.testing.assert_close(logistic, expected(file, lod, "logistic_g_nonsat"), rtol=1e-9, atol=1e-12)
    minimax = generator_loss(StepConfig(loss="gan"), function, fakes).value
    torch.testing.assert_close(minimax, expected(file, lod, "logistic_g_sat"), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("file", "lod"), SCENES)
@pytest.mark.parametrize(
    ("name", "term"),
    [("wgan-clip", "wgan_critic"), ("hinge", "hinge_d"), ("gan", "logistic_d"), ("ns", "logistic_d")],
)
def test_critic_losses_equal_the_official_ones(file, lod, name, term):
    _, function, reals, fakes = scene(file, lod)
    loss, statistics = critic_loss(StepConfig(loss=name), function, reals, fakes, UNUSED)
    torch.testing.assert_close(loss, expected(file, lod, term), rtol=1e-9, atol=1e-12)
    for key, scores in (("score_real", "scores_real"), ("score_fake", "scores_fake")):
        torch.testing.assert_close(statistics[key], expected(file, lod, scores).mean(), rtol=1e-9, atol=1e-12)


def smooth_critic(images, first, second):
    """Scores and label logits, which are curved everywhere."""
    result = torch.tanh(images.flatten(1) @ first) @ second
    return result[:, :1], result[:, 1:]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_those_of_differences(name):
    """Of the critic's weights, where penalties take derivatives of second order, and of the generator's images."""
    random = torch.Generator().manual_seed(5)
    reals, fakes = torch.randn(2, 3, 2, 2, 2, generator=random).double()
    weights = [(torch.randn(*shape, generator=random).double() / 2).requires_grad_() for shape in ((8, 5), (5, 3))]
    labels, mix = torch.eye(2).double()[[0, 1, 1]], torch.rand(3, 1, 1, 1, generator=random).double()
    config = StepConfig(loss=name)

    def of_critic(*weights):
        return critic_loss(
            config, lambda images, batches=1: smooth_critic(images, *weights), reals, fakes, mix, labels
        ).value

    def of_generator(images):
        return generator_loss(config, lambda images, batches=1: smooth_critic(images, *weights), images, labels).value

    assert torch.autograd.gradcheck(of_critic, weights)
    assert torch.autograd.gradcheck(of_generator, fakes.requires_grad_())


P, Q = torch.tensor([4, 3, 1, 0]) / 8, torch.tensor([0, 1, 1, 6]) / 8  # two distributions over four pictures


def drawn(shares):
    """Eight pictures of one pixel, the number of each as its share says."""
    return torch.arange(4.0).double().repeat_interleave((8 * shares).long()).reshape(-1, 1, 1, 1)


def table(values):
    """The critic that gives each of the four pictures a score."""
    return lambda images, batches=1: values[images.flatten().long()].reshape(-1, 1)


def test_the_best_critics_estimate_is_the_jensen_shannon_divergence():
    def divergence(p, q):
        return (p * (p / q).log()).nan_to_num(0).sum()

    middle = (P + Q) / 2
    exact = (divergence(P, middle) + divergence(Q, middle)) / 2
    best = (P / Q).log().clamp(-40, 40).double()
    for config in (StepConfig(loss="gan"), StepConfig(loss="ns-r1", gamma=0.0)):
        function = partial(critic_loss, config, reals=drawn(P), fakes=drawn(Q), mix=UNUSED)
        found = function(lambda x, batches=1: table(best)(x.detach()) + 0 * x.flatten(1)).statistics
        assert found["jensen_shannon"].item() == pytest.approx(exact.item(), abs=1e-7)
        worse = function(lambda x, batches=1: table(best + 0.3)(x.detach()) + 0 * x.flatten(1)).statistics
        assert worse["jensen_shannon"] < found["jensen_shannon"]


def test_the_best_critics_estimate_is_the_total_variation():
    exact = (P - Q).abs().sum().item() / 2
    hinge = partial(critic_loss, StepConfig(loss="hinge"), reals=drawn(P), fakes=drawn(Q), mix=UNUSED)
    found = hinge(table((P - Q).sign().double()))
    assert found.statistics["total_variation"].item() == pytest.approx(exact, abs=1e-12)
    assert hinge(table(P - Q)).value > found.value


def test_a_critic_of_slope_one_measures_how_far_pictures_were_moved():
    moved = critic_loss(
        StepConfig(loss="wgan-clip"), lambda images, batches=1: images.flatten(1), drawn(P) + 3, drawn(P), UNUSED
    )
    assert moved.value.item() == pytest.approx(-3)
    assert moved.statistics["wasserstein"].item() == pytest.approx(3)


def test_the_original_game_is_one_of_zero_sum_and_the_other_pushes_where_it_does_not():
    fakes = torch.tensor([-9.0, 0.0, 9.0]).double().reshape(3, 1, 1, 1).requires_grad_()

    def pushes(loss):
        return torch.autograd.grad(loss, fakes)[0].flatten() * 3

    critic = pushes(OBJECTIVES["gan"].critic(torch.zeros(3, 1).double(), fakes.flatten(1)))
    sure, unsure = torch.sigmoid(torch.tensor(-9.0)).item(), 1 - torch.sigmoid(torch.tensor(-9.0)).item()
    saturating, other = (pushes(OBJECTIVES[name].generator(fakes.flatten(1))) for name in ("gan", "ns"))
    torch.testing.assert_close(saturating, -critic)
    assert saturating.tolist() == pytest.approx([-sure, -0.5, -unsure], rel=1e-4)
    assert other.tolist() == pytest.approx([-unsure, -0.5, -sure], rel=1e-4)


def labelled_critic():
    torch.manual_seed(0)
    critic = Discriminator(resolution=8, label_dim=3, fmap_base=32, fmap_max=8).double()
    return critic, torch.randn(4, 3, 8, 8).double(), torch.randn(4, 3, 8, 8).double()


def test_labels_add_the_cross_entropy_of_reals_and_of_fakes():
    critic, reals, fakes = labelled_critic()
    labels, mix = torch.eye(3).double()[[0, 2, 1, 1]], torch.rand(4, 1, 1, 1).double()

    def entropy(images):
        return -critic(images)[1].log_softmax(dim=1).mul(labels).sum(dim=1).mean()

    for name in OBJECTIVES:
        config = StepConfig(loss=name)
        without, labelled = (critic_loss(config, critic, reals, fakes, mix, given) for given in (None, labels))
        torch.testing.assert_close(labelled.value - without.value, entropy(reals) + entropy(fakes))
        torch.testing.assert_close(labelled.statistics["label_loss"], entropy(reals) + entropy(fakes))
        difference = generator_loss(config, critic, fakes, labels).value - generator_loss(config, critic, fakes).value
        torch.testing.assert_close(difference, entropy(fakes))


def test_a_critic_of_slope_one_pays_no_penalty():
    direction = F.normalize(torch.randn(1, 12, generator=torch.Generator().manual_seed(1)).double())
    reals, fakes = torch.randn(2, 5, 3, 2, 2, generator=torch.Generator().manual_seed(2)).double()

    def linear(images, slope, batches=1):
        return slope * images.flatten(1) @ direction.T

    for slope, penalty in ((1.0, 0.0), (3.0, 40.0)):
        critic = partial(linear, slope=slope)
        result = critic_loss(WGAN_GP, critic, reals, fakes, torch.full((5, 1, 1, 1), 0.3).double())
        assert result.statistics["penalty"].item() == pytest.approx(penalty, abs=1e-9)
        distance = (slope * (reals - fakes).flatten(1) @ direction.T).mean()
        torch.testing.assert_close(result.statistics["wasserstein"], distance)
        drift = 0.001 * (slope * reals.flatten(1) @ direction.T).square().mean()
        torch.testing.assert_close(result.value, result.statistics["penalty"] - distance + drift)


def test_the_penalty_scales_with_its_weight():
    critic, reals, fakes = labelled_critic()
    mix = torch.full((4, 1, 1, 1), 0.5).double()
    norms = gradient_norms(critic, (reals + fakes) / 2)
    result = critic_loss(StepConfig(loss="wgan-gp", gp_weight=7.0), critic, reals, fakes, mix)
    torch.testing.assert_close(result.statistics["penalty"], 7 * (norms - 1).square().mean())


def test_a_flat_critic_has_finite_gradients():
    weight = torch.zeros(12, 1, dtype=torch.float64, requires_grad=True)
    images = torch.ones(2, 3, 2, 2, dtype=torch.float64)
    mix = torch.zeros(2, 1, 1, 1, dtype=torch.float64)
    critic_loss(WGAN_GP, lambda x, batches=1: x.flatten(1) @ weight, images, images, mix).value.backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


def test_the_nonsaturating_gradient_is_that_of_kl_less_twice_js():
    """With the best critic log(p_real / p_fake) held fixed (Arjovsky & Bottou 2017, theorem 2.5), for two Gaussians.

    The reals are N(0, 1) and the fakes N(place, 1), whose KL(fake | real) is place^2 / 2.
    """
    place = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    middles = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    fakes = place + torch.special.ndtri(middles)
    loss = OBJECTIVES["ns"].generator(-fakes.square() / 2 + (fakes - place.detach()).square() / 2)
    (update,) = torch.autograd.grad(loss, place)

    x = torch.linspace(-12, 12, 20001, dtype=torch.float64)
    real, fake = ((-(x - mean).square() / 2).exp() / math.sqrt(2 * math.pi) for mean in (0, place))
    middle = (real + fake) / 2
    js = torch.trapezoid(torch.xlogy(real, real / middle) + torch.xlogy(fake, fake / middle), x) / 2
    (divergences,) = torch.autograd.grad(place.square() / 2 - 2 * js, place)
    assert update.item() == pytest.approx(divergences.item(), rel=1e-3)
    assert divergences.item() != pytest.approx(torch.autograd.grad(place.square() / 2, place)[0].item(), rel=0.1)
