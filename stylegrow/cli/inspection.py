"""`stylegrow data inspect`: what a folder of images holds, before anything is prepared."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from stylegrow.common.errors import DataError
from stylegrow.common.tables import text_table
from stylegrow.common.text import printable

if TYPE_CHECKING:
    from stylegrow.data.inspection import Inspection

MOST_NAMED = 20
COLUMNS = 12  # of the contact sheet


@dataclass(frozen=True)
class Inspect:
    """Look at all images: sizes, channels, classes, what is left out and what is suspicious.

    Images are suspicious that are nearly black, of one colour, equal to another, or far smaller than most. A contact
    sheet shows images from all over the set. Nothing is prepared, and the source is only read.
    """

    source: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")] = None
    """As for `stylegrow data prepare`. Without it: the embedded faces."""
    count: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """How many embedded faces. Default: 10,000."""
    outdir: Annotated[str, tyro.conf.arg(metavar="DIR")] = "out"
    """Folder for the contact sheet; an earlier one of the same name is replaced."""
    cache: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Where downloads live. Default: $STYLEGROW_CACHE, or ~/.cache/stylegrow."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Processes to look with. Default: one a CPU."""

    def run(self) -> None:
        """Look at the images, print what there is, and write the contact sheet. Raises DataError."""
        from stylegrow.cli.options import report
        from stylegrow.common.paths import check_apart, check_folder
        from stylegrow.data.dataset import is_prepared
        from stylegrow.data.inspection import inspect
        from stylegrow.data.pyramid import cache_folder
        from stylegrow.data.sources import NAMES, find_source
        from stylegrow.rendering.grids import grid, save_png

        signal.signal(signal.SIGINT, signal.default_int_handler)  # as in Prepare.run
        check_folder(Path(self.outdir), "--outdir")
        if self.workers is not None and self.workers < 1:
            raise DataError(f"--workers {self.workers}: give a number of processes from 1 up")
        if self.source is not None and self.source not in NAMES and is_prepared(self.source):
            raise DataError(f"{printable(self.source)} is already prepared: give the original images")
        source = find_source(self.source, self.count, cache_folder(self.cache) / "downloads")
        if not source.names:
            raise DataError(f"{printable(source.path)} holds no images: give a folder or a zip file with some")
        check_apart(Path(self.outdir), "--outdir", source.path)
        found = inspect(source, self.workers)
        print(*lines_of(found), sep="\n")
        if len(shown := found.shown):
            path = Path(self.outdir) / f"{source.name}-contact-sheet.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_png(grid(shown, COLUMNS), path, {"Source": source.credit or printable(source.path)})
            report(path)


def lines_of(found: Inspection) -> Iterator[str]:
    """The table, and below it the names of files that are left out or suspicious."""
    from stylegrow.data.inspection import class_counts

    total, usable = len(found.source.names), len(found.looks)
    rows = [("images", f"{usable:,} of {total:,} files can be used")]
    if usable:
        grey = sum(look.is_grey for look in found.looks)
        sides = [min(look.size) for look in found.looks]
        rows += [
            ("sizes", _listed([(f"{width}x{height}", count) for (width, height), count in found.sizes])),
            ("smaller side", f"{min(sides):,} to {max(sides):,} px, so they are prepared at {found.resolution} px"),
            ("channels", _listed([(name, n) for name, n in (("RGB", usable - grey), ("grey", grey)) if n])),
        ]
    counts = class_counts(found.labels)
    for attribute, (names, _) in found.labels.items():
        what = f"{len(names)} classes: {_listed(counts[attribute])}" if attribute in counts else "vectors of numbers"
        rows.append((f"label {attribute}", what))
    rows += [("labels", note) for note in found.notes]
    skipped, suspicious = found.skipped, found.suspicious
    rows += [("left out", f"{len(skipped):,}"), ("suspicious", f"{len(suspicious):,}")]
    yield from text_table(rows)
    for title, listed in (("left out", skipped), ("suspicious", suspicious)):
        if listed:
            yield f"{title}:"
        for index, reason in listed[:MOST_NAMED]:
            yield f"  {printable(found.source.names[index])}: {printable(reason)}"
        if len(listed) > MOST_NAMED:
            yield f"  and {len(listed) - MOST_NAMED:,} more"


def _listed(counts: list[tuple[str, int]], most: int = 8) -> str:
    shown = ", ".join(f"{printable(name)} ({count:,})" for name, count in counts[:most])
    return shown + (f" and {len(counts) - most:,} more" if len(counts) > most else "")
