"""The commands that draw: pictures, figures and videos of a model as files."""

import sys
import traceback
from collections.abc import Sequence

from stylegrow.cli.options import parse
from stylegrow.common.commandline import write_any_name
from stylegrow.common.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say. Returns 0, 2 for bad input, 1 for a failure, 130 when interrupted."""
    write_any_name()
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        # Late, so that --help and a misspelt option answer at once.
        from torch import OutOfMemoryError

        from stylegrow.cli.commands import run
        from stylegrow.common.errors import ModelError
        from stylegrow.common.system import keep_freed_memory
    except InputError as error:
        return _fail(error, 2)
    except KeyboardInterrupt:
        return 130
    keep_freed_memory()
    try:
        run(options)
        return 0
    except (InputError, ModelError) as error:
        return _fail(error, 2)
    except OSError as error:
        place = error.filename or getattr(options, "outdir", "the folder for temporary files")
        return _fail(f"{place}: cannot be written ({error.strerror or error})", 1)
    except (MemoryError, OutOfMemoryError):
        return _fail("there is not enough memory; use --batch 1, or --device cpu", 1)
    except KeyboardInterrupt:
        print("interrupted: what is named above is written", file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()  # a mistake of ours: the whole story helps
        return 1


def _fail(error: object, status: int) -> int:
    print("error:", " ".join(str(error).splitlines()), file=sys.stderr)
    return status
