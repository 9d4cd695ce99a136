"""The training step: critic and generator in turn, at whatever stage the schedule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from progan.layers import cached_weights
from stylegrow.architectures import TrainingInputs, architecture_of, has_styles
from train.config.schedule import Schedule, Stage
from train.distributed.processes import SingleProcess
from train.step import constraints
from train.step.batch_loader import Batch, to_reals
from train.step.config import StepConfig
from train.step.inputs import CriticInputs, Labels, StepInputs
from train.step.objectives import Loss, critic_loss, generator_loss
from train.step.random_streams import RandomStreams

if TYPE_CHECKING:
    from stylegrow.architectures import Discriminator, Generator

ADAM_EPS = 1e-8  # Karras 2018, appendix A.1


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


class Trainer:
    """Two networks in training, the generator's EMA, and their optimizers.

    A step is a pure function of their state and of its inputs, in the precision of their weights. `images` counts the
    reals shown to the critic.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        schedule: Schedule,
        config: StepConfig,
        streams: RandomStreams,
        processes: SingleProcess,
        labels: Labels | None = None,
    ) -> None:
        self.generator = generator.to(processes.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.discriminator = discriminator.to(processes.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        if config.spectral_norm in ("critic", "both"):
            constraints.normalise(self.discriminator)
        if config.spectral_norm == "both":
            constraints.normalise(self.generator)
        processes.broadcast([*self.generator.state_dict().values(), *self.discriminator.state_dict().values()])
        self.generator_ema = constraints.effective_copy(self.generator).eval().requires_grad_(False)
        for network in (self.generator, self.discriminator, self.generator_ema):
            network.compute_dtype = torch.bfloat16 if config.mixed_precision == "bf16" else None
        self.schedule, self.config, self.processes = schedule, config, processes
        self.inputs = StepInputs(self.generator, config, streams, processes, labels)
        self.generate = architecture_of(self.generator).generate
        self.g_adam, self.d_adam = (
            torch.optim.Adam(groups, betas=config.betas, eps=ADAM_EPS, fused=True)
            for groups in (
                parameter_groups(self.generator, config.g_lr_ratio, config.g_lr_ratio * config.noise_lr_ratio),
                parameter_groups(self.discriminator, 1.0, 1.0),
            )
        )
        self.images = 0
        self.phase: int | None = None
        self.skipped = 0
        self.skipped_in_a_row = 0

    def step(self, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """A critic step on each of n_critic batches, then a generator step; returns their statistics by name."""
        statistics: dict[str, Tensor] = {}
        images, skipped = self.images, self.skipped
        for batch in batches:
            stage = self.enter(batch.start)
            critics = self.critic_step(self.inputs.for_critic(batch, stage), stage)
            statistics |= {f"D/{name}": value for name, value in critics.items()}
            self.images += stage.batch
        generators = self.generator_step(self.inputs.for_generator(self.images, stage), stage)
        statistics |= {f"G/{name}": value for name, value in generators.items()}
        self.update_ema(self.images - images)
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if self.skipped > skipped else 0
        return statistics

    def enter(self, images: int) -> Stage:
        """The stage after `images` reals. Adam starts afresh where a fade begins and where it ends."""
        stage = self.schedule.at(images)
        for adam in (self.g_adam, self.d_adam):
            if stage.phase != self.phase:
                adam.state.clear()
            for group in adam.param_groups:
                group["lr"] = stage.lr * group["ratio"]
        self.phase = stage.phase
        return stage

    def critic_step(self, inputs: CriticInputs, stage: Stage) -> dict[str, Tensor]:
        """One step of the critic on this process's shard of a batch of reals, and as many fakes."""
        reals = to_reals(inputs.images.to(inputs.mix.dtype), inputs.mirrored, stage.alpha)
        reals = reals.contiguous(memory_format=torch.channels_last)

        def loss_of(part: slice) -> Loss:
            fakes = inputs.fakes[part]
            critic = partial(self.discriminator, labels=fakes.labels, alpha=stage.alpha)
            with torch.no_grad():
                generated = self.generate(self.generator, fakes, stage.resolution, stage.alpha)
            with cached_weights(self.discriminator):
                loss = critic_loss(self.config, critic, reals[part], generated.images, inputs.mix[part], fakes.labels)
            return loss.with_statistics(generated.means)

        constraints.iterate(self.discriminator)
        self.generator.zero_grad()  # a step's memory is at its highest here
        self.discriminator.requires_grad_(True)
        statistics = self.optimize(self.discriminator, self.d_adam, loss_of, len(reals))
        if self.config.loss == "wgan-clip":
            constraints.clip_weights(self.discriminator, self.config.clip)
        return statistics

    def generator_step(self, inputs: TrainingInputs, stage: Stage) -> dict[str, Tensor]:
        """One step of the generator, on as many fakes as the critic's batch had."""

        def loss_of(part: slice) -> Loss:
            fakes = inputs[part]
            critic = partial(self.discriminator, labels=fakes.labels, alpha=stage.alpha)
            generated = self.generate(self.generator, fakes, stage.resolution, stage.alpha)
            loss = generator_loss(self.config, critic, generated.images, fakes.labels)
            return loss.with_statistics(generated.means)

        constraints.iterate(self.generator)
        self.discriminator.requires_grad_(False)
        return self.optimize(self.generator, self.g_adam, loss_of, len(inputs.z))

    def parts(self, count: int) -> list[slice]:
        """A shard of `count` samples as equal, strided parts of at most batch_per_device."""
        most = self.config.batch_per_device or count
        parts = next(parts for parts in range(1, count + 1) if count % parts == 0 and count // parts <= most)
        return [slice(part, None, parts) for part in range(parts)]

    def optimize(
        self,
        network: Generator | Discriminator,
        adam: torch.optim.Adam,
        loss_of: Callable[[slice], Loss],
        count: int,
    ) -> dict[str, Tensor]:
        """One step of a network's optimizer on the loss's mean over this shard and over all processes.

        A gradient that is not finite skips the step and is counted. Returns the mean statistics.
        """
        network.zero_grad()
        parts = self.parts(count)
        sums: dict[str, Tensor] = {}
        for part in parts:
            loss = loss_of(part)
            (loss.value / len(parts)).backward()
            sums = {name: sums.get(name, 0) + value for name, value in loss.statistics.items()}
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        flat = torch.cat([value.flatten() for value in sums.values()]) / len(parts)
        means = self.processes.all_reduce_mean(gradients, flat).split([value.numel() for value in sums.values()])
        norm = torch.nn.utils.get_total_norm(gradients)
        if norm.isfinite():
            adam.step()
        else:
            self.skipped += 1
        statistics = {name: mean.view_as(value) for (name, value), mean in zip(sums.items(), means, strict=True)}
        if has_styles(self.generator):
            self.generator.update_w_avg(statistics.pop("w"))
        return statistics | {"gradient": norm}

    @torch.no_grad()
    def update_ema(self, images: int) -> None:
        """Move the generator's EMA towards its effective weights, with a half-life in images; buffers are copied."""
        half_life = self.config.ema_kimg * 1000
        keep = 0.5 ** (images / half_life) if half_life else 0.0
        for name, averaged in self.generator_ema.named_parameters():
            averaged.lerp_(constraints.effective(self.generator, name), 1 - keep)
        for name, averaged in self.generator_ema.named_buffers():
            averaged.copy_(constraints.effective(self.generator, name))
