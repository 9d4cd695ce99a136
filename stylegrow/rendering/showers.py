"""The legend of showers' colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stylegrow.physics import pictures
from stylegrow.physics.intensity import MIP_ROOT, VEM_ROOT_NS
from stylegrow.rendering.grids import TEXT, WHITE

HEIGHT, ANOTHER, BAR, MARGIN = 54, 34, 14, 12  # px, of a legend with one bar and of each more
SHADES = np.linspace(0, 1, pictures.COLOURS)
MEDIAN_VEM = np.sqrt(pictures.THRESHOLD * pictures.MOST_VEM)  # the lightness at which times are explained


@dataclass(frozen=True)
class Bar:
    """Colours [256, 3] (uint8), and what they stand for: (how far along, 0 to 1, text)."""

    colours: np.ndarray
    ticks: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Legend:
    """What is below an image: bars, and a line about the image. `words` says in words what the colours stand for."""

    bars: Sequence[Bar]
    line: str
    words: str


def _legends() -> dict[str, Legend]:
    def last_with(unit: str, values: Sequence[float], places: np.ndarray) -> list[tuple[float, str]]:
        texts = [f"{value:,}" for value in values]
        return list(zip(places.tolist(), [*texts[:-1], f"{texts[-1]} {unit}"], strict=True))

    mip, vem, us = (0, 1, 10, 100, 1000), (3, 10, 100, 1000, 10_000), (-10, -5, 0, 5, 10)
    signals = pictures.THRESHOLD * (pictures.MOST_VEM / pictures.THRESHOLD) ** SHADES
    times = pictures.LONGEST * (2 * SHADES - 1)
    return {
        MIP_ROOT.name: Legend(
            [Bar(pictures.colours(), last_with("MIP", mip, pictures.place(np.array(mip))))],
            "each shower: front and middle layer, below them the rear one and the sum",
            "the signal of a cell in MIP, from none (black) to 3,600 (pale yellow)",
        ),
        VEM_ROOT_NS.name: Legend(
            [
                Bar(pictures.timed(signals, 0 * signals), last_with("VEM", vem, pictures.place_of_vem(np.array(vem)))),
                Bar(pictures.timed(0 * times + MEDIAN_VEM, times), last_with("us", us, (np.array(us) + 10) / 20)),
            ],
            "each shower: lighter is more signal, the colour is the time after the front passes the core",
            "a station's signal, from 3 VEM (dark) to 10,000 (white), and time, 10 us early (blue) to late (orange)",
        ),
    }


LEGENDS = _legends()


def with_legend(image: Image.Image, transform: str | None) -> Image.Image:
    """An image of showers above the legend of its colours; others stay as they are."""
    legend = LEGENDS.get(transform or "")
    if legend is None:
        return image
    width = image.width - 2 * MARGIN
    whole = Image.new("RGB", (image.width, image.height + HEIGHT + ANOTHER * (len(legend.bars) - 1)), (WHITE,) * 3)
    whole.paste(image, (0, 0))
    draw, font, top = ImageDraw.Draw(whole), ImageFont.load_default(11), image.height + 4
    shades = np.rint(np.linspace(0, pictures.COLOURS - 1, width)).astype(int)
    for bar in legend.bars:
        whole.paste(Image.fromarray(np.tile(bar.colours[shades], (BAR, 1, 1))), (MARGIN, top))
        for along, text in bar.ticks:
            x = MARGIN + along * (width - 1)
            draw.line((x, top + BAR, x, top + BAR + 3), TEXT)
            half = font.getlength(text) / 2
            draw.text((min(max(x, half), image.width - half), top + BAR + 4), text, TEXT, font, "ma")
        top += ANOTHER
    if width > font.getlength(legend.line):
        draw.text((MARGIN, top - ANOTHER + BAR + 19), legend.line, TEXT, font, "la")
    return whole
