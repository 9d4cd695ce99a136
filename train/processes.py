"""The processes of one training: who they are, what they agree on, and when they are told to stop.

Networks are not wrapped: a growing network leaves parameters unused at every stage and its critic is differentiated
twice, so gradients are averaged once a step, by hand, in one message (see `Processes.average`).
"""

import contextlib
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import accelerate
import psutil
import torch
import torch.distributed as dist
from torch import Tensor

from train.errors import OptionError, RunError
from train.options import PrecisionName

T = TypeVar("T")


class Alone:
    """One process that trains by itself; the interface of several."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.rank, self.count = 0, 1

    def average(self, tensors: Sequence[Tensor], scalars: Tensor) -> Tensor:
        """Average the tensors in place over all processes, and return the average of the scalars."""
        return scalars


class Processes(Alone):
    """This process among those that train together, on the device that accelerate gives it."""

    def __init__(self, tracker: str | None = None) -> None:
        # The networks choose their precision themselves, layer by layer (see progan.layers), so accelerate need not.
        self.accelerator = accelerate.Accelerator(cpu=use_cpu(), mixed_precision="no", log_with=tracker)
        super().__init__(self.accelerator.device)
        self.rank, self.count = self.accelerator.process_index, self.accelerator.num_processes
        self.stop = StopRequest()
        self._asked = torch.zeros(1)
        # For what takes as long as it takes, such as preparing pictures; a death among the processes still ends the
        # wait.
        self._patient = dist.new_group(backend="gloo", timeout=timedelta(days=365)) if self.count > 1 else None

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor], scalars: Tensor) -> Tensor:
        """Average the tensors in place over all processes, and return the average of the scalars.

        All travels as one message, with a flag that asks all to stop. Every process must bring tensors of the same
        shapes in the same order.
        """
        if self.count == 1:
            return scalars
        asked = torch.tensor([float(self.stop.status or 0)], device=self.device)
        parts = [*tensors, scalars, asked]
        flat = torch.cat([part.flatten().to(tensors[0].dtype) for part in parts])
        with connection():
            means = self.accelerator.reduce(flat, reduction="mean").split([part.numel() for part in parts])
        for tensor, mean in zip(tensors, means, strict=False):
            tensor.copy_(mean.view_as(tensor))
        self._asked = means[-1]
        return means[-2].to(scalars.dtype)

    def stop_status(self) -> int | None:
        """The exit status with which all processes are to end after this step, or None to go on."""
        if self.count == 1:
            return self.stop.status
        return (self.stop.status or 128 + signal.SIGTERM) if self._asked.item() > 0 else None

    def together(self, function: Callable[[], T]) -> T:
        """This process's result of `function`, which all call, however long it takes; the first error is everyone's."""
        result, error = attempt(function)
        if self._patient is not None:
            errors: list[Exception | None] = [None] * self.count
            with connection():
                dist.all_gather_object(errors, error, group=self._patient)
            error = next((one for one in errors if one is not None), None)
        if error is not None:
            raise error
        return result  # type: ignore[return-value]

    def on_main(self, function: Callable[[], T]) -> T:
        """The result of `function`, which the main process alone calls; its error is everyone's."""
        outcome: list[Any] = list(attempt(function)) if self.is_main else [None, None]
        if self._patient is not None:
            with connection():
                dist.broadcast_object_list(outcome, group=self._patient)
        if outcome[1] is not None:
            raise outcome[1]
        return outcome[0]


@contextlib.contextmanager
def connection() -> Iterator[None]:
    """Turns what a broken connection raises into one line."""
    try:
        yield
    except RuntimeError as error:
        raise RunError("another process of this training has ended; continue with --resume") from error


def attempt(function: Callable[[], T]) -> tuple[T | None, Exception | None]:
    """(the result, None), or (None, the error in a form that can be sent to other processes)."""
    try:
        return function(), None
    except Exception as error:  # handed to the caller, who raises it
        return None, error if picklable(error) else RunError(str(error))


def picklable(error: Exception) -> bool:
    """Whether the error can travel to the other processes."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever pickling raises
        return False
    return True


def use_cpu() -> bool:
    """Whether to train on the processor: no accelerator is there, or accelerate was launched with --cpu."""
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return asked or not (torch.cuda.is_available() or torch.backends.mps.is_available())


def launched_precision() -> PrecisionName | None:
    """The precision that accelerate was launched with, None where nothing was said.

    Its launcher passes "no" on both when told so and by default, so a "no" counts only where the command line or the
    configuration file says it. OptionError for a precision that is not supported.
    """
    precision = os.environ.get("ACCELERATE_MIXED_PRECISION")
    if precision in ("fp16", "fp8"):
        raise OptionError(f"mixed precision {precision} is not supported: launch with --mixed_precision bf16 or no")
    if precision == "no" and said_no():
        return "no"
    return "bf16" if precision == "bf16" else None


def said_no() -> bool:
    """Whether the launcher above this process was told a precision, by its arguments or its configuration."""
    for parent in psutil.Process().parents()[:2]:
        try:
            words = parent.cmdline()
        except psutil.Error:
            continue
        if any(word.startswith(("--mixed_precision", "--mixed-precision", "--config_file")) for word in words):
            return True
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    return any((home / "accelerate" / f"default_config.{ending}").exists() for ending in ("yaml", "json"))


def fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 here: GPUs from Ampere on, processors with AVX-512 bf16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        able: Mapping[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False


def lost_processes() -> bool:
    """Whether `accelerate launch --cpu --num_processes N` asked for several processes but started this one alone."""
    return "MASTER_PORT" in os.environ and "WORLD_SIZE" not in os.environ


class StopRequest:
    """Notices that this process should end: SIGTERM, Ctrl-C, or a launcher that has gone.

    `status` is None, or the exit status that belongs to the reason. The loop looks at it after every step, so that the
    state is saved whole; a signal that comes twice changes nothing.
    """

    def __init__(self) -> None:
        self._status: int | None = None
        launched = "TORCHELASTIC_RUN_ID" in os.environ or "ACCELERATE_MIXED_PRECISION" in os.environ
        self._launcher = os.getppid() if launched else None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._status is None:
            self._status = 128 + number

    @property
    def status(self) -> int | None:
        if self._status is None and self._launcher is not None and os.getppid() != self._launcher:
            self._status = 128 + signal.SIGTERM
        return self._status
