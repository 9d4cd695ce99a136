"""What the game says: questions, buttons, results and tips."""

from __future__ import annotations

from collections.abc import Sequence

from app.game.rules import LETTERS, REAL, Mode

ROUND_OVER = "That round is over; press Next."
TOO_QUICK = "Answered in less than 0.15 seconds: not ranked."
TOO_EARLY = "Drawn while the app was still choosing pictures of this difficulty: not ranked."
TOO_LATE = "The time was over: not counted."
KNOWN_LIMIT = (
    "The ranking is for fun: nothing keeps a player from running a detector or searching the web for the pictures."
)
TIPS = (
    "Zoom into the background: generated ones often melt, or change in the middle of a line.",
    "Compare left with right: what comes in pairs (earrings, glasses, collars) often does not match.",
    "Look at hair and fur: strands that end nowhere or turn into smears are signs of a generator.",
    "Look at rows of small things, such as teeth: too many, too few, or grown together.",
    "Look where two colours meet: generated ones often bleed into each other.",
    "Look at where the eyes are: generators put them in nearly the same place in every picture.",
    "Look for writing and patterns: generated letters are no letters, and stripes lose count.",
)
FACE_TIPS = (
    "Follow the outlines: drawn ones are even and closed, generated ones fray, fade or double.",
    "Look at the fills: a drawn area has one flat colour, a generated one is often mottled.",
    "Compare the eyes: a drawing has a matching pair, a generator sometimes one of each kind.",
    "Look where hair meets background: generated edges are often soft or have a halo.",
    "Look at the mouth: the smallest shapes are the hardest, and the first to blur.",
    "Look at the clothes: a drawn collar has two sides that belong together.",
    "Look at the background: it should be one even colour right into the corners.",
)
DROPLET_TIP = "Look for a blob like a drop of water: StyleGAN leaves one in many pictures (Karras 2020, figure 1)."


def question(mode: Mode, noun: str) -> str:
    """What a round asks; it stands above the images."""
    if mode.images == 1:
        return f"Is this {noun} real or generated?"
    return f"Which of these {noun}s is real?" if mode.images > 2 else f"Which {noun} is real?"


def buttons(mode: Mode) -> tuple[str, ...]:
    """The text of the button of each choice."""
    return tuple(f"Picture {letter} is real" for letter in mode.choices) if mode.images > 1 else ("Real", "Generated")


def alternatives(mode: Mode) -> tuple[str, ...]:
    """What stands for the images where they cannot be seen, and above them."""
    return tuple(f"Picture {letter}" for letter in LETTERS[: mode.images]) if mode.images > 1 else ("Picture",)


def banner(opening: str, mode: Mode, truth: str, noun: str) -> str:
    """The result in a line, such as "Correct - A is the real face."."""
    if mode.images > 1:
        return f"{opening} - {truth} is the real {noun}."
    return f"{opening} - this {noun} {'is real' if truth == REAL else 'was generated'}."


def critic_says(scores: Sequence[float], choice: str, right: bool, threshold: float | None) -> str:
    """What the critic scored and took for real."""
    if threshold is not None:
        opinion = f"scores it {scores[0]:.1f}, where {threshold:.1f} and more is real, and calls it {choice}"
    else:
        listed = ", ".join(f"{letter} {score:.1f}" for letter, score in zip(LETTERS, scores, strict=False))
        opinion = f"scores {listed} and takes {choice} for the real one"
    return f"The critic {opinion}: {'right' if right else 'wrong'}."


def caption(noun: str, seed: int | None = None, psi: float | None = None, name: str | None = None) -> str:
    """What an image was; without a seed it is real."""
    if seed is None:
        return f"real {noun}"
    return ", ".join(
        ["generated", f"seed {seed}", *([] if name is None else [name]), *([] if psi is None else [f"psi {psi:g}"])]
    )


def tip(number: int, noun: str, styled: bool) -> str:
    """The tips in turn, those that suit data and model."""
    suitable = (FACE_TIPS if noun == "face" else TIPS) + ((DROPLET_TIP,) if styled else ())
    return suitable[number % len(suitable)]
