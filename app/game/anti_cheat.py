"""Image files that give nothing away: the real one and the generated ones of a round differ in what they show alone.

Every image goes the same way, whatever it was before: RGB, resized, mottled where generated backgrounds are uneven and
the round is a hard one, disturbed by one grey level at random, encoded as JPEG by one call. Reals may have been JPEG
files, whose traces a lossless copy would keep; so all are JPEG now. The files of a round are equally long (zeros after
the end of the image, which decoders skip), have random names and one and the same time, and are written in random
order.
"""

from __future__ import annotations

import io
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from stylegrow.rendering.grids import resized

PADDING = 16 << 10  # bytes: lengths are multiples of it
QUALITY = 92
SMALLEST_SHOWN = 512  # px
MOTTLES = 32  # on a side: two on that of the corners by which flatness is measured
MOTTLING = 4.0  # the strongest, in multiples of the generated backgrounds' own unevenness
STRONGEST = 8.0  # grey levels: more would spoil the pictures
THUMBNAIL = 64  # px, but at most half of what the model draws


def shown_size(resolution: int) -> int:
    """The size in px that images of a resolution are shown at."""
    return max(resolution, SMALLEST_SHOWN)


def publish(
    images: Sequence[np.ndarray], folder: Path, rng: random.Random, size: int, uneven: float = 0.0
) -> list[Path]:
    """Write the images [r, r, 1 or 3] (uint8) of one round into `folder` at `size` px; their paths, in order.

    Each is mottled by a strength of its own between nothing and MOTTLING times `uneven` grey levels, or STRONGEST. The
    disturbance differs from round to round, so that an image that comes again is another file with another hash.
    OSError where they cannot be written; then none is left behind.
    """
    noise = np.random.default_rng(rng.getrandbits(128))
    enlargements = [enlarged(image, size) for image in images]
    if uneven:
        enlargements = [
            mottled(image, noise.uniform(0, min(MOTTLING * uneven, STRONGEST)), noise) for image in enlargements
        ]
    contents = [encoded(disturbed(image, noise)) for image in enlargements]
    length = -(-max(map(len, contents)) // PADDING) * PADDING
    paths = [folder / f"{rng.getrandbits(128):032x}.jpg" for _ in contents]
    second = int(time.time())
    try:
        for index in rng.sample(range(len(paths)), len(paths)):
            write(paths[index], contents[index].ljust(length, b"\0"))
        for path in paths:
            os.utime(path, (second, second))
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise
    return paths


def enlarged(image: np.ndarray, size: int) -> np.ndarray:
    """A square image [r, r, 1 or 3] (uint8) as RGB [size, size, 3]."""
    whole = Image.fromarray(np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3))))
    return np.asarray(whole if whole.width == size else whole.resize((size, size), Image.Resampling.BICUBIC))


def mottled(image: np.ndarray, strength: float, noise: np.random.Generator) -> np.ndarray:
    """An image RGB [size, size, 3] with soft spots, lighter and darker by so many grey levels and slightly coloured."""
    size = len(image)
    grids = noise.standard_normal((4, MOTTLES, MOTTLES)).astype(np.float32)
    spots = [np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC)) for grid in grids]
    light, colours = 0.9 * spots[0], 0.44 * np.stack(spots[1:], axis=2)  # of variance 1 together
    return np.clip(np.rint(image + strength * (light[:, :, None] + colours)), 0, 255).astype(np.uint8)


def disturbed(image: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    """Each value one higher, one lower or as it was, by chance."""
    return np.clip(image + noise.integers(-1, 2, image.shape, np.int16), 0, 255).astype(np.uint8)


def thumbnail(image: np.ndarray) -> np.ndarray:
    """An image [r, r, C] (uint8) with fewer pixels, in which mistakes are harder to see."""
    return resized(image, min(len(image) // 2, THUMBNAIL))


def encoded(image: np.ndarray) -> bytes:
    """A JPEG of RGB [H, W, 3]: no metadata, and tables that do not depend on the image."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=QUALITY, subsampling="4:2:0", optimize=False, progressive=False)
    return file.getvalue()


def write(path: Path, content: bytes) -> None:
    """Write a file that is not there yet."""
    with path.open("xb") as file:
        file.write(content)
