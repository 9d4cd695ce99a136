"""The objectives of critic and generator, as pure functions of networks and batches.

A critic is any function of images [N, C, H, W] that returns scores [N, 1], or (scores, label logits [N, L]) where it
also classifies, as the auxiliary classifier of the 2018 program does. Losses are means over the batch, so that the
gradients of equal parts of a batch average to those of the whole. Where labels [N, L] are given to a critic that
classifies, label_weight times the cross-entropy of the label logits is added. An objective's `statistics` are detached
scalars under the names that the reports use: beside the parts of the loss, what the critic's loss estimates of the
distance between reals and fakes, a lower bound where the critic is not the best one.
"""

import math
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

    def with_statistics(self, more: Mapping[str, Tensor]) -> "Objective":
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
    distance = real_scores.mean() - fake_scores.mean()
    loss = penalty - distance + drift * real_scores.square().mean()
    statistics = scores(real_scores, fake_scores) | {"wasserstein": distance, "penalty": penalty}
    return objective(loss, statistics, label_weight, labels, real_logits, fake_logits)


def wgan_critic(
    critic: Critic, reals: Tensor, fakes: Tensor, labels: Tensor | None = None, label_weight: float = 1.0
) -> Objective:
    """The critic's loss of WGAN: mean D(fake) - mean D(real) (Arjovsky et al. 2017, equation 2 and algorithm 1).

    It is bounded for a critic whose slopes are: clip its weights after every step, or normalise them.
    """
    real_scores, real_logits = scores_and_logits(critic, reals)
    fake_scores, fake_logits = scores_and_logits(critic, fakes)
    distance = real_scores.mean() - fake_scores.mean()
    statistics = scores(real_scores, fake_scores) | {"wasserstein": distance}
    return objective(-distance, statistics, label_weight, labels, real_logits, fake_logits)


def wgan_generator(critic: Critic, fakes: Tensor, labels: Tensor | None = None, label_weight: float = 1.0) -> Objective:
    """The generator's loss of WGAN: -mean D(fake) (Arjovsky et al. 2017, algorithm 1).

    It is also that of the hinge objective (Miyato et al. 2018, equation 17).
    """
    scores, logits = scores_and_logits(critic, fakes)
    return objective(-scores.mean(), {}, label_weight, labels, logits)


def hinge_critic(
    critic: Critic, reals: Tensor, fakes: Tensor, labels: Tensor | None = None, label_weight: float = 1.0
) -> Objective:
    """The critic's hinge loss (Lim & Ye 2017; Miyato et al. 2018, equation 16).

    mean max(0, 1 - D(real)) + mean max(0, 1 + D(fake)). The best critic's is 2 (1 - TV) with TV the total variation
    distance, so that 1 - loss / 2 is a lower bound of it: the statistic total_variation.
    """
    real_scores, real_logits = scores_and_logits(critic, reals)
    fake_scores, fake_logits = scores_and_logits(critic, fakes)
    loss = F.relu(1 - real_scores).mean() + F.relu(1 + fake_scores).mean()
    statistics = scores(real_scores, fake_scores) | {"total_variation": 1 - loss / 2}
    return objective(loss, statistics, label_weight, labels, real_logits, fake_logits)


def logistic_critic(
    critic: Critic, reals: Tensor, fakes: Tensor, labels: Tensor | None = None, label_weight: float = 1.0
) -> Objective:
    """The critic's loss of the original GAN (Goodfellow et al. 2014, equation 1), whose D is the score's sigmoid here.

    mean softplus(D(fake)) + mean softplus(-D(real)), which is -log(1 - D) and -log D of the paper. The best critic's is
    2 (log 2 - JS) with JS the Jensen-Shannon divergence in nats (theorem 1), so that log 2 - loss / 2 is a lower bound
    of it: the statistic jensen_shannon.
    """
    real_scores, real_logits = scores_and_logits(critic, reals)
    fake_scores, fake_logits = scores_and_logits(critic, fakes)
    loss, statistics = logistic(real_scores, fake_scores)
    return objective(loss, statistics, label_weight, labels, real_logits, fake_logits)


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
    loss, statistics = logistic(real_scores, fake_scores)
    return objective(loss + penalty, statistics | {"penalty": penalty}, label_weight, labels, real_logits, fake_logits)


def saturating_generator(
    critic: Critic, fakes: Tensor, labels: Tensor | None = None, label_weight: float = 1.0
) -> Objective:
    """The generator's loss of the original game: -mean softplus(D(fake)) (Goodfellow et al. 2014, equation 1).

    That is mean log(1 - D) of the paper, whose gradient vanishes where the critic tells the fakes (section 3).
    """
    fake_scores, logits = scores_and_logits(critic, fakes)
    return objective(-F.softplus(fake_scores).mean(), {}, label_weight, labels, logits)


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


def scores(real_scores: Tensor, fake_scores: Tensor) -> dict[str, Tensor]:
    """The mean scores."""
    return {"score_real": real_scores.mean(), "score_fake": fake_scores.mean()}


def logistic(real_scores: Tensor, fake_scores: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The logistic loss of a critic's scores, and its statistics."""
    loss = F.softplus(fake_scores).mean() + F.softplus(-real_scores).mean()
    return loss, scores(real_scores, fake_scores) | {"jensen_shannon": math.log(2) - loss / 2}


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
