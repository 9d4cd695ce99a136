"""How a run was made, as its models tell it: the command and the hardware. Nothing in them names a private place."""

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from stylegrow.common.system import processor_name
from stylegrow.common.text import counted
from stylegrow.models.folders import name_of

PRIVATE = ("--out", "--cache", "--resume")  # left out: where things lie on one machine is nothing to others
PLACES = ("--data", "--init-from")  # of which only the name is told


def command(architecture: str, words: Sequence[str], processes: int) -> str:
    """The shell command that starts such a run: its launcher, the program, and the options given.

    Of the folders among them only the names remain, as in `--data faces`; those of output and cache are left out.
    """
    each = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    machines = f"--nnodes {processes // each} " if processes > each else ""
    launcher = "accelerate launch" if processes == 1 else f"torchrun {machines}--nproc-per-node {each}"
    return f"{launcher} train/{architecture}.py {shlex.join(public(words))}".strip()


def public(words: Sequence[str]) -> Iterator[str]:
    """The words of a command line without PRIVATE options, and with names in place of the paths of PLACES."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, joined, value = word.partition("=")
        name = option.replace("_", "-")
        if name not in PRIVATE + PLACES:
            yield word
            continue
        if not joined and rest and not rest[0].startswith("--"):
            value = rest.pop(0)
        if name == "--data":
            yield from (name, Path(value).expanduser().resolve().name or value)
        elif name == "--init-from":
            yield from (name, name_of(value, Path(value).expanduser()))


def hardware(device: torch.device, processes: int) -> str:
    """What trains: so many GPUs of a name, or a processor's name and the threads that all processes compute with."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return name if processes == 1 else f"{processes} x {name}"
    if device.type == "mps":
        return f"GPU of {processor_name()}"
    threads = torch.get_num_threads() * processes
    return f"{processor_name()}, {counted(threads, 'thread')}"
