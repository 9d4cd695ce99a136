"""Attribute coverage: which values of the embedded faces' attributes a generator draws, and how often."""

from __future__ import annotations

from typing import Any

import numpy as np

from stylegrow.data.sources import toonhead
from stylegrow.metrics.reals import Reals
from stylegrow.metrics.results import Result

# A value is missing where it is drawn less than this fraction of its true frequency ...
MISSING = 0.1
# ... and so many images should show it: with fewer, chance alone leaves some out.
EXPECTED = 10

Readings = dict[str, np.ndarray]


def compare_attributes(generated: Readings, others: Readings, reals: Reals) -> list[Result]:
    """The mean over all attributes of their total variation distance from the training images, then each one's.

    `generated` and `others` hold class indices [samples] by attribute: those read off generated images and off
    `reals.others`, which give the floor.
    """
    results = []
    for name, readings in generated.items():
        names, floor = toonhead.classes(name), others[name]
        true = reals.dataset.labels(name, reals.training).mean(axis=0, dtype=np.float64)
        truth = reals.dataset.labels(name, reals.others).argmax(axis=1)
        drawn, least = (frequencies(found, len(names)) for found in (readings, floor))
        details = {
            "attribute": name,
            "accuracy": float((floor == truth).mean()),
            **coverage(drawn, least, true, names, len(readings)),
        }
        distance, floor_distance = (total_variation(found, true) for found in (drawn, least))
        results.append(Result(f"attributes_{name}", distance, floor_distance, len(readings), details=details))
    missing = [f"{one.details['attribute']} {value}" for one in results for value in one.details["missing"]]
    mean, floor_mean = (float(np.mean([getattr(one, key) for one in results])) for key in ("value", "floor"))
    return [Result("attributes", mean, floor_mean, results[0].samples, details={"missing": missing}), *results]


def frequencies(readings: np.ndarray, classes: int) -> np.ndarray:
    """How often each class was read [classes], of class indices [n]."""
    return np.bincount(readings, minlength=classes) / len(readings)


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """Half the summed differences of two distributions: 0 where they are equal, 1 where none is in both."""
    return float(np.abs(np.asarray(p) - np.asarray(q)).sum() / 2)


def coverage(
    drawn: np.ndarray, floor: np.ndarray, true: np.ndarray, names: tuple[str, ...], count: int
) -> dict[str, Any]:
    """The values of an attribute that are missing among `count` images, and the frequencies of all."""
    missing = [
        name
        for name, frequency, expected in zip(names, drawn, true, strict=True)
        if frequency < MISSING * expected and expected * count >= EXPECTED
    ]
    rows = zip(names, drawn.tolist(), floor.tolist(), true.tolist(), strict=True)
    return {
        "missing": missing,
        "shares": {name: {"generated": a, "floor": b, "true": c} for name, a, b, c in rows if c > 0},
    }
