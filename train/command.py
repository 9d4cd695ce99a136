"""What the training commands share: the command line, one line for what goes wrong, and the exit status."""

import os
import sys
import traceback
from functools import partial

from stylegrow.common.commandline import write_any_name
from stylegrow.common.errors import InputError, RunError
from train.config.options import parse


def main(architecture: str, description: str) -> int:
    """Train as sys.argv says. Returns 0, 2 for bad input, 1 for a failure, 130 or 143 when stopped."""
    write_any_name()
    speaks = os.environ.get("RANK", "0") == "0"
    read = partial(parse, sys.argv[1:], architecture, description)
    try:
        options = read()
        # Late, so that --help and a misspelt option answer at once.
        from stylegrow.common.errors import DataError, ModelError
        from stylegrow.common.system import keep_freed_memory
        from train.run.start import run
    except InputError as error:
        return fail(error, 2, speaks)
    except KeyboardInterrupt:
        return 130
    keep_freed_memory()
    try:
        return run(architecture, options, read)
    except (InputError, DataError, ModelError) as error:
        return fail(error, 2, speaks)
    except (RunError, OSError) as error:
        return fail(error, 1, speaks)
    except SystemExit as ending:  # of a signal that came when there was nothing to save yet
        if speaks:
            print("stopped before training began", file=sys.stderr, flush=True)
        return int(ending.code or 0)
    except Exception:
        # A mistake of ours: the whole story helps, whichever process it comes from.
        traceback.print_exc()
        return 1


def fail(error: Exception, status: int, speaks: bool) -> int:
    """The error as one line of the process that speaks."""
    if speaks:
        print("error:", " ".join(str(error).splitlines()), file=sys.stderr, flush=True)
    return status
