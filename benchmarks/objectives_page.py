"""The page that python -m benchmarks.objectives writes: figures, tables, and between them what a person has written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.measuring import table
from benchmarks.objectives import DATA, DISTANCES, NAMES, RESOLUTION, Unit, of_kind, rank_correlation

Results = Mapping[Unit, dict[str, Any]]
START, END = "<!-- measured: written by python -m benchmarks.objectives -->", "<!-- end of what is measured -->"

FIGURES = {
    "distances": "Two lines that move apart: what critics estimate, and what is exact",
    "plane": "What each objective's generator draws of 25 Gaussians, of the first seed at its best learning rate",
    "rates": "Modes found at each learning rate",
    "curves": "The critic's estimate (blue) and the samples' distance (orange); the numbers are rank correlations",
    "weights": "The critic's weights under clipping and under the penalty",
    "gradients": "The gradient of the critic's score at each layer",
    "fashion-mnist": "Fashion-MNIST, a row an objective in the order of the table",
    "toonhead": "Faces, a row an objective in the order of the table; drawn after ToonHead by Johan Melin, CC BY 4.0",
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
    head, rows = ["objective", "modes", "share near", "distance", "rank correlation", "rates that work"], []
    for name in NAMES:
        best = best_rate(results, name)
        games = [r for (n, rate, *_), r in of_kind(results, "plane").items() if (n, rate) == (name, best)]
        correlation = fmean(correlation_of(game["curve"]) for game in games)
        working = [rate for rate in rates(results) if modes_at(results, name, rate) >= 20]
        rows.append(
            [
                f"{name}, lr {best:g}",
                f"{fmean(game['modes'] for game in games):.1f}",
                f"{fmean(game['share'] for game in games):.2f}",
                f"{fmean(game['curve'][-1][2] for game in games):.3f}",
                f"{correlation:.2f}",
                ", ".join(f"{rate:g}" for rate in working) or "none",
            ]
        )
    parts = [
        f"{warning}25 Gaussians, means over seeds at each objective's best learning rate:\n\n{table(head, rows)}\n"
    ]
    head = [
        "objective",
        *(f"{label}: {what}" for label in DATA.values() for what in ("SWD", "rank corr.", "ms a step")),
    ]
    rows = []
    for name in NAMES:
        cells = []
        for data in DATA:
            run = picture_run(results, data, name)
            cells += [
                f"{run['curve'][-1][2]:.0f}",
                f"{correlation_of(run['curve']):.2f}",
                f"{1000 * run['seconds']:.0f}",
            ]
        rows.append([name, *cells])
    parts.append(f"Pictures of {RESOLUTION} px:\n\n{table(head, rows)}\n")
    return "\n".join([*parts, *(f"![{caption}](objectives-{name}.png)\n" for name, caption in FIGURES.items())])


def correlation_of(curve: list[list[float]]) -> float:
    """The rank correlation of a critic's estimate with the distance of the samples, over a training."""
    return rank_correlation([point[1] for point in curve], [point[2] for point in curve])


def rates(results: Results) -> list[float]:
    """The learning rates of the sweep."""
    return sorted({rate for _, rate, *_ in of_kind(results, "plane")})


def modes_at(results: Results, name: str, rate: float) -> float:
    """The mean number of modes found over the seeds."""
    return fmean(r["modes"] for (n, lr, *_), r in of_kind(results, "plane").items() if (n, lr) == (name, rate))


def best_rate(results: Results, name: str) -> float:
    """The learning rate at which the samples end nearest to the Gaussians."""

    def distance(rate: float) -> float:
        games = of_kind(results, "plane").items()
        last = [r["curve"][-1][2] for (n, lr, *_), r in games if (n, lr) == (name, rate)]
        return fmean(last) if all(map(math.isfinite, last)) else math.inf

    return min(rates(results), key=distance)


def first_game(results: Results, name: str) -> dict[str, Any]:
    """The plane's training of the first seed at the objective's best rate."""
    best = best_rate(results, name)
    return next(r for (n, rate, *_), r in of_kind(results, "plane").items() if (n, rate) == (name, best))


def picture_run(results: Results, data: str, name: str) -> dict[str, Any]:
    """The training on pictures."""
    return next(r for (d, n, *_), r in of_kind(results, "pictures").items() if (d, n) == (data, name))


def panels(rows: int, columns: int, size: float = 2.2) -> Any:
    """(figure, axes [rows, columns])."""
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=(size * columns, size * rows), squeeze=False, layout="constrained")


def save(figure: Any, path: Path) -> None:
    """Write a figure as a PNG whose bytes tell nothing of this machine, and forget it."""
    from matplotlib import pyplot

    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def draw_lines(folder: Path, results: Results) -> None:
    """Two distributions that move apart: exact and estimated JS and W."""
    figure, axes = panels(1, 2, 3.5)
    for axis, name, title in zip(axes[0], ("ns", "wgan-gp"), ("Jensen-Shannon", "Wasserstein"), strict=True):
        found = {distance: r["estimate"] for (n, distance, *_), r in of_kind(results, "lines").items() if n == name}
        exact = [math.log(2) * (d > 0) if name == "ns" else d for d in DISTANCES]
        axis.plot(DISTANCES, exact, color="0.6", label="exact", drawstyle="steps-pre" if name == "ns" else "default")
        axis.plot(DISTANCES, [found[d] for d in DISTANCES], "o", label=f"a critic's ({name})")
        axis.set(title=title, xlabel="distance of the lines")
        axis.legend()
    save(figure, folder / "objectives-distances.png")


def draw_points(folder: Path, results: Results) -> None:
    """What each generator draws of the 25 Gaussians."""
    figure, axes = panels(1, len(NAMES))
    for axis, name in zip(axes[0], NAMES, strict=True):
        game = first_game(results, name)
        axis.plot(*np.array(game["points"]).T, ".", markersize=1.5)
        axis.set(title=f"{name}\n{game['modes']} modes", xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[])
    save(figure, folder / "objectives-plane.png")


def draw_sweep(folder: Path, results: Results) -> None:
    """Modes over learning rates."""
    figure, axes = panels(1, 1, 4.5)
    for name in NAMES:
        axes[0, 0].plot(rates(results), [modes_at(results, name, rate) for rate in rates(results)], "o-", label=name)
    axes[0, 0].set(xscale="log", xlabel="learning rate", ylabel="modes found of 25", ylim=(-1, 26))
    axes[0, 0].legend(fontsize="small")
    save(figure, folder / "objectives-rates.png")


def draw_curves(folder: Path, results: Results) -> None:
    """The critic's estimate, and the distance that the samples really have, over the training."""
    sources = {"25 Gaussians": [first_game(results, name) for name in NAMES]}
    sources |= {label: [picture_run(results, data, name) for name in NAMES] for data, label in DATA.items()}
    figure, axes = panels(len(sources), len(NAMES))
    for row, (label, runs) in zip(axes, sources.items(), strict=True):
        for axis, name, run in zip(row, NAMES, runs, strict=True):
            step, said, distance = np.array(run["curve"]).T
            axis.plot(step, said, color="tab:blue")
            axis.twinx().plot(step, distance, color="tab:orange")
            axis.set(title=f"{name}\n{label}, {correlation_of(run['curve']):.2f}")
            axis.title.set_fontsize("small")
    save(figure, folder / "objectives-curves.png")


def draw_weights(folder: Path, results: Results) -> None:
    """The critic's weights under clipping and under the penalty."""
    names = ("wgan-clip", "wgan-gp")
    figure, axes = panels(1, 4, 3)
    runs = [(f"{name}, plane", first_game(results, name)) for name in names]
    runs += [(f"{name}, Fashion-MNIST", picture_run(results, "fashion-mnist", name)) for name in names]
    for axis, (title, run) in zip(axes[0], runs, strict=True):
        edges, shares = run["weights"]
        axis.stairs(shares, edges, fill=True)
        axis.set(title=title, xlabel="weight", yscale="log")
    save(figure, folder / "objectives-weights.png")


def draw_gradients(folder: Path, results: Results) -> None:
    """How long the score's gradient is at each layer."""
    figure, axes = panels(1, 2, 4)
    for name in NAMES:
        axes[0, 0].plot(first_game(results, name)["gradients"], "o-", label=name)
        axes[0, 1].plot(picture_run(results, "fashion-mnist", name)["gradients"], "o-", label=name)
    for axis, title in zip(axes[0], ("plane", "Fashion-MNIST"), strict=True):
        axis.set(title=title, yscale="log", xlabel="layer, from the picture's side", ylabel="gradient norm")
    axes[0, 0].legend(fontsize="small")
    save(figure, folder / "objectives-gradients.png")


def draw_samples(folder: Path, results: Results) -> None:
    """Pictures of fixed latents, a row an objective."""
    from data import pictures

    for data in DATA:
        rows = [np.array(picture_run(results, data, name)["samples"], np.uint8)[:16] for name in NAMES]
        images = np.concatenate(rows).transpose(0, 2, 3, 1)
        credit = {"Source": credit_of(data)} if credit_of(data) else {}
        pictures.save_png(pictures.grid(images, 16), folder / f"objectives-{data}.png", credit)


def credit_of(data: str) -> str:
    """Whom to name where such pictures are shown."""
    from data import toonhead

    return toonhead.CREDIT if data == "toonhead" else ""
