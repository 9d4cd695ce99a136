"""The images' part of docs/objectives.md: figures and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.objectives.images import DATA, NAMES, RESOLUTION
from benchmarks.objectives.measures import correlation_of, shown
from benchmarks.pages import panels, save, write_measured
from benchmarks.units import Results
from stylegrow.common.tables import markdown_table
from stylegrow.data.sources import toonhead
from stylegrow.rendering import grids

SHOWN = 14  # images in a row
# What each objective's critic estimates.
ESTIMATED = {"gan": "JS", "ns": "JS", "wgan-clip": "W", "wgan-gp": "W", "hinge": "TV", "ns-r1": "JS"}

FIGURES = {
    "images-curves": "The critic's estimate (blue) and the images' distance from the data (orange), with rank "
    "correlations",
    "images-weights": "The critic's weights under clipping and under the penalty, on Fashion-MNIST",
    "images-gradients": "The gradient of the critic's mean score at each layer's output",
    "fashion-mnist": "Fashion-MNIST, a row an objective",
    "toonhead": "Faces, a row an objective; drawn after ToonHead by Johan Melin, CC BY 4.0",
}


def training(results: Results, data: str, name: str) -> dict[str, Any]:
    """The training of an objective on a data set."""
    return next(result for unit, result in results.items() if unit.arguments[:2] == (data, name))


def write(folder: Path, results: Results, quick: bool) -> Path:
    """Draw the figures and put the table into objectives.md, whose other text is kept. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (draw_curves, draw_weights, draw_gradients, draw_samples):
        draw(folder, results)
    warning = "**From `--quick`: trainings far too short to say anything.**\n\n" if quick else ""
    parts = [warning + images_table(results)]
    parts += [f"![{caption}](objectives-{name}.png)\n" for name, caption in FIGURES.items()]
    return write_measured(folder / "objectives.md", "python -m benchmarks.objectives --images", "\n".join(parts))


def images_table(results: Results) -> str:
    """How good the images are, how well the critic estimates it, and what a step costs."""
    parts = ("SWD", "rank corr.", "ms a step")
    head, rows = ["objective", *(f"{label}: {part}" for label in DATA.values() for part in parts)], []
    for name in NAMES:
        cells = []
        for run in (training(results, data, name) for data in DATA):
            cells += [f"{run['curve'][-1][2]:.0f}", shown(correlation_of(run["curve"])), f"{1000 * run['seconds']:.0f}"]
        rows.append([name, *cells])
    return (
        f"Images of {RESOLUTION} px; a step is one of the critic and one of the generator, its time the median on "
        f"one thread:\n\n{markdown_table(head, rows)}\n"
    )


def draw_curves(folder: Path, results: Results) -> None:
    """The critic's estimate, and the distance that the images really have, over the training."""
    figure, axes = panels(len(NAMES), len(DATA), 3.2, 1.7)
    for column, (data, label) in zip(axes.T, DATA.items(), strict=True):
        for axis, name in zip(column, NAMES, strict=True):
            curve = training(results, data, name)["curve"]
            steps, estimates, distance = np.array(curve).T
            other = axis.twinx()
            for side, values, colour in ((axis, estimates, "tab:blue"), (other, distance, "tab:orange")):
                side.plot(steps, values, color=colour)
                side.tick_params(axis="y", colors=colour, labelsize="small")
                side.ticklabel_format(axis="y", useOffset=False)
                side.locator_params(axis="y", nbins=4)
            other.set_ylabel("SWD x1000", color="tab:orange", fontsize="small")
            axis.set_ylabel(f"estimated {ESTIMATED[name.split()[0]]}", color="tab:blue", fontsize="small")
            over = f"{label}\n" if axis is column[0] else ""
            axis.set_title(f"{over}{name}, rank correlation {shown(correlation_of(curve))}", fontsize="small")
            axis.tick_params(axis="x", labelsize="small")
        column[-1].set_xlabel("critic steps")
    save(figure, folder / "objectives-images-curves.png")


def draw_weights(folder: Path, results: Results) -> None:
    """The critic's weights under clipping and under the penalty."""
    figure, axes = panels(1, 2, 4, 2.4)
    for axis, name in zip(axes.flat, ("wgan-clip", "wgan-gp"), strict=True):
        edges, shares = training(results, "fashion-mnist", name)["weights"]
        axis.stairs(shares, edges, fill=True)
        axis.set(title=name, xlabel="weight", ylabel="share of the weights", yscale="log")
    save(figure, folder / "objectives-images-weights.png")


def draw_gradients(folder: Path, results: Results) -> None:
    """How long the score's gradient is at each layer."""
    figure, axes = panels(1, len(DATA), 3.4, 3.8)
    for axis, (data, title) in zip(axes[0], DATA.items(), strict=True):
        for name, marker in zip(NAMES, "osv^DPX", strict=True):
            norms = training(results, data, name)["gradients"]
            axis.plot(range(1, len(norms) + 1), norms, f"{marker}-", label=name, markersize=5, alpha=0.8)
        axis.set(title=title, yscale="log", xticks=range(1, len(norms) + 1), xlabel="layer, from the image's side")
    axes[0, 0].set_ylabel("norm of the mean score's gradient")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    save(figure, folder / "objectives-images-gradients.png")


def draw_samples(folder: Path, results: Results) -> None:
    """Images of fixed latents, a row an objective with its name."""
    for data in DATA:
        samples = [np.array(training(results, data, name)["samples"], np.uint8)[:SHOWN] for name in NAMES]
        figure = grids.labelled_grid(
            [list(images.transpose(0, 2, 3, 1)) for images in samples], NAMES, size=2 * RESOLUTION
        )
        credit = {"Source": toonhead.CREDIT} if data == "toonhead" else {}
        grids.save_png(figure.image, folder / f"objectives-{data}.png", credit)
