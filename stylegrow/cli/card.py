"""`stylegrow models card`: a card's images are the figures of the commands with their own defaults."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from stylegrow.cli import commands
from stylegrow.cli.options import Grid, Mix, ModelCard, Truncation
from stylegrow.common.errors import InputError
from stylegrow.models.cards import CardImage
from stylegrow.models.evaluation import read_evaluation
from stylegrow.models.folders import ZOO, find_model, write_card
from stylegrow.models.hub import is_reference
from stylegrow.rendering import figures, grids
from stylegrow.sampling.inputs import read_numbers, read_seeds
from stylegrow.sampling.sampler import Sampler

MOST_SEEDS = 256  # of the grid
ELSEWHERE = "path/of/this/folder"  # what the card calls a model that is not in zoo/


@dataclass(frozen=True)
class Figure:
    """An image for a card: what the card holds of it, its pixels, and the text chunks of its file."""

    entry: CardImage
    image: Image.Image
    text: dict[str, str]


def renew_card(options: ModelCard) -> None:
    """Write grid.png and, of a StyleGAN, truncation.png and mix.png into the model's folder, and then its card.

    InputError for input that cannot be used, OSError for what cannot be written.
    """
    if is_reference(options.model):
        raise InputError(f"--model {options.model}: a card is written into a folder; download it and give that")
    folder = find_model(options.model)
    commands.check_folder(folder, "--model")
    evaluation = None if options.numbers is None else read_evaluation(Path(options.numbers))
    drawn = draw(commands.open_engine(options), options.seeds, options.class_, commands.progress)
    for one in drawn:
        path = folder / one.entry.file
        grids.save_png(one.image, path, one.text)
        commands.report(path)
    write_card(folder, images=[one.entry for one in drawn], evaluation=evaluation)
    commands.report(folder / "README.md")


def draw(
    sampler: Sampler, seeds: str, label: str | None = None, progress: figures.Progress = figures.silent
) -> list[Figure]:
    """The uncurated grid of the seeds at psi 1 and, of a StyleGAN, the truncation strip and the mixing grid.

    `label` is the name or number of a class. InputError for seeds that cannot be read, and for a class.
    """
    found = read_seeds(seeds, "--seeds", MOST_SEEDS)
    whole = sampler.setting(psi=1.0 if sampler.styled else None, label=label)
    psi = ["--trunc", "1"] if sampler.styled else []
    grid = figures.sample_grid(sampler, found, Grid.columns, whole, progress=progress)
    command = _command(sampler, "grid", ["--seeds", seeds, *psi], label)
    caption = f"Uncurated: seeds {seeds}" + (", psi 1" if psi else "")
    drawn = [Figure(CardImage("grid.png", caption, command), grid.image, sampler.text(whole, seeds=found))]
    if sampler.styled:
        drawn.append(_truncation(sampler, label, progress))
    if sampler.styled and sampler.generator.num_layers > 1:
        drawn.append(_mixing(sampler, label, progress))
    return drawn


def _truncation(sampler: Sampler, label: str | None, progress: figures.Progress) -> Figure:
    seeds, psis = read_seeds(Truncation.seeds), read_numbers(Truncation.trunc, "--trunc", MOST_SEEDS)
    setting = sampler.setting(label=label)
    strip = figures.truncation_strip(sampler, seeds, psis, setting, progress=progress)
    caption = f"Truncation: seeds {Truncation.seeds} at psi {', '.join(f'{psi:g}' for psi in psis)}"
    command = _command(sampler, "truncation", ["--seeds", Truncation.seeds], label)
    entry = CardImage("truncation.png", caption, command)
    return Figure(entry, strip.image, sampler.text(setting, seeds=seeds, psi=psis))


def _mixing(sampler: Sampler, label: str | None, progress: figures.Progress) -> Figure:
    rows, columns = read_seeds(Mix.rows), read_seeds(Mix.cols)
    setting = sampler.setting(label=label)
    styles = figures.bands(sampler.layers(setting))
    mixed = figures.mixing_grid(sampler, rows, columns, styles, setting, progress=progress)
    text = sampler.text(setting, rows=rows, columns=columns, styles=[layers for _, layers in styles])
    *more, last = [band.split()[0] for band, _ in styles]
    bands = f"{', '.join(more)} or {last}" if more else last
    caption = f"Style mixing, psi {setting.psi:g}: seeds {Mix.rows} with the {bands} styles of seeds {Mix.cols}"
    command = _command(sampler, "mix", ["--rows", Mix.rows, "--cols", Mix.cols], label)
    return Figure(CardImage("mix.png", caption, command), mixed.image, text)


def _command(sampler: Sampler, name: str, words: list[str], label: str | None) -> str:
    """The command that draws it again."""
    model = sampler.folder.name if sampler.folder.resolve().parent == ZOO.resolve() else ELSEWHERE
    words = [model, *words, *(["--class", label] if label is not None else [])]
    return f"stylegrow {name} --model {shlex.join(words)}" + (" --dtype bf16" if sampler.dtype == "bf16" else "")
