"""The images' part of docs/objectives.md: figures and tables."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.objectives.images import BATCH, DATA, HINGE, NAMES, RATES, RATES_DATA, RESOLUTION, SETTINGS, VAE
from benchmarks.objectives.measures import correlation_of, shown
from benchmarks.pages import draw_curve, panels, save, write_measured
from benchmarks.units import Results
from stylegrow.common.tables import markdown_table
from stylegrow.data.sources import toonhead
from stylegrow.rendering import grids

SHOWN = 14  # images in a row
# What each critic estimates; of the VAE what it minimises.
ESTIMATED = {"ns": "JS", "wgan-clip": "W", "wgan-gp": "W", "hinge": "TV"}

FIGURES = {
    "images-curves": "The critic's estimate, of the VAE minus its bound (blue), and the images' distance from the data "
    "(orange), with rank correlations after the first tenth",
    "fashion-mnist": "Fashion-MNIST: held-out images, the VAE's reconstructions of them, and samples, a row each",
    "toonhead": "Faces: held-out ones, the VAE's reconstructions of them, and samples, a row each; drawn after "
    "ToonHead by Johan Melin, CC BY 4.0",
    "rates": "Hinge on Fashion-MNIST at three settings: the samples' distance from the data over the steps",
    "rates-samples": "What their generators draw in the end, a row each",
}
TICKS = (25, 50, 100, 200, 400)  # of distances
# How what is normalised is told, and drawn.
SPECTRAL = {"no": ("neither", "tab:gray"), "critic": ("critic", "tab:blue"), "both": ("both networks", "tab:green")}


def trainings(results: Results, data: str, names: Collection[str] = NAMES) -> dict[str, dict[str, Any]]:
    """The trainings on a data set, by their names."""
    named = ((unit.arguments, result) for unit, result in results.items())
    return {name: result for (of, name, *_), result in named if of == data and name in names}


def write(folder: Path, results: Results, quick: bool) -> Path:
    """Draw the figures and put the tables into objectives.md, whose other text is kept. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_curves(folder, results)
    draw_samples(folder, results)
    draw_rates(folder, results)
    tables = (estimates_table, quality_table, reconstructions_table, rates_table)
    parts = ["**From `--quick`: trainings far too short to say anything.**\n"] * quick
    parts += [table(results) for table in tables]
    parts += [f"![{caption}](objectives-{name}.png)\n" for name, caption in FIGURES.items()]
    return write_measured(folder / "objectives.md", "python -m benchmarks.objectives --images", "\n".join(parts))


def settled(curve: list[list[float]]) -> list[list[float]]:
    """A curve without its first tenth, in which every critic still learns what images are."""
    return curve[len(curve) // 10 :]


def steps_of(run: dict[str, Any]) -> int:
    """How many steps a training had."""
    return int(run["curve"][-1][0])


def estimates_table(results: Results) -> str:
    """How well the critic's estimate follows the images' distance, and what a step costs."""
    head, rows = ["data", "model", "SWD at a tenth", "SWD at the end", "rank correlation", "ms a step"], []
    for data, label in DATA.items():
        for name, run in trainings(results, data).items():
            curve = settled(run["curve"])
            cells = [f"{curve[0][2]:.0f}", f"{curve[-1][2]:.0f}", shown(correlation_of(curve))]
            rows.append([label, name, *cells, f"{1000 * run['seconds']:.0f}"])
    steps = steps_of(trainings(results, RATES_DATA)[VAE])
    minutes = sum(steps_of(run) * run["seconds"] for run in results.values()) / 60
    return (
        f"Images of {RESOLUTION} px, one seed, {steps:,} steps (of the critic, where there is one) of {BATCH} images; "
        "the rank correlation is that of the estimate with the SWD after the first tenth; a step's time is the median "
        f"on one core of a shared Xeon with AMX bf16, and all trainings together are {minutes:.0f} minutes of it:\n\n"
        f"{markdown_table(head, rows)}\n"
    )


def quality_table(results: Results) -> str:
    """The VAE beside the GANs: how sharp its images are, how much of the data they cover, how near they are to it."""
    measured = ("kid", "precision", "recall", "coverage")
    head, rows = ["data", "model", "sharpness", *measured, "to the nearest"], []
    for data, label in DATA.items():
        for name, run in trainings(results, data).items():
            values = (run["sharpness"], *(run["metrics"][one][0] for one in measured))
            rows.append([label, name, *(f"{value:.2f}" for value in values), f"{run['nearest'][0]:.1f}"])
        floors = (1, *(run["metrics"][one][1] for one in measured))
        rows.append([label, "other real images", *(f"{floor:z.2f}" for floor in floors), f"{run['nearest'][1]:.1f}"])
    return (
        "The same models in the end; sharpness is the variance of the Laplacian in units of that of the data, to the "
        "nearest how far held-out images are from the nearest drawn one (root mean square, in grey levels):\n\n"
        f"{markdown_table(head, rows)}\n"
    )


def reconstructions_table(results: Results) -> str:
    """How well the VAE gives held-out images back."""
    head, rows = ["data", "VAE", "principal components", "divergence (nats an image)"], []
    for data, label in DATA.items():
        run = trainings(results, data)[VAE]
        fit = run["fit"]
        rows.append([label, f"{fit['rmse']:.1f}", f"{run['components']:.1f}", f"{fit['divergence']:.1f}"])
    return (
        "Held-out images given back, root mean square error in grey levels, beside as many principal components of the "
        f"training images as the VAE has latents:\n\n{markdown_table(head, rows)}\n"
    )


def rates_table(results: Results) -> str:
    """What spectral normalisation does at higher rates, with momentum and in the generator."""
    head, rows = ["setting", "normalised", "SWD at a tenth", "SWD at the end", "KID", "coverage", "sharpness"], []
    for name, run in trainings(results, RATES_DATA, HINGE).items():
        rate, which = name.split(", ")
        curve, metrics = settled(run["curve"]), run["metrics"]
        cells = [f"{curve[0][2]:.0f}", f"{curve[-1][2]:.0f}"]
        cells += [f"{value:.2f}" for value in (metrics["kid"][0], metrics["coverage"][0], run["sharpness"])]
        rows.append([rate, SPECTRAL[which][0], *cells])
    return (
        f"Hinge on {DATA[RATES_DATA]} after {steps_of(run):,} steps of the critic, at settings of Miyato et al. (2018, "
        f"table 1), without and with spectral normalisation:\n\n{markdown_table(head, rows)}\n"
    )


def draw_rates(folder: Path, results: Results) -> None:
    """The distance over the steps at each rate, a line for what is normalised; and what is drawn in the end."""
    figure, axes = panels(1, len(RATES), 2.8, 2.4)
    panel, samples = dict(zip(RATES, axes[0], strict=True)), {}
    for name, run in trainings(results, RATES_DATA, HINGE).items():
        rate, which = name.split(", ")
        label, colour = SPECTRAL[which]
        steps, _, distances = np.array(run["curve"]).T
        panel[rate].plot(steps, distances, color=colour, label=label)
        samples[f"{rate}, {label}"] = run["samples"]
    top = max(axis.get_ylim()[1] for axis in axes[0])
    for rate, axis in panel.items():
        axis.set(yscale="log", ylim=(0.8 * TICKS[0], top))
        axis.minorticks_off()
        axis.set_yticks(TICKS, map(str, TICKS))
        axis.set_title(f"setting {rate}", fontsize="small")
        axis.set_xlabel("steps of the critic", fontsize="small")
        axis.tick_params(labelsize="small")
        axis.legend(title="normalised", fontsize="x-small", title_fontsize="x-small")
    axes[0, 0].set_ylabel("SWD x1000", fontsize="small")
    save(figure, folder / "objectives-rates.png")
    save_rows(folder, "rates-samples", samples)


def draw_curves(folder: Path, results: Results) -> None:
    """The critic's estimate, and the distance that the images really have, over the training."""
    figure, axes = panels(len(NAMES), len(DATA), 3.2, 1.7)
    for column, (data, label) in zip(axes.T, DATA.items(), strict=True):
        runs = trainings(results, data)
        used, unused = np.split(column, [len(runs)])
        for axis in unused:
            axis.set_axis_off()
        for axis, (name, run) in zip(used, runs.items(), strict=True):
            curve = run["curve"]
            what = "minus the bound" if name == VAE else f"estimated {ESTIMATED[SETTINGS[name]['loss']]}"
            draw_curve(axis, curve, what, "SWD x1000")
            over = f"{label}\n" if axis is column[0] else ""
            correlation = shown(correlation_of(settled(curve)))
            axis.set_title(f"{over}{name}, rank correlation {correlation}", fontsize="small")
        used[-1].set_xlabel("steps")
    save(figure, folder / "objectives-images-curves.png")


def draw_samples(folder: Path, results: Results) -> None:
    """Held-out images, what the VAE makes of them, and images of fixed latents, a row a model with its name."""
    for data in DATA:
        runs = trainings(results, data)
        rows = {"data": runs[VAE]["reals"], "vae, of the data": runs[VAE]["reconstructed"]}
        save_rows(folder, data, rows | {name: run["samples"] for name, run in runs.items()})


def save_rows(folder: Path, name: str, rows: dict[str, list[Any]]) -> None:
    """Save the figure of this name: rows of images [N, C, R, R], each with its label."""
    cells = [list(np.array(images[:SHOWN], np.uint8).transpose(0, 2, 3, 1)) for images in rows.values()]
    figure = grids.labelled_grid(cells, list(rows), size=2 * RESOLUTION)
    credit = {"Source": toonhead.CREDIT} if name == "toonhead" else {}
    grids.save_png(figure.image, folder / f"objectives-{name}.png", credit)
