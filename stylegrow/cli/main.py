"""The command `stylegrow`: its first word says which group of commands is meant."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say. Returns 0, 2 for bad input, 1 for a failure, 130 when interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    match arguments[:1]:
        case ["data"]:
            from stylegrow.cli import data

            return data.main(arguments[1:])
        case ["models"]:
            from stylegrow.cli import models

            return models.main(arguments[1:])
        case ["metrics"]:
            from stylegrow.cli import metrics

            return metrics.main(arguments[1:])
    from stylegrow.cli import drawing

    return drawing.main(arguments)
