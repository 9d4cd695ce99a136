"""Text from anywhere, such as file names and other libraries' messages, as parts of one line."""


def printable(text: object) -> str:
    """`text` with everything a terminal cannot show in one line (line ends, undecodable bytes) written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


def one_line(error: BaseException) -> str:
    """What an exception of another library says, as one line."""
    return " ".join(str(error).split()) or type(error).__name__
