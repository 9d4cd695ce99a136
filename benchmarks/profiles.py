"""One page of profiles of showers: several sets beside the first, with ratios to it below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from stylegrow.physics.observables import (
    NAMES,
    RINGS,
    SPECTRUM,
    EnergyBins,
    Showers,
    centre_of_gravity,
    energy_edges,
    layer_fractions,
    layer_sums,
    radial_profile,
    response,
    spectrum,
)

COLUMNS, BINS = 3, 25
Histogram = tuple[np.ndarray, np.ndarray]  # edges [B + 1] and contents [B]


def draw_profiles(sets: Mapping[str, Showers], path: Path) -> None:
    """Write the page as a PNG; the first set is what the others are divided by."""
    from matplotlib import pyplot

    mpl.use("Agg")
    panels = _panels(next(iter(sets.values())))
    rows = -(-len(panels) // COLUMNS)
    heights = [3, 1] * rows
    figure, axes = pyplot.subplots(
        2 * rows, COLUMNS, figsize=(4.2 * COLUMNS, 3.6 * rows), height_ratios=heights, layout="constrained"
    )
    for index, (title, (of, logarithmic)) in enumerate(panels.items()):
        row, column = divmod(index, COLUMNS)
        _draw(axes[2 * row][column], axes[2 * row + 1][column], sets, of)
        most = 2 * float(np.nanmax(of(next(iter(sets.values())))[1]))  # others may be far above
        axes[2 * row][column].set(title=title, **({"yscale": "log"} if logarithmic else {"ylim": (0, most)}))
    for axis in axes.ravel():
        if not axis.has_data():
            axis.set_axis_off()
    axes[0][0].legend()
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def _draw(above: Any, below: Any, sets: Mapping[str, Showers], of: Callable[[Showers], Histogram]) -> None:
    found = {name: of(showers) for name, showers in sets.items()}
    reference = next(iter(found.values()))[1]
    for index, (name, (edges, contents)) in enumerate(found.items()):
        above.stairs(contents, edges, label=name, color=f"C{index}")
        with np.errstate(divide="ignore", invalid="ignore"):
            below.stairs(contents / reference, edges, color=f"C{index}", baseline=None)
    below.set(ylim=(0.5, 1.5), ylabel="ratio")
    above.tick_params(labelbottom=False)


def _panels(real: Showers) -> dict[str, tuple[Callable[[Showers], Histogram], bool]]:
    """By its title, each panel's histogram of a set, and whether its scale is logarithmic."""
    bins, layers = energy_edges(real.energy), np.arange(len(NAMES) + 1.0)
    rings, cells = np.array([*RINGS[:-1], 5.0]), np.log10([*SPECTRUM[:-1], 2 * SPECTRUM[-2]])

    def of(values: Callable[[Showers], np.ndarray]) -> Callable[[Showers], Histogram]:
        least, most = np.quantile(values(real), (0.002, 0.998))
        edges = np.linspace(least, most, BINS + 1)
        return lambda one: (edges, np.histogram(values(one), edges)[0] / len(one.energy))

    panels: dict[str, tuple[Callable[[Showers], Histogram], bool]] = {
        "MIP/GeV of each layer": (
            lambda one: (layers, (layer_sums(one.deposits) / one.energy[:, None]).mean(0)),
            False,
        ),
        "share of the signal by radius (R_M)": (lambda one: (rings, radial_profile(one.deposits).mean(0)), True),
        "cells by lg(signal / MIP)": (lambda one: (cells, spectrum(one.deposits)), True),
        "response (MIP/GeV) by energy (GeV)": (lambda one: (bins, EnergyBins.of(one, bins).response), False),
        "resolution by energy (GeV)": (lambda one: (bins, EnergyBins.of(one, bins).resolution), False),
        "hits by energy (GeV)": (lambda one: (bins, EnergyBins.of(one, bins).hits), False),
        "share of the front layer": (of(lambda one: layer_fractions(one.deposits)[:, 0]), False),
        "response (MIP/GeV)": (of(response), False),
    }
    if real.impact is not None:
        panels["centre of gravity from the impact (R_M)"] = of(_from_impact), True
    return panels


def _from_impact(showers: Showers) -> np.ndarray:
    """Of the whole shower, across; from the middle where impacts are not known."""
    centre = centre_of_gravity(showers.deposits.sum(axis=1, keepdims=True))[:, 0, 0]
    return centre if showers.impact is None else centre - showers.impact[:, 0]
