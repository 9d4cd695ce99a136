"""The pools of the game: which images are chosen, that each is shown once, and when they are filled."""

import queue
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.game.pool import STOCK, Filling, Marks, Pool, best, in_background
from app.game.quality import Quality
from app.game.rules import GeneratedImage
from tests.app.game.stubs import a_model, chance


def image(seed: int) -> GeneratedImage:
    return GeneratedImage(seed, None, None)


def filled(seeds, of) -> Pool:
    """A pool of images whose mark is their seed."""
    pool = Pool(of)
    for seed in seeds:
        pool.add(image(seed), Marks(True, (float(seed),)))
    return pool


@pytest.mark.parametrize(
    ("marks", "place"),
    [
        ([(True, (1.0, 5.0)), (True, (2.0, 900.0)), (True, (3.0, 800.0))], 2),  # ranks 0+0, 1+2, 2+1: the later one
        ([(True, (9.0, 3.0)), (True, (1.0, 2.0)), (True, (2.0, 1.0))], 0),
        ([(False, (9.0, 9.0)), (True, (1.0, 1.0)), (True, (2.0, 2.0)), (False, (8.0, 8.0))], 2),
        ([(False, (1.0, -np.inf)), (False, (2.0, -np.inf))], 1),
        ([(True, (4.0,))], 0),
    ],
)
def test_the_best_is_intact_and_ranks_highest(marks, place):
    assert best([Marks(*one) for one in marks]) == place


def test_ranks_do_not_depend_on_the_numbers_scale():
    numbers = np.random.default_rng(0).normal(size=(32, 3))
    chosen = best([Marks(True, tuple(row)) for row in numbers])
    assert best([Marks(True, tuple(row)) for row in numbers * [100, 0.01, 1] + [5, -5, 0]]) == chosen


def test_the_best_of_every_few_is_shown_once():
    pool = filled([3, 9, 1, 7, 8, 2, 5, 4], of=4)
    assert len(pool) == 2
    assert [pool.take() for _ in range(3)] == [(image(9), True), (image(8), True), (None, False)]


def test_until_there_is_a_choice_rounds_take_what_is_there():
    pool = filled([3, 9, 1], of=4)
    assert [pool.take() for _ in range(4)] == [(image(9), False), (image(3), False), (image(1), False), (None, False)]


def test_pools_keep_no_more_than_they_need():
    pools, drawn = {"a": Pool(2), "b": Pool(8)}, []

    def draw(name, rng):
        drawn.append(name)
        return image(rng.randrange(1000)), Marks(True, (rng.random(),))

    filling = Filling(pools, draw, chance(), start=lambda work: work())
    for _ in range(3):
        filling.begin()
    assert {name: len(pool) for name, pool in pools.items()} == {"a": STOCK, "b": STOCK}
    assert (drawn.count("a"), drawn.count("b")) == (2 * STOCK, 8 * STOCK)
    pools["b"].take()
    filling.begin()
    assert drawn.count("b") == 8 * (STOCK + 1)
    assert drawn[:3] == ["a", "a", "b"]  # the emptiest first


def test_a_model_that_is_gone_ends_the_filling():
    def draw(name, rng):
        raise ReferenceError

    filling, started = Filling({"a": Pool(2)}, draw, start=lambda work: started.append(work())), []
    filling.begin()
    filling.begin()
    assert len(started) == 2  # it can be tried again


def test_one_thread_fills_and_none_takes_what_another_has():
    pool, works, drawn = Pool(2), [], []

    def draw(name, rng):
        drawn.append(name)
        return image(len(drawn)), Marks(True, (0.0,))

    filling = Filling({"a": pool}, draw, start=works.append)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: filling.begin(), range(8)))
    (work,) = works
    work()
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda _: pool.take()[0], range(STOCK)))
    assert len({one.seed for one in taken}) == STOCK


def test_by_default_it_happens_in_another_thread():
    found = queue.Queue()
    in_background(lambda: found.put(threading.get_ident()))
    assert found.get(timeout=60) != threading.get_ident()


class StubScores:
    """A critic that likes dark images."""

    def score(self, pixels, label):
        return -float(pixels.mean())


def test_marks_are_of_critic_and_background():
    flat, uneven = np.full((2, 32, 32, 3), 100, np.uint8)
    uneven[::2, :, :] += 20
    quality = Quality(StubScores(), 32, faces=True)
    assert quality.marks(flat, None) == Marks(True, (0.0, -100.0))
    assert quality.marks(uneven, None) == Marks(True, (-10.0, -110.0))
    assert Quality(StubScores(), 32, faces=False).marks(uneven, None) == Marks(True, (-110.0,))
    assert not Quality(None, 256, faces=False)
    assert Quality(None, 64, faces=True)


def test_the_detector_marks_faces_and_comes_first():
    from stylegrow.data.sources import toonhead

    face = toonhead.render(5, 64)
    halves = np.concatenate([face[:32], toonhead.render(6, 64)[:32]])
    quality = Quality(StubScores(), 64, faces=True)
    assert quality.marks(face, None).intact
    broken = quality.marks(halves, None)
    assert (broken.intact, broken.numbers[-1]) == (False, -np.inf)


def test_hard_rounds_show_the_best_of_many_and_none_twice():
    """By the stub's critic and grey levels that depend on the seed."""
    works = []
    model = a_model(start=works.append)
    model.sampler.images = lambda seeds, setting: (np.full((8, 8, 3), seed % 200, np.uint8) for seed in seeds)
    works.pop()()
    shown = {}
    for difficulty in ("easy", "normal", "hard"):
        rounds = [model.draw_round(2, difficulty, set(), random.Random(seed)) for seed in range(STOCK)]
        drawn = [one.seed for _, images in rounds for one in images.generated if one is not None]
        assert len(set(drawn)) == STOCK
        assert not any(images.early for _, images in rounds)
        shown[difficulty] = np.mean([seed % 200 for seed in drawn])
    assert shown["hard"] < 15 < 25 < shown["normal"] < 60 < 70 < shown["easy"]
    assert model.draw_round(2, "hard", set(), chance())[1].early
