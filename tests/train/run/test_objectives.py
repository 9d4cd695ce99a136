"""Training commands with every objective: what is reported, saved, loaded, resumed and started from."""

import pytest
import torch

from stylegrow.models import load_discriminator, load_generator, read_config
from tests.train.runs import Train, last_checkpoint, last_state, only, options, statistics

ESTIMATES = {
    "gan": "jensen_shannon", "ns": "jensen_shannon", "wgan-clip": "wasserstein", "wgan-gp": "wasserstein",
    "hinge": "total_variation", "ns-r1": "jensen_shannon",
}  # fmt: skip
SHOWN = {"jensen_shannon": "JS", "wasserstein": "W", "total_variation": "TV"}


@pytest.mark.parametrize("loss", ESTIMATES)
def test_an_objective_reports_its_own_estimate_of_the_distance(train: Train, loss):
    ended = train("--loss", loss, "--kimg", 0.032)
    assert ended.status == 0
    measured = statistics(only("runs"))[-1]
    estimate = ESTIMATES[loss]
    assert {f"D/{name}" for name in SHOWN} & measured.keys() == {f"D/{estimate}"}
    assert ("D/penalty" in measured) == (loss in ("wgan-gp", "ns-r1"))
    assert f"  {SHOWN[estimate]} {measured[f'D/{estimate}']:<7.3g}" in ended.out
    assert {"D/loss", "D/score_real", "D/score_fake", "D/gradient", "G/loss", "G/gradient"} <= measured.keys()
    assert read_config("runs/" + only("runs").name)["training"]["objective"] == loss


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_a_normalised_model_is_saved_as_the_weights_it_computes_with(train: Train, architecture):
    ended = train("--loss", "hinge", "--spectral-norm", "both", "--kimg", 0.24, architecture=architecture)
    assert ended.status == 0
    run = only("runs")
    state, critic, generator = last_checkpoint(run).tensors, load_discriminator(run), load_generator(run)
    original, v = (state[f"discriminator.conv.parametrizations.weight.{name}"] for name in ("original", "0._v"))
    u = state["discriminator.conv.parametrizations.weight.0._u"]
    weight = original / (u @ original.flatten(1) @ v)
    torch.testing.assert_close(critic.conv.weight, weight, rtol=1e-5, atol=1e-6)
    assert 0.9 < torch.linalg.matrix_norm(weight.flatten(1), 2) < 1.2
    assert critic.config.equalized_lr is generator.config.equalized_lr is False
    for name, value in generator.state_dict().items():
        assert torch.equal(value, state[f"average.{name}"])
    assert read_config(run)["training"]["spectral_norm"] == "both"
    assert options(run)["betas"] == [0.0, 0.99]
    assert "hinge with spectral norm in both networks" in ended.out
    assert (
        train("--init-from", run, "--loss", "ns", "--out", "new", "--kimg", 0.016, architecture=architecture).status
        == 0
    )


def test_a_clipped_critic_is_within_its_bound(train: Train):
    assert train("--loss", "wgan-clip", "--clip", 0.02, "--kimg", 0.24).status == 0
    critic = load_discriminator(only("runs"))
    assert max(parameter.abs().max().item() for parameter in critic.parameters()) == pytest.approx(0.02)


@pytest.mark.parametrize(
    "words", ["--loss hinge --spectral-norm both --batch-per-device 4 --cond", "--preset wgan --batch 16 --clip 0.1"]
)
def test_stopping_and_going_on_gives_the_same_bits(train: Train, words):
    start = [*words.split(), "--start-resolution", 4]
    assert train(*start, "--out", "straight", "--kimg", 0.24).status == 0
    assert train(*start, "--out", "stopped", "--kimg", 0.16).status == 0
    assert train("--resume", "--out", "stopped", "--kimg", 0.24).status == 0
    assert last_state(only("stopped")) == last_state(only("straight"))


def test_the_objective_of_a_run_stays(train: Train):
    assert train("--preset", "sngan", "--batch", 16, "--kimg", 0.016).status == 0
    chosen = options(only("runs"))
    assert (chosen["loss"], chosen["spectral_norm"], chosen["n_critic"]) == ("hinge", "critic", 1)
    assert chosen["betas"] == [0.5, 0.999]
    for words, problem in (
        (["--spectral-norm", "no"], "--spectral-norm no: the run was started with --spectral-norm critic"),
        (["--loss", "ns"], "--loss ns: the run was started with --loss hinge"),
        (["--betas", 0, 0.9], "--betas 0 0.9: the run was started with --betas 0.5 0.999"),
        (["--clip", 0.1], "--clip 0.1: "),
    ):
        ended = train("--resume", *words)
        assert ended.status == 2
        assert ended.error.startswith(problem)


@pytest.mark.parametrize("words", ["--loss wgan-clip", "--loss wgan-gp"])
def test_a_model_is_carried_over_the_equalized_learning_rate(train: Train, words, finished):
    """A run that starts from another kind of weights draws at first what the model drew."""
    assert (
        train("--loss", "ns", "--spectral-norm", "--out", "before", "--kimg", 0.032, "--start-resolution", 8).status
        == 0
    )
    source = finished if "clip" in words else only("before")
    assert train("--init-from", source, *words.split(), "--lr", 1e-12, "--ema-kimg", 0, "--kimg", 0.016).status == 0
    run = only("runs")
    latents = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    before, after = load_generator(source), load_generator(run)
    assert before.config.equalized_lr != after.config.equalized_lr
    torch.testing.assert_close(after(latents), before(latents), rtol=1e-4, atol=1e-5)


def test_augmentation_is_told_reported_and_gone_on_with(train: Train):
    asked = "--loss", "ns-r1", "--augment", "--augment-p", "ada"
    ended = train(*asked, "--kimg", 0.064)
    assert ended.status == 0
    assert "augmentation: color,translation,cutout, each with probability ada" in ended.out
    run = only("runs")
    p = statistics(run)[-1]["D/augment_p"]
    assert f"  p {p:<7.3g}" in ended.out
    assert (options(run)["augment"], options(run)["augment_p"]) == ("color,translation,cutout", "ada")
    assert train("--resume", run, "--kimg", 0.24).status == 0
    assert train(*asked, "--kimg", 0.24, "--out", "straight").status == 0
    assert last_state(run) == last_state(only("straight"))
