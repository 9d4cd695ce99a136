"""Whether embedded faces are intact: a small network that tells them from faces broken on purpose.

Its weights are bundled, so that everybody's numbers come from the same one. `python -m stylegrow.metrics.intact` trains
it anew, which takes some minutes on one core and is needed when the faces change.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegrow.data.sources import toonhead
from stylegrow.metrics.breaking import broken, textured
from stylegrow.metrics.face_network import FIRST_FACE, SIZE, FaceNetwork, moved

FILE = Path(__file__).with_name("toonhead-intact.safetensors")
FACES, HELD_OUT, STEPS, BATCH = 6000, 4000, 1500, 32
DRAWN_AT = (64, 128, 256)  # px, in turn
PASSED = 0.99  # of the held-out reals


class Detector(FaceNetwork):
    """Faces [N, 3, 64, 64] in [-1, 1] to logits [N, 1], which are above 0 where a face is broken."""

    def __init__(self) -> None:
        super().__init__(outputs=1)

    def passes(self, images: np.ndarray) -> np.ndarray:
        """Which of the images [n, 3, R, R] (uint8) show an intact face: bool [n]."""
        return self.logits(images)[:, 0] <= 0


def load_detector(path: Path = FILE) -> Detector:
    """The trained network, in eval mode. InputError where it was trained on other faces."""
    advice = "install the versions of requirements.txt, or train anew with python -m stylegrow.metrics.intact"
    problem = f"--metrics intact: {path.name} was trained on other faces than are installed; {advice}"
    return Detector.load(path, {"faces": toonhead.VERSION}, problem)


def train(faces: int = FACES, held_out: int = HELD_OUT, steps: int = STEPS, seed: int = 0) -> Detector:
    """A detector trained on the CPU, in eval mode, rounded to float16, which passes 99 % of held-out reals."""
    images = rendered(range(FIRST_FACE, FIRST_FACE + faces + held_out))

    def loss(network: Detector) -> Tensor:
        intact = moved(images[torch.randint(0, faces, (BATCH,))] / 127.5 - 1)
        damaged, seen = broken(moved(images[torch.randint(0, faces, (BATCH,))] / 127.5 - 1))
        x = textured(torch.cat([intact, damaged[seen]]))
        truth = torch.cat([torch.zeros(BATCH), torch.ones(int(seen.sum()))])
        logits = network(x.contiguous(memory_format=torch.channels_last))[:, 0]
        return functional.binary_cross_entropy_with_logits(logits, truth)

    network = Detector.trained(loss, steps, seed)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())
    logits = network.logits(images[faces:].numpy())
    last = network.layers[-1]
    assert isinstance(last, nn.Linear)
    last.bias.data -= float(np.quantile(logits, PASSED))
    return network


def rendered(numbers: range) -> Tensor:
    """Embedded faces [n, 3, 64, 64] uint8, some of them drawn larger and averaged down."""
    found = []
    for place, number in enumerate(numbers):
        drawn = torch.from_numpy(toonhead.render(number, DRAWN_AT[place % len(DRAWN_AT)])).permute(2, 0, 1)[None]
        found.append(functional.interpolate(drawn.float(), (SIZE, SIZE), mode="area").round().to(torch.uint8))
    return torch.cat(found)


if __name__ == "__main__":
    train().half().save(FILE, {})
    print(f"written: {FILE}", file=sys.stderr)
