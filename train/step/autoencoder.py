"""The training step of a variational autoencoder: both networks at once, by the evidence lower bound."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from progan.layers import Alpha, cached_weights
from stylegrow.architectures import TrainingInputs
from train.config.schedule import Stage
from train.step.batch_loader import Batch
from train.step.computation import Computation, Means
from train.step.objectives import Loss
from train.step.trainer import Trainer
from vae.bound import DEVIATION, divergence

if TYPE_CHECKING:
    import vae


class AutoencoderInputs(NamedTuple):
    """The inputs of a step, for a shard of n samples.

    Attributes:
        noise: what makes latents of means and variances, as `z`, and the labels.
        alpha: how far the newest blocks are faded in, []; the number 1 outside of fades.
        lr: the learning rate, [].
        images: uint8 [n, C, r, r].
        mirrored: which of them are mirrored, bool [n, 1, 1, 1]; None for none.
        ema_weight: how far the EMA moves towards the decoder, [].
        roots: of showers, which channels of the images are roots of energies.
    """

    noise: TrainingInputs
    alpha: Alpha
    lr: Tensor
    images: Tensor
    mirrored: Tensor | None
    ema_weight: Tensor
    roots: tuple[bool, ...] | None = None

    def part(self, samples: slice) -> AutoencoderInputs:
        """The inputs of some of the samples."""
        mirrored = None if self.mirrored is None else self.mirrored[samples]
        return self._replace(noise=self.noise.part(samples), images=self.images[samples], mirrored=mirrored)


def negative_elbo(
    images: Tensor, decoded: Tensor, mean: Tensor, log_variance: Tensor, beta: float, deviation: float = DEVIATION
) -> Loss:
    """-(E log p(x|z) - beta KL(q(z|x) || p(z))) / (C H W), without its constant; images [N, C, H, W].

    The evidence lower bound of Kingma and Welling (2014, equation 3) in nats a value, with one latent an image, pixels
    that are normal around the decoder's mean with this `deviation`, and beta as Higgins et al. (2017, equation 4). It
    reports the root mean square error of reconstructions in grey levels, and the divergence in nats an image.
    """
    errors = (images - decoded).square().flatten(1).sum(dim=1)
    divergences = divergence(mean, log_variance)
    numbers = math.prod(images.shape[1:])
    loss = (errors / (2 * deviation**2) + beta * divergences).mean() / numbers
    rmse = 127.5 * (errors.mean() / numbers).sqrt()
    return Loss(loss, {"loss": loss.detach(), "rmse": rmse.detach(), "kl": divergences.mean().detach()})


class AutoencoderComputation(Computation):
    """Decoder (`generator`) and encoder (`discriminator`) in training, with the decoder's EMA."""

    discriminator: vae.Encoder

    def gradients(self, inputs: AutoencoderInputs) -> Means:
        """The gradients for both networks on this process's shard of a batch."""
        for network in (self.generator, self.discriminator):
            network.zero_grad()
        parameters = chain(self.generator.parameters(), self.discriminator.parameters())
        return self.accumulate(list(parameters), inputs, len(inputs.images))

    def loss(self, inputs: AutoencoderInputs) -> tuple[Loss, None]:
        """The loss of both networks; there is no w."""
        images = self.reals(inputs, inputs.noise.z.dtype)
        labels = inputs.noise.labels
        with cached_weights(self.generator), cached_weights(self.discriminator):
            mean, log_variance = self.discriminator(images, labels, inputs.alpha)
            z = mean + (log_variance / 2).exp() * inputs.noise.z  # Kingma and Welling 2014, equation 10
            decoded = self.generate(self.generator, TrainingInputs(z, labels), images.shape[-1], inputs.alpha).images
            return negative_elbo(images, decoded, mean, log_variance, self.config.beta), None

    def apply(self, inputs: AutoencoderInputs, means: Means) -> dict[str, Tensor]:
        """Apply the gradients, and have the EMA follow; returns the statistics by name."""
        statistics = self.update((self.g_adam, self.d_adam), inputs.lr, means)
        self.update_ema(inputs.ema_weight)
        self.skipped.end_step()
        return statistics


class AutoencoderTrainer(Trainer):
    """Decoder and encoder in training, by steps of both."""

    computation: AutoencoderComputation
    computation_class = AutoencoderComputation

    def step(self, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """A step on each of the batches; returns the statistics of the last by name, which hold until the next."""
        statistics: dict[str, Tensor] = {}
        for batch in batches:
            stage = self.enter(batch.start)
            computation = self.computation
            statistics = self.optimize(computation.gradients, computation.apply, self.inputs_of(batch, stage))
            self.images += stage.batch
        return {f"VAE/{name}": value for name, value in statistics.items()}

    def inputs_of(self, batch: Batch, stage: Stage) -> AutoencoderInputs:
        """The inputs of a step on this batch."""
        its = self.inputs.for_critic(batch, stage)
        weight = self.inputs.ema_weight(batch.start + stage.batch, stage.batch)
        return AutoencoderInputs(its.fakes, its.alpha, its.lr, its.images, its.mirrored, weight, its.roots)
