"""How a command runs: its options are read by tyro, and what goes wrong is one line and an exit status."""

import contextlib
import difflib
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Annotated, Any, Literal, NoReturn, TextIO, TypeVar, get_type_hints

import tyro
from tyro import _errors

from stylegrow.common.errors import InputError, RunError
from stylegrow.common.system import is_out_of_memory
from stylegrow.common.text import one_line, printable

# Options whose default, None, the help text explains.
Integer = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
Number = Annotated[float | None, tyro.conf.arg(metavar="NUMBER", help_behavior_hint="")]
Text = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
Folder = Annotated[str | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")]
File = Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]
DtypeName = Literal["float32", "bf16"]
Dtype = Annotated[DtypeName, tyro.conf.arg(metavar="{float32,bf16}")]

T = TypeVar("T")
BROKEN_PIPE = 141  # as a shell reports a program that SIGPIPE ended


def run_command(
    command: Callable[[], int | None],
    *,
    interrupted: str = "interrupted: run it again for the rest",
    less_memory: str = "use --batch 1, or --device cpu",
    quiet: bool = False,
) -> int:
    """Run a command and return its exit status; errors are lines on stderr, or nothing for a `quiet` process.

    The status is what `command` returns (None is 0), 2 for an InputError, 1 for a RunError, an OSError or too little
    memory, 130 when interrupted, 1 with a traceback for anything else, which is a mistake of ours. SIGTERM raises
    SystemExit with 143, so that what was begun is cleared away.
    """

    def fail(message: object, status: int) -> int:
        if not quiet:
            print(message, file=sys.stderr, flush=True)
        return status

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may hold what no terminal can show
    try:
        with _exit_by_sigterm():
            status = command()
        print(end="", flush=True)  # so that output that cannot be written is an error here
        return status or 0
    except InputError as error:
        return fail(f"error: {printable(one_line(error))}", 2)
    except BrokenPipeError:  # `... | head`: whoever read has seen enough
        discard(sys.stdout)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return fail(interrupted, 130)
    except Exception as error:
        if is_out_of_memory(error):
            return fail(f"error: there is not enough memory; {less_memory}", 1)
        if isinstance(error, OSError) and error.filename and error.strerror:
            return fail(f"error: {printable(error.filename)}: {error.strerror}", 1)
        if isinstance(error, RunError | OSError):
            return fail(f"error: {printable(one_line(error))}", 1)
        traceback.print_exc()
        return 1


def discard(stream: TextIO) -> None:
    """Have nobody read what is written to a stream from here on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def _exit_by_sigterm() -> Iterator[None]:
    """Has SIGTERM, where it would end the process at once, raise SystemExit."""

    def leave(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # timeout(1) sends it twice, which must not interrupt the clearing away
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def parse(
    kind: type[T],
    program: str,
    arguments: Sequence[str] | None = None,
    *,
    description: str | None = None,
) -> T:
    """Options of a dataclass or TypedDict from `arguments`, or sys.argv. InputError for what cannot be read."""

    def refuse(event: _errors.ParseErrorEvent) -> NoReturn:
        raise InputError(f"{_mistake(event, kind)}; {program} --help lists the options")

    # tyro's only way to give an error as data: private, so requirements.txt bounds its version.
    with _errors.on_parse_error(refuse):
        return tyro.cli(kind, prog=program, description=description, args=arguments)


def _mistake(event: _errors.ParseErrorEvent, kind: Any) -> str:
    """The option that cannot be read, and why."""

    def name(argument: Any) -> str:
        return str(argument.lowered.metavar) if argument.is_positional() else argument.display_name()

    match event:
        case _errors.BadValue(argument=argument):
            return f"{name(argument)}: give it a value"
        case _errors.InvalidChoice(argument=argument, value=value, choices=choices):
            given = ", ".join(sorted(set(choices) - {"None"}))
            return f"{name(argument)} {value!r}: give one of {given}"
        case _errors.InstantiationFailure(argument=argument) if argument:
            return f"{name(argument)}: cannot be read as {argument.lowered.metavar}"
        case _errors.UnrecognizedArgs(tokens=[token, *_]) | _errors.MissingArgs(unrecognized_tokens=[token, *_]):
            flags = ["--" + name.strip("_").replace("_", "-") for name in get_type_hints(kind)]
            meant = difflib.get_close_matches(token, flags, n=1)
            return f"{token!r}: there is no such option" + (f", perhaps {meant[0]} was meant" if meant else "")
        case _errors.MissingArgs(missing_arguments=[missing, *_]):
            return f"{name(missing.arg)}: is missing"
    return type(event).__name__
