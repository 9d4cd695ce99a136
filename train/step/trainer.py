"""The training step: critic and generator in turn, at whatever stage the schedule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from progan import operations
from progan.layers import Blur
from stylegrow.common.arithmetic import set_arithmetic
from stylegrow.common.text import one_line
from train.config.schedule import Schedule, Stage, to_images
from train.distributed.processes import SingleProcess
from train.step import constraints
from train.step.batch_loader import Batch
from train.step.computation import Computation, Means
from train.step.config import StepConfig
from train.step.graphs import Graphs
from train.step.inputs import CriticInputs, GeneratorInputs, Labels, StepInputs
from train.step.random_streams import RandomStreams

if TYPE_CHECKING:
    from stylegrow.architectures import Generator, Partner

T = TypeVar("T", bound=tuple[Any, ...])


class Trainer:
    """Two networks in training, the generator's EMA, and their optimizers.

    A step is a pure function of their state and of its inputs, in the precision of their weights. `images` counts the
    reals shown to the critic.
    """

    computation_class = Computation

    def __init__(
        self,
        generator: Generator,
        discriminator: Partner,
        schedule: Schedule,
        config: StepConfig,
        streams: RandomStreams,
        processes: SingleProcess,
        labels: Labels | None = None,
    ) -> None:
        set_arithmetic(processes.device, config.mixed_precision == "tf32", config.deterministic)
        operations.kernels, self.slower_since = fast_kernels(processes.device, config.mixed_precision == "bf16")
        self.generator = generator.to(processes.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.discriminator = discriminator.to(processes.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        if config.spectral_norm in ("critic", "both"):
            constraints.normalise(self.discriminator)
        if config.spectral_norm == "both":
            constraints.normalise(self.generator)
        processes.broadcast([*self.generator.state_dict().values(), *self.discriminator.state_dict().values()])
        self.computation = self.computation_class(
            self.generator, self.discriminator, config, processes.device, processes.count
        )
        self.generator_ema = self.computation.generator_ema
        self.g_adam, self.d_adam = self.computation.g_adam, self.computation.d_adam
        for network in (self.generator, self.discriminator, self.generator_ema):
            network.compute_dtype = torch.bfloat16 if config.mixed_precision == "bf16" else None
        self.schedule, self.config, self.processes = schedule, config, processes
        self.inputs = StepInputs(self.generator, config, streams, processes, labels)
        self.graphs = Graphs(processes, config.cuda_graphs == "yes")
        self.images = 0
        self.phase: int | None = None
        self.blurs = True  # as a Blur does
        self.blur(schedule.at(0).blur)

    @property
    def stage(self) -> Stage:
        """What the networks have come to: the next batch's stage, or the last one's where that has new blocks."""
        stage = self.schedule.at(self.images)
        reached = stage.resolution if self.phase is None else self.schedule.resolution_in(self.phase)
        return stage if stage.resolution <= reached else replace(stage, resolution=reached, alpha=1.0)

    @property
    def skipped(self) -> int:
        """How many steps of an optimizer were skipped since their gradients were not finite. Waits for the device."""
        return int(self.computation.skipped.total)

    @skipped.setter
    def skipped(self, count: int) -> None:
        self.computation.skipped.total.fill_(count)

    @property
    def skipped_in_a_row(self) -> int:
        """How many steps up to now, one after another, had such gradients. Waits for the device."""
        return int(self.computation.skipped.in_a_row)

    def step(self, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """A critic step on each of n_critic batches, then a generator step; returns their statistics by name.

        They hold until the next step.
        """
        statistics: dict[str, Tensor] = {}
        images = self.images
        for batch in batches:
            stage = self.enter(batch.start)
            critics = self.critic_step(self.inputs.for_critic(batch, stage))
            statistics |= {f"D/{name}": value for name, value in critics.items()}
            self.images += stage.batch
        generators = self.generator_step(self.inputs.for_generator(self.images, stage, self.images - images))
        return statistics | {f"G/{name}": value for name, value in generators.items()}

    def enter(self, images: int) -> Stage:
        """The stage after `images` reals. Adam starts afresh where a fade or the blur begins, and where a fade ends."""
        stage = self.schedule.at(images)
        begins = stage.blur and images - stage.batch < to_images(self.schedule.blur_kimg)
        if stage.phase != self.phase or begins:
            self.graphs.release()
            for adam in (self.g_adam, self.d_adam):
                adam.state.clear()
        self.phase = stage.phase
        self.blur(stage.blur)
        return stage

    def blur(self, on: bool) -> None:
        """Have the networks use their low-pass filters, if any, or not yet."""
        if on == self.blurs:
            return
        self.blurs = on
        for network in (self.generator, self.discriminator, self.generator_ema):
            for module in network.modules():
                if isinstance(module, Blur):
                    module.on = on

    def critic_step(self, inputs: CriticInputs) -> dict[str, Tensor]:
        """One step of the critic; its statistics by name."""
        return self.optimize(self.computation.critic_gradients, self.computation.critic_update, inputs)

    def generator_step(self, inputs: GeneratorInputs) -> dict[str, Tensor]:
        """One step of the generator, and of its EMA; its statistics by name."""
        return self.optimize(self.computation.generator_gradients, self.computation.generator_update, inputs)

    def optimize(
        self, gradients: Callable[[T], Means], update: Callable[[T, Means], dict[str, Tensor]], inputs: T
    ) -> dict[str, Tensor]:
        """A network's gradients, their average over all processes, and what is done with it."""
        placed = self.graphs.place(inputs)
        means = self.graphs.call(gradients, placed)
        self.processes.all_reduce_mean(means.tensors)
        return self.graphs.call(update, placed, means)


def fast_kernels(device: torch.device, wanted: bool) -> tuple[operations.Kernels | None, str]:
    """The single kernels that take many of PyTorch's places on a GPU, if they are wanted; or none, and why."""
    if device.type != "cuda" or not wanted:
        return None, ""
    try:
        from train.step import kernels  # here, since Triton is not everywhere

        kernels.try_out(device)
    except Exception as error:  # whatever a missing package, C compiler or driver raises
        return None, one_line(error)
    return kernels, ""
