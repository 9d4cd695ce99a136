"""What the networks that look at embedded faces have in common: their layers, their training and their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegrow.common.errors import InputError
from stylegrow.common.files import write_whole
from stylegrow.data.sources import toonhead
from stylegrow.sampling import generation

SIZE = 64  # px
WIDTHS = (24, 48, 64, 96)
FIRST_FACE = 1_000_000  # those of data sets count from 0
LEARNING_RATE = 0.005
SHIFT = 2  # px, the most
BATCH_READ = 128


class FaceNetwork(nn.Module):
    """Faces [N, 3, 64, 64] in [-1, 1] to logits [N, outputs]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        first, *others = WIDTHS
        layers = _block(3, first, stride=2)
        for inputs, width in zip(WIDTHS, others, strict=False):
            layers += [*_block(inputs, width), nn.MaxPool2d(2)]
        side = SIZE >> len(WIDTHS)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(WIDTHS[-1] * side**2, outputs))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)

    @torch.inference_mode()
    def logits(self, images: np.ndarray) -> np.ndarray:
        """Float32 [n, outputs] of images [n, 3, R, R] (uint8).

        Images of other sizes than 64 px are averaged down, or enlarged by repeating pixels.
        """
        device = next(self.parameters()).device
        found = []
        for part in generation.parts(len(images), BATCH_READ):
            x = functional.interpolate(torch.tensor(images[part]).to(device).float(), (SIZE, SIZE), mode="area")
            found.append(self(x / 127.5 - 1).cpu().numpy())
        return np.concatenate(found)

    @classmethod
    def trained(cls, loss: Callable[[Self], Tensor], steps: int, seed: int) -> Self:
        """A network in eval mode after `steps` of its loss on the CPU, which may draw from torch's own generator."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = cls().to(memory_format=torch.channels_last)  # type: ignore[call-arg]
            optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.02)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.2)
            for _ in range(steps):
                optimizer.zero_grad()
                loss(network).backward()
                optimizer.step()
                schedule.step()
        return network.eval()

    @classmethod
    def load(cls, path: Path, facts: Mapping[str, str], what: str) -> Self:
        """The network of a file, float32, in eval mode. InputError naming `what` where the file has other facts."""
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if any(metadata.get(name) != fact for name, fact in facts.items()):
            raise InputError(what)
        state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
        with torch.device("meta"):
            network = cls()  # type: ignore[call-arg]
        network.load_state_dict(state, assign=True)
        return network.eval()

    def save(self, path: Path, facts: Mapping[str, str]) -> None:
        """Write the weights, whole or not at all, with facts and the faces' credit."""
        from safetensors.torch import save

        metadata = {**facts, "faces": toonhead.VERSION, "credit": toonhead.CREDIT}
        state = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        write_whole(path, save(state, metadata=metadata))


def _block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def moved(faces: Tensor) -> Tensor:
    """Faces [N, 3, 64, 64], half of them mirrored, all moved by up to 2 px; edges are repeated."""
    faces = torch.where(torch.rand(len(faces), 1, 1, 1) < 0.5, faces.flip(3), faces)
    top, left = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
    padded = functional.pad(faces, (SHIFT,) * 4, "replicate")
    return padded[:, :, top : top + SIZE, left : left + SIZE]
