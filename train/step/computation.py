"""The device's half of a training step, as functions of tensors that change the networks' state in place.

Nothing here waits for the device or looks at a value, so that the same code runs eagerly and is captured as CUDA graphs
(see graphs.Graphs). Each of critic and generator has two functions: one computes gradients, the other applies them;
between them the gradients are averaged over all processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from progan.layers import cached_weights, repeat_within
from stylegrow.architectures import architecture_of, has_styles
from train.step import constraints
from train.step.augmentation import Augmentation
from train.step.batch_loader import to_reals
from train.step.config import StepConfig
from train.step.inputs import CriticInputs, GeneratorInputs
from train.step.objectives import Loss, critic_loss, generator_loss
from train.step.parts import part_size

if TYPE_CHECKING:
    from stylegrow.architectures import Generator, Partner

ADAM_EPS = 1e-8  # Karras 2018, appendix A.1


class Means(NamedTuple):
    """What is averaged over a batch: gradients, statistics [k] with their names, and the mean w [w_dim], if any."""

    gradients: list[Tensor]
    names: tuple[str, ...]
    statistics: Tensor
    w: Tensor | None

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, which are to be averaged over the processes in place."""
        return [*self.gradients, self.statistics, *([] if self.w is None else [self.w])]


class SkippedSteps:
    """Counts of steps whose gradients were not finite, on the device: in all, and of whole steps in a row."""

    def __init__(self, device: torch.device) -> None:
        self.total, self.in_a_row = (torch.zeros((), dtype=torch.int64, device=device) for _ in range(2))
        self.any_in_step = torch.zeros((), dtype=torch.bool, device=device)

    def count(self, skipped: Tensor) -> None:
        """Count one optimizer's step, which was skipped or not, bool []."""
        self.total += skipped
        self.any_in_step |= skipped

    def end_step(self) -> None:
        """The step of both networks is over."""
        self.in_a_row.add_(1).mul_(self.any_in_step)
        self.any_in_step.zero_()


class Computation:
    """Two networks in training, the generator's EMA, and their optimizers, with what a step computes on them."""

    def __init__(
        self,
        generator: Generator,
        discriminator: Partner,
        config: StepConfig,
        device: torch.device,
        processes: int = 1,
    ) -> None:
        self.config, self.generator, self.discriminator = config, generator, discriminator
        self.generator_ema = constraints.effective_copy(generator).eval().requires_grad_(False)
        self.generate = architecture_of(generator).generate
        noise_ratio = config.g_lr_ratio * config.noise_lr_ratio
        self.g_adam = make_adam(parameter_groups(generator, config.g_lr_ratio, noise_ratio), config, device)
        self.d_adam = make_adam(parameter_groups(discriminator, 1.0, 1.0), config, device)
        self.augmentation = Augmentation(config, device, processes)
        self.skipped = SkippedSteps(device)

    def critic_gradients(self, inputs: CriticInputs) -> Means:
        """The gradients of the critic's loss on this process's shard of a batch of reals, and as many fakes."""
        constraints.iterate(self.discriminator)
        self.generator.zero_grad()  # a step's memory is at its highest here
        self.discriminator.requires_grad_(True)
        self.discriminator.zero_grad()
        return self.accumulate(list(self.discriminator.parameters()), inputs, len(inputs.images))

    def generator_gradients(self, inputs: GeneratorInputs) -> Means:
        """The gradients of the generator's loss on as many fakes as the critic's batch had."""
        constraints.iterate(self.generator)
        self.discriminator.requires_grad_(False)
        self.generator.zero_grad()
        return self.accumulate(list(self.generator.parameters()), inputs, len(inputs.fakes.z))

    def accumulate(self, parameters: Sequence[Tensor], inputs: Any, count: int) -> Means:
        """The means over `count` samples, of as many at once as may be, with the gradients of these parameters.

        `inputs` are those of a step of one kind, of which `part` gives the inputs of some of the samples.
        """
        parts = self.parts(count)
        statistics: dict[str, Tensor] = {}
        w: Tensor | None = None
        for samples in parts:
            loss, mean_w = self.loss(inputs.part(samples))
            (loss.value / len(parts)).backward()
            statistics = {name: statistics.get(name, 0) + value for name, value in loss.statistics.items()}
            w = mean_w if w is None or mean_w is None else w + mean_w
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.stack(list(statistics.values())) / len(parts)
        return Means(gradients, tuple(statistics), flat, None if w is None else w / len(parts))

    def loss(self, inputs: Any) -> tuple[Loss, Tensor | None]:
        """The loss that these inputs are for, and the mean w of its images."""
        return self.critic_loss(inputs) if isinstance(inputs, CriticInputs) else self.generator_loss(inputs)

    def critic_loss(self, inputs: CriticInputs) -> tuple[Loss, Tensor | None]:
        """The critic's loss, and the mean w of its fakes."""
        reals = self.reals(inputs, inputs.mix.dtype)
        labels, resolution = inputs.fakes.labels, reals.shape[-1]
        critic = partial(self.discriminator, labels=labels, alpha=inputs.alpha)
        with torch.no_grad(), cached_weights(self.generator):
            fakes, w = self.generate(self.generator, inputs.fakes, resolution, inputs.alpha)
            fakes = self.seen(fakes, inputs.augment_fakes, labels)
        augment = partial(self.seen, uniforms=inputs.augment_reals, labels=labels)
        with cached_weights(self.discriminator):
            return critic_loss(self.config, critic, reals, fakes, inputs.mix, labels, augment), w

    def reals(self, inputs: Any, dtype: torch.dtype) -> Tensor:
        """The real images [n, C, r, r] of a step as the other network sees them, with a margin."""
        reals = to_reals(inputs.images.to(dtype), inputs.mirrored, inputs.alpha, inputs.roots)
        reals = repeat_within(reals, self.generator.config.margin_at(reals.shape[-1]))
        return reals.contiguous(memory_format=torch.channels_last)

    def generator_loss(self, inputs: GeneratorInputs) -> tuple[Loss, Tensor | None]:
        """The generator's loss, and the mean w of its images."""
        labels = inputs.fakes.labels
        critic = partial(self.discriminator, labels=labels, alpha=inputs.alpha)
        with cached_weights(self.generator), cached_weights(self.discriminator):
            images, w = self.generate(self.generator, inputs.fakes, inputs.resolution, inputs.alpha)
            images = self.seen(images, inputs.augment, labels)
            return generator_loss(self.config, critic, images, labels), w

    def seen(self, images: Tensor, uniforms: Tensor | None, labels: Tensor | None) -> Tensor:
        """What the critic is shown of images: augmented, and with what it looks at besides."""
        return self.discriminator.with_sums(self.augmentation(images, uniforms), labels)

    def critic_update(self, inputs: CriticInputs, means: Means) -> dict[str, Tensor]:
        """Apply the critic's gradients; returns the statistics by name."""
        statistics = self.update((self.d_adam,), inputs.lr, means)
        if self.config.loss == "wgan-clip":
            constraints.clip_weights(self.discriminator, self.config.clip)
        if self.augmentation.adaptive:
            self.augmentation.adjust(statistics["sign_real"], len(inputs.images))
        if self.augmentation.enabled:
            statistics["augment_p"] = self.augmentation.p.clone()
        return statistics

    def generator_update(self, inputs: GeneratorInputs, means: Means) -> dict[str, Tensor]:
        """Apply the generator's gradients, and have the EMA follow; returns the statistics by name."""
        statistics = self.update((self.g_adam,), inputs.lr, means)
        self.update_ema(inputs.ema_weight)
        self.skipped.end_step()
        return statistics

    def update(self, adams: Sequence[torch.optim.Adam], lr: Tensor, means: Means) -> dict[str, Tensor]:
        """One step of optimizers, and of the mean w. A gradient that is not finite skips the step and is counted."""
        norm = torch.nn.utils.get_total_norm(means.gradients)
        skipped = ~(norm < torch.inf)
        self.skipped.count(skipped)
        for adam in adams:
            adam.found_inf = skipped.float()  # type: ignore[attr-defined]
            for group in adam.param_groups:
                group["lr"] = lr * group["ratio"]
            adam.step()
        if has_styles(self.generator) and means.w is not None:
            self.generator.update_w_avg(means.w)
        return dict(zip(means.names, means.statistics.unbind(), strict=True)) | {"gradient": norm}

    @torch.no_grad()
    def update_ema(self, weight: Tensor) -> None:
        """Move the generator's EMA towards its effective weights by a weight []; buffers are copied."""
        parameters, buffers = dict(self.generator_ema.named_parameters()), dict(self.generator_ema.named_buffers())
        now, copied = (
            [constraints.effective(self.generator, name) for name in names] for names in (parameters, buffers)
        )
        averages: list[Tensor] = list(parameters.values())
        if self.config.ema_kimg:
            # No _foreach_lerp_: by a tensor it is a kernel a parameter.
            steps = torch._foreach_sub(now, averages)
            torch._foreach_mul_(steps, weight)
            torch._foreach_add_(averages, steps)
        else:
            torch._foreach_copy_(averages, now)
        if buffers:
            torch._foreach_copy_(list(buffers.values()), copied)

    def parts(self, count: int) -> list[slice]:
        """A shard of `count` samples as equal, strided parts of at most batch_per_device, with the groups whole."""
        parts = count // part_size(count, self.discriminator.config, self.config.batch_per_device)
        return [slice(part, None, parts) for part in range(parts)]


def make_adam(groups: list[dict[str, Any]], config: StepConfig, device: torch.device) -> torch.optim.Adam:
    """An optimizer whose learning rates are tensors, given anew with each step."""
    capturable = device.type == "cuda"
    rate = torch.zeros((), device=device)
    return torch.optim.Adam(groups, lr=rate, betas=config.betas, eps=ADAM_EPS, fused=True, capturable=capturable)


def parameter_groups(network: nn.Module, ratio: float, noise_ratio: float) -> list[dict[str, Any]]:
    """A network's parameters for its optimizer, with their learning rates in multiples of the schedule's.

    Noise strengths, which StyleGAN's generator has, are a group of their own.
    """
    noise: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        (noise if name.endswith("noise_strength") else others).append(parameter)
    groups = [{"params": others, "ratio": ratio}, {"params": noise, "ratio": noise_ratio}]
    return [group for group in groups if group["params"]]
