"""How commands read their options and end: one line for each mistake, and the exit statuses."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
import tyro

from stylegrow.common.commandline import BROKEN_PIPE, Dtype, Integer, Number, parse, run_command
from stylegrow.common.errors import DataError, RunError


@dataclass(frozen=True, kw_only=True)
class Options:
    """Some of every kind."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    seeds: str = "0-7"
    frames: int = 3
    trunc: Number = None
    batch: Integer = None
    dtype: Dtype = "float32"
    loop: bool = True
    space: Literal["z", "w"] | None = None


def read(*words):
    return parse(Options, "P", words)


def test_values_may_begin_with_a_minus():
    words = ["m", "--seeds", "-1,-.5", "--frames", "5", "--trunc", "-.5", "--no-loop", "--space", "w"]
    assert read(*words) == Options(model="m", seeds="-1,-.5", frames=5, trunc=-0.5, loop=False, space="w")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["m", "--frames", "1.5"], ["--frames", "INT"]),
        (["m", "--trunc", "x"], ["--trunc", "NUMBER"]),
        (["m", "--dtype", "int8"], ["--dtype 'int8'", "bf16, float32"]),
        (["m", "--space", "q"], ["--space 'q'", "w, z"]),
        (["m", "--batch"], ["--batch"]),
        (["m", "--batch", "--loop"], ["--batch"]),
        (["m", "--sed", "1"], ["'--sed'", "--seeds"]),
        (["m", "more"], ["'more'"]),
        ([], ["MODEL"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_option_and_the_help(words, parts, capsys):
    assert run_command(lambda: print(read(*words))) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: ")
    assert err.endswith("; P --help lists the options\n")
    for part in parts:
        assert part in err


def ending(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (DataError("two\nlines\x1b"), 2, "error: two lines\\x1b"),
        (RunError("no"), 1, "error: no"),
        (OSError(28, "No space left on device", "a/b"), 1, "error: a/b: No space left on device"),
        (OSError("odd"), 1, "error: odd"),
        (MemoryError(), 1, "error: there is not enough memory; less of it"),
        (RuntimeError("can't allocate memory"), 1, "error: there is not enough memory; less of it"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_line_and_a_status(error, status, line, capsys):
    assert run_command(ending(error), interrupted="stopped", less_memory="less of it") == status
    assert capsys.readouterr().err == f"{line}\n"
    assert run_command(ending(error), quiet=True) == status
    assert capsys.readouterr().err == ""


def test_our_own_mistakes_are_told_in_full(capsys):
    assert run_command(ending(KeyError("key"))) == 1
    assert "Traceback" in capsys.readouterr().err


def test_the_status_is_what_the_command_returns():
    assert run_command(lambda: None) == 0
    assert run_command(lambda: 143) == 143


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_sigterm_lets_a_command_clear_away_also_when_it_comes_twice():
    cleared = []

    def command():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleared.append(True)

    with pytest.raises(SystemExit) as ended:
        run_command(command)
    assert ended.value.code == 143
    assert cleared
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


PRINTING = "from stylegrow.common.commandline import run_command; raise SystemExit(run_command(lambda: print('x')))"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
def test_output_that_cannot_be_written_is_a_line():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        ended = subprocess.run([sys.executable, "-c", PRINTING], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 1
    assert re.fullmatch("error: .*No space left on device\n", ended.stderr)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_output_that_nobody_reads_any_more_is_no_mistake():
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run([sys.executable, "-c", PRINTING], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (BROKEN_PIPE, "")
