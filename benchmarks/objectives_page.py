"""The page that python -m benchmarks.objectives writes: figures, tables, and between them what a person has written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from benchmarks import plane
from benchmarks.objectives import DATA, DISTANCES, NAMES, RESOLUTION, Unit, of_kind, rank_correlation
from stylegrow.common.tables import markdown_table

Results = Mapping[Unit, dict[str, Any]]
START, END = "<!-- measured: written by python -m benchmarks.objectives -->", "<!-- end of what is measured -->"
WORKING = 20  # modes of 25 with which a learning rate is counted as one that works
SHOWN = 14  # pictures in a row
# What each objective's critic estimates.
MEASURED = {"gan": "JS", "ns": "JS", "wgan-clip": "W", "wgan-gp": "W", "hinge": "TV", "ns-r1": "JS"}

FIGURES = {
    "distances": "Two lines that move apart: what critics estimate, and what is exact",
    "plane": "What each objective's generator draws of 25 Gaussians, of the first seed at its best learning rate",
    "rates": "Modes found at each learning rate: a dot a seed, the line their mean",
    "curves": "The critic's estimate (blue) and the samples' distance from the data (orange), with rank "
    "correlations; of the Gaussians the first seed",
    "weights": "The critic's weights under clipping and under the penalty",
    "gradients": "The gradient of the critic's mean score at each layer's output",
    "fashion-mnist": "Fashion-MNIST, a row an objective",
    "toonhead": "Faces, a row an objective; drawn after ToonHead by Johan Melin, CC BY 4.0",
}


def write(folder: Path, results: Results, quick: bool) -> Path:
    """Draw the figures and put the tables into objectives.md, whose other text is kept. Returns its path."""
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (draw_lines, draw_points, draw_sweep, draw_curves, draw_weights, draw_gradients, draw_samples):
        draw(folder, results)
    page = folder / "objectives.md"
    old = page.read_text(encoding="utf-8") if page.exists() else f"# The objectives side by side\n\n{START}\n{END}\n"
    before, _, rest = old.partition(START)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{START}\n\n{tables(results, quick)}\n{END}{after}", encoding="utf-8")
    return page


def tables(results: Results, quick: bool) -> str:
    """The Markdown of all that is measured."""
    warning = "**From `--quick`: trainings far too short to say anything.**\n\n" if quick else ""
    parts = [warning + plane_table(results), sweep_table(results), pictures_table(results), lines_table(results)]
    return "\n".join([*parts, *(f"![{caption}](objectives-{name}.png)\n" for name, caption in FIGURES.items())])


def plane_table(results: Results) -> str:
    """What is found of the 25 Gaussians."""
    head, rows = ["objective", "modes of 25", "share near a mode", "distance", "rank correlation"], []
    for name in NAMES:
        best = best_rate(results, name)
        games = games_at(results, name, best)
        row = [
            f"{name}, lr {best:g}",
            f"{fmean(game['modes'] for game in games):.1f}",
            f"{fmean(game['share'] for game in games):.2f}",
            f"{fmean(game['curve'][-1][2] for game in games):.3f}",
            shown(fmean(correlation_of(game["curve"]) for game in games)),
        ]
        rows.append(row)
    return (
        "25 Gaussians, means over seeds at each objective's best learning rate; the distance is the mean Wasserstein "
        f"distance along directions all around:\n\n{markdown_table(head, rows)}\n"
    )


def sweep_table(results: Results) -> str:
    """How much the learning rate and the seed decide."""
    head, rows = ["objective", *(f"lr {rate:g}" for rate in rates(results)), f"rates with {WORKING} modes"], []
    for name in NAMES:
        cells = []
        for rate in rates(results):
            found = [game["modes"] for game in games_at(results, name, rate)]
            cells.append(f"{fmean(found):.1f} ({min(found)} to {max(found)})")
        working = [rate for rate in rates(results) if modes_at(results, name, rate) >= WORKING]
        rows.append([name, *cells, f"{len(working)} of {len(cells)}"])
    return f"Modes found at each learning rate, mean (least to most) of the seeds:\n\n{markdown_table(head, rows)}\n"


def pictures_table(results: Results) -> str:
    """How good the pictures are, how well the critic tells it, and what a step costs."""
    parts = ("SWD", "rank corr.", "ms a step")
    head, rows = ["objective", *(f"{label}: {part}" for label in DATA.values() for part in parts)], []
    for name in NAMES:
        runs = [picture_run(results, data, name) for data in DATA]
        cells = [
            (f"{run['curve'][-1][2]:.0f}", shown(correlation_of(run["curve"])), f"{1000 * run['seconds']:.0f}")
            for run in runs
        ]
        rows.append([name, *(cell for triple in cells for cell in triple)])
    return (
        f"Pictures of {RESOLUTION} px; a step is one of the critic and one of the generator, its time the median on "
        f"one thread:\n\n{markdown_table(head, rows)}\n"
    )


def lines_table(results: Results) -> str:
    """Exact and estimated distances of the two lines."""
    head = ["distance of the lines", "JS exact (nats)", "JS estimated", "W exact", "W estimated"]
    by_js, by_w = line_estimates(results, "ns"), line_estimates(results, "wgan-gp")
    rows = [
        [f"{d:g}", f"{exact_js(d):.3f}", f"{by_js[d]:.3f}", f"{d:.3f}", f"{by_w[d]:.3f}"]
        for d in DISTANCES
    ]  # fmt: skip
    return f"Two lines that move apart, by the critics of `ns` and `wgan-gp`:\n\n{markdown_table(head, rows)}\n"


def exact_js(distance: float) -> float:
    """The Jensen-Shannon divergence of the two lines in nats (Arjovsky 2017, example 1)."""
    return math.log(2) * (distance > 0)


def line_estimates(results: Results, name: str) -> dict[float, float]:
    """What the critic of an objective estimates at each distance of the lines."""
    return {distance: r["estimate"] for (n, distance, *_), r in of_kind(results, "lines").items() if n == name}


def shown(correlation: float) -> str:
    """A rank correlation; a dash where there is none, since one of the two never changed."""
    return "-" if math.isnan(correlation) else f"{correlation:.2f}"


def correlation_of(curve: list[list[float]]) -> float:
    """The rank correlation of a critic's estimate with the distance of the samples, over a training."""
    return rank_correlation([point[1] for point in curve], [point[2] for point in curve])


def rates(results: Results) -> list[float]:
    """The learning rates of the sweep."""
    return sorted({rate for _, rate, *_ in of_kind(results, "plane")})


def games_at(results: Results, name: str, rate: float) -> list[dict[str, Any]]:
    """The plane's trainings at one learning rate, a seed each."""
    return [r for (n, lr, *_), r in of_kind(results, "plane").items() if (n, lr) == (name, rate)]


def modes_at(results: Results, name: str, rate: float) -> float:
    """The mean number of modes found over the seeds."""
    return fmean(game["modes"] for game in games_at(results, name, rate))


def best_rate(results: Results, name: str) -> float:
    """The learning rate at which the samples end nearest to the Gaussians."""

    def distance(rate: float) -> float:
        last = [game["curve"][-1][2] for game in games_at(results, name, rate)]
        return fmean(last) if all(map(math.isfinite, last)) else math.inf

    return min(rates(results), key=distance)


def first_game(results: Results, name: str) -> dict[str, Any]:
    """The plane's training of the first seed at the objective's best rate."""
    return games_at(results, name, best_rate(results, name))[0]


def picture_run(results: Results, data: str, name: str) -> dict[str, Any]:
    """The training on pictures."""
    return next(r for (d, n, *_), r in of_kind(results, "pictures").items() if (d, n) == (data, name))


def panels(rows: int, columns: int, width: float = 2.2, height: float | None = None) -> Any:
    """(figure, axes [rows, columns]); width and height of an axis in inches, by default square."""
    from matplotlib import pyplot

    size = (width * columns, (height or width) * rows)
    return pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")


def save(figure: Any, path: Path) -> None:
    """Write a figure as a PNG whose bytes tell nothing of this machine, and forget it."""
    from matplotlib import pyplot

    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def draw_lines(folder: Path, results: Results) -> None:
    """Two distributions that move apart: exact and estimated JS and W."""
    figure, axes = panels(1, 2, 4, 3.2)
    places = np.linspace(0, max(DISTANCES), 1001)
    exact = {"ns": [exact_js(place) for place in places], "wgan-gp": places}
    titles = ("Jensen-Shannon divergence (nats)", "Wasserstein distance")
    for axis, name, title in zip(axes[0], exact, titles, strict=True):
        estimates = line_estimates(results, name)
        axis.plot(places, exact[name], color="0.6", label="exact")
        axis.plot(DISTANCES, [estimates[d] for d in DISTANCES], "o", label=f"critic of {name}")
        axis.set(title=title, xlabel="distance of the lines")
        axis.legend()
    save(figure, folder / "objectives-distances.png")


def draw_points(folder: Path, results: Results) -> None:
    """What each generator draws of the 25 Gaussians, and the Gaussians themselves."""
    figure, axes = panels(2, 4)
    games = [first_game(results, name) for name in NAMES]
    exact = plane.gaussians(len(games[0]["points"]), torch.Generator().manual_seed(0)).flatten(1)
    drawn = {"the data": exact.numpy()}
    drawn |= {
        f"{name}\n{game['modes']} of 25 modes": np.array(game["points"])
        for name, game in zip(NAMES, games, strict=True)
    }
    for axis, (title, points) in zip(axes.flat, drawn.items(), strict=True):
        axis.plot(*points.T, ".", markersize=1.5, color="0.4" if title == "the data" else "tab:blue")
        axis.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
        axis.set_title(title, fontsize="medium")
    save(figure, folder / "objectives-plane.png")


def draw_sweep(folder: Path, results: Results) -> None:
    """Modes over learning rates, an axis an objective, since many have the same numbers."""
    figure, axes = panels(2, 4, 2.3, 2)
    for axis, name in zip(axes.flat, NAMES, strict=False):
        for rate in rates(results):
            found = [game["modes"] for game in games_at(results, name, rate)]
            axis.plot([rate] * len(found), found, ".", color="tab:blue", alpha=0.5)
        axis.plot(rates(results), [modes_at(results, name, rate) for rate in rates(results)], color="tab:blue")
        axis.set(xscale="log", ylim=(-1, 26), yticks=[0, 5, 10, 15, 20, 25])
        axis.set_title(name, fontsize="medium")
        axis.set_xticks(rates(results), [f"{rate:g}" for rate in rates(results)], rotation=45, fontsize="small")
        axis.set_xticks([], minor=True)
    axes.flat[len(NAMES)].set_axis_off()
    figure.supxlabel("learning rate")
    figure.supylabel("modes found of 25")
    save(figure, folder / "objectives-rates.png")


def draw_curves(folder: Path, results: Results) -> None:
    """The critic's estimate, and the distance that the samples really have, over the training."""
    sources = {"25 Gaussians": [first_game(results, name) for name in NAMES]}
    sources |= {label: [picture_run(results, data, name) for name in NAMES] for data, label in DATA.items()}
    figure, axes = panels(len(NAMES), len(sources), 3.2, 1.7)
    for column, (label, runs) in zip(axes.T, sources.items(), strict=True):
        measure = "distance" if label == "25 Gaussians" else "SWD x1000"
        for axis, name, run in zip(column, NAMES, runs, strict=True):
            step, said, distance = np.array(run["curve"]).T
            other = axis.twinx()
            for side, values, colour in ((axis, said, "tab:blue"), (other, distance, "tab:orange")):
                side.plot(step, values, color=colour)
                side.tick_params(axis="y", colors=colour, labelsize="small")
                side.ticklabel_format(axis="y", useOffset=False)
                side.locator_params(axis="y", nbins=4)
            other.set_ylabel(measure, color="tab:orange", fontsize="small")
            axis.set_ylabel(f"estimated {MEASURED[name.split()[0]]}", color="tab:blue", fontsize="small")
            over = f"{label}\n" if axis is column[0] else ""
            correlation = shown(correlation_of(run["curve"]))
            axis.set_title(f"{over}{name}, rank correlation {correlation}", fontsize="small")
            axis.tick_params(axis="x", labelsize="small")
        column[-1].set_xlabel("critic steps")
    save(figure, folder / "objectives-curves.png")


def draw_weights(folder: Path, results: Results) -> None:
    """The critic's weights under clipping and under the penalty."""
    names = ("wgan-clip", "wgan-gp")
    figure, axes = panels(2, 2, 4, 2.4)
    runs = [(f"{name}, 25 Gaussians", first_game(results, name)) for name in names]
    runs += [(f"{name}, Fashion-MNIST", picture_run(results, "fashion-mnist", name)) for name in names]
    for axis, (title, run) in zip(axes.flat, runs, strict=True):
        edges, shares = run["weights"]
        axis.stairs(shares, edges, fill=True)
        axis.set(title=title, xlabel="weight", ylabel="share of the weights", yscale="log")
    save(figure, folder / "objectives-weights.png")


def draw_gradients(folder: Path, results: Results) -> None:
    """How long the score's gradient is at each layer."""
    sources = {"25 Gaussians": [first_game(results, name) for name in NAMES]}
    sources |= {label: [picture_run(results, data, name) for name in NAMES] for data, label in DATA.items()}
    figure, axes = panels(1, len(sources), 3.4, 3.8)
    for axis, (title, runs) in zip(axes[0], sources.items(), strict=True):
        for name, run, marker in zip(NAMES, runs, "osv^DPX", strict=True):
            norms = run["gradients"]
            axis.plot(range(1, len(norms) + 1), norms, f"{marker}-", label=name, markersize=5, alpha=0.8)
        axis.set(title=title, yscale="log", xticks=range(1, len(norms) + 1), xlabel="layer, from the picture's side")
    axes[0, 0].set_ylabel("norm of the mean score's gradient")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(NAMES))
    save(figure, folder / "objectives-gradients.png")


def draw_samples(folder: Path, results: Results) -> None:
    """Pictures of fixed latents, a row an objective with its name."""
    from stylegrow.rendering import grids

    for data in DATA:
        samples = [np.array(picture_run(results, data, name)["samples"], np.uint8)[:SHOWN] for name in NAMES]
        figure = grids.labelled_grid(
            [list(images.transpose(0, 2, 3, 1)) for images in samples], NAMES, size=2 * RESOLUTION
        )
        credit = {"Source": credit_of(data)} if credit_of(data) else {}
        grids.save_png(figure.image, folder / f"objectives-{data}.png", credit)


def credit_of(data: str) -> str:
    """Whom to name where such pictures are shown."""
    from stylegrow.data.sources import toonhead

    return toonhead.CREDIT if data == "toonhead" else ""
