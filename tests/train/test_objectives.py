"""The objectives against numbers that the official programs gave in float64, gradients of second order included."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from progan import Discriminator
from tests import oracle
from train.step import objectives

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
    minimax = objectives.saturating_generator(function, fakes).loss
    torch.testing.assert_close(minimax, expected(file, lod, "logistic_g_sat"), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("file", "lod"), SCENES)
@pytest.mark.parametrize(
    ("name", "term"), [("wgan_critic", "wgan_critic"), ("hinge_critic", "hinge_d"), ("logistic_critic", "logistic_d")]
)
def test_critic_losses_equal_the_official_ones(file, lod, name, term):
    _, function, reals, fakes = scene(file, lod)
    loss, statistics = getattr(objectives, name)(function, reals, fakes)
    torch.testing.assert_close(loss, expected(file, lod, term), rtol=1e-9, atol=1e-12)
    for key, scores in (("score_real", "scores_real"), ("score_fake", "scores_fake")):
        torch.testing.assert_close(statistics[key], expected(file, lod, scores).mean(), rtol=1e-9, atol=1e-12)


CRITICS = ["wgan_gp_critic", "wgan_critic", "hinge_critic", "logistic_critic", "logistic_r1_critic"]
GENERATORS = ["wgan_generator", "saturating_generator", "nonsaturating_generator"]


def smooth_critic(images, first, second):
    """Scores and label logits, which are curved everywhere."""
    result = torch.tanh(images.flatten(1) @ first) @ second
    return result[:, :1], result[:, 1:]


@pytest.mark.parametrize("name", [*CRITICS, *GENERATORS])
def test_gradients_are_those_of_differences(name):
    """Of the critic's weights, where penalties take derivatives of second order, and of the generator's images."""
    random = torch.Generator().manual_seed(5)
    reals, fakes = torch.randn(2, 3, 2, 2, 2, generator=random).double()
    weights = [(torch.randn(*shape, generator=random).double() / 2).requires_grad_() for shape in ((8, 5), (5, 3))]
    labels, mix = torch.eye(2).double()[[0, 1, 1]], torch.rand(3, 1, 1, 1, generator=random).double()
    function = getattr(objectives, name)

    def of_critic(*weights):
        more = [mix] if name == "wgan_gp_critic" else []
        return function(lambda images: smooth_critic(images, *weights), reals, fakes, *more, labels).loss

    def of_generator(images):
        return function(lambda images: smooth_critic(images, *weights), images, labels).loss

    if name in CRITICS:
        assert torch.autograd.gradcheck(of_critic, weights)
    else:
        assert torch.autograd.gradcheck(of_generator, fakes.requires_grad_())


P, Q = torch.tensor([4, 3, 1, 0]) / 8, torch.tensor([0, 1, 1, 6]) / 8  # two distributions over four pictures


def drawn(shares):
    """Eight pictures of one pixel, the number of each as its share says."""
    return torch.arange(4.0).double().repeat_interleave((8 * shares).long()).reshape(-1, 1, 1, 1)


def table(values):
    """The critic that gives each of the four pictures a score."""
    return lambda images: values[images.flatten().long()].reshape(-1, 1)


def test_the_best_critics_estimate_is_the_jensen_shannon_divergence():
    def divergence(p, q):
        return (p * (p / q).log()).nan_to_num(0).sum()

    middle = (P + Q) / 2
    exact = (divergence(P, middle) + divergence(Q, middle)) / 2
    best = (P / Q).log().clamp(-40, 40).double()
    for function in (objectives.logistic_critic, partial(objectives.logistic_r1_critic, gamma=0.0)):
        reals, fakes = drawn(P), drawn(Q)
        found = function(lambda x: table(best)(x.detach()) + 0 * x.flatten(1), reals, fakes).statistics
        assert found["jensen_shannon"].item() == pytest.approx(exact.item(), abs=1e-7)
        worse = function(lambda x: table(best + 0.3)(x.detach()) + 0 * x.flatten(1), reals, fakes).statistics
        assert worse["jensen_shannon"] < found["jensen_shannon"]


def test_the_best_critics_estimate_is_the_total_variation():
    exact = (P - Q).abs().sum().item() / 2
    found = objectives.hinge_critic(table((P - Q).sign().double()), drawn(P), drawn(Q))
    assert found.statistics["total_variation"].item() == pytest.approx(exact, abs=1e-12)
    assert objectives.hinge_critic(table(P - Q), drawn(P), drawn(Q)).loss > found.loss


def test_a_critic_of_slope_one_measures_how_far_pictures_were_moved():
    moved = objectives.wgan_critic(lambda images: images.flatten(1), drawn(P) + 3, drawn(P))
    assert moved.loss.item() == pytest.approx(-3)
    assert moved.statistics["wasserstein"].item() == pytest.approx(3)


def test_the_original_game_is_one_of_zero_sum_and_the_other_pushes_where_it_does_not():
    fakes = torch.tensor([-9.0, 0.0, 9.0]).double().reshape(3, 1, 1, 1).requires_grad_()

    def pushes(function, *arguments):
        return torch.autograd.grad(function(lambda x: x.flatten(1), *arguments).loss, fakes)[0].flatten() * 3

    critic = pushes(objectives.logistic_critic, torch.zeros(3, 1, 1, 1).double(), fakes)
    sure, unsure = torch.sigmoid(torch.tensor(-9.0)).item(), 1 - torch.sigmoid(torch.tensor(-9.0)).item()
    saturating, other = (
        pushes(objectives.saturating_generator, fakes),
        pushes(objectives.nonsaturating_generator, fakes),
    )
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

    plain = objectives.wgan_gp_critic(critic, reals, fakes, mix)
    conditional = objectives.wgan_gp_critic(critic, reals, fakes, mix, labels)
    torch.testing.assert_close(conditional.loss - plain.loss, entropy(reals) + entropy(fakes))
    torch.testing.assert_close(conditional.statistics["label_loss"], entropy(reals) + entropy(fakes))
    for name in CRITICS[1:]:
        function = getattr(objectives, name)
        difference = function(critic, reals, fakes, labels).loss - function(critic, reals, fakes).loss
        torch.testing.assert_close(difference, entropy(reals) + entropy(fakes))
    for name in GENERATORS:
        function = getattr(objectives, name)
        difference = function(critic, fakes, labels).loss - function(critic, fakes).loss
        torch.testing.assert_close(difference, entropy(fakes))


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
