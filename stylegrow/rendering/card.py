"""A model card's pictures: the figures of the commands with their own defaults, which the card names."""

import shlex
from dataclasses import dataclass

from PIL import Image

from stylegrow.cli.options import Grid, Mix, Truncation
from stylegrow.models.folders import ZOO
from stylegrow.rendering import figures
from stylegrow.sampling.engine import Engine
from stylegrow.sampling.inputs import read_numbers, read_seeds

MOST_SEEDS = 256  # of the grid
ELSEWHERE = "path/of/this/folder"  # what the card calls a model that is not in zoo/


@dataclass(frozen=True)
class Picture:
    """A picture for a card: its file's name and text chunks, its caption, and the command that draws it."""

    name: str
    image: Image.Image
    text: dict[str, str]
    caption: str
    command: str


def draw(
    engine: Engine, seeds: str, label: str | None = None, progress: figures.Progress = figures.silent
) -> list[Picture]:
    """The uncurated grid of the seeds at psi 1 and, of a StyleGAN, the truncation strip and the mixing grid.

    `label` is the name or number of a class. InputError for seeds that cannot be read, and for a class.
    """
    found = read_seeds(seeds, "--seeds", MOST_SEEDS)
    whole = engine.setting(psi=1.0 if engine.styled else None, label=label)
    psi = ["--trunc", "1"] if engine.styled else []
    grid = figures.sample_grid(engine, found, Grid.columns, whole, progress=progress)
    pictures = [
        Picture(
            "grid.png",
            grid.image,
            engine.text(whole, seeds=found),
            f"Uncurated: seeds {seeds}" + (", psi 1" if psi else ""),
            _command(engine, "grid", ["--seeds", seeds, *psi], label),
        )
    ]
    if engine.styled:
        pictures.append(_truncation(engine, label, progress))
    if engine.styled and engine.generator.num_layers > 1:
        pictures.append(_mixing(engine, label, progress))
    return pictures


def _truncation(engine: Engine, label: str | None, progress: figures.Progress) -> Picture:
    seeds, psis = read_seeds(Truncation.seeds), read_numbers(Truncation.trunc, "--trunc", MOST_SEEDS)
    setting = engine.setting(label=label)
    strip = figures.truncation_strip(engine, seeds, psis, setting, progress=progress)
    caption = f"Truncation: seeds {Truncation.seeds} at psi {', '.join(f'{psi:g}' for psi in psis)}"
    command = _command(engine, "truncation", ["--seeds", Truncation.seeds], label)
    return Picture("truncation.png", strip.image, engine.text(setting, seeds=seeds, psi=psis), caption, command)


def _mixing(engine: Engine, label: str | None, progress: figures.Progress) -> Picture:
    rows, columns = read_seeds(Mix.rows), read_seeds(Mix.cols)
    setting = engine.setting(label=label)
    styles = figures.bands(engine.layers(setting))
    mixed = figures.mixing_grid(engine, rows, columns, styles, setting, progress=progress)
    text = engine.text(setting, rows=rows, columns=columns, styles=[layers for _, layers in styles])
    *more, last = [band.split()[0] for band, _ in styles]
    bands = f"{', '.join(more)} or {last}" if more else last
    caption = f"Style mixing, psi {setting.psi:g}: seeds {Mix.rows} with the {bands} styles of seeds {Mix.cols}"
    return Picture(
        "mix.png", mixed.image, text, caption, _command(engine, "mix", ["--rows", Mix.rows, "--cols", Mix.cols], label)
    )


def _command(engine: Engine, name: str, words: list[str], label: str | None) -> str:
    """The command that draws it again."""
    model = engine.folder.name if engine.folder.resolve().parent == ZOO.resolve() else ELSEWHERE
    words = [model, *words, *(["--class", label] if label is not None else [])]
    return f"stylegrow {name} --model {shlex.join(words)}" + (" --dtype bf16" if engine.dtype == "bf16" else "")
