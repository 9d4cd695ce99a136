"""How good generated images are, as far as networks can tell: what the pools of the game rank them by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from app.game.critic import Critic
from app.game.pool import Marks
from stylegrow.common.errors import InputError
from stylegrow.metrics.flatness import corner_deviations
from stylegrow.metrics.intact import Detector, load_detector
from stylegrow.metrics.table import METRICS


class Quality:
    """Marks images [r, r, C] (uint8) by the model's own critic and, of the embedded faces, for what gives them away.

    With these are meant mistakes that the detector of broken faces sees, and backgrounds that are not flat.
    """

    def __init__(self, critic: Critic | None, resolution: int, faces: bool) -> None:
        self._critic = critic
        self._even = faces and resolution >= METRICS["flatness"].least_resolution
        self._intact = faces and resolution >= METRICS["intact"].least_resolution

    def __bool__(self) -> bool:
        """Whether there is anything to mark images by."""
        return self._critic is not None or self._even

    @cached_property
    def _detector(self) -> Detector | None:
        """None where faces are installed that it does not know."""
        try:
            return load_detector() if self._intact else None
        except InputError:
            return None

    def unevenness(self, images: Sequence[np.ndarray]) -> float:
        """How uneven the backgrounds of images [r, r, C] (uint8) are at most, in grey levels; 0 if they need not be."""
        if not self._even:
            return 0.0
        return float(corner_deviations(np.stack(images).transpose(0, 3, 1, 2)).max())

    def marks(self, pixels: np.ndarray, label: int | None) -> Marks:
        """The marks of an image; `label` is its class, where the critic is to know it."""
        images = pixels.transpose(2, 0, 1)[None]
        intact, numbers = True, []
        if self._even:
            numbers.append(-float(corner_deviations(images)[0]))
        if self._detector is not None:
            rgb = np.repeat(images, 3 // images.shape[1], axis=1)
            broken = float(self._detector.logits(rgb)[0, 0])
            intact = broken <= 0
            numbers.append(-broken)
        if self._critic is not None:
            # It takes longest, and what is broken comes last whatever it thinks.
            numbers.append(self._critic.score(pixels, label) if intact else -math.inf)
        return Marks(intact, tuple(numbers))
