"""The one exception of this room."""


class DataError(ValueError):
    """A user's mistake about data: one line that names the file or option, says what is wrong and what to do."""


def printable(text: object) -> str:
    """`text` with everything a terminal cannot show in one line (line ends, undecodable bytes) written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))
