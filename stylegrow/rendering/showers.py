"""The legend of showers' colours."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stylegrow.physics import pictures
from stylegrow.physics.intensity import MIP_ROOT
from stylegrow.rendering.grids import TEXT, WHITE

HEIGHT, BAR, MARGIN = 54, 14, 12  # px
TICKS = (0, 1, 10, 100, 1000)  # MIP
PANELS = "each shower: front and middle layer, below them the rear one and the sum"


def with_legend(image: Image.Image, transform: str | None) -> Image.Image:
    """An image of showers above the legend of its colours: the signal of a cell in MIP. Others stay as they are."""
    if transform != MIP_ROOT.name:
        return image
    width = image.width - 2 * MARGIN
    whole = Image.new("RGB", (image.width, image.height + HEIGHT), (WHITE,) * 3)
    whole.paste(image, (0, 0))
    shades = np.rint(np.linspace(0, pictures.COLOURS - 1, width)).astype(int)
    whole.paste(Image.fromarray(np.tile(pictures.colours()[shades], (BAR, 1, 1))), (MARGIN, image.height + 4))
    draw, font, top = ImageDraw.Draw(whole), ImageFont.load_default(11), image.height + 4 + BAR
    for tick in TICKS:
        x = MARGIN + float(pictures.place(np.array(tick))) * (width - 1)
        draw.line((x, top, x, top + 3), TEXT)
        draw.text((x, top + 4), f"{tick:,} MIP" if tick == TICKS[-1] else f"{tick:,}", TEXT, font, "ma")
    if width > font.getlength(PANELS):
        draw.text((MARGIN, top + 19), PANELS, TEXT, font, "la")
    return whole
