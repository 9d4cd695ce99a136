"""The commands that write images: single ones, and the figures of the StyleGAN paper."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import tyro

from stylegrow.cli.options import (
    MOST_IN_FIGURE,
    NoiseOptions,
    OutputOptions,
    Psi,
    Seeds,
    check_range,
    progress,
)
from stylegrow.common.commandline import Integer, Text
from stylegrow.rendering import figures, grids
from stylegrow.sampling.inputs import read_layers, read_numbers, read_seeds

if TYPE_CHECKING:
    from PIL import Image

    from stylegrow.sampling.sampler import Sampler

MOST_DRAWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Generate(NoiseOptions):
    """Single images, a file a seed: seed0001.png."""

    seeds: Seeds = "0-7"
    trunc: Psi = None

    def run(self) -> None:
        """Write a file a seed, each image at its own size."""
        seeds = read_seeds(self.seeds, "--seeds")
        sampler = self.open_sampler()
        setting = self.setting(sampler, self.trunc)
        for seed, image in zip(seeds, sampler.images(seeds, setting), strict=True):
            self.save(grids.grid(image[None], 1), f"seed{seed:04d}.png", sampler.text(setting, seed=seed))


@dataclass(frozen=True, kw_only=True)
class FigureOptions(OutputOptions, ABC):
    """One figure."""

    file: ClassVar[str]
    size: Integer = None
    """px of an image in the figure (default: its own, but 128 to 256)"""

    def run(self) -> None:
        """Write the figure."""
        image, text = self.figure(self.open_sampler())
        self.save(image, self.file, text)

    @abstractmethod
    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """The figure, and the text chunks of its file. InputError, before anything is drawn."""


@dataclass(frozen=True, kw_only=True)
class Grid(FigureOptions, NoiseOptions):
    """Uncurated images of seeds in their order, in one figure: grid.png."""

    file = "grid.png"
    seeds: Seeds = "0-31"
    columns: int = 8
    """images in a row"""
    trunc: Psi = None

    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """The seeds, row by row."""
        seeds = read_seeds(self.seeds, "--seeds", MOST_IN_FIGURE)
        check_range("--columns", self.columns, 1, MOST_IN_FIGURE)
        setting = self.setting(sampler, self.trunc)
        figure = figures.sample_grid(sampler, seeds, self.columns, setting, self.size, progress)
        return figure.image, sampler.text(setting, seeds=seeds)


@dataclass(frozen=True, kw_only=True)
class Mix(FigureOptions, NoiseOptions):
    """Style mixing: the seeds of the rows with styles of those of the columns: mix.png."""

    file = "mix.png"
    rows: Annotated[Seeds, tyro.conf.arg(help="seeds that give all other styles")] = "0-2"
    cols: Annotated[Seeds, tyro.conf.arg(help="seeds that the styles of these layers are copied from")] = "3-7"
    styles: Text = None
    """layers copied: 0-3, or coarse (4-8 px), middle (16-32 px), fine (from 64 px) (default: all three, below each
    other)"""
    trunc: Psi = None

    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """All bands below each other, or the layers that were asked for."""
        rows = read_seeds(self.rows, "--rows", MOST_IN_FIGURE)
        columns = read_seeds(self.cols, "--cols", MOST_IN_FIGURE)
        sampler.check_mixing()
        setting = self.setting(sampler, self.trunc)
        styles = figures.bands(sampler.layers(setting))
        if self.styles is not None:
            layers = read_layers(self.styles, sampler.layers(setting), "--styles")
            styles = [band for band in styles if band[1] == layers] or [(f"layers {self.styles}", layers)]
        figure = figures.mixing_grid(sampler, rows, columns, styles, setting, self.size, progress)
        text = sampler.text(setting, rows=rows, columns=columns, styles=[layers for _, layers in styles])
        return figure.image, text


@dataclass(frozen=True, kw_only=True)
class Truncation(FigureOptions, NoiseOptions):
    """The same seeds at several truncations: truncation.png."""

    file = "truncation.png"
    seeds: Seeds = "0-3"
    trunc: Annotated[str, tyro.conf.arg(metavar="NUMBERS")] = "1,.7,.5,0,-.5,-1"
    """truncation psis, one a column"""

    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """A row a seed and a column a psi."""
        seeds = read_seeds(self.seeds, "--seeds", MOST_IN_FIGURE)
        psis = read_numbers(self.trunc, "--trunc", MOST_IN_FIGURE)
        setting, *_ = [self.setting(sampler, psi) for psi in psis]
        figure = figures.truncation_strip(sampler, seeds, psis, setting, self.size, progress)
        return figure.image, sampler.text(setting, seeds=seeds, psi=psis)


@dataclass(frozen=True, kw_only=True)
class Noise(FigureOptions):
    """What noise changes: an image, details of several draws, the deviation of all: noise.png."""

    file = "noise.png"
    seeds: Seeds = "0-1"
    draws: int = 100
    """draws of noise"""
    trunc: Psi = None

    def figure(self, sampler: Sampler) -> tuple[Image.Image, dict[str, str]]:
        """A row a seed."""
        seeds = read_seeds(self.seeds, "--seeds", MOST_IN_FIGURE)
        check_range("--draws", self.draws, 2, MOST_DRAWS)
        sampler.check_noise()
        setting = self.setting(sampler, self.trunc)
        figure = figures.noise_detail(sampler, seeds, self.draws, setting, self.size, progress)
        text = sampler.text(replace(setting, noise="random"), seeds=seeds, draws=self.draws)
        return figure.image, text
