"""`python -m app` serves the browser app."""

import sys
from collections.abc import Sequence

from app.web.options import Serve
from stylegrow.common.commandline import parse, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve as the arguments say. Returns 0, 2 for bad input, 1 for a failure, 130 when interrupted."""

    def serve() -> None:
        options = parse(Serve, "python -m app", arguments)
        # Late, so that --help and a misspelt option answer at once.
        from app.web import server
        from stylegrow.common.system import keep_freed_memory

        keep_freed_memory()
        server.serve(options)

    return run_command(serve, interrupted="stopped", less_memory="use --max-batch 1, or --device cpu")


if __name__ == "__main__":
    sys.exit(main())
