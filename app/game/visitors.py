"""Who plays: what the game keeps of each visitor, found by a text that only this visitor's page sends."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock

from app.game.rules import EXPIRES, Level, Result, Series, Truth
from app.game.statistics import Outcome
from stylegrow.common.errors import InputError

MOST_VISITORS, MOST_OUTCOMES = 2000, 500
NO_SESSION = "This page has lost its session; please load it again."


@dataclass(repr=False)
class LiveRound:
    """The newest round of a visitor, open or answered; without its images and the model, which take memory.

    `tallied` are the keys of what is counted over all visitors; `player` is the token of who is ranked on `board`;
    `early` is whether its images were drawn before there were enough to choose from.
    """

    truth: Truth
    series: Series
    psi: float | None
    noun: str
    tallied: dict[str, tuple[object, ...]]
    board: str
    player: str | None
    early: bool
    shown_at: float
    result: Result | None = None
    choice: str | None = None
    over: bool = False


@dataclass
class Visitor:
    """What is kept of a visitor; `seen` are the numbers of real images, by model."""

    used_at: float
    lock: RLock = field(default_factory=RLock)
    seen: dict[str, set[int]] = field(default_factory=dict)
    outcomes: deque[Outcome] = field(default_factory=lambda: deque(maxlen=MOST_OUTCOMES))
    series: Series | None = None
    live: LiveRound | None = None
    level: Level = field(default_factory=Level)
    rounds: int = 0
    player: str | None = None


class Visitors:
    """All visitors by their sessions, of which only hashes are kept; thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = RLock()
        self._visitors: OrderedDict[bytes, Visitor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._visitors)

    def find(self, session: str) -> Visitor | None:
        """A visitor who is known. InputError for what is no session."""
        if not isinstance(session, str) or not session:
            raise InputError(NO_SESSION)
        with self._lock:
            visitor = self._visitors.get(key := _hash(session))
            if visitor is not None:
                self._visitors.move_to_end(key)
                visitor.used_at = self._clock()
            return visitor

    def find_or_add(self, session: str) -> Visitor:
        """A visitor, perhaps new. InputError when there are too many."""
        with self._lock:
            if (visitor := self.find(session)) is None:
                now = self._clock()
                # Only what nobody uses any more makes room: a visitor does not lose a game because others come.
                if len(self._visitors) >= MOST_VISITORS:
                    if now - next(iter(self._visitors.values())).used_at <= EXPIRES:
                        raise InputError(f"The server is busy ({MOST_VISITORS} playing). Please try again in a moment.")
                    self._visitors.popitem(last=False)
                visitor = self._visitors[_hash(session)] = Visitor(now)
            return visitor


def _hash(session: str) -> bytes:
    return hashlib.sha256(session.encode("utf-8", "replace")).digest()
