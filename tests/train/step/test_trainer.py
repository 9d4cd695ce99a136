"""The training step in one process: what is stepped, reset, averaged, skipped and accumulated."""

import copy
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from tests.train.small import Pictures, a_schedule, a_trainer, gradients, step, train, weights, with_other_edges
from train.config.schedule import Schedule
from train.step import computation as module
from train.step.computation import Means
from train.step.objectives import Loss
from train.step.trainer import fast_kernels

ARCHITECTURES = pytest.mark.parametrize("architecture", ["progan", "stylegan"])
PLACES = {"4 px": 0, "fade to 8 px": 32, "8 px": 48, "fade to 16 px": 72, "16 px": 96}


def adam_steps(adam):
    """How many steps the optimizer has behind it since it was reset, by parameter's place."""
    parameters = adam.param_groups[0]["params"]
    return {place: int(adam.state[p]["step"]) for place, p in enumerate(parameters) if p in adam.state}


def test_adam_is_reset_at_both_ends_of_every_fade_and_nowhere_else():
    trainer, loader = a_trainer(schedule=a_schedule(batch=4, stable=0.02, fade=0.02))
    phase, steps = None, 0
    for _ in range(25):
        now = trainer.schedule.at(trainer.images).phase
        phase, steps = now, steps + 1 if now == phase else 1
        step(trainer, loader)
        for adam in (trainer.g_adam, trainer.d_adam):
            assert set(adam_steps(adam).values()) == {steps}
    assert phase == 4


@pytest.mark.parametrize(
    ("fade", "reached"),
    [(0, [4, 4, 8, 8, 16]), (0.004, [4, 4, 4, 8, 8, 16]), (0.016, [4, 4, 4, 8, 8, 8, 8, 16])],
)
def test_the_stage_is_one_of_which_batches_were_taken(fade, reached):
    trainer, loader = a_trainer(schedule=a_schedule(batch=8, stable=0.016, fade=fade))
    found = [trainer.stage]
    while len(found) <= len(reached):
        step(trainer, loader)
        found.append(trainer.stage)
    assert [stage.resolution for stage in found] == [4, *reached]
    assert [stage.alpha for stage in found if stage.resolution == 8][-1] == 1


def test_networks_are_those_without_filters_until_these_are_used():
    schedule = replace(a_schedule(start=16), blur_kimg=0.03)  # the second of the steps of 16 is the last without
    trainer, loader = a_trainer(schedule=schedule, architecture="stylegan")
    z, images = torch.randn(4, 8, dtype=torch.float64), torch.randn(4, 3, 16, 16, dtype=torch.float64)

    def like(network, **changes):
        """A network of the same weights."""
        other = type(network).from_config(replace(network.config, **changes)).double()
        other.load_state_dict(network.state_dict())
        return other

    def results(generator, average, critic):
        return [generator(z, noise="none"), average(z, noise="none"), critic(images)]

    for steps in range(4):
        own = trainer.generator, trainer.generator_ema, trainer.discriminator
        for name, changes in {"plain": {"blur_filter": None}, "filtered": {}}.items():
            pairs = zip(results(*own), results(*(like(network, **changes) for network in own)), strict=True)
            equal = {torch.allclose(*pair, rtol=0, atol=1e-12) for pair in pairs}
            assert equal == {name == ("plain" if steps < 3 else "filtered")}
        step(trainer, loader)
        for adam in (trainer.g_adam, trainer.d_adam):
            assert set(adam_steps(adam).values()) == {steps + 1 if steps < 2 else steps - 1}


@ARCHITECTURES
def test_parameters_outside_the_stage_are_left_alone(architecture):
    trainer, loader = a_trainer(architecture=architecture)
    before = weights(trainer)
    step(trainer, loader)
    changed = {name for name, value in weights(trainer).items() if not torch.equal(value, before[name])}
    assert changed
    assert not any("8x8" in name or "16x16" in name for name in changed)
    image = "generator.to_image" if architecture == "progan" else "generator.synthesis.to_image"
    assert {f"{image}.4x4.weight", "discriminator.from_image.4x4.weight"} <= changed


@ARCHITECTURES
def test_what_lies_in_the_margin_of_real_images_is_not_seen(architecture):
    data, other = Pictures(), with_other_edges(2)
    schedule = a_schedule(start=8, batch=8)

    def trained(pictures, margin):
        return weights(train(*a_trainer(schedule=schedule, data=pictures, architecture=architecture, margin=margin), 8))

    for margin, seen in ((2, False), (0, True)):
        first, second = trained(data, margin), trained(other, margin)
        assert any(not torch.equal(first[name], second[name]) for name in first) == seen


def test_the_learning_rate_is_the_stages():
    schedule = Schedule(16, 4, 0.02, 0.02, dict.fromkeys((4, 8, 16), 10), {4: 0.1, 8: 0.01, 16: 0.001})
    trainer, loader = a_trainer(schedule=schedule)
    rates = []
    for _ in range(10):
        step(trainer, loader)
        (rate,) = {float(adam.param_groups[0]["lr"]) for adam in (trainer.g_adam, trainer.d_adam)}
        rates.append(rate)
    assert rates == [0.1] * 3 + [0.01] * 4 + [0.001] * 3  # a fade begins after its first 10 images


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adam_is_that_of_the_paper(dtype):
    """Against Kingma & Ba 2015, algorithm 1, with beta1 0, beta2 0.99 and epsilon 1e-8, in float64 and plain numpy."""
    trainer, loader = a_trainer(dtype=dtype)
    inputs = trainer.inputs.for_critic(loader.read(0), trainer.enter(0))
    random = np.random.RandomState(0)
    network, adam = trainer.discriminator, trainer.d_adam
    reference = [p.detach().double().numpy().copy() for p in network.parameters()]
    moments = [np.zeros_like(value) for value in reference]
    for time in range(1, 6):
        slopes = [random.standard_normal(p.shape) * 10.0 ** random.randint(-6, 2) for p in network.parameters()]
        for parameter, slope in zip(network.parameters(), slopes, strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(torch.from_numpy(slope))
        means = Means([p.grad for p in network.parameters()], ("loss",), torch.zeros(1), None)
        trainer.computation.update((adam,), inputs.lr, means)
        for value, moment, slope in zip(reference, moments, slopes, strict=True):
            moment += 0.01 * (slope**2 - moment)
            value -= 0.002 * slope / (np.sqrt(moment / (1 - 0.99**time)) + 1e-8)
    for parameter, value in zip(network.parameters(), reference, strict=True):
        tolerance = 1e-12 if dtype == torch.float64 else 2e-6
        torch.testing.assert_close(parameter.detach().double().numpy(), value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("cut", [[1000], [250] * 4, [16] * 60 + [40], [1, 999]])
def test_the_average_has_its_half_life_in_images(cut):
    trainer, _ = a_trainer(ema_kimg=1.0)
    with torch.no_grad():
        for parameter in trainer.generator_ema.parameters():
            parameter.fill_(3.0)
        for parameter in trainer.generator.parameters():
            parameter.fill_(1.0)
    for images in cut:
        trainer.computation.update_ema(trainer.inputs.ema_weight(10**6, images))
    for parameter in trainer.generator_ema.parameters():
        torch.testing.assert_close(parameter, torch.full_like(parameter, 2.0), rtol=0, atol=1e-12)


@ARCHITECTURES
def test_an_average_without_half_life_is_the_generator(architecture):
    trainer = train(*a_trainer(ema_kimg=0, architecture=architecture), 3)
    found = weights(trainer)
    for name, value in trainer.generator.state_dict().items():
        assert torch.equal(found[f"average.{name}"], value)


def test_the_average_counts_the_images_of_the_step():
    """Two batches of different size for one step of the generator."""
    schedule = Schedule(8, 4, 0.02, 0.02, {4: 21, 8: 8}, {4: 0.001, 8: 0.001})
    trainer, loader = a_trainer(schedule=schedule, n_critic=2, ema_kimg=0.029)
    before = weights(trainer)
    step(trainer, loader)
    assert trainer.images == 29
    for name, value in trainer.generator.state_dict().items():
        middle = (before[f"average.{name}"] + value) / 2
        torch.testing.assert_close(trainer.generator_ema.state_dict()[name], middle, rtol=0, atol=1e-12)


def test_early_averages_are_short():
    """Half-lives of at most half of the images shown: steps of 16 of 8, 16 and then 20 images."""
    trainer, loader = a_trainer(ema_kimg=0.02, ema_rampup=0.5)
    for half_life in (8, 16, 20):
        before = trainer.generator_ema.state_dict()
        before = {name: value.clone() for name, value in before.items()}
        step(trainer, loader)
        kept = 0.5 ** (16 / half_life)
        for name, value in trainer.generator.state_dict().items():
            expected = kept * before[name] + (1 - kept) * value
            torch.testing.assert_close(trainer.generator_ema.state_dict()[name], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_critic", [1, 3])
def test_the_critic_steps_n_times_as_often(n_critic):
    trainer, loader = a_trainer(schedule=a_schedule(stable=1), n_critic=n_critic)
    train(trainer, loader, 2)
    assert trainer.images == 2 * n_critic * 16
    assert set(adam_steps(trainer.d_adam).values()) == {2 * n_critic}
    assert set(adam_steps(trainer.g_adam).values()) == {2}


def test_each_network_is_stepped_by_its_own_objective():
    trainer, loader = a_trainer()
    stage = trainer.enter(0)
    start = weights(trainer)
    trainer.critic_step(trainer.inputs.for_critic(loader.read(0), stage))
    between = weights(trainer)
    critics_gradients = gradients(trainer)
    trainer.generator_step(trainer.inputs.for_generator(16, stage, 16))
    end = weights(trainer)
    for first, second, parts in ((start, between, {"discriminator"}), (between, end, {"generator", "average"})):
        changed = {name.split(".")[0] for name in first if not torch.equal(first[name], second[name])}
        assert changed == parts
    for name, gradient in gradients(trainer).items():
        if name.startswith("discriminator") and gradient is not None:
            assert torch.equal(gradient, critics_gradients[name])


def test_half_of_the_images_are_mirrored():
    schedule = a_schedule(stable=9, batch=32)
    trainer, loader = a_trainer(schedule=schedule)
    assert trainer.inputs.for_critic(loader.read(0), schedule.at(0)).mirrored is None
    trainer, loader = a_trainer(schedule=schedule, mirror=True)
    drawn = [
        trainer.inputs.for_critic(loader.read(images), schedule.at(images)).mirrored for images in range(0, 960, 32)
    ]
    mirrored = torch.stack(drawn).flatten(1).float()
    assert mirrored.shape == (30, 32)
    assert mirrored.mean() == pytest.approx(0.5, abs=0.05)
    assert len({tuple(row.tolist()) for row in mirrored}) == 30


def test_mirrored_pictures_change_what_the_critic_learns():
    symmetric = Pictures()
    for images in symmetric.levels.values():
        images[:] = np.maximum(images, images[..., ::-1])
    for data, same in ((Pictures(), False), (symmetric, True)):
        plain, mirrored = (train(*a_trainer(data=data, mirror=mirror), 1) for mirror in (False, True))
        weight = "discriminator.conv.weight"
        assert torch.equal(weights(plain)[weight], weights(mirrored)[weight]) == same


def test_labels_are_those_of_the_reals_and_for_the_generator_random_ones_of_the_data():
    trainer, loader = a_trainer(labels=True, schedule=a_schedule(stable=9))
    trainer.inputs.labels.values[~np.isin(np.arange(60), trainer.inputs.labels.training)] = (
        np.nan
    )  # of pictures that are held out
    given = []
    trainer.generator.register_forward_pre_hook(lambda _, inputs: given.append(inputs[1]))
    drawn = []
    for batch in islice(loader.batches(0), 20):
        trainer.step([batch])
        critics, generators = given[-2:]
        assert torch.equal(critics, trainer.inputs.labels.of(batch.indices).double())
        drawn.append(generators)
    counts = torch.cat(drawn).sum(0)
    assert counts.sum() == 320
    share = trainer.inputs.labels.values[torch.from_numpy(trainer.inputs.labels.training)].mean(0)
    torch.testing.assert_close(counts / 320, share.double(), rtol=0, atol=0.08)


def test_critic_and_generator_draw_latents_of_their_own():
    trainer, loader = a_trainer()
    given = []
    trainer.generator.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    for _ in range(3):
        step(trainer, loader)
    assert len(given) == 6
    assert len({float(latents[0, 0]) for latents in given}) == 6


def broken(name):
    """That loss with a gradient that is not finite in one place, though its value is."""
    whole = getattr(module, name)

    def loss(config, critic, images, *arguments):
        result = whole(config, critic, images, *arguments)
        place = critic.func.conv.bias[0] if name == "critic_loss" else images.flatten()[0]
        return Loss(result.value + (place * 0).sqrt(), result.statistics)

    return loss


@pytest.mark.parametrize(("name", "left"), [("critic_loss", "discriminator"), ("generator_loss", "generator")])
def test_a_gradient_that_is_not_finite_skips_the_step(monkeypatch, name, left):
    trainer, loader = a_trainer(schedule=a_schedule(stable=9))
    train(trainer, loader, 2)
    adam = {"generator": trainer.g_adam, "discriminator": trainer.d_adam}[left]
    before, moments = weights(trainer), [value.clone() for p in adam.state for value in adam.state[p].values()]
    with monkeypatch.context() as patch:
        patch.setattr(module, name, broken(name))
        for number in (1, 2):
            measured = step(trainer, loader)
            assert not measured["D/gradient" if left == "discriminator" else "G/gradient"].isfinite()
            assert (trainer.skipped, trainer.skipped_in_a_row) == (number, number)
    after = weights(trainer)
    assert all(torch.equal(after[key], value) for key, value in before.items() if key.startswith(left))
    assert not all(torch.equal(after[key], value) for key, value in before.items())
    now = [value for p in adam.state for value in adam.state[p].values()]
    assert all(torch.equal(first, second) for first, second in zip(moments, now, strict=True))
    assert trainer.images == 4 * 16
    step(trainer, loader)
    assert (trainer.skipped, trainer.skipped_in_a_row) == (2, 0)
    assert all(value.isfinite().all() for value in weights(trainer).values())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("architecture", "loss", "labels"),
    [
        ("progan", "wgan-gp", False),
        ("progan", "wgan-gp", True),
        ("progan", "ns-r1", False),
        ("progan", "ns-r1", True),
        ("stylegan", "wgan-gp", True),
        ("progan", "wgan-gp", "vector"),
        ("stylegan", "wgan-gp", "vector"),
    ],
)
def test_accumulated_gradients_are_those_of_one_pass(architecture, loss, labels, place):
    for mbstd, most in ((0, 3), (4, 8), (4, 4)):
        found = []
        for batch_per_device in (None, most):
            trainer, loader = a_trainer(
                loss=loss, labels=labels, mbstd=mbstd, batch_per_device=batch_per_device, architecture=architecture
            )
            trainer.images = PLACES[place]
            found.append((step(trainer, loader), gradients(trainer), dict(trainer.generator.named_buffers())))
        torch.testing.assert_close(found[1][1], found[0][1], rtol=0, atol=1e-10)
        torch.testing.assert_close(found[1][2], found[0][2], rtol=0, atol=1e-12)
        torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("share", "most", "sizes"),
    [(16, None, [16]), (16, 16, [16]), (16, 5, [4] * 4), (24, 7, [4] * 6), (6, 4, [3, 3]), (5, 2, [1] * 5)],
)
def test_a_share_is_cut_into_equal_strided_parts(share, most, sizes):
    trainer, _ = a_trainer(batch_per_device=most)
    parts = [torch.arange(share)[part] for part in trainer.computation.parts(share)]
    assert [len(part) for part in parts] == sizes
    assert all(torch.equal(part, torch.arange(start, share, len(sizes))) for start, part in enumerate(parts))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("architecture", "loss", "likeness"),
    [("progan", "wgan-gp", 0.99), ("progan", "ns-r1", 0.99), ("stylegan", "wgan-gp", 0.98)],
)
def test_bfloat16_is_close_to_float32(architecture, loss, likeness, place):
    found = []
    for mixed_precision in ("no", "bf16"):
        config = {"loss": loss, "mixed_precision": mixed_precision}
        trainer, loader = a_trainer(dtype=torch.float32, maps=64, architecture=architecture, **config)
        trainer.images = PLACES[place]
        measured = step(trainer, loader)
        given = gradients(trainer)
        for part in ("discriminator", "generator"):
            flat = torch.cat([g.flatten() for name, g in given.items() if name.startswith(part) and g is not None])
            found.append((flat, measured["D/loss"], measured["G/loss"]))
    for exact, rounded in zip(found[:2], found[2:], strict=True):
        assert rounded[0].dtype == torch.float32
        assert not torch.equal(exact[0], rounded[0])
        assert torch.cosine_similarity(exact[0], rounded[0], dim=0) > likeness
        torch.testing.assert_close(rounded[1:], exact[1:], rtol=0.05, atol=0.02)


@pytest.mark.parametrize("ratio", [1.0, 2.5])
def test_the_generators_steps_are_in_proportion_to_the_critics(ratio):
    trainer, loader = a_trainer(g_lr_ratio=ratio)
    before = copy.deepcopy((trainer.generator, trainer.discriminator))
    step(trainer, loader)
    # Adam's first step moves what has a gradient by the learning rate itself, whatever the gradient.
    moved = [
        max((p - q).abs().max().item() for p, q in zip(old.parameters(), new.parameters(), strict=True))
        for old, new in zip(before, (trainer.generator, trainer.discriminator), strict=True)
    ]
    lr = trainer.schedule.at(0).lr
    assert moved == pytest.approx([ratio * lr, lr], rel=1e-4)


def test_noise_is_learned_at_a_rate_of_its_own():
    trainer, loader = a_trainer(architecture="stylegan", g_lr_ratio=4.0, noise_lr_ratio=0.25)
    before = copy.deepcopy(trainer.generator)
    step(trainer, loader)
    moved = {
        name: (new - old).abs().max().item()
        for (name, new), old in zip(trainer.generator.named_parameters(), before.parameters(), strict=True)
    }
    lr = trainer.schedule.at(0).lr
    noise = [amount for name, amount in moved.items() if "noise" in name and amount > 0]
    assert noise == pytest.approx([lr] * len(noise), rel=1e-3)
    assert max(amount for name, amount in moved.items() if "noise" not in name) == pytest.approx(4 * lr, rel=1e-3)
    assert len(noise) >= 2


def test_it_learns_a_colour():
    """Both objectives have the right sign: the generator comes to draw what it is shown."""
    data = Pictures()
    for images in data.levels.values():
        images[:] = np.array([255, 64, 128], np.uint8).reshape(1, 3, 1, 1)
    for loss, architecture, steps in (
        ("wgan-gp", "progan", 150),
        ("ns-r1", "progan", 150),
        ("wgan-gp", "stylegan", 110),
    ):
        schedule = a_schedule(resolution=4, lr=0.01)
        config = {"loss": loss, "ema_kimg": 0.5, "architecture": architecture}
        trainer, loader = a_trainer(schedule=schedule, data=data, dtype=torch.float32, **config)
        train(trainer, loader, steps)
        drawn = trainer.generator_ema(torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), resolution=4)
        torch.testing.assert_close(drawn.mean((0, 2, 3)), torch.tensor([1.0, -0.5, 0.0]), rtol=0, atol=0.2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_training_goes_on_where_single_kernels_cannot_be_made():
    kernels, why = fast_kernels(torch.device("cuda"), wanted=True)
    assert kernels is None
    assert len(why.splitlines()) == 1
    assert fast_kernels(torch.device("cuda"), wanted=False) == fast_kernels(torch.device("cpu"), True) == (None, "")
