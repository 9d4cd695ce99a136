"""The rules against cheating, as far as they can be kept without a page (those on files are in test_fair.py)."""

import dataclasses
import logging
import pickle
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from app.game import rules, wording
from app.game.game import Game
from app.game.pool import Filling
from app.game.real_images import find_real_images
from app.game.rounds import GameModel
from app.game.rules import Round, Standing
from stylegrow.common.errors import InputError
from tests.app.game.stubs import a_model, chance, truth_of, wrong_of

OVER = r"^That round is over; press Next\.$"


pytestmark = pytest.mark.usefixtures("small_files")


@pytest.mark.parametrize("mode", ["pair", "single", "odd", "blitz", "critic"])
def test_what_is_shown_does_not_depend_on_the_truth(tmp_path, clock, mode):
    """Rules 1 and 9: two rounds that differ in nothing but their truth are the same to a browser, pictures apart."""
    told = {}
    for seed in range(40):
        game = Game(tmp_path, rng=chance(seed), clock=clock)
        shown = game.new_round("me", a_model(), mode)
        truth = truth_of(shown)
        plain = dataclasses.replace(shown, id="", pictures=())
        assert len(shown.id) == 32
        assert len({path.stat().st_size for path in shown.pictures}) == 1
        told.setdefault(truth, set()).add(pickle.dumps(plain))
        game.close()
    assert set(told) == set(rules.MODES[mode].choices)
    assert len(set.union(*told.values())) == 1


def test_a_round_tells_no_more_than_this():
    """Rule 9: whatever is added to what browsers get has to be looked at."""
    assert [field.name for field in dataclasses.fields(Round)] == [
        *("id", "question", "pictures", "alternatives", "choices", "buttons", "standing")
    ]
    assert [field.name for field in dataclasses.fields(Standing)] == [
        *("mode", "difficulty", "level", "length", "number", "answered", "right", "abandoned", "streak"),
        *("critic_right", "seconds_left", "finished", "text"),
    ]


def test_seeds_come_from_the_systems_source_and_stay_inside_until_the_answer(tmp_path, caplog):
    """Rules 1 and 9."""
    caplog.set_level(logging.DEBUG)
    game, model = Game(tmp_path), a_model()
    assert isinstance(game._rng, random.SystemRandom)
    assert isinstance(Filling({}, lambda name, rng: None)._rng, random.SystemRandom)
    shown = game.new_round("me", model)
    (seed,) = seeds_shown(game)
    assert str(seed) not in repr(shown)
    assert str(seed) not in repr(game.visitors.find("me"))
    game.new_round("me", model)
    assert str(seed) not in game.csv("me")  # of a skipped round neither
    assert caplog.text == ""
    game.close()


def test_seeds_are_of_all_that_there_are(game):
    model, seeds = a_model(), []
    for _ in range(300):
        game.new_round("me", model)
        seeds += seeds_shown(game)
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)
    quarters = [sum(seed >> 30 == quarter for seed in seeds) for quarter in range(4)]
    assert chi_square(quarters) < 16.27  # 3 degrees of freedom, p = 0.001


def seeds_shown(game) -> list[int]:
    """Those of the visitor's newest round."""
    return [one.seed for one in game.visitors.find("me").live.truth.generated if one is not None]


def chi_square(counts) -> float:
    expected = sum(counts) / len(counts)
    return sum((n - expected) ** 2 / expected for n in counts)


@pytest.mark.parametrize(("count", "limit"), [(1, 10.83), (2, 10.83), (4, 16.27)])
def test_places_are_even_chances(count, limit):
    """Rule 7: chi-square over 2,000 rounds at p = 0.001; also of the place given the round before, and the seed."""
    model, rng, seen = a_model(critic=False), chance(1), set()
    places, after, parity = [0] * max(count, 2), [0] * max(count, 2) ** 2, [0] * 2 * max(count, 2)
    last = 0
    for _ in range(2000):
        _, images = model.draw_round(count, "normal", seen, rng)
        place = images.generated.index(None) if None in images.generated else 1
        seed = model.sampler.asked[-1][0]
        places[place] += 1
        after[last * len(places) + place] += 1
        parity[place * 2 + seed % 2] += 1
        last = place
    assert chi_square(places) < limit
    assert chi_square(after) < {4: 16.27, 16: 37.70}[len(after)]
    assert chi_square(parity) < {4: 16.27, 8: 24.32}[len(parity)]


def test_a_single_picture_takes_the_same_work_whatever_it_is():
    """Rule 7: the time until it appears does not tell a generated picture from one that was only read."""
    works, reads = [], []
    model = a_model(start=works.append)
    works.pop()()  # so that there is a choice, but not for all rounds
    model.sampler.asked.clear()
    read = model.reals.read
    model.reals = dataclasses.replace(model.reals, read=lambda index: (reads.append(index), read(index))[1])
    model._thresholds[1.0] = 0.0
    truths = set()
    for number in range(1, 20):
        _, images = model.draw_round(1, "normal", set(), chance(number))
        truths.add(images.real is None)
        assert (len(model.sampler.asked), len(reads)) == (number, number)
    assert truths == {True, False}


def test_reals_do_not_repeat_within_a_session_and_are_new_files_when_they_do(game, monkeypatch):
    """Rule 5."""
    monkeypatch.setattr("app.game.anti_cheat.SMALLEST_SHOWN", 64)
    model, reads = a_model(count=25), []
    read = model.reals.read
    model.reals = dataclasses.replace(model.reals, read=lambda index: (reads.append(index), read(index))[1])
    contents = [path.read_bytes() for _ in range(50) for path in game.new_round("me", model).pictures]
    assert sorted(reads[:25]) == sorted(reads[25:]) == list(range(25))
    assert reads[:25] != reads[25:]
    assert len(set(contents)) == 100
    reads.clear()
    for _ in range(25):
        game.new_round("another", model)
    assert sorted(reads) == list(range(25))


def test_a_real_picture_that_was_not_shown_is_not_used_up(game):
    model = a_model(count=25)
    truths = []
    for _ in range(30):
        truths.append(truth_of(game.new_round("me", model, "single")))
    visitor = game.visitors.find("me")
    assert len(visitor.seen[model.key]) == truths.count("real") < 25


@pytest.mark.parametrize("wrong", ["", "0" * 32, None, 7, ["a"], "x" * 10**6, "é"])
def test_forged_rounds_are_over(game, wrong):
    """Rule 8."""
    game.new_round("me", a_model())
    with pytest.raises(InputError, match=OVER):
        game.answer("me", wrong, "A")


def test_rounds_of_others_are_over_and_stay_open_for_them(game):
    """Rule 8."""
    model = a_model()
    mine, yours = game.new_round("me", model), game.new_round("you", model)
    for session, shown in (("me", yours), ("you", mine), ("nobody", mine)):
        for choice in "AB":
            with pytest.raises(InputError, match=OVER):
                game.answer(session, shown.id, choice)
    assert game.answer("me", mine.id, truth_of(mine)).right
    assert game.answer("you", yours.id, truth_of(yours)).right


def test_an_answered_round_repeats_its_answer_and_takes_no_other(game, clock):
    """Rule 8: a double click does no harm, and a second try does no good."""
    shown = game.new_round("me", a_model())
    clock.wait(1)
    first = game.answer("me", shown.id, wrong_of(shown), "sure")
    clock.wait(1)
    assert game.answer("me", shown.id, wrong_of(shown), "sure") is first
    assert game.answer("me", shown.id, wrong_of(shown)) is first
    with pytest.raises(InputError, match=OVER):
        game.answer("me", shown.id, truth_of(shown))
    assert game.statistics("me").all.n == 1
    game.new_round("me", a_model())
    with pytest.raises(InputError, match=OVER):
        game.answer("me", shown.id, wrong_of(shown))


def test_rounds_expire_after_fifteen_minutes(game, clock):
    """Rule 8."""
    model = a_model()
    shown = game.new_round("me", model)
    clock.wait(15 * 60)
    assert game.answer("me", shown.id, "A").seconds == 900
    clock.wait(0.1)
    with pytest.raises(InputError, match=OVER):  # the repeated answer too
        game.answer("me", shown.id, "A")
    shown = game.new_round("me", model)
    clock.wait(15 * 60 + 0.1)
    for choice in "AB":
        with pytest.raises(InputError, match=OVER):
            game.answer("me", shown.id, choice)
    assert game.statistics("me").abandoned == 1
    game.new_round("me", model)
    assert game.statistics("me").abandoned == 1  # counted once


def test_a_skipped_round_is_over_and_its_truth_untold(game):
    """Rule 8."""
    shown = game.new_round("me", a_model())
    game.new_round("me", a_model())
    with pytest.raises(InputError, match=OVER):
        game.answer("me", shown.id, "A")
    (outcome,) = game.visitors.find("me").outcomes
    assert (outcome.right, outcome.truth, outcome.choice, outcome.seconds) == (None, None, None, None)


def test_nothing_that_one_visitor_does_shows_for_another(game):
    model = a_model()
    for session in ("me", "you") * 3:
        shown = game.new_round(session, model, length=10)
        assert shown.standing.number == len(game.csv(session).splitlines())
        game._clock.wait(1)
        game.answer(session, shown.id, truth_of(shown) if session == "me" else wrong_of(shown))
    assert (game.standing("me").right, game.standing("you").right) == (3, 0)
    game.reset("you")
    assert game.standing("me").right == 3
    assert game.statistics("me").streak == 3


def test_the_known_limit_is_stated():
    """Rule 10."""
    assert "detector" in wording.KNOWN_LIMIT
    assert "for fun" in wording.KNOWN_LIMIT


def test_many_clicks_at_once_are_one_answer(tmp_path):
    game, model = Game(tmp_path, rng=chance()), a_model()
    shown = game.new_round("me", model)
    truth, barrier = truth_of(shown), threading.Barrier(8)

    def click(_):
        barrier.wait()
        return game.answer("me", shown.id, truth)

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(click, range(8)))
    assert all(result is results[0] for result in results)
    assert game.statistics("me").all.n == 1
    game.close()


def test_many_players_at_once_keep_their_own_numbers(tmp_path):
    game, model = Game(tmp_path, rng=chance()), a_model()

    def play(player):
        for number in range(6):
            shown = game.new_round(f"player {player}", model)
            choice = truth_of(shown) if (player + number) % 2 else wrong_of(shown)
            game.answer(f"player {player}", shown.id, choice)
            game.new_round("shared", model)  # and some get in each other's way
        return game.statistics(f"player {player}")

    with ThreadPoolExecutor(8) as threads:
        summaries = list(threads.map(play, range(8)))
    assert [(one.all.n, one.all.right) for one in summaries] == [(6, 3)] * 8
    assert game.statistics("shared").abandoned == game.standing("shared").number - 1 == 47
    game.close()


def test_memory_is_bounded(game, clock, monkeypatch):
    monkeypatch.setattr("app.game.visitors.MOST_VISITORS", 3)
    model = a_model()
    for session in "abc":
        game.new_round(session, model)
        clock.wait(60)
    with pytest.raises(InputError, match=r"The server is busy \(3 playing\)\. Please try again in a moment\."):
        game.new_round("d", model)
    assert game.standing("a").number == 1  # players are not pushed out
    clock.wait(14 * 60 + 1)  # "b" has been away for longer than a round lasts
    assert game.new_round("d", model).standing.number == 1
    assert game.standing("b") is None
    assert game.standing("a").number == 1
    assert len(game.visitors) == 3


def test_a_session_keeps_its_newest_rounds(game, clock, monkeypatch):
    model = a_model()
    for _ in range(510):
        game.new_round("me", model)
        clock.wait(3)
    assert len(game.csv("me").splitlines()) == 501
    assert len(game._files) <= 15 * 60 / 3 + 2


def test_traces_of_the_files_that_reals_came_from_are_gone(tmp_path, clock, sampler):
    """Rules 2 and 4: no metadata, no name, no size, no double JPEG header of the original picture."""
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x010E] = "SECRET-EXIF"
    for number in range(20):
        picture = Image.effect_noise((90, 70), 60).convert("RGB")
        name = folder / f"SECRET-NAME-{number}.jpg"
        picture.save(name, quality=30, exif=exif, comment=b"SECRET-COMMENT", progressive=True)
    model = sampler("growing")
    game = Game(tmp_path, rng=chance(), clock=clock)
    shown = game.new_round("me", GameModel(model, find_real_images(model, folder)))
    formats = set()
    for path in shown.pictures:
        assert b"SECRET" not in path.read_bytes()
        assert "SECRET" not in str(path)
        with Image.open(path) as image:
            formats.add((image.format, image.mode, image.size, str(image.info), str(image.quantization)))
    assert len(formats) == 1
    assert "SECRET" not in repr(shown)
    game.close()
