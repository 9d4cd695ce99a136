"""What the training commands share: the command line, one line for what goes wrong, and the exit status."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Annotated, Any, TypedDict

import tyro

from stylegrow.common import commandline
from train.config.checks import checked
from train.config.fields import shown
from train.config.options import ABOUT, KINDS, Options
from train.config.presets import PRESETS
from train.step.config import StepConfig

METAVARS = {
    str: "TEXT",
    int: "INT",
    float: "NUMBER",
    tuple[float, float]: "NUMBER NUMBER",
}


def main(architecture: str, description: str) -> int:
    """Train as sys.argv says. Returns 0, 2 for bad input, 1 for a failure, 130 or 143 when stopped."""
    quiet = os.environ.get("RANK", "0") != "0"  # of several processes the first one speaks

    def train() -> int:
        options = parse(sys.argv[1:], architecture, description)
        # Late, so that --help and a misspelt option answer at once.
        from train.run.start import run

        try:
            return run(architecture, options)[1]
        except SystemExit as ending:  # of a signal that came when there was nothing to save yet
            if not quiet:
                print("stopped before training began", file=sys.stderr, flush=True)
            return int(ending.code or 0)

    less_memory = "give a lower --batch-per-device, --fmap-base or --resolution"
    return commandline.run_command(
        train, interrupted="stopped before training began", less_memory=less_memory, quiet=quiet
    )


def parse(argv: Sequence[str], architecture: str, description: str) -> Options:
    """The options that a command line gives, with paths from the root. InputError in one line."""
    description = f"{description} Presets, which change defaults: {', '.join(PRESETS[architecture])}."
    given = commandline.parse(
        command_line(), f"train/{architecture}.py", [*with_bare_values(argv)], description=description
    )
    return checked(Options(**given), architecture)


def command_line() -> Any:
    """All options as tyro reads them: a TypedDict, in which those that are not given are left out."""
    kinds: dict[str, Any] = {}
    # The run's own options before the step's.
    for field in sorted(fields(Options), key=lambda field: hasattr(StepConfig, field.name)):
        about, kind = ABOUT[field.name], KINDS[field.name]
        known = "" if field.default is None or kind is bool or "(default" in about.help else shown(field.default)
        hint = f"(default: {known})" if known else ""
        argument = tyro.conf.arg(help=about.help, metavar=about.values or METAVARS.get(kind), help_behavior_hint=hint)
        kinds[field.name] = Annotated[kind, argument]
    return TypedDict("GivenOptions", kinds, total=False)  # type: ignore[operator]


def with_bare_values(argv: Sequence[str]) -> Iterator[str]:
    """The words of a command line, and what an option means that stands without a value."""
    for word, following in zip(argv, [*argv, "--"][1:], strict=True):
        yield word
        about = ABOUT.get(word.removeprefix("--").replace("-", "_"))
        if word.startswith("--") and about and about.bare and following.startswith("-"):
            yield about.bare
