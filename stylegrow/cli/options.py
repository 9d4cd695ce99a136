"""What the commands that generate have in common: their options, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from PIL import Image
from tqdm import tqdm

from stylegrow.common.commandline import Dtype, Integer, Number, Text
from stylegrow.common.errors import InputError
from stylegrow.common.paths import check_folder
from stylegrow.common.system import keep_freed_memory
from stylegrow.common.text import printable
from stylegrow.rendering.grids import save_png

if TYPE_CHECKING:
    from stylegrow.sampling.generation import Setting
    from stylegrow.sampling.latents import Source
    from stylegrow.sampling.sampler import Sampler

Model = Annotated[str, tyro.conf.arg(metavar="MODEL")]
Seeds = Annotated[str, tyro.conf.arg(metavar="SEEDS", help="such as 1,5-9")]
Psi = Annotated[Number, tyro.conf.arg(help="truncation psi (default: 0.7, with label vectors 1; a ProGAN has none)")]
NoiseMode = Annotated[
    Literal["const", "random", "none"] | None, tyro.conf.arg(metavar="{const,random,none}", help_behavior_hint="")
]
LATENTS = "a .npz of stylegrow project or generate --save-latents"
Latents = Annotated[Text, tyro.conf.arg(metavar="FILE", help=f"{LATENTS}, drawn instead of seeds; w untruncated")]
MOST_BATCH, MOST_IN_FIGURE = 4096, 4096
progress = partial(tqdm, disable=None, leave=False, unit="image")  # only where somebody watches


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model, and how it computes."""

    model: Model
    """a name in zoo/, a model folder, a run folder, or hf://user/repo"""
    class_: Annotated[Text, tyro.conf.arg(name="class")] = None
    """name or number of a class, NAME:WEIGHT,NAME:WEIGHT between classes; NAME:VALUE,... of a label vector, or all its
    values: --class=-0.5,200 (default: an example of the training's for each seed)"""
    device: Text = None
    """cpu, cuda, cuda:1, mps, ... (default: the GPU, if there is one)"""
    dtype: Dtype = "float32"
    """of the convolutions; bf16 is faster where the machine is, and changes images a little"""
    batch: Integer = None
    """images generated at once (default: what memory surely holds)"""

    def open_sampler(self) -> Sampler:
        """The model's sampler. InputError for a model, device or batch that cannot be used."""
        from stylegrow.sampling.sampler import Sampler

        if self.batch is not None:
            check_range("--batch", self.batch, 1, MOST_BATCH)
        keep_freed_memory()
        return Sampler(self.model, self.device, self.batch, self.dtype)


@dataclass(frozen=True, kw_only=True)
class OutputOptions(ModelOptions):
    """What is generated, and where its files go."""

    stage: Integer = None
    """resolution to generate at (default: what the model has reached)"""
    alpha: Number = None
    """how far the newest block of the stage is faded in (default: as the model has reached, else 1)"""
    outdir: str = "out"
    """folder for the files; earlier ones of the same name are replaced"""
    cutoff: Integer = None
    """truncate only the layers below this one (default: all)"""
    noise_seed: Integer = None
    """of random noise (default: 0)"""

    def open_sampler(self) -> Sampler:
        """The model's sampler, once files can be written to the folder. InputError."""
        if not self.outdir:
            raise InputError("--outdir '': is empty; name a folder, or leave it out for one called out")
        check_folder(Path(self.outdir), "--outdir")
        return super().open_sampler()

    def setting(self, sampler: Sampler, psi: float | None, noise_mode: NoiseMode = None) -> Setting:
        """The sampler's setting of these options. InputError for what the model does not have."""
        return sampler.setting(
            psi=psi, cutoff=self.cutoff, noise=noise_mode, noise_seed=self.noise_seed, label=self.class_,
            resolution=self.stage, alpha=self.alpha,
        )  # fmt: skip

    def make_folder(self) -> Path:
        """The folder for the files."""
        folder = Path(self.outdir)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def save(self, image: Image.Image, name: str, text: dict[str, str]) -> None:
        """Write a PNG into the folder, and say so."""
        path = self.make_folder() / name
        save_png(image, path, text)
        report(path)


@dataclass(frozen=True, kw_only=True)
class NoiseOptions(OutputOptions):
    """The kind of noise can be chosen."""

    noise_mode: NoiseMode = None
    """the model's own noise maps, random ones of each seed, or none (default: const)"""

    def setting(self, sampler: Sampler, psi: float | None, noise_mode: NoiseMode = None) -> Setting:
        """The sampler's setting of these options. InputError for what the model does not have."""
        return super().setting(sampler, psi, noise_mode or self.noise_mode)


def read_sources(sampler: Sampler, file: str | None, seeds: Sequence[int]) -> Sequence[Source]:
    """What to draw: the latents of --latents, or without a file the seeds. InputError."""
    return seeds if file is None else sampler.read_latents(file, f"--latents {printable(file)}")


def check_range(option: str, value: int, least: int, most: int) -> None:
    """InputError for a whole number outside its bounds."""
    if not least <= value <= most:
        raise InputError(f"{option} {value}: give a whole number from {least} to {most:,}")


def report(path: Path) -> None:
    """Say that a file is written."""
    print(f"wrote {printable(path)}", flush=True)
