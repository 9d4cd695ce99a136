"""Images at every lower resolution, by averages of squares of pixels."""

from collections.abc import Iterator

import numpy as np

from stylegrow.data.request import MIN_RESOLUTION


def halve(images: np.ndarray) -> np.ndarray:
    """The 2x2 averages of float images [..., 2h, 2w], as [..., h, w]."""
    rows = images[..., ::2, :] + images[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) * images.dtype.type(0.25)


def levels_of(images: np.ndarray, energies: bool = False) -> Iterator[tuple[int, np.ndarray]]:
    """(resolution, uint8 images [N, C, r, r]) from that of `images` down to 4.

    Grey levels are averaged, or the `energies` that they are roots of, so that a level holds the root of their mean.

    Averages stay float from level to level; they are rounded where they are stored, halves to the even number as in
    the official data sets. Sums of up to 4^8 bytes fit the 24 bits of a float32, so every average is exact.
    """
    yield images.shape[-1], images
    exact = np.square(images, dtype=np.float64) if energies else images.astype(np.float32)
    while exact.shape[-1] > MIN_RESOLUTION:
        exact = halve(exact)
        yield exact.shape[-1], np.rint(np.sqrt(exact) if energies else exact).astype(np.uint8)
