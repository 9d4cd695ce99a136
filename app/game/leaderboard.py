"""Who tells real from generated best: nicknames and counts of rounds in an SQLite file, and nothing else of anybody.

Only the game counts rounds, and counts one when it is shown: leaving a hard one without an answer does not help. A
player is known by a token that only the player has; the file holds its hash. Boards are ranked by the lower end of
Wilson's interval, from 20 rounds on.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from app.game.nicknames import checked_nickname, folded
from app.game.statistics import wilson
from stylegrow.common.errors import InputError
from stylegrow.common.paths import expanded
from stylegrow.common.text import one_line, printable

LEAST_ROUNDS = 20
MOST_PLAYERS = 10_000
SECONDS_TO_WAIT = 10.0  # for other processes that write
APPLICATION = int.from_bytes(b"sgLB", "big")  # SQLite's application_id, in bytes 68 to 71 of the file
MAGIC, ID_AT, HEADER = b"SQLite format 3\0", 68, 100
SCHEMA = (
    "CREATE TABLE players (id INTEGER PRIMARY KEY, token BLOB NOT NULL UNIQUE, name TEXT NOT NULL,"
    " folded TEXT NOT NULL UNIQUE)",
    "CREATE TABLE scores (player INTEGER NOT NULL REFERENCES players ON DELETE CASCADE, board TEXT NOT NULL,"
    " rounds INTEGER NOT NULL, correct INTEGER NOT NULL, PRIMARY KEY (player, board)) WITHOUT ROWID",
    "CREATE INDEX boards ON scores (board)",
    f"PRAGMA application_id = {APPLICATION}",
    "PRAGMA user_version = 1",
)


@dataclass(frozen=True)
class Entry:
    """A player's line on a board: `correct` of `rounds`, and the lower end of that share's 95 % interval."""

    name: str
    rounds: int
    correct: int

    @property
    def bound(self) -> float:
        return wilson(self.correct, self.rounds)[0]


class Leaderboard:
    """The file behind the boards. Threads and processes may share it; what was counted outlives a kill -9.

    InputError, in a line that names --leaderboard, for a file that cannot be used; a file that is not a leaderboard is
    left as it is. While it is in use a failure is an InputError that a visitor may see.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = expanded(path)
        _check(self.path)
        self._lock = Lock()
        connection = None
        try:
            connection = sqlite3.connect(
                self.path, timeout=SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False
            )
            _prepare(connection)
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise _unusable(self.path, error) from error
        self._connection = connection

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def join(self, nickname: str) -> str:
        """The secret token of a new player. InputError for a nickname that cannot be used or is taken."""
        name = checked_nickname(nickname)
        token = secrets.token_urlsafe(24)
        with self._writing() as connection:
            if connection.execute("SELECT 1 FROM players WHERE folded = ?", [folded(name)]).fetchone():
                raise InputError("That nickname is taken; choose another.")
            if connection.execute("SELECT count(*) FROM players").fetchone()[0] >= MOST_PLAYERS:
                _make_room(connection)
            connection.execute(
                "INSERT INTO players (token, name, folded) VALUES (?, ?, ?)", [_hash(token), name, folded(name)]
            )
        return token

    def nickname(self, token: str) -> str | None:
        """Whose token this is; None if it is nobody's."""
        with self._reading() as connection:
            row = connection.execute("SELECT name FROM players WHERE token = ?", [_hash(token)]).fetchone()
        return row and row[0]

    def count(self, token: str, board: str, rounds: int = 0, correct: int = 0) -> None:
        """Add to a player's rounds and right answers on a board; nothing happens if the player has been erased."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO scores SELECT id, ?, ?, ? FROM players WHERE token = ?"
                " ON CONFLICT (player, board)"
                " DO UPDATE SET rounds = rounds + excluded.rounds, correct = correct + excluded.correct",
                [board, rounds, correct, _hash(token)],
            )

    def top(self, board: str, most: int = 20) -> list[Entry]:
        """The best players of a board, the best first: those with 20 rounds or more."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT name, rounds, correct FROM scores JOIN players ON id = player WHERE board = ? AND rounds >= ?",
                [board, LEAST_ROUNDS],
            ).fetchall()
        return sorted((Entry(*row) for row in rows), key=lambda entry: (-entry.bound, -entry.rounds, entry.name))[:most]

    def entry(self, token: str, board: str) -> Entry | None:
        """A player's own line on a board, also before it is ranked; None for nobody's token."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT name, coalesce(rounds, 0), coalesce(correct, 0) FROM players"
                " LEFT JOIN scores ON player = id AND board = ? WHERE token = ?",
                [board, _hash(token)],
            ).fetchone()
        return row and Entry(*row)

    def erase(self, token: str) -> bool:
        """Forget a player and all the player's rounds; whether there was one."""
        with self._writing() as connection:
            return connection.execute("DELETE FROM players WHERE token = ?", [_hash(token)]).rowcount > 0

    def reset(self) -> None:
        """Forget all players."""
        with self._writing() as connection:
            connection.execute("DELETE FROM players")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise InputError(f"The leaderboard cannot be used at the moment ({printable(error)}).") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing."""
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise


def _hash(token: object) -> bytes:
    return hashlib.sha256(str(token).encode("utf-8", "replace")).digest()


def _check(path: Path) -> None:
    """InputError unless there is no such file yet, an empty one, or a leaderboard; nothing is changed."""
    if not path.exists() and path.parent.is_dir():
        return
    try:
        with path.open("rb") as file:
            header = file.read(HEADER)
    except OSError as error:
        raise InputError(f"--leaderboard {printable(path)}: cannot be read ({error.strerror})") from error
    identity = header[ID_AT : ID_AT + 4]
    if header and (header[: len(MAGIC)] != MAGIC or identity != APPLICATION.to_bytes(4, "big")):
        raise InputError(
            f"--leaderboard {printable(path)}: is not a leaderboard and was left as it is; give another file"
        )


def _prepare(connection: sqlite3.Connection) -> None:
    """Create what is missing, in one transaction, and check what is there."""
    connection.execute("PRAGMA secure_delete = ON")  # erased names are to be gone
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in SCHEMA:
                connection.execute(statement)
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.rollback()
        raise
    # After the tables are in the file itself, since only its header tells whose it is. Where it cannot be, since others
    # are busy or the file system has no shared memory, SQLite's rollback journal serves as well.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)
    connection.execute("SELECT name, folded, token, board, rounds, correct FROM players, scores LIMIT 1")


def _make_room(connection: sqlite3.Connection) -> None:
    """Forget the oldest half of the players whom no board ranks. InputError when there are none."""
    unranked = (
        "SELECT id FROM players WHERE id NOT IN (SELECT player FROM scores WHERE rounds >= ?) ORDER BY id LIMIT ?"
    )
    if not connection.execute(
        f"DELETE FROM players WHERE id IN ({unranked})", [LEAST_ROUNDS, MOST_PLAYERS // 2]
    ).rowcount:
        raise InputError("The leaderboard is full.")


def _unusable(path: Path, error: sqlite3.Error) -> InputError:
    what, then = "cannot be used", "give a file in a folder where this user may write"
    if type(error) is sqlite3.DatabaseError:
        what, then = "is damaged", "move it away and a new one is made"
    return InputError(f"--leaderboard {printable(path)}: {what} ({one_line(error)}); {then}")
