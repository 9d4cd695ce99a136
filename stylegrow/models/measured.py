"""What `stylegrow metrics --out FILE` has written, as part of a model card."""

from collections.abc import Mapping, Sequence
from typing import Any

from stylegrow.common.errors import ModelError
from stylegrow.models.markdown import fact_text, inline, table

FLOOR = (
    "The floor is what as many other real pictures get in the place of the generated ones; "
    "no model needs to be better than that."
)
BETTER = {"lower": "lower", "higher": "higher", "floor": "near floor"}


def numbers_text(numbers: Any) -> str:
    """The tables of results, and what they depend on. ModelError, in one line, for what has not their shape.

    `numbers` holds `results`, a list, and may hold `anchors`, lists of the same by their names, and `options`.
    """
    if not isinstance(numbers, Mapping):
        raise ModelError("the numbers are not what stylegrow metrics --out writes: they are no JSON object")
    anchors, options = numbers.get("anchors", {}), numbers.get("options", {})
    if not isinstance(anchors, Mapping) or not isinstance(options, Mapping):
        name = "options" if isinstance(anchors, Mapping) else "anchors"
        raise ModelError(f"the numbers are not what stylegrow metrics --out writes: {name} is no JSON object")
    results = _checked(numbers.get("results"), "results")
    known = {str(name): _checked(found, f"anchors, {fact_text(name)}") for name, found in anchors.items()}
    if not results:
        raise ModelError("the numbers hold no results; measure the model with stylegrow metrics --out FILE")
    whole = [one for one in results if "shares" not in one.get("details", {})]
    single = [one["details"] | {"distance": one} for one in results if "shares" in one.get("details", {})]
    return "\n\n".join(
        [
            *([_main_table(whole, known)] if whole else []),
            *([_attribute_table(single)] if single else []),
            " ".join([*_conditions(results, options), FLOOR]),
        ]
    )


def _main_table(results: Sequence[Mapping[str, Any]], anchors: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    rows = []
    for one in results:
        others = [next((other for other in found if other["name"] == one["name"]), None) for found in anchors.values()]
        cells = [_value(one), _floor(one), *("-" if other is None else _value(other) for other in others)]
        rows.append([one["name"], *cells, f"{one['samples']:,}", BETTER[one.get("better", "lower")]])
    return table(["metric", "value", "floor", *anchors, "samples", "better"], rows)


def _attribute_table(found: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in found:
        factors = {value: share["generated"] / share["true"] for value, share in one["shares"].items()}
        least, most = min(factors, key=factors.__getitem__), max(factors, key=factors.__getitem__)
        extremes = [f"{value} x{factors[value]:.2f}" for value in (least, most)]
        missing = ", ".join(one["missing"]) or "none"
        rows.append([one["attribute"], _value(one["distance"]), _floor(one["distance"]), missing, *extremes])
    titles = ["attribute", "total variation distance", "its floor", "missing values"]
    return table([*titles, "lowest generated / true", "highest generated / true"], rows)


def _conditions(results: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> list[str]:
    """Sentences: by which features, and with which truncation."""
    lines = []
    for name in dict.fromkeys(one["features"] for one in results if one.get("features")):
        which = ", ".join(one["name"] for one in results if one.get("features") == name)
        lines.append(f"The features of {inline(which)} are those of {inline(name)}.")
    if isinstance(psi := options.get("trunc"), int | float):
        lines.append(f"Pictures were drawn with truncation psi {psi:g}.")
    return lines


def _value(result: Mapping[str, Any]) -> str:
    return _number(result.get("value"), result.get("deviation"))


def _floor(result: Mapping[str, Any]) -> str:
    return _number(result.get("floor"), result.get("floor_deviation"))


def _number(value: float | None, deviation: float | None) -> str:
    """A number to four digits, with its deviation to two."""
    if value is None:
        return "-"
    return f"{value:.4g}" + ("" if deviation is None else f" ± {deviation:.2g}")


def _checked(results: Any, where: str) -> list[Mapping[str, Any]]:
    """These results. ModelError that names the first thing in them that is not as it ought to be."""
    if not isinstance(results, Sequence) or isinstance(results, str):
        raise ModelError(f"the numbers are not what stylegrow metrics --out writes: {where} is no list")
    for place, one in enumerate(results):
        if problem := _problem(one):
            raise ModelError(
                f"the numbers are not what stylegrow metrics --out writes: {where}, number {place + 1}, {problem}"
            )
    return list(results)


def _problem(one: Any) -> str | None:
    """What is wrong with a result; None where nothing is."""
    if not isinstance(one, Mapping):
        return "is no JSON object"
    for key in ("value", "deviation", "floor", "floor_deviation"):
        if one.get(key) is not None and not _is_number(one[key]):
            return f"has a {key} that is no number"
    if not isinstance(one.get("name"), str):
        return "has no name"
    if not isinstance(one.get("samples"), int):
        return "has no whole number of samples"
    if one.get("better", "lower") not in list(BETTER):
        return f"is better neither {', '.join(BETTER)}"
    if not isinstance(one.get("features", ""), str):
        return "has features without a name"
    details = one.get("details", {})
    if not isinstance(details, Mapping):
        return "has details that are no JSON object"
    return _problem_of_attribute(details) if "shares" in details else None


def _problem_of_attribute(details: Mapping[str, Any]) -> str | None:
    shares, missing = details["shares"], details.get("missing")
    if not isinstance(details.get("attribute"), str):
        return "has no attribute"
    if not isinstance(missing, list) or not all(isinstance(value, str) for value in missing):
        return "has no list of missing values"
    if not isinstance(shares, Mapping) or not shares:
        return "has no shares"
    for share in shares.values():
        if not isinstance(share, Mapping) or not all(_is_number(share.get(key)) for key in ("generated", "true")):
            return "has shares that are no numbers"
        if not share["true"] > 0:
            return "has a true share that is not above 0"
    return None


def _is_number(value: Any) -> bool:
    """Whether JSON has a number here; measured ones may be infinite or none, such as the distance of black pictures."""
    return isinstance(value, int | float) and not isinstance(value, bool)
