"""The commands that write videos."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tyro

from stylegrow.cli.options import (
    LATENTS,
    MOST_IN_FIGURE,
    Latents,
    NoiseOptions,
    Psi,
    Seeds,
    check_range,
    progress,
    read_sources,
    report,
)
from stylegrow.common.commandline import Integer, Number, Text
from stylegrow.common.errors import InputError
from stylegrow.common.text import printable
from stylegrow.rendering import figures, grids, growth
from stylegrow.rendering.growth import Moment
from stylegrow.rendering.video import VideoFormat, has_h264, write_video
from stylegrow.sampling.inputs import read_seeds

if TYPE_CHECKING:
    from stylegrow.sampling.generation import Setting
    from stylegrow.sampling.sampler import Sampler

MOST_FRAMES, MOST_FPS = 20_000, 120
SMALLEST_VIDEO = 256  # px
STAGE_SECONDS, MOST_STAGE_SECONDS = 2.0, 10
SNAPSHOT_SECONDS, MOST_SNAPSHOT_SECONDS, HELD_SECONDS = 12.0, 120, 2.0  # of all; of the last one besides


@dataclass(frozen=True, kw_only=True)
class VideoOptions(NoiseOptions):
    """A video."""

    fps: int = 24
    """frames a second"""
    format: Annotated[VideoFormat | None, tyro.conf.arg(metavar="{mp4,webp,gif}", help_behavior_hint="")] = None
    """H.264, or an animated WebP or GIF, which a README can show (default: mp4; webp where there is no H.264)"""
    trunc: Psi = None

    def file_format(self) -> VideoFormat:
        """The format to write; says so where it is not the usual one. InputError for one that cannot be written."""
        if has_h264() or self.format in ("webp", "gif"):
            return self.format or "mp4"
        if self.format == "mp4":
            raise InputError("--format mp4: H.264 needs the package av (pip install av); or give webp")
        print("note: H.264 needs the package av (pip install av); writing an animated WebP instead", file=sys.stderr)
        return "webp"


@dataclass(frozen=True, kw_only=True)
class Interpolate(VideoOptions):
    """A video of the path from seed to seed: interpolate.mp4."""

    seeds: Annotated[Seeds, tyro.conf.arg(help="such as 1,5-9; at least two")] = "0-5"
    latents: Annotated[Latents, tyro.conf.arg(help=f"{LATENTS}: the path leads through them, then to the seeds")] = None
    frames: int = 30
    """frames from one seed to the next"""
    space: Annotated[Literal["z", "w"] | None, tyro.conf.arg(metavar="{z,w}", help_behavior_hint="")] = None
    """latents z, on the sphere, or w, straight (default: w; z for a ProGAN, and with --to-class)"""
    to_class: Text = None
    """label at the last seed, where --class is that at the first; --seeds 3,3 shows one seed on the way"""
    loop: bool = True
    """go back to the first seed at the end"""
    size: Integer = None
    """px of the video (default: an image's own, at least 256)"""

    def run(self) -> None:
        """Write interpolate.mp4, or .webp."""
        from stylegrow.sampling.paths import path_length

        seeds = read_seeds(self.seeds, "--seeds", MOST_FRAMES)
        if len(seeds) < 2 and self.latents is None:
            raise InputError(f"--seeds {self.seeds}: a video goes from seed to seed; give at least two")
        check_range("--frames", self.frames, 1, MOST_FRAMES)
        check_range("--fps", self.fps, 1, MOST_FPS)
        file_format = self.file_format()
        sampler = self.open_sampler()
        keys = [*read_sources(sampler, self.latents, []), *seeds]
        total = path_length(len(keys), self.frames, self.loop)
        if total > MOST_FRAMES:
            raise InputError(
                f"--frames {self.frames}: the video would have {total:,} frames, the limit is {MOST_FRAMES:,}"
            )
        setting, to = self.setting(sampler, self.trunc), None
        if self.to_class is not None:
            if self.class_ is None:
                raise InputError(f"--to-class {self.to_class}: give --class too, where the video begins")
            to = replace(self, class_=self.to_class).setting(sampler, self.trunc)
        space = sampler.space(self.space, moving=to is not None)
        size = figures.cell_size(sampler, setting, self.size or max(sampler.own_size(setting), SMALLEST_VIDEO), 1)
        path = progress(sampler.path(keys, self.frames, self.loop, space, setting, to=to), total=total, unit="frame")
        facts = {"seeds": keys, "frames": self.frames, "fps": self.fps, "space": space, "loop": self.loop}
        if self.to_class is not None:
            facts["to_class"] = self.to_class
        frames = (grids.resized(frame, size) for frame in path)
        text = sampler.text(setting, **facts)
        report(write_video(self.make_folder(), "interpolate", frames, total, self.fps, text, file_format))


@dataclass(frozen=True, kw_only=True)
class Growth(VideoOptions):
    """A video of the network's growth, stage by stage: growth.mp4.

    It begins at the smallest stage trained and ends at the one reached, fade by fade. With --snapshots it shows what
    the models kept by a training run generated, each at its own stage.
    """

    snapshots: bool = False
    """of a run folder that keeps several models (see --keep-models and --snapshot-kimg of the training)"""
    stage: Integer = None
    """resolution that the video ends at (default: what the model has reached)"""
    seeds: Seeds = "0-7"
    latents: Latents = None
    columns: int = 4
    """images in a row"""
    seconds_per_stage: Number = None
    """of fading a stage in and then holding it; the last one is held longer (default: 2)"""
    seconds: Number = None
    """of all snapshots, which are seen for equally long; the last one is held for 2 more (default: 12)"""
    size: Integer = None
    """px of an image in the video (default: its own, but 128 to 256)"""

    def run(self) -> None:
        """Write growth.mp4, or .webp."""
        seeds = read_seeds(self.seeds, "--seeds", MOST_IN_FIGURE)
        check_range("--columns", self.columns, 1, MOST_IN_FIGURE)
        check_range("--fps", self.fps, 1, MOST_FPS)
        moments, images, size, text = (self._snapshots if self.snapshots else self._stages)(seeds)
        file_format = self.file_format()
        total = sum(moment.frames for moment in moments)
        frames = progress(growth.frames(moments, images, self.columns, size), total=total, unit="frame")
        report(write_video(self.make_folder(), "growth", frames, total, self.fps, text, file_format))

    def _stages(self, seeds: list[int]) -> _Content:
        """A network's own growth, every block being faded in."""
        if self.seconds is not None:
            raise InputError("--seconds: is for a video of --snapshots; give --seconds-per-stage")
        seconds = _seconds("--seconds-per-stage", self.seconds_per_stage, STAGE_SECONDS, MOST_STAGE_SECONDS)
        sampler = self.open_sampler().growing
        sources = read_sources(sampler, self.latents, seeds)
        setting = self.setting(sampler, self.trunc)
        last = setting.resolution or sampler.generator.resolution
        first = min(sampler.first_stage, last)
        moments = growth.moments(first, last, setting.alpha, round(seconds * self.fps))
        settings = (replace(setting, resolution=moment.resolution, alpha=moment.alpha) for moment in moments)
        images = (list(sampler.images(sources, setting)) for setting in settings)
        facts = {"seeds": sources, "first_resolution": first, "seconds_per_stage": seconds, "fps": self.fps}
        return moments, images, self._cell_size(sampler, setting, len(sources)), sampler.text(setting, **facts)

    def _snapshots(self, seeds: list[int]) -> _Content:
        """What the models that a run has kept generate, of which one at a time is in memory."""
        for option in ("stage", "alpha", "seconds_per_stage", "latents"):
            if getattr(self, option) is not None:
                flag = option.replace("_", "-")
                raise InputError(f"--{flag}: each of the --snapshots has its own; leave it out")
        seconds = _seconds("--seconds", self.seconds, SNAPSHOT_SECONDS, MOST_SNAPSHOT_SECONDS)
        kept = growth.snapshots(self.model, round(seconds * self.fps), round(HELD_SECONDS * self.fps))
        moments = [moment for _, moment in kept]
        run = Path(self.model).expanduser().resolve().name
        # Opened here to check the input, and once more to generate, so that no two are in memory.
        sampler, setting = self._snapshot(*kept[-1])
        facts = {"kimg": [moment.kimg for moment in moments], "seeds": seeds}
        text = sampler.text(setting, model=printable(run), **facts, seconds=seconds, fps=self.fps)
        size = self._cell_size(sampler, setting, len(seeds))

        def images(folder: Path, moment: Moment) -> list[np.ndarray]:
            sampler, setting = self._snapshot(folder, moment)
            return list(sampler.images(seeds, setting))

        return moments, (images(*one) for one in kept), size, text

    def _snapshot(self, folder: Path, moment: Moment) -> tuple[Sampler, Setting]:
        options = replace(self, model=str(folder), stage=moment.resolution, alpha=moment.alpha)
        sampler = options.open_sampler()
        return sampler, options.setting(sampler, options.trunc)

    def _cell_size(self, sampler: Sampler, setting: Setting, count: int) -> int:
        """The px of an image. InputError for a video that would be too large."""
        size = figures.cell_size(sampler, setting, self.size, count)
        growth.check_sides(count, self.columns, size)
        return size


# The moments of a video, the images of each, their px in it, and the text chunks of the file.
_Content = tuple["list[Moment]", "Iterator[list[np.ndarray]]", int, dict[str, str]]


def _seconds(option: str, given: float | None, usual: float, most: int) -> float:
    seconds = usual if given is None else given
    if not 0 < seconds <= most:
        raise InputError(f"{option} {seconds:g}: give a number above 0, at most {most}")
    return seconds
