"""One model and its real images, from which rounds of the game are drawn."""

from __future__ import annotations

import os
import random
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from app.game import wording
from app.game.critic import Critic, find_critic
from app.game.pool import Filling, Marks, Pool
from app.game.quality import Quality
from app.game.real_images import RealImages, find_real_images
from app.game.rules import DIFFICULTIES, FOLLOW, GENERATED, LETTERS, REAL, Critique, GeneratedImage, Mode
from stylegrow.common.errors import InputError
from stylegrow.sampling.inputs import LARGEST_SEED, shown
from stylegrow.sampling.sampler import Sampler

CALIBRATION = 12  # images of either kind that tell the critic where "real" begins


@dataclass(frozen=True, repr=False)
class RoundImages:
    """What the images of a round are. It stays on the server until the round is answered.

    Attributes:
        generated: how each was made; None for a real one, of which there is one, or with one image none or one.
        real: the number of the real image, if there is one.
        scores: the critic's, if the model has one.
        threshold: from where on the critic takes a single image for real.
        early: whether there were not enough generated images yet to choose the best of.
        uneven: grey levels of the generated backgrounds, which files are to hide; 0 for none.
    """

    generated: tuple[GeneratedImage | None, ...]
    real: int | None
    scores: tuple[float, ...] | None
    threshold: float | None
    early: bool
    uneven: float = 0.0

    def truth(self, mode: Mode) -> str:
        """The right one of the mode's choices."""
        if mode.images > 1:
            return mode.choices[self.generated.index(None)]
        return REAL if self.generated[0] is None else GENERATED

    def critique(self, truth: str) -> Critique | None:
        """The critic's own answer, if there is a critic."""
        if self.scores is None:
            return None
        if self.threshold is not None:
            choice = REAL if self.scores[0] >= self.threshold else GENERATED
        else:
            choice = LETTERS[max(range(len(self.scores)), key=self.scores.__getitem__)]
        right = choice == truth
        return Critique(self.scores, choice, right, wording.critic_says(self.scores, choice, right, self.threshold))


class RoundSource:
    """The models in memory as the game plays them; thread-safe.

    A GameModel goes when its sampler does, which it does not keep: hold on to the sampler while a round is drawn.
    """

    def __init__(self, real_images: str | os.PathLike[str] | None = None) -> None:
        self._real_images = real_images
        self._models: WeakKeyDictionary[Sampler, GameModel] = WeakKeyDictionary()
        self._lock = Lock()

    def of(self, sampler: Sampler) -> GameModel:
        """The game's model of a sampler, made when it is first asked for. InputError where there are no real images."""
        with self._lock:
            if sampler not in self._models:
                reals = find_real_images(sampler, self._real_images)
                self._models[sampler] = GameModel(weakref.proxy(sampler), reals)
            return self._models[sampler]


class GameModel:
    """Draws rounds of one model. It keeps nothing of them; `draw_round` runs the networks, as Sampler.images does.

    Generated images are the best of several, as many as the difficulty says, which are chosen in the background from
    when the model is first looked at. `rng` and `start` are as for `Filling`.
    """

    def __init__(
        self,
        sampler: Sampler,
        reals: RealImages,
        rng: random.Random | None = None,
        start: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self.sampler, self.reals = sampler, reals
        self._thresholds: dict[float | None, float] = {}
        self._pools = {name: Pool(kind.of) for name, kind in DIFFICULTIES.items() if kind.of > 1}
        self._filling = Filling(self._pools, self._candidate, rng, start)

    @cached_property
    def key(self) -> str:
        """Tells models apart, also those of the same name."""
        return self.sampler.weights

    @cached_property
    def critic(self) -> Critic | None:
        """None where the model was saved without one."""
        return find_critic(self.sampler)

    @cached_property
    def quality(self) -> Quality:
        """What generated images are ranked by."""
        return Quality(self.critic, self.sampler.resolution, self.reals.noun == "face")

    @property
    def graded(self) -> bool:
        """Whether there are difficulties: by truncation, by rank, or both."""
        return self.sampler.styled or bool(self.quality)

    def check(self, difficulty: str) -> None:
        """InputError for what is no difficulty of this model, which may have only "normal"."""
        known = (FOLLOW, *DIFFICULTIES)
        if not isinstance(difficulty, str) or difficulty not in known:
            raise InputError(f"Difficulty {shown(str(difficulty)[:99])}: choose {', '.join(known)}.")
        if difficulty != "normal" and not self.graded:
            name = self.sampler.name
            raise InputError(f'Difficulty {difficulty} needs a StyleGAN model or a critic; "{name}" has neither.')

    def psi(self, difficulty: str) -> float | None:
        """The truncation of a difficulty; None for a model without truncation."""
        return DIFFICULTIES[difficulty].psi if self.sampler.styled else None

    def prepare(self) -> None:
        """Have good images ready when they are needed; returns at once."""
        if self.quality:
            self._filling.begin()

    def draw_round(
        self, count: int, difficulty: str, seen: set[int], rng: random.Random
    ) -> tuple[list[np.ndarray], RoundImages]:
        """`count` images, one of them real and in a place of its own chance; of one image a coin decides.

        They are [r, r, C] (uint8), all without the margin that the generator does not draw, if it has one. The real one
        is not among the `seen`, until all have been.
        """
        psi = self.psi(difficulty)
        # With one image, both are made all the same: the time that it takes must not tell which is shown.
        real, real_pixels = self.reals.draw(seen, rng)
        taken = [self._take(difficulty, rng) for _ in range(max(count - 1, 1))]
        generated: list[GeneratedImage | None] = [image for image, _ in taken]
        pixels = [self._generate(one) for one in generated if one is not None]
        hidden = DIFFICULTIES[difficulty].hides_backgrounds
        uneven = self.quality.unevenness([self._drawn(one) for one in pixels]) if hidden else 0.0
        place = rng.randrange(max(count, 2))
        if count > 1:
            pixels.insert(place, real_pixels)
            generated.insert(place, None)
        elif place == 0:
            pixels, generated = [real_pixels], [None]
        scores = threshold = None
        if self.critic:
            scores = tuple(self._score(*one, real) for one in zip(pixels, generated, strict=True))
            threshold = self._threshold(psi) if count == 1 else None
        self.prepare()
        early, shown_real = not all(ready for _, ready in taken), real if None in generated else None
        images = RoundImages(tuple(generated), shown_real, scores, threshold, early, uneven)
        return [self._drawn(one) for one in pixels], images

    def _drawn(self, pixels: np.ndarray) -> np.ndarray:
        """What of an image the generator draws itself: its streaks at the edges would give it away."""
        margin = self.sampler.generator.config.margin_at(len(pixels))
        within = slice(margin, len(pixels) - margin)
        return pixels[within, within]

    def caption(self, image: GeneratedImage | None) -> str:
        """What an image was, None for a real one."""
        if image is None:
            return wording.caption(self.reals.noun)
        return wording.caption(self.reals.noun, image.seed, image.psi, self._class_name(image.label, "class "))

    def _class_name(self, label: int | None, unnamed: str = "") -> str | None:
        if label is None:
            return None
        return self.sampler.classes[label] if self.sampler.classes else f"{unnamed}{label}"

    def _take(self, difficulty: str, rng: random.Random) -> tuple[GeneratedImage, bool]:
        """(an image of a difficulty that nobody else gets, whether it was chosen from as many as it should be)."""
        if not self.quality or difficulty not in self._pools:
            return self._choose(self.psi(difficulty), rng), True
        image, ready = self._pools[difficulty].take()
        return image or self._choose(self.psi(difficulty), rng), ready

    def _candidate(self, difficulty: str, rng: random.Random) -> tuple[GeneratedImage, Marks]:
        """One more image for the pool of a difficulty."""
        image = self._choose(self.psi(difficulty), rng)
        return image, self.quality.marks(self._generate(image), image.label if self.reals.labels else None)

    def _choose(self, psi: float | None, rng: random.Random) -> GeneratedImage:
        """An image to generate, of a class that is as frequent as among the real ones, where that is known."""
        classes, label = self.sampler.generator.label_dim, None
        if classes and self.sampler.labels.kind == "classes":
            label = rng.choice(self.reals.labels) if self.reals.labels else rng.randrange(classes)
        return GeneratedImage(rng.randrange(LARGEST_SEED + 1), psi, label)

    def _generate(self, image: GeneratedImage) -> np.ndarray:
        setting = self.sampler.setting(psi=image.psi, label=self._class_name(image.label))
        return next(iter(self.sampler.uncoloured.images([image.seed], setting)))

    def _score(self, pixels: np.ndarray, image: GeneratedImage | None, real: int) -> float:
        """The critic's score. It gets classes only if those of real images are known too: it treats both alike."""
        assert self.critic is not None
        label = None
        if self.reals.labels:
            label = self.reals.labels[real] if image is None else image.label
        return self.critic.score(pixels, label)

    def _threshold(self, psi: float | None) -> float:
        """Half-way between the critic's median scores of real and of generated images.

        A Wasserstein critic's scores have no zero of their own (Arjovsky et al. 2017).
        """
        if psi not in self._thresholds:
            rng, seen = random.Random(0), set[int]()
            reals, fakes = [], []
            for _ in range(CALIBRATION):
                real, pixels = self.reals.draw(seen, rng)
                seen.add(real)
                reals.append(self._score(pixels, None, real))
                image = self._choose(psi, rng)
                fakes.append(self._score(self._generate(image), image, real))
            self._thresholds[psi] = (median(reals) + median(fakes)) / 2
        return self._thresholds[psi]
