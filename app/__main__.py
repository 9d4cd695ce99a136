"""`python -m app` serves the browser app."""

import sys
import traceback
from collections.abc import Sequence

import tyro

from app.web.options import Serve
from stylegrow.common.commandline import parsed, write_any_name
from stylegrow.common.errors import InputError

PROGRAM = "python -m app"


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say. Returns 0, 2 for bad input, 1 for a failure, 130 when interrupted."""
    write_any_name()
    try:
        arguments = list(sys.argv[1:] if argv is None else argv)
        options = parsed(lambda: tyro.cli(Serve, prog=PROGRAM, args=arguments), PROGRAM, InputError)
        # Late, so that --help and a misspelt option answer at once.
        from torch import OutOfMemoryError

        from app.web.server import serve
        from stylegrow.common.errors import ModelError
        from stylegrow.common.system import keep_freed_memory
    except InputError as error:
        return _fail(error, 2)
    except KeyboardInterrupt:
        return 130
    keep_freed_memory()
    try:
        serve(options)
        return 0
    except (InputError, ModelError) as error:
        return _fail(error, 2)
    except OSError as error:
        place = error.filename or getattr(options, "outdir", "the folder for temporary files")
        return _fail(f"{place}: cannot be written ({error.strerror or error})", 1)
    except (MemoryError, OutOfMemoryError):
        return _fail("there is not enough memory; use --max-batch 1, or --device cpu", 1)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()  # a mistake of ours: the whole story helps
        return 1


def _fail(error: object, status: int) -> int:
    print("error:", " ".join(str(error).splitlines()), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
