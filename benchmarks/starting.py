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
from pathlib import Path
from statistics import median

import tyro

from benchmarks.timing import machine
from stylegrow.common.system import available_cpus
from stylegrow.common.tables import markdown_table

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    ("-m", "stylegrow", "--help"),
    ("-m", "stylegrow", "models", "list"),
    ("-m", "stylegrow", "metrics", "--help"),
    ("-m", "stylegrow", "data", "--help"),
    ("-m", "app", "--help"),
    ("train/progan.py", "--help"),
    ("train/stylegan.py", "--help"),
)
PATIENCE = 300.0  # seconds for the app


@dataclass(frozen=True)
class Options:
    """Start each command several times, after once to warm up, and print the median seconds until it ends."""

    times: int = 5
    """Starts of each that are timed."""
    app: bool = True
    """Also how long `python -m app` takes until it answers a browser."""


def until_it_ends(words: tuple[str, ...]) -> float:
    """Seconds of a command. SystemExit with what it said where it fails."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"error: {' '.join(words)} failed: {done.stderr.strip()[-300:]}")
    return seconds


def until_it_listens() -> float:
    """Seconds until the app answers, started on a port that nobody uses."""
    port = free_port()
    words = [sys.executable, "-m", "app", "--port", str(port)]
    with tempfile.TemporaryDirectory() as files:
        start = time.perf_counter()
        app = subprocess.Popen(
            words,
            cwd=ROOT,
            env=os.environ | {"GRADIO_TEMP_DIR": files},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not answers(port):
                if app.poll() is not None or time.perf_counter() - start > PATIENCE:
                    raise SystemExit("error: the app did not start; see python -m app")
                time.sleep(0.02)
            return time.perf_counter() - start
        finally:
            app.terminate()
            app.wait()


def free_port() -> int:
    """A port of this machine that nobody uses at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(port: int) -> bool:
    """Whether a page is served there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def main() -> int:
    """The command line; returns the exit status."""
    options = tyro.cli(Options, description=Options.__doc__)
    print(machine(available_cpus()))
    rows = []
    for words in COMMANDS:
        until_it_ends(words)
        rows.append(row("python " + " ".join(words), [until_it_ends(words) for _ in range(options.times)]))
    if options.app:
        until_it_listens()
        rows.append(row("python -m app, until it answers", [until_it_listens() for _ in range(options.times)]))
    print(markdown_table(["seconds from start to end", "median", "least", "most"], rows))
    return 0


def row(name: str, seconds: list[float]) -> list[str]:
    """A line of the table."""
    return [name, *(f"{value:.2f}" for value in (median(seconds), min(seconds), max(seconds)))]


if __name__ == "__main__":
    sys.exit(main())
