"""How long the commands take to answer, with warm disk caches: `python -m benchmarks.starting`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.timing import machine, seconds_each
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.system import available_cpus
from stylegrow.common.tables import markdown_table

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    "-m stylegrow --help",
    "-m stylegrow models list",
    "-m stylegrow metrics --help",
    "-m stylegrow data --help",
    "-m app --help",
    "train/progan.py --help",
    "train/stylegan.py --help",
)
PATIENCE = 300.0  # seconds for the app


@dataclass(frozen=True)
class Options:
    """Start each command several times, after once to warm up, and print the median seconds until it ends."""

    times: int = 5
    """Starts of each that are timed."""
    app: bool = True
    """Also how long `python -m app` takes until it answers a browser."""


def run(command: str) -> None:
    """Run a command to its end. SystemExit with its message where it fails."""
    done = subprocess.run([sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"error: {command} failed: {done.stderr.strip()[-300:]}")


def seconds_to_serve() -> float:
    """Seconds until the app answers, started on a port that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with tempfile.TemporaryDirectory() as files:
        start = time.perf_counter()
        words = [sys.executable, "-m", "app", "--port", str(port)]
        environment, nowhere = os.environ | {"GRADIO_TEMP_DIR": files}, subprocess.DEVNULL
        app = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=nowhere, stderr=nowhere)
        try:
            while not answers(f"http://127.0.0.1:{port}/"):
                if app.poll() is not None or time.perf_counter() - start > PATIENCE:
                    raise SystemExit("error: the app did not start; see python -m app")
                time.sleep(0.02)
            return time.perf_counter() - start
        finally:
            app.terminate()
            app.wait()


def answers(url: str) -> bool:
    """Whether a page is served there."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.starting")
    print(machine(available_cpus()))
    found = {f"python {command}": seconds_each(partial(run, command), options.times) for command in COMMANDS}
    if options.app:
        found["python -m app, until it answers"] = [seconds_to_serve() for _ in range(options.times + 1)][1:]
    rows = [[name, *(f"{of(times):.2f}" for of in (median, min, max))] for name, times in found.items()]
    print(markdown_table(["seconds from start to end", "median", "least", "most"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
