"""The objectives of critic and generator, as pure functions of networks and images.

A critic is any function of images [N, C, H, W] that returns scores [N, 1], or (scores, label logits [N, L]) where it
also classifies, as the auxiliary classifier of the 2018 program does. With `batches`, the images are so many batches of
equal size, one after the other. Losses are means over the batch, so that the gradients of equal parts of a batch
average to those of the whole.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from progan.operations import gradients_of_inputs
from train.step.config import StepConfig

Augment = Callable[[Tensor], Tensor]
DRIFT = 0.001  # Karras 2018, appendix A.1


class Critic(Protocol):
    """A critic's type."""

    def __call__(self, images: Tensor, *, batches: int = 1) -> Tensor | tuple[Tensor, Tensor]: ...


class Loss(NamedTuple):
    """A loss to minimise, and detached scalars worth reporting of it under the names that the reports use."""

    value: Tensor
    statistics: Mapping[str, Tensor]

    def with_statistics(self, more: Mapping[str, Tensor]) -> "Loss":
        """The same with more statistics."""
        return Loss(self.value, {**self.statistics, **more})


@dataclass(frozen=True)
class Estimate:
    """What a critic's loss estimates of the distance between reals and fakes: a lower bound, reached by the best one.

    Attributes:
        name: of the statistic.
        symbol: that stands for it in a line of progress.
        of_loss: the estimate, from the critic's loss without its penalties.
    """

    name: str
    symbol: str
    of_loss: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """The losses of critic and generator.

    Attributes:
        critic: the critic's loss, of its scores [N, 1] of reals and of fakes.
        generator: the generator's loss, of the critic's scores [N, 1] of its images.
        estimate: what the critic's loss estimates.
        penalty: of the critic's slopes, between reals and fakes or at the reals; None for no penalty.
    """

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    estimate: Estimate
    penalty: Literal["gradient penalty", "r1"] | None = None


def wasserstein_critic(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """mean D(fake) - mean D(real) (Arjovsky et al. 2017, equation 2 and algorithm 1).

    It is bounded for a critic whose slopes are: penalise them, clip its weights after every step, or normalise them.
    """
    return fake_scores.mean() - real_scores.mean()


def wasserstein_generator(fake_scores: Tensor) -> Tensor:
    """-mean D(fake) (Arjovsky et al. 2017, algorithm 1), also of the hinge objective (Miyato et al. 2018, eq. 17)."""
    return -fake_scores.mean()


def hinge_critic(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """mean max(0, 1 - D(real)) + mean max(0, 1 + D(fake)) (Lim & Ye 2017; Miyato et al. 2018, equation 16)."""
    return F.relu(1 - real_scores).mean() + F.relu(1 + fake_scores).mean()


def logistic_critic(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """The original GAN's (Goodfellow et al. 2014, equation 1), whose D is the sigmoid of the score D here.

    mean softplus(D(fake)) + mean softplus(-D(real)), which is -log(1 - D) and -log D of the paper.
    """
    return F.softplus(fake_scores).mean() + F.softplus(-real_scores).mean()


def saturating_generator(fake_scores: Tensor) -> Tensor:
    """-mean softplus(D(fake)), the original GAN's (Goodfellow et al. 2014, equation 1).

    That is mean log(1 - D) of the paper, whose gradient vanishes where the critic recognises the fakes (section 3).
    """
    return -F.softplus(fake_scores).mean()


def nonsaturating_generator(fake_scores: Tensor) -> Tensor:
    """mean softplus(-D(fake)) (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake_scores).mean()


WASSERSTEIN = Estimate("wasserstein", "W", lambda loss: -loss)
# The best critic's loss is 2 (log 2 - JS), with JS the divergence in nats (Goodfellow et al. 2014, theorem 1),
JENSEN_SHANNON = Estimate("jensen_shannon", "JS", lambda loss: math.log(2) - loss / 2)
# and 2 (1 - TV), with TV the total variation distance (Lim & Ye 2017).
TOTAL_VARIATION = Estimate("total_variation", "TV", lambda loss: 1 - loss / 2)

OBJECTIVES = {
    "wgan-gp": Objective(wasserstein_critic, wasserstein_generator, WASSERSTEIN, "gradient penalty"),
    "wgan-clip": Objective(wasserstein_critic, wasserstein_generator, WASSERSTEIN),
    "hinge": Objective(hinge_critic, wasserstein_generator, TOTAL_VARIATION),
    "ns-r1": Objective(logistic_critic, nonsaturating_generator, JENSEN_SHANNON, "r1"),
    "gan": Objective(logistic_critic, saturating_generator, JENSEN_SHANNON),
    "ns": Objective(logistic_critic, nonsaturating_generator, JENSEN_SHANNON),
}


def critic_loss(
    config: StepConfig,
    critic: Critic,
    reals: Tensor,
    fakes: Tensor,
    mix: Tensor,
    labels: Tensor | None = None,
    augment: Augment | None = None,
) -> Loss:
    """The critic's loss on reals and fakes [N, C, H, W]; `mix` [N, 1, 1, 1] is that of the gradient penalty.

    With labels [N, L], a critic that classifies also learns those of reals and of fakes. `augment` makes of the reals
    what the critic sees, as the fakes are already: the gradient penalty is between these, R1 at the reals themselves.
    """
    objective = OBJECTIVES[config.loss]
    reals = reals.detach().requires_grad_(objective.penalty == "r1")
    seen = reals if augment is None else augment(reals)
    real_scores, fake_scores, *logits = scores_of_both(critic, seen, fakes)
    loss = objective.critic(real_scores, fake_scores)
    statistics = {
        "score_real": real_scores.mean(),
        "score_fake": fake_scores.mean(),
        objective.estimate.name: objective.estimate.of_loss(loss),
    }
    if objective.penalty == "gradient penalty":
        statistics["penalty"] = gradient_penalty(critic, seen, fakes, mix, config.gp_weight)
        loss = loss + statistics["penalty"] + DRIFT * real_scores.square().mean()
    elif objective.penalty == "r1":
        statistics["penalty"] = r1_penalty(real_scores, reals, config.gamma)
        loss = loss + statistics["penalty"]
    if config.augment_p == "ada":
        statistics["sign_real"] = real_scores.sign().mean()
    return with_label_loss(loss, statistics, labels, *logits)


def generator_loss(config: StepConfig, critic: Critic, fakes: Tensor, labels: Tensor | None = None) -> Loss:
    """The generator's loss on its images [N, C, H, W], which are to be of the classes of labels [N, L]."""
    scores, logits = scores_and_logits(critic, fakes)
    return with_label_loss(OBJECTIVES[config.loss].generator(scores), {}, labels, logits)


def gradient_penalty(critic: Critic, reals: Tensor, fakes: Tensor, mix: Tensor, weight: float) -> Tensor:
    """weight * mean (|grad D(mixed)| - 1)^2 (Gulrajani et al. 2017, equation 3).

    mixed = real + (fake - real) * mix, with one coefficient a sample: mix [N, 1, 1, 1], uniform in [0, 1).
    """
    return weight * (gradient_norms(critic, torch.lerp(reals, fakes, mix)) - 1.0).square().mean()


def r1_penalty(real_scores: Tensor, reals: Tensor, gamma: float) -> Tensor:
    """gamma / 2 * mean over samples of sum over C, H, W of (dD / d real)^2 (Mescheder et al. 2018, equation 9)."""
    return gamma / 2 * image_gradients(real_scores, reals).square().sum(dim=(1, 2, 3)).mean()


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
    """The critic's scores and label logits of images, None for the logits of a critic that does not classify."""
    result = critic(images)
    return result if isinstance(result, tuple) else (result, None)


def scores_of_both(critic: Critic, reals: Tensor, fakes: Tensor) -> list[Tensor]:
    """The critic's scores of reals and of fakes, and the label logits of both where it classifies.

    In one pass, unless gradients with respect to the reals are wanted, which would be computed for the fakes too.
    """
    if reals.requires_grad:
        results = [scores_and_logits(critic, images) for images in (reals, fakes)]
        return [tensor for tensors in zip(*results, strict=True) for tensor in tensors if tensor is not None]
    both = scores_and_logits(partial(critic, batches=2), torch.cat([reals, fakes]))
    return [half for tensor in both if tensor is not None for half in tensor.chunk(2)]


def with_label_loss(
    loss: Tensor, statistics: Mapping[str, Tensor], labels: Tensor | None, *logits: Tensor | None
) -> Loss:
    """The loss plus the cross-entropies of the batches of label logits (Odena et al. 2017)."""
    statistics = dict(statistics)
    entropies = [F.cross_entropy(batch, labels) for batch in logits if batch is not None and labels is not None]
    if entropies:
        statistics["label_loss"] = torch.stack(entropies).sum()
        loss = loss + statistics["label_loss"]
    return Loss(loss, {"loss": loss.detach()} | {name: value.detach() for name, value in statistics.items()})
