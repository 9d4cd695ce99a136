"""The rules of "Which is real?": ways to play, what a round shows and tells, and how a series is scored."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

EXPIRES = 15 * 60.0  # seconds in which a round takes an answer
QUICKEST_RANKED = 0.15  # seconds
LENGTHS = (10, 20, None)
LETTERS = ("A", "B", "C", "D")
REAL, GENERATED = "real", "generated"
FOLLOW = "follow"  # a difficulty that follows the player
IN_A_ROW = 3  # right answers, after which it gets harder


@dataclass(frozen=True)
class Difficulty:
    """What is generated: with which truncation (the nearer to the average, the fewer mistakes), best of how many.

    Where backgrounds are hidden, real and generated pictures are mottled so that flat ones do not tell what is real.
    """

    psi: float
    of: int
    hides_backgrounds: bool = False


DIFFICULTIES = {"easy": Difficulty(1.2, 1), "normal": Difficulty(1.0, 4), "hard": Difficulty(0.7, 32, True)}


@dataclass(frozen=True)
class Mode:
    """A way to play: how many images a round has and, where it is so, what is special about it."""

    title: str
    images: int
    seconds: float | None = None
    needs_critic: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        """The answers to choose from."""
        return LETTERS[: self.images] if self.images > 1 else (REAL, GENERATED)


MODES = {
    "pair": Mode("Pair", 2),
    "single": Mode("Single", 1),
    "odd": Mode("Odd one out", 4),
    "blitz": Mode("Blitz", 2, seconds=60.0),
    "critic": Mode("Beat the critic", 2, needs_critic=True),
}


@dataclass(frozen=True)
class GeneratedImage:
    """How an image was made; psi is None for a model without truncation, label for one without classes."""

    seed: int
    psi: float | None
    label: int | None


@dataclass
class Level:
    """The difficulty of a player whom it follows: three right in a row make it harder, a wrong answer easier."""

    difficulty: str = "normal"
    in_a_row: int = 0

    def answered(self, right: bool) -> None:
        """Count an answer to a round of this difficulty."""
        self.in_a_row = self.in_a_row + 1 if right else 0
        if self.in_a_row in (0, IN_A_ROW):
            levels = list(DIFFICULTIES)
            place = levels.index(self.difficulty) + (1 if right else -1)
            self.difficulty, self.in_a_row = levels[min(max(place, 0), len(levels) - 1)], 0


@dataclass(frozen=True)
class Standing:
    """How a series of rounds goes: one of 10 or 20 rounds, a blitz of 60 seconds, or one without end (length None).

    `number` is that of the newest round, and `level` its difficulty: the series' own, unless that follows the player.
    `seconds_left` is a blitz's: its time runs only while a round waits for its
    answer. `critic_right` is None where there is no critic. `text` says it all in a line.
    """

    mode: str
    difficulty: str
    level: str
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
    """What a player gets to see: nothing in it depends on which image is real.

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
    """What the model's critic thought: a score for each image (higher: more real), its choice, and all in a line."""

    scores: tuple[float, ...]
    choice: str
    right: bool
    text: str


@dataclass(frozen=True, repr=False)
class Truth:
    """What the server alone knows of a round until it is answered.

    `truth` is the right choice; `captions` and `generated` (how each was made, None for the real one) are in the order
    of the images.
    """

    round_id: str
    truth: str
    captions: tuple[str, ...]
    generated: tuple[GeneratedImage | None, ...]
    critic: Critique | None
    tip: str


@dataclass(frozen=True)
class Result(Truth):
    """The truth about an answered round, and what to show beside it.

    `text` is the banner; `note`, where it is not empty, says why the round does not count; `fooled`, which may be
    empty, how others fared, counted over all visitors.
    """

    right: bool
    text: str
    note: str
    seconds: float
    ranked: bool
    fooled: str
    standing: Standing

    def json(self) -> dict[str, Any]:
        """The same as values for JSON."""
        return asdict(self)


@dataclass
class Series:
    """Rounds that are counted together: those of one model, played one way. `key` tells series apart."""

    key: tuple[object, ...]
    mode: str
    difficulty: str
    level: str
    length: int | None
    thumbnails: bool
    critic_right: int | None
    spent: float = 0.0
    number: int = 0
    answered: int = 0
    right: int = 0
    abandoned: int = 0
    streak: int = 0
    open: bool = False

    def close(self, seconds: float) -> None:
        """Count the time of a round that takes no answer any more."""
        self.open = False
        self.spent += seconds

    def count(self, right: bool, critic: Critique | None) -> None:
        """Count an answer."""
        self.answered += 1
        self.right += right
        self.streak = self.streak + 1 if right else 0
        if self.critic_right is not None and critic:
            self.critic_right += critic.right

    @property
    def hardness(self) -> str:
        """How hard the newest round is, in words."""
        return f"{self.level}, thumbnails" if self.thumbnails else self.level

    @property
    def seconds_left(self) -> float | None:
        seconds = MODES[self.mode].seconds
        return None if seconds is None else max(seconds - self.spent, 0.0)

    @property
    def finished(self) -> bool:
        return not self.open and (self.seconds_left == 0 or self.number == self.length)

    @property
    def text(self) -> str:
        """How it goes, in a line."""
        if self.finished:
            start = "Time is up" if self.seconds_left == 0 else "Finished"
        else:
            start = f"Round {self.number}" + (f" of {self.length}" if self.length else "")
            start += f", {self.level}" if self.difficulty == FOLLOW else ""
        if not (self.answered or self.abandoned):
            return f"{start}."
        score = f"{self.right} of {self.answered} right"
        if self.mode == "critic":
            score = f"you {self.right}, the critic {self.critic_right}, of {self.answered}"
        return f"{start}: {score}" + (f", {self.abandoned} skipped." if self.abandoned else ".")

    def standing(self) -> Standing:
        """A snapshot to hand out."""
        return Standing(**{field.name: getattr(self, field.name) for field in fields(Standing)})
