"""Studies of many trainings: their processes."""

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmarks.units import Unit, run_units

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds


def held(line):
    """Say that it runs, and go on for ever."""
    with Path(line).open("w") as begun:
        begun.write("begun")
        begun.flush()
        threading.Event().wait()
    return {}


def study(folder):
    run_units([Unit("held", held, ("line",))], Path(folder), workers=1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_a_study_that_is_killed(tmp_path, number):
    os.mkfifo(tmp_path / "line")
    line = os.open(tmp_path / "line", os.O_RDONLY | os.O_NONBLOCK)
    code = f"from tests.benchmarks.test_units import study; study({str(tmp_path / 'work')!r})"
    places = {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | places)
    try:
        assert select.select([line], [], [], PATIENCE)[0]
        assert os.read(line, 100) == b"begun"
        process.send_signal(number)
        process.wait(PATIENCE)
        assert select.select([line], [], [], PATIENCE)[0]
        assert os.read(line, 100) == b""  # the worker held the other end
    finally:
        process.kill()
        process.wait()
        os.close(line)
