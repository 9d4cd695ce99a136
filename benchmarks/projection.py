"""How often a projected face keeps its colours: those of hair and skin, as the attribute classifier reads them.

python -m benchmarks.projection

The faces were held out from the model's training; they are projected as `stylegrow project` does it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.timing import machine
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.errors import InputError
from stylegrow.common.images import to_uint8
from stylegrow.common.system import available_cpus
from stylegrow.common.tables import markdown_table
from stylegrow.data.sources import toonhead
from stylegrow.data.trained_on import faces_of
from stylegrow.metrics.classifier import load_classifier
from stylegrow.metrics.features import projection_maps
from stylegrow.models import read_config
from stylegrow.sampling.inputs import STEPS
from stylegrow.sampling.projection import project
from stylegrow.sampling.sampler import Sampler

COLOURS = ("hair_color", "skin_color")


@dataclass(frozen=True)
class Options:
    """Project held-out embedded faces, and count those whose hair and skin are read as the same colours."""

    model: str = "stylegan-toonhead64"
    """A StyleGAN that was trained on the embedded faces."""
    faces: int = 100
    """Faces, at most as many as were held out."""
    steps: int = STEPS
    """Steps of a projection."""
    spaces: tuple[Literal["w+", "w"], ...] = ("w+",)
    """Spaces to project to."""
    threads: int | None = None
    """Threads; without it, one a CPU."""
    device: str = "cpu"
    """Where."""


def true_colours(faces: list[int]) -> dict[str, np.ndarray]:
    """The class of each colour that the faces are drawn with [n]."""
    found = [toonhead.attributes(face) for face in faces]
    return {name: np.array([toonhead.classes(name).index(one[name]) for one in found]) for name in COLOURS}


def measure(options: Options, sampler: Sampler, faces: list[int], space: Literal["w+", "w"]) -> list[str]:
    """A row: how many keep each colour and both, before and after projection, and seconds a face."""
    classifier, maps = load_classifier(), projection_maps(options.device)
    setting, real, projected, seconds = sampler.setting(psi=1.0), [], [], []
    for face in tqdm(faces, disable=None, leave=False, unit="face"):
        real.append(toonhead.render(face, setting.resolution or sampler.generator.resolution).transpose(2, 0, 1))
        start = time.perf_counter()
        *_, last = project(sampler, real[-1], maps, setting, space, options.steps)
        projected.append(to_uint8(last.image)[0].transpose(2, 0, 1))
        seconds.append(time.perf_counter() - start)
    true = true_colours(faces)
    counts = []
    for images in (projected, real):
        read = classifier.read(np.stack(images))
        right = [read[name] == true[name] for name in COLOURS]
        counts.append([int(one.sum()) for one in (*right, right[0] & right[1])])
    cells = [f"{after} ({before})" for after, before in zip(*counts, strict=True)]
    return [space, *cells, str(len(faces)), f"{median(seconds):.1f} s", f"{max(seconds):.1f} s"]


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.projection")
    torch.set_num_threads(options.threads or available_cpus())
    sampler = Sampler(options.model, options.device)
    faces = faces_of(read_config(sampler.folder)["training"])
    if not faces:
        raise InputError(f"--model {sampler.name}: does not say which embedded faces it held out; give another")
    print(machine(options.threads or available_cpus(), options.device))
    rows = [measure(options, sampler, faces[: options.faces], space) for space in options.spaces]
    title = f"{sampler.name}, {options.steps} steps"
    print(markdown_table([title, "hair (of the real)", "skin", "both", "faces", "median", "most"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
