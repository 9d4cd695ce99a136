"""The game's numbers as tables: what they show, and that names cannot be markup."""

import re

from app.game import scores_page
from app.game.leaderboard import Entry
from app.game.statistics import PUBLISHED, Outcome, summarise


def outcomes(right, wrong, **facts):
    given = {"mode": "pair", "difficulty": "normal", "psi": 1.0, "options": 2, "seconds": 2.0} | facts
    return [Outcome(**given, right=one) for one in [True] * right + [False] * wrong]


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_who_has_not_answered_sees_so():
    assert "No answers yet." in scores_page.statistics(summarise([]))
    assert "No answers yet, but 1 skipped." in scores_page.statistics(summarise([Outcome("pair", "normal", 1.0, 2)]))


def test_accuracy_comes_with_its_interval_chance_and_luck():
    html = scores_page.statistics(summarise(outcomes(7, 3)))
    assert "70 % 7 of 10, surely 40 % to 89 %" in text_of(html)
    assert "the line is guessing (50 %)" in html
    assert "This could still be luck." in html
    assert "2.0 s (median)" in html
    assert PUBLISHED in html
    assert "left:39.7%;width:49.5%" in html
    assert "left:50.0%" in html


def test_bars_by_confidence_and_by_difficulty():
    rounds = [*outcomes(3, 0, confidence="sure"), *outcomes(1, 2, confidence="guess", difficulty="hard")]
    text = text_of(scores_page.statistics(summarise(rounds)))
    assert "when sure 100 % 3 of 3" in text
    assert "when guessing 33 % 1 of 3" in text
    assert "when normal 100 % 3 of 3" in text
    assert "when hard 33 % 1 of 3" in text
    assert "when" not in text_of(scores_page.statistics(summarise(outcomes(2, 2))))


def test_single_pictures_tell_which_way_somebody_leans():
    said = [Outcome("single", "normal", 1.0, 2, truth == choice, choice, truth, 1.0) for truth, choice in
            [("real", "real"), ("real", "real"), ("generated", "real"), ("generated", "generated")]]  # fmt: skip
    assert "you lean towards “real”" in scores_page.statistics(summarise(said))


def test_a_board_shows_names_as_text():
    entries = [Entry("<img src=x>", 25, 20), Entry("Zoë", 20, 10)]
    html = scores_page.board(entries, Entry("<b>me</b>", 3, 1), "Pair, <i>normal</i>")
    assert "<img" not in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert re.search(r"1 &lt;img src=x&gt; 80 % 25 61 % 2 Zoë 50 % 20 30 % you &lt;b&gt;me", text_of(html))


def test_an_empty_board_says_so():
    html = scores_page.board([], None, "Pair, normal")
    assert "Nobody has played 20 rounds of this yet." in html
    assert "<table" not in html
