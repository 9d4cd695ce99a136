"""The game "Which is real?": rounds, answers and what each visitor has played. No page is needed to play it.

What a browser may know before the answer is in `Round`, and nothing more; the truth stays in here. Visitors are told
apart by a text of their own, `session`, and nothing that one does shows for another.
"""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from app.game import anti_cheat, wording
from app.game.leaderboard import Entry, Leaderboard
from app.game.rounds import GameModel, RoundImages
from app.game.rules import (
    DIFFICULTIES,
    EXPIRES,
    FOLLOW,
    LENGTHS,
    MODES,
    QUICKEST_RANKED,
    Level,
    Mode,
    Result,
    Round,
    Series,
    Standing,
    Truth,
)
from app.game.statistics import CONFIDENCES, Outcome, Summary, Tally, summarise, to_csv
from app.game.visitors import LiveRound, Visitor, Visitors
from stylegrow.common.errors import InputError
from stylegrow.sampling.inputs import shown

FILES_LAST = EXPIRES  # a page may load them late, or again

log = logging.getLogger(__name__)


class Game:
    """All rounds that are being played, of any number of models; safe to share between threads.

    Args:
        folder: where a private folder for the images is made; the system's own temporary folder by default.
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
        self.visitors = Visitors(clock)
        self._rng, self._clock = rng or random.SystemRandom(), clock
        self._lock = Lock()
        self._files: deque[tuple[float, list[Path]]] = deque()
        self._tally = Tally()

    def close(self) -> None:
        """Remove the images."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_round(
        self,
        session: str,
        model: GameModel,
        mode: str = "pair",
        difficulty: str = "normal",
        length: int | None = None,
        thumbnails: bool = False,
    ) -> Round:
        """Draw a round, for which the networks run. The visitor's last round is over, abandoned if it had no answer.

        The difficulty "follow" is that of the visitor's level. `length` is 10, 20 or None (no end; a blitz has none).
        `thumbnails` are harder to tell apart, and not ranked.
        InputError for what cannot be played or is out of range, and when the server is full.
        """
        kind = _checked(model, mode, length)
        model.check(difficulty)
        length = None if kind.seconds or length is None else int(length)
        visitor = self.visitors.find_or_add(session)
        with visitor.lock:
            self._leave(visitor)
            seen = visitor.seen.setdefault(model.key, set())
            level = visitor.level.difficulty if difficulty == FOLLOW else difficulty
            pixels, images = model.draw_round(kind.images, level, seen, self._rng)
            if images.real is not None:
                seen.add(images.real)
            pixels = [model.sampler.shown(image[None])[0] for image in pixels]
            if thumbnails:
                pixels = [anti_cheat.thumbnail(image) for image in pixels]
            paths = self._publish(pixels, anti_cheat.shown_size(model.sampler.resolution), images.uneven)
            key = (model.key, mode, difficulty, length, thumbnails)
            if visitor.series is None or visitor.series.finished or visitor.series.key != key:
                critic_right = 0 if model.critic else None
                visitor.series = Series(key, mode, difficulty, level, length, thumbnails, critic_right)
            series = visitor.series
            series.level = level
            series.number += 1
            series.open = True
            visitor.live = live = self._live_round(visitor, model, images, series)
            visitor.rounds += 1
            self._rank(live, rounds=1)
            question, alternatives = wording.question(kind, live.noun), wording.alternatives(kind)
            texts = (question, tuple(paths), alternatives, kind.choices, wording.buttons(kind))
            return Round(live.truth.round_id, *texts, series.standing())

    def answer(self, session: str, round_id: str, choice: str, confidence: str | None = None) -> Result:
        """The truth, for one of the round's choices. The same answer again is given the same result.

        `confidence` is "sure", "think", "guess" or None. InputError for a round that is over or not this visitor's, and
        for a choice that the round does not have, which does not end it.
        """
        if (visitor := self.visitors.find(session)) is None:
            raise InputError(wording.ROUND_OVER)
        with visitor.lock:
            live = visitor.live
            if live is None or live.truth.round_id != round_id or self._expired(live):
                self._expire(visitor)
                raise InputError(wording.ROUND_OVER)
            choices = MODES[live.series.mode].choices
            if not isinstance(choice, str) or choice not in choices:
                raise InputError(f"Choose {' or '.join(choices)}.")
            if confidence is not None and confidence not in CONFIDENCES:
                raise InputError(f"Confidence is {', '.join(CONFIDENCES)}, or none.")
            if live.result is None:
                live.choice, live.result = choice, self._settle(visitor, live, choice, confidence)
            # Only the visitor's own answer is repeated: it says no more than it has said before.
            if live.choice != choice:
                raise InputError(wording.ROUND_OVER)
            return live.result

    def standing(self, session: str) -> Standing | None:
        """How the visitor's series goes; None before the first round. A blitz whose time has run out is closed."""
        if (visitor := self.visitors.find(session)) is None:
            return None
        with visitor.lock:
            live = visitor.live
            if live and live.series.open and self._elapsed(live) > (live.series.seconds_left or EXPIRES):
                self._leave(visitor)
            return visitor.series.standing() if visitor.series else None

    def level(self, session: str, difficulty: str) -> str:
        """The difficulty of the visitor's next round, of one that follows the visitor or not."""
        if difficulty != FOLLOW:
            return difficulty
        visitor = self.visitors.find(session)
        return (visitor.level if visitor else Level()).difficulty

    def statistics(self, session: str, mode: str | None = None) -> Summary:
        """The visitor's last 500 rounds, of one mode or of all."""
        return summarise(one for one in self._outcomes(session) if mode is None or one.mode == mode)

    def csv(self, session: str) -> str:
        """The visitor's last 500 rounds as CSV, with a line of names."""
        return to_csv(self._outcomes(session))

    def reset(self, session: str) -> None:
        """Forget what the visitor has played, but for which images were seen; the leaderboard stays as it is."""
        if (visitor := self.visitors.find(session)) is None:
            return
        with visitor.lock:
            self._leave(visitor)
            visitor.outcomes.clear()
            visitor.series, visitor.live, visitor.level = None, None, Level()

    def join(self, session: str, nickname: str) -> str:
        """Put the visitor's rounds from now on on the leaderboard; the token with which the player can come back."""
        board, visitor = self.board(), self.visitors.find_or_add(session)
        visitor.player = token = board.join(nickname)
        return token

    def rejoin(self, session: str, token: str) -> str:
        """Go on as the player with this token; the nickname. InputError for nobody's token."""
        name = self.board().nickname(token)
        if name is None:
            raise InputError("Nobody on the leaderboard has this token.")
        self.visitors.find_or_add(session).player = token
        return name

    def erase(self, session: str) -> bool:
        """Take the visitor's player off the leaderboard, with all rounds; whether there was one."""
        board = self.board()
        if (visitor := self.visitors.find(session)) is None:
            return False
        with visitor.lock:
            player, visitor.player = visitor.player, None
            return player is not None and board.erase(player)

    def entry(self, session: str, board: str) -> Entry | None:
        """The visitor's own line on a board, also before it is ranked; None if the visitor has not joined."""
        visitor = self.visitors.find(session)
        player = visitor.player if visitor else None
        return None if player is None else self.board().entry(player, board)

    def board(self) -> Leaderboard:
        """The leaderboard. InputError where none is kept."""
        if self.leaderboard is None:
            raise InputError("This app keeps no leaderboard.")
        return self.leaderboard

    def _outcomes(self, session: str) -> list[Outcome]:
        if (visitor := self.visitors.find(session)) is None:
            return []
        with visitor.lock:
            self._expire(visitor)
            return list(visitor.outcomes)

    def _publish(self, pixels: Sequence[np.ndarray], size: int, uneven: float) -> list[Path]:
        """The files of a round; those of rounds long past are removed."""
        with self._lock:
            while self._files and self._clock() - self._files[0][0] > FILES_LAST:
                for path in self._files.popleft()[1]:
                    path.unlink(missing_ok=True)
        try:
            paths = anti_cheat.publish(pixels, self.folder, self._rng, size, uneven)
        except OSError as error:
            raise InputError(f"The pictures cannot be written at the moment ({error.strerror}).") from error
        with self._lock:
            self._files.append((self._clock(), paths))
        return paths

    def _elapsed(self, live: LiveRound) -> float:
        return self._clock() - live.shown_at

    def _expired(self, live: LiveRound) -> bool:
        return live.over or self._elapsed(live) > EXPIRES

    def _expire(self, visitor: Visitor) -> None:
        if visitor.live and self._expired(visitor.live):
            self._leave(visitor)

    def _leave(self, visitor: Visitor) -> None:
        """End the newest round: as abandoned if it is open, with its truth untold, but for a blitz that has run out."""
        live = visitor.live
        if live is None or live.over:
            return
        live.over = True
        if live.result is not None:
            return
        series, left, elapsed = live.series, live.series.seconds_left, self._elapsed(live)
        series.close(elapsed)
        if left is not None and elapsed > left:
            self._rank(live, rounds=-1)
            return
        series.abandoned += 1
        series.streak = 0
        options = len(MODES[series.mode].choices)
        visitor.outcomes.append(Outcome(series.mode, series.hardness, live.psi, options, ranked=True))

    def _live_round(self, visitor: Visitor, model: GameModel, images: RoundImages, series: Series) -> LiveRound:
        """A round that is shown from now on, with all that its result will say."""
        noun, truth = model.reals.noun, images.truth(MODES[series.mode])
        tallied: dict[str, tuple[object, ...]] = {"This model": (model.key, series.mode, series.hardness)}
        if images.real is not None:
            tallied[f"This real {noun}"] = (model.key, series.mode, series.thumbnails, images.real)
        known = Truth(
            f"{self._rng.getrandbits(128):032x}",
            truth,
            tuple(model.caption(one) for one in images.generated),
            images.generated,
            images.critique(truth),
            wording.tip(visitor.rounds, noun, model.sampler.styled),
        )
        player = None if series.thumbnails or images.early else visitor.player
        board, psi = board_name(model, series.mode, series.level), model.psi(series.level)
        return LiveRound(known, series, psi, noun, tallied, board, player, images.early, self._clock())

    def _settle(self, visitor: Visitor, live: LiveRound, choice: str, confidence: str | None) -> Result:
        """Close a round with an answer, and count it everywhere."""
        series, known, seconds = live.series, live.truth, self._elapsed(live)
        kind, right, critic = MODES[series.mode], choice == known.truth, known.critic
        late = series.seconds_left is not None and seconds > series.seconds_left
        quick = seconds < QUICKEST_RANKED
        ranked = not (late or quick or live.early)
        series.close(seconds)
        if not late:
            series.count(right, critic)
            if series.difficulty == FOLLOW:
                visitor.level.answered(right)
            answer = (right, choice, known.truth, seconds, confidence, ranked, critic.right if critic else None)
            visitor.outcomes.append(Outcome(series.mode, series.hardness, live.psi, len(kind.choices), *answer))
        if not ranked:
            self._rank(live, rounds=-1)
        elif right:
            self._rank(live, correct=1)
        unranked = wording.TOO_QUICK if quick else wording.TOO_EARLY
        opening = "Time is up" if late else "Correct" if right else "Not this time"
        return Result(
            **vars(known),
            right=right,
            text=wording.banner(opening, kind, known.truth, live.noun),
            note=wording.TOO_LATE if late else unranked if self.leaderboard and not ranked else "",
            seconds=seconds,
            ranked=ranked,
            fooled=self._fooled(live, not right),
            standing=series.standing(),
        )

    def _fooled(self, live: LiveRound, fooled: bool) -> str:
        """What is counted over all visitors, with this answer, which is added."""
        for key in live.tallied.values():
            self._tally.add(key, fooled)
        shares = [(name, self._tally.share(key)) for name, key in live.tallied.items()]
        return " ".join(
            f"{name} fooled its players in {share.accuracy:.0%} of {share.n} rounds." for name, share in shares if share
        )

    def _rank(self, live: LiveRound, rounds: int = 0, correct: int = 0) -> None:
        """Count on the leaderboard, whose trouble must not spoil the game."""
        if live.player is None or self.leaderboard is None:
            return
        try:
            self.leaderboard.count(live.player, live.board, rounds, correct)
        except InputError as error:
            log.warning("%s", error)


def board_name(model: GameModel, mode: str, difficulty: str) -> str:
    """The name of the board on which rounds are ranked: they are compared only with rounds as hard.

    Rounds of a difficulty that follows the player are as hard as others of the level that they are on.
    """
    return f"{model.key} {mode} {difficulty}, best of {DIFFICULTIES[difficulty].of}"


def _checked(model: GameModel, mode: str, length: int | None) -> Mode:
    if not isinstance(mode, str) or mode not in MODES:
        raise InputError(f"Mode {shown(str(mode)[:99])}: choose {', '.join(MODES)}.")
    if isinstance(length, bool) or length not in LENGTHS:
        raise InputError(f"Rounds {shown(str(length)[:99])}: choose {LENGTHS[0]}, {LENGTHS[1]} or none.")
    if MODES[mode].needs_critic and model.critic is None:
        raise InputError(f'{MODES[mode].title} needs the model\'s own critic; "{model.sampler.name}" has none.')
    return MODES[mode]
