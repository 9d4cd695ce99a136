"""The embedded faces: cartoon heads composed from parts and rasterised, each fixed by its index alone.

The drawings are DiceBear's style "toon-head". The framing, the share of beards and the colours of hair, skin and
background are set here; the parts and the colours of the clothes are the artist's own.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stylegrow.common.errors import DataError
from stylegrow.data.request import MAX_RESOLUTION, MIN_RESOLUTION
from stylegrow.data.sources import TOONHEAD
from stylegrow.data.sources.base import Source
from stylegrow.data.sources.labels import Labels

if TYPE_CHECKING:
    from dicebear import Style

    from stylegrow.data.decoding import SquareImage
    from stylegrow.data.request import Shape

CREDIT = (
    '"ToonHead" by Johan Melin (https://www.figma.com/community/file/1589627891082866389, https://www.johanmelin.com), '
    "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/); drawn with DiceBear, colours changed"
)
DEFAULT_COUNT = 10_000
# Smaller images are averages of one at least this large: antialiasing alone is far off where a pixel holds many
# lines.
SMALLEST_DRAWN = 64
UNMOVED = (1, 0, 0, 0, 1, 0)  # the affine map that changes nothing

# Raise the first number when a change below changes the images; the rest follows the libraries that draw them.
VERSION = "-".join(
    ["1", *(f"{name}{metadata.version(name)}" for name in ("dicebear-core", "dicebear-styles", "resvg"))]
)

# Every hair colour stands out from every skin and every background by a CIE 1976 colour difference of at least 15: the
# outlines alone, thinner than a pixel, would not show it.
HAIR_COLORS = {
    "black": "#2c1b18",
    "brown": "#653008",
    "auburn": "#a9531d",
    "caramel": "#bd8436",
    "blonde": "#ecc25e",
    "red": "#b5301f",
    "grey": "#8d8f98",
    "pink": "#d0528f",
    "blue": "#3f6fa8",
}
BACKGROUNDS = ("#b6dff2", "#c9bdf0", "#d9ddfb", "#f9c6d6", "#e8cdf0", "#fdf1b5", "#c9e8cd", "#b9e5df")
# The artist's own, but for the first, which is lightened: closed eyes and mouths are strokes of #4b2422 and #3f2626.
SKIN_COLORS = {"deep": "#754a38", "brown": "#a36b4f", "rose": "#c68e7a", "tan": "#b98e6a", "light": "#f1c3a5"}
BEARD_PERCENT = 20
FRAMING: dict[str, Any] = {  # percent of the image's width and degrees, drawn uniformly
    "scale": [1.25, 1.4],
    "translateX": [-3, 3],
    "translateY": [5, 9],
    "rotate": [-4, 4],
    "flip": ["none", "horizontal"],
}

_PARTS = ("hair", "rear_hair", "beard", "eyes", "eyebrows", "mouth", "clothes")
_COMPONENTS = {name: name for name in _PARTS} | {"rear_hair": "rearHair"}  # DiceBear's names
_COLORS = {"skin_color": SKIN_COLORS, "hair_color": HAIR_COLORS}
ATTRIBUTES = (*_COMPONENTS, *_COLORS)
ABSENT = "none"


def classes(attribute: str) -> tuple[str, ...]:
    """All values of an attribute in a fixed order, with "none" first where a face may be without it.

    Parts keep DiceBear's names. Raises DataError for a name that is not in ATTRIBUTES.
    """
    if attribute in _COLORS:
        return tuple(_COLORS[attribute])
    if attribute not in _COMPONENTS:
        raise DataError(f"The embedded faces have no attribute {attribute!r}; choose from {', '.join(ATTRIBUTES)}")
    component = _style().components()[_COMPONENTS[attribute]]
    names = tuple(sorted(component.variants()))
    return names if component.probability() >= 100 else (ABSENT, *names)


def attributes(index: int) -> dict[str, str]:
    """What face `index` shows: a value of `classes(attribute)` for each of ATTRIBUTES."""
    _, resolved = _compose(_checked_index(index))
    values = {name: resolved.get(f"{component}Variant", ABSENT) for name, component in _COMPONENTS.items()}
    values["skin_color"] = _name_of(resolved["skinColor"][0], SKIN_COLORS)
    values["hair_color"] = _name_of(resolved["hairColor"][0], HAIR_COLORS)
    return values


def svg(index: int, resolution: int) -> str:
    """Face `index` as an SVG document of `resolution` x `resolution` pixels that carries the artist's credit."""
    size = _checked_resolution(resolution)
    document, _ = _compose(_checked_index(index))
    return document.replace("<svg ", f'<svg width="{size}" height="{size}" ', 1)


def render(index: int, resolution: int) -> np.ndarray:
    """Face `index` as uint8 [resolution, resolution, 3] RGB: the same pixels in every process, thread and order.

    Raises DataError for an index that is not a whole number from 0 up and for a resolution outside 4..1024.
    """
    size = _checked_resolution(resolution)
    factor = -(-SMALLEST_DRAWN // size)
    drawn = rasterise(svg(index, size * factor))
    if factor == 1:
        return drawn
    return np.rint(drawn.reshape(size, factor, size, factor, 3).mean(axis=(1, 3))).astype(np.uint8)


def rasterise(document: str) -> np.ndarray:
    """An SVG document of R x R pixels, opaque and without text, as uint8 [R, R, 3]."""
    from PIL import Image
    from resvg import render, usvg

    # The options name no fonts, so that the machine's make no difference.
    png = render(usvg.Tree.from_str(document, usvg.Options.default()), UNMOVED)
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        return np.array(image.convert("RGB"))


@cache
def _style() -> Style:
    """The style with our palettes in place: there DiceBear checks them once a process, as options once a face."""
    from dicebear import Style

    definition = json.loads(resources.files("dicebear_styles").joinpath("toon-head.json").read_text("utf-8"))
    palettes = {"hair": HAIR_COLORS.values(), "skin": SKIN_COLORS.values(), "background": BACKGROUNDS}
    for name, colors in palettes.items():
        definition["colors"][name] = {"values": list(colors)}
    definition["components"]["beard"]["probability"] = BEARD_PERCENT
    return Style(definition)


@lru_cache(maxsize=64)  # a face's pixels and its attributes are usually wanted one after the other
def _compose(index: int) -> tuple[str, dict[str, Any]]:
    """The SVG document of a face, without a size, and every value that DiceBear drew for it."""
    from dicebear import Avatar

    face = Avatar(_style(), {**FRAMING, "seed": f"face-{index}"}).to_json()
    # The clip to the canvas repeats what the image's edge does anyway, and costs the rasteriser a third of its time.
    return re.sub(r' clip-path="url\(#clip-\w+\)"', "", face["svg"], count=1), face["options"]


def _name_of(color: str, names: dict[str, str]) -> str:
    return next(name for name, value in names.items() if value == color)


def _checked(value: int, what: str, least: int, most: float = math.inf) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not least <= value <= most:
        allowed = f"{least} up" if most == math.inf else f"{least} to {most}"
        raise DataError(f"{what} {value!r}: give a whole number from {allowed}")
    return int(value)


def _checked_index(index: int) -> int:
    return _checked(index, "Embedded face", 0)


def _checked_resolution(resolution: int) -> int:
    return _checked(resolution, "Embedded faces at resolution", MIN_RESOLUTION, MAX_RESOLUTION)


@dataclass(frozen=True, kw_only=True)
class Faces(Source):
    """The embedded faces, drawn at the resolution of the data set."""

    def files(self) -> Iterator[tuple[str, Path]]:
        return iter(())

    def content(self, index: int) -> bytes:
        return _compose(index)[0].encode()

    def image(self, index: int, shape: Shape) -> SquareImage:
        from PIL import Image

        from stylegrow.data.decoding import square

        face = attributes(index)
        drawn = square(Image.fromarray(render(index, shape.resolution)), shape)
        return replace(drawn, classes=tuple(classes(name).index(face[name]) for name in ATTRIBUTES))

    def labels(self, used: np.ndarray, drawn: np.ndarray) -> Labels:
        return {name: (classes(name), drawn[:, i]) for i, name in enumerate(ATTRIBUTES)}


def find(count: int | None) -> Faces:
    """The first `count` faces. Raises DataError for a number below 1."""
    count = DEFAULT_COUNT if count is None else count
    if count < 1:
        raise DataError(f"--count {count}: give a number of faces from 1 up")
    return Faces(
        path=TOONHEAD,
        name=TOONHEAD,
        names=[f"{TOONHEAD}-{i:05d}" for i in range(count)],
        readers=(VERSION, str(count)),
        credit=CREDIT,
        known=(64, 3),
    )
