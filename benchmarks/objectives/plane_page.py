"""The plane's part of docs/objectives.md: figures, an animation and tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from benchmarks.objectives import plane
from benchmarks.objectives.measures import correlation_of, mean_of
from benchmarks.objectives.plane import CLOSE, CONSTRAINTS, DISTANCES, NAMES, RINGS, SETTINGS
from benchmarks.pages import draw_curve, figure_image, panels, save, write_measured
from benchmarks.units import Results
from stylegrow.common.tables import markdown_table

# What each objective's critic estimates.
ESTIMATED = {"gan": "JS", "ns": "JS", "wgan-clip": "W", "wgan-gp": "W", "hinge": "TV", "ns-r1": "JS"}
PENALTY = plane.StepConfig().gp_weight  # of the critic between the lines
ANIMATION = "objectives-ring.webp"
TURN = 1000  # steps in which the ring's game gets around
AS_ABOVE = "as above"
VARIANTS = {  # what is beside the settings of the 25 Gaussians, by the names of these
    "ns": (AS_ABOVE, *plane.RATES),
    "hinge": (AS_ABOVE, *plane.RATES, "setting E", "setting F"),
    "hinge + spectral norm": (AS_ABOVE, *plane.RATES, "setting E", "setting F", "both networks normalised"),
}


class Study:
    """The results of all trainings, by what they are asked for."""

    def __init__(self, results: Results) -> None:
        self.results = results

    def _of(self, kind: str, *first: Any) -> list[dict[str, Any]]:
        return [
            result
            for unit, result in self.results.items()
            if unit.kind == kind and unit.arguments[: len(first)] == first
        ]

    def games(self, name: str) -> list[dict[str, Any]]:
        """The games of a setting, a seed each."""
        return self._of("plane", name)

    def critics(self, place: str, constraint: str) -> list[dict[str, Any]]:
        """The critics that were trained alone, a seed each."""
        return self._of("critics", place, constraint)

    def lines(self, name: str) -> list[float]:
        """What the critic of an objective estimates at each of DISTANCES."""
        return [self._of("lines", name, distance)[0]["estimate"] for distance in DISTANCES]


def write(folder: Path, results: Results, quick: bool) -> Path:
    """Draw the games and put their tables into objectives.md, whose other text is kept. Returns its path."""
    study = Study(results)
    caption = "The ring: the points of both games over their first 3,000 steps"
    parts = [games_table(study), variants_table(study), ring_table(study), f"![{caption}]({ANIMATION})\n"]
    page = put(folder, study, "python -m benchmarks.objectives", parts, FIGURES, quick)
    animate(folder, study)
    return page


def write_critics(folder: Path, results: Results, quick: bool) -> Path:
    """The same of the critics alone."""
    study = Study(results)
    parts = [lines_table(study), critics_table(study)]
    return put(folder, study, "python -m benchmarks.objectives --critics", parts, CRITICS_FIGURES, quick)


def put(folder: Path, study: Study, command: str, parts: list[str], figures: Mapping[str, Figure], quick: bool) -> Path:
    """Draw figures, and put them after the other parts into the block of a command."""
    folder.mkdir(parents=True, exist_ok=True)
    for draw, _ in figures.values():
        draw(folder, study)
    warning = ["**From `--quick`: trainings far too short to say anything.**\n"] * quick
    images = [f"![{caption}](objectives-{name}.png)\n" for name, (_, caption) in figures.items()]
    return write_measured(folder / "objectives.md", command, "\n".join([*warning, *parts, *images]))


def games_table(study: Study) -> str:
    """What is found of the 25 Gaussians, and how well estimates follow it."""
    head = ["objective", "steps", "seeds", "modes", "most", "share near a mode", "distance", "rank correlation"]
    rows = []
    for name in NAMES:
        games = study.games(name)
        most = [max(modes for modes, _ in game["found"]) for game in games]
        cells = [
            f"{games[0]['curve'][-1][0]:,}",
            str(len(games)),
            mean_of([game["found"][-1][0] for game in games], 1),
            f"{fmean(most):.1f}",
            mean_of([game["found"][-1][1] for game in games], 2),
            mean_of([game["curve"][-1][2] for game in games], 3),
            mean_of([late_correlation(game["curve"]) for game in games], 2),
        ]
        rows.append([name, *cells])
    seconds = sum(game["seconds"] for name in SETTINGS for game in study.games(name))
    return (
        "25 Gaussians: means over seeds, ± half of the 95 % interval of the mean; steps are the generator's, most is "
        "the largest number of modes at any time, the distance the mean Wasserstein distance along directions all "
        f"around. All games of this page took {seconds / 60:.0f} minutes of one core of a shared Xeon with AMX bf16."
        "\n\n"
        f"{markdown_table(head, rows)}\n"
    )


def variants_table(study: Study) -> str:
    """What other rates, momentum and a normalised generator do."""
    head, rows = ["objective and setting", "modes of each seed", "most", "share near a mode", "distance"], []
    end = study.games("hinge, setting E")[0]["curve"][-1][0]
    for objective, settings in VARIANTS.items():
        for setting in settings:
            games = study.games(objective if setting == AS_ABOVE else f"{objective}, {setting}")
            looks = [
                [row for row in zip(game["curve"], game["found"], strict=True) if row[0][0] <= end] for game in games
            ]
            cells = [
                ", ".join(str(look[-1][1][0]) for look in looks),
                str(max(found[0] for look in looks for _, found in look)),
                f"{fmean(look[-1][1][1] for look in looks):.2f}",
                f"{fmean(look[-1][0][2] for look in looks):.3f}",
            ]
            rows.append([f"{objective}, {setting}", *cells])
    return f"After {end:,} steps of the generator, in other settings:\n\n{markdown_table(head, rows)}\n"


def sides(game: dict[str, Any]) -> np.ndarray:
    """The share of the points that is nearest to each Gaussian of the ring, at every look: [looks, 8]."""
    nearest = torch.cdist(torch.tensor(game["frames"]), plane.RING.centres).argmin(dim=2)
    return np.stack([(nearest == side).float().mean(dim=1).numpy() for side in range(len(plane.RING.centres))], axis=1)


def different(values: Sequence[int], steps: Sequence[int], span: int) -> float:
    """How many different ones of the values at some steps there are within a span of steps, the mean over its places.

    A span is one that the steps hold whole, or all of them where they hold none.
    """
    begins = [begin for begin in steps if begin + span <= steps[-1]] or [steps[0]]
    return fmean(
        len({value for value, step in zip(values, steps, strict=True) if begin <= step < begin + span})
        for begin in begins
    )


def ring_table(study: Study) -> str:
    """How much of the ring a game has at once, and how much over some time."""
    head = ["objective", "steps", "seeds", "modes at once", "share of the fullest side", f"sides fullest in {TURN:,}"]
    rows = []
    for name in RINGS:
        games, measured = study.games(name), []
        for game in games:
            late = len(game["curve"]) // 10
            shares, steps = sides(game)[late:], [number for number, *_ in game["curve"][late:]]
            found = fmean(modes for modes, _ in game["found"][late:])
            measured.append((found, shares.max(axis=1).mean(), different(shares.argmax(axis=1), steps, TURN)))
        cells = [mean_of(values, digits) for values, digits in zip(zip(*measured, strict=True), (1, 2, 1), strict=True)]
        rows.append([name.removeprefix("ring "), f"{games[0]['curve'][-1][0]:,}", str(len(games)), *cells])
    return (
        "The ring of 8, after the first tenth: how many are found at a time; the share of the points that are nearest "
        "to the same Gaussian (an eighth if all are found, 1 if all points are on one side); and how many different "
        f"ones have most points within {TURN:,} steps.\n\n{markdown_table(head, rows)}\n"
    )


def late_correlation(curve: list[list[float]]) -> float:
    """The rank correlation of estimate and distance after the first tenth of a training."""
    return correlation_of(curve[len(curve) // 10 :])


def critics_table(study: Study) -> str:
    """What clipping does to a critic's weights and gradients."""
    head = ["critic", "weights at the bound", "estimate", "gradient: first / last hidden layer", "a layer"]
    rows = []
    for constraint in CONSTRAINTS:
        alone = study.critics("25 Gaussians", constraint)[0]
        grown = [growth(critic["gradients"]) for critic in study.critics("swiss roll", constraint)]
        ratio, each = (geometric_mean(values) for values in zip(*grown, strict=True))
        rows.append(
            [
                constraint,
                f"{alone['share']:.0%}",
                f"{alone['estimate']:.3g}",
                f"{ratio:.1e}" if ratio else "0 in float32",
                f"x{each:.2f}",
            ]
        )
    return (
        "Critics alone, before a fixed generator that draws the data with unit noise; the first columns with 3 layers "
        "on the 25 Gaussians, the last with 12 on the Swiss roll (geometric mean of the seeds):\n\n"
        f"{markdown_table(head, rows)}\n"
    )


def growth(gradients: Sequence[float]) -> tuple[float, float]:
    """The gradient at the first hidden layer over that at the last, and its growth a layer towards the first.

    The layers are those of `layer_gradients`, the score last. Where gradients have become 0, the growth is that of the
    layers in which they have not.
    """
    hidden = gradients[:-1]
    left = [gradient for gradient in hidden if gradient > 0]
    return hidden[0] / hidden[-1], (left[0] / left[-1]) ** (1 / max(len(left) - 1, 1))


def geometric_mean(values: Sequence[float]) -> float:
    """exp of the mean logarithm; 0 where one of them is."""
    return math.exp(fmean(map(math.log, values))) if all(values) else 0.0


def lines_table(study: Study) -> str:
    """Exact and estimated distances of the two lines."""
    head = ["distance of the lines", "JS exact (nats)", "JS estimated", "W exact", "the penalty's best", "W estimated"]
    values = zip(DISTANCES, study.lines("ns"), study.lines("wgan-gp"), strict=True)
    rows = [[f"{d:g}", *(f"{value:.3f}" for value in (exact_js(d), js, d, penalised(d), w))] for d, js, w in values]
    return f"Two lines that move apart, by the critics of `ns` and `wgan-gp`:\n\n{markdown_table(head, rows)}\n"


def exact_js(distance: float) -> float:
    """The Jensen-Shannon divergence of the two lines in nats (Arjovsky 2017, example 1)."""
    return math.log(2) * (distance > 0)


def penalised(distance: float) -> float:
    """What WGAN-GP's best critic estimates between the lines: the slope s of least -s d + lambda (s - 1)^2, times d."""
    return distance * (1 + distance / (2 * PENALTY))


def draw_modes(folder: Path, study: Study) -> None:
    """Modes over the generator's steps, an axis an objective, since many have the same numbers."""
    figure, axes = panels(2, 4, 2.5, 2)
    for axis, name in zip(axes.flat, NAMES, strict=False):
        games = study.games(name)
        steps = [row[0] for row in games[0]["curve"]]
        found = np.array([game["found"] for game in games])[:, :, 0]
        axis.fill_between(steps, found.min(axis=0), found.max(axis=0), alpha=0.3)
        axis.plot(steps, found.mean(axis=0))
        axis.set(ylim=(-1, 26), yticks=[0, 5, 10, 15, 20, 25])
        axis.set_title(f"{name}, seeds: {len(games)}", fontsize="medium")
    axes.flat[len(NAMES)].set_axis_off()
    figure.supxlabel("generator steps")
    figure.supylabel("modes found of 25")
    save(figure, folder / "objectives-modes.png")


def draw_points(folder: Path, study: Study) -> None:
    """What each generator draws of the 25 Gaussians, and the Gaussians themselves."""
    figure, axes = panels(2, 4)
    games = [study.games(name)[0] for name in NAMES]
    exact = plane.GRID.sample(len(games[0]["points"]), torch.Generator().manual_seed(0))
    drawn = {"the data": exact.numpy()}
    drawn |= {
        f"{name}\n{game['found'][-1][0]} of 25 modes": np.array(game["points"])
        for name, game in zip(NAMES, games, strict=True)
    }
    for axis, (title, points) in zip(axes.flat, drawn.items(), strict=True):
        axis.plot(*points.T, ".", markersize=1.5, color="0.4" if title == "the data" else "tab:blue")
        axis.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
        axis.set_title(title, fontsize="medium")
    save(figure, folder / "objectives-plane.png")


def draw_curves(folder: Path, study: Study) -> None:
    """The critic's estimate, and the distance that the points really have, over the training."""
    figure, axes = panels(2, 4, 3.2, 1.9)
    for axis, name in zip(axes.flat, NAMES, strict=False):
        curve = study.games(name)[0]["curve"]
        draw_curve(axis, curve, f"estimated {ESTIMATED[name.split()[0]]}", "distance")
        axis.set_title(f"{name}, rank correlation {mean_of([late_correlation(curve)], 2)}", fontsize="small")
        axis.set_xlabel("generator steps", fontsize="small")
    axes.flat[len(NAMES)].set_axis_off()
    save(figure, folder / "objectives-curves.png")


def draw_gradients(folder: Path, study: Study) -> None:
    """How long the score's gradient is at each layer, under clipping and under the penalty."""
    figure, axes = panels(1, 1, 5, 3.8)
    axis = axes[0, 0]
    for constraint, colour in zip(CONSTRAINTS, ("tab:red", "tab:orange", "tab:purple", "tab:blue"), strict=True):
        for number, critic in enumerate(study.critics("swiss roll", constraint)):
            norms = critic["gradients"]
            label = "_" * bool(number) + constraint
            axis.plot(range(1, len(norms) + 1), norms, ".-", label=label, color=colour, alpha=0.8)
    axis.set(yscale="log", xticks=range(1, len(norms) + 1), xlabel="layer, from the points' side")
    axis.set_ylabel("norm of the mean score's gradient")
    figure.legend(loc="outside right upper")
    save(figure, folder / "objectives-gradients.png")


def draw_weights(folder: Path, study: Study) -> None:
    """The critics' weights under clipping and under the penalty."""
    figure, axes = panels(1, len(CONSTRAINTS), 2.8, 2.2)
    for axis, constraint in zip(axes.flat, CONSTRAINTS, strict=True):
        edges, shares = study.critics("25 Gaussians", constraint)[0]["weights"]
        axis.stairs(shares, edges, fill=True)
        axis.set(title=constraint, xlabel="weight", yscale="log")
    axes[0, 0].set_ylabel("share of the weights")
    save(figure, folder / "objectives-weights.png")


def draw_surfaces(folder: Path, study: Study) -> None:
    """The critics' values over the plane."""
    figure, axes = panels(1, len(CONSTRAINTS), 2.4)
    centres = plane.GRID.centres * plane.GRID.scale
    for axis, constraint in zip(axes.flat, CONSTRAINTS, strict=True):
        surface = np.array(study.critics("25 Gaussians", constraint)[0]["surface"])
        axis.imshow(surface, origin="lower", extent=(-2.5, 2.5, -2.5, 2.5), cmap="viridis")
        axis.plot(*centres.T, "+", color="tab:red", markersize=4)
        axis.set(xticks=[], yticks=[], title=constraint)
    save(figure, folder / "objectives-surfaces.png")


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


def draw_ring(folder: Path, study: Study) -> None:
    """Where the points of the games on the ring are, over their steps: a row a seed of each objective."""
    games = [(name, game) for name in RINGS for game in study.games(name)]
    figure, axes = panels(len(games), 1, 9, 1.2)
    for axis, (name, game) in zip(axes.flat, games, strict=True):
        extent, shares = (0, game["curve"][-1][0], 0.5, 8.5), sides(game).T
        image = axis.imshow(shares, origin="lower", aspect="auto", extent=extent, vmin=0, vmax=1, cmap="Blues")
        axis.set(yticks=range(1, 9), ylabel=name.removeprefix("ring "))
        axis.tick_params(axis="y", labelsize="xx-small")
        axis.label_outer()
    axes[-1, 0].set_xlabel("generator steps")
    figure.colorbar(image, ax=axes, label="share of the points")
    save(figure, folder / "objectives-ring.png")


def animate(folder: Path, study: Study) -> None:
    """The games on the ring, side by side, from their beginning."""
    games = {name.split(",")[0]: study.games(name)[0] for name in CLOSE}
    frames = []
    for number, (step, *_) in enumerate(next(iter(games.values()))["curve"]):
        figure, axes = panels(1, len(games), 2.4, 2.7)
        for axis, (name, game) in zip(axes.flat, games.items(), strict=True):
            axis.plot(*plane.RING.centres.T, "+", color="tab:red")
            axis.plot(*np.array(game["frames"][number]).T, ".", markersize=3, color="tab:blue", alpha=0.5)
            axis.set(xlim=(-4, 4), ylim=(-4, 4), xticks=[], yticks=[], aspect="equal")
            axis.set_title(f"{name.removeprefix('ring ')}, step {step:,}", fontsize="medium")
        frames.append(figure_image(figure))
    frames[0].save(
        folder / ANIMATION, save_all=True, append_images=frames[1:], duration=150, loop=0, quality=60, method=6
    )


Figure = tuple[Callable[[Path, Study], None], str]  # what draws it, and its caption
FIGURES: dict[str, Figure] = {
    "modes": (draw_modes, "Modes found over the generator's steps: the mean of the seeds, the least and the most"),
    "plane": (draw_points, "What each objective's generator draws of 25 Gaussians in the end, of the first seed"),
    "curves": (
        draw_curves,
        "The critic's estimate (blue) and the points' distance from the data (orange) of the first seed, with rank "
        "correlations after the first tenth",
    ),
    "ring": (draw_ring, "The ring: to which of its Gaussians the points are nearest, over the training, a row a seed"),
}
CRITICS_FIGURES: dict[str, Figure] = {
    "distances": (draw_lines, "Two lines that move apart: what critics estimate, and what is exact"),
    "gradients": (
        draw_gradients,
        "Critics of 12 layers on the Swiss roll: the gradient of the mean score at each layer's output, a line a seed",
    ),
    "weights": (draw_weights, "The weights of critics on the 25 Gaussians under clipping and under the penalty"),
    "surfaces": (draw_surfaces, "What these critics say of the plane, bright for real, and the 25 Gaussians"),
}
