"""The page that python -m benchmarks.physics writes: figures and tables, between texts that a person wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pages import panels, save, write_measured
from benchmarks.physics import air, judging, parts, references
from benchmarks.physics.parts import Budget, Place
from benchmarks.physics.samples import joined
from benchmarks.profiles import draw_profiles
from benchmarks.timing import ratio
from benchmarks.units import Results
from stylegrow.common.tables import markdown_table
from stylegrow.common.text import counted
from stylegrow.physics.observables import Showers

COMMAND = "python -m benchmarks.physics"
REFINED = {"nothing": "refined, free", "cells": "refined, cells kept", "sum": "refined, sum kept"}


JUDGED = (("hits", 1, ".0f"), ("separation", 1, ".3f"), ("kpd", 1000, ".1f"), ("auc", 1, ".3f"))


class Study:
    """The results of all parts, by what they are asked for."""

    def __init__(self, results: Results) -> None:
        self.results = results

    def of(self, kind: str, *first: Any) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """(arguments, result) of the parts of a kind whose arguments begin so."""
        return [
            (unit.arguments, result)
            for unit, result in self.results.items()
            if unit.kind == kind and unit.arguments[: len(first)] == first
        ]

    def one(self, kind: str, *first: Any) -> dict[str, Any]:
        """The result of the first of them."""
        return self.of(kind, *first)[0][1]


def write(folder: Path, results: Results, budget: Budget, place: Place, quick: bool) -> Path:
    """Draw the figures and put the tables into physics.md, whose other text is kept. Returns its path.

    Parts of which there are no results are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(results)
    text = "**From `--quick`: trainings far too short to say anything.**\n\n" if quick else ""
    for kind, table in TABLES.items():
        if study.of(kind):
            text += table(study) + "\n"
    for kind, (name, caption) in FIGURES.items():
        if study.of(kind):
            path = folder / f"physics-{name}.png"
            if kind == "judged":
                draw_profiles(profiled(study, budget, place), path)
            else:
                DRAWN[kind](path, study)
            text += f"![{caption}]({path.name})\n\n"
    return write_measured(folder / "physics.md", COMMAND, text.removesuffix("\n"))


def profiled(study: Study, budget: Budget, place: Place) -> dict[str, Showers]:
    """The sets that a page of profiles shows, the cascade first."""
    names = [what for (what, *_), _ in study.of("judged")]
    found = {}
    for name in names:
        what = name if name in (judging.REAL, judging.GFLASH) else place.model
        found[name] = judging.of(what, lambda: place.dataset(budget.count), budget.judged, place.work)
    if len(sides := {one.deposits.shape[-1] for one in found.values()}) > 1:  # a coarser generator
        found = {name: one._replace(deposits=joined(one.deposits, min(sides))) for name, one in found.items()}
    return found


def simulator_table(study: Study) -> str:
    """The simulators beside what is published."""
    rows = []
    for (name, energy, step, count), found in study.of("simulated"):
        known, radius = references.published(energy), found["radius of deposits"]
        rows.append([
            f"{name}, {energy:g} GeV" + (f", step {step:g}" if step != 0.1 else ""),
            f"{count}",
            "{:.1f} ± {:.1f}".format(*found["response"]),
            "{:.1f} ± {:.1f} %".format(*(100 * one for one in found["resolution"])),
            f"{found['depth']:.1f} ({known['depth']:.1f}; {known['rossi']:.1f})",
            "{:.2f}, {:.2f} ({:.2f}, {:.2f})".format(*found["log depth"], *known["log depth"]),
            f"{found['radius of signals']:.2f}" + (f"; {radius:.2f}" if radius else "") + f" ({known['radius']:.2f})",
        ])  # fmt: skip
    titles = [
        "electrons of",
        "showers",
        "MIP/GeV",
        "resolution x sqrt(E/GeV)",
        "maximum (X0)",
        "ln T",
        "90 % radius (R_M)",
    ]
    return (
        "**The simulators.** In brackets Grindhammer and Peters: the maximum T of the mean profile, with Rossi's "
        "ln y - 1/2 after it; mean and deviation of ln T; the radius that holds 90 %, of signals and behind "
        f"the semicolon of deposited energy.\n\n{markdown_table(titles, rows)}\n"
    )


def conditioning_table(study: Study) -> str:
    """A row for each mechanism under the truth's."""
    found = study.of("conditioning")
    edges, truth = found[0][1]["edges"], found[0][1]["truth"]
    spans = [f"{low:.0f}-{high:.0f} GeV" for low, high in pairwise(edges)]
    rows = [
        [
            name,
            *bins_of(one),
            f"{one['hits']:.0f}",
            f"{one['impact']:.3f}",
            f"{1000 * one['seconds'] / one['steps']:.0f}" if "steps" in one else "",
        ]
        for name, one in [("truth", truth), *((name, one) for (name, *_), one in found)]
    ]
    return (
        f"**Conditioning.** Response (MIP/GeV) and resolution after {found[0][0][1]:,} steps of 64 showers of "
        "8 x 8 x 3 cells, by the same networks, seed and showers; ms of the processor's time a step:\n\n"
        f"{markdown_table(['equal steps', *spans, 'hits', 'impact', 'ms'], rows)}\n"
    )


def bins_of(one: dict[str, Any]) -> list[str]:
    """Response and resolution in bins of the energy."""
    return [f"{mean:.1f}, {width:.1%}" for mean, width in zip(one["response"], one["resolution"], strict=True)]


def intensities_table(study: Study) -> str:
    """Roots against logarithms."""
    found = study.of("intensities")
    rows = [judgement("real", found[0][1]["real"], ["", ""])]
    for (name, *_), one in found:
        rounding = one["rounding"]
        costs = [f"{rounding['bias']:+.2%}", f"{rounding['width']:.2%}"]
        rows.append(judgement(name, one["generated"], costs))
    spans = ["lowest fifth", "middle fifth", "highest fifth"]
    titles = ["8 x 8 x 3 cells", *spans, "hits", "separation", "KPD x 1000", "AUC", "8 bits: bias", "width"]
    return (
        f"**Root or logarithm.** The same fully connected generator after {found[0][0][1]:,} steps: response (MIP/GeV) "
        "and resolution in bins of the energy; and what 8 bits alone do to the sum of real showers:\n\n"
        f"{markdown_table(titles, rows)}\n"
    )


def judgement(name: str, one: dict[str, Any], more: Sequence[str] = ()) -> list[str]:
    """A row of what refining.judged found."""
    return [
        name,
        *bins_of(one)[::2],
        f"{one['hits']:.0f}",
        f"{one['separation']:.3f}",
        f"{1000 * one['kpd']:.1f}",
        f"{one['auc']:.3f}",
        *more,
    ]


def judged_table(study: Study) -> str:
    """All metrics of simulators and the generator."""
    rows, samples = [], study.of("judged")[0][0][2]
    for (name, *_), one in study.of("judged"):
        rows.append([
            f"{name} against {judging.REAL}",
            f"{one['response']:.1%}", f"{one['resolution']:.2f}", f"{one['hits']:.1%}",
            f"{one['impact']:.3f}" if "impact" in one else "-", f"{one['correlation']:.2f}", f"{one['separation']:.3f}",
            f"{1000 * one['fpd']:.1f}", f"{1000 * one['kpd']:.2f}", f"{one['auc_observables']:.3f}",
            f"{one['auc_images']:.3f}",
        ])  # fmt: skip
    titles = ["", "response", "resolution", "hits", "impact", "layers", "separation", "FPD x 1000", "KPD x 1000",
              "AUC, observables", "AUC, images"]  # fmt: skip
    return (
        f"**Judged by physics**, {samples:,} showers each: the worst of five bins of the energy of response, "
        "resolution (over the cascade's) and hits; differences of the correlations with the impact and between layers; "
        f"the mean separation power of all observables:\n\n{markdown_table(titles, rows)}\n"
    )


def speed_table(study: Study) -> str:
    """Showers a second, and how many times those of the cascade."""
    found = study.one("speed")
    cascade, rows = found["speeds"][judging.REAL], []
    for what, one in found["speeds"].items():
        pairs = [*zip(one["one"], cascade["one"], strict=True), (one["two"], cascade["two"])]
        pairs += [(one["gpu"], cascade["one"][0])] if "gpu" in one else []
        cells = [f"{rate:.3g}" + (f" ({ratio(rate, to)})" if what != judging.REAL else "") for rate, to in pairs]
        rows.append([what, *cells, *["-"] * (5 - len(cells))])
    first, *_ = parts.SPEED_ENERGIES
    titles = [
        "showers/s", *(f"{energy:g} GeV" for energy in parts.SPEED_ENERGIES), f"two cores, {first:g} GeV",
        f"GPU, {first:g} GeV",
    ]  # fmt: skip
    return (
        "**Speed** on one core by the processor's own time, on two by the clock of a machine on which others work; in "
        "brackets how many times the cascade's on as many cores (a GPU's: on one). Generators make 32 x 32 x 3 cells "
        f"in batches of 64, in float32, and are untrained where maps are named. {found['machine']}.\n\n"
        f"{markdown_table(titles, rows)}\n"
    )


def refining_table(study: Study) -> str:
    """The lecture's test of refinement, and the judges'."""
    rows, judged = [], []
    for name, found in refined(study).items():
        biases, widths = ([one["regression"][k] for one in found] for k in (0, 1))
        rows.append([name, spread(biases, "+.1%"), spread(widths, ".1%")])
        numbers = [[one["judged"][key] * times for one in found] for key, times, _ in JUDGED]
        cells = [spread(values, form) for values, (*_, form) in zip(numbers, JUDGED, strict=True)]
        judged.append([name, *bins_of(found[0]["judged"])[::2], *cells])
    seeds = counted(len(found), "seed")
    spans = ["lowest fifth", "middle fifth", "highest fifth"]
    return (
        f"**Refinement** of GFLASH towards the cascade, {study.of('refining')[0][0][2]:,} steps; {seeds}, least "
        "to most. ln(estimated / true energy) of data that were held out, by a regression trained on each:\n\n"
        f"{markdown_table(['trained on', 'bias', 'width'], rows)}\n\nThe showers themselves, against data:\n\n"
        f"{markdown_table(['8 x 8 x 3 cells', *spans, 'hits', 'separation', 'KPD x 1000', 'AUC'], judged)}\n"
    )


def refined(study: Study) -> dict[str, list[dict[str, Any]]]:
    """What each seed found of the simulation, of each refinement, and of data."""
    names = {"simulation": "simulation", **REFINED, "data": "data"}
    return {name: [one for _, one in study.of("refining", kept)] for kept, name in names.items()}


def spread(values: Sequence[float], form: str) -> str:
    """A number, or the least and the most where they look different."""
    low, high = (format(one, form) for one in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def translating_table(study: Study) -> str:
    """What translations keep and what they take on."""
    (code, steps, _), found = study.of("translating")[0]
    rows = []
    for name, one in found.items():
        if name == "unchanged":
            continue
        rows.append([
            name, f"{one['signal']:.3f}", f"{one['shift']:+.1%}", f"{one['spread']:.1%}", f"{one['centre']:.3f}",
            f"{one['impact']:.3f}", *(f"{one['as'][domain]:.3f}" for domain in ("gflash", "cascade")),
            f"{one['judged']['hits']:.0f}", f"{one['judged']['auc']:.3f}",
        ])  # fmt: skip
    for name, one in found["unchanged"].items():
        rows.append([f"{name} itself", *[""] * 5, *(f"{one[domain]:.3f}" for domain in ("gflash", "cascade")), "", ""])
    titles = ["8 x 8 x 3 cells", "signal kept", "shift", "spread", "centre kept", "impact", "apart from GFLASH",
              "from the cascade", "hits", "AUC"]  # fmt: skip
    return (
        f"**Translation** by one encoder ({code} numbers) and two decoders, {steps:,} steps: correlations of signal "
        "and centre of gravity with the source's, mean and deviation of ln(signal / source's), the centre's "
        "correlation with the impact; the mean separation power from either simulator; AUC against the domain "
        f"translated to:\n\n{markdown_table(titles, rows)}\n"
    )


def footprints_table(study: Study) -> str:
    """Real and generated footprints."""
    (steps, count), found = study.of("air")[0]
    low, high = air.ENERGY_EDGES[:-1], air.ENERGY_EDGES[1:]
    titles = ["footprints", "stations hit", *(f"{a:g}-{b:g} EeV" for a, b in zip(low, high, strict=True)),
              "direction off by", "energy in the signal", "signal without time"]  # fmt: skip
    rows = []
    for name, one in (("real", found["real"]), ("other real", found["other"]), ("generated", found["generated"])):
        rows.append([
            name, f"{one['stations']:.1f}", *(f"{stations:.1f}" for stations in one["stations by energy"]),
            f"{one['angle']:.2f}°", f"{one['energy']:.3f}", f"{one['mismatched']:.1%}",
        ])  # fmt: skip
    return (
        f"**Footprints**: a ProGAN of 32 maps on {count:,} air showers, {steps:,} steps of {air.BATCH}. Stations with "
        "a signal; the median angle between the true direction and that fitted to arrival times; the correlation of ln "
        "signal and ln energy; stations of which one of signal and time is nothing:\n\n"
        f"{markdown_table(titles, rows)}\n"
    )


def draw_refining(path: Path, study: Study) -> None:
    """Bias and width of the energy, a dot a seed."""
    figure, axes = panels(1, 2, 4.4, 2.6)
    found = refined(study)
    for axis, (place, title) in zip(axes[0], enumerate(("bias (%)", "width (%)")), strict=True):
        for row, one in enumerate(found.values()):
            values = [100 * seed["regression"][place] for seed in one]
            axis.plot(values, [row] * len(values), "o", color=f"C{row}")
        axis.set_yticks(range(len(found)), list(found) if place == 0 else [""] * len(found))
        axis.set(xlabel=f"{title} of ln(estimated / true energy)", ylim=(len(found) - 0.5, -0.5))
        axis.grid(axis="x", alpha=0.4)
    axes[0, 0].axvline(0, color="0.5")
    save(figure, path)


def draw_footprints(path: Path, study: Study) -> None:
    """The spectrum of signals, and some footprints."""
    found, shown = study.one("air"), 5
    figure, axes = panels(4, shown + 3, 1.3)
    grid = axes[0, 0].get_gridspec()
    for axis in axes[:, :3].ravel():
        axis.remove()
    spectrum = figure.add_subplot(grid[:, :3])
    for name in ("real", "generated"):
        spectrum.stairs(found[name]["spectrum"], air.SIGNALS, label=name)
    spectrum.set(xscale="log", yscale="log", xlabel="signal (VEM)", ylabel="stations of a shower")
    spectrum.legend()
    for row, (name, channel) in enumerate((name, channel) for channel in (0, 1) for name in ("real", "generated")):
        for place in range(shown):
            image = np.array(found["samples"][name][place][channel], np.float64)
            axis = axes[row, 3 + place]
            axis.imshow(
                np.where(image > 0, image, np.nan), vmin=0, vmax=255, cmap="viridis" if channel == 0 else "twilight"
            )
            axis.set(xticks=[], yticks=[], facecolor="0.9")
            if place == 0:
                axis.set_ylabel(f"{name}\n{'signal' if channel == 0 else 'time'}", fontsize="small")
    save(figure, path)


TABLES: dict[str, Callable[[Study], str]] = {
    "simulated": simulator_table,
    "conditioning": conditioning_table,
    "intensities": intensities_table,
    "judged": judged_table,
    "speed": speed_table,
    "refining": refining_table,
    "translating": translating_table,
    "air": footprints_table,
}
FIGURES = {
    "judged": ("profiles", "Profiles of the cascade and of what is to be like it, with ratios to the cascade below"),
    "refining": (
        "refining",
        "The energy of data by regressions trained on simulation, refined showers and data: a dot a seed",
    ),
    "air": (
        "footprints",
        "Stations with so large a signal, and footprints of the same labels: signals (roots) and times",
    ),
}
"""by the kind of part: what follows physics- in the name of a figure, and its caption"""
DRAWN: dict[str, Callable[[Path, Study], None]] = {"refining": draw_refining, "air": draw_footprints}
