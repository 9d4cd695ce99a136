"""How signals are stored as 8-bit images, by name, and read from them again.

Signals span four orders of magnitude: as their roots they fill the range, and noise of counting, which grows with the
root of the signal, is as many grey levels everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

WHITE = 255


class Scale(Protocol):
    """What one channel's grey levels stand for."""

    @property
    def unit(self) -> str:
        """Of the values."""

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Values in `unit` as grey levels from 0 to 255, not rounded."""

    def decode(self, levels: np.ndarray, joined: int) -> np.ndarray:
        """Grey levels, whole or not, as values in `unit`, each the mean of so many of the detector's cells."""


@dataclass(frozen=True)
class Root:
    """255 sqrt(value / most), saturated; what is below `least` is nothing."""

    unit: str
    most: float
    least: float

    def encode(self, values: np.ndarray) -> np.ndarray:
        """See Scale."""
        return WHITE * np.sqrt(np.clip(np.where(values < self.least, 0, values) / self.most, 0, 1))

    def decode(self, levels: np.ndarray, joined: int) -> np.ndarray:
        """See Scale."""
        least = self.least / joined
        nothing = max(np.rint(WHITE * np.sqrt(least / self.most)), 1) - 0.5  # rounds to less than `least` does
        values = self.most * np.square(np.clip(levels, 0, WHITE) / WHITE)
        return np.where(levels < nothing, 0, np.maximum(values, least))


@dataclass(frozen=True)
class Linear:
    """From `least` at 1 to `most` at 255, saturated; 0 is nothing."""

    unit: str
    least: float
    most: float

    def encode(self, values: np.ndarray) -> np.ndarray:
        """See Scale."""
        share = np.clip((values - self.least) / (self.most - self.least), 0, 1)
        return np.where(values == 0, 0, 1 + (WHITE - 1) * share)

    def decode(self, levels: np.ndarray, joined: int) -> np.ndarray:
        """See Scale."""
        share = (np.clip(levels, 1, WHITE) - 1) / (WHITE - 1)
        return np.where(levels < 0.5, 0, self.least + (self.most - self.least) * share)


@dataclass(frozen=True)
class Intensity:
    """The scales of an image's channels."""

    name: str
    scales: Sequence[Scale]

    @property
    def roots(self) -> tuple[bool, ...]:
        """Which channels are roots of energies, whose mean is that of joined cells; of others 0 takes no part in it."""
        return tuple(isinstance(scale, Root) for scale in self.scales)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Values [n, C, h, w] in the channels' units as uint8 of the same shape."""
        levels = [scale.encode(values[:, i].astype(np.float64)) for i, scale in enumerate(self.scales)]
        return np.rint(np.stack(levels, axis=1)).astype(np.uint8)

    def decode(self, levels: np.ndarray, joined: int = 1) -> np.ndarray:
        """Grey levels [n, C, h, w] from 0 to 255, uint8 or as generators give them, as float32 values.

        Each is the mean of `joined` of the detector's cells, more than one at lower resolutions: what is nothing there
        is as much less.
        """
        values = [scale.decode(levels[:, i].astype(np.float64), joined) for i, scale in enumerate(self.scales)]
        return np.stack(values, axis=1).astype(np.float32)


MIP_ROOT = Intensity("mip-root", [Root("MIP", most=3600, least=0.5)] * 3)
"""of the calorimeter's layers: costs 0.35 % on their sum"""
VEM_ROOT_NS = Intensity("vem-root-ns", (Root("VEM", most=10_000, least=3.0), Linear("ns", -20_000, 20_000)))
"""of stations' signals, which saturate near the core, and arrival times, in steps of 157 ns"""

INTENSITIES = {intensity.name: intensity for intensity in (MIP_ROOT, VEM_ROOT_NS)}


def roots_of(transform: str | None) -> tuple[bool, ...] | None:
    """`Intensity.roots` by name; None for the None of images that are no showers."""
    return None if transform is None else INTENSITIES[transform].roots
