"""Generated images that are worth showing: the best of many, chosen in the background and each shown once.

Only seeds and marks are kept, never images, and of both no more than a difficulty can use.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.game.rules import GeneratedImage

STOCK = 16  # images that wait for their rounds


@dataclass(frozen=True)
class Marks:
    """What speaks for an image: whether the detector takes it for intact, and numbers that are higher for better."""

    intact: bool
    numbers: tuple[float, ...]


class Pool:
    """The best of every `of` images that are added; thread-safe."""

    def __init__(self, of: int) -> None:
        self._of = of
        self._lock = threading.Lock()
        self._added: list[tuple[GeneratedImage, Marks]] = []
        self._chosen: deque[GeneratedImage] = deque()

    def __len__(self) -> int:
        """How many have been chosen and not been taken."""
        return len(self._chosen)

    def add(self, image: GeneratedImage, marks: Marks) -> None:
        """One more image; the best of every `of` is chosen, and the others are forgotten."""
        with self._lock:
            self._added.append((image, marks))
            if len(self._added) == self._of:
                self._chosen.append(self._added[best([marks for _, marks in self._added])][0])
                self._added.clear()

    def take(self) -> tuple[GeneratedImage | None, bool]:
        """(an image, whether it was the best of `of`), which is forgotten: nobody else gets it.

        Where none has been chosen yet it is the best of those that are there, and None where there are none.
        """
        with self._lock:
            if self._chosen:
                return self._chosen.popleft(), True
            if self._added:
                return self._added.pop(best([marks for _, marks in self._added]))[0], False
            return None, False


def best(marks: Sequence[Marks]) -> int:
    """The place of the best: among those that are intact, if any are, the one whose numbers rank highest together.

    Ranks are added since the numbers have no common unit, and a Wasserstein critic's not even a scale of its own.
    """
    ranks = np.array([one.numbers for one in marks]).argsort(axis=0).argsort(axis=0).sum(axis=1)
    return int(np.lexsort((ranks, [one.intact for one in marks]))[-1])


class Filling:
    """Fills pools, the emptiest first, an image at a time, until all have their stock.

    Args:
        pools: what is filled, by names.
        draw: a name and chance to a new image with its marks; ReferenceError when there is no model any more.
        rng: of chance.
        start: runs a function, by default in a thread that gives way to all others.
    """

    def __init__(
        self,
        pools: dict[str, Pool],
        draw: Callable[[str, random.Random], tuple[GeneratedImage, Marks]],
        rng: random.Random | None = None,
        start: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._pools, self._draw = pools, draw
        self._rng, self._start = rng or random.SystemRandom(), start or in_background
        self._busy = threading.Lock()

    def begin(self) -> None:
        """Fill the pools from now on, unless that is being done or there is nothing to do."""
        if self._emptiest() is not None and self._busy.acquire(blocking=False):
            self._start(self._fill)

    def _fill(self) -> None:
        try:
            # The program does not wait for it to end.
            while threading.main_thread().is_alive() and (name := self._emptiest()) is not None:
                self._pools[name].add(*self._draw(name, self._rng))
        except ReferenceError:
            pass  # the model has made room for others
        finally:
            self._busy.release()

    def _emptiest(self) -> str | None:
        name = min(self._pools, key=lambda name: len(self._pools[name]), default=None)
        return None if name is None or len(self._pools[name]) >= STOCK else name


def in_background(work: Callable[[], None]) -> None:
    """Run it in a thread of its own, which gets what time others leave where threads can have priorities."""

    def gently() -> None:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        work()

    threading.Thread(target=gently, name="game-pool").start()
