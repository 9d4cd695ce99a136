"""One model and its real pictures, ready to be dealt into rounds of the game."""

from __future__ import annotations

import os
import random
import weakref
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from app.game.critic import Critic, find_critic
from app.game.real_images import Reals, find_reals
from stylegrow.common.errors import InputError
from stylegrow.sampling.engine import Engine
from stylegrow.sampling.inputs import LARGEST_SEED, shown

# Truncation: the closer to the average, the fewer mistakes.
DIFFICULTIES = {"easy": 1.2, "normal": 1.0, "hard": 0.7}
CALIBRATION = 12  # pictures of either kind that tell the critic where "real" begins


@dataclass(frozen=True)
class Drawn:
    """How a generated picture was made; psi is None for a model without truncation, label for one without classes."""

    seed: int
    psi: float | None
    label: int | None


@dataclass(frozen=True, repr=False)
class Deal:
    """The truth about the pictures of a round. It stays on the server until the round is answered.

    Attributes:
        drawn: how each was generated; None for a real one, of which there is one, or with one picture none or one.
        real: the number of the real picture, if there is one.
        scores: the critic's, if the model has one.
        threshold: from where on the critic takes a single picture for real.
    """

    drawn: tuple[Drawn | None, ...]
    real: int | None
    scores: tuple[float, ...] | None
    threshold: float | None


class Dealers:
    """The dealers of the engines in memory; thread-safe.

    A dealer goes when its engine does, which it does not keep: hold on to the engine while a round is dealt.
    """

    def __init__(self, real_images: str | os.PathLike[str] | None = None) -> None:
        self._real_images = real_images
        self._dealers: WeakKeyDictionary[Engine, Dealer] = WeakKeyDictionary()
        self._lock = Lock()

    def of(self, engine: Engine) -> Dealer:
        """The dealer of an engine, made when it is first asked for. InputError where there are no real pictures."""
        with self._lock:
            if engine not in self._dealers:
                self._dealers[engine] = Dealer(weakref.proxy(engine), find_reals(engine, self._real_images))
            return self._dealers[engine]


class Dealer:
    """Deals rounds of one model. It keeps nothing of them; `deal` runs the networks, as Engine.images does.

    Attributes:
        key: tells models apart, also those of the same name.
        title: of the game, named after the data.
        critic: None where the model was saved without one.
    """

    def __init__(self, engine: Engine, reals: Reals) -> None:
        self.engine, self.reals = engine, reals
        self.title = f"Which {reals.noun} is real?"
        self._thresholds: dict[float | None, float] = {}

    @cached_property
    def key(self) -> str:
        return self.engine.weights

    @cached_property
    def critic(self) -> Critic | None:
        return find_critic(self.engine)

    @property
    def difficulties(self) -> tuple[str, ...]:
        """Those that this model has; a ProGAN, which has no truncation, has one."""
        return tuple(DIFFICULTIES) if self.engine.styled else ("normal",)

    def psi(self, difficulty: str) -> float | None:
        """The truncation of a difficulty, None for a ProGAN. InputError for one that this model does not have."""
        if not isinstance(difficulty, str) or difficulty not in DIFFICULTIES:
            raise InputError(f"Difficulty {shown(str(difficulty)[:99])}: choose {', '.join(DIFFICULTIES)}.")
        if difficulty not in self.difficulties:
            raise InputError(f'Difficulty {difficulty} needs a StyleGAN model; "{self.engine.name}" is a ProGAN.')
        return DIFFICULTIES[difficulty] if self.engine.styled else None

    def deal(self, count: int, difficulty: str, seen: set[int], rng: random.Random) -> tuple[list[np.ndarray], Deal]:
        """`count` pictures, one of them real and in a place of its own chance; of one picture a coin decides.

        They are [r, r, C] (uint8). The real one is not among the `seen`, until all have been.
        """
        psi = self.psi(difficulty)
        # With one picture, both are made all the same: the time that it takes must not tell which is shown.
        real, picture = self.reals.draw(seen, rng)
        drawn: list[Drawn | None] = [self._recipe(psi, rng) for _ in range(max(count - 1, 1))]
        pictures = [self._generated(one) for one in drawn if one is not None]
        place = rng.randrange(max(count, 2))
        if count > 1:
            pictures.insert(place, picture)
            drawn.insert(place, None)
        elif place == 0:
            pictures, drawn = [picture], [None]
        scores = (
            tuple(self._score(*shown, real) for shown in zip(pictures, drawn, strict=True)) if self.critic else None
        )
        threshold = self._threshold(psi) if self.critic and count == 1 else None
        return pictures, Deal(tuple(drawn), real if None in drawn else None, scores, threshold)

    def _recipe(self, psi: float | None, rng: random.Random) -> Drawn:
        """A generated picture to be, of a class that is as frequent as among the real ones, where that is known."""
        classes, label = self.engine.generator.label_dim, None
        if classes:
            label = rng.choice(self.reals.labels) if self.reals.labels else rng.randrange(classes)
        return Drawn(rng.randrange(LARGEST_SEED + 1), psi, label)

    def _generated(self, drawn: Drawn) -> np.ndarray:
        engine, name = self.engine, None
        if drawn.label is not None:
            name = engine.classes[drawn.label] if engine.classes else str(drawn.label)
        return next(iter(engine.images([drawn.seed], engine.setting(psi=drawn.psi, label=name))))

    def _score(self, picture: np.ndarray, drawn: Drawn | None, real: int) -> float:
        """The critic's score. It is told classes only if those of real pictures are known too: it treats both alike."""
        assert self.critic is not None
        label = None
        if self.reals.labels:
            label = self.reals.labels[real] if drawn is None else drawn.label
        return self.critic.score(picture, label)

    def _threshold(self, psi: float | None) -> float:
        """Half-way between the critic's median scores of real and of generated pictures.

        A Wasserstein critic's scores have no zero of their own (Arjovsky et al. 2017).
        """
        if psi not in self._thresholds:
            rng, seen = random.Random(0), set[int]()
            reals, fakes = [], []
            for _ in range(CALIBRATION):
                real, picture = self.reals.draw(seen, rng)
                seen.add(real)
                reals.append(self._score(picture, None, real))
                drawn = self._recipe(psi, rng)
                fakes.append(self._score(self._generated(drawn), drawn, real))
            self._thresholds[psi] = (median(reals) + median(fakes)) / 2
        return self._thresholds[psi]
