class ModelError(ValueError):
    """A model that cannot be found, read or written, with one line that names the file and says what is wrong."""


def one_line(error: BaseException) -> str:
    """What an exception of another library says, as one line."""
    return " ".join(str(error).split()) or type(error).__name__


def printable(text: object) -> str:
    """`text` with everything that a terminal cannot show in one line written as escapes: models come from anywhere."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))
