"""What the command lines have in common: kinds of options, and one line for what is wrong, not its library's box."""

import contextlib
import io
import re
import sys
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import tyro

# Options whose default, None, the help text explains.
Integer = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
Number = Annotated[float | None, tyro.conf.arg(metavar="NUMBER", help_behavior_hint="")]
Text = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
DtypeName = Literal["float32", "bf16"]
Dtype = Annotated[DtypeName, tyro.conf.arg(metavar="{float32,bf16}")]

T = TypeVar("T")


def write_any_name() -> None:
    """Have the program's output write what the terminal cannot show, such as odd file names, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def parsed(read: Callable[[], T], program: str, error: type[Exception]) -> T:
    """What `read` gets from tyro. Raises `error`, with one line, where tyro would print its own and exit."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return read()
    except SystemExit as ending:
        if not ending.code:
            raise
    raise error(one_line(said.getvalue(), program))


def one_line(message: str, program: str) -> str:
    """The text in tyro's box as one sentence."""
    # The box is drawn in ASCII where the terminal has no more.
    lines = [re.sub(r"^[│|]|[│|]$", "", line.strip()).strip() for line in message.splitlines()]
    lines = [line for line in lines if not re.fullmatch(r"[╭╰╮╯─+-]*|For full helptext.*", line)][1:]
    text, *more = re.split(r" (?:Got errors:|Argument helptext:|Perhaps you meant:?)", " ".join(lines), maxsplit=1)
    if unfit := re.match(r"Error parsing (\S+): .*'(.*)'\]?\.?$", text):
        text, more = f"{unfit[1]} cannot be {unfit[2]!r}", []
    text = re.sub("'None', |, 'None'", "", text).replace("Expected 1 values", "Give one").rstrip(".")
    if more and (meant := re.match(r"\s*(--\S+)", more[0])):
        text += f", perhaps {meant[1]} was meant"
    return f"{text}; {program} --help lists the options"
