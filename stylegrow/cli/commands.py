"""What the commands do: a sampler's pictures, in files that say how they were made."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from stylegrow.cli.options import (
    Command,
    Common,
    Drawing,
    Filmed,
    Generate,
    Grid,
    Growth,
    Interpolate,
    Mix,
    Noise,
    Noisy,
    Styled,
    Truncation,
)
from stylegrow.common.errors import InputError
from stylegrow.common.system import keep_freed_memory
from stylegrow.common.text import printable
from stylegrow.rendering import figures, grids
from stylegrow.rendering.growth import Moment, check_sides, moments, snapshots
from stylegrow.rendering.growth import frames as growth_frames
from stylegrow.rendering.video import Form, has_h264, write_film
from stylegrow.sampling.generation import Setting
from stylegrow.sampling.inputs import read_layers, read_numbers, read_seeds
from stylegrow.sampling.paths import path_length
from stylegrow.sampling.sampler import Sampler

MOST_FRAMES, MOST_FPS, MOST_DRAWS, MOST_IN_FIGURE = 20_000, 120, 10_000, 4096
STAGE_SECONDS, MOST_STAGE_SECONDS = 2.0, 10
FILM_SECONDS, MOST_FILM_SECONDS, HELD_SECONDS = 12.0, 120, 2.0  # of snapshots; of the last one besides
SMALLEST_FILM = 256  # px
progress = partial(tqdm, disable=None, leave=False, unit="picture")  # only where somebody watches


def run(options: Command) -> None:
    """Do it, and print a line for each file.

    All input is checked before anything is drawn or written. InputError or ModelError for input that cannot be used,
    OSError for what cannot be written.
    """
    keep_freed_memory()
    match options:
        case Generate():
            generate(options)
        case Grid():
            grid(options)
        case Mix():
            mix(options)
        case Truncation():
            truncation(options)
        case Noise():
            noise(options)
        case Interpolate():
            interpolate(options)
        case Growth():
            growth(options)


def generate(options: Generate) -> None:
    """seed0001.png and so on, each at its own size."""
    seeds = read_seeds(options.seeds, "--seeds")
    sampler = _opened(options)
    setting = _setting(sampler, options, options.trunc)
    for seed, picture in zip(seeds, sampler.images(seeds, setting), strict=True):
        _save(grids.grid(picture[None], 1), options, f"seed{seed:04d}.png", sampler.text(setting, seed=seed))


def grid(options: Grid) -> None:
    """grid.png, the seeds in their order."""
    seeds = read_seeds(options.seeds, "--seeds", MOST_IN_FIGURE)
    _check("--columns", options.columns, 1, MOST_IN_FIGURE)
    sampler = _opened(options)
    setting = _setting(sampler, options, options.trunc)
    figure = figures.sample_grid(sampler, seeds, options.columns, setting, options.size, progress)
    _save(figure.image, options, "grid.png", sampler.text(setting, seeds=seeds))


def mix(options: Mix) -> None:
    """mix.png, all bands below each other or the layers that were asked for."""
    rows = read_seeds(options.rows, "--rows", MOST_IN_FIGURE)
    columns = read_seeds(options.cols, "--cols", MOST_IN_FIGURE)
    sampler = _opened(options)
    sampler.check_mixing()
    setting = _setting(sampler, options, options.trunc)
    styles = figures.bands(sampler.layers(setting))
    if options.styles is not None:
        layers = read_layers(options.styles, sampler.layers(setting), "--styles")
        styles = [band for band in styles if band[1] == layers] or [(f"layers {options.styles}", layers)]
    figure = figures.mixing_grid(sampler, rows, columns, styles, setting, options.size, progress)
    text = sampler.text(setting, rows=rows, columns=columns, styles=[layers for _, layers in styles])
    _save(figure.image, options, "mix.png", text)


def truncation(options: Truncation) -> None:
    """truncation.png, a row a seed and a column a psi."""
    seeds = read_seeds(options.seeds, "--seeds", MOST_IN_FIGURE)
    psis = read_numbers(options.trunc, "--trunc", MOST_IN_FIGURE)
    sampler = _opened(options)
    setting, *_ = [_setting(sampler, options, psi) for psi in psis]
    figure = figures.truncation_strip(sampler, seeds, psis, setting, options.size, progress)
    _save(figure.image, options, "truncation.png", sampler.text(setting, seeds=seeds, psi=psis))


def noise(options: Noise) -> None:
    """noise.png, a row a seed."""
    seeds = read_seeds(options.seeds, "--seeds", MOST_IN_FIGURE)
    _check("--draws", options.draws, 2, MOST_DRAWS)
    sampler = _opened(options)
    sampler.check_noise()
    setting = _setting(sampler, options, options.trunc)
    figure = figures.noise_detail(sampler, seeds, options.draws, setting, options.size, progress)
    _save(
        figure.image,
        options,
        "noise.png",
        sampler.text(replace(setting, noise="random"), seeds=seeds, draws=options.draws),
    )


def interpolate(options: Interpolate) -> None:
    """interpolate.mp4, or .webp where there is no H.264."""
    seeds = read_seeds(options.seeds, "--seeds", MOST_FRAMES)
    if len(seeds) < 2:
        raise InputError(f"--seeds {options.seeds}: a film goes from seed to seed; give at least two")
    _check("--frames", options.frames, 1, MOST_FRAMES)
    _check("--fps", options.fps, 1, MOST_FPS)
    total = path_length(len(seeds), options.frames, options.loop)
    if total > MOST_FRAMES:
        raise InputError(
            f"--frames {options.frames}: the film would have {total:,} frames, the limit is {MOST_FRAMES:,}"
        )
    form = _form(options)
    sampler = _opened(options)
    setting = _setting(sampler, options, options.trunc)
    space = sampler.space(options.space)
    own = setting.resolution or sampler.generator.resolution
    size = figures.cell_size(sampler, setting, options.size or max(own, SMALLEST_FILM), 1)
    frames = sampler.path(seeds, options.frames, options.loop, space, setting)
    shown = (grids.resized(frame, size) for frame in progress(frames, total=total, unit="frame"))
    facts = {"seeds": seeds, "frames": options.frames, "fps": options.fps, "space": space, "loop": options.loop}
    report(write_film(_folder(options), "interpolate", shown, options.fps, sampler.text(setting, **facts), form))


def growth(options: Growth) -> None:
    """growth.mp4 or .webp."""
    seeds = read_seeds(options.seeds, "--seeds", MOST_IN_FIGURE)
    _check("--columns", options.columns, 1, MOST_IN_FIGURE)
    _check("--fps", options.fps, 1, MOST_FPS)
    course, drawn, size, text = (_snapshots if options.snapshots else _stages)(options, seeds)
    form = _form(options)
    frames = growth_frames(course, drawn, options.columns, size)
    shown = progress(frames, total=sum(moment.frames for moment in course), unit="frame")
    report(write_film(_folder(options), "growth", shown, options.fps, text, form))


# What a film shows, the pictures of each moment, their px in it, and what the file says of itself.
_Film = tuple[list[Moment], Iterator[list[np.ndarray]], int, dict[str, str]]


def _stages(options: Growth, seeds: list[int]) -> _Film:
    """A network's own growth, every block being faded in."""
    if options.seconds is not None:
        raise InputError("--seconds: is for a film of --snapshots; give --seconds-per-stage")
    seconds = _seconds("--seconds-per-stage", options.seconds_per_stage, STAGE_SECONDS, MOST_STAGE_SECONDS)
    sampler = _opened(options)
    setting = _setting(sampler, options, options.trunc)
    last = setting.resolution or sampler.generator.resolution
    first = figures.first_stage(sampler, last)
    course = moments(first, last, setting.alpha, round(seconds * options.fps))
    drawn = (
        list(sampler.images(seeds, replace(setting, resolution=one.resolution, alpha=one.alpha))) for one in course
    )
    facts = {"seeds": seeds, "first_resolution": first, "seconds_per_stage": seconds, "fps": options.fps}
    return course, drawn, _film_size(sampler, options, setting, len(seeds)), sampler.text(setting, **facts)


def _snapshots(options: Growth, seeds: list[int]) -> _Film:
    """What the models that a run has kept draw, of which one at a time is in memory."""
    for option, value in (
        ("--stage", options.stage), ("--alpha", options.alpha), ("--seconds-per-stage", options.seconds_per_stage)
    ):  # fmt: skip
        if value is not None:
            raise InputError(f"{option}: each of the --snapshots has its own; leave it out")
    seconds = _seconds("--seconds", options.seconds, FILM_SECONDS, MOST_FILM_SECONDS)
    kept = snapshots(options.model, round(seconds * options.fps), round(HELD_SECONDS * options.fps))
    course = [moment for _, moment in kept]
    run = Path(options.model).expanduser().resolve().name
    # Opened here to check the input, and once more to draw, so that no two are in memory.
    sampler, setting = _snapshot(options, *kept[-1])
    facts = {"kimg": [moment.kimg for moment in course], "seeds": seeds}
    text = sampler.text(setting, model=printable(run), **facts, seconds=seconds, fps=options.fps)
    size = _film_size(sampler, options, setting, len(seeds))

    def draw(folder: Path, moment: Moment) -> list[np.ndarray]:
        sampler, setting = _snapshot(options, folder, moment)
        return list(sampler.images(seeds, setting))

    return course, (draw(*one) for one in kept), size, text


def _snapshot(options: Growth, folder: Path, moment: Moment) -> tuple[Sampler, Setting]:
    options = replace(options, model=str(folder), stage=moment.resolution, alpha=moment.alpha)
    sampler = _opened(options)
    return sampler, _setting(sampler, options, options.trunc)


def _film_size(sampler: Sampler, options: Growth, setting: Setting, count: int) -> int:
    """The px of a picture. InputError for a film that would be too large."""
    size = figures.cell_size(sampler, setting, options.size, count)
    check_sides(count, options.columns, size)
    return size


def _seconds(option: str, given: float | None, usual: float, most: int) -> float:
    seconds = usual if given is None else given
    if not 0 < seconds <= most:
        raise InputError(f"{option} {seconds:g}: give a number above 0, at most {most}")
    return seconds


def _form(options: Filmed) -> Form:
    """What kind of file a film becomes; says so where that is not the usual one. InputError for one that cannot be."""
    if has_h264() or options.format == "webp":
        return options.format or "mp4"
    if options.format == "mp4":
        raise InputError("--format mp4: H.264 needs the package av (pip install av); or give webp")
    print("note: H.264 needs the package av (pip install av); writing an animated WebP instead", file=sys.stderr)
    return "webp"


def _opened(options: Common) -> Sampler:
    """The sampler of the model, once the folder for the files is known to be fine."""
    if not options.outdir:
        raise InputError("--outdir '': is empty; name a folder, or leave it out for one called out")
    check_folder(Path(options.outdir), "--outdir")
    return open_engine(options)


def open_engine(options: Drawing) -> Sampler:
    if options.batch is not None:
        _check("--batch", options.batch, 1, 4096)
    return Sampler(options.model, options.device, options.batch, options.dtype)


def check_folder(folder: Path, option: str) -> None:
    """InputError unless files can be written there, or where its first part that is missing would be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        reason = "cannot be written" if there.is_dir() else "is not a folder"
        raise InputError(f"{option} {printable(folder)}: {printable(there)} {reason}; give another folder")


def _setting(sampler: Sampler, options: Styled, psi: float | None) -> Setting:
    return sampler.setting(
        psi=psi,
        cutoff=options.cutoff,
        noise=options.noise_mode if isinstance(options, Noisy) else None,
        noise_seed=options.noise_seed,
        label=options.class_,
        resolution=options.stage,
        alpha=options.alpha,
    )


def _check(option: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InputError(f"{option} {value}: give a whole number from {least} to {most:,}")


def _folder(options: Common) -> Path:
    folder = Path(options.outdir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _save(image: Image.Image, options: Common, name: str, text: dict[str, str]) -> None:
    path = _folder(options) / name
    grids.save_png(image, path, text)
    report(path)


def report(path: Path) -> None:
    print(f"wrote {printable(path)}", flush=True)
