"""Nicknames on the leaderboard: what may be one, and which are the same."""

import re
import unicodedata

from stylegrow.common.errors import InputError

SHORTEST_NAME, LONGEST_NAME = 2, 20
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # though they count as letters or signs
PILED_MARKS = "MMM"
# Not wanted anywhere in a word, with any letter repeated; as whole words. Both as `_skeleton` leaves them.
UNWANTED_PARTS = (
    *("fuck", "shit", "bitch", "nigger", "nigga", "faggot", "whore", "wanker", "asshole", "arsehole", "hitler"),
    *("pussy", "blowjob", "dildo", "bastard", "retard", "paedophil", "pedophil"),
)
UNWANTED_WORDS = (
    *("ass", "arse", "cock", "cum", "cunt", "cunts", "dick", "fag", "nazi", "nazis", "porn", "rape", "rapist"),
    *("sex", "slut", "tit", "tits", "twat"),
)
UNWANTED = re.compile("|".join("".join(f"{letter}+" for letter in word) for word in UNWANTED_PARTS))
LOOKALIKES = str.maketrans("0134578@$!|+", "oieastbasiit")


def checked_nickname(text: str) -> str:
    """A nickname as it is stored and shown, plain text that a page has to escape. InputError for others."""
    wanted = f"A nickname has {SHORTEST_NAME} to {LONGEST_NAME} letters, digits, spaces or signs."
    if not isinstance(text, str) or len(text) > 10 * LONGEST_NAME:
        raise InputError(wanted)
    name = re.sub(" +", " ", unicodedata.normalize("NFC", text).strip(" "))
    kinds = "".join(" " if letter == " " else unicodedata.category(letter)[0] for letter in name)
    # Neither control and invisible characters nor line ends, undefined and private ones, nor marks in piles.
    allowed = not set(kinds) - set("LNPSM ") and not set(name) & INVISIBLE and PILED_MARKS not in kinds
    if not (allowed and SHORTEST_NAME <= len(name) <= LONGEST_NAME and set(kinds) & set("LN")):
        raise InputError(wanted)
    if _is_unwanted(name):
        raise InputError("Please choose another nickname.")
    return name


def _is_unwanted(name: str) -> bool:
    words = _skeleton(name).split()
    words.append("".join(word for word in words if len(word) == 1))  # spelled out
    return any(UNWANTED.search(word) or word in UNWANTED_WORDS for word in words)


def _skeleton(name: str) -> str:
    """Small letters and spaces alone: without accents, with digits and signs as the letters that they resemble."""
    letters = unicodedata.normalize("NFKD", name).casefold().translate(LOOKALIKES)
    letters = "".join(letter for letter in letters if unicodedata.category(letter)[0] != "M")
    return "".join(letter if letter.isalpha() else " " for letter in letters)


def folded(name: str) -> str:
    """Equal for names that look alike."""
    return unicodedata.normalize("NFKC", name).casefold().replace(" ", "")
