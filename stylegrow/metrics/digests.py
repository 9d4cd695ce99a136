"""What the metrics know of a set of pictures, and the numbers that two sets give."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stylegrow.metrics import distances, msssim, swd
from stylegrow.metrics.classifier import AttributeClassifier
from stylegrow.metrics.features import Features

# A number, and its deviation where it is a mean.
Value = tuple[float, float | None]


@dataclass
class Digest:
    """A set of N pictures; None for what was not asked for."""

    features: np.ndarray | None = None  # [N, D]
    patches: swd.Descriptors | None = None
    similarity: float | None = None
    readings: dict[str, np.ndarray] | None = None  # class indices [N] by attribute


@dataclass(frozen=True)
class Instruments:
    """The networks that the metrics need."""

    features: Features | None = None
    classifier: AttributeClassifier | None = None

    def digest(self, batches: Iterable[np.ndarray], needs: Collection[str], rng: np.random.Generator) -> Digest:
        """Take in pictures [n, C, R, R] (uint8), batches of even length but for the last."""
        parts: dict[str, list[Any]] = {need: [] for need in needs}
        for images in batches if needs else ():
            for need, found in parts.items():
                found.append(self._look(images, need, rng))
        return Digest(**{need: JOINED[need](found) for need, found in parts.items()})

    def _look(self, images: np.ndarray, need: str, rng: np.random.Generator) -> Any:
        colour = np.broadcast_to(images, (len(images), 3, *images.shape[2:]))
        if need == "patches":
            return swd.descriptors(colour, rng)
        if need == "similarity":
            pairs = len(images) // 2 * 2
            return msssim.ms_ssim(colour[0:pairs:2], colour[1:pairs:2])
        if need == "readings":
            assert self.classifier is not None
            return self.classifier.read(colour)
        assert self.features is not None
        return self.features.of(images)


JOINED: Mapping[str, Callable[[list[Any]], Any]] = {
    "features": np.concatenate,
    "patches": swd.joined,
    "similarity": lambda values: float(np.concatenate(values).mean()),
    "readings": lambda values: {name: np.concatenate([one[name] for one in values]) for name in values[0]},
}


def compare(
    reals: Digest, others: Digest, names: Collection[str], seed: int, rng: np.random.Generator
) -> dict[str, Value]:
    """All numbers of a set of pictures beside the attributes', by name."""
    found: dict[str, Value] = {}
    if reals.features is not None and others.features is not None:
        found |= compare_features(reals.features, others.features, names, seed)
    if reals.patches is not None and others.patches is not None:
        levels = swd.sliced_wasserstein(reals.patches, others.patches, rng)
        found |= {f"swd_{resolution}": (value, None) for resolution, value in levels.items()}
        found["swd_avg"] = float(np.mean(list(levels.values()))), None
    if others.similarity is not None:
        found["msssim"] = others.similarity, None
    return found


def compare_features(reals: np.ndarray, others: np.ndarray, names: Collection[str], seed: int) -> dict[str, Value]:
    """The numbers of two sets of features, by name."""
    found: dict[str, Value] = {}
    if "fd" in names:
        found["fd"] = distances.frechet_distance(reals, others), None
    if "kid" in names:
        found["kid"] = distances.kernel_distance(reals, others, seed)
    if "pr" in names:
        precision, recall = distances.precision_recall(reals, others)
        found |= {"precision": (precision, None), "recall": (recall, None)}
    if "dc" in names:
        density, coverage = distances.density_coverage(reals, others)
        found |= {"density": (density, None), "coverage": (coverage, None)}
    return found
