"""The leaderboard's file: what it ranks, and what it survives."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.game.leaderboard import Leaderboard
from app.game.nicknames import checked_nickname
from app.game.statistics import wilson
from stylegrow.common.errors import InputError

ROOT = Path(__file__).parents[3]
PAIR = "model pair normal"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "board.sqlite"


@pytest.fixture
def board(path):
    board = Leaderboard(path)
    yield board
    board.close()


def test_ranked_by_the_lower_end_of_wilsons_interval(board):
    for name, rounds, correct in [
        *(("lucky", 19, 19), ("few", 20, 18), ("many", 200, 170), ("guesses", 100, 50), ("worse", 200, 90)),
    ]:
        board.count(board.join(name), PAIR, rounds, correct)
    top = board.top(PAIR)
    assert [entry.name for entry in top] == ["many", "few", "guesses", "worse"]  # 19 rounds are too few
    assert top[1].bound == wilson(18, 20)[0] == pytest.approx(0.69897, abs=1e-4)
    assert [entry.name for entry in board.top(PAIR, 2)] == ["many", "few"]
    assert board.top("model odd normal") == []


def test_counting(board):
    token = board.join("Zoë")
    assert board.entry(token, PAIR).rounds == 0
    for counted in ({"rounds": 1}, {"correct": 1}, {"rounds": 1}, {"rounds": -1}):
        board.count(token, PAIR, **counted)
    board.count(token, "other", 5, 5)
    entry = board.entry(token, PAIR)
    assert (entry.name, entry.rounds, entry.correct) == ("Zoë", 1, 1)
    board.count("nobody's", PAIR, 7, 7)
    assert board.entry("nobody's", PAIR) is None


def test_what_is_counted_stays(path, board):
    token = board.join("Zoë")
    board.count(token, PAIR, 20, 20)
    again = Leaderboard(path)
    assert again.nickname(token) == "Zoë"
    assert again.top(PAIR) == board.top(PAIR) != []
    again.close()


def test_a_player_can_be_erased_without_a_trace(path, board):
    tokens = [board.join(name) for name in ("Forgotten", "Remembered")]
    for token in tokens:
        board.count(token, PAIR, 20, 20)
    assert board.erase(tokens[0])
    assert not board.erase(tokens[0])
    assert board.nickname(tokens[0]) is None
    assert [entry.name for entry in board.top(PAIR)] == ["Remembered"]
    board.join("forgotten")  # the name is free again
    board.reset()
    assert board.top(PAIR) == []
    board.close()
    assert b"orgotten" not in path.read_bytes()
    assert sqlite3.connect(path).execute("SELECT (SELECT count(*) FROM players) + count(*) FROM scores").fetchone() == (
        0,
    )


def test_the_file_holds_no_token(path, board):
    token = board.join("Zoë")
    board.count(token, PAIR, 1)
    board.close()
    assert token.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("Zoë", "Zoë"),
        ("Zoe\u0308", "Zoë"),  # NFC
        ("  two   words ", "two words"),
        ("<b>Bob</b>", "<b>Bob</b>"),  # as it is: the page escapes
        ("Robert'); DROP", "Robert'); DROP"),
        ("李小龍", "李小龍"),
        ("ภาษาไทย", "ภาษาไทย"),
        ("🦊 fox", "🦊 fox"),
        ("Nigerian", "Nigerian"),
        ("Push it", "Push it"),
        ("Cassandra", "Cassandra"),
        ("x" * 20, "x" * 20),
    ],
)
def test_nicknames(board, given, stored):
    assert checked_nickname(given) == stored
    assert board.nickname(board.join(given)) == stored


@pytest.mark.parametrize(
    "name",
    [
        *("", "x", " x ", "x" * 21, "x" * 10**6, "...", "  ", None, 5, ["Bob"], b"Bob"),
        *("a\nb", "a\tb", "a\0b", "a\x1bb", "a\u202eb", "a\u200bb", "a\u00a0b", "a\u2028b", "\ud800ab", "a\ue000b"),
        *("\u3164\u3164", "\u2800\u2800a", "Z\u0300\u0301\u0302\u0303a"),
    ],
)
def test_what_is_no_nickname(board, name):
    with pytest.raises(InputError, match="A nickname has 2 to 20 letters, digits, spaces or signs"):
        board.join(name)


@pytest.mark.parametrize(
    "name", ["Fuck", "f.u.c.k", "Sh1thead", "f u c k", "FUUUCK", "ｆｕｃｋ", "füçk", "a$$", "big ass"]
)
def test_words_that_are_not_wanted(board, name):
    with pytest.raises(InputError, match="Please choose another nickname"):
        board.join(name)


@pytest.mark.parametrize("twin", ["Zoë", "zoË", "Zoe\u0308", "Z o ë", "Ｚｏë"])
def test_a_nickname_is_one_players(board, twin):
    board.join("Zoë")
    with pytest.raises(InputError, match="That nickname is taken"):
        board.join(twin)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=30), st.none(), st.binary(max_size=5)))
def test_any_text_is_a_nickname_or_refused(text):
    try:
        name = checked_nickname(text)
    except InputError:
        return
    assert 2 <= len(name) <= 20
    assert name.isprintable()
    assert checked_nickname(name) == name


def test_room_is_made_by_those_whom_no_board_ranks(board, monkeypatch):
    monkeypatch.setattr("app.game.leaderboard.MOST_PLAYERS", 4)
    tokens = [board.join(f"player {number}") for number in range(4)]
    board.count(tokens[0], PAIR, 20, 1)
    tokens.append(board.join("the fifth"))
    assert [board.nickname(token) is None for token in tokens] == [False, True, True, False, False]
    for token in (tokens[3], tokens[4], board.join("the sixth")):
        board.count(token, PAIR, 20, 1)
    with pytest.raises(InputError, match="The leaderboard is full"):
        board.join("one too many")


def foreign_database(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (x)")
        connection.execute("INSERT INTO precious VALUES (42)")
    connection.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("my notes"),
        lambda path: path.write_bytes(b"SQLite format 3\0"),
        lambda path: path.write_bytes(os.urandom(8192)),
        foreign_database,
    ],
)
def test_a_file_that_is_not_ours_is_left_alone(path, make):
    make(path)
    before = path.read_bytes()
    with pytest.raises(InputError) as caught:
        Leaderboard(path)
    assert str(caught.value) == (f"--leaderboard {path}: is not a leaderboard and was left as it is; give another file")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("where", ["missing/board.sqlite", "."])
def test_a_place_without_file_is_refused(tmp_path, where):
    with pytest.raises(InputError, match="--leaderboard") as caught:
        Leaderboard(tmp_path / where)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("start", "end"), [(100, 4096), (4096, 8192), (12288, 16384), (16384, 20480), (100, 10**6)])
def test_a_damaged_file_is_said_and_kept(path, start, end):
    board = Leaderboard(path)
    for number in range(50):
        board.count(board.join(f"player {number}"), PAIR, 20, number % 20)
    board.close()
    content = bytearray(path.read_bytes())
    end = min(end, len(content))
    content[start:end] = b"\xa5" * (end - start)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"--leaderboard .* is damaged \(.*\); move it away and a new one is made"):
        Leaderboard(path)
    assert path.read_bytes() == content


def test_a_file_that_was_cut_short_is_said(path, board):
    board.join("Zoë")
    board.close()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="--leaderboard"):
        Leaderboard(path)


def test_an_empty_file_becomes_a_leaderboard(path):
    path.touch()  # as a creation leaves that was killed at once
    board = Leaderboard(path)
    assert board.nickname(board.join("Zoë")) == "Zoë"
    board.close()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_refused(path, board):
    board.close()
    path.chmod(0o400)
    with pytest.raises(InputError, match="--leaderboard"):
        Leaderboard(path)


def test_trouble_in_use_is_a_sentence_for_visitors(path, board):
    token = board.join("Zoë")
    board.close()
    for ask in (lambda: board.top(PAIR), lambda: board.count(token, PAIR, 1), lambda: board.join("Bob")):
        with pytest.raises(InputError) as caught:
            ask()
        assert str(caught.value).startswith("The leaderboard cannot be used at the moment (")
        assert str(path) not in str(caught.value)


def test_a_failed_write_changes_nothing_and_the_next_one_works(board):
    token = board.join("Zoë")
    board.count(token, PAIR, 1)
    with pytest.raises(InputError):
        board.count(token, PAIR, None)
    board.count(token, PAIR, 1)
    assert board.entry(token, PAIR).rounds == 2


CHILD = """
import sys
from app.game.leaderboard import Leaderboard
board = Leaderboard(sys.argv[1])
for number in range(int(sys.argv[3])):
    board.count(sys.argv[2], "board", 1, 1)
    print(number + 1, flush=True)
"""


def child(path, token, times):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), token, str(times)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_what_was_counted_outlives_a_kill(path, board):
    """With kill -9 while it writes: nothing that was counted is lost, and no count is half there."""
    token, counted = board.join("Zoë"), 0
    board.close()
    for _ in range(3):
        with child(path, token, 10**6) as process:
            for _ in range(20):
                line = process.stdout.readline()
            process.kill() if sys.platform == "win32" else process.send_signal(signal.SIGKILL)
            told = int((process.stdout.read().split() or [line])[-1])
        survivor = Leaderboard(path)  # which checks the file
        entry = survivor.entry(token, "board")
        survivor.close()
        assert entry.rounds == entry.correct
        assert counted + told <= entry.rounds <= counted + told + 1
        counted = entry.rounds


@pytest.mark.parametrize("moment", range(4))
def test_a_copy_taken_at_any_moment_opens(path, board, tmp_path, moment):
    """What a machine finds after it went down: the file and its journal as they were."""
    token = board.join("Zoë")
    for _ in range(moment):
        board.count(token, PAIR, 1, 1)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tmp_path.glob("board.sqlite*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, copy)
    found = Leaderboard(copy / path.name)
    assert found.entry(token, PAIR).rounds == moment
    found.close()


def test_processes_may_write_at_the_same_time(path, board):
    token = board.join("Zoë")
    processes = [child(path, token, 60) for _ in range(3)]
    for _ in range(60):
        board.count(token, "board", 1)
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    entry = board.entry(token, "board")
    assert (entry.rounds, entry.correct) == (240, 180)


def test_processes_may_create_it_at_the_same_time(path):
    processes = [child(path, "nobody", 1) for _ in range(4)]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    board = Leaderboard(path)
    assert board.top("board") == []
    board.close()


def test_threads_may_write_at_the_same_time(board):
    token = board.join("Zoë")
    threads = [threading.Thread(target=lambda: [board.count(token, PAIR, 1, 1) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert board.entry(token, PAIR).rounds == 200
