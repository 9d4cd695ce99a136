"""The model's own critic, which separated real from generated all through training, as a player of the game."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from progan.layers import cache_weights
from stylegrow.common.errors import ModelError
from stylegrow.models import load_discriminator
from stylegrow.sampling.sampler import Sampler


class Critic:
    """Scores images: the higher, the more real. It sees each alone, as a player does who compares no batches."""

    def __init__(self, sampler: Sampler, network: Any) -> None:
        self._network, self._alpha = network, sampler.alpha
        self._device = next(sampler.generator.parameters()).device
        cache_weights(self._network.to(self._device))
        self._takes_labels = sampler.architecture.scores_by_class and network.label_dim > 0

    @torch.inference_mode()
    def score(self, pixels: np.ndarray, label: int | None) -> float:
        """How real an image [r, r, C] (uint8) is.

        A critic that scores an image as one of a class takes the label, or without one the class that suits best.
        """
        image = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].to(self._device) / 127.5 - 1
        if not self._takes_labels:
            scores = self._network(image, alpha=self._alpha)
            return float(scores[0] if isinstance(scores, tuple) else scores)
        one_hot = torch.eye(self._network.label_dim, device=self._device)
        tried = range(len(one_hot)) if label is None else [label]
        return max(float(self._network(image, one_hot[[number]], self._alpha)) for number in tried)


def find_critic(sampler: Sampler) -> Critic | None:
    """The critic of a model; None if it was saved without one, with one for other images, or with one of label vectors.

    Those of real images are not known, and it scores none without.
    """
    try:
        network = load_discriminator(sampler.folder)
    except ModelError:
        return None
    own, other = sampler.generator.config, network.config
    shared = ("resolution", "image_channels", "label_dim", "label_kind")
    if other.label_kind == "vector":
        return None
    return Critic(sampler, network) if all(getattr(own, name) == getattr(other, name) for name in shared) else None
