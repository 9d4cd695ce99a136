"""What the training commands share: the command line, one line for what goes wrong, and the exit status."""

import os
import sys
from functools import partial

from stylegrow.common.commandline import run_command
from train.config.options import parse


def main(architecture: str, description: str) -> int:
    """Train as sys.argv says. Returns 0, 2 for bad input, 1 for a failure, 130 or 143 when stopped."""
    quiet = os.environ.get("RANK", "0") != "0"  # of several processes the first one speaks

    def train() -> int:
        read = partial(parse, sys.argv[1:], architecture, description)
        options = read()
        # Late, so that --help and a misspelt option answer at once.
        from stylegrow.common.system import keep_freed_memory
        from train.run.start import run

        keep_freed_memory()
        try:
            return run(architecture, options, read)
        except SystemExit as ending:  # of a signal that came when there was nothing to save yet
            if not quiet:
                print("stopped before training began", file=sys.stderr, flush=True)
            return int(ending.code or 0)

    less_memory = "give a lower --batch-per-device, --fmap-base or --resolution"
    return run_command(train, interrupted="stopped before training began", less_memory=less_memory, quiet=quiet)
