"""The plane's part of docs/objectives.md: figures and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from benchmarks.objectives import plane
from benchmarks.objectives.measures import correlation_of, shown
from benchmarks.objectives.plane import DISTANCES, NAMES
from benchmarks.pages import panels, save, write_measured
from benchmarks.units import Results
from stylegrow.common.tables import markdown_table

WORKING = 20  # modes of 25 with which a learning rate is counted as one that works
# What each objective's critic estimates.
ESTIMATED = {"gan": "JS", "ns": "JS", "wgan-clip": "W", "wgan-gp": "W", "hinge": "TV", "ns-r1": "JS"}

FIGURES = {
    "distances": "Two lines that move apart: what critics estimate, and what is exact",
    "plane": "What each objective's generator draws of 25 Gaussians, of the first seed at its best learning rate",
    "rates": "Modes found at each learning rate: a dot a seed, the line their mean",
    "curves": "The critic's estimate (blue) and the points' distance from the data (orange) of the first seed, with "
    "rank correlations",
    "weights": "The critic's weights under clipping and under the penalty",
    "gradients": "The gradient of the critic's mean score at each layer's output",
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

    def lines(self, name: str) -> list[float]:
        """What the critic of an objective estimates at each of DISTANCES."""
        found = {
            distance: result["estimate"] for (n, distance, *_), result in self._of_kind("lines").items() if n == name
        }
        return [found[distance] for distance in DISTANCES]


def write(folder: Path, results: Results, quick: bool) -> Path:
    """Draw the figures and put the tables into objectives.md, whose other text is kept. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(results)
    for draw in (draw_lines, draw_points, draw_sweep, draw_curves, draw_weights, draw_gradients):
        draw(folder, study)
    return write_measured(folder / "objectives.md", "python -m benchmarks.objectives", tables(study, quick))


def tables(study: Study, quick: bool) -> str:
    """The Markdown of all results."""
    warning = "**From `--quick`: trainings far too short to say anything.**\n\n" if quick else ""
    parts = [warning + plane_table(study), sweep_table(study), lines_table(study)]
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


def lines_table(study: Study) -> str:
    """Exact and estimated distances of the two lines."""
    head = ["distance of the lines", "JS exact (nats)", "JS estimated", "W exact", "W estimated"]
    values = zip(DISTANCES, study.lines("ns"), study.lines("wgan-gp"), strict=True)
    rows = [[f"{d:g}", f"{exact_js(d):.3f}", f"{js:.3f}", f"{d:.3f}", f"{w:.3f}"] for d, js, w in values]
    return f"Two lines that move apart, by the critics of `ns` and `wgan-gp`:\n\n{markdown_table(head, rows)}\n"


def exact_js(distance: float) -> float:
    """The Jensen-Shannon divergence of the two lines in nats (Arjovsky 2017, example 1)."""
    return math.log(2) * (distance > 0)


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
    """The critic's estimate, and the distance that the points really have, over the training."""
    figure, axes = panels(2, 4, 3.2, 1.9)
    for axis, name in zip(axes.flat, NAMES, strict=False):
        curve = study.games(name)[0]["curve"]
        steps, estimates, distance = np.array(curve).T
        other = axis.twinx()
        for side, values, colour in ((axis, estimates, "tab:blue"), (other, distance, "tab:orange")):
            side.plot(steps, values, color=colour)
            side.tick_params(axis="y", colors=colour, labelsize="small")
            side.ticklabel_format(axis="y", useOffset=False)
            side.locator_params(axis="y", nbins=4)
        other.set_ylabel("distance", color="tab:orange", fontsize="small")
        axis.set_ylabel(f"estimated {ESTIMATED[name.split()[0]]}", color="tab:blue", fontsize="small")
        axis.set_title(f"{name}, rank correlation {shown(correlation_of(curve))}", fontsize="small")
        axis.set_xlabel("critic steps", fontsize="small")
        axis.tick_params(axis="x", labelsize="small")
    axes.flat[len(NAMES)].set_axis_off()
    save(figure, folder / "objectives-curves.png")


def draw_weights(folder: Path, study: Study) -> None:
    """The critic's weights under clipping and under the penalty."""
    figure, axes = panels(1, 2, 4, 2.4)
    for axis, name in zip(axes.flat, ("wgan-clip", "wgan-gp"), strict=True):
        edges, shares = study.games(name)[0]["weights"]
        axis.stairs(shares, edges, fill=True)
        axis.set(title=name, xlabel="weight", ylabel="share of the weights", yscale="log")
    save(figure, folder / "objectives-weights.png")


def draw_gradients(folder: Path, study: Study) -> None:
    """How long the score's gradient is at each layer."""
    figure, axes = panels(1, 1, 5, 3.8)
    axis = axes[0, 0]
    for name, marker in zip(NAMES, "osv^DPX", strict=True):
        norms = study.games(name)[0]["gradients"]
        axis.plot(range(1, len(norms) + 1), norms, f"{marker}-", label=name, markersize=5, alpha=0.8)
    axis.set(yscale="log", xticks=range(1, len(norms) + 1), xlabel="layer, from the points' side")
    axis.set_ylabel("norm of the mean score's gradient")
    figure.legend(loc="outside right upper")
    save(figure, folder / "objectives-gradients.png")
