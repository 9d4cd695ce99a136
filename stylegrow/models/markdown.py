"""Text that comes from anywhere as parts of a Markdown page."""

import json
import re
from collections.abc import Sequence
from typing import Any

from stylegrow.common.tables import markdown_table

LONGEST_LIST = 12


def fact_text(value: Any, longest: int = LONGEST_LIST) -> str:
    """A fact as one line; long lists only as their length."""
    if isinstance(value, list | tuple):
        text = ", ".join(map(str, value)) if len(value) <= longest else f"{len(value)}, listed in config.json"
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split())


def inline(value: Any, longest: int = LONGEST_LIST) -> str:
    """A fact that a table cell can hold."""
    return fact_text(value, longest).replace("|", "\\|")


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of facts."""
    return markdown_table([*map(inline, titles)], [[*map(inline, row)] for row in rows], padded=False)


def shell(command: str) -> str:
    """A block of a command, whatever is in it."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", command))])
    return "\n".join([f"{fence}sh", command.strip(), fence])
