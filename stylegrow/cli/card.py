"""`stylegrow models card`: a card's images are the figures of the commands, with their own defaults."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from stylegrow.cli.drawing import FigureOptions, Grid, Mix, Truncation
from stylegrow.cli.options import ModelOptions, Seeds, report
from stylegrow.common.commandline import File
from stylegrow.common.errors import InputError
from stylegrow.common.paths import check_folder
from stylegrow.rendering.figures import bands
from stylegrow.rendering.grids import save_png
from stylegrow.rendering.showers import with_legend
from stylegrow.sampling.inputs import read_numbers, read_seeds

if TYPE_CHECKING:
    from stylegrow.models.cards import CardImage
    from stylegrow.sampling.sampler import Sampler

MOST_SEEDS = 256  # of the grid


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
        from stylegrow.models.evaluation import read_evaluation
        from stylegrow.models.folders import find_model, write_card
        from stylegrow.models.hub import is_reference

        if is_reference(self.model):
            raise InputError(f"--model {self.model}: a card is written into a folder; download it and give that")
        folder = find_model(self.model)
        check_folder(folder, "--model")
        read_seeds(self.seeds, "--seeds", MOST_SEEDS)
        evaluation = None if self.numbers is None else read_evaluation(Path(self.numbers))
        sampler = self.open_sampler()
        entries, options = zip(*self._figures(sampler), strict=True)
        for entry, (image, text) in zip(entries, [one.figure(sampler) for one in options], strict=True):
            save_png(with_legend(image, sampler.transform), folder / entry.file, text)
            report(folder / entry.file)
        write_card(folder, images=entries, evaluation=evaluation)
        report(folder / "README.md")

    def _figures(self, sampler: Sampler) -> Iterator[tuple[CardImage, FigureOptions]]:
        """The figures of such a model: what the card says of each, and the options that draw it."""
        grid = Grid(model=self.model, class_=self.class_, seeds=self.seeds, trunc=1.0 if sampler.styled else None)
        psi, at_psi = (["--trunc", "1"], ", psi 1") if sampler.styled else ([], "")
        yield self._entry(sampler, grid, f"Uncurated: seeds {self.seeds}{at_psi}", "--seeds", self.seeds, *psi), grid
        if sampler.styled:
            strip = Truncation(model=self.model, class_=self.class_)
            psis = ", ".join(f"{psi:g}" for psi in read_numbers(strip.trunc, "--trunc", MOST_SEEDS))
            caption = f"Truncation: seeds {strip.seeds} at psi {psis}"
            yield self._entry(sampler, strip, caption, "--seeds", strip.seeds), strip
        if sampler.styled and sampler.generator.num_layers > 1:
            mix = Mix(model=self.model, class_=self.class_)
            setting = mix.setting(sampler, mix.trunc)
            *more, last = [band.split()[0] for band, _ in bands(sampler.layers(setting))]
            styles = f"{', '.join(more)} or {last}" if more else last
            caption = f"Style mixing, psi {setting.psi:g}: "
            caption += f"seeds {mix.rows} with the {styles} styles of seeds {mix.cols}"
            yield self._entry(sampler, mix, caption, "--rows", mix.rows, "--cols", mix.cols), mix

    def _entry(self, sampler: Sampler, figure: FigureOptions, caption: str, *options: str) -> CardImage:
        """What the card says of a figure: its file, its caption, and the command that draws it again."""
        from stylegrow.models.cards import CardImage
        from stylegrow.models.folders import name_in_card

        words = [name_in_card(sampler.folder), *options]
        if self.class_ is not None:
            words += ["--class", self.class_]
        if self.dtype != "float32":
            words += ["--dtype", self.dtype]
        name = Path(figure.file).stem
        return CardImage(figure.file, caption, f"stylegrow {name} --model {shlex.join(words)}")
