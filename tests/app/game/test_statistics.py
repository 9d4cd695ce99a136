"""The game's statistics against values worked out by hand or published."""

import csv
import io
import math
import threading
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.game.statistics import Outcome, Tally, in_words, luck, signal_detection, summarise, to_csv, wilson


def outcome(right=True, mode="pair", options=2, **facts):
    return Outcome(mode, facts.pop("difficulty", "normal"), facts.pop("psi", 1.0), options, right, **facts)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3: the score interval without correction.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_is_the_published_one(right, n, low, high):
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_at_the_ends():
    assert wilson(0, 0) == (0, 1)
    assert wilson(20, 20)[1] == 1
    assert wilson(20, 20)[0] == pytest.approx(20 / (20 + 1.959964**2), abs=1e-6)


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 300), st.data())
def test_wilson_interval_solves_its_equation(n, data):
    right = data.draw(st.integers(1, n - 1)) if n > 1 else 1
    for end in wilson(right, n):
        if 0 < end < 1:
            assert abs(right / n - end) == pytest.approx(1.959963984540054 * math.sqrt(end * (1 - end) / n), abs=1e-9)


def test_luck_is_the_binomial_tail():
    assert luck(3, [2] * 3) == 1 / 8
    assert luck(0, [2] * 10) == 1
    assert luck(8, [2] * 10) == (45 + 10 + 1) / 1024
    assert luck(2, [4] * 2) == 1 / 16
    assert luck(1, [4] * 2) == 7 / 16
    assert luck(11, [2] * 10) == 0
    assert luck(500, [2] * 500) == pytest.approx(2.0**-500)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.sampled_from([2, 4]), max_size=9), st.integers(0, 10))
def test_luck_of_mixed_rounds_is_that_of_all_ways_to_guess(options, right):
    ways = [Fraction(1)]  # the distribution of right answers, a round at a time
    for choices in options:
        p = Fraction(1, choices)
        ways = [
            (ways[k] * (1 - p) if k < len(ways) else 0) + (ways[k - 1] * p if k else 0) for k in range(len(ways) + 1)
        ]
    assert luck(right, options) == pytest.approx(float(sum(ways[right:])))


@pytest.mark.parametrize(
    ("right", "n", "words"),
    [
        (0, 0, "No answers yet."),
        (6, 10, "This could still be luck."),
        (8, 10, "This could still be luck."),  # 5.5 %
        (9, 10, "Probably not luck: guessing does as well in 1% of the cases."),
        (16, 20, "Hardly luck: guessing does as well in 0.6% of the cases."),
        (20, 20, "Not luck: guessing does as well in fewer than 1 of 1,000 cases."),
        (1, 10, "Worse than guessing: the generated ones look more real to you."),
    ],
)
def test_luck_in_words(right, n, words):
    assert in_words(right, [2] * n) == words


def test_signal_detection():
    # Rates of 0.75 and 0.25 after the correction: z = 0.67449.
    assert signal_detection(7, 9, 2, 9) == pytest.approx((1.34898, 0), abs=1e-5)
    # 0.5 and 0.25: calls few real, so the bias is towards "generated".
    assert signal_detection(4, 8, 2, 9) == pytest.approx((0.67449, 0.33724), abs=1e-5)
    hit, bias = signal_detection(10, 10, 0, 10)  # perfect, and still finite
    assert hit == pytest.approx(2 * 1.69062, abs=1e-4)
    assert bias == pytest.approx(0, abs=1e-9)


def test_summary():
    rounds = [
        outcome(True, seconds=1.0, confidence="sure", psi=0.7),
        outcome(True, seconds=2.0, confidence="sure"),
        outcome(None),
        outcome(True, seconds=3.0, confidence="guess"),
        outcome(False, seconds=10.0, difficulty="hard, thumbnails"),
        outcome(True, seconds=4.0, options=4, difficulty="easy"),
    ]
    summary = summarise(rounds)
    assert (summary.all.n, summary.all.right, summary.abandoned) == (5, 4, 1)
    assert summary.all.accuracy == 0.8
    assert summary.all.interval == wilson(4, 5)
    assert summary.chance == pytest.approx((4 / 2 + 1 / 4) / 5)
    assert (summary.streak, summary.best_streak) == (1, 2)  # leaving a round ends a streak
    assert summary.median_seconds == 3
    assert {name: (share.n, share.right) for name, share in summary.by_confidence.items()} == {
        "sure": (2, 2),
        "guess": (1, 1),
    }
    assert [(name, share.n, share.right) for name, share in summary.by_difficulty.items()] == [
        *(("easy", 1, 1), ("normal", 3, 3), ("hard, thumbnails", 1, 0))
    ]
    assert summary.dprime is None
    assert summary.bias is None


def test_summary_of_nothing():
    summary = summarise([outcome(None, psi=None)])
    assert (summary.all.n, summary.abandoned, summary.chance, summary.p) == (0, 1, None, None)
    assert summary.words == "No answers yet."
    assert summary.by_difficulty == {}


def test_single_pictures_give_sensitivity_and_bias():
    said = [("real", "real")] * 7 + [("generated", "real")] * 2 + [("real", "generated")] * 2
    said += [("generated", "generated")] * 7
    rounds = [outcome(choice == truth, "single", choice=choice, truth=truth) for choice, truth in said]
    rounds += [outcome(True, choice="A", truth="A")] * 5  # of pairs: no part of it
    summary = summarise(rounds)
    assert (summary.dprime, summary.bias) == pytest.approx(signal_detection(7, 9, 2, 9))


def test_csv_says_what_happened_and_not_what_would_have_been():
    rounds = [
        outcome(True, choice="A", truth="A", seconds=1.23456, confidence="sure", ranked=True, critic_right=False),
        outcome(None, psi=None),
    ]
    first, second = csv.DictReader(io.StringIO(to_csv(rounds)))
    assert first == {
        **{"round": "1", "mode": "pair", "difficulty": "normal", "psi": "1", "options": "2", "right": "yes"},
        **{"choice": "A", "truth": "A", "seconds": "1.235", "confidence": "sure", "ranked": "yes"},
        "critic_right": "no",
    }
    assert second["truth"] == second["choice"] == second["right"] == second["psi"] == ""


def test_tally_tells_nothing_of_few_players():
    tally = Tally()
    for fooled in (True, False, True, False, False):
        tally.add("a", fooled)
    assert tally.share("a") is None
    tally.add("a", True)
    share = tally.share("a")
    assert (share.n, share.right) == (6, 3)
    assert tally.share("b") is None


def test_tally_forgets_what_is_old_and_loses_no_answer(monkeypatch):
    monkeypatch.setattr("app.game.statistics.MOST_TALLIED", 2)
    tally = Tally()

    def play():
        for _ in range(500):
            tally.add("a", True)

    threads = [threading.Thread(target=play) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.share("a").n == 2000
    for _ in range(6):
        tally.add("b", False)
        tally.add("c", False)
    assert tally.share("a") is None
    assert tally.share("c").n == 6
