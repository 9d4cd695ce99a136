"""What is done to the program that should not be, and whether it holds: `python -m benchmarks.faults`.

Trainings are killed at random moments and meet a full disk, then are continued to the same bits; every kind of file
that is read is damaged, and so are requests to the app. The same faults for the same seed, but for the moments that a
clock decides. Nothing leaves this machine: the app is served at 127.0.0.1. All takes some ten minutes, --quick one.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.mutations import image_files, mutated, mutated_json
from benchmarks.timing import machine
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.errors import InputError, RunError
from stylegrow.common.tables import markdown_table
from stylegrow.data import Dataset, open_dataset

ROOT = Path(__file__).resolve().parents[1]
MODEL = "progan-toonhead64"
PICKLE = ROOT / "tests" / "oracle" / "pickles" / "progan2018_32.pkl"
# Growing from 4 to 8 px, with two checkpoints.
SMALL = (
    *("--fmap-max", "8", "--fmap-base", "32", "--z-dim", "8", "--batch", "16", "--kimg", "0.4", "--holdout", "8"),
    *("--stable-kimg", "0.1", "--fade-kimg", "0.1", "--snapshot-kimg", "0.2", "--checkpoint-kimg", "0.1"),
    *("--mixed-precision", "no"),
)
GENERATE = {"data": ["0", 1, 18, "const", 0, None, 4, 9, 1, "own", "png", MODEL]}
STARTING, ANSWERING, FINISHING = 120.0, 2.0, 60.0  # seconds for the app to start, for an answer, for images
AT_ONCE = 8  # requests
MOST_WORK = 5.0  # seconds of a processor that a damaged file may cost
CHANGES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")


@dataclass(frozen=True)
class Options:
    """Repeat the campaign of faults and print a table of what held."""

    seed: int = 0
    """of all that is drawn"""
    kills: int = 24
    """kills of a training, half of them at a change of a file or while it reaches the disk"""
    limits: int = 12
    """trainings that can write no file larger than a limit"""
    files: int = 200
    """damaged files of each kind"""
    requests: int = 200
    """damaged requests to the app"""
    quick: bool = False
    """a few of each"""


@dataclass
class Row:
    """How many faults of a kind there were, and what of them did not hold."""

    kind: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)

    def note(self, failure: str | None) -> None:
        """Count a fault, and what was wrong with how it was met."""
        self.tried += 1
        if failure:
            self.failures.append(failure)

    def cells(self) -> list[str]:
        """The row of the table."""
        failed = len(self.failures)
        return [self.kind, f"{self.tried:,}", f"{self.tried - failed:,}", self.failures[0] if failed else ""]


@dataclass(frozen=True)
class Fault:
    """What is done to a training: SIGKILL at the so many-th change of a file or at a time, or a limit of file sizes."""

    change: int | None = None
    seconds: float | None = None
    most_bytes: int | None = None


def train(words: list[str], folder: Path, fault: Fault) -> None:
    """Train in this process, which a fault may end; its exit status is the command's."""
    os.chdir(folder)
    for stream in (1, 2):
        os.dup2(os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.environ["STYLEGROW_CACHE"] = str(folder.parent / "cache")
    import torch

    from train.command import main

    torch.set_num_threads(1)
    if fault.change is not None:
        _kill_at(fault.change)
    if fault.seconds is not None:
        signal.setitimer(signal.ITIMER_REAL, fault.seconds)  # whose signal ends the process wherever it is
    if fault.most_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.most_bytes, resource.RLIM_INFINITY))
    sys.argv = ["progan.py", *words]
    status = main("progan", "Train.")
    sys.stdout.flush()
    os._exit(status)


def _kill_at(change: int) -> None:
    """Have this process killed at a change of a file: Python announces each; before and after a file is synced."""
    left, sync = change, os.fsync

    def count(event: str, _arguments: Any = ()) -> None:
        nonlocal left
        if event in CHANGES:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def syncing(fd: Any) -> None:
        count("open")
        sync(fd)
        count("open")

    os.fsync = syncing
    sys.addaudithook(count)


class Trainings:
    """Small trainings, each in a folder of its own, and how they end when nothing goes wrong."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["train.run.start", "torch._dynamo"])
        draw = np.random.default_rng(0)
        for index in range(48):
            path = top / "images" / f"{index:02d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
        self.prepared = open_dataset(top / "images", cache=top / "cache", quiet=True).path
        start = time.monotonic()
        self.run(top / "whole")
        self.seconds = time.monotonic() - start
        self.state = self.end_of(top / "whole")

    def run(self, folder: Path, fault: Fault = Fault(), resume: bool = False) -> int | None:
        """Train in a folder; returns the exit status."""
        folder.mkdir(exist_ok=True)
        words = ["--resume"] if resume else [*SMALL, "--data", str(self.top / "images")]
        process = self._processes.Process(target=train, args=(words, folder, fault))
        process.start()
        process.join()
        return process.exitcode

    def end_of(self, folder: Path) -> bytes:
        """The whole state in which a training has ended; empty where there is none."""
        paths = sorted(folder.glob("runs/*/checkpoints/[0-9]*/state.safetensors"))
        return paths[-1].read_bytes() if paths else b""

    def failure(self, folder: Path, fault: Fault) -> str | None:
        """What is wrong where a training meets a fault, and is then continued, or started where it had not begun."""
        status = self.run(folder, fault)
        said = (folder / "said.txt").read_text(errors="replace")
        if "Traceback" in said or (status is not None and status > 2):
            return f"{fault}: status {status}, {said[-200:]!r}"
        begun = any(folder.glob("runs/*/options.json"))
        if status and (again := self.run(folder, resume=begun)):
            said = (folder / "said.txt").read_text(errors="replace")
            return f"{fault}: continued with status {again}, {said[-200:]!r}"
        return None if self.end_of(folder) == self.state else f"{fault}: ended in other bits"


def trainings(options: Options, work: Trainings) -> Iterator[Row]:
    """Kills and full disks."""
    draw = random.Random(options.seed)
    changes, clock = Row("kill at a change or a sync of a file"), Row("kill at any time")
    limits = Row("full disk: a file that cannot grow")
    for number in range(options.kills):
        by_clock = number % 2
        fault = Fault(seconds=draw.uniform(0, work.seconds)) if by_clock else Fault(change=draw.randrange(1, 800))
        (clock if by_clock else changes).note(work.failure(work.top / f"kill-{number}", fault))
    for number in range(options.limits):
        fault = Fault(most_bytes=int(10 ** draw.uniform(1, 5)))
        limits.note(work.failure(work.top / f"limit-{number}", fault))
    yield from (changes, clock, limits)


def damaged(kind: str, contents: Iterator[bytes], use: Callable[[bytes], object]) -> Row:
    """Damaged files that must be used or refused in one line, and without much work."""
    row = Row(kind)
    for content in contents:
        failure, end = None, time.process_time() + MOST_WORK
        try:
            use(content)
        except InputError as error:
            failure = f"more than a line: {error}" if "\n" in str(error) else None
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"[:200]
        row.note(failure or ("takes long" if time.process_time() > end else None))
    return row


def own_files(options: Options, work: Trainings) -> Iterator[Row]:
    """Every JSON file that the program writes, and its weights."""
    from stylegrow.models import load_generator
    from stylegrow.models.config import read_config_of
    from stylegrow.models.evaluation import Evaluation, MetricResult, read_evaluation
    from train.config.images import Images
    from train.config.run_config import RunConfig
    from train.run import checkpoints
    from train.run.statistics import read_lines

    (run,) = (work.top / "whole" / "runs").iterdir()
    checkpoint = checkpoints.checkpoints_in(run / "checkpoints")[0]

    def state() -> None:
        try:
            found = checkpoints.read(checkpoint).facts
        except checkpoints.BadCheckpointError:
            return
        if json.loads(found.model_dump_json()) != facts:
            raise AssertionError("other facts are believed")

    def dataset() -> None:
        opened = Dataset(work.prepared)
        opened.names, opened.report_lines(), opened.split(8)

    def cached() -> None:
        open_dataset(work.top / "images", cache=work.top / "cache", workers=1, quiet=True)

    measured = work.top / "metrics.json"
    measured.write_text(Evaluation(results=[MetricResult(name="fid", samples=8, value=1.5)]).model_dump_json())
    facts = json.loads((checkpoint / "state.json").read_bytes())
    readers: dict[Path, Callable[[], object]] = {
        run / "options.json": lambda: RunConfig.read(run),
        run / "images.json": lambda: Images.read(run),
        run / "stats.jsonl": lambda: read_lines(run / "stats.jsonl"),
        checkpoint / "state.json": state,
        checkpoint / "state.safetensors": state,
        run / "model" / "config.json": lambda: read_config_of(run / "model"),
        run / "model" / "model.safetensors": lambda: load_generator(run / "model"),
        measured: lambda: read_evaluation(measured),
        **{work.prepared / f"{name}.json": dataset for name in ("pyramid", "names", "report")},
        **dict.fromkeys((work.top / "cache").glob("*.json"), cached),
    }
    for path, read in readers.items():
        whole = path.read_bytes()

        def use(content: bytes, path: Path = path, read: Callable[[], object] = read) -> None:
            path.write_bytes(content)
            read()

        make = mutated_json if path.suffix == ".json" else mutated
        name = "".join(path.suffixes) if read is cached else path.name
        yield damaged(name, make(whole, options.files, options.seed), use)
        path.write_bytes(whole)


def pickles(options: Options, work: Trainings) -> Row:
    """Published weights."""
    from stylegrow.models.official.pickles import read_pickle

    path = work.top / "weights.pkl"

    def use(content: bytes) -> None:
        path.write_bytes(content)
        read_pickle(path)

    return damaged("pickle of published weights", mutated(PICKLE.read_bytes(), options.files, options.seed), use)


def images(options: Options) -> Row:
    """Images of every format."""
    from stylegrow.data.decoding import open_image, square
    from stylegrow.data.request import Shape
    from stylegrow.data.unusable import UnusableError, explained

    def use(content: bytes) -> None:
        with contextlib.suppress(UnusableError), explained(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            square(open_image(io.BytesIO(content)), Shape(8, 3))

    files = image_files()
    each = max(options.files // len(files), 1)
    return damaged("image", (one for file in files.values() for one in mutated(file, each, options.seed)), use)


def zips(options: Options, work: Trainings) -> Row:
    """Zip files of images."""
    file, path = io.BytesIO(), work.top / "images.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for image in sorted((work.top / "images").iterdir())[:3]:
            archive.write(image, image.name)
        archive.writestr("dataset.json", json.dumps({"labels": [["00.png", 0], ["01.png", 1], ["02.png", 0]]}))

    def use(content: bytes) -> None:
        path.write_bytes(content)
        open_dataset(path, resolution=8, cache=work.top / "zips", workers=1, quiet=True)

    return damaged("zip of images", mutated(file.getvalue(), options.files, options.seed), use)


def requests(options: Options, work: Trainings) -> Row:
    """Requests to the app: none may be a mistake of its own, and images must come at the end."""
    row = Row("request to the app")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    log = work.top / "app.txt"
    words = [sys.executable, "-m", "app", "--host", "127.0.0.1", "--port", str(port), "--model", MODEL]
    with (
        log.open("wb") as said,
        subprocess.Popen([*words, "--device", "cpu"], cwd=ROOT, stdout=said, stderr=said) as app,
    ):
        try:
            end = time.monotonic() + STARTING
            while b"Stylegrow is at" not in log.read_bytes():
                if time.monotonic() > end or app.poll() is not None:
                    raise RunError(f"the app does not start: {log.read_text(errors='replace')[-300:]}")
                time.sleep(0.1)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for failure in pool.map(lambda sent: _mistake(port, sent), _damaged_requests(options)):
                    row.note(failure)
            row.note(None if _generates(port) else "there are no images any more")
        finally:
            app.terminate()
            status = app.wait()
    row.note(None if status == 128 + signal.SIGTERM else f"status {status} by SIGTERM")
    text = log.read_text(errors="replace")
    row.note(f"the log: {text[-200:]!r}" if "Traceback" in text else None)
    return row


def _request(body: bytes, method: str = "POST", place: str = "call/generate") -> bytes:
    """An HTTP request for an image."""
    head = f"{method} /gradio_api/{place} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _damaged_requests(options: Options) -> Iterator[bytes]:
    """By turns damaged anywhere, and with a body that is another than it should be."""
    body = json.dumps(GENERATE).encode()
    anywhere = mutated(_request(body), options.requests, options.seed)
    bodies = mutated_json(body, options.requests, options.seed)
    for number in range(options.requests):
        yield _request(next(bodies)) if number % 2 else next(anywhere)


def _mistake(port: int, sent: bytes) -> str | None:
    """What is wrong with the answer to a request; None of one that waits for more, or for its turn (503)."""
    answer = _answer(port, sent, ANSWERING)
    status = answer[9:12]
    wrong = (answer and not answer.startswith(b"HTTP/1.")) or (status >= b"500" and status != b"503")
    return f"{answer[:100]!r} to {sent[:200]!r}" if wrong or b"Traceback" in answer else None


def _generates(port: int) -> bool:
    """Whether an image is still to be had."""
    end = time.monotonic() + FINISHING
    while time.monotonic() < end:
        begun = _answer(port, _request(json.dumps(GENERATE).encode()), FINISHING)
        if begun.startswith(b"HTTP/1.1 200"):
            job = json.loads(begun.partition(b"\r\n\r\n")[2])["event_id"]
            return b"event: complete" in _answer(port, _request(b"", "GET", f"call/generate/{job}"), FINISHING)
        time.sleep(0.5)
    return False


def _answer(port: int, sent: bytes, seconds: float) -> bytes:
    """What the app sends until it closes the connection, or for so long."""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(sent)
        while piece := connection.recv(1 << 16):
            answer += piece
    return answer


def campaign(options: Options) -> Iterator[Row]:
    """The rows of the table, each when it is done."""
    if options.quick:
        options = Options(options.seed, kills=2, limits=1, files=28, requests=28)
    with tempfile.TemporaryDirectory() as top:
        work = Trainings(Path(top))
        yield from own_files(options, work)
        yield pickles(options, work)
        yield images(options)
        yield zips(options, work)
        if options.requests:
            yield requests(options, work)
        yield from trainings(options, work)


def main() -> int:
    """Run the command; returns its exit status."""

    def run() -> int:
        options = parse(Options, "python -m benchmarks.faults")
        rows = []
        with contextlib.redirect_stderr(io.StringIO()):  # what preparing images tells
            for row in campaign(options):
                print(f"{row.kind}: {row.tried}", file=sys.__stderr__, flush=True)
                rows.append(row)
        print(f"{machine(threads=1)}, seed {options.seed}\n")
        print(markdown_table(["fault", "tried", "held", "the first that did not"], [row.cells() for row in rows]))
        return int(any(row.failures for row in rows))

    return run_command(run)


if __name__ == "__main__":
    sys.exit(main())
