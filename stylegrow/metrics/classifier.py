"""The attributes of an embedded face, read off its pixels by a small network trained on faces of no data set.

Its weights are bundled, so that everybody's numbers come from the same one. `python -m stylegrow.metrics.classifier`
trains it anew, which takes some minutes on one core and is needed when the faces change.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stylegrow.data.sources import toonhead
from stylegrow.metrics.face_network import FIRST_FACE, SIZE, FaceNetwork, moved
from stylegrow.metrics.reals import blurred

FILE = Path(__file__).with_name("toonhead-attributes.safetensors")
FACES, STEPS, BATCH = 8000, 1200, 64
BLUR, NOISE = 1.2, 0.1  # px, and in units of half the range of grey levels: the most of each


class AttributeClassifier(FaceNetwork):
    """Faces [N, 3, 64, 64] in [-1, 1] to logits for each of toonhead.ATTRIBUTES, in order, [N, all their classes]."""

    def __init__(self) -> None:
        sizes = [len(toonhead.classes(name)) for name in toonhead.ATTRIBUTES]
        super().__init__(sum(sizes))
        self.sizes = sizes

    def read(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The class of each attribute that images [n, 3, R, R] (uint8) show: int64 [n] by attribute."""
        logits = torch.from_numpy(self.logits(images)).split(self.sizes, dim=1)
        return {name: own.argmax(dim=1).numpy() for name, own in zip(toonhead.ATTRIBUTES, logits, strict=True)}


def load_classifier(path: Path = FILE) -> AttributeClassifier:
    """The trained network, in eval mode. InputError where it was trained on other classes than the faces have."""
    advice = "install the versions of requirements.txt, or train anew with python -m stylegrow.metrics.classifier"
    problem = f"--metrics attributes: the installed faces have other attributes than {path.name}; {advice}"
    return AttributeClassifier.load(path, {"classes": _classes()}, problem)


def _classes() -> str:
    return "; ".join(f"{name}: {', '.join(toonhead.classes(name))}" for name in toonhead.ATTRIBUTES)


def train(faces: int = FACES, steps: int = STEPS, seed: int = 0) -> AttributeClassifier:
    """A classifier trained on embedded faces from FIRST_FACE on, on the CPU, in eval mode."""
    images, labels = rendered(range(FIRST_FACE, FIRST_FACE + faces))

    def loss(network: AttributeClassifier) -> Tensor:
        chosen = torch.randint(0, faces, (BATCH,))
        logits = network(_varied(images[chosen]).contiguous(memory_format=torch.channels_last))
        each = logits.split(network.sizes, dim=1)
        losses = [functional.cross_entropy(own, labels[chosen, i]) for i, own in enumerate(each)]
        return torch.stack(losses).sum()

    return AttributeClassifier.trained(loss, steps, seed)


def rendered(numbers: range) -> tuple[Tensor, Tensor]:
    """(images [n, 3, 64, 64] uint8, class indices [n, attributes] int64) of embedded faces."""
    classes = {name: toonhead.classes(name) for name in toonhead.ATTRIBUTES}
    images, labels = [], []
    for number in numbers:
        images.append(torch.from_numpy(toonhead.render(number, SIZE)).permute(2, 0, 1))
        values = toonhead.attributes(number)
        labels.append([classes[name].index(values[name]) for name in toonhead.ATTRIBUTES])
    return torch.stack(images), torch.tensor(labels)


def _varied(images: Tensor) -> Tensor:
    """The images in [-1, 1], moved and noisy; every other batch blurred, as generators blur."""
    x = moved(images / 127.5 - 1)
    if torch.rand(()) < 0.5:
        x = blurred(x, 0.2 + (BLUR - 0.2) * torch.rand(()).item())
    return x + NOISE * torch.rand(len(x), 1, 1, 1) * torch.randn(x.shape)


def save_classifier(network: AttributeClassifier, path: Path = FILE) -> None:
    """Write the weights, whole or not at all."""
    network.save(path, {"classes": _classes()})


if __name__ == "__main__":
    save_classifier(train())
    print(f"written: {FILE}", file=sys.stderr)
