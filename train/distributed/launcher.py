"""The launcher above this process, torchrun or accelerate, and the options that the user gave it.

Launchers pass their own defaults on as if they had been asked for: accelerate a precision of "no", and both of them one
thread a process. What the user really gave is in the launcher's command line and environment.
"""

import os
import sys
from functools import cached_property

import psutil

from stylegrow.common.errors import InputError
from stylegrow.common.system import available_cpus
from train.step.config import PrecisionName

NAMES = ("accelerate", "torchrun", "torch.distributed", "torch/distributed")


class Launcher:
    """The process that launched this one."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._parent = os.getppid()

    @classmethod
    def find(cls) -> "Launcher | None":
        """This process's launcher; None where a shell or another program started it."""
        if "TORCHELASTIC_RUN_ID" not in os.environ and "ACCELERATE_MIXED_PRECISION" not in os.environ:
            return None
        for process in psutil.Process().parents()[:2]:  # Windows puts a process of its own in between
            if any(name in word for word in words_of(process) for name in NAMES):
                return cls(process)
        return None

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Whether it has ended, so that nobody waits for this process any more."""
        return os.getppid() != self._parent or not self._process.is_running()

    @cached_property
    def _words(self) -> list[str]:
        """Its own arguments: those before the script."""
        words = words_of(self._process)
        return words[: words.index(sys.argv[0])] if sys.argv[0] in words else words

    def given(self, *options: str) -> bool:
        """Whether one of these options stands in its command line, written with - or _."""
        return any(word.replace("_", "-").startswith(options) for word in self._words)

    @property
    def precision_given(self) -> bool:
        """Whether a precision was given, there or in the configuration file that it reads."""
        from accelerate.commands.config.config_args import default_config_file

        if self.given("--mixed-precision", "--config-file"):
            return True
        return not self.given("--cpu") and os.path.exists(default_config_file)  # noqa: PTH110

    @property
    def threads_given(self) -> bool:
        """Whether the threads of a process were given."""
        try:
            return self.given("--num-cpu-threads-per-process") or "OMP_NUM_THREADS" in self._process.environ()
        except psutil.Error:
            return True


def words_of(process: psutil.Process) -> list[str]:
    """A process's command line; nothing where it cannot be read."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def launched_precision(launcher: Launcher | None) -> PrecisionName | None:
    """The precision that accelerate was launched with, None where none was given.

    InputError for one that is not supported.
    """
    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "").lower()
    if precision in ("fp16", "fp8"):
        raise InputError(f"mixed precision {precision} is not supported: give --mixed-precision bf16 or no")
    if precision == "no" and (launcher is None or launcher.precision_given):
        return "no"
    return "bf16" if precision == "bf16" else None


def threads(launcher: Launcher | None) -> int | None:
    """How many threads this process should compute with: its part of the CPU's cores; None where it was given."""
    if launcher is None or launcher.threads_given:
        return None
    cores = min(available_cpus(), psutil.cpu_count(logical=False) or available_cpus())
    return max(cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)


def lost_processes(launcher: Launcher | None) -> bool:
    """Whether `accelerate launch --cpu --num_processes N` was asked for several processes but started this one alone.

    It names the port where the processes are to meet, but not how many they are.
    """
    return launcher is not None and "MASTER_PORT" in os.environ and "WORLD_SIZE" not in os.environ
