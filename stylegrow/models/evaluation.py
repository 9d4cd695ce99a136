"""What `stylegrow metrics --out FILE` has written, as part of a model card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stylegrow.common.errors import InputError
from stylegrow.common.schema import read_json
from stylegrow.common.text import printable, with_deviation
from stylegrow.models.markdown import inline, table

FLOOR = (
    "The floor is what as many other real pictures get in the place of the generated ones; "
    "no model needs to be better than that."
)


class Strict(BaseModel):
    """JSON whose numbers are numbers and whose text is text."""

    model_config = ConfigDict(strict=True, frozen=True)


class Share(Strict):
    """How often a value of an attribute is generated, and how often it is true of real images: shares of 1."""

    generated: float
    true: float = Field(gt=0)


class Details(Strict):
    """Of a metric of one attribute: its name, the shares of its values, and the values that are never generated."""

    attribute: str = ""
    shares: Mapping[str, Share] = {}
    missing: Sequence[str] = ()


class MetricResult(Strict):
    """A metric's number, that of its floor, and their deviations, where there are any."""

    name: str
    samples: int
    value: float | None = None
    deviation: float | None = None
    floor: float | None = None
    floor_deviation: float | None = None
    better: Literal["lower", "higher", "floor"] = "lower"
    features: str | None = None
    details: Details = Details()


class Evaluation(Strict):
    """Results of a model, those of known sets of images (anchors) by their names, and the options of the command."""

    results: Sequence[MetricResult] = Field(min_length=1)
    anchors: Mapping[str, Sequence[MetricResult]] = {}
    options: Mapping[str, Any] = {}


def read_evaluation(path: Path) -> Evaluation:
    """What `stylegrow metrics --out` wrote. InputError, in one line, for a file that is something else."""
    try:
        return read_json(path, Evaluation)
    except OSError as error:
        raise InputError(f"{printable(path)}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{printable(path)}: is not what stylegrow metrics --out writes ({error})") from error


def evaluation_text(evaluation: Evaluation) -> str:
    """The tables of results in Markdown, and what they depend on."""
    whole = [one for one in evaluation.results if not one.details.shares]
    single = [one for one in evaluation.results if one.details.shares]
    return "\n\n".join(
        [
            *([_main_table(whole, evaluation.anchors)] if whole else []),
            *([_attribute_table(single)] if single else []),
            " ".join([*_conditions(evaluation), FLOOR]),
        ]
    )


def _main_table(results: Sequence[MetricResult], anchors: Mapping[str, Sequence[MetricResult]]) -> str:
    rows = []
    for one in results:
        others = [next((other for other in found if other.name == one.name), None) for found in anchors.values()]
        cells = ["-" if other is None else with_deviation(other.value, other.deviation) for other in (one, *others)]
        better = "near floor" if one.better == "floor" else one.better
        rows.append([one.name, cells[0], _floor(one), *cells[1:], f"{one.samples:,}", better])
    return table(["metric", "value", "floor", *anchors, "samples", "better"], rows)


def _attribute_table(results: Sequence[MetricResult]) -> str:
    rows = []
    for one in results:
        factors = {value: share.generated / share.true for value, share in one.details.shares.items()}
        least, most = min(factors, key=factors.__getitem__), max(factors, key=factors.__getitem__)
        extremes = [f"{value} x{factors[value]:.2f}" for value in (least, most)]
        missing = ", ".join(one.details.missing) or "none"
        rows.append([one.details.attribute, with_deviation(one.value, one.deviation), _floor(one), missing, *extremes])
    titles = ["attribute", "total variation distance", "its floor", "missing values"]
    return table([*titles, "lowest generated / true", "highest generated / true"], rows)


def _conditions(evaluation: Evaluation) -> list[str]:
    """Sentences: by which features, and with which truncation."""
    lines = []
    for features in dict.fromkeys(one.features for one in evaluation.results if one.features):
        which = ", ".join(one.name for one in evaluation.results if one.features == features)
        lines.append(f"The features of {inline(which)} are those of {inline(features)}.")
    if isinstance(psi := evaluation.options.get("trunc"), int | float):
        lines.append(f"Pictures were drawn with truncation psi {psi:g}.")
    return lines


def _floor(result: MetricResult) -> str:
    return with_deviation(result.floor, result.floor_deviation)
