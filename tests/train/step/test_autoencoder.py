"""The step of a VAE: its bound against closed forms, and what it does to both networks."""

import math

import numpy as np
import torch

import vae
from tests.train.small import Pictures, a_schedule, step, with_other_edges
from train.distributed.processes import SingleProcess
from train.step.autoencoder import AutoencoderTrainer, negative_elbo
from train.step.batch_loader import BatchLoader
from train.step.config import StepConfig
from train.step.random_streams import RandomStreams
from vae.bound import divergence


def a_trainer(processes=None, data=None, margin=0, **config):
    torch.manual_seed(0)
    small = {"resolution": 16, "z_dim": 8, "fmap_base": 32, "fmap_max": 8}
    both = vae.Generator(**small, margin=margin).double(), vae.Encoder(**small).double()
    schedule, data, processes = a_schedule(start=8), data or Pictures(), processes or SingleProcess()
    trainer = AutoencoderTrainer(*both, schedule, StepConfig(**config), RandomStreams(0), processes)
    return trainer, BatchLoader(data, data.training, schedule, trainer.inputs.streams, processes.rank, processes.count)


def test_the_divergence_is_the_integral():
    mean, log_variance = torch.tensor([[0.7, -1.2]], dtype=torch.float64), torch.tensor([[-1.0, 0.5]]).double()
    z = torch.linspace(-12, 12, 200_001, dtype=torch.float64)[:, None]
    log_q = -((z - mean) ** 2) / (2 * log_variance.exp()) - (log_variance + math.log(2 * math.pi)) / 2
    log_p = -(z**2) / 2 - math.log(2 * math.pi) / 2
    integral = torch.trapezoid(log_q.exp() * (log_q - log_p), z, dim=0).sum()
    torch.testing.assert_close(divergence(mean, log_variance)[0], integral, rtol=1e-9, atol=0)


def test_the_divergence_is_the_mean_over_samples():
    torch.manual_seed(0)
    mean, log_variance = torch.randn(1, 5).double(), torch.randn(1, 5).double()
    noise = torch.randn(400_000, 5).double()
    z = mean + (log_variance / 2).exp() * noise
    samples = ((z**2 - noise**2 - log_variance) / 2).sum(dim=1)
    error = samples.std() / math.sqrt(len(samples))
    assert abs(samples.mean() - divergence(mean, log_variance)[0]) < 4 * error


def linear_vae(data, deviation, weight, encoder, log_variance):
    """The loss of a linear VAE in nats an image; the expectation over latents is exact, by points of equal moments."""
    count = weight.shape[1]
    points = math.sqrt(count) * torch.cat([torch.eye(count), -torch.eye(count)]).double()
    mean = data @ encoder.T
    z = mean[:, None] + (log_variance / 2).exp() * points
    decoded = (z @ weight.T).flatten(0, 1)[:, None, None]
    images = data[:, None].expand(-1, len(points), -1).flatten(0, 1)[:, None, None]
    repeated = [one.repeat_interleave(len(points), dim=0) for one in (mean, log_variance.expand_as(mean))]
    return negative_elbo(images, decoded, *repeated, beta=1.0, deviation=deviation).value * data.shape[1]


def test_a_linear_vae_is_best_as_probabilistic_pca():
    """Its bound is then the likelihood (Lucas et al. 2019, sections 3 and 4; Tipping and Bishop 1999, equation 7)."""
    torch.manual_seed(0)
    deviation, kept = 0.4, 2
    data = torch.randn(60, 5).double() @ torch.diag(torch.tensor([2.0, 1.3, 0.6, 0.4, 0.3]).double())
    data = (data - data.mean(dim=0)) @ torch.linalg.qr(torch.randn(5, 5).double())[0]
    covariance = data.T @ data / len(data)
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values[-kept:], vectors[:, -kept:]
    weight = vectors * (values - deviation**2).sqrt()
    encoder = torch.linalg.solve(weight.T @ weight + deviation**2 * torch.eye(kept).double(), weight.T)
    log_variance = (deviation**2 / values).log()
    model = weight @ weight.T + deviation**2 * torch.eye(5).double()
    likelihood = (
        -(5 * math.log(2 * math.pi) + torch.logdet(model) + torch.trace(torch.linalg.solve(model, covariance))) / 2
    )
    best = [tensor.requires_grad_() for tensor in (weight, encoder, log_variance)]
    loss = linear_vae(data, deviation, *best)
    constant = 5 / 2 * math.log(2 * math.pi * deviation**2)
    torch.testing.assert_close(loss + constant, -likelihood, rtol=1e-10, atol=0)
    for gradient in torch.autograd.grad(loss, best):
        assert gradient.abs().max() < 1e-9
    for place, tensor in enumerate(best):
        other = [*best[:place], tensor + 0.05 * torch.randn_like(tensor), *best[place + 1 :]]
        assert linear_vae(data, deviation, *other) > loss


def test_beta_weighs_the_divergence_alone():
    torch.manual_seed(0)
    images, decoded, mean, log_variance = (torch.randn(shape).double() for shape in [(3, 2, 4, 4)] * 2 + [(3, 5)] * 2)
    one, three = (negative_elbo(images, decoded, mean, log_variance, beta).value for beta in (1.0, 3.0))
    torch.testing.assert_close(three - one, 2 * divergence(mean, log_variance).mean() / 32)


def test_steps_train_both_networks_and_lower_the_loss():
    trainer, loader = a_trainer(ema_kimg=0.0)
    before = [{k: v.clone() for k, v in n.state_dict().items()} for n in (trainer.generator, trainer.discriminator)]
    losses = [step(trainer, loader)["VAE/loss"].item() for _ in range(30)]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[3:6])
    for network, old in zip((trainer.generator, trainer.discriminator), before, strict=True):
        assert any(not torch.equal(value, old[name]) for name, value in network.state_dict().items())
    for name, value in trainer.generator_ema.state_dict().items():
        torch.testing.assert_close(value, trainer.generator.state_dict()[name])


def test_parts_of_a_batch_are_the_batch():
    whole, parts = (a_trainer(batch_per_device=most)[0] for most in (None, 4))
    loader = a_trainer()[1]
    for _ in range(2):
        for trainer in (whole, parts):
            step(trainer, loader)
    for name, value in whole.generator.state_dict().items():
        torch.testing.assert_close(parts.generator.state_dict()[name], value, rtol=1e-9, atol=1e-12)


def test_what_lies_in_the_margin_of_real_images_is_not_seen():
    data, other = Pictures(), with_other_edges(2)
    for margin, seen in ((2, False), (0, True)):
        losses = [step(*a_trainer(data=pictures, margin=margin))["VAE/loss"] for pictures in (data, other)]
        assert (losses[0] != losses[1]) == seen
