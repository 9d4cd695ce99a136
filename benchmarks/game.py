"""How often one rule wins the game "Which is real?": of two pictures, the one whose corners are flatter is real.

python -m benchmarks.game

What it is right in more often than half of the rounds is given away by backgrounds alone.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from app.game.game import Game
from app.game.real_images import find_real_images
from app.game.rounds import GameModel
from app.game.rules import DIFFICULTIES
from app.game.statistics import Share
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.tables import markdown_table
from stylegrow.metrics.flatness import corner_deviations
from stylegrow.models.info import BUNDLED
from stylegrow.sampling.sampler import Sampler


@dataclass(frozen=True)
class Options:
    """Play pairs by the flatness of the upper corners of the files that players get, and count right answers."""

    models: tuple[str, ...] = BUNDLED
    """Models with real images of their own."""
    difficulties: tuple[str, ...] = ("easy", "hard")
    """Difficulties; the pictures of one are chosen before its first round and then as the rounds go on."""
    rounds: int = 200
    """Rounds of each difficulty."""
    seconds: float = 300.0
    """The most that a difficulty takes; rounds after that are not played."""
    seed: int = 0
    """Of chance."""


def unevenness(path: Path) -> float:
    """The standard deviation in grey levels of the evener of a picture's upper corners."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    return float(corner_deviations(pixels.transpose(2, 0, 1)[None])[0])


def played(options: Options, sampler: Sampler, difficulty: str, folder: Path) -> Share:
    """The rule's right answers."""
    end, right, count = time.monotonic() + options.seconds, 0, 0

    def start(work: Callable[[], None]) -> None:
        if DIFFICULTIES[difficulty].of > 1:
            work()

    model = GameModel(sampler, find_real_images(sampler), random.Random(options.seed), start)
    game = Game(folder, rng=random.Random(options.seed))
    model.prepare()
    while count < options.rounds and time.monotonic() < end:
        shown = game.new_round("rule", model, "pair", difficulty)
        choice = shown.choices[int(np.argmin([unevenness(path) for path in shown.pictures]))]
        right += game.answer("rule", shown.id, choice).right
        count += 1
    game.close()
    return Share(count, right)


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.game")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            sampler = Sampler(name, "cpu")
            for difficulty in options.difficulties:
                share = played(options, sampler, difficulty, Path(folder))
                low, high = share.interval
                rows.append([name, difficulty, str(share.n), f"{share.accuracy:.1%}", f"{low:.0%} to {high:.0%}"])
    print(markdown_table(["model", "difficulty", "rounds", "right", "95 % interval"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
