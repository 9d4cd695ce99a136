"""Pictures of what a generator draws: from its output to uint8, to grids, to PNG files."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

WHITE = 255


def to_uint8(images: Any) -> np.ndarray:
    """Images [N, C, H, W], a float tensor on any device or an array, as uint8 [N, H, W, C].

    The nominal range [-1, 1] becomes 0 to 255 as in the official programs: x * 127.5 + 128, saturated and truncated.
    What is not a number becomes 0.
    """
    if hasattr(images, "detach"):
        images = images.detach().float().cpu().numpy()
    scaled = np.nan_to_num(np.asarray(images, dtype=np.float32) * np.float32(127.5) + np.float32(128))
    return np.ascontiguousarray(np.clip(scaled, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))


def grid(images: np.ndarray, columns: int, size: int | None = None, gap: int = 0) -> Image.Image:
    """One picture of all images [N, H, W, C] (uint8, square, grey or RGB), filled row by row.

    Each image is enlarged to `size` pixels by repeating its own, so that grids of all resolutions are equally large;
    `gap` white pixels lie between neighbours, and an unfinished last row ends in white. ValueError for images of
    another kind, and for a `size` that is no multiple of theirs.
    """
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[1] != images.shape[2]
        or images.shape[3] not in (1, 3)
    ):
        raise ValueError(f"a grid takes square uint8 images [N, H, W, 1 or 3], not {images.dtype} {list(images.shape)}")
    if not len(images) or columns < 1:
        raise ValueError(f"a grid needs at least one image and one column, not {len(images)} and {columns}")
    count, own, _, channels = images.shape
    size = size or own
    if size % own:
        raise ValueError(f"images of {own} px cannot be enlarged to {size} px by repeating their pixels")
    rows, step = -(-count // columns), size + gap
    canvas = np.full((rows * step - gap, columns * step - gap, channels), WHITE, np.uint8)
    for index, cell in enumerate(images.repeat(size // own, axis=1).repeat(size // own, axis=2)):
        top, left = index // columns * step, index % columns * step
        canvas[top : top + size, left : left + size] = cell
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def save_png(image: Image.Image, path: str | os.PathLike[str], text: Mapping[str, str] | None = None) -> None:
    """Write a PNG whole or not at all, with `text` (keyword to value) in its text chunks. OSError if it cannot be."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        chunks.add_text(key, value)
    encoded = io.BytesIO()
    image.save(encoded, "PNG", pnginfo=chunks)
    path = Path(path)
    partial = path.with_name(f".{path.name}.tmp")
    try:
        with partial.open("wb") as file:
            file.write(encoded.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
