"""How well somebody tells real from generated: accuracy and its interval, luck, and what signal detection measures."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from statistics import NormalDist, median
from threading import Lock

import numpy as np

from app.game.rules import DIFFICULTIES

Z95 = NormalDist().inv_cdf(0.975)
CONFIDENCES = ("sure", "think", "guess")
PUBLISHED = (
    "For comparison: with photographs of faces and those of StyleGAN2, people were right in 48 % of the cases, and in "
    "59 % after training (Nightingale and Farid, 2022)."
)
LEAST_TOLD = 6  # answers, the asker's own among them; of fewer, an aggregate would show what one visitor did
MOST_TALLIED = 20_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one round. Of a round that was left without an answer the truth stays untold.

    `options` is how many answers there were to choose from; `right`, `choice`, `truth` and `seconds` are None for an
    abandoned round, `psi` for a model without truncation; `ranked` is whether the leaderboard would count the round.
    """

    mode: str
    difficulty: str
    psi: float | None
    options: int
    right: bool | None = None
    choice: str | None = None
    truth: str | None = None
    seconds: float | None = None
    confidence: str | None = None
    ranked: bool = False
    critic_right: bool | None = None


@dataclass(frozen=True)
class Share:
    """`right` of `n`, with the ends of its 95 % interval; 0 of 0 has the accuracy 0 and the interval 0 to 1."""

    n: int
    right: int

    @property
    def accuracy(self) -> float:
        return self.right / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.right, self.n)


@dataclass(frozen=True)
class Summary:
    """All that the statistics page shows; fractions are 0 to 1, times in seconds, None where there is nothing to tell.

    Attributes:
        all: answered rounds. `abandoned` ones are counted apart, and end a streak.
        chance: the accuracy of guessing.
        p: how probable so many right answers, or more, are by guessing; `words` says it in a sentence.
        dprime, bias: of the rounds with one image, see `signal_detection`.
        by_confidence, by_difficulty: shares of the rounds, only those that are there; from easy to hard.
    """

    all: Share
    abandoned: int
    chance: float | None
    p: float | None
    words: str
    streak: int
    best_streak: int
    median_seconds: float | None
    dprime: float | None
    bias: float | None
    by_confidence: dict[str, Share]
    by_difficulty: dict[str, Share]


def summarise(outcomes: Iterable[Outcome]) -> Summary:
    """The statistics of rounds in the order in which they were played."""
    rounds = list(outcomes)
    answered = [one for one in rounds if one.right is not None]
    options = [one.options for one in answered]
    right = sum(bool(one.right) for one in answered)
    p = luck(right, options) if answered else None
    streak, best = _streaks(rounds)
    dprime, bias = _single(answered)
    known = list(DIFFICULTIES)
    difficulties = sorted(
        {one.difficulty for one in answered}, key=lambda name: (known.index(name.split(",")[0]), name)
    )
    confidences = {name: _share([one for one in answered if one.confidence == name]) for name in CONFIDENCES}
    return Summary(
        all=Share(len(answered), right),
        abandoned=len(rounds) - len(answered),
        chance=sum(1 / n for n in options) / len(options) if options else None,
        p=p,
        words=in_words(right, options),
        streak=streak,
        best_streak=best,
        median_seconds=median(one.seconds or 0.0 for one in answered) if answered else None,
        dprime=dprime,
        bias=bias,
        by_confidence={name: share for name, share in confidences.items() if share.n},
        by_difficulty={name: _share([one for one in answered if one.difficulty == name]) for name in difficulties},
    )


def wilson(right: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion, of 95 % by default; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    share, spread = right / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return (0.0 if right == 0 else middle - half), (1.0 if right == n else middle + half)


def luck(right: int, options: Sequence[int]) -> float:
    """The probability of at least `right` right answers by guessing, where round i offers options[i] answers.

    Exact: one binomial for each number of options, convolved in whole numbers.
    """
    ways, total = _ways(options)
    return sum(ways[max(right, 0) :]) / total


def in_words(right: int, options: Sequence[int]) -> str:
    """What the number of right answers says about luck, in a sentence."""
    if not options:
        return "No answers yet."
    ways, total = _ways(options)
    better, worse = sum(ways[right:]) / total, sum(ways[: right + 1]) / total
    if worse < 0.05:
        return "Worse than guessing: the generated ones look more real to you."
    if better >= 0.05:
        return "This could still be luck."
    if better >= 0.01:
        return f"Probably not luck: guessing does as well in {better:.0%} of the cases."
    if better >= 0.001:
        return f"Hardly luck: guessing does as well in {better:.1%} of the cases."
    return "Not luck: guessing does as well in fewer than 1 of 1,000 cases."


def signal_detection(hits: int, real: int, false_alarms: int, generated: int) -> tuple[float, float]:
    """(d', c) of telling real from generated; c > 0 is a leaning towards "generated".

    Of `real` images `hits` were called real, of `generated` ones `false_alarms`. Rates are (x + 0.5) / (n + 1), the
    log-linear correction (Hautus 1995), which keeps rates of 0 and 1 finite.
    """
    quantile = NormalDist().inv_cdf
    hit, alarm = quantile((hits + 0.5) / (real + 1)), quantile((false_alarms + 0.5) / (generated + 1))
    return hit - alarm, -(hit + alarm) / 2


def to_csv(outcomes: Iterable[Outcome]) -> str:
    """A line a round, under a line of names."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["round", *(field.name for field in fields(Outcome))])
    for number, outcome in enumerate(outcomes, 1):
        rows.writerow([number, *(_cell(value) for value in astuple(outcome))])
    return text.getvalue()


class Tally:
    """How often images and models fooled their players, counted over all visitors without saying who; thread-safe."""

    def __init__(self) -> None:
        self._counts: OrderedDict[object, tuple[int, int]] = OrderedDict()
        self._lock = Lock()

    def add(self, key: object, fooled: bool) -> None:
        """Count one answer; what has not been counted for longest is forgotten first."""
        with self._lock:
            n, times = self._counts.pop(key, (0, 0))
            self._counts[key] = n + 1, times + fooled
            if len(self._counts) > MOST_TALLIED:
                self._counts.popitem(last=False)

    def share(self, key: object) -> Share | None:
        """How many answers were given (`n`) and were wrong (here `right` is the times it fooled), from 6 on."""
        with self._lock:
            n, times = self._counts.get(key, (0, 0))
        return Share(n, times) if n >= LEAST_TOLD else None


def _ways(options: Sequence[int]) -> tuple[list[int], int]:
    """(in how many ways guesses give 0, 1, ... right answers, how many ways there are in all)."""
    ways, total = np.array([1], dtype=object), 1  # whole numbers of any size
    for choices, n in Counter(options).items():
        own = [math.comb(n, k) * (choices - 1) ** (n - k) for k in range(n + 1)]
        ways, total = np.convolve(ways, np.array(own, dtype=object)), total * choices**n
    return ways.tolist(), total


def _share(answered: Sequence[Outcome]) -> Share:
    return Share(len(answered), sum(bool(one.right) for one in answered))


def _streaks(rounds: Iterable[Outcome]) -> tuple[int, int]:
    streak = best = 0
    for one in rounds:
        streak = streak + 1 if one.right else 0
        best = max(best, streak)
    return streak, best


def _single(answered: Iterable[Outcome]) -> tuple[float | None, float | None]:
    """d' and bias of the rounds with one image, once there was one of either kind."""
    said = {"real": Counter[bool](), "generated": Counter[bool]()}
    for one in answered:
        if one.truth in said and one.choice in said:
            said[one.truth][one.choice == "real"] += 1
    real, generated = said["real"], said["generated"]
    if not (real.total() and generated.total()):
        return None, None
    return signal_detection(real[True], real.total(), generated[True], generated.total())


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
