"""The objectives of critic and generator, as pure functions of networks and batches.

A critic is any function of images [N, C, H, W] that returns scores [N, 1], or (scores, label logits [N, L]) where it
also classifies, as the auxiliary classifier of the 2018 program does. Losses are means over the batch, so that the
gradients of equal parts of a batch average to those of the whole. Where labels [N, L] are given to a critic that
classifies, label_weight times the cross-entropy of the label logits is added. An objective's `statistics` are detached
scalars under the names that the reports use.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from progan.operations import gradients_of_inputs

Critic = Callable[[Tensor], Tensor | tuple[Tensor, Tensor]]


class Objective(NamedTuple):
    """A loss to minimise and what is worth reporting of it."""

    loss: Tensor
    statistics: Mapping[str, Tensor]

    def noting(self, more: Mapping[str, Tensor]) -> "Objective":
        """The same with more statistics."""
        return Objective(self.loss, {**self.statistics, **more})


def wgan_gp_critic(
    critic: Critic,
    reals: Tensor,
    fakes: Tensor,
    mix: Tensor,
    labels: Tensor | None = None,
    gp_weight: float = 10.0,
    drift: float = 0.001,
    target: float = 1.0,
    label_weight: float = 1.0,
) -> Objective:
    """The critic's loss of WGAN-GP (Gulrajani et al. 2017, equation 3), with drift (Karras 2018, appendix A.1).

    mean D(fake) - mean D(real) + gp_weight / target^2 * mean (|grad D(mixed)| - target)^2 + drift * mean D(real)^2,
    where mixed = real + (fake - real) * mix with one coefficient a sample: mix [N, 1, 1, 1], uniform in [0, 1).
    """
    real_scores, real_logits = scores_and_logits(critic, reals)
    fake_scores, fake_logits = scores_and_logits(critic, fakes)
    penalty = gp_weight / target**2 * (gradient_norms(critic, torch.lerp(reals, fakes, mix)) - target).square().mean()
    loss = fake_scores.mean() - real_scores.mean() + penalty + drift * real_scores.square().mean()
    statistics = critic_statistics(real_scores, fake_scores, penalty)
    return objective(loss, statistics, label_weight, labels, real_logits, fake_logits)


def wgan_generator(critic: Critic, fakes: Tensor, labels: Tensor | None = None, label_weight: float = 1.0) -> Objective:
    """The generator's loss of WGAN: -mean D(fake) (Arjovsky et al. 2017, algorithm 1)."""
    scores, logits = scores_and_logits(critic, fakes)
    return objective(-scores.mean(), {}, label_weight, labels, logits)


def logistic_r1_critic(
    critic: Critic,
    reals: Tensor,
    fakes: Tensor,
    labels: Tensor | None = None,
    gamma: float = 10.0,
    label_weight: float = 1.0,
) -> Objective:
    """The critic's logistic loss (Goodfellow et al. 2014, equation 1) with R1 (Mescheder et al. 2018, equation 9).

    mean softplus(D(fake)) + mean softplus(-D(real)) + gamma / 2 * mean over samples of sum over C, H, W of (dD/d
    real)^2.
    """
    reals = reals.detach().requires_grad_()
    real_scores, real_logits = scores_and_logits(critic, reals)
    fake_scores, fake_logits = scores_and_logits(critic, fakes)
    penalty = gamma / 2 * image_gradients(real_scores, reals).square().sum(dim=(1, 2, 3)).mean()
    loss = F.softplus(fake_scores).mean() + F.softplus(-real_scores).mean() + penalty
    statistics = critic_statistics(real_scores, fake_scores, penalty)
    return objective(loss, statistics, label_weight, labels, real_logits, fake_logits)


def nonsaturating_generator(
    critic: Critic, fakes: Tensor, labels: Tensor | None = None, label_weight: float = 1.0
) -> Objective:
    """The generator's non-saturating loss: mean softplus(-D(fake)) (Goodfellow et al. 2014, section 3)."""
    scores, logits = scores_and_logits(critic, fakes)
    return objective(F.softplus(-scores).mean(), {}, label_weight, labels, logits)


def image_gradients(scores: Tensor, images: Tensor) -> Tensor:
    """The gradient of each sample's score with respect to its image, [N, C, H, W], itself differentiable."""
    with gradients_of_inputs():
        (gradients,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradients


def gradient_norms(critic: Critic, images: Tensor) -> Tensor:
    """The Euclidean norm [N] of the critic's gradient at each image, in float32 at least."""
    images = images.detach().requires_grad_()
    scores, _ = scores_and_logits(critic, images)
    return torch.linalg.vector_norm(image_gradients(scores, images).flatten(1), dim=1)


def scores_and_logits(critic: Critic, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """What the critic says, with None for the logits of one that does not classify."""
    result = critic(images)
    return result if isinstance(result, tuple) else (result, None)


def critic_statistics(real_scores: Tensor, fake_scores: Tensor, penalty: Tensor) -> dict[str, Tensor]:
    """The critic's estimate of the Wasserstein distance (the gap between its mean scores), and its parts."""
    real, fake = real_scores.mean(), fake_scores.mean()
    return {"score_real": real, "score_fake": fake, "wasserstein": real - fake, "penalty": penalty}


def objective(
    loss: Tensor, statistics: Mapping[str, Tensor], label_weight: float, labels: Tensor | None, *logits: Tensor | None
) -> Objective:
    """The loss plus the label term (Odena et al. 2017), summed over the batches of logits."""
    statistics = dict(statistics)
    entropies = [F.cross_entropy(batch, labels) for batch in logits if batch is not None and labels is not None]
    if entropies:
        label_loss = torch.stack(entropies).sum()
        loss = loss + label_weight * label_loss
        statistics["label_loss"] = label_loss
    return Objective(loss, {"loss": loss.detach()} | {name: value.detach() for name, value in statistics.items()})
