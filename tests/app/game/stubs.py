"""A game without networks: pictures that say what they are, chance and time in the test's hands."""

import random
from types import SimpleNamespace

import numpy as np

from app.game.real_images import RealImages
from app.game.rounds import GameModel
from progan.config import GeneratorConfig

REAL, FAKE = 200, 50  # grey levels


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


class StubEngine:
    """Draws grey pictures, and notes the seeds and settings that it is asked for."""

    def __init__(self, styled=True, resolution=8, name="stub", classes=()) -> None:
        self.styled, self.resolution, self.alpha, self.name, self.weights = styled, resolution, 1.0, name, f"w-{name}"
        self.classes, self.credit = list(classes), ""
        self.generator = SimpleNamespace(label_dim=len(classes), config=GeneratorConfig(resolution))
        self.labels = SimpleNamespace(kind="classes" if classes else "none")
        self.asked: list[tuple[int, dict]] = []

    def setting(self, **given):
        return given

    @property
    def uncoloured(self):
        return self

    def shown(self, images):
        return images

    def images(self, seeds, setting):
        for seed in seeds:
            self.asked.append((seed, setting))
            yield np.full((self.resolution, self.resolution, 3), FAKE, np.uint8)


class StubCritic:
    """Takes the darkest picture for real: it is always wrong."""

    def score(self, picture, label):
        return -float(picture.mean())


def a_model(count=30, critic=True, noun="picture", labels=None, start=lambda work: work(), **facts):
    """A model whose pools are filled at once, unless `start` does something else."""
    sampler = StubEngine(**facts)
    picture = np.full((sampler.resolution, sampler.resolution, 3), REAL, np.uint8)
    reals = RealImages(count, lambda index: picture, noun, labels=labels)
    model = GameModel(sampler, reals, chance(), start)
    model.critic = StubCritic() if critic else None
    model.prepare()
    return model


def truth_of(shown) -> str:
    """The right answer, read off the files: the brighter picture is the real one."""
    from PIL import Image

    levels = []
    for path in shown.pictures:
        with Image.open(path) as image:
            levels.append(np.asarray(image).mean())
    if len(levels) == 1:
        return "real" if levels[0] > 128 else "generated"
    return "ABCD"[int(np.argmax(levels))]


def wrong_of(shown) -> str:
    truth = truth_of(shown)
    return next(choice for choice in shown.choices if choice != truth)


def chance(seed=0) -> random.Random:
    return random.Random(seed)
