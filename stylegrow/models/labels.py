"""What a model's labels are, as its config.json tells: their kind, names and values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from progan.config import LabelKind


def default_psi(kind: LabelKind | None) -> float:
    """The truncation of a generator with styles and labels of this kind where nobody asks for another.

    Truncation pulls w towards the average, and with it the values of label vectors, which would not be as asked for.
    """
    return 1.0 if kind == "vector" else 0.7


@dataclass(frozen=True)
class LabelSpace:
    """The labels of a model.

    Attributes:
        kind: "none", "classes" or "vector".
        names: of the classes or of the vector's components; their numbers where they have no names.
        named: whether they have.
        mean, deviation, least, most: of a vector's components in the training data, [label_dim]; where the model does
            not tell, 0 and 1, and two deviations around the mean. Empty for other kinds.
        units: of a vector's components, empty where they are not known.
        examples: labels of training images, [label_dim] each, as frequent as there; of classes one each.
    """

    kind: LabelKind
    names: tuple[str, ...]
    named: bool
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    least: tuple[float, ...]
    most: tuple[float, ...]
    units: tuple[str, ...]
    examples: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> LabelSpace:
        """That of the model with this config.json, as read_config gives it."""
        generator, values = config["generator"], config.get("label_values") or {}
        count = generator["label_dim"]
        named = bool(config["classes"])
        names = tuple(config["classes"]) or tuple(map(str, range(count)))
        if generator["label_kind"] != "vector" or not count:
            one_hot = tuple(tuple(float(i == k) for i in range(count)) for k in range(count))
            return cls("classes" if count else "none", names, named, (), (), (), (), (), one_hot)
        mean = tuple(generator["label_mean"] or [0.0] * count)
        deviation = tuple(generator["label_deviation"] or [1.0] * count)
        least, most = (
            tuple(values.get(key) or [m + away * d for m, d in zip(mean, deviation, strict=True)])
            for key, away in (("min", -2), ("max", 2))
        )
        examples = tuple(map(tuple, values.get("examples") or [mean]))
        units = tuple(values.get("units") or [""] * count)
        return cls("vector", names, named, mean, deviation, least, most, units, examples)

    def drawn(self, seed: int) -> tuple[float, ...]:
        """The example that goes with a seed where nobody says which label is wanted."""
        digest = hashlib.blake2b(f"label {seed}".encode(), digest_size=8).digest()
        return self.examples[int.from_bytes(digest, "little") % len(self.examples)]
