"""A film of a network's growth: the same latents at every stage, each next block being faded in."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app.engine import Engine, Setting
from app.errors import AppError
from data.pictures import RULE, TEXT, WHITE, labelled_grid, resized
from progan.layers import stages

FADING = 0.6  # of a stage's time; for the rest it is held
SMALLEST_TEXT, LARGEST_TEXT = 12, 28  # px
MOST_SIDE = 8192  # px; neither H.264 nor WebP has twice that


@dataclass(frozen=True)
class Moment:
    """A stage, how far its block is faded in, and for how many frames that is seen."""

    resolution: int
    alpha: float
    frames: int = 1

    @property
    def caption(self) -> str:
        """What its frames say: "16 px, alpha 0.35", and of a block that is all in only the stage."""
        return f"{self.resolution} px" + (f", alpha {self.alpha:.2f}" if self.alpha < 1 else "")


def moments(first: int, last: int, alpha: float, frames: int) -> list[Moment]:
    """A film from the stage of `first` px to that of `last` px with `alpha` of its block, `frames` a stage.

    In the first part of its frames a stage is faded in, in even steps of alpha; then it is held. The last stage is held
    for all of `frames` more, so that a film which begins again leaves time to see what has become of it.
    """
    fading = max(round(frames * FADING), 1)
    held = max(frames - fading, 1)
    growth = [Moment(first, 1.0 if first < last else alpha, held)]
    for resolution in stages(last):
        if resolution > first:
            end = alpha if resolution == last else 1.0
            steps = math.ceil(fading * end)
            growth += [Moment(resolution, step / fading) for step in range(1, steps)]
            growth.append(Moment(resolution, end, held))
    return [*growth[:-1], replace(growth[-1], frames=held + frames)]


def first_stage(engine: Engine, last: int) -> int:
    """The smallest stage that training has drawn at, which need not have begun at 4 px.

    The layer that makes images at a stage begins with a bias of 0 and, once it is trained, never comes back to it.
    """
    layers = getattr(engine.generator, "synthesis", engine.generator).to_image
    trained = (stage for stage in stages(last) if layers[f"{stage}x{stage}"].bias.any())
    return next(trained, 4)


def check_sides(count: int, columns: int, size: int) -> None:
    """AppError for more pictures of `size` px than fit into a film."""
    width, height = min(columns, count) * size, -(-count // columns) * size
    if max(width, height) > MOST_SIDE:
        raise AppError(f"a film of {width:,} x {height:,} px is too large; ask for fewer seeds or a smaller size")


def frames(
    engine: Engine, seeds: Sequence[int], columns: int, setting: Setting, size: int, growth: Sequence[Moment]
) -> Iterator[np.ndarray]:
    """The frames [H, W, 3] (uint8, H and W even): the seeds in rows, each picture at `size` px, below a caption.

    Under the caption a line shows how much of the growth is done.
    """
    font = cast(ImageFont.FreeTypeFont, ImageFont.load_default(min(max(size // 8, SMALLEST_TEXT), LARGEST_TEXT)))
    widest = max(font.getlength(moment.caption) for moment in growth)
    first, end = growth[0].resolution, _done(growth[0].resolution, growth[-1])
    for moment in growth:
        drawn = engine.images(seeds, replace(setting, resolution=moment.resolution, alpha=moment.alpha))
        cells = [resized(picture, size) for picture in drawn]
        sheet = labelled_grid([cells[row : row + columns] for row in range(0, len(cells), columns)], size=size).image
        share = _done(first, moment) / end if end else 1.0
        yield from repeat(_captioned(sheet, moment.caption, share, font, widest), moment.frames)


def _done(first: int, moment: Moment) -> float:
    """How many blocks have been added to the first stage."""
    return math.log2(moment.resolution / first) - 1 + moment.alpha if moment.resolution > first else 0.0


def _captioned(
    sheet: Image.Image, caption: str, share: float, font: ImageFont.FreeTypeFont, widest: float
) -> np.ndarray:
    """The sheet below its caption, [H, W, 3], a little wider than the widest caption at least."""
    line = sum(font.getmetrics())
    margin = line // 4
    top = line + 2 * margin
    width, height = max(sheet.width, math.ceil(widest) + 2 * margin), top + sheet.height
    canvas = Image.new("RGB", (width + width % 2, height + height % 2), (WHITE,) * 3)
    left = (canvas.width - sheet.width) // 2
    canvas.paste(sheet, (left, top))
    draw = ImageDraw.Draw(canvas)
    draw.text((margin, margin), caption, TEXT, font)
    end = canvas.width - 1 - margin
    draw.line((margin, top - 1, end, top - 1), RULE)
    draw.line((margin, top - 1, margin + share * (end - margin), top - 1), TEXT, 3)
    return np.asarray(canvas)
