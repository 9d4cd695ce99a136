"""Images at every lower resolution, by averages of squares of pixels."""

from collections.abc import Iterator, Sequence

import numpy as np

from stylegrow.data.request import MIN_RESOLUTION


def halve(images: np.ndarray) -> np.ndarray:
    """The 2x2 averages of float images [..., 2h, 2w], as [..., h, w]."""
    rows = images[..., ::2, :] + images[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) * images.dtype.type(0.25)


def levels_of(images: np.ndarray, roots: Sequence[bool] | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """(resolution, uint8 images [N, C, r, r]) from that of `images` down to 4: those of `means_of`.

    Averages stay float from level to level; they are rounded where they are stored, halves to the even number as in
    the official data sets. Sums of up to 4^8 bytes fit the 24 bits of a float32, so every average is exact.
    """
    yield images.shape[-1], images
    for means in means_of(images, roots):
        yield means.shape[-1], np.rint(means).astype(np.uint8)


def means_of(images: np.ndarray, roots: Sequence[bool] | None = None) -> Iterator[np.ndarray]:
    """Grey levels [N, C, r, r] (uint8) averaged to each resolution below theirs down to 4, float.

    Of showers `roots` says which channels are roots of energies: they hold the root of the energies' mean, other
    channels, where 0 is nothing, the mean of what is there.
    """
    if roots is None:
        exact = images.astype(np.float32)
        while exact.shape[-1] > MIN_RESOLUTION:
            exact = halve(exact)
            yield exact
        return
    root = np.reshape(roots, (-1, 1, 1))
    sums = np.where(root, np.square(images, dtype=np.float64), images)
    share = np.where(root, 1.0, images > 0)
    while sums.shape[-1] > MIN_RESOLUTION:
        sums, share = halve(sums), halve(share)
        means = np.divide(sums, share, out=np.zeros_like(sums), where=share > 0)
        yield np.where(root, np.sqrt(means), means)
