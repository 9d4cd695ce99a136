"""Rows of cells as tables: for terminals and in Markdown."""

from collections.abc import Sequence
from typing import Literal

Rows = Sequence[Sequence[str]]


def text_table(rows: Rows, align: Literal["<", ">"] = "<") -> list[str]:
    """A line for each row, its cells aligned to the left or to the right."""
    widths = _widths(rows)
    return [
        "  ".join(f"{cell:{align}{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def markdown_table(titles: Sequence[str], rows: Rows, padded: bool = True) -> str:
    """A Markdown table; `padded` aligns all columns but the first to the right, in its source as well."""
    widths = _widths([titles, *rows]) if padded else [0] * len(titles)
    pads = [str.ljust, *[str.rjust] * (len(titles) - 1)]

    def line(row: Sequence[str]) -> str:
        return f"| {' | '.join(pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True))} |"

    rule = "|" + "---|" * len(titles)
    if padded:
        rule = line([":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join([line(titles), rule, *map(line, rows)])


def _widths(rows: Rows) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
