"""Grids of images, with labels or without, and PNG files."""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from PIL.ExifTags import Base as ImageTags

from stylegrow.common.files import write_whole

WHITE = 255
TEXT, RULE = (0, 0, 0), (150, 150, 150)
SMALLEST_FONT, LARGEST_FONT = 9, 28  # px
Band = tuple[str, int]


def grid(images: np.ndarray, columns: int, size: int | None = None) -> Image.Image:
    """One image of all images [N, H, W, C] (uint8, square, grey or RGB), filled row by row.

    Each is enlarged to `size` pixels by repeating its own, so that grids of all resolutions are equally large; an
    unfinished last row ends in white. ValueError for images of another kind, and for a `size` that is no multiple of
    theirs.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or len(set(images.shape[1:3])) > 1 or images.shape[3] not in (1, 3):
        raise ValueError(f"a grid takes square uint8 images [N, H, W, 1 or 3], not {images.dtype} {list(images.shape)}")
    if not len(images) or columns < 1:
        raise ValueError(f"a grid needs at least one image and one column, not {len(images)} and {columns}")
    count, own, _, channels = images.shape
    size = size or own
    if size % own:
        raise ValueError(f"images of {own} px cannot be enlarged to {size} px by repeating their pixels")
    rows = -(-count // columns)
    cells = np.full((rows * columns, size, size, channels), WHITE, np.uint8)
    cells[:count] = images.repeat(size // own, axis=1).repeat(size // own, axis=2)
    canvas = cells.reshape(rows, columns, size, size, channels).swapaxes(1, 2)
    canvas = canvas.reshape(rows * size, columns * size, channels)
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """A square image [H, W, C] (uint8) at `size` px: its pixels repeated, or averaged where it is to be smaller.

    ValueError where neither size is a multiple of the other.
    """
    own = len(image)
    if size > 0 and size % own == 0:
        return image.repeat(size // own, axis=0).repeat(size // own, axis=1)
    if size > 0 and own % size == 0:
        blocks = image.reshape(size, own // size, size, own // size, -1)
        return (blocks.mean(axis=(1, 3)) + 0.5).astype(np.uint8)
    raise ValueError(f"images of {own} px cannot be shown at {size} px: neither is a multiple of the other")


@dataclass(frozen=True)
class Figure:
    """An image of labelled cells: that of row r and column c is the square of `size` px from (lefts[c], tops[r])."""

    image: Image.Image
    lefts: Sequence[int]
    tops: Sequence[int]
    size: int

    def cell(self, row: int, column: int) -> Image.Image:
        """What the figure shows there."""
        left, top = self.lefts[column], self.tops[row]
        return self.image.crop((left, top, left + self.size, top + self.size))


def labelled_grid(
    cells: Sequence[Sequence[np.ndarray | None]],
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    *,
    row_bands: Sequence[Band] = (),
    column_bands: Sequence[Band] = (),
    captions: Sequence[Sequence[str]] = (),
    size: int | None = None,
) -> Figure:
    """A figure of rows of images [H, W, 1 or 3] (uint8, square; None leaves a place white), with their labels.

    The label of a row stands left of it, that of a column above it, a caption below its cell. Bands are neighbouring
    rows or columns, (label, how many), set apart from the next band; their labels stand outside, those of rows upright.
    Cells are shown at `size` px (see `resized`), by default as large as the first image. The text is in ASCII, which is
    what Pillow's own font surely has, and as large as fits the cells.
    """
    size = size or next(len(cell) for row in cells for cell in row if cell is not None)
    columns, gap = max(map(len, cells)), max(2, size // 32)
    texts = [*column_labels, *(text for row in captions for text in row)]
    font = _font(size, [(text, size) for text in texts] + [(text, n * size) for text, n in (*row_bands, *column_bands)])
    line, margin = sum(font.getmetrics()) + gap, max([0, *(round(font.getlength(text)) + gap for text in row_labels)])
    left = gap + line * bool(row_bands) + margin
    top = gap + line * (bool(column_bands) + bool(column_labels))
    lefts = _places(left, size + gap, columns, column_bands, 3 * gap)
    tops = _places(top, size + gap + line * bool(captions), len(cells), row_bands, 3 * gap)
    canvas = Image.new("RGB", (lefts[-1] + size + gap, tops[-1] + size + gap + line * bool(captions)), (WHITE,) * 3)
    for y, row in zip(tops, cells, strict=True):
        for x, cell in zip(lefts, row, strict=False):
            if cell is not None:
                canvas.paste(Image.fromarray(resized(np.broadcast_to(cell, (*cell.shape[:2], 3)), size)), (x, y))
    draw = ImageDraw.Draw(canvas)
    for x, text in zip(lefts, column_labels, strict=False):
        draw.text((x + size / 2, top - line), text, TEXT, font, "ma")
    for y, text in zip(tops, row_labels, strict=False):
        draw.text((left - gap, y + size / 2), text, TEXT, font, "rm")
    for y, row_captions in zip(tops, captions, strict=False):
        for x, text in zip(lefts, row_captions, strict=False):
            draw.text((x + size / 2, y + size + gap / 2), text, TEXT, font, "ma")
    for start, end, text in _extents(lefts, column_bands, size):
        canvas.paste(_strip(text, font, end - start, line - gap), (start, gap))
    for start, end, text in _extents(tops, row_bands, size):
        canvas.paste(_strip(text, font, end - start, line - gap).transpose(Image.Transpose.ROTATE_90), (gap, start))
    return Figure(canvas, lefts, tops, size)


def _font(size: int, texts: Sequence[tuple[str, int]]) -> ImageFont.FreeTypeFont:
    """Pillow's own font, an eighth of a cell high, or as much smaller as it takes for each text to fit its width."""
    height = min(max(size // 8, 12), LARGEST_FONT)
    while True:
        font = cast(
            ImageFont.FreeTypeFont, ImageFont.load_default(height)
        )  # not where Pillow was built without FreeType
        if height <= SMALLEST_FONT or all(font.getlength(text) <= width for text, width in texts):
            return font
        height -= 1


def _places(first: int, step: int, count: int, bands: Sequence[Band], between: int) -> list[int]:
    """Where each of `count` rows or columns begins, with `between` more pixels wherever a new band does."""
    places, breaks = [], set(np.cumsum([n for _, n in bands]).tolist())
    for index in range(count):
        first += between if index in breaks else 0
        places.append(first + index * step)
    return places


def _extents(places: Sequence[int], bands: Sequence[Band], size: int) -> Iterator[tuple[int, int, str]]:
    """(first pixel, last pixel + 1, label) of each band that has a label."""
    index = 0
    for text, count in bands:
        if text:
            yield places[index], places[index + count - 1] + size, text
        index += count


def _strip(text: str, font: ImageFont.FreeTypeFont, length: int, height: int) -> Image.Image:
    """A band's label amid a line as long as the band."""
    strip = Image.new("RGB", (length, height), (WHITE,) * 3)
    draw = ImageDraw.Draw(strip)
    draw.line((0, height // 2, length, height // 2), RULE)
    half = font.getlength(text) / 2 + height / 3
    draw.rectangle((length / 2 - half, 0, length / 2 + half, height), (WHITE,) * 3)
    draw.text((length / 2, 0), text, TEXT, font, "ma")
    return strip


def png_text(text: Mapping[str, str]) -> PngImagePlugin.PngInfo:
    """`text` (keyword to value) as a PNG's text chunks."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in text.items():
        chunks.add_text(key, value)
    return chunks


def exif_text(text: Mapping[str, str]) -> Image.Exif:
    """What a PNG's text chunks say of how it was made and of its source, as a JPEG's or a WebP's metadata."""
    exif = Image.Exif()
    exif[ImageTags.ImageDescription], exif[ImageTags.Copyright] = text.get("parameters", ""), text.get("Source", "")
    return exif


def save_png(image: Image.Image, path: str | os.PathLike[str], text: Mapping[str, str] | None = None) -> None:
    """Write a PNG whole or not at all, with `text` (keyword to value) in its text chunks. OSError if it cannot be."""
    encoded = io.BytesIO()
    image.save(encoded, "PNG", pnginfo=png_text(text or {}))
    write_whole(Path(path), encoded.getvalue())
