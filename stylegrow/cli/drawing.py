"""The commands that write images: single ones, and the figures of the StyleGAN paper."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import tyro

from stylegrow.cli.options import (
    LATENTS,
    MOST_IN_FIGURE,
    Latents,
    NoiseOptions,
    OutputOptions,
    Psi,
    Seeds,
    check_range,
    progress,
    read_sources,
    report,
)
from stylegrow.common.commandline import Integer, Text
from stylegrow.rendering import figures, grids
from stylegrow.rendering.showers import with_legend
from stylegrow.sampling.inputs import read_layers, read_numbers, read_seeds, read_sweep
from stylegrow.sampling.latents import Latent, Source, seed_of, write_latents

if TYPE_CHECKING:
    from PIL import Image

    from stylegrow.sampling.sampler import Sampler

MOST_DRAWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Generate(NoiseOptions):
    """Single images, a file a seed: seed0001.png."""

    seeds: Seeds = "0-7"
    latents: Latents = None
    trunc: Psi = None
    save_latents: bool = False
    """write latents.npz too: w [N, num_layers, w_dim] as they are drawn, or a ProGAN's z [N, z_dim]"""

    def run(self) -> None:
        """Write a file a seed or latent, each image at its own size."""
        seeds = read_seeds(self.seeds, "--seeds")
        sampler = self.open_sampler()
        sources = read_sources(sampler, self.latents, seeds)
        setting = self.setting(sampler, self.trunc)
        name = "seed" if self.latents is None else Path(self.latents).stem
        for source, image in zip(sources, sampler.images(sources, setting), strict=True):
            text = sampler.text(setting, seed=source)
            self.save(grids.grid(image[None], 1), f"{name}{seed_of(source):04d}.png", text)
        if self.save_latents:
            found = [sampler.latent(source, setting) for source in sources]
            path = self.make_folder() / "latents.npz"
            write_latents(path, {kind: np.concatenate([one[kind] for one in found]) for kind in found[0]})
            report(path)


@dataclass(frozen=True, kw_only=True)
class FigureOptions(OutputOptions, ABC):
    """One figure."""

    file: ClassVar[str]
    size: Integer = None
    """px of an image in the figure (default: its own, but 128 to 256)"""

    def run(self) -> None:
        """Write the figure."""
        sampler = self.open_sampler()
        image, text = self.figure(sampler)
        self.save(with_legend(image, sampler.transform), self.file, text)

    @abstractmethod
    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """The figure, and the text chunks of its file. InputError, before anything is drawn."""


@dataclass(frozen=True, kw_only=True)
class Grid(FigureOptions, NoiseOptions):
    """Uncurated images of seeds in their order, in one figure: grid.png."""

    file = "grid.png"
    seeds: Seeds = "0-31"
    latents: Latents = None
    columns: int = 8
    """images in a row"""
    trunc: Psi = None

    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """The seeds, row by row."""
        seeds = read_seeds(self.seeds, "--seeds", MOST_IN_FIGURE)
        check_range("--columns", self.columns, 1, MOST_IN_FIGURE)
        sources = read_sources(sampler, self.latents, seeds)
        setting = self.setting(sampler, self.trunc)
        figure = figures.sample_grid(sampler, sources, self.columns, setting, self.size, progress)
        return figure.image, sampler.text(setting, seeds=sources)


@dataclass(frozen=True, kw_only=True)
class Mix(FigureOptions, NoiseOptions):
    """Style mixing: the seeds of the rows with styles of those of the columns: mix.png."""

    file = "mix.png"
    rows: Annotated[Seeds, tyro.conf.arg(help="seeds that give all other styles")] = "0-2"
    cols: Annotated[Seeds, tyro.conf.arg(help="seeds that the styles of these layers are copied from")] = "3-7"
    latents: Annotated[Latents, tyro.conf.arg(help=f"{LATENTS}, for the rows; w untruncated")] = None
    styles: Text = None
    """layers copied: 0-3, or coarse (4-8 px), middle (16-32 px), fine (from 64 px) (default: all three, below each
    other)"""
    trunc: Psi = None

    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """All bands below each other, or the layers that were asked for."""
        rows = read_seeds(self.rows, "--rows", MOST_IN_FIGURE)
        columns = read_seeds(self.cols, "--cols", MOST_IN_FIGURE)
        sampler.check_mixing()
        sources = read_sources(sampler, self.latents, rows)
        setting = self.setting(sampler, self.trunc)
        styles = figures.bands(sampler.layers(setting))
        if self.styles is not None:
            layers = read_layers(self.styles, sampler.layers(setting), "--styles")
            styles = [band for band in styles if band[1] == layers] or [(f"layers {self.styles}", layers)]
        figure = figures.mixing_grid(sampler, sources, columns, styles, setting, self.size, progress)
        text = sampler.text(setting, rows=sources, columns=columns, styles=[layers for _, layers in styles])
        return figure.image, text


@dataclass(frozen=True, kw_only=True)
class Truncation(FigureOptions, NoiseOptions):
    """The same seeds at several truncations: truncation.png."""

    file = "truncation.png"
    seeds: Seeds = "0-3"
    latents: Annotated[Latents, tyro.conf.arg(help=f"{LATENTS}, drawn instead of seeds")] = None
    trunc: Annotated[str, tyro.conf.arg(metavar="NUMBERS")] = "1,.7,.5,0,-.5,-1"
    """truncation psis, one a column"""

    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """A row a seed and a column a psi."""
        seeds = read_seeds(self.seeds, "--seeds", MOST_IN_FIGURE)
        psis = read_numbers(self.trunc, "--trunc", MOST_IN_FIGURE)
        sources: list[Source] = [
            replace(source, truncate=True) if isinstance(source, Latent) else source
            for source in read_sources(sampler, self.latents, seeds)
        ]
        setting, *_ = [self.setting(sampler, psi) for psi in psis]
        figure = figures.truncation_strip(sampler, sources, psis, setting, self.size, progress)
        return figure.image, sampler.text(setting, seeds=sources, psi=psis)


@dataclass(frozen=True, kw_only=True)
class Edit(FigureOptions, NoiseOptions):
    """Seeds moved along a model's directions in w, from -3 to 3 standard deviations: edit.png."""

    file = "edit.png"
    seeds: Seeds = "0"
    latents: Latents = None
    directions: Annotated[str, tyro.conf.arg(metavar="NAMES")] = ""
    """such as "beard,PCA 1" (default: the model's first eight)"""
    amounts: Annotated[str, tyro.conf.arg(metavar="NUMBERS")] = "-3,-2,-1,0,1,2,3"
    """standard deviations of w along the direction, one a column"""
    layers: Text = None
    """where they act: 0-3, or coarse, middle, fine (default: each where it is meant to)"""
    trunc: Psi = None

    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """A row a direction of one seed; of several a row a seed below each other for each direction."""
        seeds = read_seeds(self.seeds, "--seeds", MOST_IN_FIGURE)
        amounts = read_numbers(self.amounts, "--amounts", MOST_IN_FIGURE)
        sources = read_sources(sampler, self.latents, seeds)
        setting, found = self.setting(sampler, self.trunc), sampler.directions
        names = [name.strip() for name in self.directions.split(",")] if self.directions else found.names[:8]
        for name in names:
            found.check_name(name, "--directions")
        layers = None if self.layers is None else read_layers(self.layers, sampler.layers(setting), "--layers")
        figure = figures.directions_strip(sampler, sources, names, amounts, setting, layers, self.size, progress)
        text = sampler.text(setting, seeds=sources, directions=names, amounts=amounts, layers=layers)
        return figure.image, text


@dataclass(frozen=True, kw_only=True)
class Sweep(FigureOptions, NoiseOptions):
    """The same seeds at several values of a component of label vectors, such as energies: sweep.png.

    `stylegrow interpolate --seeds 3,3 --class energy:10 --to-class energy:100` is the same as a video.
    """

    file = "sweep.png"
    over: Annotated[str, tyro.conf.arg(metavar="NAME:FROM-TO")]
    """the component and its ends, such as energy:10-100; the others are those of --class (default: their mean)"""
    steps: int = 8
    """values, one a column, in equal ratios where both ends are above 0"""
    seeds: Seeds = "0-3"
    trunc: Psi = None

    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """A row a seed and a column a value."""
        seeds = read_seeds(self.seeds, "--seeds", MOST_IN_FIGURE)
        check_range("--steps", self.steps, 2, MOST_IN_FIGURE)
        setting = self.setting(sampler, self.trunc)
        titled = read_sweep(self.over, sampler.labels, self.steps, "--over", setting.label)
        settings = [replace(setting, label=label) for _, label in titled]
        figure = figures.strip(sampler, seeds, settings, [title for title, _ in titled], self.size, progress)
        return figure.image, sampler.text(setting, seeds=seeds, over=self.over, steps=self.steps)


@dataclass(frozen=True, kw_only=True)
class Noise(FigureOptions):
    """What noise changes: an image, details of several draws, the deviation of all: noise.png."""

    file = "noise.png"
    seeds: Seeds = "0-1"
    latents: Latents = None
    draws: int = 100
    """draws of noise"""
    trunc: Psi = None

    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """A row a seed."""
        seeds = read_seeds(self.seeds, "--seeds", MOST_IN_FIGURE)
        check_range("--draws", self.draws, 2, MOST_DRAWS)
        sampler.check_noise()
        sources = read_sources(sampler, self.latents, seeds)
        setting = self.setting(sampler, self.trunc)
        figure = figures.noise_detail(sampler, sources, self.draws, setting, self.size, progress)
        text = sampler.text(replace(setting, noise="random"), seeds=sources, draws=self.draws)
        return figure.image, text
