"""The attributes of an embedded face, read off its pixels by a small network trained on faces of no data set.

Its weights are bundled, so that everybody's numbers come from the same one. `python -m stylegrow.metrics.classifier`
trains it anew, which takes some minutes on one core and is needed when the faces change.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegrow.common.errors import InputError
from stylegrow.common.files import write_whole
from stylegrow.data.sources import toonhead
from stylegrow.metrics.reals import blurred
from stylegrow.sampling import generation

FILE = Path(__file__).with_name("toonhead-attributes.safetensors")
SIZE = 64  # px
WIDTHS = (24, 48, 64, 96)
FIRST_FACE = 1_000_000  # those of data sets count from 0
FACES, STEPS, BATCH, LEARNING_RATE = 8000, 1200, 64, 0.005
SHIFT, BLUR, NOISE = 2, 1.2, 0.1  # px, px, and in units of half the range of grey levels: the most of each
BATCH_READ = 128


class AttributeClassifier(nn.Module):
    """Faces [N, 3, 64, 64] in [-1, 1] to logits for each of toonhead.ATTRIBUTES, in order, [N, classes] each."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = [len(toonhead.classes(name)) for name in toonhead.ATTRIBUTES]
        first, *others = WIDTHS
        layers = _block(3, first, stride=2)
        for inputs, outputs in zip(WIDTHS, others, strict=False):
            layers += [*_block(inputs, outputs), nn.MaxPool2d(2)]
        side = SIZE >> len(WIDTHS)
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(WIDTHS[-1] * side**2, sum(self.sizes))
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.layers(images).split(self.sizes, dim=1)

    @torch.inference_mode()
    def read(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The class of each attribute that images [n, 3, R, R] (uint8) show: int64 [n] by attribute.

        Images of other sizes than 64 px are averaged down, or enlarged by repeating pixels.
        """
        device = next(self.parameters()).device
        found = []
        for part in generation.parts(len(images), BATCH_READ):
            x = functional.interpolate(torch.tensor(images[part]).to(device).float(), (SIZE, SIZE), mode="area")
            found.append(torch.stack([logits.argmax(dim=1) for logits in self(x / 127.5 - 1)], dim=1).cpu().numpy())
        return dict(zip(toonhead.ATTRIBUTES, np.concatenate(found).T, strict=True))


def _block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def load_classifier(path: Path = FILE) -> AttributeClassifier:
    """The trained network, in eval mode. InputError where it was trained on other classes than the faces have."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata.get("classes") != _classes():
        advice = "install the versions of requirements.txt, or train anew with python -m stylegrow.metrics.classifier"
        raise InputError(f"--metrics attributes: the installed faces have other attributes than {path.name}; {advice}")
    with torch.device("meta"):
        network = AttributeClassifier()
    network.load_state_dict(state, assign=True)
    return network.eval()


def _classes() -> str:
    return "; ".join(f"{name}: {', '.join(toonhead.classes(name))}" for name in toonhead.ATTRIBUTES)


def train(faces: int = FACES, steps: int = STEPS, seed: int = 0) -> AttributeClassifier:
    """A classifier trained on embedded faces from FIRST_FACE on, on the CPU, in eval mode."""
    images, labels = rendered(range(FIRST_FACE, FIRST_FACE + faces))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AttributeClassifier().to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.2)
        for _ in range(steps):
            chosen = torch.randint(0, faces, (BATCH,))
            logits = network(_varied(images[chosen]).contiguous(memory_format=torch.channels_last))
            losses = [functional.cross_entropy(own, labels[chosen, i]) for i, own in enumerate(logits)]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
            schedule.step()
    return network.eval()


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
    """The images in [-1, 1], half of them mirrored, moved and noisy; every other batch blurred, as generators blur.

    Edges are repeated.
    """
    x = images / 127.5 - 1
    x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    top, left = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
    x = functional.pad(x, (SHIFT,) * 4, "replicate")[:, :, top : top + SIZE, left : left + SIZE]
    if torch.rand(()) < 0.5:
        x = blurred(x, 0.2 + (BLUR - 0.2) * torch.rand(()).item())
    return x + NOISE * torch.rand(len(x), 1, 1, 1) * torch.randn(x.shape)


def save_classifier(network: AttributeClassifier, path: Path = FILE) -> None:
    """Write the weights, whole or not at all."""
    from safetensors.torch import save

    facts = {"classes": _classes(), "faces": toonhead.VERSION, "credit": toonhead.CREDIT}
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    write_whole(path, save(state, metadata=facts))


if __name__ == "__main__":
    save_classifier(train())
    print(f"written: {FILE}", file=sys.stderr)
