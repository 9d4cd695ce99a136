"""`python -m app` serves the browser app; with a command it writes pictures, figures and films of a model as files."""

import sys
import traceback
from collections.abc import Sequence

from app.errors import AppError
from app.options import parse
from app.serving import Serve
from data.commandline import write_any_name


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say. Returns 0, 2 for bad input, 1 for a failure, 130 when interrupted."""
    write_any_name()
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        # Late, so that --help and a misspelt option answer at once.
        from torch import OutOfMemoryError

        from app.commands import run
        from app.server import serve
        from data.memory import keep_freed_memory
        from zoo import ModelError
    except AppError as error:
        return _fail(error, 2)
    except KeyboardInterrupt:
        return 130
    keep_freed_memory()
    try:
        serve(options) if isinstance(options, Serve) else run(options)
        return 0
    except (AppError, ModelError) as error:
        return _fail(error, 2)
    except OSError as error:
        place = error.filename or getattr(options, "outdir", "the folder for temporary files")
        return _fail(f"{place}: cannot be written ({error.strerror or error})", 1)
    except (MemoryError, OutOfMemoryError):
        batch = "--max-batch" if isinstance(options, Serve) else "--batch"
        return _fail(f"there is not enough memory; use {batch} 1, or --device cpu", 1)
    except KeyboardInterrupt:
        print(
            "stopped" if isinstance(options, Serve) else "interrupted: what is named above is written", file=sys.stderr
        )
        return 130
    except Exception:
        traceback.print_exc()  # a mistake of ours: the whole story helps
        return 1


def _fail(error: object, status: int) -> int:
    print("error:", " ".join(str(error).splitlines()), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
