"""What a measurement says, and how it is printed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from stylegrow.common.tables import text_table

if TYPE_CHECKING:
    from PIL import Image

Better = Literal["lower", "higher", "floor"]


@dataclass(frozen=True)
class Result:
    """A number and what it is worth.

    Attributes:
        name: of the metric, in lower case: "fid", "kid", "precision", ...
        value: of the generator's pictures against real ones; None where it is none (a hole in a table of anchors).
        floor: of other real pictures in their place, equally many; None for what real pictures do not have.
        samples: pictures of each kind.
        deviation, floor_deviation: over the splits, where there are any.
        better: which way is good; "floor" for numbers that ought to be as the floor is.
        features: the network that the number depends on.
        details: more to know, ready for JSON.
        figure: a picture of it.
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
        """Everything but the figure and what there is not."""
        content = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name != "figure"}
        return {name: value for name, value in content.items() if value is not None and value != {}}


def table(results: Sequence[Result], anchors: Mapping[str, Sequence[Result]] | None = None) -> list[str]:
    """The numbers beside their floors, and beside those of anchors by their names, a line each."""
    anchors = anchors or {}
    rows = [["metric", "value", "floor", *anchors, "samples", "better"]]
    for result in results:
        others = [next((one for one in found if one.name == result.name), None) for found in anchors.values()]
        cells = [number(result.value, result.deviation), number(result.floor, result.floor_deviation)]
        cells += ["-" if other is None else number(other.value, other.deviation) for other in others]
        better = "near floor" if result.better == "floor" else result.better
        rows.append([result.name, *cells, f"{result.samples:,}", better])
    return text_table(rows)


def attribute_table(results: Sequence[Result]) -> list[str]:
    """For attributes: how well each is read, what is missing, the extremes of generated over true frequency."""
    rows = [["attribute", "read right", "missing", "lowest factor", "highest factor"]]
    for result in results:
        if "shares" in result.details:
            details = result.details
            factors = {value: share["generated"] / share["true"] for value, share in details["shares"].items()}
            least, most = min(factors, key=factors.__getitem__), max(factors, key=factors.__getitem__)
            cells = [f"{details['accuracy']:.1%}", ", ".join(details["missing"]) or "none"]
            rows.append(
                [details["attribute"], *cells, f"{least} x{factors[least]:.2f}", f"{most} x{factors[most]:.2f}"]
            )
    return text_table(rows) if len(rows) > 1 else []


def number(value: float | None, deviation: float | None = None) -> str:
    """A number to four digits, with its deviation to two."""
    if value is None:
        return "-"
    return f"{value:.4g}" + ("" if deviation is None else f" ± {deviation:.2g}")
