"""Attribute coverage: which values of the embedded faces' attributes a generator draws, and how often."""

from __future__ import annotations

from typing import Any

import numpy as np

# A value is missing where it is drawn less than this share of its true frequency ...
MISSING = 0.1
# ... and so many pictures should show it: with fewer, chance alone leaves some out.
EXPECTED = 10


def shares(readings: np.ndarray, classes: int) -> np.ndarray:
    """How often each class was read [classes], of class indices [n]."""
    return np.bincount(readings, minlength=classes) / len(readings)


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """Half the summed differences of two distributions: 0 where they are equal, 1 where they share no value."""
    return float(np.abs(np.asarray(p) - np.asarray(q)).sum() / 2)


def coverage(
    drawn: np.ndarray, floor: np.ndarray, true: np.ndarray, names: tuple[str, ...], count: int
) -> dict[str, Any]:
    """What there is to say of one attribute: the values that are missing among `count` pictures, and all shares."""
    missing = [
        name
        for name, share, expected in zip(names, drawn, true, strict=True)
        if share < MISSING * expected and expected * count >= EXPECTED
    ]
    rows = zip(names, drawn.tolist(), floor.tolist(), true.tolist(), strict=True)
    return {
        "missing": missing,
        "shares": {name: {"generated": a, "floor": b, "true": c} for name, a, b, c in rows if c > 0},
    }
