"""How a run was made, as its models tell it: the command and the hardware. Nothing in them names a private place."""

import os
import shlex
from pathlib import Path

import torch

from stylegrow.common.system import processor_name
from stylegrow.common.text import counted
from stylegrow.models.folders import name_of
from train.config.fields import as_given
from train.config.options import ABOUT, Options


def command(architecture: str, options: Options, processes: int) -> str:
    """The shell command that starts such a run: its launcher, the program, and the options given.

    One process needs none; where accelerate launched it, the command says so. Several can all be started by torchrun.
    Of paths that matter only the names remain, as in `--data faces`; private ones are left out.
    """
    each = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    machines = f"--nnodes {processes // each} " if processes > each else ""
    alone = "accelerate launch" if "ACCELERATE_MIXED_PRECISION" in os.environ else "python"  # which that alone sets
    launcher = alone if processes == 1 else f"torchrun {machines}--nproc-per-node {each}"
    names = {
        "data": lambda path: Path(path).name or path,
        "holdout": lambda given: Path(given).name if isinstance(given, str) else given,
        "init_from": lambda path: name_of(path, Path(path)),
    }
    words = [f"{launcher} train/{architecture}.py"]
    for name, value in options.given.items():
        if name in names:
            value = names[name](value)
        if not ABOUT[name].private:
            words.append(as_given(name, shlex.quote(value) if isinstance(value, str) else value))
    return " ".join(words)


def hardware(device: torch.device, processes: int) -> str:
    """What trains: so many GPUs of a name, or a processor's name and the threads that all processes compute with."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return name if processes == 1 else f"{processes} x {name}"
    if device.type == "mps":
        return f"GPU of {processor_name()}"
    threads = torch.get_num_threads() * processes
    return f"{processor_name()}, {counted(threads, 'thread')}"
