"""How many frames of a video are held at once."""

import weakref
from collections.abc import Iterable, Iterator

import numpy as np


class Frame(np.ndarray):
    """Pixels that others may look at, of which it is known when nobody does any more."""


class Held:
    """Frames on their way to a writer; `most` of them were held by anybody at a time."""

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self.most = self._now = 0
        self._frames = frames

    def __iter__(self) -> Iterator[np.ndarray]:
        for given in self._frames:
            frame = Frame(given.shape, given.dtype)
            frame[:] = given
            weakref.finalize(frame, self._gone)
            self._now += 1
            self.most = max(self.most, self._now)
            yield frame
            del frame

    def _gone(self) -> None:
        self._now -= 1
