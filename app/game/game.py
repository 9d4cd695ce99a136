"""The game "Which is real?": rounds, answers and what each visitor has played. No page is needed to play it.

What a browser may know before the answer is in `Round`, and nothing more; the truth stays in here. Visitors are told
apart by a text of their own, `session`, and nothing that one does shows for another.
"""

from __future__ import annotations

import hashlib
import logging
import random
import shutil
import tempfile
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from app.game import anti_cheat, wording
from app.game.leaderboard import Entry, Leaderboard
from app.game.rounds import Deal, Dealer, Drawn
from app.game.statistics import CONFIDENCES, Outcome, Summary, Tally, summarise, to_csv
from app.game.wording import MODES, ROUND_OVER, Mode
from stylegrow.common.errors import InputError
from stylegrow.sampling.inputs import shown

EXPIRES = 15 * 60.0  # seconds
QUICKEST_RANKED = 0.15  # seconds
FILES_LAST = EXPIRES  # a page may load them late, or again
LENGTHS = (10, 20, None)
MOST_SESSIONS, MOST_OUTCOMES = 2000, 500
NO_SESSION = "This page has lost its session; please load it again."
NO_LEADERBOARD = "This app keeps no leaderboard."
TOO_QUICK = "Answered in less than 0.15 seconds: not ranked."
TOO_LATE = "The time was over: not counted."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """How a series of rounds goes: one of 10 or 20 rounds, a blitz of 60 seconds, or one without end (length None).

    `number` is that of the newest round. `seconds_left` is a blitz's: its time runs only while a round waits for its
    answer. `critic_right` is None where there is no critic. `text` says it all in a line.
    """

    mode: str
    difficulty: str
    length: int | None
    number: int
    answered: int
    right: int
    abandoned: int
    streak: int
    critic_right: int | None
    seconds_left: float | None
    finished: bool
    text: str


@dataclass(frozen=True)
class Round:
    """What a player gets to see: nothing in it depends on which picture is real.

    `pictures` are files that last as long as the round takes an answer; `alternatives` their texts; `choices` the
    answers that `Game.answer` takes, `buttons` their texts.
    """

    id: str
    question: str
    pictures: tuple[Path, ...]
    alternatives: tuple[str, ...]
    choices: tuple[str, ...]
    buttons: tuple[str, ...]
    standing: Standing


@dataclass(frozen=True)
class Critique:
    """What the model's critic thought: a score for each picture (higher: more real), its choice, and all in a line."""

    scores: tuple[float, ...]
    choice: str
    right: bool
    text: str


@dataclass(frozen=True)
class Result:
    """The truth about an answered round, and what to show beside it.

    Attributes:
        text: the banner. `note`, where it is not empty, says why the round does not count.
        truth: the choice that would have been right.
        captions: of the pictures, in their order; `generated` how each was made, None for the real one.
        fooled: how others fared, counted over all visitors; may be empty.
    """

    round_id: str
    right: bool
    text: str
    note: str
    truth: str
    captions: tuple[str, ...]
    generated: tuple[Drawn | None, ...]
    seconds: float
    ranked: bool
    critic: Critique | None
    fooled: str
    tip: str
    standing: Standing

    def json(self) -> dict[str, Any]:
        """The same as plain values for JSON."""
        return asdict(self)


@dataclass
class _Series:
    key: tuple[object, ...]
    mode: str
    difficulty: str
    length: int | None
    critic_right: int | None
    thumbnails: bool
    spent: float = 0.0
    number: int = 0
    answered: int = 0
    right: int = 0
    abandoned: int = 0
    streak: int = 0
    open: bool = False

    def add(self, right: bool, critic: Critique | None) -> None:
        """Count an answer."""
        self.answered += 1
        self.right += right
        self.streak = self.streak + 1 if right else 0
        if self.critic_right is not None and critic:
            self.critic_right += critic.right

    @property
    def way(self) -> str:
        """How hard it is, in words."""
        return f"{self.difficulty}, thumbnails" if self.thumbnails else self.difficulty

    @property
    def seconds_left(self) -> float | None:
        seconds = MODES[self.mode].seconds
        return None if seconds is None else max(seconds - self.spent, 0.0)

    @property
    def finished(self) -> bool:
        return not self.open and (self.seconds_left == 0 or self.number == self.length)

    def standing(self) -> Standing:
        """A snapshot to hand out."""
        return Standing(
            self.mode,
            self.difficulty,
            self.length,
            self.number,
            self.answered,
            self.right,
            self.abandoned,
            self.streak,
            self.critic_right,
            self.seconds_left,
            self.finished,
            self._text(),
        )

    def _text(self) -> str:
        if self.finished:
            start = "Time is up" if self.seconds_left == 0 else "Finished"
        else:
            start = f"Round {self.number}" + (f" of {self.length}" if self.length else "")
        if not (self.answered or self.abandoned):
            return f"{start}."
        score = f"{self.right} of {self.answered} right"
        if self.mode == "critic":
            score = f"you {self.right}, the critic {self.critic_right}, of {self.answered}"
        return f"{start}: {score}" + (f", {self.abandoned} skipped." if self.abandoned else ".")


@dataclass(repr=False)
class _Live:
    """The newest round of a session, open or answered, with its truth; without pictures or model, which take memory."""

    round_id: str
    series: _Series
    psi: float | None
    truth: str
    deal: Deal
    captions: tuple[str, ...]
    critic: Critique | None
    noun: str
    tip: str
    tallied: dict[str, tuple[object, ...]]
    board: str
    player: str | None
    shown_at: float
    result: Result | None = None
    choice: str | None = None
    over: bool = False


@dataclass
class _Session:
    used_at: float
    lock: RLock = field(default_factory=RLock)
    seen: dict[str, set[int]] = field(default_factory=dict)
    outcomes: deque[Outcome] = field(default_factory=lambda: deque(maxlen=MOST_OUTCOMES))
    series: _Series | None = None
    live: _Live | None = None
    rounds: int = 0
    player: str | None = None


class Game:
    """All rounds that are being played, of any number of models; safe to share between threads.

    Args:
        folder: where a private folder for the pictures is made; the system's own temporary folder by default.
        leaderboard: where there is one.
        rng, clock: of chance, by default the system's cryptographic source, and of seconds.
    """

    def __init__(
        self,
        folder: Path | None = None,
        leaderboard: Leaderboard | None = None,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stylegrow-game-", dir=folder))
        self.leaderboard = leaderboard
        self._rng, self._clock = rng or random.SystemRandom(), clock
        self._lock = RLock()
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._files: deque[tuple[float, list[Path]]] = deque()
        self._tally = Tally()

    def close(self) -> None:
        """Remove the pictures."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_round(
        self,
        session: str,
        dealer: Dealer,
        mode: str = "pair",
        difficulty: str = "normal",
        length: int | None = None,
        thumbnails: bool = False,
    ) -> Round:
        """Deal a round; it runs the networks. The visitor's last round is over, abandoned if it had no answer.

        `length` is 10, 20 or None (no end; a blitz has none). `thumbnails` are harder to tell apart, and not ranked.
        InputError for what cannot be played or is out of range, and when the server is full.
        """
        kind, psi = _checked(dealer, mode, length), dealer.psi(difficulty)
        length = None if kind.seconds or length is None else int(length)
        visitor = self._session(session)
        with visitor.lock:
            self._leave(visitor)
            seen = visitor.seen.setdefault(dealer.key, set())
            pictures, deal = dealer.deal(kind.pictures, difficulty, seen, self._rng)
            if deal.real is not None:
                seen.add(deal.real)
            if thumbnails:
                pictures = [anti_cheat.thumbnail(picture) for picture in pictures]
            paths = self._publish(pictures, anti_cheat.shown_size(dealer.engine.resolution))
            series = self._series(visitor, dealer, mode, difficulty, length, thumbnails)
            series.number += 1
            series.open = True
            visitor.rounds += 1
            visitor.live = live = self._live(visitor, dealer, deal, series, psi)
            self._count(live, rounds=1)
            return Round(
                live.round_id,
                wording.question(kind, live.noun),
                tuple(paths),
                wording.alternatives(kind),
                kind.choices,
                wording.buttons(kind),
                series.standing(),
            )

    def answer(self, session: str, round_id: str, choice: str, confidence: str | None = None) -> Result:
        """The truth, for one of the round's choices. The same answer again is given the same result.

        `confidence` is "sure", "think", "guess" or None. InputError for a round that is over or not this visitor's, and
        for a choice that the round does not have, which does not end it.
        """
        if (visitor := self._known(session)) is None:
            raise InputError(ROUND_OVER)
        with visitor.lock:
            live = visitor.live
            if live is None or live.round_id != round_id or self._expired(live):
                self._expire(visitor)
                raise InputError(ROUND_OVER)
            choices = MODES[live.series.mode].choices
            if not isinstance(choice, str) or choice not in choices:
                raise InputError(f"Choose {' or '.join(choices)}.")
            if confidence is not None and confidence not in CONFIDENCES:
                raise InputError(f"Confidence is {', '.join(CONFIDENCES)}, or none.")
            if live.result is None:
                live.choice, live.result = choice, self._settle(visitor, live, choice, confidence)
            # Only the visitor's own answer is repeated: it says no more than it has said before.
            if live.choice != choice:
                raise InputError(ROUND_OVER)
            return live.result

    def standing(self, session: str) -> Standing | None:
        """How the visitor's series goes; None before the first round. A blitz whose time has run out is closed."""
        if (visitor := self._known(session)) is None:
            return None
        with visitor.lock:
            live = visitor.live
            if live and live.series.open and self._elapsed(live) > (live.series.seconds_left or EXPIRES):
                self._leave(visitor)
            return visitor.series.standing() if visitor.series else None

    def statistics(self, session: str, mode: str | None = None) -> Summary:
        """The visitor's last 500 rounds, of one mode or of all."""
        return summarise(one for one in self._outcomes(session) if mode is None or one.mode == mode)

    def csv(self, session: str) -> str:
        """The visitor's last 500 rounds as CSV, with a line of names."""
        return to_csv(self._outcomes(session))

    def reset(self, session: str) -> None:
        """Forget what the visitor has played, but for which pictures were seen; the leaderboard stays as it is."""
        if (visitor := self._known(session)) is None:
            return
        with visitor.lock:
            self._leave(visitor)
            visitor.outcomes.clear()
            visitor.series = visitor.live = None

    def join(self, session: str, nickname: str) -> str:
        """Put the visitor's rounds from now on on the leaderboard; the token with which the player can come back."""
        leaderboard, visitor = self._boards(), self._session(session)
        visitor.player = token = leaderboard.join(nickname)
        return token

    def rejoin(self, session: str, token: str) -> str:
        """Go on as the player with this token; the nickname. InputError for nobody's token."""
        name = self._boards().nickname(token)
        if name is None:
            raise InputError("Nobody on the leaderboard has this token.")
        self._session(session).player = token
        return name

    def erase(self, session: str) -> bool:
        """Take the visitor's player off the leaderboard, with all rounds; whether there was one."""
        leaderboard = self._boards()
        if (visitor := self._known(session)) is None:
            return False
        with visitor.lock:
            player, visitor.player = visitor.player, None
            return player is not None and leaderboard.erase(player)

    def entry(self, session: str, board: str) -> Entry | None:
        """The visitor's own line on a board, also before it is ranked; None if the visitor has not joined."""
        visitor = self._known(session)
        player = visitor.player if visitor else None
        return None if player is None else self._boards().entry(player, board)

    def top(self, board: str) -> list[Entry]:
        """The best 20 of a board (see the function `board`)."""
        return self._boards().top(board)

    def _boards(self) -> Leaderboard:
        if self.leaderboard is None:
            raise InputError(NO_LEADERBOARD)
        return self.leaderboard

    def _known(self, session: str) -> _Session | None:
        """What there is of a visitor."""
        if not isinstance(session, str) or not session:
            raise InputError(NO_SESSION)
        with self._lock:
            visitor = self._sessions.get(key := _hash(session))
            if visitor is not None:
                self._sessions.move_to_end(key)
                visitor.used_at = self._clock()
            return visitor

    def _session(self, session: str) -> _Session:
        """A visitor, perhaps new. InputError when there are too many."""
        with self._lock:
            if (visitor := self._known(session)) is None:
                now = self._clock()
                # Only what nobody uses any more makes room: a visitor does not lose a game because others come.
                if len(self._sessions) >= MOST_SESSIONS:
                    if now - next(iter(self._sessions.values())).used_at <= EXPIRES:
                        raise InputError(f"The server is busy ({MOST_SESSIONS} playing). Please try again in a moment.")
                    self._sessions.popitem(last=False)
                visitor = self._sessions[_hash(session)] = _Session(now)
            return visitor

    def _outcomes(self, session: str) -> list[Outcome]:
        if (visitor := self._known(session)) is None:
            return []
        with visitor.lock:
            self._expire(visitor)
            return list(visitor.outcomes)

    def _series(
        self, visitor: _Session, dealer: Dealer, mode: str, difficulty: str, length: int | None, thumbnails: bool
    ) -> _Series:
        """The series that goes on, or a new one."""
        key = (dealer.key, mode, difficulty, length, thumbnails)
        if visitor.series is None or visitor.series.finished or visitor.series.key != key:
            visitor.series = _Series(key, mode, difficulty, length, 0 if dealer.critic else None, thumbnails)
        return visitor.series

    def _publish(self, pictures: Sequence[np.ndarray], size: int) -> list[Path]:
        """The files of a round; those of rounds long past are removed."""
        with self._lock:
            while self._files and self._clock() - self._files[0][0] > FILES_LAST:
                for path in self._files.popleft()[1]:
                    path.unlink(missing_ok=True)
        try:
            paths = anti_cheat.publish(pictures, self.folder, self._rng, size)
        except OSError as error:
            raise InputError(f"The pictures cannot be written at the moment ({error.strerror}).") from error
        with self._lock:
            self._files.append((self._clock(), paths))
        return paths

    def _elapsed(self, live: _Live) -> float:
        return self._clock() - live.shown_at

    def _expired(self, live: _Live) -> bool:
        return live.over or self._elapsed(live) > EXPIRES

    def _expire(self, visitor: _Session) -> None:
        if visitor.live and self._expired(visitor.live):
            self._leave(visitor)

    def _leave(self, visitor: _Session) -> None:
        """End the newest round: as abandoned if it is open, with its truth untold, but for a blitz that has run out."""
        live = visitor.live
        if live is None or live.over:
            return
        live.over = True
        if live.result is not None:
            return
        series, left = live.series, live.series.seconds_left
        elapsed = self._elapsed(live)
        series.open = False
        series.spent += elapsed
        if left is not None and elapsed > left:
            self._count(live, rounds=-1)
            return
        series.abandoned += 1
        series.streak = 0
        visitor.outcomes.append(
            Outcome(series.mode, series.way, live.psi, len(MODES[series.mode].choices), ranked=True)
        )

    def _live(self, visitor: _Session, dealer: Dealer, deal: Deal, series: _Series, psi: float | None) -> _Live:
        """A round that is shown from now on, with all that its result will say."""
        noun, kind = dealer.reals.noun, MODES[series.mode]
        truth = _truth(deal, kind)
        tallied: dict[str, tuple[object, ...]] = {"This model": (dealer.key, series.mode, series.way)}
        if deal.real is not None:
            tallied[f"This real {noun}"] = (dealer.key, series.mode, series.thumbnails, deal.real)
        return _Live(
            f"{self._rng.getrandbits(128):032x}",
            series,
            psi,
            truth,
            deal,
            tuple(_caption(dealer, drawn) for drawn in deal.drawn),
            _critique(deal, truth),
            noun,
            wording.tip(visitor.rounds - 1, noun, dealer.engine.styled),
            tallied,
            board(dealer, series.mode, series.difficulty),
            None if series.thumbnails else visitor.player,
            self._clock(),
        )

    def _settle(self, visitor: _Session, live: _Live, choice: str, confidence: str | None) -> Result:
        """Close a round with an answer, and count it everywhere."""
        series, kind, seconds = live.series, MODES[live.series.mode], self._elapsed(live)
        late = series.seconds_left is not None and seconds > series.seconds_left
        ranked, right = not late and seconds >= QUICKEST_RANKED, choice == live.truth
        series.open = False
        series.spent += seconds
        if not late:
            series.add(right, live.critic)
            outcome = Outcome(
                series.mode,
                series.way,
                live.psi,
                len(kind.choices),
                right,
                choice,
                live.truth,
                seconds,
                confidence,
                ranked,
                live.critic.right if live.critic else None,
            )
            visitor.outcomes.append(outcome)
        if not ranked:
            self._count(live, rounds=-1)
        elif right:
            self._count(live, correct=1)
        opening = "Time is up" if late else "Correct" if right else "Not this time"
        return Result(
            live.round_id,
            right,
            wording.banner(opening, kind, live.truth, live.noun),
            TOO_LATE if late else "" if ranked else TOO_QUICK,
            live.truth,
            live.captions,
            live.deal.drawn,
            seconds,
            ranked,
            live.critic,
            self._fooled(live, not right),
            live.tip,
            series.standing(),
        )

    def _fooled(self, live: _Live, fooled: bool) -> str:
        """What is counted over all visitors, as it was before this answer, which is added."""
        shares = [(name, self._tally.share(key)) for name, key in live.tallied.items()]
        for key in live.tallied.values():
            self._tally.add(key, fooled)
        return " ".join(
            f"{name} fooled its players in {share.accuracy:.0%} of {share.n} rounds." for name, share in shares if share
        )

    def _count(self, live: _Live, rounds: int = 0, correct: int = 0) -> None:
        """Count on the leaderboard, whose trouble must not spoil the game."""
        if live.player is None or self.leaderboard is None:
            return
        try:
            self.leaderboard.count(live.player, live.board, rounds, correct)
        except InputError as error:
            log.warning("%s", error)


def board(dealer: Dealer, mode: str, difficulty: str) -> str:
    """The name of the board on which rounds are ranked: they are compared only with rounds as hard."""
    return f"{dealer.key} {mode} {difficulty}"


def _checked(dealer: Dealer, mode: str, length: int | None) -> Mode:
    if not isinstance(mode, str) or mode not in MODES:
        raise InputError(f"Mode {shown(str(mode)[:99])}: choose {', '.join(MODES)}.")
    if isinstance(length, bool) or length not in LENGTHS:
        raise InputError(f"Rounds {shown(str(length)[:99])}: choose {LENGTHS[0]}, {LENGTHS[1]} or none.")
    if MODES[mode].needs_critic and dealer.critic is None:
        raise InputError(f'{MODES[mode].title} needs the model\'s own critic; "{dealer.engine.name}" has none.')
    return MODES[mode]


def _hash(session: str) -> bytes:
    return hashlib.sha256(session.encode("utf-8", "replace")).digest()


def _truth(deal: Deal, kind: Mode) -> str:
    if kind.pictures > 1:
        return kind.choices[deal.drawn.index(None)]
    return wording.REAL if deal.drawn[0] is None else wording.GENERATED


def _critique(deal: Deal, truth: str) -> Critique | None:
    if deal.scores is None:
        return None
    if deal.threshold is not None:
        choice = wording.REAL if deal.scores[0] >= deal.threshold else wording.GENERATED
    else:
        choice = wording.LETTERS[max(range(len(deal.scores)), key=deal.scores.__getitem__)]
    right = choice == truth
    return Critique(deal.scores, choice, right, wording.critic_says(deal.scores, choice, right, deal.threshold))


def _caption(dealer: Dealer, drawn: Drawn | None) -> str:
    if drawn is None:
        return wording.caption(dealer.reals.noun)
    classes, name = dealer.engine.classes, None
    if drawn.label is not None:
        name = classes[drawn.label] if classes else f"class {drawn.label}"
    return wording.caption(dealer.reals.noun, drawn.seed, drawn.psi, name)
