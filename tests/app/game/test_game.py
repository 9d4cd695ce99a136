"""The game: its modes, what it says, its series and its numbers."""

import json
from dataclasses import replace

import pytest

from app.game import wording
from app.game.game import Game, board_name
from app.game.leaderboard import Leaderboard
from app.game.rules import DIFFICULTIES
from stylegrow.common.errors import InputError
from tests.app.game.stubs import a_model, chance, truth_of, wrong_of

pytestmark = pytest.mark.usefixtures("small_files")


def play(game, model, right=True, seconds=1.0, session="me", confidence=None, **options):
    """A round, answered after so many seconds."""
    shown = game.new_round(session, model, **options)
    game._clock.wait(seconds)
    return game.answer(session, shown.id, truth_of(shown) if right else wrong_of(shown), confidence)


@pytest.mark.parametrize(
    ("mode", "question", "choices", "alternatives", "buttons"),
    [
        ("pair", "Which face is real?", "AB", ("Picture A", "Picture B"), ("Picture A is real", "Picture B is real")),
        ("single", "Is this face real or generated?", ("real", "generated"), ("Picture",), ("Real", "Generated")),
        (
            *("odd", "Which of these faces is real?", "ABCD", tuple(f"Picture {letter}" for letter in "ABCD")),
            tuple(f"Picture {letter} is real" for letter in "ABCD"),
        ),
        ("blitz", "Which face is real?", "AB", ("Picture A", "Picture B"), ("Picture A is real", "Picture B is real")),
        ("critic", "Which face is real?", "AB", ("Picture A", "Picture B"), ("Picture A is real", "Picture B is real")),
    ],
)
def test_modes(game, mode, question, choices, alternatives, buttons):
    shown = game.new_round("me", a_model(noun="face"), mode)
    assert (shown.question, shown.choices, shown.alternatives) == (question, tuple(choices), alternatives)
    assert shown.buttons == buttons
    assert len(shown.pictures) == len(alternatives)
    assert all(path.is_file() for path in shown.pictures)


@pytest.mark.parametrize("mode", ["pair", "single", "odd", "blitz", "critic"])
@pytest.mark.parametrize("right", [True, False])
def test_every_mode_can_be_answered(game, mode, right):
    for _ in range(6):
        result = play(game, a_model(), right, mode=mode)
        assert result.right == right
        assert result.text.startswith("Correct - " if right else "Not this time - ")
        assert result.ranked
        assert result.tip in (*wording.TIPS, wording.DROPLET_TIP)


def test_what_the_banner_says(game):
    model = a_model(noun="face")
    shown = game.new_round("me", model)
    truth = truth_of(shown)
    assert game.answer("me", shown.id, truth).text == f"Correct - {truth} is the real face."
    shown = game.new_round("me", model)
    assert game.answer("me", shown.id, wrong_of(shown)).text == f"Not this time - {truth_of(shown)} is the real face."
    texts = {play(game, model, right, mode="single").text for right in (True, False) for _ in range(10)}
    opening = ("Correct", "Not this time")
    assert texts == {f"{start} - this face {end}" for start in opening for end in ("is real.", "was generated.")}


def test_captions_and_recipes_tell_the_fakes_after_the_answer(game):
    model = a_model(noun="face", classes=["cat", "2", "öwl"])
    result = play(game, model, mode="odd", difficulty="hard")
    assert sum(drawn is None for drawn in result.generated) == 1
    for caption, drawn in zip(result.captions, result.generated, strict=True):
        if drawn is None:
            assert caption == "real face"
        else:
            name = model.sampler.classes[drawn.label]
            assert caption == f"generated, seed {drawn.seed}, {name}, psi 0.7"
            assert (drawn.seed, {"psi": 0.7, "label": name}) in model.sampler.asked
    assert result.truth == "ABCD"[result.generated.index(None)]
    assert json.loads(json.dumps(result.json()))["truth"] == result.truth


def test_difficulty_is_truncation(game):
    model = a_model()
    for difficulty, psi in {"easy": 1.2, "normal": 1.0, "hard": 0.7}.items():
        result = play(game, model, difficulty=difficulty)
        assert {drawn.psi for drawn in result.generated if drawn} == {psi}


def test_a_progan_has_no_truncation(game):
    model = a_model(styled=False)
    result = play(game, model, difficulty="hard")
    assert [caption for caption in result.captions if "psi" in caption] == []
    assert model.sampler.asked[0][1]["psi"] is None


@pytest.mark.parametrize("difficulty", ["easy", "hard", "follow"])
def test_a_progan_without_critic_has_no_difficulties(game, difficulty):
    model = a_model(styled=False, critic=False)
    assert play(game, model).ranked
    with pytest.raises(InputError, match=f'Difficulty {difficulty} needs a StyleGAN model or a critic; "stub" has'):
        game.new_round("me", model, difficulty=difficulty)


def test_the_difficulty_follows_the_player(game):
    """Three right answers in a row make it harder, a wrong one easier; a skipped round changes nothing."""
    model, levels = a_model(), []
    for right in (True, True, True, False, True, True, None, True, True, False, False, False, True, True, True, True):
        shown = game.new_round("me", model, difficulty="follow")
        levels.append(shown.standing.level)
        game._clock.wait(1)
        if right is not None:
            result = game.answer("me", shown.id, truth_of(shown) if right else wrong_of(shown))
            assert {drawn.psi for drawn in result.generated if drawn} == {DIFFICULTIES[levels[-1]].psi}
            assert result.standing.text.startswith(f"Round {len(levels)}, {levels[-1]}: ")
    normal, hard, easy = (["normal"], ["hard"], ["easy"])
    assert levels == normal * 3 + hard + normal * 4 + hard + hard + normal + easy * 4 + normal
    assert list(game.statistics("me").by_difficulty) == ["easy", "normal", "hard"]
    assert game.level("me", "follow") == "normal"
    assert game.level("nobody", "hard") == "hard"
    game.reset("me")
    assert game.level("me", "follow") == "normal"


def test_fakes_of_classes_are_as_frequent_as_among_the_reals(game):
    model = a_model(classes=["a", "b", "c"], labels=[0] * 24 + [2] * 6)
    labels = [drawn.label for _ in range(200) for drawn in play(game, model).generated if drawn]
    assert 1 not in labels
    assert 140 < labels.count(0) < 180


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "poker"}, "Mode 'poker': choose pair, single, odd, blitz, critic."),
        ({"mode": None}, "Mode 'None': choose"),
        ({"mode": ["pair"]}, "Mode "),
        ({"mode": "x" * 10_000}, "Mode "),
        ({"difficulty": "impossible"}, "Difficulty 'impossible': choose follow, easy, normal, hard."),
        ({"difficulty": None}, "Difficulty 'None'"),
        ({"difficulty": float("nan")}, "Difficulty 'nan'"),
        ({"length": 11}, "Rounds '11': choose 10, 20 or none."),
        ({"length": float("nan")}, "Rounds 'nan'"),
        ({"length": "10"}, "Rounds '10'"),
        ({"length": True}, "Rounds 'True'"),
        ({"length": -10}, "Rounds '-10'"),
        ({"session": None}, "This page has lost its session"),
        ({"session": ""}, "This page has lost its session"),
        ({"session": 5}, "This page has lost its session"),
    ],
)
def test_what_cannot_be_played_is_said(game, arguments, message):
    with pytest.raises(InputError) as caught:
        game.new_round(**({"session": "me", "model": a_model()} | arguments))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_bad_request_does_not_end_the_round(game):
    model = a_model()
    shown = game.new_round("me", model)
    for arguments in ({"mode": "poker"}, {"difficulty": "x"}, {"length": 3}):
        with pytest.raises(InputError):
            game.new_round("me", model, **arguments)
    for choice in ("C", "a", "", None, 1, ["A"], "real"):
        with pytest.raises(InputError, match=r"Choose A or B\."):
            game.answer("me", shown.id, choice)
    with pytest.raises(InputError, match="Confidence is sure, think, guess, or none"):
        game.answer("me", shown.id, "A", "certain")
    assert game.answer("me", shown.id, truth_of(shown), "sure").right


def test_a_model_without_critic(game):
    model = a_model(critic=False)
    result = play(game, model)
    assert result.critic is None
    assert result.standing.critic_right is None
    with pytest.raises(InputError, match=r'Beat the critic needs the model\'s own critic; "stub" has none\.'):
        game.new_round("me", model, "critic")


def test_the_critic_plays_too(game):
    """The stub always takes a generated picture for the real one."""
    model = a_model()
    for number in range(1, 5):
        result = play(game, model, mode="critic")
        assert not result.critic.right
        assert result.critic.choice != result.truth
        assert result.critic.choice in result.critic.text
        assert result.critic.text.endswith("wrong.")
        assert len(result.critic.scores) == 2
        assert (result.standing.right, result.standing.critic_right) == (number, 0)
    assert result.standing.text == "Round 4: you 4, the critic 0, of 4."


def test_the_critic_of_a_single_picture_has_a_threshold_between_real_and_generated(game):
    model = a_model()
    results = [play(game, model, mode="single") for _ in range(10)]
    assert {result.truth for result in results} == {"real", "generated"}
    for result in results:
        assert result.critic.choice == ("generated" if result.truth == "real" else "real")
        assert "-125.0 and more is real" in result.critic.text  # half-way between the two grey levels


def test_tips_take_turns(game):
    model = a_model(noun="face")
    tips = [play(game, model).tip for _ in range(len(wording.FACE_TIPS) + 2)]
    assert tips[:-1] == [*wording.FACE_TIPS, wording.DROPLET_TIP]
    assert tips[-1] == tips[0]
    assert wording.DROPLET_TIP not in [play(game, a_model(styled=False), session="p").tip for _ in range(9)]


def test_a_series_of_ten(game):
    model = a_model()
    texts = [play(game, model, right=number % 2 == 0, length=10).standing.text for number in range(9)]
    assert texts[0] == "Round 1 of 10: 1 of 1 right."
    assert texts[8] == "Round 9 of 10: 5 of 9 right."
    last = game.new_round("me", model, length=10)
    assert (last.standing.number, last.standing.finished) == (10, False)
    standing = game.answer("me", last.id, truth_of(last)).standing
    assert (standing.finished, standing.text) == (True, "Finished: 6 of 10 right.")
    again = game.new_round("me", model, length=10).standing
    assert (again.number, again.answered, again.text) == (1, 0, "Round 1 of 10.")


@pytest.mark.parametrize("change", [{"mode": "odd"}, {"difficulty": "hard"}, {"length": 20}, {"thumbnails": True}])
def test_another_way_to_play_is_another_series(game, change):
    model = a_model()
    play(game, model, length=10)
    assert game.new_round("me", model, **({"length": 10} | change)).standing.number == 1


def test_skipping_is_shown(game):
    """Rule 8: skipping counts as abandoned."""
    model = a_model()
    play(game, model)
    game.new_round("me", model)
    game._clock.wait(1)
    shown = game.new_round("me", model)
    assert (shown.standing.abandoned, shown.standing.streak) == (1, 0)
    assert shown.standing.text == "Round 3: 1 of 1 right, 1 skipped."
    assert game.statistics("me").abandoned == 1
    game.new_round("me", model, "odd")
    assert game.statistics("me").abandoned == 2


def test_a_blitz_lasts_sixty_seconds_of_thinking(game, clock):
    model = a_model()
    for number in range(1, 6):
        result = play(game, model, seconds=11, mode="blitz", length=10)  # which a blitz does not have
        assert result.standing.seconds_left == pytest.approx(60 - 11 * number)
        assert result.standing.length is None
        clock.wait(100)  # looking at a result, and the network's time, are free
    shown = game.new_round("me", model, "blitz")
    clock.wait(5.1)
    assert game.standing("me").text == "Time is up: 5 of 5 right."
    assert game.standing("me").finished
    with pytest.raises(InputError, match="That round is over"):
        game.answer("me", shown.id, "A")
    assert game.statistics("me").abandoned == 0
    assert game.new_round("me", model, "blitz").standing.seconds_left == 60


def test_an_answer_after_the_time_does_not_count(game, clock):
    model = a_model()
    play(game, model, seconds=50, mode="blitz")
    result = play(game, model, seconds=10.5, mode="blitz")
    assert result.text.startswith("Time is up - ")
    assert (result.note, result.ranked) == ("The time was over: not counted.", False)
    assert result.standing.text == "Time is up: 1 of 1 right."
    assert game.statistics("me").all.n == 1
    assert game.new_round("me", model, "blitz").standing.number == 1


def test_a_skipped_blitz_round_takes_its_time(game, clock):
    model = a_model()
    game.new_round("me", model, "blitz")
    clock.wait(20)
    assert game.new_round("me", model, "blitz").standing.seconds_left == 40


def test_statistics_are_of_what_was_played(game):
    model = a_model()
    for right, confidence in ((True, "sure"), (True, "guess"), (False, None)):
        play(game, model, right, seconds=2, confidence=confidence, difficulty="hard")
    play(game, model, mode="odd")
    summary = game.statistics("me")
    assert (summary.all.n, summary.all.right, summary.best_streak, summary.median_seconds) == (4, 3, 2, 2)
    assert set(summary.by_confidence) == {"sure", "guess"}
    assert {name: (share.n, share.right) for name, share in summary.by_difficulty.items()} == {
        **{"normal": (1, 1), "hard": (3, 2)}
    }
    assert game.statistics("me", "odd").chance == 0.25
    assert len(game.csv("me").splitlines()) == 5
    game.reset("me")
    assert game.statistics("me").all.n == 0
    assert game.standing("me") is None


def test_who_has_not_played_has_no_numbers(game):
    assert game.statistics("nobody").all.n == 0
    assert game.standing("nobody") is None
    assert len(game.csv("nobody").splitlines()) == 1
    game.reset("nobody")
    assert len(game.visitors) == 0  # asking makes nobody a player


def test_what_others_made_of_a_picture_is_told_once_enough_have_answered(game):
    model = a_model(count=1)
    texts = [play(game, model, right=number > 1, session=f"player {number}").fooled for number in range(10)]
    assert texts[:5] == [""] * 5
    assert "This real picture fooled its players in 33% of 6 rounds." in texts[5]
    assert "This model fooled its players in 20% of 10 rounds." in texts[9]


def test_pictures_last_as_long_as_their_round_may_be_answered(game, clock):
    model = a_model()
    first = game.new_round("me", model)
    clock.wait(10 * 60)
    second = game.new_round("me", model)
    assert all(path.exists() for path in first.pictures)
    clock.wait(5 * 60 + 1)
    third = game.new_round("me", model)
    assert not any(path.exists() for path in first.pictures)
    assert {path for shown in (second, third) for path in shown.pictures} == set(game.folder.iterdir())


def test_a_full_disk_is_said(game, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.game.anti_cheat.write", full)
    with pytest.raises(InputError, match=r"cannot be written at the moment \(No space left on device\)"):
        game.new_round("me", a_model())


class TestWithLeaderboard:
    @pytest.fixture
    def game(self, tmp_path, clock):
        boards = Leaderboard(tmp_path / "board.sqlite")
        game = Game(tmp_path, boards, chance(), clock)
        yield game
        game.close()
        boards.close()

    def test_rounds_count_once_they_are_shown(self, game):
        model, pairs = a_model(), board_name(a_model(), "pair", "normal")
        play(game, model)  # before joining
        shown = game.new_round("me", model)  # open while joining
        token = game.join("me", "Zoë")
        game.answer("me", shown.id, truth_of(shown))
        for right in (True, False, True):
            play(game, model, right)
        game.new_round("me", model)  # and left alone
        play(game, model, session="another")
        entry = game.entry("me", pairs)
        assert (entry.name, entry.rounds, entry.correct) == ("Zoë", 4, 2)
        assert game.entry("another", pairs) is None
        assert game.board().top(pairs) == []  # fewer than 20
        for _ in range(16):
            play(game, model)
        (first,) = game.board().top(pairs)
        assert first == replace(entry, rounds=20, correct=18)
        assert game.rejoin("elsewhere", token) == "Zoë"
        play(game, model, session="elsewhere")
        assert game.entry("me", pairs).rounds == 21

    def test_thumbnails_are_not_ranked(self, game):
        model = a_model()
        game.join("me", "Zoë")
        play(game, model, thumbnails=True)
        assert game.entry("me", board_name(model, "pair", "normal")).rounds == 0
        assert game.csv("me").splitlines()[1].startswith('1,pair,"normal, thumbnails",')

    def test_what_is_too_quick_or_too_late_is_not_ranked(self, game):
        """Rule 8: answers in less than 150 ms are not ranked."""
        model = a_model()
        game.join("me", "Zoë")
        result = play(game, model, seconds=0.149)
        assert (result.right, result.ranked) == (True, False)
        assert result.note == "Answered in less than 0.15 seconds: not ranked."
        assert play(game, model, seconds=0.151).ranked
        play(game, model, seconds=61, mode="blitz")
        assert game.entry("me", board_name(model, "pair", "normal")).rounds == 1
        assert game.entry("me", board_name(model, "blitz", "normal")).rounds == 0

    def test_rounds_count_on_the_board_of_their_own_difficulty(self, game):
        model = a_model()
        game.join("me", "Zoë")
        for right in (True, True, True, False):
            play(game, model, right, difficulty="follow")
        play(game, model, difficulty="hard")
        entries = {level: game.entry("me", board_name(model, "pair", level)) for level in DIFFICULTIES}
        assert {level: (entry.rounds, entry.correct) for level, entry in entries.items()} == {
            **{"easy": (0, 0), "normal": (3, 3), "hard": (2, 1)}
        }

    def test_what_was_drawn_before_there_was_a_choice_is_not_ranked(self, game):
        works = []
        model = a_model(start=works.append)
        game.join("me", "Zoë")
        early = play(game, model)
        assert (early.right, early.ranked) == (True, False)
        assert early.note == wording.TOO_EARLY
        assert play(game, model, difficulty="easy").ranked  # of which nothing is chosen
        works.pop()()
        assert play(game, model).ranked
        assert game.entry("me", board_name(model, "pair", "normal")).rounds == 1

    def test_a_repeated_answer_counts_once(self, game):
        model = a_model()
        game.join("me", "Zoë")
        shown = game.new_round("me", model)
        game._clock.wait(1)
        for _ in range(5):
            game.answer("me", shown.id, truth_of(shown))
        entry = game.entry("me", board_name(model, "pair", "normal"))
        assert (entry.rounds, entry.correct) == (1, 1)

    def test_boards_keep_what_is_not_equally_hard_apart(self, game):
        models = [a_model(), a_model(name="other")]
        ways = [(model, mode, hard) for model in models for mode in ("pair", "odd") for hard in ("easy", "hard")]
        assert len({board_name(*way) for way in ways}) == len(ways)

    def test_erasing(self, game):
        model = a_model()
        token = game.join("me", "Zoë")
        shown = game.new_round("me", model)
        assert game.erase("me")
        game._clock.wait(1)
        assert game.answer("me", shown.id, truth_of(shown)).right
        assert not game.erase("me")
        assert not game.erase("nobody")
        for wrong in (token, None, "", 3, "x" * 100_000):
            with pytest.raises(InputError, match="Nobody on the leaderboard has this token"):
                game.rejoin("me", wrong)
        assert len(game.visitors) == 1

    def test_trouble_with_the_file_does_not_spoil_the_game(self, game, caplog):
        game.join("me", "Zoë")
        game.leaderboard.close()
        assert play(game, a_model()).right
        assert "The leaderboard cannot be used at the moment" in caplog.text


def test_without_leaderboard(game):
    assert play(game, a_model(), seconds=0.1).note == ""  # nothing is ranked
    for ask in (lambda: game.join("me", "Zoë"), lambda: game.board().top("board"), lambda: game.erase("me")):
        with pytest.raises(InputError, match=r"This app keeps no leaderboard\."):
            ask()
    assert game.entry("me", "board") is None
