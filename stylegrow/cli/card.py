"""`stylegrow models card`: a card's images are the figures of the commands, with their own defaults."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from stylegrow.cli.drawing import FigureOptions, Grid, Mix, Truncation
from stylegrow.cli.options import ModelOptions, Seeds, check_folder, report
from stylegrow.common.commandline import File
from stylegrow.common.errors import InputError
from stylegrow.sampling.inputs import read_numbers, read_seeds

if TYPE_CHECKING:
    from stylegrow.sampling.sampler import Sampler

MOST_SEEDS = 256  # of the grid
ELSEWHERE = "path/of/this/folder"  # what the card calls a model that is not in zoo/


@dataclass(frozen=True, kw_only=True)
class Card(ModelOptions):
    """Write a model's card anew, with its figures.

    They are grid.png and, of a StyleGAN, truncation.png and mix.png; all go into the model's folder.
    """

    numbers: File = None
    """what stylegrow metrics --out wrote, for the card's tables (default: none)"""
    seeds: Annotated[Seeds, tyro.conf.arg(help="of the uncurated grid, such as 1,5-9")] = "0-31"

    def run(self) -> None:
        """Write the images, and then the card. InputError, before anything is written."""
        from stylegrow.models.cards import CardImage
        from stylegrow.models.evaluation import read_evaluation
        from stylegrow.models.folders import find_model, write_card
        from stylegrow.models.hub import is_reference
        from stylegrow.rendering.grids import save_png

        if is_reference(self.model):
            raise InputError(f"--model {self.model}: a card is written into a folder; download it and give that")
        folder = find_model(self.model)
        check_folder(folder, "--model")
        read_seeds(self.seeds, "--seeds", MOST_SEEDS)
        evaluation = None if self.numbers is None else read_evaluation(Path(self.numbers))
        sampler = self.open_sampler()
        figures = [(figure.file, caption, self._command(sampler, words), *figure.figure(sampler))
                   for figure, caption, words in self._figures(sampler)]  # fmt: skip
        for file, _, _, image, text in figures:
            save_png(image, folder / file, text)
            report(folder / file)
        images = [CardImage(file, caption, command) for file, caption, command, _, _ in figures]
        write_card(folder, images=images, evaluation=evaluation)
        report(folder / "README.md")

    def _figures(self, sampler: Sampler) -> list[tuple[FigureOptions, str, list[str]]]:
        """The figures of such a model: each with its caption, and the words of the command that draws it."""
        from stylegrow.rendering.figures import bands

        grid = Grid(model=self.model, class_=self.class_, seeds=self.seeds, trunc=1.0 if sampler.styled else None)
        words, at_psi = (["--trunc", "1"], ", psi 1") if sampler.styled else ([], "")
        found: list[tuple[FigureOptions, str, list[str]]]
        found = [(grid, f"Uncurated: seeds {self.seeds}{at_psi}", ["grid", "--seeds", self.seeds, *words])]
        if sampler.styled:
            strip = Truncation(model=self.model, class_=self.class_)
            psis = ", ".join(f"{psi:g}" for psi in read_numbers(strip.trunc, "--trunc", MOST_SEEDS))
            words = ["truncation", "--seeds", strip.seeds]
            found.append((strip, f"Truncation: seeds {strip.seeds} at psi {psis}", words))
        if sampler.styled and sampler.generator.num_layers > 1:
            mix = Mix(model=self.model, class_=self.class_)
            setting = mix.setting(sampler, mix.trunc)
            *more, last = [band.split()[0] for band, _ in bands(sampler.layers(setting))]
            styles = f"{', '.join(more)} or {last}" if more else last
            caption = (
                f"Style mixing, psi {setting.psi:g}: seeds {mix.rows} with the {styles} styles of seeds {mix.cols}"
            )
            found.append((mix, caption, ["mix", "--rows", mix.rows, "--cols", mix.cols]))
        return found

    def _command(self, sampler: Sampler, words: list[str]) -> str:
        """The command that draws a figure again."""
        from stylegrow.models.folders import ZOO

        name, *options = words
        model = sampler.folder.name if sampler.folder.resolve().parent == ZOO.resolve() else ELSEWHERE
        if self.class_ is not None:
            options += ["--class", self.class_]
        if self.dtype != "float32":
            options += ["--dtype", self.dtype]
        return f"stylegrow {name} --model {shlex.join([model, *options])}"
