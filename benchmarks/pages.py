"""Pages of docs/ that a benchmark writes a part of: its block between texts that a person wrote, and its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image

END = "<!-- end of what is measured -->"


def write_measured(page: Path, command: str, text: str) -> Path:
    """Put Markdown into the page's block of a command, which a new one ends the page with. Returns the page."""
    start = f"<!-- measured: written by {command} -->"
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    if start not in old:
        old += f"\n{start}\n{END}\n"
    before, _, rest = old.partition(start)
    page.write_text(f"{before}{start}\n\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return page


def panels(rows: int, columns: int, width: float = 2.2, height: float | None = None) -> Any:
    """(figure, axes [rows, columns]); width and height of an axis in inches, by default square."""
    mpl.use("Agg")
    from matplotlib import pyplot

    size = (width * columns, (height or width) * rows)
    return pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")


def draw_curve(axis: Any, curve: list[list[float]], estimated: str, distance: str) -> None:
    """Draw rows (step, estimate, distance) of a training over its steps, both with a scale and a label of their own."""
    steps, *both = np.array(curve).T
    sides = (axis, "tab:blue", estimated), (axis.twinx(), "tab:orange", distance)
    for values, (side, colour, label) in zip(both, sides, strict=True):
        side.plot(steps, values, color=colour)
        side.tick_params(axis="y", colors=colour, labelsize="small")
        side.ticklabel_format(axis="y", useOffset=False)
        side.locator_params(axis="y", nbins=4)
        side.set_ylabel(label, color=colour, fontsize="small")
    axis.tick_params(axis="x", labelsize="small")


def save(figure: Any, path: Path) -> None:
    """Write a figure as a PNG whose bytes tell nothing of this machine, and forget it."""
    from matplotlib import pyplot

    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def figure_image(figure: Any) -> Image.Image:
    """A figure as an image of an animation, and forget it."""
    from matplotlib import pyplot

    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    pyplot.close(figure)
    return image
