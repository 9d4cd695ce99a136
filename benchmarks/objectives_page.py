"""The page that python -m benchmarks.objectives writes: figures and tables, between texts that a person wrote."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
import numpy as np
import torch

from benchmarks import plane
from benchmarks.objectives import DATA, DISTANCES, NAMES, RESOLUTION, Results
from stylegrow.common.tables import markdown_table
from stylegrow.data.sources import toonhead
from stylegrow.rendering import grids

START, END = "<!-- measured: written by python -m benchmarks.objectives -->", "<!-- end of what is measured -->"
WORKING = 20  # modes of 25 with which a learning rate is counted as one that works
SHOWN = 14  # images in a row
# What each objective's critic estimates.
ESTIMATED = {"gan": "JS", "ns": "JS", "wgan-clip": "W", "wgan-gp": "W", "hinge": "TV", "ns-r1": "JS"}

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


class Study:
    """The results of all trainings, by what they are asked for."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.rates = sorted({rate for _, rate, *_ in self._of_kind("plane")})

    def _of_kind(self, kind: str) -> Mapping[tuple[Any, ...], dict[str, Any]]:
        return {unit.arguments: result for unit, result in self.results.items() if unit.kind == kind}

    def games(self, name: str, rate: float | None = None) -> list[dict[str, Any]]:
        """The plane's trainings at one learning rate, by default the best, a seed each."""
        rate = self.best_rate(name) if rate is None else rate
        return [result for (n, lr, *_), result in self._of_kind("plane").items() if (n, lr) == (name, rate)]

    def modes(self, name: str, rate: float) -> list[int]:
        """The numbers of modes found at a learning rate, a seed each."""
        return [game["modes"] for game in self.games(name, rate)]

    def best_rate(self, name: str) -> float:
        """The learning rate at which the samples end nearest to the Gaussians."""

        def distance(rate: float) -> float:
            last = [game["curve"][-1][2] for game in self.games(name, rate)]
            return fmean(last) if all(map(math.isfinite, last)) else math.inf

        return min(self.rates, key=distance)

    def on_images(self, data: str, name: str) -> dict[str, Any]:
        """The training on a data set."""
        return next(result for (d, n, *_), result in self._of_kind("pictures").items() if (d, n) == (data, name))

    def by_source(self) -> dict[str, list[dict[str, Any]]]:
        """A training of each objective, in the plane (the first seed's, at the best rate) and on each data set."""
        found = {"25 Gaussians": [self.games(name)[0] for name in NAMES]}
        return found | {label: [self.on_images(data, name) for name in NAMES] for data, label in DATA.items()}

    def lines(self, name: str) -> list[float]:
        """What the critic of an objective estimates at each of DISTANCES."""
        found = {
            distance: result["estimate"] for (n, distance, *_), result in self._of_kind("lines").items() if n == name
        }
        return [found[distance] for distance in DISTANCES]


def write(folder: Path, results: Results, quick: bool) -> Path:
    """Draw the figures and put the tables into objectives.md, whose other text is kept. Returns its path."""
    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(results)
    for draw in (draw_lines, draw_points, draw_sweep, draw_curves, draw_weights, draw_gradients, draw_samples):
        draw(folder, study)
    page = folder / "objectives.md"
    old = page.read_text(encoding="utf-8") if page.exists() else f"# The objectives side by side\n\n{START}\n{END}\n"
    before, _, rest = old.partition(START)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{START}\n\n{tables(study, quick)}\n{END}{after}", encoding="utf-8")
    return page


def tables(study: Study, quick: bool) -> str:
    """The Markdown of all results."""
    warning = "**From `--quick`: trainings far too short to say anything.**\n\n" if quick else ""
    parts = [warning + plane_table(study), sweep_table(study), images_table(study), lines_table(study)]
    return "\n".join([*parts, *(f"![{caption}](objectives-{name}.png)\n" for name, caption in FIGURES.items())])


def plane_table(study: Study) -> str:
    """What is found of the 25 Gaussians."""
    head, rows = ["objective", "modes of 25", "share near a mode", "distance", "rank correlation"], []
    for name in NAMES:
        games = study.games(name)
        cells = [
            f"{fmean(game['modes'] for game in games):.1f}",
            f"{fmean(game['share'] for game in games):.2f}",
            f"{fmean(game['curve'][-1][2] for game in games):.3f}",
            shown(fmean(correlation_of(game["curve"]) for game in games)),
        ]
        rows.append([f"{name}, lr {study.best_rate(name):g}", *cells])
    return (
        "25 Gaussians, means over seeds at each objective's best learning rate; the distance is the mean Wasserstein "
        f"distance along directions all around:\n\n{markdown_table(head, rows)}\n"
    )


def sweep_table(study: Study) -> str:
    """How much the learning rate and the seed decide."""
    head, rows = ["objective", *(f"lr {rate:g}" for rate in study.rates), f"rates with {WORKING} modes"], []
    for name in NAMES:
        modes = [study.modes(name, rate) for rate in study.rates]
        cells = [f"{fmean(found):.1f} ({min(found)} to {max(found)})" for found in modes]
        working = sum(fmean(found) >= WORKING for found in modes)
        rows.append([name, *cells, f"{working} of {len(cells)}"])
    return f"Modes found at each learning rate, mean (least to most) of the seeds:\n\n{markdown_table(head, rows)}\n"


def images_table(study: Study) -> str:
    """How good the images are, how well the critic estimates it, and what a step costs."""
    parts = ("SWD", "rank corr.", "ms a step")
    head, rows = ["objective", *(f"{label}: {part}" for label in DATA.values() for part in parts)], []
    for name in NAMES:
        cells = []
        for run in (study.on_images(data, name) for data in DATA):
            cells += [f"{run['curve'][-1][2]:.0f}", shown(correlation_of(run["curve"])), f"{1000 * run['seconds']:.0f}"]
        rows.append([name, *cells])
    return (
        f"Pictures of {RESOLUTION} px; a step is one of the critic and one of the generator, its time the median on "
        f"one thread:\n\n{markdown_table(head, rows)}\n"
    )


def lines_table(study: Study) -> str:
    """Exact and estimated distances of the two lines."""
    head = ["distance of the lines", "JS exact (nats)", "JS estimated", "W exact", "W estimated"]
    values = zip(DISTANCES, study.lines("ns"), study.lines("wgan-gp"), strict=True)
    rows = [[f"{d:g}", f"{exact_js(d):.3f}", f"{js:.3f}", f"{d:.3f}", f"{w:.3f}"] for d, js, w in values]
    return f"Two lines that move apart, by the critics of `ns` and `wgan-gp`:\n\n{markdown_table(head, rows)}\n"


def exact_js(distance: float) -> float:
    """The Jensen-Shannon divergence of the two lines in nats (Arjovsky 2017, example 1)."""
    return math.log(2) * (distance > 0)


def shown(correlation: float) -> str:
    """A rank correlation; a dash where there is none, since one of the two never changed."""
    return "-" if math.isnan(correlation) else f"{correlation:.2f}"


def correlation_of(curve: list[list[float]]) -> float:
    """The rank correlation of a critic's estimate with the distance of the samples, over a training."""
    _, estimates, distances = zip(*curve, strict=True)
    return rank_correlation(estimates, distances)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's: the correlation of the ranks, 1 where both always rise and fall together; nan for constants."""

    def ranks(values: Sequence[float]) -> Any:
        array = np.asarray(values)
        return np.array([(array < value).sum() + ((array == value).sum() - 1) / 2 for value in array])

    one, other = ranks(first), ranks(second)
    if len(one) < 2 or one.std() == 0 or other.std() == 0:
        return math.nan
    return float(np.corrcoef(one, other)[0, 1])


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


def draw_lines(folder: Path, study: Study) -> None:
    """Two distributions that move apart: exact and estimated JS and W."""
    figure, axes = panels(1, 2, 4, 3.2)
    places = np.linspace(0, max(DISTANCES), 1001)
    exact: dict[str, Iterable[float]] = {"ns": [exact_js(place) for place in places], "wgan-gp": places}
    titles = ("Jensen-Shannon divergence (nats)", "Wasserstein distance")
    for axis, name, title in zip(axes[0], exact, titles, strict=True):
        axis.plot(places, exact[name], color="0.6", label="exact")
        axis.plot(DISTANCES, study.lines(name), "o", label=f"critic of {name}")
        axis.set(title=title, xlabel="distance of the lines")
        axis.legend()
    save(figure, folder / "objectives-distances.png")


def draw_points(folder: Path, study: Study) -> None:
    """What each generator draws of the 25 Gaussians, and the Gaussians themselves."""
    figure, axes = panels(2, 4)
    games = [study.games(name)[0] for name in NAMES]
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


def draw_sweep(folder: Path, study: Study) -> None:
    """Modes over learning rates, an axis an objective, since many have the same numbers."""
    figure, axes = panels(2, 4, 2.3, 2)
    for axis, name in zip(axes.flat, NAMES, strict=False):
        for rate in study.rates:
            found = study.modes(name, rate)
            axis.plot([rate] * len(found), found, ".", color="tab:blue", alpha=0.5)
        axis.plot(study.rates, [fmean(study.modes(name, rate)) for rate in study.rates], color="tab:blue")
        axis.set(xscale="log", ylim=(-1, 26), yticks=[0, 5, 10, 15, 20, 25])
        axis.set_title(name, fontsize="medium")
        axis.set_xticks(study.rates, [f"{rate:g}" for rate in study.rates], rotation=45, fontsize="small")
        axis.set_xticks([], minor=True)
    axes.flat[len(NAMES)].set_axis_off()
    figure.supxlabel("learning rate")
    figure.supylabel("modes found of 25")
    save(figure, folder / "objectives-rates.png")


def draw_curves(folder: Path, study: Study) -> None:
    """The critic's estimate, and the distance that the samples really have, over the training."""
    sources = study.by_source()
    figure, axes = panels(len(NAMES), len(sources), 3.2, 1.7)
    for column, (label, runs) in zip(axes.T, sources.items(), strict=True):
        measure = "distance" if label == "25 Gaussians" else "SWD x1000"
        for axis, name, run in zip(column, NAMES, runs, strict=True):
            step, estimates, distance = np.array(run["curve"]).T
            other = axis.twinx()
            for side, values, colour in ((axis, estimates, "tab:blue"), (other, distance, "tab:orange")):
                side.plot(step, values, color=colour)
                side.tick_params(axis="y", colors=colour, labelsize="small")
                side.ticklabel_format(axis="y", useOffset=False)
                side.locator_params(axis="y", nbins=4)
            other.set_ylabel(measure, color="tab:orange", fontsize="small")
            axis.set_ylabel(f"estimated {ESTIMATED[name.split()[0]]}", color="tab:blue", fontsize="small")
            over = f"{label}\n" if axis is column[0] else ""
            correlation = shown(correlation_of(run["curve"]))
            axis.set_title(f"{over}{name}, rank correlation {correlation}", fontsize="small")
            axis.tick_params(axis="x", labelsize="small")
        column[-1].set_xlabel("critic steps")
    save(figure, folder / "objectives-curves.png")


def draw_weights(folder: Path, study: Study) -> None:
    """The critic's weights under clipping and under the penalty."""
    names = ("wgan-clip", "wgan-gp")
    figure, axes = panels(2, 2, 4, 2.4)
    runs = [(f"{name}, 25 Gaussians", study.games(name)[0]) for name in names]
    runs += [(f"{name}, Fashion-MNIST", study.on_images("fashion-mnist", name)) for name in names]
    for axis, (title, run) in zip(axes.flat, runs, strict=True):
        edges, shares = run["weights"]
        axis.stairs(shares, edges, fill=True)
        axis.set(title=title, xlabel="weight", ylabel="share of the weights", yscale="log")
    save(figure, folder / "objectives-weights.png")


def draw_gradients(folder: Path, study: Study) -> None:
    """How long the score's gradient is at each layer."""
    sources = study.by_source()
    figure, axes = panels(1, len(sources), 3.4, 3.8)
    for axis, (title, runs) in zip(axes[0], sources.items(), strict=True):
        for name, run, marker in zip(NAMES, runs, "osv^DPX", strict=True):
            norms = run["gradients"]
            axis.plot(range(1, len(norms) + 1), norms, f"{marker}-", label=name, markersize=5, alpha=0.8)
        axis.set(title=title, yscale="log", xticks=range(1, len(norms) + 1), xlabel="layer, from the picture's side")
    axes[0, 0].set_ylabel("norm of the mean score's gradient")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(NAMES))
    save(figure, folder / "objectives-gradients.png")


def draw_samples(folder: Path, study: Study) -> None:
    """Images of fixed latents, a row an objective with its name."""
    for data in DATA:
        samples = [np.array(study.on_images(data, name)["samples"], np.uint8)[:SHOWN] for name in NAMES]
        figure = grids.labelled_grid(
            [list(images.transpose(0, 2, 3, 1)) for images in samples], NAMES, size=2 * RESOLUTION
        )
        credit = {"Source": toonhead.CREDIT} if data == "toonhead" else {}
        grids.save_png(figure.image, folder / f"objectives-{data}.png", credit)
