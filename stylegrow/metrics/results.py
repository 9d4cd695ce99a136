"""The results of an evaluation, and their tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stylegrow.common.tables import text_table
from stylegrow.common.text import with_deviation
from stylegrow.metrics.table import Better

if TYPE_CHECKING:
    from PIL import Image

SHOWN = {"response": ".1f", "resolution": ".2%", "hits": ".0f"}  # of the bins, and how


@dataclass(frozen=True)
class Result:
    """A number, and its floor: the same number of other real images in place of the generated ones.

    Attributes:
        name: in lower case: "fid", "kid", "precision", ...
        value: of generated against real images.
        floor: of as many other real images; None for what real images do not have.
        samples: images of each kind.
        deviation, floor_deviation: standard deviations over the splits, where there are any.
        better: the direction that is better; "floor" for numbers that ought to be as the floor is.
        features: the network that the number depends on.
        details: more about it, ready for JSON.
        figure: an image of it.
    """

    name: str
    value: float
    floor: float | None
    samples: int
    deviation: float | None = None
    floor_deviation: float | None = None
    better: Better = "lower"
    features: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    figure: Image.Image | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """All but the figure and what is None or empty."""
        content = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name != "figure"}
        return {name: value for name, value in content.items() if value is not None and value != {}}


def table(results: Sequence[Result], anchors: Mapping[str, Sequence[Result]] | None = None) -> list[str]:
    """The lines of a table: each result beside its floor, and beside the anchors' results of the same name."""
    anchors = anchors or {}
    rows = [["metric", "value", "floor", *anchors, "samples", "better"]]
    for result in results:
        others = [next((one for one in found if one.name == result.name), None) for found in anchors.values()]
        cells = [with_deviation(result.value, result.deviation), with_deviation(result.floor, result.floor_deviation)]
        cells += ["-" if other is None else with_deviation(other.value, other.deviation) for other in others]
        better = "near floor" if result.better == "floor" else result.better
        rows.append([result.name, *cells, f"{result.samples:,}", better])
    return text_table(rows)


def attribute_table(results: Sequence[Result]) -> list[str]:
    """The lines of a table of attributes: the classifier's accuracy, missing values, extremes of generated / true."""
    rows = [["attribute", "read right", "missing", "lowest factor", "highest factor"]]
    for details in (result.details for result in results if "shares" in result.details):
        factors = {value: share["generated"] / share["true"] for value, share in details["shares"].items()}
        extremes = [
            f"{value} x{factors[value]:.2f}"
            for value in (min(factors, key=factors.__getitem__), max(factors, key=factors.__getitem__))
        ]
        missing = ", ".join(details["missing"]) or "none"
        rows.append([details["attribute"], f"{details['accuracy']:.1%}", missing, *extremes])
    return text_table(rows) if len(rows) > 1 else []


def observable_tables(results: Sequence[Result]) -> list[list[str]]:
    """The lines of two tables: the separation power of each observable, and the bins of the energy."""
    tables = []
    for details in (one.details for one in results):
        if "separations" in details:
            rows = [[name, *(f"{power:.4f}" for power in both)] for name, both in details["separations"].items()]
            tables.append(text_table([["observable", "separation power", "floor"], *rows]))
        if "bins" in details:
            edges, real, generated = (details["bins"][name] for name in ("energy", "real", "generated"))
            rows = [["energy", "MIP/GeV", "generated", "resolution", "generated", "hits", "generated"]]
            for k in range(len(edges) - 1):
                values = [(one[name][k], shown) for name, shown in SHOWN.items() for one in (real, generated)]
                pairs = ["-" if value is None else f"{value:{shown}}" for value, shown in values]
                rows.append([f"{edges[k]:.0f}-{edges[k + 1]:.0f} GeV", *pairs])
            tables.append(text_table(rows))
    return tables
