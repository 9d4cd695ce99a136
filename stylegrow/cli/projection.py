"""`stylegrow project`: from an image to the w that draws it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from stylegrow.cli.options import ModelOptions, check_range, progress, report
from stylegrow.common.images import to_uint8
from stylegrow.common.paths import check_folder
from stylegrow.common.text import printable
from stylegrow.data.decoding import read_square
from stylegrow.data.request import Shape
from stylegrow.rendering import figures, grids
from stylegrow.rendering.video import write_video
from stylegrow.sampling.inputs import LARGEST_SEED, MOST_STEPS, STEPS, ProjectionSpace
from stylegrow.sampling.latents import write_latents

if TYPE_CHECKING:
    from stylegrow.sampling.projection import Step

FRAMES, FPS = 96, 24  # at most about so many of the steps; the last one is held for a second
SMALLEST = 256  # px, of an image in the video


@dataclass(frozen=True, kw_only=True)
class Project(ModelOptions):
    """An image of your own as a w that other commands draw: IMAGE-projected.npz, and a video."""

    image: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE", help="its middle square is used")]
    out: Annotated[str, tyro.conf.arg(metavar="DIR")] = "out"
    """folder for the files; earlier ones of the same name are replaced"""
    space: Annotated[ProjectionSpace, tyro.conf.arg(metavar="{w+,w}")] = "w+"
    """a w for each layer, which is nearer to the image, or one for all, which is more like the training's"""
    steps: int = STEPS
    """of the optimisation"""
    seed: int = 0
    """of the noise that helps to find the way"""

    def run(self) -> None:
        """Write the w (.npz), the image beside the original (.png), and a video of both while it was found."""
        from stylegrow.metrics.features import projection_maps
        from stylegrow.sampling.projection import project

        check_range("--steps", self.steps, 1, MOST_STEPS)
        check_range("--seed", self.seed, 0, LARGEST_SEED)
        check_folder(Path(self.out), "--out")
        sampler = self.open_sampler()
        sampler.check_projection()
        generator, setting = sampler.generator, sampler.setting(psi=1.0, label=self.class_)
        own = setting.resolution or generator.resolution
        target = read_square(Path(self.image), Shape(own, generator.config.image_channels), printable(self.image))
        original = target.transpose(1, 2, 0)
        size = figures.cell_size(sampler, setting, max(own, SMALLEST), 2)
        maps = projection_maps(generator.w_avg.device)
        found: list[Step] = []
        between = max(self.steps // FRAMES, 1)

        def frames() -> Iterator[np.ndarray]:
            steps = project(sampler, target, maps, setting, self.space, self.steps, self.seed)
            for step in progress(steps, total=self.steps + 1, unit="step"):
                last = step.number == self.steps
                if step.number % between == 0 or last:
                    frame = np.concatenate([original, to_uint8(step.image)[0]], axis=1)
                    frame = frame.repeat(size // own, axis=0).repeat(size // own, axis=1)
                    yield from [frame] * (FPS if last else 1)
            found.append(step)

        folder, name = Path(self.out), Path(self.image).stem
        folder.mkdir(parents=True, exist_ok=True)
        text = sampler.text(setting, space=self.space, steps=self.steps)
        count = len(range(0, self.steps, between)) + FPS
        video = write_video(folder, f"{name}-projection", frames(), count, FPS, text)
        latents, picture = (folder / f"{name}-projected.{kind}" for kind in ("npz", "png"))
        write_latents(latents, {"w": found[0].ws.float().cpu().numpy()})
        pair = [[original, to_uint8(found[0].image)[0]]]
        grids.save_png(
            grids.labelled_grid(pair, column_labels=["original", "projected"], size=size).image, picture, text
        )
        for path in (latents, picture, video):
            report(path)
