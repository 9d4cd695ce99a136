"""The command `stylegrow`: finds the command that its first words name, reads the options and runs it."""

import difflib
import importlib
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from stylegrow.common.commandline import parse, run_command
from stylegrow.common.errors import InputError

PROGRAM = "stylegrow"
# Each command, and where the dataclass of its options is, whose `run` does it.
COMMANDS = {
    "generate": "drawing.Generate",
    "mix": "drawing.Mix",
    "truncation": "drawing.Truncation",
    "sweep": "drawing.Sweep",
    "noise": "drawing.Noise",
    "grid": "drawing.Grid",
    "edit": "drawing.Edit",
    "interpolate": "video.Interpolate",
    "growth": "video.Growth",
    "directions": "directions.Directions",
    "project": "projection.Project",
    "reconstruct": "reconstruction.Reconstruct",
    "data prepare": "data.Prepare",
    "data inspect": "inspection.Inspect",
    "models list": "models.List",
    "models show": "models.Show",
    "models copy": "models.Copy",
    "models card": "card.Card",
    "models export": "models.Export",
    "models colours": "models.Colours",
    "models push": "models.Push",
    "models import-official": "models.ImportOfficial",
    "models space": "models.Space",
    "metrics": "metrics.Options",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments, by default sys.argv, say. Returns 0, 2 for bad input, 1 for a failure, 130 on Ctrl-C."""
    return run_command(partial(run, list(sys.argv[1:] if arguments is None else arguments)))


def run(words: list[str]) -> int | None:
    """Run the command that `words` begin with, or list the commands. Raises InputError where there is none."""
    if words[:1] == ["--version"]:
        from stylegrow import __version__

        print(PROGRAM, __version__)
        return 0
    for count in (1, 2):
        if (name := " ".join(words[:count])) in COMMANDS:
            status: int | None = parse(options_of(name), f"{PROGRAM} {name}", words[count:]).run()
            return status
    group = [name for name in COMMANDS if name.startswith(f"{' '.join(words[:1])} ")]
    rest = words[1:] if group else words
    if not rest or rest[0] in ("-h", "--help"):
        print_commands(group or list(COMMANDS))
        return 0
    name = " ".join(words[:2] if group else words[:1])
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    meant = f", perhaps {near[0]} was meant" if near else ""
    raise InputError(f"{name!r}: there is no such command{meant}; give one of {', '.join(group or COMMANDS)}")


def options_of(name: str) -> Any:
    """The dataclass of a command's options."""
    module, _, kind = COMMANDS[name].partition(".")
    return getattr(importlib.import_module(f"stylegrow.cli.{module}"), kind)


def print_commands(names: Sequence[str]) -> None:
    """A line a command: its name and the first sentence of its help."""
    print(f"usage: {PROGRAM} COMMAND [OPTIONS]\n")
    for name in names:
        first, *_ = " ".join((options_of(name).__doc__ or "").split()).split(". ")
        print(f"  {name:<24}{first.rstrip('.')}")
    print(f"\n{PROGRAM} COMMAND --help lists a command's options.")
