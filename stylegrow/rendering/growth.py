"""A video of a network's growth: the same latents at every stage of it, or as each snapshot of a run drew them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from progan.config import stages
from stylegrow.common.errors import InputError
from stylegrow.common.paths import expanded
from stylegrow.common.text import printable
from stylegrow.rendering.grids import RULE, TEXT, WHITE, labelled_grid, resized
from stylegrow.sampling.inputs import shown

FADING = 0.6  # of a stage's time; for the rest it is held
SMALLEST_TEXT, LARGEST_TEXT = 12, 28  # px
MOST_KIMG = 1e9
MOST_SIDE = 8192  # px; neither H.264 nor WebP has twice that


@dataclass(frozen=True)
class Moment:
    """A stage, how far its block is faded in, and for how many frames that is seen; of a snapshot also its kimg."""

    resolution: int
    alpha: float
    frames: int = 1
    kimg: float | None = None

    @property
    def caption(self) -> str:
        """What its frames say: "16 px, alpha 0.35, 24 kimg", without the alpha of a block that is all in."""
        said = f"{self.resolution} px" + (f", alpha {self.alpha:.2f}" if self.alpha < 1 else "")
        if self.kimg is None:
            return said
        return f"{said}, {self.kimg:,.0f} kimg" if self.kimg >= 10 else f"{said}, {self.kimg:.2g} kimg"


def moments(first: int, last: int, alpha: float, frames: int) -> list[Moment]:
    """A video from the stage of `first` px to that of `last` px with `alpha` of its block, `frames` a stage.

    In the first part of its frames a stage is faded in, in even steps of alpha; then it is held. The last stage is held
    for all of `frames` more, so that a video which begins again leaves time to see what has become of it.
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


def snapshots(model: str, frames: int, held: int) -> list[tuple[Path, Moment]]:
    """The models that a run folder keeps and what each has drawn, in order of kimg, in a video of about `frames`.

    All are seen for equally long, at least for a frame, and the last for `held` frames more. InputError for fewer
    than two, and for one that does not tell its stage; ModelError for one that cannot be read.
    """
    folder = expanded(model) / "models"
    try:
        # Training may be writing another there, whose name begins with a dot until it is whole.
        found = [path for path in folder.iterdir() if path.name[:1].isdigit()]
    except OSError:
        found = []
    if len(found) < 2:
        raise InputError(
            f"--model {shown(model)}: is no run folder with two snapshots or more under models/; "
            "train with --keep-models 100 --snapshot-kimg 2 or so, or leave --snapshots out"
        )
    each = max(round(frames / len(found)), 1)
    kept = sorted(((path, _reached(path, each)) for path in found), key=lambda one: (one[1].kimg, one[0]))
    last, moment = kept[-1]
    return [*kept[:-1], (last, replace(moment, frames=each + held))]


def _reached(folder: Path, frames: int) -> Moment:
    """The stage at which a snapshot was written."""
    from stylegrow.models import read_config

    facts = read_config(folder)["training"]
    kimg, resolution, alpha = (facts.get(name) for name in ("kimg", "resolution", "alpha"))
    limits = ((kimg, MOST_KIMG), (alpha, 1))
    known = all(isinstance(value, int | float) and 0 <= value <= most for value, most in limits)
    if not (known and isinstance(resolution, int)):
        raise InputError(f"{printable(folder)}: its config.json tells no kimg, resolution and alpha of a training")
    return Moment(resolution, float(alpha), frames, float(kimg))


def check_sides(count: int, columns: int, size: int) -> None:
    """InputError for more images of `size` px than fit into a video."""
    width, height = min(columns, count) * size, -(-count // columns) * size
    if max(width, height) > MOST_SIDE:
        raise InputError(f"a video of {width:,} x {height:,} px is too large; ask for fewer seeds or a smaller size")


def frames(
    growth: Sequence[Moment], drawn: Iterable[Iterable[np.ndarray]], columns: int, size: int
) -> Iterator[np.ndarray]:
    """The frames [H, W, 3] (uint8, H and W even): what is drawn at each moment in rows, at `size` px, below a caption.

    Under the caption a line shows how much of the growth is done: of the blocks added, or of the kimg.
    """
    font = cast(ImageFont.FreeTypeFont, ImageFont.load_default(min(max(size // 8, SMALLEST_TEXT), LARGEST_TEXT)))
    widest = max(font.getlength(moment.caption) for moment in growth)
    done = [_blocks(growth[0].resolution, moment) if moment.kimg is None else moment.kimg for moment in growth]
    for moment, amount, images in zip(growth, done, drawn, strict=True):
        cells = [resized(image, size) for image in images]
        sheet = labelled_grid([cells[row : row + columns] for row in range(0, len(cells), columns)], size=size).image
        share = amount / done[-1] if done[-1] else 1.0
        yield from repeat(_captioned(sheet, moment.caption, share, font, widest), moment.frames)


def _blocks(first: int, moment: Moment) -> float:
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
