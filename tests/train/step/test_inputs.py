"""StyleGAN's part of the step: mixed styles, noise, and the mean w."""

import copy

import pytest
import torch

from stylegrow.architectures import ARCHITECTURES
from tests.train.small import a_schedule, a_trainer, networks, step, train, weights
from train.config.schedule import Stage
from train.distributed.processes import SingleProcess
from train.step.config import StepConfig
from train.step.inputs import StepInputs
from train.step.random_streams import RandomStreams

LAYERS = {0: 2, 32: 4, 48: 4, 72: 6, 96: 6}  # of the stages, by the images seen


@pytest.fixture
def mapped():
    """A function that notes all that a trainer's mapping network is given and returns, 16 latents at a time."""

    def note(trainer):
        seen = []

        def keep(_, inputs, w):
            z, labels = inputs
            parts = z.split(16), [None] * len(z) if labels is None else labels.split(16), w.detach().split(16)
            seen.extend(zip(*parts, strict=False))

        trainer.generator.mapping.register_forward_hook(keep)
        return seen

    return note


@pytest.fixture
def synthesised():
    """A function that notes all that a trainer's synthesis network is given."""

    def note(trainer):
        seen = []
        trainer.generator.synthesis.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
        return seen

    return note


@pytest.mark.parametrize("images", LAYERS)
def test_styles_are_mixed_at_one_layer_of_the_stage(mapped, synthesised, images):
    trainer, loader = a_trainer(architecture="stylegan")
    trainer.images = images
    ws, given = mapped(trainer), synthesised(trainer)
    step(trainer, loader)
    stage, moments = trainer.schedule.at(images), [("critic", images), ("generator", images + 16)]
    for (purpose, moment), (rows, resolution, alpha, _) in zip(moments, given, strict=True):
        crossover = trainer.inputs.streams.crossover(f"{purpose} crossover", moment, LAYERS[images])
        first, second = (
            next((w for z, _, w in ws if torch.equal(z, latents.double())), None)
            for latents in (
                trainer.inputs.streams.latents(name, moment, 16, 8) for name in (purpose, f"{purpose} second")
            )
        )
        assert (resolution, float(alpha)) == (stage.resolution, stage.alpha)
        assert rows.shape == (16, LAYERS[images], 8)
        for layer in range(LAYERS[images]):
            assert torch.equal(rows[:, layer], first if layer < crossover else second)


def test_both_latents_have_the_same_labels(mapped):
    trainer, loader = a_trainer(architecture="stylegan", labels=True)
    seen = mapped(trainer)
    for _ in range(4):
        step(trainer, loader)
    by_labels = [labels for _, labels, _ in seen]
    assert len(seen) > 8
    assert all(
        any(torch.equal(one, other) for other in by_labels[:i] + by_labels[i + 1 :]) for i, one in enumerate(by_labels)
    )


def test_every_step_has_noise_of_its_own_for_every_layer_and_sample(synthesised):
    trainer, loader = a_trainer(architecture="stylegan")
    trainer.images = 96
    given = synthesised(trainer)
    step(trainer, loader)
    step(trainer, loader)
    maps = [one for _, _, _, noise in given for one in noise]
    assert [tuple(one.shape) for one in maps[:6]] == [(16, 1, r, r) for r in (4, 4, 8, 8, 16, 16)]
    assert len({float(value) for one in maps for value in one[:, 0, 0, 0]}) == 4 * 6 * 16


def test_the_mean_w_is_the_running_mean_of_the_first_latents_w(mapped):
    """After n half-steps: the sum over k of 0.005 * 0.995^(n - k) times the mean of the k-th."""
    trainer, loader = a_trainer(architecture="stylegan", n_critic=2, ema_kimg=0.1)
    seen = mapped(trainer)
    train(trainer, loader, 7)
    moments = []
    for start in range(0, 7 * 32, 32):
        moments += [("critic", start), ("critic", start + 16), ("generator", start + 32)]
    latents = [trainer.inputs.streams.latents(*moment, 16, 8).double() for moment in moments]
    means = [next(w for z, _, w in seen if torch.equal(z, first)).mean(0) for first in latents]
    powers = 0.995 ** torch.arange(len(means) - 1, -1, -1).double()
    expected = (0.005 * powers[:, None] * torch.stack(means)).sum(0)
    assert expected.abs().min() > 1e-6
    for generator in (trainer.generator, trainer.generator_ema):
        torch.testing.assert_close(generator.w_avg, expected, rtol=1e-12, atol=1e-15)


def test_a_mean_that_is_not_finite_changes_nothing():
    trainer, loader = a_trainer(architecture="stylegan")
    step(trainer, loader)
    before = trainer.generator.w_avg.clone()
    assert before.abs().min() > 0
    trainer.generator.update_w_avg(torch.tensor([1.0] * 7 + [torch.inf]).double())
    assert torch.equal(trainer.generator.w_avg, before)


def test_the_mean_w_is_reported_nowhere():
    measured = step(*a_trainer(architecture="stylegan"))
    assert {value.dim() for value in measured.values()} == {0}
    assert measured.keys() == step(*a_trainer()).keys()


def test_a_labelled_critic_scores_with_the_labels_and_has_no_label_loss():
    found = []
    for shift in (0, 1):
        trainer, loader = a_trainer(architecture="stylegan", labels=True, mbstd=0)
        trainer.inputs.labels.values.copy_(trainer.inputs.labels.values.roll(shift, dims=1))
        found.append((step(trainer, loader), weights(trainer)["discriminator.output.weight"]))
    assert not any("label" in name for name in found[0][0])
    assert not torch.equal(found[0][0]["D/score_real"], found[1][0]["D/score_real"])
    assert not torch.equal(found[0][1], found[1][1])


def test_on_a_gpu_each_process_draws_the_noise_of_its_shard():
    drawn = []

    class Streams(RandomStreams):
        def noise(self, purpose, images, count, sizes, device="cpu"):
            drawn.append((purpose, images, count, sizes, device))
            return super().noise(purpose, images, count, sizes)

    generator, _ = networks(architecture="stylegan")
    for rank in (0, 1):
        processes = SingleProcess()
        processes.rank, processes.count, processes.device = rank, 2, torch.device("meta")
        StepInputs(generator, StepConfig(), Streams(0), processes, None).for_generator(
            96, Stage(8, 1.0, 12, 0.001, 0), 12
        )
    assert [arguments[1:] for arguments in drawn] == [(96, 6, [4, 4, 8, 8], processes.device)] * 2
    assert drawn[0][0] != drawn[1][0]


def test_samples_are_the_same_every_time_and_not_truncated():
    trainer, loader = a_trainer(architecture="stylegan", schedule=a_schedule(stable=9))
    train(trainer, loader, 3)
    generator = trainer.generator_ema
    assert generator.w_avg.abs().min() > 0
    latents, stage = torch.randn(3, 8).double(), Stage(8, 0.5, 12, 0.001, 1)
    sample = ARCHITECTURES["stylegan"].sample
    images = sample(generator, latents, None, stage.resolution, stage.alpha)
    expected = generator.synthesis(generator.mapping(latents)[:, None].expand(-1, 6, -1), 8, 0.5, "const")
    assert torch.equal(images, expected)
    assert torch.equal(images, sample(copy.deepcopy(generator), latents, None, 8, 0.5))
